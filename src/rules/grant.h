/* The rules "grant" and "ceiling": what the files of script and wrapper hold. The tests compare it with libcap. */
#ifndef CAPWRAP_GRANT_H
#define CAPWRAP_GRANT_H

#include <stdbool.h>
#include <linux/capability.h>
#include <stdint.h>
#include <sys/types.h>

#include "refusal.h"

struct file_capabilities {
	bool present;
	bool effective;
	uid_t rootid; /* of the user namespace that they were set in; 0: they are for this one */
	uint64_t permitted, inheritable;
};

/* What the bytes of a file's security.capability say, by linux/capability.h. False where they are malformed. Pure. */
bool file_capabilities_parse(struct file_capabilities *file, const struct vfs_ns_cap_data *data, size_t size);

/* Of the file behind a path, or behind a descriptor where `path` is NULL. False with errno. */
bool file_capabilities_read(struct file_capabilities *file, const char *path, int fd);

/* The grant: what a script's file may inherit. The effective flag means nothing on a script. Pure. */
bool grant_of(uint64_t *grant, const struct file_capabilities *file, struct refusal *refusal);

bool grant_read(uint64_t *grant, int fd, struct refusal *refusal);

/* Does a program with these hand exactly the grant on to a process that may inherit it? Pure. */
bool grant_contained(uint64_t grant, const struct file_capabilities *file);

/* Is the whole grant permitted? Otherwise tells why it is not, of the wrapper at `path`. */
bool grant_below_ceiling(uint64_t grant, uint64_t permitted, const char *wrapper, struct refusal *refusal);

#endif
