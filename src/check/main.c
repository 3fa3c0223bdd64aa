/* capwrap-check: explains and foretells what capwrap decides. capwrap-check(8). */
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "find.h"
#include "foretell.h"
#include "json.h"
#include "show.h"

enum { ALL_RUN, SOME_REFUSED, TROUBLE };

struct check {
	struct find find; /* first, so that what it calls finds the rest */
	bool json, recursive;
	struct supposed supposed;
	unsigned long runs, refused, stale, lost;
	bool trouble;
};

static const char help[] =
	"usage: capwrap-check [-br] [--json] [--user USER] FILE...\n"
	"\n"
	"Tells whether capwrap would run each FILE, with which capabilities and as which\n"
	"command; if not, why, and what mends it. A bare name is looked up in PATH, too.\n"
	"Run by root, it tells of root and of a user without rights.\n"
	"\n"
	"  -u, --user USER  for that user, by name or number; for root to ask\n"
	"  -b, --binfmt     as if capwrap were registered with binfmt_misc\n"
	"  -r, --recursive  walk directories, and list what is granted below\n"
	"      --json       an array of objects, for programs\n"
	"  -h, --help\n"
	"  -V, --version\n"
	"\n"
	"Exit status: 0 all run, 1 at least one is refused, missing or not a script,\n"
	"2 usage or trouble. See capwrap-check(8).\n";

static void complain(const char *path, const char *what)
{
	struct text text = {.length = 0};

	text_add_escaped(&text, path);
	fprintf(stderr, "capwrap-check: %.*s: %s\n", (int)text.length, text.bytes, what);
}

static void tell(struct check *check, const struct report *report, bool brief, enum kind kind)
{
	unsigned long told = check->runs + check->refused + check->stale;

	*(kind == KIND_STALE ? &check->stale : report->verdict->runs && !(report->others && !report->others->runs) ? &check->runs : &check->refused) += 1;
	if (check->json) {
		printf("%s\n", told ? "," : "[");
		json_report(report);
		return;
	}
	if (told && !brief)
		putchar('\n');
	if (brief)
		show_brief(report, kind);
	else
		show_report(report);
}

static void check_file(struct check *check, const char *path, bool brief, enum kind kind)
{
	struct report report;

	foretell(&report, path, &check->supposed);
	if (kind == KIND_STALE)
		warnings_stale(&report.warnings);
	tell(check, &report, brief, kind);
	report_clear(&report);
}

/* On a terminal, where it takes long. */
static void progress(struct find *find, const char *path, bool done)
{
	const struct check *check = (struct check *)find;
	static time_t began, last;
	static bool shown;
	time_t now = time(NULL);

	if (!isatty(STDERR_FILENO) || check->json)
		return;
	if (!began)
		began = last = now;
	if (done && shown)
		fprintf(stderr, "\r\033[K");
	else if (!done && now > began + 1 && now != last) {
		struct text text = {.length = 0};

		text_add_escaped(&text, path);
		(void)fflush(stdout);
		fprintf(stderr, "\r\033[K%lu files, %.*s", find->seen, text.length > 60 ? 60 : (int)text.length, text.bytes);
		shown = true;
		last = now;
	}
}

/* A wrapper, or an interpreter, and its capabilities. */
static void put_program(const char *word, const char *path)
{
	cap_t caps = cap_get_file(path);
	char *words = caps ? cap_to_text(caps, NULL) : NULL;
	struct text text = {.length = 0};

	text_add_escaped(&text, path);
	printf("%-8s %.*s  %s\n", word, (int)text.length, text.bytes, words ? words : "?");
	cap_free(words);
	cap_free(caps);
}

static void found(struct find *find, enum kind kind, const char *path)
{
	struct check *check = (struct check *)find;

	progress(find, "", true);
	if (kind == KIND_WRAPPER || kind == KIND_PROGRAM) {
		if (!check->json)
			put_program(kind == KIND_WRAPPER ? "wrapper" : "program", path);
		return;
	}
	check->lost += kind == KIND_LOST;
	check_file(check, path, true, kind);
}

