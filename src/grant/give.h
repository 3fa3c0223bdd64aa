/* Gives a script its grant, and takes it away. Each is told, and returns how the command ends. */
#ifndef CAPWRAP_GRANT_GIVE_H
#define CAPWRAP_GRANT_GIVE_H

#include <stdbool.h>
#include <stddef.h>

#include "target.h"
#include "work.h"

/* Puts the wrapper into its line, and that with the grant in its place. */
int script_grant(struct work *work, const char *asked);

/* Puts that content, with that grant, in its place, and on record. */
int script_put(struct work *work, struct target *target, const char *bytes, size_t size, bool edited);

/* Takes a script out of the list, and its capabilities away. */
int script_revoke(struct work *work, const char *asked);

#endif
