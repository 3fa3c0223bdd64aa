#include "environment.h"

#include <string.h>

#include "unit.h"

static const char *built[ENVIRONMENT_MAX];

static size_t count(void)
{
	size_t n = 0;

	while (built[n])
		n++;
	return n;
}

/* The entry NAME=VALUE, where there is exactly one of that name. */
static const char *entry(const char *name)
{
	const char *found = NULL;
	size_t length = strlen(name);

	for (size_t i = 0; built[i]; i++) {
		if (strncmp(built[i], name, length) || built[i][length] != '=')
			continue;
		ck_assert_msg(!found, "%s twice", name);
		found = built[i];
	}
	return found;
}

static void build_with(char *const given[], char *const kept[], char *const assigned[])
{
	static char *const none[] = {NULL};

	environment_build(built, given ? given : none, &(struct environment){
		.kept = kept ? kept : none,
		.assigned = assigned ? assigned : none,
		.modules = "PYTHONPATH=/modules",
	});
}

static void build(char *const given[], char *const kept[])
{
	build_with(given, kept, NULL);
}

START_TEST(set)
{
	build(NULL, NULL);
	ck_assert_str_eq(entry("PATH"), "PATH=" SECURE_PATH);
	ck_assert_str_eq(entry("HOME"), "HOME=/dev/null");
	ck_assert_str_eq(entry("SHELL"), "SHELL=/bin/sh");
	ck_assert_str_eq(entry("PYTHONNOUSERSITE"), "PYTHONNOUSERSITE=1");
	ck_assert_str_eq(entry("PYTHONSAFEPATH"), "PYTHONSAFEPATH=1");
	ck_assert_str_eq(entry("PYTHONPATH"), "PYTHONPATH=/modules");
	for (size_t i = 0; built[i]; i++) {
		ck_assert_ptr_nonnull(strchr(built[i], '='));
		ck_assert_msg(!strstr(built[i], "./") && !strstr(built[i], ";;"), "%s", built[i]);
	}
}
END_TEST

START_TEST(values)
{
	static const struct {
		char *entry;
		bool stays;
	} table[] = {
		{"TERM=xterm-256color", true}, {"COLORTERM=truecolor", true}, {"NO_COLOR=", true}, {"COLUMNS=80", false},
		{"LINES=24", false}, {"LANG=de_DE.UTF-8@euro", true}, {"LC_ALL=C", true}, {"LC_X_1=C", false}, {"LC_MEASUREMENT=C", true}, {"LC_ALLX=C", false},
		{"TZ=Europe/Berlin", true}, {"TZ=UTC+1", true}, {"TERM=a/b", false}, {"TERM=a b", false},
		{"LANG=", true}, {"LANG=C.UTF-8", true}, {"LC_ALL=POSIX", true}, {"LANG=ja_JP", true}, {"LANG=ast_ES.utf8", true},
		{"LANG=de_DE.ISO-8859-15@euro", true}, {"LANG=sr_RS@latin", true}, {"LANG=ebcdic", false},
		{"LANG=xx.ebcdic", false}, {"LC_CTYPE=xx.UTF-16LE", false}, {"LC_ALL=unicode", false}, {"LANG=C.IBM037", false},
		{"LANG=de_D", false}, {"LANG=de_DEU", false}, {"LANG=de.", false}, {"LANG=de@", false}, {"LANG=C_DE", false},
		{"LANG=de_DE.UTF-8@", false}, {"LANG=de_DE.UTF-8.ebcdic", false}, {"LANG=de@a.ebcdic", false},
		{"LANG=POSIXX", false}, {"LANG=.UTF-8", false}, {"LANG=CC", false}, {"LANG=d", false}, {"LANG=de_DE.ISO-8859-", false},
		{"TERM=\x1b", false}, {"TERM=a\nb", false}, {"LANG=../x", false}, {"LC_ALL=/tmp/x", false},
		{"LC_ALL=\xc3\xa4", false}, {"TZ=/tmp/x", false}, {"TZ=:Europe/Berlin", false},
		{"TZ=a/../../tmp/x", false}, {"TZ=..", false}, {"TERMINFO=/tmp", false}, {"TER=x", false},
		{"LC_A-B=C", false}, {"LC_", false}, {"LANGUAGE=de", false}, {"LD_PRELOAD=x", false}, {"=x", false},
		{"", false}, {"TERM", false}, {"BASH_FUNC_ls%%=() { id; }", false},
	};

	build(NULL, NULL);
	size_t fixed = count();

	for (size_t i = 0; i < COUNT(table); i++) {
		char *given[] = {table[i].entry, NULL};

		build(given, NULL);
		ck_assert_msg(count() == fixed + table[i].stays, "%s", table[i].entry);
		if (table[i].stays)
			ck_assert_ptr_eq(built[0], table[i].entry);
	}
}
END_TEST

START_TEST(once)
{
	char *given[] = {"TERM=a b", "TERM=first", "X", "PATH=/tmp", "TERM=second", "A=1", "A=2", NULL};
	char *kept[] = {"A", "B", NULL};

	build(given, kept);
	ck_assert_str_eq(entry("TERM"), "TERM=first");
	ck_assert_str_eq(entry("A"), "A=1");
	ck_assert_str_eq(entry("PATH"), "PATH=" SECURE_PATH);
	ck_assert_ptr_null(entry("B"));
}
END_TEST

START_TEST(kept_as_it_is)
{
	char *given[] = {"HOME=/home/x y", "TERM=a b", "AB=2", "A=\x1b[0m", NULL};
	char *kept[] = {"HOME", "TERM", "A", NULL};

	build(given, kept);
	ck_assert_str_eq(entry("HOME"), "HOME=/home/x y");
	ck_assert_str_eq(entry("TERM"), "TERM=a b");
	ck_assert_str_eq(entry("A"), "A=\x1b[0m");
	ck_assert_ptr_null(entry("AB"));
}
END_TEST

