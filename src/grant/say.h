/* What this program says when something is wrong, and what it does with plain files. */
#ifndef CAPWRAP_GRANT_SAY_H
#define CAPWRAP_GRANT_SAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "refusal.h"

/* `capwrap-grant: OBJECT: what is wrong`, as printf(3) has it, with foreign bytes of the object as \xNN. */
#define complain(object, ...) (complain_of(object), (void)fprintf(stderr, __VA_ARGS__), (void)fputc('\n', stderr))
void complain_of(const char *object);

/* The same in the wrapper's words, with a fix: the wrapper's, where NULL is given for its words. */
void complain_refusal(const char *object, const struct refusal *refusal, const char *fix);

/* Until they are let in again signals wait, so that what belongs together is done together. */
void signals_hold(void);
void signals_let_in(void);

/* What was allocated. Without memory the program ends, before it has begun to change anything. */
void *must(void *memory);

/* All of a file, and a NUL behind it: by its name, in an open directory or AT_FDCWD, or of an open one. NULL with errno. */
char *bytes_read(int directory, const char *name, size_t *size);
char *bytes_of(int fd, size_t *size);

bool bytes_write(int fd, const char *bytes, size_t size);

/* A file in place of another, with its mode, in one step, which is on the disk when this returns. Makes its directory. False,
 * which was told. */
bool file_replace(const char *name, const char *bytes, size_t size);

#endif
