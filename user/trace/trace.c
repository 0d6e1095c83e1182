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
	trace->holds_factor = trace->waits_factor = 1;
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
	free(trace->events);
	for (size_t i = 0; i < trace->word_count; i++)
		free(trace->words[i]);
	free(trace->words);
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

struct trace_event *trace__add_event(struct trace *trace)
{
	return append((void **)&trace->events, &trace->event_count, sizeof(struct trace_event));
}

static bool is_worse(const struct trace_hog *a, const struct trace_hog *b)
{
	return a->request_to_drop_ns > b->request_to_drop_ns;
}

/* The hogs are a heap, the mildest on top; one comes in its place, or at the end. */
static void sink_hog(struct trace_hog *hogs, size_t count, const struct trace_hog *hog)
{
	size_t at = 0, child;

	for (child = 1; child < count; at = child, child = 2 * at + 1) {
		if (child + 1 < count && is_worse(&hogs[child], &hogs[child + 1]))
			child++;
		if (!is_worse(hog, &hogs[child]))
			break;
		hogs[at] = hogs[child];
	}
	hogs[at] = *hog;
}

static void raise_hog(struct trace_hog *hogs, size_t at, const struct trace_hog *hog)
{
	for (; at && is_worse(&hogs[(at - 1) / 2], hog); at = (at - 1) / 2)
		hogs[at] = hogs[(at - 1) / 2];
	hogs[at] = *hog;
}

int trace__add_hog(struct trace *trace, const struct trace_hog *hog)
{
	trace->hogs_seen++;
	if (trace->hog_count < TRACE_MAX_HOGS) {
		if (!append((void **)&trace->hogs, &trace->hog_count, sizeof(*hog)))
			return -ENOMEM;
		raise_hog(trace->hogs, trace->hog_count - 1, hog);
	} else if (is_worse(hog, &trace->hogs[0])) {
		sink_hog(trace->hogs, trace->hog_count, hog);
	}
	return 0;
}

const char *trace__word(struct trace *trace, const char *word)
{
	char **place;

	for (size_t i = 0; i < trace->word_count; i++)
		if (!strcmp(trace->words[i], word))
			return trace->words[i];
	place = append((void **)&trace->words, &trace->word_count, sizeof(*place));
	if (!place)
		return NULL;
	*place = strdup(word);
	if (!*place)
		trace->word_count--;
	return *place;
}

#define MOVE(into, from, list, count)                             \
	do {                                                      \
		free((into)->list);                               \
		(into)->list = (from)->list, (from)->list = NULL; \
		(into)->count = (from)->count, (from)->count = 0; \
	} while (0)

void trace__move(struct trace *into, struct trace *from)
{
	MOVE(into, from, threads, thread_count);
	MOVE(into, from, blame, blame_count);
	MOVE(into, from, points, point_count);
	MOVE(into, from, hogs, hog_count);
	MOVE(into, from, events, event_count);
	into->hogs_seen = from->hogs_seen;
	from->hogs_seen = 0;
}

int trace__copy_locks(struct trace *into, const struct trace *from)
{
	for (size_t i = 0; i < from->process_count; i++) {
		struct trace_process *process = trace__add_process(into);

		if (!process)
			return -ENOMEM;
		*process = from->processes[i];
		process->exe = process->exe ? strdup(process->exe) : NULL;
		if (from->processes[i].exe && !process->exe)
			return -ENOMEM;
	}
	for (size_t i = 0; i < from->gil_count; i++) {
		struct trace_gil *gil = trace__add_gil(into);

		if (!gil)
			return -ENOMEM;
		*gil = from->gils[i];
		gil->handoff = gil->wait = gil->hold = (struct distribution){0};
		if (distribution__merge(&gil->handoff, &from->gils[i].handoff))
			return -ENOMEM;
	}
	return 0;
}

static int compare_numbers(const void *left, const void *right)
{
	const struct trace_process *a = left, *b = right;

	return a->number < b->number ? -1 : a->number > b->number;
}

const struct trace_process *trace__find_process(const struct trace *trace, uint32_t number)
{
	struct trace_process wanted = {.number = number};

	if (!trace->process_count)
		return NULL;
	return bsearch(&wanted, trace->processes, trace->process_count, sizeof(wanted), compare_numbers);
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

uint64_t trace__lost(const struct trace *trace)
{
	const struct trace_lost *lost = &trace->lost;

	return lost->events + lost->stacks + lost->threads + lost->probes + lost->gils + lost->pairs + lost->processes;
}

const char *trace__level_name(enum trace_level level)
{
	static const char *const names[TRACE_LEVELS] = {
		[TRACE_ALL] = "all", [TRACE_WAITS] = "waits", [TRACE_AUTO] = "auto"};

	return names[level];
}

bool trace__knows_holds(const struct trace *trace)
{
	return trace->level != TRACE_WAITS;
}

bool trace__is_sampled(const struct trace *trace)
{
	return trace->level == TRACE_AUTO && trace->probes.coverage_pct < 100;
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
