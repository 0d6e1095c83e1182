/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What each event of a lock's life does: finds whom it concerns, moves the state machine, charges the waits. */
#ifndef GILTRACE_EVENTS_BPF_H
#define GILTRACE_EVENTS_BPF_H

#include "event_log.bpf.h"
#include "lifecycle.h"
#include "stacks.bpf.h"

#define EEXIST    17
#define ETIMEDOUT 110

/* A probe hit that concerns a traced lock: when, in which lock, and the dealings of the thread that runs with it. */
struct hit {
	__u64 now;
	struct lock *lock;
	struct thread *thread;
	__u32 slot; /* of `thread` */
	__u32 tgid;
};

static __always_inline bool find_hit(struct pt_regs *ctx, __u64 address, __u64 cookie, struct hit *hit)
{
	__u64 tgid_tid = bpf_get_current_pid_tgid();

	hit->now = bpf_ktime_get_ns();
	hit->tgid = tgid_tid >> 32;
	hit->lock = find_lock(ctx, address, hit->tgid, cookie);
	if (!hit->lock)
		return false;
	hit->thread = find_thread(hit->lock, address, tgid_tid, &hit->slot);
	return hit->thread;
}

/* The same where no register names the lock, for a thread that is known to wait for it or to take it. */
static __always_inline bool find_known_hit(struct hit *hit, enum dealings which)
{
	__u64 tgid_tid = bpf_get_current_pid_tgid();
	struct lock_key key = {};

	hit->now = bpf_ktime_get_ns();
	hit->tgid = tgid_tid >> 32;
	hit->thread = find_dealings(tgid_tid, which, 0, &hit->slot);
	if (!hit->thread)
		return false;
	key.address = hit->thread->lock;
	key.tgid = hit->tgid;
	hit->lock = bpf_map_lookup_elem(&locks, &key);
	return hit->lock;
}

/* A release without its acquisition, or the reverse. */
static __always_inline void note_senseless(const struct hit *hit)
{
	__u32 number = hit->lock->plan;
	struct file_plan *plan = bpf_map_lookup_elem(&plans, &number);

	lose(LOST_SENSELESS);
	if (plan)
		__sync_fetch_and_add(&plan->senseless, 1);
}

static __always_inline struct pair *find_pair(const struct pair_key *key)
{
	struct pair *pair = bpf_map_lookup_elem(&pairs, key);
	struct pair empty = {};

	if (pair)
		return pair;
	if (bpf_map_update_elem(&pairs, key, &empty, BPF_NOEXIST))
		return NULL;
	count_entry();
	return bpf_map_lookup_elem(&pairs, key);
}

/* What finds no room with its stacks is charged without them. */
static __attribute__((noinline)) void charge_pair(const struct hit *hit, const struct charge *charge, __u64 waits)
{
	struct pair_key key = {
		.lock = hit->thread->lock,
		.waiter_stack = hit->thread->waiter_stack,
		.holder_stack = charge->stack,
		.tgid = hit->tgid,
		.instance = hit->thread->instance,
		.waiter = hit->thread->tid,
		.holder = charge->holder,
		.epoch = epoch,
	};
	struct pair *pair = find_pair(&key);

	if (!pair) {
		if (key.waiter_stack || key.holder_stack)
			lose(LOST_STACKS);
		key.waiter_stack = key.holder_stack = 0;
		pair = find_pair(&key);
		if (!pair) {
			lose(LOST_PAIRS);
			return;
		}
	}
	pair->waits += waits; /* only the waiter writes its pairs */
	pair->wait_ns += charge->ns;
	pair->wall_ns += charge->wall_ns;
}

/* Where the timer looked, and there is a sleep to look back at. */
static __always_inline void look_back_at_sleep(const struct hit *hit)
{
	if (any_stacks && hit->lock->next_sample)
		look_back(hit->lock, hit->thread, hit->now);
}

/* A wait counts behind the holder with whom it began. Global, so that the verifier sees it once. */
__attribute__((noinline)) int finish_wait(__u64 address, __u32 slot, __u64 now)
{
	struct hit hit = {.now = now, .slot = slot};
	struct charge first = {}, charge;
	bool counts, is_first;

	if (!find_both(address, slot, &hit.lock, &hit.thread))
		return 0;
	hit.tgid = hit.thread->tgid;
	first.holder = hit.thread->first_holder;
	first.stack = hit.thread->first_stack;
	is_first = hit.thread->attempt_holder == first.holder && hit.thread->attempt_stack == first.stack;
	look_back_at_sleep(&hit);
	charge = end_wait(hit.lock, hit.thread, now, window_of(hit.lock), &counts);
	if (charge.charged)
		charge_pair(&hit, &charge, counts && is_first);
	if (counts && !(charge.charged && is_first))
		charge_pair(&hit, &first, 1);
	return 0;
}

