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

/* Characters that hide, that change the direction of text, or that XML does not take: first and last. */
static const uint32_t harmful[][2] = {
	{0x00, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},     {0x61c, 0x61c},   {0x180e, 0x180e}, {0x200b, 0x200f},
	{0x2028, 0x202e}, {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xfffe, 0xffff}, {0xe0000, 0xe0fff},
};

static bool harmless(uint32_t value)
{
	for (size_t i = 0; i < sizeof(harmful) / sizeof(*harmful); i++)
		if (value >= harmful[i][0] && value <= harmful[i][1])
			return false;
	return (value & 0xfffe) != 0xfffe; /* no character, on any plane */
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
