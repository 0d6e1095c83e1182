/* SPDX-License-Identifier: MIT */
/* The life of a lock: see lock.h. How it is taken and dropped is each design's own affair. */
#include "tools/toygil/lock.h"

#include <time.h>

void lock__init(struct lock *lock, uint64_t interval_us)
{
	pthread_condattr_t attributes;

	*lock = (struct lock){.interval = interval_us};
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&lock->cond, &attributes);
	pthread_cond_init(&lock->switch_cond, &attributes);
	pthread_condattr_destroy(&attributes);
	pthread_mutex_init(&lock->mutex, NULL);
	pthread_mutex_init(&lock->switch_mutex, NULL);
}

void lock__destroy(struct lock *lock)
{
	pthread_mutex_destroy(&lock->switch_mutex);
	pthread_mutex_destroy(&lock->mutex);
	pthread_cond_destroy(&lock->switch_cond);
	pthread_cond_destroy(&lock->cond);
}
