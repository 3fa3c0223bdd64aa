#include "call.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "sets.h"

#ifndef PR_GET_MDWE
#define PR_GET_MDWE 66 /* Linux 6.3 */
#endif

/* Is it open for what it is used for? If not, the caller need not have that right to the file, and a script that opens it again, as
 * /dev/stderr, has it by its capabilities. Where one was closed, glibc has opened one of which every use fails. Files of /proc ask for
 * the capabilities of whoever writes. */
static bool descriptor_usable(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	struct statfs fs;

	return flags >= 0 && !(flags & O_PATH) && (flags & O_ACCMODE) != (fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) &&
		(fd == STDIN_FILENO || fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC);
}

/* A file that is opened later must not become the script's standard input, output or error. */
static bool descriptors_open(struct refusal *refusal)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (descriptor_usable(fd))
			continue;
		close(fd);
		if (open("/dev/null", O_RDWR) != fd)
			return refuse(refusal, errno == EMFILE ? CALL_LIMIT : CALL_DESCRIPTORS);
	}
	return true;
}

/* A program that finds none free may take one of the caller's for its own: bash reads its script from standard output then. These are
 * closed again when the script starts. */
static bool descriptors_are_left(void)
{
	const int room = 64, above = 10; /* where shells look */

	for (int i = 0; i < room; i++)
		if (fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, above) < 0)
			return false;
	return true;
}

/* One user and one group. The saved ids are asked for, too: a set-user-ID program that started this one may have them. */
static bool ids_agree(struct call *call)
{
	uid_t uid, euid, suid;
	gid_t gid, egid, sgid;

	if (getresuid(&uid, &euid, &suid) < 0 || getresgid(&gid, &egid, &sgid) < 0)
		return false;
	call->start.uid = uid;
	return uid == euid && uid == suid && gid == egid && gid == sgid;
}

/* binfmt_misc passes a descriptor, which may be 0. Nobody but the kernel can tell of one. */
enum door call_door(void)
{
	errno = 0;
	return getauxval(AT_EXECFD) || !errno ? DOOR_BINFMT : DOOR_LINE;
}

/* Where the script stands among the arguments. By #! the line is before it, where it has one; by binfmt_misc, with the flag P,
 * the caller's argv[0] behind it, which then takes its place. */
static int script_at(struct call *call, int argc, char **argv)
{
	const char *executed = (const char *)getauxval(AT_EXECFN);

	if (call->start.door == DOOR_BINFMT) {
		call->start.executed = "";
		if (argc > 2 && getauxval(AT_FLAGS) & 1) {
			argv[2] = argv[1];
			return 2;
		}
		return 1;
	}
	call->start.executed = executed ? executed : "";
	if (argc > 2 && strcmp(argv[1], call->start.executed) != 0) {
		call->start.line = argv[1];
		return 2;
	}
	call->start.line = "";
	return 1;
}

/* What is opened later must not take the place of standard input, output or error; and the script must not keep it. */
static bool script_move(int *fd)
{
	int given = (int)getauxval(AT_EXECFD);

	*fd = fcntl(given, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	return *fd >= 0 && !close(given);
}

bool call_read(struct call *call, int argc, char **argv, struct refusal *refusal)
{
	struct start *start = &call->start;
	struct sets sets;
	int at;

	start->door = call_door();
	start->fd = -1;
	at = script_at(call, argc, argv);
	start->script = argc > at ? argv[at] : "";
	if (!sets_get(&sets) || (sets.effective && !sets_set(&(struct sets){.permitted = sets.permitted})))
		return refuse(refusal, CALL_CAPABILITIES);
	if (!ids_agree(call))
		return refuse(refusal, door_rules[start->door].ids);
	start->permitted = sets.permitted;
	/* It can't be unset. Under it libffi writes code through a mapping that the script's children and the caller's file systems share. */
	if (prctl(PR_GET_MDWE, 0, 0, 0, 0) > 0)
		return refuse(refusal, CALL_MEMORY);
	if (start->door == DOOR_BINFMT && !script_move(&start->fd))
		return refuse(refusal, CALL_LIMIT);
	if (!descriptors_open(refusal))
		return false;
	if (!descriptors_are_left())
		return refuse(refusal, CALL_LIMIT);
	if (argc < 2)
		return refuse(refusal, CALL_USAGE);
	call->arguments = argv + at + 1;
	call->count = (size_t)(argc - at - 1);
	return true;
}
