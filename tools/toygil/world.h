/* SPDX-License-Identifier: MIT */
/*
 * The threads of a free-threaded run, and how all but one are made to stand still.
 *
 * A thread is attached while it may touch objects, and detached while it blocks. To stop the world, one thread suspends
 * the detached ones where they are, and asks the attached ones through their eval breaker to suspend themselves; a
 * suspended thread cannot attach before the world starts again.
 */
#ifndef TOYGIL_WORLD_H
#define TOYGIL_WORLD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct thread;

struct world {
	pthread_mutex_t mutex;    /* protects the list of threads, and what they are asked */
	pthread_cond_t suspended; /* a thread has suspended itself, or left */
	struct thread *threads;
	struct thread *stopper; /* the world is stopped, or about to be, by this one */
	uint8_t stop_mutex;     /* one stopper at a time: an object_mutex */
};

struct world *world__new(void); /* NULL without memory */
void world__free(struct world *world);

/* A thread joins, detached, and leaves, attached; the latter only when `leave` agrees, which runs under the mutex. */
void world__join(struct world *world, struct thread *thread);
bool world__leave(struct world *world, struct thread *thread, bool (*leave)(struct thread *thread));

/* The thread with this id, or NULL. Under the mutex. */
struct thread *world__find(struct world *world, uint64_t id);

void world__attach(struct thread *thread);
void world__detach(struct thread *thread);

/* The eval breaker said that somebody stops the world: stands still until it goes on. */
void world__stand_still(struct world *world, struct thread *thread);

/* Stops all other threads, and lets them go on. The thread is attached. */
void world__stop(struct world *world, struct thread *thread);
void world__start(struct world *world, struct thread *thread);

#endif
