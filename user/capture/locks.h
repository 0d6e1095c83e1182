/* SPDX-License-Identifier: MIT */
/* Reading the locks that the kernel side met (bpf/locks.bpf.h). */
#ifndef GILTRACE_CAPTURE_LOCKS_H
#define GILTRACE_CAPTURE_LOCKS_H

#include <stdbool.h>

#include "bpf/giltrace.h"

struct giltrace_bpf;

/* False: it was not met, or its process has ended. */
bool locks__read(const struct giltrace_bpf *bpf, const struct lock_key *key, struct lock *lock);

/*
 * Each lock there is, one after the other: `lock` is one that this gave before, or with address 0 to begin with, and
 * becomes the next. False: there is none. Those that come and go meanwhile may be left out or told twice; bounding the
 * loop is the caller's part.
 */
bool locks__next(const struct giltrace_bpf *bpf, struct lock *lock);

/* Makes the kernel side forget it. */
void locks__remove(const struct giltrace_bpf *bpf, const struct lock_key *key);

/* The most there can be. */
unsigned int locks__room(const struct giltrace_bpf *bpf);

#endif
