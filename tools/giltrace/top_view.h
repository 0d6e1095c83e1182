/* SPDX-License-Identifier: MIT */
/* What giltrace top shows and how: the rows of its tables, and the drawing of them. */
#ifndef GILTRACE_TOP_VIEW_H
#define GILTRACE_TOP_VIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "user/report/live.h"

#define TOP_FILTER_SIZE 64
#define TOP_NOTICE_SIZE 160

/* What rows are sorted by: the key s takes the next. */
enum top_column {
	TOP_WAITING,
	TOP_HELD,
	TOP_GRANTS,
	TOP_WAITS,
	TOP_P99,
	TOP_NAME,
	TOP_NUMBER, /* tid or pid */
	TOP_THREADS,
};

/* Of threads; those of locks are one more. */
#define TOP_SORT_COLUMNS 7

struct top_view {
	struct live live;
	const struct stacks *stacks;
	char target[128];    /* what is traced; safe */
	double own_pct;      /* of a CPU: what top itself took in the last span; negative: unknown */
	enum live_span span; /* the figures that are shown */
	bool locks;          /* locks are shown, else threads */
	enum top_column sort;
	size_t first; /* so many rows are above the screen */
	size_t page;  /* so many are on it */
	bool paused, helping;
	bool typing;                  /* a filter */
	char filter[TOP_FILTER_SIZE]; /* "": all rows */
	char notice[TOP_NOTICE_SIZE]; /* that the process ended; "" */
};

/* One line of a table. */
struct top_row {
	const struct live_gil *gil;       /* NULL: the lock is not known */
	const struct live_thread *thread; /* NULL: the row is the lock's */
	double held;                      /* a share; negative: unknown */
	double waiting, grants, waits;    /* threads; a second */
	bool has_p99;
	uint64_t p99_ns;
};

/* The rows that are to be shown, sorted: *count of them, freed by the caller. NULL without memory. */
struct top_row *top_rows__make(const struct top_view *view, size_t *count);

/* Draws all of it. */
void top_view__draw(struct top_view *view);

#endif
