/* The script's environment: built anew, from an allow-list. Pure. */
#ifndef CAPWRAP_ENVIRONMENT_H
#define CAPWRAP_ENVIRONMENT_H

#include <stdbool.h>

#define ENVIRONMENT_MAX 256 /* entries, and a NULL */

/* Fills `built` from the caller's `given`: the names in `kept` as they are, those of the allow-list where their value
 * is sane, and what keeps interpreters from loading or leaving code where the caller can write. Each name once: the
 * first that may stay. The strings are shared with `given`. */
void environment_build(const char *built[ENVIRONMENT_MAX], char *const given[], char *const kept[]);

/* A name that can be kept: a letter or _, then letters, digits and _. */
bool environment_is_name(const char *name);

/* Names by which the dynamic loader or the C library load code, write files or look elsewhere for what they trust. */
bool environment_steers_loader(const char *name);

#endif
