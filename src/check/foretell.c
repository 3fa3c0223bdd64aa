#include "foretell.h"

#include <errno.h>
#include <grp.h>
#include <linux/securebits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "sets.h"

#define WRAPPER_NAME "capwrap"

static uint64_t bounding_set(void)
{
	uint64_t mask = 0;

	for (cap_value_t cap = 0; cap < 64; cap++)
		if (cap_get_bound(cap) > 0)
			mask |= UINT64_C(1) << cap;
	return mask;
}

/* What the kernel would permit the wrapper: capabilities(7), with a program that has no inheritable capabilities. */
static uint64_t ceiling(const char *wrapper)
{
	struct file_capabilities file;
	struct statvfs fs;
	uint64_t bounding = bounding_set();

	if (!getuid())
		return bounding;
	if (!file_capabilities_read(&file, wrapper, -1) || file.rootid || statvfs(wrapper, &fs) < 0 ||
		fs.f_flag & ST_NOSUID || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) > 0)
		return 0;
	/* Effective ones that are not all to be had make exec fail. */
	if (file.effective && file.permitted & ~bounding)
		return 0;
	return file.permitted & bounding;
}

/* Starts the wrapper that the script's first line names, as this user. It is known by its name: running it to find out
 * would run anything. */
static bool start_make(struct report *report)
{
	const struct line *line = &report->decision.line;
	const char *name = strrchr(line->wrapper, '/');
	struct stat st;

	if (!name || strcmp(name + 1, WRAPPER_NAME) != 0 || stat(line->wrapper, &st) < 0)
		return refuse_about(&report->refusal, LINE_WRAPPER, line->wrapper, 0);
	/* That the kernel says, not the wrapper. */
	if (access(line->wrapper, X_OK) < 0)
		return refuse_about(&report->refusal, INTERPRETER_DENIED, line->wrapper, errno);
	report->named = true;
	report->start = (struct start){
		.line = line->text,
		.executed = report->decision.script.path.real,
		.permitted = ceiling(line->wrapper),
	};
	return true;
}

/* What is left to go wrong after the decision, as far as it can be seen from outside. */
static bool effect_foretell(struct report *report)
{
	int bits = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);

	if (!getuid() && !(bits & SECBIT_NOROOT) && !(report->start.permitted >> CAP_SETPCAP & 1))
		return refuse_about(&report->refusal, EFFECT_NOROOT, "", EPERM);
	if (!report->decision.line.contain && bits & SECBIT_NO_CAP_AMBIENT_RAISE)
		return refuse_about(&report->refusal, EFFECT_SETS, "", EPERM);
	return true;
}

/* By the file's mode: to run a script is to execute and to read it. */
static void may_run_tell(struct report *report)
{
	const struct script *script = &report->decision.script;
	struct group *group;
	struct stat st;
	bool listed = fgetxattr(script->fd, "system.posix_acl_access", NULL, 0) > 0;
	const char *and = listed ? ", and whom its access control list names" : "";

	if (fstat(script->fd, &st) < 0)
		return;
	if ((st.st_mode & 05) == 05) {
		snprintf(report->may_run, sizeof report->may_run, "everyone");
		return;
	}
	group = getgrgid(st.st_gid);
	if ((st.st_mode & 050) != 050)
		snprintf(report->may_run, sizeof report->may_run, "root%s", and);
	else if (group)
		snprintf(report->may_run, sizeof report->may_run, "the group %s%s", group->gr_name, and);
	else
		snprintf(report->may_run, sizeof report->may_run, "the group %u%s", (unsigned)st.st_gid, and);
}

const char *report_real(const struct report *report)
{
	return report->runs || refusal_texts[report->refusal.reason].rule > RULE_PATH
		? report->decision.script.path.real
		: report->path;
}

void foretell(struct report *report, const char *path)
{
	struct decision *decision = &report->decision;
	struct refusal *refusal = &report->refusal;
	struct sets sets;
	bool known = sets_get(&sets);

	memset(report, 0, sizeof *report);
	report->path = path;
	decision->script.fd = -1;

	/* With the caller's own rights, as the wrapper opens files. */
	if (known)
		sets_set(&(struct sets){.permitted = sets.permitted, .inheritable = sets.inheritable});
	report->runs = decide_script(decision, path, refusal) &&
		start_make(report) &&
		decide_run(decision, &report->start, refusal) &&
		effect_foretell(report);
	if (known)
		sets_set(&sets);

	if (report->runs) {
		char *none = NULL;

		report->effective = !decision->interpreter.file.present || decision->interpreter.file.effective;
		report->command = malloc(decision_arguments_max(decision, 0) * sizeof *report->command);
		if (report->command)
			decision_arguments(report->command, decision, &none, 0);
		decision_environment(decision, environ);
		may_run_tell(report);
		warnings_find(&report->warnings, decision);
	}
}

void report_clear(struct report *report)
{
	free(report->command);
	if (report->decision.script.fd >= 0)
		close(report->decision.script.fd);
}
