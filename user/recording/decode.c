/* SPDX-License-Identifier: MIT */
/* What changed into a trace: see decode.h. */
#include "user/recording/decode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/recording/decode_parts.h"
#include "user/recording/decode_state.h"
#include "user/recording/events.h"
#include "user/recording/format.h"
#include "user/trace/parts.h"
#include "user/trace/trace.h"

#define COMPACT_FIRST_AT 65536 /* blame and release points, until equal ones are merged for the first time */

#define NAME_OVERHEAD 64 /* bytes of memory that a frame or a stack takes besides what it holds */

struct decoder *decoder__new(bool events)
{
	struct decoder *decoder = calloc(1, sizeof(*decoder));

	if (!decoder)
		return NULL;
	decoder->compact_at = COMPACT_FIRST_AT;
	decoder->wants_events = events;
	decoder->trace = trace__new();
	if (!decoder->trace) {
		free(decoder);
		return NULL;
	}
	return decoder;
}

void decoder__watch(struct decoder *decoder, struct parts *parts)
{
	decoder->parts = parts;
}

void decoder__free(struct decoder *decoder)
{
	if (!decoder)
		return;
	trace__free(decoder->trace);
	free(decoder->frames.numbers);
	free(decoder->stacks.numbers);
	keys__clear(&decoder->processes);
	keys__clear(&decoder->gils);
	keys__clear(&decoder->threads);
	free(decoder);
}

bool decoder__is_complete(const struct decoder *decoder)
{
	return decoder->complete;
}

/* About what the trace takes in memory. */
static bool is_too_large(const struct decoder *decoder)
{
	const struct trace *trace = decoder->trace;
	uint64_t sum = decoder->text_bytes + decoder->bucket_bytes;

	sum += trace->process_count * sizeof(*trace->processes) + trace->gil_count * sizeof(*trace->gils);
	sum += trace->thread_count * sizeof(*trace->threads) + trace->blame_count * sizeof(*trace->blame);
	sum += trace->point_count * sizeof(*trace->points) + trace->event_count * sizeof(*trace->events);
	sum += keys__memory(&decoder->processes) + keys__memory(&decoder->gils) + keys__memory(&decoder->threads);
	sum += (decoder->frames.room + decoder->stacks.room) * sizeof(uint32_t);
	return sum > RECORDING_MAX_MODEL;
}

static bool remember(struct renumbering *renumbering, uint32_t number)
{
	if (renumbering->count == renumbering->room) {
		size_t room = renumbering->room ? 2 * renumbering->room : 256;
		uint32_t *grown = realloc(renumbering->numbers, room * sizeof(*grown));

		if (!grown)
			return false;
		renumbering->numbers = grown;
		renumbering->room = room;
	}
	renumbering->numbers[renumbering->count++] = number;
	return true;
}

static int decode_window(struct decoder *decoder, const struct protobuf_field *message)
{
	struct protobuf_reader reader = protobuf__read_field(message);
	struct protobuf_field field;
	uint64_t from = decoder->to_ns, to = decoder->to_ns;
	int err = 0;

	while (!err && protobuf__next(&reader, &field)) {
		if (field.number == WINDOW_START)
			err = decode__number(&field, INT64_MAX, &decoder->start_ns);
		else if (field.number == WINDOW_FROM)
			err = decode__number(&field, INT64_MAX, &from);
		else if (field.number == WINDOW_TO)
			err = decode__number(&field, INT64_MAX, &to);
		else
			err = decode__window_field(decoder->trace, &field);
		decoder->complete |= field.number == WINDOW_END;
	}
	if (err || reader.bad)
		return err ? err : -EBADMSG;
	if (from > to || from < decoder->to_ns)
		return -EBADMSG;
	if (!decoder->any)
		decoder->from_ns = from;
	decoder->to_ns = to;
	decoder->any = true;
	return 0;
}

static int decode_frame(struct decoder *decoder, const struct protobuf_field *message)
{
	struct protobuf_reader reader = protobuf__read_field(message);
	struct protobuf_field field;
	struct trace_frame frame = {0};
	size_t known = stacks__frame_count(decoder->trace->stacks);
	char *name = NULL, *file = NULL;
	uint64_t kind = FRAME_PYTHON;
	int64_t number;
	int err = 0;

	while (!err && protobuf__next(&reader, &field)) {
		if (field.number == FRAME_NAME)
			err = decode__copy(&field, &name);
		else if (field.number == FRAME_FILE)
			err = decode__copy(&field, &file);
		else if (field.number == FRAME_LINE)
			err = decode__small(&field, &frame.line);
		else if (field.number == FRAME_KIND_OF)
			err = decode__number(&field, FRAME_KINDS - 1, &kind);
	}
	err = err ? err : reader.bad ? -EBADMSG : 0;
	frame.name = name ? name : "";
	frame.file = file;
	frame.kind = (enum frame_kind)kind;
	number = err ? err : stacks__add_frame(decoder->trace->stacks, &frame);
	if (stacks__frame_count(decoder->trace->stacks) > known)
		decoder->text_bytes += sizeof(frame) + NAME_OVERHEAD + strlen(frame.name) + (file ? strlen(file) : 0);
	free(name);
	free(file);
	if (number < 0)
		return (int)number;
	return remember(&decoder->frames, (uint32_t)number) ? 0 : -ENOMEM;
}

