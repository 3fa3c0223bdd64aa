/* A line of a list. Pure. */
#ifndef CAPWRAP_GRANT_ENTRY_H
#define CAPWRAP_GRANT_ENTRY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "line.h"

#define HASH_SIZE 65 /* SHA-256 in hexadecimal, and a NUL */

/* A line: CAPABILITIES PATH [sha256:HEX] [line:TEXT] */
struct entry {
	char *path; /* absolute */
	uint64_t capabilities;
	char hash[HASH_SIZE];     /* of what the script holds; "" where that is not asked for */
	char text[LINE_SIZE + 1]; /* in the ledger: what its first line had behind the wrapper, when it was granted; else "" */
	const char *comment;      /* behind all that, with its #; "" where there is none */
	const char *file;         /* where it is listed */
	unsigned number;          /* of the line there */
};

/* May it stand in a list? */
bool path_is_listable(const char *path);

/* Takes a line apart, which it changes; the entry points into it, its path is NULL where the line is empty. NULL, or what is
 * wrong with it. */
const char *entry_parse(struct entry *entry, char *line);

/* Writes the line of an entry. */
void entry_put(FILE *out, const struct entry *entry);

#endif
