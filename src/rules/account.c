#include "account.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "path.h"

#define FILE_MAX (16 << 20) /* bytes: some hundred thousand accounts */

struct field {
	const char *bytes;
	size_t length;
};

/* The next line, without its newline; false at the end. */
static bool line_next(struct field *line, const char **bytes, const char *end)
{
	const char *newline = memchr(*bytes, '\n', (size_t)(end - *bytes));

	if (*bytes == end)
		return false;
	*line = (struct field){*bytes, (size_t)((newline ? newline : end) - *bytes)};
	*bytes = newline ? newline + 1 : end;
	return true;
}

/* Cuts off what stands before the separator, or all where there is none. */
static struct field field_cut(struct field *rest, char separator)
{
	const char *at = memchr(rest->bytes, separator, rest->length);
	struct field field = {rest->bytes, at ? (size_t)(at - rest->bytes) : rest->length};
	size_t step = field.length + (at ? 1 : 0);

	rest->bytes += step;
	rest->length -= step;
	return field;
}

static bool field_is(struct field field, const char *word)
{
	return field.length == strlen(word) && !memcmp(field.bytes, word, field.length);
}

/* A line of exactly so many fields, and without a NUL. */
static bool fields_cut(struct field fields[], size_t count, struct field line)
{
	size_t colons = 0;

	for (size_t i = 0; i < line.length; i++) {
		colons += line.bytes[i] == ':';
		if (!line.bytes[i])
			return false;
	}
	for (size_t i = 0; i < count; i++)
		fields[i] = field_cut(&line, ':');
	return colons == count - 1;
}

/* The highest number is none: to the kernel it means "as it is". */
static bool id_parse(struct field field, uint32_t *id)
{
	uint64_t number = 0;

	for (size_t i = 0; i < field.length && number < UINT32_MAX; i++) {
		if (field.bytes[i] < '0' || field.bytes[i] > '9')
			return false;
		number = number * 10 + (uint64_t)(field.bytes[i] - '0');
	}
	*id = (uint32_t)number;
	return field.length && number < UINT32_MAX;
}

bool account_parse(struct account *account, const char *word, bool *complete, struct refusal *refusal)
{
	struct field gid = {word, strlen(word)}, uid = field_cut(&gid, ':');

	*account->name = *account->home = 0;
	account->uid = account->gid = 0;
	account->count = 0;
	*complete = strchr(word, ':');
	if (*word && !word[strspn(word, "+-0123456789:")]) {
		if (!id_parse(uid, &account->uid) || (*complete && !id_parse(gid, &account->gid)))
			return refuse_about(refusal, ACCOUNT_RANGE, word, 0);
		return true;
	}
	if (!*word || *complete || strchr("+-", *word) || strlen(word) >= sizeof account->name)
		return refuse_about(refusal, ACCOUNT_WORD, word, 0);
	strcpy(account->name, word);
	return true;
}

bool account_in_passwd(struct account *account, const char *word, const char *bytes, size_t size, struct refusal *refusal)
{
	enum { NAME, PASSWORD, UID, GID, COMMENT, HOME, LOGIN, FIELDS };
	const char *end = bytes + size;
	struct field line, field[FIELDS];

	while (line_next(&line, &bytes, end)) {
		uint32_t uid = 0, gid = 0;
		bool whole = fields_cut(field, FIELDS, line) && id_parse(field[UID], &uid) && id_parse(field[GID], &gid) &&
			field[NAME].length && field[NAME].length < sizeof account->name && field[HOME].length &&
			*field[HOME].bytes == '/' && field[HOME].length < sizeof account->home;

		/* Comments, and what other sources would add. */
		if (line.length && strchr("#+-", *line.bytes))
			continue;
		if (*account->name ? !field_is(field_cut(&line, ':'), account->name) : !whole || uid != account->uid)
			continue;
		if (!whole)
			return refuse_about(refusal, ACCOUNT_BROKEN, word, 0);
		account->uid = uid;
		account->gid = gid;
		memcpy(account->name, field[NAME].bytes, field[NAME].length);
		account->name[field[NAME].length] = 0;
		memcpy(account->home, field[HOME].bytes, field[HOME].length);
		account->home[field[HOME].length] = 0;
		return true;
	}
	return refuse_about(refusal, ACCOUNT_UNKNOWN, word, 0);
}

static bool has_group(const struct account *account, gid_t gid)
{
	for (size_t i = 0; i < account->count; i++)
		if (account->groups[i] == gid)
			return true;
	return account->gid == gid;
}

static bool is_member(const struct account *account, struct field members)
{
	while (members.length)
		if (field_is(field_cut(&members, ','), account->name))
			return true;
	return false;
}

