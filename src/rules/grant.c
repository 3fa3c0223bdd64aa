#include "grant.h"

#include <endian.h>
#include <errno.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#define CAPS 64 /* bits of a set */

#define BIT(cap) (UINT64_C(1) << (cap))

static uint64_t join(uint32_t low, uint32_t high)
{
	return low | (uint64_t)high << 32;
}

bool sets_get(struct sets *sets)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct half[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, half) < 0)
		return false;
	sets->permitted = join(half[0].permitted, half[1].permitted);
	sets->effective = join(half[0].effective, half[1].effective);
	sets->inheritable = join(half[0].inheritable, half[1].inheritable);
	return true;
}

bool sets_set(const struct sets *sets)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct half[_LINUX_CAPABILITY_U32S_3];

	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		half[i].permitted = (uint32_t)(sets->permitted >> 32 * i);
		half[i].effective = (uint32_t)(sets->effective >> 32 * i);
		half[i].inheritable = (uint32_t)(sets->inheritable >> 32 * i);
	}
	return !syscall(SYS_capset, &header, half);
}

bool file_capabilities_parse(struct file_capabilities *file, const struct vfs_ns_cap_data *data, size_t size)
{
	uint32_t head = size < sizeof data->magic_etc ? 0 : le32toh(data->magic_etc);
	uint32_t revision = head & VFS_CAP_REVISION_MASK;
	bool high = revision != VFS_CAP_REVISION_1;

	*file = (struct file_capabilities){.present = true, .effective = head & VFS_CAP_FLAGS_EFFECTIVE};
	if (!(revision == VFS_CAP_REVISION_1 && size == XATTR_CAPS_SZ_1) &&
		!(revision == VFS_CAP_REVISION_2 && size == XATTR_CAPS_SZ_2) &&
		!(revision == VFS_CAP_REVISION_3 && size == XATTR_CAPS_SZ_3))
		return false;
	file->permitted = join(le32toh(data->data[0].permitted), high ? le32toh(data->data[1].permitted) : 0);
	file->inheritable = join(le32toh(data->data[0].inheritable), high ? le32toh(data->data[1].inheritable) : 0);
	if (revision == VFS_CAP_REVISION_3)
		file->rootid = le32toh(data->rootid);
	return true;
}

bool file_capabilities_read(struct file_capabilities *file, const char *path, int fd)
{
	static const char name[] = "security.capability";
	struct vfs_ns_cap_data data;
	ssize_t size = path ? getxattr(path, name, &data, sizeof data) : fgetxattr(fd, name, &data, sizeof data);

	*file = (struct file_capabilities){0};
	if (size < 0)
		return errno == ENODATA || errno == ENOTSUP;
	errno = EINVAL;
	return file_capabilities_parse(file, &data, (size_t)size);
}

static bool refuse_capabilities(struct refusal *refusal, enum reason reason, uint64_t capabilities, const char *object)
{
	refusal->capabilities = capabilities;
	return refuse_about(refusal, reason, object, 0);
}

bool grant_of(uint64_t *grant, const struct file_capabilities *file, struct refusal *refusal)
{
	uint64_t all = file->permitted | file->inheritable;

	if (!all)
		return refuse(refusal, GRANT_NONE);
	if (file->rootid)
		return refuse_capabilities(refusal, GRANT_ROOTID, all, "");
	if (file->permitted & ~file->inheritable)
		return refuse_capabilities(refusal, GRANT_PERMITTED, all, "");
	*grant = file->inheritable;
	return true;
}

bool grant_read(uint64_t *grant, int fd, struct refusal *refusal)
{
	struct file_capabilities file;

	if (!file_capabilities_read(&file, NULL, fd))
		return refuse(refusal, GRANT_READ);
	return grant_of(grant, &file, refusal);
}

bool grant_contained(uint64_t grant, const struct file_capabilities *file)
{
	return file->present && !file->rootid && !file->permitted && !(grant & ~file->inheritable);
}

static uint64_t outside_bounding_set(uint64_t mask)
{
	for (int cap = 0; cap < CAPS; cap++)
		if (mask & BIT(cap) && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) > 0)
			mask &= ~BIT(cap);
	return mask;
}

