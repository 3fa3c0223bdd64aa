/* The rules "interpreter" and "contain": the program that runs the script. */
#ifndef CAPWRAP_INTERPRETER_H
#define CAPWRAP_INTERPRETER_H

#include <stdbool.h>
#include <stdint.h>

#include "grant.h"
#include "path.h"
#include "refusal.h"
#include "line.h"

struct interpreter {
	/* As the line or the secure path has it: a virtual environment is known by its link. */
	char found[sizeof SECURE_PATH + LINE_SIZE];
	struct file_capabilities file;
	struct path path;
};

/* Finds it: a bare name in the secure path, never in PATH. */
bool interpreter_find(struct interpreter *interpreter, const char *word, struct refusal *refusal);

/* Trusts it: every hop, the file, that it is a program which starts no other, and what it would do with the grant. */
bool interpreter_trust(struct interpreter *interpreter, const char *wrapper, uint64_t grant, struct refusal *refusal);

/* With --contain its own inheritable capabilities must hand the grant on. */
bool interpreter_contains(const struct interpreter *interpreter, uint64_t grant, struct refusal *refusal);

#endif
