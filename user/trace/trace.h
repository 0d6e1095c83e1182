/* SPDX-License-Identifier: MIT */
/*
 * The model of one trace: who held which lock, who waited, for how long. Pure: it knows no kernel and no file.
 *
 * A capture (or toygil, for its own books) fills in the target, the window, the locks, the threads and the blame; then
 * trace__finish() sorts them and derives each lock's figures from its threads'. Reports read the result. Times are
 * nanoseconds of CLOCK_MONOTONIC. The words are those of docs/design.md.
 */
#ifndef GILTRACE_TRACE_H
#define GILTRACE_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/histogram.h"
#include "user/trace/distribution.h"
#include "user/trace/stacks.h"

#define TRACE_NAME_SIZE 64

/* What was probed, and so what is known: with TRACE_WAITS, holds, releases and uncontended
 * acquisitions are not; with TRACE_AUTO, in windows only where that cost more than the budget. */
enum trace_level { TRACE_ALL, TRACE_WAITS, TRACE_AUTO };

/* Which frames stacks have. */
enum trace_stacks { TRACE_STACKS_NONE, TRACE_STACKS_PYTHON, TRACE_STACKS_NATIVE, TRACE_STACKS_BOTH };

#define TRACE_MAX_HOGS 1000

/* Which single events are known: waits, with the holds that somebody waited for; or all. */
enum trace_events { TRACE_EVENTS_NONE, TRACE_EVENTS_CONTENDED, TRACE_EVENTS_ALL };

/* Whose locks are traced: those of the given processes, also of their descendants, or of every process. */
enum trace_scope { TRACE_GIVEN, TRACE_CHILDREN, TRACE_EVERYTHING };

/* How the target's part in the trace, or one process's, ended. */
enum trace_end {
	TRACE_END_TIME,    /* the time was over, or the user stopped it */
	TRACE_END_EXITED,  /* the process ended or was killed */
	TRACE_END_EXECED,  /* the process replaced its program */
	TRACE_END_UNKNOWN, /* the recording broke off */
};

struct trace_counts {
	uint64_t acquisitions;
	uint64_t contended; /* acquisitions that slept at least once, begun and ended within the trace */
	uint64_t failed, timeouts, stolen;
	uint64_t handoffs;
	uint64_t releases_forced, releases_voluntary;
	uint64_t held_ns, waited_ns; /* sums of the closed holds and waits */
};

/* Intervals cut by an end of the trace; they are in no histogram and in no sum above. */
struct trace_open {
	uint64_t holds_at_start, holds_at_end; /* held before the trace began; still held when it ended */
	uint64_t waits_at_start, waits_at_end;
	uint64_t held_ns, waited_ns; /* the parts of these that lie within the trace */
	uint64_t charged_ns;         /* of waited_ns: already charged to a holder in the blame */
};

/* One process from its beginning, or the trace's, to its end, or the trace's. An exec makes another one of it. */
struct trace_process {
	uint32_t number; /* which of the trace's processes: of several with one pid, which. In the order of beginning */
	uint32_t pid;
	uint32_t pid_in_namespace;    /* as it knows itself; 0: the same */
	uint32_t parent;              /* the pid of the one that started it; 0: unknown */
	char *exe;                    /* owned; NULL: unknown */
	const char *runtime, *design; /* as in trace_target */
	char version[32];
	uint64_t start_ns, duration_ns;
	enum trace_end end;
	bool from_start; /* nothing before its first acquisition was missed: it began within the trace, probed */
	bool in_windows; /* its holds were seen in windows: the trace's `holds_factor` and `waits_factor` are for it */
	bool refuted;    /* its runtime was not what it had been guessed to be: it is left out */
	/* Derived by trace__finish(): the sums over its locks. */
	struct trace_counts counts;
	struct trace_open open;
	size_t gils, threads;
};

/* One thread's dealings with one lock. */
struct trace_thread {
	uint32_t process, pid, tid;
	char name[TRACE_NAME_SIZE];
	uint64_t gil;
	bool ended;
	struct trace_counts counts;
	struct trace_open open;
	struct distribution wait, hold;
	uint64_t held_runnable_ns, held_blocked_ns; /* parts of held_ns; the rest was on a CPU */
};

struct trace_gil {
	uint32_t process, pid;
	uint64_t address;
	int64_t interpreter; /* -1: unknown */
	struct distribution handoff;
	uint64_t attempts[ATTEMPTS_BUCKETS];
	uint64_t looks, looks_held; /* how often it was looked at, at random, and was held then */
	/* Derived by trace__finish(): the sums over the lock's threads. */
	struct trace_counts counts;
	struct trace_open open;
	struct distribution wait, hold;
	size_t threads;
};

/*
 * The time that `waiter` slept, with `waiter_stack`, while `holder` held the lock and ran `stack`; holder 0: unknown.
 * All together add up to the waits, so there are entries with stacks that are not known.
 */
