#include "line.h"

#include <fcntl.h>
#include <string.h>

#include "environment.h"
#include "path.h"

static const char blanks[] = " \t";
static const char numbering[] = "0123456789.-"; /* of versions, behind a name */

bool shebang_split(struct shebang *shebang, const char *head, size_t length, struct refusal *refusal)
{
	const char *newline, *path, *end;

	if (length < 2 || head[0] != '#' || head[1] != '!')
		return refuse(refusal, LINE_MAGIC);
	newline = memchr(head, '\n', length < SHEBANG_MAX ? length : SHEBANG_MAX);
	if (!newline)
		return refuse(refusal, LINE_END);
	for (const char *at = head; at < newline; at++) {
		if (*at == '\r')
			return refuse(refusal, LINE_CR);
		if (((unsigned char)*at < ' ' && *at != '\t') || *at == 0x7f)
			return refuse(refusal, LINE_CONTROL);
	}

	memcpy(shebang->bytes, head + 2, (size_t)(newline - head) - 2);
	shebang->bytes[newline - head - 2] = 0;
	path = shebang->bytes + strspn(shebang->bytes, blanks);
	end = path + strcspn(path, blanks);
	memcpy(shebang->wrapper, path, (size_t)(end - path));
	shebang->wrapper[end - path] = 0;

	if (end == path)
		return refuse(refusal, LINE_MAGIC);

	path = end + strspn(end, blanks);
	for (end = path + strlen(path); end > path && strchr(blanks, end[-1]); end--)
		;
	memcpy(shebang->line, path, (size_t)(end - path));
	shebang->line[end - path] = 0;
	return true;
}

bool shebang_of(const struct shebang *shebang, const char *wrapper, const struct statx *self, const char *line,
	struct refusal *refusal)
{
	const char *named = shebang->wrapper;
	struct statx file;

	if (*named != '/' || (strcmp(named, wrapper) != 0 &&
				     !(file_look(&file, AT_FDCWD, named, 0) && file_same(&file, self))))
		return refuse_about(refusal, LINE_WRAPPER, named, 0);
	return !strcmp(shebang->line, line) || refuse(refusal, LINE_DIFFERS);
}

/* The next word of a text, which it cuts off; NULL at the end. */
static char *cut(char **text, const char *separators)
{
	char *word = *text + strspn(*text, separators);

	if (!*word)
		return NULL;
	*text = word + strcspn(word, separators);
	if (**text)
		*(*text)++ = 0;
	return word;
}

/* Cuts NAME[,NAME...] up behind the names that are kept so far. */
static bool names_keep(struct shebang *shebang, char *names, struct refusal *refusal)
{
	char **kept = shebang->kept, *name;

	if (!names || !*names || *names == ',' || strstr(names, ",,") || names[strlen(names) - 1] == ',')
		return refuse(refusal, LINE_ENV_NAME);
	while (*kept)
		kept++;
	while ((name = cut(&names, ","))) {
		if (!environment_is_name(name))
			return refuse(refusal, LINE_ENV_NAME);
		if (environment_steers_loader(name))
			return refuse_about(refusal, LINE_ENV_LOADER, name, 0);
		*kept++ = name;
	}
	*kept = NULL;
	return true;
}

static bool is(const char *word, const char *one, const char *other)
{
	return !strcmp(word, one) || !strcmp(word, other);
}

void shebang_words(struct shebang *shebang)
{
	char *rest = strcpy(shebang->bytes, shebang->line), *word = shebang->wrapper;

	for (shebang->count = 0; word; word = cut(&rest, blanks))
		shebang->words[shebang->count++] = word;
	shebang->words[shebang->count] = NULL;
}

