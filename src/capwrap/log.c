#include "log.h"

#include <sys/socket.h>
#include <sys/syslog.h>
#include <sys/un.h>
#include <unistd.h>

/* By hand, since syslog(3) reads time zones and may open files and wait. */
static void begin(struct text *text, int priority, const char *what, uid_t uid, const char *script)
{
	text->length = 0;
	text_add(text, "<");
	text_add_number(text, (unsigned)(LOG_AUTHPRIV | priority));
	text_add(text, ">capwrap[");
	text_add_number(text, (unsigned)getpid());
	text_add(text, "]: ");
	text_add(text, what);
	text_add(text, " uid=");
	text_add_number(text, uid);
	text_add(text, " script=");
	text_add_quoted(text, script ? script : "");
}

static void send_text(const struct text *text)
{
	const struct sockaddr_un log = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return;
	(void)sendto(fd, text->bytes, text->length, MSG_NOSIGNAL, (const struct sockaddr *)&log, sizeof log);
	close(fd);
}

void log_granted(uid_t uid, const char *script, uint64_t grant, const char *interpreter)
{
	struct text text;

	begin(&text, LOG_INFO, "granted", uid, script);
	text_add(&text, " capabilities=");
	text_add_capabilities(&text, grant);
	text_add(&text, " interpreter=");
	text_add_quoted(&text, interpreter);
	send_text(&text);
}

void log_refused(uid_t uid, const char *script, const struct refusal *refusal)
{
	struct text text;

	begin(&text, LOG_WARNING, "refused", uid, script);
	text_add(&text, " rule=");
	text_add(&text, rule_names[refusal_texts[refusal->reason].rule]);
	text_add(&text, " reason=");
	refusal_reason(&text, refusal);
	send_text(&text);
}

void log_print(const char *script, const char *real, const struct refusal *refusal)
{
	char wrapper[PATH_MAX] = "capwrap";
	struct text text = {.length = 0};
	ssize_t length = readlink("/proc/self/exe", wrapper, sizeof wrapper - 1);

	if (length > 0)
		wrapper[length] = 0;
	text_add(&text, "capwrap: ");
	if (script) {
		text_add_escaped(&text, script);
		text_add(&text, ": ");
	}
	refusal_reason(&text, refusal);
	text_add(&text, "; ");
	refusal_fix(&text, refusal, real ? real : "", wrapper);
	text.bytes[text.length++] = '\n';
	(void)!write(STDERR_FILENO, text.bytes, text.length);
}
