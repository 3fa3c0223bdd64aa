#include "show.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/stat.h>

static const char *const meanings[] = {
	[CAP_CHOWN] = "give any file to any user or group",
	[CAP_DAC_OVERRIDE] = "read, write and execute any file, whatever its mode",
	[CAP_DAC_READ_SEARCH] = "read any file and search any folder",
	[CAP_FOWNER] = "change mode, times and attributes of any file, and delete from sticky folders",
	[CAP_FSETID] = "keep set-user-ID and set-group-ID bits when a file changes",
	[CAP_KILL] = "signal any process",
	[CAP_SETGID] = "become any group",
	[CAP_SETUID] = "become any user",
	[CAP_SETPCAP] = "change its bounding and inheritable sets and its securebits",
	[CAP_LINUX_IMMUTABLE] = "make files immutable or append-only, and undo that",
	[CAP_NET_BIND_SERVICE] = "bind ports below 1024",
	[CAP_NET_BROADCAST] = "send broadcasts and listen to multicasts",
	[CAP_NET_ADMIN] = "configure interfaces, routes and firewalls",
	[CAP_NET_RAW] = "send and receive raw packets",
	[CAP_IPC_LOCK] = "lock memory",
	[CAP_IPC_OWNER] = "use any System V message queue, semaphore and shared memory",
	[CAP_SYS_MODULE] = "load and unload kernel modules",
	[CAP_SYS_RAWIO] = "reach I/O ports, kernel memory and devices directly",
	[CAP_SYS_CHROOT] = "change the root folder",
	[CAP_SYS_PTRACE] = "trace and read any process",
	[CAP_SYS_PACCT] = "switch process accounting",
	[CAP_SYS_ADMIN] = "mount, and do most of what else only root can",
	[CAP_SYS_BOOT] = "reboot, and load another kernel",
	[CAP_SYS_NICE] = "raise priorities, and set those of other processes",
	[CAP_SYS_RESOURCE] = "go past limits and quotas",
	[CAP_SYS_TIME] = "set the clock",
	[CAP_SYS_TTY_CONFIG] = "configure and hang up terminals",
	[CAP_MKNOD] = "make device files",
	[CAP_LEASE] = "take leases on any file",
	[CAP_AUDIT_WRITE] = "write to the audit log",
	[CAP_AUDIT_CONTROL] = "configure auditing",
	[CAP_SETFCAP] = "set capabilities of files",
	[CAP_MAC_OVERRIDE] = "override mandatory access control",
	[CAP_MAC_ADMIN] = "configure mandatory access control",
	[CAP_SYSLOG] = "read the kernel's log and see its addresses",
	[CAP_WAKE_ALARM] = "set timers that wake the machine",
	[CAP_BLOCK_SUSPEND] = "keep the machine from sleeping",
	[37] = "read the audit log",
	[38] = "watch performance of the whole machine",
	[39] = "load programs into the kernel",
	[40] = "checkpoint and restore processes",
};

static void put_foreign(const char *foreign)
{
	struct text text = {.length = 0};

	text_add_escaped(&text, foreign);
	printf("%.*s", (int)text.length, text.bytes);
}

static void put_word(const char *word)
{
	struct text text = {.length = 0};

	text_add_quoted(&text, word);
	printf("%.*s", (int)text.length, text.bytes);
}

static const char *paint(bool colour, const char *code)
{
	return colour ? code : "";
}

#define RED "\033[1;31m"
#define GREEN "\033[1;32m"
#define YELLOW "\033[1;33m"
#define BOLD "\033[1m"
#define PLAIN "\033[0m"

