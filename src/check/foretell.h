/* What the wrapper would decide, by the wrapper's own rules. */
#ifndef CAPWRAP_CHECK_FORETELL_H
#define CAPWRAP_CHECK_FORETELL_H

#include <stdbool.h>

#include "decision.h"
#include "refusal.h"
#include "warn.h"

struct report {
	const char *path; /* as it was asked for */
	bool runs;
	struct refusal refusal; /* unless it runs */
	struct decision decision;
	struct start start; /* as this user would make it */
	bool named;         /* does the first line name a wrapper? */

	/* Where it runs. */
	bool effective; /* from the start; else permitted only */
	char **command;
	char may_run[256];
	struct warnings warnings;
};

/* Fills in the report for a file, as the user that asks. */
void foretell(struct report *report, const char *path);

/* The script's path without links where it was found, else as it was asked for. */
const char *report_real(const struct report *report);

void report_clear(struct report *report);

#endif
