/* The rules in their order, and what comes of them. */
#ifndef CAPWRAP_DECISION_H
#define CAPWRAP_DECISION_H

#include <stdbool.h>
#include <stdint.h>

#include "call.h"
#include "interpreter.h"
#include "refusal.h"
#include "script.h"
#include "shebang.h"

struct decision {
	struct script script;
	struct shebang shebang;
	uint64_t grant;
	struct interpreter interpreter;
	bool saves_on_signal; /* does it, or what it starts? See shebang.h */
};

/* What can be said of the file alone: path, file, execute, and what its first line names. */
bool decide_script(struct decision *decision, const char *path, struct refusal *refusal);

/* What depends on the wrapper and the call, too: line, grant, interpreter, contain, channel, ceiling. */
bool decide_run(struct decision *decision, const struct call *call, struct refusal *refusal);

/* What is executed: the interpreter, the line's arguments, the script, the caller's arguments. NULL-terminated, to be
 * freed; NULL where there is no memory. */
char **decision_arguments(struct decision *decision, const struct call *call);

#endif
