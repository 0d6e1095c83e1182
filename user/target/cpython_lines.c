/* SPDX-License-Identifier: MIT */
/* CPython's line tables: see cpython_lines.h. */
#include "user/target/cpython_lines.h"

#include <errno.h>

#define CODE_UNIT 2 /* bytes */

enum line_form cpython_lines__form(uint32_t version)
{
	if (version < 0x0300)
		return LINES_UNSIGNED;
	if (version < 0x030a)
		return LINES_SIGNED;
	return version == 0x030a ? LINES_RANGES : LINES_LOCATIONS;
}

static uint32_t as_line(int64_t line)
{
	return line > 0 && line <= INT32_MAX ? (uint32_t)line : 0;
}

/* The last pair that begins at the instruction or before it decides: what follows the last one is its line's, too. */
static int find_in_pairs(enum line_form form, const uint8_t *table, size_t size, int64_t line, int64_t instruction,
			 uint32_t *out)
{
	int64_t start = 0;

	for (size_t at = 0; at + 2 <= size; at += 2) {
		start += table[at];
		if (start > instruction) {
			*out = as_line(line);
			return 0;
		}
		line += form == LINES_SIGNED ? (int8_t)table[at + 1] : table[at + 1];
	}
	*out = as_line(line);
	return -EAGAIN;
}

static int find_in_ranges(const uint8_t *table, size_t size, int64_t line, int64_t address, uint32_t *out)
{
	int64_t end = 0;

	for (size_t at = 0; at + 2 <= size; at += 2) {
		int8_t difference = (int8_t)table[at + 1];

		end += table[at];
		if (difference != INT8_MIN) /* this one says: no line */
			line += difference;
		if (address < end) {
			*out = difference == INT8_MIN ? 0 : as_line(line);
			return 0;
		}
	}
	*out = 0;
	return -EAGAIN;
}

/* Six bits a byte, the lowest first; bit 6: another one follows. Cut off, it is what there is. */
static uint64_t read_number(const uint8_t *table, size_t size, size_t at)
{
	uint64_t value = 0;

	for (int shift = 0; at < size && shift < 36; shift += 6, at++) {
		value |= (uint64_t)(table[at] & 0x3f) << shift;
		if (!(table[at] & 0x40))
			break;
	}
	return value;
}

/* The kinds of location entries: bits 3 to 6 of the first byte. */
enum { SHORT_LAST = 9, ONE_LINE_FIRST = 10, ONE_LINE_LAST = 12, NO_COLUMNS = 13, LONG = 14, NO_LOCATION = 15 };

static int64_t line_difference(const uint8_t *table, size_t size, size_t at, unsigned kind)
{
	uint64_t number;

	if (kind >= ONE_LINE_FIRST && kind <= ONE_LINE_LAST)
		return kind - ONE_LINE_FIRST;
	if (kind != NO_COLUMNS && kind != LONG)
		return 0;
	number = read_number(table, size, at + 1);
	return number & 1 ? -(int64_t)(number >> 1) : (int64_t)(number >> 1);
}

/* Only the first byte of an entry has its highest bit set. */
static size_t next_entry(const uint8_t *table, size_t size, size_t at)
{
	do
		at++;
	while (at < size && !(table[at] & 0x80));
	return at;
}

static int find_in_locations(const uint8_t *table, size_t size, int64_t line, int64_t address, uint32_t *out)
{
	int64_t end = 0;
	size_t next;

	*out = 0;
	for (size_t at = 0; at < size; at = next) {
		unsigned kind = table[at] >> 3 & 0xf;

		next = next_entry(table, size, at);
		end += ((table[at] & 7) + 1) * CODE_UNIT;
		line += line_difference(table, next, at, kind);
		if (address >= end)
			continue;
		*out = kind == NO_LOCATION ? 0 : as_line(line);
		return next < size ? 0 : -EAGAIN; /* the entry itself may be cut off */
	}
	return -EAGAIN;
}

int cpython_lines__find(enum line_form form, const uint8_t *table, size_t size, int32_t first_line, int64_t instruction,
			uint32_t *line)
{
	if (instruction < 0) {
		*line = as_line(first_line);
		return 0;
	}
	if (form == LINES_RANGES)
		return find_in_ranges(table, size, first_line, instruction * CODE_UNIT, line);
	if (form == LINES_LOCATIONS)
		return find_in_locations(table, size, first_line, instruction, line);
	return find_in_pairs(form, table, size, first_line, instruction, line);
}
