#include "decision.h"

#include <string.h>

bool decide_step(struct decision *decision, const struct start *start, enum step step, struct refusal *refusal)
{
	struct line *line = &decision->line;
	struct script *script = &decision->script;
	struct interpreter *interpreter = &decision->interpreter;

	switch (step) {
	case STEP_SCRIPT:
		return script_open(script, start->script, refusal);
	case STEP_EXECUTE:
		return script_executable(script, refusal);
	case STEP_READ:
		return line_read(line, script->fd, refusal);
	case STEP_WRAPPER:
		return line_of(line, script->path.real, start->executed, start->line, refusal);
	case STEP_PARSE:
		return line_parse(line, refusal);
	case STEP_GRANT:
		return grant_read(&decision->grant, script->fd, refusal);
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
		return grant_below_ceiling(decision->grant, start->permitted, line->wrapper, refusal);
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
	const size_t script_after_end = 3;

	return decision->line.count + ADDED_MAX + count + script_after_end;
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

void decision_environment(struct decision *decision, char *const given[])
{
	modules_set(decision);
	environment_build(decision->environment, given, &(struct environment){
		.kept = decision->line.kept,
		.assigned = decision->line.assigned,
		.modules = decision->modules,
	});
}
