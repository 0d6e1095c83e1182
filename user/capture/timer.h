/* SPDX-License-Identifier: MIT */
/* A timer on each CPU that looks at the stack of whoever holds a lock there while others wait for it. */
#ifndef GILTRACE_CAPTURE_TIMER_H
#define GILTRACE_CAPTURE_TIMER_H

#include <stdint.h>

struct giltrace_bpf;
struct timer;

/*
 * Starts it; needs no hardware counters. 0 and *out, or -errno (EOPNOTSUPP where perf events are switched off): then
 * stacks are those that waiters see when they begin to wait.
 */
int timer__start(struct giltrace_bpf *bpf, struct timer **out);

/*
 * To be called often: while waiters sleep for long it looks often, else seldom, for what it interrupts may be the worse
 * for it. `now_ns`: of CLOCK_MONOTONIC. Takes NULL.
 */
void timer__adapt(struct timer *timer, const struct giltrace_bpf *bpf, uint64_t now_ns);
void timer__stop(struct timer *timer); /* takes NULL */

#endif
