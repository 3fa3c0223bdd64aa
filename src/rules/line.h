/* The rule "line": a script's first line. Pure, but for line_read and line_of. */
#ifndef CAPWRAP_LINE_H
#define CAPWRAP_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "refusal.h"

#define LINE_SIZE 255                 /* bytes, with the newline: what every kernel from 5.1 on reads */
#define WORDS_MAX (LINE_SIZE / 2 + 1) /* that fit there, and a NULL */

struct line {
	char wrapper[LINE_SIZE + 1]; /* the path behind #! */
	char text[LINE_SIZE + 1];    /* what the kernel passes of the rest */

	char bytes[LINE_SIZE + 1]; /* the text, cut into what follows */
	bool contain;
	bool no_new_privs;
	bool unproven;
	const char *user;          /* of --user; NULL: the caller */
	const char *directory;     /* of --chdir; NULL: the caller's */
	char *kept[WORDS_MAX];     /* names of --env */
	char *assigned[WORDS_MAX]; /* NAME=VALUE */
	char *words[WORDS_MAX];    /* the interpreter and its arguments */
	size_t count;              /* of words */
};

/* Reads the first line of an open script. */
bool line_read(struct line *line, int fd, struct refusal *refusal);

/* Takes the first line of a file apart as the kernel does: its wrapper and its text. */
bool line_split(struct line *line, const char *head, size_t length, struct refusal *refusal);

/* Does it name this very wrapper? Where the kernel was asked to execute the script itself, by the canonical path that it was found to have, this is the program that its first line
 * names: nobody but root could have changed either since. Otherwise, as when called by hand, /proc tells. */
bool line_of(const struct line *line, const char *script, const char *executed, struct refusal *refusal);

/* Takes the text apart: [OPTION...] [env [-S]] [NAME=VALUE...] INTERPRETER [ARG...] */
bool line_parse(struct line *line, struct refusal *refusal);

#endif
