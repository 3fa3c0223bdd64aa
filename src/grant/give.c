#include "give.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "say.h"
#include "show.h"

/* What is written down of a script, before it is in its place. */
struct noted {
	struct work *work;
	struct entry entry, before, ledger_before;
	bool list; /* in the list of our own */
};

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

int script_put(struct work *work, struct target *target, const char *bytes, size_t size, bool edited)
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
	/* What was granted otherwise may have been somebody's file before: only a fresh one nobody can still write to. */
	same = made && target_holds(target, bytes, size) && target_has(target, work->capabilities);
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

int script_grant(struct work *work, const char *asked)
{
	static struct target target;
	char *bytes;
	size_t size;
	int code = DIFFERS;

	if (!target_of(&target, asked))
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
	if (!there && refusal_is_missing(&refusal))
		return true;
	if (!there && !target_open_anyway(target, real)) {
		bool blind = access("/proc/self/fd", F_OK) < 0; /* by which it would be known that no link leads to it */

		if (blind)
			refuse(&refusal, PATH_PROC);
		complain_refusal(real, &refusal, blind ? NULL : "getcap %p");
		return false;
	}
	*had = target->capabilities.present;
	return target_revoke(target);
}

/* In this order: what is left after a power cut, --apply does. */
int script_revoke(struct work *work, const char *asked)
{
	static struct target target;
	char absolute[2 * PATH_MAX], real[PATH_MAX];
	const struct entry *listed;
	struct stat st;
	bool had = false, good;
	size_t size;
	char *own;

	if (!path_absolute(absolute, asked))
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
	own = own_read(&size);
	if (!own)
		return TROUBLE;
	signals_hold();
	good = own_write(real, NULL);
	if (good && !revoke_file(&target, real, &had)) {
		good = false;
		(void)(listed && own_restore(own, size));
	}
	free(own);
	if (good) {
		list_remove(&work->ledger, real);
		good = ledger_write(&work->ledger);
		if (!good)
			complain(real, "%s and is in no list; run this again when " LEDGER " can be written",
				had ? "it was revoked," : "it has no capabilities");
	}
	signals_let_in();
	if (good) {
		show_name(real);
		printf(": %s\n", had ? "revoked" : "has no capabilities, and is in no list");
	}
	target_close(&target);
	return good ? DONE : TROUBLE;
}
