/* What is said of a refusal, to people and to the log, whatever the caller put into its words. The input is a byte for
 * the reason, a byte for errno, eight for capabilities, then the object, the script and the wrapper, each ending in NUL. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "refusal.h"
#include "text.h"

static int hex(int digit)
{
	return digit <= '9' ? digit - '0' : digit - 'a' + 10;
}

/* Undoes the escapes in `count` bytes. */
static size_t unescape(char *out, const char *text, size_t count)
{
	size_t length = 0;

	for (size_t at = 0; at < count; at++) {
		if (text[at] != '\\')
			out[length++] = text[at];
		else if (text[++at] != 'x')
			out[length++] = text[at];
		else
			out[length++] = (char)(hex(text[at + 1]) << 4 | hex(text[at + 2])), at += 2;
	}
	return length;
}

static void check_printable(const struct text *text)
{
	assert(text->length < TEXT_SIZE);
	for (size_t i = 0; i < text->length; i++)
		assert(text->bytes[i] >= ' ' && text->bytes[i] <= '~');
}

/* Means nothing to a shell. */
static void check_bare(const struct text *text, const char *foreign)
{
	assert(text->length == strlen(foreign) && text->length && !memcmp(text->bytes, foreign, text->length));
	for (size_t i = 0; i < text->length; i++)
		assert(!strchr(" $`\"'\\;&|<>()*?[]{}~#!^=", foreign[i]));
}

/* What a shell makes of one word in '...' or of "$(printf '...')", and that it is one word. */
static const char *shell_word(char *out, const char *word)
{
	static const char printf_start[] = "\"$(printf '";
	char *to = out;

	if (*word == '"') {
		assert(!strncmp(word, printf_start, strlen(printf_start)));
		for (word += strlen(printf_start); *word != '\''; word++) {
			assert(*word && *word != '%');
			if (*word != '\\') {
				*to++ = *word;
				continue;
			}
			assert(word[1] >= '0' && word[1] <= '3' && word[2] >= '0' && word[2] <= '7' && word[3] >= '0' && word[3] <= '7');
			*to++ = (char)((word[1] - '0') << 6 | (word[2] - '0') << 3 | (word[3] - '0'));
			word += 3;
		}
		assert(!strcmp(word, "')\""));
	} else {
		for (word++; *word != '\'' || word[1]; word++) {
			assert(*word);
			if (*word == '\'') {
				assert(!strncmp(word, "'\\''", 4));
				word += 3;
			}
			*to++ = *word;
		}
	}
	*to = 0;
	return out;
}

/* Nothing is lost on the way, and nothing ends the quotes early. */
static void check_round(const char *foreign)
{
	static struct text text;
	static char out[TEXT_SIZE];
	size_t length = strlen(foreign);

	text.length = 0;
	text_add_escaped(&text, foreign);
	check_printable(&text);
	assert(unescape(out, text.bytes, text.length) == length && !memcmp(out, foreign, length));

	text.length = 0;
	text_add_field(&text, foreign);
	check_printable(&text);
	if (text.length < 3 || memcmp(text.bytes, "$'", 2)) {
		check_bare(&text, foreign);
	} else {
		assert(text.bytes[text.length - 1] == '\'');
		assert(unescape(out, text.bytes + 2, text.length - 3) == length && !memcmp(out, foreign, length));
		for (size_t i = 2; i < text.length - 1; i++) {
			assert(text.bytes[i] != '\'');
			i += text.bytes[i] == '\\';
		}
	}

	text.length = 0;
	text_add_quoted(&text, foreign);
	check_printable(&text);
	text.bytes[text.length] = 0;
	if (*text.bytes != '\'' && *text.bytes != '"')
		check_bare(&text, foreign);
	else
		assert(strlen(shell_word(out, text.bytes)) >= length && !memcmp(out, foreign, length) &&
			(strlen(out) == length || (foreign[length - 1] == '\n' && !strcmp(out + length, "/."))));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct text text;
	static struct refusal refusal;
	static char bytes[4096 + 1];
	const char *words[3];
	char *at = bytes;

	if (size < 10 || size - 10 >= sizeof bytes - 3)
		return 0;
	memcpy(bytes, data + 10, size - 10);
	memset(bytes + size - 10, 0, 3);
	for (size_t i = 0; i < COUNT(words); i++, at += strlen(at) + 1) {
		words[i] = at;
		if (strlen(at) < TEXT_SIZE / 8)
			check_round(at);
	}

	refuse_about(&refusal, data[0] % REASONS, words[0], data[1]);
	memcpy(&refusal.capabilities, data + 2, sizeof refusal.capabilities);
	text.length = 0;
	refusal_reason(&text, &refusal, text_add_escaped);
	check_printable(&text);
	text.length = 0;
	refusal_fix(&text, refusal_texts[refusal.reason].fix, &refusal, words[1], words[2]);
	check_printable(&text);
	return 0;
}