static void label(const char *name)
{
	printf("  %-12s", name);
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
static bool put_step(const char *path, size_t length, unsigned depth, const char *marked, bool colour)
{
	char step[PATH_MAX], name[PATH_MAX];
	struct stat st;
	bool there, mark;

	snprintf(step, sizeof step, "%.*s", (int)length, path);
	there = lstat(step, &st) == 0;
	mark = marked && !strcmp(step, marked);
	printf("    %s", paint(colour && mark, RED));
	if (there) {
		printf("%s ", mode_text(st.st_mode));
		put_owner(st.st_uid, st.st_gid);
	} else {
		printf("%-28s", "-");
	}
	printf("  %*s%s", (int)(depth ? 3 * (depth - 1) : 0), "", depth ? "`- " : "");
	snprintf(name, sizeof name, "%s", depth ? strrchr(step, '/') + 1 : "/");
	put_foreign(name);
	printf("%s%s\n", mark ? "  <-- here" : "", paint(colour && mark, PLAIN));
	return there;
}

/* An absolute path as a tree from /, with what is wrong at its step. */
static void put_tree(const char *path, const char *marked, bool colour)
{
	unsigned depth = 0;

	if (*path != '/' || !put_step("/", 1, 0, marked, colour))
		return;
	for (size_t i = 1; path[i];) {
		size_t length;

		i += strspn(path + i, "/");
		length = strcspn(path + i, "/");
		if (!length || !put_step(path, i + length, ++depth, marked, colour))
			return;
		i += length;
	}
}

/* The path that the tree shows: the script's, or where the interpreter's is at fault that. */
static void put_path(const struct report *report, bool colour)
{
	const char *object = report->runs ? NULL : report->refusal.object;
	enum rule rule = report->runs ? RULES : refusal_texts[report->refusal.reason].rule;
	char real[PATH_MAX], *script;

	if (rule == RULE_INTERPRETER || rule == RULE_CONTAIN) {
		if (*object != '/')
			return;
		puts("  path");
		put_tree(object, object, colour);
		return;
	}
	script = realpath(report->path, real);
	puts("  path");
	put_tree(script ? script : report->path,
		report->runs ? NULL : rule > RULE_FILE || *object != '/' ? script : object, colour);
}

static void put_warnings(const struct report *report, bool colour)
{
	for (size_t i = 0; i < report->warnings.count; i++) {
		const struct warning *warning = &report->warnings.list[i];

		printf("  %swarning%s     %s: %.*s\n", paint(colour, YELLOW), paint(colour, PLAIN), warning->code,
			(int)warning->text.length, warning->text.bytes);
	}
}

static void reason_and_fix(const struct report *report, struct text *reason, struct text *fix)
{
	const char *wrapper = report->decision.line.wrapper;

	reason->length = fix->length = 0;
	refusal_reason(reason, &report->refusal, text_add_escaped);
	refusal_fix(fix, &report->refusal, report_real(report),
		report->named ? wrapper : BINDIR "/capwrap");
}

static void put_refusal(const struct report *report, bool colour)
{
	struct text reason, fix;

	reason_and_fix(report, &reason, &fix);
	label("reason");
	printf("%.*s\n", (int)reason.length, reason.bytes);
	label("fix");
	printf("%s%.*s%s\n", paint(colour, BOLD), (int)fix.length, fix.bytes, paint(colour, PLAIN));
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
		char *text;

		if (!(report->decision.grant >> cap & 1))
			continue;
		label(name);
		name = "";
		text = cap_to_name(cap);
		printf("%s: %s\n", text ? text : "?",
			(size_t)cap < sizeof meanings / sizeof *meanings ? meanings[cap] : "newer than this program");
		cap_free(text);
	}
	label("starts");
	printf("%s\n", report->effective && report->decision.interpreter.file.present
			? "effective; child processes get nothing by default"
			: report->effective ? "effective; child processes have it too"
			: "permitted, not effective; child processes get nothing by default");
	label("may run");
	printf("%s\n", report->may_run);
	label("keeps");
	for (char *const *kept = report->decision.line.kept; *kept; kept++, separator = " ")
		printf("%s%s", separator, *kept);
	printf("%s\n", *separator ? "" : "of the environment only language and terminal settings");
}

void show_report(const struct report *report, bool colour)
{
	put_foreign(report->path);
	if (report->runs) {
		printf(": %sruns%s\n", paint(colour, GREEN), paint(colour, PLAIN));
		put_run(report);
	} else {
		printf(": %srefused%s, by the rule %s\n", paint(colour, RED), paint(colour, PLAIN),
			rule_names[refusal_texts[report->refusal.reason].rule]);
		put_refusal(report, colour);
	}
	put_warnings(report, colour);
	put_path(report, colour);
}

