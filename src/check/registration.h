/* What is registered with binfmt_misc: by which door a script goes. */
#ifndef CAPWRAP_CHECK_REGISTRATION_H
#define CAPWRAP_CHECK_REGISTRATION_H

#include <limits.h>
#include <stdbool.h>

struct registration {
	char name[NAME_MAX + 1];
	char interpreter[PATH_MAX];
	bool opens;       /* flag O: the script's descriptor is passed */
	bool credentials; /* flag C: capabilities are computed from the script */
	bool fixed;       /* flag F: the wrapper is the file that it was at registration */
};

/* The enabled entry whose magic a file begins with, or whose extension its name has. False where there is none. */
bool registration_find(struct registration *registration, const char *path, int fd);

#endif
