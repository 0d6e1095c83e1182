/* SPDX-License-Identifier: MIT */
/*
 * Keeps what tracing costs within a budget. While the probes of holds cost less than that, they stay; else they are
 * there in short windows only, as many as the budget allows. Those of waits stay, unless they cost half of the budget
 * by themselves: then they are there in the windows only, too.
 *
 * What a window sees stands for the time since the window before it, so the sums are right on average whatever the
 * target does: when a window begins is drawn at random, and how long it lasts does not depend on what happens in it. A
 * hold that begins within a window is seen to its end.
 */
#ifndef GILTRACE_CAPTURE_GOVERNOR_H
#define GILTRACE_CAPTURE_GOVERNOR_H

#include <stdbool.h>
#include <stdint.h>

struct capture;
struct governor;

/* An error is half the 95 % interval's width, as a share of the number; negative: not known. */
struct governor_figures {
	bool sampled, waits_sampled; /* holds, waits were not probed all the time */
	uint64_t windows;
	uint64_t probed_ns;                 /* time in which holds were probed: all of it, or the windows */
	uint64_t waits_absent_ns;           /* time in which waits were not */
	int64_t unseen_ns, waits_unseen_ns; /* time for which no window stands: after the last one */
	uint64_t cut;                       /* windows that were closed before all of their holds had ended */
	double acquisitions_error, waits_error;
	double paid_ns; /* what all hits and looks took */
};

/* From here on the capture is governed, by a thread of its own. `budget` is a share of one CPU. 0 or -errno. */
int governor__start(struct capture *capture, double budget, struct governor **out);

/* Tells the thread to end, without waiting for that. NULL does nothing. */
void governor__ask(struct governor *governor);

/* Waits for the thread's end, for some 10 ms; the trace ended at `stop_ns`. Idempotent; NULL does nothing. */
void governor__stop(struct governor *governor, uint64_t stop_ns);

/* What it did so far, or until it was stopped; may wait some 10 ms for it. */
void governor__figures(struct governor *governor, struct governor_figures *out);

void governor__free(struct governor *governor); /* stops; takes NULL */

#endif
