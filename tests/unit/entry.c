#include "entry.h"

#include <linux/capability.h>
#include <string.h>

#include "names.h"
#include "sets.h"
#include "unit.h"

/* What is wrong with a line; "" where nothing is. */
static const char *wrong_with(struct entry *entry, const char *text)
{
	static char line[1024];
	const char *wrong;

	ck_assert(strlen(text) < sizeof line);
	strcpy(line, text);
	wrong = entry_parse(entry, line);
	return wrong ? wrong : "";
}

/* As it is written, without the newline. */
static const char *written(const struct entry *entry)
{
	static char line[1024];
	FILE *out = fmemopen(line, sizeof line, "w");

	ck_assert(out);
	entry_put(out, entry);
	ck_assert(!fclose(out));
	line[strcspn(line, "\n")] = 0;
	return line;
}

START_TEST(lines)
{
	struct entry entry;

	ck_assert_str_eq(wrong_with(&entry, ""), "");
	ck_assert_ptr_null(entry.path);
	ck_assert_str_eq(wrong_with(&entry, " \t# cap_kill /x"), "");
	ck_assert_ptr_null(entry.path);
	ck_assert_str_eq(wrong_with(&entry, "cap_kill /a  b # why"), "");
	ck_assert_str_eq(entry.path, "/a  b");
	ck_assert(entry.capabilities == BIT(CAP_KILL));
	ck_assert_str_eq(wrong_with(&entry, "cap_kill /a\\ \\# b#c\\\\\\  \t"), "");
	ck_assert_str_eq(entry.path, "/a # b#c\\ ");
	ck_assert_str_eq(written(&entry), "cap_kill /a\\ \\#\\ b\\#c\\\\\\ ");
	ck_assert_str_eq(wrong_with(&entry, "cap_kill /a\\ sha256:b"), "");
	ck_assert_str_eq(entry.path, "/a sha256:b");
	ck_assert_str_eq(wrong_with(&entry, "cap_kill /a line:--user\\ x\\ sh"), "");
	ck_assert_str_eq(entry.text, "--user x sh");
	ck_assert_str_eq(written(&entry), "cap_kill /a line:--user\\ x\\ sh");
}
END_TEST

START_TEST(broken)
{
	struct entry entry;

	ck_assert_str_ne(wrong_with(&entry, "cap_kill"), "");
	ck_assert_str_ne(wrong_with(&entry, "cap_kill a"), "");
	ck_assert_str_ne(wrong_with(&entry, "cap_kill /"), "");
	ck_assert_str_ne(wrong_with(&entry, "cap_kill /a/"), "");
	ck_assert_str_ne(wrong_with(&entry, "cap_kill /a//b"), "");
	ck_assert_str_ne(wrong_with(&entry, "cap_kill /a/.."), "");
	ck_assert_str_ne(wrong_with(&entry, "cap_kill /./a"), "");
	ck_assert_str_ne(wrong_with(&entry, "cap_kill /a\r"), "");
	ck_assert_str_ne(wrong_with(&entry, "cap_bill /a"), "");
	ck_assert_str_ne(wrong_with(&entry, "cap_kill /a sha256:0"), "");
	ck_assert_str_ne(wrong_with(&entry, "cap_kill /a sha256:0123456789012345678901234567890123456789012345678901234567890123 x"), "");
}
END_TEST

START_TEST(names)
{
	struct text wrong = {.length = 0};
	uint64_t mask = 0;

	ck_assert(names_parse(&mask, "cap_kill,NET_RAW,Cap_Chown=ip", &wrong));
	ck_assert(mask == (BIT(CAP_KILL) | BIT(CAP_NET_RAW) | BIT(CAP_CHOWN)));
	for (const char *const *bad = (const char *const[]){"", ",", "cap_kill,", ",cap_kill", "cap_kill,,cap_chown", "all", "cap_kill=eip", "cap_kill=p",
		     "cap_kill=", "5", "cap_kill cap_chown", "cap_kill\n", "none", "cap_", "cap_kil",
		     "cap_a_name_that_is_much_longer_than_that_of_any_capability_can_be", NULL}; *bad; bad++) {
		wrong.length = 0;
		ck_assert_msg(!names_parse(&mask, *bad, &wrong), "%s", *bad);
		ck_assert_int_gt(wrong.length, 0);
	}
}
END_TEST

TESTS("entry", lines, broken, names)
