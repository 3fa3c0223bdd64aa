#include "line.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "path.h"
#include "unit.h"

#define OK REASONS

/* Splits and parses one head; OK or the reason of the refusal. */
static enum reason read_head(struct shebang *shebang, const char *head, size_t length)
{
	struct refusal refusal = {.reason = OK};

	if (shebang_split(shebang, head, length, &refusal))
		shebang_parse(shebang, &refusal);
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
		{"\xef\xbb\xbf#!/w python3\n", LINE_MAGIC, NULL, NULL},
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
	struct shebang shebang;

	for (size_t i = 0; i < COUNT(table); i++) {
		ck_assert_msg(read_head(&shebang, table[i].head, strlen(table[i].head)) == table[i].reason, "%s",
			table[i].head);
		if (table[i].reason != OK)
			continue;
		ck_assert_str_eq(shebang.wrapper, table[i].wrapper);
		ck_assert_str_eq(shebang.line, table[i].line);
	}
	ck_assert_int_eq(read_head(&shebang, "#!/w pyth\0on3\n", 14), LINE_CONTROL);
	ck_assert_int_eq(read_head(&shebang, "#!/w python3\0\n", 14), LINE_CONTROL);
}
END_TEST

START_TEST(words)
{
	struct shebang shebang;
	const char *head = "#!/w -c --env A,B --no-new-privs --env=C_1 /x/python3 -I\t-X dev\n";
	const char *const names[] = {"A", "B", "C_1"}, *const program[] = {"/x/python3", "-I", "-X", "dev"};

	ck_assert_int_eq(read_head(&shebang, head, strlen(head)), OK);
	ck_assert(shebang.contain);
	ck_assert(shebang.no_new_privs);
	for (size_t i = 0; i < COUNT(names); i++)
		ck_assert_str_eq(shebang.kept[i], names[i]);
	ck_assert_ptr_null(shebang.kept[COUNT(names)]);
	ck_assert_uint_eq(shebang.count, COUNT(program));
	for (size_t i = 0; i < COUNT(program); i++)
		ck_assert_str_eq(shebang.words[i], program[i]);
	ck_assert_ptr_null(shebang.words[COUNT(program)]);

	head = "#!/w -n -e A python3 -c --contain\n";
	ck_assert_int_eq(read_head(&shebang, head, strlen(head)), OK);
	ck_assert(!shebang.contain);
	ck_assert(shebang.no_new_privs);
	ck_assert_uint_eq(shebang.count, 3);
}
END_TEST

/* The most names and the most words that a line can hold fit. */
START_TEST(crowded)
{
	struct shebang shebang;
	char head[256];

	memset(head, 'a', sizeof head);
	memcpy(head, "#!/w -e ", 8);
	for (size_t i = 9; i < 251; i += 2)
		head[i] = ',';
	memcpy(head + 251, " py\n", 4);
	ck_assert_int_eq(read_head(&shebang, head, 255), OK);
	ck_assert_ptr_nonnull(shebang.kept[120]);

	for (size_t i = 4; i < 254; i++)
		head[i] = i % 2 ? 'a' : ' ';
	head[254] = '\n';
	ck_assert_int_eq(read_head(&shebang, head, 255), OK);
	ck_assert_uint_eq(shebang.count, 125);
}
END_TEST

