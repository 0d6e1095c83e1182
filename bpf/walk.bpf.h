/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Walking a thread's Python frames, by the layout that the runtime's file has, into a buffer.
 *
 * The thread may go on while it is walked: a waiter walks the holder, through the memory that both share. So each step
 * makes sure that the frame before still leads to the frame it has read: then both were on the stack at one moment, and
 * so was all that is below, for a frame stays as long as what it called. When that fails the walk begins again, a
 * bounded number of times. Whatever else cannot be (code that is no code object, a circle, memory that is not there) is
 * torn too.
 */
#ifndef GILTRACE_WALK_BPF_H
#define GILTRACE_WALK_BPF_H

#include "find.bpf.h"

/* Frames read in a walk, those of all its beginnings together; without bpf_loop the verifier must see each. */
#define WALK_STEPS          800
#define WALK_STEPS_UNROLLED 300
#define WALK_RESTARTS       96
#define PATIENT_RESTARTS    32   /* from then on, the frames nearest to the leaf are left out, more and more */
#define STEP_NS             2000 /* a step that took longer was interrupted: what it read may be of two moments; */
#define SLOW_STEP_NS        8000 /* but where each does, the holder's writes keep its memory in a far CPU's cache */
#define FRAMES_SPAN         (1UL << 20) /* bytes: farther apart, two frames are not of one stretch of memory */

const volatile __u32 python_depth = PYTHON_DEPTH;

/* Where the kernel has bpf_loop (5.17), the verifier sees one step of a loop instead of all. */
#define HAS_LOOP bpf_core_enum_value_exists(enum bpf_func_id___some, BPF_FUNC_loop)

#define WINDOW    2048 /* bytes that are read at once, at most */
#define RECHECKED 4    /* frames, the leaf among them, that are looked at once more */
#define PAGE      4096UL

enum walk_state { WALK_GOES_ON, WALK_DONE, WALK_CUT, WALK_TORN };

/* What a walk needs of a code object that it has read, so that it is read once, however often it comes. */
#define ALIGNED __attribute__((aligned(8))) /* else the compiler takes words together from bytes */

struct known_code {
	__u64 code, instructions;
	__u32 check;
	__u32 event; /* in which it was read: another time it may be another object */
};

#define KNOWN_CODES 128

struct walk {
	struct raw_stack stack;
	struct known_code known[KNOWN_CODES];
	__u32 event, pad_event;
	__u64 hash; /* of the Python frames */
	/* What was read of the memory that frames are in: where they lie one behind the other, several at once. */
	__u8 window[WINDOW + FRAME_SPAN] ALIGNED;
	__u64 window_start;
	__u32 window_size, pad;
	__u8 again[FRAME_SPAN] ALIGNED; /* a frame that was read before */
	__u8 code[CODE_SPAN] ALIGNED;
	__u64 top;       /* where the runtime keeps the pointer to the leaf */
	__u64 next;      /* the frame to be read */
	__u64 link;      /* where the pointer to it was read, */
	__u64 link_code; /* and the code of the frame that has that pointer, unless it is `top` */
	__u64 circle;    /* a frame seen before; one that comes back to it goes in a circle */
	__u64 leaf, leaf_code;
	__u64 code_type; /* in this process; 0: not checked */
	__u32 steps, restarts, step_ns;
	__u32 state;        /* enum walk_state */
	__u32 left_out;     /* frames next to the leaf */
	__u32 own;          /* of the thread that runs: nothing changes meanwhile */
	__u64 registers[6]; /* of the thread that runs, which may name its thread state; 0: they do not */
};

/* A walk takes one of these; a thread that is preempted keeps its. Sizes are set at load time. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct walk);
	__uint(max_entries, 1);
} walks SEC(".maps");

/* Taken from the top, so that it is mostly one that the caches have. */
struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__type(value, __u32);
	__uint(max_entries, 1);
} free_walks SEC(".maps");

static __always_inline __u64 mix(__u64 hash, __u64 value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15;
	return hash ^ hash >> 29;
}

static __always_inline __u64 read_word(__u64 address)
{
	__u64 word = 0;

	return bpf_probe_read_user(&word, sizeof(word), (void *)address) ? 0 : word;
}

