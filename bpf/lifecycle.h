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

/*
 * The time in which anybody waited, shared by those who do: the lock's `wall_ns` advances by 1/n of the time that
 * passes while n wait. What it advances by during each one's sleep adds up, over all, to that time. (Where the
 * scheduler tells of waiters they come at the same time as others come and go: `waiters` must not lose count of them;
 * the time may be off by what passed since the last of them.) `now` may lie behind, for waits that are known by their
 * end.
 */
HISTOGRAM_INLINE void advance_wall(struct lock *lock, __u64 now)
{
	__u32 waiters = lock->waiters;

	if (now <= lock->wall_since)
		return;
	if (waiters)
		lock->wall_ns += (now - lock->wall_since) / waiters;
	lock->wall_since = now;
}

HISTOGRAM_INLINE void join_waiters(struct lock *lock, struct thread *thread, __u64 now)
{
	if (thread->among_waiters)
		return;
	advance_wall(lock, now);
	if (!lock->waiters)
		lock->wait_began_ns = now;
	thread->among_waiters = 1;
	__sync_fetch_and_add(&lock->waiters, 1);
	if (lock->waiters > lock->most_waiters)
		lock->most_waiters = lock->waiters;
}

HISTOGRAM_INLINE void leave_waiters(struct lock *lock, struct thread *thread, __u64 now)
{
	if (!thread->among_waiters)
		return;
	advance_wall(lock, now);
	thread->among_waiters = 0;
	__sync_fetch_and_add(&lock->waiters, -1);
}

/*
 * A look at the holder, which found what it ran from `since` to `now`. That counts until the next look, and the first
 * one at a hold from its beginning on.
 */
HISTOGRAM_INLINE void add_sample(struct lock *lock, __u64 since, __u64 now, __u32 tid, __u64 stack)
{
	struct sample *sample = &lock->samples[(lock->next_sample - 1) & (SAMPLES - 1)];
	bool first = lock->holder == tid && sample->seen_ns < lock->acquired_ns;

	if (first || sample->tid != tid || sample->stack != stack) {
		sample = &lock->samples[lock->next_sample++ & (SAMPLES - 1)];
		sample->stack = stack;
		sample->tid = tid;
		sample->since_ns = first ? lock->acquired_ns : since;
	}
	sample->seen_ns = now;
}

/*
 * The i-th look of those that are remembered, the oldest first. False unless it is at this thread (0: at any) and after
 * `since`; `*begin`: from when on it counts.
 */
HISTOGRAM_INLINE bool find_look(const struct lock *lock, __u32 tid, __u64 since, __u32 i, struct sample *look,
				__u64 *begin)
{
	*look = lock->samples[(lock->next_sample + i) & (SAMPLES - 1)];
	*begin = look->since_ns > since ? look->since_ns : since;
	return look->tid && (!tid || look->tid == tid) && look->seen_ns > since;
}

/*
 * Takes out of `left` what a look counts for that was good from `begin` to `end`, when all that is left is to be shared
 * in proportion by the looks from `begin` to `now`.
 */
HISTOGRAM_INLINE struct charge take_part(struct charge *left, __u64 begin, __u64 end, __u64 now)
{
	__u64 share = now > end && end > begin ? ((end - begin) << 10) / (now - begin) : 0;
	struct charge part = *left;

	part.ns = left->ns * share >> 10;
	part.wall_ns = left->wall_ns * share >> 10;
	left->ns -= part.ns;
	left->wall_ns -= part.wall_ns;
	return part;
}

/* The i-th look, in the search for the stack that the thread had for the longest time since `since`. */
HISTOGRAM_INLINE void weigh_look(const struct lock *lock, __u32 tid, __u64 since, __u32 i, struct longest *longest)
{
	struct sample look;
	__u64 begin;

	if (!find_look(lock, tid, since, i, &look, &begin))
		return;
	if (longest->since && begin > longest->since && begin - longest->since > longest->ns) {
		longest->ns = begin - longest->since;
		longest->stack = longest->last;
	}
	longest->since = begin;
	longest->last = look.stack;
}

