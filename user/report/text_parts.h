/* SPDX-License-Identifier: MIT */
/* Parts of the text report that fill a file of their own. */
#ifndef GILTRACE_REPORT_TEXT_PARTS_H
#define GILTRACE_REPORT_TEXT_PARTS_H

#include <stdint.h>
#include <stdio.h>

struct distribution;
struct stacks;
struct trace;
struct trace_frame;
struct trace_gil;
struct trace_thread;

/* Of what the trace is, in a line or a few. */
void text__header(const struct trace *trace, FILE *out);

/* Whether the lock is what the program waits for, in a line; what that cost, in another; and whom. */
void text__verdict(const struct trace *trace, const struct trace_gil *gil, FILE *out);

/* What is missing, what is an estimate, and what tracing cost. */
void text__losses(const struct trace *trace, FILE *out);

/* The share of the time in which the thread had the lock, in [0, 1]. */
double text__held_share(const struct trace *trace, const struct trace_gil *gil, const struct trace_thread *thread);

/*
 * Percentiles, and for each octave how many values and what share of all their time. `zero`: what values of 0 mean.
 * Writes nothing when the distribution is empty.
 */
void text__histogram(const char *title, const char *meaning, const char *zero, const struct distribution *distribution,
		     FILE *out);

/* How long each waiter waited for each holder, the worst of both. Writes nothing when nobody waited. */
void text__matrix(const struct trace *trace, const struct trace_gil *gil, FILE *out);

/* Which code had the lock while others waited: the worst places, each with what called it. These three write nothing
 * when there are no stacks, or nothing to tell. */
void text__blame(const struct trace *trace, const struct trace_gil *gil, FILE *out);

/* The worst single holds, and what the holder did meanwhile. */
void text__hogs(const struct trace *trace, const struct trace_gil *gil, FILE *out);

/* Where threads let the lock go, and what it cost them to get it back. */
void text__release_points(const struct trace *trace, const struct trace_gil *gil, FILE *out);

/* The frame that a place in the code is named by: the innermost Python function, else the leaf. NULL: unknown. */
const struct trace_frame *text__culprit(const struct stacks *stacks, uint32_t stack);

/* "Order.validate (orders/model.py:41)" in at most `width` columns (at least 10), safe; less of the path where there is
 * little room. `frame` NULL: "[unknown stack]". */
#define TEXT_PLACE_SIZE 1024
const char *text__place(char out[TEXT_PLACE_SIZE], const struct trace_frame *frame, size_t width);

/* The table of processes, with a line for all together. */
void text__processes(const struct trace *trace, FILE *out);

#endif
