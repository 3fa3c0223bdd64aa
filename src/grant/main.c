/* capwrap-grant: gives scripts their capabilities, and keeps them. capwrap-grant(8). */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "foretell.h"
#include "names.h"
#include "say.h"
#include "show.h"
#include "status.h"

enum { DONE, DIFFERS, TROUBLE };

enum command { GRANT, EDIT, APPLY, STATUS, REVOKE };

/* What is to be done, and what is known of what is. */
struct work {
	uint64_t capabilities;
	struct line wanted; /* its options only */
	bool hashed, json;
	struct list lists, ledger;
};

/* What is written down of a script, before it is in its place. */
struct noted {
	struct work *work;
	struct entry entry, before, ledger_before;
	bool list; /* in the list of our own */
};

static const char help[] =
	"usage: capwrap-grant [-Uc] [-u USER] [--sha256] CAPABILITIES SCRIPT...\n"
	"       capwrap-grant --edit SCRIPT\n"
	"       capwrap-grant --apply | --status [--json]\n"
	"       capwrap-grant --revoke SCRIPT...\n"
	"\n"
	"Puts capwrap into the first line of each SCRIPT, before its interpreter, gives the\n"
	"file CAPABILITIES, such as cap_net_raw,cap_kill, and lists it, so that --apply can\n"
	"give them again after an upgrade. Refuses what capwrap would not run.\n"
	"\n"
	"  -U, --unproven   write that into the line: you answer for its interpreter\n"
	"  -c, --contain    write that into the line: child processes get nothing\n"
	"  -u, --user USER  write that into the line: an account of its own\n"
	"      --sha256     list what the script holds, too: another is not granted\n"
	"  -e, --edit       edit it in $VISUAL or $EDITOR; it is never without its grant\n"
	"  -a, --apply      grant what is listed, and revoke what was granted and is not\n"
	"  -s, --status     tell what differs from the lists\n"
	"      --json       an array of objects, for programs\n"
	"  -r, --revoke     remove the capabilities, and the script from the list\n"
	"  -h, --help\n"
	"  -V, --version\n"
	"\n"
	"Exit status: 0 done, or nothing differs; 1 something is refused or differs;\n"
	"2 usage or trouble. See capwrap-grant(8).\n";

static int worse(int one, int other)
{
	return one > other ? one : other;
}

/* ---- A script */

static bool absolute_make(char absolute[2 * PATH_MAX], const char *asked)
{
	*absolute = 0;
	if (*asked != '/' && !getcwd(absolute, PATH_MAX)) {
		complain(asked, "the current directory can't be found: %s", strerror(errno));
		return false;
	}
	if (snprintf(absolute + strlen(absolute), PATH_MAX, "%s%s", *asked == '/' ? "" : "/", asked) < PATH_MAX)
		return true;
	complain(asked, "%s", strerror(ENAMETOOLONG));
	return false;
}

static bool is_missing(const struct refusal *refusal)
{
	return refusal->reason == PATH_STEP && refusal->error == ENOENT;
}

/* Opens it, or says in the words of capwrap-check why capwrap would not run it. */
static bool script_take_in(struct target *target, const char *asked)
{
	static struct refusal refusal;
	struct report report;
	char absolute[2 * PATH_MAX];

	if (!absolute_make(absolute, asked))
		return false;
	refusal = (struct refusal){.room = 0};
	if (target_open(target, absolute, &refusal) && target_read(target))
		return true;
	foretell(&report, asked, &(struct supposed){.grant = 0});
	if (report.verdict->count && !is_missing(&refusal))
		show_report(&report);
	else
		complain_refusal(asked, &refusal, NULL);
	report_clear(&report);
	target_close(target);
	return false;
}

static struct entry entry_of(const struct work *work, const struct target *target, const char *bytes, size_t size, bool hashed)
{
	struct entry entry = {.path = (char *)target->path.real, .capabilities = work->capabilities, .file = OWN};
	struct refusal none = {.room = 0};
	struct line line;

	if (hashed)
		hash_of(entry.hash, bytes, size);
	if (line_split(&line, bytes, size, &none) && wrapper_is_named(line.wrapper))
		strcpy(entry.text, line.text);
	return entry;
}