/* What it was, at `now`, when all looks were weighed; 0: unknown. */
HISTOGRAM_INLINE __u64 longest_stack(const struct longest *longest, __u64 now)
{
	return longest->since && now - longest->since > longest->ns ? longest->last : longest->stack;
}

/*
 * Ends the sleep that is going on and says whom its time is charged to. Where no looks tell what the holder ran
 * meanwhile, `stack_now` does, the one at the end of the sleep, when it is the same hold still (0: it is not); else the
 * one at the beginning, which is the beginning of a hold too often.
 */
HISTOGRAM_INLINE void end_sleep(struct lock *lock, struct thread *thread, __u64 now, __u64 stack_now)
{
	struct charge *sleep = &thread->sleep;

	sleep->charged = thread->attempt_since != 0;
	if (!sleep->charged)
		return;
	advance_wall(lock, now);
	sleep->holder = thread->attempt_holder;
	sleep->stack = stack_now ? stack_now : thread->attempt_stack;
	sleep->look_ns = 0;
	sleep->ns = now - thread->attempt_since;
	sleep->wall_ns = lock->wall_ns > thread->attempt_wall ? lock->wall_ns - thread->attempt_wall : 0;
	thread->charged_ns += sleep->ns;
	thread->attempt_since = 0;
}

/*
 * A waiter who found nobody when it asked waited for the thread that let go meanwhile, who had this stack then (0:
 * unknown).
 */
HISTOGRAM_INLINE void adopt_releaser(const struct lock *lock, struct thread *thread, __u64 stack)
{
	if (!thread->attempt_since || thread->attempt_holder || lock->last_tid == thread->tid ||
	    lock->released_ns <= thread->attempt_since)
		return;
	thread->attempt_holder = lock->last_tid;
	thread->attempt_stack = stack;
	if (!thread->failed_in_wait) {
		thread->first_holder = thread->attempt_holder;
		thread->first_stack = stack;
	}
}

/* Whether the holder went to sleep after a look at it, elsewhere than in the runtime's own mutex. */
HISTOGRAM_INLINE bool fell_asleep(const struct lock *lock, __u64 looked_ns)
{
	__s32 syscall = lock->holder_syscall;

	return syscall != NO_SYSCALL && syscall != FUTEX && lock->holder_asleep_ns > looked_ns;
}

/*
 * Whether the thread looked at this holder only just now, before it woke up in vain. (That it fell asleep just now
 * tells nothing: it may have done so many times since, and each time kept what it had seen.)
 */
HISTOGRAM_INLINE bool has_fresh_look(const struct lock *lock, const struct thread *thread, __u64 now, __u32 holder)
{
	return thread->waiting_since && thread->attempt_stack && thread->attempt_holder == holder &&
	       now - thread->looked_ns < FRESH_NS && !fell_asleep(lock, thread->looked_ns);
}

/*
 * Whether the scheduler tells of each sleep for this process's locks, so that no probe need to. It does where the
 * futexes that a condition variable's waiters sleep for are within it, as glibc's are.
 */
HISTOGRAM_INLINE bool tells_sleeps(const struct traced_process *process, __u64 now)
{
	return process->sleeps_ns && now > process->sleeps_ns + SLEEPS_TELL_NS;
}

/* Where the lock would be whose waiters sleep for this futex; 0: it is not known. glibc has two in turn, side by side.
 */
HISTOGRAM_INLINE __u64 slept_for(const struct traced_process *process, __u64 futex)
{
	return process->sleeps_ns ? (futex & ~4ULL) - (process->sleep_offset & ~4ULL) : 0;
}

/* Whether an attempt of the thread to get the lock goes on: it is about to sleep, or does, or did not yet come to. */
HISTOGRAM_INLINE bool is_attempt_open(const struct thread *thread)
{
	return thread->waiting_since && thread->attempt_since && thread->woken_by == WAKE_UNKNOWN;
}

/*
 * Whether what the thread saw of this holder is good for an attempt in which it does not come to sleep: that is over at
 * once, and has the lock's mutex now, which a look would keep from others for longer than it lasted.
 */
HISTOGRAM_INLINE bool has_kept_look(const struct thread *thread, __u64 now, __u32 holder)
{
	return thread->attempt_stack && thread->attempt_holder == holder && now - thread->looked_ns < KEPT_NS;
}

