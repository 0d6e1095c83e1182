/* SPDX-License-Identifier: MIT */
/* The characters of CPython's strings into UTF-8. Pure. */
#ifndef GILTRACE_TARGET_CPYTHON_TEXT_H
#define GILTRACE_TARGET_CPYTHON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How the characters lie: bytes as they are (2.7's str, and ASCII), or one character in 1, 2 or 4 bytes. */
enum text_kind { TEXT_BYTES = 0, TEXT_1 = 1, TEXT_2 = 2, TEXT_4 = 4 };

/*
 * Writes `count` characters, terminated, into `out` of `size` bytes (8 or more). What does not fit is cut off, with
 * "..." in its place, as when `more` says that the text goes on. What UTF-8 cannot say is written as Python's
 * backslashreplace does, "\udcff": lone surrogates, as in file names that are no UTF-8; and numbers beyond Unicode,
 * which no string has. NUL becomes "\x00".
 */
void cpython_text__encode(enum text_kind kind, const void *characters, size_t count, bool more, char *out, size_t size);

#endif
