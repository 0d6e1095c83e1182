/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Looking at the stacks of the thread that runs and of the one that holds the lock: finding where the runtime keeps
 * their frames, walking them (walk.bpf.h), and telling the user side. A stack's id is the hash of its frames; one that
 * was not seen lately is told at once, and the user side names the frames while they are there.
 */
#ifndef GILTRACE_STACKS_BPF_H
#define GILTRACE_STACKS_BPF_H

#include "find.bpf.h"
#include "walk.bpf.h"

#define SEARCH_STEPS 1024 /* thread states of an interpreter that are looked at to find one */

const volatile bool python_stacks, native_stacks;
#define any_stacks (python_stacks || native_stacks)

__u64 walk_counts[WALK_COUNTS];

/* The ids that were told. One that is forgotten is told again. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, __u64);
	__type(value, __u32);
	__uint(max_entries, 1);
} told_stacks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} new_stacks SEC(".maps");

static __always_inline void count_more(enum walk_count count, __u64 more)
{
	__sync_fetch_and_add(&walk_counts[count], more);
}

static __always_inline void count_walk(enum walk_count count)
{
	count_more(count, 1);
}

/* Takes a buffer; NULL: all are in use. */
static __always_inline struct walk *take_walk(__u32 *number)
{
	struct walk *walk;

	if (bpf_map_pop_elem(&free_walks, number)) {
		lose(LOST_STACKS);
		return NULL;
	}
	walk = bpf_map_lookup_elem(&walks, number);
	if (walk)
		walk->event++;
	return walk;
}

/* Empties it for a stack of this lock's runtime; `own`: of the thread that runs. */
static __always_inline void clear_walk(struct walk *walk, const struct lock *lock, bool own)
{
	walk->own = own;
	walk->hash = 0;
	walk->stack.plan = lock->plan;
	walk->stack.load_bias = lock->load_bias;
	walk->stack.syscall = NO_SYSCALL;
	walk->stack.python_count = 0;
	walk->stack.native_count = 0;
	walk->stack.cut = 0;
	walk->stack.no_python = 0;
	for (int i = 0; i < 6; i++)
		walk->registers[i] = 0;
}

static __always_inline void give_walk_back(__u32 number)
{
	bpf_map_push_elem(&free_walks, &number, BPF_ANY);
}

/* A stack's id: of its Python frames, which have their hash already, and enough of the native ones to tell them apart.
 */
static __always_inline __u64 id_of(const struct raw_stack *stack, __u64 python_hash, __u32 tgid, __u32 instance)
{
	__u64 id = mix(mix(python_hash, instance), (__u64)tgid << 32 | (__u32)stack->syscall);

	for (__u32 i = 0; i < 8 && i < stack->native_count; i++)
		id = mix(id, stack->native[i]);
	return id | 1;
}

/* Tells a stack unless it was told. Returns its id; 0: there is nothing in it, or no room to tell it. */
static __attribute__((noinline)) __u64 tell_stack(struct walk *walk, __u32 tgid, __u32 instance)
{
	struct raw_stack *stack = &walk->stack;
	__u64 id, size = sizeof(*stack);
	__u32 yes = 1;

	if (!stack->python_count && !stack->native_count && !stack->no_python)
		return 0;
	id = id_of(stack, walk->hash, tgid, instance);
	if (bpf_map_lookup_elem(&told_stacks, &id))
		return id;
	stack->id = id;
	stack->tgid = tgid;
	stack->instance = instance;
	if (!stack->native_count) {
		__u32 count = stack->python_count;

		size = __builtin_offsetof(struct raw_stack, python) +
		       sizeof(stack->python[0]) * (count & (2 * PYTHON_DEPTH - 1));
		if (size > sizeof(*stack))
			size = sizeof(*stack);
	}
	if (bpf_ringbuf_output(&new_stacks, stack, size, 0)) {
		lose(LOST_STACKS);
		return 0;
	}
	bpf_map_update_elem(&told_stacks, &id, &yes, BPF_ANY);
	return id;
}

/* Reads the Python stack of a thread state, 0: it was not found. Leaves none where that fails, and counts it. */
static __always_inline void read_python(struct walk *walk, __u32 number, __u64 thread_state)
{
	enum walk_state state;

	count_walk(WALKS);
	if (!thread_state) {
		count_walk(WALKS_MISSING);
		return;
	}
	state = walk_python(number, thread_state, walk->stack.plan);
	if (state == WALK_DONE) {
		walk->stack.no_python = !walk->stack.python_count;
		return;
	}
	if (state == WALK_CUT) {
		walk->stack.cut = 1;
		count_walk(WALKS_CUT);
		return;
	}
	walk->stack.python_count = 0;
	walk->hash = 0;
	count_walk(WALKS_TORN);
}

