/* The rule "call": how the wrapper was started, and a clean footing before any file is touched. */
#ifndef CAPWRAP_CALL_H
#define CAPWRAP_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "decision.h"
#include "refusal.h"

struct call {
	struct start start;
	char **arguments;   /* the caller's, NULL-terminated */
	size_t count;       /* of those */
};

/* By which door the kernel started it. */
enum door call_door(void);

/* False with a refusal; what it is about is known all the same. */
bool call_read(struct call *call, int argc, char **argv, struct refusal *refusal);

#endif
