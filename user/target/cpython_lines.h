/* SPDX-License-Identifier: MIT */
/* The line tables of CPython's code objects. Pure; a table may hold anything. */
#ifndef GILTRACE_TARGET_CPYTHON_LINES_H
#define GILTRACE_TARGET_CPYTHON_LINES_H

#include <stddef.h>
#include <stdint.h>

enum line_form {
	LINES_UNSIGNED,  /* co_lnotab of 2.7: pairs of bytes, instructions and lines that are added */
	LINES_SIGNED,    /* co_lnotab of 3.6 to 3.9: a pair's second byte has a sign */
	LINES_RANGES,    /* co_linetable of 3.10: pairs again, but each says how many bytes of code a line has */
	LINES_LOCATIONS, /* co_linetable from 3.11 on: Objects/locations.md (InternalDocs/code_objects.md) */
};

enum line_form cpython_lines__form(uint32_t version); /* 0x030b: 3.11 */

/*
 * The line of an instruction, as frame.f_lineno says it; 0: it has none. `instruction` is what the frame has: the
 * number of a byte of code, of a code unit in 3.10; below 0: it has not begun, which is the first line's.
 *
 * 0, or -EAGAIN when the table ends before the instruction: then *line is the answer if the table is whole, and it may
 * be asked again with more of it.
 */
int cpython_lines__find(enum line_form form, const uint8_t *table, size_t size, int32_t first_line, int64_t instruction,
			uint32_t *line);

#endif
