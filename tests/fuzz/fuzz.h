/* What the fuzzing targets share. Each compares the rules with a second, naive implementation of its own, written from
 * the manual and not from the source. */
#ifndef CAPWRAP_TESTS_FUZZ_H
#define CAPWRAP_TESTS_FUZZ_H

#undef NDEBUG /* the assertions are the test */
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