static int decode_stack(struct decoder *decoder, const struct protobuf_field *field)
{
	struct protobuf_reader reader = protobuf__read_field(field);
	uint32_t frames[RECORDING_MAX_DEPTH];
	size_t count = 0, known = stacks__count(decoder->trace->stacks);
	uint64_t frame;
	int64_t number;

	while (protobuf__next_integer(&reader, &frame)) {
		if (frame >= decoder->frames.count || count == RECORDING_MAX_DEPTH)
			return -EBADMSG;
		frames[count++] = decoder->frames.numbers[frame];
	}
	if (reader.bad)
		return -EBADMSG;
	number = stacks__add(decoder->trace->stacks, frames, count);
	if (stacks__count(decoder->trace->stacks) > known)
		decoder->text_bytes += NAME_OVERHEAD + count * sizeof(*frames);
	if (number < 0)
		return (int)number;
	return remember(&decoder->stacks, (uint32_t)number) ? 0 : -ENOMEM;
}

static int decode_field(struct decoder *decoder, const struct protobuf_field *field)
{
	switch ((enum state_field)field->number) {
	case STATE_SEGMENT:
		decoder->frames.count = decoder->stacks.count = 0;
		return 0;
	case STATE_WINDOW:
		return decode_window(decoder, field);
	case STATE_FRAME:
		return decode_frame(decoder, field);
	case STATE_STACK:
		return decode_stack(decoder, field);
	case STATE_PROCESS:
		return decode__process(decoder, field);
	case STATE_GIL:
		return decode__gil(decoder, field);
	case STATE_THREAD:
		return decode__thread(decoder, field);
	case STATE_BLAME:
		return decode__blame(decoder, field);
	case STATE_POINT:
		return decode__point(decoder, field);
	case STATE_HOG:
		return decode__hog(decoder, field);
	}
	return 0; /* a newer recorder's */
}

static void compact(struct decoder *decoder)
{
	struct trace *trace = decoder->trace;

	if (trace->blame_count + trace->point_count < decoder->compact_at)
		return;
	trace__compact(trace);
	while (trace->blame_count + trace->point_count > decoder->compact_at / 2)
		decoder->compact_at *= 2;
}

int decoder__decode(struct decoder *decoder, const void *payload, size_t size)
{
	struct protobuf_reader reader = protobuf__read(payload, size);
	struct protobuf_field field;
	uint64_t from_ns;
	int err = 0;

	from_ns = decoder->any ? decoder->to_ns : UINT64_MAX;
	while (!err && protobuf__next(&reader, &field)) {
		err = decode_field(decoder, &field);
		compact(decoder);
		if (!err && is_too_large(decoder))
			err = -EFBIG;
	}
	err = err ? err : reader.bad || !decoder->any ? -EBADMSG : 0;
	if (!err && decoder->parts)
		parts__end_chunk(decoder->parts, decoder->to_ns - (from_ns == UINT64_MAX ? decoder->from_ns : from_ns));
	return err;
}

int decoder__decode_events(struct decoder *decoder, const void *payload, size_t size)
{
	return decoder->wants_events && decoder->any ? events__decode(decoder, payload, size) : 0;
}

/* Where the beginning was left out, the least and the greatest may have been there: their buckets say what is known. */
static void narrow(struct distribution *distribution)
{
	uint64_t low, high;

	if (!distribution->bucket_count)
		return;
	distribution__bounds(distribution->buckets[0].index, &low, &high);
	if (distribution->min_ns < low || distribution->min_ns >= high)
		distribution->min_ns = low;
	distribution__bounds(distribution->buckets[distribution->bucket_count - 1].index, &low, &high);
	if (distribution->max_ns < low)
		distribution->max_ns = low;
	if (distribution->max_ns >= high)
		distribution->max_ns = high - 1;
}

/* What is told is only of the end of the trace. */
static void fit_to_window(struct trace *trace)
{
	for (size_t i = 0; i < trace->process_count; i++)
		if (trace->processes[i].start_ns < trace->start_ns)
			trace->processes[i].start_ns = trace->start_ns;
	for (size_t i = 0; i < trace->gil_count; i++)
		narrow(&trace->gils[i].handoff);
	for (size_t i = 0; i < trace->thread_count; i++) {
		narrow(&trace->threads[i].wait);
		narrow(&trace->threads[i].hold);
	}
}

static void mark_as_broken_off(struct trace *trace)
{
	trace->end = TRACE_END_UNKNOWN;
	for (size_t i = 0; i < trace->process_count; i++)
		if (trace->processes[i].end == TRACE_END_TIME)
			trace->processes[i].end = TRACE_END_UNKNOWN;
}

int decoder__finish(struct decoder *decoder, struct trace **out)
{
	struct trace *trace = decoder->trace;
	struct trace_probes *probes = &trace->probes;
	int err;

	if (!decoder->any)
		return -ENODATA;
	trace->start_ns = decoder->start_ns + decoder->from_ns;
	trace->duration_ns = decoder->to_ns - decoder->from_ns;
	if (decoder->from_ns)
		fit_to_window(trace);
	if (!decoder->complete)
		mark_as_broken_off(trace);
	if (probes->cost_ns_per_hit >= 0 && trace->duration_ns)
		probes->overhead_pct =
			100.0 * (double)probes->hits * probes->cost_ns_per_hit / (double)trace->duration_ns;
	err = trace__finish(trace);
	if (err)
		return err;
	*out = trace;
	decoder->trace = NULL;
	return 0;
}
