#include "foretell.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/limits.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <linux/securebits.h>
#include <linux/xattr.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
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

/* What the kernel would permit the wrapper, by the capabilities of a file: capabilities(7), with a program that has no
 * inheritable capabilities. False where it would not even start it. */
static bool ceiling(const char *holder, enum reason narrow, uint64_t *permitted, struct refusal *refusal)
{
	struct file_capabilities file;
	struct statvfs fs;
	uint64_t bounding = bounding_set();

	*permitted = bounding;
	if (!getuid() && !(prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) & SECBIT_NOROOT))
		return true;
	*permitted = 0;
	if (!file_capabilities_read(&file, holder, -1) || file.rootid || statvfs(holder, &fs) < 0 ||
		fs.f_flag & ST_NOSUID || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) > 0)
		return true;
	*permitted = file.permitted & bounding;
	if (!file.effective || !(file.permitted & ~bounding))
		return true;
	refusal->capabilities = file.permitted & ~bounding;
	return refuse_about(refusal, narrow, holder, 0);
}

static bool is_same(const char *one, const char *other)
{
	struct statx first, second;

	return file_look(&first, AT_FDCWD, one, 0) && file_look(&second, AT_FDCWD, other, 0) && file_same(&first, &second);
}

/* Would the kernel execute it? It is asked to, by a process that is stopped before the program's first instruction, and that
 * ends with this one. The errno where it would not; 0 also where nobody may trace. */
static int program_error(const char *program)
{
	const pid_t parent = getpid(), child = fork();
	int status = 0;

	if (!child) {
		char *const arguments[] = {(char *)program, NULL}, *const environment[] = {NULL};

		if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent || ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 ||
			raise(SIGSTOP))
			_exit(0);
		execve(program, arguments, environment);
		_exit(errno);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0 || WIFEXITED(status))
		return 0;
	if (!ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_EXITKILL | PTRACE_O_TRACEEXEC) && !ptrace(PTRACE_CONT, child, NULL, NULL) &&
		waitpid(child, &status, 0) == child && WIFEXITED(status))
		return WEXITSTATUS(status);
	(void)kill(child, SIGKILL);
	(void)waitpid(child, &status, 0);
	return 0;
}

bool wrapper_is_roots(const char *wrapper)
{
	static const struct path_reasons any = {.links = true};
	static struct path path;
	static struct refusal none;

	return path_walk(&path, wrapper, &any, &none) && !path.file.stx_uid && !path_writable(path.file.stx_mode);
}

bool wrapper_is_named(const char *path)
{
	const char *slash = strrchr(path, '/');

	return *path == '/' && !strcmp(slash + 1, WRAPPER_NAME);
}

/* Starts the wrapper that the script's first line names, as this user. */
static bool start_make(struct start *start, const struct decision *decision, const struct registration *registration,
	struct refusal *refusal)
{
	const char *wrapper = decision->line.wrapper;
	struct stat st;
	int error;

	if (!wrapper_is_named(wrapper) || stat(wrapper, &st) < 0 || !S_ISREG(st.st_mode))
		return refuse_about(refusal, LINE_WRAPPER, wrapper, 0);
	/* That the kernel says, not the wrapper. */
	if (access(wrapper, X_OK) < 0)
		return refuse_about(refusal, INTERPRETER_DENIED, wrapper, errno);
	if (st.st_mode & (S_ISUID | S_ISGID) && !(registration && registration->credentials))
		return refuse_about(refusal, CALL_IDS, wrapper, 0);
	if (registration && !is_same(registration->interpreter, wrapper))
		return refuse_about(refusal, LINE_WRAPPER, wrapper, 0);
	if (registration && !registration->opens)
		return refuse(refusal, LINE_DIFFERS);
	start->line = decision->line.text;
	start->executed = decision->script.path.real;
	if (registration && registration->credentials) {
		if (script_changes_ids(decision->script.path.file.stx_mode))
			return refuse(refusal, CALL_SETID);
		if (!ceiling(decision->script.path.real, CEILING_SCRIPT, &start->permitted, refusal))
			return false;
	} else if (!ceiling(wrapper, CEILING_EFFECTIVE, &start->permitted, refusal)) {
		return false;
	}
	/* Whoever owns a file may hold up who executes it, by a lease. */
	error = wrapper_is_roots(wrapper) ? program_error(wrapper) : 0;
	return !error || refuse_about(refusal, INTERPRETER_EXEC, wrapper, error);
}

