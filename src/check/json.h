/* A report for a program, and parts of it for other programs that write JSON. Bytes of a name that are not UTF-8 become lone
 * surrogates U+DC80 to U+DCFF, so that no name is lost. */
#ifndef CAPWRAP_CHECK_JSON_H
#define CAPWRAP_CHECK_JSON_H

#include <stdint.h>

#include "foretell.h"

/* An object of the array that capwrap-check(8) describes. */
void json_report(const struct report *report);

/* A string; a member of an object, behind another one, with a string or null; the member "capabilities". */
void json_string(const char *string);
void json_member(const char *key, const char *value);
void json_capabilities(uint64_t capabilities);

#endif
