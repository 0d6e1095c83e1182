/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What a runtime tells of its lock: the events that a tracer can see, and where the lock keeps what. */
#ifndef GILTRACE_LOCK_LAYOUT_H
#define GILTRACE_LOCK_LAYOUT_H

#ifdef __bpf__
#include "vmlinux.h"
#else
#include <linux/types.h>
#endif

/* The events of a lock's life, as told by the site that is passed (docs/design.md). */
enum probe_event {
	PROBE_BLOCKED,  /* about to sleep: call of pthread_cond_timedwait(cond, mutex) */
	PROBE_WAITED,   /* woke up: the conditional jump after its result was compared with ETIMEDOUT */
	PROBE_ACQUIRED, /* has the lock: call of pthread_cond_signal(switch_cond) in the taking function */
	PROBE_RELEASED, /* let go: any other call of pthread_cond_signal(cond) */
	PROBE_SWITCHED, /* waits until another has taken it: call of pthread_cond_wait(switch_cond) */
	/* A lock that is a semaphore (CPython 2.7); the sleeps between the two are seen in the scheduler. */
	PROBE_TAKING, /* wants the lock: call of sem_wait(lock) */
	PROBE_TAKEN,  /* the conditional jump after sem_wait's result was tested: 0 means that it has the lock */
	PROBE_EVENTS,
};

/* Where a lock's parts are, in bytes from the lock's address. */
struct lock_layout {
	__s64 cond;        /* the first argument at blocked and released */
	__s64 switch_cond; /* the first argument at acquired and switched */
	__s64 mutex;       /* the second argument at blocked; checked there */
	__s64 locked;      /* an int: 1 while held; UNKNOWN_OFFSET: not found */
	__s64 last_holder; /* a pointer to the thread state of the last thread that took it; or UNKNOWN_OFFSET */
	__s64 thread_id;   /* within a thread state: the pthread_t of its thread; or UNKNOWN_OFFSET */
	/* Where each interpreter can have its own lock; else UNKNOWN_OFFSET. */
	__s64 interpreter;     /* within a thread state: a pointer to its interpreter */
	__s64 interpreter_id;  /* within an interpreter */
	__s64 interpreter_gil; /* within an interpreter: a pointer to its lock, and behind it the int own_gil */
	/*
	 * CPython 2.7: the address in the file of the pointer to its only lock, which is a semaphore; else 0. Then
	 * last_holder is an address in the file, too: that of the pointer to the thread state that holds the lock. (In
	 * the copy that belongs to a lock, they are an address in the process and an offset again.)
	 */
	__s64 lock_variable;
};

#define UNKNOWN_OFFSET ((__s64)1 << 62)

#ifndef __bpf__
_Static_assert(sizeof(struct lock_layout) == 80, "the same on both sides");
#endif

#endif