struct trace_blame {
	uint32_t process, pid, waiter, holder;
	uint64_t gil;
	uint32_t waiter_stack, stack; /* numbers in the trace's stacks */
	uint64_t waits;               /* finished waits that began behind this holder */
	uint64_t wait_ns;
	uint64_t wall_ns; /* of the time in which anybody waited: each of n waiters has the n-th part */
};

/*
 * What a thread did at one place where it lets go of the lock. Those releases that somebody waited for are looked at
 * one by one; of the others some stand for all, so that `releases`, `held_ns` and `outside_ns` add up to the thread's,
 * but are estimates of a place.
 */
struct trace_release_point {
	uint32_t process, pid, tid;
	uint64_t gil;
	uint32_t stack; /* at the release */
	uint64_t releases, forced;
	uint64_t held_ns;    /* of the holds that ended here */
	uint64_t outside_ns; /* from a voluntary release until the thread wanted the lock again */
	uint64_t returns;    /* after voluntary releases, that had to wait: each is counted */
	uint64_t back_ns;    /* how long these waited */
};

/* One hold that others waited for, after a drop was requested. */
struct trace_hog {
	uint32_t process, pid, tid;
	uint64_t gil;
	uint32_t stack;    /* while others waited; or at the release */
	uint64_t start_ns; /* the acquisition; CLOCK_MONOTONIC */
	uint64_t held_ns;
	uint64_t request_to_drop_ns;      /* from the drop request to the release */
	uint32_t waiters;                 /* the most that waited at the same time */
	uint64_t runnable_ns, blocked_ns; /* parts of held_ns; the rest was on a CPU */
	int32_t syscall;                  /* in which it slept the longest while holding; -1: none */
	uint64_t syscall_ns;              /* of blocked_ns, in that one */
};

enum trace_event_kind { TRACE_WAIT, TRACE_HOLD };

/* One wait that ended with the lock, or one hold that ended: both began and ended within the trace. */
struct trace_event {
	enum trace_event_kind kind;
	bool forced; /* a hold: it ended because somebody had asked */
	uint32_t process, pid, tid;
	uint64_t gil;
	uint64_t start_ns, end_ns; /* CLOCK_MONOTONIC */
	uint32_t stack;            /* of a wait: the holder's at its beginning; of a hold: at the release */
	uint32_t waiter_stack;     /* of a wait */
	uint32_t holder;           /* of a wait: who had the lock at its beginning; 0: unknown */
	uint32_t failed;           /* of a wait: attempts that failed */
	uint32_t waiters;          /* of a hold: the most that waited at the same time */
};

/* How well stacks could be read. */
struct trace_stack_quality {
	uint64_t walks;                        /* attempts to read a Python stack */
	uint64_t torn;                         /* it changed all the time while it was read, or led nowhere; not used */
	uint64_t missing;                      /* nothing told where the thread's stack is */
	uint64_t cut;                          /* deeper than is read; the frames nearest to the leaf are known */
	uint64_t frames_gone;                  /* frames whose code had been freed when it was to be named */
	uint64_t waiter_looks, waiter_look_ns; /* by threads that went to sleep: how often, and what it took them */
};

/* The process that was given, or the first of several; pid 0 and exe "" when every process was traced. */
struct trace_target {
	uint32_t pid;
	uint32_t pid_in_namespace; /* as it knows itself; 0: the same */
	char exe[4096];
	const char *runtime; /* "cpython", "toygil"; static; "": several processes have different ones */
	char version[32];    /* "" : unknown */
	const char *design;  /* "ticks", "interval", "per-interpreter", "free", "none"; static */
};

/* All locks together. */
struct trace_total {
	struct trace_counts counts;
	struct trace_open open;
	struct distribution wait, hold;
};

struct trace_probes {
	uint64_t hits;
	double cost_ns_per_hit;        /* negative: not measured */
	double longest_ns;             /* the longest that one took; negative: not measured */
	double overhead_pct;           /* of one CPU; negative: not measured */
	double coverage_pct;           /* share of the window in which holds were probed */
	double budget_pct;             /* what tracing was allowed to cost, of one CPU; negative: there was no budget */
	uint64_t windows;              /* in which holds were probed, where it was not all the time, */
	uint64_t windows_cut;          /* and of those, which were closed before all of their holds had ended */
	double acquisitions_error_pct; /* of their number: half the width of the 95 % interval; 0: exact */
	double waits_coverage_pct;     /* share of the window in which waits were probed */
	double waits_error_pct;        /* of their number or of the time waited, whichever is greater, likewise */
};

/* What the trace missed, by what ran short. */
struct trace_lost {
	uint64_t events; /* records that found the ring full */
	uint64_t stacks;
	uint64_t threads;   /* events of threads that found no free slot */
	uint64_t probes;    /* probe hits that the kernel skipped, and events that made no sense */
	uint64_t gils;      /* events of locks that found no free slot */
	uint64_t processes; /* processes that found no free slot, or whose runtime could not be probed */
	uint64_t pairs;     /* waits whose waiter x holder pair found no room */
};