static bool ledger_note(struct work *work, const struct entry *entry)
{
	const struct entry *there = list_find(&work->ledger, entry->path);
	struct entry noted = *entry;

	*noted.hash = 0;
	if (there && there->capabilities == noted.capabilities && !strcmp(there->text, noted.text))
		return true;
	list_put(&work->ledger, &noted);
	return ledger_write(&work->ledger);
}

static bool note(void *data)
{
	struct noted *noted = data;
	struct entry listed = noted->entry;

	*listed.text = 0;
	return ledger_note(noted->work, &noted->entry) && (!noted->list || own_write(listed.path, &listed));
}

/* As it was, since the script is. */
static void unnote(struct noted *noted)
{
	struct work *work = noted->work;

	if (noted->list)
		(void)own_write(noted->entry.path, noted->before.path ? &noted->before : NULL);
	if (noted->ledger_before.path)
		list_put(&work->ledger, &noted->ledger_before);
	else
		list_remove(&work->ledger, noted->entry.path);
	(void)ledger_write(&work->ledger);
}

static void put_line(const char *name, const char *bytes, size_t size)
{
	const char *newline = memchr(bytes, '\n', size);
	char *line = must(strndup(bytes, newline ? (size_t)(newline - bytes) : size));

	printf("  %-12s", name);
	show_name(line);
	putchar('\n');
	free(line);
}

static void put_done(const struct target *target, const char *bytes, size_t size, const struct noted *noted, bool changed)
{
	struct text names = {.length = 0};
	const char *newline = memchr(bytes, '\n', size);
	size_t first = newline ? (size_t)(newline - bytes) + 1 : size;
	bool turned = first > target->size || memcmp(bytes, target->bytes, first) != 0;

	text_add_capabilities(&names, noted->entry.capabilities);
	show_name(target->path.real);
	printf(": %s %.*s\n", changed ? "granted" : "has already", (int)names.length, names.bytes);
	put_line("first line", bytes, size);
	if (turned)
		put_line("was", target->bytes, target->size);
	printf("  %-12s%s\n", "listed in", noted->list ? OWN : noted->before.file);
}

/* Puts that content, with that grant, in its place, and on record. */
static int script_put(struct work *work, struct target *target, const char *bytes, size_t size, bool edited)
{
	const struct entry *listed = list_find(&work->lists, target->path.real), *made = list_find(&work->ledger, target->path.real);
	bool own = !listed || !strcmp(listed->file, OWN), hashed = work->hashed || (listed && *listed->hash), same;
	static struct noted noted;
	enum replaced replaced;

	noted = (struct noted){.work = work, .entry = entry_of(work, target, bytes, size, hashed), .list = own};
	if (listed)
		noted.before = *listed;
	if (made) {
		noted.ledger_before = *made;
		noted.ledger_before.path = must(strdup(made->path));
	}
	if (!own && (listed->capabilities != work->capabilities || (hashed && strcmp(listed->hash, noted.entry.hash) != 0))) {
		complain(target->path.real, "%s:%u lists it with another grant; change it there, or in a file of the same name in " LISTS,
			listed->file, listed->number);
		return DIFFERS;
	}
	if (!path_is_listable(target->path.real)) {
		complain(target->path.real, "a name with a control byte can't be listed; rename it");
		return DIFFERS;
	}
	same = size == target->size && !memcmp(bytes, target->bytes, size) && target_has(target, work->capabilities);
	signals_hold();
	if (!same)
		replaced = target_replace(target, bytes, size, work->capabilities, edited, note, &noted);
	else if ((replaced = target_judge(target, false)) == REPLACED && !note(&noted))
		replaced = FAILED;
	if (replaced == FAILED)
		unnote(&noted);
	signals_let_in();
	if (replaced == REFUSED)
		complain(target->path.real, "not granted, and not changed");
	if (replaced == REPLACED) {
		put_done(target, bytes, size, &noted, !same);
		(void)target_judge(target, true);
	}
	return replaced == REPLACED ? DONE : replaced == REFUSED ? DIFFERS : TROUBLE;
}

