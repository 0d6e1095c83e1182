/* SPDX-License-Identifier: MIT */
/* CPython's strings into UTF-8: see cpython_text.h. */
#include "user/target/cpython_text.h"

#include <stdio.h>
#include <string.h>

#define LONGEST 10 /* "\U12345678" */

static uint32_t character_at(enum text_kind kind, const void *characters, size_t index)
{
	uint32_t wide;
	uint16_t narrow;

	switch (kind) {
	case TEXT_2:
		memcpy(&narrow, (const char *)characters + 2 * index, sizeof(narrow));
		return narrow;
	case TEXT_4:
		memcpy(&wide, (const char *)characters + 4 * index, sizeof(wide));
		return wide;
	default:
		return ((const uint8_t *)characters)[index];
	}
}

static size_t as_utf_8(uint32_t character, char out[LONGEST + 1])
{
	size_t length = character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
	static const uint8_t first[] = {0, 0, 0xc0, 0xe0, 0xf0};

	for (size_t i = length - 1; i > 0; i--, character >>= 6)
		out[i] = (char)(0x80 | (character & 0x3f));
	out[0] = (char)(first[length] | character);
	return length;
}

/* Without the terminating 0. */
static size_t encode_one(enum text_kind kind, uint32_t character, char out[LONGEST + 1])
{
	if (!character)
		return (size_t)snprintf(out, LONGEST + 1, "\\x00");
	if (kind == TEXT_BYTES) {
		out[0] = (char)character;
		return 1;
	}
	if (character >= 0xd800 && character <= 0xdfff)
		return (size_t)snprintf(out, LONGEST + 1, "\\u%04x", character);
	if (character > 0x10ffff)
		return (size_t)snprintf(out, LONGEST + 1, "\\U%08x", character);
	return as_utf_8(character, out);
}

void cpython_text__encode(enum text_kind kind, const void *characters, size_t count, bool more, char *out, size_t size)
{
	static const char cut[] = "...";
	size_t used = 0, room = size - sizeof(cut), before_cut = 0; /* where "..." would go */

	for (size_t i = 0; i < count; i++) {
		char one[LONGEST + 1];
		size_t length = encode_one(kind, character_at(kind, characters, i), one);

		if (used + length >= size) {
			more = true;
			break;
		}
		memcpy(out + used, one, length);
		used += length;
		if (used <= room)
			before_cut = used;
	}
	if (more) {
		memcpy(out + before_cut, cut, sizeof(cut));
		return;
	}
	out[used] = '\0';
}
