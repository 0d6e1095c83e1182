/* SPDX-License-Identifier: MIT */
/*
 * Perfetto's packets: see perfetto.h. Field numbers are those of Perfetto's .proto files. All packets are of one
 * sequence, whose first one clears what readers remember: names and texts that are told once, and the clock. That clock
 * is the sequence's own, in which a time is the difference to the one before; a snapshot ties it to CLOCK_MONOTONIC.
 */
#include "user/report/perfetto.h"

#include <errno.h>
#include <string.h>

#include "user/report/safe_text.h"

#define SEQUENCE 8191 /* of those that take two bytes; recorders give out small ones */

enum { TRACE_PACKET = 1 };
enum {
	PACKET_CLOCKS = 6,
	PACKET_TIME = 8,
	PACKET_SEQUENCE = 10,
	PACKET_EVENT = 11,
	PACKET_TEXTS = 12,
	PACKET_FLAGS = 13,
	PACKET_CLOCK = 58,
	PACKET_DEFAULTS = 59,
	PACKET_TRACK = 60,
	PACKET_FIRST = 87
};
enum { FLAG_CLEARED = 1, FLAG_NEEDED = 2 };
enum { CLOCKS_CLOCK = 1, CLOCKS_PRIMARY = 2 };
enum { CLOCK_ID = 1, CLOCK_TIME = 2, CLOCK_INCREMENTAL = 3 };
enum { CLOCK_IS_MONOTONIC = 3, CLOCK_IS_OUR_OWN = 64 };
enum { TRACK_NUMBER = 1, TRACK_NAME = 2, TRACK_PROCESS = 3, TRACK_THREAD = 4, TRACK_PARENT = 5, TRACK_COUNTER = 8 };
enum { PROCESS_PID = 1, PROCESS_COMMAND = 2, PROCESS_NAME = 6 };
enum { THREAD_PID = 1, THREAD_TID = 2, THREAD_NAME = 5 };
enum { COUNTER_UNIT = 6 };
enum { TEXT_NUMBER = 1, TEXT_TEXT = 2 };
enum { TEXTS_CATEGORY = 1, TEXTS_KEY = 3 };
enum {
	EVENT_CATEGORY = 3,
	EVENT_KEY = 4,
	EVENT_TYPE = 9,
	EVENT_NAME = 10,
	EVENT_TRACK = 11,
	EVENT_COUNT = 30,
	EVENT_FLOW = 47,
	EVENT_FLOW_END = 48
};
enum { TYPE_BEGIN = 1, TYPE_END = 2, TYPE_COUNT = 4 };
enum { KEY_NAME = 1, KEY_NUMBER = 3, KEY_TEXT = 17 };

static const char *const keys[PERFETTO_KEYS] = {
	[PERFETTO_LOCK] = "lock",
	[PERFETTO_HOLDER] = "holder",
	[PERFETTO_HOLDER_STACK] = "holder_stack",
	[PERFETTO_WAITER_STACK] = "waiter_stack",
	[PERFETTO_FAILED] = "failed",
	[PERFETTO_RELEASE_STACK] = "release_stack",
	[PERFETTO_WAITERS] = "waiters",
	[PERFETTO_FORCED] = "forced",
};

static void begin_packet(struct perfetto *perfetto)
{
	bytes__clear(&perfetto->packet);
	protobuf__integer(&perfetto->packet, PACKET_SEQUENCE, SEQUENCE);
}

static void write_packet(struct perfetto *perfetto)
{
	struct bytes *head = &perfetto->part;

	if (perfetto->error)
		return;
	bytes__clear(head);
	protobuf__varint(head, TRACE_PACKET << 3 | WIRE_BYTES);
	protobuf__varint(head, perfetto->packet.size);
	if (head->failed || perfetto->packet.failed || perfetto->event.failed || perfetto->texts.failed)
		perfetto->error = -ENOMEM;
	else if (fwrite(head->data, head->size, 1, perfetto->out) != 1 ||
		 fwrite(perfetto->packet.data, perfetto->packet.size, 1, perfetto->out) != 1)
		perfetto->error = errno ? -errno : -EIO;
}

