/* How capwrap says no. */
#ifndef CAPWRAP_REFUSAL_H
#define CAPWRAP_REFUSAL_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"

enum rule {
	RULE_CALL,
	RULE_PATH,
	RULE_FILE,
	RULE_EXECUTE,
	RULE_LINE,
	RULE_GRANT,
	RULE_ACCOUNT,
	RULE_INTERPRETER,
	RULE_PROVEN,
	RULE_CONTAIN,
	RULE_CEILING,
	RULE_EFFECT,
	RULES
};

#define REFUGE "/usr/local/bin" /* where a script is safe */

enum reason {
#define REFUSAL(name, rule, exit_code, reason, fix) name,
#include "refusals.h"
#undef REFUSAL
	REASONS
};

struct refusal {
	enum reason reason;
	int error;             /* errno, where the kernel said no */
	uint64_t capabilities; /* the ones that it is about */
	unsigned uid;          /* the account's that it is about */
	char object[PATH_MAX]; /* the file or word that it is about */

	/* Where a program collects flaws; in the wrapper there is no room. */
	struct refusal *flaws;
	size_t count, room;
};

/* Note why, and are false, so that a rule ends with `return refuse(...)`: about the script itself and with errno as it
 * stands, or about another object. Where a rule is true, what was noted on the way means nothing. */
bool refuse(struct refusal *refusal, enum reason reason);
bool refuse_about(struct refusal *refusal, enum reason reason, const char *object, int error);

/* Notes what need not be the only flaw. False, but where there is room for it: then the rule goes on. */
bool flaw(struct refusal *refusal, enum reason reason, const char *object);

#define REASON_SIZE 128
#define FIX_SIZE (128 + sizeof SECURE_PATH) /* which one of them names */

struct refusal_text {
	enum rule rule;
	int exit_code;
	char reason[REASON_SIZE];
	char fix[FIX_SIZE];
};

/* As all tables here they hold no pointers, which would have to be relocated at each start. */
extern const struct refusal_text refusal_texts[REASONS];
extern const char rule_names[RULES][12];

enum rule refusal_rule(const struct refusal *refusal);

/* What went wrong, in words; foreign ones among them by `add`, which is text_add_escaped for a person's eyes. */
void refusal_reason(struct text *text, const struct refusal *refusal, void (*add)(struct text *, const char *));

/* The command that mends it, to be pasted into a shell, from the words of the table. `script` and `wrapper` are the paths that it
 * may name. All of it or nothing: words stand there where there is no room for it. */
void refusal_fix(struct text *text, const char *words, const struct refusal *refusal, const char *script, const char *wrapper);

#endif
