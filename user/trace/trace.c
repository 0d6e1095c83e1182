/* SPDX-License-Identifier: MIT */
/* The model of a trace: see trace.h. */
#include "user/trace/trace.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct trace *trace__new(void)
{
	struct trace *trace = calloc(1, sizeof(*trace));

	if (!trace)
		return NULL;
	trace->stacks = stacks__new();
	if (!trace->stacks) {
		free(trace);
		return NULL;
	}
	trace->target.runtime = "";
	trace->target.design = "";
	trace->probes.cost_ns_per_hit = -1;
	trace->probes.longest_ns = -1;
	trace->probes.overhead_pct = -1;
	trace->probes.coverage_pct = trace->probes.waits_coverage_pct = 100;
	trace->probes.budget_pct = -1;
	return trace;
}

static void clear_gil(struct trace_gil *gil)
{
	distribution__clear(&gil->handoff);
	distribution__clear(&gil->wait);
	distribution__clear(&gil->hold);
}

static void clear_thread(struct trace_thread *thread)
{
	distribution__clear(&thread->wait);
	distribution__clear(&thread->hold);
}

void trace__free(struct trace *trace)
{
	if (!trace)
		return;
	for (size_t i = 0; i < trace->gil_count; i++)
		clear_gil(&trace->gils[i]);
	for (size_t i = 0; i < trace->thread_count; i++)
		clear_thread(&trace->threads[i]);
	for (size_t i = 0; i < trace->process_count; i++)
		free(trace->processes[i].exe);
	free(trace->processes);
	distribution__clear(&trace->total.wait);
	distribution__clear(&trace->total.hold);
	free(trace->gils);
	free(trace->threads);
	free(trace->blame);
	free(trace->points);
	free(trace->hogs);
	stacks__free(trace->stacks);
	free(trace);
}

/* Makes room for one more element (at each power of two) and zeroes it. */
static void *append(void **array, size_t *count, size_t size)
{
	char *element;

	if (!(*count & (*count - 1))) {
		void *grown = realloc(*array, (*count ? 2 * *count : 1) * size);

		if (!grown)
			return NULL;
		*array = grown;
	}
	element = (char *)*array + (*count)++ * size;
	return memset(element, 0, size);
}

struct trace_process *trace__add_process(struct trace *trace)
{
	struct trace_process *process = append((void **)&trace->processes, &trace->process_count, sizeof(*process));

	if (process)
		process->runtime = process->design = "";
	return process;
}

struct trace_gil *trace__add_gil(struct trace *trace)
{
	struct trace_gil *gil = append((void **)&trace->gils, &trace->gil_count, sizeof(*gil));

	if (gil)
		gil->interpreter = -1;
	return gil;
}

struct trace_thread *trace__add_thread(struct trace *trace)
{
	return append((void **)&trace->threads, &trace->thread_count, sizeof(struct trace_thread));
}

struct trace_blame *trace__add_blame(struct trace *trace)
{
	return append((void **)&trace->blame, &trace->blame_count, sizeof(struct trace_blame));
}

struct trace_release_point *trace__add_release_point(struct trace *trace)
{
	return append((void **)&trace->points, &trace->point_count, sizeof(struct trace_release_point));
}

static bool is_worse(const struct trace_hog *a, const struct trace_hog *b)
{
	return a->request_to_drop_ns > b->request_to_drop_ns;
}

int trace__add_hog(struct trace *trace, const struct trace_hog *hog)
{
	size_t mildest = 0;

	trace->hogs_seen++;
	if (trace->hog_count < TRACE_MAX_HOGS) {
		struct trace_hog *into = append((void **)&trace->hogs, &trace->hog_count, sizeof(*hog));

		if (!into)
			return -ENOMEM;
		*into = *hog;
		return 0;
	}
	for (size_t i = 1; i < trace->hog_count; i++)
		if (is_worse(&trace->hogs[mildest], &trace->hogs[i]))
			mildest = i;
	if (is_worse(hog, &trace->hogs[mildest]))
		trace->hogs[mildest] = *hog;
	return 0;
}

