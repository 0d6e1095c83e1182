/* SPDX-License-Identifier: MIT */
/* Finishing a trace: leaving out, scaling, merging, sorting, deriving. See trace.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/trace/trace.h"

#define COMPARE(a, b)                              \
	do {                                       \
		if ((a) != (b))                    \
			return (a) < (b) ? -1 : 1; \
	} while (0)

static int compare_processes(const void *left, const void *right)
{
	const struct trace_process *a = left, *b = right;

	COMPARE(a->number, b->number);
	return 0;
}

static int compare_gils(const void *left, const void *right)
{
	const struct trace_gil *a = left, *b = right;

	COMPARE(a->process, b->process);
	COMPARE(a->interpreter, b->interpreter);
	COMPARE(a->address, b->address);
	return 0;
}

static int compare_threads(const void *left, const void *right)
{
	const struct trace_thread *a = left, *b = right;

	COMPARE(a->process, b->process);
	COMPARE(a->gil, b->gil);
	COMPARE(b->counts.waited_ns + b->open.waited_ns, a->counts.waited_ns + a->open.waited_ns);
	COMPARE(a->tid, b->tid);
	return 0;
}

static int compare_pairs(const void *left, const void *right)
{
	const struct trace_blame *a = left, *b = right;

	COMPARE(a->process, b->process);
	COMPARE(a->gil, b->gil);
	COMPARE(a->waiter, b->waiter);
	COMPARE(a->holder, b->holder);
	COMPARE(a->stack, b->stack);
	COMPARE(a->waiter_stack, b->waiter_stack);
	return 0;
}

static int compare_blame(const void *left, const void *right)
{
	const struct trace_blame *a = left, *b = right;

	COMPARE(b->wait_ns, a->wait_ns);
	return compare_pairs(a, b);
}

/* Merges neighbours that compare as equal; `add` adds the second's figures to the first. Returns how many are left. */
static size_t merge_equal(void *array, size_t count, size_t size, int (*compare)(const void *, const void *),
			  void (*add)(void *into, const void *from))
{
	char *list = array;
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		if (kept && !compare(list + (kept - 1) * size, list + i * size))
			add(list + (kept - 1) * size, list + i * size);
		else
			memmove(list + kept++ * size, list + i * size, size);
	}
	return kept;
}

static void add_pair(void *into, const void *from)
{
	struct trace_blame *a = into;
	const struct trace_blame *b = from;

	a->waits += b->waits;
	a->wait_ns += b->wait_ns;
	a->wall_ns += b->wall_ns;
}

static int compare_points(const void *left, const void *right)
{
	const struct trace_release_point *a = left, *b = right;

	COMPARE(a->process, b->process);
	COMPARE(a->gil, b->gil);
	COMPARE(a->tid, b->tid);
	COMPARE(a->stack, b->stack);
	return 0;
}

static int compare_coming_back(const void *left, const void *right)
{
	const struct trace_release_point *a = left, *b = right;

	COMPARE(b->back_ns, a->back_ns);
	COMPARE(b->held_ns, a->held_ns);
	return compare_points(a, b);
}

static void add_point(void *into, const void *from)
{
	struct trace_release_point *a = into;
	const struct trace_release_point *b = from;

	a->releases += b->releases;
	a->forced += b->forced;
	a->held_ns += b->held_ns;
	a->outside_ns += b->outside_ns;
	a->returns += b->returns;
	a->back_ns += b->back_ns;
}

static int compare_hogs(const void *left, const void *right)
{
	const struct trace_hog *a = left, *b = right;

	COMPARE(b->request_to_drop_ns, a->request_to_drop_ns);
	COMPARE(a->start_ns, b->start_ns);
	COMPARE(a->tid, b->tid);
	return 0;
}

static void add_counts(struct trace_counts *into, const struct trace_counts *from)
{
	into->acquisitions += from->acquisitions;
	into->contended += from->contended;
	into->failed += from->failed;
	into->timeouts += from->timeouts;
	into->stolen += from->stolen;
	into->handoffs += from->handoffs;
	into->releases_forced += from->releases_forced;
	into->releases_voluntary += from->releases_voluntary;
	into->held_ns += from->held_ns;
	into->waited_ns += from->waited_ns;
}

static void add_open(struct trace_open *into, const struct trace_open *from)
{
	into->holds_at_start += from->holds_at_start;
	into->holds_at_end += from->holds_at_end;
	into->waits_at_start += from->waits_at_start;
	into->waits_at_end += from->waits_at_end;
	into->held_ns += from->held_ns;
	into->waited_ns += from->waited_ns;
	into->charged_ns += from->charged_ns;
}

static void sort(void *array, size_t count, size_t size, int (*compare)(const void *, const void *))
{
	if (count)
		qsort(array, count, size, compare);
}

static int compare_places(const void *left, const void *right)
{
	const struct trace_gil *a = *(struct trace_gil *const *)left, *b = *(struct trace_gil *const *)right;

	COMPARE(a->process, b->process);
	COMPARE(a->address, b->address);
	return 0;
}

