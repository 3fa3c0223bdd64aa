/* The lists of grants that are to be, and the ledger of those that this program made. */
#ifndef CAPWRAP_GRANT_LIST_H
#define CAPWRAP_GRANT_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "entry.h"

#define LISTS "/etc/capwrap.d"               /* the administrator's */
#define LISTS_OF_PACKAGES "/usr/share/capwrap.d"
#define OWN LISTS "/capwrap-grant.conf"      /* what is written here */
#define STATE "/var/lib/capwrap"
#define LEDGER STATE "/granted"

/* By path, each once. */
struct list {
	struct entry *entries;
	size_t count, room;
};

/* Reads all lists: a file of the administrator's stands for one of the same name of a package's. False where one can't be
 * read, is not root's alone, or has a line that is broken or says other than one before; that was told then. */
bool lists_read(struct list *list);

bool ledger_read(struct list *ledger);
bool ledger_write(const struct list *ledger);

/* NULL where there is none. */
struct entry *list_find(const struct list *list, const char *path);
void list_put(struct list *list, const struct entry *entry);
void list_remove(struct list *list, const char *path);

/* A script has one name: that without links, also where it is not there. Where these are not root's it is the one that was given,
 * which will be refused. It is valid until the next call. */
const char *path_resolve(const char *absolute);

/* Changes the file of this program alone: the line of that path, or one at the end. Without an entry it goes. */
bool own_write(const char *path, const struct entry *entry);

/* All that it holds, and that in its place again. NULL and false, which was told. */
char *own_read(size_t *size);
bool own_restore(const char *bytes, size_t size);

#endif
