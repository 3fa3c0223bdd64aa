#include "path.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define LINKS_MAX 40 /* as the kernel has it */

bool path_writable(mode_t mode)
{
	return mode & (S_IWGRP | S_IWOTH);
}

static const char *step_name(const struct path *path)
{
	return *path->real ? path->real : "/";
}

/* Reads the attributes of the step that the walk stands on. */
static bool step_look(struct path *path, const struct path_reasons *reasons, struct refusal *refusal)
{
	const char *step = step_name(path);
	struct statx st;
	struct statfs fs;
	bool mount_root;

	if (statx(AT_FDCWD, step, AT_SYMLINK_NOFOLLOW, STATX_TYPE | STATX_MODE | STATX_UID | STATX_INO, &st) < 0)
		return refuse_about(refusal, reasons->step, step, errno);
	path->device = makedev(st.stx_dev_major, st.stx_dev_minor);
	path->inode = st.stx_ino;
	path->owner = st.stx_uid;
	path->mode = st.stx_mode;

	/* Before Linux 5.8 the kernel does not tell where a mount begins: it may be anywhere. */
	mount_root = !*path->real || !(st.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) ||
		st.stx_attributes & STATX_ATTR_MOUNT_ROOT;
	if (!mount_root || S_ISLNK(path->mode) || path->nosuid)
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
	if (!S_ISDIR(path->mode))
		return refuse_about(refusal, reasons->step, step_name(path), ENOTDIR);
	if (path->owner)
		return refuse_about(refusal, reasons->owner, step_name(path), 0);
	*loose = path_writable(path->mode);
	if (*loose && !(path->mode & S_ISVTX))
		return refuse_about(refusal, reasons->writable, step_name(path), 0);
	return true;
}

static void step_back(struct path *path)
{
	char *slash = strrchr(path->real, '/');

	if (slash)
		*slash = 0;
}

/* Puts the target of the link that the walk stands on before the rest of the way, and steps back to its folder. */
static bool link_follow(struct path *path, char *way, const char *rest, const struct path_reasons *reasons,
	struct refusal *refusal)
{
	char target[PATH_MAX];
	ssize_t length;

	if (!reasons->links)
		return refuse_about(refusal, reasons->link, path->real, 0);
	if (path->owner)
		return refuse_about(refusal, reasons->owner, path->real, 0);
	length = readlink(path->real, target, sizeof target);
	if (length < 0)
		return refuse_about(refusal, reasons->step, path->real, errno);
	if ((size_t)length + strlen(rest) >= sizeof target)
		return refuse_about(refusal, reasons->step, path->real, ENAMETOOLONG);
	strcpy(target + length, rest);
	strcpy(way, target);
	if (*way == '/')
		*path->real = 0;
	else
		step_back(path);
	return true;
}

bool path_walk(struct path *path, const char *absolute, const struct path_reasons *reasons, struct refusal *refusal)
{
	char way[PATH_MAX]; /* from a link on */
	const char *at = absolute;
	unsigned links = 0;
	bool loose = true;

	*path->real = 0;
	path->nosuid = false;
	if (!step_look(path, reasons, refusal) || !folder_trust(path, &loose, reasons, refusal))
		return false;

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
		if (S_ISLNK(path->mode)) {
			if (++links > LINKS_MAX)
				return refuse_about(refusal, reasons->step, path->real, ELOOP);
			if (!link_follow(path, way, at, reasons, refusal))
				return false;
			at = way;
			if (*path->real)
				continue;
			if (!step_look(path, reasons, refusal))
				return false;
			last = false;
		}
		if (!last && !folder_trust(path, &loose, reasons, refusal))
			return false;
	}
	return true;
}