/* For who can't become the account to try. Of what can't be seen, or has an access control list, nothing is said. */
static bool may_by_mode(const struct account *account, const char *path, int mode)
{
	struct stat st;
	bool member;

	if (stat(path, &st) < 0 || getxattr(path, XATTR_NAME_POSIX_ACL_ACCESS, NULL, 0) > 0)
		return true;
	member = st.st_gid == account->gid;
	for (size_t i = 0; i < account->count; i++)
		member |= st.st_gid == account->groups[i];
	return ((st.st_uid == account->uid ? st.st_mode >> 6 : member ? st.st_mode >> 3 : st.st_mode) & (mode_t)mode) == (mode_t)mode;
}

/* Becomes the account, which root can, unless it has lost what that takes. */
static bool account_try(const struct account *account)
{
	struct sets sets;

	return sets_get(&sets) && sets_set(&(struct sets){.permitted = sets.permitted, .effective = sets.permitted}) &&
		account_take(account);
}

/* The directory of --chdir, a step after the other. */
static bool directory_reach(const struct decision *decision, bool (*may)(const struct account *, const char *, int),
	struct refusal *refusal)
{
	char step[LINE_SIZE + 1];
	const char *directory = decision->line.directory;
	struct stat st;

	for (const char *slash = directory; slash; slash = strchr(slash + 1, '/')) {
		const char *end = strchr(slash + 1, '/');

		snprintf(step, sizeof step, "%.*s", (int)(end ? end - directory : (long)strlen(directory)), directory);
		if (stat(step, &st) < 0)
			return errno == EACCES || refuse_about(refusal, EFFECT_DIRECTORY, directory, errno);
		if (!S_ISDIR(st.st_mode))
			return refuse_about(refusal, EFFECT_DIRECTORY, directory, ENOTDIR);
		if (!may(&decision->account, step, X_OK))
			return refuse_about(refusal, EFFECT_DIRECTORY, directory, EACCES);
	}
	return true;
}

/* As the account, where it can be tried; else by what modes say. */
static bool place_try(const struct decision *decision, struct refusal *refusal)
{
	const struct line *line = &decision->line;
	struct sets sets = {.permitted = 0};
	bool may_become = sets_get(&sets) && !(ACCOUNT_CAPABILITIES & ~sets.permitted), is_account = false;

	if (line->user && may_become && !(is_account = account_try(&decision->account)))
		return refuse_about(refusal, EFFECT_ACCOUNT, "", errno);
	if (line->directory && (is_account || !line->user) && chdir(line->directory) < 0)
		return refuse_about(refusal, EFFECT_DIRECTORY, line->directory, errno);
	if (line->directory && line->user && !is_account && !directory_reach(decision, may_by_mode, refusal))
		return false;
	return !line->user || decision_is_reachable(decision, is_account ? account_may : may_by_mode, refusal);
}

/* In a process of its own. What it finds is in memory that both have. */
static bool place_foretell(const struct decision *decision, struct refusal *refusal)
{
	struct {
		bool good;
		struct refusal refusal;
	} *seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child;
	bool good = true;

	if (seen == MAP_FAILED)
		return true;
	(void)fflush(stdout);
	child = fork();
	if (!child) {
		seen->good = place_try(decision, &seen->refusal);
		_exit(EXIT_SUCCESS);
	}
	if (child > 0 && waitpid(child, &(int){0}, 0) == child) {
		good = seen->good;
		*refusal = seen->refusal;
	}
	(void)munmap(seen, sizeof *seen);
	return good;
}

/* What is left to go wrong after the decision, as far as it can be seen from outside. */
static bool effect_foretell(const struct start *start, const struct decision *decision, struct refusal *refusal)
{
	const int narrow = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED;
	int bits = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0), error;

	if (!getuid() && !decision->line.user && (bits & narrow) != narrow && !(start->permitted >> CAP_SETPCAP & 1))
		return refuse_about(refusal, EFFECT_NOROOT, "", EPERM);
	/* Nothing would keep root's sets through the change of user. */
	if (!getuid() && decision->line.user && bits & SECBIT_KEEP_CAPS_LOCKED && !(bits & (SECBIT_KEEP_CAPS | SECBIT_NO_SETUID_FIXUP)))
		return refuse_about(refusal, EFFECT_SETS, "", EPERM);
	if (!decision->line.contain && bits & SECBIT_NO_CAP_AMBIENT_RAISE)
		return refuse_about(refusal, EFFECT_SETS, "", EPERM);
	if ((decision->line.user || decision->line.directory) && !place_foretell(decision, refusal))
		return false;
	error = program_error(decision->interpreter.found);
	return !error || refuse_about(refusal, INTERPRETER_EXEC, decision->interpreter.found, error);
}

static void fault_note(struct verdict *verdict, const struct refusal *refusal)
{
	for (size_t i = 0; i < verdict->count; i++)
		if (verdict->faults[i].reason == refusal->reason && !strcmp(verdict->faults[i].object, refusal->object))
			return;
	if (verdict->count < FAULTS_MAX)
		verdict->faults[verdict->count++] = *refusal;
}

