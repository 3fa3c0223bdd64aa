/* Prints the table of interpreters, for the tests that prove it: names, files, applet, options, last, needs, added, command,
 * after, blocked, above, rereads and catalogues, with a tab between. */
#include <stdio.h>

#include "proven.h"

int main(void)
{
	const struct proven *row;

	for (size_t i = 0; (row = proven_row(i)); i++) {
		printf("%s\t%s\t%s\t%s\t%s\t%s\t", row->names, row->files, row->applet, row->options, row->last, row->needs);
		for (size_t j = 0; j < ADDED_MAX && *row->added[j]; j++)
			printf("%s%s", j ? " " : "", row->added[j]);
		printf("\t%s\t%s\t%llx\t%d\t%d\t%d\n", row->command, row->after, (unsigned long long)row->blocked, row->above, row->rereads,
			row->catalogues);
	}
	return 0;
}
