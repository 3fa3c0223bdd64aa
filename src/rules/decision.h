/* The rules in their order, and what comes of them. */
#ifndef CAPWRAP_DECISION_H
#define CAPWRAP_DECISION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account.h"
#include "door.h"
#include "environment.h"
#include "interpreter.h"
#include "line.h"
#include "proven.h"
#include "refusal.h"
#include "script.h"

/* How the wrapper was started, as far as the rules ask. */
struct start {
	enum door door;
	int fd;               /* the script, where the kernel has opened it; else -1 */
	const char *script;   /* as the caller spelt it */
	const char *line;     /* as the kernel passed it, where it did; the script's own first line decides */
	const char *executed; /* the path that the kernel was asked to execute; "" where that is not known, or does not tell */
	uint64_t permitted;   /* what the kernel gave the wrapper: the ceiling */
	uid_t uid;            /* the caller's */
};

struct decision {
	struct line line;
	uint64_t grant;
	const struct proven *proven; /* the interpreter's row; NULL where it has none */
	struct script script;
	struct interpreter interpreter;
	struct account account; /* where the line names one */
	const char *environment[ENVIRONMENT_MAX];
	char modules[sizeof "PYTHONPATH=" + PATH_MAX];
	char home[sizeof "HOME=" + PATH_MAX], user[sizeof "USER=" + ACCOUNT_NAME_SIZE], logname[sizeof "LOGNAME=" + ACCOUNT_NAME_SIZE];
};

/* The rules, in the order in which they are applied. */
enum step {
	STEP_SCRIPT, /* path and file */
	STEP_EXECUTE,
	STEP_READ, /* the first line */
	STEP_WRAPPER, /* that the line names, which must be this one */
	STEP_PARSE,
	STEP_GRANT,
	STEP_ACCOUNT,
	STEP_FIND, /* the interpreter */
	STEP_TRUST,
	STEP_PROVEN,
	STEP_CONTAIN,
	STEP_CEILING,
	STEPS
};

/* Takes one of them, for which those before must have been taken. */
bool decide_step(struct decision *decision, const struct start *start, enum step step, struct refusal *refusal);

/* Takes all. */
bool decide(struct decision *decision, const struct start *start, struct refusal *refusal);

/* Fills in what is executed: the interpreter, what is added to it, the line's arguments, the script, the caller's `count`
 * arguments, NULL. There is room for as many as decision_arguments_max says. */
void decision_arguments(char **arguments, struct decision *decision, char *const *callers, size_t count);
size_t decision_arguments_max(const struct decision *decision, size_t count);

/* Can the account get at what it is to run, and be in the current directory, unless the line names another? access(2) tells in a process of the account's; it
 * tells of no capabilities. */
bool decision_is_reachable(const struct decision *decision, bool (*may)(const struct account *, const char *path, int mode),
	struct refusal *refusal);

/* Builds the environment from the caller's. */
void decision_environment(struct decision *decision, char *const given[]);

#endif
