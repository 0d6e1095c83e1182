// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The kernel side: turns probe hits into events (events.bpf.h), which move the state machine of lifecycle.h, and
 * follows the traced processes' threads through the scheduler, fork, exec and exit.
 */
#include "events.bpf.h"

#define TASK_RUNNING 0
#define PF_EXITING   4

/*
 * The probes. Where the kernel gives each site a cookie, one program serves all sites. Kernels before 5.15 have none:
 * there, one program an event, and the layout of the only file.
 */
static __always_inline void dispatch(struct pt_regs *ctx, __u64 cookie)
{
	__u64 address = PT_REGS_PARM1(ctx) - cookie_distance(cookie);
	__u32 event = cookie_event(cookie);
	struct hit hit;

	count_on_cpu(CPU_HITS, 1);
	if (event == PROBE_WAITED || event == PROBE_BLOCKED)
		count_on_cpu(CPU_WAIT_HITS, 1);
	if (event == PROBE_WAITED) {
		waited(ctx, cookie);
		return;
	}
	if (event == PROBE_TAKEN) {
		taken(ctx);
		return;
	}
	if (!find_hit(ctx, address, cookie, &hit))
		return;
	hit.thread->hits++;
	switch (event) {
	case PROBE_BLOCKED:
		blocked(ctx, &hit, address, false);
		break;
	case PROBE_ACQUIRED:
		acquired(&hit);
		break;
	case PROBE_RELEASED:
		released(ctx, &hit, address);
		break;
	case PROBE_SWITCHED:
		on_switched(hit.thread);
		break;
	case PROBE_TAKING:
		taking(ctx, &hit, address);
		break;
	}
}

SEC("uprobe")
int probe_any(struct pt_regs *ctx)
{
	if (active)
		dispatch(ctx, bpf_get_attach_cookie(ctx));
	return 0;
}

static __always_inline int probe_one(struct pt_regs *ctx, enum probe_event event)
{
	bool at_cond = event != PROBE_ACQUIRED && event != PROBE_SWITCHED;
	struct file_plan *plan;
	__u32 only = 0;

	if (!active)
		return 0;
	plan = bpf_map_lookup_elem(&plans, &only);
	if (plan)
		dispatch(ctx, make_cookie(event, NO_SITE, at_cond ? plan->layout.cond : plan->layout.switch_cond));
	return 0;
}

#define PROBE(name, event)                    \
	SEC("uprobe")                         \
	int probe_##name(struct pt_regs *ctx) \
	{                                     \
		return probe_one(ctx, event); \
	}

PROBE(blocked, PROBE_BLOCKED)
PROBE(waited, PROBE_WAITED)
PROBE(acquired, PROBE_ACQUIRED)
PROBE(released, PROBE_RELEASED)
PROBE(switched, PROBE_SWITCHED)
PROBE(taking, PROBE_TAKING)
PROBE(taken, PROBE_TAKEN)

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

/*
 * A waiter sleeps for a futex: within sem_wait() for no other than the semaphore; one whose look was put off, for the
 * lock, unless it has to wait for another before.
 */
static __always_inline void slept(struct thread *thread, __u32 slot, __u32 tgid)
{
	struct lock *lock = lock_at(thread->lock, tgid);
	__u64 now = bpf_ktime_get_ns();

	if (!lock || (thread->look_due && !wanted_since(lock, thread, now)))
		return;
	if (!thread->look_due)
		on_woken(thread); /* from the sleep before, if there was one */
	begin_attempt(thread->lock, slot, now, false);
}

static __always_inline void woken(const struct thread *thread, __u32 tgid)
{
	struct lock *lock = lock_at(thread->lock, tgid);

	if (lock)
		lock->woken = thread->tid;
}

/* Where the user side's registers are on kernels that do not tell (before 5.15): at the top of the kernel stack. */
#define THREAD_SIZE       16384
#define REGISTERS_SIZE    168
#define REGISTERS_SI      104
#define REGISTERS_DI      112
#define REGISTERS_ORIG_AX 120

/* One of these, as the task had it when it entered the kernel; -1: it could not be read. */
static __always_inline __s64 register_of(struct task_struct *task, __u32 offset)
{
	struct pt_regs *registers;
	__s64 value = -1;

	if (!bpf_core_enum_value_exists(enum bpf_func_id___some, BPF_FUNC_task_pt_regs)) {
		bpf_probe_read_kernel(&value, sizeof(value), task->stack + THREAD_SIZE - REGISTERS_SIZE + offset);
		return value;
	}
	registers = (struct pt_regs *)bpf_task_pt_regs(task);
	return offset == REGISTERS_SI ? registers->si : offset == REGISTERS_DI ? registers->di : registers->orig_ax;
}

