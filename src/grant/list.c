#include "list.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "names.h"
#include "path.h"
#include "say.h"

static const char head[] = "# Kept by capwrap-grant(8): CAPABILITIES PATH [sha256:HEX]\n";

/* ---- A line */

static bool is_blank(char byte)
{
	return byte == ' ' || byte == '\t';
}

/* Is this a word that may stand behind the path? */
static bool is_suffix(const char *word)
{
	return !strncmp(word, "sha256:", 7) || !strncmp(word, "line:", 5);
}

/* Cuts a word off: \ makes a byte itself. One that runs to the end may have blanks in it, up to a # or a suffix behind one. */
static char *word_cut(char **rest, bool to_end)
{
	char *from = *rest, *word = from, *to = from, *end = from;

	while (*from) {
		if (is_blank(*from) && (!to_end || from[1] == '#' || is_suffix(from + 1)))
			break;
		if (*from == '\\' && from[1]) {
			*to++ = from[1];
			from += 2;
			end = to;
			continue;
		}
		*to++ = *from;
		if (!is_blank(*from++))
			end = to;
	}
	*rest = from + (*from != 0);
	*end = 0;
	return word;
}

static const char *suffix_take(struct entry *entry, const char *word)
{
	if (!strncmp(word, "line:", 5)) {
		if (strlen(word + 5) >= sizeof entry->text)
			return "its line: is too long";
		strcpy(entry->text, word + 5);
		return NULL;
	}
	word += 7;
	if (*entry->hash || strlen(word) != HASH_SIZE - 1 || strspn(word, "0123456789abcdefABCDEF") != HASH_SIZE - 1)
		return "sha256: is not followed by 64 hexadecimal digits";
	for (size_t i = 0; i < HASH_SIZE; i++)
		entry->hash[i] = (char)tolower((unsigned char)word[i]);
	return NULL;
}

/* Absolute, and written as the kernel would. */
static bool is_canonical(const char *path)
{
	if (*path != '/' || !path[1])
		return false;
	for (const char *slash = path; slash; slash = strchr(slash + 1, '/')) {
		size_t length = strcspn(slash + 1, "/");

		if (!length || (length == 1 && slash[1] == '.') || (length == 2 && slash[1] == '.' && slash[2] == '.'))
			return false;
	}
	return true;
}

const char *entry_parse(struct entry *entry, char *line)
{
	static struct text wrong;
	const char *words, *why = NULL;

	*entry = (struct entry){.path = NULL};
	line += strspn(line, " \t");
	if (!*line || *line == '#')
		return NULL;
	for (const char *at = line; *at; at++)
		if (((unsigned char)*at < ' ' && *at != '\t') || *at == 0x7f)
			return "it has a control byte";
	words = word_cut(&line, false);
	wrong.length = 0;
	if (!names_parse(&entry->capabilities, words, &wrong)) {
		wrong.bytes[wrong.length] = 0;
		return wrong.bytes;
	}
	line += strspn(line, " \t");
	if (*line != '/')
		return "no absolute path stands behind the capabilities";
	entry->path = word_cut(&line, true);
	if (!is_canonical(entry->path))
		return "its path has //, /./, /../ or a slash at the end";
	while (!why && *(line += strspn(line, " \t")) && *line != '#')
		why = is_suffix(line) ? suffix_take(entry, word_cut(&line, false)) : "what stands behind the path is not known";
	return why;
}

bool path_is_listable(const char *path)
{
	for (; *path; path++)
		if ((unsigned char)*path < ' ' || *path == 0x7f)
			return false;
	return true;
}

static void put_escaped(FILE *out, const char *word)
{
	for (; *word; word++)
		fprintf(out, is_blank(*word) || *word == '\\' || *word == '#' ? "\\%c" : "%c", *word);
}

static void entry_put(FILE *out, const struct entry *entry)
{
	struct text names = {.length = 0};

	text_add_capabilities(&names, entry->capabilities);
	fprintf(out, "%.*s ", (int)names.length, names.bytes);
	put_escaped(out, entry->path);
	if (*entry->hash)
		fprintf(out, " sha256:%s", entry->hash);
	if (*entry->text) {
		fprintf(out, " line:");
		put_escaped(out, entry->text);
	}
	(void)fputc('\n', out);
}

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

/* All of a file that is root's alone, and a NUL; NULL, which was told, else. One that is not there is empty. */
static char *file_read(const char *name, size_t *size)
{
	static const struct path_reasons reasons = {
		.step = PATH_STEP,
		.root = PATH_ROOT,
		.owner = PATH_OWNER,
		.writable = PATH_WRITABLE,
		.sticky = PATH_STICKY,
		.links = true,
		.mounts = true,
	};
	static struct path path;
	static struct refusal refusal;
	const struct statx *file = &path.file;
	bool null;
	char *bytes;

	refusal = (struct refusal){.room = 0};
	*size = 0;
	if (!path_walk(&path, name, &reasons, &refusal)) {
		if (refusal.reason == PATH_STEP && refusal.error == ENOENT)
			return must(strdup(""));
		complain_refusal(name, &refusal);
		return NULL;
	}
	null = S_ISCHR(file->stx_mode) && file->stx_rdev_major == 1 && file->stx_rdev_minor == 3;
	if (null)
		return must(strdup(""));
	if (!S_ISREG(file->stx_mode) || file->stx_uid || path_writable(file->stx_mode)) {
		refuse(&refusal, !S_ISREG(file->stx_mode) ? FILE_TYPE : file->stx_uid ? PATH_OWNER : PATH_WRITABLE);
		snprintf(refusal.object, sizeof refusal.object, "%s", path.real);
		complain_refusal(name, &refusal);
		return NULL;
	}
	bytes = bytes_read(path.real, size);
	if (!bytes)
		complain(name, "%s", strerror(errno));
	return bytes;
}

/* Adds what a file has. False where something is wrong with it, all of which was told. */
static bool file_add(struct list *list, const char *name)
{
	char place[PATH_MAX + 16];
	size_t size;
	char *bytes = file_read(name, &size), *end = bytes + size;
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
		snprintf(place, sizeof place, "%s:%u", name, number);
		if (wrong) {
			complain(place, "%s", wrong);
			good = false;
		}
		if (wrong || !entry.path)
			continue;
		entry.file = name;
		entry.number = number;
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
	char *bytes = file_read(OWN, &size), *end = bytes + size, *written = NULL;
	FILE *out = must(open_memstream(&written, &length));
	bool good = bytes, put = !entry;

	if (good && !size)
		(void)fputs(head, out);
	for (char *line = bytes, *next; good && line < end; line = next) {
		char *newline = memchr(line, '\n', (size_t)(end - line)), *copy;
		struct entry there;

		next = newline ? newline + 1 : end;
		copy = must(strndup(line, (size_t)((newline ? newline : end) - line)));
		if (entry_parse(&there, copy) || !there.path || strcmp(there.path, path) != 0)
			fprintf(out, "%.*s\n", (int)((newline ? newline : end) - line), line);
		else if (!put)
			entry_put(out, entry), put = true;
		free(copy);
	}
	if (!put)
		entry_put(out, entry);
	good = !fclose(out) && good;
	if (good && (length != size || memcmp(written, bytes, size) != 0) && (size || entry))
		good = file_replace(OWN, written, length);
	free(written);
	free(bytes);
	return good;
}
