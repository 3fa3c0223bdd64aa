/* The walk that the rules "path" and "interpreter" share. */
#ifndef CAPWRAP_PATH_H
#define CAPWRAP_PATH_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "refusal.h"

struct path {
	char real[PATH_MAX]; /* what the walk came to, free of links */
	dev_t device;        /* and its attributes */
	ino_t inode;
	uid_t owner;
	mode_t mode;
	bool nosuid; /* a mount with nosuid was crossed, which the refusal names by now */
};

/* What each flaw is called in the rule that the walk is made for. */
struct path_reasons {
	enum reason step, link, owner, writable, sticky, nosuid;
	bool links; /* are allowed */
};

/* Walks an absolute path from / and holds every step to these rules:
 *  - a folder is owned by uid 0 and writable by nobody else;
 *  - a sticky folder may be writable, since nobody can rename there what root owns, but not one that the file or a
 *    link to it lies in: what lies beside it may be read as its module or its configuration;
 *  - a link, where links are allowed, is owned by uid 0, and the walk goes on through it by the same rules.
 * So nobody but root can change what the path leads to, now or later. What it leads to is for the caller to judge,
 * and so is `nosuid`: on such a mount owners are what somebody else wrote into the file system. */
bool path_walk(struct path *path, const char *absolute, const struct path_reasons *reasons, struct refusal *refusal);

/* By group or others. An access control list shows in the group's bits. */
bool path_writable(mode_t mode);

#endif
