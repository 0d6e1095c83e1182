/* SPDX-License-Identifier: MIT */
/* giltrace top: what goes on now, in the terminal. Looks at the capture again and again; see live.h and top_view.h. */
#include <ctype.h>
#include <curses.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tools/giltrace/commands.h"
#include "tools/giltrace/session.h"
#include "tools/giltrace/top_terminal.h"
#include "tools/giltrace/top_view.h"
#include "user/report/format.h"
#include "user/trace/trace.h"

#define WHY_SIZE   1024
#define MOST_SHARE 200

struct top {
	const struct options *options;
	struct session session;
	struct top_view view;
	int events;           /* readable: a key, a signal, another size */
	uint64_t due_ns;      /* CLOCK_MONOTONIC: when to look next */
	uint64_t look_cpu_ns; /* what looking and drawing took the last time */
	uint64_t own_cpu_ns;  /* CPU time of this process at the last look, */
	uint64_t looked_ns;   /* and when that was */
	bool over;            /* nothing is traced any more */
	char why[WHY_SIZE];   /* what ended it, to be told on stderr */
};

static uint64_t time_of(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* "python3.11 (pid 1234), CPython 3.11.2"; of several processes how many there are. */
static void describe_target(struct top_view *view, const struct trace *trace)
{
	const struct trace_target *target = &trace->target;
	const char *base = strrchr(target->exe, '/');
	char name[96];

	if (trace->scope != TRACE_EVERYTHING && trace->process_count <= 1)
		snprintf(view->target, sizeof(view->target), "%s (pid %u), %s %s",
			 format_name(name, sizeof(name), base ? base + 1 : target->exe, 20), target->pid,
			 !strcmp(target->runtime, "cpython") ? "CPython" : target->runtime, target->version);
	else
		snprintf(view->target, sizeof(view->target), "%zu processes%s", trace->process_count,
			 trace->scope == TRACE_EVERYTHING ? " (--all)" : "");
}

/* What top itself took of a CPU since the last look. */
static void note_own_cost(struct top *top)
{
	uint64_t cpu = time_of(CLOCK_PROCESS_CPUTIME_ID), now = time_of(CLOCK_MONOTONIC);

	top->view.own_pct = top->looked_ns && now > top->looked_ns
				    ? 100.0 * (double)(cpu - top->own_cpu_ns) / (double)(now - top->looked_ns)
				    : -1;
	top->own_cpu_ns = cpu;
	top->looked_ns = now;
}

/* Takes in what came since the last look. 0 or -errno, with a line in `why`. */
static int look(struct top *top)
{
	struct capture *capture = top->session.capture;
	struct trace *now = trace__new();
	char why[WHY_SIZE] = "";
	int err = now ? capture__collect(capture, now) : -ENOMEM;

	if (!err && capture__check(capture, now, why, sizeof(why)) == -ENOTSUP)
		err = -ENOTSUP; /* figures that are wrong */
	if (!err) {
		describe_target(&top->view, now);
		top->view.stacks = capture__stacks(capture);
		err = live__add(&top->view.live, now, top->view.stacks);
	}
	if (!err && *why)
		format_name(top->view.notice, sizeof(top->view.notice), why, sizeof(top->view.notice) - 1);
	trace__free(now);
	note_own_cost(top);
	if (err)
		snprintf(top->why, sizeof(top->why), "%s%s",
			 *why ? why : "cannot read the figures: ", *why ? "" : strerror(-err));
	return err;
}

/* When to look next: less often where looking and drawing would take more of a CPU than one part in so many. */
static void look_at_time(struct top *top)
{
	uint64_t interval = top->options->interval_ns, least = top->look_cpu_ns * MOST_SHARE;

	top->due_ns = time_of(CLOCK_MONOTONIC) + (least > interval ? least : interval);
}

/* Looks and draws. 0 or -errno. */
static int go_on(struct top *top)
{
	uint64_t began = time_of(CLOCK_THREAD_CPUTIME_ID);
	int err;

	look_at_time(top);
	err = look(top);
	if (!err)
		top_view__draw(&top->view);
	top->look_cpu_ns = time_of(CLOCK_THREAD_CPUTIME_ID) - began;
	return err;
}

/* The last figures, of all the time: those of the last moment were hardly any. */
static int come_to_end(struct top *top, enum capture_end end)
{
	int err;

	capture__stop(top->session.capture);
	top->over = true;
	top->view.paused = false;
	err = look(top);
	top->view.span = LIVE_SINCE_RESET;
	snprintf(top->view.notice, sizeof(top->view.notice), "%s: these are the figures since the reset. q leaves.",
		 end == CAPTURE_EXECED                                  ? "The process replaced its program (exec)"
		 : top->options->pid_count == 1 && !top->options->scope ? "The process has ended"
									: "The last process has ended");
	return err;
}

static void next_column(struct top_view *view, int step)
{
	int columns = TOP_SORT_COLUMNS + (view->locks ? 1 : 0);

	view->sort = (enum top_column)(((int)view->sort + step + columns) % columns);
}

static void scroll_by(struct top_view *view, long rows)
{
	if (rows < 0 && view->first < (size_t)-rows)
		view->first = 0;
	else
		view->first += (size_t)rows; /* the drawing holds it within the table */
}

static void type_filter(struct top_view *view, int key)
{
	size_t length = strlen(view->filter);

	if (key == '\r' || key == '\n' || key == KEY_ENTER) {
		view->typing = false;
	} else if (key == 27) {
		view->typing = false;
		*view->filter = '\0';
	} else if ((key == KEY_BACKSPACE || key == 127 || key == 8) && length) {
		do /* a whole character */
			length--;
		while (length && ((unsigned char)view->filter[length] & 0xc0) == 0x80);
		view->filter[length] = '\0';
	} else if (key >= ' ' && key < 256 && key != 127 && length + 1 < sizeof(view->filter)) {
		view->filter[length] = (char)key;
		view->filter[length + 1] = '\0';
	}
	view->first = 0;
}

static void set_pause(struct top *top)
{
	if (top->over)
		return;
	top->view.paused = !top->view.paused;
	if (!top->view.paused)
		top->due_ns = 0; /* at once: of the time since the pause began */
}

/* Whether to go on. */
static bool obey(struct top *top, int key)
{
	struct top_view *view = &top->view;

	if (view->typing) {
		type_filter(view, key);
		return true;
	}
	switch (key) {
	case 'q':
	case 'Q':
		return false;
	case 'p':
	case ' ':
		set_pause(top);
		break;
	case 'r':
		live__reset(&view->live);
		break;
	case 'a':
		view->span = view->span == LIVE_LAST ? LIVE_SINCE_RESET : LIVE_LAST;
		break;
	case 's':
		next_column(view, 1);
		break;
	case 'S':
		next_column(view, -1);
		break;
	case 't':
		view->locks = !view->locks;
		view->sort = TOP_WAITING;
		view->first = 0;
		break;
	case '/':
		view->typing = true;
		break;
	case '?':
	case 'h':
		view->helping = !view->helping;
		break;
	case 27: /* escape */
		view->helping = false;
		*view->filter = '\0';
		break;
	case KEY_UP:
	case 'k':
		scroll_by(view, -1);
		break;
	case KEY_DOWN:
	case 'j':
		scroll_by(view, 1);
		break;
	case KEY_PPAGE:
		scroll_by(view, -(long)view->page);
		break;
	case KEY_NPAGE:
		scroll_by(view, (long)view->page);
		break;
	case KEY_HOME:
		view->first = 0;
		break;
	}
	return true;
}

/* All that was pressed meanwhile. Whether to go on. */
static bool obey_all(struct top *top)
{
	int key;

	while ((key = top_terminal__take()) != TOP_NOTHING) {
		if (key == TOP_LEAVE)
			return false;
		if (key != TOP_RESIZED && !obey(top, key))
			return false;
	}
	return true;
}

/* Until there is something to do. Says what. */
static enum capture_end wait_for_something(struct top *top)
{
	struct pollfd events = {.fd = top->events, .events = POLLIN};

	if (!top->over)
		return capture__run(top->session.capture, 0,
				    top->view.paused ? 0
				    : top->due_ns    ? top->due_ns
						     : 1,
				    top->events);
	poll(&events, 1, -1);
	return CAPTURE_STOPPED;
}

/* Until q is pressed, or a signal comes. 0 or -errno. */
static int watch(struct top *top)
{
	int err = 0;

	look_at_time(top);
	top_view__draw(&top->view);
	while (!err) {
		enum capture_end end = wait_for_something(top);

		if (end == CAPTURE_STOPPED) {
			if (!obey_all(top))
				return 0;
			top_view__draw(&top->view);
		} else if (end == CAPTURE_DUE) {
			err = go_on(top);
		} else {
			err = come_to_end(top, end);
			top_view__draw(&top->view);
		}
	}
	return err;
}

static int run(struct top *top)
{
	int err = top_terminal__open(top->session.signals, &top->events);

	if (err) {
		snprintf(top->why, sizeof(top->why), "cannot use the terminal: %s", strerror(-err));
		return err;
	}
	session__begin(&top->session);
	err = watch(top);
	top_terminal__close();
	return err;
}

int command_top(const struct options *options)
{
	static struct top top = {.session = {.signals = -1}, .events = -1};
	int err;

	if (!top_terminal__is_there())
		return STATUS_USAGE;
	top.options = top.session.options = options;
	top.view.own_pct = -1;
	err = session__prepare(&top.session);
	if (err) {
		complain("%s", *top.session.why ? top.session.why : strerror(-err));
	} else {
		err = run(&top);
		if (err)
			complain("%s", top.why);
		session__stop(&top.session, CAPTURE_STOPPED);
	}
	live__clear(&top.view.live);
	session__free(&top.session);
	return err ? status_of(err) : STATUS_OK;
}
