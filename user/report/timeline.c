/* SPDX-License-Identifier: MIT */
/*
 * A timeline of waits and holds: see timeline.h. A sweep over the events in the order of their beginnings; the ends of
 * those that are open lie in a heap, at most one for each thread, so that all is written in the order of time.
 */
#include "user/report/timeline.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "user/report/timeline_parts.h"

/* How far ahead the hold is looked for that a wait led to: what begins in the same nanosecond. */
#define LOOK_AHEAD 64

/* A slice that has begun. */
struct slice {
	uint32_t event, thread, lock;
	bool is_owner; /* it is on the lock's track, too */
};

struct sweep {
	struct timeline *timeline;
	const struct trace_event *events;
	struct slice *open; /* a heap: the one that ends first is the first */
	size_t count;
	size_t next;     /* in the order: the first event that has not begun */
	uint64_t beside; /* events that would have to lie beside another of their thread: there are none */
};

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* What has no length comes before what begins then; a wait before the hold that it led to. */
static int compare_events(const void *left, const void *right, void *context)
{
	const struct trace_event *events = context;
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
	int order = compare(events[a].start_ns, events[b].start_ns);

	order = order ? order : compare(events[a].end_ns, events[b].end_ns);
	order = order ? order : (int)events[a].kind - (int)events[b].kind;
	return order ? order : compare(a, b);
}

static bool ends_before(const struct sweep *sweep, const struct slice *a, const struct slice *b)
{
	int order = compare(sweep->events[a->event].end_ns, sweep->events[b->event].end_ns);

	return order ? order < 0 : a->event < b->event;
}

static void push(struct sweep *sweep, struct slice slice)
{
	size_t at = sweep->count++;

	for (; at && ends_before(sweep, &slice, &sweep->open[(at - 1) / 2]); at = (at - 1) / 2)
		sweep->open[at] = sweep->open[(at - 1) / 2];
	sweep->open[at] = slice;
}

static struct slice pop(struct sweep *sweep)
{
	struct slice first = sweep->open[0], last = sweep->open[--sweep->count];
	size_t at = 0, child;

	for (; (child = 2 * at + 1) < sweep->count; at = child) {
		if (child + 1 < sweep->count && ends_before(sweep, &sweep->open[child + 1], &sweep->open[child]))
			child++;
		if (!ends_before(sweep, &sweep->open[child], &last))
			break;
		sweep->open[at] = sweep->open[child];
	}
	sweep->open[at] = last;
	return first;
}

static void say(struct timeline *timeline, enum perfetto_key key, uint64_t value)
{
	if (value)
		perfetto__say(&timeline->out, key, value);
}

static void tell(struct timeline *timeline, enum perfetto_key key, uint64_t value)
{
	if (value)
		perfetto__tell(&timeline->out, key, value);
}

/* 0: nobody waited for this hold to end. */
static uint64_t flow_from(const struct trace_event *event, uint32_t number)
{
	return event->kind == TRACE_HOLD && event->waiters ? number + 1ULL : 0;
}

/* Whether the lock came to the thread by the wait that it waits in, or waited in until now, from a known release. */
static bool came_from_release(const struct timeline_lock *lock, const struct trace_event *wait, uint32_t thread)
{
	return lock->flow && lock->releaser != thread && lock->released_ns >= wait->start_ns &&
	       lock->released_ns <= wait->end_ns;
}

/* The wait's hold is the next event of its thread, and begins at once; it may not be known. */
static bool leads_to_hold(const struct sweep *sweep, const struct trace_event *wait)
{
	size_t end = sweep->next + LOOK_AHEAD, count = sweep->timeline->trace->event_count;

	for (size_t i = sweep->next; i < count && i < end; i++) {
		const struct trace_event *event = &sweep->events[sweep->timeline->order[i]];

		if (event->start_ns != wait->end_ns)
			return false;
		if (event->kind == TRACE_HOLD && event->tid == wait->tid && event->process == wait->process &&
		    event->gil == wait->gil)
			return true;
	}
	return false;
}

