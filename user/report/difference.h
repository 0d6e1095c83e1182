/* SPDX-License-Identifier: MIT */
/*
 * Two traces, before and after: what changed, by how much, and whether by more than chance (docs/diff.md). Pure.
 *
 * Traces differ in length, so all is per time. Threads are matched by name, for their numbers differ; those of one name
 * are one. Places are matched by function and file, for lines move.
 */
#ifndef GILTRACE_REPORT_DIFFERENCE_H
#define GILTRACE_REPORT_DIFFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "user/trace/estimate.h"
#include "user/trace/trace.h"

struct parts;

enum difference_unit {
	DIFFERENCE_SHARE,  /* in [0, 1]; of waiting more, when several wait */
	DIFFERENCE_NUMBER, /* a mean */
	DIFFERENCE_RATE,   /* a second */
	DIFFERENCE_TIME,   /* ns */
};

/* The first is before, the second after. */
struct difference_side {
	const struct trace *trace; /* finished */
	const struct parts *parts;
};

struct difference_figure {
	bool known[2];
	double value[2];
	enum estimate_verdict verdict;
	struct estimate_range range; /* of the difference; infinite: unknown */
};

struct difference_overall {
	const char *key, *title; /* for JSON, for people */
	enum difference_unit unit;
	struct difference_figure figure;
};

struct difference_thread {
	char name[TRACE_NAME_SIZE];
	size_t threads[2];                     /* of this name */
	struct difference_figure waited, held; /* shares of the time; of several threads together */
};

struct difference_place {
	const struct trace_frame *frame; /* NULL: unknown. Lives in one of the traces; its line is not told */
	uint64_t waits[2];
	struct difference_figure waited; /* what others waited, as a share of the time */
};

#define DIFFERENCE_OVERALL 12

struct difference {
	struct difference_side sides[2];
	size_t parts[2];
	bool judged; /* both have parts enough to tell noise */
	struct difference_overall overall[DIFFERENCE_OVERALL];
	size_t thread_count, place_count; /* those with the largest change first */
	struct difference_thread *threads;
	struct difference_place *places;
};

/* Compares; `out` borrows the sides, and is freed with difference__clear(). 0 or -ENOMEM. */
int difference__find(const struct difference_side sides[2], struct difference *out);
void difference__clear(struct difference *difference); /* idempotent */

/* The reports. 0, -ENOMEM or the -errno of a failed write. */
int difference__text(const struct difference *difference, FILE *out);
int difference__json(const struct difference *difference, FILE *out);

/* "more", "less", "within noise", "unknown". */
const char *difference__verdict(enum estimate_verdict verdict);

/* By how much of what was before; infinite where there was nothing, NaN where one is unknown. */
double difference__change(const struct difference_figure *figure);

#endif
