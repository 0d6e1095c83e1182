/* SPDX-License-Identifier: MIT */
/* What messages of a recording have in common: counters, distributions, names. For encode.c. */
#ifndef GILTRACE_RECORDING_ENCODE_PARTS_H
#define GILTRACE_RECORDING_ENCODE_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/protobuf/writer.h"

struct counter;
struct distribution;
struct stacks;
struct trace;
struct trace_process;

/* The counters of `now`, a struct that the list is of, that are others than `before`. */
void encode__counters(struct bytes *into, const struct counter *list, const void *now, const void *before);

/* Nothing where nothing changed. `part` is for the use within. */
void encode__distribution(struct bytes *into, struct bytes *part, uint32_t field, const struct distribution *now,
			  const struct distribution *before);
void encode__attempts(struct bytes *into, struct bytes *part, const uint64_t *now, const uint64_t *before);

/* All but the number and the counters. */
void encode__process(struct bytes *into, const struct trace_process *process);
uint64_t encode__process_flags(const struct trace_process *process);

/* Of the figures of all: the counters and what else changed, or everything. */
void encode__window(struct bytes *into, const struct trace *now, const struct trace *before, bool everything,
		    bool last);
void encode__remember_window(struct trace *into, const struct trace *now);

/* The frames and stacks that were told in this segment. */
struct names {
	struct bytes told, message; /* `told`: to be told now */
	size_t frame_room, stack_room;
	uint32_t *frames, *stacks; /* by the numbers in the trace: 1 + that in the segment, 0: not told */
	uint32_t frame_count, stack_count;
};

/* The number of a stack in the segment, told if it was not. -ENOMEM. */
int64_t names__tell(struct names *names, const struct stacks *stacks, uint32_t stack);

void names__forget(struct names *names); /* another segment begins */
void names__clear(struct names *names);

#endif
