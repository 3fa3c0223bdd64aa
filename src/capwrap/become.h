/* An account of the script's own, taken for good. */
#ifndef CAPWRAP_BECOME_H
#define CAPWRAP_BECOME_H

#include <stdbool.h>
#include <stdint.h>

#include "account.h"
#include "refusal.h"

/* From here on this is that account's process: its ids and groups, read back, a session keyring of its own, and
 * nothing that the caller sent before or has set a timer for. Takes two of the capabilities that are permitted; afterwards none is effective. */
bool become(const struct account *account, uint64_t permitted, struct refusal *refusal);

#endif
