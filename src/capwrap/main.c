/* capwrap: runs a script with exactly the capabilities that its own file is granted. capwrap(1) has the rules. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
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

/* All that is large: not on the stack, which the caller limits, and what is always used on few pages. */
struct program {
	struct call call;
	struct decision decision;
	struct refusal refusal;
};

/* Blocks signals, a list that ends in 0, for what remains of this process and for what it executes. */
static void signals_block(const int *numbers)
{
	sigset_t set;

	sigemptyset(&set);
	while (*numbers)
		sigaddset(&set, *numbers++);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

/* Comes back only with a refusal. */
static bool run(struct program *program)
{
	struct decision *decision = &program->decision;
	const struct call *call = &program->call;
	struct refusal *refusal = &program->refusal;
	const struct taking taking = {
		.grant = decision->grant,
		.permitted = call->permitted,
		.ambient = !decision->shebang.contain,
		.root = call->uid == 0,
		.no_new_privs = decision->shebang.no_new_privs,
	};
	const char *interpreter = decision->interpreter.found;
	char *few[64], **arguments = few;
	size_t count = decision_arguments_max(decision, call);

	if (count > sizeof few / sizeof *few)
		arguments = mmap(NULL, count * sizeof *arguments, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (arguments == MAP_FAILED)
		return refuse(refusal, EFFECT_MEMORY);
	decision_arguments(arguments, decision, call);
	environment_build(decision->environment, environ, decision->shebang.kept);
	if (!grant_take(&taking, refusal))
		return false;
	/* Ignored by the caller, it would hide from the script how its children end. */
	(void)signal(SIGCHLD, SIG_DFL);
	/* What the caller could send to be shown the script's memory. */
	if (decision->saves_on_signal)
		signals_block((const int[]){SIGUSR1, SIGUSR2, SIGSEGV, SIGILL, SIGBUS, 0});
	log_granted(decision, call);
	execve(interpreter, arguments, (char *const *)decision->environment);
	return refuse_about(refusal, errno == E2BIG ? EFFECT_LENGTH : INTERPRETER_EXEC, interpreter, errno);
}

int main(int argc, char **argv)
{
	static struct program program;
	struct call *call = &program.call;
	struct decision *decision = &program.decision;
	struct refusal *refusal = &program.refusal;

	if (argc == 2 && !strcmp(argv[1], "--help"))
		return log_tell(help);
	if (argc == 2 && !strcmp(argv[1], "--version"))
		return log_tell("capwrap " VERSION "\n");

	if (call_read(call, argc, argv, refusal) &&
		decide_script(decision, call->script, refusal) &&
		call_self(call, decision->script.path.real, decision->shebang.wrapper, refusal) &&
		decide_run(decision, call, refusal))
		run(&program);

	log_refused(decision, call, refusal);
	return refusal_texts[refusal->reason].exit_code;
}
