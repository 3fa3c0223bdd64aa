/* The string functions of C, plainly, for where nolibc.c is linked. They are short here, and are not called often. */
#include <stdint.h>
#include <string.h>
#include <strings.h>

void *memset(void *bytes, int value, size_t size)
{
	for (char *byte = bytes; size--;)
		*byte++ = (char)value;
	return bytes;
}

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
	const char *source = from;

	for (char *byte = to; size--;)
		*byte++ = *source++;
	return to;
}

void *memmove(void *to, const void *from, size_t size)
{
	const char *source = from;
	char *target = to;

	if (target < source)
		while (size--)
			*target++ = *source++;
	else
		while (size--)
			target[size] = source[size];
	return to;
}

void *memchr(const void *bytes, int value, size_t size)
{
	for (const char *byte = bytes; size--; byte++)
		if (*byte == (char)value)
			return (void *)byte;
	return NULL;
}

int memcmp(const void *one, const void *other, size_t size)
{
	const unsigned char *left = one, *right = other;

	for (; size--; left++, right++)
		if (*left != *right)
			return *left - *right;
	return 0;
}

/* What compilers make of a comparison for equality. */
int bcmp(const void *one, const void *other, size_t size)
{
	return memcmp(one, other, size);
}

size_t strnlen(const char *text, size_t most)
{
	size_t length = 0;

	while (length < most && text[length])
		length++;
	return length;
}

size_t strlen(const char *text)
{
	return strnlen(text, SIZE_MAX);
}

char *strcpy(char *restrict to, const char *restrict from)
{
	return memcpy(to, from, strlen(from) + 1);
}

int strncmp(const char *one, const char *other, size_t most)
{
	while (most && *one && *one == *other)
		one++, other++, most--;
	return most ? (unsigned char)*one - (unsigned char)*other : 0;
}

int strcmp(const char *one, const char *other)
{
	return strncmp(one, other, SIZE_MAX);
}

char *strchr(const char *text, int byte)
{
	while (*text && *text != (char)byte)
		text++;
	return *text == (char)byte ? (char *)text : NULL;
}

char *strrchr(const char *text, int byte)
{
	const char *end = text + strlen(text);

	while (end > text && *end != (char)byte)
		end--;
	return *end == (char)byte ? (char *)end : NULL;
}

size_t strspn(const char *text, const char *accepted)
{
	size_t length = 0;

	while (text[length] && strchr(accepted, text[length]))
		length++;
	return length;
}

size_t strcspn(const char *text, const char *rejected)
{
	size_t length = 0;

	while (!strchr(rejected, text[length]))
		length++;
	return length;
}

char *strstr(const char *text, const char *part)
{
	size_t length = strlen(part);

	for (; strncmp(text, part, length) != 0; text++)
		if (!*text)
			return NULL;
	return (char *)text;
}
