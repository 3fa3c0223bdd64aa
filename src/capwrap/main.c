/* capwrap: runs a script with exactly the capabilities that its own file is granted. capwrap(1) has the rules. */
#include <string.h>

#include "call.h"
#include "decision.h"
#include "effect.h"
#include "log.h"
#include "refusal.h"

static const char help[] =
	"usage: #!" BINDIR "/capwrap [OPTION...] [env [-S]] [NAME=VALUE...] INTERPRETER [ARG...]\n"
	"       in the first line of SCRIPT, and: setcap CAPABILITIES=ip SCRIPT\n"
	"       capwrap LINE SCRIPT [ARG...]   as the kernel calls it\n"
	"       capwrap --help | --version\n"
	"\n"
	"Runs SCRIPT with exactly the capabilities of its file.\n"
	"\n"
	"  -e, --env NAME[,NAME...]  keep these of the caller's environment variables\n"
	"  -c, --contain             capabilities permitted only, and not for child processes\n"
	"  -n, --no-new-privs        nothing that the script starts gains privileges\n"
	"  -u, --user NAME|UID[:GID] run as that user, with its groups\n"
	"  -C, --chdir DIRECTORY     run there\n"
	"  -U, --unproven            an interpreter that is not shown to keep the caller out\n"
	"\n"
	"See capwrap(1), and capwrap-check(8), which tells what would happen and why.\n";

/* Static: too large for a stack that the caller limits. */
static struct call call;
static struct decision decision;
static struct refusal refusal;

int main(int argc, char **argv)
{
	/* By binfmt_misc that is the name of a script. */
	bool option = argc == 2 && call_door() == DOOR_LINE;

	if (option && !strcmp(argv[1], "--help"))
		return log_tell(help);
	if (option && !strcmp(argv[1], "--version"))
		return log_tell("capwrap " VERSION "\n");

	if (call_read(&call, argc, argv, &refusal) &&
		decide(&decision, &call.start, &refusal))
		effect_run(&decision, &call, &refusal);

	log_refused(&decision, &call, &refusal);
	return refusal_texts[refusal.reason].exit_code;
}
