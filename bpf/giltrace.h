/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What the kernel side and the user side share: plain types, no pointers. Times are CLOCK_MONOTONIC ns.
 *
 * Who writes what, so that nothing needs to be atomic: a `struct lock` is only written at probe sites where the runtime
 * holds the lock's own mutex (but for hints, as the looks at its holder); a `struct thread` only by the thread itself,
 * or by the scheduler while it switches that very thread.
 */
#ifndef GILTRACE_H
#define GILTRACE_H

#include "frame_layout.h"
#include "histogram.h"
#include "lock_layout.h"

#define THREAD_NAME_SIZE 16

/* How the last sleep of a wait ended. */
enum wake { WAKE_UNKNOWN, WAKE_SIGNALLED, WAKE_TIMED_OUT };

/* Time that a waiter slept behind one holder, to be charged in the waiter x holder matrix. */
struct charge {
	__u64 stack; /* of the holder, where no looks tell better; 0: unknown */
	__u64 ns, wall_ns;
	__u64 look_ns; /* from when on the holder had this stack, as a look tells; 0: none did yet */
	__u32 holder;  /* 0: unknown */
	__u32 charged; /* there is something to charge */
};

/* Of the stacks that looks at a thread found, which lasted the longest so far, and the last one; 0: there is none. */
struct longest {
	__u64 stack, ns;
	__u64 last, since;
};

/* One thread's dealings with one lock: a slot of the array `threads`. All zero: a free slot. */
struct thread {
	__u64 lock;
	__u32 tgid, tid;
	__u32 instance; /* of its process */
	__u32 next;     /* slot + 1 of the same thread's dealings with another lock, or 0 */
	char name[THREAD_NAME_SIZE];
	__u8 holding;
	__u8 wait_at_start; /* the wait going on began before the trace */
	__u8 woken_by;      /* enum wake */
	__u8 taking;        /* it is in sem_wait for the lock */
	__u8 among_waiters; /* the lock counts it in `waiters` */
	__u8 look_due;      /* it is to look at the stacks of its wait when it sleeps */
	__u8 pad[2];
	__u32 old_wait; /* `wait_window` in which it waits and did so before; 0: it does not */
	__u32 failed_in_wait;
	__u32 first_holder; /* who held the lock when the wait began */
	/* Of the wait going on: since the probes of waits were put back for this time, and how many it stands for. */
	__u32 wait_window, wait_weight;
	__u64 ended_ns;         /* 0: it lives */
	__u64 woken_at_start;   /* a semaphore's wait that began before the trace: when it ended */
	__u64 waiting_since;    /* 0: it does not wait */
	__u64 attempt_since;    /* when the sleep going on began */
	__u64 attempt_switches; /* the lock's `switches` then */
	__u64 attempt_wall;     /* the lock's `wall_ns` then */
	__u64 attempt_stack;    /* the holder's then, or when the thread fell asleep, */
	__u64 looked_ns;        /* and when that was looked at: a sleep soon after another keeps what was seen */
	__u32 attempt_holder;   /* who held the lock then; 0: unknown */
	__u8 off_cpu_blocked;   /* asleep, not preempted */
	__u8 pad2[3];
	__u64 charged_ns;                  /* of the wait going on: charged to holders already */
	struct charge sleep;               /* that ended, until it is charged */
	__u64 off_cpu_since;               /* 0: on a CPU, or not holding */
	__u64 hold_runnable, hold_blocked; /* of the hold going on */
	__u64 hold_syscall_ns;             /* the longest sleep in it, */
	__s32 hold_syscall;                /* and in which system call */
	__s32 off_cpu_syscall;

	struct longest longest; /* of its hold that ends */

	__u64 pointer; /* its thread pointer */

