/* What fixes what a report has: commands to paste. */
#ifndef CAPWRAP_CHECK_FIX_H
#define CAPWRAP_CHECK_FIX_H

#include <stdint.h>

#include "foretell.h"
#include "refusal.h"
#include "text.h"

/* What the script has, also where that is refused. */
uint64_t report_grant(const struct report *report);

/* What fixes one fault alone, as the wrapper says it, which ends at the first and knows the real path only behind the walk. */
void fix_of_wrapper(struct text *fix, const struct report *report, const struct verdict *verdict);

/* What fixes all, each by `put`, in the order in which to paste: a script that has to be moved is fixed where it will be, and is
 * granted at the end, since each change takes the grant away. */
void fixes_each(const struct report *report, const struct verdict *verdict,
	void (*put)(const struct text *fix, void *data), void *data);

#endif
