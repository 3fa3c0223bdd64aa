#include "decision.h"

#include <stdlib.h>
#include <string.h>

bool decide_script(struct decision *decision, const char *path, struct refusal *refusal)
{
	struct script *script = &decision->script;

	return script_open(script, path, refusal) &&
		script_executable(script, refusal) &&
		script_read(script, refusal) &&
		shebang_split(&decision->shebang, script->head, script->length, refusal);
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
		shebang_channel(shebang, interpreter->path.real, refusal) &&
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
