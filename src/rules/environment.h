/* The script's environment: built anew, from an allow-list. Pure. */
#ifndef CAPWRAP_ENVIRONMENT_H
#define CAPWRAP_ENVIRONMENT_H

#include <stdbool.h>

/* Net::Config, which Net::SMTP and others load, runs ~/.libnetrc of passwd's home, unless it is being configured. */
#define PERL_CONFIGURES "-M-strict;BEGIN{$Net::Config::CONFIGURE=$Net::Config::CONFIGURE=1}"

#define ENVIRONMENT_MAX 256 /* entries, and a NULL */

/* What a line says of it, and where the script lies. */
struct environment {
	char *const *kept;     /* names */
	char *const *assigned; /* NAME=VALUE */
	const char *const *own; /* NAME=VALUE of the script's account; or NULL */
	const char *modules;   /* PYTHONPATH=DIRECTORY */
	bool plain;            /* no locale of the caller's */
};

/* Fills `built`: what the line assigns; what is the account's; of the caller's `given`, the names that it keeps as they are and those of the
 * allow-list where their value is sane; and what keeps interpreters from loading or leaving code where the caller can
 * write. Each name once: of those assigned the last, of the caller's the first that may stay. The strings are shared. */
void environment_build(const char *built[ENVIRONMENT_MAX], char *const given[], const struct environment *environment);

/* A name that can be kept: a letter or _, then letters, digits and _. */
bool environment_is_name(const char *name);

/* Names by which the dynamic loader or the C library load code, write files or look elsewhere for what they trust. */
bool environment_steers_loader(const char *name);

/* Names, or NAME=VALUE, by which interpreters find code or take options. */
bool environment_steers_interpreter(const char *name);

/* Does NAME=VALUE choose a locale? */
bool environment_is_locale(const char *entry);

/* Does NAME=VALUE choose a locale under which a path may be another name? */
bool environment_steers_paths(const char *entry);

/* Names that the wrapper sets to keep the caller out. */
bool environment_sets(const char *name);

#endif
