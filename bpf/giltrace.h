/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What the kernel side and the user side share: plain types, no pointers. Times are CLOCK_MONOTONIC ns.
 *
 * Who writes what, so that nothing needs to be atomic: a `struct lock` is only written at probe sites where the runtime
 * holds the lock's own mutex; a `struct thread` only by the thread itself, or by the scheduler while it switches that
 * very thread.
 */
#ifndef GILTRACE_H
#define GILTRACE_H

#include "histogram.h"
#include "lock_layout.h"

#define THREAD_NAME_SIZE 16

/* How the last sleep of a wait ended. */
enum wake { WAKE_UNKNOWN, WAKE_SIGNALLED, WAKE_TIMED_OUT };

/* One thread's dealings with one lock: a slot of the array `threads`. All zero: a free slot. */
struct thread {
	__u64 lock;
	__u32 tgid, tid;
	__u32 generation; /* how often the slot was freed before: the user side counts it up */
	__u32 next;       /* slot + 1 of the same thread's dealings with another lock, or 0 */
	char name[THREAD_NAME_SIZE];
	__u8 holding;
	__u8 wait_at_start; /* the wait going on began before the trace */
	__u8 woken_by;      /* enum wake */
	__u8 taking;        /* it is in sem_wait for the lock */
	__u32 failed_in_wait;
	__u64 ended_ns;                    /* 0: it lives */
	__u64 woken_at_start;              /* a semaphore's wait that began before the trace: when it ended */
	__u64 waiting_since;               /* 0: it does not wait */
	__u64 attempt_since;               /* when the sleep going on began */
	__u64 attempt_switches;            /* the lock's `switches` then */
	__u32 attempt_holder;              /* who held the lock then; 0: unknown */
	__u32 first_holder;                /* who held it when the wait began */
	__u64 charged_ns;                  /* of the wait going on: charged to holders already */
	__u64 off_cpu_since;               /* 0: on a CPU, or not holding */
	__u8 off_cpu_blocked;              /* asleep, not preempted */
	__u32 instance;                    /* of its process */
	__u64 hold_runnable, hold_blocked; /* of the hold going on */

	__u64 acquisitions, contended, failed, timeouts, stolen, handoffs, releases, releases_forced;
	__u64 held_runnable_ns, held_blocked_ns;
	__u64 holds_at_start, held_at_start_ns; /* a hold that began before the trace, and its part within */
	__u64 waits_at_start, waited_at_start_ns;
	__u64 hits; /* of all probes */
	struct histogram wait, hold;
};

struct lock_key {
	__u64 address;
	__u64 tgid;
};

/* One lock of one process. */
struct lock {
	struct lock_layout layout;
	__u32 instance;    /* of its process */
	__u32 plan;        /* the index in `plans` of the file that it was met through */
	__u64 start_ns;    /* when the trace of its process began */
	__u32 holder;      /* tid; 0: nobody, or unknown */
	__u32 holder_slot; /* of the last thread that took it */
	__u32 last_tid;    /* the last thread that took it */
	__u32 known;       /* an acquisition or a release was seen */
	/* Hints about a semaphore, written by any thread. Since the last release: */
	__u32 found_free;     /* the last thread that found it free; 0: none */
	__u32 woken;          /* the last thread that woke up to take it; 0: none */
	__u64 acquired_ns;    /* when `holder` took it */
	__u64 released_ns;    /* the last release; 0: none seen */
	__u64 switches;       /* how often another thread took it than the one before */
	__s64 interpreter;    /* its id; -1: unknown */
	__u64 drop_requested; /* since it was taken, a waiter has asked the holder to let go */
	__u64 attempts[ATTEMPTS_BUCKETS];
	struct histogram handoff;
};

/* Whose locks are traced: those of the processes that were given, also of their descendants, or of every process. */
enum scope { SCOPE_GIVEN, SCOPE_CHILDREN, SCOPE_ALL };

#define MAX_PLANS        64
#define LOCKS_OF_PROCESS 8

