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
	size_t loose;        /* others may put files into the directory that so many bytes of `real` name; 0: into none */
	char real[PATH_MAX]; /* the path of what the walk came to, free of links */
	char way[PATH_MAX];  /* what is still to be walked, from a link on */
};

/* What each flaw is called in the rule that the walk is made for. */
struct path_reasons {
	enum reason step, link, root, owner, writable, sticky, nosuid;
	uid_t other; /* may own what is on the way, beside root */
	bool links;  /* are allowed */
	bool mounts; /* with nosuid are allowed */
	bool above;  /* a sticky directory is a flaw wherever it is above what the walk comes to, or above a link to it */
};

/* Walks an absolute path from / and holds every step to these rules:
 *  - a directory is owned by uid 0, or by the one other that is allowed, and writable by nobody else;
 *  - a sticky directory may be writable, since nobody can rename there what root owns, but not one that the file or a
 *    link to it lies in: what lies beside it may be read as its module or its configuration;
 *  - no mount with nosuid is crossed, unless these are allowed: owners are there what somebody else wrote into the file system;
 *  - a link, where links are allowed, is owned by uid 0, and the walk goes on through it by the same rules.
 * So nobody but root can change what the path leads to, now or later. What it leads to is for the caller to judge. */
bool path_walk(struct path *path, const char *absolute, const struct path_reasons *reasons, struct refusal *refusal);

/* The attributes of a file: AT_FDCWD and a path, or a descriptor, "" and AT_EMPTY_PATH. False with errno. */
bool file_look(struct statx *file, int directory, const char *path, int flags);

/* Are they of one file? */
bool file_same(const struct statx *one, const struct statx *other);

/* By group or others. An access control list shows in the group's bits. */
bool path_writable(mode_t mode);

#endif
