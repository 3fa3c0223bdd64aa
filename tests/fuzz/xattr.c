/* Any bytes as security.capability: as if a kernel handed all of them out, and on a real file, for as far as this kernel
 * takes them. Whatever is made of them, libcap has to say the same. How many the kernel took is printed at the end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
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

/* In place of libc's, for libcap and for what is tested. */
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

/* The grant of the file, by libcap; 0 where its bytes are malformed or must be refused. */
static uint64_t expect(void)
{
	cap_t caps;
	uint64_t permitted = 0, inheritable = 0;
	uid_t rootid;

	caps = cap_get_fd(file);
	if (!caps)
		return 0;
	for (cap_value_t cap = 0; cap < 64; cap++) {
		cap_flag_value_t flag = CAP_CLEAR;

		if (!cap_get_flag(caps, cap, CAP_PERMITTED, &flag) && flag)
			permitted |= UINT64_C(1) << cap;
		if (!cap_get_flag(caps, cap, CAP_INHERITABLE, &flag) && flag)
			inheritable |= UINT64_C(1) << cap;
	}
	rootid = cap_get_nsowner(caps);
	cap_free(caps);
	return permitted & ~inheritable || rootid ? 0 : inheritable;
}

/* As a script's, and as an interpreter's: nothing that is malformed, namespaced or has permitted bits hands a grant on. */
static uint64_t check(void)
{
	static struct refusal refusal;
	const uint64_t wanted = UINT64_C(1) << 13 | UINT64_C(1) << 40, expected = expect();
	struct file_capabilities capabilities;
	uint64_t granted = 0;

	refusal.reason = REASONS;
	assert(grant_read(&granted, file, &door_rules[DOOR_LINE], 0, &refusal) == (expected != 0));
	assert(granted == expected);
	assert(granted || (refusal.reason >= GRANT_READ && refusal.reason <= GRANT_INHERITABLE));

	if (!file_capabilities_read(&capabilities, NULL, file))
		return expected;
	for (uint64_t grant = 1; grant; grant <<= 1)
		assert(!grant_contained(grant, &capabilities) || expected & grant);
	if (grant_contained(wanted, &capabilities))
		assert((expected & wanted) == wanted && !capabilities.permitted && !capabilities.rootid);
	return expected;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t expected;

	fake = data;
	fake_size = size;
	expected = check();
	fake = NULL;

	if (fsetxattr(file, NAME, data, size, 0) < 0) {
		refused++;
		return 0;
	}
	taken++;
	/* The kernel changes the form, not what is in it. */
	assert(check() == expected || size != 20);
	return 0;
}