/*
 * The thread found the lock held by `holder` (0: unknown), who runs `stack` (0: unknown), and goes to sleep. When it
 * has slept in this wait before, that attempt failed, and `thread->sleep` is to be charged; one that began before the
 * trace is not counted. `weight`: how many waits one that begins now stands for.
 */
HISTOGRAM_INLINE void on_blocked(struct lock *lock, struct thread *thread, __u64 now, __u32 holder, __u64 stack,
				 __u32 weight)
{
	thread->sleep.charged = 0;
	if (!thread->waiting_since) {
		thread->waiting_since = now;
		thread->wait_weight = weight;
		thread->failed_in_wait = 0;
		thread->charged_ns = 0;
		thread->first_holder = holder;
		thread->first_stack = stack;
	} else if (thread->attempt_since) {
		bool same_hold = lock->switches == thread->attempt_switches && holder == thread->attempt_holder &&
				 lock->acquired_ns <= thread->attempt_since;

		end_sleep(lock, thread, now, same_hold ? stack : 0);
		thread->failed += thread->wait_weight;
		thread->failed_in_wait++;
		if (thread->woken_by == WAKE_TIMED_OUT)
			thread->timeouts += thread->wait_weight;
		else if (thread->woken_by == WAKE_SIGNALLED)
			thread->stolen += thread->wait_weight;
	}
	join_waiters(lock, thread, now);
	thread->woken_by = WAKE_UNKNOWN;
	thread->attempt_since = now;
	thread->attempt_wall = lock->wall_ns;
	thread->attempt_switches = lock->switches;
	thread->attempt_holder = holder;
	thread->attempt_stack = stack;
	if (stack)
		lock->holder_stack = stack;
}

/*
 * A sleep ended; whether it failed shows the next event: another sleep, or an acquisition. When it lasted for the whole
 * interval and the lock stayed with one thread meanwhile, the runtime asks that thread to drop it.
 */
HISTOGRAM_INLINE void on_waited(struct lock *lock, struct thread *thread, __u64 now, bool timed_out)
{
	bool held = lock->holder || !lock->known || lock->window > 1;

	thread->woken_by = timed_out ? WAKE_TIMED_OUT : WAKE_SIGNALLED;
	if (timed_out && held && lock->switches == thread->attempt_switches && !lock->requested_ns)
		lock->requested_ns = now;
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
	thread->wait_weight = 1;
	thread->first_holder = 0;
	thread->first_stack = 0;
	thread->failed_in_wait = 0;
	thread->charged_ns = 0;
}

/* The stacks of a wait that begins are looked at later; unknown until then. */
HISTOGRAM_INLINE void put_look_off(struct thread *thread)
{
	thread->look_due = 1;
	thread->waiter_stack = thread->call_site = 0;
}

/*
 * The waiting thread has the lock: closes its wait; `thread->sleep` is to be charged. True when it was one that counts
 * (begun and ended within the trace), for the pair's number of waits. One of no length is known by its end alone: the
 * thread found the lock held, and the release came before it could sleep; `all`: each release is seen, so it is the
 * last.
 */
HISTOGRAM_INLINE bool end_wait(struct lock *lock, struct thread *thread, __u64 now, __u32 window, bool all)
{
	bool counts = !thread->wait_at_start;
	__u64 waited = now - thread->waiting_since;
	__u32 bucket = attempts_bucket(thread->failed_in_wait);

	end_sleep(lock, thread, now, 0);
	if (!counts) {
		thread->wait_at_start = 0;
		thread->waits_at_start++;
		thread->waited_at_start_ns += waited;
	} else {
		thread->contended += thread->wait_weight;
		histogram_add_weighted(&thread->wait, waited, thread->wait_weight);
		if (bucket < ATTEMPTS_BUCKETS)
			lock->attempts[bucket] += thread->wait_weight;
		thread->handoffs += thread->wait_weight;
		if ((lock->released_ns > thread->waiting_since || (!waited && all)) && lock->released_ns <= now &&
		    lock->window == window)
			histogram_add_weighted(&lock->handoff, now - lock->released_ns, lock->weight);
	}
	leave_waiters(lock, thread, now);
	thread->waiting_since = 0;
	thread->look_due = 0;
	return counts;
}

