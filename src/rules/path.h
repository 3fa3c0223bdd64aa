/* The walk that the rules "path" and "interpreter" share. */
#ifndef CAPWRAP_PATH_H
#define CAPWRAP_PATH_H

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "refusal.h"

struct path {
	struct statx file;   /* the attributes of what the walk came to */
	bool loose;          /* others may put files into / */
	bool nosuid;         /* a mount with nosuid was crossed, which the refusal names by now */
	int base;            /* a folder on the way that is held open, or AT_FDCWD */
	size_t below;        /* how long the path of that is */
	char real[PATH_MAX]; /* the path of what the walk came to, free of links */
	char way[PATH_MAX];  /* what is still to be walked, from a link on */
};

/* What each flaw is called in the rule that the walk is made for. */
struct path_reasons {
	enum reason step, link, root, owner, writable, sticky, nosuid;
	bool links; /* are allowed */
};

/* Walks an absolute path from / and holds every step to these rules:
 *  - a folder is owned by uid 0 and writable by nobody else;
 *  - a sticky folder may be writable, since nobody can rename there what root owns, but not one that the file or a
 *    link to it lies in: what lies beside it may be read as its module or its configuration;
 *  - a link, where links are allowed, is owned by uid 0, and the walk goes on through it by the same rules.
 * `before` is a walk that has looked at / by now, or NULL.
 * So nobody but root can change what the path leads to, now or later. What it leads to is for the caller to judge,
 * and so is `nosuid`: on such a mount owners are what somebody else wrote into the file system. */
bool path_walk(struct path *path, const char *absolute, const struct path *before, const struct path_reasons *reasons,
	struct refusal *refusal);

/* The attributes of a file: AT_FDCWD and a path, or a descriptor, "" and AT_EMPTY_PATH. False with errno. */
bool file_look(struct statx *file, int folder, const char *path, int flags);

/* Are they of one file? */
bool file_same(const struct statx *one, const struct statx *other);

/* By group or others. An access control list shows in the group's bits. */
bool path_writable(mode_t mode);

#endif
