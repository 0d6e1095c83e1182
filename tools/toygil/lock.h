/* SPDX-License-Identifier: MIT */
/*
 * The global lock's memory, laid out as CPython's struct _gil_runtime_state (3.7 to 3.15, x86-64 glibc), so that a
 * tracer that knows one knows the other. `ticks` uses the part that it needs.
 */
#ifndef TOYGIL_LOCK_H
#define TOYGIL_LOCK_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct thread;

struct lock {
	unsigned long interval; /* us that a waiter sleeps before it asks the holder to drop the lock */
	struct thread *last_holder;
	int locked;
	unsigned long switch_number; /* changes of last_holder */
	pthread_cond_t cond;         /* signalled when the lock is let go */
	pthread_mutex_t mutex;       /* protects all above */
	pthread_cond_t switch_cond;  /* signalled when another thread has taken it */
	pthread_mutex_t switch_mutex;
	/* From here on toygil's own. */
	uint64_t released_ns; /* of the last release, for the books; protected by mutex */
};

#if defined(__x86_64__) && defined(__GLIBC__)
_Static_assert(offsetof(struct lock, interval) == 0 && offsetof(struct lock, last_holder) == 8 &&
		       offsetof(struct lock, locked) == 16 && offsetof(struct lock, switch_number) == 24 &&
		       offsetof(struct lock, cond) == 32 && offsetof(struct lock, mutex) == 80 &&
		       offsetof(struct lock, switch_cond) == 120 && offsetof(struct lock, switch_mutex) == 168,
	       "the layout of CPython");
#endif

void lock__init(struct lock *lock, uint64_t interval_us);
void lock__destroy(struct lock *lock);

#endif