void show_brief(const struct report *report, bool stale, bool colour)
{
	struct text caps = {.length = 0};

	if (stale) {
		printf("%sstale%s    ", paint(colour, YELLOW), paint(colour, PLAIN));
		put_foreign(report->path);
		printf("\n");
		label("fix");
		printf("%ssetcap -r ", paint(colour, BOLD));
		put_word(report->path);
		printf("%s\n", paint(colour, PLAIN));
		put_warnings(report, colour);
		return;
	}
	printf("%s%-8s%s ", paint(colour, report->runs ? GREEN : RED), report->runs ? "runs" : "refused",
		paint(colour, PLAIN));
	put_foreign(report->path);
	if (report->runs) {
		text_add_capabilities(&caps, report->decision.grant);
		printf("  %.*s%s\n", (int)caps.length, caps.bytes, report->effective ? "" : ", permitted only");
	} else {
		printf("\n");
		put_refusal(report, colour);
	}
	put_warnings(report, colour);
}

/* The bytes of a character in UTF-8, as RFC 3629 has it; 0 where there is none. */
static unsigned utf8(const unsigned char *text)
{
	unsigned count = *text < 0x80 ? 1 : *text < 0xc2 ? 0 : *text < 0xe0 ? 2 : *text < 0xf0 ? 3 : *text < 0xf5 ? 4 : 0;

	for (unsigned i = 1; i < count; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	if ((*text == 0xe0 && text[1] < 0xa0) || (*text == 0xed && text[1] > 0x9f) || (*text == 0xf0 && text[1] < 0x90) ||
		(*text == 0xf4 && text[1] > 0x8f))
		return 0;
	return count;
}

static void put_string(const char *string)
{
	const unsigned char *text = (const unsigned char *)string;

	putchar('"');
	while (*text) {
		unsigned count = utf8(text);

		if (!count)
			printf("\\udc%02x", *text++);
		else if (*text < ' ' || *text == 0x7f)
			printf("\\u%04x", *text++);
		else if (*text == '"' || *text == '\\')
			printf("\\%c", *text++);
		else
			for (; count; count--)
				putchar(*text++);
	}
	putchar('"');
}

static void put_key(const char *key)
{
	printf(",\n    \"%s\": ", key);
}

static void put_member(const char *key, const char *value)
{
	put_key(key);
	if (value)
		put_string(value);
	else
		printf("null");
}

static void put_text(const char *key, struct text *text)
{
	text->bytes[text->length] = 0;
	put_member(key, text->bytes);
}

static void put_capabilities(uint64_t mask)
{
	const char *comma = "";

	put_key("capabilities");
	putchar('[');
	for (cap_value_t cap = 0; cap < 64; cap++) {
		struct text name = {.length = 0};

		if (!(mask >> cap & 1))
			continue;
		text_add_capabilities(&name, UINT64_C(1) << cap);
		printf("%s\"%.*s\"", comma, (int)name.length, name.bytes);
		comma = ", ";
	}
	putchar(']');
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
		put_string(names ? name : *list);
	}
	putchar(']');
}

void show_json(const struct report *report)
{
	bool runs = report->runs;
	struct text reason = {.length = 0}, fix = {.length = 0};

	printf("  {\n    \"path\": ");
	put_string(report->path);
	put_member("verdict", runs ? "runs" : "refused");
	if (runs) {
		put_member("rule", NULL);
		put_member("reason", NULL);
		put_member("fix", NULL);
	} else {
		reason_and_fix(report, &reason, &fix);
		put_member("rule", rule_names[refusal_texts[report->refusal.reason].rule]);
		put_text("reason", &reason);
		put_text("fix", &fix);
	}
	put_capabilities(report->decision.grant);
	put_member("starts", !runs ? NULL : report->effective ? "effective" : "permitted");
	put_member("interpreter", runs ? report->decision.interpreter.found : NULL);
	put_list("command", (const char *const *)report->command, false);
	put_list("environment", report->decision.environment, true);
	put_member("may_run", runs ? report->may_run : NULL);
	put_key("warnings");
	putchar('[');
	for (size_t i = 0; i < report->warnings.count; i++) {
		struct text text = report->warnings.list[i].text;

		text.bytes[text.length] = 0;
		printf("%s{\"code\": ", i ? ", " : "");
		put_string(report->warnings.list[i].code);
		printf(", \"text\": ");
		put_string(text.bytes);
		putchar('}');
	}
	printf("]\n  }");
}
