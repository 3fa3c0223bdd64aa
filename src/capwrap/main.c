/* capwrap: runs a script with exactly the capabilities that its own file is granted. capwrap(1) has the rules. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "call.h"
#include "environment.h"
#include "grant.h"
#include "interpreter.h"
#include "log.h"
#include "refusal.h"
#include "script.h"
#include "shebang.h"

#define SELF "/proc/self/exe"

struct run {
	struct call call;
	struct script script;
	struct shebang shebang;
	struct stat self;
	uint64_t grant;
	struct interpreter interpreter;
	char **arguments;
	const char *environment[ENVIRONMENT_MAX];
};

static const char help[] =
	"usage: #!/usr/bin/capwrap [--env NAME[,NAME...]] [--contain] [--no-new-privs] INTERPRETER [ARG...]\n"
	"       in the first line of SCRIPT, and: setcap CAPABILITIES=i SCRIPT\n"
	"       capwrap LINE SCRIPT [ARG...]   as the kernel calls it\n"
	"       capwrap --help | --version\n"
	"\n"
	"Runs SCRIPT with exactly the inheritable capabilities of its file.\n"
	"\n"
	"  -e, --env NAME[,NAME...]  keep these of the caller's environment variables\n"
	"  -c, --contain             capabilities permitted only, and not for child processes\n"
	"  -n, --no-new-privs        nothing that the script starts gains privileges\n"
	"\n"
	"See capwrap(1), and capwrap-check(8), which tells what would happen and why.\n";

static int tell(const char *text)
{
	return write(STDOUT_FILENO, text, strlen(text)) < 0 ? 125 : 0;
}

static bool self_look(struct stat *self, struct refusal *refusal)
{
	return !stat(SELF, self) || refuse(refusal, LINE_SELF);
}

/* May this call run this script? In the order of capwrap(1). */
static bool decide(struct run *run, int argc, char **argv, struct refusal *refusal)
{
	return call_read(&run->call, argc, argv, refusal) &&
		script_open(&run->script, run->call.script, refusal) &&
		script_executable(&run->script, refusal) &&
		script_read(&run->script, refusal) &&
		shebang_split(&run->shebang, run->script.head, run->script.length, refusal) &&
		self_look(&run->self, refusal) &&
		shebang_of(&run->shebang, &run->self, run->call.line, refusal) &&
		shebang_parse(&run->shebang, refusal) &&
		grant_read(&run->grant, run->script.fd, refusal) &&
		interpreter_find(&run->interpreter, run->shebang.words[0], refusal) &&
		interpreter_trust(&run->interpreter, &run->self, run->grant, refusal) &&
		(!run->shebang.contain || interpreter_contains(&run->interpreter, run->grant, refusal)) &&
		shebang_channel(&run->shebang, run->interpreter.path.real, refusal) &&
		grant_below_ceiling(run->grant, run->call.permitted, SELF, refusal);
}

/* The interpreter, the line's arguments, the script, the caller's arguments. */
static bool arguments_build(struct run *run, struct refusal *refusal)
{
	size_t words = run->shebang.count, caller = (size_t)run->call.count;
	char **next = run->arguments = calloc(words + caller + 3, sizeof *next);

	if (!next)
		return refuse(refusal, EFFECT_MEMORY);
	memcpy(next, run->shebang.words, words * sizeof *next);
	*next = run->interpreter.found;
	next += words;
	*next++ = run->script.path.real;
	if (shebang_ends_in_file_option(&run->shebang))
		*next++ = (char *)"--";
	memcpy(next, run->call.arguments, caller * sizeof *next);
	return true;
}

/* Comes back only with a refusal. */
static bool run_script(struct run *run, struct refusal *refusal)
{
	const struct taking taking = {
		.grant = run->grant,
		.permitted = run->call.permitted,
		.ambient = !run->shebang.contain,
		.root = run->call.uid == 0,
		.no_new_privs = run->shebang.no_new_privs,
	};

	if (!arguments_build(run, refusal))
		return false;
	environment_build(run->environment, environ, run->shebang.kept);
	if (!grant_take(&taking, refusal))
		return false;
	log_granted(run->call.uid, run->script.path.real, run->grant, run->interpreter.found);
	execve(run->interpreter.found, run->arguments, (char *const *)run->environment);
	return refuse_about(refusal, INTERPRETER_EXEC, run->interpreter.found, errno);
}

int main(int argc, char **argv)
{
	struct run run = {0};
	struct refusal refusal = {0};
	const char *script;

	if (argc == 2 && !strcmp(argv[1], "--help"))
		return tell(help);
	if (argc == 2 && !strcmp(argv[1], "--version"))
		return tell("capwrap " VERSION "\n");

	if (decide(&run, argc, argv, &refusal) && run_script(&run, &refusal))
		return 0;

	free(run.arguments);
	script = refusal_texts[refusal.reason].rule > RULE_PATH ? run.script.path.real : run.call.script;
	log_refused(run.call.uid, script, &refusal);
	log_print(run.call.script, script, &refusal);
	return refusal_texts[refusal.reason].exit_code;
}
