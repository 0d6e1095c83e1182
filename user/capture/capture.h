/* SPDX-License-Identifier: MIT */
/*
 * A capture: the kernel side loaded, attached to a process, running, and read out into a trace.
 *
 * The order is open, attach, activate, run, stop, collect, free; with collect, run any number of times before the stop.
 * Nothing counts before activate; free may come at any point, detaches all that is attached, and leaves the traced
 * process untouched. Errors are -errno; where a function takes `why`, it gets one line for the user.
 */
#ifndef GILTRACE_CAPTURE_H
#define GILTRACE_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/trace/trace.h"

struct capture;
struct probe_plan;
struct process;

struct capture_options {
	enum trace_level level;
	double budget; /* with TRACE_AUTO: what tracing may cost, as a share of one CPU */
	enum trace_scope scope;
	enum trace_stacks stacks;
	enum trace_events events; /* single ones that capture__collect() brings */
	uint32_t depth;           /* Python frames of a stack that are read, 1 to PYTHON_DEPTH; 0: as many as can be */
	bool started;             /* the given processes are held before their runtime's first step */
	bool unfiltered;      /* let probes hit in every process that has the file: for many processes of one file */
	uint32_t max_threads; /* slots for threads that live at the same time; 0: enough for processes with `threads` */
	bool often;           /* figures are collected several times a second: faster, but the memory counts as ours */
	uint64_t threads;     /* how many the targets have now, for the size of the tables */
};

enum capture_end {
	CAPTURE_TIME,
	CAPTURE_STOPPED,
	CAPTURE_EXITED,
	CAPTURE_EXECED,
	CAPTURE_DUE, /* the trace goes on: it is time to collect */
};

/* Loads the kernel side. -EPERM: not privileged, or locked down; -ENOTSUP: the kernel lacks something. */
int capture__open(const struct capture_options *options, struct capture **out, char *why, size_t why_size);

/*
 * Measures what a probe hit costs, once, before anything is attached. Takes some 20 ms, in which another thread may
 * look for runtimes.
 */
void capture__measure_price(struct capture *capture);

/*
 * Puts the probes of the plan into a process that is to be traced; once for each of several. `process` must live as
 * long as the capture. -ESRCH: it is gone.
 */
int capture__attach(struct capture *capture, const struct process *process, const struct probe_plan *plan, char *why,
		    size_t why_size);

/* A process to be traced for its descendants' sake, which has no runtime (yet). `process` as above. */
int capture__watch(struct capture *capture, const struct process *process);

/*
 * Puts probes into every runtime that the processes of the scope have mapped now: for TRACE_CHILDREN the descendants of
 * those attached and watched, for TRACE_EVERYTHING all. What cannot be probed is left out. Returns how many processes
 * with a runtime were found, or -errno.
 */
int capture__attach_scope(struct capture *capture);

/* Begins the trace: from here on every hit counts. */
int capture__activate(struct capture *capture);

/*
 * Waits until the trace has gone on for `duration_ns` (0: without end), for `stop_fd` to become readable (-1: none),
 * until no traced process is left (never with TRACE_EVERYTHING), or until `due_ns` (CLOCK_MONOTONIC; 0: never).
 * Meanwhile takes in the figures of threads and processes that end, and puts probes into runtimes that come. Says what
 * ended it; CAPTURE_EXECED when the only process replaced its program.
 */
enum capture_end capture__run(struct capture *capture, uint64_t duration_ns, uint64_t due_ns, int stop_fd);

/* Ends the trace: from here on no hit counts. Idempotent. */
void capture__stop(struct capture *capture);

/* Removes all probes. Idempotent. */
void capture__detach(struct capture *capture);

/*
 * Reads the figures into `trace`, an empty one: those of processes, locks and threads since the beginning of the trace;
 * blame, release points, hogs, events and threads that ended, since the last call. While the trace goes on, what is
 * read at the same moment may be some events apart; after capture__stop it is exact. The trace is for an encoder
 * (encode.h): it is not finished, and its stacks are in capture__stacks(). 0 or -errno.
 */
int capture__collect(struct capture *capture, struct trace *trace);

/* CPU time that reading the slots of all threads took the last time, in ns: what a collection costs when nothing new
 * came.
 */
uint64_t capture__scan_ns(const struct capture *capture);

/* The stacks that traces refer to; they keep their numbers. */
const struct stacks *capture__stacks(const struct capture *capture);

/*
 * Whether what was collected of a single process bears out a layout that was only guessed. 0; -ENOTSUP: it does not;
 * -ENODATA: the process had no lock at all, and may have none; with `why`. (Of several processes, those whose layout is
 * not borne out are left out by capture__collect.)
 */
int capture__check(const struct capture *capture, const struct trace *trace, char *why, size_t why_size);

void capture__free(struct capture *capture);

/*
 * What a probe hit costs, in ns, without looks at stacks: in the targets so far, or before there was a hit in a loop of
 * nothing else. Negative when it could not be measured, or was not.
 */
double capture__cost_ns_per_hit(const struct capture *capture);

/* The same where the target used much other memory between two hits, so that the kernel's was not in the caches. */
double capture__cold_cost_ns_per_hit(const struct capture *capture);

/* Whether one link carries all the probes (uprobe_multi), which makes detaching fast: for doctor. */
bool capture__has_uprobe_multi(void);

#endif