bool shebang_parse(struct shebang *shebang, struct refusal *refusal)
{
	char *rest = strcpy(shebang->bytes, shebang->line), *word;

	shebang->contain = shebang->no_new_privs = false;
	shebang->kept[0] = NULL;
	while ((word = cut(&rest, blanks)) && *word == '-') {
		bool joined = !strncmp(word, "--env=", 6);

		if (is(word, "-c", "--contain"))
			shebang->contain = true;
		else if (is(word, "-n", "--no-new-privs"))
			shebang->no_new_privs = true;
		else if (!joined && !is(word, "-e", "--env"))
			return refuse_about(refusal, LINE_OPTION, word, 0);
		else if (!names_keep(shebang, joined ? word + 6 : cut(&rest, blanks), refusal))
			return false;
	}
	if (!word)
		return refuse(refusal, LINE_INTERPRETER);

	for (shebang->count = 0; word; word = cut(&rest, blanks))
		shebang->words[shebang->count++] = word;
	shebang->words[shebang->count] = NULL;
	return true;
}

static const char *base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Is it called that, give or take a version? */
static bool called(const char *path, const char *name)
{
	size_t length = strlen(name);

	path = base(path);
	return !strncmp(path, name, length) && !path[length + strspn(path + length, numbering)];
}

static bool has_word(const struct shebang *shebang, const char *word)
{
	for (size_t i = 1; i < shebang->count; i++)
		if (!strcmp(shebang->words[i], word))
			return true;
	return false;
}

bool shebang_channel(const struct shebang *shebang, const char *real, struct refusal *refusal)
{
	static const struct {
		char name[8];
		char closed[3][36]; /* any of these closes it */
		enum reason reason;
	} channels[] = {
		{"node", {"--disable-sigusr1", "--permission", "--experimental-permission"}, CHANNEL_NODE},
		{"nodejs", {"--disable-sigusr1", "--permission", "--experimental-permission"}, CHANNEL_NODE},
		{"java", {"-XX:+DisableAttachMechanism"}, CHANNEL_JAVA},
		{"java", {"-XX:+SuppressFatalErrorMessage"}, CHANNEL_JAVA_LOG},
		{"make", {""}, CHANNEL_MAKE}, /* SHELL=PROGRAM, whatever stands before it */
		{"gmake", {""}, CHANNEL_MAKE},
		{"bmake", {""}, CHANNEL_MAKE},
		{"R", {""}, CHANNEL_R}, /* --file=CODE, likewise */
	};

	for (size_t i = 0; i < sizeof channels / sizeof *channels; i++) {
		bool named = called(real, channels[i].name), closed = false;

		for (size_t j = 0; j < shebang->count; j++)
			named |= called(shebang->words[j], channels[i].name);
		for (size_t j = 0; j < 3 && *channels[i].closed[j]; j++)
			closed |= has_word(shebang, channels[i].closed[j]);
		if (named && !closed)
			return refuse_about(refusal, channels[i].reason, channels[i].name, 0);
	}
	return true;
}

bool shebang_saves_on_signal(const struct shebang *shebang, const char *real)
{
	bool saves = called(real, "Rscript");

	for (size_t i = 0; i < shebang->count; i++)
		saves |= called(shebang->words[i], "Rscript");
	return saves;
}

size_t shebang_behind_env(const struct shebang *shebang, size_t env)
{
	size_t at = env + 1;

	while (at < shebang->count && (*shebang->words[at] == '-' || strchr(shebang->words[at], '=')))
		at++;
	return at;
}

bool shebang_ends_in_file_option(const struct shebang *shebang)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	const char *last = shebang->words[shebang->count - 1], *program = base(shebang->words[0]);
	size_t length = strlen(last), end;

	if (!strcmp(program, "env")) {
		size_t behind = shebang_behind_env(shebang, 0);

		program = base(behind < shebang->count ? shebang->words[behind] : last);
	}
	/* In a shell, whatever its version, -f takes no argument. */
	for (end = strlen(program); end && strchr(numbering, program[end - 1]); end--)
		;
	if (end >= 2 && !strncmp(program + end - 2, "sh", 2))
		return false;
	if (!strcmp(last, "--file"))
		return true;
	return length > 1 && *last == '-' && last[length - 1] == 'f' && strspn(last + 1, letters) == length - 1;
}
