/* The rules in their order, and what comes of them. */
#ifndef CAPWRAP_DECISION_H
#define CAPWRAP_DECISION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "call.h"
#include "environment.h"
#include "interpreter.h"
#include "refusal.h"
#include "script.h"
#include "line.h"

struct decision {
	struct shebang shebang;
	uint64_t grant;
	bool saves_on_signal; /* does the interpreter, or what it starts? See line.h */
	struct script script;
	struct interpreter next; /* what is started on the way, the last of it */
	const char *environment[ENVIRONMENT_MAX];
	struct interpreter interpreter;
	struct shebang nested;
};

/* What can be said of the file alone: path, file, execute, and what its first line names. */
bool decide_script(struct decision *decision, const char *path, struct refusal *refusal);

/* What depends on the wrapper and the call, too: line, grant, interpreter, contain, channel, ceiling. */
bool decide_run(struct decision *decision, const struct call *call, struct refusal *refusal);

/* Fills in what is executed: the interpreter, the line's arguments, the script, the caller's arguments, NULL. There is
 * room for as many as decision_arguments_max says. */
void decision_arguments(char **arguments, struct decision *decision, const struct call *call);
size_t decision_arguments_max(const struct decision *decision, const struct call *call);

#endif
