#include "find.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <linux/xattr.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "foretell.h"
#include "grant.h"
#include "line.h"

static bool is_plain(const struct find *find, dev_t device)
{
	for (size_t i = 0; i < find->plain_count; i++)
		if (find->plain[i] == device)
			return true;
	return false;
}

/* The first bytes of a file; an empty text where it can't be read. */
static bool head_read(const char *path, char head[LINE_SIZE + 1])
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, head, LINE_SIZE);

	if (fd >= 0)
		close(fd);
	head[length > 0 ? length : 0] = 0;
	return length >= 0;
}

/* Does the first line name a wrapper? */
static bool names_wrapper(const char *head)
{
	struct refusal refusal = {.room = 0};
	struct line line;

	if (!line_split(&line, head, strlen(head), &refusal) && refusal.reason != LINE_CR)
		return false;
	if (refusal.reason == LINE_CR)
		return strstr(head, "/capwrap") != NULL;
	return wrapper_is_named(line.wrapper);
}

static bool is_program(const char *head)
{
	return !strncmp(head, "\177ELF", 4);
}

/* Of the file by that name itself: what a link leads to, that somebody puts in its place, may lie in another file system. */
static bool capabilities_read(struct file_capabilities *file, const char *name)
{
	struct vfs_ns_cap_data data;
	ssize_t size = lgetxattr(name, XATTR_NAME_CAPS, &data, sizeof data);

	*file = (struct file_capabilities){.present = false};
	if (size < 0)
		return errno == ENODATA || errno == ENOTSUP;
	errno = EINVAL;
	return file_capabilities_parse(file, &data, (size_t)size);
}

/* Most files are told by one call, that for their attribute. */
static void look(struct find *find, const FTSENT *entry)
{
	const struct stat *st = entry->fts_statp;
	const char *path = entry->fts_accpath, *name = strrchr(entry->fts_path, '/');
	struct file_capabilities file;
	char head[LINE_SIZE + 1];

	errno = 0;
	if (!capabilities_read(&file, path) && errno != EINVAL)
		return;
	if (!file.present && errno == ENOTSUP && find->plain_count < sizeof find->plain / sizeof *find->plain)
		find->plain[find->plain_count++] = st->st_dev;
	if (!file.present && !(st->st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)))
		return;
	if (!head_read(path, head)) {
		find->unread += file.present;
		if (file.present)
			find->found(find, KIND_GRANTED, entry->fts_path);
		return;
	}
	if (names_wrapper(head))
		find->found(find, file.present ? KIND_GRANTED : KIND_LOST, entry->fts_path);
	else if (file.present && !is_program(head))
		find->found(find, KIND_STALE, entry->fts_path);
	else if (file.present && name && !strcmp(name, "/capwrap"))
		find->found(find, KIND_WRAPPER, entry->fts_path);
	else if (file.present && file.inheritable)
		find->found(find, KIND_PROGRAM, entry->fts_path);
}

static int by_name(const FTSENT **one, const FTSENT **other)
{
	return strcmp((*one)->fts_name, (*other)->fts_name);
}

bool find_below(struct find *find, const char *directory)
{
	char real[PATH_MAX];
	char *const directories[] = {real, NULL};
	FTS *fts = realpath(directory, real) ? fts_open(directories, FTS_PHYSICAL, by_name) : NULL;
	FTSENT *entry;

	if (!fts)
		return false;
	while (errno = 0, (entry = fts_read(fts))) {
		switch (entry->fts_info) {
		case FTS_D:
			/* What lies deeper has no path, and so nobody can run it; fts(3) would end there. */
			if (entry->fts_pathlen >= PATH_MAX)
				find->unread++;
			if (entry->fts_pathlen >= PATH_MAX || is_plain(find, entry->fts_statp->st_dev))
				(void)fts_set(fts, entry, FTS_SKIP);
			find->progress(find, entry->fts_path, false);
			break;
		case FTS_F:
			find->seen++;
			if (S_ISREG(entry->fts_statp->st_mode) && !is_plain(find, entry->fts_statp->st_dev))
				look(find, entry);
			break;
		case FTS_DNR:
		case FTS_ERR:
		case FTS_NS:
			find->unread++;
			break;
		}
	}
	find->unread += errno != 0;
	find->progress(find, "", true);
	(void)fts_close(fts);
	return true;
}
