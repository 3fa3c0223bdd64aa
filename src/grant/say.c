#include "say.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "text.h"

void complain_of(const char *object)
{
	struct text text = {.length = 0};

	text_add_escaped(&text, object);
	(void)fflush(stdout);
	fprintf(stderr, "capwrap-grant: %.*s: ", (int)text.length, text.bytes);
}

void complain_refusal(const char *object, const struct refusal *refusal, const char *fix)
{
	struct text text = {.length = 0};

	/* Which begins with a path: once is enough. */
	if (refusal->reason == PATH_STEP && !strcmp(refusal->object, object))
		text_add_error(&text, refusal->error);
	else
		refusal_reason(&text, refusal, text_add_escaped);
	text_add(&text, "; ");
	refusal_fix(&text, fix ? fix : refusal_texts[refusal->reason].fix, refusal, object, BINDIR "/capwrap");
	complain(object, "%.*s", (int)text.length, text.bytes);
}

static sigset_t let_in;
static bool held;

void signals_hold(void)
{
	sigset_t all;

	(void)sigfillset(&all);
	if (!held)
		(void)sigprocmask(SIG_BLOCK, &all, &let_in);
	held = true;
}

void signals_let_in(void)
{
	if (held)
		(void)sigprocmask(SIG_SETMASK, &let_in, NULL);
	held = false;
}

void *must(void *memory)
{
	if (memory)
		return memory;
	perror("capwrap-grant");
	exit(2);
}

char *bytes_of(int fd, size_t *size)
{
	size_t room = 4096, count = 0;
	char *bytes = must(malloc(room + 1));
	ssize_t length;

	while ((length = pread(fd, bytes + count, room - count, (off_t)count)) > 0) {
		count += (size_t)length;
		if (count == room)
			bytes = must(realloc(bytes, (room *= 2) + 1));
	}
	if (length < 0) {
		free(bytes);
		return NULL;
	}
	bytes[count] = 0;
	*size = count;
	return bytes;
}

char *bytes_read(int directory, const char *name, size_t *size)
{
	int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), error;
	char *bytes = fd < 0 ? NULL : bytes_of(fd, size);

	error = errno;
	if (fd >= 0)
		close(fd);
	errno = error;
	return bytes;
}

bool bytes_write(int fd, const char *bytes, size_t size)
{
	while (size) {
		ssize_t length = write(fd, bytes, size);

		if (length < 0 && errno != EINTR)
			return false;
		bytes += length > 0 ? length : 0;
		size -= length > 0 ? (size_t)length : 0;
	}
	return true;
}

static bool directory_sync(const char *directory)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool good = fd >= 0 && !fsync(fd);

	if (fd >= 0)
		close(fd);
	return good;
}

bool file_replace(const char *name, const char *bytes, size_t size)
{
	char directory[PATH_MAX], beside[PATH_MAX];
	struct stat old = {.st_mode = 0644};
	int fd;
	bool good;

	snprintf(beside, sizeof beside, "%s", name);
	snprintf(directory, sizeof directory, "%s", dirname(beside));
	snprintf(beside, sizeof beside, "%s.new", name);
	if ((mkdir(directory, 0755) < 0 && errno != EEXIST) || (unlink(beside) < 0 && errno != ENOENT)) {
		complain(name, "can't be written: %s", strerror(errno));
		return false;
	}
	(void)stat(name, &old);
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	good = fd >= 0 && bytes_write(fd, bytes, size) && !fchmod(fd, old.st_mode & 07777) && !fsync(fd) && !rename(beside, name) && directory_sync(directory);
	if (!good)
		complain(name, "can't be written: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	if (!good)
		(void)unlink(beside);
	return good;
}
