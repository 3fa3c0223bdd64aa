/* Names in UTF-8. */
#ifndef CAPWRAP_CHECK_UTF8_H
#define CAPWRAP_CHECK_UTF8_H

#include <stdbool.h>

/* The bytes of the character at the beginning of a text in UTF-8, as RFC 3629 has it, and which it is; 0 where there is none. */
unsigned utf8_next(const char *string, unsigned *point);

/* What a terminal takes for an order: C1, and those that turn the direction of what follows. */
bool utf8_is_control(unsigned point);

#endif
