/* What capwrap-grant is to do, and what all of its commands begin with. */
#ifndef CAPWRAP_GRANT_WORK_H
#define CAPWRAP_GRANT_WORK_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "line.h"
#include "list.h"
#include "refusal.h"
#include "target.h"

/* How a command ends. */
enum { DONE, DIFFERS, TROUBLE };

/* What is to be done, and what is known of what is. */
struct work {
	uint64_t capabilities;
	struct line wanted; /* its options only */
	bool hashed, json;
	struct list lists, ledger;
};

int worse(int one, int other);

/* The only process that changes anything, and with what is listed. False, which was told. */
bool work_ready(struct work *work);

/* Of a path as it was asked for an absolute one. False, which was told. */
bool path_absolute(char absolute[2 * PATH_MAX], const char *asked);

/* Is it that there is no such file? */
bool refusal_is_missing(const struct refusal *refusal);

/* Opens it, or says in the words of capwrap-check why capwrap would not run it. */
bool target_of(struct target *target, const char *asked);

/* What a list says of a script that holds these bytes. */
struct entry entry_of(const struct work *work, const struct target *target, const char *bytes, size_t size, bool hashed);

#endif
