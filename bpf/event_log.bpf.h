/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Single events, told to the user side when it wants them: waits that ended, holds. */
#ifndef GILTRACE_EVENT_LOG_BPF_H
#define GILTRACE_EVENT_LOG_BPF_H

#include "find.bpf.h"
#include "stacks.bpf.h"

const volatile __u32 logged_events = LOG_NOTHING; /* enum logged_events */

/* Bytes in the ring at which the user side is woken; it comes by itself now and then. */
#define LOG_WAKE_AT (1U << 18)

/* The size is set at load time. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} event_log SEC(".maps");

static __always_inline void log_event(const struct event *event)
{
	bool wake = bpf_ringbuf_query(&event_log, BPF_RB_AVAIL_DATA) > LOG_WAKE_AT;
	__u64 flags = wake ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;

	if (bpf_ringbuf_output(&event_log, (void *)event, sizeof(*event), flags))
		lose(LOST_EVENTS);
}

/* What both kinds have: of this thread, until now. */
static __always_inline struct event event_until(__u64 now, enum event_kind kind, const struct thread *thread,
						__u64 since)
{
	struct event event = {.kind = kind, .start_ns = since, .end_ns = now};

	event.tgid = thread->tgid;
	event.instance = thread->instance;
	event.tid = thread->tid;
	event.lock = thread->lock;
	return event;
}

/* The thread waited, and has the lock from now on. One whose beginning was not seen is no event. */
__attribute__((noinline)) int log_wait(__u64 address, __u32 slot, __u64 now)
{
	struct thread *thread;
	struct event event;
	struct lock *lock;

	if (!find_both(address, slot, &lock, &thread) || thread->wait_at_start)
		return 0;
	event = event_until(now, EVENT_WAIT, thread, thread->waiting_since);
	event.other = thread->first_holder;
	event.stack = thread->first_stack;
	event.waiter_stack = thread->waiter_stack;
	event.failed = thread->failed_in_wait;
	log_event(&event);
	return 0;
}

/* The thread lets go of the lock, now. */
__attribute__((noinline)) int log_hold(__u64 address, __u32 slot, __u64 now)
{
	struct thread *thread;
	struct event event;
	struct lock *lock;

	if (!find_both(address, slot, &lock, &thread))
		return 0;
	if (logged_events != LOG_ALL && !lock->most_waiters)
		return 0;
	event = event_until(now, EVENT_HOLD, thread, lock->acquired_ns);
	event.other = lock->most_waiters;
	event.stack = thread->release_stack;
	event.forced = lock->requested_ns != 0;
	log_event(&event);
	return 0;
}

#endif