struct trace {
	struct trace_target target;
	uint64_t start_ns, duration_ns;
	enum trace_level level;
	enum trace_scope scope;
	enum trace_end end;
	uint64_t children; /* processes that the traced ones forked meanwhile */
	struct trace_probes probes;
	struct trace_lost lost;
	enum trace_stacks stack_level;
	enum trace_events event_level; /* which `events` were captured; they are here if they were wanted */
	struct trace_stack_quality quality;
	struct stacks *stacks; /* owned; never NULL */
	size_t process_count, gil_count, thread_count, blame_count, point_count, hog_count, event_count;
	struct trace_process *processes; /* at least one; those that have a lock */
	struct trace_gil *gils;
	struct trace_thread *threads;
	struct trace_blame *blame;
	struct trace_release_point *points;
	struct trace_hog *hogs; /* the worst TRACE_MAX_HOGS of them */
	uint64_t hogs_seen;
	struct trace_event *events; /* where they were recorded and are wanted; about in the order of their ends */
	double holds_factor;        /* what was seen of holds in windows stands for so many times as much, */
	double waits_factor;        /* and of waits */
	size_t word_count;
	char **words;             /* owned: see trace__word() */
	struct trace_total total; /* derived by trace__finish() */
};

/* An empty trace, or NULL without memory. Freed with trace__free(), which takes NULL. */
struct trace *trace__new(void);
void trace__free(struct trace *trace);

/* Appends an empty element and returns it, or NULL without memory; valid until the next one is added. */
struct trace_process *trace__add_process(struct trace *trace);
struct trace_gil *trace__add_gil(struct trace *trace);
struct trace_thread *trace__add_thread(struct trace *trace);
struct trace_blame *trace__add_blame(struct trace *trace);
struct trace_release_point *trace__add_release_point(struct trace *trace);
struct trace_event *trace__add_event(struct trace *trace);

/* Keeps a hold if it is among the worst: those whose time from the drop request to the drop is the longest. 0, -ENOMEM.
 */
int trace__add_hog(struct trace *trace, const struct trace_hog *hog);

/* The trace's own copy of a runtime's or design's name, each kept once; NULL without memory. */
const char *trace__word(struct trace *trace, const char *word);

/* All kinds together. */
uint64_t trace__lost(const struct trace *trace);

/* As in --probes. */
#define TRACE_LEVELS 3
const char *trace__level_name(enum trace_level level);

/* Whether holds are known at all, exactly or by windows. */
bool trace__knows_holds(const struct trace *trace);

/* Whether what is known of holds was seen in windows. */
bool trace__is_sampled(const struct trace *trace);

/*
 * Moves the threads, blame, release points, hogs and events of another trace to this one, which has none. Their stacks
 * are the other's still.
 */
void trace__move(struct trace *into, struct trace *from);

/* Copies the processes and locks of another trace. 0 or -ENOMEM. */
int trace__copy_locks(struct trace *into, const struct trace *from);

/* Merges blame of equal threads and stacks, and release points, where a trace is filled in again and again. */
void trace__compact(struct trace *trace);

/*
 * Leaves out what was refuted; lets what was seen in windows stand for all; merges blame of equal threads and stacks,
 * and release points; sorts all (processes by number, locks by process, interpreter and address, threads by lock,
 * waited time and tid, blame by time, release points by the time of coming back, hogs the worst first) and derives the
 * locks' and processes' figures. Call it once, after the last element was added. 0 or -ENOMEM.
 */
int trace__finish(struct trace *trace);

/* The process with this number, or NULL. */
const struct trace_process *trace__find_process(const struct trace *trace, uint32_t number);

/* Whether the thread's dealings are with this lock. */
bool trace__is_of(const struct trace_thread *thread, const struct trace_gil *gil);

/* The name of a thread of the trace, "" when there is none with this tid. */
const char *trace__thread_name(const struct trace *trace, uint32_t process, uint32_t tid);

/* How long the lock's process was traced, in ns. */
uint64_t trace__duration(const struct trace *trace, const struct trace_gil *gil);

/*
 * Held time over the time that the lock's process was traced, in [0, 1]; negative: unknown. Where each hold was seen it
 * is exact, open parts included; else it is by looks at the lock, and `*error` (may be NULL) half the width of the 95 %
 * interval.
 */
double trace__utilisation(const struct trace *trace, const struct trace_gil *gil, double *error);

/* The mean number of waiters. */
double trace__saturation(const struct trace *trace, const struct trace_gil *gil);

/* Getting back / being away, at a release point: above 1 the lock costs more than what it was let go for. Negative:
 * nobody was away. */
double trace__convoy_score(const struct trace_release_point *point);

#endif