/* Takes a step, and notes all that is wrong with it. */
static bool step_judge(struct verdict *verdict, struct start *start, const struct registration *registration, enum step step,
	const struct supposed *supposed)
{
	static struct refusal refusal, flaws[FAULTS_MAX];
	struct decision *decision = &verdict->decision;
	bool taken;

	if (step == STEP_GRANT && supposed->grant) {
		decision->grant = supposed->grant;
		return true;
	}
	refusal = (struct refusal){.flaws = flaws, .room = FAULTS_MAX};
	taken = step == STEP_WRAPPER ? start_make(start, decision, registration, &refusal) : decide_step(decision, start, step, &refusal);
	for (size_t i = 0; i < refusal.count; i++)
		fault_note(verdict, &flaws[i]);
	if (!taken)
		fault_note(verdict, &refusal);
	return taken;
}

/* Is the script registered with binfmt_misc, or is it to be judged as if it were? */
static bool door_find(struct verdict *verdict, const char *path, bool registered)
{
	struct registration *registration = &verdict->registration;
	struct line *line = &verdict->decision.line;
	struct refusal none = {.room = 0};

	verdict->registered = registration_find(registration, path, verdict->decision.script.fd);
	/* As it would be registered: the path right behind #!, and a blank behind it. */
	if (!verdict->registered && registered && line_read(line, verdict->decision.script.fd, &none) && *line->bytes == '/' && *line->text) {
		*registration = (struct registration){.opens = true, .credentials = true};
		snprintf(registration->interpreter, sizeof registration->interpreter, "%s", line->wrapper);
		verdict->registered = true;
	}
	return verdict->registered;
}

#define TAKEN(step) (1U << (step))

/* The rules go on behind a fault where they can. */
static void judge(struct verdict *verdict, const char *path, const struct supposed *supposed)
{
	static const unsigned needs[STEPS] = {
		[STEP_EXECUTE] = TAKEN(STEP_SCRIPT),
		[STEP_READ] = TAKEN(STEP_SCRIPT),
		[STEP_WRAPPER] = TAKEN(STEP_READ),
		[STEP_PARSE] = TAKEN(STEP_WRAPPER),
		[STEP_GRANT] = TAKEN(STEP_SCRIPT),
		[STEP_ACCOUNT] = TAKEN(STEP_PARSE),
		[STEP_FIND] = TAKEN(STEP_PARSE),
		[STEP_TRUST] = TAKEN(STEP_FIND),
		[STEP_PROVEN] = TAKEN(STEP_TRUST) | TAKEN(STEP_ACCOUNT),
		[STEP_CONTAIN] = TAKEN(STEP_TRUST) | TAKEN(STEP_GRANT),
		[STEP_CEILING] = TAKEN(STEP_GRANT) | TAKEN(STEP_WRAPPER),
	};
	struct start start = {.fd = -1, .script = path, .uid = getuid()};
	struct registration *registration = NULL;
	struct sets sets;
	bool known = sets_get(&sets);
	unsigned taken = 0;

	verdict->decision.script.fd = -1;
	/* With the caller's own rights, as the wrapper opens files. */
	if (known)
		sets_set(&(struct sets){.permitted = sets.permitted, .inheritable = sets.inheritable});
	for (enum step step = STEP_SCRIPT; step < STEPS; step++) {
		if (!(needs[step] & ~taken) && step_judge(verdict, &start, registration, step, supposed))
			taken |= TAKEN(step);
		/* Once the script is open, it shows by which door it would go. Who may execute it is the same by both. */
		if (step == STEP_EXECUTE && taken & TAKEN(STEP_SCRIPT) && door_find(verdict, path, supposed->registered)) {
			registration = &verdict->registration;
			start.door = DOOR_BINFMT;
		}
	}
	/* What is no script at all has no other fault, and nothing of it is to be changed. */
	for (size_t i = 0; i < verdict->count; i++)
		if (verdict->faults[i].reason == LINE_MAGIC || verdict->faults[i].reason == LINE_PROGRAM) {
			verdict->faults[0] = verdict->faults[i];
			verdict->count = 1;
		}
	verdict->granted = taken & TAKEN(STEP_GRANT);
	if (!verdict->count) {
		struct refusal refusal = {.error = 0};

		verdict->runs = effect_foretell(&start, &verdict->decision, &refusal);
		if (!verdict->runs)
			fault_note(verdict, &refusal);
	}
	if (known)
		sets_set(&sets);
}

/* What the file's own group may do. Where it has an access control list the mode's bits for the group are the list's mask, and the
 * group has an entry of its own there: linux/posix_acl_xattr.h. */
