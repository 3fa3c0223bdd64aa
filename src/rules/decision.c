#include "decision.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

bool decide_step(struct decision *decision, const struct start *start, enum step step, struct refusal *refusal)
{
	struct line *line = &decision->line;
	struct script *script = &decision->script;
	struct interpreter *interpreter = &decision->interpreter;
	const struct door_rules *door = &door_rules[start->door];
	uint64_t taken = line->user ? ACCOUNT_CAPABILITIES : 0;

	switch (step) {
	case STEP_SCRIPT:
		return door->opens ? script_open(script, start->script, refusal) : script_take(script, start->fd, refusal);
	case STEP_EXECUTE:
		return !door->judges || script_executable(script, refusal);
	case STEP_READ:
		return line_read(line, script->fd, refusal);
	case STEP_WRAPPER:
		return line_of(line, script->path.real, start->executed, refusal) &&
			(!door->compares || !strcmp(line->text, start->line) || refuse(refusal, LINE_DIFFERS));
	case STEP_PARSE:
		return line_parse(line, refusal);
	case STEP_GRANT:
		return grant_read(&decision->grant, script->fd, door, taken, refusal);
	case STEP_ACCOUNT:
		return !line->user || account_find(&decision->account, line->user, refusal);
	case STEP_FIND:
		return interpreter_find(interpreter, line->words[0], refusal);
	case STEP_TRUST:
		return interpreter_trust(interpreter, line->wrapper, decision->grant, refusal);
	case STEP_PROVEN:
		decision->proven = proven_find(line, interpreter);
		return proven_trust(decision->proven, line, interpreter, &script->path, refusal);
	case STEP_CONTAIN:
		return !line->contain || interpreter_contains(interpreter, decision->grant, refusal);
	case STEP_CEILING:
		return grant_below_ceiling(decision->grant | taken, start->permitted, door,
			door->opens ? line->wrapper : script->path.real, refusal);
	case STEPS:
		break;
	}
	return false;
}

bool decide(struct decision *decision, const struct start *start, struct refusal *refusal)
{
	for (enum step step = STEP_SCRIPT; step < STEPS; step++)
		if (!decide_step(decision, start, step, refusal))
			return false;
	return true;
}

size_t decision_arguments_max(const struct decision *decision, size_t count)
{
	const size_t command_script_after_end = 5;

	return decision->line.count + ADDED_MAX + count + command_script_after_end;
}

void decision_arguments(char **arguments, struct decision *decision, char *const *callers, size_t count)
{
	const struct proven *proven = decision->proven;
	size_t words = decision->line.count - 1;
	char **next = arguments;

	*next++ = decision->interpreter.found;
	for (size_t i = 0; proven && i < ADDED_MAX && *proven->added[i]; i++)
		*next++ = (char *)proven->added[i];
	memcpy(next, decision->line.words + 1, words * sizeof *next);
	next += words;
	/* Who says --unproven may have ended the options. */
	if (proven && *proven->command && !decision->line.unproven) {
		*next++ = (char *)"-c";
		*next++ = (char *)proven->command;
	}
	*next++ = decision->script.path.real;
	if (proven && *proven->after)
		*next++ = (char *)proven->after;
	memcpy(next, callers, count * sizeof *next);
	next[count] = NULL;
}

/* Python would take what stands behind a colon for another directory: the caller's, if that is relative. */
static void modules_set(struct decision *decision)
{
	static const char name[] = "PYTHONPATH=";
	const char *real = decision->script.path.real;
	size_t length = (size_t)(strrchr(real, '/') - real);

	strcpy(decision->modules, name);
	if (memchr(real, ':', length))
		return;
	if (!length)
		length = 1;
	memcpy(decision->modules + sizeof name - 1, real, length);
	decision->modules[sizeof name - 1 + length] = 0;
}

/* One step after the other, so that the one that is closed is named. */
static bool reach(const struct account *account, bool (*may)(const struct account *, const char *, int), const char *path, int mode,
	struct refusal *refusal)
{
	static char step[PATH_MAX]; /* not on the stack, which the caller limits */

	for (const char *slash = path; (slash = strchr(slash + 1, '/'));) {
		memcpy(step, path, (size_t)(slash - path));
		step[slash - path] = 0;
		if (!may(account, step, X_OK))
			return refuse_about(refusal, ACCOUNT_EXECUTE, step, EACCES);
	}
	return may(account, path, mode) || refuse_about(refusal, mode == X_OK ? ACCOUNT_EXECUTE : ACCOUNT_READ, path, EACCES);
}

bool decision_is_reachable(const struct decision *decision, bool (*may)(const struct account *, const char *path, int mode),
	struct refusal *refusal)
{
	const struct account *account = &decision->account;
	const struct interpreter *interpreter = &decision->interpreter;
	bool reads_all = !decision->line.contain && decision->grant & (BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH));

	refusal->uid = account->uid;
	/* What a link leads to first: a link is not what is closed. */
	return reach(account, may, interpreter->path.real, X_OK, refusal) &&
		reach(account, may, interpreter->found, X_OK, refusal) &&
		(reads_all || (reach(account, may, decision->script.path.real, R_OK, refusal) &&
				      (decision->line.directory || may(account, ".", X_OK) ||
					      refuse_about(refusal, ACCOUNT_DIRECTORY, "", EACCES))));
}

/* NAME=, completed with a value. */
static const char *variable_set(char *variable, const char *name, const char *value)
{
	strcpy(variable, name);
	strcpy(variable + strlen(name), value);
	return variable;
}

void decision_environment(struct decision *decision, char *const given[])
{
	const struct account *account = &decision->account;
	const char *own[] = {NULL, NULL, NULL, NULL};

	/* Of UID:GID no more is known. */
	if (decision->line.user) {
		const char *name = *account->name ? account->name : decision->line.user;

		own[0] = variable_set(decision->home, "HOME=", *account->home ? account->home : "/dev/null");
		own[1] = variable_set(decision->user, "USER=", name);
		own[2] = variable_set(decision->logname, "LOGNAME=", name);
	}
	modules_set(decision);
	environment_build(decision->environment, given, &(struct environment){
		.kept = decision->line.kept,
		.assigned = decision->line.assigned,
		.own = own,
		.modules = decision->modules,
		.plain = decision->proven && decision->proven->catalogues,
	});
}