/* The native frames of the thread that runs. Without frame pointers they are the leaf and whatever comes of it. */
static __always_inline void read_native(struct walk *walk, void *ctx)
{
	long size = bpf_get_stack(ctx, walk->stack.native, sizeof(walk->stack.native), BPF_F_USER_STACK);

	if (size >= (long)sizeof(__u64) && size <= (long)sizeof(walk->stack.native))
		walk->stack.native_count = size / sizeof(__u64);
}

/*
 * Thread states. A thread's own has its thread pointer as thread_id, and is in its interpreter's list: other memory may
 * have the thread pointer there, too.
 */
static __always_inline bool is_listed(const struct frame_layout *layout, __u64 thread_state, __u64 lock_interpreter)
{
	__u64 interpreter, previous;

	if (layout->threads == NO_FIELD)
		return true;
	interpreter = read_word(thread_state + layout->interpreter);
	if (!layout->next_thread) /* 2.7: linked one way */
		return !lock_interpreter || interpreter == lock_interpreter;
	previous = read_word(thread_state); /* at 0 in every version */
	return read_word(previous ? previous + layout->next_thread : interpreter + layout->threads) == thread_state;
}

/* Global, so that the verifier sees it once. */
__attribute__((noinline)) int is_state(__u64 address, __u64 thread_pointer, __u32 plan_number, __u64 lock_interpreter)
{
	struct file_plan *plan = bpf_map_lookup_elem(&plans, &plan_number);

	return address && plan && plan->layout.thread_id != UNKNOWN_OFFSET &&
	       read_word(address + plan->layout.thread_id) == thread_pointer &&
	       is_listed(&plan->frames, address, lock_interpreter);
}

static __always_inline bool is_state_of(const struct lock *lock, __u64 thread_state, __u64 thread_pointer)
{
	return is_state(thread_state, thread_pointer, lock->plan, lock->interpreter_address);
}

/* What the lock itself says of its holder. */
static __always_inline __u64 last_holder_state(const struct lock *lock, __u64 address)
{
	return lock->layout.last_holder == UNKNOWN_OFFSET ? 0 : read_word(address + lock->layout.last_holder);
}

/* The function that takes the lock has its thread state in a register that calls preserve, in most builds. */
static __always_inline void keep_registers(struct walk *walk, const struct pt_regs *ctx)
{
	walk->registers[0] = ctx->bx;
	walk->registers[1] = ctx->bp;
	walk->registers[2] = ctx->r12;
	walk->registers[3] = ctx->r13;
	walk->registers[4] = ctx->r14;
	walk->registers[5] = ctx->r15;
}

static __always_inline __u64 state_in_registers(const struct lock *lock, const struct walk *walk, __u64 thread_pointer)
{
	__u64 found = 0;

	for (int i = 0; i < 6; i++) {
		__u64 candidate = walk->registers[i];

		if (candidate > 4096 && !(candidate & 7) &&
		    read_word(candidate + lock->layout.thread_id) == thread_pointer)
			found = candidate;
	}
	return is_state_of(lock, found, thread_pointer) ? found : 0;
}

struct search {
	__u64 next, thread_pointer, found;
	__u32 next_thread;
	__s64 thread_id;
};

static long search_step(__u32 step_number, void *data)
{
	struct search *search = data;

	(void)step_number;
	if (!search->next)
		return 1;
	if (read_word(search->next + search->thread_id) == search->thread_pointer) {
		search->found = search->next;
		return 1;
	}
	search->next = read_word(search->next + search->next_thread);
	return 0;
}

/* The interpreter's list of thread states, the newest first. */
static __attribute__((noinline)) __u64 state_in_list(struct lock *lock, __u64 thread_pointer)
{
	__u32 number = lock->plan;
	struct file_plan *plan = bpf_map_lookup_elem(&plans, &number);
	struct search search = {.thread_pointer = thread_pointer, .thread_id = lock->layout.thread_id};

	if (!plan || plan->frames.threads == NO_FIELD || !lock->interpreter_address)
		return 0;
	search.next_thread = plan->frames.next_thread;
	search.next = read_word(lock->interpreter_address + plan->frames.threads);
	if (HAS_LOOP) {
		bpf_loop(SEARCH_STEPS, search_step, &search, 0);
	} else {
		for (int i = 0; i < 64; i++)
			if (search_step(0, &search))
				break;
	}
	return search.found;
}

static __always_inline void remember_interpreter(struct lock *lock, __u64 thread_state)
{
	__u32 number = lock->plan;
	struct file_plan *plan = bpf_map_lookup_elem(&plans, &number);

	if (plan && plan->frames.interpreter != NO_FIELD && thread_state && !lock->interpreter_address)
		lock->interpreter_address = read_word(thread_state + plan->frames.interpreter);
}

/* Whether the thread that runs works with this thread state at the moment. */
static __always_inline bool is_in_registers(const struct walk *walk, __u64 thread_state)
{
	for (int i = 0; i < 6; i++)
		if (walk->registers[i] == thread_state)
			return true;
	return false;
}

