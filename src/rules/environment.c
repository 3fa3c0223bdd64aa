#include "environment.h"

#include <stddef.h>
#include <string.h>

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define LETTERS LOWER UPPER
#define DIGITS "0123456789"

/* Lua's own default without "./", once for each version that reads a variable of its own. */
#define LUA(suffix, version) \
	"LUA_PATH" suffix "=/usr/local/share/lua/" version "/?.lua;/usr/local/share/lua/" version "/?/init.lua;" \
	"/usr/local/lib/lua/" version "/?.lua;/usr/local/lib/lua/" version "/?/init.lua;" \
	"/usr/share/lua/" version "/?.lua;/usr/share/lua/" version "/?/init.lua", \
	"LUA_CPATH" suffix "=/usr/local/lib/lua/" version "/?.so;/usr/lib/" MULTIARCH "lua/" version "/?.so;" \
	"/usr/lib/lua/" version "/?.so;/usr/local/lib/lua/" version "/loadall.so"

/* Set whatever the caller has, unless the line keeps the name. */
static const char fixed[][224 + sizeof SECURE_PATH + sizeof MULTIARCH] = {
	"PYTHONPATH=", /* is completed with the script's directory, so that its modules are found */
	"PYTHONSAFEPATH=1",
	"PATH=" SECURE_PATH,
	"SHELL=/bin/sh",

	/* A pager runs what is typed. */
	"PAGER=cat",
	"MANPAGER=cat",
	"GIT_PAGER=cat",
	"SYSTEMD_PAGER=cat",
	"LESSSECURE=1",

	/* No file can be made below it, not even with CAP_DAC_OVERRIDE; without HOME some interpreters ask passwd. */
	"HOME=/dev/null",

	"PYTHONNOUSERSITE=1",
	"PYTHONDONTWRITEBYTECODE=1", /* a __pycache__ made with CAP_DAC_OVERRIDE would be the caller's */
	"PERL5OPT=" PERL_CONFIGURES,
	"GUILE_AUTO_COMPILE=0",
	"R_PROFILE_USER=/dev/null",
	"R_ENVIRON_USER=/dev/null",
	"AWKPATH=/usr/local/share/awk:/usr/share/awk",
	LUA("", "5.1"),
	LUA("_5_2", "5.2"),
	LUA("_5_3", "5.3"),
	LUA("_5_4", "5.4"),
	"CLASSPATH=/dev/null/none", /* Java's default is the current directory */
	"JAVA_TOOL_OPTIONS=-XX:+DisableAttachMechanism -XX:-UsePerfData -Duser.home=/dev/null", /* else the home is passwd's */
	"DOTNET_EnableDiagnostics=0",
	"NODE_DISABLE_COMPILE_CACHE=1", /* it believes what lies in /tmp */
};

#define VALUE_MAX 255 /* ksh93 dies of what is much longer */

/* Kept where the value is sane. */
static const char allowed[][20] = {
	"TERM", "COLORTERM", "NO_COLOR", "TZ", "LANG", "LC_ALL", "LC_ADDRESS", "LC_COLLATE", "LC_CTYPE",
	"LC_IDENTIFICATION", "LC_MEASUREMENT", "LC_MESSAGES", "LC_MONETARY", "LC_NAME", "LC_NUMERIC", "LC_PAPER",
	"LC_TELEPHONE", "LC_TIME",
};

static const char loader[][20] = {
	"GCONV_PATH", "GETCONF_DIR", "GLIBC_TUNABLES", "HOSTALIASES", "LOCALDOMAIN", "LOCPATH", "MUSL_LOCPATH",
	"NIS_PATH", "NLSPATH", "RESOLV_HOST_CONF", "RES_OPTIONS", "TZDIR",
};

/* A * stands for any rest. */
static const char interpreters[][12] = {
	"AWK*", "BASH*", "BUNDLE_*", "CDPATH", "CLASSPATH", "DOTNET_*", "DOTDIR", "ENV", "EXPECT*", "FPATH", "GAWK_*", "GEM_*",
	"GUILE_*", "IFS", "JAVA_*", "JDK_*", "LUA_*", "MAWK*", "NODE_*", "PERL*", "PHP*", "POSIXLY_*", "PS4", "PYTHON*", "R_*",
	"RHOME", "RUBY*", "SHELLOPTS", "TCL*", "ZDOTDIR", "_JAVA_*",
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static bool starts(const char *text, const char *start)
{
	return !strncmp(text, start, strlen(start));
}

bool environment_is_name(const char *name)
{
	return *name && !strchr(DIGITS, *name) && !name[strspn(name, LETTERS DIGITS "_")];
}

bool environment_steers_loader(const char *name)
{
	for (size_t i = 0; i < COUNT(loader); i++)
		if (!strcmp(name, loader[i]))
			return true;
	return starts(name, "LD_") || starts(name, "MALLOC_");
}

bool environment_steers_interpreter(const char *name)
{
	for (size_t i = 0; i < COUNT(interpreters); i++) {
		size_t length = strcspn(interpreters[i], "*");

		if (!strncmp(name, interpreters[i], length) && (interpreters[i][length] || !name[length] || name[length] == '='))
			return true;
	}
	return false;
}

bool environment_sets(const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < COUNT(fixed); i++)
		if (starts(fixed[i], name) && fixed[i][length] == '=')
			return true;
	return false;
}

