#include "warn.h"

#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

#define BIT(cap) (UINT64_C(1) << (cap))

/* With any of these a program can take all the others: it may become any user, change any file or process, or the
 * kernel. */
static const uint64_t like_root = BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) | BIT(CAP_SETGID) |
	BIT(CAP_SETUID) | BIT(CAP_SETPCAP) | BIT(CAP_SYS_MODULE) | BIT(CAP_SYS_RAWIO) | BIT(CAP_SYS_PTRACE) |
	BIT(CAP_SYS_ADMIN) | BIT(CAP_SYS_BOOT) | BIT(CAP_MKNOD) | BIT(CAP_SETFCAP) | BIT(CAP_MAC_ADMIN) |
	BIT(39 /* CAP_BPF */);

/* Beginnings of names by which interpreters, or programs that scripts start, find code. */
static const char *const code_names[] = {
	"PATH", "IFS", "ENV", "CDPATH", "PS4", "SHELLOPTS", "BASH", "ZDOTDIR", "FPATH", "PYTHON", "PERL", "RUBY", "GEM_",
	"BUNDLE_", "NODE_", "LUA", "R_", "GUILE_", "TCL", "PHP", "AWK", "JAVA", "JDK_", "CLASSPATH", "_JAVA", "DOTNET_",
	"LANG", "LC_", "XDG_", "GIT_", "EDITOR", "VISUAL", "PAGER", "MAKE", "TMPDIR", "TERMINFO",
};

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

static const char *base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Does the name, as found or without links, match? For `env NAME` it is the name that counts. */
static bool interpreter_is(const struct decision *decision, const char *pattern)
{
	const char *names[] = {base(decision->interpreter.found), base(decision->interpreter.path.real), NULL};
	bool is = false;
	regex_t regex;

	if (!strcmp(names[0], "env") && decision->shebang.count > 1)
		names[2] = base(decision->shebang.words[1]);
	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB))
		return false;
	for (size_t i = 0; i < COUNT(names) && names[i]; i++)
		is |= !regexec(&regex, names[i], 0, NULL, 0);
	regfree(&regex);
	return is;
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

/* -m and -c import from the current folder, - and -i run what the caller types; clusters such as -Im as well. */
static void warn_python(struct warnings *warnings, const struct decision *decision)
{
	if (!interpreter_is(decision, "^(python|pypy)[0-9.]*$"))
		return;
	for (size_t i = 1; i < decision->shebang.count; i++) {
		const char *word = decision->shebang.words[i];
		size_t letters = 1 + strcspn(word + 1, "XW");

		if (!strcmp(word, "-"))
			add(warnings, "python-option", "", word, " makes Python run what the caller sends to standard input");
		else if (*word == '-' && word[1] != '-' && strcspn(word, "imc") < letters)
			add(warnings, "python-option", "", word,
				" makes Python import from the current folder or ask the caller");
	}
}

static void warn_environment(struct warnings *warnings, const struct decision *decision)
{
	for (char *const *name = decision->shebang.kept; *name; name++) {
		if (!strcmp(*name, "HOME"))
			add(warnings, "env-home", "--env ", *name,
				": interpreters read settings and code from the caller's home");
		for (size_t i = 0; i < COUNT(code_names); i++) {
			if (strncmp(*name, code_names[i], strlen(code_names[i])) != 0)
				continue;
			add(warnings, "env-code", "--env ", *name,
				": it may make the interpreter, or what it starts, run the caller's code");
			break;
		}
	}
}

static bool script_has(const struct decision *decision, const char *pattern)
{
	const size_t size = 1 << 20; /* enough for what people write */
	char *body = calloc(1, size + 1);
	bool has = false;
	regex_t regex;

	if (body && pread(decision->script.fd, body, size, 0) > 0 &&
		!regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB | REG_NEWLINE)) {
		has = !regexec(&regex, body, 0, NULL, 0);
		regfree(&regex);
	}
	free(body);
	return has;
}

