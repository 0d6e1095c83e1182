/* SPDX-License-Identifier: MIT */
/*
 * The design of CPython before 3.2: each thread counts the instructions that it runs, and every check interval (100)
 * lets go of the lock and takes it again at once.
 *
 * The lock is a flag under a mutex, and a condition variable. Nothing makes the releaser wait, so on several cores the
 * thread that it woke usually finds the lock taken again: a failed acquisition, of the kind stolen.
 */
#include "tools/toygil/counts_plain.h"
#include "tools/toygil/events.h"

static void take(struct thread *thread)
{
	struct lock *lock = thread->interpreter->lock;

	pthread_mutex_lock(&lock->mutex);
	while (lock->locked) {
		int result;

		event__blocked(lock, thread);
		result = pthread_cond_wait(&lock->cond, &lock->mutex);
		event__waited(lock, thread, result);
	}
	lock->locked = 1;
	__atomic_store_n(&lock->last_holder, thread, __ATOMIC_RELAXED);
	event__acquired(lock, thread);
	pthread_mutex_unlock(&lock->mutex);
}

static void drop(struct thread *thread)
{
	struct lock *lock = thread->interpreter->lock;

	pthread_mutex_lock(&lock->mutex);
	lock->locked = 0;
	event__released(lock, thread, false);
	pthread_cond_signal(&lock->cond);
	pthread_mutex_unlock(&lock->mutex);
}

static void begin(struct thread *thread)
{
	thread->ticker = thread->runtime->settings->check_interval;
	take(thread);
}

static inline bool asked(struct thread *thread)
{
	(void)thread; /* the ticker sees to it */
	return false;
}

static __attribute__((noinline)) bool answer(struct thread *thread)
{
	uint32_t breaker = __atomic_load_n(&thread->interpreter->eval_breaker, __ATOMIC_RELAXED);

	thread->ticker = thread->runtime->settings->check_interval;
	drop(thread);
	take(thread);
	return runtime__go_on(thread, breaker);
}

static inline bool tick(struct thread *thread)
{
	return __builtin_expect(--thread->ticker > 0, 1) || answer(thread);
}

static uint64_t count_live(struct thread *thread)
{
	return runtime__live_objects(thread->interpreter);
}

#include "tools/toygil/machine.h"

const struct design design_ticks = {
	.name = "ticks",
	.summary = "one lock, dropped and retaken every 100 instructions (CPython before 3.2)",
	.open = runtime__open_own_locks,
	.close = runtime__close_own_locks,
	.begin = begin,
	.end = drop,
	.detach = drop,
	.attach = take,
	.retain = machine__retain,
	.release = machine__release,
	.enter = machine__enter,
	.leave = machine__leave,
	.set_item = container_set_item,
	.count_live = count_live,
	.run = machine__run,
};
