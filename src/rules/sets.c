#include "sets.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

uint64_t halves_join(uint32_t low, uint32_t high)
{
	return low | (uint64_t)high << 32;
}

bool sets_get(struct sets *sets)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct half[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, half) < 0)
		return false;
	sets->permitted = halves_join(half[0].permitted, half[1].permitted);
	sets->effective = halves_join(half[0].effective, half[1].effective);
	sets->inheritable = halves_join(half[0].inheritable, half[1].inheritable);
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
