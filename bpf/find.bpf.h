/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Finding the lock and the thread that a probe hit concerns.
 *
 * A hit finds its lock where that was last; the lock tells whose it is, which filters by process. The thread that took
 * it last is remembered in the lock, so that an uncontended cycle needs no look-up in a hash. Whatever is new (a lock,
 * a thread) takes the slow path. Each early return that loses something counts it in `lost`.
 */
#ifndef GILTRACE_FIND_BPF_H
#define GILTRACE_FIND_BPF_H

#include "lifecycle.h"
#include "maps.bpf.h"
#include "process.bpf.h"

#define MAX_LOCKS_A_THREAD 8
#define NO_SLOT            ((__u32)-1)

/*
 * Whether what the runtime's file calls its condition-variable functions with looks like its lock: another user of
 * condition variables may share the file.
 */
static __always_inline bool looks_like_lock(const struct lock_layout *layout, __u64 load_bias, __u64 address,
					    __u64 second_argument, __u32 event)
{
	int locked = -1;
	__u64 only_lock;

	if (layout->lock_variable)
		return !bpf_probe_read_user(&only_lock, sizeof(only_lock),
					    (void *)(layout->lock_variable + load_bias)) &&
		       only_lock == address;
	if (event == PROBE_BLOCKED)
		return layout->mutex == UNKNOWN_OFFSET || second_argument == address + layout->mutex;
	if (layout->locked == UNKNOWN_OFFSET)
		return true;
	if (bpf_probe_read_user(&locked, sizeof(locked), (void *)(address + layout->locked)))
		return false;
	return event == PROBE_ACQUIRED ? locked == 1 : event == PROBE_SWITCHED || locked == 0;
}

/*
 * The interpreter whose lock it is, by way of the thread that took it last; -1: unknown. One without its own lock
 * shares that of the main interpreter, which is number 0.
 */
static __always_inline __s64 find_interpreter(const struct lock_layout *layout, __u64 address)
{
	struct {
		__u64 gil;
		int own_gil;
		int pad;
	} ceval;
	__u64 thread_state, interpreter;
	__s64 id;

	if (layout->last_holder == UNKNOWN_OFFSET || layout->interpreter == UNKNOWN_OFFSET)
		return -1;
	if (bpf_probe_read_user(&thread_state, sizeof(thread_state), (void *)(address + layout->last_holder)) ||
	    bpf_probe_read_user(&interpreter, sizeof(interpreter), (void *)(thread_state + layout->interpreter)) ||
	    bpf_probe_read_user(&ceval, sizeof(ceval), (void *)(interpreter + layout->interpreter_gil)) ||
	    bpf_probe_read_user(&id, sizeof(id), (void *)(interpreter + layout->interpreter_id)) ||
	    ceval.gil != address)
		return -1;
	return ceval.own_gil ? id : 0;
}

/* The file that a probe is in, and where it is loaded in this process. NULL: there is none such. */
static __always_inline struct file_plan *find_plan(const struct traced_process *process, __u32 site_number, __u64 ip,
						   __u32 *number, __u64 *load_bias)
{
	struct site *site;

	*number = 0; /* without cookies there is one file only */
	*load_bias = process->load_bias;
	if (site_number != NO_SITE) {
		site = bpf_map_lookup_elem(&sites, &site_number);
		if (!site)
			return NULL;
		*number = site->plan;
		*load_bias = ip - site->address;
	}
	return bpf_map_lookup_elem(&plans, number);
}

/* The runtime's layout, for a lock at this address of a process that has the runtime at this place. */
static __always_inline void fill_layout(struct lock *lock, const struct file_plan *plan, __u64 address, __u64 load_bias)
{
	lock->layout = plan->layout;
	if (!lock->layout.lock_variable)
		return;
	lock->layout.lock_variable += load_bias;
	if (lock->layout.last_holder != UNKNOWN_OFFSET)
		lock->layout.last_holder += load_bias - address;
}

/*
 * A lock is first seen: it must belong to a traced process and look like one. Returns whether it is known now. Global,
 * and of numbers only, so that the verifier sees it once; so is new_slot().
 */
