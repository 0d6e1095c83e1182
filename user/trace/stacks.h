/* SPDX-License-Identifier: MIT */
/*
 * The frames and stacks of a trace, each kept once. A stack is named by a number, so that equal ones are equal numbers;
 * number 0 is the stack of which nothing is known. Pure: names come from user/symbols/, or from a test.
 */
#ifndef GILTRACE_STACKS_H
#define GILTRACE_STACKS_H

#include <stddef.h>
#include <stdint.h>

#define STACKS_UNKNOWN 0

enum frame_kind {
	FRAME_PYTHON,
	FRAME_NATIVE,
	FRAME_KERNEL, /* the system call that a thread sleeps in */
	FRAME_NOTE,   /* no frame: tells that something is missing, "[deeper frames cut]" */
};

#define FRAME_KINDS 4

/* Texts are any bytes that the target had there: reports escape them. */
struct trace_frame {
	const char *name; /* never NULL */
	const char *file; /* NULL: unknown */
	uint32_t line;    /* the one being executed; 0: unknown */
	enum frame_kind kind;
};

struct stacks;

/* An empty table, which has stack 0; NULL without memory. Freed with stacks__free(), which takes NULL. */
struct stacks *stacks__new(void);
void stacks__free(struct stacks *stacks);

/* The number of a frame, made if there is none like it; its texts are copied. -ENOMEM. */
int64_t stacks__add_frame(struct stacks *stacks, const struct trace_frame *frame);

/*
 * The number of the stack of these frames (numbers of frames), the leaf (the function that runs) first. Without any it
 * is STACKS_UNKNOWN. -ENOMEM; -EINVAL: there is no such frame.
 */
int64_t stacks__add(struct stacks *stacks, const uint32_t *frames, size_t count);

/* How many stacks there are, 0 among them, and how many frames. */
size_t stacks__count(const struct stacks *stacks);
size_t stacks__frame_count(const struct stacks *stacks);

/* The frames of a stack, the leaf first: *count of them. Good until something is added. */
const uint32_t *stacks__frames(const struct stacks *stacks, uint32_t stack, size_t *count);

/* The number of the frame that a stack's place is named by: the innermost Python function, else the leaf. -1: unknown.
 */
int64_t stacks__culprit(const struct stacks *stacks, uint32_t stack);

/* Orders frames by function: kind, name, file. 0: the same, whichever line. NULL comes first. */
int stacks__compare_functions(const struct trace_frame *a, const struct trace_frame *b);

/* A frame by its number; NULL: there is none such. Good until something is added. */
const struct trace_frame *stacks__frame(const struct stacks *stacks, uint32_t frame);

#endif
