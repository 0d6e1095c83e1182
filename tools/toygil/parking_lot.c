/* SPDX-License-Identifier: MIT */
/* Queues of sleeping threads, by address: see parking_lot.h. */
#include "tools/toygil/parking_lot.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>

#include "tools/toygil/clock.h"
#include "tools/toygil/design.h"

#define QUEUES        257
#define LATE_AFTER_NS 1000000 /* a lock is passed by newcomers for 1 ms, then handed over: CPython's figure */

/* On the sleeper's stack. */
struct sleeper {
	struct sleeper *next;
	const uint8_t *byte;
	uint64_t since_ns;
	bool handed;
	sem_t wake_up;
};

struct queue {
	pthread_mutex_t mutex;
	struct sleeper *first, *last;
};

static struct queue queues[QUEUES] = {[0 ... QUEUES - 1] = {.mutex = PTHREAD_MUTEX_INITIALIZER}};

static struct queue *queue_of(const uint8_t *byte)
{
	return &queues[(uintptr_t)byte / 8 % QUEUES];
}

static void enqueue(struct queue *queue, struct sleeper *sleeper)
{
	if (queue->last)
		queue->last->next = sleeper;
	else
		queue->first = sleeper;
	queue->last = sleeper;
}

/* Takes out the first that sleeps for this byte; NULL: none does. *more: another one does. */
static struct sleeper *dequeue(struct queue *queue, const uint8_t *byte, bool *more)
{
	struct sleeper *found = NULL, *previous = NULL, *before_found = NULL;

	*more = false;
	for (struct sleeper *s = queue->first; s; previous = s, s = s->next) {
		if (s->byte != byte)
			continue;
		if (found) {
			*more = true;
			break;
		}
		found = s;
		before_found = previous;
	}
	if (!found)
		return NULL;
	if (before_found)
		before_found->next = found->next;
	else
		queue->first = found->next;
	if (queue->last == found)
		queue->last = before_found;
	return found;
}

static void sleep_until_woken(struct sleeper *sleeper)
{
	while (sem_wait(&sleeper->wake_up) && errno == EINTR)
		;
	sem_destroy(&sleeper->wake_up);
}

enum parked parking_lot__park(struct thread *thread, const uint8_t *byte, uint8_t expected, bool detach)
{
	struct queue *queue = queue_of(byte);
	struct sleeper sleeper = {.byte = byte};

	pthread_mutex_lock(&queue->mutex);
	if (__atomic_load_n(byte, __ATOMIC_RELAXED) != expected) {
		pthread_mutex_unlock(&queue->mutex);
		return PARKED_NOT;
	}
	sem_init(&sleeper.wake_up, 0, 0);
	sleeper.since_ns = clock__now();
	enqueue(queue, &sleeper);
	pthread_mutex_unlock(&queue->mutex);
	if (detach)
		thread->runtime->design->detach(thread);
	sleep_until_woken(&sleeper);
	if (detach)
		thread->runtime->design->attach(thread);
	return sleeper.handed ? PARKED_HANDED : PARKED_WOKEN;
}

void parking_lot__unpark(uint8_t *byte, parking_lot_update *update)
{
	struct queue *queue = queue_of(byte);
	struct sleeper *sleeper;
	bool more, late;

	pthread_mutex_lock(&queue->mutex);
	sleeper = dequeue(queue, byte, &more);
	late = sleeper && clock__now() - sleeper->since_ns > LATE_AFTER_NS;
	if (update(byte, sleeper != NULL, late, more))
		sleeper->handed = true;
	pthread_mutex_unlock(&queue->mutex);
	if (sleeper)
		sem_post(&sleeper->wake_up);
}

void parking_lot__unpark_all(const uint8_t *byte)
{
	struct queue *queue = queue_of(byte);
	struct sleeper *all = NULL, *sleeper;
	bool more = true;

	pthread_mutex_lock(&queue->mutex);
	while (more && (sleeper = dequeue(queue, byte, &more))) {
		sleeper->next = all;
		all = sleeper;
	}
	pthread_mutex_unlock(&queue->mutex);
	while (all) {
		sleeper = all;
		all = sleeper->next; /* before it wakes up: it lives on the sleeper's stack */
		sem_post(&sleeper->wake_up);
	}
}
