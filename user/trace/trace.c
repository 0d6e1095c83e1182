/* SPDX-License-Identifier: MIT */
/* The model of a trace: see trace.h. */
#include "user/trace/trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct trace *trace__new(void)
{
	struct trace *trace = calloc(1, sizeof(*trace));

	if (!trace)
		return NULL;
	trace->target.runtime = "";
	trace->target.design = "";
	trace->probes.cost_ns_per_hit = -1;
	trace->probes.longest_ns = -1;
	trace->probes.overhead_pct = -1;
	trace->probes.coverage_pct = 100;
	return trace;
}

void trace__free(struct trace *trace)
{
	if (!trace)
		return;
	for (size_t i = 0; i < trace->gil_count; i++) {
		distribution__clear(&trace->gils[i].handoff);
		distribution__clear(&trace->gils[i].wait);
		distribution__clear(&trace->gils[i].hold);
	}
	for (size_t i = 0; i < trace->thread_count; i++) {
		distribution__clear(&trace->threads[i].wait);
		distribution__clear(&trace->threads[i].hold);
	}
	free(trace->gils);
	free(trace->threads);
	free(trace->blame);
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

#define COMPARE(a, b)                              \
	do {                                       \
		if ((a) != (b))                    \
			return (a) < (b) ? -1 : 1; \
	} while (0)

static int compare_gils(const void *left, const void *right)
{
	const struct trace_gil *a = left, *b = right;

	COMPARE(a->pid, b->pid);
	COMPARE(a->interpreter, b->interpreter);
	COMPARE(a->address, b->address);
	return 0;
}

static int compare_threads(const void *left, const void *right)
{
	const struct trace_thread *a = left, *b = right;

	COMPARE(a->pid, b->pid);
	COMPARE(a->gil, b->gil);
	COMPARE(b->counts.waited_ns + b->open.waited_ns, a->counts.waited_ns + a->open.waited_ns);
	COMPARE(a->tid, b->tid);
	return 0;
}

static int compare_pairs(const void *left, const void *right)
{
	const struct trace_blame *a = left, *b = right;

	COMPARE(a->pid, b->pid);
	COMPARE(a->gil, b->gil);
	COMPARE(a->waiter, b->waiter);
	COMPARE(a->holder, b->holder);
	return 0;
}

static int compare_blame(const void *left, const void *right)
{
	const struct trace_blame *a = left, *b = right;

	COMPARE(b->wait_ns, a->wait_ns);
	return compare_pairs(a, b);
}

static void merge_equal_pairs(struct trace *trace)
{
	size_t kept = 0;

	for (size_t i = 0; i < trace->blame_count; i++) {
		if (kept && !compare_pairs(&trace->blame[kept - 1], &trace->blame[i])) {
			trace->blame[kept - 1].waits += trace->blame[i].waits;
			trace->blame[kept - 1].wait_ns += trace->blame[i].wait_ns;
		} else {
			trace->blame[kept++] = trace->blame[i];
		}
	}
	trace->blame_count = kept;
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

		if (thread->pid != gil->pid || thread->gil != gil->address)
			continue;
		gil->threads++;
		add_counts(&gil->counts, &thread->counts);
		add_open(&gil->open, &thread->open);
		if (distribution__merge(&gil->wait, &thread->wait) || distribution__merge(&gil->hold, &thread->hold))
			return -ENOMEM;
	}
	return 0;
}

static void sort(void *array, size_t count, size_t size, int (*compare)(const void *, const void *))
{
	if (count)
		qsort(array, count, size, compare);
}

int trace__finish(struct trace *trace)
{
	int err;

	sort(trace->gils, trace->gil_count, sizeof(*trace->gils), compare_gils);
	sort(trace->threads, trace->thread_count, sizeof(*trace->threads), compare_threads);
	sort(trace->blame, trace->blame_count, sizeof(*trace->blame), compare_pairs);
	merge_equal_pairs(trace);
	sort(trace->blame, trace->blame_count, sizeof(*trace->blame), compare_blame);
	for (size_t i = 0; i < trace->gil_count; i++) {
		err = derive_gil(&trace->gils[i], trace);
		if (err)
			return err;
	}
	return 0;
}

struct trace_gil *trace__find_gil(struct trace *trace, uint32_t pid, uint64_t address)
{
	for (size_t i = 0; i < trace->gil_count; i++)
		if (trace->gils[i].pid == pid && trace->gils[i].address == address)
			return &trace->gils[i];
	return NULL;
}

const char *trace__thread_name(const struct trace *trace, uint32_t pid, uint32_t tid)
{
	for (size_t i = 0; i < trace->thread_count; i++)
		if (trace->threads[i].pid == pid && trace->threads[i].tid == tid)
			return trace->threads[i].name;
	return "";
}

double trace__utilisation(const struct trace *trace, const struct trace_gil *gil)
{
	double held = (double)(gil->counts.held_ns + gil->open.held_ns);

	if (!trace->duration_ns)
		return 0;
	held /= (double)trace->duration_ns;
	return held > 1 ? 1 : held;
}

double trace__saturation(const struct trace *trace, const struct trace_gil *gil)
{
	double waited = (double)(gil->counts.waited_ns + gil->open.waited_ns);

	return trace->duration_ns ? waited / (double)trace->duration_ns : 0;
}
