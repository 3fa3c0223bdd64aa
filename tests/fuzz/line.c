/* The first line of a script. The bytes behind it stand for the real path of the interpreter, up to a newline, and for the
 * path by which it was found. */
#include <ctype.h>
#include <string.h>

#include "environment.h"
#include "fuzz.h"
#include "line.h"
#include "proven.h"

/* What the line says, by the other implementation. */
struct expected {
	enum reason reason; /* REASONS: none */
	char wrapper[256], line[256], bytes[256];
	const char *user, *directory; /* NULL: none */
	bool contain, no_new_privs;
	bool unproven;
	char *kept[256], *assigned[256], *words[256];
	size_t names, assignments, count;
};

static bool blank(int byte)
{
	return byte == ' ' || byte == '\t';
}

/* One byte at a time: blanks, the wrapper, blanks, the line. Blanks at its end are dropped when more comes. */
static enum reason expect_line(struct expected *expected, const uint8_t *head, size_t size)
{
	size_t at = 2, wrapper = 0, line = 0, pending = 0;

	if (size > 3 && !strncmp((const char *)head, "\177ELF", 4))
		return LINE_PROGRAM;
	if (size > 4 && !strncmp((const char *)head, "\xef\xbb\xbf#!", 5))
		return LINE_MARK;
	if (size < 2 || head[0] != '#' || head[1] != '!')
		return LINE_MAGIC;
	for (size_t end = 0; end < size && head[end] != '\n'; end++)
		if (end == 254)
			return LINE_END;
	if (!memchr(head, '\n', size))
		return LINE_END;
	for (size_t end = 0; head[end] != '\n'; end++) {
		if (head[end] == '\r')
			return LINE_CR;
		if (head[end] != '\t' && (head[end] < 0x20 || head[end] == 0x7f))
			return LINE_CONTROL;
	}
	while (blank(head[at]))
		at++;
	while (head[at] != '\n' && !blank(head[at]))
		expected->wrapper[wrapper++] = (char)head[at++];
	if (!wrapper)
		return LINE_MAGIC;
	for (; head[at] != '\n'; at++) {
		if (blank(head[at])) {
			pending += line > 0;
			continue;
		}
		for (; pending; pending--)
			expected->line[line++] = (char)head[at - pending];
		expected->line[line++] = (char)head[at];
	}
	expected->wrapper[wrapper] = expected->line[line] = 0;
	return REASONS;
}

static bool name_good(const char *name)
{
	for (const char *at = name; *at; at++) {
		bool letter = (*at >= 'A' && *at <= 'Z') || (*at >= 'a' && *at <= 'z') || *at == '_';

		if (!letter && (at == name || *at < '0' || *at > '9'))
			return false;
	}
	return *name;
}

static enum reason expect_names(struct expected *expected, char *names)
{
	for (char *name = names, *end; name; name = end) {
		end = strchr(name, ',');
		if (end)
			*end++ = 0;
		if (!name_good(name))
			return LINE_ENV_NAME;
		expected->kept[expected->names++] = name;
	}
	return REASONS;
}

static const char *without_directories(const char *path)
{
	while (strchr(path, '/'))
		path = strchr(path, '/') + 1;
	return path;
}

/* Behind the options: env, what it sets, the interpreter, its arguments. */
static enum reason expect_program(struct expected *expected, char *all[], size_t count)
{
	size_t at = 0;

	if (count && !strcmp(without_directories(all[0]), "env")) {
		if (++at < count && !strcmp(all[at], "-S")) {
			at++;
			for (size_t i = at; i < count; i++)
				if (strpbrk(all[i], "\\\"'$"))
					return LINE_ENV_QUOTES;
		}
		if (at < count && all[at][0] == '-')
			return LINE_ENV_OPTION;
	}
	for (; at < count && all[at][0] != '/' && strchr(all[at], '='); at++) {
		char name[256];

		strcpy(name, all[at]);
		*strchr(name, '=') = 0;
		if (!name_good(name))
			return LINE_VARIABLE_NAME;
		if (environment_steers_loader(name))
			return LINE_VARIABLE_LOADER;
		if (environment_sets(name))
			return LINE_VARIABLE_SET;
		if (environment_steers_paths(all[at]))
			return LINE_VARIABLE_VALUE;
		expected->assigned[expected->assignments++] = all[at];
	}
	while (at < count)
		expected->words[expected->count++] = all[at++];
	return expected->count ? REASONS : LINE_INTERPRETER;
}

static enum reason expect_words(struct expected *expected)
{
	char *all[256], *save = NULL;
	size_t count = 0, at = 0;

	expected->user = expected->directory = NULL;
	strcpy(expected->bytes, expected->line);
	for (char *word = strtok_r(expected->bytes, " \t", &save); word; word = strtok_r(NULL, " \t", &save))
		all[count++] = word;
	for (; at < count && all[at][0] == '-'; at++) {
		enum reason reason = REASONS;

		if (!strcmp(all[at], "-c") || !strcmp(all[at], "--contain"))
			expected->contain = true;
		else if (!strcmp(all[at], "-n") || !strcmp(all[at], "--no-new-privs"))
			expected->no_new_privs = true;
		else if (!strcmp(all[at], "-U") || !strcmp(all[at], "--unproven"))
			expected->unproven = true;
		else if (!strncmp(all[at], "--env=", 6))
			reason = expect_names(expected, all[at] + 6);
		else if (!strcmp(all[at], "-e") || !strcmp(all[at], "--env"))
			reason = ++at == count ? LINE_ENV_NAME : expect_names(expected, all[at]);
		else if (!strncmp(all[at], "--user=", 7))
			expected->user = all[at] + 7;
		else if (!strcmp(all[at], "-u") || !strcmp(all[at], "--user"))
			reason = ++at == count ? LINE_INTERPRETER : (expected->user = all[at], REASONS);
		else if (!strncmp(all[at], "--chdir=", 8))
			expected->directory = all[at] + 8;
		else if (!strcmp(all[at], "-C") || !strcmp(all[at], "--chdir"))
			reason = ++at == count ? LINE_DIRECTORY : (expected->directory = all[at], REASONS);
		else
			return LINE_OPTION;
		if (reason == REASONS && expected->directory && *expected->directory != '/')
			reason = LINE_DIRECTORY;
		if (reason != REASONS)
			return reason;
	}
	return expect_program(expected, all + at, count - at);
}

