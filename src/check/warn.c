#include "warn.h"

#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "foretell.h"
#include "sets.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* With any of these a program can take all the others: it may become any user, change any file or process, or the
 * kernel. */
static const uint64_t like_root = BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) | BIT(CAP_SETGID) |
	BIT(CAP_SETUID) | BIT(CAP_SETPCAP) | BIT(CAP_SYS_MODULE) | BIT(CAP_SYS_RAWIO) | BIT(CAP_SYS_PTRACE) |
	BIT(CAP_SYS_ADMIN) | BIT(CAP_SYS_BOOT) | BIT(CAP_MKNOD) | BIT(CAP_SETFCAP) | BIT(CAP_MAC_ADMIN) |
	BIT(39 /* CAP_BPF */);

/* Foreign words stand in the middle. */
static void add(struct warnings *warnings, const char *code, const char *before, const char *foreign, const char *after)
{
	struct warning *warning = &warnings->list[warnings->count];

	if (warnings->count == WARNINGS_MAX)
		return;
	warnings->count++;
	warning->code = code;
	warning->text.length = 0;
	text_add(&warning->text, before);
	text_add_escaped(&warning->text, foreign);
	text_add(&warning->text, after);
}

/* Is its row of the table the one that has this name first? */
static bool interpreter_is(const struct decision *decision, const char *name)
{
	size_t length = strlen(name);

	return decision->proven && !strncmp(decision->proven->names, name, length) &&
		strchr(" #", decision->proven->names[length]);
}

/* Does it put here-documents into files? Those of dash and busybox are pipes. */
static bool interpreter_writes_documents(const struct decision *decision)
{
	const char *real = strrchr(decision->interpreter.path.real, '/');

	return interpreter_is(decision, "bash") || interpreter_is(decision, "ksh") || interpreter_is(decision, "mksh") ||
		interpreter_is(decision, "zsh") ||
		(interpreter_is(decision, "sh") && strcmp(real, "/dash") != 0 && strcmp(real, "/busybox") != 0);
}

static void warn_capabilities(struct warnings *warnings, uint64_t grant)
{
	struct text text = {.length = 0};

	if (!(grant & like_root))
		return;
	text_add_capabilities(&text, grant & like_root);
	text.bytes[text.length] = 0;
	add(warnings, "root-in-all-but-name", "", text.bytes, ": whoever controls this script can become root");
}

/* From a uid that is not 0 the kernel takes nothing away. */
static void warn_uid(struct warnings *warnings, uint64_t grant)
{
	if (grant & BIT(CAP_SETUID))
		add(warnings, "keeps-capabilities", "it keeps its capabilities when it becomes another user: the kernel takes them only from "
			"root; drop them, or start what follows by setpriv --inh-caps=-all --ambient-caps=-all", "", "");
}

static void warn_unproven(struct warnings *warnings, const struct decision *decision)
{
	if (decision->line.unproven)
		add(warnings, "unproven", "nothing shows that ", decision->interpreter.path.real,
			" keeps the caller out, asked for what the line asks: the author of the line answers for it");
}

/* Names that hold data, and by which no program finds code, settings or commands. A * stands for any rest. */
static bool is_plain_data(const char *name)
{
	static const char *const plain[] = {
		"AUTH_TYPE", "COLORTERM", "COLUMNS", "CONTENT_LENGTH", "CONTENT_TYPE", "GATEWAY_INTERFACE", "ICINGA_*", "LINES",
		"LOGNAME", "NAGIOS_*", "NO_COLOR", "PATH_INFO", "PATH_TRANSLATED", "QUERY_STRING", "REMOTE_ADDR", "REMOTE_HOST",
		"REMOTE_IDENT", "REMOTE_PORT", "REMOTE_USER", "REQUEST_METHOD", "REQUEST_URI", "SCRIPT_NAME", "SERVER_NAME",
		"SERVER_PORT", "SERVER_PROTOCOL", "SERVER_SOFTWARE", "SSH_CLIENT", "SSH_CONNECTION", "SSH_ORIGINAL_COMMAND",
		"SSH_TTY", "SUDO_GID", "SUDO_UID", "SUDO_USER", "USER",
	};

	for (size_t i = 0; i < COUNT(plain); i++) {
		size_t length = strcspn(plain[i], "*");

		if (!strncmp(name, plain[i], length) && (plain[i][length] || !name[length]))
			return true;
	}
	return false;
}