/* A bare name that is not in the current directory is looked for as a shell would. */
static const char *found_in_path(const char *name, char real[PATH_MAX])
{
	const char *path = getenv("PATH");

	if (strchr(name, '/') || !access(name, F_OK))
		return name;
	for (; path && *path; path += *path == ':') {
		size_t length = strcspn(path, ":");

		if (length && snprintf(real, PATH_MAX, "%.*s/%s", (int)length, path, name) < PATH_MAX && !access(real, X_OK))
			return real;
		path += length;
	}
	return name;
}

static void check_path(struct check *check, const char *path)
{
	char real[PATH_MAX];
	struct stat st;

	if (!stat(path, &st) && S_ISDIR(st.st_mode)) {
		if (check->recursive) {
			if (find_below(&check->find, path))
				return;
			complain(path, strerror(errno));
			check->trouble = true;
			return;
		}
		complain(path, "is a directory; capwrap-check -r walks it");
		check->trouble = true;
		return;
	}
	check_file(check, found_in_path(path, real), false, KIND_GRANTED);
}

static void summarize(const struct check *check, int paths)
{
	unsigned long all = check->runs + check->refused, unread = check->find.unread;

	if (check->json) {
		printf("%s]\n", (all + check->stale) ? "\n" : "[");
		return;
	}
	if (!check->recursive && paths == 1)
		return;
	printf("%s%lu script%s: %lu run%s, %lu refused", all ? "\n" : "", all, all == 1 ? "" : "s", check->runs,
		check->runs == 1 ? "s" : "", check->refused);
	if (check->recursive)
		printf(" (%lu lost their grant); %lu stale; %lu file%s seen, %lu could not be read", check->lost, check->stale,
			check->find.seen, check->find.seen == 1 ? "" : "s", unread);
	putchar('\n');
}

/* From here on this is that user's process. */
static bool become(const char *user)
{
	char *end;
	unsigned long number = strtoul(user, &end, 10);
	const struct passwd *entry = *end || !*user ? getpwnam(user) : getpwuid((uid_t)number);
	uid_t uid = entry ? entry->pw_uid : (uid_t)number;
	gid_t gid = entry ? entry->pw_gid : (gid_t)number;

	if (!entry && (*end || !*user || number >= UINT_MAX)) {
		complain(user, "no such user");
		return false;
	}
	if (uid == getuid())
		return true;
	if ((entry ? initgroups(entry->pw_name, gid) : setgroups(0, NULL)) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid)) {
		complain(user, "only root can ask for another user");
		return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"binfmt", no_argument, NULL, 'b'},
		{"recursive", no_argument, NULL, 'r'},
		{"json", no_argument, NULL, 'j'},
		{"user", required_argument, NULL, 'u'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	struct check check = {.find = {.found = found, .progress = progress}};

	if (isatty(STDOUT_FILENO))
		show_on_terminal();
	for (int option; (option = getopt_long(argc, argv, "bhru:V", options, NULL)) != -1;) {
		switch (option) {
		case 'b':
			check.supposed.registered = true;
			break;
		case 'r':
			check.recursive = true;
			break;
		case 'j':
			check.json = true;
			break;
		case 'u':
			if (!become(optarg))
				return TROUBLE;
			break;
		case 'h':
			(void)fputs(help, stdout);
			return fflush(stdout) ? TROUBLE : ALL_RUN;
		case 'V':
			puts("capwrap-check " VERSION);
			return fflush(stdout) ? TROUBLE : ALL_RUN;
		default:
			(void)fputs("capwrap-check: see capwrap-check --help\n", stderr);
			return TROUBLE;
		}
	}
	if (optind == argc) {
		(void)fputs("capwrap-check: no file is named; see capwrap-check --help\n", stderr);
		return TROUBLE;
	}

	for (int i = optind; i < argc; i++)
		check_path(&check, argv[i]);
	summarize(&check, argc - optind);
	check.trouble |= check.find.unread > 0;
	if (fflush(stdout) || ferror(stdout)) {
		complain("standard output", strerror(errno));
		check.trouble = true;
	}
	return check.trouble ? TROUBLE : (check.refused + check.stale) ? SOME_REFUSED : ALL_RUN;
}
