/* What capwrap would be without its rules: believes its arguments, and hands the capabilities of argv[2] to argv[1].
 * The tests show that an attack wins a capability here before they show that capwrap refuses it. Never installed. */
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char *words[64], *line, **arguments;
	int count = 0, given = 0;
	cap_t file, caps = cap_init();

	if (argc < 3)
		return 125;
	file = cap_get_file(argv[2]);
	for (cap_value_t cap = 0; file && cap < 64; cap++) {
		cap_flag_value_t in = CAP_CLEAR, may = CAP_CLEAR;

		cap_get_flag(file, cap, CAP_INHERITABLE, &in);
		cap_get_flag(file, cap, CAP_PERMITTED, &may);
		if (in == CAP_CLEAR && may == CAP_CLEAR)
			continue;
		cap_set_flag(caps, CAP_PERMITTED, 1, &cap, CAP_SET);
		cap_set_flag(caps, CAP_INHERITABLE, 1, &cap, CAP_SET);
	}
	cap_set_proc(caps);
	for (cap_value_t cap = 0; cap < 64; cap++)
		cap_set_ambient(cap, CAP_SET);

	line = strdup(argv[1]);
	for (char *word = strtok(line, " \t"); word && count < 63; word = strtok(NULL, " \t"))
		if (count || *word != '-')
			words[count++] = word;
		else if (!strcmp(word, "--env") || !strcmp(word, "-e"))
			strtok(NULL, " \t"); /* it keeps them all */
	arguments = calloc((size_t)(count + argc), sizeof *arguments);
	for (; given < count; given++)
		arguments[given] = words[given];
	for (int i = 2; i < argc; i++)
		arguments[given++] = argv[i];
	execvp(arguments[0], arguments);
	return 126;
}
