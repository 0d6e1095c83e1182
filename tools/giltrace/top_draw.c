/* SPDX-License-Identifier: MIT */
/* The screen of giltrace top: see top_view.h. Fits itself to any size; what does not fit is left out. */
#include <curses.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/giltrace/top_terminal.h"
#include "tools/giltrace/top_view.h"
#include "user/report/format.h"
#include "user/report/safe_text.h"
#include "user/report/text_parts.h"

#define TEXT_SIZE    512
#define LEAST_NAME   10
#define MOST_NAME    24
#define LEAST_BAR    15
#define MOST_BAR     40
#define MOST_COLUMNS 8
#define ROOMY        60 /* below, less is said */

/* Above these mean numbers of waiters the report calls a process bound, or partly bound, by the lock. */
#define BOUND        0.5
#define PARTLY_BOUND 0.05

struct column {
	enum top_column what;
	const char *title;
	int width;    /* with the blank before it; 0: what is left */
	int priority; /* the greatest is left out first */
};

static const struct column thread_columns[] = {
	{TOP_NUMBER, "tid", 8, 2},     {TOP_NAME, "thread", 0, 0},      {TOP_HELD, "held %", 8, 1},
	{TOP_WAITING, "wait %", 8, 1}, {TOP_GRANTS, "grants/s", 10, 3}, {TOP_WAITS, "waits/s", 9, 5},
	{TOP_P99, "p99 wait", 10, 4},
};

static const struct column gil_columns[] = {
	{TOP_NUMBER, "pid", 8, 2},      {TOP_NAME, "lock of", 0, 0},     {TOP_HELD, "held %", 8, 1},
	{TOP_WAITING, "waiting", 9, 1}, {TOP_GRANTS, "grants/s", 10, 3}, {TOP_WAITS, "waits/s", 9, 5},
	{TOP_P99, "p99 wait", 10, 4},   {TOP_THREADS, "threads", 9, 6},
};

/* Where each column of a table is. */
struct layout {
	const struct column *columns;
	size_t count;
	bool shown[MOST_COLUMNS];
	int x[MOST_COLUMNS], width[MOST_COLUMNS];
	int bar_x, bar_width; /* 0: there is no room for one */
};

/* At most up to the right edge; returns the column after it. */
static int put(int y, int x, int width, const char *text)
{
	char cut[TEXT_SIZE + 4];

	if (x < 0 || width < 1 || x >= COLS || y >= LINES)
		return x;
	snprintf(cut, TEXT_SIZE, "%s", text);
	format_cut(cut, (size_t)(width < COLS - x ? width : COLS - x), "~");
	mvaddstr(y, x, cut);
	return getcury(stdscr) == y ? getcurx(stdscr) : COLS;
}

static void put_right(int y, int end, const char *text)
{
	int width = (int)format_columns(text);

	put(y, end > width ? end - width : 0, width, text);
}

/* "1:02:03", "2:03". */
static const char *format_clock(char out[FORMAT_SIZE], uint64_t ns)
{
	unsigned long long seconds = ns / 1000000000;

	if (seconds >= 3600)
		snprintf(out, FORMAT_SIZE, "%llu:%02llu:%02llu", seconds / 3600, seconds / 60 % 60, seconds % 60);
	else
		snprintf(out, FORMAT_SIZE, "%llu:%02llu", seconds / 60, seconds % 60);
	return out;
}

/* "last 1.0 s of 2:03": of which time all figures are, and how long ago the reset was. */
static const char *format_span(char *out, size_t size, const struct top_view *view)
{
	char time[FORMAT_SIZE];

	format_clock(time, view->live.span_ns[LIVE_SINCE_RESET]);
	if (view->span == LIVE_LAST)
		snprintf(out, size, "last %.1f s of %s", (double)view->live.span_ns[LIVE_LAST] / 1e9, time);
	else
		snprintf(out, size, "since reset, %s", time);
	return out;
}

static void draw_title(const struct top_view *view)
{
	char span[64], right[128];
	int left;

	snprintf(right, sizeof(right), "%s%s", view->paused ? "PAUSED  " : "", format_span(span, sizeof(span), view));
	top_terminal__look(LOOK_STRONG);
	left = put(0, 0, COLS, "giltrace top");
	top_terminal__look(LOOK_PLAIN);
	left = COLS - (int)strlen(right) - 1 - left - 2;
	if (left > 5)
		put(0, 14, left, view->target);
	if (view->paused)
		top_terminal__look(LOOK_FAIR);
	put_right(0, COLS, right);
	top_terminal__look(LOOK_PLAIN);
}

