#include "call.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "grant.h"

/* Of a program that gained capabilities glibc fills closed descriptors itself, but so that every use of them fails:
 * 0 is /dev/full, opened for writing only, 1 and 2 are /dev/null, opened for reading only. */
static bool descriptor_usable(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;

	if (flags < 0)
		return false;
	if ((flags & O_ACCMODE) != (fd == STDIN_FILENO ? O_WRONLY : O_RDONLY))
		return true;
	return fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) ||
		st.st_rdev != makedev(1, fd == STDIN_FILENO ? 7 : 3);
}

/* A file that is opened later must not become the script's standard input, output or error. */
static bool descriptors_open(struct refusal *refusal)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (descriptor_usable(fd))
			continue;
		close(fd);
		if (open("/dev/null", O_RDWR) != fd)
			return refuse(refusal, CALL_DESCRIPTORS);
	}
	return true;
}

static bool ids_agree(struct call *call)
{
	uid_t uid, euid, suid;
	gid_t gid, egid, sgid;

	if (getresuid(&uid, &euid, &suid) < 0 || getresgid(&gid, &egid, &sgid) < 0)
		return false;
	call->uid = uid;
	return uid == euid && uid == suid && gid == egid && gid == sgid;
}

bool call_read(struct call *call, int argc, char **argv, struct refusal *refusal)
{
	struct sets sets;

	/* Without a line the kernel leaves it out. */
	call->line = argc > 2 ? argv[1] : "";
	call->script = argc > 1 ? argv[argc > 2 ? 2 : 1] : "";
	if (!ids_agree(call))
		return refuse(refusal, CALL_IDS);
	if (!sets_get(&sets) || !sets_set(&(struct sets){.permitted = sets.permitted}))
		return refuse(refusal, CALL_CAPABILITIES);
	call->permitted = sets.permitted;
	if (!descriptors_open(refusal))
		return false;
	if (argc < 2)
		return refuse(refusal, CALL_USAGE);
	call->wrapper = "/proc/self/exe";
	if (stat(call->wrapper, &call->self) < 0)
		return refuse(refusal, CALL_SELF);
	call->arguments = argc > 2 ? argv + 3 : argv + 2;
	call->count = argc > 2 ? argc - 3 : 0;
	return true;
}
