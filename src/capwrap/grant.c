#include "grant.h"

#include <errno.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define CAPS 64 /* bits of a set */

#define BIT(cap) (UINT64_C(1) << (cap))

static uint64_t mask_of(cap_t caps, cap_flag_t flag)
{
	uint64_t mask = 0;
	cap_flag_value_t value;

	for (cap_value_t cap = 0; cap < CAPS; cap++)
		if (!cap_get_flag(caps, cap, flag, &value) && value == CAP_SET)
			mask |= BIT(cap);
	return mask;
}

static bool mask_put(cap_t caps, cap_flag_t flag, uint64_t mask)
{
	for (cap_value_t cap = 0; cap < CAPS; cap++)
		if (mask & BIT(cap) && cap_set_flag(caps, flag, 1, &cap, CAP_SET) < 0)
			return false;
	return true;
}

bool sets_get(struct sets *sets)
{
	cap_t caps = cap_get_proc();

	if (!caps)
		return false;
	sets->permitted = mask_of(caps, CAP_PERMITTED);
	sets->effective = mask_of(caps, CAP_EFFECTIVE);
	sets->inheritable = mask_of(caps, CAP_INHERITABLE);
	cap_free(caps);
	return true;
}

bool sets_set(const struct sets *sets)
{
	cap_t caps = cap_init();
	bool set = caps && mask_put(caps, CAP_PERMITTED, sets->permitted) &&
		mask_put(caps, CAP_EFFECTIVE, sets->effective) &&
		mask_put(caps, CAP_INHERITABLE, sets->inheritable) && !cap_set_proc(caps);

	if (caps)
		cap_free(caps);
	return set;
}

bool file_capabilities_take(struct file_capabilities *file, cap_t caps)
{
	*file = (struct file_capabilities){0};
	if (!caps)
		return errno == ENODATA || errno == ENOTSUP;
	file->present = true;
	file->rootid = cap_get_nsowner(caps);
	file->effective = mask_of(caps, CAP_EFFECTIVE);
	file->permitted = mask_of(caps, CAP_PERMITTED);
	file->inheritable = mask_of(caps, CAP_INHERITABLE);
	cap_free(caps);
	return true;
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

	if (!file_capabilities_take(&file, cap_get_fd(fd)))
		return refuse(refusal, GRANT_READ);
	return grant_of(grant, &file, refusal);
}

bool grant_contained(uint64_t grant, const struct file_capabilities *file)
{
	return file->present && !file->rootid && !file->permitted && !(grant & ~file->inheritable);
}

static uint64_t outside_bounding_set(uint64_t mask)
{
	for (cap_value_t cap = 0; cap < CAPS; cap++)
		if (mask & BIT(cap) && cap_get_bound(cap) > 0)
			mask &= ~BIT(cap);
	return mask;
}

bool grant_below_ceiling(uint64_t grant, uint64_t permitted, const char *wrapper, struct refusal *refusal)
{
	uint64_t missing = grant & ~permitted, unbound;
	struct file_capabilities file;
	struct statvfs fs;

	if (!missing)
		return true;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) > 0)
		return refuse_capabilities(refusal, CEILING_NO_NEW_PRIVS, missing, "");
	unbound = outside_bounding_set(missing);
	if (unbound)
		return refuse_capabilities(refusal, CEILING_BOUNDING, unbound, "");
	if (!statvfs(wrapper, &fs) && fs.f_flag & ST_NOSUID)
		return refuse_capabilities(refusal, CEILING_NOSUID, missing, "");
	if (file_capabilities_take(&file, cap_get_file(wrapper)) && missing & ~file.permitted)
		return refuse_capabilities(refusal, file.permitted ? CEILING_NARROW : CEILING_WRAPPER,
			missing & ~file.permitted, "");
	return refuse_capabilities(refusal, CEILING_WITHHELD, missing, "");
}

static bool ambient_set(uint64_t mask)
{
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return false;
	for (cap_value_t cap = 0; cap < CAPS; cap++)
		if (mask & BIT(cap) && cap_set_ambient(cap, CAP_SET) < 0)
			return false;
	return true;
}

static uint64_t ambient_get(void)
{
	uint64_t mask = 0;

	for (cap_value_t cap = 0; cap < CAPS; cap++)
		if (cap_get_ambient(cap) > 0)
			mask |= BIT(cap);
	return mask;
}

bool grant_take(const struct taking *taking, struct refusal *refusal)
{
	const struct rlimit one = {1, 1};
	const struct sets wanted = {.permitted = taking->grant, .inheritable = taking->grant};
	const uint64_t helpers = (BIT(CAP_SETPCAP) | BIT(CAP_SYS_RESOURCE)) & taking->permitted;
	const uint64_t ambient = taking->ambient ? taking->grant : 0;
	struct sets sets;

	/* 1. For the next two steps only: a core limit of 0 and root's securebits ask for a capability. */
	if (!sets_set(&(struct sets){.permitted = taking->permitted, .effective = helpers}))
		return refuse(refusal, EFFECT_SETS);

	/* 2. What the script makes, nobody else writes to. No core dump, nor one down a pipe, which a limit of 0 would
	 *    let through; without CAP_SYS_RESOURCE a limit that is 0 by now can't be mended. */
	umask(umask(S_IRWXO) | S_IWGRP | S_IWOTH);
	if (setrlimit(RLIMIT_CORE, &one) < 0 && errno != EPERM)
		return refuse(refusal, EFFECT_CORE);

	/* 3. Uid 0 would get every capability at exec. */
	if (taking->root) {
		int bits = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);

		if (bits < 0 || prctl(PR_SET_SECUREBITS, bits | SECBIT_NOROOT | SECBIT_NOROOT_LOCKED, 0, 0, 0) < 0)
			return refuse(refusal, EFFECT_NOROOT);
	}

	/* 4. Nothing but the grant, and that not effective: exec raises what is ambient. */
	if (!sets_set(&wanted) || !ambient_set(ambient))
		return refuse(refusal, EFFECT_SETS);

	/* 5. Nothing that the script starts gains more. */
	if (taking->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return refuse(refusal, EFFECT_NO_NEW_PRIVS);

	/* 6. What came of it. */
	if (!sets_get(&sets) || sets.permitted != wanted.permitted || sets.inheritable != wanted.inheritable ||
		sets.effective || ambient_get() != ambient)
		return refuse(refusal, EFFECT_DIFFER);
	return true;
}
