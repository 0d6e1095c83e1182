/* SPDX-License-Identifier: MIT */
/* Locks and threads as they are now: see live.h. */
#include "user/report/live.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/report/live_parts.h"

#define COMPARE(a, b)                              \
	do {                                       \
		if ((a) != (b))                    \
			return (a) < (b) ? -1 : 1; \
	} while (0)

static void clear_figures(struct live_figures *figures)
{
	distribution__clear(&figures->wait);
	*figures = (struct live_figures){0};
}

static void clear_thread(struct live_thread *thread)
{
	for (int span = 0; span < LIVE_SPANS; span++)
		clear_figures(&thread->of[span]);
	distribution__clear(&thread->seen_wait);
}

static void clear_gil(struct live_gil *gil)
{
	for (int span = 0; span < LIVE_SPANS; span++)
		clear_figures(&gil->of[span]);
}

void live__clear(struct live *live)
{
	for (size_t i = 0; i < live->thread_count; i++)
		clear_thread(&live->threads[i]);
	for (size_t i = 0; i < live->gil_count; i++)
		clear_gil(&live->gils[i]);
	free(live->threads);
	free(live->gils);
	free(live->blame);
	*live = (struct live){0};
}

static int compare_gils(const void *left, const void *right)
{
	const struct live_gil *a = left, *b = right;

	COMPARE(a->process, b->process);
	COMPARE(a->address, b->address);
	return 0;
}

static int compare_threads(const void *left, const void *right)
{
	const struct live_thread *a = left, *b = right;

	COMPARE(a->process, b->process);
	COMPARE(a->gil, b->gil);
	COMPARE(a->tid, b->tid);
	return 0;
}

/* Those of a thread that has ended come before those of a later one with its number. */
static int compare_traced(const void *left, const void *right)
{
	const struct trace_thread *a = *(struct trace_thread *const *)left, *b = *(struct trace_thread *const *)right;

	COMPARE(a->process, b->process);
	COMPARE(a->gil, b->gil);
	COMPARE(a->tid, b->tid);
	COMPARE(b->ended, a->ended);
	return 0;
}

static struct live_gil *find_gil(const struct live *live, uint32_t process, uint64_t address)
{
	struct live_gil key = {.process = process, .address = address};

	return live->gil_count ? bsearch(&key, live->gils, live->gil_count, sizeof(key), compare_gils) : NULL;
}

const struct live_gil *live__find_gil(const struct live *live, uint32_t process, uint64_t gil)
{
	return find_gil(live, process, gil);
}

