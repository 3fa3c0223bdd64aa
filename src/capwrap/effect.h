/* What a decision brings about. */
#ifndef CAPWRAP_EFFECT_H
#define CAPWRAP_EFFECT_H

#include <stdbool.h>

#include "call.h"
#include "decision.h"
#include "refusal.h"

/* Becomes the interpreter, with the grant and nothing else. Comes back only with a refusal. */
bool effect_run(struct decision *decision, const struct call *call, struct refusal *refusal);

#endif