	/* Stacks, by their ids; 0: unknown. */
	__u64 thread_state;     /* where the runtime keeps this thread's frames; 0: not found yet */
	__u64 taking_stack;     /* the holder's when it came to a semaphore, */
	__u64 taking_ns;        /* and when that was looked at; 0: it was not */
	__u64 seen_stack;       /* its own, when that was looked at last */
	__u64 first_stack;      /* the holder's when the wait began */
	__u64 waiter_stack;     /* its own, in the wait going on */
	__u64 call_site;        /* the Python part of that: where it let go of the lock before */
	__u64 release_stack;    /* of the last release, if that was looked at */
	__u64 release_ns;       /* when that was, if it was voluntary; else 0 */
	__u64 release_weight;   /* how many releases it stands for */
	__u32 release_window;   /* the window of `release_ns`, */
	__u32 release_holds;    /* and how many holds the one that ended then stands for */
	__u64 pending_releases; /* since the last that was looked at, and that nobody waited for, */
	__u64 pending_held_ns;  /* and the holds that they ended */
	__u32 releases_until_look;
	__u32 random;

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

/* What looks at a holder found while others waited: the same stack from the first of them in a row to the last. */
struct sample {
	__u64 since_ns, seen_ns;
	__u64 stack;
	__u32 tid, pad;
};

#define SAMPLES 8 /* that a lock remembers */

/* One lock of one process. */
struct lock {
	struct lock_key key; /* address 0: none */
	struct lock_layout layout;
	__u32 instance;    /* of its process */
	__u32 plan;        /* the index in `plans` of the file that it was met through */
	__u64 start_ns;    /* when the trace of its process began */
	__u32 holder;      /* tid; 0: nobody, or unknown */
	__u32 holder_slot; /* of the last thread that took it */
	__u32 last_tid;    /* the last thread that took it */
	__u32 known;       /* an acquisition or a release was seen */
	__u32 always;      /* its holds are always probed: windows are not for it */
	/* Of the hold that `holder` began, or of the last one: its window, and how many it stands for. */
	__u32 window, weight;
	__u32 pad;
	/* Hints about a semaphore, written by any thread. Since the last release: */
	__u32 found_free;    /* the last thread that found it free; 0: none */
	__u32 woken;         /* the last thread that woke up to take it; 0: none */
	__u64 acquired_ns;   /* when `holder` took it */
	__u64 released_ns;   /* the last release; 0: none seen */
	__u64 switches;      /* how often another thread took it than the one before */
	__s64 interpreter;   /* its id; -1: unknown */
	__u64 requested_ns;  /* when, since it was taken, a waiter first asked the holder to let go; 0: none did */
	__u32 waiters;       /* threads that wait now */
	__u32 most_waiters;  /* at once, since it was taken */
	__u64 wait_began_ns; /* since when somebody waits; good while `waiters` is not 0 */
	/* Runs while anybody waits, at one n-th of the speed of time where n wait: see lifecycle.h. */
	__u64 wall_ns, wall_since;
	/* The holder's stack in its present hold, as a waiter saw it last or itself as it fell asleep; 0: unknown. */
	__u64 holder_stack;
	struct sample samples[SAMPLES]; /* the last looks of the timer, on the holder's own CPU, in turn */
	__u32 next_sample;
	__s32 holder_syscall;      /* in which the holder sleeps; -1: none */
	__u64 holder_asleep_ns;    /* since when */
	__u64 load_bias;           /* of the file that it was met through */
	__u64 interpreter_address; /* 0: unknown */
	__u64 attempts[ATTEMPTS_BUCKETS];
	struct histogram handoff;
};

/* Whose locks are traced: those of the processes that were given, also of their descendants, or of every process. */
enum scope { SCOPE_GIVEN, SCOPE_CHILDREN, SCOPE_ALL };

#define MAX_PLANS        64
#define LOCK_CACHE       256 /* see bpf/locks.bpf.h; a power of two */
#define NO_LOCK          ((__u32)-1)
#define COUNTED_CPUS     128 /* CPUs with a higher number share */
#define LOCKS_OF_PROCESS 8

/* One file that is probed. Its layout's absolute addresses are those in the file. */
struct file_plan {
	struct lock_layout layout;
	struct frame_layout frames;
	__u32 frame_size; /* bytes: what is read of a frame, */
	__u32 code_size;  /* and of a code object */
	__u32 always;     /* its holds are always probed */
	__u32 pad;
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
	/* Where the scheduler is known to tell of sleeps for its locks: since when, and from a lock to the futex. */
	__u64 sleeps_ns; /* 0: it is not */
	__u64 sleep_offset;
	__u32 pid_level, pad; /* then, how many pid namespaces it is in beside the first */
};

/* A lock of a process that ended, kept until the user side has read it. */
struct past_lock_key {
	__u64 address;
	__u32 tgid, instance;
};

/*
 * What grows with the number of stacks is emptied while the trace runs: the kernel side writes entries of the current
 * `epoch` only, and the user side reads those of the one before.
 */

/* The sleeps of a waiter behind a holder, each with its stack. */
struct pair_key {
	__u64 lock;
	__u64 waiter_stack, holder_stack;
	__u32 tgid, instance; /* of the process */
	__u32 waiter, holder; /* tids; holder 0: unknown */
	__u32 epoch, pad;
};

struct pair {
	__u64 waits;
	__u64 wait_ns;
	__u64 wall_ns; /* its part of the time in which anybody waited */
};

/* A place where a thread lets go of the lock. The figures are those of struct trace_release_point. */
struct release_key {
	__u64 lock;
	__u64 stack;
	__u32 tgid, instance;
	__u32 tid, epoch;
};

struct release {
	__u64 releases, forced;
	__u64 held_ns;
	__u64 outside_ns;
	__u64 returns, back_ns;
};

/* A sleep for a futex that is no known lock's. */
struct unknown_sleep {
	__u64 futex;
	__u64 since_ns;
	__u32 tid, pad;
};

#define UNKNOWN_SLEEPS 256 /* remembered, each in the place of its thread's number; a power of two */

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
	LOST_STACKS,    /* no room for a stack, or for what is charged to one */
	LOST_KINDS,
};