/* The system call that the task is in; -1: none. */
static __always_inline __s32 syscall_of(struct task_struct *task)
{
	__s64 number = register_of(task, REGISTERS_ORIG_AX);

	return number >= 0 && number < 4096 ? number : NO_SYSCALL;
}

/*
 * The futex that the task, in futex(), sleeps for or is about to, as waiters do; 0: it does something else there. The C
 * library's own locks sleep with another command: the mutex, and what a condition variable has within.
 */
static __always_inline __u64 futex_waited_for(struct task_struct *task)
{
	bool waits = (register_of(task, REGISTERS_SI) & FUTEX_COMMAND) == FUTEX_WAIT_BITSET;

	return waits ? register_of(task, REGISTERS_DI) : 0;
}

/* The lock whose waiters sleep for this futex; 0: no known one's. Global, so that the verifier sees it once. */
__attribute__((noinline)) __u64 lock_of_futex(__u32 tgid, __u64 futex)
{
	struct traced_process *process = bpf_map_lookup_elem(&processes, &tgid);
	__u64 address = process ? slept_for(process, futex) : 0;

	return address && lock_at(address, tgid) ? address : 0;
}

/* Where threads sleep for a lock that was not met yet, those who come back will want to know. */
static __always_inline void note_unknown_sleep(const struct task_struct *task, __u64 futex)
{
	struct unknown_sleep *sleep = &unknown_sleeps[task->pid & (UNKNOWN_SLEEPS - 1)];

	sleep->tid = 0;
	sleep->futex = futex;
	sleep->since_ns = bpf_ktime_get_ns();
	sleep->tid = task->pid;
}

/* Whether the futex is in the lock's condition variable, which is what has the lock's address or lies before the mutex.
 */
static __always_inline bool is_in_cond(const struct lock_layout *layout, __u64 address, __u64 futex)
{
	return futex - address - layout->cond < COND_SIZE || address + layout->mutex - 1 - futex < COND_SIZE;
}

/* A thread that a probe told of goes to sleep: it shows where threads sleep for their lock, and that the scheduler
 * tells. */
static __always_inline void learn_sleep(struct traced_process *process, struct task_struct *task, __u64 futex)
{
	struct thread *thread;
	struct lock *lock;
	__u32 slot;

	thread = find_dealings(task->pid, DEALINGS_WAITING, 0, &slot);
	if (!thread || !is_attempt_open(thread))
		return;
	lock = lock_at(thread->lock, task->tgid);
	if (!lock || lock->layout.mutex == UNKNOWN_OFFSET || !is_in_cond(&lock->layout, thread->lock, futex) ||
	    !wanted_since(lock, thread, bpf_ktime_get_ns()))
		return;
	process->pid_level = task->thread_pid->level;
	process->sleep_offset = futex - thread->lock;
	process->sleeps_ns = bpf_ktime_get_ns();
}

/*
 * The thread leaves its CPU in futex(): it sleeps, or has to wait for the CPU before it does. False: not for a lock
 * that is known, as far as this tells.
 */
static __always_inline bool slept_for_lock(struct task_struct *task)
{
	__u32 tgid = task->tgid, slot;
	struct traced_process *process = bpf_map_lookup_elem(&processes, &tgid);
	__u64 futex = futex_waited_for(task), now, address;
	struct thread *thread;
	struct lock *lock;

	if (!process || !futex || (task->flags & PF_EXITING)) /* one that was killed there was told of already */
		return false;
	if (!process->sleeps_ns)
		learn_sleep(process, task, futex);
	address = lock_of_futex(tgid, futex);
	if (!address) {
		note_unknown_sleep(task, futex);
		return false;
	}
	forget_unknown_sleep(task->pid);
	now = bpf_ktime_get_ns();
	slot = look_up_slot(address, tgid, task->pid);
	if (find_both(address, slot, &lock, &thread) &&
	    (!wanted_since(lock, thread, now) || !is_attempt_open(thread) || thread->look_due))
		begin_attempt(address, slot, now, false);
	return true;
}

/* A thread in futex(), which is not known to wait, is back on a CPU: if it sleeps for a lock, it has since before. */
static __always_inline void woke_unseen(struct task_struct *task)
{
	__u64 futex = futex_waited_for(task);
	__u32 tgid = task->tgid, tid = task->pid, slot;
	__u64 address = lock_of_futex(tgid, futex);
	const struct unknown_sleep *last = &unknown_sleeps[tid & (UNKNOWN_SLEEPS - 1)];
	struct thread *thread;

	if (!address || (last->tid == tid && last->futex == futex)) /* it was seen, when the lock was not known yet */
		return;
	slot = find_slot(tid, DEALINGS_WITH_LOCK, address);
	thread = bpf_map_lookup_elem(&threads, &slot);
	if (thread && wait_window) {
		thread->old_wait = wait_window;
	} else if (!thread && !wait_windows) {
		note_woken(tgid, tid, bpf_ktime_get_ns(), BPF_NOEXIST);
	}
}

