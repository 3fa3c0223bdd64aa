#include "path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

#define OK REASONS
#define SOMEBODY 54321
#define DEPTH 40

static const struct path_reasons script = {
	.step = PATH_STEP, .link = PATH_LINK, .owner = PATH_OWNER, .writable = PATH_WRITABLE, .sticky = PATH_STICKY,
	.nosuid = FILE_NOSUID,
};
static const struct path_reasons interpreter = {
	.step = INTERPRETER_STEP, .owner = INTERPRETER_OWNER, .writable = INTERPRETER_WRITABLE,
	.sticky = INTERPRETER_STICKY, .nosuid = INTERPRETER_NOSUID, .links = true,
};
static const struct path_reasons no_sticky = {
	.step = INTERPRETER_STEP, .owner = INTERPRETER_OWNER, .writable = INTERPRETER_WRITABLE,
	.sticky = INTERPRETER_STICKY, .nosuid = INTERPRETER_NOSUID, .links = true, .above = true,
};

static char top[] = "/tmp/capwrap-path-XXXXXX";

static void folder(const char *name, mode_t mode, uid_t uid)
{
	ck_assert_int_eq(mkdir(name, 0700), 0);
	ck_assert_int_eq(chown(name, uid, 0), 0);
	ck_assert_int_eq(chmod(name, mode), 0);
}

static void file(const char *name)
{
	int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0755);

	ck_assert_int_ge(fd, 0);
	close(fd);
}

static void file_link(const char *target, const char *name, uid_t uid)
{
	ck_assert_int_eq(symlink(target, name), 0);
	ck_assert_int_eq(lchown(name, uid, 0), 0);
}

/* Folders below each other, each with links up, down and to the middle. */
static void deep_build(void)
{
	char middle[64] = "", path[DEPTH * 5 + 8] = "";

	for (int i = 0; i < DEPTH; i++) {
		char link[sizeof path + 8];

		strcat(path, i ? "/deep" : "deep");
		folder(path, 0755, 0);
		if (i == 2)
			snprintf(middle, sizeof middle, "%s/%s", top, path);
		snprintf(link, sizeof link, "%s/up", path);
		file_link("..", link, 0);
		snprintf(link, sizeof link, "%s/down", path);
		file_link("deep/deep/deep", link, 0);
		snprintf(link, sizeof link, "%s/middle", path);
		file_link(i >= 2 ? middle : "deep", link, 0);
	}
}

static void tree_build(void)
{
	umask(0);
	ck_assert_ptr_nonnull(mkdtemp(top));
	ck_assert_int_eq(chmod(top, 0755), 0);
	ck_assert_int_eq(chdir(top), 0);

	folder("good", 0755, 0);
	file("good/file");
	folder("good/below", 0755, 0);
	file("good/below/file");
	folder("theirs", 0755, SOMEBODY);
	file("theirs/file");
	folder("theirs/good", 0755, 0);
	file("theirs/good/file");
	folder("group", 0775, 0);
	file("group/file");
	folder("all", 0757, 0);
	file("all/file");
	folder("sticky", 01777, 0);
	file("sticky/file");
	folder("sticky/good", 0755, 0);
	file("sticky/good/file");
	folder("sticky/sticky", 01777, 0);
	file("sticky/sticky/file");
	file_link("../../good/file", "sticky/good/link", 0);
	folder("theirs-sticky", 01777, SOMEBODY);
	folder("theirs-sticky/good", 0755, 0);
	file("theirs-sticky/good/file");

	file_link("good/file", "link", 0);
	file_link("good", "folder-link", 0);
	file_link("link", "second-link", 0);
	file_link("good/file", "their-link", SOMEBODY);
	file_link("../good/file", "sticky/link", 0);
	file_link("../good", "sticky/folder-link", 0);
	file_link("sticky/file", "to-sticky", 0);
	file_link("all/file", "to-all", 0);
	file_link("loop", "loop", 0);
	file_link("absent", "dangling", 0);
	file_link("/", "root", 0);
	deep_build();
}

static void tree_remove(void)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf %s", top);
	ck_assert_int_eq(system(command), 0);
}

/* Walks to a path below the tree. `real`, where given, is what it should come to, or the step that is refused. */
static void walk(const struct path_reasons *reasons, const char *below, enum reason reason, const char *real)
{
	char absolute[2 * PATH_MAX], expected[2 * PATH_MAX];
	struct refusal refusal = {.reason = OK};
	struct path path;
	bool walked;

	snprintf(absolute, sizeof absolute, "%s/%s", top, below);
	walked = path_walk(&path, absolute, reasons, &refusal);
	ck_assert_msg(walked == (reason == OK) && refusal.reason == reason, "%s: %d", below, refusal.reason);
	if (!real)
		return;
	snprintf(expected, sizeof expected, "%s%s%s", top, *real ? "/" : "", real);
	ck_assert_str_eq(walked ? path.real : refusal.object, expected);
}