/* What is counted by CPU. */
enum cpu_count {
	CPU_HITS,
	CPU_WAIT_HITS,
	CPU_WAITED_NS, /* of counted waits that windows were for */
	CPU_COUNTS = 8 /* a cache line */
};

/* What became of the attempts to read a stack: struct trace_stack_quality has the words. */
enum walk_count {
	WALKS,
	WALKS_TORN,
	WALKS_MISSING,
	WALKS_CUT,
	WAITER_LOOKS,
	WAITER_LOOK_NS,
	SCHEDULER_LOOK_NS, /* its part of waiters that slept already */
	RELEASE_LOOK_NS,
	WALK_COUNTS
};

enum record_type {
	RECORD_THREAD_ENDED,
	RECORD_PROCESS_BEGAN, /* a process that is traced from now on: forked, or a new program in a traced one */
	RECORD_PROCESS_ENDED, /* the last thread is gone, or the program was replaced */
	RECORD_EXECED,        /* a process within the scope runs a new program, which may have a runtime */
	RECORD_HALF_FULL,     /* of the maps that grow with the stacks: time to empty them */
	RECORD_HOG,           /* is a struct hog */
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

/* A hold that others waited for after they had asked for the lock: begins as a struct record. */
struct hog {
	__u32 type;
	__u32 tgid;
	__u32 instance, tid;
	__u64 lock;
	__u64 stack;
	__u64 start_ns, held_ns, request_to_drop_ns;
	__u64 runnable_ns, blocked_ns, syscall_ns;
	__s32 syscall;
	__u32 waiters;
};

/* Which single events are told: waits, with holds that somebody waited for; or all. */
enum logged_events { LOG_NOTHING, LOG_CONTENDED, LOG_ALL };

enum event_kind { EVENT_WAIT, EVENT_HOLD };

/* A wait that ended with the lock, or a hold that ended. */
struct event {
	__u32 kind;
	__u32 tgid, instance, tid;
	__u64 lock;
	__u64 start_ns, end_ns;
	__u64 stack;        /* of the holder at the beginning of the wait; of the release */
	__u64 waiter_stack; /* of a wait */
	__u32 other;        /* who held it at the beginning of the wait; the most that waited at once */
	__u32 failed;       /* attempts of the wait */
	__u32 forced;       /* the hold ended because somebody had asked */
	__u32 pad;
};

/*
 * A holder sleeps for a moment in the runtime's own mutex whenever somebody looks at the lock just then: what is
 * shorter tells nothing of its code.
 */
#define ASLEEP_NS 50000

#define SHORT_NS 50000 /* holds that took longer are looked at one by one when somebody waits */

#define NO_SYSCALL (-1) /* a thread is in none */
#define FUTEX      202  /* on x86-64 */

#define FUTEX_COMMAND     127 /* in its second argument */
#define FUTEX_WAIT_BITSET 9

#define COND_SIZE 48 /* pthread_cond_t (glibc, x86-64) */

/*
 * So long after the scheduler was first seen to tell of a sleep for a process's lock, each sleep that began since is
 * known: one that woke up before is over.
 */
#define SLEEPS_TELL_NS 20000000

#define KEPT_NS 100000000 /* so long a look at a holder is good for a waiter that does not come to sleep */

#define FRESH_NS 1000000 /* so long a look at a holder is good for a waiter that wakes up in vain */

#define LONG_SLEEP_NS 1000000 /* of a waiter: looks while it goes on tell more than the one at its beginning */

#define HOG_NS 500000 /* from the drop request to the drop: what is shorter is no hog */

#ifndef __bpf__
_Static_assert(sizeof(struct thread) == 504 + 2 * sizeof(struct histogram), "the same on both sides");
_Static_assert(sizeof(struct lock) == 520 + 8 * ATTEMPTS_BUCKETS + sizeof(struct histogram), "the same on both sides");
_Static_assert(sizeof(struct file_plan) == 192, "the same on both sides");
_Static_assert(sizeof(struct traced_process) == 112, "the same on both sides");
_Static_assert(sizeof(struct record) == 24, "the same on both sides");
_Static_assert(sizeof(struct event) == 72, "the same on both sides");
#endif

#endif
