/* SPDX-License-Identifier: MIT */
/* Slots for objects: see pool.h. */
#include "tools/toygil/pool.h"

#include <stdlib.h>

#define SLOTS_PER_CHUNK 256

struct pool_chunk {
	struct pool_chunk *next;
	enum kind kind;
	char slots[] __attribute__((aligned(16)));
};

size_t pool__slot_size(enum kind kind)
{
	static const size_t sizes[KINDS] = {
		[KIND_NONE] = sizeof(struct integer),      [KIND_BOOLEAN] = sizeof(struct integer),
		[KIND_INTEGER] = sizeof(struct integer),   [KIND_STRING] = sizeof(struct string),
		[KIND_LIST] = sizeof(struct list),         [KIND_DICT] = sizeof(struct dict),
		[KIND_FUNCTION] = sizeof(struct function),
	};

	return sizes[kind];
}

static struct object *slot_at(struct pool_chunk *chunk, size_t index)
{
	return (struct object *)(chunk->slots + index * pool__slot_size(chunk->kind));
}

void pool__open_store(struct pool_store *store)
{
	*store = (struct pool_store){0};
	pthread_mutex_init(&store->mutex, NULL);
}

static void free_storage(struct object *object)
{
	switch (object->kind) {
	case KIND_STRING:
		free(((struct string *)object)->bytes);
		break;
	case KIND_LIST:
		free(((struct list *)object)->items);
		break;
	case KIND_DICT:
		free(((struct dict *)object)->table);
		break;
	default:
		break;
	}
}

void pool__close_store(struct pool_store *store)
{
	while (store->chunks) {
		struct pool_chunk *chunk = store->chunks;

		store->chunks = chunk->next;
		POOL_UNPOISON(chunk->slots, SLOTS_PER_CHUNK * pool__slot_size(chunk->kind));
		for (size_t i = 0; i < SLOTS_PER_CHUNK; i++)
			free_storage(slot_at(chunk, i));
		free(chunk);
	}
	pthread_mutex_destroy(&store->mutex);
}

/* Takes all the spare slots of a kind; 0 when there are none. */
static struct object *take_spare(struct pool_store *store, enum kind kind)
{
	struct object *spare;

	pthread_mutex_lock(&store->mutex);
	spare = store->spare[kind];
	store->spare[kind] = NULL;
	pthread_mutex_unlock(&store->mutex);
	return spare;
}

static struct pool_chunk *new_chunk(struct pool_store *store, enum kind kind)
{
	struct pool_chunk *chunk = calloc(1, sizeof(*chunk) + SLOTS_PER_CHUNK * pool__slot_size(kind));

	if (!chunk)
		return NULL;
	chunk->kind = kind;
	pthread_mutex_lock(&store->mutex);
	chunk->next = store->chunks;
	store->chunks = chunk;
	pthread_mutex_unlock(&store->mutex);
	return chunk;
}

struct object *pool__refill(struct pool *pool, struct pool_store *store, enum kind kind)
{
	struct object *slot;

	pool->free = take_spare(store, kind);
	if (!pool->free) {
		struct pool_chunk *chunk = new_chunk(store, kind);

		if (!chunk)
			return NULL;
		for (size_t i = SLOTS_PER_CHUNK; i-- > 0;) {
			slot_at(chunk, i)->kind = kind;
			pool__put(pool, slot_at(chunk, i));
		}
	}
	slot = pool->free;
	POOL_UNPOISON(slot, pool__slot_size(kind));
	pool->free = (struct object *)(uintptr_t)slot->owner;
	return slot;
}

static void hand_over_list(struct object *first, struct pool_store *store, enum kind kind)
{
	size_t size = pool__slot_size(kind);
	struct object *last = first;

	if (!first)
		return;
	for (;;) {
		struct object *next;

		POOL_UNPOISON(last, size);
		next = (struct object *)(uintptr_t)last->owner;
		if (!next)
			break;
		POOL_POISON(last, size);
		last = next;
	}
	pthread_mutex_lock(&store->mutex);
	last->owner = (uintptr_t)store->spare[kind];
	store->spare[kind] = first;
	pthread_mutex_unlock(&store->mutex);
	POOL_POISON(last, size);
}

void pool__hand_over(struct pool pools[KINDS], struct pool_store *store)
{
	for (int kind = 0; kind < KINDS; kind++) {
		hand_over_list(pools[kind].free, store, kind);
		hand_over_list(pools[kind].oldest, store, kind);
		pools[kind] = (struct pool){0};
	}
}

void pool__put_late(struct pool *pool, struct object *slot, size_t quarantine)
{
	slot->owner = 0;
	if (pool->youngest)
		pool->youngest->owner = (uintptr_t)slot;
	else
		pool->oldest = slot;
	pool->youngest = slot;
	if (++pool->waiting > quarantine) {
		struct object *ready = pool->oldest;

		pool->oldest = (struct object *)(uintptr_t)ready->owner;
		pool->waiting--;
		ready->owner = (uintptr_t)pool->free;
		pool->free = ready;
	}
}
