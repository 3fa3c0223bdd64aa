#include "interpreter.h"

#include <stdio.h>
#include <string.h>

#include "unit.h"

#define OK REASONS

static enum reason find(struct interpreter *interpreter, const char *word)
{
	struct refusal refusal = {.room = 0};

	return interpreter_find(interpreter, word, &refusal) ? OK : refusal.reason;
}

START_TEST(finds)
{
	struct interpreter interpreter;
	char longest[256];

	ck_assert_int_eq(setenv("PATH", "/proc/self", 1), 0);
	ck_assert_int_eq(find(&interpreter, "sh"), OK);
	ck_assert_str_eq(strrchr(interpreter.found, '/'), "/sh");
	ck_assert_int_eq(find(&interpreter, "/bin/sh"), OK);
	ck_assert_str_eq(interpreter.found, "/bin/sh");
	ck_assert_int_eq(find(&interpreter, "exe"), INTERPRETER_ABSENT);
	ck_assert_int_eq(find(&interpreter, "/absent/sh"), INTERPRETER_ABSENT);
	ck_assert_int_eq(find(&interpreter, "/bin/sh/x"), INTERPRETER_ABSENT);
	ck_assert_int_eq(find(&interpreter, "bin/sh"), INTERPRETER_RELATIVE);
	ck_assert_int_eq(find(&interpreter, "./sh"), INTERPRETER_RELATIVE);
	ck_assert_int_eq(find(&interpreter, "/etc/passwd"), INTERPRETER_DENIED);
	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = 0;
	ck_assert_int_eq(find(&interpreter, longest), INTERPRETER_ABSENT);
}
END_TEST

/* The first bytes of a program, which tell its machine. */
static void head_read(const char *path, char head[20])
{
	FILE *file = fopen(path, "r");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fread(head, 1, 20, file), 20);
	fclose(file);
}

START_TEST(trusts)
{
	struct refusal refusal = {.reason = OK};
	struct interpreter interpreter;
	char own[20], of_shell[20];
	bool trusted;

	/* In an emulator the shell is of another machine. */
	head_read("/proc/self/exe", own);
	head_read("/bin/sh", of_shell);
	ck_assert_int_eq(find(&interpreter, "sh"), OK);
	trusted = interpreter_trust(&interpreter, "/proc/self/exe", 1, &refusal);
	ck_assert(trusted == (!memcmp(own, of_shell, 6) && !memcmp(own + 18, of_shell + 18, 2)));
	if (!trusted) {
		ck_assert_int_eq(refusal.reason, INTERPRETER_PROGRAM);
		return;
	}
	ck_assert(!interpreter.file.present);
	ck_assert(!interpreter_contains(&interpreter, 1, &refusal));
	ck_assert_int_eq(refusal.reason, CONTAIN_UNCOVERED);
	ck_assert_uint_eq(refusal.capabilities, 1);

	ck_assert(!interpreter_trust(&interpreter, interpreter.found, 1, &refusal));
	ck_assert_int_eq(refusal.reason, INTERPRETER_SELF);
	ck_assert(!interpreter_trust(&interpreter, "/absent", 1, &refusal));
	ck_assert_int_eq(refusal.reason, INTERPRETER_SELF);

	strcpy(interpreter.found, "/usr");
	ck_assert(!interpreter_trust(&interpreter, "/proc/self/exe", 1, &refusal));
	ck_assert_int_eq(refusal.reason, INTERPRETER_TYPE);
	strcpy(interpreter.found, "/usr/bin/ldd");
	ck_assert(!interpreter_trust(&interpreter, "/proc/self/exe", 1, &refusal));
	ck_assert_int_eq(refusal.reason, INTERPRETER_PROGRAM);
}
END_TEST

TESTS("interpreter", finds, trusts)
