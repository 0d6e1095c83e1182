/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What each event of a lock's life does: finds whom it concerns, moves the state machine, charges the waits. */
#ifndef GILTRACE_EVENTS_BPF_H
#define GILTRACE_EVENTS_BPF_H

#include "find.bpf.h"
#include "lifecycle.h"

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

static __always_inline void charge_pair(const struct hit *hit, __u32 holder, __u64 waits, __u64 ns)
{
	struct pair_key key = {.slot = hit->slot, .generation = hit->thread->generation, .holder = holder};
	struct pair *pair = bpf_map_lookup_elem(&pairs, &key);

	if (!pair) {
		struct pair empty = {};

		bpf_map_update_elem(&pairs, &key, &empty, BPF_NOEXIST);
		pair = bpf_map_lookup_elem(&pairs, &key);
		if (!pair) {
			lose(LOST_PAIRS);
			return;
		}
	}
	pair->waits += waits; /* only the waiter writes its pairs */
	pair->wait_ns += ns;
}

static __always_inline void finish_wait(const struct hit *hit)
{
	bool counts;
	__u32 first_holder = hit->thread->first_holder;
	struct charge charge = end_wait(hit->lock, hit->thread, hit->now, &counts);

	if (charge.charged)
		charge_pair(hit, charge.holder, counts && charge.holder == first_holder, charge.ns);
	if (counts && charge.holder != first_holder)
		charge_pair(hit, first_holder, 1, 0);
}

static __always_inline void blocked(const struct hit *hit, __u64 address)
{
	__u32 holder = find_holder(hit->lock, address, hit->tgid);
	struct charge charge = on_blocked(hit->lock, hit->thread, hit->now, holder);

	if (charge.charged)
		charge_pair(hit, charge.holder, 0, charge.ns);
}

/* Without acquired sites, a waiter that wakes up and finds the lock free has it: nobody else can come between. */
static __always_inline void acquired_if_free(const struct hit *hit)
{
	int locked = 1;

	if (bpf_probe_read_user(&locked, sizeof(locked), (void *)(hit->thread->lock + hit->lock->layout.locked)))
		lose(LOST_SENSELESS);
	else if (!locked)
		finish_wait(hit);
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
		on_waited(hit.lock, hit.thread, (__u32)PT_REGS_RC(ctx) == ETIMEDOUT);
		if (waits_only)
			acquired_if_free(&hit);
	} else if (bpf_map_lookup_elem(&processes, &hit.tgid)) {
		long err = note_woken(&hit, BPF_NOEXIST);

		if (err && err != -EEXIST) /* it woke twice before the lock's file was probed at all its sites */
			lose(LOST_PAIRS);
	}
}

static __always_inline void acquired(const struct hit *hit)
{
	if (hit->thread->waiting_since)
		finish_wait(hit);
	if (on_acquired(hit->lock, hit->thread, hit->now))
		note_senseless(hit);
	hit->lock->holder_slot = hit->slot;
}

/*
 * A semaphore's taker. That a wait was going on at the start is wrong of a thread that comes here: then it had slept in
 * the same function for another lock.
 */
static __always_inline void taking(const struct hit *hit, __u64 address)
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

static __always_inline void released(const struct hit *hit)
{
	if (hit->lock->layout.lock_variable && hit->thread->wait_at_start)
		acquired_unseen(hit);
	hit->lock->found_free = 0;
	hit->lock->woken = 0;
	if (on_released(hit->lock, hit->thread, hit->now))
		note_senseless(hit);
}

#endif
