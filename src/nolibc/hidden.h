/* Included before all else: what is declared is in this program, so that nothing is reached by an address that would have to be
 * relocated; by -fvisibility compilers know so of what is defined alone. */
#pragma GCC visibility push(hidden)

/* Here, as after -Wp,-D_FORTIFY_SOURCE no option ends it: what it calls is in a C library. */
#undef _FORTIFY_SOURCE
