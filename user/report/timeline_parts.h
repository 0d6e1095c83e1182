/* SPDX-License-Identifier: MIT */
/* The timeline's tracks, and its parts that fill a file of their own. */
#ifndef GILTRACE_REPORT_TIMELINE_PARTS_H
#define GILTRACE_REPORT_TIMELINE_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "user/report/perfetto.h"
#include "user/trace/keys.h"
#include "user/trace/trace.h"

#define TIMELINE_NAME_SIZE 96

/* A thread of a process, whichever locks it deals with: it is at one place at a time. */
struct timeline_thread {
	uint32_t process, pid, tid;
	const char *name; /* the trace's */
	bool seen;        /* it has events, so it has a track */
	bool busy;        /* a slice of its is open */
	bool is_name;     /* its name was told as one of a slice, */
	bool is_value;    /* and as a holder's */
};

struct timeline_lock {
	uint32_t process;
	uint64_t address;
	int64_t interpreter; /* -1: unknown */
	bool has_others;     /* of its process */
	bool owned;          /* a slice of its owner is open */
	bool is_value;       /* its name was told */
	uint32_t waiters;    /* now */
	/* The last release that somebody waited for; flow 0: none, or it was followed already. */
	uint64_t flow, released_ns;
	uint32_t releaser; /* which of the threads */
	uint32_t taker;    /* the thread whose hold comes of it; KEYS_NONE: none yet */
};

struct timeline {
	const struct trace *trace;
	struct perfetto out;
	uint64_t first_track; /* tracks are numbered: processes, locks (TRACKS_OF_LOCK each), threads */
	struct keys thread_keys, lock_keys;
	struct timeline_thread *threads;
	struct timeline_lock *locks;
	size_t thread_count, lock_count;
	bool *told;      /* of each stack: its text was told */
	uint32_t *order; /* of the events, by their beginning */
};

enum timeline_track { TRACK_OWNER, TRACK_WAITERS, TRACK_UTILISATION, TRACKS_OF_LOCK };

/* Finds the threads and locks. 0 or -ENOMEM. */
int timeline__find_tracks(struct timeline *timeline);
void timeline__free_tracks(struct timeline *timeline);

/* Of an event: which thread, also by its tid alone, and which lock. */
uint32_t timeline__thread(struct timeline *timeline, const struct trace_event *event, uint32_t tid);
uint32_t timeline__lock(struct timeline *timeline, const struct trace_event *event);

/* A track's number in the file. */
uint64_t timeline__thread_track(const struct timeline *timeline, uint32_t thread);
uint64_t timeline__lock_track(const struct timeline *timeline, uint32_t lock, enum timeline_track track);

/* Whether the time in which locks were held is known from the events: each hold is among them. */
bool timeline__knows_utilisation(const struct timeline *timeline);

/* Writes what the tracks are. */
void timeline__describe_tracks(struct timeline *timeline);

/* The counters of how much of the time each lock was held. 0 or -ENOMEM. */
int timeline__write_utilisation(struct timeline *timeline);

/* "GIL of interpreter 2: waiters", where `what` is ": waiters". */
const char *timeline__lock_name(char out[TIMELINE_NAME_SIZE], const struct timeline_lock *lock, const char *what);

/* Texts that are told when they are first needed: numbers of a name or a value. 0: there is none. */
enum { NAME_HOLD = 1, NAME_WAIT, NAME_LEFT_OUT, NAME_THREADS };
uint64_t timeline__thread_name(struct timeline *timeline, uint32_t thread);
uint64_t timeline__thread_value(struct timeline *timeline, uint32_t thread);
uint64_t timeline__lock_value(struct timeline *timeline, uint32_t lock);
uint64_t timeline__stack_value(struct timeline *timeline, uint32_t stack);

#endif
