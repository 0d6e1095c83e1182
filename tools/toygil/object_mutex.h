/* SPDX-License-Identifier: MIT */
/*
 * A lock of one byte, which every object's header has room for. Uncontended it is one compare-and-swap to lock and one
 * to unlock; a thread that has to wait spins a little and then sleeps in the parking lot.
 */
#ifndef TOYGIL_OBJECT_MUTEX_H
#define TOYGIL_OBJECT_MUTEX_H

#include <stdbool.h>
#include <stdint.h>

struct thread;

enum object_mutex_bits { OBJECT_MUTEX_LOCKED = 1, OBJECT_MUTEX_PARKED = 2 /* somebody sleeps for it */ };

void object_mutex__lock_slowly(struct thread *thread, uint8_t *mutex);
void object_mutex__unlock_slowly(uint8_t *mutex);

/* The thread, which is attached, detaches while it sleeps. */
static inline void object_mutex__lock(struct thread *thread, uint8_t *mutex)
{
	uint8_t unlocked = 0;

	if (!__atomic_compare_exchange_n(mutex, &unlocked, OBJECT_MUTEX_LOCKED, false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		object_mutex__lock_slowly(thread, mutex);
}

static inline void object_mutex__unlock(uint8_t *mutex)
{
	uint8_t locked = OBJECT_MUTEX_LOCKED;

	if (!__atomic_compare_exchange_n(mutex, &locked, 0, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		object_mutex__unlock_slowly(mutex);
}

#endif
