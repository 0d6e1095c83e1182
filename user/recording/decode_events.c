/* SPDX-License-Identifier: MIT */
/* Payloads into single events: see events.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/recording/decode_parts.h"
#include "user/recording/decode_state.h"
#include "user/recording/events.h"
#include "user/recording/format.h"
#include "user/trace/trace.h"

struct event_thread {
	struct element_keys keys;
	uint64_t end_ns; /* of its last event */
};

struct event_decoder {
	struct decoder *decoder;
	struct event_thread *threads;
	size_t count, room;
	uint64_t start_ns, last_end_ns;
	struct protobuf_reader columns[EVENTS_COLUMN_COUNT];
};

static int decode_thread(struct event_decoder *events, const struct protobuf_field *message)
{
	struct event_thread *thread;
	int err;

	if (events->count == events->room) {
		size_t room = events->room ? 2 * events->room : 64;

		if (room * sizeof(*thread) > RECORDING_MAX_MODEL)
			return -EFBIG;
		thread = realloc(events->threads, room * sizeof(*thread));
		if (!thread)
			return -ENOMEM;
		events->threads = thread;
		events->room = room;
	}
	thread = &events->threads[events->count];
	err = decode__keys(message, &thread->keys);
	thread->end_ns = events->start_ns;
	events->count += !err;
	return err;
}

/* The next number of a column; one that has no more is bad. */
static bool next(struct event_decoder *events, enum events_column column, uint64_t most, uint64_t *value)
{
	return protobuf__next_integer(&events->columns[column], value) && *value <= most;
}

static bool next_small(struct event_decoder *events, enum events_column column, uint32_t *value)
{
	uint64_t wide = 0;
	bool good = next(events, column, UINT32_MAX, &wide);

	*value = (uint32_t)wide;
	return good;
}

static bool next_time(struct event_decoder *events, enum events_column column, uint64_t expected, uint64_t *time)
{
	uint64_t difference;

	if (!next(events, column, UINT64_MAX, &difference))
		return false;
	*time = expected + (uint64_t)protobuf__unzigzag(difference);
	return *time <= INT64_MAX;
}

static bool next_stack(struct event_decoder *events, enum events_column column, uint32_t *stack)
{
	return next_small(events, column, stack) && !decode__stack_number(events->decoder, *stack, stack);
}

/* What a wait alone has. */
static bool next_wait(struct event_decoder *events, struct trace_event *event)
{
	uint32_t holder;

	if (!next_stack(events, COLUMN_WAITER_STACK, &event->waiter_stack) ||
	    !next_small(events, COLUMN_HOLDER, &holder) || !next_small(events, COLUMN_FAILED, &event->failed) ||
	    holder > events->count)
		return false;
	event->holder = holder ? events->threads[holder - 1].keys.tid : 0;
	return true;
}

static bool decode_event(struct event_decoder *events, uint64_t head, struct trace_event *event)
{
	uint64_t number = head / PACKED_KINDS, kind = head % PACKED_KINDS;
	struct event_thread *thread;

	if (number >= events->count || kind > PACKED_FORCED_HOLD)
		return false;
	thread = &events->threads[number];
	*event = (struct trace_event){
		.kind = kind == PACKED_WAIT ? TRACE_WAIT : TRACE_HOLD,
		.forced = kind == PACKED_FORCED_HOLD,
		.process = thread->keys.process,
		.pid = thread->keys.pid,
		.tid = thread->keys.tid,
		.gil = thread->keys.gil,
	};
	if (!next_time(events, COLUMN_START, thread->end_ns, &event->start_ns) ||
	    !next_time(events, COLUMN_END, events->last_end_ns, &event->end_ns) || event->end_ns < event->start_ns ||
	    !next_stack(events, COLUMN_STACK, &event->stack))
		return false;
	thread->end_ns = events->last_end_ns = event->end_ns;
	return kind == PACKED_WAIT ? next_wait(events, event) : next_small(events, COLUMN_WAITERS, &event->waiters);
}

static int decode_columns(struct event_decoder *events)
{
	struct protobuf_reader *heads = &events->columns[COLUMN_HEAD];
	struct trace *trace = events->decoder->trace;
	struct trace_event *event;
	uint64_t head;

	while (protobuf__next_integer(heads, &head)) {
		event = trace__add_event(trace);
		if (!event)
			return -ENOMEM;
		if (!decode_event(events, head, event))
			return -EBADMSG;
		if (trace->event_count * sizeof(*event) > RECORDING_MAX_MODEL)
			return -EFBIG;
	}
	return heads->bad ? -EBADMSG : 0;
}

int events__decode(struct decoder *decoder, const void *payload, size_t size)
{
	struct protobuf_reader reader = protobuf__read(payload, size);
	struct event_decoder events = {.decoder = decoder};
	struct protobuf_field field;
	int err = 0;

	while (!err && protobuf__next(&reader, &field)) {
		if (field.number == EVENTS_START) {
			err = decode__number(&field, INT64_MAX, &events.start_ns);
			events.last_end_ns = events.start_ns;
		} else if (field.number == EVENTS_THREAD) {
			err = decode_thread(&events, &field);
		} else if (field.number >= EVENTS_COLUMNS && field.number < EVENTS_COLUMNS + EVENTS_COLUMN_COUNT) {
			events.columns[field.number - EVENTS_COLUMNS] = protobuf__read_field(&field);
		}
	}
	if (!err && !reader.bad)
		err = decode_columns(&events);
	free(events.threads);
	return err ? err : reader.bad ? -EBADMSG : 0;
}
