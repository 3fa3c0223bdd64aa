#include "line.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "environment.h"
#include "path.h"

static const char blanks[] = " \t";

bool line_split(struct line *line, const char *head, size_t length, struct refusal *refusal)
{
	const char *newline, *path, *end;

	if (length >= 4 && !memcmp(head, "\177ELF", 4))
		return refuse(refusal, LINE_PROGRAM);
	if (length >= 5 && !memcmp(head, "\357\273\277#!", 5))
		return refuse(refusal, LINE_MARK);
	if (length < 2 || head[0] != '#' || head[1] != '!')
		return refuse(refusal, LINE_MAGIC);
	newline = memchr(head, '\n', length < LINE_SIZE ? length : LINE_SIZE);
	if (!newline)
		return refuse(refusal, LINE_END);
	if (newline[-1] == '\r' && flaw(refusal, LINE_CR, ""))
		newline--;
	for (const char *at = head; at < newline; at++) {
		if (*at == '\r')
			return refuse(refusal, LINE_CR);
		if (((unsigned char)*at < ' ' && *at != '\t') || *at == 0x7f)
			return refuse(refusal, LINE_CONTROL);
	}

	memcpy(line->bytes, head + 2, (size_t)(newline - head) - 2);
	line->bytes[newline - head - 2] = 0;
	path = line->bytes + strspn(line->bytes, blanks);
	end = path + strcspn(path, blanks);
	memcpy(line->wrapper, path, (size_t)(end - path));
	line->wrapper[end - path] = 0;

	if (end == path)
		return refuse(refusal, LINE_MAGIC);

	path = end + strspn(end, blanks);
	for (end = path + strlen(path); end > path && strchr(blanks, end[-1]); end--)
		;
	memcpy(line->text, path, (size_t)(end - path));
	line->text[end - path] = 0;
	return true;
}

bool line_read(struct line *line, int fd, struct refusal *refusal)
{
	char head[LINE_SIZE];
	ssize_t length = pread(fd, head, sizeof head, 0);

	return length < 0 ? refuse(refusal, LINE_READ) : line_split(line, head, (size_t)length, refusal);
}

bool line_of(const struct line *line, const char *script, const char *executed, struct refusal *refusal)
{
	struct statx self, named;

	bool by_hand = strcmp(executed, script) != 0;

	if (by_hand && !file_look(&self, AT_FDCWD, "/proc/self/exe", 0))
		return refuse(refusal, CALL_SELF);
	if (*line->wrapper != '/' ||
		(by_hand && !(file_look(&named, AT_FDCWD, line->wrapper, 0) && file_same(&named, &self))))
		return refuse_about(refusal, LINE_WRAPPER, line->wrapper, 0);
	return true;
}

/* The next word of a text, which it cuts off; NULL at the end. */
static char *word_cut(char **text, const char *separators)
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
static bool names_keep(struct line *line, char *names, struct refusal *refusal)
{
	char **kept = line->kept, *name;

	if (!names || !*names || *names == ',' || strstr(names, ",,") || names[strlen(names) - 1] == ',')
		return refuse(refusal, LINE_ENV_NAME);
	while (*kept)
		kept++;
	while ((name = word_cut(&names, ","))) {
		if (!environment_is_name(name))
			return refuse(refusal, LINE_ENV_NAME);
		if (environment_steers_loader(name))
			return refuse_about(refusal, LINE_ENV_LOADER, name, 0);
		*kept++ = name;
	}
	*kept = NULL;
	return true;
}

static bool word_is(const char *word, const char *one, const char *other)
{
	return !strcmp(word, one) || !strcmp(word, other);
}

/* The argument of an option that is written --LONG=ARGUMENT, --LONG ARGUMENT or -S ARGUMENT; false where the word is no such
 * option. NULL where it lacks its argument. */
static bool option_is(const char *word, const char *brief, const char *name, char **rest, char **argument)
{
	size_t length = strlen(name);

	if (!strncmp(word, name, length) && word[length] == '=')
		*argument = (char *)word + length + 1;
	else if (word_is(word, brief, name))
		*argument = word_cut(rest, blanks);
	else
		return false;
	return true;
}

/* Options of the wrapper, up to the first word that is none; NULL where there is no such word. */
static bool options_parse(struct line *line, char **rest, char **word, struct refusal *refusal)
{
	char *argument;

	while ((*word = word_cut(rest, blanks)) && **word == '-') {
		if (word_is(*word, "-c", "--contain")) {
			line->contain = true;
		} else if (word_is(*word, "-n", "--no-new-privs")) {
			line->no_new_privs = true;
		} else if (word_is(*word, "-U", "--unproven")) {
			line->unproven = true;
		} else if (option_is(*word, "-e", "--env", rest, &argument)) {
			if (!names_keep(line, argument, refusal))
				return false;
		} else if (option_is(*word, "-u", "--user", rest, &argument)) {
			line->user = argument ? argument : "";
		} else if (option_is(*word, "-C", "--chdir", rest, &argument)) {
			line->directory = argument;
			if (!argument || *argument != '/')
				return refuse(refusal, LINE_DIRECTORY);
		} else {
			return refuse_about(refusal, LINE_OPTION, *word, 0);
		}
	}
	return true;
}

/* NAME=VALUE: a name that the wrapper has no better use for. */
static bool assignment_trust(char *word, char *equal, struct refusal *refusal)
{
	bool name, loader, fixed;

	*equal = 0;
	name = environment_is_name(word);
	loader = environment_steers_loader(word);
	fixed = environment_sets(word);
	if (name && !loader && !fixed) {
		*equal = '=';
		return !environment_steers_paths(word) || refuse_about(refusal, LINE_VARIABLE_VALUE, word, 0);
	}
	refuse_about(refusal, !name ? LINE_VARIABLE_NAME : loader ? LINE_VARIABLE_LOADER : LINE_VARIABLE_SET, word, 0);
	*equal = '=';
	return false;
}

/* `env` is a word that people write; what it would do is done here, and it is never started. */
static bool env_skip(char **rest, char **word, struct refusal *refusal)
{
	static const char expanded[] = "\\\"'$";
	const char *slash = strrchr(*word, '/');

	if (strcmp(slash ? slash + 1 : *word, "env") != 0)
		return true;
	*word = word_cut(rest, blanks);
	if (*word && !strcmp(*word, "-S")) {
		*word = word_cut(rest, blanks);
		/* These would not be themselves. */
		if (*word && ((*word)[strcspn(*word, expanded)] || (*rest)[strcspn(*rest, expanded)]))
			return refuse(refusal, LINE_ENV_QUOTES);
	}
	return !*word || **word != '-' || refuse_about(refusal, LINE_ENV_OPTION, *word, 0);
}

bool line_parse(struct line *line, struct refusal *refusal)
{
	char *rest = strcpy(line->bytes, line->text), *word, *equal, **assigned = line->assigned;

	line->contain = line->no_new_privs = line->unproven = false;
	line->user = line->directory = NULL;
	line->kept[0] = NULL;
	line->count = 0;
	if (!options_parse(line, &rest, &word, refusal) || (word && !env_skip(&rest, &word, refusal)))
		return false;
	for (; word && *word != '/' && (equal = strchr(word, '=')); word = word_cut(&rest, blanks)) {
		if (!assignment_trust(word, equal, refusal))
			return false;
		*assigned++ = word;
	}
	*assigned = NULL;
	if (!word)
		return refuse(refusal, LINE_INTERPRETER);
	for (; word; word = word_cut(&rest, blanks))
		line->words[line->count++] = word;
	line->words[line->count] = NULL;
	return true;
}
