#include "decision.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAMS_MAX 8 /* of which the kernel allows five that are scripts */

bool decide_script(struct decision *decision, const char *path, struct refusal *refusal)
{
	struct script *script = &decision->script;

	return script_open(script, path, refusal) &&
		script_executable(script, refusal) &&
		script_read(script, refusal) &&
		shebang_split(&decision->shebang, script->head, script->length, refusal);
}

/* The program that `env` starts, as a number of the line's words: neither an option nor NAME=VALUE. 0 for none. */
static size_t behind_env(const struct shebang *shebang, size_t word, const char *real)
{
	if (strcmp(strrchr(real, '/'), "/env") != 0)
		return 0;
	while (++word < shebang->count)
		if (*shebang->words[word] != '-' && !strchr(shebang->words[word], '='))
			return word;
	return 0;
}

/* What an interpreter starts on the way to the script is held to the interpreter's rules: the program behind `env`, and
 * where a program is a script itself, the one that its own first line names. */
static bool programs_trust(const struct decision *decision, const struct call *call, struct refusal *refusal)
{
	const struct shebang *shebang = &decision->shebang;
	const struct interpreter *interpreter = &decision->interpreter;
	struct interpreter next;
	struct shebang nested;
	size_t word = 0;

	for (int depth = 0; depth < PROGRAMS_MAX; depth++) {
		bool script = false;

		if (!shebang_channel(shebang, interpreter->path.real, refusal))
			return false;
		word = behind_env(shebang, word, interpreter->path.real);
		if (!word) {
			if (!interpreter_head(interpreter, &script, &nested, refusal))
				return false;
			if (!script)
				return true;
			shebang = &nested;
		}
		if (!interpreter_find(&next, shebang->words[word], refusal) ||
			!interpreter_trust(&next, &call->self, decision->grant, refusal))
			return false;
		interpreter = &next;
	}
	return refuse_about(refusal, INTERPRETER_EXEC, interpreter->found, ELOOP);
}

bool decide_run(struct decision *decision, const struct call *call, struct refusal *refusal)
{
	struct shebang *shebang = &decision->shebang;
	struct interpreter *interpreter = &decision->interpreter;

	return shebang_of(shebang, &call->self, call->line, refusal) &&
		shebang_parse(shebang, refusal) &&
		grant_read(&decision->grant, decision->script.fd, refusal) &&
		interpreter_find(interpreter, shebang->words[0], refusal) &&
		interpreter_trust(interpreter, &call->self, decision->grant, refusal) &&
		(!shebang->contain || interpreter_contains(interpreter, decision->grant, refusal)) &&
		programs_trust(decision, call, refusal) &&
		grant_below_ceiling(decision->grant, call->permitted, call->wrapper, refusal);
}

char **decision_arguments(struct decision *decision, const struct call *call)
{
	size_t words = decision->shebang.count, given = (size_t)call->count;
	char **arguments = calloc(words + given + 3, sizeof *arguments), **next = arguments;

	if (!arguments)
		return NULL;
	memcpy(next, decision->shebang.words, words * sizeof *next);
	*next = decision->interpreter.found;
	next += words;
	*next++ = decision->script.path.real;
	if (shebang_ends_in_file_option(&decision->shebang))
		*next++ = (char *)"--";
	memcpy(next, call->arguments, given * sizeof *next);
	return arguments;
}
