#include "fix.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char *wrapper_of(const struct report *report)
{
	return report->named ? report->verdict->decision.line.wrapper : BINDIR "/capwrap";
}

uint64_t report_grant(const struct report *report)
{
	const struct verdict *verdict = report->verdict;
	uint64_t grant = verdict->granted ? verdict->decision.grant : 0;

	for (size_t i = 0; i < verdict->count; i++)
		if (refusal_rule(&verdict->faults[i]) == RULE_GRANT)
			grant |= verdict->faults[i].capabilities;
	return grant;
}

#define TURN "capwrap-grant cap_NAME %p"

/* What may be no script for capwrap at all is not to be changed. What may become one is turned over. */
static const char *words_of(const struct report *report, const struct refusal *fault)
{
	if (GRANTS && fault->reason == LINE_WRAPPER && !report->named)
		return TURN;
	return fault->reason == EXECUTE_DENIED && !report->named ? "let those who are to run it execute it"
								  : refusal_texts[fault->reason].fix;
}

void fix_of_wrapper(struct text *fix, const struct report *report, const struct verdict *verdict)
{
	const struct refusal *fault = &verdict->faults[0];
	bool walked = refusal_rule(fault) > RULE_PATH && fault->reason != FILE_NOSUID;

	fix->length = 0;
	refusal_fix(fix, words_of(report, fault), fault, walked ? report_real(report, verdict) : report->path, wrapper_of(report));
}

/* The words of a fix with the grant where it is known: %g for cap_NAME. */
static void words_grant(char words[FIX_SIZE], uint64_t grant)
{
	static const char name[] = "cap_NAME";
	char *at;

	while (grant && (at = strstr(words, name))) {
		memcpy(at, "%g", 2);
		memmove(at + 2, at + strlen(name), strlen(at + strlen(name)) + 1);
	}
}

/* To keep a grant is better than to give it once. */
static void words_keep(char words[FIX_SIZE])
{
	static const char *const names[] = {"cap_NAME", "%g"};

	for (size_t i = 0; GRANTS && i < sizeof names / sizeof *names; i++) {
		char once[32], kept[FIX_SIZE], *at;

		snprintf(once, sizeof once, "setcap %s=ip ", names[i]);
		at = strstr(words, once);
		if (!at)
			continue;
		snprintf(kept, sizeof kept, "capwrap-grant %s %s", names[i], at + strlen(once));
		snprintf(at, FIX_SIZE - (size_t)(at - words), "%s", kept);
	}
}

/* Cuts off the command that grants the script again. False where there is none. */
static bool words_cut(char words[FIX_SIZE])
{
	static const char *const grants[] = {(" && " REGRANT), REGRANT, "setcap %g=ip %p", TURN};

	for (size_t i = 0; i < sizeof grants / sizeof *grants; i++) {
		char *at = strstr(words, grants[i]);

		if (at) {
			*at = 0;
			return true;
		}
	}
	return false;
}

struct fixes {
	void (*put)(const struct text *fix, void *data);
	void *data;
	const char *wrapper, *script;
	uint64_t grant;
};

static void fix_put(const struct fixes *fixes, const char *table, const struct refusal *fault)
{
	struct refusal about = *fault;
	struct text fix = {.length = 0};
	char words[FIX_SIZE];

	about.capabilities |= fixes->grant;
	snprintf(words, sizeof words, "%s", table);
	words_keep(words);
	words_grant(words, about.capabilities);
	refusal_fix(&fix, words, &about, fixes->script, fixes->wrapper);
	fixes->put(&fix, fixes->data);
}

void fixes_each(const struct report *report, const struct verdict *verdict,
	void (*put)(const struct text *fix, void *data), void *data)
{
	const char *real = report_real(report, verdict), *slash = strrchr(real, '/');
	struct fixes fixes = {put, data, wrapper_of(report), real, report_grant(report)};
	const struct refusal grants = {.object = ""};
	bool moves = false, regrants = false;
	char script[PATH_MAX];

	/* In a user namespace that has no id for root, all else comes from that. */
	if (verdict->count == 1 || verdict->faults[0].reason == PATH_ROOT) {
		fix_put(&fixes, words_of(report, &verdict->faults[0]), &verdict->faults[0]);
		return;
	}
	for (size_t i = 0; i < verdict->count; i++)
		moves |= !strcmp(refusal_texts[verdict->faults[i].reason].fix, MOVE);
	if (moves && slash) {
		fix_put(&fixes, "install -b %p " REFUGE, &grants);
		snprintf(script, sizeof script, REFUGE "%s", slash);
		fixes.script = script;
	}
	for (size_t i = 0; i < verdict->count; i++) {
		const struct refusal *fault = &verdict->faults[i];
		char words[FIX_SIZE];

		snprintf(words, sizeof words, "%s", words_of(report, fault));
		regrants |= words_cut(words);
		if (*words && strcmp(words, MOVE) != 0 && !(moves && refusal_rule(fault) <= RULE_EXECUTE))
			fix_put(&fixes, words, fault);
	}
	if (moves || regrants)
		fix_put(&fixes, REGRANT, &grants);
}
