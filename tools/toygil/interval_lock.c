/* SPDX-License-Identifier: MIT */
/*
 * take_gil and drop_gil of CPython 3.2 and later, step by step.
 *
 * A waiter sleeps for at most the interval. If it timed out, the lock is still held and nobody else got it meanwhile,
 * it asks the holder to drop it: through the interpreter's gil_drop_request and eval breaker, not through the lock. The
 * holder sees that at its next function entry or loop back-edge, drops the lock, and, because it was asked, waits
 * until another thread has taken it (forced switching). The one that asked need not be the one that gets it.
 */
#include "tools/toygil/interval_lock.h"

#include "tools/toygil/clock.h"
#include "tools/toygil/events.h"

static void ask(struct interpreter *interpreter)
{
	__atomic_store_n(&interpreter->gil_drop_request, 1, __ATOMIC_RELAXED);
	__atomic_fetch_or(&interpreter->eval_breaker, BREAKER_DROP, __ATOMIC_RELAXED);
}

static bool is_asked(struct interpreter *interpreter)
{
	return __atomic_load_n(&interpreter->gil_drop_request, __ATOMIC_RELAXED);
}

static void forget(struct interpreter *interpreter)
{
	__atomic_store_n(&interpreter->gil_drop_request, 0, __ATOMIC_RELAXED);
	__atomic_fetch_and(&interpreter->eval_breaker, ~(uint32_t)BREAKER_DROP, __ATOMIC_RELAXED);
}

/* One attempt: sleeps until the lock is let go or the interval is over, and then asks the holder for it. */
static void attempt(struct lock *lock, struct thread *thread)
{
	unsigned long switch_number = lock->switch_number;
	struct timespec until = clock__after((lock->interval ? lock->interval : 1) * 1000);
	int result;

	event__blocked(lock, thread);
	result = pthread_cond_timedwait(&lock->cond, &lock->mutex, &until);
	event__waited(lock, thread, result);
	if (result && lock->locked && lock->switch_number == switch_number)
		ask(thread->interpreter);
}

void interval_lock__take(struct thread *thread)
{
	struct lock *lock = thread->interpreter->lock;

	pthread_mutex_lock(&lock->mutex);
	while (lock->locked)
		attempt(lock, thread);
	pthread_mutex_lock(&lock->switch_mutex); /* a forced releaser looks at last_holder under this one */
	lock->locked = 1;
	if (lock->last_holder != thread) {
		__atomic_store_n(&lock->last_holder, thread, __ATOMIC_RELAXED);
		lock->switch_number++;
	}
	event__acquired(lock, thread);
	pthread_cond_signal(&lock->switch_cond);
	pthread_mutex_unlock(&lock->switch_mutex);
	if (is_asked(thread->interpreter))
		forget(thread->interpreter);
	pthread_mutex_unlock(&lock->mutex);
}

void interval_lock__drop(struct thread *thread)
{
	struct lock *lock = thread->interpreter->lock;

	pthread_mutex_lock(&lock->mutex);
	lock->locked = 0;
	event__released(lock, thread, is_asked(thread->interpreter));
	pthread_cond_signal(&lock->cond);
	pthread_mutex_unlock(&lock->mutex);
	if (!is_asked(thread->interpreter))
		return;
	pthread_mutex_lock(&lock->switch_mutex);
	if (lock->last_holder == thread) {
		forget(thread->interpreter);
		event__switched(lock);
		pthread_cond_wait(&lock->switch_cond, &lock->switch_mutex);
	}
	pthread_mutex_unlock(&lock->switch_mutex);
}

bool interval_lock__answer(struct thread *thread)
{
	uint32_t breaker = __atomic_load_n(&thread->interpreter->eval_breaker, __ATOMIC_RELAXED);

	if (breaker & BREAKER_DROP) {
		interval_lock__drop(thread);
		interval_lock__take(thread);
	}
	return runtime__go_on(thread, breaker);
}
