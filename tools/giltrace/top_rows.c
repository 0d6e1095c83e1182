/* SPDX-License-Identifier: MIT */
/* The rows of giltrace top: which, and in which order. See top_view.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tools/giltrace/top_view.h"

static bool has(const char *text, const char *part)
{
	return strcasestr(text, part) != NULL;
}

/* By the name of the thread or of the program, or by a number in full. */
static bool is_wanted(const struct top_view *view, const struct top_row *row)
{
	char number[16];

	if (!*view->filter)
		return true;
	if (row->gil && has(row->gil->name, view->filter))
		return true;
	snprintf(number, sizeof(number), "%" PRIu32, row->thread ? row->thread->pid : row->gil->pid);
	if (!strcmp(number, view->filter))
		return true;
	if (!row->thread)
		return false;
	snprintf(number, sizeof(number), "%" PRIu32, row->thread->tid);
	return has(row->thread->name, view->filter) || !strcmp(number, view->filter);
}

static void fill_in(const struct live_figures *figures, struct top_row *row)
{
	row->waiting = live__waiting(figures);
	row->grants = live__rate(figures, figures->acquisitions);
	row->waits = live__rate(figures, figures->contended);
	row->has_p99 = figures->wait.count > 0;
	row->p99_ns = distribution__percentile(&figures->wait, 99);
}

static const char *name_of(const struct top_row *row)
{
	return row->thread ? row->thread->name : row->gil->name;
}

static uint32_t number_of(const struct top_row *row)
{
	return row->thread ? row->thread->tid : row->gil->pid;
}

static size_t threads_of(const struct top_row *row)
{
	return row->thread ? 1 : row->gil->threads;
}

/* The greatest first. */
static int descending(double a, double b)
{
	return a > b ? -1 : a < b;
}

static int compare_by(enum top_column column, const struct top_row *a, const struct top_row *b)
{
	switch (column) {
	case TOP_WAITING:
		return descending(a->waiting, b->waiting);
	case TOP_HELD:
		return descending(a->held, b->held);
	case TOP_GRANTS:
		return descending(a->grants, b->grants);
	case TOP_WAITS:
		return descending(a->waits, b->waits);
	case TOP_P99:
		return descending((double)a->p99_ns, (double)b->p99_ns);
	case TOP_NAME:
		return strcasecmp(name_of(a), name_of(b));
	case TOP_NUMBER:
		break;
	case TOP_THREADS:
		return descending((double)threads_of(a), (double)threads_of(b));
	}
	return 0;
}

static int compare_rows(const void *left, const void *right, void *column)
{
	const struct top_row *a = left, *b = right;
	int order = compare_by(*(const enum top_column *)column, a, b);

	if (order)
		return order;
	if (number_of(a) != number_of(b))
		return number_of(a) < number_of(b) ? -1 : 1;
	return a->gil < b->gil ? -1 : a->gil > b->gil;
}

/* Locks of processes that ended are left out, unless nothing else is left. */
static size_t add_gils(const struct top_view *view, struct top_row *rows)
{
	const struct live *live = &view->live;
	bool all_ended = true;
	size_t count = 0;

	for (size_t i = 0; i < live->gil_count; i++)
		all_ended &= live->gils[i].ended;
	for (size_t i = 0; i < live->gil_count; i++) {
		struct top_row *row = &rows[count];

		*row = (struct top_row){.gil = &live->gils[i]};
		if ((row->gil->ended && !all_ended) || !is_wanted(view, row))
			continue;
		fill_in(&row->gil->of[view->span], row);
		row->held = live__gil_held(live, row->gil, view->span);
		count++;
	}
	return count;
}

static size_t add_threads(const struct top_view *view, struct top_row *rows)
{
	const struct live *live = &view->live;
	size_t count = 0;

	for (size_t i = 0; i < live->thread_count; i++) {
		const struct live_thread *thread = &live->threads[i];
		struct top_row *row = &rows[count];

		*row = (struct top_row){
			.thread = thread,
			.gil = live__find_gil(live, thread->process, thread->gil),
		};
		if (!is_wanted(view, row))
			continue;
		fill_in(&thread->of[view->span], row);
		row->held = live__thread_held(live, thread, row->gil, view->span);
		count++;
	}
	return count;
}

struct top_row *top_rows__make(const struct top_view *view, size_t *count)
{
	size_t most = view->locks ? view->live.gil_count : view->live.thread_count;
	struct top_row *rows = calloc(most + 1, sizeof(*rows));
	enum top_column column = view->sort;

	*count = 0;
	if (!rows)
		return NULL;
	*count = view->locks ? add_gils(view, rows) : add_threads(view, rows);
	qsort_r(rows, *count, sizeof(*rows), compare_rows, &column);
	return rows;
}
