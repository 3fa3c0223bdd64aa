#include "account.h"

#include <stdio.h>
#include <string.h>

#include "unit.h"

#define OK REASONS

static struct account account;
static struct refusal refusal;

START_TEST(words)
{
	static const struct {
		const char *word;
		enum reason reason;
		const char *name;
		uid_t uid;
		gid_t gid;
		bool complete;
	} table[] = {
		{"backup", OK, "backup", 0, 0, false},
		{"machine$", OK, "machine$", 0, 0, false},
		{"a\\b@c.d", OK, "a\\b@c.d", 0, 0, false},
		{"1a", OK, "1a", 0, 0, false},
		{"34", OK, "", 34, 0, false},
		{"034", OK, "", 34, 0, false},
		{"34:35", OK, "", 34, 35, true},
		{"0", OK, "", 0, 0, false}, /* who that is, passwd says */
		{"4294967294:4294967294", OK, "", 4294967294, 4294967294, true},
		{"4294967295", ACCOUNT_RANGE, NULL, 0, 0, false},
		{"4294967296", ACCOUNT_RANGE, NULL, 0, 0, false},
		{"4294967330", ACCOUNT_RANGE, NULL, 0, 0, false}, /* 34 to who counts in 32 bits */
		{"18446744073709551650", ACCOUNT_RANGE, NULL, 0, 0, false}, /* in 64 */
		{"99999999999999999999999999999999999999999999", ACCOUNT_RANGE, NULL, 0, 0, false},
		{"34:4294967295", ACCOUNT_RANGE, NULL, 0, 0, false},
		{"-1", ACCOUNT_RANGE, NULL, 0, 0, false},
		{"+34", ACCOUNT_RANGE, NULL, 0, 0, false},
		{"34:-1", ACCOUNT_RANGE, NULL, 0, 0, false},
		{"34:", ACCOUNT_RANGE, NULL, 0, 0, false},
		{":34", ACCOUNT_RANGE, NULL, 0, 0, false},
		{":", ACCOUNT_RANGE, NULL, 0, 0, false},
		{"34:35:36", ACCOUNT_RANGE, NULL, 0, 0, false},
		{"", ACCOUNT_WORD, NULL, 0, 0, false},
		{"backup:backup", ACCOUNT_WORD, NULL, 0, 0, false},
		{"backup:34", ACCOUNT_WORD, NULL, 0, 0, false},
		{"34:backup", ACCOUNT_WORD, NULL, 0, 0, false},
		{"-c", ACCOUNT_WORD, NULL, 0, 0, false},
		{"+nis", ACCOUNT_WORD, NULL, 0, 0, false},
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		bool complete;

		refusal.reason = OK;
		ck_assert_msg(account_parse(&account, table[i].word, &complete, &refusal) == (table[i].reason == OK), "%s", table[i].word);
		ck_assert_msg(refusal.reason == table[i].reason, "%s", table[i].word);
		if (table[i].reason == OK)
			ck_assert_msg(!strcmp(account.name, table[i].name) && account.uid == table[i].uid &&
				account.gid == table[i].gid && complete == table[i].complete, "%s", table[i].word);
	}
}
END_TEST

static enum reason look_up(const char *word, const char *bytes, size_t size)
{
	bool complete;

	refusal.reason = OK;
	ck_assert(account_parse(&account, word, &complete, &refusal));
	account_in_passwd(&account, word, bytes, size, &refusal);
	return refusal.reason;
}

