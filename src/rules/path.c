#include "path.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define LINKS_MAX 40 /* as the kernel has it */

bool path_writable(mode_t mode)
{
	return mode & (S_IWGRP | S_IWOTH);
}

bool file_look(struct statx *file, int directory, const char *path, int flags)
{
	return !statx(directory, path, flags, STATX_TYPE | STATX_MODE | STATX_UID | STATX_INO, file);
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

/* Reads the attributes of the step that the walk stands on. */
static bool step_look(struct path *path, const struct path_reasons *reasons, struct refusal *refusal)
{
	const char *step = step_name(path);
	struct statx *file = &path->file;
	struct statfs fs;

	if (!file_look(file, AT_FDCWD, step, AT_SYMLINK_NOFOLLOW))
		return refuse_about(refusal, reasons->step, step, errno);
	if (S_ISLNK(file->stx_mode))
		return true;

	if (reasons->mounts)
		return true;
	/* Before Linux 5.8 the kernel does not tell where a mount begins: it may be anywhere. */
	if (*path->real && file->stx_attributes_mask & STATX_ATTR_MOUNT_ROOT &&
		!(file->stx_attributes & STATX_ATTR_MOUNT_ROOT))
		return true;
	if (statfs(step, &fs) < 0)
		return refuse_about(refusal, reasons->step, step, errno);
	return !(fs.f_flags & ST_NOSUID) || flaw(refusal, reasons->nosuid, step);
}

static bool owner_trusted(const struct path *path, const struct path_reasons *reasons)
{
	return !path->file.stx_uid || path->file.stx_uid == reasons->other;
}

/* The walk goes on from the directory that it stands on. */
static bool directory_trust(struct path *path, const struct path_reasons *reasons, struct refusal *refusal)
{
	const char *step = step_name(path);

	if (!S_ISDIR(path->file.stx_mode))
		return refuse_about(refusal, reasons->step, step, ENOTDIR);
	if (!owner_trusted(path, reasons) && !flaw(refusal, *path->real ? reasons->owner : reasons->root, step))
		return false;
	if (!path_writable(path->file.stx_mode))
		return true;
	if (!(path->file.stx_mode & S_ISVTX))
		return flaw(refusal, reasons->writable, step);
	path->loose = strlen(step);
	return true;
}

/* To a name in the directory that it stands on; `last` where nothing follows. */
static bool step_forth(struct path *path, const char *name, size_t length, bool last,
	const struct path_reasons *reasons, struct refusal *refusal)
{
	size_t end = strlen(path->real);

	if (last && path->loose && (reasons->above || path->loose == strlen(step_name(path)))) {
		char *rest = path->real + (path->loose > 1 ? path->loose : 0), first = *rest;
		bool go_on;

		*rest = 0;
		go_on = flaw(refusal, reasons->sticky, step_name(path));
		*rest = first;
		if (!go_on)
			return false;
	}
	if (end + 1 + length >= sizeof path->real)
		return refuse_about(refusal, reasons->step, step_name(path), ENAMETOOLONG);
	path->real[end] = '/';
	memcpy(path->real + end + 1, name, length);
	path->real[end + 1 + length] = 0;
	return true;
}

/* Starts at / again: to the directory above the step that the walk stands on, on through the link that the step is,
 * where it is one, and to the rest of the way. */
static bool start_over(struct path *path, const char *rest, bool link, const struct path_reasons *reasons,
	struct refusal *refusal)
{
	const char *slash = strrchr(path->real, '/');
	size_t above = slash ? (size_t)(slash - path->real) : 0;
	size_t size = strlen(rest) + 1, room;
	ssize_t length = 0;

	/* The rest is the caller's at first, and of any length. */
	if (above + 1 + size >= sizeof path->way)
		return refuse_about(refusal, reasons->step, step_name(path), ENAMETOOLONG);
	room = sizeof path->way - size;
	memmove(path->way + room, rest, size);
	memcpy(path->way, path->real, above);
	path->way[above++] = '/';
	if (link)
		length = readlink(path->real, path->way + above, room - above);
	if (length < 0 || (size_t)length == room - above)
		return refuse_about(refusal, reasons->step, path->real, length < 0 ? errno : ENAMETOOLONG);
	if (length && path->way[above] == '/') {
		memmove(path->way, path->way + above, (size_t)length);
		above = 0;
	}
	memmove(path->way + above + length, path->way + room, size);
	*path->real = 0;
	path->loose = 0;
	return true;
}

static bool link_follow(struct path *path, const char *rest, unsigned *links, const struct path_reasons *reasons,
	struct refusal *refusal)
{
	if (!reasons->links)
		return refuse_about(refusal, reasons->link, path->real, 0);
	if (!owner_trusted(path, reasons) && !flaw(refusal, reasons->owner, path->real))
		return false;
	if (++*links > LINKS_MAX)
		return refuse_about(refusal, reasons->step, path->real, ELOOP);
	return start_over(path, rest, true, reasons, refusal);
}

bool path_walk(struct path *path, const char *absolute, const struct path_reasons *reasons, struct refusal *refusal)
{
	const char *at = absolute;
	unsigned links = 0;

	*path->real = 0;
	path->loose = 0;
	for (;;) {
		const char *name;
		size_t length;

		if (!step_look(path, reasons, refusal))
			return false;
		if (S_ISLNK(path->file.stx_mode)) {
			if (!link_follow(path, at, &links, reasons, refusal))
				return false;
			at = path->way;
			continue;
		}
		do {
			name = at + strspn(at, "/");
			length = strcspn(name, "/");
			at = name + length;
		} while (length == 1 && *name == '.');
		if (!length)
			return true;
		if (!directory_trust(path, reasons, refusal))
			return false;
		if (length == 2 && !memcmp(name, "..", 2)) {
			if (!start_over(path, at, false, reasons, refusal))
				return false;
			at = path->way;
		} else if (!step_forth(path, name, length, !at[strspn(at, "/")], reasons, refusal)) {
			return false;
		}
	}
}