static void count_waiters(struct timeline *timeline, uint32_t lock, int change, uint64_t time_ns)
{
	timeline->locks[lock].waiters += (uint32_t)change;
	perfetto__count(&timeline->out, timeline__lock_track(timeline, lock, TRACK_WAITERS),
			timeline->locks[lock].waiters);
	perfetto__write(&timeline->out, time_ns);
}

static void end_wait(struct sweep *sweep, const struct slice *slice, const struct trace_event *wait)
{
	struct timeline *timeline = sweep->timeline;
	struct timeline_lock *lock = &timeline->locks[slice->lock];

	perfetto__end(&timeline->out, timeline__thread_track(timeline, slice->thread));
	if (came_from_release(lock, wait, slice->thread)) {
		if (leads_to_hold(sweep, wait)) {
			lock->taker = slice->thread;
		} else {
			perfetto__flow_end(&timeline->out, lock->flow);
			lock->flow = 0;
		}
	}
	perfetto__write(&timeline->out, wait->end_ns);
	count_waiters(timeline, slice->lock, -1, wait->end_ns);
}

static void end_hold(struct sweep *sweep, const struct slice *slice, const struct trace_event *hold)
{
	struct timeline *timeline = sweep->timeline;
	struct timeline_lock *lock = &timeline->locks[slice->lock];

	perfetto__end(&timeline->out, timeline__thread_track(timeline, slice->thread));
	perfetto__write(&timeline->out, hold->end_ns);
	if (slice->is_owner) {
		perfetto__end(&timeline->out, timeline__lock_track(timeline, slice->lock, TRACK_OWNER));
		perfetto__write(&timeline->out, hold->end_ns);
		lock->owned = false;
	}
	lock->flow = flow_from(hold, slice->event);
	lock->released_ns = hold->end_ns;
	lock->releaser = slice->thread;
	lock->taker = KEYS_NONE;
}

/* Ends what has ended by then. */
static void end_until(struct sweep *sweep, uint64_t time_ns)
{
	while (sweep->count && sweep->events[sweep->open[0].event].end_ns <= time_ns) {
		struct slice slice = pop(sweep);
		const struct trace_event *event = &sweep->events[slice.event];

		sweep->timeline->threads[slice.thread].busy = false;
		if (event->kind == TRACE_WAIT)
			end_wait(sweep, &slice, event);
		else
			end_hold(sweep, &slice, event);
	}
}

static void begin_wait(struct timeline *timeline, const struct slice *slice, const struct trace_event *wait)
{
	perfetto__begin(&timeline->out, timeline__thread_track(timeline, slice->thread), NAME_WAIT);
	say(timeline, PERFETTO_LOCK, timeline__lock_value(timeline, slice->lock));
	if (wait->holder)
		say(timeline, PERFETTO_HOLDER,
		    timeline__thread_value(timeline, timeline__thread(timeline, wait, wait->holder)));
	say(timeline, PERFETTO_HOLDER_STACK, timeline__stack_value(timeline, wait->stack));
	say(timeline, PERFETTO_WAITER_STACK, timeline__stack_value(timeline, wait->waiter_stack));
	tell(timeline, PERFETTO_FAILED, wait->failed);
	perfetto__write(&timeline->out, wait->start_ns);
	count_waiters(timeline, slice->lock, 1, wait->start_ns);
}

static void begin_hold(struct timeline *timeline, struct slice *slice, const struct trace_event *hold)
{
	struct timeline_lock *lock = &timeline->locks[slice->lock];

	perfetto__begin(&timeline->out, timeline__thread_track(timeline, slice->thread), NAME_HOLD);
	say(timeline, PERFETTO_LOCK, timeline__lock_value(timeline, slice->lock));
	say(timeline, PERFETTO_RELEASE_STACK, timeline__stack_value(timeline, hold->stack));
	tell(timeline, PERFETTO_WAITERS, hold->waiters);
	tell(timeline, PERFETTO_FORCED, hold->forced);
	if (flow_from(hold, slice->event))
		perfetto__flow(&timeline->out, flow_from(hold, slice->event));
	if (lock->flow && lock->taker == slice->thread) {
		perfetto__flow_end(&timeline->out, lock->flow);
		lock->flow = 0;
	}
	perfetto__write(&timeline->out, hold->start_ns);
	slice->is_owner = !lock->owned;
	if (!slice->is_owner)
		return;
	perfetto__begin(&timeline->out, timeline__lock_track(timeline, slice->lock, TRACK_OWNER),
			timeline__thread_name(timeline, slice->thread));
	perfetto__write(&timeline->out, hold->start_ns);
	lock->owned = true;
}

