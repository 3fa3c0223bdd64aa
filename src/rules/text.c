#include "text.h"

#include <errno.h>
#include <string.h>

static const char cut[] = " [cut]";

#define ROOM (TEXT_SIZE - sizeof cut)
#define FIELD_MAX 2500 /* bytes of a field: two of them, and all capabilities, fit into a text */

bool text_is_cut(const struct text *text)
{
	return text->length > ROOM;
}

static void add_bytes(struct text *text, const char *bytes, size_t count)
{
	if (text_is_cut(text))
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

/* Adds no more than `most` bytes. False where that does not suffice. */
static bool add_escaped(struct text *text, const char *foreign, char quote, size_t most)
{
	static const char hex[] = "0123456789abcdef";
	const size_t end = text->length + most;

	for (; *foreign; foreign++) {
		unsigned char byte = (unsigned char)*foreign;

		if (text->length + 4 > end)
			return false;
		if (byte < ' ' || byte > '~')
			add_bytes(text, (const char[]){'\\', 'x', hex[byte >> 4], hex[byte & 15]}, 4);
		else if (*foreign == '\\' || *foreign == quote)
			add_bytes(text, (const char[]){'\\', *foreign}, 2);
		else
			add_bytes(text, foreign, 1);
	}
	return true;
}

void text_add_escaped(struct text *text, const char *foreign)
{
	(void)add_escaped(text, foreign, '\\', SIZE_MAX / 2);
}

/* Means nothing to a shell, wherever it stands in a word. */
static bool is_bare(const char *foreign)
{
	static const char bare[] = "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+,:@%";

	return *foreign && !foreign[strspn(foreign, bare)];
}

static bool is_printable(const char *foreign)
{
	while (*foreign >= ' ' && *foreign <= '~')
		foreign++;
	return !*foreign;
}

void text_add_field(struct text *text, const char *foreign)
{
	if (is_bare(foreign) && strlen(foreign) <= FIELD_MAX) {
		text_add(text, foreign);
		return;
	}
	text_add(text, "$'");
	if (!add_escaped(text, foreign, '\'', FIELD_MAX))
		text_add(text, cut);
	text_add(text, "'");
}

/* As the format of printf(1), within '...'. */
static void add_printf(struct text *text, const char *foreign)
{
	for (; *foreign; foreign++) {
		unsigned char byte = (unsigned char)*foreign;

		if (byte < ' ' || byte > '~' || *foreign == '\'' || *foreign == '\\' || *foreign == '%')
			add_bytes(text, (const char[]){'\\', (char)('0' + (byte >> 6)), (char)('0' + (byte >> 3 & 7)),
				(char)('0' + (byte & 7))}, 4);
		else
			add_bytes(text, foreign, 1);
	}
}

void text_add_quoted(struct text *text, const char *foreign)
{
	if (is_bare(foreign)) {
		text_add(text, foreign);
	} else if (is_printable(foreign)) {
		text_add(text, "'");
		for (; *foreign; foreign++)
			text_add(text, *foreign == '\'' ? "'\\''" : (const char[]){*foreign, 0});
		text_add(text, "'");
	} else {
		text_add(text, "\"$(printf '");
		add_printf(text, foreign);
		/* A newline at the end would be lost, and another file be named. */
		text_add(text, foreign[strlen(foreign) - 1] == '\n' ? "/.')\"" : "')\"");
	}
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
		{ENOENT, "no such file or directory"},
		{EIO, "input/output error"},
		{EAGAIN, "a lease or the process limit forbids it"},
		{E2BIG, "argument list too long"},
		{ENOEXEC, "not a program that the kernel can run"},
		{ENOMEM, "out of memory"},
		{EACCES, "permission denied"},
		{ENOTDIR, "not a directory"},
		{EINVAL, "not valid"},
		{ENFILE, "too many open files"},
		{EMFILE, "too many open files"},
		{ETXTBSY, "some process has it open for writing"},
		{EFBIG, "too large"},
		{EDQUOT, "quota exceeded"},
		{ENAMETOOLONG, "name too long"},
		{ELOOP, "too many links"},
		{EOVERFLOW, "set in another user namespace"}, /* nothing but a file's capabilities brings it */
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
