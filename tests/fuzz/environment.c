/* The environment: the caller's entries, and what a line says of it. The input is what the line has behind --env=, names and
 * NAME=VALUE with blanks between; NUL; entries, each ending in NUL. */
#include <ctype.h>
#include <regex.h>
#include <string.h>

#include "environment.h"
#include "fuzz.h"
#include "line.h"

#define ENTRIES 4096

static const char modules[] = "PYTHONPATH=/modules";
static const char *fixed[ENVIRONMENT_MAX];
static size_t fixed_count;

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static char *const none[] = {NULL};

	(void)argc, (void)argv;
	environment_build(fixed, none, &(struct environment){.kept = none, .assigned = none, .modules = modules});
	while (fixed[fixed_count])
		fixed_count++;
	return 0;
}

/* The length of an entry's name, or -1 where it has none. */
static ptrdiff_t name_length(const char *entry)
{
	ptrdiff_t length = 0;

	while (isalnum((unsigned char)entry[length]) || entry[length] == '_')
		length++;
	return entry[length] == '=' && length && !isdigit((unsigned char)*entry) ? length : -1;
}

static bool same_name(const char *one, const char *other)
{
	ptrdiff_t length = name_length(one);

	return length >= 0 && length == name_length(other) && !memcmp(one, other, (size_t)length);
}

/* Names that were seen, by a hash: a set of a thousand is searched often. */
struct names {
	const char *entries[1024];
};

/* Adds an entry's name. False where it is there. */
static bool names_add(struct names *names, const char *entry)
{
	size_t at = 0;

	for (ptrdiff_t i = 0, length = name_length(entry); i < length; i++)
		at = at * 31 + (unsigned char)entry[i];
	for (;; at++) {
		const char **slot = &names->entries[at % COUNT(names->entries)];

		if (*slot && same_name(*slot, entry))
			return false;
		if (!*slot) {
			*slot = entry;
			return true;
		}
	}
}

static bool has_name(const char *entry, const char *name)
{
	return (size_t)name_length(entry) == strlen(name) && !memcmp(entry, name, strlen(name));
}

static bool kept_by_line(const char *entry, char *const kept[])
{
	for (; *kept; kept++)
		if (has_name(entry, *kept))
			return true;
	return false;
}

static regex_t locale;

__attribute__((constructor)) static void locale_compile(void)
{
	static const char pattern[] = "^((C|POSIX|[a-z]{2,3}(_[A-Z]{2})?)"
		"([.](UTF-8|utf-8|UTF8|utf8|ISO-?8859-15?|iso8859(1|15)))?(@[A-Za-z]+)?)?$";

	assert(!regcomp(&locale, pattern, REG_EXTENDED | REG_NOSUB));
}

static bool sane(const char *entry)
{
	static const char *const plain[] = {"TERM", "COLORTERM", "NO_COLOR", "LANG", "LC_ALL", "LC_ADDRESS",
		"LC_COLLATE", "LC_CTYPE", "LC_IDENTIFICATION", "LC_MEASUREMENT", "LC_MESSAGES", "LC_MONETARY", "LC_NAME",
		"LC_NUMERIC", "LC_PAPER", "LC_TELEPHONE", "LC_TIME"};
	const char *value = entry + name_length(entry) + 1;
	bool zone = has_name(entry, "TZ"), allowed = zone;

	for (size_t i = 0; i < COUNT(plain); i++)
		allowed |= has_name(entry, plain[i]);
	if (!allowed || strlen(value) > 255 || (zone && (*value == '/' || *value == ':' || strstr(value, ".."))))
		return false;
	if (has_name(entry, "LANG") || !memcmp(entry, "LC_", 3))
		return !regexec(&locale, value, 0, NULL, 0);
	for (; *value; value++)
		if (!isalnum((unsigned char)*value) && !strchr("_.@+-", *value) && !(zone && *value == '/'))
			return false;
	return true;
}

/* The last entry of each name that the line assigns, the caller's first of each that may stay, then what is fixed. */
static size_t expect(const char *expected[], char *const given[], const struct line *line)
{
	static struct names names;
	size_t count = 0, assigned = 0;

	memset(&names, 0, sizeof names);
	while (line->assigned[assigned])
		assigned++;
	while (assigned--)
		if (names_add(&names, line->assigned[assigned]))
			expected[count++] = line->assigned[assigned];
	for (; *given && count < ENVIRONMENT_MAX - 1 - fixed_count; given++) {
		bool may_stay = name_length(*given) >= 0 && (kept_by_line(*given, line->kept) || sane(*given));

		if (may_stay && names_add(&names, *given))
			expected[count++] = *given;
	}
	for (size_t i = 0; i < fixed_count; i++)
		if (names_add(&names, fixed[i]))
			expected[count++] = fixed[i];
	return count;
}

/* What holds by the manual alone. */
static void check(const char *const built[], char *const kept[])
{
	static const char *const always[] = {"PATH", "HOME", "SHELL", "PYTHONNOUSERSITE", "PYTHONDONTWRITEBYTECODE",
		"PYTHONSAFEPATH", "PYTHONPATH"};
	static struct names names;
	size_t found = 0;

	memset(&names, 0, sizeof names);
	for (size_t i = 0; built[i]; i++) {
		assert(i < ENVIRONMENT_MAX - 1);
		assert(name_length(built[i]) >= 0);
		assert(strncmp(built[i], "LD_", 3) && strncmp(built[i], "MALLOC_", 7) &&
			strncmp(built[i], "GLIBC_TUNABLES=", 15) && strncmp(built[i], "GCONV_PATH=", 11));
		assert(names_add(&names, built[i]));
		for (size_t j = 0; j < COUNT(always); j++)
			found += has_name(built[i], always[j]);
		if (has_name(built[i], "PATH") && !kept_by_line(built[i], kept))
			assert(!strcmp(built[i], "PATH=" SECURE_PATH));
		if (has_name(built[i], "HOME") && !kept_by_line(built[i], kept))
			assert(!strcmp(built[i], "HOME=/dev/null"));
	}
	assert(found == COUNT(always));
}

/* What a line with this behind --env= says; nothing where it is refused. */
static void line_make(struct line *line, const char *text)
{
	static struct refusal refusal;

	line->kept[0] = line->assigned[0] = NULL;
	if (strlen(text) >= LINE_SIZE - 16)
		return;
	strcpy(stpcpy(stpcpy(line->text, *text ? "--env=" : ""), text), " x");
	if (!line_parse(line, &refusal))
		line->kept[0] = line->assigned[0] = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct line line;
	static char bytes[ENTRIES + 1], *given[ENTRIES + 1];
	static const char *built[ENVIRONMENT_MAX], *expected[ENVIRONMENT_MAX];
	size_t count = 0, wanted;

	if (size > ENTRIES)
		return 0;
	memcpy(bytes, data, size);
	bytes[size] = 0;
	line_make(&line, bytes);
	for (char *at = bytes + strlen(bytes) + 1; at < bytes + size; at += strlen(at) + 1)
		given[count++] = at;
	given[count] = NULL;

	memset(built, 0xa5, sizeof built);
	environment_build(built, given, &(struct environment){.kept = line.kept, .assigned = line.assigned, .modules = modules});
	check(built, line.kept);
	wanted = expect(expected, given, &line);
	for (size_t i = 0; i < wanted; i++)
		assert(built[i] == expected[i]);
	assert(!built[wanted]);
	return 0;
}
