/* SPDX-License-Identifier: MIT */
/* Parts of the text report that fill a file of their own. */
#ifndef GILTRACE_REPORT_TEXT_PARTS_H
#define GILTRACE_REPORT_TEXT_PARTS_H

#include <stdio.h>

struct distribution;
struct trace;
struct trace_gil;

/* Percentiles, and for each octave how many values and what share of all their time. Writes nothing when the
 * distribution is empty. */
void text__histogram(const char *title, const char *meaning, const struct distribution *distribution, FILE *out);

/* How long each waiter waited for each holder, the worst of both. Writes nothing when nobody waited. */
void text__matrix(const struct trace *trace, const struct trace_gil *gil, FILE *out);

/* The table of processes, with a line for all together. */
void text__processes(const struct trace *trace, FILE *out);

#endif
