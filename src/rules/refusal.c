#include "refusal.h"

#include <errno.h>
#include <string.h>

/* Fills in a text's placeholders, foreign words by `add`. */
static void expand(struct text *text, const char *words, const struct refusal *refusal,
	void (*add)(struct text *, const char *), const char *script, const char *wrapper)
{
	for (; *words; words++) {
		if (*words != '%') {
			text_add(text, (const char[]){*words, 0});
			continue;
		}
		switch (*++words) {
		case 'o': add(text, refusal->object); break;
		case 'p': text_add(text, *script == '-' ? "./" : ""); add(text, script); break;
		case 'w': add(text, wrapper); break;
		case 'e': text_add_error(text, refusal->error); break;
		case 'u': text_add_number(text, refusal->uid); break;
		case 'g': text_add_capabilities(text, refusal->capabilities); break;
		default: text_add(text, (const char[]){'%', *words, 0});
		}
	}
}

const char rule_names[RULES][12] = {
	[RULE_CALL] = "call",
	[RULE_PATH] = "path",
	[RULE_FILE] = "file",
	[RULE_EXECUTE] = "execute",
	[RULE_LINE] = "line",
	[RULE_GRANT] = "grant",
	[RULE_ACCOUNT] = "account",
	[RULE_INTERPRETER] = "interpreter",
	[RULE_PROVEN] = "proven",
	[RULE_CONTAIN] = "contain",
	[RULE_CEILING] = "ceiling",
	[RULE_EFFECT] = "effect",
};

/* None is too long. */
#define REFUSAL(name, rule, exit_code, reason, fix) \
	_Static_assert(sizeof(reason) <= REASON_SIZE && sizeof(fix) <= FIX_SIZE, #name);
#include "refusals.h"
#undef REFUSAL

const struct refusal_text refusal_texts[REASONS] = {
#define REFUSAL(name, rule, exit_code, reason, fix) {rule, exit_code, reason, fix},
#include "refusals.h"
#undef REFUSAL
};

bool refuse_about(struct refusal *refusal, enum reason reason, const char *object, int error)
{
	size_t length = strnlen(object, sizeof refusal->object - 1);

	refusal->reason = reason;
	refusal->error = error;
	memcpy(refusal->object, object, length);
	refusal->object[length] = 0;
	return false;
}

bool refuse(struct refusal *refusal, enum reason reason)
{
	return refuse_about(refusal, reason, "", errno);
}

bool flaw(struct refusal *refusal, enum reason reason, const char *object)
{
	refuse_about(refusal, reason, object, 0);
	if (refusal->count == refusal->room)
		return false;
	refusal->flaws[refusal->count++] = *refusal;
	return true;
}

enum rule refusal_rule(const struct refusal *refusal)
{
	return refusal_texts[refusal->reason].rule;
}

void refusal_reason(struct text *text, const struct refusal *refusal, void (*add)(struct text *, const char *))
{
	expand(text, refusal_texts[refusal->reason].reason, refusal, add, "", "");
}

void refusal_fix(struct text *text, const char *words, const struct refusal *refusal, const char *script, const char *wrapper)
{
	const unsigned before = text->length;

	expand(text, words, refusal, text_add_quoted, script, wrapper);
	if (!text_is_cut(text))
		return;
	/* A cut may fall inside of quotes: what stands in a name would be a command of its own. */
	text->length = before;
	text_add(text, "its path is too long to be written here");
}
