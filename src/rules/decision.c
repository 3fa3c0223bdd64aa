#include "decision.h"

#include <string.h>

bool decide_script(struct decision *decision, const char *path, struct refusal *refusal)
{
	struct script *script = &decision->script;

	return script_open(script, path, refusal) &&
		script_executable(script, refusal) &&
		line_read(&decision->line, script->fd, refusal);
}

static bool interpreter_decide(struct decision *decision, struct refusal *refusal)
{
	const struct line *line = &decision->line;
	struct interpreter *interpreter = &decision->interpreter;

	if (!interpreter_find(interpreter, line->words[0], refusal) ||
		!interpreter_trust(interpreter, line->wrapper, decision->grant, refusal))
		return false;
	decision->proven = proven_find(line, interpreter);
	return proven_trust(decision->proven, line, interpreter, &decision->script.path, refusal) &&
		(!line->contain || interpreter_contains(interpreter, decision->grant, refusal));
}

bool decide_run(struct decision *decision, const struct start *start, struct refusal *refusal)
{
	struct line *line = &decision->line;
	const struct script *script = &decision->script;

	return line_of(line, script->path.real, start->executed, start->line, refusal) &&
		line_parse(line, refusal) &&
		grant_read(&decision->grant, script->fd, refusal) &&
		interpreter_decide(decision, refusal) &&
		grant_below_ceiling(decision->grant, start->permitted, line->wrapper, refusal);
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