/* Fields of what was read; offsets are held within it. */
#define WORD_AT(bytes, span, offset) (*(__u64 *)&(bytes)[(offset) & ((span)-8)])
#define INT_AT(bytes, span, offset)  (*(__u32 *)&(bytes)[(offset) & ((span)-4)])

/* Where the pointer to the leaf is. 0: it cannot be read. */
static __always_inline __u64 find_top(const struct frame_layout *layout, __u64 thread_state)
{
	__u64 within;

	if (layout->top_within == NO_FIELD)
		return thread_state + layout->top;
	within = read_word(thread_state + layout->top);
	return within ? within + layout->top_within : 0;
}

/*
 * Begins with the leaf. Where functions come and go too fast for that, those that called them stay longer: with each
 * eighth failure the beginning is one frame further away from the leaf.
 */
static __always_inline long begin_again(struct walk *walk, const struct frame_layout *layout)
{
	if (walk->restarts++ >= WALK_RESTARTS) {
		walk->state = WALK_TORN;
		return 1;
	}
	walk->stack.python_count = 0;
	walk->hash = 0;
	walk->link = walk->top;
	walk->circle = 0;
	walk->steps = 0;
	walk->window_size = 0;
	if (!walk->own)
		walk->event++;
	walk->next = walk->leaf = read_word(walk->top);
	walk->left_out = walk->restarts > PATIENT_RESTARTS ? (walk->restarts - PATIENT_RESTARTS + 7) >> 3 : 0;
	for (__u32 i = 0; i < 8 && i < walk->left_out && walk->next; i++) {
		walk->next = read_word(walk->next + layout->previous);
		walk->link = 0;
	}
	if (!walk->next)
		walk->state = WALK_DONE;
	return walk->state != WALK_GOES_ON;
}

/*
 * Where frames lie one behind the other, one that was left keeps its content until another is laid over it. So the one
 * before must be on the stack still: at or below the leaf of this moment, or below a generator that is the leaf and
 * lies elsewhere.
 */
static __always_inline bool is_below_leaf(const struct walk *walk, const struct frame_layout *layout,
					  __u64 frame_before)
{
	__u64 leaf = read_word(walk->top);

	for (int i = 0; i < 3; i++) {
		if (leaf == walk->leaf || leaf - frame_before < FRAMES_SPAN)
			return true;
		leaf = read_word(leaf + layout->previous);
	}
	return false;
}

/*
 * Whether a frame is on the stack still, and has this code and leads to this one. Where frames are objects (up
 * to 3.10), one that was left keeps its content, too, until it is used for another, but it has no reference.
 */
static __always_inline bool is_active(struct walk *walk, const struct file_plan *plan, __u64 frame, __u64 code,
				      __u64 previous)
{
	const struct frame_layout *layout = &plan->frames;
	__u32 size = plan->frame_size;

	if (size > FRAME_SPAN)
		size = FRAME_SPAN;
	if (bpf_probe_read_user(walk->again, size, (void *)frame) ||
	    WORD_AT(walk->again, FRAME_SPAN, layout->code) != code ||
	    WORD_AT(walk->again, FRAME_SPAN, layout->previous) != previous)
		return false;
	return layout->instruction_form == INSTRUCTION_INDEX ? WORD_AT(walk->again, FRAME_SPAN, 0) != 0
							     : is_below_leaf(walk, layout, frame);
}

/* Whether the frame before, or the thread, still leads to the one that was read now, into `frame`. */
static __always_inline bool is_linked(struct walk *walk, const struct file_plan *plan, const __u8 *frame)
{
	const struct frame_layout *layout = &plan->frames;

	if (walk->link == walk->top)
		return read_word(walk->link) == walk->next;
	if (walk->link)
		return is_active(walk, plan, walk->link - layout->previous, walk->link_code, walk->next);
	/* Nothing led to it that was looked at: it must be as it was. */
	return is_active(walk, plan, walk->next, WORD_AT(frame, FRAME_SPAN, layout->code),
			 WORD_AT(frame, FRAME_SPAN, layout->previous));
}