bool account_in_group(struct account *account, const char *bytes, size_t size, struct refusal *refusal)
{
	enum { NAME, PASSWORD, GID, MEMBERS, FIELDS };
	const char *end = bytes + size;
	struct field line, field[FIELDS];
	uint32_t gid;

	while (line_next(&line, &bytes, end)) {
		if (!fields_cut(field, FIELDS, line) || !id_parse(field[GID], &gid) || has_group(account, gid) ||
			!is_member(account, field[MEMBERS]))
			continue;
		if (account->count == ACCOUNT_GROUPS_MAX)
			return refuse_about(refusal, ACCOUNT_GROUPS, account->name, 0);
		account->groups[account->count++] = gid;
	}
	return true;
}

/* Static: the caller may limit the stack. */
static struct path path;

/* Reads a whole file, which nobody but root can change, to where the one before was. NULL with a refusal. */
static const char *file_read(const char *name, size_t *size, struct refusal *refusal)
{
	static const struct path_reasons reasons = {
		.step = ACCOUNT_STEP,
		.root = ACCOUNT_OWNER,
		.owner = ACCOUNT_OWNER,
		.writable = ACCOUNT_WRITABLE,
		.sticky = ACCOUNT_WRITABLE,
		.nosuid = ACCOUNT_NOSUID,
		.links = true,
	};
	static char *bytes;
	ssize_t length = -1;
	int fd;

	if (!path_walk(&path, name, &reasons, refusal) ||
		(path.file.stx_uid && !flaw(refusal, ACCOUNT_OWNER, path.real)) ||
		(path_writable(path.file.stx_mode) && !flaw(refusal, ACCOUNT_WRITABLE, path.real)))
		return NULL;
	if (!bytes)
		bytes = mmap(NULL, FILE_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (bytes == MAP_FAILED) {
		bytes = NULL;
		refuse(refusal, EFFECT_MEMORY);
		return NULL;
	}
	fd = open(path.real, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	*size = 0;
	while (fd >= 0 && *size < FILE_MAX && (length = read(fd, bytes + *size, FILE_MAX - *size)) > 0)
		*size += (size_t)length;
	if (length)
		refuse_about(refusal, ACCOUNT_STEP, path.real, length > 0 ? EFBIG : errno);
	if (fd >= 0)
		close(fd);
	return length ? NULL : bytes;
}

/* Programs take code and settings from there: nobody but root and the account may write to it, or put it where it is not. */
static bool home_trust(const struct account *account, struct refusal *refusal)
{
	const struct path_reasons reasons = {
		.step = ACCOUNT_STEP,
		.root = ACCOUNT_HOME,
		.owner = ACCOUNT_HOME,
		.writable = ACCOUNT_HOME,
		.sticky = ACCOUNT_HOME,
		.other = account->uid,
		.links = true,
		.mounts = true,
	};
	const char *slash;

	if (path_walk(&path, account->home, &reasons, refusal))
		return !S_ISDIR(path.file.stx_mode) ||
			((!path.file.stx_uid || path.file.stx_uid == account->uid) && !path_writable(path.file.stx_mode)) ||
			flaw(refusal, ACCOUNT_HOME, path.real);
	if (refusal->reason != ACCOUNT_STEP || (refusal->error != ENOENT && refusal->error != EACCES))
		return false;
	/* Where the caller can't look, nobody else may be able to write. */
	if (refusal->error == EACCES && path.file.stx_mode & (S_IXGRP | S_IXOTH))
		return flaw(refusal, ACCOUNT_HOME, account->home);
	/* What is not there could be made in a directory that is everybody's. */
	slash = strrchr(path.real, '/');
	if (path.loose && slash && path.loose == (slash == path.real ? 1 : (size_t)(slash - path.real)))
		return flaw(refusal, ACCOUNT_HOME, account->home);
	return true;
}

bool account_find(struct account *account, const char *word, struct refusal *refusal)
{
	const char *bytes;
	bool complete, named;
	size_t size;

	if (!account_parse(account, word, &complete, refusal))
		return false;
	named = *account->name;
	if (!complete) {
		bytes = file_read("/etc/passwd", &size, refusal);
		if (!bytes || !account_in_passwd(account, word, bytes, size, refusal))
			return false;
	}
	if (!account->uid)
		return refuse_about(refusal, ACCOUNT_ROOT, word, 0);
	if (complete)
		return account->gid || refuse_about(refusal, ACCOUNT_GROUP, word, 0);
	if (named) {
		bytes = file_read("/etc/group", &size, refusal);
		if (!bytes || !account_in_group(account, bytes, size, refusal))
			return false;
	}
	return home_trust(account, refusal);
}

bool account_take(const struct account *account)
{
	uid_t uid = account->uid;
	gid_t gid = account->gid;

	/* Groups first: who is somebody else may not. */
	return !setgroups(account->count, account->groups) && !setresgid(gid, gid, gid) && !setresuid(uid, uid, uid);
}

bool account_may(const struct account *account, const char *name, int mode)
{
	(void)account;
	return !access(name, mode);
}
