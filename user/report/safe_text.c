/* SPDX-License-Identifier: MIT */
/* Escaping of foreign names: see safe_text.h. */
#include "user/report/safe_text.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The length of the UTF-8 character at `text`, 1 to 4, and its value; 0 when it is malformed, overlong or surrogate. */
static size_t decode(const unsigned char *text, uint32_t *value)
{
	static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length;

	if (text[0] < 0x80) {
		*value = text[0];
		return 1;
	}
	length = text[0] >> 5 == 0x6 ? 2 : text[0] >> 4 == 0xe ? 3 : text[0] >> 3 == 0x1e ? 4 : 0;
	if (!length)
		return 0;
	*value = text[0] & (0x7fU >> length);
	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80) /* also stops at the end of the string */
			return 0;
		*value = *value << 6 | (text[i] & 0x3fU);
	}
	if (*value < least[length] || *value > 0x10ffff || (*value >= 0xd800 && *value < 0xe000))
		return 0;
	return length;
}

static bool harmless(uint32_t value)
{
	if (value < 0x20 || (value >= 0x7f && value < 0xa0))
		return false;
	if (value == 0x200e || value == 0x200f || value == 0x2028 || value == 0x2029 || value == 0xfeff)
		return false;
	return !(value >= 0x202a && value <= 0x202e) && !(value >= 0x2066 && value <= 0x2069);
}

const char *safe_text(char *out, size_t size, const char *name)
{
	const unsigned char *from = (const unsigned char *)name;
	size_t used = 0;

	while (*from) {
		uint32_t value = 0;
		size_t length = decode(from, &value);
		bool verbatim = length && harmless(value);
		size_t consumed = length ? length : 1;
		size_t needed = verbatim ? length : 4 * consumed;

		if (used + needed >= size)
			break;
		if (verbatim)
			memcpy(out + used, from, length);
		else
			for (size_t i = 0; i < consumed; i++)
				snprintf(out + used + 4 * i, 5, "\\x%02x", from[i]);
		used += needed;
		from += consumed;
	}
	out[used] = '\0';
	return out;
}
