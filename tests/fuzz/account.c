/* The word of --user, up to a newline; /etc/passwd, up to a NUL; /etc/group. */
#include <stdlib.h>
#include <string.h>

#include "account.h"
#include "fuzz.h"

/* The fields of a line, which is cut up; 0 where there are more than `most`. */
static size_t split(char *line, char *fields[], size_t most)
{
	size_t count = 0;
	char *field;

	while ((field = strsep(&line, ":"))) {
		if (count == most)
			return 0;
		fields[count++] = field;
	}
	return count;
}

static bool is_id(const char *text, unsigned long *id)
{
	size_t length = strspn(text, "0123456789"), zeros = strspn(text, "0");

	if (!length || text[length] || length - zeros > 10)
		return false;
	*id = strtoul(text, NULL, 10);
	return *id < 4294967295;
}

/* A copy of so many bytes, as a string up to its first NUL. */
static char *copy(const uint8_t *bytes, size_t size)
{
	char *string = calloc(1, size + 1);

	assert(string);
	memcpy(string, bytes, size);
	return string;
}

static enum reason expect_passwd(struct account *expected, const char *word, char *file)
{
	unsigned long uid, gid, asked;
	bool number = is_id(word, &asked);
	char *line, *field[7];

	while ((line = strsep(&file, "\n"))) {
		bool named = !strncmp(line, word, strlen(word)) && strchr(":", line[strlen(word)]);
		bool whole = split(line, field, 7) == 7 && is_id(field[2], &uid) && is_id(field[3], &gid) && *field[0] &&
			strlen(field[0]) < 256 && *field[5] == '/' && strlen(field[5]) < PATH_MAX;

		if (*line == '#' || *line == '+' || *line == '-')
			continue;
		if (number ? !whole || uid != asked : !named)
			continue;
		if (!whole)
			return ACCOUNT_BROKEN;
		expected->uid = (uid_t)uid;
		expected->gid = (gid_t)gid;
		strcpy(expected->name, field[0]);
		strcpy(expected->home, field[5]);
		return REASONS;
	}
	return ACCOUNT_UNKNOWN;
}

static void expect_group(struct account *expected, char *file)
{
	unsigned long gid;
	char *line, *field[4], *member;

	expected->count = 0;
	while ((line = strsep(&file, "\n"))) {
		bool in = false;

		if (split(line, field, 4) != 4 || !is_id(field[2], &gid))
			continue;
		while ((member = strsep(&field[3], ",")))
			in |= *member && !strcmp(member, expected->name);
		in &= gid != expected->gid;
		for (size_t i = 0; i < expected->count; i++)
			in &= expected->groups[i] != gid;
		if (in)
			expected->groups[expected->count++] = (gid_t)gid;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct account seen, expected;
	static struct refusal refusal;
	const uint8_t *newline = memchr(data, '\n', size), *end = data + size, *nul;
	char *word = copy(data, newline ? (size_t)(newline - data) : size);
	bool complete;

	refusal = (struct refusal){.reason = REASONS};
	if (!account_parse(&seen, word, &complete, &refusal)) {
		assert(refusal.reason == ACCOUNT_WORD || refusal.reason == ACCOUNT_RANGE);
	} else if (!complete && newline && (nul = memchr(newline, 0, (size_t)(end - newline)))) {
		char *passwd = copy(newline + 1, (size_t)(nul - newline - 1)), *group = copy(nul + 1, (size_t)(end - nul - 1));
		enum reason reason = expect_passwd(&expected, word, passwd);

		assert(account_in_passwd(&seen, word, (const char *)newline + 1, (size_t)(nul - newline - 1), &refusal) == (reason == REASONS));
		assert(refusal.reason == reason);
		if (reason == REASONS) {
			assert(seen.uid == expected.uid && seen.gid == expected.gid && !strcmp(seen.name, expected.name));
			assert(!strcmp(seen.home, expected.home));
			assert(account_in_group(&seen, (const char *)nul + 1, strlen(group), &refusal));
			expect_group(&expected, group);
			assert(seen.count == expected.count);
			assert(!memcmp(seen.groups, expected.groups, seen.count * sizeof *seen.groups));
		}
		free(passwd);
		free(group);
	}
	free(word);
	return 0;
}
