#include "proven.h"

#include <signal.h>
#include <string.h>

#include "environment.h"
#include "sets.h"

static const struct proven table[] = {
#define INTERPRETER(names, files, applet, options, last, needs, command, after, blocked, above, rereads, catalogues, ...) \
	{names, files, applet, options, last, needs, {__VA_ARGS__}, command, after, blocked, above, rereads, catalogues},
#include "interpreters.h"
#undef INTERPRETER
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

const struct proven *proven_row(size_t number)
{
	return number < COUNT(table) ? &table[number] : NULL;
}

/* Is it the pattern of so many bytes? */
static bool matches(const char *text, const char *pattern, size_t length)
{
	const char *end = pattern + length;

	for (; pattern < end; pattern++, text++) {
		if (*pattern == '*')
			return *text;
		if (*pattern == '#')
			return !text[strspn(text, "0123456789.-")];
		if (*text != *pattern)
			return false;
	}
	return !*text;
}

/* Goes through a list: the next word, of so many bytes; NULL at the end. */
static const char *list_next(const char **list, size_t *length)
{
	const char *word = *list + strspn(*list, " ");

	*length = strcspn(word, " ");
	*list = word + *length;
	return *length ? word : NULL;
}

static bool list_has(const char *list, const char *text)
{
	const char *word;
	size_t length;

	while ((word = list_next(&list, &length)))
		if (matches(text, word, length))
			return true;
	return false;
}

static const char *base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

const struct proven *proven_find(const struct line *line, const struct interpreter *interpreter)
{
	for (const struct proven *row = table; row < table + COUNT(table); row++)
		if (list_has(row->names, base(interpreter->found)) && list_has(row->files, base(interpreter->path.real)) &&
			(!*row->applet || (line->count > 1 && !strcmp(line->words[1], row->applet))))
			return row;
	return NULL;
}

/* Are so many bytes all letters that need no argument? */
static bool letters_known(const struct proven *row, const char *letters, size_t length)
{
	size_t known = strcspn(row->options, " ");

	for (size_t i = 0; i < length; i++)
		if (!memchr(row->options + 1, letters[i], known - 1))
			return false;
	return true;
}

/* Is it the pattern, or does it end in that letter, behind others that need no argument? */
static bool ends_in_option(const struct proven *row, const char *word, const char *pattern, size_t length)
{
	size_t last = strlen(word) - 1;

	return matches(word, pattern, length) ||
		(length == 2 && last > 1 && word[last] == pattern[1] && letters_known(row, word + 1, last - 1));
}

/* How many words of the line, from this one on, are an option of the row; 0: it is none. */
static size_t option_words(const struct proven *row, const char *word, const char *next)
{
	const char *list = row->options, *pattern;
	size_t length;

	if (*word != '-' || !word[1])
		return 0;
	for (list_next(&list, &length); (pattern = list_next(&list, &length));) {
		const char *comma = memchr(pattern, ',', length);
		size_t first = comma ? (size_t)(comma - pattern) : 0;

		if (!comma && matches(word, pattern, length))
			return 1;
		if (comma && next && ends_in_option(row, word, pattern, first) && matches(next, comma + 1, length - first - 1))
			return 2;
	}
	return letters_known(row, word + 1, strlen(word + 1));
}

/* Has the line one of these words, which have a | between, and not as another's argument? */
static bool line_has(const struct proven *row, const struct line *line, const char *words, size_t length)
{
	for (const char *end = words + length; words < end; words++) {
		size_t one = strcspn(words, "| "), step;

		for (size_t i = 1; i < line->count; i += step ? step : 1) {
			if (strlen(line->words[i]) == one && !strncmp(line->words[i], words, one))
				return true;
			step = option_words(row, line->words[i], line->words[i + 1]);
		}
		words += one;
	}
	return false;
}

static bool needs_trust(const struct proven *row, const struct line *line, struct refusal *refusal)
{
	const char *list = row->needs, *words, *last = line->words[line->count - 1];
	size_t length;

	while ((words = list_next(&list, &length))) {
		char object[sizeof row->needs] = "";

		if (line_has(row, line, words, length))
			continue;
		memcpy(object, words, length);
		return refuse_about(refusal, PROVEN_NEEDS, object, 0);
	}
	if (*row->last && (*last != '-' || last[1] == '-' || last[strlen(last) - 1] != *row->last))
		return refuse_about(refusal, PROVEN_NEEDS, (const char[]){'-', *row->last, 0}, 0);
	return true;
}

static bool options_trust(const struct proven *row, const struct line *line, struct refusal *refusal)
{
	size_t end = line->count - (*row->last ? 1 : 0), words;
	const char *last = line->words[end];

	for (size_t i = *row->applet ? 2 : 1; i < end; i += words) {
		words = option_words(row, line->words[i], i + 1 < end ? line->words[i + 1] : NULL);
		if (!words)
			return refuse_about(refusal, PROVEN_OPTION, line->words[i], 0);
	}
	/* The word that takes the script may have other letters before. */
	if (last && !letters_known(row, last + 1, strlen(last) - 2))
		return refuse_about(refusal, PROVEN_OPTION, last, 0);
	for (char *const *entry = line->assigned; *entry; entry++)
		if ((environment_steers_interpreter(*entry) || (row->catalogues && environment_is_locale(*entry))) &&
			!list_has(row->options, *entry))
			return refuse_about(refusal, PROVEN_OPTION, *entry, 0);
	return true;
}

/* Perl and Ruby look for their name in the whole first line, and would take the wrapper's options for their own. */
static bool first_line_trust(const struct proven *row, const struct line *line, struct refusal *refusal)
{
	char name[sizeof row->names] = "", before[sizeof line->text];
	size_t length = (size_t)(line->words[0] - line->bytes);

	memcpy(name, row->names, strcspn(row->names, " #"));
	memcpy(before, line->text, length);
	before[length] = 0;
	return !(strstr(line->wrapper, name) || strstr(before, name)) || refuse_about(refusal, PROVEN_REREAD, name, 0);
}

bool proven_trust(const struct proven *proven, const struct line *line, const struct interpreter *interpreter,
	const struct path *script, struct refusal *refusal)
{
	static const char never[] = "env make gmake bmake R";
	const char *found = interpreter->found, *real = interpreter->path.real;

	if (list_has(never, base(found)) || list_has(never, base(real)))
		return refuse_about(refusal, PROVEN_NEVER, found, 0);
	if (line->unproven)
		return true;
	if (!proven)
		return refuse_about(refusal, PROVEN_UNKNOWN, real, 0);
	if (!needs_trust(proven, line, refusal) || !options_trust(proven, line, refusal) ||
		(proven->rereads && !first_line_trust(proven, line, refusal)))
		return false;
	if (proven->above && script->loose) {
		refuse_about(refusal, PROVEN_ABOVE, script->real, 0);
		refusal->object[script->loose] = 0;
		return false;
	}
	return true;
}
