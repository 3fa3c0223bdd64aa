#include "script.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef AT_EXECVE_CHECK
#define AT_EXECVE_CHECK 0x10000 /* Linux 6.14 */
#endif

const struct path_reasons script_reasons = {
	.step = PATH_STEP,
	.link = PATH_LINK,
	.root = PATH_ROOT,
	.owner = PATH_OWNER,
	.writable = PATH_WRITABLE,
	.sticky = PATH_STICKY,
	.nosuid = FILE_NOSUID,
};

static bool refuse_execution(const struct script *script, struct refusal *refusal)
{
	const mode_t any = S_IXUSR | S_IXGRP | S_IXOTH;

	return refuse(refusal, (script->path.file.stx_mode & any) ? EXECUTE_OTHERS : EXECUTE_DENIED);
}

/* The canonical path of what is open. */
static bool resolve_descriptor(char real[PATH_MAX], int fd, struct refusal *refusal)
{
	static struct text link; /* not on the stack, which the caller limits */
	ssize_t length;

	link.length = 0;
	text_add(&link, "/proc/self/fd/");
	text_add_number(&link, (unsigned)fd);
	link.bytes[link.length] = 0;
	length = readlink(link.bytes, real, PATH_MAX);
	if (length == PATH_MAX)
		errno = ENAMETOOLONG;
	if (length < 0 || length == PATH_MAX)
		return refuse(refusal, errno == ENOENT ? PATH_PROC : PATH_RESOLVE);
	real[length] = 0;
	return true;
}

/* Of whatever a path leads to, which opening so has no effect on. */
static bool resolve(char real[PATH_MAX], const char *path, struct refusal *refusal)
{
	int fd = open(path, O_PATH | O_CLOEXEC);
	bool resolved;

	if (fd < 0)
		return refuse(refusal, PATH_RESOLVE);
	resolved = resolve_descriptor(real, fd, refusal);
	close(fd);
	return resolved;
}

static bool script_walk(struct script *script, const char *path, struct refusal *refusal)
{
	/* Most are called by their canonical path, and need not be resolved. */
	if (*path == '/' && path_walk(&script->path, path, &script_reasons, refusal) && !strcmp(path, script->path.real))
		return true;
	if (resolve(script->path.way, path, refusal) && path_walk(&script->path, script->path.way, &script_reasons, refusal))
		return true;
	*script->path.real = 0;
	return false;
}

static bool file_trust(const struct statx *file, struct refusal *refusal)
{
	if (!S_ISREG(file->stx_mode))
		return refuse(refusal, FILE_TYPE);
	return (!file->stx_uid || flaw(refusal, FILE_OWNER, "")) &&
		(!path_writable(file->stx_mode) || flaw(refusal, FILE_WRITABLE, ""));
}

bool script_open(struct script *script, const char *path, struct refusal *refusal)
{
	const char *real = script->path.real;
	struct statx file;

	if (!script_walk(script, path, refusal))
		return false;

	/* Only for a regular file is opening without effect. */
	if (!S_ISREG(script->path.file.stx_mode))
		return refuse(refusal, FILE_TYPE);
	script->fd = open(real, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (script->fd < 0 && errno == EACCES && access(real, X_OK) < 0)
		return refuse_execution(script, refusal);
	if (script->fd < 0 || !file_look(&file, script->fd, "", AT_EMPTY_PATH))
		return refuse(refusal, FILE_OPEN);
	return file_trust(&file, refusal);
}

bool script_changes_ids(mode_t mode)
{
	return mode & S_ISUID || (mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP);
}

bool script_take(struct script *script, int fd, struct refusal *refusal)
{
	const char *real = script->path.real;
	struct statx file;
	int own;

	script->fd = fd;
	if (!file_look(&file, fd, "", AT_EMPTY_PATH))
		return refuse(refusal, PATH_RESOLVE);
	if (!resolve_descriptor(script->path.way, fd, refusal))
		return false;
	if (!path_walk(&script->path, script->path.way, &script_reasons, refusal)) {
		*script->path.real = 0;
		return false;
	}
	if (!file_same(&script->path.file, &file))
		return refuse_about(refusal, PATH_MOVED, real, 0);
	/* It may be that of the caller: whether it runs is not to depend on that. */
	if (script_changes_ids(file.stx_mode))
		return refuse(refusal, CALL_SETID);
	/* The interpreter opens it by the caller's own rights. */
	own = open(real, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (own < 0)
		return refuse(refusal, FILE_OPEN);
	close(own);
	return file_trust(&file, refusal);
}

/* Linux 6.14 judges the very descriptor, and refuses while anyone can write through another or through a mapping. */
static int execute_error(const struct script *script)
{
	char *const arguments[] = {(char[]){""}, NULL};

	if (!syscall(SYS_execveat, script->fd, "", arguments, arguments + 1, AT_EMPTY_PATH | AT_EXECVE_CHECK))
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return errno;
	return access(script->path.real, X_OK) < 0 ? errno : 0;
}

bool script_executable(const struct script *script, struct refusal *refusal)
{
	struct statfs fs;

	errno = execute_error(script);
	switch (errno) {
	case 0:
		return true;
	case ETXTBSY:
		return refuse(refusal, EXECUTE_BUSY);
	case EACCES:
		if (!fstatfs(script->fd, &fs) && fs.f_flags & ST_NOEXEC)
			return refuse(refusal, EXECUTE_NOEXEC);
		return refuse_execution(script, refusal);
	default:
		return refuse(refusal, EXECUTE_ERROR);
	}
}
