/* SPDX-License-Identifier: MIT */
/* What the files of this room share about a capture; for others it is opaque. */
#ifndef GILTRACE_CAPTURE_STATE_H
#define GILTRACE_CAPTURE_STATE_H

#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdint.h>

#include "bpf/giltrace.h"
#include "giltrace.skel.h"
#include "user/capture/capture.h"
#include "user/capture/lives.h"
#include "user/capture/price.h"
#include "user/capture/run_time.h"

/* A process that was given. */
struct given_process {
	const struct process *process;
	uint64_t load_bias; /* of its runtime; 0: it has none */
	int file;           /* the number of the runtime's file; -1: it has none */
};

struct capture {
	struct giltrace_bpf *bpf;
	struct ring_buffer *ring;
	struct ring_buffer *stack_ring; /* consumed after the other, which tells of new processes */
	struct ring_buffer *event_ring; /* NULL: events are not wanted; consumed after both */
	struct timer *timer;
	struct governor *governor;
	struct lock_watch *watch;
	uint64_t next_search_ns; /* for locks to watch */
	double budget;
	struct stack_table *stacks;
	struct files *files;
	struct discovery *discovery;
	struct lives lives;
	bool multi, unfiltered, started;
	enum trace_level level;
	enum trace_scope scope;
	enum trace_stacks stack_level;
	enum trace_events event_level;
	struct given_process *given;
	size_t given_count;
	struct price price;         /* of a hit, */
	struct run_samples runs;    /* and what tells what it is in this target; the governor has its own */
	uint64_t start_ns, stop_ns; /* 0: not yet */
	uint64_t scan_ns;           /* see capture__scan_ns() */
	uint64_t as_of_ns;          /* the moment of the figures that are collected */
	bool half_full;             /* the maps that grow with the stacks */
	uint32_t slots;
	const char *mapped_threads; /* the slots as the kernel side has them; NULL: they are read by calls */
	/*
	 * What was read while the trace runs: processes that ended, with their locks; stacks; and since figures were
	 * collected last, threads that ended, blame, release points, hogs, events.
	 */
	struct trace *harvested;
	uint64_t harvested_hits;
	size_t compact_at; /* so much blame and so many release points: merge the equal ones */
};

uint64_t capture__now(void);      /* CLOCK_MONOTONIC, ns */
uint64_t capture__cpu_time(void); /* what this thread has run, ns */

/* Takes the figures of a thread that ended out of its slot and frees the slot. */
void capture__harvest_thread(struct capture *capture, uint32_t slot);

/* The trace's number of a process: the index of its life. */
uint32_t capture__number_of(const struct capture *capture, const struct life *life);

/* Takes the figures of the locks of a process that ended, and makes room for others. */
void capture__harvest_locks(struct capture *capture);

#endif
