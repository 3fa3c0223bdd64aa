/* capwrap: runs a script with exactly the capabilities that its own file is granted. capwrap(1) has the rules. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syslog.h>
#include <unistd.h>

#include "call.h"
#include "decision.h"
#include "environment.h"
#include "grant.h"
#include "log.h"
#include "refusal.h"

static const char help[] =
	"usage: #!" BINDIR "/capwrap [--env NAME[,NAME...]] [--contain] [--no-new-privs] INTERPRETER [ARG...]\n"
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

static void log_granted(const struct decision *decision, uid_t uid)
{
	struct text text;

	log_begin(&text, LOG_INFO, "granted", uid, decision->script.path.real);
	text_add(&text, " capabilities=");
	text_add_capabilities(&text, decision->grant);
	text_add(&text, " interpreter=");
	text_add_quoted(&text, decision->interpreter.found);
	log_send(&text);
}

/* Comes back only with a refusal. */
static bool run(struct decision *decision, const struct call *call, struct refusal *refusal)
{
	const struct taking taking = {
		.grant = decision->grant,
		.permitted = call->permitted,
		.ambient = !decision->shebang.contain,
		.root = call->uid == 0,
		.no_new_privs = decision->shebang.no_new_privs,
	};
	const char *environment[ENVIRONMENT_MAX];
	const char *interpreter = decision->interpreter.found;
	char **arguments = mmap(NULL, decision_arguments_max(decision, call) * sizeof *arguments,
		PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (arguments == MAP_FAILED)
		return refuse(refusal, EFFECT_MEMORY);
	decision_arguments(arguments, decision, call);
	environment_build(environment, environ, decision->shebang.kept);
	if (!grant_take(&taking, refusal))
		return false;
	/* What the caller could send to have the script's memory written into a folder of the caller's. */
	if (decision->saves_on_signal)
		signals_block(SIGUSR1, SIGUSR2);
	log_granted(decision, call->uid);
	execve(interpreter, arguments, (char *const *)environment);
	return refuse_about(refusal, INTERPRETER_EXEC, interpreter, errno);
}

int main(int argc, char **argv)
{
	/* Not on the stack, which the caller limits. */
	static struct call call;
	static struct decision decision;
	static struct refusal refusal;
	const char *real;

	if (argc == 2 && !strcmp(argv[1], "--help"))
		return tell(help);
	if (argc == 2 && !strcmp(argv[1], "--version"))
		return tell("capwrap " VERSION "\n");

	if (call_read(&call, argc, argv, &refusal) &&
		decide_script(&decision, call.script, &refusal) &&
		decide_run(&decision, &call, &refusal))
		run(&decision, &call, &refusal);

	real = refusal_texts[refusal.reason].rule > RULE_PATH ? decision.script.path.real : call.script;
	refusal_log(&refusal, call.uid, real);
	refusal_print(&refusal, call.script, real);
	return refusal_texts[refusal.reason].exit_code;
}