static void warn_environment(struct warnings *warnings, const struct decision *decision)
{
	for (char *const *name = decision->line.kept; *name; name++) {
		if (!strcmp(*name, "HOME") && decision->line.user)
			continue;
		if (!strcmp(*name, "HOME"))
			add(warnings, "env-home", "--env ", *name,
				": interpreters read settings and code from the caller's home");
		else if (!is_plain_data(*name))
			add(warnings, "env-code", "--env ", *name,
				": it may make the interpreter, or what it starts, run the caller's code");
	}
}

/* Matches a line of the script; `word`, where given, is the text of the pattern's second group. */
static bool script_has(const struct decision *decision, const char *pattern, char word[32])
{
	const size_t size = 1 << 20; /* enough for what people write */
	char *body = calloc(1, size + 1);
	regmatch_t groups[3];
	bool has = false;
	regex_t regex;

	if (body && pread(decision->script.fd, body, size, 0) > 0 && !regcomp(&regex, pattern, REG_EXTENDED | REG_NEWLINE)) {
		has = !regexec(&regex, body, COUNT(groups), groups, 0);
		if (has && word)
			snprintf(word, 32, "%.*s", (int)(groups[2].rm_eo - groups[2].rm_so), body + groups[2].rm_so);
		regfree(&regex);
	}
	free(body);
	return has;
}

static bool line_assigns(const struct decision *decision, const char *start)
{
	for (char *const *entry = decision->line.assigned; *entry; entry++)
		if (!strncmp(*entry, start, strlen(start)))
			return true;
	return false;
}

/* Does a line that is no comment have one of these words, which have a | between? Then `program` is it. */
static bool script_starts(const struct decision *decision, const char *words, char program[32])
{
	char pattern[128];

	snprintf(pattern, sizeof pattern, "^([^#].*[^[:alnum:]_.-])?(%s)([^[:alnum:]_.-]|$)", words);
	return script_has(decision, pattern, program);
}

static void warn_of_body(struct warnings *warnings, const struct decision *decision)
{
	/* Is its user the caller, and its directory? */
	bool shared = !decision->line.user, here = !decision->line.directory;
	char program[32];

	if (shared && interpreter_writes_documents(decision) &&
		script_has(decision, "(^|[^<])<<-?[[:blank:]]*[\\\\'\"]?[[:alpha:]_]", NULL))
		add(warnings, "here-document", "a here-document, in bash one over 8 KiB, is a file in /tmp that the caller can read, change, "
			"and put a link in the place of; use a pipe", "", "");
	if (shared && interpreter_is(decision, "python") && script_has(decision, "forkserver", NULL))
		add(warnings, "python-forkserver", "the forkserver of multiprocessing takes orders through a socket that the caller "
			"can open; use another start method", "", "");
	if (interpreter_is(decision, "perl") && script_has(decision, "(^|[^<])<(ARGV)?>([^>]|$)", NULL))
		add(warnings, "perl-diamond", "<> runs an argument such as cmd| as a command; write <<>>", "", "");
	if (interpreter_is(decision, "ruby") && script_has(decision, "^([^#].*[^[:alnum:]_])?(require)[^[:alnum:]_]", NULL) &&
		!script_has(decision, "LOADED_FEATURES", NULL))
		add(warnings, "ruby-require", "links in the current directory, named thread.rb or enumerator.so, keep it from loading "
			"what they lead to; begin it with: $LOADED_FEATURES.reject! { |f| f[0] != \"/\" }", "", "");
	if (interpreter_is(decision, "php") &&
		script_has(decision, "(include|require)(_once)?[[:blank:](]*['\"][^/]", NULL))
		add(warnings, "php-include", "a name without a directory that is nowhere else is included from the current directory; "
			"write __DIR__ before it", "", "");

	if (!decision->line.no_new_privs && !decision->line.contain &&
		script_starts(decision, "mount|umount|fusermount3?", program))
		add(warnings, "set-user-id", "it starts ", program, ", which is set-user-ID and so loses the grant; with --no-new-privs in "
			"the line it keeps it");

	/* Found by passwd, whatever HOME is, and in the current directory. */
	if (!decision->line.contain && ((shared && script_starts(decision, "ssh|scp|sftp|sqlite3|git", program)) ||
		(shared && !line_assigns(decision, "NMAPDIR=") && script_starts(decision, "nmap", program)) ||
		((shared || here) && script_starts(decision, "bundle", program)) ||
			(shared && script_has(decision, "^([^#].*[^[:alnum:]_.-])?(rsync)[^[:alnum:]_.-].*[[:alnum:]]:", program))))
		add(warnings, "caller-settings", "it starts ", program, ", which runs commands of the caller's own settings, with the "
			"grant; take the capabilities from it, or use --user, --chdir or --contain");
}