static void walk_both(const char *below, enum reason as_script, enum reason as_interpreter, const char *real)
{
	walk(&script, below, as_script, real);
	walk(&interpreter, below, as_interpreter, real);
}

START_TEST(walks)
{
	walk_both("good/file", OK, OK, "good/file");
	walk_both("good/below/file", OK, OK, "good/below/file");
	walk_both("/good//below/./../file", OK, OK, "good/file");
	walk_both("../../../../tmp", OK, OK, NULL);
	walk_both("theirs/file", PATH_OWNER, INTERPRETER_OWNER, "theirs");
	walk_both("theirs/good/file", PATH_OWNER, INTERPRETER_OWNER, "theirs");
	walk_both("theirs/../good/file", PATH_OWNER, INTERPRETER_OWNER, "theirs");
	walk_both("group/file", PATH_WRITABLE, INTERPRETER_WRITABLE, "group");
	walk_both("all/file", PATH_WRITABLE, INTERPRETER_WRITABLE, "all");
	walk_both("sticky/file", PATH_STICKY, INTERPRETER_STICKY, "sticky");
	walk_both("sticky/./file", PATH_STICKY, INTERPRETER_STICKY, "sticky");
	walk_both("sticky/good/../file", PATH_STICKY, INTERPRETER_STICKY, "sticky");
	walk_both("sticky/good/file", OK, OK, "sticky/good/file");
	walk_both("sticky/sticky/file", PATH_STICKY, INTERPRETER_STICKY, "sticky/sticky");
	walk_both("sticky/sticky/../good/file", OK, OK, "sticky/good/file");
	walk_both("theirs-sticky/good/file", PATH_OWNER, INTERPRETER_OWNER, "theirs-sticky");
	walk_both("absent/file", PATH_STEP, INTERPRETER_STEP, "absent");
	walk_both("good/file/x", PATH_STEP, INTERPRETER_STEP, "good/file");

	walk_both("link", PATH_LINK, OK, NULL);
	walk_both("folder-link/file", PATH_LINK, OK, NULL);
	walk(&interpreter, "second-link", OK, "good/file");
	walk(&interpreter, "folder-link/below/../file", OK, "good/file");
	walk(&interpreter, "their-link", INTERPRETER_OWNER, "their-link");
	walk(&interpreter, "sticky/link", INTERPRETER_STICKY, "sticky");
	walk(&interpreter, "sticky/folder-link/file", OK, "good/file");
	walk(&interpreter, "to-sticky", INTERPRETER_STICKY, "sticky");
	walk(&interpreter, "to-all", INTERPRETER_WRITABLE, "all");
	walk(&interpreter, "loop", INTERPRETER_STEP, "loop");
	walk(&interpreter, "dangling", INTERPRETER_STEP, "absent");
	walk(&interpreter, "root/tmp/../bin/sh", OK, NULL);
}
END_TEST

/* /tmp is one above all of these. */
START_TEST(above)
{
	struct refusal refusal = {.reason = OK};
	struct path path;

	walk(&no_sticky, "good/file", INTERPRETER_STICKY, NULL);
	ck_assert(path_walk(&path, "/bin/sh", &no_sticky, &refusal));
	ck_assert_uint_eq(path.loose, 0);
	ck_assert(!path_walk(&path, "/tmp/x", &no_sticky, &refusal));
	ck_assert_int_eq(refusal.reason, INTERPRETER_STICKY);
	ck_assert_str_eq(refusal.object, "/tmp");
	ck_assert(path_walk(&path, "/tmp/../usr", &no_sticky, &refusal));
	ck_assert_str_eq(path.real, "/usr");
}
END_TEST

/* Up, down and across, the walk comes to where the C library comes, and says so. */
START_TEST(deep)
{
	static const char *const steps[] = {"deep", "deep", "deep", "down", "..", "up", "middle", ".", "deep/deep/deep/deep"};
	unsigned seed = 1, reached = 0;

	for (int i = 0; i < 1500; i++) {
		char absolute[PATH_MAX], real[PATH_MAX];
		struct refusal refusal = {.room = 0};
		struct path path;

		snprintf(absolute, sizeof absolute, "%s", top);
		for (int left = rand_r(&seed) % 60; left; left--) {
			strcat(absolute, "/");
			strcat(absolute, steps[rand_r(&seed) % COUNT(steps)]);
		}
		if (!realpath(absolute, real) || strncmp(real, top, strlen(top)) != 0)
			continue;
		if (path_walk(&path, absolute, &interpreter, &refusal)) {
			ck_assert_str_eq(path.real, real);
			reached += strlen(real) > 100;
		} else { /* in /tmp, on the way, or too many links for it and not for the library */
			ck_assert(refusal.reason == INTERPRETER_STICKY || refusal.error == ELOOP);
		}
	}
	ck_assert_uint_gt(reached, 30);
}
END_TEST