/* All locks together; held only where there is but one. */
static void sum_up(const struct top_view *view, struct live_figures *sum, double *held, double *waiting, size_t *locks)
{
	const struct live *live = &view->live;

	*held = -1;
	*locks = 0;
	*waiting = 0;
	for (size_t i = 0; i < live->gil_count; i++) {
		const struct live_figures *figures = &live->gils[i].of[view->span];

		if (live->gils[i].ended && !*view->notice)
			continue;
		sum->acquisitions += figures->acquisitions;
		sum->contended += figures->contended;
		*waiting += live__waiting(figures);
		if (distribution__merge(&sum->wait, &figures->wait))
			return; /* a figure is missing for a moment */
		*held = ++*locks == 1 ? live__gil_held(live, &live->gils[i], view->span) : -1;
	}
	sum->span_ns = live->span_ns[view->span];
}

static enum top_look look_of(double waiting)
{
	return waiting >= BOUND ? LOOK_BAD : waiting >= PARTLY_BOUND ? LOOK_FAIR : LOOK_GOOD;
}

static const char *estimated(const struct top_view *view)
{
	return view->live.sampled ? "~" : "";
}

/* "Held 98 %, 1.85 threads wait, 12.3k grants/s, 210 waits/s, p99 wait 5.1 ms". */
static void draw_sums(const struct top_view *view)
{
	struct live_figures sum = {0};
	double held, waiting;
	size_t locks;
	char number[FORMAT_SIZE], text[TEXT_SIZE];
	int x = 0;

	sum_up(view, &sum, &held, &waiting, &locks);
	if (locks == 1 && held >= 0)
		snprintf(text, sizeof(text), "Held %s %%, ", format_percent(number, held));
	else if (locks == 1)
		snprintf(text, sizeof(text), "One lock, ");
	else
		snprintf(text, sizeof(text), "%zu locks, ", locks);
	x = put(1, x, COLS - x, text);
	top_terminal__look(look_of(waiting));
	snprintf(text, sizeof(text), "%.2f thread%s", waiting,
		 waiting >= 0.995 && waiting < 1.005 ? " waits" : "s wait");
	x = put(1, x, COLS - x, text);
	top_terminal__look(LOOK_PLAIN);
	if (view->live.level != TRACE_WAITS) {
		snprintf(text, sizeof(text), ", %s%s grants/s", estimated(view),
			 format_count(number, live__rate(&sum, sum.acquisitions)));
		x = put(1, x, COLS - x, text);
	}
	snprintf(text, sizeof(text), ", %s waits/s", format_count(number, live__rate(&sum, sum.contended)));
	x = put(1, x, COLS - x, text);
	if (sum.wait.count) {
		snprintf(text, sizeof(text), ", p99 wait %s",
			 format_rough_time(number, distribution__percentile(&sum.wait, 99)));
		put(1, x, COLS - x, text);
	}
	distribution__clear(&sum.wait);
}

/* Who had the lock, in which code, while the others waited: the worst of it. */
static void draw_blame(const struct top_view *view)
{
	double share;
	const struct live_blame *worst = live__worst(&view->live, view->span, &share);
	char name[TRACE_NAME_SIZE * 4 + 1], percent[FORMAT_SIZE], text[TEXT_SIZE], place[TEXT_PLACE_SIZE];
	int x = put(2, 0, COLS, "Blame: ");

	if (!worst) {
		put(2, x, COLS - x, "nobody waited");
		return;
	}
	format_name(name, sizeof(name), live__thread_name(&view->live, worst->process, worst->holder), 15);
	if (!worst->holder)
		snprintf(text, sizeof(text), "an unknown thread");
	else if (COLS < ROOMY)
		snprintf(text, sizeof(text), "%s", name);
	else
		snprintf(text, sizeof(text), "%s (%" PRIu32 ")", name, worst->holder);
	top_terminal__look(LOOK_STRONG);
	x = put(2, x, COLS - x, text);
	top_terminal__look(LOOK_PLAIN);
	snprintf(text, sizeof(text), " %s %%%s ", format_percent(percent, share), COLS < ROOMY ? "" : " of waiting:");
	x = put(2, x, COLS - x, text);
	if (COLS - x < 10)
		return;
	top_terminal__look(LOOK_STRONG);
	put(2, x, COLS - x,
	    text__place(place, worst->frame < 0 ? NULL : stacks__frame(view->stacks, (uint32_t)worst->frame),
			(size_t)(COLS - x)));
	top_terminal__look(LOOK_PLAIN);
}

