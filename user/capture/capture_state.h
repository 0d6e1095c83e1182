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

/* Whose slot it was: pairs outlive the threads that made them. */
struct slot_owner {
	uint32_t slot, generation;
	uint32_t tgid, instance, tid;
	uint64_t lock;
};

struct capture {
	struct giltrace_bpf *bpf;
	struct ring_buffer *ring;
	struct files *files;
	struct discovery *discovery;
	struct lives lives;
	bool multi, unfiltered, started;
	enum trace_level level;
	enum trace_scope scope;
	/* The processes that were given, and for each the load bias of its runtime (0: it has none). */
	const struct process **given;
	uint64_t *given_bias;
	size_t given_count;
	double cost_ns_per_hit;
	uint64_t start_ns, stop_ns; /* 0: not yet */
	bool execed;
	uint32_t slots;
	uint32_t *generations; /* of each slot: how often it was freed */
	/* Threads that ended, and the pairs of those whose slots were freed. */
	struct trace *harvested;
	uint64_t harvested_hits;
	struct slot_owner *ended;
	size_t ended_count;
};

uint64_t capture__now(void); /* CLOCK_MONOTONIC, ns */

/* Takes the figures of a thread that ended out of its slot and frees the slot. */
void capture__harvest_thread(struct capture *capture, uint32_t slot);

/* Takes the figures of the locks of a process that ended, and makes room for others. */
void capture__harvest_locks(struct capture *capture);

#endif
