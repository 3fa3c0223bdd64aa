/* The rule "account": a user id of the script's own, and what /etc/passwd and /etc/group say of it. */
#ifndef CAPWRAP_ACCOUNT_H
#define CAPWRAP_ACCOUNT_H

#include <limits.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "refusal.h"
#include "sets.h"

#define ACCOUNT_NAME_SIZE 256 /* longer than what fits into a first line */
#define ACCOUNT_GROUPS_MAX 1024

/* What the wrapper needs of its ceiling to take one. */
#define ACCOUNT_CAPABILITIES (BIT(CAP_SETUID) | BIT(CAP_SETGID))

struct account {
	uid_t uid;
	gid_t gid;
	char name[ACCOUNT_NAME_SIZE]; /* "": the line has UID:GID, and nothing else is known of it */
	char home[PATH_MAX];          /* "" likewise; absolute */
	gid_t groups[ACCOUNT_GROUPS_MAX]; /* supplementary ones; the account's own is not among them, and none is there twice */
	size_t count;
};

/* Finds the account of --user: NAME, UID or UID:GID. The two files, and its home, are trusted as a script's path is, but
 * for a home on a mount with nosuid, and for directories that the account itself owns. */
bool account_find(struct account *account, const char *word, struct refusal *refusal);

/* Takes its groups, gid and uid. False with errno, and then perhaps with some of them. */
bool account_take(const struct account *account);

/* In a process that has taken it: may it have that access, by its own rights and no capabilities? */
bool account_may(const struct account *account, const char *name, int mode);

/* The parts of finding it that are pure. What the word says: a name, or numbers; `complete` where nothing is to be looked up. */
bool account_parse(struct account *account, const char *word, bool *complete, struct refusal *refusal);

/* Looks the account of that word up in the bytes of /etc/passwd: by its name, else by its uid. The first that fits decides. */
bool account_in_passwd(struct account *account, const char *word, const char *bytes, size_t size, struct refusal *refusal);

/* Collects its groups from the bytes of /etc/group. Lines that are broken say nothing. */
bool account_in_group(struct account *account, const char *bytes, size_t size, struct refusal *refusal);

#endif
