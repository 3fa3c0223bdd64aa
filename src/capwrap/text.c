#include "text.h"

#include <errno.h>
#include <string.h>
#include <sys/capability.h>

static const char cut[] = " [cut]";

#define ROOM (TEXT_SIZE - sizeof cut)

static void add_bytes(struct text *text, const char *bytes, size_t count)
{
	if (text->length > ROOM)
		return;
	if (count <= ROOM - text->length) {
		memcpy(text->bytes + text->length, bytes, count);
		text->length += (unsigned)count;
		return;
	}
	memcpy(text->bytes + text->length, bytes, ROOM - text->length);
	memcpy(text->bytes + ROOM, cut, sizeof cut - 1);
	text->length = ROOM + sizeof cut - 1;
}

void text_add(struct text *text, const char *words)
{
	add_bytes(text, words, strlen(words));
}

void text_add_number(struct text *text, unsigned long long number)
{
	char digits[20];
	size_t at = sizeof digits;

	do
		digits[--at] = (char)('0' + number % 10);
	while (number /= 10);
	add_bytes(text, digits + at, sizeof digits - at);
}

static void add_escaped(struct text *text, const char *foreign, char quote)
{
	static const char hex[] = "0123456789abcdef";

	for (; *foreign; foreign++) {
		unsigned char byte = (unsigned char)*foreign;

		if (byte < ' ' || byte > '~')
			add_bytes(text, (const char[]){'\\', 'x', hex[byte >> 4], hex[byte & 15]}, 4);
		else if (*foreign == '\\' || *foreign == quote)
			add_bytes(text, (const char[]){'\\', *foreign}, 2);
		else
			add_bytes(text, foreign, 1);
	}
}

void text_add_escaped(struct text *text, const char *foreign)
{
	add_escaped(text, foreign, '\\');
}

void text_add_quoted(struct text *text, const char *foreign)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+,:@%";

	if (*foreign && *foreign != '-' && !foreign[strspn(foreign, safe)]) {
		text_add(text, foreign);
		return;
	}
	text_add(text, "$'");
	add_escaped(text, foreign, '\'');
	text_add(text, "'");
}

void text_add_capabilities(struct text *text, uint64_t capabilities)
{
	const char *comma = "";

	if (!capabilities)
		text_add(text, "none");
	for (cap_value_t cap = 0; cap < 64; cap++) {
		char *name;

		if (!(capabilities >> cap & 1))
			continue;
		text_add(text, comma);
		comma = ",";
		name = cap_to_name(cap);
		if (name)
			text_add(text, name);
		else
			text_add_number(text, (unsigned)cap);
		cap_free(name);
	}
}

void text_add_error(struct text *text, int error)
{
	static const struct {
		int error;
		const char *words;
	} known[] = {
		{EPERM, "operation not permitted"},
		{ENOENT, "no such file or folder"},
		{EIO, "input/output error"},
		{E2BIG, "argument list too long"},
		{ENOEXEC, "not a program that the kernel can run"},
		{ENOMEM, "out of memory"},
		{EACCES, "permission denied"},
		{ENOTDIR, "not a folder"},
		{EINVAL, "not valid"},
		{ENFILE, "too many open files"},
		{EMFILE, "too many open files"},
		{ETXTBSY, "open for writing"},
		{ENAMETOOLONG, "name too long"},
		{ELOOP, "too many links"},
	};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (known[i].error == error) {
			text_add(text, known[i].words);
			return;
		}
	}
	text_add(text, "error ");
	text_add_number(text, (unsigned)error);
}