/* The instruction that a frame is at, as an offset from the start of its code object, or an index. */
static __always_inline __u32 instruction_of(const struct frame_layout *layout, const __u8 *frame,
					    const struct known_code *known)
{
	__u64 instruction;

	if (layout->instruction_form == INSTRUCTION_INDEX)
		return INT_AT(frame, FRAME_SPAN, layout->instruction) & INSTRUCTION_MASK;
	instruction = WORD_AT(frame, FRAME_SPAN, layout->instruction);
	if (layout->instruction_form == INSTRUCTION_IN_CODE)
		return (instruction - known->code - layout->instructions) & INSTRUCTION_MASK;
	return (instruction - known->instructions) & INSTRUCTION_MASK;
}

static __always_inline void append_frame(struct walk *walk, __u64 code, __u32 instruction, __u32 check)
{
	__u32 at = walk->stack.python_count;

	if (at >= PYTHON_DEPTH)
		return;
	walk->stack.python[at].code = code;
	walk->stack.python[at].instruction = instruction;
	walk->stack.python[at].check = check;
	walk->stack.python_count = at + 1;
	walk->hash = mix(mix(walk->hash, code), (__u64)check << 32 | instruction);
}

/*
 * The code object of a frame; NULL: it is none. What was read of one for the holder holds for the thread that looks at
 * it, too: its own frames keep their code meanwhile.
 */
static __always_inline const struct known_code *read_code(struct walk *walk, const struct file_plan *plan, __u64 code)
{
	struct known_code *known = &walk->known[code * 0x9e3779b97f4a7c15 >> 57 & (KNOWN_CODES - 1)];
	const struct frame_layout *layout = &plan->frames;
	__u32 size = plan->code_size;

	if (known->code == code && known->event == walk->event)
		return known;
	if (size > CODE_SPAN)
		size = CODE_SPAN;
	if (bpf_probe_read_user(walk->code, size, (void *)code) ||
	    (walk->code_type && WORD_AT(walk->code, CODE_SPAN, layout->code_has_type) != walk->code_type))
		return NULL;
	known->code = code;
	known->event = walk->event;
	known->instructions = WORD_AT(walk->code, CODE_SPAN, layout->instructions);
	known->check =
		code_check(WORD_AT(walk->code, CODE_SPAN, layout->name), WORD_AT(walk->code, CODE_SPAN, layout->file),
			   INT_AT(walk->code, CODE_SPAN, layout->first_line));
	return known;
}

/* C code called the function of the frame that was appended last. */
static __always_inline void mark_entry(struct walk *walk)
{
	__u32 at = walk->stack.python_count - 1;

	if (at >= PYTHON_DEPTH)
		return;
	walk->stack.python[at].instruction |= FRAME_ENTRY;
	walk->hash = mix(walk->hash, FRAME_ENTRY);
}

/*
 * Reads the frame at `next`, and what lies before it in the same page, which is mostly those that called it: frames
 * that were read together were there together, but for the little time that it took.
 */
static __always_inline bool read_window(struct walk *walk, const struct file_plan *plan)
{
	__u64 start = walk->next, end = walk->next + plan->frame_size, length;

	if (plan->frames.instruction_form != INSTRUCTION_INDEX) {
		start &= ~(PAGE - 1);
		if (end - start > WINDOW)
			start = end - WINDOW;
	}
	length = end - start;
	if (length > WINDOW)
		length = WINDOW;
	walk->window_size = 0;
	if (bpf_probe_read_user(walk->window, length, (void *)start))
		return false;
	walk->window_start = start;
	walk->window_size = length;
	return true;
}

static __always_inline bool is_in_window(const struct walk *walk, const struct file_plan *plan)
{
	return walk->next >= walk->window_start &&
	       walk->next + plan->frame_size <= walk->window_start + walk->window_size;
}

/* Where the frame at `next` is in the window. */
static __always_inline const __u8 *in_window(const struct walk *walk)
{
	return walk->window + ((walk->next - walk->window_start) & (WINDOW - 1));
}

/*
 * While a window was read functions may have returned and others been called in their place. So the frames next to the
 * leaf must be the same once more, one by one, and then the leaf must be it still.
 */