static int script_grant(struct work *work, const char *asked)
{
	static struct target target;
	char *bytes;
	size_t size;
	int code = DIFFERS;

	if (!script_take_in(&target, asked))
		return DIFFERS;
	bytes = target_turned(&target, &work->wanted, &size);
	if (bytes)
		code = script_put(work, &target, bytes, size, false);
	free(bytes);
	target_close(&target);
	return code;
}

/* Its capabilities go, also where it can't be trusted any more: then they are worth nothing, but should not lie about. */
static bool revoke_file(struct target *target, const char *real, bool *had)
{
	static struct refusal refusal;
	bool there;

	refusal = (struct refusal){.room = 0};
	there = target_open(target, real, &refusal);
	if (!there)
		target_close(target);
	if (!there && is_missing(&refusal))
		return true;
	if (!there && !target_open_anyway(target, real)) {
		complain_refusal(real, &refusal, "getcap %p");
		return false;
	}
	*had = target->capabilities.present;
	return target_revoke(target);
}

/* Takes a script out of the list, and its capabilities away, in this order: what is left after a power cut, --apply does. */
static int script_revoke(struct work *work, const char *asked)
{
	static struct target target;
	char absolute[2 * PATH_MAX], real[PATH_MAX];
	const struct entry *listed;
	struct stat st;
	bool had = false, good;

	if (!absolute_make(absolute, asked))
		return TROUBLE;
	snprintf(real, sizeof real, "%s", path_resolve(absolute));
	listed = list_find(&work->lists, real);
	if (listed && strcmp(listed->file, OWN) != 0) {
		complain(asked, "%s:%u lists it; remove it there, or in a file of the same name in " LISTS, listed->file, listed->number);
		return DIFFERS;
	}
	if (!listed && !list_find(&work->ledger, real) && lstat(real, &st) < 0) {
		complain(asked, "%s", strerror(errno));
		return DIFFERS;
	}
	target.directory = target.file = -1;
	target.bytes = NULL;
	signals_hold();
	good = own_write(real, NULL) && revoke_file(&target, real, &had);
	if (!good && listed)
		(void)own_write(real, listed);
	if (good) {
		list_remove(&work->ledger, real);
		good = ledger_write(&work->ledger);
	}
	signals_let_in();
	if (good) {
		show_name(real);
		printf(": %s\n", had ? "revoked" : "has no capabilities, and is in no list");
	}
	target_close(&target);
	return good ? DONE : TROUBLE;
}

/* ---- --edit */

/* Runs the editor of who asks on a file. */
static bool edit(const char *file)
{
	static const int usual[] = {SIGINT, SIGQUIT, SIGPIPE, SIGXFSZ};
	int status = 0;
	pid_t child;

	(void)fflush(stdout);
	/* They are the editor's, which may have another use for them. */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGQUIT, SIG_IGN);
	child = fork();
	if (!child) {
		for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
			(void)signal(usual[i], SIG_DFL);
		execl("/bin/sh", "sh", "-c", "eval \"exec ${VISUAL:-${EDITOR:-$(command -v editor || echo vi)}}\" '\"$1\"'", "sh", file, (char *)NULL);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		status = -1;
	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGQUIT, SIG_DFL);
	if (!status)
		return true;
	complain(file, "the editor failed; nothing was changed. VISUAL or EDITOR names another");
	return false;
}

/* A copy that only root can see; its directory has nothing else. */
static char *copy_make(const struct target *target)
{
	char *directory = must(strdup("/var/tmp/capwrap-edit-XXXXXX")), *copy;
	FILE *out;

	if (!mkdtemp(directory)) {
		complain(directory, "%s", strerror(errno));
		free(directory);
		return NULL;
	}
	if (asprintf(&copy, "%s/%s", directory, target->name) < 0)
		must(NULL);
	free(directory);
	out = fopen(copy, "we");
	if (!out || fwrite(target->bytes, 1, target->size, out) != target->size || fclose(out)) {
		complain(copy, "%s", strerror(errno));
		free(copy);
		return NULL;
	}
	return copy;
}

static void copy_remove(char *copy)
{
	(void)unlink(copy);
	(void)rmdir(dirname(copy)); /* not where the editor left something there */
	free(copy);
}

