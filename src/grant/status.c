#include "status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "show.h"

static const struct {
	char word[12];
	char reason[80];
	char fix[40]; /* as those of refusals */
} states[STATES] = {
	[STATE_GRANTED] = {"granted", "", ""},
	[STATE_LOST] = {"lost", "an edit, a copy or an upgrade took its grant", "capwrap-grant --apply"},
	[STATE_OTHER] = {"other", "it has other capabilities than are listed", "capwrap-grant --apply"},
	[STATE_UNTURNED] = {"unturned", "its first line names no wrapper", "capwrap-grant --apply"},
	[STATE_EDITED] = {"edited", "it is not what the sha256 of its line is of", "capwrap-grant --sha256 %g %p"},
	[STATE_MISSING] = {"missing", "it is not there", "ls -l %p"},
	[STATE_REFUSED] = {"refused", "", "capwrap-grant --revoke %p"},
	[STATE_UNSEEN] = {"unseen", "only others can read it", "sudo capwrap-grant --status"},
	[STATE_UNLISTED] = {"unlisted", "it was granted here, and is in no list", "capwrap-grant --apply"},
};

static enum state opened(const struct entry *entry, struct target *target, struct refusal *refusal)
{
	*refusal = (struct refusal){.room = 0};
	if (target_open(target, entry->path, refusal))
		return STATE_GRANTED;
	target_close(target);
	if (refusal->error == EACCES && geteuid())
		return STATE_UNSEEN;
	return refusal->reason == PATH_STEP && refusal->error == ENOENT ? STATE_MISSING : STATE_REFUSED;
}

enum state state_of(const struct entry *entry, struct target *target, struct refusal *refusal)
{
	enum state state = opened(entry, target, refusal);

	if (state != STATE_GRANTED)
		return state;
	if (*entry->hash) {
		char hash[HASH_SIZE];

		if (!target_read(target)) {
			refuse(refusal, FILE_OPEN);
			target_close(target);
			return STATE_REFUSED;
		}
		hash_of(hash, target->bytes, target->size);
		if (strcmp(hash, entry->hash) != 0)
			return STATE_EDITED;
	}
	if (!target->named)
		return STATE_UNTURNED;
	if (target_has(target, entry->capabilities))
		return STATE_GRANTED;
	return target->capabilities.present ? STATE_OTHER : STATE_LOST;
}

enum state state_of_unlisted(const struct entry *entry, struct target *target, struct refusal *refusal)
{
	enum state state = opened(entry, target, refusal);

	/* What was granted was no link: what one leads to by now was not granted here. */
	if (strcmp(path_resolve(entry->path), entry->path) != 0) {
		target_close(target);
		return STATE_MISSING;
	}
	if (state != STATE_GRANTED)
		return state;
	return target->capabilities.present && target->capabilities.inheritable == entry->capabilities ? STATE_UNLISTED : STATE_OTHER;
}

const char *status_fix(enum state state, const struct refusal *refusal)
{
	const char *words = refusal_texts[refusal->reason].fix;

	/* To move or to own it anew would be to trust it. */
	return state != STATE_REFUSED || strstr(words, "cap_NAME") ? states[state].fix : words;
}

static void fix_make(struct text *fix, enum state state, const struct entry *entry, const struct refusal *refusal)
{
	struct refusal about = *refusal;
	const char *words = status_fix(state, refusal);

	about.capabilities = entry->capabilities;
	if (state == STATE_EDITED && strcmp(entry->file, OWN) != 0)
		words = "sha256sum %p";
	refusal_fix(fix, words, &about, entry->path, BINDIR "/capwrap");
}

static void put_person(const struct entry *entry, bool listed, enum state state, struct text *reason, struct text *fix)
{
	struct text names = {.length = 0};

	(void)listed;
	text_add_capabilities(&names, entry->capabilities);
	printf("%-9s %-24.*s ", states[state].word, (int)names.length, names.bytes);
	show_name(entry->path);
	putchar('\n');
	if (state == STATE_GRANTED)
		return;
	printf("  reason    %.*s\n  fix       %.*s\n", (int)reason->length, reason->bytes, (int)fix->length, fix->bytes);
}

static void put_json(const struct entry *entry, bool listed, enum state state, struct text *reason, struct text *fix)
{
	char place[PATH_MAX + 16];

	snprintf(place, sizeof place, "%s:%u", entry->file, entry->number);
	reason->bytes[reason->length] = fix->bytes[fix->length] = 0;
	printf("  {\n    \"path\": ");
	json_string(entry->path);
	json_capabilities(entry->capabilities);
	json_member("state", states[state].word);
	json_member("reason", reason->length ? reason->bytes : NULL);
	json_member("fix", fix->length ? fix->bytes : NULL);
	json_member("list", listed ? place : NULL);
	printf("\n  }");
}

int status_show(const struct list *lists, const struct list *ledger, bool json)
{
	size_t told = 0, differ = 0;

	for (size_t i = 0; i < lists->count + ledger->count; i++) {
		bool listed = i < lists->count;
		const struct entry *entry = listed ? &lists->entries[i] : &ledger->entries[i - lists->count];
		struct text reason = {.length = 0}, fix = {.length = 0};
		static struct target target;
		static struct refusal refusal;
		enum state state;

		if (!listed && list_find(lists, entry->path))
			continue;
		state = listed ? state_of(entry, &target, &refusal) : state_of_unlisted(entry, &target, &refusal);
		target_close(&target);
		if (!listed && (state == STATE_MISSING || state == STATE_OTHER))
			continue; /* what is left of it was not made here */
		if (state == STATE_REFUSED)
			refusal_reason(&reason, &refusal, text_add_escaped);
		else
			text_add(&reason, states[state].reason);
		fix_make(&fix, state, entry, &refusal);
		if (json)
			printf("%s\n", told ? "," : "[");
		(json ? put_json : put_person)(entry, listed, state, &reason, &fix);
		told++;
		differ += state != STATE_GRANTED;
	}
	if (json)
		printf("%s]\n", told ? "\n" : "[");
	else
		printf("%zu script%s: %zu as listed, %zu not\n", told, told == 1 ? "" : "s", told - differ, differ);
	return differ > 0;
}
