/* The rules "grant" and "ceiling": what the files of script and wrapper hold. The tests compare it with libcap. */
#ifndef CAPWRAP_GRANT_H
#define CAPWRAP_GRANT_H

#include <stdbool.h>
#include <linux/capability.h>
#include <stdint.h>
#include <sys/types.h>

#include "door.h"
#include "refusal.h"

struct file_capabilities {
	bool present;
	bool effective;
	uid_t rootid; /* of the user namespace that they were set in; 0: they are for this one */
	uint64_t permitted, inheritable;
};

/* What the bytes of a file's security.capability say, by linux/capability.h. False where they are malformed. Pure. */
bool file_capabilities_parse(struct file_capabilities *file, const struct vfs_ns_cap_data *data, size_t size);

/* The same of what a call such as getxattr(2) has just returned: no attribute is no error. False with errno. */
bool file_capabilities_take(struct file_capabilities *file, const struct vfs_ns_cap_data *data, ssize_t size);

/* Of the file behind a path, or behind a descriptor where `path` is NULL. False with errno. */
bool file_capabilities_read(struct file_capabilities *file, const char *path, int fd);

/* The grant: what a script's file has for the door. Those of `taken` that it permits only are the wrapper's, and no part of
 * it. The effective flag means nothing on a script. Pure. */
bool grant_of(uint64_t *grant, const struct file_capabilities *file, const struct door_rules *door, uint64_t taken,
	struct refusal *refusal);

bool grant_read(uint64_t *grant, int fd, const struct door_rules *door, uint64_t taken, struct refusal *refusal);

/* Does a program with these hand exactly the grant on to a process that may inherit it? Pure. */
bool grant_contained(uint64_t grant, const struct file_capabilities *file);

/* Is all that is needed permitted? Otherwise tells why it is not: `holder` is the file that has the ceiling. */
bool grant_below_ceiling(uint64_t needed, uint64_t permitted, const struct door_rules *door, const char *holder,
	struct refusal *refusal);

#endif
