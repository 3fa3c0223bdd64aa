/* The rules "path", "file" and "execute": the script's file, and the one descriptor through which it is read. */
#ifndef CAPWRAP_SCRIPT_H
#define CAPWRAP_SCRIPT_H

#include <stdbool.h>

#include "path.h"
#include "refusal.h"

struct script {
	int fd; /* policy comes from here and from nowhere else */
	struct path path; /* canonical: what the interpreter is handed; "" where the walk there was refused */
};

/* What flaws of its path are called. */
extern const struct path_reasons script_reasons;

/* These hold whatever the caller does with names, links and directories:
 *  - the path is resolved once; what is then walked, opened and handed on is the result;
 *  - every step of it is trusted (path.h), so the interpreter opens the very file that was judged;
 *  - line and grant are read through the descriptor, never by name. */
bool script_open(struct script *script, const char *path, struct refusal *refusal);

/* The same for one that the kernel has opened: the path is the descriptor's, and must lead to the very same file. */
bool script_take(struct script *script, int fd, struct refusal *refusal);

/* Would the kernel take another user or group for it? */
bool script_changes_ids(mode_t mode);

/* May the caller execute it, by mode, mount and by nobody writing to it? */
bool script_executable(const struct script *script, struct refusal *refusal);

#endif