START_TEST(channels)
{
	static const struct {
		const char *line, *real;
		enum reason reason;
	} table[] = {
		{"python3", "/usr/bin/python3.11", OK},
		{"node", "/usr/bin/node", CHANNEL_NODE},
		{"js", "/usr/bin/node", CHANNEL_NODE},
		{"nodejs", "/usr/bin/x", CHANNEL_NODE},
		{"/opt/node-20.1/bin/node-20.1", "/opt/node-20.1/bin/node-20.1", CHANNEL_NODE},
		{"/opt/node18", "/opt/node18", CHANNEL_NODE},
		{"env node", "/usr/bin/env", CHANNEL_NODE},
		{"nice /opt/node", "/usr/bin/nice", CHANNEL_NODE},
		{"nodeenv", "/usr/bin/nodeenv", OK},
		{"node --disable-sigusr1", "/usr/bin/node", OK},
		{"env node --permission", "/usr/bin/env", OK},
		{"node --experimental-permission", "/usr/bin/node", OK},
		{"node --disable-sigusr", "/usr/bin/node", CHANNEL_NODE},
		{"java", "/usr/lib/jvm/bin/java", CHANNEL_JAVA},
		{"java -XX:-DisableAttachMechanism", "/usr/bin/java", CHANNEL_JAVA},
		{"java -XX:+SuppressFatalErrorMessage", "/usr/bin/java", CHANNEL_JAVA},
		{"java -XX:+DisableAttachMechanism --source 17", "/usr/bin/java", CHANNEL_JAVA_LOG},
		{"java -XX:+DisableAttachMechanism -XX:+SuppressFatalErrorMessage", "/usr/bin/java", OK},
		{"make -f", "/usr/bin/make", CHANNEL_MAKE},
		{"/usr/bin/gmake -rf", "/usr/bin/make", CHANNEL_MAKE},
		{"env bmake -f", "/usr/bin/env", CHANNEL_MAKE},
		{"R --no-echo -f", "/usr/lib/R/bin/R", CHANNEL_R},
		{"Rscript", "/usr/bin/Rscript", OK},
		{"makefile", "/usr/bin/makefile", OK},
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		struct shebang shebang = {0};
		struct refusal refusal = {.reason = OK};

		strcpy(shebang.line, table[i].line);
		ck_assert(shebang_parse(&shebang, &refusal));
		ck_assert_msg(shebang_channel(&shebang, table[i].real, &refusal) == (table[i].reason == OK), "%s",
			table[i].line);
		ck_assert_int_eq(refusal.reason, table[i].reason);
	}
}
END_TEST

START_TEST(file_options)
{
	static const struct {
		const char *line;
		bool ends;
	} table[] = {
		{"awk -f", true}, {"/usr/bin/awk -F: -f", true}, {"sed -nf", true}, {"php --file", true},
		{"env awk -f", true}, {"gawk -b -f", true}, {"expect -f", true}, {"awk", false}, {"gawk -E", false},
		{"awk -f -v", false}, {"sed --f", false}, {"awk -vx=f", false}, {"csh -f", false},
		{"/bin/zsh -f", false}, {"env bash -f", false}, {"env -S bash -f", false}, {"env -i X=/a/b bash -f", false},
		{"ksh93 -f", false}, {"zsh-5.9 -f", false}, {"a-1-sh -f", false}, {"env -i awk -f", true},
		{"env", false}, {"env -i -f", true}, {"python3", false}, {"f", false},
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		struct shebang shebang = {0};
		struct refusal refusal;

		strcpy(shebang.line, table[i].line);
		ck_assert(shebang_parse(&shebang, &refusal));
		ck_assert_msg(shebang_ends_in_file_option(&shebang) == table[i].ends, "%s", table[i].line);
	}
}
END_TEST

START_TEST(of)
{
	struct shebang shebang = {.wrapper = "/proc/self/exe", .line = "python3"};
	struct refusal refusal = {.reason = OK};
	struct statx self;

	ck_assert(file_look(&self, AT_FDCWD, "/proc/self/exe", 0));
	ck_assert(shebang_of(&shebang, "/w", &self, "python3", &refusal));
	ck_assert(!shebang_of(&shebang, "/w", &self, "python3 ", &refusal));
	ck_assert_int_eq(refusal.reason, LINE_DIFFERS);
	strcpy(shebang.wrapper, "/bin/sh");
	ck_assert(!shebang_of(&shebang, "/w", &self, "python3", &refusal));
	ck_assert_int_eq(refusal.reason, LINE_WRAPPER);
	ck_assert(shebang_of(&shebang, "/bin/sh", &self, "python3", &refusal));
	strcpy(shebang.wrapper, "self/exe");
	ck_assert_int_eq(chdir("/proc"), 0);
	ck_assert(!shebang_of(&shebang, "/w", &self, "python3", &refusal));
	ck_assert_int_eq(refusal.reason, LINE_WRAPPER);
}
END_TEST

START_TEST(signals)
{
	static const struct {
		const char *line;
		bool saves;
	} table[] = {{"Rscript", true}, {"/usr/bin/Rscript --vanilla", true}, {"env Rscript", true}, {"python3", false}};

	for (size_t i = 0; i < COUNT(table); i++) {
		struct shebang shebang = {0};
		struct refusal refusal;

		strcpy(shebang.line, table[i].line);
		ck_assert(shebang_parse(&shebang, &refusal));
		ck_assert(shebang_saves_on_signal(&shebang, "/usr/bin/Rscript"));
		ck_assert(shebang_saves_on_signal(&shebang, "/usr/bin/x") == table[i].saves);
	}
}
END_TEST

TESTS("shebang", lines, words, crowded, channels, file_options, of, signals)
