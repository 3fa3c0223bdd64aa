#include "grant.h"

#include <errno.h>

#include "unit.h"

#define TOP (UINT64_C(1) << 63)
#define NET (UINT64_C(1) << CAP_NET_RAW)
#define KILL (UINT64_C(1) << CAP_KILL)
#define OK REASONS

START_TEST(grants)
{
	static const struct {
		struct file_capabilities file;
		enum reason reason;
		uint64_t grant;
	} table[] = {
		{{false, false, 0, 0, 0}, GRANT_NONE, 0},
		{{true, false, 0, 0, 0}, GRANT_NONE, 0},
		{{true, false, 1000, 0, 0}, GRANT_NONE, 0},
		{{true, false, 0, 0, NET}, OK, NET},
		{{true, false, 0, 0, NET | KILL | TOP}, OK, NET | KILL | TOP},
		{{true, false, 0, NET, NET | KILL}, OK, NET | KILL},
		{{true, false, 0, NET, 0}, GRANT_PERMITTED, 0},
		{{true, false, 0, NET | KILL, NET}, GRANT_PERMITTED, 0},
		{{true, false, 1000, 0, NET}, GRANT_ROOTID, 0},
		{{true, false, 1000, NET, 0}, GRANT_ROOTID, 0},
		{{true, false, (uid_t)-1, 0, NET}, GRANT_ROOTID, 0},
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		struct refusal refusal = {.reason = OK};
		uint64_t grant = 0;

		ck_assert_int_eq(grant_of(&grant, &table[i].file, &refusal), table[i].reason == OK);
		ck_assert_int_eq(refusal.reason, table[i].reason);
		ck_assert_uint_eq(grant, table[i].grant);
	}
}
END_TEST

START_TEST(contained)
{
	ck_assert(grant_contained(NET, &(struct file_capabilities){true, false, 0, 0, NET}));
	ck_assert(grant_contained(NET, &(struct file_capabilities){true, false, 0, 0, NET | KILL}));
	ck_assert(!grant_contained(NET, &(struct file_capabilities){false, false, 0, 0, 0}));
	ck_assert(!grant_contained(NET, &(struct file_capabilities){true, false, 0, 0, 0}));
	ck_assert(!grant_contained(NET | KILL, &(struct file_capabilities){true, false, 0, 0, NET}));
	ck_assert(!grant_contained(NET, &(struct file_capabilities){true, false, 0, NET, NET}));
	ck_assert(!grant_contained(NET, &(struct file_capabilities){true, false, 0, KILL, NET}));
	ck_assert(!grant_contained(NET, &(struct file_capabilities){true, false, 1000, 0, NET}));
}
END_TEST

/* Bits that no kernel has yet are seen, too. */
START_TEST(of_libcap)
{
	struct file_capabilities file;
	cap_t caps = cap_init();
	cap_value_t cap = 63;

	ck_assert_int_eq(cap_set_flag(caps, CAP_INHERITABLE, 1, &cap, CAP_SET), 0);
	cap = CAP_NET_RAW;
	ck_assert_int_eq(cap_set_flag(caps, CAP_PERMITTED, 1, &cap, CAP_SET), 0);
	ck_assert_int_eq(cap_set_nsowner(caps, 7), 0);
	ck_assert(file_capabilities_take(&file, caps));
	ck_assert(file.present);
	ck_assert_uint_eq(file.inheritable, TOP);
	ck_assert_uint_eq(file.permitted, NET);
	ck_assert_uint_eq(file.rootid, 7);

	errno = ENODATA;
	ck_assert(file_capabilities_take(&file, NULL));
	ck_assert(!file.present);
	errno = EINVAL;
	ck_assert(!file_capabilities_take(&file, NULL));
}
END_TEST

START_TEST(ceiling)
{
	struct refusal refusal = {.reason = OK};

	ck_assert(grant_below_ceiling(NET, NET, "/", &refusal));
	ck_assert(grant_below_ceiling(NET, NET | KILL, "/", &refusal));
	ck_assert(!grant_below_ceiling(NET | KILL, KILL, "/", &refusal));
	ck_assert_uint_eq(refusal.capabilities, NET);
	ck_assert(!grant_below_ceiling(TOP | NET, NET, "/", &refusal));
	ck_assert_uint_eq(refusal.capabilities, TOP);
}
END_TEST

START_TEST(own_sets)
{
	struct sets sets, again;

	ck_assert(sets_get(&sets));
	sets.effective = 0;
	ck_assert(sets_set(&sets));
	ck_assert(sets_get(&again));
	ck_assert_uint_eq(again.permitted, sets.permitted);
	ck_assert_uint_eq(again.inheritable, sets.inheritable);
	ck_assert_uint_eq(again.effective, 0);
}
END_TEST

TESTS("grant", grants, contained, of_libcap, ceiling, own_sets)
