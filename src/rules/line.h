/* The rules "line" and "channel": a script's first line. Pure, but for shebang_of. */
#ifndef CAPWRAP_LINE_H
#define CAPWRAP_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "refusal.h"

#define SHEBANG_MAX 255                  /* bytes, with the newline: what every kernel from 5.1 on reads */
#define WORDS_MAX (SHEBANG_MAX / 2 + 1) /* that fit there, and a NULL */

struct shebang {
	char wrapper[SHEBANG_MAX + 1]; /* the path behind #! */
	char line[SHEBANG_MAX + 1];    /* what the kernel passes of the rest */

	char bytes[SHEBANG_MAX + 1]; /* the line, cut into what follows */
	bool contain;
	bool no_new_privs;
	char *kept[WORDS_MAX];  /* names of --env */
	char *words[WORDS_MAX]; /* the interpreter and its arguments */
	size_t count;           /* of words */
};

/* Takes the first line of a file apart as the kernel does: its wrapper and its line. */
bool shebang_split(struct shebang *shebang, const char *head, size_t length, struct refusal *refusal);

/* Is it the first line of a script for this wrapper, by its path or its file, and the one that the kernel called it
 * with? */
bool shebang_of(const struct shebang *shebang, const char *wrapper, const struct statx *self, const char *line,
	struct refusal *refusal);

/* Takes the line apart: LINE = [--env NAME[,NAME...]] [--contain] [--no-new-privs] INTERPRETER [ARG...] */
bool shebang_parse(struct shebang *shebang, struct refusal *refusal);

/* Takes the first line of another script apart: its program, and the line's words as if `env -S` split them. */
void shebang_words(struct shebang *shebang);

/* The program that `env` starts, as a number of the line's words: neither an option nor NAME=VALUE. `env` is the word
 * that is env; where it starts nothing, the count of words. */
size_t shebang_behind_env(const struct shebang *shebang, size_t env);

/* Does the interpreter, or what it is named to start, as in `env node`, let the caller in: other processes of the same
 * user while it runs, or by commands in the caller's arguments? `real` is its path without links. */
bool shebang_channel(const struct shebang *shebang, const char *real, struct refusal *refusal);

/* Does the interpreter answer signals with what it knows: SIGUSR1 and SIGUSR2 into the current folder, others to standard
 * error? They can be blocked. */
bool shebang_saves_on_signal(const struct shebang *shebang, const char *real);

/* Takes the interpreter the script for the argument of an option -f, so that what follows would be options again? */
bool shebang_ends_in_file_option(const struct shebang *shebang);

#endif
