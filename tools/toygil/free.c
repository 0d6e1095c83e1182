/* SPDX-License-Identifier: MIT */
/*
 * The design of PEP 703 (free-threaded CPython 3.13): no global lock.
 *
 * Biased reference counts: the thread that made an object counts in ref_local, without atomics; all others count in
 * ref_shared, atomically. When the local count reaches zero the two are merged, and from then on every thread counts in
 * ref_shared; the object dies at a merged count of zero. A shared count that would go below zero means that others let
 * go of references that are in the local count: then the object is queued to its owner, who merges at its next look at
 * the eval breaker (or, if the owner has ended, merged at once). A queued object keeps the reference that queued it.
 *
 * What a container does takes its object's one-byte lock, in a critical section. Threads attach and detach (world.c).
 */
#include <errno.h>
#include <stdlib.h>

#include "tools/toygil/design.h"
#include "tools/toygil/world.h"

static void deallocate(struct thread *thread, struct object *object);
static void release(struct thread *thread, struct object *object);

static inline bool is_owner(struct thread *thread, const struct object *object)
{
	return __atomic_load_n(&object->owner, __ATOMIC_RELAXED) == thread->id;
}

static inline int64_t load_shared(const struct object *object)
{
	return __atomic_load_n(&object->ref_shared, __ATOMIC_ACQUIRE);
}

