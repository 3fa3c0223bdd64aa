/* capwrap-check: explains and foretells what capwrap decides. capwrap-check(8). */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "foretell.h"
#include "show.h"

enum { ALL_RUN, SOME_REFUSED, TROUBLE };

struct check {
	bool json, recursive, colour;
	unsigned long runs, refused, unreadable, seen;
	bool trouble;
	dev_t plain[64]; /* file systems that have no capabilities, such as /proc */
	size_t plain_count;
};

static const char help[] =
	"usage: capwrap-check [-r] [--json] FILE...\n"
	"\n"
	"Tells whether capwrap would run each FILE for you, with which capabilities and as which command; if not, why, and\n"
	"what mends it.\n"
	"\n"
	"  -r, --recursive  walk folders, and list every script below that has capabilities\n"
	"      --json       an array of objects, for programs\n"
	"      --help, --version\n"
	"\n"
	"Exit status: 0 all run, 1 any is refused, 2 usage or trouble. See capwrap-check(8).\n";

static void complain(const char *path, const char *what)
{
	struct text text = {.length = 0};

	text_add_escaped(&text, path);
	fprintf(stderr, "capwrap-check: %.*s: %s\n", (int)text.length, text.bytes, what);
}

static void tell(struct check *check, const struct report *report, bool brief, bool stale)
{
	unsigned long told = check->runs + check->refused;

	*(report->runs ? &check->runs : &check->refused) += 1;
	if (check->json) {
		printf("%s\n", told ? "," : "[");
		show_json(report);
		return;
	}
	if (told && !brief)
		putchar('\n');
	if (brief)
		show_brief(report, stale, check->colour);
	else
		show_report(report, check->colour);
}

static void check_file(struct check *check, const char *path, bool brief, bool stale)
{
	struct report report;

	foretell(&report, path);
	if (stale)
		warnings_stale(&report.warnings);
	tell(check, &report, brief, stale);
	report_clear(&report);
}

/* Is it one that an administrator granted something: no program, but with inheritable or other capabilities? `stale`
 * where capwrap is not in its first line. */
static bool is_granted(struct check *check, const char *path, dev_t device, bool *stale)
{
	char xattr[64], head[LINE_SIZE + 1] = "", *end;
	ssize_t length;
	int fd;

	if (lgetxattr(path, "security.capability", xattr, sizeof xattr) < 0) {
		if (errno == ENOTSUP && check->plain_count < sizeof check->plain / sizeof *check->plain)
			check->plain[check->plain_count++] = device;
		return false;
	}
	*stale = true;
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return true;
	length = read(fd, head, LINE_SIZE);
	close(fd);
	if (length >= 4 && !memcmp(head, "\177ELF", 4))
		return false;
	end = strchr(head, '\n');
	if (end)
		*end = 0;
	if (!strncmp(head, "#!", 2)) {
		char *name = head + 2 + strspn(head + 2, " \t");

		name[strcspn(name, " \t\r")] = 0;
		end = strrchr(name, '/');
		*stale = !end || strcmp(end, "/capwrap") != 0;
	}
	return true;
}

/* On a terminal, where it takes long. */
static void progress(const struct check *check, const char *path, bool done)
{
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
		fprintf(stderr, "\r\033[K%lu files, %.*s", check->seen, text.length > 60 ? 60 : (int)text.length, text.bytes);
		shown = true;
		last = now;
	}
}

static bool is_plain(const struct check *check, dev_t device)
{
	for (size_t i = 0; i < check->plain_count; i++)
		if (check->plain[i] == device)
			return true;
	return false;
}

static int by_name(const FTSENT **one, const FTSENT **other)
{
	return strcmp((*one)->fts_name, (*other)->fts_name);
}

static void walk(struct check *check, const char *folder)
{
	char real[PATH_MAX];
	char *const folders[] = {real, NULL};
	FTS *fts = realpath(folder, real) ? fts_open(folders, FTS_PHYSICAL, by_name) : NULL;
	FTSENT *entry;
	bool stale;

	if (!fts) {
		complain(folder, strerror(errno));
		check->trouble = true;
		return;
	}
	while ((entry = fts_read(fts))) {
		switch (entry->fts_info) {
		case FTS_D:
			if (is_plain(check, entry->fts_statp->st_dev))
				(void)fts_set(fts, entry, FTS_SKIP);
			progress(check, entry->fts_path, false);
			break;
		case FTS_F:
			check->seen++;
			if (S_ISREG(entry->fts_statp->st_mode) && !is_plain(check, entry->fts_statp->st_dev) &&
				is_granted(check, entry->fts_accpath, entry->fts_statp->st_dev, &stale)) {
				progress(check, "", true);
				check_file(check, entry->fts_path, true, stale);
			}
			break;
		case FTS_DNR:
		case FTS_ERR:
		case FTS_NS:
			check->unreadable++;
			break;
		}
	}
	progress(check, "", true);
	(void)fts_close(fts);
}

static void check_path(struct check *check, const char *path)
{
	struct stat st;

	if (!stat(path, &st) && S_ISDIR(st.st_mode)) {
		if (check->recursive) {
			walk(check, path);
			return;
		}
		complain(path, "is a folder; capwrap-check -r walks it");
		check->trouble = true;
		return;
	}
	check_file(check, path, false, false);
}

static void summarize(const struct check *check, int paths)
{
	unsigned long all = check->runs + check->refused;

	if (check->json) {
		printf("%s]\n", all ? "\n" : "[");
		return;
	}
	if (!check->recursive && paths == 1)
		return;
	printf("%s%lu script%s: %lu run%s, %lu refused", all ? "\n" : "", all, all == 1 ? "" : "s", check->runs,
		check->runs == 1 ? "s" : "", check->refused);
	if (check->recursive)
		printf("; %lu file%s seen, %lu folder%s could not be read", check->seen, check->seen == 1 ? "" : "s",
			check->unreadable, check->unreadable == 1 ? "" : "s");
	putchar('\n');
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"recursive", no_argument, NULL, 'r'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	struct check check = {0};
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	check.colour = isatty(STDOUT_FILENO) && !(no_color && *no_color) && !(term && !strcmp(term, "dumb"));
	for (int option; (option = getopt_long(argc, argv, "r", options, NULL)) != -1;) {
		switch (option) {
		case 'r':
			check.recursive = true;
			break;
		case 'j':
			check.json = true;
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
	if (fflush(stdout) || ferror(stdout)) {
		complain("standard output", strerror(errno));
		check.trouble = true;
	}
	return check.trouble ? TROUBLE : check.refused ? SOME_REFUSED : ALL_RUN;
}
