#include "line.h"

#include <string.h>
#include <unistd.h>

#include "unit.h"

#define OK REASONS

/* Splits and parses one head; OK or the reason of the refusal. */
static enum reason read_head(struct line *line, const char *head, size_t length)
{
	struct refusal refusal = {.reason = OK};

	if (line_split(line, head, length, &refusal))
		line_parse(line, &refusal);
	return refusal.reason;
}

#define L255 "#!/w " /* 5 bytes, and 249 of these, and the newline */
#define A10 "aaaaaaaaaa"
#define A50 A10 A10 A10 A10 A10
#define A249 A50 A50 A50 A50 A10 A10 A10 A10 "aaaaaaaaa"

START_TEST(lines)
{
	static const struct {
		const char *head;
		enum reason reason;
		const char *wrapper, *line;
	} table[] = {
		{"#!/w python3\n", OK, "/w", "python3"},
		{"#!/w python3\nimport os\r\n", OK, "/w", "python3"},
		{"#! \t /w \t python3  -I \t\n", OK, "/w", "python3  -I"},
		{"#!w python3\n", OK, "w", "python3"},
		{"#!/w \xff\n", OK, "/w", "\xff"},
		{L255 A249 "\n", OK, "/w", A249},
		{L255 A249 "a\n", LINE_END, NULL, NULL},
		{"#!/w python3", LINE_END, NULL, NULL},
		{"#!", LINE_END, NULL, NULL},
		{"", LINE_MAGIC, NULL, NULL},
		{"#", LINE_MAGIC, NULL, NULL},
		{"\n#!/w python3\n", LINE_MAGIC, NULL, NULL},
		{"\xef\xbb\xbf#!/w python3\n", LINE_MARK, NULL, NULL},
		{"\xef\xbb\xbf#", LINE_MAGIC, NULL, NULL},
		{"\177ELF", LINE_PROGRAM, NULL, NULL},
		{"\177EL", LINE_MAGIC, NULL, NULL},
		{"#!/w python3\r\n", LINE_CR, NULL, NULL},
		{"#!/w\rpython3\n", LINE_CR, NULL, NULL},
		{"#!/w python3\x1b\n", LINE_CONTROL, NULL, NULL},
		{"#!/w python3\x7f\n", LINE_CONTROL, NULL, NULL},
		{"#!/w\vpython3\n", LINE_CONTROL, NULL, NULL},
		{"#!\n", LINE_MAGIC, NULL, NULL},
		{"#! \t\n", LINE_MAGIC, NULL, NULL},
		{"#!/w\n", LINE_INTERPRETER, NULL, NULL},
		{"#!/w --contain\n", LINE_INTERPRETER, NULL, NULL},
		{"#!/w -x python3\n", LINE_OPTION, NULL, NULL},
		{"#!/w -- python3\n", LINE_OPTION, NULL, NULL},
		{"#!/w - python3\n", LINE_OPTION, NULL, NULL},
		{"#!/w --containx python3\n", LINE_OPTION, NULL, NULL},
		{"#!/w --env\n", LINE_ENV_NAME, NULL, NULL},
		{"#!/w --env= python3\n", LINE_ENV_NAME, NULL, NULL},
		{"#!/w --env , python3\n", LINE_ENV_NAME, NULL, NULL},
		{"#!/w --env A,,B python3\n", LINE_ENV_NAME, NULL, NULL},
		{"#!/w --env A, python3\n", LINE_ENV_NAME, NULL, NULL},
		{"#!/w --env ,A python3\n", LINE_ENV_NAME, NULL, NULL},
		{"#!/w --env 1A python3\n", LINE_ENV_NAME, NULL, NULL},
		{"#!/w --env A=B python3\n", LINE_ENV_NAME, NULL, NULL},
		{"#!/w --env A-B python3\n", LINE_ENV_NAME, NULL, NULL},
		{"#!/w --env A\n", LINE_INTERPRETER, NULL, NULL},
		{"#!/w --env A,LD_PRELOAD python3\n", LINE_ENV_LOADER, NULL, NULL},
		{"#!/w --env GLIBC_TUNABLES python3\n", LINE_ENV_LOADER, NULL, NULL},
	};
	struct line line;

	for (size_t i = 0; i < COUNT(table); i++) {
		ck_assert_msg(read_head(&line, table[i].head, strlen(table[i].head)) == table[i].reason, "%s",
			table[i].head);
		if (table[i].reason != OK)
			continue;
		ck_assert_str_eq(line.wrapper, table[i].wrapper);
		ck_assert_str_eq(line.text, table[i].line);
	}
	ck_assert_int_eq(read_head(&line, "#!/w pyth\0on3\n", 14), LINE_CONTROL);
	ck_assert_int_eq(read_head(&line, "#!/w python3\0\n", 14), LINE_CONTROL);
}
END_TEST