/* One file that is probed. Its layout's absolute addresses are those in the file. */
struct file_plan {
	struct lock_layout layout;
	__u64 attached_ns; /* since when it is probed; 0: not yet at all its sites */
	__u64 unlike;      /* hits whose argument did not look like a lock */
	__u64 senseless;   /* releases without their acquisition, or the reverse */
};

/*
 * A probe's cookie: the event in the low byte, then 16 bits for the index in `sites`, and above them, signed, the
 * distance from the lock to the argument register.
 */
#define NO_SITE                            0xffff
#define MAX_SITES                          4096
#define make_cookie(event, site, distance) ((__u64)(distance) << 24 | (__u64)(site) << 8 | (event))
#define cookie_event(cookie)               ((__u32)((cookie)&0xff))
#define cookie_site(cookie)                ((__u32)((cookie) >> 8 & 0xffff))
#define cookie_distance(cookie)            ((__s64)(cookie) >> 24)

/* One probe, for what a hit's cookie cannot hold: its place in the file. */
struct site {
	__u64 address;
	__u32 plan;
	__u32 pad;
};

/*
 * A process that is traced; the key is its tgid. A process that replaced its program is another instance, and so is one
 * that has the number of one which ended.
 */
struct traced_process {
	__u32 instance;                /* with the tgid it names one life of a process */
	__u32 parent;                  /* tgid; 0: was not seen */
	__u64 start_ns;                /* when its trace began */
	__u64 load_bias;               /* of its runtime's file; for kernels whose probes have no cookies */
	__u64 locks[LOCKS_OF_PROCESS]; /* addresses; 0: none */
};

/* A lock of a process that ended, kept until the user side has read it. */
struct past_lock_key {
	__u64 address;
	__u32 tgid, instance;
};

struct pair_key {
	__u32 slot, generation; /* of the waiter */
	__u32 holder;           /* tid; 0: unknown */
	__u32 pad;
};

struct pair {
	__u64 waits;
	__u64 wait_ns;
};

/* A thread that woke from a sleep which began before the trace. */
struct woken {
	__u64 time_ns;
	__u32 tgid, pad;
};

/* A thread by its thread pointer, which is what pthread_self() returns and the runtime keeps. */
struct thread_pointer {
	__u64 tgid;
	__u64 pointer;
};

enum lost {
	LOST_EVENTS,    /* the ring was full */
	LOST_THREADS,   /* no free slot for a thread: its events are not counted */
	LOST_GILS,      /* no room for a lock */
	LOST_PAIRS,     /* no room for a pair, a thread pointer or a thread that waited at the start */
	LOST_SENSELESS, /* a release without its acquisition or the reverse: a probe hit was missed */
	LOST_PROCESSES, /* no room for a process */
	LOST_KINDS,
};

enum record_type {
	RECORD_THREAD_ENDED,
	RECORD_PROCESS_BEGAN, /* a process that is traced from now on: forked, or a new program in a traced one */
	RECORD_PROCESS_ENDED, /* the last thread is gone, or the program was replaced */
	RECORD_EXECED,        /* a process within the scope runs a new program, which may have a runtime */
};

/* What the kernel side tells at once, through the ring. */
struct record {
	__u32 type;
	__u32 tgid;
	union {
		__u32 slot;     /* of the thread that ended */
		__u32 instance; /* of the process */
	};
	union {
		__u32 parent; /* tgid of the process that began; 0: was not seen */
		__u32 execed; /* the process ended by running another program */
	};
	__u64 time_ns;
};

#ifndef __bpf__
_Static_assert(sizeof(struct thread) == 256 + 2 * sizeof(struct histogram), "the same on both sides");
_Static_assert(sizeof(struct lock) == 160 + 8 * ATTEMPTS_BUCKETS + sizeof(struct histogram), "the same on both sides");
_Static_assert(sizeof(struct file_plan) == 104, "the same on both sides");
_Static_assert(sizeof(struct traced_process) == 88, "the same on both sides");
_Static_assert(sizeof(struct record) == 24, "the same on both sides");
#endif

#endif