static void add_text(struct perfetto *perfetto, uint32_t field, uint64_t number, const char *text)
{
	bytes__clear(&perfetto->part);
	protobuf__integer(&perfetto->part, TEXT_NUMBER, number);
	protobuf__bytes(&perfetto->part, TEXT_TEXT, text, strlen(text));
	protobuf__message(&perfetto->texts, field, &perfetto->part);
}

static void add_clock(struct perfetto *perfetto, uint64_t clock, uint64_t time_ns)
{
	bytes__clear(&perfetto->part);
	protobuf__integer(&perfetto->part, CLOCK_ID, clock);
	protobuf__integer(&perfetto->part, CLOCK_TIME, time_ns);
	if (clock == CLOCK_IS_OUR_OWN)
		protobuf__integer(&perfetto->part, CLOCK_INCREMENTAL, 1);
	protobuf__message(&perfetto->event, CLOCKS_CLOCK, &perfetto->part);
}

void perfetto__open(struct perfetto *perfetto, FILE *out, uint64_t start_ns)
{
	*perfetto = (struct perfetto){.out = out, .now_ns = start_ns};
	errno = 0;
	begin_packet(perfetto);
	add_clock(perfetto, CLOCK_IS_OUR_OWN, start_ns);
	add_clock(perfetto, CLOCK_IS_MONOTONIC, start_ns);
	protobuf__integer(&perfetto->event, CLOCKS_PRIMARY, CLOCK_IS_MONOTONIC);
	protobuf__message(&perfetto->packet, PACKET_CLOCKS, &perfetto->event);
	protobuf__integer(&perfetto->packet, PACKET_FLAGS, FLAG_CLEARED);
	protobuf__integer(&perfetto->packet, PACKET_FIRST, 1);
	bytes__clear(&perfetto->part);
	protobuf__integer(&perfetto->part, PACKET_CLOCK, CLOCK_IS_OUR_OWN);
	protobuf__message(&perfetto->packet, PACKET_DEFAULTS, &perfetto->part);
	write_packet(perfetto);
	add_text(perfetto, TEXTS_CATEGORY, 1, "gil");
	for (int i = 0; i < PERFETTO_KEYS; i++)
		add_text(perfetto, TEXTS_KEY, (uint64_t)i + 1, keys[i]);
}

int perfetto__close(struct perfetto *perfetto)
{
	if (!perfetto->error && (fflush(perfetto->out) || ferror(perfetto->out)))
		perfetto->error = errno ? -errno : -EIO;
	bytes__free(&perfetto->packet);
	bytes__free(&perfetto->event);
	bytes__free(&perfetto->part);
	bytes__free(&perfetto->texts);
	return perfetto->error;
}

static void add_safe(struct bytes *bytes, uint32_t field, const char *text)
{
	char safe[SAFE_TEXT_SIZE];

	safe_text(safe, sizeof(safe), text);
	if (*safe)
		protobuf__bytes(bytes, field, safe, strlen(safe));
}

/* The track that was put together in `event`. */
static void write_track(struct perfetto *perfetto)
{
	begin_packet(perfetto);
	protobuf__message(&perfetto->packet, PACKET_TRACK, &perfetto->event);
	write_packet(perfetto);
}

static void begin_track(struct perfetto *perfetto, uint64_t track)
{
	bytes__clear(&perfetto->event);
	bytes__clear(&perfetto->part);
	protobuf__integer(&perfetto->event, TRACK_NUMBER, track);
}

void perfetto__process(struct perfetto *perfetto, uint64_t track, uint32_t pid, const char *exe)
{
	const char *slash = strrchr(exe, '/');

	begin_track(perfetto, track);
	protobuf__integer(&perfetto->part, PROCESS_PID, pid);
	add_safe(&perfetto->part, PROCESS_COMMAND, exe);
	add_safe(&perfetto->part, PROCESS_NAME, slash ? slash + 1 : exe);
	protobuf__message(&perfetto->event, TRACK_PROCESS, &perfetto->part);
	write_track(perfetto);
}

void perfetto__thread(struct perfetto *perfetto, uint64_t track, uint32_t pid, uint32_t tid, const char *name)
{
	begin_track(perfetto, track);
	protobuf__integer(&perfetto->part, THREAD_PID, pid);
	protobuf__integer(&perfetto->part, THREAD_TID, tid);
	add_safe(&perfetto->part, THREAD_NAME, name);
	protobuf__message(&perfetto->event, TRACK_THREAD, &perfetto->part);
	write_track(perfetto);
}

