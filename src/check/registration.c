#include "registration.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PLACE "/proc/sys/fs/binfmt_misc"
#define HEAD_SIZE 256 /* as the kernel reads */

/* Bytes that are spelt in hexadecimal; how many. */
static size_t unhex(unsigned char bytes[HEAD_SIZE], const char *text)
{
	size_t count = 0;

	for (; count < HEAD_SIZE && text[0] && text[1]; text += 2) {
		const char byte[] = {text[0], text[1], 0};

		bytes[count++] = (unsigned char)strtoul(byte, NULL, 16);
	}
	return count;
}

/* Reads an entry, and compares its magic, or its extension with what is behind the last dot of the path. */
static bool entry_fits(struct registration *registration, FILE *entry, const char *path, const unsigned char *head, size_t size)
{
	const char *dot = strrchr(path, '.');
	unsigned char magic[HEAD_SIZE], mask[HEAD_SIZE];
	char line[PATH_MAX]; /* the kernel takes no more than 1,920 bytes */
	size_t offset = 0, count = 0;
	bool enabled = false, fits = false;

	memset(mask, 0xff, sizeof mask);
	*registration->interpreter = 0;
	registration->opens = registration->credentials = registration->fixed = false;
	while (fgets(line, sizeof line, entry)) {
		line[strcspn(line, "\n")] = 0;
		if (!strcmp(line, "enabled"))
			enabled = true;
		else if (!strncmp(line, "interpreter ", 12))
			snprintf(registration->interpreter, sizeof registration->interpreter, "%s", line + 12);
		else if (!strncmp(line, "flags: ", 7)) {
			registration->opens = strpbrk(line + 7, "OC");
			registration->credentials = strchr(line + 7, 'C');
			registration->fixed = strchr(line + 7, 'F');
		} else if (!strncmp(line, "extension ", 10))
			fits = dot && !strcmp(line + 10 + (line[10] == '.'), dot + 1);
		else if (!strncmp(line, "offset ", 7))
			offset = strtoul(line + 7, NULL, 10);
		else if (!strncmp(line, "magic ", 6))
			count = unhex(magic, line + 6);
		else if (!strncmp(line, "mask ", 5))
			(void)unhex(mask, line + 5);
	}
	if (!enabled || fits || !count || offset > size || count > size - offset)
		return enabled && fits;
	for (size_t i = 0; i < count; i++)
		if ((head[offset + i] ^ magic[i]) & mask[i])
			return false;
	return true;
}

/* For all entries at once. */
static bool is_disabled(void)
{
	char word[16] = "";
	FILE *status = fopen(PLACE "/status", "re");

	if (status) {
		if (!fgets(word, sizeof word, status))
			*word = 0;
		(void)fclose(status);
	}
	return !strncmp(word, "disabled", 8);
}

static bool is_entry(const char *name)
{
	return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strcmp(name, "register") != 0 && strcmp(name, "status") != 0;
}

bool registration_find(struct registration *registration, const char *path, int fd)
{
	unsigned char head[HEAD_SIZE];
	ssize_t size = pread(fd, head, sizeof head, 0);
	DIR *place = is_disabled() ? NULL : opendir(PLACE);
	struct dirent *name;
	bool fits = false;

	while (place && size > 0 && !fits && (name = readdir(place))) {
		char file[sizeof PLACE + NAME_MAX + 1];
		FILE *entry;

		if (!is_entry(name->d_name))
			continue;
		snprintf(file, sizeof file, PLACE "/%s", name->d_name);
		snprintf(registration->name, sizeof registration->name, "%s", name->d_name);
		entry = fopen(file, "re");
		if (!entry)
			continue;
		fits = entry_fits(registration, entry, path, head, (size_t)size);
		(void)fclose(entry);
	}
	if (place)
		(void)closedir(place);
	return fits;
}
