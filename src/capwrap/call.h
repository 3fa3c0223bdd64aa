/* The rule "call": how the wrapper was started, and a clean footing before any file is touched. */
#ifndef CAPWRAP_CALL_H
#define CAPWRAP_CALL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "refusal.h"

struct call {
	const char *line;   /* as the kernel passed it; the script's own first line decides */
	const char *script; /* as the caller spelt it */
	char **arguments;   /* the caller's, NULL-terminated */
	int count;          /* of those */
	uid_t uid;
	uint64_t permitted;  /* what the kernel gave the wrapper: the ceiling */
	const char *wrapper; /* its path */
	struct statx self;   /* and its file */
};

bool call_read(struct call *call, int argc, char **argv, struct refusal *refusal);

/* Which program is this? Where the kernel executed the script itself, by the canonical path that it was found to have,
 * it is the one that the script's first line names: nobody but root could have changed either since. Otherwise, as when
 * called by hand, /proc tells. */
bool call_self(struct call *call, const char *script, const char *named, struct refusal *refusal);

#endif
