/* SPDX-License-Identifier: MIT */
/* Which tracks a timeline has, and what they are called: see timeline_parts.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "user/report/timeline_parts.h"

static void *append(void **elements, size_t *count, size_t size)
{
	/* Room grows by doubling: it is full whenever the count is a power of two. */
	if (!(*count & (*count - 1))) {
		void *grown = realloc(*elements, (*count ? 2 * *count : 1) * size);

		if (!grown)
			return NULL;
		*elements = grown;
	}
	return (char *)*elements + size * (*count)++;
}

static int add_thread(struct timeline *timeline, uint32_t process, uint32_t pid, uint32_t tid, const char *name,
		      bool seen)
{
	uint32_t *number = keys__get(&timeline->thread_keys, process, tid);
	struct timeline_thread *thread;

	if (!number)
		return -ENOMEM;
	if (*number == KEYS_NONE) {
		thread = append((void **)&timeline->threads, &timeline->thread_count, sizeof(*thread));
		if (!thread)
			return -ENOMEM;
		*thread = (struct timeline_thread){.process = process, .pid = pid, .tid = tid, .name = name};
		*number = (uint32_t)timeline->thread_count - 1;
	}
	timeline->threads[*number].seen |= seen;
	return 0;
}

static int add_lock(struct timeline *timeline, uint32_t process, uint64_t address, int64_t interpreter)
{
	uint32_t *number = keys__get(&timeline->lock_keys, process, address);
	struct timeline_lock *lock;

	if (!number)
		return -ENOMEM;
	if (*number != KEYS_NONE)
		return 0;
	lock = append((void **)&timeline->locks, &timeline->lock_count, sizeof(*lock));
	if (!lock)
		return -ENOMEM;
	*lock = (struct timeline_lock){.process = process, .address = address, .interpreter = interpreter};
	*number = (uint32_t)timeline->lock_count - 1;
	return 0;
}

/* Not one that another file that is shown beside this one is likely to have; the same for the same trace. */
static uint64_t first_track(const struct trace *trace)
{
	uint64_t mixed = (trace->start_ns ^ trace->start_ns >> 31) * 0x9e3779b97f4a7c15;

	return 1ULL << 34 | (mixed >> 31 & 0x3ff000000);
}

static int find_all(struct timeline *timeline)
{
	const struct trace *trace = timeline->trace;
	int err = 0;

	for (size_t i = 0; !err && i < trace->gil_count; i++)
		err = add_lock(timeline, trace->gils[i].process, trace->gils[i].address, trace->gils[i].interpreter);
	for (size_t i = 0; !err && i < trace->thread_count; i++) {
		const struct trace_thread *thread = &trace->threads[i];

		err = add_thread(timeline, thread->process, thread->pid, thread->tid, thread->name, false);
	}
	for (size_t i = 0; !err && i < trace->event_count; i++) {
		const struct trace_event *event = &trace->events[i];

		err = add_lock(timeline, event->process, event->gil, -1);
		if (!err)
			err = add_thread(timeline, event->process, event->pid, event->tid, "", true);
		if (!err && event->holder)
			err = add_thread(timeline, event->process, event->pid, event->holder, "", false);
	}
	/* The last look at a table makes the room that later ones find. */
	if (!err && trace->event_count &&
	    (!keys__get(&timeline->thread_keys, trace->events->process, trace->events->tid) ||
	     !keys__get(&timeline->lock_keys, trace->events->process, trace->events->gil)))
		err = -ENOMEM;
	return err;
}

int timeline__find_tracks(struct timeline *timeline)
{
	const struct trace *trace = timeline->trace;
	int err = find_all(timeline);

	for (size_t i = 1; !err && i < timeline->lock_count; i++)
		if (timeline->locks[i].process == timeline->locks[i - 1].process)
			timeline->locks[i].has_others = timeline->locks[i - 1].has_others = true;
	timeline->told = calloc(stacks__count(trace->stacks), sizeof(*timeline->told));
	timeline->first_track = first_track(trace);
	return err ? err : timeline->told ? 0 : -ENOMEM;
}

void timeline__free_tracks(struct timeline *timeline)
{
	keys__clear(&timeline->thread_keys);
	keys__clear(&timeline->lock_keys);
	free(timeline->threads);
	free(timeline->locks);
	free(timeline->told);
}

