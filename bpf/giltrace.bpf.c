// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The kernel side: turns probe hits into events (giltrace.h), events into figures (lifecycle.h), and follows the traced
 * processes' threads through the scheduler, fork, exec and exit.
 *
 * A hit finds its lock in the hash `locks`: one look-up filters by process and names the lock. The thread that took the
 * lock last is remembered in the lock, so that an uncontended cycle needs no other look-up. Whatever is new (a lock, a
 * thread) takes the slow path. Each early return that loses something counts it in `lost`.
 */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "giltrace.h"
#include "lifecycle.h"

#define ETIMEDOUT          110
#define TASK_RUNNING       0
#define MAX_LOCKS_A_THREAD 8
#define NO_SLOT            ((__u32)-1)

const volatile bool waits_only; /* no acquired and released sites are probed */

/* Until the trace begins, and after it ended, hits are ignored. */
volatile bool active;
__u64 lost[LOST_KINDS];
__u64 unlike; /* hits in traced processes whose argument did not look like a lock */

/* The sizes are set at load time. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32); /* tgid */
	__type(value, struct traced_process);
	__uint(max_entries, 64);
} processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct lock_key);
	__type(value, struct lock);
	__uint(max_entries, 1);
} locks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32); /* slot */
	__type(value, struct thread);
	__uint(max_entries, 1);
} threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__type(value, __u32);
	__uint(max_entries, 1);
} free_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);   /* tid */
	__type(value, __u32); /* its first slot; the others are chained */
	__uint(max_entries, 1);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct thread_pointer);
	__type(value, __u32); /* tid */
	__uint(max_entries, 1);
} thread_pointers SEC(".maps");

/* Threads that woke from a sleep which began before the trace, and when. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32); /* tid */
	__type(value, __u64);
	__uint(max_entries, 1);
} waiting_at_start SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct pair_key);
	__type(value, struct pair);
	__uint(max_entries, 1);
} pairs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
} records SEC(".maps");

static __always_inline void lose(enum lost kind)
{
	__sync_fetch_and_add(&lost[kind], 1);
}

static __always_inline void tell(enum record_type type, __u32 tgid, __u32 slot)
{
	struct record *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);

	if (!record) {
		lose(LOST_EVENTS);
		return;
	}
	record->type = type;
	record->tgid = tgid;
	record->slot = slot;
	record->pad = 0;
	bpf_ringbuf_submit(record, 0);
}

static __always_inline __u64 thread_pointer_of(struct task_struct *task)
{
	return BPF_CORE_READ(task, thread.fsbase);
}

static __always_inline void remember_thread_pointer(__u32 tgid, __u32 tid, __u64 pointer)
{
	struct thread_pointer key = {.tgid = tgid, .pointer = pointer};

	if (pointer && bpf_map_update_elem(&thread_pointers, &key, &tid, BPF_ANY))
		lose(LOST_PAIRS);
}

/*
 * Finding the lock and the thread
 */

/*
 * Whether what the runtime's file calls its condition-variable functions with looks like its lock: another user of
 * condition variables may share the file.
 */