/* Do the first `length` bytes make up the word? */
static bool bytes_are(const char *bytes, size_t length, const char *word)
{
	return strlen(word) == length && !strncmp(bytes, word, length);
}

/* Of NAME=VALUE; 0 where it is none. */
static size_t name_length(const char *entry)
{
	const char *equal = strchr(entry, '=');

	return equal ? (size_t)(equal - entry) : 0;
}

/* Is there an entry of that name among the first `count`? */
static bool built_has(const char *const built[], size_t count, const char *entry, size_t length)
{
	for (size_t i = 0; i < count; i++)
		if (!strncmp(built[i], entry, length + 1))
			return true;
	return false;
}

static bool is_kept(const char *entry, size_t length, char *const kept[])
{
	for (; *kept; kept++)
		if (bytes_are(entry, length, *kept))
			return true;
	return false;
}

static bool is_allowed(const char *entry, size_t length)
{
	for (size_t i = 0; i < COUNT(allowed); i++)
		if (bytes_are(entry, length, allowed[i]))
			return true;
	return false;
}

/* LANGUAGE[_TERRITORY][.CODESET][@MODIFIER]. The codeset is one that begins with ASCII: Tcl and Guile take others at
 * their word, and then an absolute path for the name of a file in the current directory. */
static bool is_locale(const char *value)
{
	static const char codesets[][12] = {
		"UTF-8", "utf-8", "UTF8", "utf8", "ISO-8859-1", "ISO-8859-15", "ISO8859-1", "ISO8859-15", "iso88591",
		"iso885915",
	};
	size_t language = strspn(value, LOWER);

	if (starts(value, "C") || starts(value, "POSIX"))
		value += *value == 'C' ? 1 : 5;
	else if (language < 2 || language > 3)
		return !*value;
	else
		value += language;
	if (language && *value == '_') {
		if (strspn(++value, UPPER) != 2)
			return false;
		value += 2;
	}
	if (*value == '.') {
		size_t length = strcspn(++value, "@");
		bool known = false;

		for (size_t i = 0; i < COUNT(codesets); i++)
			known |= bytes_are(value, length, codesets[i]);
		if (!known)
			return false;
		value += length;
	}
	return !*value || (*value == '@' && value[1] && !value[1 + strspn(value + 1, LETTERS)]);
}

bool environment_is_locale(const char *entry)
{
	return starts(entry, "LANG=") || starts(entry, "LC_");
}

/* No value may be a path out of where programs look such names up. */
static bool is_sane(const char *entry, const char *value)
{
	bool zone = starts(entry, "TZ=");

	if (strnlen(value, VALUE_MAX + 1) > VALUE_MAX)
		return false;
	if (environment_is_locale(entry))
		return is_locale(value);
	if (zone && (*value == '/' || strstr(value, "..")))
		return false;
	return !value[strspn(value, zone ? LETTERS DIGITS "_.@+-/" : LETTERS DIGITS "_.@+-")];
}

bool environment_steers_paths(const char *entry)
{
	return environment_is_locale(entry) && !is_locale(entry + name_length(entry) + 1);
}

void environment_build(const char *built[ENVIRONMENT_MAX], char *const given[], const struct environment *environment)
{
	char *const *assigned = environment->assigned;
	size_t count = 0, callers;

	while (*assigned)
		assigned++;
	while (assigned > environment->assigned) {
		assigned--;
		if (!built_has(built, count, *assigned, name_length(*assigned)))
			built[count++] = *assigned;
	}
	for (const char *const *own = environment->own; own && *own; own++)
		if (!built_has(built, count, *own, name_length(*own)))
			built[count++] = *own;
	for (; *given && count < ENVIRONMENT_MAX - 1 - COUNT(fixed); given++) {
		size_t length = name_length(*given);

		if (!length || !(is_kept(*given, length, environment->kept) ||
				       (is_allowed(*given, length) && is_sane(*given, *given + length + 1) &&
					       !(environment->plain && environment_is_locale(*given)))))
			continue;
		if (!built_has(built, count, *given, length))
			built[count++] = *given;
	}
	callers = count;
	for (size_t i = 0; i < COUNT(fixed); i++)
		if (!built_has(built, callers, fixed[i], name_length(fixed[i])))
			built[count++] = i ? fixed[i] : environment->modules;
	built[count] = NULL;
}