/*
 * The stacks of a wait: the holder's first, for it runs on; then, `own`, that of the thread that waits. Without the
 * lock no thread runs Python code, so its Python stack is still that which was seen when it let go, if it was. Returns
 * the holder's, 0: unknown. `ctx` may be NULL.
 */
static __always_inline __u64 look(struct pt_regs *ctx, const struct hit *hit, __u64 address, bool own, __u32 holder)
{
	__u64 began = bpf_ktime_get_ns(), stack = 0;
	struct thread *thread = hit->thread;
	struct walk *walk;
	__u32 number;

	if (own && thread->release_stack && !native_stacks && !hit->lock->layout.lock_variable) {
		thread->call_site = thread->waiter_stack = thread->release_stack;
		own = false;
	} else if (own) {
		thread->call_site = thread->waiter_stack = 0;
	}
	walk = any_stacks ? take_walk(&number) : NULL;
	if (!walk)
		return 0;
	if (python_stacks)
		stack = look_at_holder(address, hit->slot, holder, number);
	if (own) {
		thread->call_site = look_here(ctx, hit->lock, address, hit->slot, walk, number);
		thread->waiter_stack = thread->seen_stack;
	}
	give_walk_back(number);
	count_walk(WAITER_LOOKS);
	count_more(WAITER_LOOK_NS, bpf_ktime_get_ns() - began);
	return stack;
}

/* Whether the thread looked at this holder only just now, before it woke up in vain. */
static __always_inline bool is_fresh(const struct hit *hit, __u32 holder)
{
	const struct thread *thread = hit->thread;

	return thread->waiting_since && thread->attempt_stack && thread->attempt_holder == holder &&
	       hit->now - thread->attempt_since < FRESH_NS;
}

/*
 * `ctx` is NULL in the scheduler, where each sleep of a semaphore's waiter comes by: then the stacks are those that
 * were seen when the thread came to the semaphore, unless that was free then.
 */
static __always_inline void blocked(struct pt_regs *ctx, const struct hit *hit, __u64 address)
{
	struct thread *thread = hit->thread;
	__u32 holder = find_holder(hit->lock, address, hit->tgid);
	bool seen = !ctx && thread->taking_stack;
	struct charge charge;
	__u64 stack;

	if (seen)
		stack = thread->taking_stack;
	else if (is_fresh(hit, holder))
		stack = thread->attempt_stack;
	else
		stack = look(ctx, hit, address, !thread->waiting_since, holder);
	if (!ctx)
		thread->taking_stack = stack;
	if (thread->waiting_since)
		look_back_at_sleep(hit);
	charge = on_blocked(hit->lock, thread, hit->now, holder, stack);
	if (charge.charged)
		charge_pair(hit, &charge, 0);
}

/*
 * The places where threads let go of the lock.
 */

static __always_inline struct release *find_release(const struct hit *hit, __u64 stack)
{
	struct release_key key = {
		.lock = hit->thread->lock,
		.stack = stack,
		.tgid = hit->thread->tgid,
		.instance = hit->thread->instance,
		.tid = hit->thread->tid,
		.epoch = epoch,
	};
	struct release *release = bpf_map_lookup_elem(&releases, &key);
	struct release empty = {};

	if (release)
		return release;
	if (!bpf_map_update_elem(&releases, &key, &empty, BPF_NOEXIST)) {
		count_entry();
		release = bpf_map_lookup_elem(&releases, &key);
	}
	if (!release)
		lose(LOST_STACKS);
	return release;
}

/*
 * Of the releases that nobody waits for, and of those after a short hold, one in some is looked at, and stands for
 * those since the last: at first each, then one in 64 on average, at random, for a loop may have several places in
 * turn.
 */
static __always_inline bool is_looked_at(struct thread *thread)
{
	__u64 spread = thread->releases >> 3;

	if (thread->releases_until_look) {
		thread->releases_until_look--;
		return false;
	}
	if (spread > 127)
		spread = 127;
	thread->random = thread->random * 1664525 + 1013904223;
	thread->releases_until_look = (thread->random >> 8) % (__u32)(spread + 1);
	return true;
}

/*
 * The hold that the thread ends now, after `held_ns`; 0: it stands for the holds that are pending. `forced`: the lock
 * was asked for. `number`: of a walk that has the thread's registers.
 */
