/* SPDX-License-Identifier: MIT */
/* Figures for people: with a unit and no more digits than they deserve. Each writes into `out` and returns it. */
#ifndef GILTRACE_REPORT_FORMAT_H
#define GILTRACE_REPORT_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define FORMAT_SIZE 24

/* "0", "870 ns", "5.05 ms", "12.3 s": three digits. */
const char *format_time(char out[FORMAT_SIZE], uint64_t ns);

/*
 * The same with two digits, for what a histogram tells: "870 ns" is "870 ns", "5.05 ms" is "5.0 ms". What its first
 * bucket has is 0: nothing that was measured is as short.
 */
const char *format_rough_time(char out[FORMAT_SIZE], uint64_t ns);

/* "0", "<0.1", "4.2", "57": a share in [0, 1] as percent, without the sign. */
const char *format_percent(char out[FORMAT_SIZE], double share);

/* "0", "870", "12.3k", "1.20M": a number of things, of three digits. */
const char *format_count(char out[FORMAT_SIZE], double count);

/* A foreign name made safe and cut to `width` characters, the last of them then "~". `size` > 0. */
const char *format_name(char *out, size_t size, const char *name, size_t width);

/* The same, filled up with blanks to `width` characters: printf's %-15s counts bytes. */
const char *format_name_column(char *out, size_t size, const char *name, size_t width);

/* How many columns a safe text takes on a terminal, at most: characters that may be wide count twice. */
size_t format_columns(const char *text);

/* Cuts a safe text to this many columns (at least 1), the last of them then `mark`, of 3 bytes at most. The text has
 * room for 3 bytes more. */
void format_cut(char *text, size_t most, const char *mark);

#endif
