/* SPDX-License-Identifier: MIT */
/* Single events into payloads: see events.h. */
#include <errno.h>
#include <stdlib.h>

#include "user/recording/encode_parts.h"
#include "user/recording/events.h"
#include "user/recording/format.h"
#include "user/trace/keys.h"
#include "user/trace/trace.h"

struct event_encoder {
	struct keys threads; /* those of this payload, by their numbers in it */
	uint64_t *ends;      /* of each one's last event */
	size_t count, room;
	uint64_t start_ns, last_end_ns;
	struct bytes told, message, columns[EVENTS_COLUMN_COUNT];
};

struct event_encoder *event_encoder__new(void)
{
	return calloc(1, sizeof(struct event_encoder));
}

void event_encoder__free(struct event_encoder *encoder)
{
	if (!encoder)
		return;
	keys__clear(&encoder->threads);
	free(encoder->ends);
	bytes__free(&encoder->told);
	bytes__free(&encoder->message);
	for (int i = 0; i < EVENTS_COLUMN_COUNT; i++)
		bytes__free(&encoder->columns[i]);
	free(encoder);
}

static bool add_thread(struct event_encoder *encoder, const struct trace_event *event, uint32_t tid)
{
	struct bytes *message = &encoder->message;

	if (encoder->count == encoder->room) {
		size_t room = encoder->room ? 2 * encoder->room : 64;
		uint64_t *grown = realloc(encoder->ends, room * sizeof(*grown));

		if (!grown)
			return false;
		encoder->ends = grown;
		encoder->room = room;
	}
	encoder->ends[encoder->count++] = encoder->start_ns;
	bytes__clear(message);
	protobuf__integer(message, KEY_PROCESS, event->process);
	protobuf__integer(message, KEY_PID, event->pid);
	protobuf__integer(message, KEY_GIL, event->gil);
	protobuf__integer(message, KEY_TID, tid);
	protobuf__message(&encoder->told, EVENTS_THREAD, message);
	return true;
}

/* The number in the payload of a thread of the event's lock. -ENOMEM. */
static int64_t tell_thread(struct event_encoder *encoder, const struct trace_event *event, uint32_t tid)
{
	uint32_t *number = keys__get(&encoder->threads, (uint64_t)event->process << 32 | tid, event->gil);

	if (!number)
		return -ENOMEM;
	if (*number == KEYS_NONE) {
		*number = (uint32_t)encoder->count;
		if (!add_thread(encoder, event, tid))
			return -ENOMEM;
	}
	return *number;
}

static uint64_t difference(uint64_t value, uint64_t expected)
{
	return protobuf__zigzag((int64_t)(value - expected));
}

static int encode_event(struct event_encoder *encoder, const struct trace_event *event, const struct stacks *stacks,
			struct names *names)
{
	bool is_wait = event->kind == TRACE_WAIT;
	int64_t thread = tell_thread(encoder, event, event->tid);
	int64_t holder = is_wait && event->holder ? tell_thread(encoder, event, event->holder) + 1 : 0;
	int64_t stack = names__tell(names, stacks, event->stack);
	int64_t waiter_stack = is_wait ? names__tell(names, stacks, event->waiter_stack) : 0;
	struct bytes *columns = encoder->columns;
	uint64_t kind = is_wait ? PACKED_WAIT : event->forced ? PACKED_FORCED_HOLD : PACKED_HOLD;

	if (thread < 0 || holder < 0 || stack < 0 || waiter_stack < 0)
		return -ENOMEM;
	protobuf__varint(&columns[COLUMN_HEAD], (uint64_t)thread * PACKED_KINDS + kind);
	protobuf__varint(&columns[COLUMN_START], difference(event->start_ns, encoder->ends[thread]));
	protobuf__varint(&columns[COLUMN_END], difference(event->end_ns, encoder->last_end_ns));
	protobuf__varint(&columns[COLUMN_STACK], (uint64_t)stack);
	if (is_wait) {
		protobuf__varint(&columns[COLUMN_WAITER_STACK], (uint64_t)waiter_stack);
		protobuf__varint(&columns[COLUMN_HOLDER], (uint64_t)holder);
		protobuf__varint(&columns[COLUMN_FAILED], event->failed);
	} else {
		protobuf__varint(&columns[COLUMN_WAITERS], event->waiters);
	}
	encoder->ends[thread] = encoder->last_end_ns = event->end_ns;
	return 0;
}

int event_encoder__encode(struct event_encoder *encoder, const struct trace *now, const struct stacks *stacks,
			  struct names *names, struct bytes *payload)
{
	int err = 0;

	bytes__clear(payload);
	if (!now->event_count)
		return 0;
	keys__clear(&encoder->threads);
	bytes__clear(&encoder->told);
	for (int i = 0; i < EVENTS_COLUMN_COUNT; i++)
		bytes__clear(&encoder->columns[i]);
	encoder->count = 0;
	encoder->start_ns = encoder->last_end_ns = now->events[0].start_ns;
	for (size_t i = 0; !err && i < now->event_count; i++)
		err = encode_event(encoder, &now->events[i], stacks, names);
	protobuf__integer(payload, EVENTS_START, encoder->start_ns);
	bytes__add(payload, encoder->told.data, encoder->told.size);
	for (uint32_t i = 0; i < EVENTS_COLUMN_COUNT; i++)
		protobuf__message(payload, EVENTS_COLUMNS + i, &encoder->columns[i]);
	return err ? err : payload->failed || encoder->told.failed ? -ENOMEM : 0;
}