/* In a file that was made to deceive, events of one thread may overlap: slices would end in each other's stead. */
static void begin_event(struct sweep *sweep, uint32_t number)
{
	struct timeline *timeline = sweep->timeline;
	const struct trace_event *event = &sweep->events[number];
	struct slice slice = {number, timeline__thread(timeline, event, event->tid), timeline__lock(timeline, event),
			      false};
	struct timeline_thread *thread = &timeline->threads[slice.thread];

	if (thread->busy || event->end_ns < event->start_ns) {
		sweep->beside++;
		return;
	}
	thread->busy = true;
	if (event->kind == TRACE_WAIT)
		begin_wait(timeline, &slice, event);
	else
		begin_hold(timeline, &slice, event);
	push(sweep, slice);
}

/* A track whose name says it. */
static void tell_of_left_out(struct sweep *sweep)
{
	struct timeline *timeline = sweep->timeline;
	uint64_t track = timeline__thread_track(timeline, (uint32_t)timeline->thread_count);
	char name[TIMELINE_NAME_SIZE];

	snprintf(name, sizeof(name), "left out: %" PRIu64 " events that overlap others of their thread", sweep->beside);
	perfetto__track(&timeline->out, track, 0, name);
	perfetto__text(&timeline->out, PERFETTO_NAME, NAME_LEFT_OUT, "left out");
	perfetto__begin(&timeline->out, track, NAME_LEFT_OUT);
	perfetto__write(&timeline->out, timeline->trace->start_ns);
	perfetto__end(&timeline->out, track);
	perfetto__write(&timeline->out, timeline->trace->start_ns);
}

static int write_events(struct timeline *timeline)
{
	const struct trace *trace = timeline->trace;
	struct sweep sweep = {.timeline = timeline, .events = trace->events};

	sweep.open = calloc(timeline->thread_count + 1, sizeof(*sweep.open));
	if (!sweep.open)
		return -ENOMEM;
	while (sweep.next < trace->event_count && !timeline->out.error) {
		uint32_t number = timeline->order[sweep.next];

		end_until(&sweep, trace->events[number].start_ns);
		sweep.next++;
		begin_event(&sweep, number);
	}
	end_until(&sweep, UINT64_MAX);
	if (sweep.beside)
		tell_of_left_out(&sweep);
	free(sweep.open);
	return 0;
}

static int sort_events(struct timeline *timeline)
{
	const struct trace *trace = timeline->trace;

	if (trace->event_count >= UINT32_MAX)
		return -EFBIG;
	timeline->order = malloc((trace->event_count + 1) * sizeof(*timeline->order));
	if (!timeline->order)
		return -ENOMEM;
	for (size_t i = 0; i < trace->event_count; i++)
		timeline->order[i] = (uint32_t)i;
	if (trace->event_count)
		qsort_r(timeline->order, trace->event_count, sizeof(*timeline->order), compare_events, trace->events);
	return 0;
}

static int write_all(struct timeline *timeline)
{
	int err;

	timeline__describe_tracks(timeline);
	err = write_events(timeline);
	if (!err && timeline__knows_utilisation(timeline))
		err = timeline__write_utilisation(timeline);
	return err;
}

int report__timeline(const struct trace *trace, enum flame_kind kind, FILE *out)
{
	struct timeline timeline = {.trace = trace};
	int err = timeline__find_tracks(&timeline), write_err;

	(void)kind;
	if (!err)
		err = sort_events(&timeline);
	if (!err) {
		perfetto__open(&timeline.out, out, trace->start_ns);
		err = write_all(&timeline);
		write_err = perfetto__close(&timeline.out);
		err = err ? err : write_err;
	}
	timeline__free_tracks(&timeline);
	free(timeline.order);
	return err;
}