static int derive_gil(struct trace_gil *gil, const struct trace_thread *thread)
{
	gil->threads++;
	add_counts(&gil->counts, &thread->counts);
	add_open(&gil->open, &thread->open);
	if (distribution__merge(&gil->wait, &thread->wait) || distribution__merge(&gil->hold, &thread->hold))
		return -ENOMEM;
	return 0;
}

static int derive_gils(struct trace *trace)
{
	struct trace_gil **by_place = calloc(trace->gil_count + 1, sizeof(*by_place)), **found;
	int err = by_place ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < trace->gil_count; i++)
		by_place[i] = &trace->gils[i];
	if (!err)
		sort(by_place, trace->gil_count, sizeof(*by_place), compare_places);
	for (size_t i = 0; !err && i < trace->thread_count; i++) {
		const struct trace_thread *thread = &trace->threads[i];
		struct trace_gil wanted = {.process = thread->process, .address = thread->gil}, *key = &wanted;

		found = bsearch(&key, by_place, trace->gil_count, sizeof(*by_place), compare_places);
		if (found)
			err = derive_gil(*found, thread);
	}
	free(by_place);
	return err;
}

/* Locks are sorted by process already. */
static void derive_processes(struct trace *trace)
{
	for (size_t i = 0, at = 0; i < trace->gil_count; i++) {
		const struct trace_gil *gil = &trace->gils[i];
		struct trace_process *process;

		while (at < trace->process_count && trace->processes[at].number < gil->process)
			at++;
		if (at == trace->process_count || trace->processes[at].number != gil->process)
			continue;
		process = &trace->processes[at];
		process->gils++;
		process->threads += gil->threads;
		add_counts(&process->counts, &gil->counts);
		add_open(&process->open, &gil->open);
	}
}

static int derive_total(struct trace *trace)
{
	for (size_t i = 0; i < trace->gil_count; i++) {
		const struct trace_gil *gil = &trace->gils[i];

		add_counts(&trace->total.counts, &gil->counts);
		add_open(&trace->total.open, &gil->open);
		if (distribution__merge(&trace->total.wait, &gil->wait) ||
		    distribution__merge(&trace->total.hold, &gil->hold))
			return -ENOMEM;
	}
	return 0;
}

static uint64_t scaled(uint64_t value, double factor)
{
	double product = (double)value * factor + 0.5;

	return product < 0x1p63 ? (uint64_t)product : INT64_MAX;
}

static void scale_holds_of(struct trace_thread *thread, double factor)
{
	struct trace_counts *counts = &thread->counts;

	counts->acquisitions = scaled(counts->acquisitions, factor);
	counts->releases_forced = scaled(counts->releases_forced, factor);
	counts->releases_voluntary = scaled(counts->releases_voluntary, factor);
	counts->held_ns = scaled(counts->held_ns, factor);
	thread->held_runnable_ns = scaled(thread->held_runnable_ns, factor);
	thread->held_blocked_ns = scaled(thread->held_blocked_ns, factor);
	distribution__scale(&thread->hold, factor);
}

static void scale_releases(struct trace_release_point *point, double factor)
{
	point->releases = scaled(point->releases, factor);
	point->forced = scaled(point->forced, factor);
	point->held_ns = scaled(point->held_ns, factor);
	point->outside_ns = scaled(point->outside_ns, factor);
	point->returns = scaled(point->returns, factor);
	point->back_ns = scaled(point->back_ns, factor);
}

static bool is_in_windows(const struct trace *trace, uint32_t process)
{
	const struct trace_process *found = trace__find_process(trace, process);

	return found && found->in_windows;
}

/* Lets what was seen in windows stand for what was not seen. */
static void scale_holds(struct trace *trace)
{
	double factor = trace->holds_factor;

	if (factor == 1)
		return;
	for (size_t i = 0; i < trace->thread_count; i++)
		if (is_in_windows(trace, trace->threads[i].process))
			scale_holds_of(&trace->threads[i], factor);
	for (size_t i = 0; i < trace->point_count; i++)
		if (is_in_windows(trace, trace->points[i].process))
			scale_releases(&trace->points[i], factor);
	for (size_t i = 0; i < trace->gil_count; i++)
		if (is_in_windows(trace, trace->gils[i].process))
			distribution__scale(&trace->gils[i].handoff, factor);
}

/* As elsewhere, each wait that counts is in the histogram: buckets that are rounded apart make the number. */
static void scale_waits_of(struct trace_thread *thread, double factor)
{
	struct trace_counts *counts = &thread->counts;

	distribution__scale(&thread->wait, factor);
	counts->contended = counts->handoffs = thread->wait.count;
	counts->waited_ns = thread->wait.sum_ns;
	counts->failed = scaled(counts->failed, factor);
	counts->timeouts = scaled(counts->timeouts, factor);
	counts->stolen = scaled(counts->stolen, factor);
}

