#include "names.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/capability.h>

#include "sets.h"

#define NAME_MAX_LENGTH 40 /* of what may be meant for one */

/* How many letters have to be changed, left out or put in to make one word of the other. */
static unsigned distance(const char *one, const char *other)
{
	unsigned row[NAME_MAX_LENGTH + 8], length = (unsigned)strlen(other);

	for (unsigned i = 0; i <= length; i++)
		row[i] = i;
	for (unsigned i = 1; one[i - 1]; i++) {
		unsigned before = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= length; j++) {
			unsigned least = before + (one[i - 1] != other[j - 1]);

			before = row[j];
			if (row[j] + 1 < least)
				least = row[j] + 1;
			if (row[j - 1] + 1 < least)
				least = row[j - 1] + 1;
			row[j] = least;
		}
	}
	return row[length];
}

/* The capability whose name is nearest, if it is near. */
static void suggest(struct text *wrong, const char *name)
{
	unsigned least = 4;
	cap_value_t nearest = -1;

	for (cap_value_t cap = 0; cap < CAPS; cap++) {
		struct text known = {.length = 0};
		unsigned far;

		text_add_capabilities(&known, BIT(cap));
		known.bytes[known.length] = 0;
		far = *known.bytes == 'c' ? distance(name, known.bytes) : least;
		if (far < least) {
			least = far;
			nearest = cap;
		}
	}
	if (nearest < 0)
		return;
	text_add(wrong, "; is it ");
	text_add_capabilities(wrong, BIT(nearest));
	text_add(wrong, "?");
}

static bool name_parse(uint64_t *capabilities, const char *name, size_t length, struct text *wrong)
{
	char full[NAME_MAX_LENGTH + 8];
	bool whole = !strncasecmp(name, "cap_", 4);
	cap_value_t cap;

	if (length > NAME_MAX_LENGTH)
		length = NAME_MAX_LENGTH;
	snprintf(full, sizeof full, "%s%.*s", whole ? "" : "cap_", (int)length, name);
	for (char *at = full; *at; at++)
		if (*at >= 'A' && *at <= 'Z')
			*at = (char)(*at + 'a' - 'A');
	/* It takes what begins with a name. */
	if (!full[strspn(full, "abcdefghijklmnopqrstuvwxyz0123456789_")] && !cap_from_name(full, &cap)) {
		*capabilities |= BIT(cap);
		return true;
	}
	if (!strcmp(full, "cap_all")) {
		text_add(wrong, "all of them are root's power: name those that it needs");
		return false;
	}
	text_add(wrong, "there is no capability ");
	text_add_escaped(wrong, full);
	suggest(wrong, full);
	return false;
}

bool names_parse(uint64_t *capabilities, const char *words, struct text *wrong)
{
	static const char *const marks[] = {"", "=i", "=ip", "=pi", "+i", "+ip", "+pi"};
	size_t end = strcspn(words, "=+"), known = 0;

	while (known < sizeof marks / sizeof *marks && strcmp(words + end, marks[known]) != 0)
		known++;
	if (known == sizeof marks / sizeof *marks) {
		text_add(wrong, "write names and commas only, and not ");
		text_add_escaped(wrong, words + end);
		return false;
	}
	*capabilities = 0;
	for (size_t at = 0;;) {
		size_t length = strcspn(words + at, ",=+");

		if (!length) {
			text_add(wrong, "name one or more capabilities, with commas between");
			return false;
		}
		if (!name_parse(capabilities, words + at, length, wrong))
			return false;
		at += length;
		if (at == end)
			return true;
		at++;
	}
}
