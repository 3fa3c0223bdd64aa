#include "become.h"

#include <errno.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "sets.h"

#define SIGNALS 64

/* The kernel sorts groups. There are as many, and none is there twice. */
static bool groups_are(const struct account *account)
{
	static gid_t groups[ACCOUNT_GROUPS_MAX]; /* not on the stack, which the caller limits */
	int count = getgroups(ACCOUNT_GROUPS_MAX, groups);

	if (count < 0 || (size_t)count != account->count)
		return false;
	for (int i = 0; i < count; i++) {
		size_t at = 0;

		while (at < account->count && account->groups[at] != groups[i])
			at++;
		if (at == account->count)
			return false;
	}
	return true;
}

/* To set the file system's id to -1 fails, and tells what it is. */
static bool ids_are(const struct account *account)
{
	uid_t uid, euid, suid;
	gid_t gid, egid, sgid;

	return !getresuid(&uid, &euid, &suid) && !getresgid(&gid, &egid, &sgid) &&
		uid == account->uid && euid == uid && suid == uid && (uid_t)setfsuid((uid_t)-1) == uid &&
		gid == account->gid && egid == gid && sgid == gid && (gid_t)setfsgid((gid_t)-1) == gid &&
		groups_are(account);
}

/* Signals that wait, being blocked, and those that a timer will send pass over to another user and another program. What is
 * ignored for a moment is forgotten. */
static bool signals_forget(void)
{
	const uint64_t never[4] = {0}; /* struct itimerval, whatever the headers think of it */
	sigset_t waiting;

	if (syscall(SYS_setitimer, ITIMER_REAL, never, NULL) < 0 || syscall(SYS_setitimer, ITIMER_VIRTUAL, never, NULL) < 0 ||
		syscall(SYS_setitimer, ITIMER_PROF, never, NULL) < 0)
		return false;
	if (sigpending(&waiting) < 0)
		return false;
	for (int number = 1; number <= SIGNALS; number++) {
		void (*before)(int);

		if (sigismember(&waiting, number) != 1)
			continue;
		before = signal(number, SIG_IGN);
		if (before == SIG_ERR || signal(number, before) == SIG_ERR)
			return false;
	}
	return true;
}

/* Else the account's would be the caller's keys, and the other way round. Where the kernel has none, or a filter lets nobody ask for
 * them, there is nothing to part. */
static bool keyring_take(void)
{
	return syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) >= 0 || errno == ENOSYS || errno == EPERM;
}

bool become(const struct account *account, uint64_t permitted, struct refusal *refusal)
{
	if (!sets_set(&(struct sets){.permitted = permitted, .effective = ACCOUNT_CAPABILITIES}))
		return refuse(refusal, EFFECT_SETS);
	/* Root's sets would end with root. Where securebits forbid this, they may hold all the same: that is read back. */
	(void)prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
	if (!account_take(account))
		return refuse(refusal, EFFECT_ACCOUNT);
	if (!sets_set(&(struct sets){.permitted = permitted}))
		return refuse(refusal, EFFECT_SETS);
	if (!ids_are(account))
		return refuse(refusal, EFFECT_IDS);
	if (!keyring_take())
		return refuse(refusal, EFFECT_KEYRING);
	return signals_forget() || refuse(refusal, EFFECT_SIGNALS);
}