__attribute__((noinline)) int new_lock(__u64 address, __u64 tgid, __u64 second_argument, __u64 cookie, __u64 ip)
{
	struct lock_key key = {.address = address, .tgid = tgid};
	struct traced_process *process = find_process(tgid);
	struct file_plan *plan;
	struct lock *lock;
	__u32 number, plan_number;
	__u64 load_bias;

	if (!process)
		return 0;
	plan = find_plan(process, cookie_site(cookie), ip, &plan_number, &load_bias);
	if (!plan || !plan->attached_ns)
		return 0;
	if (!looks_like_lock(&plan->layout, load_bias, address, second_argument, cookie_event(cookie))) {
		if (!plan->layout.lock_variable) /* there, it is one of the program's own locks, which are made alike */
			__sync_fetch_and_add(&plan->unlike, 1);
		return 0;
	}
	lock = new_empty_lock(&key, &number);
	if (!lock)
		return 0;
	fill_layout(lock, plan, address, load_bias);
	lock->load_bias = load_bias;
	lock->holder_syscall = -1;
	lock->instance = process->instance;
	lock->plan = plan_number;
	lock->always = plan->always;
	if (plan->always)
		any_always = true;
	lock->start_ns = process->start_ns > plan->attached_ns ? process->start_ns : plan->attached_ns;
	lock->interpreter = find_interpreter(&lock->layout, address);
	if (enter_lock(lock, number)) /* else another thread was faster */
		remember_lock(process, address);
	return 1;
}

static __always_inline struct lock *find_lock(struct pt_regs *ctx, __u64 address, __u32 tgid, __u64 cookie)
{
	struct lock *lock = lock_at(address, tgid);

	if (lock || !new_lock(address, tgid, PT_REGS_PARM2(ctx), cookie, PT_REGS_IP(ctx)))
		return lock;
	return lock_at(address, tgid);
}

/* Takes a free slot for the thread that runs. */
__attribute__((noinline)) __u32 new_slot(__u64 address, __u32 tgid, __u32 tid)
{
	struct traced_process *process = bpf_map_lookup_elem(&processes, &tgid);
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct thread *thread;
	__u32 slot, *first;
	struct woken *at_start;

	if (!process)
		return NO_SLOT;
	if (bpf_map_pop_elem(&free_slots, &slot)) {
		lose(LOST_THREADS);
		return NO_SLOT;
	}
	thread = bpf_map_lookup_elem(&threads, &slot);
	if (!thread)
		return NO_SLOT;
	first = bpf_map_lookup_elem(&slots, &tid);
	thread->next = first ? *first + 1 : 0;
	if (bpf_map_update_elem(&slots, &tid, &slot, BPF_ANY)) {
		bpf_map_push_elem(&free_slots, &slot, BPF_ANY);
		lose(LOST_THREADS);
		return NO_SLOT;
	}
	thread->lock = address;
	thread->tid = tid;
	thread->instance = process->instance;
	bpf_get_current_comm(thread->name, sizeof(thread->name));
	at_start = bpf_map_lookup_elem(&waiting_at_start, &tid);
	if (at_start) {
		on_wait_at_start(thread, process->start_ns);
		thread->woken_at_start = at_start->time_ns;
		bpf_map_delete_elem(&waiting_at_start, &tid);
	}
	thread->tgid = tgid;
	thread->pointer = thread_pointer_of(task);
	remember_thread_pointer(tgid, tid, thread->pointer);
	return slot;
}

enum dealings { DEALINGS_WITH_LOCK, DEALINGS_WAITING, DEALINGS_TAKING, DEALINGS_BUSY, DEALINGS_ANY };

/*
 * The slot of a thread's dealings with one lock, or of those in which it waits, takes, or is busy (waits, takes or
 * holds) now, or of the last that it began; NO_SLOT: there are none. Global, so that the verifier sees it once.
 */
__attribute__((noinline)) __u32 find_slot(__u32 tid, __u32 which, __u64 address)
{
	__u32 *first = bpf_map_lookup_elem(&slots, &tid);
	__u32 slot = first ? *first : NO_SLOT;

	for (int i = 0; i < MAX_LOCKS_A_THREAD && slot != NO_SLOT; i++) {
		struct thread *thread = bpf_map_lookup_elem(&threads, &slot);

		if (!thread)
			break;
		if (which == DEALINGS_WITH_LOCK ? thread->lock == address
		    : which == DEALINGS_WAITING ? thread->waiting_since != 0
		    : which == DEALINGS_TAKING  ? thread->taking
		    : which == DEALINGS_BUSY    ? thread->holding || thread->taking || thread->waiting_since
						: true)
			return slot;
		slot = thread->next - 1; /* 0 - 1 is NO_SLOT */
	}
	return NO_SLOT;
}

