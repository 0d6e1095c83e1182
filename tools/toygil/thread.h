/* SPDX-License-Identifier: MIT */
/* A thread of the toy runtime: its stack, its memory, its books, and what the designs keep in it. */
#ifndef TOYGIL_THREAD_H
#define TOYGIL_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "tools/toygil/pool.h"
#include "tools/toygil/program.h"

#define THREAD_STACK_SLOTS 65536
#define THREAD_MAX_CALLS   1000 /* nested */
#define THREAD_NAME_SIZE   16
#ifndef THREAD_MAX_STRING
#define THREAD_MAX_STRING ((size_t)1 << 28) /* bytes */
#endif

struct books;
struct interpreter;
struct runtime;
struct section;

/* Why the eval breaker is set. */
enum breaker {
	BREAKER_DROP = 1,   /* a waiter wants the lock */
	BREAKER_STOP = 2,   /* the run is over: an error */
	BREAKER_FUEL = 4,   /* each look costs fuel */
	BREAKER_MERGE = 8,  /* `free`: objects are queued to have their counts merged */
	BREAKER_WORLD = 16, /* `free`: somebody stops the world */
};

/* `free`: whether a thread may touch objects (attached), need not be asked (detached), or must not (suspended). */
enum thread_state { THREAD_DETACHED, THREAD_ATTACHED, THREAD_SUSPENDED };

/* A tracer walks them by toygil_frame_layout. */
struct frame {
	const struct code *code;
	const struct instruction *at; /* the instruction that runs; of a caller, its call */
	struct object **locals;
	struct frame *previous; /* the caller's; NULL: none */
};

struct thread {
	struct runtime *runtime;
	struct interpreter *interpreter;
	pthread_t self;  /* a tracer reads it through toygil_lock_layout.thread_id */
	uint32_t number; /* within its interpreter; 0 runs main */
	uint32_t tid;
	char name[THREAD_NAME_SIZE]; /* as the kernel has it */
	uint64_t id;                 /* unique in the process, never 0, never used again */
	struct books *books;         /* NULL: none are kept */

	/* Objects. */
	struct pool pools[KINDS];
	uint64_t made, freed;
	struct object *dying; /* dead objects whose contents are still to be released */
	bool draining;
	uint64_t birth_owner; /* what a new object's header begins with: see thread__new_object() */
	uint32_t birth_local;
	int64_t birth_shared;

	/* Running. */
	struct object **stack;
	struct frame *frames;
	struct frame *top; /* the one that runs; NULL: none. Always as it is, for tracers look whenever they want to */
	uint32_t eval_breaker; /* of `free`; the other designs have one for the interpreter */
	int ticker;            /* of `ticks`: instructions until the next check */
	uint64_t fuel;
	uint64_t rounds; /* that `again` granted */
	uint64_t random;
	char error[PROGRAM_ERROR_SIZE]; /* set by thread__fail(), "" before */

	/* `free`. */
	uint8_t state;
	struct section *section;      /* the innermost critical section */
	struct thread *next_in_world; /* this and the next two: under the world's mutex */
	struct object **queued;       /* objects whose counts this thread, their owner, shall merge */
	size_t queued_count;

	/* Its task, and its end. The latter under interpreter->mutex. */
	const struct code *code;
	struct object *arguments[PROGRAM_MAX_OPERANDS];
	uint32_t argument_count;
	struct object *result; /* NULL: it failed, or was joined */
	pthread_t handle;      /* for pthread_join() */
	bool started, done, joined;
	struct thread *joining; /* waits for this one to end */
};

/*
 * Says why the instruction at hand cannot go on; the first reason counts. The machine adds file and line, ends the
 * thread and stops the run.
 */
void thread__fail(struct thread *thread, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * A new object with one reference, owned by the thread. NULL without memory, after thread__fail(). Its kind's own
 * fields are not set. The header begins as `free` wants it: counted locally by this thread, or (--no-bias) merged from
 * the start, so that every count is atomic; the designs with a lock look at ref_local alone.
 */
struct object *thread__no_memory(struct thread *thread);
struct pool_store *thread__store(struct thread *thread);

static inline struct object *thread__new_object(struct thread *thread, enum kind kind)
{
	struct object *object = thread->pools[kind].free;

	if (__builtin_expect(object != NULL, 1)) {
		POOL_UNPOISON(object, pool__slot_size(kind));
		thread->pools[kind].free = (struct object *)(uintptr_t)object->owner;
	} else {
		object = pool__refill(&thread->pools[kind], thread__store(thread), kind);
		if (!object)
			return thread__no_memory(thread);
	}
	thread->made++;
	object->dead = 0;
	object->mutex = 0;
	__atomic_store_n(&object->owner, thread->birth_owner, __ATOMIC_RELAXED);
	__atomic_store_n(&object->ref_local, thread->birth_local, __ATOMIC_RELAXED);
	__atomic_store_n(&object->ref_shared, thread->birth_shared, __ATOMIC_RELAXED);
	return object;
}

static inline struct object *thread__new_integer(struct thread *thread, int64_t value)
{
	struct object *object;

	if (value >= SMALL_LOWEST && value <= SMALL_HIGHEST)
		return &object_small[value - SMALL_LOWEST].header;
	object = thread__new_object(thread, KIND_INTEGER);
	if (object)
		((struct integer *)object)->value = value;
	return object;
}

/* A string of a copy of `bytes`, an empty list with room for `capacity`, an empty dict. NULL after thread__fail(). */
struct object *thread__new_string(struct thread *thread, const char *bytes, size_t length);
struct object *thread__new_list(struct thread *thread, size_t capacity);
struct object *thread__new_dict(struct thread *thread);

/* A thread that has not been started, in its interpreter's table; NULL without memory. Freed with thread__free(). */
struct thread *thread__new(struct interpreter *interpreter, const struct code *code);
void thread__free(struct thread *thread);

/* Gives the thread that runs now to `thread`, runs its code, and calls `finish` with the result before it detaches. */
void thread__run(struct thread *thread, void (*finish)(struct thread *thread, struct object *result));

/*
 * Starts a thread that calls `code` with `arguments`, whose references it takes over. Its number within the
 * interpreter, or -1 after thread__fail(), the references untouched.
 */
int64_t thread__spawn(struct thread *parent, const struct code *code, struct object **arguments, uint32_t count);

/* Waits, without the lock, for a thread to end, and returns its result; NULL after thread__fail() or a stop. */
struct object *thread__join(struct thread *thread, int64_t number);

/* Waits, without the lock, for all other threads of the interpreter to have ended. */
void thread__join_all(struct thread *main_thread);

#endif
