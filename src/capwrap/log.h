/* What leaves the wrapper: a line for the caller, a datagram for the system's log. */
#ifndef CAPWRAP_LOG_H
#define CAPWRAP_LOG_H

#include <stdint.h>
#include <sys/types.h>

#include "refusal.h"

/* These fail silently: nobody must be able to stop a script by filling the log. `script` may be NULL: none was named. */
void log_granted(uid_t uid, const char *script, uint64_t grant, const char *interpreter);
void log_refused(uid_t uid, const char *script, const struct refusal *refusal);

/* To standard error: "capwrap: SCRIPT: reason; fix". SCRIPT as the caller spelt it; the fix names its real path. */
void log_print(const char *script, const char *real, const struct refusal *refusal);

#endif
