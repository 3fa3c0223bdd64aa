/* launch UID PERMITTED INHERITABLE AMBIENT BOUNDING SECUREBITS NO_NEW_PRIVS PROGRAM [ARG...]: becomes that caller, as
 * root with masks in hex, and executes a program. Exits 98 where the kernel does not permit that program, 99 where
 * anything else fails. */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CAPS 64

static void try(int result, const char *what)
{
	if (result >= 0)
		return;
	perror(what);
	exit(99);
}

static uint64_t mask(const char *hex)
{
	return strtoull(hex, NULL, 16);
}

static void capset_both(uint64_t permitted, uint64_t inheritable)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2];

	for (int word = 0; word < 2; word++) {
		data[word].permitted = data[word].effective = (uint32_t)(permitted >> 32 * word);
		data[word].inheritable = (uint32_t)(inheritable >> 32 * word);
	}
	try((int)syscall(SYS_capset, &header, data), "capset");
}

static uint64_t permitted_now(void)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2];

	try((int)syscall(SYS_capget, &header, data), "capget");
	return (uint64_t)data[1].permitted << 32 | data[0].permitted;
}

int main(int argc, char **argv)
{
	uid_t uid;
	uint64_t ambient, bounding, all = permitted_now();

	if (argc < 9)
		return 99;
	uid = (uid_t)strtoul(argv[1], NULL, 10);
	ambient = mask(argv[4]);
	bounding = mask(argv[5]);

	try(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), "PR_SET_KEEPCAPS");
	try(setgroups(0, NULL), "setgroups");
	try(setresgid(uid, uid, uid), "setresgid");
	try(setresuid(uid, uid, uid), "setresuid");
	capset_both(all, mask(argv[3]));
	for (unsigned long cap = 0; cap < CAPS; cap++)
		if (ambient >> cap & 1)
			try(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0), "PR_CAP_AMBIENT_RAISE");
	for (unsigned long cap = 0; cap < CAPS; cap++)
		if (!(bounding >> cap & 1) && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) > 0)
			try(prctl(PR_CAPBSET_DROP, cap, 0, 0, 0), "PR_CAPBSET_DROP");
	try(prctl(PR_SET_SECUREBITS, mask(argv[6]), 0, 0, 0), "PR_SET_SECUREBITS");
	capset_both(mask(argv[2]), mask(argv[3]));
	if (mask(argv[7]))
		try(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
	execv(argv[8], argv + 8);
	if (errno == EPERM)
		return 98;
	perror(argv[8]);
	return 99;
}