START_TEST(passwd)
{
	static const struct {
		const char *word, *bytes;
		enum reason reason;
		uid_t uid;
		gid_t gid;
		const char *name, *home;
	} table[] = {
		{"b", "a:x:1:2::/a:\nb:x:3:4:B b,,,:/b:/bin/sh\n", OK, 3, 4, "b", "/b"},
		{"3", "a:x:1:2::/a:\nb:x:3:4:B b,,,:/b:/bin/sh\n", OK, 3, 4, "b", "/b"},
		{"b", "b:x:3:4::/b:", OK, 3, 4, "b", "/b"},
		{"b", "\n\n#b\nb:x:3:4::/b:\n", OK, 3, 4, "b", "/b"},
		{"b", "b:x:3:4::/b:\nb:x:5:6::/c:\n", OK, 3, 4, "b", "/b"},
		{"3", "b:x:3:4::/b:\nc:x:3:6::/c:\n", OK, 3, 4, "b", "/b"},
		{"b", "bb:x:1:1::/:\nb:x:3:4::/b:\n", OK, 3, 4, "b", "/b"},
		{"b", "b :x:1:1::/:\n b:x:1:1::/:\nB:x:1:1::/:\nb:x:3:4::/b:\n", OK, 3, 4, "b", "/b"},
		{"b", "b::3:4:::\n", ACCOUNT_BROKEN, 0, 0, NULL, NULL}, /* without a home */
		{"b", "", ACCOUNT_UNKNOWN, 0, 0, NULL, NULL},
		{"b", "a:x:b:2:b:/b:b\n", ACCOUNT_UNKNOWN, 0, 0, NULL, NULL},
		{"3", "", ACCOUNT_UNKNOWN, 0, 0, NULL, NULL},
		{"3", "3:x:1:1::/:\n", ACCOUNT_UNKNOWN, 0, 0, NULL, NULL}, /* a number is no name */
		{"b", "b\n", ACCOUNT_BROKEN, 0, 0, NULL, NULL},
		{"b", "b:x:3:4::/b\n", ACCOUNT_BROKEN, 0, 0, NULL, NULL},
		{"b", "b:x:3:4::/b::\n", ACCOUNT_BROKEN, 0, 0, NULL, NULL},
		{"b", "b:x:3:4::b:\n", ACCOUNT_BROKEN, 0, 0, NULL, NULL},
		{"b", "b:x::4::/b:\n", ACCOUNT_BROKEN, 0, 0, NULL, NULL},
		{"b", "b:x:3:::/b:\n", ACCOUNT_BROKEN, 0, 0, NULL, NULL},
		{"b", "b:x:-3:4::/b:\n", ACCOUNT_BROKEN, 0, 0, NULL, NULL},
		{"b", "b:x: 3:4::/b:\n", ACCOUNT_BROKEN, 0, 0, NULL, NULL},
		{"b", "b:x:3x:4::/b:\n", ACCOUNT_BROKEN, 0, 0, NULL, NULL},
		{"b", "b:x:4294967295:4::/b:\n", ACCOUNT_BROKEN, 0, 0, NULL, NULL},
		{"b", "b:x:3:4294967299::/b:\n", ACCOUNT_BROKEN, 0, 0, NULL, NULL},
		{"b", "b:x\nb:x:3:4::/b:\n", ACCOUNT_BROKEN, 0, 0, NULL, NULL}, /* not the second best */
		{"3", "#b:x:3:0::/a:\n+b:x:3:0::/a:\n-b:x:3:0::/a:\nb:x:3:4::/b:\n", OK, 3, 4, "b", "/b"},
		{"#b", "#b:x:3:0::/a:\n", ACCOUNT_UNKNOWN, 0, 0, NULL, NULL},
		{"3", ":x:3:4::/b:\nb:x:3:4::/b\nc:x:3:4::/c:\n", OK, 3, 4, "c", "/c"},
	};
	static char large[3 << 20], home[2 * PATH_MAX];

	for (size_t i = 0; i < COUNT(table); i++) {
		ck_assert_msg(look_up(table[i].word, table[i].bytes, strlen(table[i].bytes)) == table[i].reason, "%s", table[i].bytes);
		if (table[i].name)
			ck_assert_msg(account.uid == table[i].uid && account.gid == table[i].gid && !strcmp(account.name, table[i].name) &&
				!strcmp(account.home, table[i].home), "%s", table[i].bytes);
	}

	ck_assert(look_up("b", "b:x:3:4:\0:/b:\n", 14) == ACCOUNT_BROKEN);
	ck_assert(look_up("b", "b\0:x:3:4::/b:\n", 14) == ACCOUNT_UNKNOWN);

	/* A line of any length, before and of the account itself; a name or a home that is too long. */
	memset(large, 'a', sizeof large);
	memcpy(large + sizeof large - 14, "\nb:x:3:4::/b:\n", 14);
	ck_assert(look_up("b", large, sizeof large) == OK && account.uid == 3);
	memset(large, 'a', sizeof large);
	memcpy(large, "b:x:3:4:", 8);
	memcpy(large + sizeof large - 5, ":/b:\n", 5);
	ck_assert(look_up("b", large, sizeof large) == OK && !strcmp(account.home, "/b"));
	ck_assert(look_up("3", large, sizeof large) == OK);
	memcpy(large, "aaaaaaaa", 8);
	memcpy(large + ACCOUNT_NAME_SIZE - 1, ":x:3:4:", 7);
	ck_assert(look_up("3", large, sizeof large) == OK && strlen(account.name) == ACCOUNT_NAME_SIZE - 1);
	memcpy(large + ACCOUNT_NAME_SIZE - 1, "a:x:3:4:", 8);
	ck_assert(look_up("3", large, sizeof large) == ACCOUNT_UNKNOWN);
	for (int longer = 0; longer < 2; longer++) {
		memset(home, 'h', sizeof home);
		memcpy(home, "b:x:3:4::/", 10);
		memcpy(home + 9 + PATH_MAX - 1 + longer, ":\n", 2);
		ck_assert(look_up("b", home, (size_t)(9 + PATH_MAX + 1 + longer)) == (longer ? ACCOUNT_BROKEN : OK));
	}
}
END_TEST

START_TEST(group)
{
	static const char bytes[] = "b:x:4:\n"       /* its own, and no member */
				    "one:x:10:a,b,c\n"
				    "two:x:11:b\n"
				    "other:x:12:bb,B,a,\n"
				    "none:x:13:\n"
				    "again:x:10:b\n"
				    "own:x:4:b\n"
				    "broken:x:14\n"
				    "broken:x:15:b:\n"
				    "broken:x::b\n"
				    "broken:x:-1:b\n"
				    "broken:x:4294967295:b\n"
				    "+:x:16:bb\n"
				    "commas:x:17:,,b,,\n"
				    "root:x:0:b\n"
				    "last:x:18:c,b";
	static const gid_t expected[] = {10, 11, 17, 0, 18};
	static char many[ACCOUNT_GROUPS_MAX * 20 + 40];
	size_t length = 0;

	ck_assert(look_up("b", "b:x:3:4::/b:\n", 13) == OK);
	ck_assert(account_in_group(&account, bytes, sizeof bytes - 1, &refusal));
	ck_assert_uint_eq(account.count, COUNT(expected));
	ck_assert(!memcmp(account.groups, expected, sizeof expected));

	for (unsigned i = 0; i <= ACCOUNT_GROUPS_MAX; i++) {
		ck_assert(look_up("b", "b:x:3:4::/b:\n", 13) == OK);
		ck_assert(account_in_group(&account, many, length, &refusal));
		ck_assert_uint_eq(account.count, i);
		length += (size_t)sprintf(many + length, "g:x:%u:b\n", 100 + i);
	}
	ck_assert(look_up("b", "b:x:3:4::/b:\n", 13) == OK);
	ck_assert(!account_in_group(&account, many, length, &refusal) && refusal.reason == ACCOUNT_GROUPS);
}
END_TEST

TESTS("account", words, passwd, group)
