/* SPDX-License-Identifier: MIT */
/* The contended paths of the one-byte lock: see object_mutex.h. */
#include "tools/toygil/object_mutex.h"

#include <sched.h>

#include "tools/toygil/parking_lot.h"

#define MAX_SPINS 40 /* CPython's figure */

static bool changed(uint8_t *mutex, uint8_t from, uint8_t to)
{
	return __atomic_compare_exchange_n(mutex, &from, to, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

void object_mutex__lock_slowly(struct thread *thread, uint8_t *mutex)
{
	int spins = 0;

	for (;;) {
		uint8_t value = __atomic_load_n(mutex, __ATOMIC_RELAXED);

		if (!(value & OBJECT_MUTEX_LOCKED)) {
			if (changed(mutex, value, value | OBJECT_MUTEX_LOCKED))
				return;
			continue;
		}
		if (!(value & OBJECT_MUTEX_PARKED)) {
			if (spins++ < MAX_SPINS) {
				sched_yield();
				continue;
			}
			if (!changed(mutex, value, value | OBJECT_MUTEX_PARKED))
				continue;
		}
		if (parking_lot__park(thread, mutex, OBJECT_MUTEX_LOCKED | OBJECT_MUTEX_PARKED, true) == PARKED_HANDED)
			return;
	}
}

/* A late waiter gets the lock as it is: locked. Else it is unlocked, for the quickest. */
static bool let_go(uint8_t *mutex, bool waiter, bool late, bool more)
{
	uint8_t value = more ? OBJECT_MUTEX_PARKED : 0;

	if (waiter && late)
		value |= OBJECT_MUTEX_LOCKED;
	__atomic_store_n(mutex, value, __ATOMIC_RELEASE);
	return waiter && late;
}

void object_mutex__unlock_slowly(uint8_t *mutex)
{
	parking_lot__unpark(mutex, let_go);
}
