#include "interpreter.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <unistd.h>

static const struct path_reasons reasons = {
	.step = INTERPRETER_STEP,
	.root = INTERPRETER_OWNER,
	.owner = INTERPRETER_OWNER,
	.writable = INTERPRETER_WRITABLE,
	.sticky = INTERPRETER_STICKY,
	.nosuid = INTERPRETER_NOSUID,
	.links = true,
	.above = true, /* Python looks for its library in each directory above itself, and for pyvenv.cfg */
};

static bool absent(int error)
{
	return error == ENOENT || error == ENOTDIR;
}

/* The first that is there, in the secure path. */
static bool look_up(struct interpreter *interpreter, const char *name, struct refusal *refusal)
{
	for (const char *directory = SECURE_PATH; *directory; directory += *directory == ':') {
		size_t length = strcspn(directory, ":");

		memcpy(interpreter->found, directory, length);
		interpreter->found[length] = '/';
		strcpy(interpreter->found + length + 1, name);
		directory += length;
		if (!access(interpreter->found, X_OK))
			return true;
		if (!absent(errno))
			return refuse_about(refusal, INTERPRETER_DENIED, interpreter->found, errno);
	}
	return refuse_about(refusal, INTERPRETER_ABSENT, name, 0);
}

bool interpreter_find(struct interpreter *interpreter, const char *word, struct refusal *refusal)
{
	if (!strchr(word, '/'))
		return look_up(interpreter, word, refusal);
	if (*word != '/')
		return refuse_about(refusal, INTERPRETER_RELATIVE, word, 0);
	strcpy(interpreter->found, word);
	if (!access(word, X_OK))
		return true;
	return absent(errno) ? refuse_about(refusal, INTERPRETER_ABSENT, word, 0)
			     : refuse_about(refusal, INTERPRETER_DENIED, word, errno);
}

/* A program of this machine's own kind: the kernel runs it as it is, and needs no other for it. The linker knows where this
 * program's header is. */
static bool is_native(const struct interpreter *interpreter, struct refusal *refusal)
{
	extern const ElfW(Ehdr) own_head __asm__("__ehdr_start");
	const char *path = interpreter->path.real;
	ElfW(Ehdr) head = {.e_machine = EM_NONE};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, &head, sizeof head);
	int error = errno;

	if (fd >= 0)
		close(fd);
	if (length < 0)
		return refuse_about(refusal, INTERPRETER_STEP, path, error);
	return (!memcmp(head.e_ident, own_head.e_ident, EI_VERSION) && head.e_machine == own_head.e_machine) ||
		refuse_about(refusal, INTERPRETER_PROGRAM, path, 0);
}

bool interpreter_trust(struct interpreter *interpreter, const char *wrapper, uint64_t grant, struct refusal *refusal)
{
	struct path *path = &interpreter->path;
	struct statx self;

	if (!path_walk(path, interpreter->found, &reasons, refusal))
		return false;
	if (!S_ISREG(path->file.stx_mode))
		return refuse_about(refusal, INTERPRETER_TYPE, interpreter->found, 0);
	if (path->file.stx_uid && !flaw(refusal, INTERPRETER_OWNER, path->real))
		return false;
	if (path_writable(path->file.stx_mode) && !flaw(refusal, INTERPRETER_WRITABLE, path->real))
		return false;
	if (!file_look(&self, AT_FDCWD, wrapper, 0) || file_same(&path->file, &self))
		return refuse_about(refusal, INTERPRETER_SELF, path->real, 0);
	if (path->file.stx_mode & (S_ISUID | S_ISGID))
		return refuse_about(refusal, INTERPRETER_SETID, path->real, 0);
	if (!is_native(interpreter, refusal))
		return false;

	/* Any file capabilities make the kernel drop the ambient set. */
	if (file_capabilities_read(&interpreter->file, path->real, -1) &&
		(!interpreter->file.present || grant_contained(grant, &interpreter->file)))
		return true;
	refusal->capabilities = grant;
	return refuse_about(refusal, INTERPRETER_CAPABILITIES, path->real, 0);
}

bool interpreter_contains(const struct interpreter *interpreter, uint64_t grant, struct refusal *refusal)
{
	if (grant_contained(grant, &interpreter->file))
		return true;
	refusal->capabilities = grant;
	return refuse_about(refusal, CONTAIN_UNCOVERED, interpreter->path.real, 0);
}
