#include "script.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

#define OK REASONS

static char top[] = "/tmp/capwrap-script-XXXXXX";

static void *path_of(const char *name)
{
	static char path[64];

	snprintf(path, sizeof path, "%s/%s", top, name);
	return path;
}

static enum reason open_and_judge(struct script *script, const char *path)
{
	struct refusal refusal = {.room = 0};

	if (script_open(script, path, &refusal) && script_executable(script, &refusal))
		return OK;
	return refusal.reason;
}

static void top_make(void)
{
	ck_assert_ptr_nonnull(mkdtemp(top));
}

static void top_remove(void)
{
	unlink(path_of("file"));
	unlink(path_of("fifo"));
	ck_assert_int_eq(rmdir(top), 0);
}

START_TEST(opens)
{
	struct script script;
	FILE *file;

	file = fopen(path_of("file"), "w");
	ck_assert_ptr_nonnull(file);
	fputs("#!/w x\n", file);
	ck_assert_int_eq(chmod(path_of("file"), 0755), 0);
	ck_assert_int_eq(open_and_judge(&script, path_of("file")), EXECUTE_BUSY);
	fclose(file);

	ck_assert_int_eq(open_and_judge(&script, path_of("file")), OK);
	ck_assert_str_eq(script.path.real, path_of("file"));

	ck_assert_int_eq(chmod(path_of("file"), 0644), 0);
	ck_assert_int_eq(open_and_judge(&script, path_of("file")), EXECUTE_DENIED);
	ck_assert_int_eq(chmod(path_of("file"), 0775), 0);
	ck_assert_int_eq(open_and_judge(&script, path_of("file")), FILE_WRITABLE);
	ck_assert_int_eq(chmod(path_of("file"), 0755), 0);
	ck_assert_int_eq(chown(path_of("file"), 54321, 0), 0);
	ck_assert_int_eq(open_and_judge(&script, path_of("file")), FILE_OWNER);
	ck_assert_int_eq(open_and_judge(&script, path_of("absent")), PATH_RESOLVE);
	ck_assert_int_eq(open_and_judge(&script, "/usr"), FILE_TYPE);
	ck_assert_int_eq(open_and_judge(&script, ""), PATH_RESOLVE);
	ck_assert_int_eq(mkfifo(path_of("fifo"), 0755), 0);
	ck_assert_int_eq(open_and_judge(&script, path_of("fifo")), FILE_TYPE);
}
END_TEST

TESTS_WITHIN("script", top_make, top_remove, opens)