START_TEST(words)
{
	struct line line;
	const char *head = "#!/w -c --env A,B --no-new-privs --env=C_1 /x/python3 -I\t-X dev\n";
	const char *const names[] = {"A", "B", "C_1"}, *const program[] = {"/x/python3", "-I", "-X", "dev"};

	ck_assert_int_eq(read_head(&line, head, strlen(head)), OK);
	ck_assert(line.contain);
	ck_assert(line.no_new_privs);
	for (size_t i = 0; i < COUNT(names); i++)
		ck_assert_str_eq(line.kept[i], names[i]);
	ck_assert_ptr_null(line.kept[COUNT(names)]);
	ck_assert_uint_eq(line.count, COUNT(program));
	for (size_t i = 0; i < COUNT(program); i++)
		ck_assert_str_eq(line.words[i], program[i]);
	ck_assert_ptr_null(line.words[COUNT(program)]);

	head = "#!/w -n -e A python3 -c --contain\n";
	ck_assert_int_eq(read_head(&line, head, strlen(head)), OK);
	ck_assert(!line.contain);
	ck_assert(line.no_new_privs);
	ck_assert_uint_eq(line.count, 3);
}
END_TEST

/* The most names and the most words that a line can hold fit. */
START_TEST(crowded)
{
	struct line line;
	char head[256];

	memset(head, 'a', sizeof head);
	memcpy(head, "#!/w -e ", 8);
	for (size_t i = 9; i < 251; i += 2)
		head[i] = ',';
	memcpy(head + 251, " py\n", 4);
	ck_assert_int_eq(read_head(&line, head, 255), OK);
	ck_assert_ptr_nonnull(line.kept[120]);

	for (size_t i = 4; i < 254; i++)
		head[i] = i % 2 ? 'a' : ' ';
	head[254] = '\n';
	ck_assert_int_eq(read_head(&line, head, 255), OK);
	ck_assert_uint_eq(line.count, 125);
}
END_TEST