/* Moving empties what is left behind, so that nothing is freed twice. */
#define MOVE(into, from, add, list, count)                                                \
	for (; (from)->count; (from)->count--) {                                          \
		void *element = add(into);                                                \
                                                                                          \
		if (!element)                                                             \
			return -ENOMEM;                                                   \
		memcpy(element, &(from)->list[(from)->count - 1], sizeof(*(from)->list)); \
	}

int trace__move(struct trace *into, struct trace *from)
{
	struct stacks *stacks;

	MOVE(into, from, trace__add_process, processes, process_count)
	MOVE(into, from, trace__add_gil, gils, gil_count)
	MOVE(into, from, trace__add_thread, threads, thread_count)
	MOVE(into, from, trace__add_blame, blame, blame_count)
	MOVE(into, from, trace__add_release_point, points, point_count)
	for (size_t i = 0; i < from->hog_count; i++)
		if (trace__add_hog(into, &from->hogs[i]))
			return -ENOMEM;
	into->hogs_seen += from->hogs_seen - from->hog_count; /* those that were not kept */
	from->hog_count = from->hogs_seen = 0;
	stacks = into->stacks;
	into->stacks = from->stacks;
	from->stacks = stacks;
	return 0;
}

bool trace__drop_process(struct trace *trace, uint32_t number)
{
	size_t processes = 0, gils = 0, threads = 0, pairs = 0, points = 0, hogs = 0;
	bool dropped;

	for (size_t i = 0; i < trace->process_count; i++) {
		if (trace->processes[i].number == number)
			free(trace->processes[i].exe);
		else
			trace->processes[processes++] = trace->processes[i];
	}
	for (size_t i = 0; i < trace->gil_count; i++) {
		if (trace->gils[i].process == number)
			clear_gil(&trace->gils[i]);
		else
			trace->gils[gils++] = trace->gils[i];
	}
	for (size_t i = 0; i < trace->thread_count; i++) {
		if (trace->threads[i].process == number)
			clear_thread(&trace->threads[i]);
		else
			trace->threads[threads++] = trace->threads[i];
	}
	for (size_t i = 0; i < trace->blame_count; i++)
		if (trace->blame[i].process != number)
			trace->blame[pairs++] = trace->blame[i];
	for (size_t i = 0; i < trace->point_count; i++)
		if (trace->points[i].process != number)
			trace->points[points++] = trace->points[i];
	for (size_t i = 0; i < trace->hog_count; i++)
		if (trace->hogs[i].process != number)
			trace->hogs[hogs++] = trace->hogs[i];
	dropped = processes < trace->process_count;
	trace->process_count = processes;
	trace->gil_count = gils;
	trace->thread_count = threads;
	trace->blame_count = pairs;
	trace->point_count = points;
	trace->hog_count = hogs;
	return dropped;
}

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

static int derive_gil(struct trace_gil *gil, const struct trace *trace)
{
	for (size_t i = 0; i < trace->thread_count; i++) {
		const struct trace_thread *thread = &trace->threads[i];

		if (!trace__is_of(thread, gil))
			continue;
		gil->threads++;
		add_counts(&gil->counts, &thread->counts);
		add_open(&gil->open, &thread->open);
		if (distribution__merge(&gil->wait, &thread->wait) || distribution__merge(&gil->hold, &thread->hold))
			return -ENOMEM;
	}
	return 0;
}

