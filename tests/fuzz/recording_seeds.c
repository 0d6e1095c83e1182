/* SPDX-License-Identifier: MIT */
/* Seeds for the fuzz target of recordings: the fabricated traces as files, and as payloads. recording_seeds DIRECTORY
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/fabricated/traces.h"
#include "user/recording/chunk.h"
#include "user/recording/encode.h"
#include "user/trace/trace.h"

static int write_file(const char *directory, const char *name, const char *suffix, const struct bytes *bytes)
{
	char path[512];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s%s", directory, name, suffix);
	out = fopen(path, "w");
	if (!out || fwrite(bytes->data, 1, bytes->size, out) != bytes->size)
		return 1;
	return fclose(out) != 0;
}

/* A wait and a hold for each blame. */
static int add_events(struct trace *trace)
{
	for (size_t i = 0; i < trace->blame_count; i++) {
		const struct trace_blame *blame = &trace->blame[i];
		struct trace_event *wait = trace__add_event(trace);
		struct trace_event *hold = wait ? trace__add_event(trace) : NULL;

		if (!hold)
			return 1;
		trace->events[2 * i] = (struct trace_event){.kind = TRACE_WAIT,
							    .pid = blame->pid,
							    .tid = blame->waiter,
							    .gil = blame->gil,
							    .start_ns = trace->start_ns + i * 1000000,
							    .end_ns = trace->start_ns + i * 1500000,
							    .stack = blame->stack,
							    .waiter_stack = blame->waiter_stack,
							    .holder = blame->holder,
							    .failed = 1};
		*hold = (struct trace_event){.kind = TRACE_HOLD,
					     .forced = i % 2,
					     .pid = blame->pid,
					     .tid = blame->waiter,
					     .gil = blame->gil,
					     .start_ns = trace->start_ns + i * 1500000,
					     .end_ns = trace->start_ns + i * 1600000,
					     .stack = blame->stack,
					     .waiters = 2};
	}
	return 0;
}

/* The trace as the beginning of a recording, and once more as what came after. */
static int write_seed(const char *directory, const struct fabricated *one)
{
	struct encoder *encoder = encoder__new();
	struct bytes payload = {0}, events = {0}, file = {0};
	unsigned char header[RECORDING_HEADER_SIZE];
	int failed = 0;

	chunk__write_header(header);
	bytes__add(&file, header, sizeof(header));
	for (uint32_t i = 0; i < 2; i++) {
		struct trace *trace = one->make();

		trace->duration_ns *= i + 1;
		failed |= add_events(trace);
		failed |= encoder__encode(encoder, trace, trace->stacks, i == 1, &payload, &events);
		failed |= chunk__write(&file, CHUNK_STATE, i, payload.data, payload.size);
		failed |= chunk__write(&file, CHUNK_EVENTS, i, events.data, events.size);
		failed |= write_file(directory, one->name, i ? ".second" : ".first", &payload);
		bytes__clear(&payload);
		bytes__add(&payload, "EVNT", 4);
		bytes__add(&payload, events.data, events.size);
		failed |= write_file(directory, one->name, ".events", &payload);
		trace__free(trace);
	}
	failed |= write_file(directory, one->name, ".gilt", &file);
	encoder__free(encoder);
	bytes__free(&payload);
	bytes__free(&events);
	bytes__free(&file);
	return failed;
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	for (const struct fabricated *one = fabricated; one->name; one++)
		if (write_seed(argv[1], one))
			return 1;
	return 0;
}
