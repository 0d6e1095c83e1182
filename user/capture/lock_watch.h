/* SPDX-License-Identifier: MIT */
/*
 * Looks at locks from outside: whether they are held at moments chosen at random. That tells how much of the time a
 * lock is held where not every hold is probed, and also when nothing ever happens to it. Only reads the target's
 * memory.
 */
#ifndef GILTRACE_CAPTURE_LOCK_WATCH_H
#define GILTRACE_CAPTURE_LOCK_WATCH_H

#include <stddef.h>
#include <stdint.h>

struct lock_watch;

struct watched_lock {
	uint32_t pid, instance; /* its process */
	uint32_t file;          /* the number of the runtime's file */
	uint64_t address;
	uint64_t locked;      /* where the runtime notes whether it is held, an int of 0 or 1 */
	uint64_t looks, held; /* how often it was looked at, and held then */
};

struct lock_watch *lock_watch__new(void); /* NULL without memory */
void lock_watch__free(struct lock_watch *watch);

/* One more lock, unless it is watched already. 0 or -ENOMEM. */
int lock_watch__add(struct lock_watch *watch, const struct watched_lock *lock);

/* Looks at all locks if it is time to; returns when the next time is, CLOCK_MONOTONIC ns. */
uint64_t lock_watch__look(struct lock_watch *watch, uint64_t now);

/* All locks; owned by the watch, good until the next is added. */
const struct watched_lock *lock_watch__list(const struct lock_watch *watch, size_t *count);

#endif
