#include "grant.h"

#include <endian.h>
#include <errno.h>
#include <sys/prctl.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "sets.h"

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
	file->permitted = halves_join(le32toh(data->data[0].permitted), high ? le32toh(data->data[1].permitted) : 0);
	file->inheritable = halves_join(le32toh(data->data[0].inheritable), high ? le32toh(data->data[1].inheritable) : 0);
	if (revision == VFS_CAP_REVISION_3)
		file->rootid = le32toh(data->rootid);
	return true;
}

bool file_capabilities_take(struct file_capabilities *file, const struct vfs_ns_cap_data *data, ssize_t size)
{
	*file = (struct file_capabilities){0};
	if (size < 0)
		return errno == ENODATA || errno == ENOTSUP;
	errno = EINVAL;
	return file_capabilities_parse(file, data, (size_t)size);
}

bool file_capabilities_read(struct file_capabilities *file, const char *path, int fd)
{
	static const char name[] = "security.capability";
	struct vfs_ns_cap_data data;

	return file_capabilities_take(file, &data,
		path ? getxattr(path, name, &data, sizeof data) : fgetxattr(fd, name, &data, sizeof data));
}

static bool refuse_capabilities(struct refusal *refusal, enum reason reason, uint64_t capabilities, const char *object)
{
	refusal->capabilities = capabilities;
	return refuse_about(refusal, reason, object, 0);
}

bool grant_of(uint64_t *grant, const struct file_capabilities *file, const struct door_rules *door, uint64_t taken,
	struct refusal *refusal)
{
	uint64_t wrappers = taken & file->permitted & ~file->inheritable;
	uint64_t permitted = file->permitted & ~wrappers, all = permitted | file->inheritable;

	if (!all)
		return refuse(refusal, GRANT_NONE);
	if (file->rootid)
		return refuse_capabilities(refusal, GRANT_ROOTID, all, "");
	if ((door->permitted ? permitted : file->inheritable) != all)
		return refuse_capabilities(refusal, door->unusable, all, "");
	*grant = all;
	return true;
}

bool grant_read(uint64_t *grant, int fd, const struct door_rules *door, uint64_t taken, struct refusal *refusal)
{
	struct file_capabilities file;

	if (!file_capabilities_read(&file, NULL, fd))
		return refuse(refusal, GRANT_READ);
	if (!file.present && errno == ENOTSUP)
		return refuse(refusal, GRANT_UNSUPPORTED);
	return grant_of(grant, &file, door, taken, refusal);
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

bool grant_below_ceiling(uint64_t needed, uint64_t permitted, const struct door_rules *door, const char *holder,
	struct refusal *refusal)
{
	uint64_t missing = needed & ~permitted, unbound;
	struct file_capabilities file;
	struct statfs fs;
	bool known;

	if (!missing)
		return true;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) > 0)
		return refuse_capabilities(refusal, CEILING_NO_NEW_PRIVS, missing, "");
	unbound = outside_bounding_set(missing);
	if (unbound)
		return refuse_capabilities(refusal, CEILING_BOUNDING, unbound, "");
	if (!statfs(holder, &fs) && fs.f_flags & ST_NOSUID)
		return refuse_capabilities(refusal, CEILING_NOSUID, missing, "");
	known = file_capabilities_read(&file, holder, -1) || errno == EOVERFLOW;
	if (file.rootid)
		file.permitted = 0; /* those of another user namespace are none in this one */
	if (known && missing & ~file.permitted)
		return refuse_capabilities(refusal, file.permitted ? door->narrow : door->none, missing & ~file.permitted, "");
	return refuse_capabilities(refusal, door->withheld, missing, "");
}
