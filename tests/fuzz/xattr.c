/* Any bytes as security.capability: as libcap would get them if a kernel handed all of them out, and on a real file, for
 * as far as this kernel takes them. How many it took is printed at the end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fuzz.h"
#include "grant.h"

#define NAME "security.capability"

static const uint8_t *fake; /* stands for the file's, where set */
static size_t fake_size;
static unsigned long long taken, refused;
static int file = -1;

int LLVMFuzzerInitialize(int *argc, char ***argv);

/* In place of libc's, for libcap. */
ssize_t fgetxattr(int fd, const char *name, void *value, size_t size)
{
	if (!fake)
		return syscall(SYS_fgetxattr, fd, name, value, size);
	assert(!strcmp(name, NAME));
	if (fake_size > size) {
		errno = ERANGE;
		return -1;
	}
	memcpy(value, fake, fake_size);
	return (ssize_t)fake_size;
}

static void tell(void)
{
	fprintf(stderr, "kernel: took %llu, refused %llu\n", taken, refused);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char path[] = "/tmp/capwrap-fuzz-XXXXXX";

	(void)argc, (void)argv;
	file = mkstemp(path);
	assert(file >= 0 && !unlink(path));
	atexit(tell);
	return 0;
}

static uint32_t word(const uint8_t *data, size_t index)
{
	data += 4 * index;
	return data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
}

/* The grant in such bytes, by linux/capability.h: a head of revision and flags, then permitted and inheritable in turn,
 * the low words first, then the root id; 0 where they are malformed or must be refused. */
static uint64_t expect(const uint8_t *data, size_t size)
{
	static const size_t sizes[] = {0, 12, 20, 24};
	size_t revision = size < 4 ? 0 : data[3];
	uint64_t permitted, inheritable;

	if (!revision || revision >= COUNT(sizes) || size != sizes[revision])
		return 0;
	permitted = word(data, 1);
	inheritable = word(data, 2);
	if (revision >= 2) {
		permitted |= (uint64_t)word(data, 3) << 32;
		inheritable |= (uint64_t)word(data, 4) << 32;
	}
	if (permitted & ~inheritable || (revision == 3 && word(data, 5)))
		return 0;
	return inheritable;
}

static void check(const uint8_t *data, size_t size)
{
	static struct refusal refusal;
	uint64_t grant = 0, expected = expect(data, size);
	bool granted;

	errno = ENODATA; /* left over from another file: libcap does not set it where bytes are malformed */
	refusal.reason = REASONS;
	granted = grant_read(&grant, file, &refusal);
	assert(granted == (expected != 0));
	assert(grant == expected);
	assert(granted || (refusal.reason >= GRANT_READ && refusal.reason <= GRANT_PERMITTED));
}

/* As an interpreter's: nothing that is malformed, namespaced or has permitted bits hands a grant on. */
static void check_interpreter(const uint8_t *data, size_t size)
{
	struct file_capabilities capabilities;
	uint64_t expected = expect(data, size), wanted = UINT64_C(1) << 13 | UINT64_C(1) << 40;

	errno = 0;
	if (!file_capabilities_take(&capabilities, cap_get_fd(file)))
		return;
	for (uint64_t grant = 1; grant; grant <<= 1)
		assert(!grant_contained(grant, &capabilities) || expected & grant);
	if (grant_contained(wanted, &capabilities))
		assert((expected & wanted) == wanted && !capabilities.permitted && !capabilities.rootid);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t kept[64];
	ssize_t length;

	fake = data;
	fake_size = size;
	check(data, size);
	check_interpreter(data, size);
	fake = NULL;

	if (fsetxattr(file, NAME, data, size, 0) < 0) {
		refused++;
		return 0;
	}
	taken++;
	length = fgetxattr(file, NAME, kept, sizeof kept);
	if (length < 0)
		length = 0;
	check(kept, (size_t)length);
	check_interpreter(kept, (size_t)length);
	/* The kernel changes the form, not what is in it. */
	assert(expect(kept, (size_t)length) == expect(data, size) || size != 20);
	return 0;
}
