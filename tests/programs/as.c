/* as UID GID PROGRAM [ARG...]: becomes that user, without other groups, and executes a program. Where that fails, it says by which
 * errno, and exits 99. To do the same between fork and exec of a large process costs five times as much. */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	uid_t uid;
	gid_t gid;

	if (argc < 4)
		return 99;
	uid = (uid_t)strtoul(argv[1], NULL, 10);
	gid = (gid_t)strtoul(argv[2], NULL, 10);
	if (!setgroups(0, NULL) && !setresgid(gid, gid, gid) && !setresuid(uid, uid, uid))
		execvp(argv[3], argv + 3);
	printf("as: %d\n", errno);
	return 99;
}
