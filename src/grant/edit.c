#include "edit.h"

#include <errno.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static void copy_remove(char *copy)
{
	(void)unlink(copy);
	(void)rmdir(dirname(copy)); /* not where the editor left something there */
	free(copy);
}

/* A copy that only root can see; its directory has nothing else. */
static char *copy_make(const struct target *target)
{
	char *directory = must(strdup("/var/tmp/capwrap-edit-XXXXXX")), *copy;
	FILE *out;
	bool written;

	if (!mkdtemp(directory)) {
		complain(directory, "%s", strerror(errno));
		free(directory);
		return NULL;
	}
	if (asprintf(&copy, "%s/%s", directory, target->name) < 0)
		must(NULL);
	free(directory);
	out = fopen(copy, "we");
	written = out && fwrite(target->bytes, 1, target->size, out) == target->size;
	written = out && !fclose(out) && written;
	if (written)
		return copy;
	complain(copy, "%s", strerror(errno));
	copy_remove(copy);
	return NULL;
}

static bool copy_differs(const struct target *target, const char *copy)
{
	size_t size;
	char *bytes = bytes_read(copy, &size);
	bool differs = bytes && (size != target->size || memcmp(bytes, target->bytes, size) != 0);

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
static int copy_put(const struct target *before, const char *asked, const char *copy)
{
	static struct work work;
	static struct target target;
	const struct entry *listed;
	size_t size;
	char *bytes = bytes_read(copy, &size);
	int code = DIFFERS;

	if (!bytes) {
		complain(copy, "%s", strerror(errno));
		return TROUBLE;
	}
	if (size == before->size && !memcmp(bytes, before->bytes, size)) {
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
	char *copy;
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
	copy = copy_make(&target);
	while (copy && edit(copy) && (code = copy_put(&target, asked, copy)) != DONE && asks_again())
		;
	if (copy && code != DONE && copy_differs(&target, copy))
		complain(copy, "this is what you wrote; it is kept");
	else if (copy)
		copy_remove(copy);
	target_close(&target);
	return code;
}