static bool copy_differs(const struct target *target, const char *copy)
{
	size_t size;
	char *bytes = bytes_read(copy, &size);
	bool differs = bytes && (size != target->size || memcmp(bytes, target->bytes, size) != 0);

	free(bytes);
	return differs;
}

static bool asks_again(void)
{
	char answer[8];

	if (!isatty(STDIN_FILENO))
		return false;
	printf("edit it again? [Y/n] ");
	(void)fflush(stdout);
	return fgets(answer, sizeof answer, stdin) && *answer != 'n' && *answer != 'N';
}

static bool is_same_file(const struct target *one, const struct target *other)
{
	return one->st.st_ino == other->st.st_ino && one->st.st_dev == other->st.st_dev &&
		one->st.st_ctim.tv_sec == other->st.st_ctim.tv_sec && one->st.st_ctim.tv_nsec == other->st.st_ctim.tv_nsec;
}

static bool ready(struct work *work);

/* Puts the copy in its place, unless the script has changed meanwhile. */
static int copy_put(const struct target *before, const char *asked, const char *copy)
{
	static struct work work;
	static struct target target;
	const struct entry *listed;
	size_t size;
	char *bytes = bytes_read(copy, &size);
	int code = DIFFERS;

	if (!bytes) {
		complain(copy, "%s", strerror(errno));
		return TROUBLE;
	}
	if (size == before->size && !memcmp(bytes, before->bytes, size)) {
		printf("not changed\n");
		free(bytes);
		return DONE;
	}
	work = (struct work){.json = false};
	if (ready(&work) && script_take_in(&target, asked)) {
		listed = list_find(&work.lists, target.path.real);
		work.capabilities = listed ? listed->capabilities : target.capabilities.inheritable;
		if (is_same_file(before, &target))
			code = script_put(&work, &target, bytes, size, true);
		else
			complain(asked, "it was changed by somebody else meanwhile");
		target_close(&target);
	}
	lock_release();
	free(bytes);
	return code;
}

static int script_edit(const char *asked)
{
	static struct target target;
	static struct list lists;
	char *copy;
	int code = TROUBLE;

	if (!lists_read(&lists))
		return TROUBLE;
	if (!script_take_in(&target, asked))
		return DIFFERS;
	if (!target.capabilities.inheritable && !list_find(&lists, target.path.real)) {
		complain(asked, "it has no capabilities to keep; capwrap-grant CAPABILITIES SCRIPT gives it some");
		target_close(&target);
		return DIFFERS;
	}
	copy = copy_make(&target);
	while (copy && edit(copy) && (code = copy_put(&target, asked, copy)) != DONE && asks_again())
		;
	if (copy && code != DONE && copy_differs(&target, copy))
		complain(copy, "this is what you wrote; it is kept");
	else if (copy)
		copy_remove(copy);
	target_close(&target);
	return code;
}

/* ---- --apply */

/* Options that the line had before it was replaced by one without the wrapper stay. */
static void wanted_by(struct line *wanted, const struct entry *made)
{
	struct refusal none = {.room = 0};

	*wanted = (struct line){.contain = false};
	if (!made || !*made->text)
		return;
	strcpy(wanted->text, made->text);
	(void)line_parse(wanted, &none);
}

/* Before anything is changed it is on record: all that is, in one go. */
static bool will_change(struct work *work, const struct entry *entry, bool *noted)
{
	static struct target target;
	static struct refusal refusal;
	const enum state state = state_of(entry, &target, &refusal);
	const struct entry *made = list_find(&work->ledger, entry->path);
	struct entry record = *entry;

	*record.hash = 0;
	if (state == STATE_GRANTED && made)
		strcpy(record.text, target.line.text);
	else if (made)
		strcpy(record.text, made->text);
	target_close(&target);
	if ((state == STATE_GRANTED && !made) || state == STATE_MISSING || state == STATE_REFUSED || state == STATE_EDITED)
		return state != STATE_GRANTED;
	if (!made || made->capabilities != record.capabilities || strcmp(made->text, record.text) != 0) {
		list_put(&work->ledger, &record);
		*noted = true;
	}
	return state != STATE_GRANTED;
}

