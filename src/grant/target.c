#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/xattr.h>
#include <sha2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/file.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "account.h"
#include "foretell.h"
#include "say.h"
#include "script.h"
#include "show.h"

#define WRAPPER BINDIR "/capwrap"
#define LOCK STATE "/lock"
#define BESIDE ".capwrap-new" /* ends the name of the directory that the new one is made in */

/* As the wrapper walks there, but that an administrator may name it by a link. */
static bool walk(struct path *path, const char *absolute, struct refusal *refusal)
{
	struct path_reasons reasons = script_reasons;

	reasons.links = true;
	return path_walk(path, absolute, &reasons, refusal);
}

/* ---- As it lies there */

static void line_take(struct target *target, const char *bytes, size_t size)
{
	struct refusal none = {.room = 0};

	target->begins = line_split(&target->line, bytes, size, &none);
	target->named = target->begins && wrapper_is_named(target->line.wrapper);
}

static bool file_open(struct target *target, struct refusal *refusal)
{
	struct path *path = &target->path;
	char head[LINE_SIZE], *slash = strrchr(path->real, '/');
	struct statx file;
	ssize_t length;

	target->name = slash + 1;
	*slash = 0;
	target->directory = open(slash == path->real ? "/" : path->real, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	*slash = '/';
	if (target->directory < 0)
		return refuse_about(refusal, PATH_STEP, path->real, errno);
	if (!S_ISREG(path->file.stx_mode))
		return refuse(refusal, FILE_TYPE);
	target->file = openat(target->directory, target->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (target->file < 0 || fstat(target->file, &target->st) < 0 || !file_look(&file, target->file, "", AT_EMPTY_PATH))
		return refuse(refusal, FILE_OPEN);
	if (!file_same(&file, &path->file))
		return refuse_about(refusal, PATH_MOVED, path->real, 0);
	if (target->st.st_uid)
		return refuse(refusal, FILE_OWNER);
	if (path_writable(target->st.st_mode))
		return refuse(refusal, FILE_WRITABLE);
	if (!file_capabilities_read(&target->capabilities, NULL, target->file))
		return refuse(refusal, GRANT_READ);
	length = pread(target->file, head, sizeof head, 0);
	if (length < 0)
		return refuse(refusal, LINE_READ);
	line_take(target, head, (size_t)length);
	return true;
}

bool target_open(struct target *target, const char *absolute, struct refusal *refusal)
{
	target->directory = target->file = -1;
	target->bytes = NULL;
	target->name = "";
	if (!walk(&target->path, absolute, refusal))
		return false;
	if (!*target->path.real)
		return refuse(refusal, FILE_TYPE);
	return file_open(target, refusal);
}

bool target_open_anyway(struct target *target, const char *real)
{
	char link[32], led[PATH_MAX];
	ssize_t length;

	target->directory = -1;
	target->bytes = NULL;
	target->name = "";
	target->file = open(real, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	snprintf(link, sizeof link, "/proc/self/fd/%d", target->file);
	length = target->file < 0 ? -1 : readlink(link, led, sizeof led - 1);
	if (length < 0 || fstat(target->file, &target->st) < 0 || !file_capabilities_read(&target->capabilities, NULL, target->file))
		return false;
	led[length] = 0;
	snprintf(target->path.real, sizeof target->path.real, "%s", real);
	/* By a link of whoever owns a directory it would be another one. */
	return S_ISREG(target->st.st_mode) && target->st.st_nlink == 1 && !strcmp(led, real);
}

void target_close(struct target *target)
{
	if (target->directory >= 0)
		close(target->directory);
	if (target->file >= 0)
		close(target->file);
	free(target->bytes);
	target->directory = target->file = -1;
	target->bytes = NULL;
}

bool target_read(struct target *target)
{
	target->bytes = bytes_of(target->file, &target->size);
	return target->bytes;
}

bool target_holds(const struct target *target, const char *bytes, size_t size)
{
	return size == target->size && !memcmp(bytes, target->bytes, size);
}

/* ---- What it is to be */

void options_of(char options[LINE_SIZE + 1], const struct line *line)
{
	const size_t room = LINE_SIZE + 1;
	char *const *kept = line->kept;

	snprintf(options, room, "%s%s%s%s%s%s%s%s", line->contain ? " --contain" : "", line->no_new_privs ? " --no-new-privs" : "",
		line->unproven ? " --unproven" : "", line->user ? " --user " : "", line->user ? line->user : "",
		line->directory ? " --chdir " : "", line->directory ? line->directory : "", *kept ? " --env " : "");
	for (; *kept; kept++) {
		size_t length = strlen(options);

		snprintf(options + length, room - length, "%s%s", *kept, kept[1] ? "," : "");
	}
}

/* What its line takes of the ceiling for an account: the file permits that, for the wrapper alone. */
static uint64_t taken_by(const struct line *line)
{
	struct line parsed = *line;
	struct refusal none = {.room = 0};

	return line_parse(&parsed, &none) && parsed.user ? ACCOUNT_CAPABILITIES : 0;
}

bool target_has(const struct target *target, uint64_t capabilities)
{
	const struct file_capabilities *file = &target->capabilities;
	uint64_t taken = target->named ? taken_by(&target->line) : 0;

	return file->present && !file->rootid && !file->effective && file->inheritable == capabilities &&
		file->permitted == (capabilities | taken);
}

/* Does the line have another account than the one that is wanted? */
static bool account_differs(const struct line *line, const struct line *wanted)
{
	return line->user && wanted->user && strcmp(line->user, wanted->user) != 0;
}

char *target_turned(const struct target *target, const struct line *wanted, size_t *size)
{
	char options[LINE_SIZE + 1] = "", *head = NULL, *bytes;
	const char *rest = memchr(target->bytes, '\n', target->size);
	struct line there = target->line, lacking = *wanted;
	struct refusal none = {.room = 0};
	size_t length;
	int written;

	if (!target->begins || !rest) { /* which the rules will say */
		*size = target->size;
		return must(memcpy(must(malloc(*size + 1)), target->bytes, *size + 1));
	}
	if (target->named && line_parse(&there, &none)) {
		if (account_differs(&there, wanted)) {
			complain(target->path.real, "its first line has --user %s already", there.user);
			return NULL;
		}
		lacking.contain &= !there.contain;
		lacking.no_new_privs &= !there.no_new_privs;
		lacking.unproven &= !there.unproven;
		lacking.user = there.user ? NULL : lacking.user;
		lacking.directory = there.directory ? NULL : lacking.directory;
		*lacking.kept = *there.kept ? NULL : *lacking.kept;
	}
	options_of(options, &lacking);
	there = target->line;
	if (target->named && !*options)
		written = asprintf(&head, "%.*s", (int)(rest - target->bytes), target->bytes);
	else if (target->named)
		written = asprintf(&head, "#!%s%s %s", there.wrapper, options, there.text);
	else
		written = asprintf(&head, "#!" WRAPPER "%s %s%s%s", options, there.wrapper, *there.text ? " " : "", there.text);
	if (written < 0)
		must(NULL);
	length = strlen(head);
	*size = length + target->size - (size_t)(rest - target->bytes);
	bytes = must(realloc(head, *size + 1));
	memcpy(bytes + length, rest, *size - length + 1);
	return bytes;
}

void hash_of(char hash[HASH_SIZE], const char *bytes, size_t size)
{
	SHA256Data((const uint8_t *)bytes, size, hash);
}

/* ---- Locks, and what is left behind */

static int lock = -1;

/* The directory that a new one is made in is on record until that is in its place: whoever comes next removes both. */
static bool record(const char *path)
{
	return !ftruncate(lock, 0) && pwrite(lock, path, strlen(path), 0) == (ssize_t)strlen(path);
}

/* Meanwhile what is above it may have become another's, who could have it lead elsewhere. */
static bool left_is_own(const char *directory)
{
	static struct path path;
	struct refusal refusal = {.room = 0};

	if (walk(&path, directory, &refusal))
		return !strcmp(path.real, directory);
	if (refusal.reason != PATH_STEP)
		complain(directory, "one that was killed left it there, where it is not only root's by now; remove it");
	return false;
}

/* Of the directory, and of what has its name behind the dot and before the ending. */
static void left_remove(const char *directory)
{
	char file[2 * PATH_MAX];
	const char *name = strrchr(directory, '/') + 2;

	snprintf(file, sizeof file, "%s/%.*s", directory, (int)(strlen(name) - strlen(BESIDE)), name);
	(void)unlink(file);
	(void)rmdir(directory);
}

bool lock_take(void)
{
	size_t size = 0;
	char *left;

	if (mkdir(STATE, 0755) < 0 && errno != EEXIST) {
		complain(STATE, "%s", strerror(errno));
		return false;
	}
	lock = open(LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (lock < 0 || flock(lock, LOCK_EX) < 0 || !(left = bytes_of(lock, &size))) {
		complain(LOCK, "%s", strerror(errno));
		return false;
	}
	if (size > strlen(BESIDE) + 2 && *left == '/' && !strcmp(left + size - strlen(BESIDE), BESIDE) && left_is_own(left))
		left_remove(left);
	free(left);
	if (!size || record(""))
		return true;
	complain(LOCK, "%s", strerror(errno));
	return false;
}

void lock_release(void)
{
	if (lock >= 0)
		close(lock);
	lock = -1;
}

/* ---- A new one in its place */

static bool grant_set(int fd, uint64_t permitted, uint64_t inheritable)
{
	cap_t caps = must(cap_init());
	bool good = true;

	for (cap_value_t cap = 0; cap < CAPS; cap++) {
		if (permitted & BIT(cap))
			good &= !cap_set_flag(caps, CAP_PERMITTED, 1, &cap, CAP_SET);
		if (inheritable & BIT(cap))
			good &= !cap_set_flag(caps, CAP_INHERITABLE, 1, &cap, CAP_SET);
	}
	good = good && !cap_set_fd(fd, caps);
	(void)cap_free(caps);
	return good;
}

/* Of the content alone, or made by the kernel. */
static bool attribute_is_own(const char *name)
{
	return !strcmp(name, XATTR_NAME_CAPS) || !strcmp(name, "security.ima") || !strcmp(name, "security.evm");
}

/* All attributes, an access control list among them. */
static bool attributes_copy(int from, int to)
{
	ssize_t size = flistxattr(from, NULL, 0), length;
	char *names = must(malloc(size > 0 ? (size_t)size : 1));
	bool good = size >= 0 || errno == ENOTSUP;

	size = size > 0 ? flistxattr(from, names, (size_t)size) : 0;
	for (const char *name = names; good && name < names + size; name += strlen(name) + 1) {
		char *value;

		if (attribute_is_own(name))
			continue;
		length = fgetxattr(from, name, NULL, 0);
		value = must(malloc(length > 0 ? (size_t)length : 1));
		length = length < 0 ? length : fgetxattr(from, name, value, (size_t)length);
		good = length >= 0 && !fsetxattr(to, name, value, (size_t)length, 0);
		free(value);
	}
	free(names);
	return good;
}

/* Whoever has it open for writing could change what is copied. A lease is given only where nobody has. */
static bool is_busy(int fd)
{
	bool busy;

	(void)signal(SIGIO, SIG_IGN); /* by which a lease is taken back */
	busy = fcntl(fd, F_SETLEASE, F_RDLCK) < 0 && errno == EAGAIN;
	(void)fcntl(fd, F_SETLEASE, F_UNLCK);
	return busy;
}

/* Since it was read, by somebody who is no longer busy with it. */
static bool is_changed(const struct target *target)
{
	size_t size;
	char *bytes = bytes_of(target->file, &size);
	bool changed = !bytes || !target_holds(target, bytes, size);

	free(bytes);
	return changed;
}

/* Is the script itself at fault? What the wrapper holds is no matter of the script's. What is said is of the script, also where what
 * is judged lies beside it. */
static bool is_refused(struct verdict *verdict, const char *path, const char *said)
{
	if (!strcmp(verdict->decision.script.path.real, path))
		snprintf(verdict->decision.script.path.real, PATH_MAX, "%s", said);
	return !verdict->runs && refusal_rule(&verdict->faults[0]) != RULE_CEILING;
}

/* Tells what keeps it from running, and, with `all`, what else an administrator should know. */
static enum replaced judge(const char *path, const char *said, uint64_t grant, bool all)
{
	struct report report;
	bool refused, runs;

	foretell(&report, path, &(struct supposed){.grant = grant});
	report.path = said;
	runs = report.verdict->runs && (!report.others || report.others->runs);
	refused = is_refused(report.verdict, path, said);
	refused |= report.others && is_refused(report.others, path, said);
	if (refused || (all && !runs))
		show_report(&report);
	else if (all)
		show_warnings(&report);
	report_clear(&report);
	return refused ? REFUSED : REPLACED;
}

enum replaced target_judge(const struct target *target, bool all)
{
	return judge(target->path.real, target->path.real, 0, all);
}

/* All but its capabilities. A directory may have a list for what is made in it, which would count where the mode is set. */
static bool beside_make(int fd, const struct target *target, const char *bytes, size_t size, bool edited)
{
	const struct timespec times[] = {target->st.st_atim, target->st.st_mtim};

	return fd >= 0 && bytes_write(fd, bytes, size) && !fchown(fd, target->st.st_uid, target->st.st_gid) &&
		(!fremovexattr(fd, XATTR_NAME_POSIX_ACL_ACCESS) || errno == ENODATA || errno == ENOTSUP) &&
		!fchmod(fd, target->st.st_mode & 07777) && attributes_copy(target->file, fd) && (edited || !futimens(fd, times));
}

static int beside_open(const struct target *target, int directory)
{
	return openat(directory, target->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

/* What was judged, others could open: it is never granted. Another one is, where nobody but root gets at it. */
static bool beside_grant(const struct target *target, int directory, const char *bytes, size_t size, uint64_t capabilities, bool edited)
{
	struct target made = {.capabilities.present = false};
	bool good;
	int fd;

	line_take(&made, bytes, size);
	if (fchmod(directory, 0700) < 0 || unlinkat(directory, target->name, 0) < 0)
		return false;
	fd = beside_open(target, directory);
	good = beside_make(fd, target, bytes, size, edited) &&
		grant_set(fd, capabilities | (made.named ? taken_by(&made.line) : 0), capabilities) && !fsync(fd);
	if (fd >= 0)
		close(fd);
	return good;
}

static void copy_complain(const char *real)
{
	struct refusal refusal = {.room = 0};

	if (errno == ENOTSUP) {
		refuse(&refusal, GRANT_UNSUPPORTED);
		complain_refusal(real, &refusal, NULL);
	} else {
		complain(real, "can't be copied with all that it has: %s", strerror(errno));
	}
}

/* In a directory beside it: made, judged, made again, granted, and put in its place. */
static enum replaced beside_put(struct target *target, int directory, const char *path, const char *bytes, size_t size,
	uint64_t capabilities, bool edited, bool (*before)(void *data), void *data)
{
	const char *real = target->path.real;
	enum replaced replaced = FAILED;
	int fd = beside_open(target, directory);
	bool made = beside_make(fd, target, bytes, size, edited);

	if (!made)
		copy_complain(real);
	if (fd >= 0)
		close(fd);
	if (made)
		replaced = judge(path, real, capabilities, false);
	if (replaced == REPLACED && !beside_grant(target, directory, bytes, size, capabilities, edited)) {
		copy_complain(real);
		replaced = FAILED;
	}
	if (replaced == REPLACED && before && !before(data))
		replaced = FAILED;
	if (replaced == REPLACED && renameat(directory, target->name, target->directory, target->name) < 0) {
		complain(real, "can't be replaced: %s; lsattr and findmnt show what keeps it", strerror(errno));
		replaced = FAILED;
	}
	if (replaced != REPLACED)
		(void)unlinkat(directory, target->name, 0);
	return replaced;
}

static void directory_sync(const struct target *target)
{
	int fd = openat(target->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)fsync(fd);
	close(fd);
}

enum replaced target_replace(struct target *target, const char *bytes, size_t size, uint64_t capabilities, bool edited,
	bool (*before)(void *data), void *data)
{
	const char *real = target->path.real;
	char beside[PATH_MAX + sizeof BESIDE], path[2 * PATH_MAX];
	struct refusal refusal = {.room = 0};
	enum replaced replaced = FAILED;
	int directory = -1;

	if (target->st.st_nlink > 1) {
		complain(real, "it has other names, which would keep the old file; find / -xdev -samefile shows them");
		return REFUSED;
	}
	if (is_busy(target->file) || is_changed(target)) {
		refuse(&refusal, EXECUTE_BUSY);
		complain_refusal(real, &refusal, NULL);
		return REFUSED;
	}
	snprintf(beside, sizeof beside, "%.*s.%s" BESIDE, (int)(target->name - real), real, target->name);
	snprintf(path, sizeof path, "%s/%s", beside, target->name);
	if (strlen(path) >= PATH_MAX || strlen(target->name) + sizeof BESIDE > NAME_MAX) {
		complain(real, "its name is too long for another beside it");
		return FAILED;
	}
	if (!record(beside)) {
		complain(LOCK, "%s", strerror(errno));
		return FAILED;
	}
	left_remove(beside);
	if (mkdir(beside, 0755) < 0 || (directory = open(beside, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
		complain(real, "nothing can be put beside it: %s", strerror(errno));
	else
		replaced = beside_put(target, directory, path, bytes, size, capabilities, edited, before, data);
	if (directory >= 0)
		close(directory);
	(void)rmdir(beside);
	if (replaced == REPLACED)
		directory_sync(target);
	(void)record("");
	return replaced;
}

bool target_revoke(struct target *target)
{
	if (!fremovexattr(target->file, XATTR_NAME_CAPS) || errno == ENODATA || errno == ENOTSUP)
		return true;
	complain(target->path.real, "its capabilities can't be removed: %s", strerror(errno));
	return false;
}