/* A counter that goes on while it is read may seem to go back a little. */
static uint64_t since(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

/* How long an element was there in the last span. */
static uint64_t span_of(const struct live *live, const struct trace *trace, uint32_t process)
{
	for (size_t i = 0; i < trace->process_count; i++)
		if (trace->processes[i].number == process)
			return trace->processes[i].duration_ns < live->span_ns[LIVE_LAST]
				       ? trace->processes[i].duration_ns
				       : live->span_ns[LIVE_LAST];
	return live->span_ns[LIVE_LAST];
}

static int add_figures(struct live_figures *into, const struct live_figures *from)
{
	into->acquisitions += from->acquisitions;
	into->contended += from->contended;
	into->held_ns += from->held_ns;
	into->waited_ns += from->waited_ns;
	into->looks += from->looks;
	into->looks_held += from->looks_held;
	return distribution__merge(&into->wait, &from->wait);
}

/* What a thread did since it was seen last, into both spans of it and of its lock. `now` gives what it owns away. */
static int add_thread(struct live_thread *thread, struct live_gil *gil, struct trace_thread *now)
{
	struct trace_counts *seen = &thread->seen;
	struct live_figures new = {
		.acquisitions = since(now->counts.acquisitions, seen->acquisitions),
		.contended = since(now->counts.contended, seen->contended),
		.held_ns = since(now->counts.held_ns + now->open.held_ns, seen->held_ns + thread->seen_open.held_ns),
		.waited_ns = since(now->counts.waited_ns + now->open.waited_ns,
				   seen->waited_ns + thread->seen_open.waited_ns),
	};
	int err = distribution__since(&new.wait, &now->wait, &thread->seen_wait);

	for (int span = 0; !err && span < LIVE_SPANS; span++) {
		err = add_figures(&thread->of[span], &new);
		if (!err && gil)
			err = add_figures(&gil->of[span], &new);
	}
	distribution__clear(&new.wait);
	distribution__clear(&thread->seen_wait);
	thread->ended = now->ended;
	thread->seen = now->ended ? (struct trace_counts){0} : now->counts;
	thread->seen_open = now->ended ? (struct trace_open){0} : now->open;
	if (now->ended)
		return err;
	thread->seen_wait = now->wait;
	now->wait = (struct distribution){0};
	return err;
}

/* The same thread's place in the list, or a new one at its end: both lists are walked in order. */
static struct live_thread *take_over(struct live_thread *list, size_t *count, struct live_thread *old, size_t old_count,
				     size_t *at, const struct trace_thread *now)
{
	struct live_thread key = {.process = now->process, .gil = now->gil, .tid = now->tid, .pid = now->pid};

	if (*count && !compare_threads(&list[*count - 1], &key))
		return &list[*count - 1]; /* a later one with its number */
	for (; *at < old_count && compare_threads(&old[*at], &key) < 0; (*at)++)
		clear_thread(&old[*at]);
	if (*at < old_count && !compare_threads(&old[*at], &key)) {
		list[*count] = old[(*at)++];
		clear_figures(&list[*count].of[LIVE_LAST]);
	} else {
		list[*count] = key;
	}
	return &list[(*count)++];
}

static struct trace_thread **sort_traced(const struct trace *trace)
{
	struct trace_thread **sorted = calloc(trace->thread_count + 1, sizeof(struct trace_thread *));

	for (size_t i = 0; sorted && i < trace->thread_count; i++)
		sorted[i] = &trace->threads[i];
	if (sorted)
		qsort(sorted, trace->thread_count, sizeof(*sorted), compare_traced);
	return sorted;
}

/* Threads that the trace does not have are forgotten: they ended before, or their lock is gone. */
static int add_threads(struct live *live, const struct trace *trace)
{
	struct trace_thread **sorted = sort_traced(trace);
	struct live_thread *list = calloc(trace->thread_count + 1, sizeof(*list));
	size_t count = 0, at = 0;
	int err = sorted && list ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < trace->thread_count; i++) {
		struct live_gil *gil = find_gil(live, sorted[i]->process, sorted[i]->gil);
		struct live_thread *thread;

		if (!gil)
			continue;
		thread = take_over(list, &count, live->threads, live->thread_count, &at, sorted[i]);
		memcpy(thread->name, sorted[i]->name, sizeof(thread->name));
		err = add_thread(thread, gil, sorted[i]);
		gil->threads += thread->ended ? 0 : 1;
	}
	for (; at < live->thread_count; at++)
		clear_thread(&live->threads[at]);
	free(sorted);
	free(live->threads);
	live->threads = list;
	live->thread_count = count;
	for (size_t i = 0; i < count; i++) {
		uint64_t span = span_of(live, trace, list[i].process);

		list[i].of[LIVE_LAST].span_ns = span;
		list[i].of[LIVE_SINCE_RESET].span_ns += span;
	}
	return err;
}

static const struct trace_process *find_process(const struct trace *trace, uint32_t number)
{
	for (size_t i = 0; i < trace->process_count; i++)
		if (trace->processes[i].number == number)
			return &trace->processes[i];
	return NULL;
}

/* Makes room for a lock that is new. NULL without memory. */
static struct live_gil *add_new_gil(struct live *live, const struct trace_gil *now)
{
	struct live_gil *grown = realloc(live->gils, (live->gil_count + 1) * sizeof(*grown));
	size_t at = live->gil_count;
	struct live_gil new = {.process = now->process, .pid = now->pid, .address = now->address};

	if (!grown)
		return NULL;
	live->gils = grown;
	while (at && compare_gils(&grown[at - 1], &new) > 0)
		at--;
	memmove(&grown[at + 1], &grown[at], (live->gil_count++ - at) * sizeof(*grown));
	grown[at] = new;
	return &grown[at];
}

static void describe_gil(struct live_gil *gil, const struct trace_process *process)
{
	const char *exe = process && process->exe ? process->exe : "", *base = strrchr(exe, '/');

	snprintf(gil->name, sizeof(gil->name), "%s", base ? base + 1 : exe);
	gil->ended = !process || process->end != TRACE_END_TIME;
}