/* Where the thread that runs has its frames; 0: not found. */
static __always_inline __u64 own_state(struct lock *lock, __u64 address, struct thread *thread, const struct walk *walk)
{
	__u64 pointer = thread_pointer_of((struct task_struct *)bpf_get_current_task());
	__u64 state = thread->thread_state;

	if (state && (is_in_registers(walk, state) || is_state_of(lock, state, pointer)))
		return state;
	state = last_holder_state(lock, address);
	remember_interpreter(lock, state);
	if (!is_state_of(lock, state, pointer))
		state = state_in_registers(lock, walk, pointer);
	if (!state)
		state = state_in_list(lock, pointer);
	remember_interpreter(lock, state);
	thread->thread_state = state;
	return state;
}

/*
 * The same for the holder, 0: the thread whose state the lock itself names. That is another when the holder let go
 * since, and in 2.7, where what tells who runs is set a little after the lock was taken.
 */
static __always_inline __u64 holder_state(struct lock *lock, __u64 address, __u32 tgid, __u32 holder)
{
	__u64 state = last_holder_state(lock, address);
	bool named = !lock->layout.lock_variable;
	struct thread *thread;
	__u32 slot;

	if (!holder || (named && owner_of_state(lock, state, tgid) == holder))
		return state;
	thread = find_dealings(holder, DEALINGS_WITH_LOCK, address, &slot);
	if (!thread)
		return named ? 0 : state;
	if (thread->thread_state && (!named || is_state_of(lock, thread->thread_state, thread->pointer)))
		return thread->thread_state;
	return !named && is_state_of(lock, state, thread->pointer) ? state : state_in_list(lock, thread->pointer);
}

/*
 * The looks. They are global functions of numbers only, so that the verifier sees each once and not for each caller:
 * with pointers it would take seconds.
 */

static __always_inline bool find_both(__u64 address, __u32 slot, struct lock **lock, struct thread **thread)
{
	*thread = bpf_map_lookup_elem(&threads, &slot);
	if (!*thread)
		return false;
	*lock = lock_at(address, (*thread)->tgid);
	return *lock;
}

/* For a look at whoever has the lock: 0 where the lock names that thread's state, which is all but 2.7's. */
static __always_inline __u32 unless_named(const struct lock *lock, __u32 holder)
{
	return lock->layout.lock_variable ? holder : 0;
}

/* The system call that the holder sleeps in, unless that may be the runtime's own mutex; or NO_SYSCALL. */
static __always_inline __s32 asleep_syscall(const struct lock *lock)
{
	__s32 syscall = lock->holder_syscall;

	if (syscall == FUTEX && bpf_ktime_get_ns() < lock->holder_asleep_ns + ASLEEP_NS)
		return NO_SYSCALL;
	return syscall;
}

/*
 * The stack that the holder (a tid, 0: whom the lock names) has now, read by the waiter of this slot into a walk. 0:
 * unknown.
 */
__attribute__((noinline)) __u64 look_at_holder(__u64 address, __u32 slot, __u32 holder, __u32 number)
{
	struct walk *walk = bpf_map_lookup_elem(&walks, &number);
	struct thread *thread;
	struct lock *lock;

	if (!walk || !find_both(address, slot, &lock, &thread))
		return 0;
	clear_walk(walk, lock, false);
	read_python(walk, number, holder_state(lock, address, thread->tgid, holder));
	if ((walk->stack.python_count || walk->stack.no_python) &&
	    (!holder || find_holder(lock, address, thread->tgid) == holder))
		walk->stack.syscall = asleep_syscall(lock);
	return tell_stack(walk, thread->tgid, lock->instance);
}

/*
 * The stack of the thread that runs, whose slot it is, into a walk that may have its registers and native frames
 * already. Returns the id of the Python frames alone; 0: unknown. The slot has the id of all in `seen_stack`.
 */
__attribute__((noinline)) __u64 look_at_self(__u64 address, __u32 slot, __u32 number)
{
	struct walk *walk = bpf_map_lookup_elem(&walks, &number);
	struct thread *thread;
	struct lock *lock;
	__u32 native_count;
	__u64 id = 0;

	if (!walk || !find_both(address, slot, &lock, &thread))
		return 0;
	native_count = walk->stack.native_count;
	walk->stack.native_count = 0;
	if (python_stacks) {
		read_python(walk, number, own_state(lock, address, thread, walk));
		id = tell_stack(walk, thread->tgid, lock->instance);
	}
	thread->seen_stack = id;
	if (native_count) {
		walk->stack.native_count = native_count;
		thread->seen_stack = tell_stack(walk, thread->tgid, lock->instance);
	}
	return id;
}

/* The same, into a walk that was taken; `ctx` NULL: without registers and native frames. */
static __always_inline __u64 look_here(struct pt_regs *ctx, const struct lock *lock, __u64 address, __u32 slot,
				       struct walk *walk, __u32 number)
{
	clear_walk(walk, lock, true);
	if (ctx)
		keep_registers(walk, ctx);
	if (ctx && native_stacks)
		read_native(walk, ctx);
	return look_at_self(address, slot, number);
}

#endif