bool grant_below_ceiling(uint64_t grant, uint64_t permitted, const char *wrapper, struct refusal *refusal)
{
	uint64_t missing = grant & ~permitted, unbound;
	struct file_capabilities file;
	struct statfs fs;

	if (!missing)
		return true;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) > 0)
		return refuse_capabilities(refusal, CEILING_NO_NEW_PRIVS, missing, "");
	unbound = outside_bounding_set(missing);
	if (unbound)
		return refuse_capabilities(refusal, CEILING_BOUNDING, unbound, "");
	if (!statfs(wrapper, &fs) && fs.f_flags & ST_NOSUID)
		return refuse_capabilities(refusal, CEILING_NOSUID, missing, "");
	if (file_capabilities_read(&file, wrapper, -1) && missing & ~file.permitted)
		return refuse_capabilities(refusal, file.permitted ? CEILING_NARROW : CEILING_WRAPPER,
			missing & ~file.permitted, "");
	return refuse_capabilities(refusal, CEILING_WITHHELD, missing, "");
}

/* Where nothing is permitted or inheritable but the grant, nothing else can be ambient any more. */
static bool ambient_set(uint64_t mask)
{
	if (!mask)
		return !prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (int cap = 0; cap < CAPS; cap++)
		if (mask & BIT(cap) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return false;
	return true;
}

/* What is not permitted can't be ambient: nothing but the grant has to be looked at. */
static bool ambient_is(uint64_t mask, uint64_t grant)
{
	for (int cap = 0; cap < CAPS; cap++)
		if (grant & BIT(cap) &&
			prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) != (int)(mask >> cap & 1))
			return false;
	return true;
}

/* No core dump, nor one down a pipe, which a limit of 0 would let through. */
static bool core_limit(void)
{
	const uint64_t one[] = {1, 1}; /* struct rlimit64, whatever the headers think of it */

	return !syscall(SYS_prlimit64, 0, RLIMIT_CORE, one, NULL);
}

/* Uid 0 would get every capability at exec. */
static bool root_narrow(void)
{
	int bits = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);

	return bits >= 0 && !prctl(PR_SET_SECUREBITS, bits | SECBIT_NOROOT | SECBIT_NOROOT_LOCKED, 0, 0, 0);
}

bool grant_take(const struct taking *taking, struct refusal *refusal)
{
	const struct sets wanted = {.permitted = taking->grant, .inheritable = taking->grant};
	const uint64_t helpers = (BIT(CAP_SETPCAP) | BIT(CAP_SYS_RESOURCE)) & taking->permitted;
	const uint64_t ambient = taking->ambient ? taking->grant : 0;
	struct sets sets;

	/* 1. What the script makes, nobody else writes to. */
	umask(umask(S_IRWXO) | S_IWGRP | S_IWOTH);

	/* 2. A core limit that is 0 by now and root's securebits ask for a capability; without one the limit can't be
	 *    mended. */
	if (!core_limit() || taking->root) {
		if (!sets_set(&(struct sets){.permitted = taking->permitted, .effective = helpers}))
			return refuse(refusal, EFFECT_SETS);
		if (!core_limit() && errno != EPERM)
			return refuse(refusal, EFFECT_CORE);
		if (taking->root && !root_narrow())
			return refuse(refusal, EFFECT_NOROOT);
	}

	/* 3. Nothing but the grant, and that not effective: exec raises what is ambient. */
	if (!sets_set(&wanted) || !ambient_set(ambient))
		return refuse(refusal, EFFECT_SETS);

	/* 4. Nothing that the script starts gains more. */
	if (taking->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return refuse(refusal, EFFECT_NO_NEW_PRIVS);

	/* 5. What came of it. */
	if (!sets_get(&sets) || sets.permitted != wanted.permitted || sets.inheritable != wanted.inheritable ||
		sets.effective || !ambient_is(ambient, taking->grant))
		return refuse(refusal, EFFECT_DIFFER);
	return true;
}
