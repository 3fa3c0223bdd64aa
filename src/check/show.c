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

#include "fix.h"
#include "utf8.h"

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

/* A name as a terminal shows it. */
static void add_foreign(struct text *text, const char *foreign)
{
	while (*foreign) {
		unsigned point, count =  utf8_next(foreign, &point);

		if (terminal.utf8 && count > 1 && !utf8_is_control(point)) {
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

/* Of a command, whole or not at all. */
static void put_word(const char *word)
{
	struct text text = {.length = 0};

	text_add_quoted(&text, word);
	if (text_is_cut(&text))
		printf("...");
	else
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

/* The path that the tree shows: the script's, or where the interpreter's is at fault that. */
static void put_path(const struct report *report, const struct verdict *verdict)
{
	const struct refusal *fault = verdict->runs ? NULL : &verdict->faults[0];
	enum rule rule = fault ? refusal_rule(fault) : RULES;
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
		count += !seen[refusal_rule(&verdict->faults[i])], seen[refusal_rule(&verdict->faults[i])] = true;
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
	struct text caps = {.length = 0}, fix = {.length = 0};

	text_add_capabilities(&caps, report_grant(report));
	printf("%s%-8s%s ", paint(stale ? YELLOW : verdict->runs ? GREEN : RED), word, paint(PLAIN));
	show_name(report->path);
	printf("  %.*s%s", (int)caps.length, caps.bytes, !verdict->runs || report->effective ? "" : ", permitted only");
	printf("%s%s%s\n", *report->may_run ? "; " : "", report->may_run, verdict->registered ? "; by binfmt_misc" : "");
	if (stale) {
		refusal_fix(&fix, "setcap -r %p", &(struct refusal){.error = 0}, report->path, "");
		put_fix(&fix, NULL);
	} else if (!verdict->runs) {
		put_faults(report, verdict);
	}
	show_warnings(report);
}
