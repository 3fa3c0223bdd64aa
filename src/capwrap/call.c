#include "call.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "grant.h"
#include "path.h"

/* Of a program that gained capabilities glibc fills closed descriptors itself, but so that every use of them fails:
 * 0 is /dev/full, opened for writing only, 1 and 2 are /dev/null, opened for reading only. */
static bool descriptor_usable(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	struct statx file;

	if (flags < 0)
		return false;
	if ((flags & O_ACCMODE) != (fd == STDIN_FILENO ? O_WRONLY : O_RDONLY))
		return true;
	return !file_look(&file, fd, "", AT_EMPTY_PATH) || !S_ISCHR(file.stx_mode) || file.stx_rdev_major != 1 ||
		file.stx_rdev_minor != (fd == STDIN_FILENO ? 7 : 3);
}

/* A file that is opened later must not become the script's standard input, output or error. */
static bool descriptors_open(struct refusal *refusal)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (descriptor_usable(fd))
			continue;
		close(fd);
		if (open("/dev/null", O_RDWR) != fd)
			return refuse(refusal, errno == EMFILE ? FILE_LIMIT : CALL_DESCRIPTORS);
	}
	return true;
}

/* Is it the path that the kernel was asked to execute? */
static bool executed(const char *path)
{
	const char *name = (const char *)getauxval(AT_EXECFN);

	return name && !strcmp(name, path);
}

bool call_read(struct call *call, int argc, char **argv, struct refusal *refusal)
{
	struct sets sets;
	int at = argc > 2 && !executed(argv[1]) ? 2 : 1;

	/* Without a line the kernel leaves it out, and the script is the first argument. */
	call->line = at == 2 ? argv[1] : "";
	call->script = argc > at ? argv[at] : "";
	/* The kernel's own account. A saved id is the effective one, at the beginning of a program. */
	call->uid = (uid_t)getauxval(AT_UID);
	if (call->uid != getauxval(AT_EUID) || getauxval(AT_GID) != getauxval(AT_EGID))
		return refuse(refusal, CALL_IDS);
	if (!sets_get(&sets) || (sets.effective && !sets_set(&(struct sets){.permitted = sets.permitted})))
		return refuse(refusal, CALL_CAPABILITIES);
	call->permitted = sets.permitted;
	if (!descriptors_open(refusal))
		return false;
	if (argc < 2)
		return refuse(refusal, CALL_USAGE);
	call->wrapper = "/proc/self/exe";
	call->arguments = argv + at + 1;
	call->count = argc - at - 1;
	return true;
}

bool call_self(struct call *call, const char *script, const char *named, struct refusal *refusal)
{
	if (executed(script))
		call->wrapper = named;
	return file_look(&call->self, AT_FDCWD, call->wrapper, 0) || refuse(refusal, CALL_SELF);
}
