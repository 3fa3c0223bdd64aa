/* What an attacker loads into a running Java: copies the process's status, capability sets and all, to the file that
 * is named. Never installed. */
#include <stdio.h>

__attribute__((visibility("default"))) int Agent_OnAttach(void *machine, char *path, void *reserved);

int Agent_OnAttach(void *machine, char *path, void *reserved)
{
	FILE *from = fopen("/proc/self/status", "r"), *to = fopen(path, "w");
	char line[4096];

	(void)machine;
	(void)reserved;
	if (!from || !to)
		return 1;
	while (fgets(line, sizeof line, from))
		fputs(line, to);
	fclose(to);
	fclose(from);
	return 0;
}
