/* SPDX-License-Identifier: MIT */
/*
 * The runtime's own books, the truth that a tracer is held against: what each thread did with its lock. A thread has
 * one lock (its interpreter's), and only the thread itself writes its books, so they take no lock. Without --truth a
 * thread has none, and each event costs one branch on that pointer.
 *
 * The words are those of docs/design.md. Times are ns of CLOCK_MONOTONIC, read beside the probe of the same event.
 */
#ifndef TOYGIL_BOOKS_H
#define TOYGIL_BOOKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/histogram.h"
#include "user/trace/trace.h"

struct lock;
struct thread;

/* The waits of one thread behind one holder. */
struct blamed {
	uint32_t holder; /* tid; 0: nobody was seen holding it */
	uint64_t waits, wait_ns;
};

struct books {
	struct trace_counts counts;
	uint64_t events;                     /* how many probes were passed */
	uint64_t probe_ns, longest_probe_ns; /* the time in those whose time counts */
	struct histogram wait, hold, handoff;
	uint64_t attempts[ATTEMPTS_BUCKETS];
	uint64_t held_since, waiting_since; /* 0: not holding, not waiting */
	uint64_t asleep_since;              /* the last `blocked` of this wait */
	uint32_t failed_now;                /* attempts of this wait that have failed */
	uint32_t first_holder, holder;      /* at the first and at the last `blocked` of this wait */
	int result;                         /* of the last sleep: 0 or ETIMEDOUT */
	size_t blamed_count;
	struct blamed *blamed;
	uint64_t lost_pairs; /* found no memory */
	uint64_t charged_ns; /* of this wait */
};

struct books *books__new(void); /* NULL without memory */
void books__free(struct books *books);

/*
 * The events, in the order of a lock's life, and when each was. They are called right after the probe, with the lock's
 * mutex held.
 */
void books__blocked(struct books *books, const struct lock *lock, uint64_t now);
void books__waited(struct books *books, int result);
void books__acquired(struct books *books, const struct lock *lock, uint64_t now);
void books__released(struct books *books, struct lock *lock, bool forced,
		     uint64_t now); /* forced: a drop was asked for */

struct runtime;

/* Writes the books of a run that is over as giltrace/1 into `path`. 0 or -errno. */
int books__write(const struct runtime *runtime, const char *path);

#endif
