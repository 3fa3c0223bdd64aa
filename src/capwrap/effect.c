#include "effect.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "become.h"
#include "log.h"
#include "sets.h"

#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE 67 /* Linux 6.4 */
#endif

/* Nothing is ambient before: with its effective set, call_read() has emptied the inheritable one. */
static bool ambient_set(uint64_t mask)
{
	for (int cap = 0; cap < CAPS; cap++)
		if (mask & BIT(cap) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return false;
	return true;
}

/* What is not permitted can't be ambient: nothing but the grant has to be looked at. */
static bool ambient_is(uint64_t mask, uint64_t grant)
{
	for (int cap = 0; cap < CAPS; cap++)
		if (grant & BIT(cap) &&
			prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) != (int)(mask >> cap & 1))
			return false;
	return true;
}

/* A limit of 1 stops core files and core pipes; 0 does not stop pipes. */
static bool core_limit(void)
{
	const uint64_t one[] = {1, 1}; /* struct rlimit64, whatever the headers think of it */

	return !syscall(SYS_prlimit64, 0, RLIMIT_CORE, one, NULL);
}

/* Uid 0 would get every capability at exec. */
static bool root_narrow(void)
{
	const int narrow = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED;
	int bits = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);

	return bits >= 0 && ((bits & narrow) == narrow || !prctl(PR_SET_SECUREBITS, bits | narrow, 0, 0, 0));
}

/* A core limit that is 0 by now and root's securebits ask for a capability; without one the limit can't be mended. */
static bool limits_take(const struct decision *decision, const struct call *call, struct refusal *refusal)
{
	const uint64_t helpers = (BIT(CAP_SETPCAP) | BIT(CAP_SYS_RESOURCE)) & call->start.permitted;
	bool root = !call->start.uid && !decision->line.user;

	if (core_limit() && !root)
		return true;
	if (!sets_set(&(struct sets){.permitted = call->start.permitted, .effective = helpers}))
		return refuse(refusal, EFFECT_SETS);
	if (!core_limit() && errno != EPERM)
		return refuse(refusal, EFFECT_CORE);
	return !root || root_narrow() || refuse(refusal, EFFECT_NOROOT);
}

/* Nothing but the grant, and that not effective: exec raises what is ambient. Then looks whether it came out so. */
static bool grant_take(const struct decision *decision, struct refusal *refusal)
{
	const uint64_t grant = decision->grant, ambient = decision->line.contain ? 0 : grant;
	const struct sets wanted = {.permitted = grant, .inheritable = grant};
	struct sets sets;

	if (!sets_set(&wanted) || !ambient_set(ambient))
		return refuse(refusal, EFFECT_SETS);
	if (decision->line.no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return refuse(refusal, EFFECT_NO_NEW_PRIVS);
	return (sets_get(&sets) && sets.permitted == grant && sets.inheritable == grant && !sets.effective &&
		       ambient_is(ambient, grant)) ||
		refuse(refusal, EFFECT_DIFFER);
}

/* Ignored by the caller, SIGCHLD would hide from the script how its children end. Those of the row are what the caller
 * could send to be shown the script's memory. */
static bool signals_take(const struct decision *decision, struct refusal *refusal)
{
	const struct proven *proven = decision->proven;
	sigset_t set;

	sigemptyset(&set);
	for (int number = 1; proven && number < 32; number++)
		if (proven->blocked & BIT(number))
			sigaddset(&set, number);
	return (signal(SIGCHLD, SIG_DFL) != SIG_ERR &&
		       (!proven || !proven->blocked || !sigprocmask(SIG_BLOCK, &set, NULL))) ||
		refuse(refusal, EFFECT_SIGNALS);
}

bool effect_run(struct decision *decision, const struct call *call, struct refusal *refusal)
{
	size_t size = decision_arguments_max(decision, call->count) * sizeof(char *);
	char **arguments = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	/* 1. What is executed. */
	if (arguments == MAP_FAILED)
		return refuse(refusal, EFFECT_MEMORY);
	decision_arguments(arguments, decision, call->arguments, call->count);
	decision_environment(decision, environ);

	/* 2. What the script makes, nobody else writes to; and its pages are not merged with those of others, who could tell by the time
	 * that a write takes what they hold. Where the kernel does not do that, there is nothing to end. */
	umask(umask(S_IRWXO) | S_IWGRP | S_IWOTH);
	(void)prctl(PR_SET_MEMORY_MERGE, 0, 0, 0, 0);

	/* 3. The account, whose limits the caller can't change; what asks for capabilities that the script does not get; then no more
	 * than the grant. */
	if ((decision->line.user && !become(&decision->account, call->start.permitted, refusal)) || !limits_take(decision, call, refusal) ||
		!grant_take(decision, refusal) || !signals_take(decision, refusal))
		return false;

	/* 4. Where it runs, and whether the account may. */
	if (decision->line.directory && chdir(decision->line.directory) < 0)
		return refuse_about(refusal, EFFECT_DIRECTORY, decision->line.directory, errno);
	if (decision->line.user && !decision_is_reachable(decision, account_may, refusal))
		return false;

	log_granted(decision, call);
	execve(decision->interpreter.found, arguments, (char *const *)decision->environment);
	return refuse_about(refusal, errno == E2BIG ? EFFECT_LENGTH : INTERPRETER_EXEC, decision->interpreter.found, errno);
}
