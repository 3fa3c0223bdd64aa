#include "proven.h"

#include <string.h>

#include "unit.h"

#define OK REASONS

/* Judges a line whose interpreter was found by one path, and really is another. */
static const char *wrapper = "/usr/bin/capwrap";

static enum reason judge(const char *text, const char *found, const char *real, size_t loose)
{
	static struct line line;
	static struct interpreter interpreter;
	static struct path script;
	struct refusal refusal = {.reason = OK};

	strcpy(line.text, text);
	strcpy(line.wrapper, wrapper);
	ck_assert_msg(line_parse(&line, &refusal), "%s", text);
	strcpy(interpreter.found, found);
	strcpy(interpreter.path.real, real);
	strcpy(script.real, "/loose/folder/script");
	script.loose = loose;
	return proven_trust(proven_find(&line, &interpreter), &line, &interpreter, &script, &refusal) ? OK : refusal.reason;
}

START_TEST(names)
{
	static const struct {
		const char *text, *found, *real;
		enum reason reason;
	} table[] = {
		{"python3", "/usr/bin/python3", "/usr/bin/python3.11", OK},
		{"python", "/venv/bin/python", "/usr/bin/python3.13", OK},
		{"python3", "/usr/bin/python3", "/usr/bin/python3", OK},
		{"python3", "/usr/bin/python3", "/usr/bin/node", PROVEN_UNKNOWN},
		{"python", "/usr/bin/python", "/usr/bin/python2.7", PROVEN_UNKNOWN},
		{"python2.7", "/usr/bin/python2.7", "/usr/bin/python2.7", PROVEN_UNKNOWN},
		{"python3", "/usr/bin/python3", "/usr/bin/python3.11-dbg", PROVEN_UNKNOWN},
		{"pypy3", "/usr/bin/pypy3", "/usr/bin/python3.11", PROVEN_UNKNOWN},
		{"python3 -I", "/usr/bin/python3", "/usr/bin/python3.9", OK},
		{"python3", "/usr/bin/python3", "/usr/bin/python3.10", PROVEN_NEEDS},
		{"python3", "/usr/bin/python3", "/usr/bin/python3.1", PROVEN_NEEDS},
		{"sh", "/bin/sh", "/usr/bin/dash", OK},
		{"sh", "/bin/sh", "/usr/bin/bash", OK},
		{"sh", "/bin/sh", "/bin/busybox", OK},
		{"sh", "/bin/sh", "/usr/bin/node", PROVEN_UNKNOWN},
		{"bash", "/bin/bash", "/usr/bin/dash", PROVEN_UNKNOWN},
		{"rbash", "/bin/rbash", "/usr/bin/bash", PROVEN_UNKNOWN},
		{"awk -f", "/usr/bin/awk", "/usr/bin/mawk", OK},
		{"awk -f", "/usr/bin/awk", "/usr/bin/gawk", OK},
		{"gawk -f", "/usr/bin/gawk", "/usr/bin/gawk", PROVEN_NEEDS},
		{"busybox sh -e", "/bin/busybox", "/bin/busybox", OK},
		{"busybox ash", "/bin/busybox", "/bin/busybox", PROVEN_UNKNOWN},
		{"busybox env", "/bin/busybox", "/bin/busybox", PROVEN_UNKNOWN},
		{"busybox", "/bin/busybox", "/bin/busybox", PROVEN_UNKNOWN},
		{"busybox sh sh", "/bin/busybox", "/bin/busybox", PROVEN_OPTION},
		{"node --disable-sigusr1", "/usr/bin/node", "/usr/bin/node", OK},
		{"javascript --disable-sigusr1", "/usr/bin/javascript", "/usr/bin/node", PROVEN_UNKNOWN},
		{"node --disable-sigusr1", "/usr/bin/node", "/usr/bin/javascript", PROVEN_UNKNOWN},
		{"octave", "/usr/bin/octave", "/usr/bin/octave-cli", PROVEN_UNKNOWN},
		{"--unproven octave", "/usr/bin/octave", "/usr/bin/octave-cli", OK},
		{"-U python3 -i", "/usr/bin/python3", "/usr/bin/python3.11", OK},
		{"make -f", "/usr/bin/make", "/usr/bin/make", PROVEN_NEVER},
		{"--unproven make -f", "/usr/bin/make", "/usr/bin/make", PROVEN_NEVER},
		{"-U gmake -f", "/usr/bin/gmake", "/usr/bin/x", PROVEN_NEVER},
		{"-U bmake -f", "/usr/bin/bmake", "/usr/bin/x", PROVEN_NEVER},
		{"-U R -f", "/usr/bin/R", "/usr/lib/R/bin/R", PROVEN_NEVER},
		{"-U x -f", "/usr/bin/x", "/usr/lib/R/bin/R", PROVEN_NEVER},
		{"-U env env", "/usr/bin/env", "/usr/bin/env", PROVEN_NEVER},
		{"Rscript", "/usr/bin/Rscript", "/usr/lib/R/bin/Rscript", OK},
	};

	for (size_t i = 0; i < COUNT(table); i++)
		ck_assert_msg(judge(table[i].text, table[i].found, table[i].real, 0) == table[i].reason, "%s %s", table[i].text,
			table[i].real);
}
END_TEST