/* What was lost, and what looking costs. */
static void draw_cost(const struct top_view *view)
{
	const struct live *live = &view->live;
	char number[FORMAT_SIZE], own[FORMAT_SIZE], text[TEXT_SIZE];
	double span = (double)live->span_ns[view->span];
	int x;

	top_terminal__look(live->lost ? LOOK_BAD : LOOK_PLAIN);
	snprintf(text, sizeof(text), "Lost: %s.", live->lost ? format_count(number, (double)live->lost) : "nothing");
	x = put(3, 0, COLS, text);
	top_terminal__look(LOOK_PLAIN);
	if (live->cost_ns_per_hit < 0 || span <= 0 || view->own_pct < 0)
		return;
	snprintf(text, sizeof(text), " Cost: tracing %s %%, top %s %% of a CPU",
		 format_percent(number, (double)live->hits[view->span] * live->cost_ns_per_hit / span),
		 format_percent(own, view->own_pct / 100));
	put(3, x, COLS - x, text);
}

static void draw_notice(const struct top_view *view)
{
	const char *text = view->notice;

	if (!*text && !view->live.gil_count)
		text = "No thread has met the lock yet.";
	if (*view->notice)
		top_terminal__look(LOOK_FAIR);
	put(4, 0, COLS, text);
	top_terminal__look(LOOK_PLAIN);
}

/* Takes columns away until the rest fits. */
static void lay_out(struct layout *layout, bool locks)
{
	int left = COLS - LEAST_NAME, x = 0, name;

	layout->columns = locks ? gil_columns : thread_columns;
	layout->count =
		locks ? sizeof(gil_columns) / sizeof(*gil_columns) : sizeof(thread_columns) / sizeof(*thread_columns);
	for (int priority = 0; priority < MOST_COLUMNS; priority++) {
		for (size_t i = 0; i < layout->count; i++) {
			if (layout->columns[i].priority != priority || layout->columns[i].width > left)
				continue;
			layout->shown[i] = true;
			left -= layout->columns[i].width;
		}
	}
	name = left + LEAST_NAME < MOST_NAME ? left + LEAST_NAME : MOST_NAME;
	for (size_t i = 0; i < layout->count; i++) {
		layout->x[i] = x;
		layout->width[i] = layout->columns[i].width ? layout->columns[i].width : name;
		x += layout->shown[i] ? layout->width[i] : 0;
	}
	layout->bar_x = x + 2;
	layout->bar_width = COLS - x - 2 < LEAST_BAR ? 0 : COLS - x - 2 < MOST_BAR ? COLS - x - 2 : MOST_BAR;
}

static void put_cell(const struct layout *layout, size_t column, int y, const char *text)
{
	if (!layout->shown[column])
		return;
	if (layout->columns[column].what == TOP_NAME)
		put(y, layout->x[column] + 1, layout->width[column] - 1, text);
	else
		put_right(y, layout->x[column] + layout->width[column], text);
}

static void draw_headings(const struct top_view *view, const struct layout *layout, int y)
{
	top_terminal__look(LOOK_TITLE);
	mvhline(y, 0, ' ', COLS);
	for (size_t i = 0; i < layout->count; i++) {
		top_terminal__look(layout->columns[i].what == view->sort ? LOOK_SORTED : LOOK_TITLE);
		put_cell(layout, i, y, layout->columns[i].title);
	}
	top_terminal__look(LOOK_TITLE);
	if (layout->bar_width)
		put(y, layout->bar_x, layout->bar_width,
		    layout->bar_width < 17 ? "= held  - waits" : "= held  - waiting");
	top_terminal__look(LOOK_PLAIN);
}

/* The lock's process; of several locks in one process, which. */
static void format_lock(char *out, size_t size, const struct live_gil *gil)
{
	char name[TRACE_NAME_SIZE * 4 + 1];

	format_name(name, sizeof(name), gil->name, 20);
	if (gil->interpreter > 0)
		snprintf(out, size, "%s, interpreter %" PRId64, name, gil->interpreter);
	else
		snprintf(out, size, "%s%s", name, gil->ended ? " (ended)" : "");
}

static void write_cell(const struct top_view *view, const struct top_row *row, enum top_column what,
		       char out[TEXT_SIZE])
{
	char name[TRACE_NAME_SIZE * 4 + 1], number[FORMAT_SIZE] = "-";

	switch (what) {
	case TOP_NUMBER:
		snprintf(out, TEXT_SIZE, "%" PRIu32, row->thread ? row->thread->tid : row->gil->pid);
		return;
	case TOP_NAME:
		if (row->thread)
			snprintf(out, TEXT_SIZE, "%s%s", safe_text(name, sizeof(name), row->thread->name),
				 row->thread->ended ? " (ended)" : "");
		else
			format_lock(out, TEXT_SIZE, row->gil);
		return;
	case TOP_HELD:
		if (row->held >= 0)
			format_percent(number, row->held);
		break;
	case TOP_WAITING:
		if (row->thread)
			format_percent(number, row->waiting);
		else
			snprintf(number, sizeof(number), "%.2f", row->waiting);
		break;
	case TOP_GRANTS:
		if (view->live.level != TRACE_WAITS)
			format_count(number, row->grants);
		break;
	case TOP_WAITS:
		format_count(number, row->waits);
		break;
	case TOP_P99:
		if (row->has_p99)
			format_rough_time(number, row->p99_ns);
		break;
	case TOP_THREADS:
		snprintf(number, sizeof(number), "%zu", row->thread ? 1 : row->gil->threads);
		break;
	}
	snprintf(out, TEXT_SIZE, "%s", number);
}

