/* A line of a list of grants: what is taken can be written, and comes back the same. */
#include <stdlib.h>
#include <string.h>

#include "entry.h"
#include "fuzz.h"

static void check(const struct entry *entry)
{
	const char *path = entry->path;

	assert(entry->capabilities && *path == '/' && path[1] && path[strlen(path) - 1] != '/');
	assert(!strstr(path, "//") && !strstr(path, "/./") && !strstr(path, "/../"));
	assert(path_is_listable(path));
	assert(!*entry->hash || strlen(entry->hash) == 64);
	for (const char *digit = entry->hash; *digit; digit++)
		assert((*digit >= '0' && *digit <= '9') || (*digit >= 'a' && *digit <= 'f'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = strndup((const char *)data, size), *written = NULL, *newline;
	struct entry entry, again;
	FILE *out = open_memstream(&written, &size);

	assert(line && out);
	if (!entry_parse(&entry, line) && entry.path) {
		check(&entry);
		entry_put(out, &entry);
		assert(!fclose(out));
		newline = strchr(written, '\n');
		assert(newline && !newline[1]);
		*newline = 0;
		assert(!entry_parse(&again, written) && again.path);
		assert(entry.capabilities == again.capabilities && !strcmp(entry.path, again.path));
		assert(!strcmp(entry.hash, again.hash) && !strcmp(entry.text, again.text) && !strcmp(entry.comment, again.comment));
	} else {
		assert(!fclose(out));
	}
	free(written);
	free(line);
	return 0;
}
