/* SPDX-License-Identifier: MIT */
/*
 * Where objects live: slots of one kind, handed out and taken back by the thread at hand without any lock. A slot that
 * was freed goes to the free list of the thread that freed it. A slot keeps its kind for good, and no memory goes back
 * before the run ends: that is what lets `none` look at a dead object instead of crashing on it.
 */
#ifndef TOYGIL_POOL_H
#define TOYGIL_POOL_H

#include <pthread.h>

#include "tools/toygil/object.h"

#if defined(__SANITIZE_ADDRESS__)
#define POOL_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_POISONS 1
#endif
#endif
#ifdef POOL_POISONS /* a free slot is out of bounds for the address sanitizer */
#include <sanitizer/asan_interface.h>
#define POOL_POISON(slot, size)   __asan_poison_memory_region(slot, size)
#define POOL_UNPOISON(slot, size) __asan_unpoison_memory_region(slot, size)
#else
#define POOL_POISON(slot, size)   ((void)(slot), (void)(size))
#define POOL_UNPOISON(slot, size) ((void)(slot), (void)(size))
#endif

/* One thread's free slots of one kind, linked through `owner`. */
struct pool {
	struct object *free;
	struct object *oldest, *youngest; /* quarantine: slots that `none` holds back, first in, first out */
	size_t waiting;
};

/* What a run allocated, and what threads that ended left over. */
struct pool_store {
	pthread_mutex_t mutex;
	struct pool_chunk *chunks;
	struct object *spare[KINDS];
};

size_t pool__slot_size(enum kind kind);

void pool__open_store(struct pool_store *store);
/* Frees every chunk, and the storage of objects that are still alive there. */
void pool__close_store(struct pool_store *store);

/* Refills an empty pool from the store and returns one slot, or NULL without memory. */
struct object *pool__refill(struct pool *pool, struct pool_store *store, enum kind kind);

/* Gives the slots of a thread that ends to the store. */
void pool__hand_over(struct pool pools[KINDS], struct pool_store *store);

/* A slot, or NULL without memory. Its header is not initialised, its storage pointer is what pool__put() found. */
static inline struct object *pool__get(struct pool *pool, struct pool_store *store, enum kind kind)
{
	struct object *slot = pool->free;

	if (__builtin_expect(!slot, 0)) {
		slot = pool__refill(pool, store, kind);
		if (!slot)
			return NULL;
	} else {
		POOL_UNPOISON(slot, pool__slot_size(kind));
		pool->free = (struct object *)(uintptr_t)slot->owner;
	}
	return slot;
}

static inline void pool__put(struct pool *pool, struct object *slot)
{
	slot->dead = 1;
	slot->owner = (uintptr_t)pool->free;
	pool->free = slot;
	POOL_POISON(slot, pool__slot_size(slot->kind));
}

/* Takes a slot back, but hands it out again only after `quarantine` more. For `none`; not poisoned. */
void pool__put_late(struct pool *pool, struct object *slot, size_t quarantine);

#endif
