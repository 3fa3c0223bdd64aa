/* Lines for people and for the system's log. No stdio, no locale, no heap. */
#ifndef CAPWRAP_LOG_H
#define CAPWRAP_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define TEXT_SIZE 8192

/* A line in a fixed buffer: what does not fit is cut, and marked as cut. */
struct text {
	unsigned length;
	char bytes[TEXT_SIZE];
};

/* As it is: for the program's own words. */
void text_add(struct text *text, const char *words);

void text_add_number(struct text *text, unsigned long long number);

/* Foreign words for a person's eyes: whatever is not printable ASCII becomes \xNN, and a backslash two of them. */
void text_add_escaped(struct text *text, const char *foreign);

/* Foreign words as one word of a shell command: bare where that is safe, else in $'...'. */
void text_add_quoted(struct text *text, const char *foreign);

/* The names of a capability set as libcap has them, joined by commas; "none" for the empty set. */
void text_add_capabilities(struct text *text, uint64_t capabilities);

/* What errno means, in the words of this program where it knows any. */
void text_add_error(struct text *text, int error);

/* Blocks signals, a list that ends in 0, for what remains of this process and for what it executes. */
void signals_block(const int *numbers);

/* Ends the line, and writes it to a descriptor: the last thing that a program does. */
void text_write(struct text *text, int fd);

/* Does anybody log? Asking costs less than making a line and a socket for nobody. */
bool log_listens(void);

/* Begins a line for the system's log: what happened, by whom, with which script. */
void log_begin(struct text *text, int priority, const char *what, uid_t uid, const char *script);

/* Sends it. Fails silently: nobody must be able to stop a script by filling the log. Leaves a descriptor to be closed at
 * exec or at the end. */
void log_send(const struct text *text);

#endif
