#include "show.h"

#include <grp.h>
#include <langinfo.h>
#include <locale.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const meanings[] = {
#define MEANING(capability, text) [capability] = (text),
#include "meanings.h"
#undef MEANING
};

/* What standard output is: where it is no terminal, nothing of these. */
static struct {
	bool colour, utf8;
	unsigned width;
} terminal;

void show_on_terminal(void)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
	struct winsize size = {.ws_col = 0};

	(void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	terminal.width = size.ws_col ? size.ws_col : 80;
	terminal.colour = !(no_color && *no_color) && !(term && !strcmp(term, "dumb"));
	terminal.utf8 = locale && !strcmp(nl_langinfo_l(CODESET, locale), "UTF-8");
	if (locale)
		freelocale(locale);
}

static const char *paint(const char *code)
{
	return terminal.colour ? code : "";
}

/* The bytes of the character at the beginning of a text in UTF-8, as RFC 3629 has it, and which it is; 0 where there is none. */
static unsigned utf8(const char *string, unsigned *point)
{
	const unsigned char *text = (const unsigned char *)string;
	unsigned count = *text < 0x80 ? 1 : *text < 0xc2 ? 0 : *text < 0xe0 ? 2 : *text < 0xf0 ? 3 : *text < 0xf5 ? 4 : 0;

	*point = *text & (count == 1 ? 0x7fU : 0xffU >> (count + 1));
	for (unsigned i = 1; i < count; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		*point = *point << 6 | (text[i] & 0x3fU);
	}
	if ((count == 3 && *point < 0x800) || (*point >= 0xd800 && *point <= 0xdfff) || (count == 4 && *point < 0x10000) ||
		*point > 0x10ffff)
		return 0;
	return count;
}

