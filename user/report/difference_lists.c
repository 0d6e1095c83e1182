/* SPDX-License-Identifier: MIT */
/* Two traces: threads by name, and places in the code. See difference.h. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "user/report/difference_parts.h"
#include "user/report/text_parts.h"

/* One thread, or what was waited for one stack; of one side. */
struct entry {
	int side;
	const struct trace_thread *thread;
	const struct trace_frame *frame;
	const struct trace_blame *blame;
};

static int compare_names(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;
	int order = strcmp(a->thread->name, b->thread->name);

	return order ? order : a->side - b->side;
}

static int compare_frames(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;
	int order = stacks__compare_functions(a->frame, b->frame);

	return order ? order : a->side - b->side;
}

static bool is_same_name(const struct entry *a, const struct entry *b)
{
	return !strcmp(a->thread->name, b->thread->name);
}

static bool is_same_frame(const struct entry *a, const struct entry *b)
{
	return !stacks__compare_functions(a->frame, b->frame);
}

/* How far the shares of a figure are from each other. */
static double distance(const struct difference_figure *figure)
{
	return fabs(figure->value[1] - figure->value[0]);
}

static double distance_of_thread(const struct difference_thread *thread)
{
	double waited = distance(&thread->waited), held = distance(&thread->held);

	return waited > held ? waited : held;
}

static int compare_threads(const void *left, const void *right)
{
	const struct difference_thread *a = left, *b = right;
	double x = distance_of_thread(a), y = distance_of_thread(b);

	return x != y ? (x > y ? -1 : 1) : strcmp(a->name, b->name);
}

static int compare_places(const void *left, const void *right)
{
	const struct difference_place *a = left, *b = right;
	double x = distance(&a->waited), y = distance(&b->waited);

	return x != y ? (x > y ? -1 : 1) : stacks__compare_functions(a->frame, b->frame);
}

/* A sum of ns, as a share of the side's time. `count` 0, where there is something: not kept by parts. */
static void fill(const struct difference_side *side, double ns, bool known, struct difference_sum *sum)
{
	sum->known = known && side->trace->duration_ns;
	sum->value = sum->known ? ns / (double)side->trace->duration_ns : 0;
	parts__durations(side->parts, sum->of);
	if (ns > 0)
		return;
	sum->count = parts__count(side->parts); /* nothing in each */
	memset(sum->x, 0, sizeof(sum->x));
}

static void compare_thread(const struct difference *difference, const double waited[2], const double held[2],
			   struct difference_thread *thread)
{
	struct difference_sum sums[2] = {{0}}, held_sums[2] = {{0}};

	for (int i = 0; i < 2; i++) {
		const struct difference_side *side = &difference->sides[i];

		sums[i].count = parts__thread(side->parts, thread->name, PARTS_WAITED_NS, sums[i].x);
		fill(side, waited[i], true, &sums[i]);
		held_sums[i].count = parts__thread(side->parts, thread->name, PARTS_HELD_NS, held_sums[i].x);
		fill(side, held[i], trace__knows_holds(side->trace), &held_sums[i]);
	}
	thread->waited = difference__compare(sums);
	thread->held = difference__compare(held_sums);
}

static void compare_place(const struct difference *difference, const double waited[2], struct difference_place *place)
{
	struct difference_sum sums[2] = {{0}};

	for (int i = 0; i < 2; i++) {
		const struct difference_side *side = &difference->sides[i];

		sums[i].count = parts__place(side->parts, place->frame, sums[i].x);
		fill(side, waited[i], side->trace->stack_level != TRACE_STACKS_NONE, &sums[i]);
	}
	place->waited = difference__compare(sums);
}

/*
 * For how much a ns of held time stands. Windows see the program slowed: there looks tell how much the lock was held,
 * and a thread has its part of that, as in the other reports; here of all locks together.
 */
