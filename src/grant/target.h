/* The script that is to be granted: as it lies there, and a new one in its place. */
#ifndef CAPWRAP_GRANT_TARGET_H
#define CAPWRAP_GRANT_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "grant.h"
#include "line.h"
#include "list.h"
#include "path.h"

struct target {
	struct path path; /* without links; walked by the wrapper's own rules, so nobody but root can change where it leads */
	const char *name; /* in its directory */
	int directory, file;
	struct stat st;
	struct file_capabilities capabilities;
	char *bytes; /* what it holds, and a NUL */
	size_t size;
	struct line line;
	bool begins; /* with #! and a program */
	bool named;  /* which is a wrapper */
};

/* Opens it by an absolute path, on which links of root's are followed. False with what is wrong: where its path or its file is not
 * one that capwrap would trust, no grant is made and none is taken away. */
bool target_open(struct target *target, const char *absolute, struct refusal *refusal);

/* Also what is closed already, or could not be opened. */
void target_close(struct target *target);

/* Opens it though its path or its file is not to be trusted, to take capabilities away: only where no link leads to it, and it has
 * no other name. */
bool target_open_anyway(struct target *target, const char *real);

/* Reads what it holds, where target_open has only read the first line. False with errno. */
bool target_read(struct target *target);

/* Is that what it held when it was read? */
bool target_holds(const struct target *target, const char *bytes, size_t size);

/* What the wrapper's options in a line are, in one way of writing them, with a blank before each; "" where it has none. */
void options_of(char options[LINE_SIZE + 1], const struct line *line);

/* Are the capabilities of its file just what a grant makes them? With --user the file permits what that takes, too. */
bool target_has(const struct target *target, uint64_t capabilities);

/* Its content with the wrapper in its first line, and with those of the options that it lacks; NULL, which was told, where
 * it has others. */
char *target_turned(const struct target *target, const struct line *wanted, size_t *size);

void hash_of(char hash[HASH_SIZE], const char *bytes, size_t size);

enum replaced { REPLACED, REFUSED, FAILED };

/* Puts a file with that content and that grant in its place, with its mode, owner, times (but for an edited one), access
 * control list and other attributes: made beside it, judged by the wrapper's rules, granted where nobody else can get at it,
 * synced and renamed over it. `before` is what is done right before the rename, and ends it where it fails. What went wrong was
 * told, and then nothing has changed but what `before` did. Signals are to be held meanwhile. */
enum replaced target_replace(struct target *target, const char *bytes, size_t size, uint64_t capabilities, bool edited,
	bool (*before)(void *data), void *data);

/* Judges it as it is, by the wrapper's rules, and tells why it is refused; with `all`, also what else capwrap-check says. */
enum replaced target_judge(const struct target *target, bool all);

/* Takes its capabilities away. False, which was told. */
bool target_revoke(struct target *target);

/* From here on this is the only one that changes anything; another one waits. Removes what one that was killed has left. */
bool lock_take(void);
void lock_release(void);

#endif