static int entry_apply(struct work *work, const struct entry *entry)
{
	static struct target target;
	static struct refusal refusal;
	static struct line wanted;
	enum state state = state_of(entry, &target, &refusal);
	enum replaced replaced = REFUSED;
	char *bytes = NULL;
	size_t size;

	if (state == STATE_REFUSED || state == STATE_MISSING) {
		complain_refusal(entry->path, &refusal, status_fix(state, &refusal));
		return DIFFERS;
	}
	wanted_by(&wanted, state == STATE_UNTURNED ? list_find(&work->ledger, entry->path) : NULL);
	work->capabilities = entry->capabilities;
	if (state == STATE_EDITED) {
		complain(entry->path, "it is not what the sha256 of %s:%u is of, and gets nothing", entry->file, entry->number);
		if (target.capabilities.present)
			(void)target_revoke(&target);
	} else if (state == STATE_UNTURNED && *entry->hash) {
		complain(entry->path, "its first line names no wrapper, and the sha256 of %s:%u is of that", entry->file, entry->number);
	} else if (!target.bytes && !target_read(&target)) {
		complain(entry->path, "%s", strerror(errno));
	} else if ((bytes = target_turned(&target, &wanted, &size))) {
		signals_hold();
		replaced = target_replace(&target, bytes, size, entry->capabilities, false, NULL, NULL);
		signals_let_in();
	}
	if (replaced == REPLACED) {
		struct entry made = entry_of(work, &target, bytes, size, false);
		struct text names = {.length = 0};

		list_put(&work->ledger, &made);
		text_add_capabilities(&names, entry->capabilities);
		show_name(entry->path);
		printf(": granted %.*s\n", (int)names.length, names.bytes);
	}
	free(bytes);
	target_close(&target);
	return replaced == REPLACED ? DONE : replaced == REFUSED ? DIFFERS : TROUBLE;
}

/* Of what was made here and is no longer listed. True where it is done with. */
static bool entry_unlist(const struct entry *made, int *code)
{
	static struct target target;
	static struct refusal refusal;
	enum state state = state_of_unlisted(made, &target, &refusal);
	bool done = true;

	if (state == STATE_MISSING)
		return true;
	/* What can't be trusted any more needs no grant. */
	if (state == STATE_REFUSED && target_open_anyway(&target, made->path) && target.capabilities.inheritable == made->capabilities)
		state = STATE_UNLISTED;
	if (state == STATE_REFUSED) {
		complain_refusal(made->path, &refusal, status_fix(state, &refusal));
		*code = worse(*code, DIFFERS);
		target_close(&target);
		return false;
	}
	if (state == STATE_UNLISTED) {
		done = target_revoke(&target);
		*code = worse(*code, done ? DONE : TROUBLE);
		show_name(made->path);
		puts(done ? ": revoked" : ": not revoked");
	}
	target_close(&target);
	return done;
}

static int apply(struct work *work)
{
	bool *change = must(calloc(work->lists.count + 1, sizeof *change)), changed = false;
	int code = DONE;

	for (size_t i = 0; i < work->lists.count; i++)
		change[i] = will_change(work, &work->lists.entries[i], &changed);
	if (changed && !ledger_write(&work->ledger)) {
		free(change);
		return TROUBLE;
	}
	changed = false;
	for (size_t i = 0; i < work->lists.count; i++) {
		if (!change[i])
			continue;
		code = worse(code, entry_apply(work, &work->lists.entries[i]));
		changed = true;
	}
	free(change);
	for (size_t i = 0; i < work->ledger.count;) {
		const struct entry *made = &work->ledger.entries[i];

		if (list_find(&work->lists, made->path) || !entry_unlist(made, &code)) {
			i++;
		} else {
			list_remove(&work->ledger, made->path);
			changed = true;
		}
	}
	if (changed && !ledger_write(&work->ledger))
		code = TROUBLE;
	return code;
}

/* ---- The command line */

/* The only one, and with what is listed. */
static bool ready(struct work *work)
{
	bool good = lock_take();

	return good && ledger_read(&work->ledger) && lists_read(&work->lists);
}