START_TEST(options)
{
	static const struct {
		const char *text, *real;
		enum reason reason;
	} table[] = {
		{"python3 -I -u", "python3.11", OK},
		{"python3 -Iu -Wignore", "python3.11", OK},
		{"python3 -W ignore -X utf8", "python3.11", OK},
		{"python3 -uW ignore", "python3.11", OK},
		{"python3 -uWignore", "python3.11", PROVEN_OPTION},
		{"python3 -W -I", "python3.9", PROVEN_NEEDS},
		{"python3 -W ignore -I", "python3.9", OK},
		{"python3 -W", "python3.11", PROVEN_OPTION}, /* it would take the script */
		{"python3 -uW", "python3.11", PROVEN_OPTION},
		{"python3 -X utf8=2", "python3.11", PROVEN_OPTION},
		{"python3 -X dev", "python3.11", PROVEN_OPTION},
		{"python3 -Xfaulthandler", "python3.11", PROVEN_OPTION},
		{"python3 -Im", "python3.11", PROVEN_OPTION},
		{"python3 -i", "python3.11", PROVEN_OPTION},
		{"python3 -x", "python3.11", PROVEN_OPTION},
		{"python3 -", "python3.11", PROVEN_OPTION},
		{"python3 --", "python3.11", PROVEN_OPTION},
		{"python3 --help", "python3.11", PROVEN_OPTION},
		{"python3 other", "python3.11", PROVEN_OPTION},
		{"python3 utf8", "python3.11", PROVEN_OPTION},
		{"python3 -u ignore", "python3.11", PROVEN_OPTION},
		{"python3 -c", "python3.11", PROVEN_OPTION},
		{"python3 \"-u\"", "python3.11", PROVEN_OPTION},
		{"python3 PYTHONUTF8=1", "python3.11", PROVEN_OPTION},
		{"PYTHONUTF8=1 A=2 python3", "python3.11", OK},
		{"PYTHONINSPECT=1 python3", "python3.11", PROVEN_OPTION},
		{"PYTHONUTF8=1 dash", "dash", PROVEN_OPTION},
		{"-U PYTHONINSPECT=1 python3", "python3.11", OK},
		{"BASH_ENV=/x bash", "bash", PROVEN_OPTION},
		{"bash -euo pipefail", "bash", OK},
		{"bash -eu -o pipefail -o posix", "bash", OK},
		{"bash -o", "bash", PROVEN_OPTION},
		{"bash -eo", "bash", PROVEN_OPTION},
		{"bash -oe pipefail", "bash", PROVEN_OPTION},
		{"bash -opipefail", "bash", PROVEN_OPTION},
		{"bash -o history", "bash", PROVEN_OPTION},
		{"bash -s", "bash", PROVEN_OPTION},
		{"bash -es", "bash", PROVEN_OPTION},
		{"bash pipefail", "bash", PROVEN_OPTION},
		{"perl -Tw", "perl", OK},
		{"perl -CSDA", "perl", OK},
		{"perl -MEvil", "perl", PROVEN_OPTION},
		{"perl -n", "perl", PROVEN_OPTION},
		{"perl -d", "perl", PROVEN_OPTION},
		{"perl -s", "perl", PROVEN_OPTION},
		{"lua5.4 -E", "lua5.4", PROVEN_OPTION},
		{"lua5.4 -", "lua5.4", PROVEN_OPTION},
		{"gawk -E", "gawk", OK},
		{"gawk -bE", "gawk", OK},
		{"gawk -F : -v a=b -E", "gawk", OK},
		{"gawk -F: -va=b -E", "gawk", OK},
		{"gawk -vE", "gawk", PROVEN_OPTION},
		{"gawk -v -E", "gawk", PROVEN_OPTION},
		{"gawk -F -E", "gawk", PROVEN_OPTION},
		{"gawk -E -b", "gawk", PROVEN_NEEDS},
		{"gawk -E -E", "gawk", PROVEN_OPTION},
		{"gawk", "gawk", PROVEN_NEEDS},
		{"mawk -vx=f", "mawk", PROVEN_OPTION},
		{"mawk --f", "mawk", PROVEN_NEEDS},
		{"mawk f", "mawk", PROVEN_NEEDS},
		{"sed -nf", "sed", OK},
		{"sed -n -E -f", "sed", OK},
		{"sed -f -n", "sed", PROVEN_NEEDS},
		{"sed -nif", "sed", PROVEN_OPTION},
		{"sed -e -f", "sed", PROVEN_OPTION},
		{"expect -f", "expect", OK},
		{"expect", "expect", PROVEN_NEEDS},
		{"expect -c -f", "expect", PROVEN_OPTION},
		{"node", "node", PROVEN_NEEDS},
		{"node --permission --allow-fs-read=/opt --allow-worker", "node", OK},
		{"node --experimental-permission --allow-fs-read=*", "node", OK},
		{"node --permission --allow-fs-read=", "node", PROVEN_OPTION},
		{"node --disable-sigusr", "node", PROVEN_NEEDS},
		{"node --disable-sigusr1 --inspect", "node", PROVEN_OPTION},
		{"node --disable-sigusr1 -r", "node", PROVEN_OPTION},
		{"java -XX:+DisableAttachMechanism -XX:+SuppressFatalErrorMessage --source 17", "java", OK},
		{"java -XX:+DisableAttachMechanism", "java", PROVEN_NEEDS},
		{"java -XX:+SuppressFatalErrorMessage", "java", PROVEN_NEEDS},
		{"java -XX:+DisableAttachMechanism -XX:+SuppressFatalErrorMessage --source x", "java", PROVEN_OPTION},
		{"java -XX:+DisableAttachMechanism -XX:+SuppressFatalErrorMessage -cp .", "java", PROVEN_OPTION},
		{"tclsh -encoding utf-8", "tclsh8.6", OK},
		{"tclsh -encoding ebcdic", "tclsh8.6", PROVEN_OPTION},
		{"php -a", "php8.2", PROVEN_OPTION},
		{"php -dauto_prepend_file=x", "php8.2", PROVEN_OPTION},
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		char found[64] = "/bin/", real[64] = "/bin/";
		const char *text = table[i].text, *name = text;

		while (strchr(name, ' ') && (*name == '-' || memchr(name, '=', strcspn(name, " "))))
			name = strchr(name, ' ') + 1;
		strncat(found, name, strcspn(name, " "));
		strcat(real, table[i].real);
		ck_assert_msg(judge(text, found, real, 0) == table[i].reason, "%s", text);
	}
}
END_TEST