static void derive_process(struct trace_process *process, const struct trace *trace)
{
	for (size_t i = 0; i < trace->gil_count; i++) {
		const struct trace_gil *gil = &trace->gils[i];

		if (gil->process != process->number)
			continue;
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

static void sort(void *array, size_t count, size_t size, int (*compare)(const void *, const void *))
{
	if (count)
		qsort(array, count, size, compare);
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
	sort(trace->gils, trace->gil_count, sizeof(*trace->gils), compare_gils);
	sort(trace->threads, trace->thread_count, sizeof(*trace->threads), compare_threads);
	trace__compact(trace);
	sort(trace->blame, trace->blame_count, sizeof(*trace->blame), compare_blame);
	sort(trace->points, trace->point_count, sizeof(*trace->points), compare_coming_back);
	sort(trace->hogs, trace->hog_count, sizeof(*trace->hogs), compare_hogs);
	for (size_t i = 0; i < trace->gil_count; i++) {
		err = derive_gil(&trace->gils[i], trace);
		if (err)
			return err;
	}
	for (size_t i = 0; i < trace->process_count; i++)
		derive_process(&trace->processes[i], trace);
	return derive_total(trace);
}

const struct trace_process *trace__find_process(const struct trace *trace, uint32_t number)
{
	struct trace_process wanted = {.number = number};

	if (!trace->process_count)
		return NULL;
	return bsearch(&wanted, trace->processes, trace->process_count, sizeof(wanted), compare_processes);
}

bool trace__is_of(const struct trace_thread *thread, const struct trace_gil *gil)
{
	return thread->process == gil->process && thread->gil == gil->address;
}

const char *trace__thread_name(const struct trace *trace, uint32_t process, uint32_t tid)
{
	for (size_t i = 0; i < trace->thread_count; i++)
		if (trace->threads[i].process == process && trace->threads[i].tid == tid)
			return trace->threads[i].name;
	return "";
}

uint64_t trace__duration(const struct trace *trace, const struct trace_gil *gil)
{
	const struct trace_process *process = trace__find_process(trace, gil->process);

	return process ? process->duration_ns : trace->duration_ns;
}

bool trace__knows_holds(const struct trace *trace)
{
	return trace->level != TRACE_WAITS;
}

bool trace__is_sampled(const struct trace *trace)
{
	return trace->level == TRACE_AUTO && trace->probes.coverage_pct < 100;
}

static uint64_t scaled(uint64_t value, double factor)
{
	return (uint64_t)((double)value * factor + 0.5);
}

void trace__scale_holds(struct trace_thread *thread, double factor)
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

/* As elsewhere, each wait that counts is in the histogram: buckets that are rounded apart make the number. */
void trace__scale_waits(struct trace_thread *thread, double factor)
{
	struct trace_counts *counts = &thread->counts;

	distribution__scale(&thread->wait, factor);
	counts->contended = counts->handoffs = thread->wait.count;
	counts->waited_ns = thread->wait.sum_ns;
	counts->failed = scaled(counts->failed, factor);
	counts->timeouts = scaled(counts->timeouts, factor);
	counts->stolen = scaled(counts->stolen, factor);
}

void trace__scale_blame(struct trace_blame *blame, double factor)
{
	blame->waits = scaled(blame->waits, factor);
	blame->wait_ns = scaled(blame->wait_ns, factor);
	blame->wall_ns = scaled(blame->wall_ns, factor);
}

void trace__scale_releases(struct trace_release_point *point, double factor)
{
	point->releases = scaled(point->releases, factor);
	point->forced = scaled(point->forced, factor);
	point->held_ns = scaled(point->held_ns, factor);
	point->outside_ns = scaled(point->outside_ns, factor);
	point->returns = scaled(point->returns, factor);
	point->back_ns = scaled(point->back_ns, factor);
}

/* Whether every hold of the lock was seen, and there was any. */
static bool is_exact(const struct trace *trace, const struct trace_gil *gil)
{
	return trace__knows_holds(trace) && !trace__is_sampled(trace) &&
	       (gil->counts.acquisitions || gil->counts.contended || gil->open.holds_at_start ||
		gil->open.holds_at_end || !gil->looks);
}

double trace__utilisation(const struct trace *trace, const struct trace_gil *gil, double *error)
{
	double held = (double)(gil->counts.held_ns + gil->open.held_ns), share;
	uint64_t duration = trace__duration(trace, gil);

	if (error)
		*error = 0;
	if (is_exact(trace, gil)) {
		share = duration ? held / (double)duration : 0;
		return share > 1 ? 1 : share;
	}
	if (!gil->looks)
		return -1;
	share = (double)gil->looks_held / (double)gil->looks;
	if (error)
		*error = 1.96 * sqrt(share * (1 - share) / (double)gil->looks);
	return share;
}

double trace__saturation(const struct trace *trace, const struct trace_gil *gil)
{
	double waited = (double)(gil->counts.waited_ns + gil->open.waited_ns);

	uint64_t duration = trace__duration(trace, gil);

	return duration ? waited / (double)duration : 0;
}

double trace__convoy_score(const struct trace_release_point *point)
{
	return point->outside_ns ? (double)point->back_ns / (double)point->outside_ns : -1;
}
