/* capwrap-grant: gives scripts their capabilities, and keeps them. capwrap-grant(8). */
#include <ctype.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apply.h"
#include "edit.h"
#include "give.h"
#include "names.h"
#include "say.h"
#include "show.h"
#include "status.h"
#include "work.h"

enum command { GRANT, EDIT, APPLY, STATUS, REVOKE };

static const char help[] =
	"usage: capwrap-grant [-Uc] [-u USER] [--sha256] CAPABILITIES SCRIPT...\n"
	"       capwrap-grant --edit SCRIPT\n"
	"       capwrap-grant --apply | --status [--json]\n"
	"       capwrap-grant --revoke SCRIPT...\n"
	"\n"
	"Puts capwrap into the first line of each SCRIPT, before its interpreter, gives the\n"
	"file CAPABILITIES, such as cap_net_raw,cap_kill, and lists it, so that --apply can\n"
	"give them again after an upgrade. Refuses what capwrap would not run.\n"
	"\n"
	"  -U, --unproven   write that into the line: you answer for its interpreter\n"
	"  -c, --contain    write that into the line: child processes get nothing\n"
	"  -u, --user USER  write that into the line: an account of its own\n"
	"      --sha256     list what the script holds, too: another is not granted\n"
	"  -e, --edit       edit it in $VISUAL or $EDITOR; it is never without its grant\n"
	"  -a, --apply      grant what is listed, and revoke what was granted and is not\n"
	"  -s, --status     tell what differs from the lists\n"
	"      --json       an array of objects, for programs\n"
	"  -r, --revoke     remove the capabilities, and the script from the list\n"
	"  -h, --help\n"
	"  -V, --version\n"
	"\n"
	"Exit status: 0 done, or nothing differs; 1 something is refused or differs;\n"
	"2 usage or trouble. See capwrap-grant(8).\n";

static int usage(const char *what)
{
	fprintf(stderr, "capwrap-grant: %s; see capwrap-grant --help\n", what);
	return TROUBLE;
}

/* Does one stand where only scripts are to be named? It would be taken for a name, and the scripts be granted without it. */
static bool has_option(char *const *words)
{
	while (*words && **words != '-')
		words++;
	return *words;
}

static int run(struct work *work, enum command command, char **words)
{
	struct text wrong = {.length = 0};
	int code = DONE;

	if (command == GRANT && words[0] && !names_parse(&work->capabilities, *words++, &wrong)) {
		fprintf(stderr, "capwrap-grant: %.*s\n", (int)wrong.length, wrong.bytes);
		return TROUBLE;
	}
	if (command == GRANT && *words && !strcmp(*words, "--"))
		words++;
	else if (command == GRANT && has_option(words))
		return usage("options stand before CAPABILITIES");
	if (command == APPLY || command == STATUS ? *words != NULL : !*words)
		return usage(*words ? "no script is to be named" : "no script is named");
	if (command == EDIT && words[1])
		return usage("--edit takes one script");
	if (command == STATUS)
		return ledger_read(&work->ledger) && lists_read(&work->lists) ? status_show(&work->lists, &work->ledger, work->json) : TROUBLE;
	if (geteuid())
		return usage("only root can grant: run it as root");
	if (command == EDIT)
		return script_edit(*words);
	if (!work_ready(work))
		return TROUBLE;
	if (command == APPLY)
		return lists_apply(work);
	for (; *words; words++)
		code = worse(code, command == GRANT ? script_grant(work, *words) : script_revoke(work, *words));
	return code;
}

/* Nothing of ours is to be where output goes. What was closed can't be written to, or read. */
static bool descriptors_open(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd ? O_RDONLY : O_WRONLY) != fd)
			return false;
	return true;
}

/* One word of a line, and no option. */
static bool is_word(const char *text)
{
	if (!*text || *text == '-')
		return false;
	for (; *text; text++)
		if (!isgraph((unsigned char)*text) && !((unsigned char)*text & 0x80))
			return false;
	return true;
}

static int told(int code)
{
	if (!fflush(stdout) && !ferror(stdout))
		return code;
	complain("standard output", "what was done can't be told there");
	return TROUBLE;
}

static enum command command_of(int option)
{
	return option == 'e' ? EDIT : option == 'a' ? APPLY : option == 's' ? STATUS : option == 'r' ? REVOKE : GRANT;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"unproven", no_argument, NULL, 'U'},
		{"contain", no_argument, NULL, 'c'},
		{"user", required_argument, NULL, 'u'},
		{"sha256", no_argument, NULL, 'H'},
		{"edit", no_argument, NULL, 'e'},
		{"apply", no_argument, NULL, 'a'},
		{"status", no_argument, NULL, 's'},
		{"revoke", no_argument, NULL, 'r'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	static struct work work;
	enum command command = GRANT;
	bool lines = false;

	(void)umask(022);
	(void)signal(SIGPIPE, SIG_IGN); /* what can't be written is an error as any other */
	(void)signal(SIGXFSZ, SIG_IGN);
	if (!descriptors_open())
		return TROUBLE;
	if (isatty(STDOUT_FILENO))
		show_on_terminal();
	for (int option; (option = getopt_long(argc, argv, "+Ucu:easrhV", options, NULL)) != -1;) {
		enum command named = command_of(option);

		if (named != GRANT && command != GRANT && named != command)
			return usage("one of --edit, --apply, --status and --revoke at a time");
		command = named != GRANT ? named : command;
		lines |= option == 'U' || option == 'c' || option == 'u' || option == 'H';
		switch (option) {
		case 'U': work.wanted.unproven = true; break;
		case 'c': work.wanted.contain = true; break;
		case 'u': work.wanted.user = optarg; break; /* the line's rules judge it, but for what would make more words of it */
		case 'H': work.hashed = true; break;
		case 'j': work.json = true; break;
		case 'e': case 'a': case 's': case 'r': break;
		case 'h':
			(void)fputs(help, stdout);
			return told(DONE);
		case 'V':
			puts("capwrap-grant " VERSION);
			return told(DONE);
		default:
			(void)fputs("capwrap-grant: see capwrap-grant --help\n", stderr);
			return TROUBLE;
		}
	}
	if (work.wanted.user && !is_word(work.wanted.user))
		return usage("--user takes a name or a number");
	if ((lines && command != GRANT) || (work.json && command != STATUS))
		return usage("an option does not go with the command");
	return told(run(&work, command, argv + optind));
}
