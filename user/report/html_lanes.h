/* SPDX-License-Identifier: MIT */
/* Lanes of the page's timeline: which of the trace's threads an event is of, found fast. */
#ifndef GILTRACE_REPORT_HTML_LANES_H
#define GILTRACE_REPORT_HTML_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct trace;
struct trace_event;

/* More are not drawn. */
#define LANES_MOST 4096

#define LANES_RECENT 4096 /* a power of two */

struct lanes {
	const struct trace *trace;
	uint32_t *sorted;              /* numbers of threads, by process, lock and tid */
	uint32_t recent[LANES_RECENT]; /* by tid: what was found last, plus 1 */
};

/* The part of an event that lies within the trace, in nanoseconds since it began. */
struct lane_span {
	uint32_t lane; /* a number of the trace's threads, below LANES_MOST */
	uint64_t start, end;
};

/* 0 or -ENOMEM. */
int lanes__open(struct lanes *lanes, const struct trace *trace);
void lanes__close(struct lanes *lanes);

size_t lanes__count(const struct lanes *lanes);

/* False: the event is of no lane, or not within the trace. */
bool lanes__find(struct lanes *lanes, const struct trace_event *event, struct lane_span *span);

/* The lane of who had the lock when a wait began; UINT32_MAX: unknown. */
uint32_t lanes__holder(struct lanes *lanes, const struct trace_event *event);

#endif
