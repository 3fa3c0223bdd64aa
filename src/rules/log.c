#include "log.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syslog.h>
#include <sys/un.h>
#include <unistd.h>

#define LOG_SOCKET "/dev/log"

static const char cut[] = " [cut]";

#define ROOM (TEXT_SIZE - sizeof cut)

static void add_bytes(struct text *text, const char *bytes, size_t count)
{
	if (text->length > ROOM)
		return;
	if (count <= ROOM - text->length) {
		memcpy(text->bytes + text->length, bytes, count);
		text->length += (unsigned)count;
		return;
	}
	memcpy(text->bytes + text->length, bytes, ROOM - text->length);
	memcpy(text->bytes + ROOM, cut, sizeof cut - 1);
	text->length = ROOM + sizeof cut - 1;
}

void text_add(struct text *text, const char *words)
{
	add_bytes(text, words, strlen(words));
}

void text_add_number(struct text *text, unsigned long long number)
{
	char digits[20];
	size_t at = sizeof digits;

	do
		digits[--at] = (char)('0' + number % 10);
	while (number /= 10);
	add_bytes(text, digits + at, sizeof digits - at);
}

static void add_escaped(struct text *text, const char *foreign, char quote)
{
	static const char hex[] = "0123456789abcdef";

	for (; *foreign; foreign++) {
		unsigned char byte = (unsigned char)*foreign;

		if (byte < ' ' || byte > '~')
			add_bytes(text, (const char[]){'\\', 'x', hex[byte >> 4], hex[byte & 15]}, 4);
		else if (*foreign == '\\' || *foreign == quote)
			add_bytes(text, (const char[]){'\\', *foreign}, 2);
		else
			add_bytes(text, foreign, 1);
	}
}

void text_add_escaped(struct text *text, const char *foreign)
{
	add_escaped(text, foreign, '\\');
}

void text_add_quoted(struct text *text, const char *foreign)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+,:@%";

	if (*foreign && !foreign[strspn(foreign, safe)]) {
		text_add(text, foreign);
		return;
	}
	text_add(text, "$'");
	add_escaped(text, foreign, '\'');
	text_add(text, "'");
}

static const char capabilities_by_number[][24] = {
	"cap_chown", "cap_dac_override", "cap_dac_read_search", "cap_fowner", "cap_fsetid", "cap_kill", "cap_setgid",
	"cap_setuid", "cap_setpcap", "cap_linux_immutable", "cap_net_bind_service", "cap_net_broadcast",
	"cap_net_admin", "cap_net_raw", "cap_ipc_lock", "cap_ipc_owner", "cap_sys_module", "cap_sys_rawio",
	"cap_sys_chroot", "cap_sys_ptrace", "cap_sys_pacct", "cap_sys_admin", "cap_sys_boot", "cap_sys_nice",
	"cap_sys_resource", "cap_sys_time", "cap_sys_tty_config", "cap_mknod", "cap_lease", "cap_audit_write",
	"cap_audit_control", "cap_setfcap", "cap_mac_override", "cap_mac_admin", "cap_syslog", "cap_wake_alarm",
	"cap_block_suspend", "cap_audit_read", "cap_perfmon", "cap_bpf", "cap_checkpoint_restore",
};

void text_add_capabilities(struct text *text, uint64_t capabilities)
{
	const char *comma = "";

	if (!capabilities)
		text_add(text, "none");
	for (unsigned cap = 0; cap < 64; cap++) {
		if (!(capabilities >> cap & 1))
			continue;
		text_add(text, comma);
		comma = ",";
		if (cap < sizeof capabilities_by_number / sizeof *capabilities_by_number)
			text_add(text, capabilities_by_number[cap]);
		else
			text_add_number(text, cap);
	}
}

void text_add_error(struct text *text, int error)
{
	static const struct {
		int error;
		char words[40];
	} known[] = {
		{EPERM, "operation not permitted"},
		{ENOENT, "no such file or folder"},
		{EIO, "input/output error"},
		{E2BIG, "argument list too long"},
		{ENOEXEC, "not a program that the kernel can run"},
		{ENOMEM, "out of memory"},
		{EACCES, "permission denied"},
		{ENOTDIR, "not a folder"},
		{EINVAL, "not valid"},
		{ENFILE, "too many open files"},
		{EMFILE, "too many open files"},
		{ETXTBSY, "open for writing"},
		{ENAMETOOLONG, "name too long"},
		{ELOOP, "too many links"},
	};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (known[i].error == error) {
			text_add(text, known[i].words);
			return;
		}
	}
	text_add(text, "error ");
	text_add_number(text, (unsigned)error);
}

void signals_block(const int *numbers)
{
	sigset_t set;

	sigemptyset(&set);
	while (*numbers)
		sigaddset(&set, *numbers++);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

void text_write(struct text *text, int fd)
{
	/* A closed pipe or a file that is full is no reason to die by a signal. */
	signals_block((const int[]){SIGPIPE, SIGXFSZ, 0});
	text->bytes[text->length++] = '\n';
	(void)!write(fd, text->bytes, text->length);
}

bool log_listens(void)
{
	return !access(LOG_SOCKET, W_OK);
}

/* By hand, since syslog(3) reads time zones and may open files and wait. */
void log_begin(struct text *text, int priority, const char *what, uid_t uid, const char *script)
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
	text_add_quoted(text, script);
}

void log_send(const struct text *text)
{
	struct sockaddr_un log = {.sun_family = AF_UNIX, .sun_path = LOG_SOCKET};
	struct iovec bytes = {(char *)text->bytes, text->length};
	const struct msghdr message = {.msg_name = &log, .msg_namelen = sizeof log, .msg_iov = &bytes, .msg_iovlen = 1};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0)
		(void)sendmsg(fd, &message, MSG_NOSIGNAL);
}
