/* SPDX-License-Identifier: MIT */
/*
 * How much of the time each lock was held, step by step: see timeline_parts.h. A step's figure is told at its
 * beginning, where it differs from the one before.
 */
#include <errno.h>
#include <stdlib.h>

#include "user/report/timeline_parts.h"

#define STEPS         1000       /* in a trace, or fewer: */
#define SHORTEST_STEP 1000000ULL /* ns */

/* One lock's step that is being added up. */
struct step {
	uint64_t number, held_ns;
	uint64_t until_ns; /* what was added last ended then */
	int64_t told;      /* the last figure; -1: none */
};

struct steps {
	struct timeline *timeline;
	uint64_t start_ns, length_ns;
	struct step *of; /* each lock */
};

static void tell(struct steps *steps, uint32_t lock, uint64_t number, int64_t percent)
{
	if (steps->of[lock].told == percent)
		return;
	steps->of[lock].told = percent;
	perfetto__count(&steps->timeline->out, timeline__lock_track(steps->timeline, lock, TRACK_UTILISATION), percent);
	perfetto__write(&steps->timeline->out, steps->start_ns + number * steps->length_ns);
}

/* The step is over; those up to `number` are nothing. */
static void go_to(struct steps *steps, uint32_t lock, uint64_t number)
{
	struct step *step = &steps->of[lock];

	if (step->number == number)
		return;
	tell(steps, lock, step->number, (int64_t)((100 * step->held_ns + steps->length_ns / 2) / steps->length_ns));
	if (step->number + 1 < number)
		tell(steps, lock, step->number + 1, 0);
	step->number = number;
	step->held_ns = 0;
}

/* Whole steps are told by two figures however many they are. */
static void add(struct steps *steps, uint32_t lock, uint64_t from_ns, uint64_t to_ns)
{
	uint64_t first = from_ns / steps->length_ns, last = to_ns / steps->length_ns;
	struct step *step = &steps->of[lock];

	go_to(steps, lock, first);
	if (first == last) {
		step->held_ns += to_ns - from_ns;
		return;
	}
	step->held_ns += (first + 1) * steps->length_ns - from_ns;
	go_to(steps, lock, first + 1);
	if (first + 1 < last) {
		tell(steps, lock, first + 1, 100);
		step->number = last;
	}
	step->held_ns = to_ns - last * steps->length_ns;
}

static void add_hold(struct steps *steps, const struct trace_event *hold)
{
	uint32_t lock = timeline__lock(steps->timeline, hold);
	struct step *step = &steps->of[lock];
	uint64_t from = hold->start_ns > steps->start_ns ? hold->start_ns - steps->start_ns : 0;
	uint64_t to = hold->end_ns > steps->start_ns ? hold->end_ns - steps->start_ns : 0;

	from = from > step->until_ns ? from : step->until_ns;
	if (to <= from)
		return;
	add(steps, lock, from, to);
	step->until_ns = to;
}

int timeline__write_utilisation(struct timeline *timeline)
{
	const struct trace *trace = timeline->trace;
	struct steps steps = {timeline, trace->start_ns, trace->duration_ns / STEPS, NULL};

	steps.length_ns = steps.length_ns > SHORTEST_STEP ? steps.length_ns : SHORTEST_STEP;
	steps.of = calloc(timeline->lock_count + 1, sizeof(*steps.of));
	if (!steps.of)
		return -ENOMEM;
	for (size_t i = 0; i < timeline->lock_count; i++)
		steps.of[i].told = -1;
	for (size_t i = 0; i < trace->event_count; i++)
		if (trace->events[timeline->order[i]].kind == TRACE_HOLD)
			add_hold(&steps, &trace->events[timeline->order[i]]);
	for (uint32_t i = 0; i < timeline->lock_count; i++)
		go_to(&steps, i, steps.of[i].number + 2);
	free(steps.of);
	return 0;
}
