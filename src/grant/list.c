#include "list.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "path.h"
#include "say.h"

static const char head[] = "# Kept by capwrap-grant(8): CAPABILITIES PATH [sha256:HEX]\n";

/* ---- Lists of them */

/* Where it is, or would be. */
static size_t list_place(const struct list *list, const char *path)
{
	size_t low = 0, high = list->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(list->entries[middle].path, path) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct entry *list_find(const struct list *list, const char *path)
{
	size_t place = list_place(list, path);

	return place < list->count && !strcmp(list->entries[place].path, path) ? &list->entries[place] : NULL;
}

void list_put(struct list *list, const struct entry *entry)
{
	struct entry *there = list_find(list, entry->path);
	size_t place = list_place(list, entry->path);
	char *path = there ? there->path : must(strdup(entry->path));

	if (!there && list->count == list->room) {
		list->room = list->room ? 2 * list->room : 64;
		list->entries = must(realloc(list->entries, list->room * sizeof *list->entries));
	}
	if (!there) {
		memmove(list->entries + place + 1, list->entries + place, (list->count - place) * sizeof *list->entries);
		list->count++;
	}
	list->entries[place] = *entry;
	list->entries[place].path = path;
}

void list_remove(struct list *list, const char *path)
{
	struct entry *entry = list_find(list, path);

	if (!entry)
		return;
	free(entry->path);
	list->count--;
	memmove(entry, entry + 1, (size_t)(list->entries + list->count - entry) * sizeof *entry);
}

/* ---- Files of them */

/* Links of root's are followed. */
static const struct path_reasons reasons = {
	.step = PATH_STEP,
	.root = PATH_ROOT,
	.owner = PATH_OWNER,
	.writable = PATH_WRITABLE,
	.sticky = PATH_STICKY,
	.links = true,
	.mounts = true,
};

/* A directory that it lies in is to be root's alone; one such as /tmp, that a link leads to, is not to be changed. */
static const char *fix_of(const struct refusal *refusal, const char *name)
{
	switch (refusal->reason) {
	case PATH_STEP: return "namei -l %p";
	case PATH_STICKY: return !strncmp(name, refusal->object, strlen(refusal->object)) ? "chmod go-w %o" : "namei -l %p";
	case PATH_WRITABLE: return "chmod go-w %o";
	default: return "chown root: %o";
	}
}

/* All of a file that is root's alone, and a NUL; NULL, which was told, else. One that is not there is empty. `real`: where it is,
 * behind all links. */
static char *file_read(const char *name, char real[PATH_MAX], size_t *size)
{
	static struct path path;
	static struct refusal refusal;
	const struct statx *file = &path.file;
	struct stat st;
	bool null;
	char *bytes;

	refusal = (struct refusal){.room = 0};
	*size = 0;
	snprintf(real, PATH_MAX, "%s", name);
	if (!path_walk(&path, name, &reasons, &refusal)) {
		if (refusal.reason == PATH_STEP && refusal.error == ENOENT && lstat(name, &st) < 0)
			return must(strdup(""));
		complain_refusal(name, &refusal, fix_of(&refusal, name));
		return NULL;
	}
	snprintf(real, PATH_MAX, "%s", path.real);
	null = S_ISCHR(file->stx_mode) && file->stx_rdev_major == 1 && file->stx_rdev_minor == 3;
	if (null)
		return must(strdup(""));
	if (!S_ISREG(file->stx_mode) || file->stx_uid || path_writable(file->stx_mode)) {
		refuse_about(&refusal, !S_ISREG(file->stx_mode) ? FILE_TYPE : file->stx_uid ? PATH_OWNER : PATH_WRITABLE, real, 0);
		complain_refusal(name, &refusal, !S_ISREG(file->stx_mode) ? "ls -l %p" : file->stx_uid ? "chown root: %o" : "chmod go-w %o");
		return NULL;
	}
	bytes = bytes_read(AT_FDCWD, real, size);
	if (!bytes)
		complain(name, "%s", strerror(errno));
	return bytes;
}

const char *path_resolve(const char *absolute)
{
	static struct path path;
	static struct refusal none;
	static char real[PATH_MAX];
	char above[PATH_MAX];
	size_t length = strlen(absolute);

	if (length >= PATH_MAX)
		return absolute;
	if (path_walk(&path, absolute, &reasons, &none))
		return *path.real ? path.real : absolute;
	/* What is not there yet, or no more, lies in what is. */
	while (length && (none.reason == PATH_STEP && none.error == ENOENT)) {
		while (length && absolute[length - 1] != '/')
			length--;
		while (length && absolute[length - 1] == '/')
			length--;
		snprintf(above, sizeof above, "%.*s", length ? (int)length : 1, length ? absolute : "/");
		if (!path_walk(&path, above, &reasons, &none))
			continue;
		if (snprintf(real, sizeof real, "%s%s", path.real, absolute + length) >= (int)sizeof real)
			return absolute;
		return real;
	}
	return absolute;
}

/* Adds what a file has. False where something is wrong with it, all of which was told. */
static bool file_add(struct list *list, const char *name)
{
	char place[PATH_MAX + 16];
	char real[PATH_MAX];
	size_t size;
	char *bytes = file_read(name, real, &size), *end = bytes + size;
	bool good = bytes;
	unsigned number = 0;

	for (char *line = bytes, *next; good && line < end; line = next) {
		char *newline = memchr(line, '\n', (size_t)(end - line));
		struct entry entry;
		const struct entry *other;
		const char *wrong;

		newline = newline ? newline : end;
		next = newline + 1;
		*newline = 0;
		number++;
		wrong = strlen(line) < (size_t)(newline - line) ? "it has a control byte" : entry_parse(&entry, line);
		if (!wrong && *entry.text && strcmp(name, LEDGER) != 0)
			wrong = "what stands behind the path is not known";
		snprintf(place, sizeof place, "%s:%u", name, number);
		if (wrong) {
			complain(place, "%s", wrong);
			good = false;
		}
		if (wrong || !entry.path)
			continue;
		entry.file = name;
		entry.number = number;
		/* The ledger's are without links, of what was granted: through those of today they would be another's. */
		if (strcmp(name, LEDGER) != 0)
			entry.path = (char *)path_resolve(entry.path);
		entry.comment = "";
		other = list_find(list, entry.path);
		if (!other)
			list_put(list, &entry);
		else if (other->capabilities != entry.capabilities || strcmp(other->hash, entry.hash) != 0) {
			complain(place, "%s:%u has the same path, and says another grant", other->file, other->number);
			good = false;
		}
	}
	free(bytes);
	return good;
}

static int is_list(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return *entry->d_name != '.' && dot && !strcmp(dot, ".conf");
}

static bool directory_add(struct list *list, const char *directory, const char *before)
{
	struct dirent **names = NULL;
	int count = scandir(directory, &names, is_list, alphasort);
	bool good = count >= 0 || errno == ENOENT;

	if (!good)
		complain(directory, "%s", strerror(errno));
	for (int i = 0; i < count; i++) {
		char name[PATH_MAX], masking[PATH_MAX] = "";
		struct stat st;

		snprintf(name, sizeof name, "%s/%s", directory, names[i]->d_name);
		if (before)
			snprintf(masking, sizeof masking, "%s/%s", before, names[i]->d_name);
		if (!before || lstat(masking, &st) < 0)
			good &= file_add(list, must(strdup(name)));
		free(names[i]);
	}
	free(names);
	return good;
}

bool lists_read(struct list *list)
{
	struct list packages = {.count = 0};
	bool good = directory_add(list, LISTS, NULL);

	good &= directory_add(&packages, LISTS_OF_PACKAGES, LISTS);
	for (size_t i = 0; i < packages.count; i++)
		if (!list_find(list, packages.entries[i].path))
			list_put(list, &packages.entries[i]);
	return good;
}

bool ledger_read(struct list *ledger)
{
	return file_add(ledger, LEDGER);
}

bool ledger_write(const struct list *ledger)
{
	char *bytes = NULL;
	size_t size = 0;
	FILE *out = must(open_memstream(&bytes, &size));
	bool good;

	for (size_t i = 0; i < ledger->count; i++)
		entry_put(out, &ledger->entries[i]);
	good = !fclose(out) && file_replace(LEDGER, bytes, size);
	free(bytes);
	return good;
}

bool own_write(const char *path, const struct entry *entry)
{
	size_t size, length = 0;
	char real[PATH_MAX], *bytes = file_read(OWN, real, &size), *end = bytes + size, *written = NULL;
	FILE *out = must(open_memstream(&written, &length));
	bool good = bytes, put = !entry;

	if (good && !size)
		(void)fputs(head, out);
	for (char *line = bytes, *next; good && line < end; line = next) {
		char *newline = memchr(line, '\n', (size_t)(end - line)), *copy;
		struct entry there;

		next = newline ? newline + 1 : end;
		copy = must(strndup(line, (size_t)((newline ? newline : end) - line)));
		if (entry_parse(&there, copy))
			there.path = NULL;
		if (!there.path || strcmp(path_resolve(there.path), path) != 0) {
			fprintf(out, "%.*s\n", (int)((newline ? newline : end) - line), line);
		} else if (!put) {
			struct entry changed = *entry;

			changed.comment = there.comment;
			entry_put(out, &changed);
			put = true;
		}
		free(copy);
	}
	if (!put)
		entry_put(out, entry);
	good = !fclose(out) && good;
	if (good && (length != size || memcmp(written, bytes, size) != 0) && (size || entry))
		good = file_replace(real, written, length);
	free(written);
	free(bytes);
	return good;
}

char *own_read(size_t *size)
{
	char real[PATH_MAX];

	return file_read(OWN, real, size);
}

bool own_restore(const char *bytes, size_t size)
{
	size_t other;
	char real[PATH_MAX], *there = file_read(OWN, real, &other);
	bool good = there && file_replace(real, bytes, size);

	free(there);
	return good;
}