/* What Perl and Ruby would take for their own options. */
START_TEST(rereads)
{
	ck_assert_int_eq(judge("-n perl -T", "/usr/bin/perl", "/usr/bin/perl", 0), OK);
	ck_assert_int_eq(judge("--env perl -n perl", "/usr/bin/perl", "/usr/bin/perl", 0), PROVEN_REREAD);
	ck_assert_int_eq(judge("A=perl perl", "/usr/bin/perl", "/usr/bin/perl", 0), PROVEN_REREAD);
	ck_assert_int_eq(judge("-n /opt/perl5/bin/perl", "/opt/perl5/bin/perl", "/opt/perl5/bin/perl", 0), OK);
	ck_assert_int_eq(judge("--env ruby_x -n ruby", "/usr/bin/ruby", "/usr/bin/ruby3.1", 0), PROVEN_REREAD);
	ck_assert_int_eq(judge("--env ruby perl", "/usr/bin/perl", "/usr/bin/perl", 0), OK);
	ck_assert_int_eq(judge("-U --env perl -n perl", "/usr/bin/perl", "/usr/bin/perl", 0), OK);
	wrapper = "/opt/perl-tools/capwrap";
	ck_assert_int_eq(judge("-n perl", "/usr/bin/perl", "/usr/bin/perl", 0), PROVEN_REREAD);
	ck_assert_int_eq(judge("-n ruby", "/usr/bin/ruby", "/usr/bin/ruby3.1", 0), OK);
	wrapper = "/usr/bin/capwrap";
}
END_TEST

/* Only where the interpreter looks there. */
START_TEST(above)
{
	ck_assert_int_eq(judge("node --disable-sigusr1", "/bin/node", "/bin/node", strlen("/loose")), PROVEN_ABOVE);
	ck_assert_int_eq(judge("java -XX:+DisableAttachMechanism -XX:+SuppressFatalErrorMessage", "/bin/java", "/bin/java",
		strlen("/loose")), PROVEN_ABOVE);
	ck_assert_int_eq(judge("python3", "/bin/python3", "/bin/python3.11", strlen("/loose")), OK);
	ck_assert_int_eq(judge("-U node", "/bin/node", "/bin/node", strlen("/loose")), OK);
}
END_TEST

TESTS("proven", names, options, rereads, above)
