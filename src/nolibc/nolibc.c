/* As much of a C library as the wrapper needs, on x86_64 and aarch64: how a program begins, and system calls; strings.c has
 * the rest. A real one spends more time on its own start than the wrapper on all of its rules. The headers are the system's, so that
 * the rest of the program need not know. Nothing is allocated, and nothing is relocated: there must be no pointer in
 * constant data. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

int main(int argc, char **argv);
_Noreturn void start(long *stack);
_Noreturn void stack_smashed(void) __asm__("__stack_chk_fail"); /* as compilers call them */

char **environ;
uintptr_t stack_guard __asm__("__stack_chk_guard");
static int error;
static const Elf64_auxv_t *auxiliary;

/* How a program begins, where the canary is, and a system call. */
#if defined __x86_64__ && !defined __ILP32__
__asm__(".pushsection .text._start,\"ax\"\n"
	".globl _start\n"
	"_start:\n"
	"	xor %ebp, %ebp\n"
	"	mov %rsp, %rdi\n"
	"	and $-16, %rsp\n"
	"	call start\n"
	".popsection");

static inline void find_guard(void)
{
}

static long kernel(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result = number;

	__asm__ volatile("syscall"
			 : "+a"(result)
			 : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}
#elif defined __aarch64__ && !defined __ILP32__
__asm__(".pushsection .text._start,\"ax\"\n"
	".globl _start\n"
	"_start:\n"
	"	mov x29, #0\n"
	"	mov x30, #0\n"
	"	mov x0, sp\n"
	"	bl start\n"
	".popsection");

/* By name it would be found in a table that has to be relocated. */
static inline void find_guard(void)
{
	__asm__ volatile("msr tpidr_el0, %0" : : "r"(&stack_guard));
}

static long kernel(long number, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
}
#else
#error "no start and no system calls for this machine: -Dlibc=static or -Dlibc=shared"
#endif

unsigned long getauxval(unsigned long type)
{
	const Elf64_auxv_t *entry = auxiliary;

	while (entry->a_type != type && entry->a_type != AT_NULL)
		entry++;
	if (entry->a_type != type)
		error = ENOENT;
	return entry->a_un.a_val;
}

/* Never returns, so that it may set what its callers would be checked by. */
_Noreturn void start(long *stack)
{
	char **argv = (char **)(stack + 1), **end;

	environ = end = argv + *stack + 1;
	while (*end)
		end++;
	auxiliary = (const Elf64_auxv_t *)(end + 1);
	find_guard();
	memcpy(&stack_guard, (const void *)getauxval(AT_RANDOM), sizeof stack_guard);
	kernel(SYS_exit_group, main((int)*stack, argv), 0, 0, 0, 0, 0);
	__builtin_unreachable();
}

_Noreturn void stack_smashed(void)
{
	__builtin_trap();
}

int *__errno_location(void)
{
	return &error;
}

/* A system call as C has it: -1 and errno. */
static long call(long number, long a, long b, long c, long d, long e, long f)
{
	long result = kernel(number, a, b, c, d, e, f);

	if (result < 0 && result > -4096) {
		error = (int)-result;
		return -1;
	}
	return result;
}

#define CALL(number, ...) CALL_(number, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define CALL_(number, a, b, c, d, e, f, ...) \
	call(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* Those two are declared with `...`; the caller passes arguments in the same places all the same. */
long given_syscall(long number, long a, long b, long c, long d, long e, long f) __asm__("syscall");
int given_prctl(int option, long a, long b, long c, long d) __asm__("prctl");

long given_syscall(long number, long a, long b, long c, long d, long e, long f)
{
	return call(number, a, b, c, d, e, f);
}

int given_prctl(int option, long a, long b, long c, long d)
{
	return (int)CALL(SYS_prctl, option, a, b, c, d);
}

int fcntl(int fd, int command, ...)
{
	va_list list;
	long argument;

	va_start(list, command);
	argument = va_arg(list, long);
	va_end(list);
	return (int)CALL(SYS_fcntl, fd, command, argument);
}

int openat(int directory, const char *path, int flags, ...)
{
	return (int)CALL(SYS_openat, directory, path, flags);
}

int open(const char *path, int flags, ...)
{
	return openat(AT_FDCWD, path, flags);
}

int close(int fd)
{
	return (int)CALL(SYS_close, fd);
}

ssize_t read(int fd, void *bytes, size_t size)
{
	return CALL(SYS_read, fd, bytes, size);
}

ssize_t pread(int fd, void *bytes, size_t size, off_t offset)
{
	return CALL(SYS_pread64, fd, bytes, size, offset);
}

ssize_t write(int fd, const void *bytes, size_t size)
{
	return CALL(SYS_write, fd, bytes, size);
}

ssize_t readlinkat(int directory, const char *path, char *target, size_t size)
{
	return CALL(SYS_readlinkat, directory, path, target, size);
}

ssize_t readlink(const char *path, char *target, size_t size)
{
	return readlinkat(AT_FDCWD, path, target, size);
}

int access(const char *path, int mode)
{
	return (int)CALL(SYS_faccessat, AT_FDCWD, path, mode);
}

/* Before Linux 4.11 there is only the older call, which does not tell where a mount begins. The device is for comparison
 * only. */
int statx(int directory, const char *path, int flags, unsigned mask, struct statx *x)
{
	struct stat st = {0};

	if (!CALL(SYS_statx, directory, path, flags, mask, x))
		return 0;
	if (error != ENOSYS || CALL(SYS_newfstatat, directory, path, &st, flags) < 0)
		return -1;
	*x = (struct statx){
		.stx_mode = (uint16_t)st.st_mode,
		.stx_uid = st.st_uid,
		.stx_ino = st.st_ino,
		.stx_dev_major = (uint32_t)(st.st_dev >> 32),
		.stx_dev_minor = (uint32_t)st.st_dev,
	};
	return 0;
}

int statfs(const char *path, struct statfs *fs)
{
	return (int)CALL(SYS_statfs, path, fs);
}

int fstatfs(int fd, struct statfs *fs)
{
	return (int)CALL(SYS_fstatfs, fd, fs);
}

ssize_t getxattr(const char *path, const char *name, void *value, size_t size)
{
	return CALL(SYS_getxattr, path, name, value, size);
}

ssize_t fgetxattr(int fd, const char *name, void *value, size_t size)
{
	return CALL(SYS_fgetxattr, fd, name, value, size);
}

void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
	return (void *)CALL(SYS_mmap, address, size, protection, flags, fd, offset);
}

int execve(const char *path, char *const argv[], char *const envp[])
{
	return (int)CALL(SYS_execve, path, argv, envp);
}

int getresuid(uid_t *real, uid_t *effective, uid_t *saved)
{
	return (int)CALL(SYS_getresuid, real, effective, saved);
}

int getresgid(gid_t *real, gid_t *effective, gid_t *saved)
{
	return (int)CALL(SYS_getresgid, real, effective, saved);
}

int setresuid(uid_t real, uid_t effective, uid_t saved)
{
	return (int)CALL(SYS_setresuid, real, effective, saved);
}

int setresgid(gid_t real, gid_t effective, gid_t saved)
{
	return (int)CALL(SYS_setresgid, real, effective, saved);
}

int setfsuid(uid_t uid)
{
	return (int)CALL(SYS_setfsuid, uid);
}

int setfsgid(gid_t gid)
{
	return (int)CALL(SYS_setfsgid, gid);
}

int getgroups(int room, gid_t *groups)
{
	return (int)CALL(SYS_getgroups, room, groups);
}

int setgroups(size_t count, const gid_t *groups)
{
	return (int)CALL(SYS_setgroups, count, groups);
}

int chdir(const char *path)
{
	return (int)CALL(SYS_chdir, path);
}

pid_t getpid(void)
{
	return (pid_t)CALL(SYS_getpid, 0);
}

mode_t umask(mode_t mask)
{
	return (mode_t)CALL(SYS_umask, mask);
}

int socket(int family, int type, int protocol)
{
	return (int)CALL(SYS_socket, family, type, protocol);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	return CALL(SYS_sendmsg, fd, message, flags);
}

int sigemptyset(sigset_t *set)
{
	memset(set, 0, sizeof *set);
	return 0;
}

int sigaddset(sigset_t *set, int number)
{
	*(unsigned long *)set |= 1UL << (number - 1);
	return 0;
}

int sigismember(const sigset_t *set, int number)
{
	return *(const unsigned long *)set >> (number - 1) & 1;
}

int sigpending(sigset_t *set)
{
	return (int)CALL(SYS_rt_sigpending, set, sizeof(unsigned long));
}

void (*signal(int number, void (*handler)(int)))(int)
{
	const uintptr_t action[] = {(uintptr_t)handler, 0, 0, 0};
	uintptr_t before[4];

	return CALL(SYS_rt_sigaction, number, action, before, sizeof(unsigned long)) < 0 ? SIG_ERR : (void (*)(int))before[0];
}

int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	return (int)CALL(SYS_rt_sigprocmask, how, set, old, sizeof(unsigned long));
}