/* What was found before is there, without a need for memory. */
uint32_t timeline__thread(struct timeline *timeline, const struct trace_event *event, uint32_t tid)
{
	return *keys__get(&timeline->thread_keys, event->process, tid);
}

uint32_t timeline__lock(struct timeline *timeline, const struct trace_event *event)
{
	return *keys__get(&timeline->lock_keys, event->process, event->gil);
}

static uint64_t process_track(const struct timeline *timeline, uint32_t process)
{
	const struct trace_process *found = trace__find_process(timeline->trace, process);

	return found ? timeline->first_track + (uint64_t)(found - timeline->trace->processes) : 0;
}

uint64_t timeline__lock_track(const struct timeline *timeline, uint32_t lock, enum timeline_track track)
{
	return timeline->first_track + timeline->trace->process_count + (uint64_t)lock * TRACKS_OF_LOCK + track;
}

uint64_t timeline__thread_track(const struct timeline *timeline, uint32_t thread)
{
	return timeline__lock_track(timeline, (uint32_t)timeline->lock_count, 0) + thread;
}

bool timeline__knows_utilisation(const struct timeline *timeline)
{
	return timeline->trace->event_level == TRACE_EVENTS_ALL && trace__knows_holds(timeline->trace) &&
	       !trace__is_sampled(timeline->trace);
}

const char *timeline__lock_name(char out[TIMELINE_NAME_SIZE], const struct timeline_lock *lock, const char *what)
{
	if (!lock->has_others)
		snprintf(out, TIMELINE_NAME_SIZE, "GIL%s", what);
	else if (lock->interpreter >= 0)
		snprintf(out, TIMELINE_NAME_SIZE, "GIL of interpreter %" PRId64 "%s", lock->interpreter, what);
	else
		snprintf(out, TIMELINE_NAME_SIZE, "GIL at 0x%" PRIx64 "%s", lock->address, what);
	return out;
}

/* A track says of which holds and waits it is: there may be others. */
static void describe_lock(struct timeline *timeline, uint32_t number)
{
	const struct trace *trace = timeline->trace;
	const struct timeline_lock *lock = &timeline->locks[number];
	uint64_t parent = process_track(timeline, lock->process);
	const char *owner = trace->event_level == TRACE_EVENTS_ALL ? ": holder"
			    : trace__is_sampled(trace)             ? ": holder, if others waited, in windows"
								   : ": holder, if others waited";
	const char *waiters = trace->probes.waits_coverage_pct < 100 && trace->level == TRACE_AUTO
				      ? ": waiters, in windows"
				      : ": waiters";
	char name[TIMELINE_NAME_SIZE];

	if (trace__knows_holds(trace))
		perfetto__track(&timeline->out, timeline__lock_track(timeline, number, TRACK_OWNER), parent,
				timeline__lock_name(name, lock, owner));
	perfetto__counter(&timeline->out, timeline__lock_track(timeline, number, TRACK_WAITERS), parent,
			  timeline__lock_name(name, lock, waiters), "threads");
	if (timeline__knows_utilisation(timeline))
		perfetto__counter(&timeline->out, timeline__lock_track(timeline, number, TRACK_UTILISATION), parent,
				  timeline__lock_name(name, lock, ": held"), "%");
}

void timeline__describe_tracks(struct timeline *timeline)
{
	const struct trace *trace = timeline->trace;

	perfetto__text(&timeline->out, PERFETTO_NAME, NAME_HOLD, "hold");
	perfetto__text(&timeline->out, PERFETTO_NAME, NAME_WAIT, "wait");
	for (size_t i = 0; i < trace->process_count; i++)
		perfetto__process(&timeline->out, timeline->first_track + i, trace->processes[i].pid,
				  trace->processes[i].exe ? trace->processes[i].exe : "");
	for (uint32_t i = 0; i < timeline->lock_count; i++)
		describe_lock(timeline, i);
	for (uint32_t i = 0; i < timeline->thread_count; i++) {
		const struct timeline_thread *thread = &timeline->threads[i];

		if (thread->seen)
			perfetto__thread(&timeline->out, timeline__thread_track(timeline, i), thread->pid, thread->tid,
					 thread->name);
	}
}
