/* The least that a wrapper can cost: one more execve, and nothing else. As a script's interpreter, #!floor PROGRAM. */
#include "bare.h"

_Noreturn void begin(long *stack)
{
	long count = stack[0], *argv = stack + 1;

	if (count > 1)
		call(SYS_execve, argv[1], argv + 1, argv + count + 1);
	leave(127);
}
