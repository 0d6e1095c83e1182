/* SPDX-License-Identifier: MIT */
/* Attach, detach, stop the world: see world.h. */
#include "tools/toygil/world.h"

#include <stdlib.h>

#include "tools/toygil/clock.h"
#include "tools/toygil/critical_section.h"
#include "tools/toygil/object_mutex.h"
#include "tools/toygil/parking_lot.h"
#include "tools/toygil/thread.h"

#define LOOK_AGAIN_NS 1000000 /* a thread that detaches tells nobody, so the stopper looks again after 1 ms */

struct world *world__new(void)
{
	struct world *world = calloc(1, sizeof(*world));
	pthread_condattr_t attributes;

	if (!world)
		return NULL;
	pthread_mutex_init(&world->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&world->suspended, &attributes);
	pthread_condattr_destroy(&attributes);
	return world;
}

void world__free(struct world *world)
{
	if (!world)
		return;
	pthread_cond_destroy(&world->suspended);
	pthread_mutex_destroy(&world->mutex);
	free(world);
}

static void set_state(struct thread *thread, enum thread_state state)
{
	__atomic_store_n(&thread->state, state, __ATOMIC_RELEASE);
}

static bool change_state(struct thread *thread, enum thread_state from, enum thread_state to)
{
	uint8_t expected = (uint8_t)from;

	return __atomic_compare_exchange_n(&thread->state, &expected, to, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

void world__join(struct world *world, struct thread *thread)
{
	pthread_mutex_lock(&world->mutex);
	thread->next_in_world = world->threads;
	world->threads = thread;
	set_state(thread, world->stopper ? THREAD_SUSPENDED : THREAD_DETACHED);
	pthread_mutex_unlock(&world->mutex);
}

bool world__leave(struct world *world, struct thread *thread, bool (*leave)(struct thread *thread))
{
	bool agreed;

	pthread_mutex_lock(&world->mutex);
	agreed = leave(thread);
	if (agreed) {
		struct thread **link = &world->threads;

		while (*link != thread)
			link = &(*link)->next_in_world;
		*link = thread->next_in_world;
		set_state(thread, THREAD_DETACHED);
		pthread_cond_signal(&world->suspended);
	}
	pthread_mutex_unlock(&world->mutex);
	return agreed;
}

struct thread *world__find(struct world *world, uint64_t id)
{
	struct thread *thread = world->threads;

	while (thread && thread->id != id)
		thread = thread->next_in_world;
	return thread;
}

void world__attach(struct thread *thread)
{
	while (!change_state(thread, THREAD_DETACHED, THREAD_ATTACHED))
		parking_lot__park(thread, &thread->state, THREAD_SUSPENDED, false);
	if (thread->section)
		section__resume(thread);
}

void world__detach(struct thread *thread)
{
	section__suspend_all(thread);
	set_state(thread, THREAD_DETACHED);
}

void world__stand_still(struct world *world, struct thread *thread)
{
	pthread_mutex_lock(&world->mutex);
	__atomic_fetch_and(&thread->eval_breaker, ~(uint32_t)BREAKER_WORLD, __ATOMIC_RELAXED);
	if (!world->stopper || world->stopper == thread) {
		pthread_mutex_unlock(&world->mutex);
		return;
	}
	set_state(thread, THREAD_SUSPENDED);
	pthread_cond_signal(&world->suspended);
	pthread_mutex_unlock(&world->mutex);
	world__attach(thread);
}

/* Suspends who is detached and asks who is attached. How many are still attached. Under the mutex. */
static int ask_to_stop(struct world *world, struct thread *stopper)
{
	int attached = 0;

	for (struct thread *thread = world->threads; thread; thread = thread->next_in_world) {
		if (thread == stopper || change_state(thread, THREAD_DETACHED, THREAD_SUSPENDED))
			continue;
		if (__atomic_load_n(&thread->state, __ATOMIC_ACQUIRE) == THREAD_SUSPENDED)
			continue;
		__atomic_fetch_or(&thread->eval_breaker, BREAKER_WORLD, __ATOMIC_RELAXED);
		attached++;
	}
	return attached;
}

static void wait_for_one(struct world *world)
{
	struct timespec until = clock__after(LOOK_AGAIN_NS);

	pthread_cond_timedwait(&world->suspended, &world->mutex, &until);
}

void world__stop(struct world *world, struct thread *thread)
{
	object_mutex__lock(thread, &world->stop_mutex);
	pthread_mutex_lock(&world->mutex);
	world->stopper = thread;
	while (ask_to_stop(world, thread))
		wait_for_one(world);
	pthread_mutex_unlock(&world->mutex);
}

void world__start(struct world *world, struct thread *thread)
{
	pthread_mutex_lock(&world->mutex);
	world->stopper = NULL;
	for (struct thread *other = world->threads; other; other = other->next_in_world) {
		if (other == thread)
			continue;
		set_state(other, THREAD_DETACHED);
		parking_lot__unpark_all(&other->state);
	}
	pthread_mutex_unlock(&world->mutex);
	object_mutex__unlock(&world->stop_mutex);
}