__attribute__((noinline)) int look_at_release(__u64 address, __u32 slot, __u32 number, __u64 held_ns, __u32 forced)
{
	struct hit hit = {.slot = slot};
	struct release *release;
	__u64 weight, stack;

	if (!find_both(address, slot, &hit.lock, &hit.thread))
		return 0;
	weight = hit.lock->weight;
	stack = look_at_self(address, slot, number);
	release = find_release(&hit, stack);
	if (held_ns) {
		held_ns *= weight;
	} else {
		if (!release)
			return 0; /* they stay pending */
		weight = hit.thread->pending_releases;
		held_ns = hit.thread->pending_held_ns;
		hit.thread->pending_releases = hit.thread->pending_held_ns = 0;
	}
	if (!release)
		return 0;
	release->releases += weight; /* only the thread writes its releases */
	release->held_ns += held_ns;
	if (forced)
		release->forced += hit.lock->weight;
	hit.thread->release_stack = stack;
	hit.thread->release_weight = forced ? 0 : weight;
	return 0;
}

/* The thread has the lock again, after a release that was voluntary; it wanted it since `wanted_ns`, and had to sleep
 * for `waited_ns`. */
__attribute__((noinline)) int come_back(__u64 address, __u32 slot, __u64 wanted_ns, __u64 waited_ns)
{
	struct hit hit = {.slot = slot};
	struct release *release;
	struct thread *thread;

	if (!find_both(address, slot, &hit.lock, &hit.thread))
		return 0;
	thread = hit.thread;
	release = find_release(&hit, thread->release_weight ? thread->release_stack : thread->call_site);
	if (release && waited_ns) {
		release->returns += thread->release_holds;
		release->back_ns += thread->release_holds * waited_ns;
	}
	if (release && wanted_ns > thread->release_ns)
		release->outside_ns += (wanted_ns - thread->release_ns) * thread->release_weight;
	thread->release_weight = 0;
	return 0;
}

/* The thread has the lock: what it did for it has come to an end. */
static __always_inline void got(const struct hit *hit)
{
	struct thread *thread = hit->thread;
	__u64 wanted_ns = thread->waiting_since, waited_ns = 0;

	if (wanted_ns) {
		waited_ns = thread->wait_at_start ? 0 : hit->now - wanted_ns;
		if (logged_events)
			log_wait(thread->lock, hit->slot, hit->now);
		finish_wait(hit->thread->lock, hit->slot, hit->now);
	}
	if (python_stacks && thread->release_ns && thread->release_window == window_of(hit->lock) &&
	    (waited_ns || thread->release_weight))
		come_back(thread->lock, hit->slot, wanted_ns ? wanted_ns : hit->now, waited_ns);
	thread->release_ns = 0;
}

/* Without acquired sites, a waiter that wakes up and finds the lock free has it: nobody else can come between. */
static __always_inline void got_if_free(const struct hit *hit)
{
	int locked = 1;

	if (bpf_probe_read_user(&locked, sizeof(locked), (void *)(hit->thread->lock + hit->lock->layout.locked)))
		lose(LOST_SENSELESS);
	else if (!locked)
		got(hit);
}

static __always_inline void acquired(const struct hit *hit)
{
	__u32 weight = weight_at(hit->lock, hit->now);

	got(hit);
	if (!weight)
		return;
	if (on_acquired(hit->lock, hit->thread, hit->now, weight, window_of(hit->lock)))
		note_senseless(hit);
	hit->lock->holder_slot = hit->slot;
}

/* A thread whose sleep began before the trace: what it slept for shows later. */
static __always_inline long note_woken(const struct hit *hit, __u64 flags)
{
	struct woken woken = {.time_ns = hit->now, .tgid = hit->tgid};
	__u32 tid = bpf_get_current_pid_tgid();

	return bpf_map_update_elem(&waiting_at_start, &tid, &woken, flags);
}

static __always_inline void waited(struct pt_regs *ctx)
{
	struct hit hit;

	if (find_known_hit(&hit, DEALINGS_WAITING)) {
		hit.thread->hits++;
		on_waited(hit.lock, hit.thread, hit.now, (__u32)PT_REGS_RC(ctx) == ETIMEDOUT);
		if (waits_alone)
			got_if_free(&hit);
	} else if (bpf_map_lookup_elem(&processes, &hit.tgid)) {
		long err = note_woken(&hit, BPF_NOEXIST);

		if (err && err != -EEXIST) /* it woke twice before the lock's file was probed at all its sites */
			lose(LOST_PAIRS);
	}
}

/* A hold that others waited for in vain is told. A semaphore's waiters ask for nothing: there, 5 ms of waiting count.
 */
