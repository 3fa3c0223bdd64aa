/* Walks directories for what is granted there. */
#ifndef CAPWRAP_CHECK_FIND_H
#define CAPWRAP_CHECK_FIND_H

#include <stdbool.h>
#include <sys/types.h>

enum kind {
	KIND_GRANTED, /* a script for capwrap that has capabilities */
	KIND_LOST,    /* one that has none: they were lost */
	KIND_STALE,   /* another file with capabilities that is no program */
	KIND_WRAPPER, /* a wrapper that has capabilities */
	KIND_PROGRAM, /* another program that hands inheritable ones on */
};

struct find {
	void (*found)(struct find *find, enum kind kind, const char *path);
	void (*progress)(struct find *find, const char *path, bool done); /* now and then */
	unsigned long seen;   /* files */
	unsigned long unread; /* directories and files that could not be read, or whose name is too long for a path */
	dev_t plain[64];      /* file systems that have no capabilities, such as /proc */
	size_t plain_count;
};

/* Without following links. False with errno where it can't begin. */
bool find_below(struct find *find, const char *directory);

#endif
