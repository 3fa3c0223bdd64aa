#include "text.h"

#include <errno.h>
#include <string.h>

#include "refusal.h"
#include "unit.h"

static const char *said(struct text *text)
{
	text->bytes[text->length] = 0;
	text->length = 0;
	return text->bytes;
}

START_TEST(escapes)
{
	struct text text = {.length = 0};

	text_add_escaped(&text, "/a b\n\x1b[0m\\\x7f\xc3\xa4'");
	ck_assert_str_eq(said(&text), "/a b\\x0a\\x1b[0m\\\\\\x7f\\xc3\\xa4'");
	text_add_quoted(&text, "/usr/bin/python3.11+x_y@z:%,1-2");
	ck_assert_str_eq(said(&text), "/usr/bin/python3.11+x_y@z:%,1-2");
	text_add_quoted(&text, "");
	ck_assert_str_eq(said(&text), "''");
	text_add_quoted(&text, "a;b");
	ck_assert_str_eq(said(&text), "'a;b'");
	text_add_quoted(&text, "a b'c\\d$(id)%s");
	ck_assert_str_eq(said(&text), "'a b'\\''c\\d$(id)%s'");
	text_add_quoted(&text, "a'\\d\n\xff$(id)%s");
	ck_assert_str_eq(said(&text), "\"$(printf 'a\\047\\134d\\012\\377$(id)\\045s')\"");
	text_add_quoted(&text, "a\n");
	ck_assert_str_eq(said(&text), "\"$(printf 'a\\012/.')\"");
	text_add_field(&text, "/usr/bin/python3");
	ck_assert_str_eq(said(&text), "/usr/bin/python3");
	text_add_field(&text, "");
	ck_assert_str_eq(said(&text), "$''");
	text_add_field(&text, "a b'c\\d\n rule=x");
	ck_assert_str_eq(said(&text), "$'a b\\'c\\\\d\\x0a rule=x'");
	text_add_number(&text, 0);
	ck_assert_str_eq(said(&text), "0");
	text_add_number(&text, UINT64_MAX);
	ck_assert_str_eq(said(&text), "18446744073709551615");
	text_add_capabilities(&text, 0);
	ck_assert_str_eq(said(&text), "none");
	text_add_capabilities(&text, UINT64_C(1) << 63 | 1 << 13 | 1);
	ck_assert_str_eq(said(&text), "cap_chown,cap_net_raw,63");
	text_add_error(&text, EACCES);
	ck_assert_str_eq(said(&text), "permission denied");
	text_add_error(&text, EXDEV);
	ck_assert_str_eq(said(&text), "error 18");
}
END_TEST

START_TEST(cuts)
{
	static char words[2 * TEXT_SIZE];

	for (size_t length = TEXT_SIZE - 30; length < sizeof words - 1; length += length < TEXT_SIZE + 30 ? 1 : 1000) {
		struct text text = {.length = 0};

		memset(words, '\n', length);
		words[length] = 0;
		text_add(&text, words);
		text_add_escaped(&text, words);
		text_add_escaped(&text, words);
		ck_assert_uint_lt(text.length, TEXT_SIZE);
		ck_assert_mem_eq(text.bytes + text.length - 6, " [cut]", 6);
	}
}
END_TEST

/* A field leaves room for others, whatever is in it. */
START_TEST(fields)
{
	static char words[PATH_MAX];

	for (size_t length = 2490; length < sizeof words; length += length < 2510 ? 1 : 500) {
		for (const char *filling = "a \n"; *filling; filling++) {
			struct text text = {.length = 0};
			bool bare = *filling == 'a' && length <= 2500;

			memset(words, *filling, length);
			words[length] = 0;
			text_add_field(&text, words);
			ck_assert_uint_le(text.length, 2500 + 16);
			ck_assert(bare || text.bytes[text.length - 1] == '\'');
			ck_assert(bare || length <= 2497 || !memcmp(text.bytes + text.length - 7, " [cut]", 6));
		}
	}
}
END_TEST

/* Every refusal has its parts, and says them whatever it is about. */
START_TEST(refusals)
{
	static struct refusal refusal;
	static char longest[2 * PATH_MAX];
	struct text text = {.length = 0};

	for (int i = 0; i < REASONS; i++) {
		ck_assert_int_lt(refusal_texts[i].rule, RULES);
		ck_assert_int_ge(refusal_texts[i].exit_code, 125);
		ck_assert_int_le(refusal_texts[i].exit_code, 127);
		ck_assert(i == 0 || refusal_texts[i].rule >= refusal_texts[i - 1].rule);
		ck_assert(!refuse_about(&refusal, i, "/o b", ENOENT));
		refusal.capabilities = 1;
		refusal_reason(&text, &refusal, text_add_escaped);
		ck_assert_ptr_null(strpbrk(said(&text), "%\n"));
		refusal_fix(&text, refusal_texts[i].fix, &refusal, "/p q", "/w");
		said(&text);
		ck_assert_ptr_null(strstr(text.bytes, "/o b;"));
		ck_assert_int_gt((int)strlen(text.bytes), 3);
	}
	refuse_about(&refusal, PATH_WRITABLE, "/o b", 0);
	refusal_reason(&text, &refusal, text_add_escaped);
	ck_assert_str_eq(said(&text), "/o b is writable by group or others");
	refusal_fix(&text, refusal_texts[PATH_WRITABLE].fix, &refusal, "", "");
	ck_assert_str_eq(said(&text), "chmod go-w '/o b'");
	memset(longest, 'x', sizeof longest - 1);
	refuse_about(&refusal, PATH_OWNER, longest, 0);
	ck_assert_uint_eq(strlen(refusal.object), PATH_MAX - 1);
}
END_TEST

TESTS("text", escapes, cuts, fields, refusals)
