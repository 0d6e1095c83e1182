/* SPDX-License-Identifier: MIT */
/*
 * A trace in parts, one after the other: what each brought of the figures that are told apart from noise by how much
 * they differ from part to part. Pure. Filled while a recording is read, chunk by chunk.
 *
 * There are at most PARTS_MOST parts. When there are more chunks, two neighbours become one each time; so memory does
 * not grow with the recording, and parts of a long one are long, as they should be: what is near in time is alike.
 */
#ifndef GILTRACE_PARTS_H
#define GILTRACE_PARTS_H

#include <stddef.h>
#include <stdint.h>

struct distribution;
struct stacks;
struct trace_frame;
struct trace_thread;

#define PARTS_MOST  64
#define PARTS_NAMES 2048 /* threads' names and places: those that come later are not kept by parts */

enum parts_figure { PARTS_ACQUISITIONS, PARTS_CONTENDED, PARTS_FAILED, PARTS_HELD_NS, PARTS_WAITED_NS, PARTS_FIGURES };

/* Times whose percentiles are compared. */
enum parts_times { PARTS_WAITS, PARTS_HOLDS, PARTS_HANDOFFS, PARTS_TIMES };

struct parts;

/* NULL without memory. parts__free() takes NULL. */
struct parts *parts__new(void);
void parts__free(struct parts *parts);

/* What a thread came to from `before` to `now`, its open intervals included. 0 or -ENOMEM. */
int parts__add_thread(struct parts *parts, const struct trace_thread *before, const struct trace_thread *now);

/* What others waited for a holder with this stack. 0 or -ENOMEM. */
int parts__add_blame(struct parts *parts, const struct stacks *stacks, uint32_t stack, uint64_t wait_ns);

/* What came to a distribution from `before` to `now`. */
void parts__add_times(struct parts *parts, enum parts_times which, const struct distribution *before,
		      const struct distribution *now);

/* The chunk that all this was of is over; it was of so many ns. */
void parts__end_chunk(struct parts *parts, uint64_t ns);

/* How many parts there are. What is left at the end and is less than half of a part goes with the last. */
size_t parts__count(const struct parts *parts);

/*
 * What each part has: ns; a figure of all threads; the held or waited ns of all threads of a name; the ns that were
 * waited for a place, which is named by its function (text__culprit()). They return how many parts there are, 0 when
 * this name was not kept.
 */
size_t parts__durations(const struct parts *parts, double out[PARTS_MOST]);
size_t parts__total(const struct parts *parts, enum parts_figure figure, double out[PARTS_MOST]);
size_t parts__thread(const struct parts *parts, const char *name, enum parts_figure figure, double out[PARTS_MOST]);
size_t parts__place(const struct parts *parts, const struct trace_frame *place, double out[PARTS_MOST]);

/* How many times each part has in the buckets below this one, and in all. Returns how many parts there are. */
size_t parts__times_below(const struct parts *parts, enum parts_times which, uint32_t bucket, double below[PARTS_MOST],
			  double all[PARTS_MOST]);

#endif