/* No length of a path or of links on it goes past a buffer. */
START_TEST(lengths)
{
	static char absolute[2 * PATH_MAX];
	struct refusal refusal = {.reason = OK};
	struct path path;

	for (size_t length = 1; length < sizeof absolute; length += length < 4000 || length > 4200 ? 97 : 1) {
		memset(absolute, 'a', length);
		absolute[0] = '/';
		absolute[length] = 0;
		if (length > 1)
			ck_assert(!path_walk(&path, absolute, &script, &refusal));
		for (size_t i = 1; i < length; i += 2)
			absolute[i] = '.', absolute[i - 1] = '/';
		absolute[length - 1] = '/';
		ck_assert(path_walk(&path, absolute, &interpreter, &refusal));
		ck_assert_str_eq(path.real, "");
	}
}
END_TEST

/* A path as long as the buffer for it: not a byte is written behind that. */
START_TEST(longest)
{
	static char absolute[PATH_MAX + 1];
	char name[200];
	size_t length = strlen(top), last;
	struct refusal refusal = {.reason = OK};
	struct path path;

	strcpy(absolute, top);
	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = 0;
	while (PATH_MAX - length > sizeof name + 1) {
		folder(name, 0755, 0);
		ck_assert_int_eq(chdir(name), 0);
		length += (size_t)sprintf(absolute + length, "/%s", name);
	}
	last = PATH_MAX - length - 1;
	memset(absolute + length + 1, 'l', last);
	absolute[length] = '/';
	name[last - 1] = 0;
	memset(name, 'l', last - 1);
	file(name);
	ck_assert_int_eq(chdir(top), 0);

	memset(&path, '=', sizeof path);
	ck_assert(!path_walk(&path, absolute, &script, &refusal));
	ck_assert_int_eq(refusal.error, ENAMETOOLONG);
	ck_assert_int_eq(path.way[0], '=');
	absolute[PATH_MAX - 1] = 0;
	ck_assert(path_walk(&path, absolute, &script, &refusal));
	ck_assert_str_eq(path.real, absolute);
}
END_TEST

/* The root directory may be sticky, too, and is walked from again behind an absolute link. */
START_TEST(sticky_root)
{
	static const struct {
		const char *absolute;
		enum reason script, interpreter;
	} cases[] = {
		{"/file", PATH_STICKY, INTERPRETER_STICKY},
		{"/below/file", OK, INTERPRETER_STICKY},
		{"/below/link", OK, INTERPRETER_STICKY},
		{"/below/to-file", PATH_STICKY, INTERPRETER_STICKY},
	};
	const struct path_reasons with_links = {.sticky = PATH_STICKY, .links = true};
	int outside = open("/", O_PATH | O_DIRECTORY);

	folder("loose-root", 01777, 0);
	ck_assert_int_eq(chdir("loose-root"), 0);
	ck_assert_int_eq(chroot("."), 0);
	folder("below", 0755, 0);
	file("file");
	file("below/file");
	file_link("/below/file", "below/link", 0);
	file_link("/file", "below/to-file", 0);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct refusal refusal = {.reason = OK};
		struct path path;

		(void)path_walk(&path, cases[i].absolute, &with_links, &refusal);
		ck_assert_int_eq(refusal.reason, cases[i].script);
		refusal.reason = OK;
		(void)path_walk(&path, cases[i].absolute, &no_sticky, &refusal);
		ck_assert_int_eq(refusal.reason, cases[i].interpreter);
	}
	/* A sanitizer wants its /proc at the end. */
	ck_assert_int_eq(fchdir(outside), 0);
	ck_assert_int_eq(chroot("."), 0);
	close(outside);
}
END_TEST

START_TEST(modes)
{
	ck_assert(!path_writable(0755));
	ck_assert(!path_writable(0700));
	ck_assert(path_writable(0775));
	ck_assert(path_writable(0757));
	ck_assert(path_writable(0720));
}
END_TEST

/* Two files are one where all three say so. */
START_TEST(sameness)
{
	const struct statx one = {.stx_dev_major = 8, .stx_dev_minor = 1, .stx_ino = 5};

	ck_assert(file_same(&one, &(struct statx){.stx_dev_major = 8, .stx_dev_minor = 1, .stx_ino = 5}));
	ck_assert(!file_same(&one, &(struct statx){.stx_dev_major = 9, .stx_dev_minor = 1, .stx_ino = 5}));
	ck_assert(!file_same(&one, &(struct statx){.stx_dev_major = 8, .stx_dev_minor = 2, .stx_ino = 5}));
	ck_assert(!file_same(&one, &(struct statx){.stx_dev_major = 8, .stx_dev_minor = 1, .stx_ino = 6}));
}
END_TEST

TESTS_WITHIN("path", tree_build, tree_remove, walks, above, deep, lengths, longest, sticky_root, modes, sameness)
