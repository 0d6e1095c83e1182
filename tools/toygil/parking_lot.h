/* SPDX-License-Identifier: MIT */
/*
 * Where threads sleep for a byte to change, so that a lock can be as small as one byte: a hash table of queues, keyed
 * by the byte's address. (The idea is WebKit's; CPython's free-threaded build has the same.)
 */
#ifndef TOYGIL_PARKING_LOT_H
#define TOYGIL_PARKING_LOT_H

#include <stdbool.h>
#include <stdint.h>

struct thread;

enum parked {
	PARKED_NOT, /* the byte did not have the expected value any more */
	PARKED_WOKEN,
	PARKED_HANDED, /* woken, and the waker passed on what the byte stands for */
};

/*
 * Sleeps until unparked, if the byte has the value `expected` at a moment at which no unpark can be missed. `detach`:
 * the thread, which is attached, lets the world go on without it while it sleeps.
 */
enum parked parking_lot__park(struct thread *thread, const uint8_t *byte, uint8_t expected, bool detach);

/*
 * Wakes the one that has waited longest. `update` runs before, with the queue locked: it is told whether there is
 * a waiter at all, whether it has waited for so long that it should be handed what it waits for, and whether others
 * remain; it stores the byte's new value and returns whether that hands it over.
 */
typedef bool parking_lot_update(uint8_t *byte, bool waiter, bool late, bool more);
void parking_lot__unpark(uint8_t *byte, parking_lot_update *update);

void parking_lot__unpark_all(const uint8_t *byte);

#endif