static void scale_blame(struct trace_blame *blame, double factor)
{
	blame->waits = scaled(blame->waits, factor);
	blame->wait_ns = scaled(blame->wait_ns, factor);
	blame->wall_ns = scaled(blame->wall_ns, factor);
}

static void scale_waits(struct trace *trace)
{
	double factor = trace->waits_factor;

	if (factor == 1)
		return;
	for (size_t i = 0; i < trace->thread_count; i++)
		if (is_in_windows(trace, trace->threads[i].process))
			scale_waits_of(&trace->threads[i], factor);
	for (size_t i = 0; i < trace->blame_count; i++)
		if (is_in_windows(trace, trace->blame[i].process))
			scale_blame(&trace->blame[i], factor);
	for (size_t i = 0; i < trace->gil_count; i++)
		for (int k = 0; k < ATTEMPTS_BUCKETS && is_in_windows(trace, trace->gils[i].process); k++)
			trace->gils[i].attempts[k] = scaled(trace->gils[i].attempts[k], factor);
}

static bool is_refuted(const struct trace *trace, uint32_t process)
{
	const struct trace_process *found = trace__find_process(trace, process);

	return found && found->refuted;
}

static void drop_refuted_threads(struct trace *trace)
{
	size_t gils = 0, threads = 0;

	for (size_t i = 0; i < trace->gil_count; i++) {
		if (is_refuted(trace, trace->gils[i].process))
			distribution__clear(&trace->gils[i].handoff);
		else
			trace->gils[gils++] = trace->gils[i];
	}
	for (size_t i = 0; i < trace->thread_count; i++) {
		if (is_refuted(trace, trace->threads[i].process)) {
			distribution__clear(&trace->threads[i].wait);
			distribution__clear(&trace->threads[i].hold);
		} else {
			trace->threads[threads++] = trace->threads[i];
		}
	}
	trace->gil_count = gils;
	trace->thread_count = threads;
}

static void drop_refuted_code(struct trace *trace)
{
	size_t pairs = 0, points = 0, hogs = 0, events = 0;

	for (size_t i = 0; i < trace->blame_count; i++)
		if (!is_refuted(trace, trace->blame[i].process))
			trace->blame[pairs++] = trace->blame[i];
	for (size_t i = 0; i < trace->point_count; i++)
		if (!is_refuted(trace, trace->points[i].process))
			trace->points[points++] = trace->points[i];
	for (size_t i = 0; i < trace->hog_count; i++)
		if (!is_refuted(trace, trace->hogs[i].process))
			trace->hogs[hogs++] = trace->hogs[i];
	for (size_t i = 0; i < trace->event_count; i++)
		if (!is_refuted(trace, trace->events[i].process))
			trace->events[events++] = trace->events[i];
	trace->event_count = events;
	trace->blame_count = pairs;
	trace->point_count = points;
	trace->hog_count = hogs;
}

/* Processes are sorted by number. */
static void drop_refuted(struct trace *trace)
{
	size_t processes = 0, refuted = 0;

	for (size_t i = 0; i < trace->process_count; i++)
		refuted += trace->processes[i].refuted;
	if (!refuted)
		return;
	drop_refuted_threads(trace);
	drop_refuted_code(trace);
	for (size_t i = 0; i < trace->process_count; i++) {
		if (trace->processes[i].refuted)
			free(trace->processes[i].exe);
		else
			trace->processes[processes++] = trace->processes[i];
	}
	trace->process_count = processes;
	trace->lost.processes += refuted;
}

void trace__compact(struct trace *trace)
{
	sort(trace->blame, trace->blame_count, sizeof(*trace->blame), compare_pairs);
	trace->blame_count =
		merge_equal(trace->blame, trace->blame_count, sizeof(*trace->blame), compare_pairs, add_pair);
	sort(trace->points, trace->point_count, sizeof(*trace->points), compare_points);
	trace->point_count =
		merge_equal(trace->points, trace->point_count, sizeof(*trace->points), compare_points, add_point);
}

int trace__finish(struct trace *trace)
{
	int err;

	sort(trace->processes, trace->process_count, sizeof(*trace->processes), compare_processes);
	drop_refuted(trace);
	trace__compact(trace);
	scale_holds(trace);
	scale_waits(trace);
	sort(trace->gils, trace->gil_count, sizeof(*trace->gils), compare_gils);
	sort(trace->threads, trace->thread_count, sizeof(*trace->threads), compare_threads);
	sort(trace->blame, trace->blame_count, sizeof(*trace->blame), compare_blame);
	sort(trace->points, trace->point_count, sizeof(*trace->points), compare_coming_back);
	sort(trace->hogs, trace->hog_count, sizeof(*trace->hogs), compare_hogs);
	err = derive_gils(trace);
	if (err)
		return err;
	derive_processes(trace);
	return derive_total(trace);
}