static __always_inline bool looks_like_lock(const struct lock_layout *layout, __u64 address, __u64 second_argument,
					    __u32 event)
{
	int locked = -1;
	__u64 only_lock;

	if (layout->lock_variable)
		return !bpf_probe_read_user(&only_lock, sizeof(only_lock), (void *)layout->lock_variable) &&
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

/* A lock is first seen: it must belong to a traced process and look like one. */
static __attribute__((noinline)) struct lock *new_lock(__u64 address, __u32 tgid, __u64 second_argument, __u32 event)
{
	struct lock_key key = {.address = address, .tgid = tgid};
	struct traced_process *process = bpf_map_lookup_elem(&processes, &tgid);
	static const struct lock empty;
	struct lock *lock;

	if (!process || process->execed)
		return NULL;
	if (!looks_like_lock(&process->layout, address, second_argument, event)) {
		if (process->layout.lock_variable)
			return NULL; /* one of the program's own locks, which are made alike */
		__sync_fetch_and_add(&unlike, 1);
		return NULL;
	}
	if (bpf_map_update_elem(&locks, &key, &empty, BPF_NOEXIST)) {
		lock = bpf_map_lookup_elem(&locks, &key);
		if (!lock)
			lose(LOST_GILS);
		return lock;
	}
	lock = bpf_map_lookup_elem(&locks, &key);
	if (!lock)
		return NULL;
	lock->layout = process->layout;
	if (lock->layout.lock_variable && lock->layout.last_holder != UNKNOWN_OFFSET)
		lock->layout.last_holder -= address;
	lock->start_ns = process->start_ns;
	lock->interpreter = find_interpreter(&process->layout, address);
	return lock;
}

static __always_inline struct lock *find_lock(struct pt_regs *ctx, __u64 address, __u32 tgid, enum probe_event event)
{
	struct lock_key key = {.address = address, .tgid = tgid};
	struct lock *lock = bpf_map_lookup_elem(&locks, &key);

	return lock ? lock : new_lock(address, tgid, PT_REGS_PARM2(ctx), event);
}

/* Takes a free slot for the thread that runs. */
static __attribute__((noinline)) __u32 new_slot(__u64 address, __u32 tgid, __u32 tid)
{
	struct traced_process *process = bpf_map_lookup_elem(&processes, &tgid);
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct thread *thread;
	__u32 slot, *first;
	__u64 *at_start;

	if (!process || process->execed)
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
	bpf_get_current_comm(thread->name, sizeof(thread->name));
	at_start = bpf_map_lookup_elem(&waiting_at_start, &tid);
	if (at_start) {
		on_wait_at_start(thread, process->start_ns);
		thread->woken_at_start = *at_start;
		bpf_map_delete_elem(&waiting_at_start, &tid);
	}
	thread->tgid = tgid;
	remember_thread_pointer(tgid, tid, thread_pointer_of(task));
	return slot;
}

enum dealings { DEALINGS_WITH_LOCK, DEALINGS_WAITING, DEALINGS_TAKING, DEALINGS_BUSY };

/*
 * A thread's dealings with one lock, or those in which it waits, takes, or is busy (takes or holds) now. NULL and
 * NO_SLOT when there are none.
 */
static __always_inline struct thread *find_dealings(__u32 tid, enum dealings which, __u64 address, __u32 *slot)
{
	__u32 *first = bpf_map_lookup_elem(&slots, &tid);

	*slot = first ? *first : NO_SLOT;
	for (int i = 0; i < MAX_LOCKS_A_THREAD && *slot != NO_SLOT; i++) {
		struct thread *thread = bpf_map_lookup_elem(&threads, slot);

		if (!thread)
			break;
		if (which == DEALINGS_WITH_LOCK ? thread->lock == address
		    : which == DEALINGS_WAITING ? thread->waiting_since != 0
		    : which == DEALINGS_TAKING  ? thread->taking
						: thread->holding || thread->taking)
			return thread;
		*slot = thread->next - 1; /* 0 - 1 is NO_SLOT */
	}
	*slot = NO_SLOT;
	return NULL;
}

/* The slot of the thread that runs and this lock, made if there is none. */
static __attribute__((noinline)) __u32 look_up_slot(__u64 address, __u32 tgid, __u32 tid)
{
	__u32 slot;

	return find_dealings(tid, DEALINGS_WITH_LOCK, address, &slot) ? slot : new_slot(address, tgid, tid);
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
 * Who holds the lock: whom we saw take it, or else the thread whose state the lock itself names. 0: unknown. The thread
 * state keeps the pthread_t, which is the thread pointer; a thread that was started before its pointer could be
 * noticed is the main thread.
 */
static __always_inline __u32 find_holder(const struct lock *lock, __u64 address, __u32 tgid)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct thread_pointer key = {.tgid = tgid};
	__u64 thread_state = 0;
	__u32 *tid;

	if (lock->holder)
		return lock->holder;
	if (lock->layout.lock_variable && lock->last_tid)
		return find_next_holder(lock);
	if (lock->layout.last_holder == UNKNOWN_OFFSET || lock->layout.thread_id == UNKNOWN_OFFSET)
		return 0;
	if (bpf_probe_read_user(&thread_state, sizeof(thread_state), (void *)(address + lock->layout.last_holder)) ||
	    !thread_state ||
	    bpf_probe_read_user(&key.pointer, sizeof(key.pointer), (void *)(thread_state + lock->layout.thread_id)) ||
	    !key.pointer)
		return 0;
	tid = bpf_map_lookup_elem(&thread_pointers, &key);
	if (tid)
		return *tid;
	return BPF_CORE_READ(task, group_leader, thread.fsbase) == key.pointer ? tgid : 0;
}

/*
 * The events
 */

/* A probe hit that concerns a traced lock: when, in which lock, and the dealings of the thread that runs with it. */
struct hit {
	__u64 now;
	struct lock *lock;
	struct thread *thread;
	__u32 slot; /* of `thread` */
	__u32 tgid;
};

static __always_inline bool find_hit(struct pt_regs *ctx, __u64 address, enum probe_event event, struct hit *hit)
{
	__u64 tgid_tid = bpf_get_current_pid_tgid();

	hit->now = bpf_ktime_get_ns();
	hit->tgid = tgid_tid >> 32;
	hit->lock = find_lock(ctx, address, hit->tgid, event);
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

static __always_inline void waited(struct pt_regs *ctx)
{
	struct hit hit;
	__u32 tid = bpf_get_current_pid_tgid();

	if (find_known_hit(&hit, DEALINGS_WAITING)) {
		hit.thread->hits++;
		on_waited(hit.lock, hit.thread, (__u32)PT_REGS_RC(ctx) == ETIMEDOUT);
		if (waits_only)
			acquired_if_free(&hit);
	} else if (bpf_map_lookup_elem(&processes, &hit.tgid)) {
		if (bpf_map_update_elem(&waiting_at_start, &tid, &hit.now, BPF_NOEXIST))
			lose(LOST_PAIRS);
	}
}

static __always_inline void acquired(const struct hit *hit)
{
	if (hit->thread->waiting_since)
		finish_wait(hit);
	if (on_acquired(hit->lock, hit->thread, hit->now))
		lose(LOST_SENSELESS);
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
		bpf_map_update_elem(&waiting_at_start, &tid, &hit.now, BPF_ANY);
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
		lose(LOST_SENSELESS);
}

/*
 * The probes. Where the kernel gives each site a cookie, one program serves all sites: the cookie is the event in the
 * low byte and above it the distance from the lock to the argument register. Kernels before 5.15 have none: there, one
 * program an event, and the distance from the process's layout.
 */
static __always_inline void dispatch(struct pt_regs *ctx, __u32 event, __s64 distance)
{
	__u64 address = PT_REGS_PARM1(ctx) - distance;
	struct hit hit;

	if (event == PROBE_WAITED) {
		waited(ctx);
		return;
	}
	if (event == PROBE_TAKEN) {
		taken(ctx);
		return;
	}
	if (!find_hit(ctx, address, event, &hit))
		return;
	hit.thread->hits++;
	switch (event) {
	case PROBE_BLOCKED:
		blocked(&hit, address);
		break;
	case PROBE_ACQUIRED:
		acquired(&hit);
		break;
	case PROBE_RELEASED:
		released(&hit);
		break;
	case PROBE_SWITCHED:
		on_switched(hit.thread);
		break;
	case PROBE_TAKING:
		taking(&hit, address);
		break;
	}
}

SEC("uprobe")
int probe_any(struct pt_regs *ctx)
{
	__u64 cookie;

	if (!active)
		return 0;
	cookie = bpf_get_attach_cookie(ctx);
	dispatch(ctx, cookie & 0xff, (__s64)cookie >> 8);
	return 0;
}

static __always_inline int probe_one(struct pt_regs *ctx, enum probe_event event)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct traced_process *process;
	bool at_cond = event != PROBE_ACQUIRED && event != PROBE_SWITCHED;

	if (!active)
		return 0;
	process = bpf_map_lookup_elem(&processes, &tgid);
	if (process)
		dispatch(ctx, event, at_cond ? process->layout.cond : process->layout.switch_cond);
	return 0;
}

SEC("uprobe")
int probe_blocked(struct pt_regs *ctx)
{
	return probe_one(ctx, PROBE_BLOCKED);
}

SEC("uprobe")
int probe_waited(struct pt_regs *ctx)
{
	return probe_one(ctx, PROBE_WAITED);
}

SEC("uprobe")
int probe_acquired(struct pt_regs *ctx)
{
	return probe_one(ctx, PROBE_ACQUIRED);
}

SEC("uprobe")
int probe_released(struct pt_regs *ctx)
{
	return probe_one(ctx, PROBE_RELEASED);
}

SEC("uprobe")
int probe_switched(struct pt_regs *ctx)
{
	return probe_one(ctx, PROBE_SWITCHED);
}

SEC("uprobe")
int probe_taking(struct pt_regs *ctx)
{
	return probe_one(ctx, PROBE_TAKING);
}

SEC("uprobe")
int probe_taken(struct pt_regs *ctx)
{
	return probe_one(ctx, PROBE_TAKEN);
}

/*
 * The scheduler, fork, exec and exit
 */

static __always_inline __u32 state_of(struct task_struct *task)
{
	struct task_struct___before_5_14 *old = (void *)task;

	return bpf_core_field_exists(task->__state) ? task->__state : BPF_CORE_READ(old, state);
}

static __always_inline bool is_traced(struct task_struct *task)
{
	__u32 tgid = task->tgid;

	return bpf_map_lookup_elem(&processes, &tgid) != NULL;
}

/* Within sem_wait() a thread sleeps for nothing but the semaphore. */
static __always_inline void slept(struct thread *thread, __u32 slot, __u32 tgid)
{
	struct lock_key key = {.address = thread->lock, .tgid = tgid};
	struct hit hit = {.now = bpf_ktime_get_ns(), .thread = thread, .slot = slot, .tgid = tgid};

	hit.lock = bpf_map_lookup_elem(&locks, &key);
	if (!hit.lock)
		return;
	on_woken(thread); /* from the sleep before, if there was one */
	blocked(&hit, key.address);
}

static __always_inline void woken(const struct thread *thread, __u32 tgid)
{
	struct lock_key key = {.address = thread->lock, .tgid = tgid};
	struct lock *lock = bpf_map_lookup_elem(&locks, &key);

	if (lock)
		lock->woken = thread->tid;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_sched_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	struct thread *thread;
	__u32 slot;

	if (!active)
		return 0;
	if (is_traced(prev)) {
		bool asleep = !preempt && state_of(prev) != TASK_RUNNING;

		thread = find_dealings(prev->pid, DEALINGS_BUSY, 0, &slot);
		if (thread && thread->taking && asleep)
			slept(thread, slot, prev->tgid);
		else if (thread)
			on_off_cpu(thread, bpf_ktime_get_ns(), asleep);
	}
	if (is_traced(next)) {
		thread = find_dealings(next->pid, DEALINGS_BUSY, 0, &slot);
		if (thread && thread->taking)
			woken(thread, next->tgid);
		else if (thread)
			on_cpu_again(thread, bpf_ktime_get_ns());
	}
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 tgid = parent->tgid;
	struct traced_process *process = bpf_map_lookup_elem(&processes, &tgid);

	if (!active || !process)
		return 0;
	if (child->tgid == parent->tgid)
		remember_thread_pointer(tgid, child->pid, thread_pointer_of(child));
	else
		__sync_fetch_and_add(&process->children, 1);
	return 0;
}

/* Ends the dealings of a thread: they are told, kept until they have been read, and never found again. */
static __always_inline void end_thread(__u32 tgid, __u32 tid)
{
	__u32 *first = bpf_map_lookup_elem(&slots, &tid);
	__u32 slot = first ? *first : NO_SLOT;

	for (int i = 0; i < MAX_LOCKS_A_THREAD && slot != NO_SLOT; i++) {
		struct thread *thread = bpf_map_lookup_elem(&threads, &slot);
		__u32 next;

		if (!thread)
			break;
		next = thread->next - 1;
		bpf_get_current_comm(thread->name, sizeof(thread->name));
		thread->ended_ns = bpf_ktime_get_ns();
		tell(RECORD_THREAD_ENDED, tgid, slot);
		slot = next;
	}
	bpf_map_delete_elem(&slots, &tid);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	struct thread_pointer key = {.tgid = task->tgid};

	if (!active || !is_traced(task))
		return 0;
	end_thread(task->tgid, task->pid);
	key.pointer = thread_pointer_of(task);
	bpf_map_delete_elem(&thread_pointers, &key);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, pid_t old_pid)
{
	__u32 tgid = task->tgid;
	struct traced_process *process = bpf_map_lookup_elem(&processes, &tgid);

	if (!active || !process || process->execed)
		return 0;
	process->execed = 1;
	end_thread(tgid, old_pid);
	end_thread(tgid, tgid);
	tell(RECORD_EXECED, tgid, 0);
	return 0;
}

/* Reading this iterator notes the thread pointers of the threads that a traced process has already. */
SEC("iter/task")
int note_threads(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	if (task && is_traced(task))
		remember_thread_pointer(task->tgid, task->pid, thread_pointer_of(task));
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
