#include "edit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "give.h"
#include "say.h"
#include "work.h"

/* Runs the editor of who asks on a file. */
static bool edit(const char *file)
{
	static const int usual[] = {SIGINT, SIGQUIT, SIGPIPE, SIGXFSZ};
	int status = 0;
	pid_t child;

	(void)fflush(stdout);
	/* They are the editor's, which may have another use for them. */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGQUIT, SIG_IGN);
	child = fork();
	if (!child) {
		for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
			(void)signal(usual[i], SIG_DFL);
		execl("/bin/sh", "sh", "-c", "eval \"exec ${VISUAL:-${EDITOR:-$(command -v editor || echo vi)}}\" '\"$1\"'", "sh", file, (char *)NULL);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		status = -1;
	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGQUIT, SIG_DFL);
	if (!status)
		return true;
	complain(file, "the editor failed; nothing was changed. VISUAL or EDITOR names another");
	return false;
}

/* The copy that is edited. Its directory has nothing else, and only root can enter it; another one that has its name by now is not
 * taken for it. */
struct copy {
	int directory;
	char *path, *name;
};

/* Its path is the directory's then. */
static void copy_remove(struct copy *copy)
{
	(void)unlinkat(copy->directory, copy->name, 0);
	copy->name[-1] = 0;
	(void)rmdir(copy->path); /* not where the editor left something there */
}

static void copy_close(struct copy *copy)
{
	if (copy->directory >= 0)
		close(copy->directory);
	free(copy->path);
}

static bool copy_make(struct copy *copy, const struct target *target)
{
	char *directory = must(strdup("/var/tmp/capwrap-edit-XXXXXX"));
	bool made;
	int fd;

	*copy = (struct copy){.directory = -1};
	if (!mkdtemp(directory) || (copy->directory = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0) {
		complain(directory, "%s", strerror(errno));
		free(directory);
		return false;
	}
	if (asprintf(&copy->path, "%s/%s", directory, target->name) < 0)
		must(NULL);
	free(directory);
	copy->name = strrchr(copy->path, '/') + 1;
	(void)flock(copy->directory, LOCK_SH); /* what is locked systemd-tmpfiles lets be */
	fd = openat(copy->directory, copy->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	made = fd >= 0 && bytes_write(fd, target->bytes, target->size);
	if (!made)
		complain(copy->path, "%s", strerror(errno));
	if (fd >= 0)
		close(fd);
	if (!made)
		copy_remove(copy);
	return made;
}

static bool copy_differs(const struct target *target, const struct copy *copy)
{
	size_t size;
	char *bytes = bytes_read(copy->directory, copy->name, &size);
	bool differs = bytes && !target_holds(target, bytes, size);

	free(bytes);
	return differs;
}

static bool asks_again(void)
{
	char answer[8];

	if (!isatty(STDIN_FILENO))
		return false;
	printf("edit it again? [Y/n] ");
	(void)fflush(stdout);
	return fgets(answer, sizeof answer, stdin) && *answer != 'n' && *answer != 'N';
}

static bool is_same_file(const struct target *one, const struct target *other)
{
	return one->st.st_ino == other->st.st_ino && one->st.st_dev == other->st.st_dev &&
		one->st.st_ctim.tv_sec == other->st.st_ctim.tv_sec && one->st.st_ctim.tv_nsec == other->st.st_ctim.tv_nsec;
}

/* Puts the copy in its place, unless the script has changed meanwhile. */
static int copy_put(const struct target *before, const char *asked, const struct copy *copy)
{
	static struct work work;
	static struct target target;
	const struct entry *listed;
	size_t size;
	char *bytes = bytes_read(copy->directory, copy->name, &size);
	int code = DIFFERS;

	if (!bytes) {
		complain(copy->path, "%s; nothing was changed", strerror(errno));
		return TROUBLE;
	}
	if (target_holds(before, bytes, size)) {
		printf("not changed\n");
		free(bytes);
		return DONE;
	}
	work = (struct work){.json = false};
	if (work_ready(&work) && target_of(&target, asked)) {
		listed = list_find(&work.lists, target.path.real);
		work.capabilities = listed ? listed->capabilities : target.capabilities.inheritable;
		if (is_same_file(before, &target))
			code = script_put(&work, &target, bytes, size, true);
		else
			complain(asked, "it was changed by somebody else meanwhile");
		target_close(&target);
	}
	lock_release();
	free(bytes);
	return code;
}

int script_edit(const char *asked)
{
	static struct target target;
	static struct list lists;
	struct copy copy;
	bool made;
	int code = TROUBLE;

	if (!lists_read(&lists))
		return TROUBLE;
	if (!target_of(&target, asked))
		return DIFFERS;
	if (!target.capabilities.inheritable && !list_find(&lists, target.path.real)) {
		complain(asked, "it has no capabilities to keep; capwrap-grant CAPABILITIES SCRIPT gives it some");
		target_close(&target);
		return DIFFERS;
	}
	made = copy_make(&copy, &target);
	while (made && edit(copy.path) && (code = copy_put(&target, asked, &copy)) != DONE && asks_again())
		;
	if (made && code != DONE && copy_differs(&target, &copy))
		complain(copy.path, "this is what you wrote; it is kept");
	else if (made)
		copy_remove(&copy);
	copy_close(&copy);
	target_close(&target);
	return code;
}
