#include "utf8.h"

unsigned utf8_next(const char *string, unsigned *point)
{
	const unsigned char *text = (const unsigned char *)string;
	unsigned count = *text < 0x80 ? 1 : *text < 0xc2 ? 0 : *text < 0xe0 ? 2 : *text < 0xf0 ? 3 : *text < 0xf5 ? 4 : 0;

	*point = *text & (count == 1 ? 0x7fU : 0xffU >> (count + 1));
	for (unsigned i = 1; i < count; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		*point = *point << 6 | (text[i] & 0x3fU);
	}
	if ((count == 3 && *point < 0x800) || (*point >= 0xd800 && *point <= 0xdfff) || (count == 4 && *point < 0x10000) ||
		*point > 0x10ffff)
		return 0;
	return count;
}

bool utf8_is_control(unsigned point)
{
	return (point >= 0x80 && point <= 0x9f) || point == 0x61c || point == 0x200e || point == 0x200f ||
		(point >= 0x2028 && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
}
