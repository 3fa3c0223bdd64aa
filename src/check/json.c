#include "json.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>

#include "fix.h"
#include "utf8.h"

void json_string(const char *string)
{
	putchar('"');
	while (*string) {
		unsigned point, count = utf8_next(string, &point);

		if (!count)
			printf("\\udc%02x", (unsigned char)*string++);
		else if (utf8_is_control(point) || point < ' ' || point == 0x7f)
			printf("\\u%04x", point), string += count;
		else if (point == '"' || point == '\\')
			printf("\\%c", *string++);
		else
			for (; count; count--)
				putchar(*string++);
	}
	putchar('"');
}

static void put_key(const char *key)
{
	printf(",\n    \"%s\": ", key);
}

void json_member(const char *key, const char *value)
{
	put_key(key);
	if (value)
		json_string(value);
	else
		printf("null");
}

static void put_text(const char *key, struct text *text)
{
	text->bytes[text->length] = 0;
	json_member(key, text->bytes);
}

void json_capabilities(uint64_t capabilities)
{
	const char *comma = "";

	put_key("capabilities");
	putchar('[');
	for (cap_value_t cap = 0; cap < 64; cap++) {
		struct text name = {.length = 0};

		if (!(capabilities >> cap & 1))
			continue;
		text_add_capabilities(&name, UINT64_C(1) << cap);
		printf("%s\"%.*s\"", comma, (int)name.length, name.bytes);
		comma = ", ";
	}
	putchar(']');
}

static void put_account(const struct decision *decision)
{
	const struct account *account = &decision->account;

	put_key("account");
	if (!decision->line.user) {
		printf("null");
		return;
	}
	printf("{\"name\": ");
	if (*account->name)
		json_string(account->name);
	else
		printf("null");
	printf(", \"uid\": %u, \"gid\": %u, \"groups\": [", (unsigned)account->uid, (unsigned)account->gid);
	for (size_t i = 0; i < account->count; i++)
		printf("%s%u", i ? ", " : "", (unsigned)account->groups[i]);
	printf("]}");
}

static void put_list(const char *key, const char *const *list, bool names)
{
	const char *comma = "";

	put_key(key);
	putchar('[');
	for (; list && *list; list++, comma = ", ") {
		char name[LINE_SIZE + 1];

		printf("%s", comma);
		snprintf(name, sizeof name, "%.*s", (int)strcspn(*list, "="), *list);
		json_string(names ? name : *list);
	}
	putchar(']');
}

static void put_fix(const struct text *fix, void *data)
{
	const char **comma = data;
	struct text text = *fix;

	text.bytes[text.length] = 0;
	printf("%s", *comma);
	json_string(text.bytes);
	*comma = ", ";
}

/* What the wrapper would say, all that is wrong, and what to paste. */
static void put_verdict(const struct report *report, const struct verdict *verdict)
{
	struct text reason = {.length = 0}, fix = {.length = 0};
	const char *comma = "";

	json_member("verdict", verdict->runs ? "runs" : "refused");
	if (verdict->runs) {
		json_member("rule", NULL);
		json_member("reason", NULL);
		json_member("fix", NULL);
	} else {
		refusal_reason(&reason, &verdict->faults[0], text_add_escaped);
		fix_of_wrapper(&fix, report, verdict);
		json_member("rule", rule_names[refusal_rule(&verdict->faults[0])]);
		put_text("reason", &reason);
		put_text("fix", &fix);
	}
	put_key("faults");
	putchar('[');
	for (size_t i = 0; i < verdict->count; i++) {
		reason.length = 0;
		refusal_reason(&reason, &verdict->faults[i], text_add_escaped);
		reason.bytes[reason.length] = 0;
		printf("%s{\"rule\": \"%s\", \"reason\": ", i ? ", " : "", rule_names[refusal_rule(&verdict->faults[i])]);
		json_string(reason.bytes);
		putchar('}');
	}
	putchar(']');
	put_key("fixes");
	putchar('[');
	if (!verdict->runs)
		fixes_each(report, verdict, put_fix, &comma);
	putchar(']');
}

void json_report(const struct report *report)
{
	const struct decision *decision = &report->verdict->decision;
	bool runs = report->verdict->runs;

	printf("  {\n    \"path\": ");
	json_string(report->path);
	put_verdict(report, report->verdict);
	put_key("others");
	if (report->others) {
		printf("{\n    \"path\": ");
		json_string(report->path);
		put_verdict(report, report->others);
		printf("}");
	} else {
		printf("null");
	}
	json_capabilities(report_grant(report));
	json_member("door", report->verdict->registered ? "binfmt_misc" : "#!");
	json_member("starts", !runs ? NULL : report->effective ? "effective" : "permitted");
	json_member("interpreter", runs ? decision->interpreter.found : NULL);
	put_list("command", (const char *const *)report->command, false);
	put_list("environment", runs ? decision->environment : NULL, true);
	if (runs)
		put_account(decision);
	else
		json_member("account", NULL);
	json_member("directory", runs ? decision->line.directory : NULL);
	json_member("may_run", *report->may_run ? report->may_run : NULL);
	put_key("warnings");
	putchar('[');
	for (size_t i = 0; i < report->warnings.count; i++) {
		struct text text = report->warnings.list[i].text;

		text.bytes[text.length] = 0;
		printf("%s{\"code\": ", i ? ", " : "");
		json_string(report->warnings.list[i].code);
		printf(", \"text\": ");
		json_string(text.bytes);
		putchar('}');
	}
	printf("]\n  }");
}
