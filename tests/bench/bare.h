/* A program without a C library: it begins with the kernel's stack (argc, argv, NULL, environment, NULL). */
#ifndef CAPWRAP_BARE_H
#define CAPWRAP_BARE_H

#include <sys/syscall.h>

_Noreturn void begin(long *stack) __attribute__((used));

#if defined __x86_64__

__asm__(".globl _start\n"
	"_start:\n"
	"\tmov %rsp, %rdi\n"
	"\tand $-16, %rsp\n"
	"\tcall begin\n");

static inline long call(long number, long first, const void *second, const void *third)
{
	long result;

	__asm__ volatile("syscall"
		: "=a"(result)
		: "a"(number), "D"(first), "S"(second), "d"(third)
		: "rcx", "r11", "memory");
	return result;
}

#elif defined __aarch64__

__asm__(".globl _start\n"
	"_start:\n"
	"\tmov x0, sp\n"
	"\tbl begin\n");

static inline long call(long number, long first, const void *second, const void *third)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = first;
	register const void *x1 __asm__("x1") = second;
	register const void *x2 __asm__("x2") = third;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
	return x0;
}

#endif

static inline _Noreturn void leave(long code)
{
	for (;;)
		call(SYS_exit_group, code, 0, 0);
}

#endif