static int add_gil(struct live *live, const struct trace *trace, const struct trace_gil *now)
{
	const struct trace_process *process = find_process(trace, now->process);
	struct live_gil *gil = find_gil(live, now->process, now->address);
	uint64_t looks, held, span = span_of(live, trace, now->process);

	if (process && process->refuted)
		return 0;
	if (!gil)
		gil = add_new_gil(live, now);
	if (!gil)
		return -ENOMEM;
	looks = since(now->looks, gil->looks_seen);
	held = since(now->looks_held, gil->looks_held_seen);
	gil->looks_seen = now->looks;
	gil->looks_held_seen = now->looks_held;
	gil->interpreter = now->interpreter;
	if (gil->ended)
		span = 0; /* it was when it was seen last */
	describe_gil(gil, process);
	for (int i = 0; i < LIVE_SPANS; i++) {
		gil->of[i].span_ns += span;
		gil->of[i].looks += looks;
		gil->of[i].looks_held += held;
	}
	return 0;
}

static int add_gils(struct live *live, const struct trace *trace)
{
	int err = 0;

	for (size_t i = 0; i < live->gil_count; i++) {
		clear_figures(&live->gils[i].of[LIVE_LAST]);
		live->gils[i].threads = 0;
	}
	for (size_t i = 0; !err && i < trace->gil_count; i++)
		err = add_gil(live, trace, &trace->gils[i]);
	return err;
}

static void add_window(struct live *live, const struct trace *trace)
{

	live->level = trace->level;
	live->sampled = trace__is_sampled(trace);
	live->span_ns[LIVE_LAST] = since(trace->duration_ns, live->duration_ns);
	live->span_ns[LIVE_SINCE_RESET] += live->span_ns[LIVE_LAST];
	live->duration_ns = trace->duration_ns;
	live->hits[LIVE_LAST] = since(trace->probes.hits, live->hits_seen);
	live->hits[LIVE_SINCE_RESET] += live->hits[LIVE_LAST];
	live->hits_seen = trace->probes.hits;
	live->cost_ns_per_hit = trace->probes.cost_ns_per_hit;
	live->lost = trace__lost(trace);
}

int live__add(struct live *live, struct trace *trace, const struct stacks *stacks)
{
	int err;

	add_window(live, trace);
	err = add_gils(live, trace);
	if (!err)
		err = add_threads(live, trace);
	return err ? err : live__add_blame(live, trace, stacks);
}

void live__reset(struct live *live)
{
	for (size_t i = 0; i < live->thread_count; i++)
		clear_figures(&live->threads[i].of[LIVE_SINCE_RESET]);
	for (size_t i = 0; i < live->gil_count; i++)
		clear_figures(&live->gils[i].of[LIVE_SINCE_RESET]);
	for (size_t i = 0; i < live->blame_count; i++)
		live->blame[i].wait_ns[LIVE_SINCE_RESET] = 0;
	live->span_ns[LIVE_SINCE_RESET] = live->hits[LIVE_SINCE_RESET] = live->blame_ns[LIVE_SINCE_RESET] = 0;
}

static double share(uint64_t part, uint64_t whole)
{
	return whole ? fmin(1, (double)part / (double)whole) : 0;
}

/* As in the report (trace__utilisation): a lock that no probe met may be held all the time. */
double live__gil_held(const struct live *live, const struct live_gil *gil, enum live_span span)
{
	const struct live_figures *figures = &gil->of[span];
	bool met = figures->acquisitions || figures->contended || figures->held_ns || !figures->looks;

	if (live->level != TRACE_WAITS && !live->sampled && met)
		return share(figures->held_ns, figures->span_ns);
	return figures->looks ? share(figures->looks_held, figures->looks) : -1;
}

double live__thread_held(const struct live *live, const struct live_thread *thread, const struct live_gil *gil,
			 enum live_span span)
{
	const struct live_figures *figures = &thread->of[span];
	double held;

	if (live->level == TRACE_WAITS)
		return -1;
	if (!live->sampled || !gil)
		return share(figures->held_ns, figures->span_ns);
	held = live__gil_held(live, gil, span);
	return held < 0 ? -1 : held * share(figures->held_ns, gil->of[span].held_ns);
}

double live__waiting(const struct live_figures *figures)
{
	return figures->span_ns ? (double)figures->waited_ns / (double)figures->span_ns : 0;
}

double live__rate(const struct live_figures *figures, uint64_t count)
{
	return figures->span_ns ? (double)count * 1e9 / (double)figures->span_ns : 0;
}

const char *live__thread_name(const struct live *live, uint32_t process, uint32_t tid)
{
	for (size_t i = 0; i < live->thread_count; i++)
		if (live->threads[i].process == process && live->threads[i].tid == tid)
			return live->threads[i].name;
	return "";
}
