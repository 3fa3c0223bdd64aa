/* The rules in their order, and what comes of them. */
#ifndef CAPWRAP_DECISION_H
#define CAPWRAP_DECISION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "environment.h"
#include "interpreter.h"
#include "line.h"
#include "proven.h"
#include "refusal.h"
#include "script.h"

/* How the wrapper was started, as far as the rules ask. */
struct start {
	const char *line;     /* as the kernel passed it; the script's own first line decides */
	const char *executed; /* the path that the kernel was asked to execute; "" where that is not known */
	uint64_t permitted;   /* what the kernel gave the wrapper: the ceiling */
};

struct decision {
	struct line line;
	uint64_t grant;
	const struct proven *proven; /* the interpreter's row; NULL where it has none */
	struct script script;
	struct interpreter interpreter;
	const char *environment[ENVIRONMENT_MAX];
	char modules[sizeof "PYTHONPATH=" + PATH_MAX];
};

/* What can be said of the file alone: path, file, execute, and what its first line names. */
bool decide_script(struct decision *decision, const char *path, struct refusal *refusal);

/* What depends on the wrapper and on how it was started, too: all other rules. */
bool decide_run(struct decision *decision, const struct start *start, struct refusal *refusal);

/* Fills in what is executed: the interpreter, what is added to it, the line's arguments, the script, the caller's `count`
 * arguments, NULL. There is room for as many as decision_arguments_max says. */
void decision_arguments(char **arguments, struct decision *decision, char *const *callers, size_t count);
size_t decision_arguments_max(const struct decision *decision, size_t count);

/* Builds the environment from the caller's. */
void decision_environment(struct decision *decision, char *const given[]);

#endif
