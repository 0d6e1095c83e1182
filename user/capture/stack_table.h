/* SPDX-License-Identifier: MIT */
/*
 * What the kernel side calls stacks, 64-bit ids, to their numbers in the trace. A stack is named as soon as the kernel
 * side tells of it, while its process lives.
 */
#ifndef GILTRACE_CAPTURE_STACK_TABLE_H
#define GILTRACE_CAPTURE_STACK_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct capture;
struct stack_table;

/* NULL without memory. Names go into the stacks of the capture's `harvested` trace, which must be there. */
struct stack_table *stack_table__new(struct capture *capture);
void stack_table__free(struct stack_table *table); /* takes NULL */

/* Names a stack as it came through the ring; the signature is that of a ring buffer's callback, `context` the table. */
int stack_table__take(void *context, void *data, size_t size);

/* The number of the stack with this id; STACKS_UNKNOWN for 0, and for one that was not told. */
uint32_t stack_table__find(const struct stack_table *table, uint64_t id);

/* A life has ended: nothing of it has to be named any more. */
void stack_table__forget(struct stack_table *table, uint32_t tgid, uint32_t instance);

#endif