/*
 * The stack of the holder, who runs here: what others wait for now; 0: unknown. Without `ctx` its native frames are not
 * read; `syscall`: the one that it goes to sleep in, or NO_SYSCALL.
 */
static __always_inline __u64 look_at_running_holder(void *ctx, struct lock *lock, __u64 address, __u32 tgid,
						    __s32 syscall)
{
	struct walk *walk;
	__u32 number;
	__u64 stack;

	walk = take_walk(&number);
	if (!walk)
		return 0;
	clear_walk(walk, lock, true);
	walk->stack.syscall = syscall;
	if (python_stacks)
		read_python(walk, number,
			    holder_state(lock, address, tgid, unless_named(lock, bpf_get_current_pid_tgid())));
	if (native_stacks && ctx)
		read_native(walk, ctx);
	stack = tell_stack(walk, tgid, lock->instance);
	give_walk_back(number);
	return stack;
}

/* The lock that a thread holds; NULL: it holds none that is known. */
static __always_inline struct lock *held_lock(const struct thread *thread, __u32 tgid)
{
	struct lock *lock = thread->holding ? lock_at(thread->lock, tgid) : NULL;

	return lock && seen_holder(lock, window_of(lock)) == thread->tid ? lock : NULL;
}

/*
 * A holder that goes to sleep takes the lock along; those who look at it shall know where it is. What its stack is then
 * is seen here when somebody waits already, else by the first who comes to.
 */
static __always_inline void left_cpu(struct thread *thread, struct task_struct *task, bool asleep)
{
	__s32 syscall = asleep && thread->holding ? syscall_of(task) : NO_SYSCALL;
	__u64 now = bpf_ktime_get_ns();
	struct lock *lock;

	on_off_cpu(thread, now, asleep, syscall);
	lock = syscall != NO_SYSCALL ? held_lock(thread, task->tgid) : NULL;
	if (!lock)
		return;
	lock->holder_asleep_ns = now;
	lock->holder_syscall = syscall;
	lock->holder_stack =
		any_stacks && lock->waiters ? look_at_running_holder(NULL, lock, thread->lock, task->tgid, syscall) : 0;
}

static __always_inline void came_back(struct thread *thread, struct task_struct *task)
{
	__u64 now = bpf_ktime_get_ns(), since = thread->off_cpu_since;
	struct lock *lock;

	if (since && thread->off_cpu_syscall != NO_SYSCALL) {
		lock = held_lock(thread, task->tgid);
		if (lock)
			lock->holder_syscall = NO_SYSCALL;
		if (lock && lock->holder_stack && now > since + ASLEEP_NS)
			add_sample(lock, since, now, thread->tid, lock->holder_stack);
	}
	on_cpu_again(thread, now);
}

static __always_inline bool is_watching(void)
{
	return active && (!between_windows || any_always);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_sched_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	struct thread *thread;
	__u32 slot;

	if (!is_watching())
		return 0;
	if (is_traced(prev)) {
		bool asleep = !preempt && state_of(prev) != TASK_RUNNING;

		if (!waits_alone || syscall_of(prev) != FUTEX || !slept_for_lock(prev)) {
			thread = find_dealings(prev->pid, DEALINGS_BUSY, 0, &slot);
			if (thread && (thread->taking || thread->look_due) && asleep && syscall_of(prev) == FUTEX)
				slept(thread, slot, prev->tgid);
			else if (thread)
				left_cpu(thread, prev, asleep);
		}
	}
	if (is_traced(next)) {
		thread = find_dealings(next->pid, DEALINGS_BUSY, 0, &slot);
		if (thread && thread->taking)
			woken(thread, next->tgid);
		if (thread && thread->holding)
			came_back(thread, next);
		if (waits_alone && !(thread && thread->waiting_since && thread->wait_window == wait_window) &&
		    syscall_of(next) == FUTEX)
			woke_unseen(next);
	}
	return 0;
}

/*
 * The timer, on each CPU: when the thread that it interrupts holds a lock that others wait for, its stack is what they
 * wait for. Unlike the looks of those who begin to wait, it comes at any moment of a hold.
 */

