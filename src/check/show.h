/* All that capwrap-check prints, and what other programs print as it does. */
#ifndef CAPWRAP_CHECK_SHOW_H
#define CAPWRAP_CHECK_SHOW_H

#include <stdbool.h>
#include <stdint.h>

#include "find.h"
#include "foretell.h"

/* From here on standard output is a terminal: with colours, names as they are where it has UTF-8, and lines that fit. */
void show_on_terminal(void);

/* For a person, in full. */
void show_report(const struct report *report);

/* For a person, one of many: a line, and what is wrong with it. `stale`: it has a grant, and is no script of capwrap's. */
void show_brief(const struct report *report, enum kind kind);

/* An object of the array that capwrap-check(8) describes. Bytes of a name that are not UTF-8 become lone surrogates
 * U+DC80 to U+DCFF, so that no name is lost. */
void show_json(const struct report *report);

/* Parts of these. For a person, a name with foreign bytes, and the warnings of a report. */
void show_name(const char *name);
void show_warnings(const struct report *report);

/* For a program: a string; a member of an object, behind another one, with a string or null; the member "capabilities". */
void show_string(const char *string);
void show_member(const char *key, const char *value);
void show_capabilities(uint64_t capabilities);

#endif
