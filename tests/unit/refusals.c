/* Prints the list of refusals, for the tests that compare it with capwrap.1 and with what the program prints:
 * name, rule, exit code, reason, fix, with tabs between. */
#include <stdio.h>

#include "refusal.h"

int main(void)
{
	static const char *const names[] = {
#define REFUSAL(name, rule, exit_code, reason, fix) #name,
#include "refusals.h"
	};

	for (int i = 0; i < REASONS; i++) {
		const struct refusal_text *text = &refusal_texts[i];

		printf("%s\t%s\t%d\t%s\t%s\n", names[i], rule_names[text->rule], text->exit_code, text->reason,
			text->fix);
	}
	return 0;
}