/* The caller owns what has the caller's uid, and so may exchange it, in a sticky directory too. */
static void warn_temporary(struct warnings *warnings, const struct decision *decision)
{
	static const uint64_t files = BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_FOWNER);
	char program[32];

	if (!decision->line.user && decision->grant & files && script_has(decision, "^([^#].*[^[:alnum:]_])?(mktemp|mkdtemp|mkstemp|"
		"mktmpdir|NamedTemporaryFile|TemporaryDirectory|[Tt]empfile|[Tt]empdir)([^[:alnum:]_]|$)", program))
		add(warnings, "temporary-file", "the caller can put a link in the place of what ", program, " makes, and the script then opens, by "
			"its name and with its capabilities, what the link leads to; keep the descriptor, or use --user");
	if (decision->line.user && !decision->line.directory && interpreter_is(decision, "python") &&
		script_has(decision, "^([^#].*[^[:alnum:]_])?(tempfile)([^[:alnum:]_]|$)", program))
		add(warnings, "temporary-file", "where /tmp is full, ", program, " takes the current directory, which is the caller's; use "
			"--chdir /");
}

/* With more privileges than its user's a program does not look for libraries beside itself. */
static void warn_origin(struct warnings *warnings, const struct decision *decision)
{
	static const char origin[] = "$ORIGIN";
	struct stat st;
	void *bytes;
	int fd;

	if (!decision->interpreter.file.present)
		return;
	fd = open(decision->interpreter.found, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	bytes = fstat(fd, &st) < 0 ? MAP_FAILED : mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (bytes == MAP_FAILED)
		return;
	if (memmem(bytes, (size_t)st.st_size, origin, strlen(origin)))
		add(warnings, "origin", "", decision->interpreter.found, " looks for libraries beside itself ($ORIGIN), which a program "
			"with file capabilities may not: it may fail to start");
	(void)munmap(bytes, (size_t)st.st_size);
}

static void warn_caller_steers(struct warnings *warnings, const struct decision *decision)
{
	if (interpreter_is(decision, "awk"))
		add(warnings, "caller-variables", "an argument NAME=VALUE sets a variable of the program; gawk -E rules that out",
			"", "");
}

/* Some languages look for modules or settings in the directories above. */
static void warn_loose_directory(struct warnings *warnings, const char *path)
{
	char directory[PATH_MAX];
	struct stat st;

	snprintf(directory, sizeof directory, "%s", path);
	for (char *slash = strrchr(directory, '/'); slash && slash > directory; slash = strrchr(directory, '/')) {
		*slash = 0;
		if (!stat(directory, &st) && path_writable(st.st_mode)) {
			add(warnings, "writable-directory", "", directory,
				": others can put files there, above the script");
			return;
		}
	}
}

/* Whoever can change the wrapper is not held by its rules. */
static void warn_wrapper(struct warnings *warnings, const struct decision *decision)
{
	if (!wrapper_is_roots(decision->line.wrapper))
		add(warnings, "wrapper", "the wrapper ", decision->line.wrapper,
			", or a directory above it, can be changed by others than root");
}

void warnings_find(struct warnings *warnings, const struct decision *decision)
{
	warn_capabilities(warnings, decision->grant);
	warn_uid(warnings, decision->grant);
	warn_unproven(warnings, decision);
	warn_environment(warnings, decision);
	warn_of_body(warnings, decision);
	warn_temporary(warnings, decision);
	warn_caller_steers(warnings, decision);
	warn_origin(warnings, decision);
	warn_loose_directory(warnings, decision->script.path.real);
	warn_wrapper(warnings, decision);
}

void warnings_fixed(struct warnings *warnings)
{
	add(warnings, "registered-for-good", "the entry of binfmt_misc has the flag F: when the wrapper is replaced, the old one goes on, and "
		"refuses; register it with OC", "", "");
}

void warnings_stale(struct warnings *warnings)
{
	add(warnings, "stale-grant", "it has capabilities, and no first line that names capwrap; setcap -r takes them away", "", "");
}
