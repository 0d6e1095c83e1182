/* SPDX-License-Identifier: MIT */
/* Lanes of the page's timeline: see html_lanes.h. */
#include "user/report/html_lanes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/trace/trace.h"

static int compare(uint32_t process, uint64_t gil, uint32_t tid, const struct trace_thread *thread)
{
	if (process != thread->process)
		return process < thread->process ? -1 : 1;
	if (gil != thread->gil)
		return gil < thread->gil ? -1 : 1;
	if (tid != thread->tid)
		return tid < thread->tid ? -1 : 1;
	return 0;
}

static int compare_numbers(const void *left, const void *right, void *trace)
{
	const struct trace_thread *threads = ((const struct trace *)trace)->threads;
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
	int order = compare(threads[a].process, threads[a].gil, threads[a].tid, &threads[b]);

	return order ? order : (a > b) - (a < b);
}

int lanes__open(struct lanes *lanes, const struct trace *trace)
{
	memset(lanes, 0, sizeof(*lanes));
	lanes->trace = trace;
	lanes->sorted = malloc((lanes__count(lanes) + 1) * sizeof(*lanes->sorted));
	if (!lanes->sorted)
		return -ENOMEM;
	for (uint32_t i = 0; i < lanes__count(lanes); i++)
		lanes->sorted[i] = i;
	qsort_r(lanes->sorted, lanes__count(lanes), sizeof(*lanes->sorted), compare_numbers, (void *)trace);
	return 0;
}

void lanes__close(struct lanes *lanes)
{
	free(lanes->sorted);
	lanes->sorted = NULL;
}

size_t lanes__count(const struct lanes *lanes)
{
	return lanes->trace->thread_count < LANES_MOST ? lanes->trace->thread_count : LANES_MOST;
}

static uint32_t search(const struct lanes *lanes, uint32_t process, uint64_t gil, uint32_t tid)
{
	size_t low = 0, high = lanes__count(lanes);

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = compare(process, gil, tid, &lanes->trace->threads[lanes->sorted[middle]]);

		if (!order)
			return lanes->sorted[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return UINT32_MAX;
}

/* Few threads are active at a time: mostly it is the one that was found last. */
static uint32_t look_up(struct lanes *lanes, uint32_t process, uint64_t gil, uint32_t tid)
{
	uint32_t *recent = &lanes->recent[tid & (LANES_RECENT - 1)], lane;

	if (*recent && !compare(process, gil, tid, &lanes->trace->threads[*recent - 1]))
		return *recent - 1;
	lane = search(lanes, process, gil, tid);
	if (lane != UINT32_MAX)
		*recent = lane + 1;
	return lane;
}

bool lanes__find(struct lanes *lanes, const struct trace_event *event, struct lane_span *span)
{
	uint64_t begin = lanes->trace->start_ns, end = begin + lanes->trace->duration_ns;
	uint64_t from = event->start_ns > begin ? event->start_ns : begin;
	uint64_t to = event->end_ns < end ? event->end_ns : end;

	span->lane = look_up(lanes, event->process, event->gil, event->tid);
	if (span->lane == UINT32_MAX || from > to)
		return false;
	span->start = from - begin;
	span->end = to - begin;
	return true;
}

uint32_t lanes__holder(struct lanes *lanes, const struct trace_event *event)
{
	return event->holder ? look_up(lanes, event->process, event->gil, event->holder) : UINT32_MAX;
}
