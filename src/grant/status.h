/* What the lists say of a script, and how it is. */
#ifndef CAPWRAP_GRANT_STATUS_H
#define CAPWRAP_GRANT_STATUS_H

#include "list.h"
#include "target.h"

enum state {
	STATE_GRANTED,  /* as listed */
	STATE_LOST,     /* it has no capabilities */
	STATE_OTHER,    /* it has other capabilities */
	STATE_UNTURNED, /* its first line names no wrapper */
	STATE_EDITED,   /* it holds something else than the list's hash is of */
	STATE_MISSING,  /* it is not there */
	STATE_REFUSED,  /* capwrap would not trust its path or its file */
	STATE_UNSEEN,   /* who asks may not read it */
	STATE_UNLISTED, /* it was granted by this program, and is no longer listed */
	STATES
};

/* Opens a listed script, and compares. After STATE_MISSING, STATE_UNSEEN and STATE_REFUSED, which the refusal explains, it is closed. */
enum state state_of(const struct entry *entry, struct target *target, struct refusal *refusal);

/* The same of one in the ledger that is no longer listed: STATE_UNLISTED where it has the grant that was made here, else
 * STATE_OTHER; STATE_MISSING also where there is a link by now. */
enum state state_of_unlisted(const struct entry *entry, struct target *target, struct refusal *refusal);

/* The words of the fix of a state, or of what is refused: nothing that would make root's what others can change. */
const char *status_fix(enum state state, const struct refusal *refusal);

/* Tells of all; nonzero where something differs. */
int status_show(const struct list *lists, const struct list *ledger, bool json);

#endif
