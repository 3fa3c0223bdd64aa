#include "work.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "foretell.h"
#include "say.h"
#include "show.h"

int worse(int one, int other)
{
	return one > other ? one : other;
}

bool path_absolute(char absolute[2 * PATH_MAX], const char *asked)
{
	*absolute = 0;
	if (*asked != '/' && !getcwd(absolute, PATH_MAX)) {
		complain(asked, "the current directory can't be found: %s", strerror(errno));
		return false;
	}
	if (snprintf(absolute + strlen(absolute), PATH_MAX, "%s%s", *asked == '/' ? "" : "/", asked) < PATH_MAX)
		return true;
	complain(asked, "%s", strerror(ENAMETOOLONG));
	return false;
}

bool refusal_is_missing(const struct refusal *refusal)
{
	return refusal->reason == PATH_STEP && refusal->error == ENOENT;
}

bool target_of(struct target *target, const char *asked)
{
	static struct refusal refusal;
	struct report report;
	char absolute[2 * PATH_MAX];

	if (!path_absolute(absolute, asked))
		return false;
	refusal = (struct refusal){.room = 0};
	if (target_open(target, absolute, &refusal) && target_read(target))
		return true;
	foretell(&report, asked, &(struct supposed){.grant = 0});
	if (report.verdict->count && !refusal_is_missing(&refusal))
		show_report(&report);
	else
		complain_refusal(asked, &refusal, NULL);
	report_clear(&report);
	target_close(target);
	return false;
}

struct entry entry_of(const struct work *work, const struct target *target, const char *bytes, size_t size, bool hashed)
{
	struct entry entry = {.path = (char *)target->path.real, .capabilities = work->capabilities, .file = OWN};
	struct refusal none = {.room = 0};
	struct line line;

	if (hashed)
		hash_of(entry.hash, bytes, size);
	if (line_split(&line, bytes, size, &none) && wrapper_is_named(line.wrapper))
		strcpy(entry.text, line.text);
	return entry;
}

bool work_ready(struct work *work)
{
	bool good = lock_take();

	return good && ledger_read(&work->ledger) && lists_read(&work->lists);
}