/* What `env` is written for is done, and nothing else of it. */
START_TEST(env)
{
	static const struct {
		const char *text;
		enum reason reason;
		const char *interpreter, *first; /* assignment */
		size_t count;
	} table[] = {
		{"env python3", OK, "python3", NULL, 1},
		{"/usr/bin/env python3 -I", OK, "python3", NULL, 2},
		{"/opt/x/env -S python3 -I", OK, "python3", NULL, 2},
		{"-n env -S A=1 B=2 python3", OK, "python3", "A=1", 1},
		{"A=1 python3 B=2", OK, "python3", "A=1", 2},
		{"A=1=2 python3", OK, "python3", "A=1=2", 1},
		{"A= python3", OK, "python3", "A=", 1},
		{"/a=b/python3", OK, "/a=b/python3", NULL, 1},
		{"env env", OK, "env", NULL, 1},
		{"busybox env", OK, "busybox", NULL, 2},
		{"--unproven python3", OK, "python3", NULL, 1},
		{"env", LINE_INTERPRETER, NULL, NULL, 0},
		{"env -S", LINE_INTERPRETER, NULL, NULL, 0},
		{"A=1", LINE_INTERPRETER, NULL, NULL, 0},
		{"env -i python3", LINE_ENV_OPTION, NULL, NULL, 0},
		{"env - python3", LINE_ENV_OPTION, NULL, NULL, 0},
		{"env -Spython3", LINE_ENV_OPTION, NULL, NULL, 0},
		{"env -S -i python3", LINE_ENV_OPTION, NULL, NULL, 0},
		{"env -u X python3", LINE_ENV_OPTION, NULL, NULL, 0},
		{"env --split-string=python3", LINE_ENV_OPTION, NULL, NULL, 0},
		{"env -S A=\"b python3", LINE_ENV_QUOTES, NULL, NULL, 0},
		{"env -S python3 ${X}", LINE_ENV_QUOTES, NULL, NULL, 0},
		{"env -S A=1 pyth\\on3", LINE_ENV_QUOTES, NULL, NULL, 0},
		{"1=2 python3", LINE_VARIABLE_NAME, NULL, NULL, 0},
		{"=2 python3", LINE_VARIABLE_NAME, NULL, NULL, 0},
		{"A-B=2 python3", LINE_VARIABLE_NAME, NULL, NULL, 0},
		{"A=1 LD_PRELOAD=x python3", LINE_VARIABLE_LOADER, NULL, NULL, 0},
		{"GCONV_PATH=x python3", LINE_VARIABLE_LOADER, NULL, NULL, 0},
		{"LC_ALL=C.UTF-16 guile", LINE_VARIABLE_VALUE, NULL, NULL, 0},
		{"LANG=C.cp037 guile", LINE_VARIABLE_VALUE, NULL, NULL, 0},
		{"LANG=C.UTF-8 guile", OK, "guile", "LANG=C.UTF-8", 1},
		{"PATH=/x python3", LINE_VARIABLE_SET, NULL, NULL, 0},
		{"env PYTHONPATH=/x python3", LINE_VARIABLE_SET, NULL, NULL, 0},
		{"HOME=/x python3", LINE_VARIABLE_SET, NULL, NULL, 0},
		{"LUA_PATH_5_4=/x lua", LINE_VARIABLE_SET, NULL, NULL, 0},
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		struct refusal refusal = {.reason = OK};
		struct line line = {0};

		strcpy(line.text, table[i].text);
		ck_assert_msg(line_parse(&line, &refusal) == (table[i].reason == OK), "%s", table[i].text);
		ck_assert_int_eq(refusal.reason, table[i].reason);
		if (table[i].reason != OK)
			continue;
		ck_assert_str_eq(line.words[0], table[i].interpreter);
		ck_assert_uint_eq(line.count, table[i].count);
		ck_assert_ptr_null(line.words[line.count]);
		ck_assert_pstr_eq(line.assigned[0], table[i].first);
	}
}
END_TEST

START_TEST(of)
{
	struct line line = {.wrapper = "/proc/self/exe", .text = "python3"};
	struct refusal refusal = {.reason = OK};

	ck_assert(line_of(&line, "/s", "/w", &refusal));
	strcpy(line.wrapper, "/bin/sh");
	ck_assert(!line_of(&line, "/s", "/w", &refusal));
	ck_assert_int_eq(refusal.reason, LINE_WRAPPER);
	ck_assert(line_of(&line, "/s", "/s", &refusal));
	strcpy(line.wrapper, "self/exe");
	ck_assert_int_eq(chdir("/proc"), 0);
	ck_assert(!line_of(&line, "/s", "/w", &refusal));
	ck_assert_int_eq(refusal.reason, LINE_WRAPPER);
	ck_assert(!line_of(&line, "/s", "/s", &refusal));
	ck_assert_int_eq(refusal.reason, LINE_WRAPPER);
}
END_TEST

TESTS("line", lines, words, crowded, env, of)
