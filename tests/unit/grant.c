#include "grant.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/capability.h>
#include <unistd.h>

#include "sets.h"
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
		enum door door;
		uint64_t taken;
	} table[] = {
		{{true, false, 0, NET, NET}, OK, NET, DOOR_LINE, 0},
		{{true, false, 0, NET, NET}, OK, NET, DOOR_BINFMT, 0},
		{{true, false, 0, NET, 0}, OK, NET, DOOR_BINFMT, 0},
		{{true, true, 0, NET, 0}, OK, NET, DOOR_BINFMT, 0},
		{{true, false, 0, 0, NET}, GRANT_INHERITABLE, 0, DOOR_BINFMT, 0},
		{{true, false, 0, NET, NET | KILL}, GRANT_INHERITABLE, 0, DOOR_BINFMT, 0},
		{{true, false, 1000, NET, NET}, GRANT_ROOTID, 0, DOOR_BINFMT, 0},
		{{false, false, 0, 0, 0}, GRANT_NONE, 0, DOOR_BINFMT, 0},
		/* What the wrapper takes. */
		{{true, false, 0, NET | KILL, NET}, OK, NET, DOOR_BINFMT, KILL},
		{{true, false, 0, NET | KILL, NET}, OK, NET, DOOR_LINE, KILL},
		{{true, false, 0, NET | KILL, NET | KILL}, OK, NET | KILL, DOOR_BINFMT, KILL},
		{{true, false, 0, NET | KILL | TOP, NET}, OK, NET | TOP, DOOR_BINFMT, KILL},
		{{true, false, 0, NET | KILL | TOP, NET}, GRANT_PERMITTED, 0, DOOR_LINE, KILL},
		{{true, false, 0, KILL, 0}, GRANT_NONE, 0, DOOR_BINFMT, KILL},
		{{true, false, 0, KILL, 0}, GRANT_NONE, 0, DOOR_LINE, KILL},
		{{false, false, 0, 0, 0}, GRANT_NONE, 0, DOOR_LINE, 0},
		{{true, false, 0, 0, 0}, GRANT_NONE, 0, DOOR_LINE, 0},
		{{true, false, 1000, 0, 0}, GRANT_NONE, 0, DOOR_LINE, 0},
		{{true, false, 0, 0, NET}, OK, NET, DOOR_LINE, 0},
		{{true, false, 0, 0, NET | KILL | TOP}, OK, NET | KILL | TOP, DOOR_LINE, 0},
		{{true, false, 0, NET, NET | KILL}, OK, NET | KILL, DOOR_LINE, 0},
		{{true, false, 0, NET, 0}, GRANT_PERMITTED, 0, DOOR_LINE, 0},
		{{true, false, 0, NET | KILL, NET}, GRANT_PERMITTED, 0, DOOR_LINE, 0},
		{{true, false, 1000, 0, NET}, GRANT_ROOTID, 0, DOOR_LINE, 0},
		{{true, false, 1000, NET, 0}, GRANT_ROOTID, 0, DOOR_LINE, 0},
		{{true, false, (uid_t)-1, 0, NET}, GRANT_ROOTID, 0, DOOR_LINE, 0},
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		struct refusal refusal = {.reason = OK};
		uint64_t grant = 0;

		ck_assert_int_eq(grant_of(&grant, &table[i].file, &door_rules[table[i].door], table[i].taken, &refusal), table[i].reason == OK);
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

/* libcap puts them on a file, and what is read is what libcap says. */
START_TEST(of_libcap)
{
	static const char *const texts[] = {
		"cap_net_raw=i", "=", "all=i", "cap_net_raw=p", "cap_kill=pi", "cap_kill,cap_net_raw=ei", "cap_chown=p cap_kill=i",
		"cap_checkpoint_restore=i", "cap_mac_override,cap_mac_admin=ip",
	};
	char path[] = "/tmp/capwrap-grant-XXXXXX";
	int fd = mkstemp(path);
	struct file_capabilities file;

	ck_assert_int_ge(fd, 0);
	ck_assert(file_capabilities_read(&file, path, -1));
	ck_assert(!file.present);
	for (size_t i = 0; i < 2 * COUNT(texts); i++) {
		cap_t caps = cap_from_text(texts[i / 2]);
		uid_t rootid = i % 2 ? 70000 : 0;

		ck_assert_int_eq(cap_set_nsowner(caps, rootid), 0);
		ck_assert_int_eq(cap_set_fd(fd, caps), 0);
		cap_free(caps);
		caps = cap_get_fd(fd);
		ck_assert(file_capabilities_read(&file, i % 3 ? path : NULL, fd));
		ck_assert(file.present);
		ck_assert_uint_eq(file.rootid, rootid);
		for (cap_value_t cap = 0; cap < 64; cap++) {
			cap_flag_value_t permitted = CAP_CLEAR, inheritable = CAP_CLEAR, effective = CAP_CLEAR;

			cap_get_flag(caps, cap, CAP_PERMITTED, &permitted);
			cap_get_flag(caps, cap, CAP_INHERITABLE, &inheritable);
			cap_get_flag(caps, cap, CAP_EFFECTIVE, &effective);
			ck_assert_int_eq(file.permitted >> cap & 1, permitted);
			ck_assert_int_eq(file.inheritable >> cap & 1, inheritable);
			ck_assert_int_eq(file.effective && (permitted || inheritable), effective);
		}
		cap_free(caps);
	}
	close(fd);
	unlink(path);
	ck_assert(!file_capabilities_read(&file, path, -1));
}
END_TEST

/* What no kernel keeps: other sizes and revisions. */
START_TEST(malformed)
{
	static const struct {
		uint32_t head;
		size_t size;
		bool good;
	} table[] = {
		{VFS_CAP_REVISION_1, XATTR_CAPS_SZ_1, true}, {VFS_CAP_REVISION_2, XATTR_CAPS_SZ_2, true},
		{VFS_CAP_REVISION_3 | VFS_CAP_FLAGS_EFFECTIVE, XATTR_CAPS_SZ_3, true}, {0, XATTR_CAPS_SZ_2, false},
		{VFS_CAP_REVISION_2, 0, false}, {VFS_CAP_REVISION_2, 3, false}, {VFS_CAP_REVISION_2, XATTR_CAPS_SZ_1, false},
		{VFS_CAP_REVISION_2, XATTR_CAPS_SZ_3, false}, {VFS_CAP_REVISION_1, XATTR_CAPS_SZ_2, false},
		{VFS_CAP_REVISION_3, XATTR_CAPS_SZ_2, false}, {0x04000000, XATTR_CAPS_SZ_3, false},
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		struct vfs_ns_cap_data data = {.magic_etc = htole32(table[i].head)};
		struct file_capabilities file;

		for (int half = 0; half < VFS_CAP_U32; half++)
			data.data[half].inheritable = htole32(0x10 << half);
		ck_assert_int_eq(file_capabilities_parse(&file, &data, table[i].size), table[i].good);
		if (table[i].good)
			ck_assert_uint_eq(file.inheritable, i ? UINT64_C(0x2000000010) : 0x10);
	}
}
END_TEST

START_TEST(names)
{
	for (cap_value_t cap = 0; cap < 41; cap++) {
		struct text text = {.length = 0};
		char *name = cap_to_name(cap);

		text_add_capabilities(&text, UINT64_C(1) << cap);
		text.bytes[text.length] = 0;
		ck_assert_str_eq(text.bytes, name);
		cap_free(name);
	}
}
END_TEST

START_TEST(ceiling)
{
	struct refusal refusal = {.reason = OK};

	ck_assert(grant_below_ceiling(NET, NET, &door_rules[DOOR_LINE], "/", &refusal));
	ck_assert(grant_below_ceiling(NET, NET | KILL, &door_rules[DOOR_LINE], "/", &refusal));
	ck_assert(!grant_below_ceiling(NET | KILL, KILL, &door_rules[DOOR_LINE], "/", &refusal));
	ck_assert_uint_eq(refusal.capabilities, NET);
	ck_assert(!grant_below_ceiling(TOP | NET, NET, &door_rules[DOOR_LINE], "/", &refusal));
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

TESTS("grant", grants, contained, of_libcap, malformed, names, ceiling, own_sets)
