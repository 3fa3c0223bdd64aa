/* strings.c, under other names, beside those of the C library. */
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#define OWN(name) __typeof__(name) own_##name

OWN(memset);
OWN(memcpy);
OWN(memmove);
OWN(memchr);
OWN(memcmp);
OWN(strnlen);
OWN(strlen);
OWN(strcpy);
OWN(strncmp);
OWN(strcmp);
OWN(strchr);
OWN(strrchr);
OWN(strspn);
OWN(strcspn);
OWN(strstr);

#define SIZE 8
#define ROUNDS 5000

static unsigned seed = 1;

/* Of few different bytes, so that much is alike, and one that is negative as a char. */
static void fill(char text[SIZE + 1])
{
	size_t length = (size_t)rand_r(&seed) % SIZE;

	for (size_t i = 0; i < length; i++)
		text[i] = "ab\xc3"[rand_r(&seed) % 3];
	text[length] = 0;
}

static int sign(int difference)
{
	return (difference > 0) - (difference < 0);
}

START_TEST(texts)
{
	for (int i = 0; i < ROUNDS; i++) {
		char one[SIZE + 1], other[SIZE + 1], copy[SIZE + 1];
		size_t most = (size_t)rand_r(&seed) % (SIZE + 2);
		int byte = "ab\xc3"[rand_r(&seed) % 4]; /* the NUL, too */

		fill(one);
		fill(other);
		ck_assert_uint_eq(own_strlen(one), strlen(one));
		ck_assert_uint_eq(own_strnlen(one, most), strnlen(one, most));
		ck_assert_int_eq(sign(own_strcmp(one, other)), sign(strcmp(one, other)));
		ck_assert_int_eq(sign(own_strncmp(one, other, most)), sign(strncmp(one, other, most)));
		ck_assert_ptr_eq(own_strchr(one, byte), strchr(one, byte));
		ck_assert_ptr_eq(own_strrchr(one, byte), strrchr(one, byte));
		ck_assert_uint_eq(own_strspn(one, other), strspn(one, other));
		ck_assert_uint_eq(own_strcspn(one, other), strcspn(one, other));
		ck_assert_ptr_eq(own_strstr(one, other), strstr(one, other));
		ck_assert_ptr_eq(own_strcpy(copy, one), copy);
		ck_assert_str_eq(copy, one);
	}
}
END_TEST

START_TEST(bytes)
{
	for (int i = 0; i < ROUNDS; i++) {
		char one[2 * SIZE], other[2 * SIZE];
		size_t from = (size_t)rand_r(&seed) % SIZE, to = (size_t)rand_r(&seed) % SIZE;
		size_t size = (size_t)rand_r(&seed) % (SIZE + 1);
		int byte = rand_r(&seed) % 256;

		for (size_t j = 0; j < sizeof one; j++)
			one[j] = (char)(rand_r(&seed) % 256);
		memcpy(other, one, sizeof one);
		ck_assert_ptr_eq(own_memmove(one + to, one + from, size), one + to);
		memmove(other + to, other + from, size);
		ck_assert_mem_eq(one, other, sizeof one);
		ck_assert_ptr_eq(own_memset(one + to, byte, size), one + to);
		memset(other + to, byte, size);
		ck_assert_mem_eq(one, other, sizeof one);
		ck_assert_int_eq(sign(own_memcmp(one, one + to, size)), sign(memcmp(one, one + to, size)));
		ck_assert_ptr_eq(own_memchr(one + from, byte, size), memchr(one + from, byte, size));
		ck_assert_ptr_eq(own_memcpy(other, one, sizeof one), other);
		ck_assert_mem_eq(one, other, sizeof one);
	}
}
END_TEST

TESTS("strings", texts, bytes)