/* A kept name that begins with one that is set takes nothing from it. */
START_TEST(beginnings)
{
	char *given[] = {"PATHX=1", "PATH_=2", "HOMEPAGE=3", "PAT=4", NULL}, *kept[] = {"PATHX", "PATH_", "HOMEPAGE", "PAT", NULL};

	build(given, kept);
	ck_assert_str_eq(entry("PATHX"), "PATHX=1");
	ck_assert_str_eq(entry("PAT"), "PAT=4");
	ck_assert_str_eq(entry("PATH"), "PATH=" SECURE_PATH);
	ck_assert_str_eq(entry("HOME"), "HOME=/dev/null");
}
END_TEST

/* What the line assigns counts before all that the caller has, and the last of a name. */
START_TEST(assigned)
{
	char *given[] = {"A=caller", "TERM=caller", "B=caller", NULL}, *kept[] = {"A", "B", NULL};
	char *given_by_line[] = {"A=1", "TERM=2", "C=", "A=3", NULL};

	build_with(given, kept, given_by_line);
	ck_assert_str_eq(entry("A"), "A=3");
	ck_assert_str_eq(entry("TERM"), "TERM=2");
	ck_assert_str_eq(entry("B"), "B=caller");
	ck_assert_str_eq(entry("C"), "C=");
}
END_TEST

/* A value of the caller's is no longer than this. */
START_TEST(value_lengths)
{
	char longest[300] = "TERM=";
	char *given[] = {longest, NULL};

	memset(longest + 5, 'x', 255);
	build(given, NULL);
	ck_assert_str_eq(entry("TERM"), longest);
	longest[5 + 255] = 'x';
	build(given, NULL);
	ck_assert_ptr_null(entry("TERM"));
}
END_TEST

/* However much the caller gives, what is fixed has its place. */
START_TEST(flood)
{
	static char names[1000][16], kept_names[1000][8];
	char *given[1001] = {NULL}, *kept[1001] = {NULL};

	for (size_t i = 0; i < 1000; i++) {
		strcpy(names[i], "A000=C");
		names[i][1] = (char)('0' + i / 100);
		names[i][2] = (char)('0' + i / 10 % 10);
		names[i][3] = (char)('0' + i % 10);
		given[i] = names[i];
		kept[i] = memcpy(kept_names[i], names[i], 4);
	}
	build(given, kept);
	ck_assert_uint_eq(count(), ENVIRONMENT_MAX - 1);
	ck_assert_str_eq(entry("PATH"), "PATH=" SECURE_PATH);
	ck_assert_str_eq(entry("HOME"), "HOME=/dev/null");
	ck_assert_ptr_nonnull(entry("DOTNET_EnableDiagnostics"));
}
END_TEST

START_TEST(names)
{
	static const char *const good[] = {"A", "_", "a1", "LC_ALL"}, *const bad[] = {"", "1", "A B", "A=", "A-", "\xff"};
	static const char *const steering[] = {"LD_PRELOAD", "LD_", "GLIBC_TUNABLES", "GCONV_PATH", "MALLOC_TRACE"};
	static const char *const harmless[] = {"LD", "PATH", "GLIBC", "LDX"};
	static const char *const all[] = {"GCONV_PATH", "GETCONF_DIR", "GLIBC_TUNABLES", "HOSTALIASES", "LOCALDOMAIN", "LOCPATH",
		"MUSL_LOCPATH", "NIS_PATH", "NLSPATH", "RESOLV_HOST_CONF", "RES_OPTIONS", "TZDIR"};
	static const char *const interpreters[] = {"PYTHONINSPECT", "PYTHONSTARTUP=x", "ENV", "ENV=x", "NODE_OPTIONS", "PERL5OPT",
		"BASH_ENV", "RUBYOPT", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "R_PROFILE", "LUA_INIT_5_4", "PS4", "TCLLIBPATH"};
	static const char *const of_nobody[] = {"ENVIRONMENT", "MY_ENV", "A", "PS40", "RX", "IFSX", "LANG", "TZ"};

	for (size_t i = 0; i < COUNT(good); i++)
		ck_assert(environment_is_name(good[i]));
	for (size_t i = 0; i < COUNT(bad); i++)
		ck_assert(!environment_is_name(bad[i]));
	for (size_t i = 0; i < COUNT(steering); i++)
		ck_assert(environment_steers_loader(steering[i]));
	for (size_t i = 0; i < COUNT(harmless); i++)
		ck_assert(!environment_steers_loader(harmless[i]));
	for (size_t i = 0; i < COUNT(all); i++)
		ck_assert(environment_steers_loader(all[i]));
	for (size_t i = 0; i < COUNT(interpreters); i++)
		ck_assert_msg(environment_steers_interpreter(interpreters[i]), "%s", interpreters[i]);
	for (size_t i = 0; i < COUNT(of_nobody); i++)
		ck_assert_msg(!environment_steers_interpreter(of_nobody[i]), "%s", of_nobody[i]);
	ck_assert(environment_sets("PATH"));
	ck_assert(environment_sets("PYTHONPATH"));
	ck_assert(environment_sets("DOTNET_EnableDiagnostics"));
	ck_assert(!environment_sets("PAT"));
	ck_assert(!environment_sets("PATHX"));
	ck_assert(!environment_sets(""));
}
END_TEST

TESTS("environment", set, values, once, kept_as_it_is, beginnings, assigned, value_lengths, flood, names)