void perfetto__track(struct perfetto *perfetto, uint64_t track, uint64_t parent, const char *name)
{
	begin_track(perfetto, track);
	if (parent)
		protobuf__integer(&perfetto->event, TRACK_PARENT, parent);
	add_safe(&perfetto->event, TRACK_NAME, name);
	write_track(perfetto);
}

void perfetto__counter(struct perfetto *perfetto, uint64_t track, uint64_t parent, const char *name, const char *unit)
{
	begin_track(perfetto, track);
	if (parent)
		protobuf__integer(&perfetto->event, TRACK_PARENT, parent);
	add_safe(&perfetto->event, TRACK_NAME, name);
	add_safe(&perfetto->part, COUNTER_UNIT, unit);
	protobuf__message(&perfetto->event, TRACK_COUNTER, &perfetto->part);
	write_track(perfetto);
}

void perfetto__text(struct perfetto *perfetto, enum perfetto_texts texts, uint64_t number, const char *text)
{
	add_text(perfetto, texts, number, text);
}

static void begin_event(struct perfetto *perfetto, uint64_t type, uint64_t track)
{
	bytes__clear(&perfetto->event);
	protobuf__integer(&perfetto->event, EVENT_TYPE, type);
	protobuf__integer(&perfetto->event, EVENT_TRACK, track);
}

void perfetto__begin(struct perfetto *perfetto, uint64_t track, uint64_t name)
{
	begin_event(perfetto, TYPE_BEGIN, track);
	protobuf__integer(&perfetto->event, EVENT_CATEGORY, 1);
	protobuf__integer(&perfetto->event, EVENT_NAME, name);
}

void perfetto__end(struct perfetto *perfetto, uint64_t track)
{
	begin_event(perfetto, TYPE_END, track);
}

void perfetto__count(struct perfetto *perfetto, uint64_t track, int64_t value)
{
	begin_event(perfetto, TYPE_COUNT, track);
	protobuf__integer(&perfetto->event, EVENT_COUNT, (uint64_t)value);
}

static void add_key(struct perfetto *perfetto, enum perfetto_key key, uint32_t field, uint64_t value)
{
	bytes__clear(&perfetto->part);
	protobuf__integer(&perfetto->part, KEY_NAME, (uint64_t)key + 1);
	protobuf__integer(&perfetto->part, field, value);
	protobuf__message(&perfetto->event, EVENT_KEY, &perfetto->part);
}

void perfetto__say(struct perfetto *perfetto, enum perfetto_key key, uint64_t value)
{
	add_key(perfetto, key, KEY_TEXT, value);
}

void perfetto__tell(struct perfetto *perfetto, enum perfetto_key key, uint64_t value)
{
	add_key(perfetto, key, KEY_NUMBER, value);
}

void perfetto__flow(struct perfetto *perfetto, uint64_t flow)
{
	protobuf__fixed(&perfetto->event, EVENT_FLOW, flow);
}

void perfetto__flow_end(struct perfetto *perfetto, uint64_t flow)
{
	protobuf__fixed(&perfetto->event, EVENT_FLOW_END, flow);
}

/* A difference cannot be negative: what lies before the last event is told by CLOCK_MONOTONIC itself. */
static void add_time(struct perfetto *perfetto, uint64_t time_ns)
{
	if (time_ns < perfetto->now_ns) {
		protobuf__integer(&perfetto->packet, PACKET_TIME, time_ns);
		protobuf__integer(&perfetto->packet, PACKET_CLOCK, CLOCK_IS_MONOTONIC);
		return;
	}
	protobuf__integer(&perfetto->packet, PACKET_TIME, time_ns - perfetto->now_ns);
	perfetto->now_ns = time_ns;
}

void perfetto__write(struct perfetto *perfetto, uint64_t time_ns)
{
	begin_packet(perfetto);
	add_time(perfetto, time_ns);
	protobuf__integer(&perfetto->packet, PACKET_FLAGS, FLAG_NEEDED);
	if (perfetto->texts.size)
		protobuf__message(&perfetto->packet, PACKET_TEXTS, &perfetto->texts);
	bytes__clear(&perfetto->texts);
	protobuf__message(&perfetto->packet, PACKET_EVENT, &perfetto->event);
	write_packet(perfetto);
}
