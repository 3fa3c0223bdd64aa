/* All that leaves the program: a line to standard error, and one to the system's log. */
#ifndef CAPWRAP_LOG_H
#define CAPWRAP_LOG_H

#include "call.h"
#include "decision.h"
#include "refusal.h"

/* For --help and --version. The exit status. */
int log_tell(const char *words);

/* Fail silently: nobody must be able to stop a script by filling the log. They leave a descriptor to be closed at exec or
 * at the end. */
void log_granted(const struct decision *decision, const struct call *call);

/* To standard error, too: "capwrap: SCRIPT: reason; fix". SCRIPT is as the caller spelt it, and left out where none was
 * named; the fix names its real path. The last thing that the program does. */
void log_refused(const struct decision *decision, const struct call *call, const struct refusal *refusal);

#endif
