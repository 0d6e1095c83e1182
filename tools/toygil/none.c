/* SPDX-License-Identifier: MIT */
/*
 * No lock, and the plain reference counts of a design that has one: what the lock was for.
 *
 * Two threads that count at the same time lose one of the counts. Too low a count ends in an object that is freed while
 * somebody uses it; too high a one, in a leak. Here a lost count is noticed (the count that an exchange finds is not
 * the one that was read before) and a use after free is caught at the next count of the dead object, which stops the
 * run with a report. It cannot crash: a slot stays of its kind, is held back for a while before it is used again, and
 * storage that was let go of stays in the graveyard until the run is over.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/toygil/design.h"

#define QUARANTINE 65536 /* slots of a kind and thread that wait before they are used again */

struct grave {
	struct grave *next;
	void *storage;
};

static void deallocate(struct thread *thread, struct object *object);

static __attribute__((noinline)) void use_after_free(struct thread *thread, const struct object *object,
						     const char *how)
{
	struct findings *findings = &thread->runtime->findings;

	pthread_mutex_lock(&findings->mutex);
	if (!findings->use_after_free[0])
		snprintf(findings->use_after_free, sizeof(findings->use_after_free),
			 "use after free: thread %" PRIu64 " %s %s %p, which thread %" PRId64 " had freed", thread->id,
			 how, object__kind_name(object), (const void *)object,
			 __atomic_load_n(&object->ref_shared, __ATOMIC_RELAXED));
	pthread_mutex_unlock(&findings->mutex);
	runtime__stop(thread->runtime, NULL);
}

/* Somebody counted between this thread's read and its write, and what he wrote is overwritten. */
static __attribute__((noinline)) void lost_counts(struct thread *thread, uint32_t read, uint32_t overwritten)
{
	struct findings *findings = &thread->runtime->findings;
	int32_t lost = (int32_t)(overwritten - read);

	if (lost > 0)
		__atomic_fetch_add(&findings->lost_increments, (uint64_t)lost, __ATOMIC_RELAXED);
	else
		__atomic_fetch_add(&findings->lost_decrements, (uint64_t) - (int64_t)lost, __ATOMIC_RELAXED);
}

static inline bool is_dead(const struct object *object)
{
	return __builtin_expect(__atomic_load_n(&object->dead, __ATOMIC_RELAXED), 0);
}

static inline void write_count(struct thread *thread, struct object *object, uint32_t read, uint32_t count)
{
	uint32_t overwritten = __atomic_exchange_n(&object->ref_local, count, __ATOMIC_RELAXED);

	if (__builtin_expect(overwritten != read, 0))
		lost_counts(thread, read, overwritten);
}

static inline void retain(struct thread *thread, struct object *object)
{
	uint32_t count = __atomic_load_n(&object->ref_local, __ATOMIC_RELAXED);

	if (count == IMMORTAL)
		return;
	if (is_dead(object))
		use_after_free(thread, object, "took a reference to the");
	else
		write_count(thread, object, count, count + 1);
}

static inline void release(struct thread *thread, struct object *object)
{
	uint32_t count = __atomic_load_n(&object->ref_local, __ATOMIC_RELAXED);

	if (count == IMMORTAL)
		return;
	if (is_dead(object) || !count) {
		use_after_free(thread, object, "let go of the");
		return;
	}
	write_count(thread, object, count, count - 1);
	if (count > 1)
		return;
	if (__atomic_exchange_n(&object->dead, 1, __ATOMIC_RELAXED)) {
		use_after_free(thread, object, "freed the");
		return;
	}
	__atomic_store_n(&object->ref_shared, (int64_t)thread->id, __ATOMIC_RELAXED); /* for the report */
	deallocate(thread, object);
}

static inline void recycle(struct thread *thread, struct object *object)
{
	pool__put_late(&thread->pools[object->kind], object, QUARANTINE);
}

/* Another thread may be reading it. */
static void discard(struct thread *thread, void *storage)
{
	struct runtime *runtime = thread->runtime;
	struct grave *grave = storage ? malloc(sizeof(*grave)) : NULL;

	if (!grave)
		return;
	grave->storage = storage;
	pthread_mutex_lock(&runtime->findings.mutex);
	grave->next = runtime->graveyard;
	runtime->graveyard = grave;
	pthread_mutex_unlock(&runtime->findings.mutex);
}

static inline void enter(struct thread *thread, struct section *section, struct object *object)
{
	(void)thread;
	(void)section;
	(void)object;
}

static inline void enter_two(struct thread *thread, struct section *section, struct object *a, struct object *b)
{
	(void)b;
	enter(thread, section, a);
}

static inline void leave(struct thread *thread, struct section *section)
{
	(void)thread;
	(void)section;
}

static inline bool tick(struct thread *thread)
{
	(void)thread;
	return true;
}

static inline bool asked(struct thread *thread)
{
	return __builtin_expect(__atomic_load_n(&thread->interpreter->eval_breaker, __ATOMIC_RELAXED) != 0, 0);
}

static __attribute__((noinline)) bool answer(struct thread *thread)
{
	return runtime__go_on(thread, __atomic_load_n(&thread->interpreter->eval_breaker, __ATOMIC_RELAXED));
}

static int open_run(struct runtime *runtime)
{
	(void)runtime;
	return 0;
}

static int compare_storages(const void *left, const void *right)
{
	void *const *a = left, *const *b = right;

	return (*a > *b) - (*a < *b);
}

/* Two threads that replaced the same storage at the same time have both let go of it: it is freed once. */
static void close_run(struct runtime *runtime)
{
	size_t count = 0, used = 0;
	void **storages;

	for (struct grave *grave = runtime->graveyard; grave; grave = grave->next)
		count++;
	storages = calloc(count + 1, sizeof(*storages));
	while (runtime->graveyard) {
		struct grave *grave = runtime->graveyard;

		runtime->graveyard = grave->next;
		if (storages)
			storages[used++] = grave->storage;
		free(grave);
	}
	if (used)
		qsort(storages, used, sizeof(*storages), compare_storages);
	for (size_t i = 0; i < used; i++)
		if (!i || storages[i] != storages[i - 1])
			free(storages[i]);
	free(storages);
}

/* A thread is always as good as attached. */
static void nothing(struct thread *thread)
{
	(void)thread;
}

static uint64_t count_live(struct thread *thread)
{
	return runtime__live_objects(thread->interpreter);
}

#include "tools/toygil/machine.h"

const struct design design_none = {
	.name = "none",
	.summary = "no lock and plain counts: loses counts and uses what was freed, and reports it",
	.open = open_run,
	.close = close_run,
	.begin = nothing,
	.end = nothing,
	.detach = nothing,
	.attach = nothing,
	.retain = machine__retain,
	.release = machine__release,
	.enter = machine__enter,
	.leave = machine__leave,
	.set_item = container_set_item,
	.count_live = count_live,
	.run = machine__run,
};
