#include "log.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syslog.h>
#include <sys/un.h>
#include <unistd.h>

#include "text.h"

#define LOG_SOCKET "/dev/log"

/* Static: they are too large for a stack that the caller limits. */
static struct text line, reason;

int log_tell(const char *words)
{
	return write(STDOUT_FILENO, words, strlen(words)) < 0 ? 125 : 0;
}

/* By hand, since syslog(3) reads time zones and may open files and wait. */
static void log_begin(int priority, const char *what, uid_t uid, const char *script)
{
	line.length = 0;
	text_add(&line, "<");
	text_add_number(&line, (unsigned)(LOG_AUTHPRIV | priority));
	text_add(&line, ">capwrap[");
	text_add_number(&line, (unsigned)getpid());
	text_add(&line, "]: ");
	text_add(&line, what);
	text_add(&line, " uid=");
	text_add_number(&line, uid);
	text_add(&line, " script=");
	text_add_field(&line, script);
}

static void log_send(void)
{
	struct sockaddr_un log = {.sun_family = AF_UNIX, .sun_path = LOG_SOCKET};
	struct iovec bytes = {line.bytes, line.length};
	const struct msghdr message = {.msg_name = &log, .msg_namelen = sizeof log, .msg_iov = &bytes, .msg_iovlen = 1};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0)
		(void)sendmsg(fd, &message, MSG_NOSIGNAL);
}

void log_granted(const struct decision *decision, const struct call *call)
{
	/* To ask whether anybody listens costs less than a socket for nobody. */
	if (access(LOG_SOCKET, W_OK) < 0)
		return;
	log_begin(LOG_INFO, "granted", call->start.uid, decision->script.path.real);
	text_add(&line, " capabilities=");
	text_add_capabilities(&line, decision->grant);
	if (decision->line.user) {
		text_add(&line, " account=");
		text_add_number(&line, decision->account.uid);
	}
	text_add(&line, " interpreter=");
	text_add_field(&line, decision->interpreter.found);
	log_send();
}

static void print_refusal(const char *script, const char *real, const struct refusal *refusal)
{
	static char wrapper[PATH_MAX];
	sigset_t set;

	/* Where it was deleted or replaced meanwhile, that is a name with " (deleted)" behind it. */
	if (readlink("/proc/self/exe", wrapper, sizeof wrapper - 1) < 0 || access(wrapper, F_OK) < 0)
		strcpy(wrapper, BINDIR "/capwrap");
	line.length = 0;
	text_add(&line, "capwrap: ");
	if (*script) {
		text_add_escaped(&line, script);
		text_add(&line, ": ");
	}
	refusal_reason(&line, refusal, text_add_escaped);
	text_add(&line, "; ");
	refusal_fix(&line, refusal_texts[refusal->reason].fix, refusal, real, wrapper);
	line.bytes[line.length++] = '\n';

	/* A closed pipe or a file that is full is no reason to die by a signal. */
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigaddset(&set, SIGXFSZ);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)!write(STDERR_FILENO, line.bytes, line.length);
}

void log_refused(const struct decision *decision, const struct call *call, const struct refusal *refusal)
{
	const char *real = *decision->script.path.real ? decision->script.path.real : call->start.script;

	log_begin(LOG_WARNING, "refused", call->start.uid, real);
	text_add(&line, " rule=");
	text_add(&line, rule_names[refusal_rule(refusal)]);
	text_add(&line, " reason=");
	refusal_reason(&reason, refusal, text_add);
	reason.bytes[reason.length] = 0;
	text_add_field(&line, reason.bytes);
	log_send();
	print_refusal(call->start.script, real, refusal);
}
