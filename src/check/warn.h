/* What an administrator should know of a script that would run. */
#ifndef CAPWRAP_CHECK_WARN_H
#define CAPWRAP_CHECK_WARN_H

#include <stddef.h>

#include "decision.h"

#define WARNINGS_MAX 12

struct warnings {
	size_t count;
	struct warning {
		const char *code; /* as capwrap-check(8) lists them */
		struct text text;
	} list[WARNINGS_MAX];
};

void warnings_find(struct warnings *warnings, const struct decision *decision);

/* A registration that upgrades of the wrapper do not reach. */
void warnings_fixed(struct warnings *warnings);

/* A file that has a grant and is not a script for capwrap. */
void warnings_stale(struct warnings *warnings);

#endif
