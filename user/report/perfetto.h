/* SPDX-License-Identifier: MIT */
/*
 * Perfetto's trace format, as much of it as a timeline needs: a stream of packets with tracks, slices, counters and
 * flows (Perfetto's protos/perfetto/trace/). What is written goes out at once; nothing grows with the trace.
 */
#ifndef GILTRACE_REPORT_PERFETTO_H
#define GILTRACE_REPORT_PERFETTO_H

#include <stdint.h>
#include <stdio.h>

#include "user/protobuf/writer.h"

/* All of it is perfetto__open()'s. Errors stay until perfetto__close(). */
struct perfetto {
	FILE *out;
	struct bytes packet, event, part, texts;
	uint64_t now_ns; /* of the packet before: times are differences */
	int error;
};

/* What is told of a slice beside its name: docs/timeline.md. The order is that of their names. */
enum perfetto_key {
	PERFETTO_LOCK,
	PERFETTO_HOLDER,
	PERFETTO_HOLDER_STACK,
	PERFETTO_WAITER_STACK,
	PERFETTO_FAILED,
	PERFETTO_RELEASE_STACK,
	PERFETTO_WAITERS,
	PERFETTO_FORCED,
	PERFETTO_KEYS
};

/* Texts are told once and named by a number from 1 on: names of slices, and values of keys. */
enum perfetto_texts { PERFETTO_NAME = 2, PERFETTO_VALUE = 29 };

/* Begins a trace; times are of CLOCK_MONOTONIC, from about `start_ns` on. */
void perfetto__open(struct perfetto *perfetto, FILE *out, uint64_t start_ns);

/* 0, -ENOMEM, or the -errno of a failed write. */
int perfetto__close(struct perfetto *perfetto);

/* Tracks, each with a number of its own in the whole trace. Texts are any bytes; they may be
 * empty. Parent 0: none. */
void perfetto__process(struct perfetto *perfetto, uint64_t track, uint32_t pid, const char *exe);
void perfetto__thread(struct perfetto *perfetto, uint64_t track, uint32_t pid, uint32_t tid, const char *name);
void perfetto__track(struct perfetto *perfetto, uint64_t track, uint64_t parent, const char *name);
void perfetto__counter(struct perfetto *perfetto, uint64_t track, uint64_t parent, const char *name, const char *unit);

/* The text that a number stands for from the next event on; valid UTF-8. */
void perfetto__text(struct perfetto *perfetto, enum perfetto_texts texts, uint64_t number, const char *text);

/*
 * An event is begun, told more of and written. Each slice that begins ends on its track, the last one first. Events are
 * best written in the order of time: others take more room.
 */
void perfetto__begin(struct perfetto *perfetto, uint64_t track, uint64_t name);
void perfetto__end(struct perfetto *perfetto, uint64_t track);
void perfetto__count(struct perfetto *perfetto, uint64_t track, int64_t value);
void perfetto__say(struct perfetto *perfetto, enum perfetto_key key, uint64_t value); /* the number of a text */
void perfetto__tell(struct perfetto *perfetto, enum perfetto_key key, uint64_t value);
void perfetto__flow(struct perfetto *perfetto, uint64_t flow);     /* from this slice */
void perfetto__flow_end(struct perfetto *perfetto, uint64_t flow); /* to this slice */
void perfetto__write(struct perfetto *perfetto, uint64_t time_ns);

#endif
