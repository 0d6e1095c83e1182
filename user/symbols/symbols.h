/* SPDX-License-Identifier: MIT */
/*
 * Raw stacks into names and lines, while the process that they are from lives: each stack is resolved as soon as it is
 * seen, and each code object is read once. What has gone by then is told by a note in its place, never guessed.
 */
#ifndef GILTRACE_SYMBOLS_H
#define GILTRACE_SYMBOLS_H

#include <stdint.h>

struct probe_plan;
struct process;
struct raw_stack;
struct stacks;
struct symbols;
struct trace_stack_quality;

/* Names go into `stacks`, what could not be named is counted in `quality`; both outlive it. NULL without memory. */
struct symbols *symbols__new(struct stacks *stacks, struct trace_stack_quality *quality);
void symbols__free(struct symbols *symbols); /* takes NULL */

/*
 * The number in `stacks` of a raw stack: Python frames, the native ones merged between them as far as they are there,
 * the system call as the leaf. `raw` is checked (its counts may be anything). `process` may be NULL: it is gone. `plan`
 * is that of the file that the runtime is in. -ENOMEM.
 */
int64_t symbols__resolve(struct symbols *symbols, const struct process *process, const struct probe_plan *plan,
			 const struct raw_stack *raw);

/* A process has ended or runs another program: what was remembered of it is forgotten. */
void symbols__forget(struct symbols *symbols, uint32_t tgid, uint32_t instance);

#endif