/* What a terminal takes for an order: C1, and those that turn the direction of what follows. */
static bool is_control(unsigned point)
{
	return (point >= 0x80 && point <= 0x9f) || point == 0x61c || point == 0x200e || point == 0x200f ||
		(point >= 0x2028 && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
}

/* A name as a terminal shows it. */
static void add_foreign(struct text *text, const char *foreign)
{
	while (*foreign) {
		unsigned point, count = utf8(foreign, &point);

		if (terminal.utf8 && count > 1 && !is_control(point)) {
			for (; count; count--)
				text_add(text, (const char[]){*foreign++, 0});
		} else {
			text_add_escaped(text, (const char[]){*foreign++, 0});
		}
	}
}

void show_name(const char *name)
{
	struct text text = {.length = 0};

	add_foreign(&text, name);
	printf("%.*s", (int)text.length, text.bytes);
}

static void put_word(const char *word)
{
	struct text text = {.length = 0};

	text_add_quoted(&text, word);
	printf("%.*s", (int)text.length, text.bytes);
}

#define RED "\033[1;31m"
#define GREEN "\033[1;32m"
#define YELLOW "\033[1;33m"
#define BOLD "\033[1m"
#define PLAIN "\033[0m"

#define INDENT 14

static void label(const char *name)
{
	printf("  %-*s", INDENT - 2, name);
}

/* What stands behind a label: a word with a colon, where one is given, and prose, folded at blanks to what a terminal is wide. */
static void put_prose(const char *head, const char *prose, size_t length)
{
	unsigned column = INDENT + (unsigned)printf("%s%s", head, *head ? ":" : "");

	for (const char *end = prose + length; prose < end;) {
		const char *blank = memchr(prose, ' ', (size_t)(end - prose));
		size_t word = (size_t)((blank ? blank : end) - prose);
		unsigned wide = 0;

		for (size_t i = 0; i < word; i++)
			wide += (prose[i] & 0xc0) != 0x80;
		if (column > INDENT && terminal.width && column + 1 + wide > terminal.width) {
			printf("\n%*s", INDENT, "");
			column = INDENT;
		} else if (column > INDENT) {
			putchar(' ');
			column++;
		}
		printf("%.*s", (int)word, prose);
		column += wide;
		prose += word + (prose + word < end);
	}
	putchar('\n');
}

/* As ls has it: -rwxr-xr-x. */
static const char *mode_text(mode_t mode)
{
	static const char letters[] = "rwxrwxrwx";
	static char text[11];

	strcpy(text, "----------");
	text[0] = S_ISDIR(mode) ? 'd' : S_ISLNK(mode) ? 'l' : S_ISREG(mode) ? '-' : '?';
	for (int i = 0; i < 9; i++)
		if (mode & (0400U >> i))
			text[1 + i] = letters[i];
	if (mode & S_ISUID)
		text[3] = (mode & S_IXUSR) ? 's' : 'S';
	if (mode & S_ISGID)
		text[6] = (mode & S_IXGRP) ? 's' : 'S';
	if (mode & S_ISVTX)
		text[9] = (mode & S_IXOTH) ? 't' : 'T';
	return text;
}

static void put_owner(uid_t uid, gid_t gid)
{
	const struct passwd *user = getpwuid(uid);
	const struct group *group = getgrgid(gid);
	char owner[32], owning[32];

	snprintf(owner, sizeof owner, "%u", (unsigned)uid);
	snprintf(owning, sizeof owning, "%u", (unsigned)gid);
	printf("%-8.32s %-8.32s", user ? user->pw_name : owner, group ? group->gr_name : owning);
}

/* A step of a path, of its first `length` bytes. False where there is none. */
static bool put_step(const char *path, size_t length, unsigned depth, const char *marked)
{
	char step[PATH_MAX], name[PATH_MAX];
	struct stat st;
	bool there, mark;

	snprintf(step, sizeof step, "%.*s", (int)length, path);
	there = lstat(step, &st) == 0;
	mark = marked && !strcmp(step, marked);
	printf("    %s", mark ? paint(RED) : "");
	if (there) {
		printf("%s ", mode_text(st.st_mode));
		put_owner(st.st_uid, st.st_gid);
	} else {
		printf("%-28s", "-");
	}
	printf("  %*s%s", (int)(depth ? 3 * (depth - 1) : 0), "", depth ? "`- " : "");
	snprintf(name, sizeof name, "%s", depth ? strrchr(step, '/') + 1 : "/");
	show_name(name);
	printf("%s%s\n", mark ? "  <-- here" : "", mark ? paint(PLAIN) : "");
	return there;
}

/* An absolute path as a tree from /, with what is wrong at its step. */
static void put_tree(const char *path, const char *marked)
{
	unsigned depth = 0;

	if (*path != '/' || !put_step("/", 1, 0, marked))
		return;
	for (size_t i = 1; path[i];) {
		size_t length;

		i += strspn(path + i, "/");
		length = strcspn(path + i, "/");
		if (!length || !put_step(path, i + length, ++depth, marked))
			return;
		i += length;
	}
}

static enum rule rule_of(const struct refusal *fault)
{
	return refusal_texts[fault->reason].rule;
}

/* The path that the tree shows: the script's, or where the interpreter's is at fault that. */
static void put_path(const struct report *report, const struct verdict *verdict)
{
	const struct refusal *fault = verdict->runs ? NULL : &verdict->faults[0];
	enum rule rule = fault ? rule_of(fault) : RULES;
	char real[PATH_MAX], *script;

	if (rule == RULE_INTERPRETER || rule == RULE_CONTAIN) {
		if (*fault->object != '/')
			return;
		puts("  path");
		put_tree(fault->object, fault->object);
		return;
	}
	script = realpath(report->path, real);
	puts("  path");
	put_tree(script ? script : report->path,
		!fault ? NULL : rule > RULE_FILE || *fault->object != '/' ? script : fault->object);
}

void show_warnings(const struct report *report)
{
	for (size_t i = 0; i < report->warnings.count; i++) {
		const struct warning *warning = &report->warnings.list[i];

		printf("  %swarning%s     ", paint(YELLOW), paint(PLAIN));
		put_prose(warning->code, warning->text.bytes, warning->text.length);
	}
}

static const char *wrapper_of(const struct report *report)
{
	return report->named ? report->verdict->decision.line.wrapper : BINDIR "/capwrap";
}

/* What it has, also where that is refused. */
static uint64_t grant_of_script(const struct report *report)
{
	const struct verdict *verdict = report->verdict;
	uint64_t grant = verdict->granted ? verdict->decision.grant : 0;

	for (size_t i = 0; i < verdict->count; i++)
		if (rule_of(&verdict->faults[i]) == RULE_GRANT)
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

/* What mends one fault alone, as the wrapper says it, which ends at the first and knows the real path only behind the walk. */
static void fix_of_wrapper(struct text *fix, const struct report *report, const struct verdict *verdict)
{
	const struct refusal *fault = &verdict->faults[0];
	bool walked = rule_of(fault) > RULE_PATH && fault->reason != FILE_NOSUID;

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

/* What mends all, in the order in which to paste: a script that has to be moved is mended where it will be, and is granted
 * at the end, since each change takes the grant away. */
static void fixes_each(const struct report *report, const struct verdict *verdict,
	void (*put)(const struct text *fix, void *data), void *data)
{
	const char *real = report_real(report, verdict), *slash = strrchr(real, '/');
	struct fixes fixes = {put, data, wrapper_of(report), real, grant_of_script(report)};
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
		if (*words && strcmp(words, MOVE) != 0 && !(moves && rule_of(fault) <= RULE_EXECUTE))
			fix_put(&fixes, words, fault);
	}
	if (moves || regrants)
		fix_put(&fixes, REGRANT, &grants);
}

static void put_fix(const struct text *fix, void *data)
{
	(void)data;
	label("fix");
	printf("%s%.*s%s\n", paint(BOLD), (int)fix->length, fix->bytes, paint(PLAIN));
}

static void put_reason(const char *name, const struct refusal *fault)
{
	struct text reason = {.length = 0};

	refusal_reason(&reason, fault, add_foreign);
	label(name);
	put_prose("", reason.bytes, reason.length);
}

static void put_faults(const struct report *report, const struct verdict *verdict)
{
	for (size_t i = 0; i < verdict->count; i++)
		put_reason("reason", &verdict->faults[i]);
	fixes_each(report, verdict, put_fix, NULL);
}

/* "by the rule path", "by the rules path, file" */
static void put_rules(const struct verdict *verdict)
{
	bool seen[RULES] = {false};
	size_t count = 0, put = 0;

	for (size_t i = 0; i < verdict->count; i++)
		count += !seen[rule_of(&verdict->faults[i])], seen[rule_of(&verdict->faults[i])] = true;
	printf(", by the rule%s ", count == 1 ? "" : "s");
	for (enum rule rule = RULE_CALL; rule < RULES; rule++)
		if (seen[rule])
			printf("%s%s", put++ ? ", " : "", rule_names[rule]);
	putchar('\n');
}

static bool has_fault(const struct verdict *verdict, const struct refusal *fault)
{
	for (size_t i = 0; i < verdict->count; i++)
		if (verdict->faults[i].reason == fault->reason && !strcmp(verdict->faults[i].object, fault->object))
			return true;
	return false;
}

static void put_account(const struct decision *decision)
{
	const struct account *account = &decision->account;

	if (decision->line.user) {
		label("account");
		show_name(*account->name ? account->name : "no name");
		printf(", uid %u, gid %u", (unsigned)account->uid, (unsigned)account->gid);
		for (size_t i = 0; i < account->count; i++)
			printf("%s%u", i ? ", " : "; groups ", (unsigned)account->groups[i]);
		putchar('\n');
	}
	if (decision->line.directory) {
		label("in");
		show_name(decision->line.directory);
		putchar('\n');
	}
}

static void put_run(const struct report *report)
{
	const char *name = "gets";
	const char *separator = "";

	label("command");
	for (char **word = report->command; word && *word; word++) {
		printf("%s", word == report->command ? "" : " ");
		put_word(*word);
	}
	printf(" [ARG...]\n");
	for (cap_value_t cap = 0; cap < 64; cap++) {
		const char *meaning;
		char *text;

		if (!(report->verdict->decision.grant >> cap & 1))
			continue;
		label(name);
		name = "";
		text = cap_to_name(cap);
		meaning = (size_t)cap < sizeof meanings / sizeof *meanings ? meanings[cap] : "newer than this program";
		put_prose(text ? text : "?", meaning, strlen(meaning));
		cap_free(text);
	}
	label("starts");
	printf("%s\n", report->effective && report->verdict->decision.interpreter.file.present
			? "effective; child processes get nothing by default"
			: report->effective ? "effective; child processes have it too"
			: "permitted, not effective; child processes get nothing by default");
	if (report->verdict->registered) {
		label("door");
		printf("binfmt_misc");
		if (*report->verdict->registration.name) {
			printf(", entry ");
			show_name(report->verdict->registration.name);
		} else {
			printf(", once it is registered");
		}
		putchar('\n');
	}
	put_account(&report->verdict->decision);
	label("may run");
	printf("%s\n", report->may_run);
	label("keeps");
	for (char *const *kept = report->verdict->decision.line.kept; *kept; kept++, separator = " ")
		printf("%s%s", separator, *kept);
	printf("%s\n", *separator ? "" : "of the environment only language and terminal settings");
}

void show_report(const struct report *report)
{
	const struct verdict *verdict = report->verdict, *others = report->others;
	const char *refused = terminal.colour ? RED "refused" PLAIN : "refused", *runs = terminal.colour ? GREEN "runs" PLAIN : "runs";
	bool differ = others && others->runs != verdict->runs;

	show_name(report->path);
	if (verdict->runs && !differ)
		printf(": %s\n", runs);
	else if (verdict->runs)
		printf(": %s for root, %s for others", runs, refused);
	else
		printf(differ ? ": %s for root, %s for others" : ": %s", refused, runs);
	if (!verdict->runs || differ)
		put_rules(verdict->runs ? others : verdict);
	if (verdict->runs)
		put_run(report);
	else
		put_faults(report, verdict);
	if (differ && verdict->runs)
		put_faults(report, others);
	for (size_t i = 0; !differ && others && i < others->count; i++)
		if (!has_fault(verdict, &others->faults[i]))
			put_reason("for others", &others->faults[i]);
	show_warnings(report);
	put_path(report, differ && verdict->runs ? others : verdict);
}

void show_brief(const struct report *report, enum kind kind)
{
	const struct verdict *verdict = report->others && report->verdict->runs ? report->others : report->verdict;
	bool stale = kind == KIND_STALE;
	const char *word = stale ? "stale" : kind == KIND_LOST ? "lost" : verdict->runs ? "runs" : "refused";
	struct text caps = {.length = 0};

	text_add_capabilities(&caps, grant_of_script(report));
	printf("%s%-8s%s ", paint(stale ? YELLOW : verdict->runs ? GREEN : RED), word, paint(PLAIN));
	show_name(report->path);
	printf("  %.*s%s", (int)caps.length, caps.bytes, !verdict->runs || report->effective ? "" : ", permitted only");
	printf("%s%s%s\n", *report->may_run ? "; " : "", report->may_run, verdict->registered ? "; by binfmt_misc" : "");
	if (stale) {
		label("fix");
		printf("%ssetcap -r ", paint(BOLD));
		put_word(report->path);
		printf("%s\n", paint(PLAIN));
	} else if (!verdict->runs) {
		put_faults(report, verdict);
	}
	show_warnings(report);
}

void show_string(const char *string)
{
	putchar('"');
	while (*string) {
		unsigned point, count = utf8(string, &point);

		if (!count)
			printf("\\udc%02x", (unsigned char)*string++);
		else if (is_control(point) || point < ' ' || point == 0x7f)
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

void show_member(const char *key, const char *value)
{
	put_key(key);
	if (value)
		show_string(value);
	else
		printf("null");
}

static void put_text(const char *key, struct text *text)
{
	text->bytes[text->length] = 0;
	show_member(key, text->bytes);
}

void show_capabilities(uint64_t capabilities)
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

static void put_json_account(const struct decision *decision)
{
	const struct account *account = &decision->account;

	put_key("account");
	if (!decision->line.user) {
		printf("null");
		return;
	}
	printf("{\"name\": ");
	if (*account->name)
		show_string(account->name);
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
		show_string(names ? name : *list);
	}
	putchar(']');
}

static void put_json_fix(const struct text *fix, void *data)
{
	const char **comma = data;
	struct text text = *fix;

	text.bytes[text.length] = 0;
	printf("%s", *comma);
	show_string(text.bytes);
	*comma = ", ";
}

/* What the wrapper would say, all that is wrong, and what to paste. */
static void put_verdict(const struct report *report, const struct verdict *verdict)
{
	struct text reason = {.length = 0}, fix = {.length = 0};
	const char *comma = "";

	show_member("verdict", verdict->runs ? "runs" : "refused");
	if (verdict->runs) {
		show_member("rule", NULL);
		show_member("reason", NULL);
		show_member("fix", NULL);
	} else {
		refusal_reason(&reason, &verdict->faults[0], text_add_escaped);
		fix_of_wrapper(&fix, report, verdict);
		show_member("rule", rule_names[rule_of(&verdict->faults[0])]);
		put_text("reason", &reason);
		put_text("fix", &fix);
	}
	put_key("faults");
	putchar('[');
	for (size_t i = 0; i < verdict->count; i++) {
		reason.length = 0;
		refusal_reason(&reason, &verdict->faults[i], text_add_escaped);
		reason.bytes[reason.length] = 0;
		printf("%s{\"rule\": \"%s\", \"reason\": ", i ? ", " : "", rule_names[rule_of(&verdict->faults[i])]);
		show_string(reason.bytes);
		putchar('}');
	}
	putchar(']');
	put_key("fixes");
	putchar('[');
	if (!verdict->runs)
		fixes_each(report, verdict, put_json_fix, &comma);
	putchar(']');
}

void show_json(const struct report *report)
{
	const struct decision *decision = &report->verdict->decision;
	bool runs = report->verdict->runs;

	printf("  {\n    \"path\": ");
	show_string(report->path);
	put_verdict(report, report->verdict);
	put_key("others");
	if (report->others) {
		printf("{\n    \"path\": ");
		show_string(report->path);
		put_verdict(report, report->others);
		printf("}");
	} else {
		printf("null");
	}
	show_capabilities(grant_of_script(report));
	show_member("door", report->verdict->registered ? "binfmt_misc" : "#!");
	show_member("starts", !runs ? NULL : report->effective ? "effective" : "permitted");
	show_member("interpreter", runs ? decision->interpreter.found : NULL);
	put_list("command", (const char *const *)report->command, false);
	put_list("environment", runs ? decision->environment : NULL, true);
	if (runs)
		put_json_account(decision);
	else
		show_member("account", NULL);
	show_member("directory", runs ? decision->line.directory : NULL);
	show_member("may_run", *report->may_run ? report->may_run : NULL);
	put_key("warnings");
	putchar('[');
	for (size_t i = 0; i < report->warnings.count; i++) {
		struct text text = report->warnings.list[i].text;

		text.bytes[text.length] = 0;
		printf("%s{\"code\": ", i ? ", " : "");
		show_string(report->warnings.list[i].code);
		printf(", \"text\": ");
		show_string(text.bytes);
		putchar('}');
	}
	printf("]\n  }");
}
