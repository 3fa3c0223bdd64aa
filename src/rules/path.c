#include "path.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define LINKS_MAX 40 /* as the kernel has it */
#define STRIDE 8     /* so many steps are looked up from / or from a folder that is held open */

bool path_writable(mode_t mode)
{
	return mode & (S_IWGRP | S_IWOTH);
}

bool file_look(struct statx *file, int folder, const char *path, int flags)
{
	return !statx(folder, path, flags, STATX_TYPE | STATX_MODE | STATX_UID | STATX_INO, file);
}

bool file_same(const struct statx *one, const struct statx *other)
{
	return one->stx_dev_major == other->stx_dev_major && one->stx_dev_minor == other->stx_dev_minor &&
		one->stx_ino == other->stx_ino;
}

static const char *step_name(const struct path *path)
{
	return *path->real ? path->real : "/";
}

/* As system calls take it, from the folder that is held open: else the kernel would begin at / for every step. */
static const char *step_from(const struct path *path)
{
	return path->base >= 0 && path->real[path->below] ? path->real + path->below + 1 : step_name(path);
}

/* Holds on to the folder that the walk stands on. Where that fails, all goes on from the one before. */
static void base_hold(struct path *path)
{
	int fd = openat(path->base, step_from(path), O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return;
	if (path->base >= 0)
		close(path->base);
	path->base = fd;
	path->below = strlen(path->real);
}

static void base_drop(struct path *path)
{
	if (path->base >= 0)
		close(path->base);
	path->base = AT_FDCWD;
	path->below = 0;
}

/* Cuts the path off, and with it the folder that is held open, where that is no longer on it. */
static void cut(struct path *path, char *end)
{
	*end = 0;
	if ((size_t)(end - path->real) < path->below)
		base_drop(path);
}

/* Reads the attributes of the step that the walk stands on. */
static bool step_look(struct path *path, const struct path_reasons *reasons, struct refusal *refusal)
{
	const char *step = step_name(path);
	struct statx *file = &path->file;
	struct statfs fs;
	bool mount_root;

	if (!file_look(file, path->base, step_from(path), AT_SYMLINK_NOFOLLOW))
		return refuse_about(refusal, reasons->step, step, errno);

	/* Before Linux 5.8 the kernel does not tell where a mount begins: it may be anywhere. */
	mount_root = !*path->real || !(file->stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) ||
		file->stx_attributes & STATX_ATTR_MOUNT_ROOT;
	if (!mount_root || S_ISLNK(file->stx_mode) || path->nosuid)
		return true;
	if (statfs(step, &fs) < 0)
		return refuse_about(refusal, reasons->step, step, errno);
	if (fs.f_flags & ST_NOSUID) {
		refuse_about(refusal, reasons->nosuid, step, 0);
		path->nosuid = true;
	}
	return true;
}

/* The walk goes on from the folder that it stands on. `loose`: others may put files into it. */
static bool folder_trust(const struct path *path, bool *loose, const struct path_reasons *reasons,
	struct refusal *refusal)
{
	if (!S_ISDIR(path->file.stx_mode))
		return refuse_about(refusal, reasons->step, step_name(path), ENOTDIR);
	if (path->file.stx_uid)
		return refuse_about(refusal, *path->real ? reasons->owner : reasons->root, step_name(path), 0);
	*loose = path_writable(path->file.stx_mode);
	if (*loose && !(path->file.stx_mode & S_ISVTX))
		return refuse_about(refusal, reasons->writable, step_name(path), 0);
	return true;
}

static void step_back(struct path *path)
{
	char *slash = strrchr(path->real, '/');

	if (slash)
		cut(path, slash);
}

/* Puts the target of the link that the walk stands on before the rest of the way, and steps back to its folder. */
static bool link_follow(struct path *path, const char *rest, const struct path_reasons *reasons, struct refusal *refusal)
{
	size_t size = strlen(rest) + 1, room = sizeof path->way - size;
	ssize_t length;

	if (!reasons->links)
		return refuse_about(refusal, reasons->link, path->real, 0);
	if (path->file.stx_uid)
		return refuse_about(refusal, reasons->owner, path->real, 0);
	memmove(path->way + room, rest, size);
	length = readlinkat(path->base, step_from(path), path->way, room);
	if (length < 0 || (size_t)length == room)
		return refuse_about(refusal, reasons->step, path->real, length < 0 ? errno : ENAMETOOLONG);
	memmove(path->way + length, path->way + room, size);
	if (*path->way == '/')
		cut(path, path->real);
	else
		step_back(path);
	return true;
}

static bool walk(struct path *path, const char *absolute, const struct path *before, const struct path_reasons *reasons,
	struct refusal *refusal)
{
	const char *at = absolute;
	unsigned links = 0, steps = 0;
	bool loose;

	if (before)
		path->loose = before->loose;
	else if (!step_look(path, reasons, refusal) || !folder_trust(path, &path->loose, reasons, refusal))
		return false;
	loose = path->loose;

	while (at += strspn(at, "/"), *at) {
		size_t end = strlen(path->real), length = strcspn(at, "/");
		bool up = length == 2 && !memcmp(at, "..", 2);
		bool last = !at[length + strspn(at + length, "/")];

		if (length == 1 && *at == '.') {
			at++;
			continue;
		}
		if (up) {
			step_back(path);
		} else {
			if (last && loose)
				return refuse_about(refusal, reasons->sticky, step_name(path), 0);
			if (end + 1 + length >= sizeof path->real)
				return refuse_about(refusal, reasons->step, step_name(path), ENAMETOOLONG);
			path->real[end] = '/';
			memcpy(path->real + end + 1, at, length);
			path->real[end + 1 + length] = 0;
		}
		at += length;
		if (!step_look(path, reasons, refusal))
			return false;
		if (S_ISLNK(path->file.stx_mode)) {
			if (++links > LINKS_MAX)
				return refuse_about(refusal, reasons->step, path->real, ELOOP);
			if (!link_follow(path, at, reasons, refusal))
				return false;
			at = path->way;
			if (!*path->real)
				loose = path->loose;
			continue;
		}
		if (last)
			continue;
		if (!folder_trust(path, &loose, reasons, refusal))
			return false;
		if (++steps % STRIDE == 0)
			base_hold(path);
	}
	return true;
}

bool path_walk(struct path *path, const char *absolute, const struct path *before, const struct path_reasons *reasons,
	struct refusal *refusal)
{
	bool trusted;

	*path->real = 0;
	path->nosuid = false;
	path->base = AT_FDCWD;
	path->below = 0;
	trusted = walk(path, absolute, before, reasons, refusal);
	base_drop(path);
	return trusted;
}
