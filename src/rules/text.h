/* Lines of text, in fixed buffers: no stdio, no locale, no heap. Pure. */
#ifndef CAPWRAP_TEXT_H
#define CAPWRAP_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#define TEXT_SIZE 8192

/* A line in a fixed buffer: what does not fit is cut, and marked as cut. */
struct text {
	unsigned length;
	char bytes[TEXT_SIZE];
};

bool text_is_cut(const struct text *text);

/* As it is: for the program's own words. */
void text_add(struct text *text, const char *words);

void text_add_number(struct text *text, unsigned long long number);

/* Foreign words for a person's eyes: whatever is not printable ASCII becomes \xNN, and a backslash two of them. */
void text_add_escaped(struct text *text, const char *foreign);

/* The same as a value of NAME=VALUE: bare, or in $'...' so that it can't be taken for more than one. A long one is cut, so
 * that others have room behind it. */
void text_add_field(struct text *text, const char *foreign);

/* Foreign words as one word of a command for a POSIX shell, in printable ASCII. */
void text_add_quoted(struct text *text, const char *foreign);

/* The names of a capability set as libcap has them, joined by commas; "none" for the empty set. */
void text_add_capabilities(struct text *text, uint64_t capabilities);

/* What errno means, in the words of this program where it knows any. */
void text_add_error(struct text *text, int error);

#endif
