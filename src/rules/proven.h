/* The rule "proven": interpreters that are shown by tests to keep the caller out, and what is known of each. Pure. */
#ifndef CAPWRAP_PROVEN_H
#define CAPWRAP_PROVEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "interpreter.h"
#include "line.h"
#include "refusal.h"

#define ADDED_MAX 4 /* words */

/* A row of the table, interpreters.h. Lists have a blank between their words. */
struct proven {
	char names[32];    /* it is called by; a # at the end stands for a version, or for none */
	char files[112];   /* the same, of the real file */
	char applet[4];    /* the word that must come first, where one program is many */
	char options[416]; /* that the line may have, see below */
	char last[2];      /* the letter of the option that takes the script, which must be the last word's last */
	char needs[72];    /* words that the line must have; one of those with a | between */
	char added[ADDED_MAX][68]; /* words that the wrapper puts behind its name */
	char command[8];   /* runs the script, as the argument of -c before it */
	char after[3];     /* the word behind the script, which ends the options */
	uint64_t blocked;  /* signals that it would answer with what it knows, as bits */
	bool above;        /* it looks for modules in all directories above the script */
	bool rereads;      /* it takes what stands behind its name in the first line for its options */
	bool catalogues;   /* in any locale but C it looks for messages in the current directory */
};

/* Options: the first word is a dash and the letters that need no argument and may be joined. Each other one is a word of
 * the line, two words with a comma between, or NAME=VALUE; a * at the end stands for any rest but none. */

/* The row of an interpreter, as it was found and as it really is; NULL where there is none. */
const struct proven *proven_find(const struct line *line, const struct interpreter *interpreter);

/* Is it there, and asked for nothing else than the row has? With --unproven that is the line's own affair, but for what
 * runs the caller's arguments as code. */
bool proven_trust(const struct proven *proven, const struct line *line, const struct interpreter *interpreter,
	const struct path *script, struct refusal *refusal);

/* The row with that number, for the tests that prove it; NULL behind the last. */
const struct proven *proven_row(size_t number);

#endif