static __always_inline bool is_same_again(struct walk *walk, const struct frame_layout *layout)
{
	__u64 code = WORD_AT(in_window(walk), FRAME_SPAN, layout->code);

	if (walk->own || walk->steps > RECHECKED)
		return true;
	if (walk->steps == 1)
		walk->leaf_code = code;
	if (read_word(walk->next + layout->code) != code)
		return false;
	return walk->steps != RECHECKED || walk->left_out ||
	       (read_word(walk->top) == walk->leaf && read_word(walk->leaf + layout->code) == walk->leaf_code);
}

/* Makes sure that the window has the frame at `next`, on the stack of this moment. */
static __always_inline bool find_frame(struct walk *walk, const struct file_plan *plan)
{
	const struct frame_layout *layout = &plan->frames;
	__u64 began;

	if (is_in_window(walk, plan))
		return is_same_again(walk, layout);
	if (walk->own)
		return read_window(walk, plan);
	began = bpf_ktime_get_ns();
	if (!read_window(walk, plan) || !is_linked(walk, plan, in_window(walk)) || !is_same_again(walk, layout))
		return false;
	if (bpf_ktime_get_ns() - began <= walk->step_ns)
		return true;
	if (walk->step_ns < SLOW_STEP_NS)
		walk->step_ns *= 2;
	return false;
}

/* Takes in one frame. 1: the walk has ended, walk->state says how. */
static __always_inline long step(struct walk *walk, const struct file_plan *plan)
{
	const struct frame_layout *layout = &plan->frames;
	const struct known_code *known = NULL;
	__u64 address = walk->next, code;
	const __u8 *frame;
	bool foreign;

	walk->steps++;
	if (address == walk->circle || !find_frame(walk, plan))
		return begin_again(walk, layout);
	frame = in_window(walk);
	code = WORD_AT(frame, FRAME_SPAN, layout->code) & ~7ULL;
	foreign = layout->owner != NO_FIELD && frame[layout->owner & (FRAME_SPAN - 1)] >= layout->foreign_owner;
	if (!foreign) {
		known = read_code(walk, plan, code);
		if (!known)
			return begin_again(walk, layout);
	}
	if (!known)
		mark_entry(walk);
	else if (walk->stack.python_count >= python_depth)
		walk->state = WALK_CUT;
	else
		append_frame(walk, code, instruction_of(layout, frame, known), known->check);
	if (!(walk->steps & (walk->steps - 1)))
		walk->circle = address;
	if (!walk->own) {
		walk->link = address + layout->previous;
		walk->link_code = WORD_AT(frame, FRAME_SPAN, layout->code);
	}
	walk->next = WORD_AT(frame, FRAME_SPAN, layout->previous);
	if (!walk->next && walk->state == WALK_GOES_ON)
		walk->state = WALK_DONE;
	return walk->state != WALK_GOES_ON;
}

struct step_context {
	struct walk *walk;
	const struct file_plan *plan;
};

static long step_of_loop(__u32 number, void *data)
{
	struct step_context *context = data;

	(void)number;
	return step(context->walk, context->plan);
}

/*
 * Walks the Python frames of a thread state into a buffer; returns an enum walk_state. Global, so that it is verified
 * once, not for each caller.
 */
__attribute__((noinline)) int walk_python(__u32 number, __u64 thread_state, __u32 plan_number)
{
	struct walk *walk = bpf_map_lookup_elem(&walks, &number);
	struct file_plan *plan = bpf_map_lookup_elem(&plans, &plan_number);
	struct step_context context = {.walk = walk, .plan = plan};

	if (!walk || !plan)
		return WALK_TORN;
	if (!plan->frame_size)
		return WALK_TORN; /* this runtime's frames are not known */
	walk->top = find_top(&plan->frames, thread_state);
	walk->code_type = plan->frames.code_type ? plan->frames.code_type + walk->stack.load_bias : 0;
	walk->state = WALK_GOES_ON;
	walk->restarts = 0;
	walk->step_ns = STEP_NS;
	if (!walk->top)
		return WALK_TORN;
	if (begin_again(walk, &plan->frames))
		return walk->state;
	if (HAS_LOOP) {
		bpf_loop(WALK_STEPS, step_of_loop, &context, 0);
	} else {
		for (int i = 0; i < WALK_STEPS_UNROLLED; i++)
			if (step(walk, plan))
				break;
	}
	return walk->state;
}

#endif
