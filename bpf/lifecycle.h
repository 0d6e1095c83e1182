/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The life of a lock as a state machine: what each event means for the figures of a lock and of a thread. Pure: no
 * helper, no map; it compiles for user space too and is tested there (tests/unit/test_lifecycle.c).
 *
 * `now` and all other times are CLOCK_MONOTONIC ns. See bpf/giltrace.h for who may write what.
 */
#ifndef GILTRACE_LIFECYCLE_H
#define GILTRACE_LIFECYCLE_H

#include "giltrace.h"

/* Time that a waiter slept behind one holder, to be charged in the waiter x holder matrix. */
struct charge {
	__u32 holder;
	__u64 ns;
	bool charged; /* there is something to charge */
};

/* Ends the sleep that is going on and says whom its time is charged to. */
HISTOGRAM_INLINE struct charge end_sleep(struct thread *thread, __u64 now)
{
	struct charge charge = {};

	if (thread->attempt_since) {
		charge.holder = thread->attempt_holder;
		charge.ns = now - thread->attempt_since;
		charge.charged = true;
		thread->charged_ns += charge.ns;
		thread->attempt_since = 0;
	}
	return charge;
}

/*
 * The thread found the lock held by `holder` (0: unknown) and goes to sleep. When it has slept in this wait before,
 * that attempt failed; one that began before the trace is not counted.
 */
HISTOGRAM_INLINE struct charge on_blocked(const struct lock *lock, struct thread *thread, __u64 now, __u32 holder)
{
	struct charge charge = {};

	if (!thread->waiting_since) {
		thread->waiting_since = now;
		thread->failed_in_wait = 0;
		thread->charged_ns = 0;
		thread->first_holder = holder;
	} else if (thread->attempt_since) {
		charge = end_sleep(thread, now);
		thread->failed++;
		thread->failed_in_wait++;
		if (thread->woken_by == WAKE_TIMED_OUT)
			thread->timeouts++;
		else if (thread->woken_by == WAKE_SIGNALLED)
			thread->stolen++;
	}
	thread->woken_by = WAKE_UNKNOWN;
	thread->attempt_since = now;
	thread->attempt_switches = lock->switches;
	thread->attempt_holder = holder;
	return charge;
}

/*
 * A sleep ended; whether it failed shows the next event: another sleep, or an acquisition. When it lasted for the whole
 * interval and the lock stayed with one thread meanwhile, the runtime asks that thread to drop it.
 */
HISTOGRAM_INLINE void on_waited(struct lock *lock, struct thread *thread, bool timed_out)
{
	bool held = lock->holder || !lock->known;

	thread->woken_by = timed_out ? WAKE_TIMED_OUT : WAKE_SIGNALLED;
	if (timed_out && held && lock->switches == thread->attempt_switches)
		lock->drop_requested = 1;
}

/* Without an interval there are no timeouts and no requests: who wakes up was woken by a release. */
HISTOGRAM_INLINE void on_woken(struct thread *thread)
{
	if (thread->attempt_since)
		thread->woken_by = WAKE_SIGNALLED;
}

/* A wait that was going on when the trace began: its start is unknown. */
HISTOGRAM_INLINE void on_wait_at_start(struct thread *thread, __u64 start)
{
	thread->waiting_since = start;
	thread->wait_at_start = 1;
	thread->first_holder = 0;
	thread->failed_in_wait = 0;
	thread->charged_ns = 0;
}

/*
 * The waiting thread has the lock: closes its wait. `*finished_wait` tells whether it was one that counts (begun and
 * ended within the trace), for the pair's number of waits.
 */
HISTOGRAM_INLINE struct charge end_wait(struct lock *lock, struct thread *thread, __u64 now, bool *finished_wait)
{
	struct charge charge = end_sleep(thread, now);
	__u64 waited = now - thread->waiting_since;
	__u32 bucket = attempts_bucket(thread->failed_in_wait);

	*finished_wait = !thread->wait_at_start;
	if (thread->wait_at_start) {
		thread->wait_at_start = 0;
		thread->waits_at_start++;
		thread->waited_at_start_ns += waited;
	} else {
		thread->contended++;
		histogram_add(&thread->wait, waited);
		if (bucket < ATTEMPTS_BUCKETS)
			lock->attempts[bucket]++;
		thread->handoffs++;
		if (lock->released_ns > thread->waiting_since && lock->released_ns <= now)
			histogram_add(&lock->handoff, now - lock->released_ns);
	}
	thread->waiting_since = 0;
	return charge;
}

/* The thread has the lock: opens a hold. True when that makes no sense, because another still holds it: a miss. */
HISTOGRAM_INLINE bool on_acquired(struct lock *lock, struct thread *thread, __u64 now)
{
	bool senseless = lock->holder != 0;

	thread->acquisitions++;
	thread->holding = 1;
	thread->hold_runnable = 0;
	thread->hold_blocked = 0;
	lock->known = 1;
	lock->drop_requested = 0;
	lock->switches += lock->last_tid != thread->tid;
	lock->last_tid = thread->tid;
	lock->holder = thread->tid;
	lock->acquired_ns = now;
	return senseless;
}

/* The thread let go: closes its hold. True when that makes no sense: it was not known to hold the lock. */
HISTOGRAM_INLINE bool on_released(struct lock *lock, struct thread *thread, __u64 now)
{
	bool senseless = false;

	thread->releases++;
	thread->releases_forced += lock->drop_requested;
	if (lock->holder == thread->tid) {
		histogram_add(&thread->hold, now - lock->acquired_ns);
		thread->held_runnable_ns += thread->hold_runnable;
		thread->held_blocked_ns += thread->hold_blocked;
	} else if (!lock->known) {
		thread->holds_at_start++;
		thread->held_at_start_ns += now - lock->start_ns;
	} else {
		senseless = true;
	}
	thread->holding = 0;
	lock->known = 1;
	lock->holder = 0;
	lock->released_ns = now;
	return senseless;
}

/*
 * The thread let go because it was asked to, and waits until another has the lock. That misses each release after which
 * another had the lock at once; it is probed only where no `waited` tells of the request.
 */
HISTOGRAM_INLINE void on_switched(struct thread *thread)
{
	thread->releases_forced++;
}

/* The scheduler takes the thread off its CPU or puts it back; only what happens within a hold counts. */
HISTOGRAM_INLINE void on_off_cpu(struct thread *thread, __u64 now, bool blocked)
{
	if (!thread->holding)
		return;
	thread->off_cpu_since = now;
	thread->off_cpu_blocked = blocked;
}

HISTOGRAM_INLINE void on_cpu_again(struct thread *thread, __u64 now)
{
	if (thread->holding && thread->off_cpu_since) {
		if (thread->off_cpu_blocked)
			thread->hold_blocked += now - thread->off_cpu_since;
		else
			thread->hold_runnable += now - thread->off_cpu_since;
	}
	thread->off_cpu_since = 0;
}

#endif