static void warn_of_body(struct warnings *warnings, const struct decision *decision)
{
	if (interpreter_is(decision, "^(ba|k|mk|z|c|tc)sh[0-9.-]*$") &&
		script_has(decision, "(^|[^<])<<-?[[:blank:]]*[\\\\'\"]?[[:alpha:]_]"))
		add(warnings, "here-document", "a here-document, in bash one over 8 KiB, is a file in /tmp that the caller can read and "
			"change; use a pipe", "", "");
	if (interpreter_is(decision, "^(python|pypy)[0-9.]*$") && script_has(decision, "forkserver"))
		add(warnings, "python-forkserver", "the forkserver of multiprocessing takes orders through a socket that the caller "
			"can open; use another start method", "", "");
	if (interpreter_is(decision, "^perl[0-9.]*$") && script_has(decision, "(^|[^<])<(ARGV)?>([^>]|$)"))
		add(warnings, "perl-diamond", "<> runs an argument such as cmd| as a command; write <<>>", "", "");
}

static void warn_caller_steers(struct warnings *warnings, const struct decision *decision)
{
	bool file_option = shebang_ends_in_file_option(&decision->shebang);

	if (interpreter_is(decision, "^(lua|luajit|php)[0-9.-]*$") ||
		(file_option && interpreter_is(decision, "^[a-z-]*awk$")))
		add(warnings, "current-folder", "it may look for what it includes in the current folder, which the caller "
			"chooses: name such files by absolute path", "", "");
	if (file_option && interpreter_is(decision, "^[a-z-]*awk$"))
		add(warnings, "caller-variables", "an argument NAME=VALUE sets a variable of the program; gawk -E rules that out",
			"", "");
}

/* Some languages look for modules or settings in the folders above. */
static void warn_loose_folder(struct warnings *warnings, const char *path)
{
	char folder[PATH_MAX];
	struct stat st;

	snprintf(folder, sizeof folder, "%s", path);
	for (char *slash = strrchr(folder, '/'); slash && slash > folder; slash = strrchr(folder, '/')) {
		*slash = 0;
		if (!stat(folder, &st) && path_writable(st.st_mode)) {
			add(warnings, "writable-folder", "", folder,
				": others can put files there, above the script or its interpreter");
			return;
		}
	}
}

/* Whoever can change the wrapper is not held by its rules. */
static void warn_wrapper(struct warnings *warnings, const struct decision *decision)
{
	static const struct path_reasons any = {.links = true};
	const char *wrapper = decision->shebang.wrapper;
	struct refusal refusal;
	struct path path;

	if (!path_walk(&path, wrapper, &any, &refusal) || path.file.stx_uid || path_writable(path.file.stx_mode))
		add(warnings, "wrapper", "the wrapper ", wrapper, ", or a folder above it, can be changed by others than root");
}

static void warn_launcher(struct warnings *warnings, const struct decision *decision)
{
	char magic[2];
	int fd = open(decision->interpreter.path.real, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (read(fd, magic, sizeof magic) == sizeof magic && !memcmp(magic, "#!", sizeof magic))
		add(warnings, "launcher", "the interpreter is a script itself: what it starts is not looked at", "", "");
	close(fd);
}

void warnings_find(struct warnings *warnings, const struct decision *decision)
{
	warn_capabilities(warnings, decision->grant);
	warn_python(warnings, decision);
	warn_environment(warnings, decision);
	warn_of_body(warnings, decision);
	warn_caller_steers(warnings, decision);
	warn_loose_folder(warnings, decision->script.path.real);
	warn_loose_folder(warnings, decision->interpreter.found);
	warn_launcher(warnings, decision);
	warn_wrapper(warnings, decision);
}

void warnings_stale(struct warnings *warnings)
{
	add(warnings, "stale-grant", "it has capabilities, and no first line that names capwrap; setcap -r takes them away", "", "");
}
