/* --apply: grants what is listed, and revokes what was granted and is not. */
#ifndef CAPWRAP_GRANT_APPLY_H
#define CAPWRAP_GRANT_APPLY_H

#include "work.h"

/* Returns how the command ends. */
int lists_apply(struct work *work);

#endif
