/* The two ways by which the kernel starts the wrapper for a script, and all in which they differ. */
#ifndef CAPWRAP_DOOR_H
#define CAPWRAP_DOOR_H

#include <stdbool.h>

#include "refusal.h"

enum door {
	DOOR_LINE,   /* #!: the wrapper has capabilities of its own, the ceiling */
	DOOR_BINFMT, /* binfmt_misc, flags OC: the kernel judges the script and gives the wrapper the script's own capabilities */
	DOORS
};

struct door_rules {
	bool opens;     /* the wrapper opens the script, by name; else the kernel has */
	bool judges;    /* the wrapper asks whether the caller may execute it; else the kernel has */
	bool compares;  /* the kernel passes the first line, which must be the script's own; else it passes none */
	bool permitted; /* the grant is what the script's file permits; else what it may inherit */

	enum reason ids;      /* what is wrong where the user or group ids differ */
	enum reason unusable; /* where the file has bits that this door can't use */
	enum reason none;     /* where what should hold the ceiling holds nothing */
	enum reason narrow;   /* where it does not hold all */
	enum reason withheld; /* where it does, and the wrapper did not get it */
};

static const struct door_rules door_rules[DOORS] = {
	/*                            #!                  binfmt_misc */
#define DOOR(member, line, binfmt) [DOOR_LINE].member = line, [DOOR_BINFMT].member = binfmt
	DOOR(opens,                   true,               false),
	DOOR(judges,                  true,               false),
	DOOR(compares,                true,               false),
	DOOR(permitted,               false,              true),
	DOOR(ids,                     CALL_IDS,           CALL_SETID),
	DOOR(unusable,                GRANT_PERMITTED,    GRANT_INHERITABLE),
	DOOR(none,                    CEILING_WRAPPER,    CEILING_ACCOUNT),
	DOOR(narrow,                  CEILING_NARROW,     CEILING_ACCOUNT),
	DOOR(withheld,                CEILING_WITHHELD,   CEILING_REGISTERED),
#undef DOOR
};

#endif
