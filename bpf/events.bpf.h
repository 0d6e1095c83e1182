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
	bool asleep; /* the scheduler tells: the thread that runs is about to leave its CPU */
};

static __always_inline bool find_hit(struct pt_regs *ctx, __u64 address, __u64 cookie, struct hit *hit)
{
	__u64 tgid_tid = bpf_get_current_pid_tgid();

	hit->asleep = false;
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

	hit->asleep = false;
	hit->now = bpf_ktime_get_ns();
	hit->tgid = tgid_tid >> 32;
	hit->thread = find_dealings(tgid_tid, which, 0, &hit->slot);
	if (!hit->thread)
		return false;
	hit->lock = lock_at(hit->thread->lock, hit->tgid);
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

/*
 * Charges the waiter of this slot's time behind a holder. What finds no room with its stacks is charged without them.
 * Global, and of numbers only, so that the verifier sees it once; so are the three below.
 */
__attribute__((noinline)) int charge_pair(__u32 slot, __u64 stack, __u64 ns, __u64 wall_ns, __u64 holder_waits)
{
	struct thread *thread = bpf_map_lookup_elem(&threads, &slot);
	struct pair_key key = {.holder_stack = stack, .holder = holder_waits >> 32, .epoch = epoch};
	struct pair *pair;

	if (!thread)
		return 0;
	key.lock = thread->lock;
	key.waiter_stack = thread->waiter_stack;
	key.tgid = thread->tgid;
	key.instance = thread->instance;
	key.waiter = thread->tid;
	pair = find_pair(&key);
	if (!pair) {
		if (key.waiter_stack || key.holder_stack)
			lose(LOST_STACKS);
		key.waiter_stack = key.holder_stack = 0;
		pair = find_pair(&key);
		if (!pair) {
			lose(LOST_PAIRS);
			return 0;
		}
	}
	pair->waits += thread->wait_weight * (__u64)(__u32)holder_waits; /* only the waiter writes its pairs */
	pair->wait_ns += thread->wait_weight * ns;
	pair->wall_ns += thread->wait_weight * wall_ns;
	return 0;
}

#define with_waits(holder, waits) ((__u64)(holder) << 32 | (waits))

/*
 * One of the looks at the holder in the sleep of this slot from `since` to `now`: the one before it counts until this.
 * Returns how many of the `waits` are still to be told. (Apart, so that the verifier sees it once and not for each
 * look.)
 */
__attribute__((noinline)) int charge_look(__u32 slot, __u64 since, __u64 now, __u32 i, __u32 waits)
{
	struct thread *thread = bpf_map_lookup_elem(&threads, &slot);
	struct charge *left, part;
	struct sample look;
	struct lock *lock;
	__u64 begin;

	if (!thread || !find_both(thread->lock, slot, &lock, &thread))
		return waits;
	left = &thread->sleep;
	if (!find_look(lock, 0, since, i, &look, &begin))
		return waits;
	if (left->look_ns && look.stack == left->stack && look.tid == left->holder)
		return waits;
	if (left->look_ns) {
		part = take_part(left, left->look_ns, begin, now);
		charge_pair(slot, part.stack, part.ns, part.wall_ns, with_waits(part.holder, waits));
		waits = 0;
	} else if (waits && left->holder && look.tid != left->holder && !lock->layout.lock_variable) {
		charge_pair(slot, left->stack, 0, 0, with_waits(left->holder, waits));
		waits = 0;
	}
	left->look_ns = begin;
	left->stack = look.stack;
	left->holder = look.tid;
	return waits;
}

/*
 * The sleep of this slot that came to an end at `now` is charged to what the holder ran meanwhile: each look counts
 * until the next, and all of them together for the time before the first too. A waiter sleeps on when the lock changes
 * hands, so the looks at any holder count. `waits` go to the first; but where that is at another than the holder with
 * whom the wait began they stay with that one, if it is known, which is no semaphore's.
 */
__attribute__((noinline)) int charge_sleep(__u64 address, __u32 slot, __u64 now, __u32 waits)
{
	struct thread *thread;
	struct lock *lock;
	__u64 since;

	if (!find_both(address, slot, &lock, &thread) || !thread->sleep.charged)
		return 0;
	if (thread->sleep.ns >= LONG_SLEEP_NS)
		__sync_fetch_and_add(&long_sleeps_ns, thread->wait_weight * thread->sleep.ns);
	since = now - thread->sleep.ns;
	for (__u32 i = 0; i < SAMPLES; i++)
		if (lock->samples[(lock->next_sample + i) & (SAMPLES - 1)].seen_ns > since)
			waits = charge_look(slot, since, now, i, waits);
	charge_pair(slot, thread->sleep.stack, thread->sleep.ns, thread->sleep.wall_ns,
		    with_waits(thread->sleep.holder, waits));
	return 0;
}

/* Only a semaphore's waiter can find nobody who holds it while somebody does. */
static __always_inline void find_releaser(const struct lock *lock, struct thread *thread)
{
	__u32 slot = lock->holder_slot;
	struct thread *releaser;

	if (!lock->layout.lock_variable || thread->attempt_holder)
		return;
	releaser = bpf_map_lookup_elem(&threads, &slot);
	adopt_releaser(lock, thread, releaser && releaser->tid == lock->last_tid ? releaser->release_stack : 0);
}

/* A wait counts behind the holder with whom it began. */
__attribute__((noinline)) int finish_wait(__u64 address, __u32 slot, __u64 now)
{
	struct thread *thread;
	bool counts, is_first;
	struct lock *lock;
	__u64 since;

	if (!find_both(address, slot, &lock, &thread))
		return 0;
	find_releaser(lock, thread);
	since = thread->waiting_since;
	is_first = thread->attempt_holder == thread->first_holder && thread->attempt_stack == thread->first_stack;
	counts = end_wait(lock, thread, now, window_of(lock), weight_at(lock, now) != 0);
	if (counts && wait_windows && !lock->always)
		count_on_cpu(CPU_WAITED_NS, now - since);
	is_first = is_first && thread->sleep.charged;
	charge_sleep(address, slot, now, counts && is_first);
	if (counts && !is_first)
		charge_pair(slot, thread->first_stack, 0, 0, with_waits(thread->first_holder, 1));
	return 0;
}

/*
 * The stacks of a wait: the holder's first, for it runs on; then, `own`, that of the thread that waits. Without the
 * lock no thread runs Python code, so its Python stack is still that which was seen when it let go, if it was. Returns
 * the holder's, 0: unknown. `ctx` NULL: without registers.
 */
#define NOT_THE_HOLDER ((__u32)-1) /* as `holder`: it is not looked at */

static __always_inline __u64 look_with(struct pt_regs *ctx, const struct hit *hit, __u64 address, bool own,
				       __u32 holder)
{
	__u64 began = bpf_ktime_get_ns(), stack = 0, took;
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
	if (python_stacks && holder != NOT_THE_HOLDER)
		stack = look_at_holder(address, hit->slot, holder, number);
	if (own) {
		thread->call_site = look_here(ctx, hit->lock, address, hit->slot, walk, number);
		thread->waiter_stack = thread->seen_stack;
	}
	give_walk_back(number);
	took = bpf_ktime_get_ns() - began;
	count_walk(WAITER_LOOKS);
	count_more(WAITER_LOOK_NS, took);
	if (hit->asleep)
		count_more(SCHEDULER_LOOK_NS, took);
	return stack;
}

/* Global, and of numbers only, so that the verifier sees it once. */
__attribute__((noinline)) __u64 look_without(__u64 address, __u32 slot, __u32 own, __u32 holder, __u32 asleep)
{
	struct hit hit = {.slot = slot, .asleep = asleep};

	return find_both(address, slot, &hit.lock, &hit.thread) ? look_with(NULL, &hit, address, own, holder) : 0;
}

static __always_inline __u64 look(struct pt_regs *ctx, const struct hit *hit, __u64 address, bool own, __u32 holder)
{
	return ctx ? look_with(ctx, hit, address, own, holder)
		   : look_without(address, hit->slot, own, holder, hit->asleep);
}

/*
 * At `blocked` the waiter has the lock's mutex, which the holder needs to let go: while the waiter looks, the holder
 * would go to sleep, and both lose many times what a look takes. So the first look of a wait is put off until the
 * waiter sleeps. (The later ones come after an interval each.)
 */
static __always_inline bool can_look_late(const struct pt_regs *ctx, const struct hit *hit)
{
	return ctx && python_stacks && !native_stacks && !hit->thread->waiting_since && hit->thread->thread_state &&
	       !hit->lock->layout.lock_variable;
}

/*
 * The look that was put off. The holder may have let go since, but runs no other Python code before it has the lock
 * again. Where it was not, the thread's own frames were not found without its registers: it looks at these alone.
 */
static __always_inline void look_late(struct pt_regs *ctx, const struct hit *hit, __u64 address)
{
	struct thread *thread = hit->thread;
	bool due = thread->look_due;
	__u32 holder = due ? thread->attempt_holder : NOT_THE_HOLDER;
	__u64 stack = look(ctx, hit, address, true, holder);

	thread->look_due = 0;
	if (!due)
		return;
	thread->looked_ns = hit->now;
	thread->attempt_stack = thread->first_stack = stack;
	if (thread->attempt_stack && find_holder(hit->lock, address, hit->tgid) == holder)
		hit->lock->holder_stack = thread->attempt_stack;
}

/*
 * `ctx` is NULL where no probe tells: of sleeps, in the scheduler, and, `unslept`, of a thread that did not come to
 * sleep. A semaphore's waiter has its own stack then from when it came to the semaphore, unless that was free; and so
 * it has the holder's, if that was just now: the thread may have had to wait for a CPU meanwhile.
 */
static __always_inline void blocked(struct pt_regs *ctx, const struct hit *hit, __u64 address, bool unslept)
{
	struct thread *thread = hit->thread;
	__u32 holder = find_holder(hit->lock, address, hit->tgid);
	bool looked = !ctx && thread->taking_ns;
	__u32 weight = wait_weight_at(hit->lock, hit->now);
	__u64 stack = 0;

	if (!wanted_since(hit->lock, thread, hit->now)) {
		if (!weight || (wait_window && thread->old_wait == wait_window))
			return;
		thread->wait_window = wait_window;
	}
	join_waiters(hit->lock, thread, hit->now); /* before the look: a holder that falls asleep now looks itself */
	if (looked && thread->taking_stack && hit->now < thread->taking_ns + SHORT_NS &&
	    !fell_asleep(hit->lock, thread->taking_ns)) {
		stack = thread->taking_stack;
		thread->looked_ns = thread->taking_ns;
	} else if (has_fresh_look(hit->lock, thread, hit->now, holder) ||
		   (unslept && has_kept_look(thread, hit->now, holder))) {
		stack = thread->attempt_stack;
	} else if (can_look_late(ctx, hit)) {
		put_look_off(thread);
	} else {
		stack = look(ctx, hit, address, !thread->waiting_since && !looked, unless_named(hit->lock, holder));
		thread->looked_ns = hit->now;
	}
	on_blocked(hit->lock, thread, hit->now, holder, stack, weight);
	if (thread->sleep.charged)
		charge_sleep(address, hit->slot, hit->now, 0);
}

/*
 * A thread goes to sleep for the lock, and no probe told of it, or it put its look off until now; or, `unslept`, it
 * came back from having to wait and did not sleep. Global, and of numbers only, so that the verifier sees it once.
 */
__attribute__((noinline)) int begin_attempt(__u64 address, __u32 slot, __u64 now, __u32 unslept)
{
	struct hit hit = {.now = now, .slot = slot, .asleep = !unslept};

	if (!find_both(address, slot, &hit.lock, &hit.thread))
		return 0;
	hit.tgid = hit.thread->tgid;
	if (hit.thread->look_due)
		look_late(NULL, &hit, address);
	else
		blocked(NULL, &hit, address, unslept);
	return 0;
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
 * those since the last: at first each, then one in 256 on average, at random, for a loop may have several places in
 * turn.
 */
static __always_inline bool is_looked_at(struct thread *thread)
{
	__u64 spread = thread->releases >> 3;

	if (thread->releases_until_look) {
		thread->releases_until_look--;
		return false;
	}
	if (spread > 511)
		spread = 511;
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
	__u64 wanted_ns = wanted_since(hit->lock, thread, hit->now), waited_ns = 0;

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

static __always_inline bool is_free(const struct lock *lock, __u64 address)
{
	int locked = 1;

	if (bpf_probe_read_user(&locked, sizeof(locked), (void *)(address + lock->layout.locked)))
		lose(LOST_SENSELESS);
	return !locked;
}

/*
 * A waiter that wakes up and finds the lock free has it: nobody else can come between. Where acquisitions are not
 * probed nothing else tells; where they are, what a wait's end needs is done here, before the hold, and not within it.
 */
static __always_inline void got_if_free(const struct hit *hit)
{
	if (hit->lock->layout.locked != UNKNOWN_OFFSET && is_free(hit->lock, hit->thread->lock))
		got(hit);
}

/*
 * Where waits are seen in windows, a thread that is not known to wait may have begun before the window. When it wakes
 * up in vain, its next sleep begins no wait.
 */
static __always_inline void note_old_wait(struct hit *hit)
{
	if (find_known_hit(hit, DEALINGS_ANY))
		hit->thread->old_wait = is_free(hit->lock, hit->thread->lock) ? 0 : wait_window;
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
static __always_inline long note_woken(__u32 tgid, __u32 tid, __u64 now, __u64 flags)
{
	struct woken woken = {.time_ns = now, .tgid = tgid};

	return bpf_map_update_elem(&waiting_at_start, &tid, &woken, flags);
}

/* The number of the thread that runs in its own namespace, as the C library knows it. */
static __always_inline __u32 own_number(const struct traced_process *process)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	__u64 offset = bpf_core_field_offset(struct pid, numbers) +
		       (__u64)process->pid_level * bpf_core_type_size(struct upid);
	__u32 number = 0;

	if (!process->pid_level)
		return bpf_get_current_pid_tgid();
	bpf_probe_read_kernel(&number, sizeof(number), (char *)BPF_CORE_READ(task, thread_pid) + offset);
	return number;
}

/* Whether the thread that runs has the mutex of the lock at this address (glibc, x86-64). */
static __always_inline bool has_mutex(const struct lock_layout *layout, __u64 address, __u32 number)
{
	__u32 owner;

	return !bpf_probe_read_user(&owner, sizeof(owner), (void *)(address + layout->mutex + 8)) && owner == number;
}

/*
 * The lock whose mutex the thread that runs has, of those that its process is known to have; 0: it is none of these, or
 * it comes back from another user's wait in the same file. Global, and of numbers only, so that the verifier sees it
 * once; so are lock_of_state() and find_unslept().
 */
__attribute__((noinline)) __u64 lock_with_mutex(__u32 tgid)
{
	struct traced_process *process = bpf_map_lookup_elem(&processes, &tgid);
	struct lock *lock = process ? lock_at(process->locks[0], tgid) : NULL;
	__u32 number;

	if (!lock)
		return 0;
	number = own_number(process);
	for (int i = 0; i < LOCKS_OF_PROCESS && process->locks[i]; i++)
		if (has_mutex(&lock->layout, process->locks[i], number))
			return process->locks[i];
	return 0;
}

/*
 * The lock of the interpreter that this is the state of the thread that runs in, when that has the lock's mutex; 0: it
 * is no such state.
 */
__attribute__((noinline)) __u64 lock_of_state(__u32 tgid, __u64 state)
{
	struct traced_process *process = bpf_map_lookup_elem(&processes, &tgid);
	struct lock *known = process ? lock_at(process->locks[0], tgid) : NULL;
	__u64 address;

	if (!known || known->layout.interpreter_gil == UNKNOWN_OFFSET || known->layout.thread_id == UNKNOWN_OFFSET ||
	    state <= 4096 || (state & 7) ||
	    read_word(state + known->layout.thread_id) !=
		    thread_pointer_of((struct task_struct *)bpf_get_current_task()))
		return 0;
	address = read_word(read_word(state + known->layout.interpreter) + known->layout.interpreter_gil);
	return has_mutex(&known->layout, address, own_number(process)) ? address : 0;
}

/* One that was not met yet, or beyond the eighth: the function that takes it has the thread's state in a register. */
static __always_inline __u64 lock_in_registers(const struct pt_regs *ctx, __u32 tgid)
{
	__u64 registers[] = {ctx->bx, ctx->bp, ctx->r12, ctx->r13, ctx->r14, ctx->r15};
	__u64 address = 0;

	for (int i = 0; i < 6 && !address; i++)
		address = lock_of_state(tgid, registers[i]);
	return address;
}

static __always_inline void forget_unknown_sleep(__u32 tid)
{
	struct unknown_sleep *sleep = &unknown_sleeps[tid & (UNKNOWN_SLEEPS - 1)];

	if (sleep->tid == tid)
		sleep->tid = 0;
}

/* When the thread that comes back from its wait slept for this lock before it was known: since then; else now. */
static __always_inline __u64 waits_since(const struct traced_process *process, __u64 address, __u32 tid, __u64 now)
{
	struct unknown_sleep *sleep = &unknown_sleeps[tid & (UNKNOWN_SLEEPS - 1)];

	if (sleep->tid != tid || slept_for(process, sleep->futex) != address)
		return now;
	sleep->tid = 0; /* it is over */
	return sleep->since_ns;
}

/*
 * A thread that is not known to wait comes back from where it had to, for this lock. Where the scheduler tells of
 * sleeps, it did not sleep, unless that began before the trace or the window; where it does not, it slept since before
 * the trace. Returns its slot; NO_SLOT: nothing is known of it, or it waits since before the window.
 */
__attribute__((noinline)) __u32 find_unslept(__u64 address, __u32 tgid, __u64 cookie, __u64 ip, __u64 now)
{
	struct traced_process *process = bpf_map_lookup_elem(&processes, &tgid);
	struct lock *lock = process ? lock_at(process->locks[0], tgid) : NULL;
	__u32 tid = bpf_get_current_pid_tgid(), slot;
	struct thread *thread;
	bool told;

	if (!lock)
		return NO_SLOT;
	if (!lock_at(address, tgid) && !new_lock(address, tgid, address + lock->layout.mutex,
						 make_cookie(PROBE_BLOCKED, cookie_site(cookie), 0), ip))
		return NO_SLOT;
	told = tells_sleeps(process, now);
	slot = find_slot(tid, DEALINGS_WITH_LOCK, address);
	if (slot == NO_SLOT && !wait_windows) {
		if (!told)
			note_woken(tgid, tid, now, BPF_NOEXIST);
		slot = new_slot(address, tgid, tid); /* which knows when it has waited since before the trace */
	}
	thread = bpf_map_lookup_elem(&threads, &slot);
	if (thread && told && !thread->waiting_since)
		begin_attempt(address, slot, waits_since(process, address, tid, now), true);
	return thread && thread->waiting_since ? slot : NO_SLOT;
}

/* Tells of a thread that comes back from a wait whose begin was not seen. */
static __always_inline void waited_unseen(struct hit *hit)
{
	__u32 tid = bpf_get_current_pid_tgid();
	long err;

	forget_unknown_sleep(tid);
	if (wait_window) {
		note_old_wait(hit);
	} else if (find_slot(tid, DEALINGS_ANY, 0) == NO_SLOT && bpf_map_lookup_elem(&processes, &hit->tgid)) {
		err = note_woken(hit->tgid, tid, hit->now, BPF_NOEXIST);
		if (err && err != -EEXIST) /* it woke twice before the lock's file was probed at all its sites */
			lose(LOST_PAIRS);
	}
}

/* Whether a thread's own frames could not be found where the scheduler told that it began to wait. */
static __always_inline bool needs_registers(const struct thread *thread)
{
	return waits_alone && python_stacks && !native_stacks && !thread->thread_state;
}

static __always_inline void waited(struct pt_regs *ctx, __u64 cookie)
{
	struct traced_process *process;
	struct hit hit;
	__u64 address;

	if (find_known_hit(&hit, DEALINGS_WAITING)) {
		if (!wanted_since(hit.lock, hit.thread, hit.now)) {
			hit.thread->hits++;
			note_old_wait(&hit);
			return;
		}
		process = bpf_map_lookup_elem(&processes, &hit.tgid);
		if (process && tells_sleeps(process, hit.now) && !is_attempt_open(hit.thread))
			begin_attempt(hit.thread->lock, hit.slot, hit.now, true);
	} else {
		address = waits_alone ? lock_with_mutex(hit.tgid) : 0;
		if (waits_alone && !address)
			address = lock_in_registers(ctx, hit.tgid);
		hit.slot = address ? find_unslept(address, hit.tgid, cookie, PT_REGS_IP(ctx), hit.now) : NO_SLOT;
		hit.thread = bpf_map_lookup_elem(&threads, &hit.slot);
		hit.lock = hit.thread ? lock_at(hit.thread->lock, hit.tgid) : NULL;
		if (!hit.lock) {
			waited_unseen(&hit);
			return;
		}
	}
	hit.thread->hits++;
	if (hit.thread->look_due || needs_registers(hit.thread))
		look_late(ctx, &hit, hit.thread->lock);
	on_waited(hit.lock, hit.thread, hit.now, (__u32)PT_REGS_RC(ctx) == ETIMEDOUT);
	got_if_free(&hit);
}

/* One of the looks at the hold that this slot's thread ends. */
__attribute__((noinline)) int weigh_hold(__u64 address, __u32 slot, __u32 i)
{
	struct thread *thread;
	struct lock *lock;

	if (find_both(address, slot, &lock, &thread))
		weigh_look(lock, thread->tid, lock->acquired_ns, i, &thread->longest);
	return 0;
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
	thread->longest = (struct longest){};
	for (__u32 i = 0; i < SAMPLES; i++)
		weigh_hold(address, slot, i);
	hog.stack = longest_stack(&thread->longest, now);
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
	thread->taking_ns = 0;
	if (!free) {
		thread->taking_stack = look(ctx, hit, address, true, find_holder(hit->lock, address, hit->tgid));
		thread->taking_ns = hit->now;
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
		note_woken(hit.tgid, tid, hit.now, BPF_ANY);
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
	__u64 began;
	__u32 number;

	if (!each) {
		thread->pending_releases += hit->lock->weight;
		thread->pending_held_ns += hit->lock->weight * held_ns;
		if (!is_looked_at(thread))
			return;
	}
	began = bpf_ktime_get_ns();
	walk = take_walk(&number);
	if (walk) {
		clear_walk(walk, hit->lock, true);
		keep_registers(walk, ctx);
		look_at_release(address, hit->slot, number, each ? held_ns : 0, forced);
		give_walk_back(number);
		count_more(RELEASE_LOOK_NS, bpf_ktime_get_ns() - began);
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
