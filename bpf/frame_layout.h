/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What a runtime tells of its threads' frames: how a stack is walked, and what a walk found. The innermost frame is
 * called the leaf; a stack has its leaf first.
 */
#ifndef GILTRACE_FRAME_LAYOUT_H
#define GILTRACE_FRAME_LAYOUT_H

#ifdef __bpf__
#include "vmlinux.h"
#else
#include <linux/types.h>
#endif

#define PYTHON_DEPTH 128 /* frames of a stack that are read at most */
#define NATIVE_DEPTH 64

#define FRAME_SPAN 128 /* bytes: all that is read of a frame lies within, at multiples of 4 */
#define CODE_SPAN  256 /* the same of a code object */

#define NO_FIELD ((__u32)-1)

/* How a frame says which instruction it is at. The walk makes an offset from the start of the code object of each. */
enum instruction_form {
	INSTRUCTION_INDEX,   /* an int, taken as it is (f_lasti) */
	INSTRUCTION_IN_CODE, /* a pointer into the code object itself, whose instructions begin at `instructions` */
	INSTRUCTION_BEHIND_POINTER /* a pointer into what the code object's field `instructions` points to */
};

/* Offsets in bytes; NO_FIELD where a runtime has no such thing. All zero: its frames are not known. */
struct frame_layout {
	__u64 code_type;      /* address in the file of the type object of code objects; 0: not checked */
	__u32 code_has_type;  /* where a code object points to its type */
	__u32 threads;        /* within an interpreter: a pointer to its newest thread state */
	__u32 next_thread;    /* within a thread state: the next one of its interpreter */
	__u32 top;            /* within a thread state: a pointer to the leaf; or, with top_within, ... */
	__u32 top_within;     /* ... to a structure that has that pointer here (3.11, 3.12: the C frame) */
	__u32 previous, code; /* within a frame: pointers */
	__u32 instruction;    /* within a frame */
	__u32 owner;          /* within a frame: a byte that says whose it is */
	__u32 foreign_owner; /* frames with this owner, or a greater one, are no function's: skipped; they mark an entry
			      */
	__u32 instruction_form;
	__u32 instructions;           /* within a code object */
	__u32 name, file, first_line; /* within a code object: they tell whether it is still the same one */
	__u32 interpreter;            /* within a thread state: a pointer to its interpreter */
};

/* One function's frame as a walk found it. */
struct raw_frame {
	__u64 code;        /* address of the code object */
	__u32 instruction; /* as enum instruction_form tells; INSTRUCTION_NONE: it has not begun */
	__u32 check;       /* code_check() of the code object then */
};

#define FRAME_ENTRY      (1U << 31) /* in `instruction`: C code called it; what is below runs in another evaluation */
#define INSTRUCTION_MASK (FRAME_ENTRY - 1)

/* Tells whether a code object is the one that was seen before: of its name, its file and its first line. */
static inline __attribute__((always_inline)) __u32 code_check(__u64 name, __u64 file, __u32 first_line)
{
	__u64 hash = (name ^ file * 0x9e3779b97f4a7c15 ^ first_line) * 0xff51afd7ed558ccd;

	return hash >> 32;
}

/* A stack that was seen for the first time, told through the ring. */
struct raw_stack {
	__u64 id; /* never 0 */
	__u32 tgid, instance;
	__u32 plan;         /* number of the runtime's file */
	__s32 syscall;      /* that the thread sleeps in; -1: none */
	__u64 load_bias;    /* where that file is loaded */
	__u32 python_count; /* frames */
	__u32 native_count; /* instruction pointers */
	__u32 cut;          /* the Python stack is deeper */
	__u32 no_python;    /* it was read, and has no frame: C code alone runs */
	struct raw_frame python[PYTHON_DEPTH];
	__u64 native[NATIVE_DEPTH];
};

#ifndef __bpf__
_Static_assert(sizeof(struct frame_layout) == 72, "the same on both sides");
_Static_assert(sizeof(struct raw_frame) == 16, "the same on both sides");
_Static_assert(sizeof(struct raw_stack) == 48 + 8 * NATIVE_DEPTH + 16 * PYTHON_DEPTH, "the same on both sides");
#endif

#endif