/*
 * A wait whose end was not seen, for there were no probes: it is not counted. Its sleeps that were charged to a holder
 * already are told with those of other waits that an end cut.
 */
HISTOGRAM_INLINE void forget_wait(struct lock *lock, struct thread *thread, __u64 now)
{
	leave_waiters(lock, thread, now);
	thread->waited_at_start_ns += thread->wait_weight * thread->charged_ns;
	thread->waiting_since = 0;
	thread->attempt_since = 0;
	thread->wait_at_start = 0;
	thread->look_due = 0;
}

/* Who is seen to hold the lock, when probes have been there since the window of this number; 0: nobody, or unknown. */
HISTOGRAM_INLINE __u32 seen_holder(const struct lock *lock, __u32 window)
{
	return lock->window == window ? lock->holder : 0;
}

/*
 * The thread has the lock: opens a hold, which stands for `weight` of them, in the window of this number. True when
 * that makes no sense, because another still holds it: a miss.
 */
HISTOGRAM_INLINE bool on_acquired(struct lock *lock, struct thread *thread, __u64 now, __u32 weight, __u32 window)
{
	bool senseless = seen_holder(lock, window) != 0;

	thread->acquisitions += weight;
	lock->weight = weight;
	lock->window = window;
	thread->holding = 1;
	thread->hold_runnable = 0;
	thread->hold_blocked = 0;
	thread->off_cpu_since = 0;
	thread->hold_syscall = NO_SYSCALL;
	thread->hold_syscall_ns = 0;
	lock->known = 1;
	lock->requested_ns = 0;
	lock->most_waiters = lock->waiters;
	lock->holder_stack = 0;
	lock->holder_syscall = NO_SYSCALL;
	lock->switches += lock->last_tid != thread->tid;
	lock->last_tid = thread->tid;
	lock->holder = thread->tid;
	lock->acquired_ns = now;
	return senseless;
}

/*
 * The thread let go: closes its hold. True when that makes no sense: it was not known to hold the lock. `all`: so far
 * every hold was opened; where not, one that was not is counted by others.
 */
HISTOGRAM_INLINE bool on_released(struct lock *lock, struct thread *thread, __u64 now, __u32 window, bool all)
{
	bool seen = seen_holder(lock, window) == thread->tid;
	__u64 weight = seen ? lock->weight : all;
	bool senseless = false;

	thread->releases += weight;
	if (lock->requested_ns)
		thread->releases_forced += weight;
	if (seen) {
		histogram_add_weighted(&thread->hold, now - lock->acquired_ns, weight);
		thread->held_runnable_ns += weight * thread->hold_runnable;
		thread->held_blocked_ns += weight * thread->hold_blocked;
	} else if (!lock->known) {
		thread->holds_at_start += weight;
		thread->held_at_start_ns += weight * (now - lock->start_ns);
	} else {
		senseless = weight != 0;
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

/*
 * The scheduler takes the thread off its CPU or puts it back; only what happens within a hold counts. `syscall`: the
 * system call that it sleeps in, -1: none.
 */
HISTOGRAM_INLINE void on_off_cpu(struct thread *thread, __u64 now, bool blocked, __s32 syscall)
{
	if (!thread->holding)
		return;
	thread->off_cpu_since = now;
	thread->off_cpu_blocked = blocked;
	thread->off_cpu_syscall = syscall;
}

HISTOGRAM_INLINE void on_cpu_again(struct thread *thread, __u64 now)
{
	__u64 away = now - thread->off_cpu_since;

	if (thread->holding && thread->off_cpu_since) {
		if (thread->off_cpu_blocked)
			thread->hold_blocked += away;
		else
			thread->hold_runnable += away;
		if (thread->off_cpu_blocked && thread->off_cpu_syscall >= 0 && away > thread->hold_syscall_ns) {
			thread->hold_syscall_ns = away;
			thread->hold_syscall = thread->off_cpu_syscall;
		}
	}
	thread->off_cpu_since = 0;
}

#endif
