/* An interpreter that tells how it was started: /proc/self/status as it is, then in the same form its securebits and
 * core limit, its arguments and its environment. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv)
{
	char bytes[8192];
	struct rlimit core;
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, bytes, sizeof bytes);

	if (length <= 0 || getrlimit(RLIMIT_CORE, &core) < 0)
		return 1;
	fwrite(bytes, 1, (size_t)length, stdout);
	printf("Securebits:\t%x\n", (unsigned)prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
	printf("Core:\t%lu %lu\n", (unsigned long)core.rlim_cur, (unsigned long)core.rlim_max);
	for (int i = 0; i < argc; i++)
		printf("Argument:\t%s\n", argv[i]);
	for (char **entry = environ; *entry; entry++)
		printf("Variable:\t%s\n", *entry);
	return fflush(stdout) ? 1 : 0;
}
