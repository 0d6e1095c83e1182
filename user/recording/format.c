/* SPDX-License-Identifier: MIT */
/* The counters of each message: see format.h. A field that was once given away keeps its meaning. */
#include "user/recording/format.h"

#include "user/trace/trace.h"

#define OF(type, field, member)                      \
	{                                            \
		field, offsetof(struct type, member) \
	}

const struct counter window_counters[] = {
	OF(trace, 20, probes.hits),
	OF(trace, 21, probes.windows),
	OF(trace, 22, probes.windows_cut),
	OF(trace, 23, children),
	OF(trace, 24, hogs_seen),
	OF(trace, 30, lost.events),
	OF(trace, 31, lost.stacks),
	OF(trace, 32, lost.threads),
	OF(trace, 33, lost.probes),
	OF(trace, 34, lost.gils),
	OF(trace, 35, lost.processes),
	OF(trace, 36, lost.pairs),
	OF(trace, 40, quality.walks),
	OF(trace, 41, quality.torn),
	OF(trace, 42, quality.missing),
	OF(trace, 43, quality.cut),
	OF(trace, 44, quality.frames_gone),
	OF(trace, 45, quality.waiter_looks),
	OF(trace, 46, quality.waiter_look_ns),
	COUNTERS_END,
};

const struct counter process_counters[] = {
	OF(trace_process, PROCESS_DURATION, duration_ns),
	COUNTERS_END,
};

const struct counter gil_counters[] = {
	OF(trace_gil, 20, looks),
	OF(trace_gil, 21, looks_held),
	COUNTERS_END,
};

const struct counter thread_counters[] = {
	OF(trace_thread, 20, counts.acquisitions),    OF(trace_thread, 21, counts.contended),
	OF(trace_thread, 22, counts.failed),          OF(trace_thread, 23, counts.timeouts),
	OF(trace_thread, 24, counts.stolen),          OF(trace_thread, 25, counts.handoffs),
	OF(trace_thread, 26, counts.releases_forced), OF(trace_thread, 27, counts.releases_voluntary),
	OF(trace_thread, 28, counts.held_ns),         OF(trace_thread, 29, counts.waited_ns),
	OF(trace_thread, 30, open.holds_at_start),    OF(trace_thread, 31, open.holds_at_end),
	OF(trace_thread, 32, open.waits_at_start),    OF(trace_thread, 33, open.waits_at_end),
	OF(trace_thread, 34, open.held_ns),           OF(trace_thread, 35, open.waited_ns),
	OF(trace_thread, 36, open.charged_ns),        OF(trace_thread, 37, held_runnable_ns),
	OF(trace_thread, 38, held_blocked_ns),        COUNTERS_END,
};

const struct counter blame_counters[] = {
	OF(trace_blame, 20, waits),
	OF(trace_blame, 21, wait_ns),
	OF(trace_blame, 22, wall_ns),
	COUNTERS_END,
};

const struct counter point_counters[] = {
	OF(trace_release_point, 20, releases),
	OF(trace_release_point, 21, forced),
	OF(trace_release_point, 22, held_ns),
	OF(trace_release_point, 23, outside_ns),
	OF(trace_release_point, 24, returns),
	OF(trace_release_point, 25, back_ns),
	COUNTERS_END,
};

const struct counter hog_counters[] = {
	OF(trace_hog, 20, start_ns),
	OF(trace_hog, 21, held_ns),
	OF(trace_hog, 22, request_to_drop_ns),
	OF(trace_hog, 23, runnable_ns),
	OF(trace_hog, 24, blocked_ns),
	OF(trace_hog, 25, syscall_ns),
	COUNTERS_END,
};

const struct counter distribution_counters[] = {
	OF(distribution, 20, count),
	OF(distribution, 21, sum_ns),
	COUNTERS_END,
};

const struct counter *counter__find(const struct counter *list, uint32_t field)
{
	for (; list->field; list++)
		if (list->field == field)
			return list;
	return NULL;
}
