#include "apply.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "say.h"
#include "show.h"
#include "status.h"

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

int lists_apply(struct work *work)
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
