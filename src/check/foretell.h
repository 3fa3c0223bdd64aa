/* What the wrapper would decide, by the wrapper's own rules. */
#ifndef CAPWRAP_CHECK_FORETELL_H
#define CAPWRAP_CHECK_FORETELL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "decision.h"
#include "refusal.h"
#include "registration.h"
#include "warn.h"

#define FAULTS_MAX 32

/* For one user. */
struct verdict {
	bool runs;
	bool granted; /* was the grant read? */
	size_t count;
	struct refusal faults[FAULTS_MAX]; /* all that are seen, in the order of the rules; the wrapper names the first */
	struct decision decision;
	bool registered; /* with binfmt_misc, or judged as if it were */
	struct registration registration;
};

struct report {
	const char *path; /* as it was asked for */
	struct verdict *verdict; /* for the user that was asked for */
	struct verdict *others;  /* for one without rights, where root asks for itself; else NULL */
	bool named;              /* does the first line name a wrapper? */

	/* Where it runs. */
	bool effective; /* from the start; else permitted only */
	char **command;
	char may_run[256];
	struct warnings warnings;
};

/* What is taken for true, whatever is. */
struct supposed {
	bool registered; /* the wrapper, with binfmt_misc */
	uint64_t grant;  /* of the script; 0: the one that it has */
};

/* Fills in the report for a file, as this user. */
void foretell(struct report *report, const char *path, const struct supposed *supposed);

/* The script's path without links where it was found, else as it was asked for. */
const char *report_real(const struct report *report, const struct verdict *verdict);

void report_clear(struct report *report);

/* Is this the path of a wrapper? It is known by its name: running it to find out would run anything. */
bool wrapper_is_named(const char *path);

/* Can nobody but root change that file, or what its path leads to? */
bool wrapper_is_roots(const char *wrapper);

#endif