static unsigned group_may(const char *path, mode_t mode)
{
	struct {
		struct posix_acl_xattr_header head;
		struct posix_acl_xattr_entry entries[XATTR_SIZE_MAX / sizeof(struct posix_acl_xattr_entry)];
	} list;
	ssize_t size = getxattr(path, XATTR_NAME_POSIX_ACL_ACCESS, &list, sizeof list);
	unsigned may = mode >> 3 & 07;

	for (size_t i = 0; size > 0 && i < ((size_t)size - sizeof list.head) / sizeof *list.entries; i++)
		if (le16toh(list.entries[i].e_tag) == ACL_GROUP_OBJ)
			may &= le16toh(list.entries[i].e_perm);
	return may;
}

/* The same as a user that has no rights, but is in the script's group where just that may run it: in a process of its own.
 * What it finds is in memory that both have. */
static struct verdict *judge_for_others(const char *path, const struct decision *decision, const struct supposed *supposed)
{
	const uid_t nobody = decision->line.user && decision->account.uid == 65534 ? 65533 : 65534;
	struct stat st;
	bool of_group = !stat(path, &st) && (st.st_mode & 05) != 05 && (group_may(path, st.st_mode) & 05) == 05;
	gid_t group = of_group ? st.st_gid : nobody;
	struct verdict *verdict = mmap(NULL, sizeof *verdict, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child;

	if (verdict == MAP_FAILED)
		return NULL;
	(void)fflush(stdout);
	child = fork();
	if (!child) {
		if (setgroups(0, NULL) || setresgid(group, group, group) || setresuid(nobody, nobody, nobody))
			_exit(EXIT_FAILURE);
		judge(verdict, path, supposed);
		_exit(EXIT_SUCCESS);
	}
	if (child < 0 || waitpid(child, &(int){0}, 0) < 0 || !(verdict->runs || verdict->count)) {
		(void)munmap(verdict, sizeof *verdict);
		return NULL;
	}
	verdict->decision.script.fd = -1;
	/* That a script is for root alone is no fault. */
	if (!verdict->runs && verdict->faults[0].reason == EXECUTE_OTHERS) {
		(void)munmap(verdict, sizeof *verdict);
		return NULL;
	}
	return verdict;
}

/* By the file's mode: to run a script is to execute and to read it. */
static void may_run_tell(struct report *report)
{
	const struct script *script = &report->verdict->decision.script;
	struct group *group;
	struct stat st;
	bool listed = fgetxattr(script->fd, XATTR_NAME_POSIX_ACL_ACCESS, NULL, 0) > 0;
	const char *and = listed ? ", and whom its access control list names" : "";

	if (fstat(script->fd, &st) < 0)
		return;
	if ((st.st_mode & 05) == 05) {
		snprintf(report->may_run, sizeof report->may_run, "everyone");
		return;
	}
	group = getgrgid(st.st_gid);
	if ((group_may(script->path.real, st.st_mode) & 05) != 05)
		snprintf(report->may_run, sizeof report->may_run, "root%s", and);
	else if (group)
		snprintf(report->may_run, sizeof report->may_run, "the group %s%s", group->gr_name, and);
	else
		snprintf(report->may_run, sizeof report->may_run, "the group %u%s", (unsigned)st.st_gid, and);
}

const char *report_real(const struct report *report, const struct verdict *verdict)
{
	return *verdict->decision.script.path.real ? verdict->decision.script.path.real : report->path;
}

void foretell(struct report *report, const char *path, const struct supposed *supposed)
{
	struct decision *decision;

	memset(report, 0, sizeof *report);
	report->path = path;
	report->verdict = calloc(1, sizeof *report->verdict);
	if (!report->verdict) {
		perror("capwrap-check");
		exit(2);
	}
	judge(report->verdict, path, supposed);
	if (!getuid())
		report->others = judge_for_others(path, &report->verdict->decision, supposed);
	decision = &report->verdict->decision;
	report->named = wrapper_is_named(decision->line.wrapper);
	if (decision->script.fd >= 0)
		may_run_tell(report);

	if (report->verdict->runs) {
		char *none = NULL;

		report->effective = !decision->interpreter.file.present || decision->interpreter.file.effective;
		report->command = malloc(decision_arguments_max(decision, 0) * sizeof *report->command);
		if (report->command)
			decision_arguments(report->command, decision, &none, 0);
		decision_environment(decision, environ);
		warnings_find(&report->warnings, decision);
		if (report->verdict->registered && report->verdict->registration.fixed)
			warnings_fixed(&report->warnings);
	}
}

void report_clear(struct report *report)
{
	free(report->command);
	if (report->verdict->decision.script.fd >= 0)
		close(report->verdict->decision.script.fd);
	free(report->verdict);
	if (report->others)
		(void)munmap(report->others, sizeof *report->others);
}
