/* SPDX-License-Identifier: MIT */
/*
 * Emptying, while the trace runs, what grows with the number of stacks: the pairs of waiters and holders, and the
 * places where threads let go of the lock. Nothing is lost by it: the kernel side goes on with entries of another
 * epoch, and those of the one before are read when no program can be writing to them any more.
 */
#ifndef GILTRACE_CAPTURE_DRAIN_H
#define GILTRACE_CAPTURE_DRAIN_H

struct capture;

/* Moves what there is into the capture's `harvested` trace. */
void drain__all(struct capture *capture);

#endif
