#include "find.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/xattr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
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

	return file_capabilities_take(file, &data, lgetxattr(name, XATTR_NAME_CAPS, &data, sizeof data));
}

/* Most files are told by one call, that for their attribute. */
static void look(struct find *find, const struct stat *st, const char *name, const char *path)
{
	struct file_capabilities file;
	char head[LINE_SIZE + 1];

	errno = 0;
	if (!capabilities_read(&file, name) && errno != EINVAL)
		return;
	if (!file.present && errno == ENOTSUP && find->plain_count < sizeof find->plain / sizeof *find->plain)
		find->plain[find->plain_count++] = st->st_dev;
	if (!file.present && !(st->st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)))
		return;
	if (!head_read(name, head)) {
		find->unread += file.present;
		if (file.present)
			find->found(find, KIND_GRANTED, path);
		return;
	}
	if (names_wrapper(head))
		find->found(find, file.present ? KIND_GRANTED : KIND_LOST, path);
	else if (file.present && !is_program(head))
		find->found(find, KIND_STALE, path);
	else if (file.present && !strcmp(name, "capwrap"))
		find->found(find, KIND_WRAPPER, path);
	else if (file.present && file.inheritable)
		find->found(find, KIND_PROGRAM, path);
}

static int is_below(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static void directory_walk(struct find *find, const char *name, char path[PATH_MAX]);

/* An entry of the directory that the process is in, and is to be in again: false where it is not. A file that is gone was
 * deleted; a directory may lie elsewhere. */
static bool entry_walk(struct find *find, int above, const struct dirent *entry, char path[PATH_MAX])
{
	const char *name = entry->d_name;
	struct stat st;

	if (lstat(name, &st) < 0) {
		find->unread += errno != ENOENT || entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN;
		return true;
	}
	find->unread += entry->d_type == DT_DIR && !S_ISDIR(st.st_mode);
	if (S_ISDIR(st.st_mode)) {
		if (!is_plain(find, st.st_dev)) {
			directory_walk(find, name, path);
			return !fchdir(above);
		}
	} else if (S_ISREG(st.st_mode)) {
		find->seen++;
		if (!is_plain(find, st.st_dev))
			look(find, &st, name, path);
	}
	return true;
}

/* Each directory stays open until all below it is seen: so its rest is found again, wherever somebody moves what lies in it. What
 * lies deeper than a path can name nobody can run. */
static void directory_walk(struct find *find, const char *name, char path[PATH_MAX])
{
	const size_t length = strlen(path);
	struct dirent **entries = NULL;
	int fd = open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int count = fd < 0 || fchdir(fd) < 0 ? -1 : scandir(".", &entries, is_below, alphasort);
	bool here = count >= 0;

	find->progress(find, path, false);
	for (int i = 0; i < count; i++) {
		int size = snprintf(path + length, PATH_MAX - length, "%s%s", path[length - 1] == '/' ? "" : "/", entries[i]->d_name);

		if (here && (size_t)size < PATH_MAX - length)
			here = entry_walk(find, fd, entries[i], path);
		else
			find->unread++;
		path[length] = 0;
		free(entries[i]);
	}
	find->unread += !here;
	free(entries);
	if (fd >= 0)
		close(fd);
}

bool find_below(struct find *find, const char *directory)
{
	struct rlimit files;
	char path[PATH_MAX];
	int from;

	if (!realpath(directory, path))
		return false;
	from = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* As many as may have to be open at once. */
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	directory_walk(find, path, path);
	find->progress(find, "", true);
	if (from >= 0) {
		(void)!fchdir(from);
		close(from);
	}
	return true;
}