static __always_inline bool is_held_by(const struct lock *lock, __u64 address, __u32 tid, __u64 thread_pointer)
{
	__u32 holder = seen_holder(lock, window_of(lock));
	int locked = 0;

	if (holder || lock->layout.lock_variable)
		return holder == tid;
	return lock->layout.locked != UNKNOWN_OFFSET &&
	       !bpf_probe_read_user(&locked, sizeof(locked), (void *)(address + lock->layout.locked)) && locked == 1 &&
	       is_state_of(lock, last_holder_state(lock, address), thread_pointer);
}

SEC("perf_event")
int on_timer(struct bpf_perf_event_data *ctx)
{
	__u64 tgid_tid = bpf_get_current_pid_tgid();
	__u32 tgid = tgid_tid >> 32, tid = tgid_tid;
	struct traced_process *process = is_watching() ? bpf_map_lookup_elem(&processes, &tgid) : NULL;
	__u64 pointer;

	if (!process)
		return 0;
	pointer = thread_pointer_of((struct task_struct *)bpf_get_current_task());
	for (int i = 0; i < LOCKS_OF_PROCESS && process->locks[i]; i++) {
		__u64 address = process->locks[i];
		struct lock *lock = lock_at(address, tgid);

		if (lock && lock->waiters && is_held_by(lock, address, tid, pointer)) {
			__u64 stack = look_at_running_holder(ctx, lock, address, tgid, NO_SYSCALL);
			__u64 now = bpf_ktime_get_ns();

			if (stack)
				add_sample(lock, now, now, tid, stack);
			return 0;
		}
	}
	return 0;
}

/* A new thread of a traced process, or a new process. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 tgid = parent->tgid, child_tgid = child->tgid;
	struct traced_process *process = bpf_map_lookup_elem(&processes, &tgid);

	if (!active || !process)
		return 0;
	if (child_tgid != tgid) {
		__sync_fetch_and_add(&forked, 1);
		if (scope == SCOPE_GIVEN)
			return 0;
		begin_process(child_tgid, tgid, bpf_ktime_get_ns(), process->load_bias);
	}
	remember_thread_pointer(child_tgid, child->pid, thread_pointer_of(child));
	return 0;
}

/* The thread that runs ends while it waits: it is no waiter any more. */
static __always_inline void give_up_waiting(struct thread *thread, __u32 tgid)
{
	struct lock *lock = thread->among_waiters ? lock_at(thread->lock, tgid) : NULL;

	if (lock)
		leave_waiters(lock, thread, bpf_ktime_get_ns());
}

/* The thread that runs ends: its dealings with one lock are told. Returns the slot of the next, or NO_SLOT. */
__attribute__((noinline)) __u32 end_dealings(__u32 tgid, __u32 slot)
{
	struct thread *thread = bpf_map_lookup_elem(&threads, &slot);

	if (!thread)
		return NO_SLOT;
	give_up_waiting(thread, tgid);
	bpf_get_current_comm(thread->name, sizeof(thread->name));
	thread->ended_ns = bpf_ktime_get_ns();
	tell(RECORD_THREAD_ENDED, tgid, slot, 0);
	return thread->next - 1;
}

/* Ends all dealings of a thread: they are kept until they have been read, and never found again. */
static __always_inline void end_thread(__u32 tgid, __u32 tid)
{
	__u32 *first = bpf_map_lookup_elem(&slots, &tid);
	__u32 slot = first ? *first : NO_SLOT;

	for (int i = 0; i < MAX_LOCKS_A_THREAD && slot != NO_SLOT; i++)
		slot = end_dealings(tgid, slot);
	bpf_map_delete_elem(&slots, &tid);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	struct thread_pointer key = {.tgid = task->tgid};
	__u32 tgid = task->tgid;
	struct traced_process *process = bpf_map_lookup_elem(&processes, &tgid);

	if (!active)
		return 0;
	end_thread(tgid, task->pid); /* also of a process that is taken to have ended: see below */
	if (!process)
		return 0;
	key.pointer = thread_pointer_of(task);
	bpf_map_delete_elem(&thread_pointers, &key);
	/* Threads that are killed together count down first and come here then, in any order: others may follow. */
	if (!task->signal->live.counter)
		end_process(tgid, process, false);
	return 0;
}

/* By now the process has one thread only, which has the number of its first one. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, pid_t old_pid)
{
	__u32 tgid = task->tgid;
	struct traced_process *process = bpf_map_lookup_elem(&processes, &tgid);
	__u32 parent;

	if (!active || (!process && scope != SCOPE_ALL))
		return 0;
	if (process) {
		parent = process->parent;
		end_thread(tgid, old_pid);
		end_thread(tgid, tgid);
		end_process(tgid, process, true);
		if (scope == SCOPE_CHILDREN)
			begin_process(tgid, parent, bpf_ktime_get_ns(), 0);
	}
	tell(RECORD_EXECED, tgid, 0, 0);
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
