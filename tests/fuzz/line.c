/* The first line of a script. The bytes behind it stand for the real path of the interpreter. */
#include <ctype.h>
#include <string.h>

#include "environment.h"
#include "fuzz.h"
#include "line.h"

/* What the line says, by the other implementation. */
struct expected {
	enum reason reason; /* REASONS: none */
	char wrapper[256], line[256], bytes[256];
	bool contain, no_new_privs;
	char *kept[256], *words[256];
	size_t names, count;
};

static bool blank(int byte)
{
	return byte == ' ' || byte == '\t';
}

/* One byte at a time: blanks, the wrapper, blanks, the line. Blanks at its end are dropped when more comes. */
static enum reason expect_line(struct expected *expected, const uint8_t *head, size_t size)
{
	size_t at = 2, wrapper = 0, line = 0, pending = 0;

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

static enum reason expect_words(struct expected *expected)
{
	char *all[256], *save = NULL;
	size_t count = 0, at = 0;

	strcpy(expected->bytes, expected->line);
	for (char *word = strtok_r(expected->bytes, " \t", &save); word; word = strtok_r(NULL, " \t", &save))
		all[count++] = word;
	for (; at < count && all[at][0] == '-'; at++) {
		enum reason reason = REASONS;

		if (!strcmp(all[at], "-c") || !strcmp(all[at], "--contain"))
			expected->contain = true;
		else if (!strcmp(all[at], "-n") || !strcmp(all[at], "--no-new-privs"))
			expected->no_new_privs = true;
		else if (!strncmp(all[at], "--env=", 6))
			reason = expect_names(expected, all[at] + 6);
		else if (strcmp(all[at], "-e") && strcmp(all[at], "--env"))
			return LINE_OPTION;
		else if (++at == count)
			return LINE_ENV_NAME;
		else
			reason = expect_names(expected, all[at]);
		if (reason != REASONS)
			return reason;
	}
	while (at < count)
		expected->words[expected->count++] = all[at++];
	return expected->count ? REASONS : LINE_INTERPRETER;
}

static const char *without_folders(const char *path)
{
	while (strchr(path, '/'))
		path = strchr(path, '/') + 1;
	return path;
}

/* Does a file name without its folders and its version equal one of these? */
static bool named(const char *path, const char *name)
{
	char base[4096];
	size_t length;

	strcpy(base, without_folders(path));
	for (length = strlen(base); length && strchr("0123456789.-", base[length - 1]); length--)
		base[length - 1] = 0;
	return !strcmp(base, name);
}

/* A word that starts it and no word that closes it. */
static bool channel_open(const struct shebang *shebang, const char *real)
{
	static const char *const never[] = {"make", "gmake", "bmake", "R"};
	bool node = named(real, "node") || named(real, "nodejs"), node_closed = false;
	bool java = named(real, "java"), attach = true, log = true, other = false;

	for (size_t i = 0; i < COUNT(never); i++)
		other |= named(real, never[i]);
	for (size_t i = 0; i < shebang->count; i++) {
		const char *word = shebang->words[i];

		node |= named(word, "node") || named(word, "nodejs");
		java |= named(word, "java");
		for (size_t j = 0; j < COUNT(never); j++)
			other |= named(word, never[j]);
		if (!i)
			continue;
		node_closed |= !strcmp(word, "--disable-sigusr1") || !strcmp(word, "--permission") ||
			!strcmp(word, "--experimental-permission");
		attach &= strcmp(word, "-XX:+DisableAttachMechanism") != 0;
		log &= strcmp(word, "-XX:+SuppressFatalErrorMessage") != 0;
	}
	return (node && !node_closed) || (java && (attach || log)) || other;
}

/* -f at the end of a bundle of letters, or --file, but for shells, whatever env sets before. */
static bool ends_in_file_option(const struct shebang *shebang)
{
	const char *program = without_folders(shebang->words[0]), *last = shebang->words[shebang->count - 1];

	if (shebang->count > 1 && !strcmp(program, "env")) {
		size_t i = 1;

		while (i + 1 < shebang->count && (shebang->words[i][0] == '-' || strstr(shebang->words[i], "=")))
			i++;
		program = without_folders(shebang->words[i]);
	}
	/* Behind "sh" there is a version at most. */
	for (; *program; program++)
		if (!strncmp(program, "sh", 2) && program[2 + strspn(program + 2, "-.0123456789")] == 0)
			return false;
	if (!strcmp(last, "--file"))
		return true;
	if (*last++ != '-' || !*last)
		return false;
	for (; last[1]; last++)
		if (!isalpha((unsigned char)*last))
			return false;
	return *last == 'f';
}

static void equal(char *const given[], char *const wanted[], size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert(!strcmp(given[i], wanted[i]));
	assert(!given[count]);
}

/* Do all words lie in its own buffer, and end there? */
static void within(const struct shebang *shebang, char *const words[])
{
	for (size_t i = 0; words[i]; i++) {
		assert(i < WORDS_MAX - 1);
		assert(words[i] >= shebang->bytes && words[i] < shebang->bytes + sizeof shebang->bytes);
		assert(memchr(words[i], 0, (size_t)(shebang->bytes + sizeof shebang->bytes - words[i])));
	}
}

static void check_words(struct shebang *shebang, struct expected *expected, const uint8_t *rest, size_t size)
{
	char real[PATH_MAX];
	struct refusal refusal = {.reason = REASONS};

	within(shebang, shebang->kept);
	within(shebang, shebang->words);
	for (size_t i = 0; shebang->kept[i]; i++)
		assert(environment_is_name(shebang->kept[i]) && !environment_steers_loader(shebang->kept[i]) &&
			strncmp(shebang->kept[i], "LD_", 3));
	assert(shebang->contain == expected->contain && shebang->no_new_privs == expected->no_new_privs);
	assert(shebang->count == expected->count && shebang->words[0][0] != '-');
	equal(shebang->words, expected->words, expected->count);
	equal(shebang->kept, expected->kept, expected->names);

	size = size < sizeof real ? size : sizeof real - 1;
	memcpy(real, rest, size);
	real[size] = 0;
	assert(shebang_channel(shebang, real, &refusal) == !channel_open(shebang, real));

	assert(shebang_ends_in_file_option(shebang) == ends_in_file_option(shebang));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct shebang shebang;
	static struct expected expected;
	static struct refusal refusal;
	const uint8_t *newline;
	enum reason reason;

	memset(&shebang, 0xa5, sizeof shebang);
	expected.names = expected.count = 0;
	expected.contain = expected.no_new_privs = false;
	reason = expect_line(&expected, data, size);
	if (!shebang_split(&shebang, (const char *)data, size, &refusal)) {
		assert(refusal.reason == reason);
		return 0;
	}
	assert(reason == REASONS);
	assert(!strcmp(shebang.wrapper, expected.wrapper) && !strcmp(shebang.line, expected.line));
	newline = memchr(data, '\n', size);
	assert(newline && newline < data + SHEBANG_MAX);

	reason = expect_words(&expected);
	if (!shebang_parse(&shebang, &refusal)) {
		/* What steers the loader is for the environment's target to judge. */
		assert(refusal.reason == LINE_ENV_LOADER || refusal.reason == reason);
		assert(refusal.reason != LINE_ENV_LOADER || environment_steers_loader(refusal.object));
		return 0;
	}
	assert(reason == REASONS);
	check_words(&shebang, &expected, newline + 1, (size_t)(data + size - newline) - 1);
	return 0;
}