/* What must hold of a line that is taken for proven: every word is an option, or belongs to the one before, and none makes
 * the interpreter read code from elsewhere, or take the script's path for something else. */
static void check_proven(const struct line *line, const struct proven *proven)
{
	size_t first = *proven->applet ? 2 : 1;
	const char *last = line->words[line->count - 1];
	bool shell = strstr(proven->names, "sh") || *proven->applet, plain = shell || !strncmp(proven->names, "python", 6);

	for (size_t i = first; i < line->count; i++) {
		const char *word = line->words[i], *before = line->words[i - 1];
		char end = before[strlen(before) - 1];

		if (i > first && before[0] == '-' && strchr("WXoFv", end) && before[1] != '-' && word[0] != '-')
			continue;
		if (i > first && (!strcmp(before, "--source") || !strcmp(before, "-encoding")))
			continue;
		if (i > first && before[0] == '-' && (end == 'F' || end == 'v' || end == 'W'))
			continue;
		assert(word[0] == '-' && word[1] && strcmp(word, "--"));
		if (plain && word[1] != '-' && word[1] != 'W' && word[1] != 'X')
			assert(!strpbrk(word + 1, shell ? "cislDmrtkn" : "cmixdhVv"));
	}
	/* It takes an argument, and there is none but the script. */
	if (line->count > first && !*proven->last && last[0] == '-' && last[1] && last[1] != '-')
		assert(strlen(last) > 2 || !strchr(shell ? "o" : "XcmeFv", last[1]));
	if (*proven->last)
		assert(last[strlen(last) - 1] == *proven->last && last[0] == '-');
}

static void equal(char *const given[], char *const wanted[], size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert(!strcmp(given[i], wanted[i]));
	assert(!given[count]);
}

/* Do all words lie in its own buffer, and end there? */
static void within(const struct line *line, char *const words[])
{
	for (size_t i = 0; words[i]; i++) {
		assert(i < WORDS_MAX - 1);
		assert(words[i] >= line->bytes && words[i] < line->bytes + sizeof line->bytes);
		assert(memchr(words[i], 0, (size_t)(line->bytes + sizeof line->bytes - words[i])));
	}
}

static void same(const char *given, const char *wanted)
{
	assert(!given == !wanted);
	assert(!given || !strcmp(given, wanted));
}

static void check_words(struct line *line, struct expected *expected, const uint8_t *rest, size_t size)
{
	static struct interpreter interpreter;
	static struct path script;
	struct refusal refusal = {.reason = REASONS};
	const uint8_t *newline = memchr(rest, '\n', size);
	size_t real = newline ? (size_t)(newline - rest) : size;
	const struct proven *proven;

	within(line, line->kept);
	within(line, line->assigned);
	within(line, line->words);
	for (size_t i = 0; line->kept[i]; i++)
		assert(environment_is_name(line->kept[i]) && !environment_steers_loader(line->kept[i]) &&
			strncmp(line->kept[i], "LD_", 3));
	assert(line->contain == expected->contain && line->no_new_privs == expected->no_new_privs);
	assert(line->count == expected->count);
	equal(line->words, expected->words, expected->count);
	equal(line->kept, expected->kept, expected->names);
	same(line->user, expected->user);
	same(line->directory, expected->directory);

	assert(line->unproven == expected->unproven);
	equal(line->assigned, expected->assigned, expected->assignments);

	if (real > 255 || size - real > 255)
		return;
	memcpy(interpreter.path.real, rest, real);
	interpreter.path.real[real] = 0;
	strcpy(interpreter.found, line->words[0]);
	if (newline) {
		memcpy(interpreter.found, newline + 1, size - real - 1);
		interpreter.found[size - real - 1] = 0;
	}
	proven = proven_find(line, &interpreter);
	if (proven_trust(proven, line, &interpreter, &script, &refusal) && !line->unproven) {
		assert(proven);
		check_proven(line, proven);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct line line;
	static struct expected expected;
	static struct refusal refusal;
	const uint8_t *newline;
	enum reason reason;

	memset(&line, 0xa5, sizeof line);
	expected.names = expected.assignments = expected.count = 0;
	expected.contain = expected.no_new_privs = expected.unproven = false;
	reason = expect_line(&expected, data, size);
	if (!line_split(&line, (const char *)data, size, &refusal)) {
		assert(refusal.reason == reason);
		return 0;
	}
	assert(reason == REASONS);
	assert(!strcmp(line.wrapper, expected.wrapper) && !strcmp(line.text, expected.line));
	newline = memchr(data, '\n', size);
	assert(newline && newline < data + LINE_SIZE);

	reason = expect_words(&expected);
	if (!line_parse(&line, &refusal)) {
		/* What steers the loader is for the environment's target to judge. */
		assert(refusal.reason == LINE_ENV_LOADER || refusal.reason == reason);
		assert(refusal.reason != LINE_ENV_LOADER || environment_steers_loader(refusal.object));
		return 0;
	}
	assert(reason == REASONS);
	check_words(&line, &expected, newline + 1, (size_t)(data + size - newline) - 1);
	return 0;
}
