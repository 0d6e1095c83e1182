/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: the reader of recordings over any bytes, and the reports of what it takes them for.
 *
 *   make fuzz-recording [FUZZ_RUNS=10000000]
 *
 * A checksum would keep the fuzzer out of all that lies behind it. So the input is a recording whose checksums are set
 * right first, or, when it does not begin as one, the payload of a chunk; behind "EVNT", of one with events.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "user/recording/chunk.h"
#include "user/recording/decode.h"
#include "user/recording/reader.h"
#include "user/report/difference.h"
#include "user/report/flame_tree.h"
#include "user/report/json.h"
#include "user/report/text.h"
#include "user/report/timeline.h"
#include "user/trace/parts.h"
#include "user/trace/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "quarantine_size_mb=4:malloc_context_size=4";
}

static void put_32(uint8_t *out, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		out[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t get_32(const uint8_t *in)
{
	return (uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

static void set_checksums(uint8_t *file, size_t size)
{
	put_32(file + 12, (uint32_t)crc32(0, file, 12));
	for (size_t at = RECORDING_HEADER_SIZE; size - at >= CHUNK_HEADER_SIZE;) {
		size_t stored = get_32(file + at + 8), left = size - at - CHUNK_HEADER_SIZE;

		if (stored > left)
			break;
		put_32(file + at + 16,
		       (uint32_t)crc32(crc32(0, file + at, 16), file + at + CHUNK_HEADER_SIZE, (uInt)stored));
		at += CHUNK_HEADER_SIZE + stored;
	}
}

/* Whatever a recording says, its reports end and crash nothing. They take most of the time: one in so many is written.
 */
#define REPORTED 32

static void report(const struct trace *trace)
{
	static FILE *nowhere;
	static unsigned int count;

	if (count++ % REPORTED)
		return;
	if (!nowhere)
		nowhere = fopen("/dev/null", "w");
	if (!nowhere || report__json(trace, nowhere) || report__text(trace, nowhere) ||
	    report__timeline(trace, FLAME_BLAME, nowhere))
		abort();
}

/* With itself: whatever is in it, nothing has changed. */
static void compare(const struct trace *trace, const struct parts *parts)
{
	const struct difference_side sides[] = {{trace, parts}, {trace, parts}};
	struct difference difference;
	struct flame_tree tree;
	struct trace *both = trace__new();
	FILE *nowhere = fopen("/dev/null", "w");

	if (!both || !nowhere || difference__find(sides, &difference) ||
	    flame_tree__fold_two(trace, trace, FLAME_BLAME, both, &tree))
		abort();
	for (size_t i = 0; i < difference.thread_count; i++)
		if (difference.threads[i].waited.verdict > ESTIMATE_NOISE ||
		    difference.threads[i].threads[0] != difference.threads[i].threads[1])
			abort();
	if (difference__text(&difference, nowhere) || difference__json(&difference, nowhere))
		abort();
	fclose(nowhere);
	flame_tree__free(&tree);
	trace__free(both);
	difference__clear(&difference);
}

static void read_file(const uint8_t *data, size_t size)
{
	uint8_t *file = malloc(size);
	struct parts *parts = parts__new();
	struct trace *trace = NULL;
	char why[256] = "";
	bool whole;
	FILE *in;
	int err;

	memcpy(file, data, size);
	set_checksums(file, size);
	in = fmemopen(file, size, "r");
	err = recording__read_parts(in, true, parts, &trace, &whole, why, sizeof(why));
	fclose(in);
	free(file);
	if (err > 0 || (!err) != (trace != NULL) || (err && (!*why || strchr(why, '\n'))))
		abort();
	if (trace) {
		report(trace);
		compare(trace, parts);
	}
	trace__free(trace);
	parts__free(parts);
}

static void read_payload(const uint8_t *data, size_t size)
{
	struct decoder *decoder = decoder__new(true);
	struct trace *trace = NULL;
	int err = decoder__decode(decoder, data, size);

	err = err ? err : decoder__finish(decoder, &trace);
	if (err > 0 || (!err) != (trace != NULL))
		abort();
	if (trace)
		report(trace);
	trace__free(trace);
	decoder__free(decoder);
}

/* Single events, behind a state with one stack. */
static void read_events(const uint8_t *data, size_t size)
{
	static const uint8_t state[] = {0x08, 1,                     /* a segment begins */
					0x12, 4, 0x10, 0, 0x18, 100, /* a window of 100 ns */
					0x1a, 3, 0x0a, 1, 'f',       /* a frame */
					0x22, 1, 0};                 /* a stack of it */
	struct decoder *decoder = decoder__new(true);
	struct trace *trace = NULL;
	int err = decoder__decode(decoder, state, sizeof(state));

	if (err)
		abort();
	err = decoder__decode_events(decoder, data, size);
	err = err ? err : decoder__finish(decoder, &trace);
	for (size_t i = 0; trace && i < trace->event_count; i++)
		if (trace->events[i].stack > 1 || trace->events[i].start_ns > trace->events[i].end_ns)
			abort();
	if (trace)
		report(trace);
	trace__free(trace);
	decoder__free(decoder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size >= 4 && !memcmp(data, "EVNT", 4)) {
		read_events(data + 4, size - 4);
		return 0;
	}
	if (size >= RECORDING_HEADER_SIZE && !memcmp(data, RECORDING_MAGIC, 8))
		read_file(data, size);
	else
		read_payload(data, size);
	return 0;
}
