/* Capability sets of this process, as masks. The kernel has them in halves. */
#ifndef CAPWRAP_SETS_H
#define CAPWRAP_SETS_H

#include <stdbool.h>
#include <stdint.h>

#define CAPS 64 /* bits of a set */

#define BIT(cap) (UINT64_C(1) << (cap))

struct sets {
	uint64_t permitted, effective, inheritable;
};

/* False with errno. */
bool sets_get(struct sets *sets);
bool sets_set(const struct sets *sets);

uint64_t halves_join(uint32_t low, uint32_t high);

#endif
