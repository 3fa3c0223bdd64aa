/* Capabilities as people write them. */
#ifndef CAPWRAP_GRANT_NAMES_H
#define CAPWRAP_GRANT_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "text.h"

/* NAME[,NAME...], with or without cap_ before each, in any case; what setcap(8) has behind them, =i or =ip, says nothing
 * more. Otherwise false, and `wrong` says why. */
bool names_parse(uint64_t *capabilities, const char *words, struct text *wrong);

#endif
