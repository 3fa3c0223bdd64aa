#include "decision.h"

#include <errno.h>
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

/* Goes on from the word that is env to the program that it starts; to 0 where it is not env. Whatever could hide a program
 * is refused: options with an argument, and what -S would expand; and so is env alone, which would start the script, which
 * starts env. */
static bool behind_env(const struct shebang *shebang, const char *real, size_t *word, struct refusal *refusal)
{
	static const char plain[][3] = {"-", "-i", "-S", "-v"};
	size_t at = *word, program;

	*word = 0;
	if (strcmp(strrchr(real, '/'), "/env") != 0)
		return true;
	program = shebang_behind_env(shebang, at);
	while (++at < shebang->count && at <= program) {
		const char *text = shebang->words[at];
		bool known = *text != '-';

		for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
			known |= !strcmp(text, plain[i]);
		if (!known || text[strcspn(text, "\\\"'$")])
			return refuse_about(refusal, INTERPRETER_ENV, text, 0);
	}
	if (program == shebang->count)
		return refuse_about(refusal, INTERPRETER_ENV, real, 0);
	*word = program;
	return true;
}

/* What an interpreter starts on the way to the script is held to the interpreter's rules: the program behind `env`, and
 * where a program is a script itself, the one that its own first line names. */
static bool programs_trust(struct decision *decision, const struct call *call, struct refusal *refusal)
{
	const struct shebang *shebang = &decision->shebang;
	const struct interpreter *interpreter = &decision->interpreter;
	struct interpreter *next = &decision->next;
	size_t word = 0;

	decision->saves_on_signal = false;
	for (int depth = 0; depth < PROGRAMS_MAX; depth++) {
		bool script = false;

		decision->saves_on_signal |= shebang_saves_on_signal(shebang, interpreter->path.real);
		if (!shebang_channel(shebang, interpreter->path.real, refusal) ||
			!behind_env(shebang, interpreter->path.real, &word, refusal))
			return false;
		if (!word) {
			if (!interpreter_head(interpreter, &script, &decision->nested, refusal))
				return false;
			if (!script)
				return true;
			shebang = &decision->nested;
		}
		if (!interpreter_find(next, shebang->words[word], refusal) ||
			!interpreter_trust(next, &call->self, decision->grant, refusal))
			return false;
		interpreter = next;
	}
	return refuse_about(refusal, INTERPRETER_EXEC, interpreter->found, ELOOP);
}

bool decide_run(struct decision *decision, const struct call *call, struct refusal *refusal)
{
	struct shebang *shebang = &decision->shebang;
	struct interpreter *interpreter = &decision->interpreter;

	return shebang_of(shebang, call->wrapper, &call->self, call->line, refusal) &&
		shebang_parse(shebang, refusal) &&
		grant_read(&decision->grant, decision->script.fd, refusal) &&
		interpreter_find(interpreter, shebang->words[0], refusal) &&
		interpreter_trust(interpreter, &call->self, decision->grant, refusal) &&
		(!shebang->contain || interpreter_contains(interpreter, decision->grant, refusal)) &&
		programs_trust(decision, call, refusal) &&
		grant_below_ceiling(decision->grant, call->permitted, call->wrapper, refusal);
}

size_t decision_arguments_max(const struct decision *decision, const struct call *call)
{
	return decision->shebang.count + (size_t)call->count + 3;
}

void decision_arguments(char **arguments, struct decision *decision, const struct call *call)
{
	size_t words = decision->shebang.count;
	char **next = arguments + words;

	memcpy(arguments, decision->shebang.words, words * sizeof *arguments);
	*arguments = decision->interpreter.found;
	*next++ = decision->script.path.real;
	if (shebang_ends_in_file_option(&decision->shebang))
		*next++ = (char *)"--";
	memcpy(next, call->arguments, (size_t)call->count * sizeof *next);
	next[call->count] = NULL;
}