/* The dealings in that slot. */
static __always_inline struct thread *find_dealings(__u32 tid, enum dealings which, __u64 address, __u32 *slot)
{
	*slot = find_slot(tid, which, address);
	return bpf_map_lookup_elem(&threads, slot);
}

/* The slot of the thread that runs and this lock, made if there is none. */
static __attribute__((noinline)) __u32 look_up_slot(__u64 address, __u32 tgid, __u32 tid)
{
	__u32 slot = find_slot(tid, DEALINGS_WITH_LOCK, address);

	return slot != NO_SLOT ? slot : new_slot(address, tgid, tid);
}

/* The thread that runs, in its dealings with this lock; `*slot` is its slot. */
static __always_inline struct thread *find_thread(struct lock *lock, __u64 address, __u64 tgid_tid, __u32 *slot)
{
	__u32 tid = tgid_tid;
	struct thread *thread;

	if (lock->last_tid == tid) {
		*slot = lock->holder_slot;
		thread = bpf_map_lookup_elem(&threads, slot);
		if (thread && thread->tid == tid && thread->lock == address && !thread->ended_ns)
			return thread;
	}
	*slot = look_up_slot(address, tgid_tid >> 32, tid);
	return bpf_map_lookup_elem(&threads, slot);
}

/* The number of the window that is, or was last, for a lock. */
static __always_inline __u32 window_of(const struct lock *lock)
{
	return lock->always ? 1 : window_number;
}

/* How many acquisitions one that is now stands for; 0: it opens no hold. */
static __always_inline __u32 weight_at(const struct lock *lock, __u64 now)
{
	if (lock->always)
		return 1;
	return now >= window_start && now < window_end ? window_weight : 0;
}

/* How many waits one that begins now stands for; 0: it is not followed. */
static __always_inline __u32 wait_weight_at(const struct lock *lock, __u64 now)
{
	return wait_windows ? weight_at(lock, now) : 1;
}

/* Since when the thread waits; 0: it does not. What began before the probes were away is not known any more. */
static __always_inline __u64 wanted_since(struct lock *lock, struct thread *thread, __u64 now)
{
	if (thread->waiting_since && thread->wait_window != wait_window && !lock->always)
		forget_wait(lock, thread, now);
	return thread->waiting_since;
}

/*
 * Who has a semaphore between `released` and `taken`: one that found it free since, or was woken up to take it; else it
 * is not released yet, for the probe comes before the call. The thread that runs is going to sleep, so it is another.
 */
static __always_inline __u32 find_next_holder(const struct lock *lock)
{
	__u32 self = bpf_get_current_pid_tgid();

	if (lock->found_free && lock->found_free != self)
		return lock->found_free;
	if (lock->woken && lock->woken != self)
		return lock->woken;
	return lock->last_tid != self ? lock->last_tid : 0;
}

/*
 * Whose thread state it is, in the process of the thread that runs; 0: unknown. The state keeps the pthread_t, which is
 * the thread pointer; a thread that was started before its pointer could be noticed is the main thread.
 */
static __always_inline __u32 owner_of_state(const struct lock *lock, __u64 thread_state, __u32 tgid)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct thread_pointer key = {.tgid = tgid};
	__u32 *tid;

	if (lock->layout.thread_id == UNKNOWN_OFFSET || !thread_state ||
	    bpf_probe_read_user(&key.pointer, sizeof(key.pointer), (void *)(thread_state + lock->layout.thread_id)) ||
	    !key.pointer)
		return 0;
	tid = bpf_map_lookup_elem(&thread_pointers, &key);
	if (tid)
		return *tid;
	return BPF_CORE_READ(task, group_leader, thread.fsbase) == key.pointer ? tgid : 0;
}

/* Who holds the lock: whom we saw take it, or else the thread whose state the lock itself names. 0: unknown. */
static __always_inline __u32 find_holder(const struct lock *lock, __u64 address, __u32 tgid)
{
	__u64 thread_state = 0;

	if (seen_holder(lock, window_of(lock)))
		return lock->holder;
	if (lock->layout.lock_variable && lock->last_tid)
		return find_next_holder(lock);
	if (lock->layout.last_holder == UNKNOWN_OFFSET ||
	    bpf_probe_read_user(&thread_state, sizeof(thread_state), (void *)(address + lock->layout.last_holder)))
		return 0;
	return owner_of_state(lock, thread_state, tgid);
}

#endif
