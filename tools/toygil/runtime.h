/* SPDX-License-Identifier: MIT */
/* A run: the program, its interpreters with their threads, and how it ended. */
#ifndef TOYGIL_RUNTIME_H
#define TOYGIL_RUNTIME_H

#include <stdio.h>

#include "tools/toygil/lock.h"
#include "tools/toygil/mailbox.h"
#include "tools/toygil/settings.h"
#include "tools/toygil/thread.h"

struct interpreter {
	struct runtime *runtime;
	int64_t number;
	struct lock *lock; /* NULL: the design has none */
	int owns_lock;     /* 1: behind the pointer, where CPython has own_gil, too */
	struct lock own_lock;
	int gil_drop_request;
	uint32_t eval_breaker;
	struct object **constants;  /* immortal: this interpreter's objects of the program's literals */
	struct object globals_lock; /* a header only: its one-byte lock protects the globals, in `free` */
	struct object **globals;

	pthread_mutex_t mutex;   /* protects the threads' table and their ends */
	pthread_cond_t ended;    /* a thread is done */
	struct thread **threads; /* [0] runs main */
	uint32_t thread_count;
	uint64_t immortal; /* objects that this interpreter made for constants */
};

/* What `none` found; the first of each. */
struct findings {
	pthread_mutex_t mutex;
	char use_after_free[256];
	uint64_t lost_increments, lost_decrements;
};

/* How a run went. Plain memory, so that a child process can hand it back. */
struct outcome {
	bool failed;
	char error[PROGRAM_ERROR_SIZE]; /* "" unless failed: one line */
	char result[256];               /* what main returned, printed */
	int64_t number;                 /* the same, when it is an integer; of the first interpreter */
	uint64_t elapsed_ns;
	uint64_t rounds;
	uint64_t made, left, immortal; /* objects */
	bool use_after_free;
	char finding[256];
	uint64_t lost_increments, lost_decrements;
	uint64_t contended, failed_acquisitions, handoffs; /* from the books, when they are kept */
};

struct runtime {
	const struct settings *settings;
	const struct design *design;
	const struct program *program;
	int64_t rounds; /* for each thread; used when there is no deadline */
	uint64_t deadline_ns;
	uint64_t started_ns, ended_ns;

	struct interpreter *interpreters;
	uint32_t interpreter_count;
	struct pool_store store;
	struct mailbox mailbox;
	struct connections *connections; /* of the native `open`; NULL: none yet. Under error_mutex */
	struct outcome *outcome;
	uint64_t next_thread_id;

	int stopping;
	int stop_event; /* an eventfd, readable once the run stops */
	pthread_mutex_t error_mutex;
	char error[PROGRAM_ERROR_SIZE];
	struct findings findings;
	struct world *world;     /* of `free` */
	struct grave *graveyard; /* of `none`; under findings.mutex */
};

/* Runs a program to its end in this process. 0 with *outcome; -errno when it could not begin, said in outcome->error.
 */
int runtime__run(const struct program *program, const struct settings *settings, struct outcome *outcome);

/* Records an error (the first one counts) and asks every thread to end. `error` NULL: no error, just the end. */
void runtime__stop(struct runtime *runtime, const char *error);

static inline bool runtime__stopping(const struct runtime *runtime)
{
	return __atomic_load_n(&runtime->stopping, __ATOMIC_RELAXED);
}

/* What every design does about a set eval breaker, beside its own: false when the thread must end. */
bool runtime__go_on(struct thread *thread, uint32_t breaker);

/* Gives each interpreter a lock of its own, and takes it away: `open` and `close` of the designs that do. 0. */
int runtime__open_own_locks(struct runtime *runtime);
void runtime__close_own_locks(struct runtime *runtime);

/* All objects made and not freed in an interpreter. Exact only while no other thread runs. */
uint64_t runtime__live_objects(struct interpreter *interpreter);

#endif
