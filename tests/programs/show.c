/* An interpreter that needs next to nothing, for runs under low limits: prints the four capability sets as
 * /proc/self/status has them, without opening a file and without memory of its own. */
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static void print(const char *name, uint64_t mask)
{
	char line[64];
	int length = snprintf(line, sizeof line, "%s:\t%016llx\n", name, (unsigned long long)mask);

	(void)!write(STDOUT_FILENO, line, (size_t)length);
}

int main(void)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct low_high[2];
	uint64_t ambient = 0;

	if (syscall(SYS_capget, &header, low_high) < 0)
		return 1;
	for (unsigned long cap = 0; cap < 64; cap++)
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) > 0)
			ambient |= UINT64_C(1) << cap;
	print("CapInh", (uint64_t)low_high[1].inheritable << 32 | low_high[0].inheritable);
	print("CapPrm", (uint64_t)low_high[1].permitted << 32 | low_high[0].permitted);
	print("CapEff", (uint64_t)low_high[1].effective << 32 | low_high[0].effective);
	print("CapAmb", ambient);
	return 0;
}