__attribute__((noinline)) int tell_hog(__u64 address, __u32 slot, __u64 now)
{
	struct hog hog = {.type = RECORD_HOG};
	struct thread *thread;
	struct lock *lock;
	__u64 since;

	if (!find_both(address, slot, &lock, &thread))
		return 0;
	since = lock->requested_ns;
	if (lock->layout.lock_variable)
		since = (lock->wait_began_ns > lock->acquired_ns ? lock->wait_began_ns : lock->acquired_ns) + 5000000;
	if (!since || now < since + HOG_NS)
		return 0;
	hog.tgid = thread->tgid;
	hog.instance = thread->instance;
	hog.tid = thread->tid;
	hog.lock = address;
	hog.stack = pick_sample(lock, thread->tid, lock->acquired_ns, now, now >> 4);
	if (!hog.stack)
		hog.stack = lock->holder_stack ? lock->holder_stack : thread->release_stack;
	hog.start_ns = lock->acquired_ns;
	hog.held_ns = now - lock->acquired_ns;
	hog.request_to_drop_ns = now - since;
	hog.runnable_ns = thread->hold_runnable;
	hog.blocked_ns = thread->hold_blocked;
	hog.syscall = thread->hold_syscall;
	hog.syscall_ns = thread->hold_syscall_ns;
	hog.waiters = lock->most_waiters;
	if (bpf_ringbuf_output(&records, &hog, sizeof(hog), 0))
		lose(LOST_EVENTS);
	return 0;
}

/*
 * A semaphore's taker. That a wait was going on at the start is wrong of a thread that comes here: then it had slept in
 * the same function for another lock.
 */
static __always_inline void taking(struct pt_regs *ctx, const struct hit *hit, __u64 address)
{
	struct thread *thread = hit->thread;
	__u32 free = 0;

	/* The value is in the first word (glibc, x86-64). */
	if (!bpf_probe_read_user(&free, sizeof(free), (void *)address) && free)
		hit->lock->found_free = thread->tid;

	if (thread->wait_at_start) {
		thread->wait_at_start = 0;
		thread->waiting_since = 0;
	}
	thread->taking_stack = 0;
	if (!free)
		thread->taking_stack = look(ctx, hit, address, true, find_holder(hit->lock, address, hit->tgid));
	thread->taking = 1;
}

/* Whose call began before the trace is remembered, for only its release will tell which lock it was. */
static __always_inline void taken(struct pt_regs *ctx)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct hit hit;

	if (find_known_hit(&hit, DEALINGS_TAKING)) {
		hit.thread->hits++;
		hit.thread->taking = 0;
		if (!(__u32)PT_REGS_RC(ctx))
			acquired(&hit);
	} else if (!(__u32)PT_REGS_RC(ctx) && bpf_map_lookup_elem(&processes, &hit.tgid) &&
		   !bpf_map_lookup_elem(&slots, &tid)) {
		note_woken(&hit, BPF_ANY);
	}
}

/* A thread slept in sem_wait() before the trace began, and got the lock within it. */
static __always_inline void acquired_unseen(const struct hit *hit)
{
	struct hit before = *hit;

	before.now = hit->thread->woken_at_start;
	hit->thread->woken_at_start = 0;
	acquired(&before);
}

/*
 * Of holds that somebody waited for, each that was not short is looked at; of the others, some: a look takes as long as
 * many of these.
 */
static __always_inline void account_release(struct pt_regs *ctx, const struct hit *hit, __u64 address, __u64 held_ns,
					    bool forced)
{
	struct thread *thread = hit->thread;
	bool waited_for = hit->lock->waiters;
	bool each = waited_for && (held_ns >= SHORT_NS || hit->lock->layout.lock_variable);
	struct walk *walk;
	__u32 number;

	if (!each) {
		thread->pending_releases += hit->lock->weight;
		thread->pending_held_ns += hit->lock->weight * held_ns;
		if (!is_looked_at(thread))
			return;
	}
	walk = take_walk(&number);
	if (walk) {
		clear_walk(walk, hit->lock, true);
		keep_registers(walk, ctx);
		look_at_release(address, hit->slot, number, each ? held_ns : 0, forced);
		give_walk_back(number);
	}
	if (waited_for)
		tell_hog(address, hit->slot, hit->now);
}

static __always_inline void released(struct pt_regs *ctx, const struct hit *hit, __u64 address)
{
	struct lock *lock = hit->lock;
	bool forced = lock->requested_ns != 0;
	__u32 number = window_of(lock);
	bool all = number == 1 && weight_at(lock, hit->now), seen;

	if (lock->layout.lock_variable && hit->thread->wait_at_start)
		acquired_unseen(hit);
	lock->found_free = 0;
	lock->woken = 0;
	hit->thread->release_stack = 0;
	seen = seen_holder(lock, number) == hit->thread->tid;
	if (seen && python_stacks)
		account_release(ctx, hit, address, hit->now - lock->acquired_ns, forced);
	if (seen && logged_events)
		log_hold(address, hit->slot, hit->now);
	hit->thread->release_ns = forced || !(seen || all) ? 0 : hit->now;
	hit->thread->release_window = number;
	hit->thread->release_holds = seen ? lock->weight : 1;
	if (on_released(lock, hit->thread, hit->now, number, all))
		note_senseless(hit);
}

#endif
