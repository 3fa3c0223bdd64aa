/* What capwrap-check prints for a person, and what other programs print as it does. */
#ifndef CAPWRAP_CHECK_SHOW_H
#define CAPWRAP_CHECK_SHOW_H

#include <stdbool.h>

#include "find.h"
#include "foretell.h"

/* From here on standard output is a terminal: with colours, names as they are where it has UTF-8, and lines that fit. */
void show_on_terminal(void);

/* In full. */
void show_report(const struct report *report);

/* One of many: a line, and what is wrong with it. `stale`: it has a grant, and is no script of capwrap's. */
void show_brief(const struct report *report, enum kind kind);

/* Parts of these: a name with foreign bytes, and the warnings of a report. */
void show_name(const char *name);
void show_warnings(const struct report *report);

#endif