/* Stores `to` unless another thread was quicker: then `from` is what that one stored. */
static inline bool change_shared(struct object *object, int64_t *from, int64_t to)
{
	return __atomic_compare_exchange_n(&object->ref_shared, from, to, true, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* Adds the local count, and `extra`, to the shared one. The sum. Nobody counts locally meanwhile. */
static int64_t merge(struct object *object, int64_t extra)
{
	int64_t local = __atomic_load_n(&object->ref_local, __ATOMIC_RELAXED);
	int64_t shared = load_shared(object), sum;

	__atomic_store_n(&object->ref_local, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&object->owner, 0, __ATOMIC_RELAXED);
	do {
		sum = (shared >> SHARED_SHIFT) + local + extra;
	} while (!change_shared(object, &shared, SHARED_COUNT(sum, SHARED_MERGED)));
	return sum;
}

/* Under the world's mutex. Without memory for the queue the object is never freed: a leak, which the end reports. */
static void enqueue(struct thread *owner, struct object *object)
{
	if (!(owner->queued_count & (owner->queued_count - 1))) {
		size_t room = owner->queued_count ? 2 * owner->queued_count : 1;
		struct object **grown = realloc(owner->queued, room * sizeof(*grown));

		if (!grown)
			return;
		owner->queued = grown;
	}
	owner->queued[owner->queued_count++] = object;
	__atomic_fetch_or(&owner->eval_breaker, BREAKER_MERGE, __ATOMIC_RELAXED);
}

/* Others let go of more than they took: whoever owns the object has to merge. */
static void queue_to_owner(struct thread *thread, struct object *object)
{
	struct world *world = thread->runtime->world;
	uint64_t id = __atomic_load_n(&object->owner, __ATOMIC_RELAXED);
	struct thread *owner;
	int64_t sum = 1;

	if (!id) { /* the owner has merged in the meantime: then this is a plain release */
		release(thread, object);
		return;
	}
	pthread_mutex_lock(&world->mutex);
	owner = world__find(world, id);
	if (owner)
		enqueue(owner, object);
	else
		sum = merge(object, -1);
	pthread_mutex_unlock(&world->mutex);
	if (!sum)
		deallocate(thread, object);
}

static __attribute__((noinline)) void release_shared(struct thread *thread, struct object *object)
{
	int64_t shared = load_shared(object), next;
	bool queues;

	do {
		queues = shared == SHARED_COUNT(0, SHARED_DEFAULT) || shared == SHARED_COUNT(0, SHARED_WEAK_REFERENCES);
		next = queues ? SHARED_COUNT(0, SHARED_QUEUED) : shared - SHARED_COUNT(1, 0);
	} while (!change_shared(object, &shared, next));
	if (queues)
		queue_to_owner(thread, object);
	else if (next == SHARED_COUNT(0, SHARED_MERGED))
		deallocate(thread, object);
}

/* The local count has reached zero. */
static __attribute__((noinline)) void merge_zero(struct thread *thread, struct object *object)
{
	int64_t shared = load_shared(object), next;

	if (shared == SHARED_COUNT(0, SHARED_DEFAULT)) { /* no other thread has ever held it: the usual end */
		deallocate(thread, object);
		return;
	}
	__atomic_store_n(&object->owner, 0, __ATOMIC_RELAXED);
	do {
		next = (shared & ~(int64_t)SHARED_STATES) | SHARED_MERGED;
	} while (!change_shared(object, &shared, next));
	if (next == SHARED_COUNT(0, SHARED_MERGED))
		deallocate(thread, object);
}

static inline void retain(struct thread *thread, struct object *object)
{
	uint32_t local = __atomic_load_n(&object->ref_local, __ATOMIC_RELAXED);

	if (local == IMMORTAL)
		return;
	if (is_owner(thread, object))
		__atomic_store_n(&object->ref_local, local + 1, __ATOMIC_RELAXED);
	else
		__atomic_fetch_add(&object->ref_shared, SHARED_COUNT(1, 0), __ATOMIC_RELAXED);
}

static inline void release(struct thread *thread, struct object *object)
{
	uint32_t local = __atomic_load_n(&object->ref_local, __ATOMIC_RELAXED);

	if (local == IMMORTAL)
		return;
	if (!is_owner(thread, object)) {
		release_shared(thread, object);
		return;
	}
	__atomic_store_n(&object->ref_local, --local, __ATOMIC_RELAXED);
	if (!local)
		merge_zero(thread, object);
}

static inline void recycle(struct thread *thread, struct object *object)
{
	pool__put(&thread->pools[object->kind], object);
}

static inline void discard(struct thread *thread, void *storage)
{
	(void)thread;
	free(storage);
}

static inline void enter(struct thread *thread, struct section *section, struct object *object)
{
	section__enter(thread, section, object);
}

static inline void enter_two(struct thread *thread, struct section *section, struct object *a, struct object *b)
{
	section__enter_two(thread, section, a, b);
}

static inline void leave(struct thread *thread, struct section *section)
{
	section__leave(thread, section);
}

/* Merges what was queued to this thread. */
static void merge_queued(struct thread *thread)
{
	struct world *world = thread->runtime->world;
	struct object **queued;
	size_t count;

	pthread_mutex_lock(&world->mutex);
	__atomic_fetch_and(&thread->eval_breaker, ~(uint32_t)BREAKER_MERGE, __ATOMIC_RELAXED);
	queued = thread->queued;
	count = thread->queued_count;
	thread->queued = NULL;
	thread->queued_count = 0;
	pthread_mutex_unlock(&world->mutex);
	for (size_t i = 0; i < count; i++)
		if (!merge(queued[i], -1)) /* the reference that queued it */
			deallocate(thread, queued[i]);
	free(queued);
}

static inline bool tick(struct thread *thread)
{
	(void)thread;
	return true;
}

static inline bool asked(struct thread *thread)
{
	return __builtin_expect(__atomic_load_n(&thread->eval_breaker, __ATOMIC_RELAXED) != 0, 0);
}

static __attribute__((noinline)) bool answer(struct thread *thread)
{
	uint32_t breaker = __atomic_load_n(&thread->eval_breaker, __ATOMIC_RELAXED);

	if (breaker & BREAKER_WORLD)
		world__stand_still(thread->runtime->world, thread);
	if (breaker & BREAKER_MERGE)
		merge_queued(thread);
	return runtime__go_on(thread, breaker);
}

static int open_run(struct runtime *runtime)
{
	runtime->world = world__new();
	return runtime->world ? 0 : -ENOMEM;
}

static void close_run(struct runtime *runtime)
{
	world__free(runtime->world);
	runtime->world = NULL;
}

static void begin(struct thread *thread)
{
	if (thread->runtime->settings->bias) {
		thread->birth_owner = thread->id;
	} else { /* merged from birth on: every count is an atomic one */
		thread->birth_local = 0;
		thread->birth_shared = SHARED_COUNT(1, SHARED_MERGED);
	}
	world__join(thread->runtime->world, thread);
	world__attach(thread);
}

static bool has_nothing_queued(struct thread *thread)
{
	return !thread->queued_count;
}

static void end(struct thread *thread)
{
	do {
		merge_queued(thread);
	} while (!world__leave(thread->runtime->world, thread, has_nothing_queued));
}

/* The threads' own counts fit together only while nobody runs. */
static uint64_t count_live(struct thread *thread)
{
	uint64_t live;

	world__stop(thread->runtime->world, thread);
	live = runtime__live_objects(thread->interpreter);
	world__start(thread->runtime->world, thread);
	return live;
}

#include "tools/toygil/machine.h"

const struct design design_free = {
	.name = "free",
	.summary = "no lock: biased counts, a lock in each object, stop-the-world (CPython 3.13, free-threaded)",
	.open = open_run,
	.close = close_run,
	.begin = begin,
	.end = end,
	.detach = world__detach,
	.attach = world__attach,
	.retain = machine__retain,
	.release = machine__release,
	.enter = machine__enter,
	.leave = machine__leave,
	.set_item = container_set_item,
	.count_live = count_live,
	.run = machine__run,
};