/* A thread's time: what it held the lock and what it waited for it. */
static void draw_bar(const struct top_row *row, const struct layout *layout, int y)
{
	int held = row->held > 0 ? (int)(row->held * layout->bar_width + 0.5) : 0;
	double share = row->waiting < 1 ? row->waiting : 1;
	int waiting = (int)(share * layout->bar_width + 0.5);

	if (waiting > layout->bar_width - held)
		waiting = layout->bar_width - held;
	top_terminal__look(LOOK_GOOD);
	mvhline(y, layout->bar_x, '=', held);
	top_terminal__look(LOOK_BAD);
	mvhline(y, layout->bar_x + held, '-', waiting);
	top_terminal__look(LOOK_PLAIN);
}

static void draw_row(const struct top_view *view, const struct top_row *row, const struct layout *layout, int y)
{
	char text[TEXT_SIZE];

	for (size_t i = 0; i < layout->count; i++) {
		write_cell(view, row, layout->columns[i].what, text);
		if (layout->columns[i].what == TOP_WAITING)
			top_terminal__look(look_of(row->waiting));
		put_cell(layout, i, y, text);
		top_terminal__look(LOOK_PLAIN);
	}
	if (layout->bar_width)
		draw_bar(row, layout, y);
}

static void draw_table(struct top_view *view, int from, int to)
{
	struct layout layout = {0};
	size_t count;
	struct top_row *rows = top_rows__make(view, &count);

	lay_out(&layout, view->locks);
	draw_headings(view, &layout, from++);
	view->page = to > from ? (size_t)(to - from) : 0;
	if (view->first + view->page > count)
		view->first = count > view->page ? count - view->page : 0;
	for (size_t i = 0; rows && i < view->page && view->first + i < count; i++)
		draw_row(view, &rows[view->first + i], &layout, from + (int)i);
	free(rows);
}

static void draw_help(int from, int to)
{
	static const char *const lines[] = {
		"q      quit                        p or blank   pause",
		"t      threads or locks            a            last moment or since the reset",
		"s, S   sort by the next column     r            reset what is counted",
		"/      show only these names       arrows       scroll, also page up and down",
		"",
		"held %    of the time the lock was held, or the thread held it",
		"wait %    of the time the thread waited; waiting: threads that did, on average",
		"grants/s  acquisitions a second; waits/s: those that had to wait",
		"p99 wait  99 % of the waits were shorter",
		"Blame     who had the lock while others waited, and in which function",
		"~         estimated from windows (--probes=auto)",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines) && from + (int)i < to; i++)
		put(from + (int)i, 1, COLS - 1, lines[i]);
}

static void draw_foot(const struct top_view *view)
{
	char text[TEXT_SIZE], filter[TOP_FILTER_SIZE * 4 + 1], part[TOP_FILTER_SIZE * 4 + 16] = "";

	safe_text(filter, sizeof(filter), view->filter);
	if (view->typing) {
		snprintf(text, sizeof(text), "Only names with: %s_", filter);
		put(LINES - 1, 0, COLS - 1, text);
		return;
	}
	if (*view->filter)
		snprintf(part, sizeof(part), "[/%s]  ", filter);
	snprintf(text, sizeof(text), "%sq quit  p %s  r reset  a %s  s sort  t %s  / filter  ? help", part,
		 view->paused ? "go on" : "pause", view->span == LIVE_LAST ? "since reset" : "last",
		 view->locks ? "threads" : "locks");
	top_terminal__look(LOOK_DIM);
	put(LINES - 1, 0, COLS - 1, text);
	top_terminal__look(LOOK_PLAIN);
}

void top_view__draw(struct top_view *view)
{
	erase();
	draw_title(view);
	draw_sums(view);
	draw_blame(view);
	draw_cost(view);
	draw_notice(view);
	if (view->helping)
		draw_help(5, LINES - 1);
	else
		draw_table(view, 5, LINES - 1);
	draw_foot(view);
	refresh();
}
