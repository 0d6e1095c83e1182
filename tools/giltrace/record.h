/* SPDX-License-Identifier: MIT */
/* What a tracing command records: into a file, for a report, or both. */
#ifndef GILTRACE_RECORD_H
#define GILTRACE_RECORD_H

#include <stdint.h>

#include "tools/giltrace/options.h"
#include "user/capture/capture.h"

struct recorder;

/* All zero but the options: nothing is open. */
struct record {
	const struct options *options;
	struct recorder *recorder;
	uint64_t due_ns; /* CLOCK_MONOTONIC: when to collect next, for a file or to tell how it goes; 0: at the end */
	uint64_t duration_ns; /* of the trace, as it was added last */
	bool told;            /* that it cannot be written */
	bool lost;            /* a part of it never will be */
};

/* Opens the file, if there is to be one. 0 or -errno. */
int record__open(struct record *record);

/* The trace has begun. */
void record__begin(struct record *record);

/* While the trace goes on: adds what came since the last time. What cannot be written is tried again later. */
void record__go_on(struct record *record, struct capture *capture);

/*
 * The trace is over: adds the rest. 0; or -errno, told already: of the figures, or of what they show of the process
 * (capture__check), and then the file is taken away.
 */
int record__end(struct record *record, struct capture *capture, enum trace_end end);

/* Whether all is in the file, if there is to be one; tells when not. 0 or -errno. */
int record__check(struct record *record);

void record__close(struct record *record);

#endif
