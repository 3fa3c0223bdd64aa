/* A test program of one case: TESTS(name, test, test...) at the end of the file; TESTS_WITHIN where something must be
 * built before and removed after, also when a test fails. */
#ifndef CAPWRAP_TESTS_UNIT_H
#define CAPWRAP_TESTS_UNIT_H

#include <check.h>
#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

#define TESTS(name, ...) TESTS_WITHIN(name, NULL, NULL, __VA_ARGS__)

#define TESTS_WITHIN(name, before, after, ...) \
	int main(void) \
	{ \
		const TTest *const tests[] = {__VA_ARGS__}; \
		Suite *suite = suite_create(name); \
		TCase *tcase = tcase_create(name); \
		SRunner *runner = srunner_create(suite); \
		int failed; \
		tcase_add_unchecked_fixture(tcase, before, after); \
		for (size_t i = 0; i < COUNT(tests); i++) \
			tcase_add_test(tcase, tests[i]); \
		suite_add_tcase(suite, tcase); \
		srunner_run_all(runner, CK_ENV); \
		failed = srunner_ntests_failed(runner); \
		srunner_free(runner); \
		return failed ? EXIT_FAILURE : EXIT_SUCCESS; \
	}

#endif