static int usage(const char *what)
{
	fprintf(stderr, "capwrap-grant: %s; see capwrap-grant --help\n", what);
	return TROUBLE;
}

static int run(struct work *work, enum command command, char **words)
{
	struct text wrong = {.length = 0};
	int code = DONE;

	if (command == GRANT && words[0] && !names_parse(&work->capabilities, *words++, &wrong)) {
		fprintf(stderr, "capwrap-grant: %.*s\n", (int)wrong.length, wrong.bytes);
		return TROUBLE;
	}
	if (command == APPLY || command == STATUS ? *words != NULL : !*words)
		return usage(*words ? "no script is to be named" : "no script is named");
	if (command == EDIT && words[1])
		return usage("--edit takes one script");
	if (command == STATUS)
		return ledger_read(&work->ledger) && lists_read(&work->lists) ? status_show(&work->lists, &work->ledger, work->json) : TROUBLE;
	if (geteuid())
		return usage("only root can grant: run it as root");
	if (command == EDIT)
		return script_edit(*words);
	if (!ready(work))
		return TROUBLE;
	if (command == APPLY)
		return apply(work);
	for (; *words; words++)
		code = worse(code, command == GRANT ? script_grant(work, *words) : script_revoke(work, *words));
	return code;
}

/* Nothing of ours is to be where output goes. What was closed can't be written to, or read. */
static bool descriptors_open(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd ? O_RDONLY : O_WRONLY) != fd)
			return false;
	return true;
}

/* One word of a line, and no option. */
static bool is_word(const char *text)
{
	if (!*text || *text == '-')
		return false;
	for (; *text; text++)
		if (!isgraph((unsigned char)*text) && !((unsigned char)*text & 0x80))
			return false;
	return true;
}

static int told(int code)
{
	if (!fflush(stdout) && !ferror(stdout))
		return code;
	complain("standard output", "what was done can't be told there");
	return TROUBLE;
}

static enum command command_of(int option)
{
	return option == 'e' ? EDIT : option == 'a' ? APPLY : option == 's' ? STATUS : option == 'r' ? REVOKE : GRANT;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"unproven", no_argument, NULL, 'U'},
		{"contain", no_argument, NULL, 'c'},
		{"user", required_argument, NULL, 'u'},
		{"sha256", no_argument, NULL, 'H'},
		{"edit", no_argument, NULL, 'e'},
		{"apply", no_argument, NULL, 'a'},
		{"status", no_argument, NULL, 's'},
		{"revoke", no_argument, NULL, 'r'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	static struct work work;
	enum command command = GRANT;
	bool lines = false;

	(void)umask(022);
	(void)signal(SIGPIPE, SIG_IGN); /* what can't be written is an error as any other */
	(void)signal(SIGXFSZ, SIG_IGN);
	if (!descriptors_open())
		return TROUBLE;
	if (isatty(STDOUT_FILENO))
		show_on_terminal();
	for (int option; (option = getopt_long(argc, argv, "+Ucu:easrhV", options, NULL)) != -1;) {
		enum command named = command_of(option);

		if (named != GRANT && command != GRANT && named != command)
			return usage("one of --edit, --apply, --status and --revoke at a time");
		command = named != GRANT ? named : command;
		lines |= option == 'U' || option == 'c' || option == 'u' || option == 'H';
		switch (option) {
		case 'U': work.wanted.unproven = true; break;
		case 'c': work.wanted.contain = true; break;
		case 'u': work.wanted.user = optarg; break; /* the line's rules judge it, but for what would make more words of it */
		case 'H': work.hashed = true; break;
		case 'j': work.json = true; break;
		case 'e': case 'a': case 's': case 'r': break;
		case 'h':
			(void)fputs(help, stdout);
			return told(DONE);
		case 'V':
			puts("capwrap-grant " VERSION);
			return told(DONE);
		default:
			(void)fputs("capwrap-grant: see capwrap-grant --help\n", stderr);
			return TROUBLE;
		}
	}
	if (work.wanted.user && !is_word(work.wanted.user))
		return usage("--user takes a name or a number");
	if ((lines && command != GRANT) || (work.json && command != STATUS))
		return usage("an option does not go with the command");
	return told(run(&work, command, argv + optind));
}
