/* SPDX-License-Identifier: MIT */
/*
 * The lock of CPython 3.2 and later, and how a thread is asked for it. Two designs use it: `interval` has one,
 * `per-interpreter` one for each interpreter.
 */
#ifndef TOYGIL_INTERVAL_LOCK_H
#define TOYGIL_INTERVAL_LOCK_H

#include "tools/toygil/runtime.h"

/* Take and drop the lock of the thread's interpreter. */
void interval_lock__take(struct thread *thread);
void interval_lock__drop(struct thread *thread);

/* The eval breaker is set: drops the lock if a waiter asked for it, and takes it again. False: the thread must end. */
bool interval_lock__answer(struct thread *thread);

static inline bool interval_lock__asked(struct thread *thread)
{
	return __builtin_expect(__atomic_load_n(&thread->interpreter->eval_breaker, __ATOMIC_RELAXED) != 0, 0);
}

#endif
