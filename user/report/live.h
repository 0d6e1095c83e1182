/* SPDX-License-Identifier: MIT */
/*
 * What goes on now: from the figures that a capture brings again and again (capture__collect), those of the last moment
 * and those since a reset, of each lock, each thread and the code that had the lock while others waited. Pure: it knows
 * no terminal and no kernel. Times are nanoseconds.
 */
#ifndef GILTRACE_REPORT_LIVE_H
#define GILTRACE_REPORT_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/trace/trace.h"

/* Blame that is kept: of more, what cost the least is forgotten, but for its part in the sum. */
#define LIVE_MOST_BLAME 4096

enum live_span { LIVE_LAST, LIVE_SINCE_RESET };

#define LIVE_SPANS 2

/* Of a lock or a thread in one span. */
struct live_figures {
	uint64_t span_ns; /* how long it is; less than the span where the process or the lock came later */
	uint64_t acquisitions, contended;
	uint64_t held_ns, waited_ns; /* those that go on, too */
	uint64_t looks, looks_held;  /* of a lock */
	struct distribution wait;    /* waits that ended */
};

/* One thread's dealings with one lock. */
struct live_thread {
	uint32_t process, pid, tid;
	uint64_t gil;
	char name[TRACE_NAME_SIZE]; /* any bytes */
	bool ended;                 /* in the last span: it is forgotten at the next */
	struct live_figures of[LIVE_SPANS];
	struct trace_counts seen; /* its figures at the end of the last span; */
	struct trace_open seen_open;
	struct distribution seen_wait;
};

struct live_gil {
	uint32_t process, pid;
	uint64_t address;
	int64_t interpreter;        /* -1: unknown */
	char name[TRACE_NAME_SIZE]; /* of its process's program, without the path: any bytes */
	bool ended;                 /* its process has ended; one that came later may have its number */
	size_t threads;
	struct live_figures of[LIVE_SPANS];
	uint64_t looks_seen, looks_held_seen;
};

/* What `holder` cost the others while it ran the function of `frame`. */
struct live_blame {
	uint32_t process, holder; /* holder 0: unknown */
	uint64_t gil;
	int64_t frame; /* a number in the stacks, of the place in the function that cost the most; -1: unknown */
	uint64_t wait_ns[LIVE_SPANS];
};

struct live {
	enum trace_level level;
	bool sampled;         /* what is known of holds was seen in windows */
	uint64_t duration_ns; /* since the beginning of the trace */
	uint64_t span_ns[LIVE_SPANS];
	uint64_t hits[LIVE_SPANS]; /* of probes */
	double cost_ns_per_hit;    /* negative: not measured */
	uint64_t lost;             /* since the beginning of the trace */
	size_t gil_count, thread_count, blame_count;
	struct live_gil *gils;         /* by process and address */
	struct live_thread *threads;   /* by process, lock and tid */
	struct live_blame *blame;      /* in no order */
	uint64_t blame_ns[LIVE_SPANS]; /* the sum of all, also of what is not kept */
	uint64_t hits_seen;
};

/* All zero is the beginning. Frees what it owns and empties it. */
void live__clear(struct live *live);

/*
 * The next figures: `trace` as capture__collect() brought it, with `stacks` that its blame refers to. They must come in
 * order, none left out. Takes what the distributions of `trace` own. 0; -ENOMEM: then it is of no use any more.
 */
int live__add(struct live *live, struct trace *trace, const struct stacks *stacks);

/* From here on LIVE_SINCE_RESET counts anew. */
void live__reset(struct live *live);

/*
 * Shares of the span: in [0, 1], negative where nothing tells. Of a lock, how long it was held: where holds are not all
 * seen, by looks at it. Of a thread, how long it held the lock, which must be its own.
 */
double live__gil_held(const struct live *live, const struct live_gil *gil, enum live_span span);
double live__thread_held(const struct live *live, const struct live_thread *thread, const struct live_gil *gil,
			 enum live_span span);

/* How many threads waited on average; of a thread the share of the span that it waited. */
double live__waiting(const struct live_figures *figures);

/* Of `count` things in the span, how many a second. */
double live__rate(const struct live_figures *figures, uint64_t count);

/* The lock that a thread deals with; NULL: none is known. */
const struct live_gil *live__find_gil(const struct live *live, uint32_t process, uint64_t gil);

/* The name of a thread, "" where it is not known. */
const char *live__thread_name(const struct live *live, uint32_t process, uint32_t tid);

/* What cost the others the most in the span; NULL: nobody waited behind anybody. `share` of all blame, in [0, 1]. */
const struct live_blame *live__worst(const struct live *live, enum live_span span, double *share);

#endif