static double held_factor(const struct trace *trace)
{
	double looked_at = 0, held = 0;

	for (size_t i = 0; trace__is_sampled(trace) && i < trace->gil_count; i++) {
		const struct trace_gil *gil = &trace->gils[i];
		double utilisation = trace__utilisation(trace, gil, NULL);

		if (utilisation < 0)
			continue;
		looked_at += utilisation * (double)trace__duration(trace, gil);
		held += (double)gil->counts.held_ns + (double)gil->open.held_ns;
	}
	return looked_at > 0 && held > 0 ? looked_at / held : 1;
}

static void take_threads(const struct difference *difference, const double factors[2], const struct entry *entries,
			 size_t count, struct difference_thread *thread)
{
	double waited[2] = {0}, held[2] = {0};

	memcpy(thread->name, entries->thread->name, sizeof(thread->name));
	for (size_t i = 0; i < count; i++) {
		const struct entry *entry = &entries[i];

		thread->threads[entry->side]++;
		waited[entry->side] += (double)entry->thread->counts.waited_ns + (double)entry->thread->open.waited_ns;
		held[entry->side] += factors[entry->side] *
				     ((double)entry->thread->counts.held_ns + (double)entry->thread->open.held_ns);
	}
	compare_thread(difference, waited, held, thread);
}

static void take_places(const struct difference *difference, const struct entry *entries, size_t count,
			struct difference_place *place)
{
	double waited[2] = {0};

	place->frame = entries->frame;
	for (size_t i = 0; i < count; i++) {
		waited[entries[i].side] += (double)entries[i].blame->wait_ns;
		place->waits[entries[i].side] += entries[i].blame->waits;
	}
	compare_place(difference, waited, place);
}

/* How many in a row are the same. */
static size_t run_of(const struct entry *entries, size_t count,
		     bool (*is_same)(const struct entry *, const struct entry *))
{
	size_t run = 1;

	while (run < count && is_same(entries, entries + run))
		run++;
	return run;
}

int difference__threads(struct difference *difference)
{
	const struct trace *a = difference->sides[0].trace, *b = difference->sides[1].trace;
	const double factors[2] = {held_factor(a), held_factor(b)};
	size_t count = a->thread_count + b->thread_count, at = 0, run;
	struct entry *entries = calloc(count + 1, sizeof(*entries));

	difference->threads = calloc(count + 1, sizeof(*difference->threads));
	if (!entries || !difference->threads) {
		free(entries);
		return -ENOMEM;
	}
	for (int side = 0; side < 2; side++)
		for (size_t i = 0; i < difference->sides[side].trace->thread_count; i++)
			entries[at++] =
				(struct entry){.side = side, .thread = &difference->sides[side].trace->threads[i]};
	qsort(entries, count, sizeof(*entries), compare_names);
	for (size_t i = 0; i < count; i += run) {
		run = run_of(entries + i, count - i, is_same_name);
		take_threads(difference, factors, entries + i, run, &difference->threads[difference->thread_count++]);
	}
	qsort(difference->threads, difference->thread_count, sizeof(*difference->threads), compare_threads);
	free(entries);
	return 0;
}

/* Without stacks there are none to tell of. */
int difference__places(struct difference *difference)
{
	const struct trace *a = difference->sides[0].trace, *b = difference->sides[1].trace;
	size_t count = a->blame_count + b->blame_count, at = 0, run;
	struct entry *entries = calloc(count + 1, sizeof(*entries));

	difference->places = calloc(count + 1, sizeof(*difference->places));
	if (!entries || !difference->places) {
		free(entries);
		return -ENOMEM;
	}
	for (int side = 0; side < 2; side++) {
		const struct trace *trace = difference->sides[side].trace;

		for (size_t i = 0; i < trace->blame_count; i++)
			entries[at++] = (struct entry){.side = side,
						       .frame = text__culprit(trace->stacks, trace->blame[i].stack),
						       .blame = &trace->blame[i]};
	}
	qsort(entries, count, sizeof(*entries), compare_frames);
	for (size_t i = 0; i < count; i += run) {
		run = run_of(entries + i, count - i, is_same_frame);
		take_places(difference, entries + i, run, &difference->places[difference->place_count++]);
	}
	qsort(difference->places, difference->place_count, sizeof(*difference->places), compare_places);
	free(entries);
	return 0;
}
