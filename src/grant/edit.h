/* --edit: an editor on a copy, which then takes the place of the script with its grant. */
#ifndef CAPWRAP_GRANT_EDIT_H
#define CAPWRAP_GRANT_EDIT_H

/* Returns how the command ends. */
int script_edit(const char *asked);

#endif
