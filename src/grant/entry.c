#include "entry.h"

#include <ctype.h>
#include <string.h>

#include "names.h"

static bool is_blank(char byte)
{
	return byte == ' ' || byte == '\t';
}

static bool is_control(char byte)
{
	return ((unsigned char)byte < ' ' && byte != '\t') || byte == 0x7f;
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

	*entry = (struct entry){.comment = ""};
	line += strspn(line, " \t");
	if (!*line || *line == '#')
		return NULL;
	for (const char *at = line; *at; at++)
		if (is_control(*at))
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
	entry->comment = line;
	return why;
}

bool path_is_listable(const char *path)
{
	for (; *path; path++)
		if (is_control(*path))
			return false;
	return true;
}

static void put_escaped(FILE *out, const char *word)
{
	for (; *word; word++)
		fprintf(out, is_blank(*word) || *word == '\\' || *word == '#' ? "\\%c" : "%c", *word);
}

void entry_put(FILE *out, const struct entry *entry)
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
	if (entry->comment && *entry->comment)
		fprintf(out, " %s", entry->comment);
	(void)fputc('\n', out);
}
