/* SPDX-License-Identifier: MIT */
/*
 * pprof's profile.proto: see pprof.h. A location is a frame with its line, a function is what frames of any line share;
 * the reader chooses which of the two it shows. Field numbers are those of profile.proto.
 */
#include "user/report/pprof.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "user/protobuf/writer.h"
#include "user/report/safe_text.h"
#include "user/trace/trace.h"

enum {
	PROFILE_SAMPLE_TYPE = 1,
	PROFILE_SAMPLE = 2,
	PROFILE_LOCATION = 4,
	PROFILE_FUNCTION = 5,
	PROFILE_STRING = 6,
	PROFILE_DURATION = 10,
	PROFILE_PERIOD_TYPE = 11,
	PROFILE_PERIOD = 12,
	PROFILE_DEFAULT_TYPE = 14
};
enum { VALUE_TYPE = 1, VALUE_UNIT = 2 };
enum { SAMPLE_LOCATIONS = 1, SAMPLE_VALUES = 2, SAMPLE_LABEL = 3 };
enum { LABEL_KEY = 1, LABEL_STRING = 2, LABEL_NUMBER = 3 };
enum { LOCATION_ID = 1, LOCATION_LINE = 4 };
enum { LINE_FUNCTION = 1, LINE_NUMBER = 2 };
enum { FUNCTION_ID = 1, FUNCTION_NAME = 2, FUNCTION_SYSTEM_NAME = 3, FUNCTION_FILE = 4 };

/* The string table: a string's number is its place, 0 is "". */
struct strings {
	char **texts;
	size_t count, room;
	uint32_t *places; /* number + 1, found by hash; 0: empty */
	size_t place_count;
};

struct profile {
	const struct trace *trace;
	struct bytes out, message, part;
	struct strings strings;
	bool *located;          /* of each frame: its location is written */
	uint32_t unknown_frame; /* stands for the frame of an unknown stack: the number behind the last */
	bool failed;
};

static size_t hash(const char *text)
{
	uint64_t value = 14695981039346656037ULL;

	for (; *text; text++)
		value = (value ^ (unsigned char)*text) * 1099511628211ULL;
	return value ^ value >> 32;
}

/* The place of a text, or the empty one where it belongs. */
static uint32_t *find_string(struct strings *strings, const char *text)
{
	size_t at = hash(text) & (strings->place_count - 1);

	while (strings->places[at] && strcmp(strings->texts[strings->places[at] - 1], text) != 0)
		at = (at + 1) & (strings->place_count - 1);
	return &strings->places[at];
}

static bool grow_strings(struct strings *strings)
{
	size_t room = strings->room ? 2 * strings->room : 64;
	char **texts;
	uint32_t *places;

	if (strings->count < strings->room)
		return true;
	texts = realloc(strings->texts, room * sizeof(*texts));
	strings->texts = texts ? texts : strings->texts;
	places = calloc(2 * room, sizeof(*places));
	if (!texts || !places) {
		free(places);
		return false;
	}
	free(strings->places);
	strings->places = places;
	strings->place_count = 2 * room;
	strings->room = room;
	for (size_t i = 0; i < strings->count; i++)
		*find_string(strings, strings->texts[i]) = (uint32_t)i + 1;
	return true;
}

/* The number of a text, any bytes. */
static uint64_t string(struct profile *profile, const char *text)
{
	struct strings *strings = &profile->strings;
	char safe[SAFE_TEXT_SIZE];
	uint32_t *place;

	safe_text(safe, sizeof(safe), text);
	if (!grow_strings(strings)) {
		profile->failed = true;
		return 0;
	}
	place = find_string(strings, safe);
	if (!*place) {
		strings->texts[strings->count] = strdup(safe);
		if (!strings->texts[strings->count]) {
			profile->failed = true;
			return 0;
		}
		*place = (uint32_t)++strings->count;
	}
	return *place - 1;
}

static void add_value_type(struct profile *profile, uint32_t field, const char *type, const char *unit)
{
	bytes__clear(&profile->message);
	protobuf__integer(&profile->message, VALUE_TYPE, string(profile, type));
	protobuf__integer(&profile->message, VALUE_UNIT, string(profile, unit));
	protobuf__message(&profile->out, field, &profile->message);
}

/* Ids begin at 1. */
static void add_location(struct profile *profile, uint32_t frame, const struct trace_frame *what, uint32_t function)
{
	bytes__clear(&profile->part);
	protobuf__integer(&profile->part, LINE_FUNCTION, function + 1ULL);
	protobuf__integer(&profile->part, LINE_NUMBER, what->line);
	bytes__clear(&profile->message);
	protobuf__integer(&profile->message, LOCATION_ID, frame + 1ULL);
	protobuf__message(&profile->message, LOCATION_LINE, &profile->part);
	protobuf__message(&profile->out, PROFILE_LOCATION, &profile->message);
}

static void add_function(struct profile *profile, uint32_t id, const struct trace_frame *what)
{
	uint64_t name = string(profile, *what->name ? what->name : "(no name)");

	bytes__clear(&profile->message);
	protobuf__integer(&profile->message, FUNCTION_ID, id + 1ULL);
	protobuf__integer(&profile->message, FUNCTION_NAME, name);
	protobuf__integer(&profile->message, FUNCTION_SYSTEM_NAME, name);
	protobuf__integer(&profile->message, FUNCTION_FILE, string(profile, what->file ? what->file : ""));
	protobuf__message(&profile->out, PROFILE_FUNCTION, &profile->message);
}

static void add_label(struct profile *profile, struct bytes *sample, const char *key, const char *text, uint64_t number)
{
	bytes__clear(&profile->part);
	protobuf__integer(&profile->part, LABEL_KEY, string(profile, key));
	if (text)
		protobuf__integer(&profile->part, LABEL_STRING, string(profile, text));
	else
		protobuf__integer(&profile->part, LABEL_NUMBER, number);
	protobuf__message(sample, SAMPLE_LABEL, &profile->part);
}

/* "worker-1 (4243)": a name alone may be that of many threads. */
static void add_thread_label(struct profile *profile, struct bytes *sample, const char *key, uint32_t process,
			     uint32_t tid)
{
	char text[TRACE_NAME_SIZE + 24];

	snprintf(text, sizeof(text), "%s (%u)", trace__thread_name(profile->trace, process, tid), tid);
	add_label(profile, sample, key, tid ? text : "unknown", 0);
}

/* Packed, the leaf first. */
static void add_stack(struct profile *profile, struct bytes *sample, uint32_t stack)
{
	size_t count;
	const uint32_t *frames = stacks__frames(profile->trace->stacks, stack, &count);

	bytes__clear(&profile->part);
	for (size_t i = 0; i < count; i++) {
		profile->located[frames[i]] = true;
		protobuf__varint(&profile->part, frames[i] + 1ULL);
	}
	if (!count) {
		profile->located[profile->unknown_frame] = true;
		protobuf__varint(&profile->part, profile->unknown_frame + 1ULL);
	}
	protobuf__message(sample, SAMPLE_LOCATIONS, &profile->part);
}

static void add_values(struct profile *profile, struct bytes *sample, uint64_t count, uint64_t ns)
{
	bytes__clear(&profile->part);
	protobuf__varint(&profile->part, count);
	protobuf__varint(&profile->part, ns);
	protobuf__message(sample, SAMPLE_VALUES, &profile->part);
}

static void add_blame(struct profile *profile, const struct trace_blame *pair, bool blame)
{
	struct bytes *sample = &profile->message;

	bytes__clear(sample);
	add_stack(profile, sample, blame ? pair->stack : pair->waiter_stack);
	add_values(profile, sample, pair->waits, pair->wait_ns);
	add_label(profile, sample, "pid", NULL, pair->pid);
	add_thread_label(profile, sample, "holder", pair->process, pair->holder);
	add_thread_label(profile, sample, "waiter", pair->process, pair->waiter);
	protobuf__message(&profile->out, PROFILE_SAMPLE, sample);
}

static void add_point(struct profile *profile, const struct trace_release_point *point)
{
	struct bytes *sample = &profile->message;

	bytes__clear(sample);
	add_stack(profile, sample, point->stack);
	add_values(profile, sample, point->releases, point->held_ns);
	add_label(profile, sample, "pid", NULL, point->pid);
	add_thread_label(profile, sample, "holder", point->process, point->tid);
	protobuf__message(&profile->out, PROFILE_SAMPLE, sample);
}

static void add_samples(struct profile *profile, enum flame_kind kind)
{
	const struct trace *trace = profile->trace;

	if (kind == FLAME_HOLD)
		for (size_t i = 0; i < trace->point_count; i++)
			add_point(profile, &trace->points[i]);
	else
		for (size_t i = 0; i < trace->blame_count; i++)
			add_blame(profile, &trace->blame[i], kind == FLAME_BLAME);
}

static int compare_texts(const char *a, const char *b)
{
	if (!a || !b)
		return (a != NULL) - (b != NULL);
	return strcmp(a, b);
}

static int compare_frames(const void *left, const void *right, void *context)
{
	const struct stacks *stacks = context;
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
	const struct trace_frame *x = stacks__frame(stacks, a), *y = stacks__frame(stacks, b);
	int order = compare_texts(x->name, y->name);

	order = order ? order : compare_texts(x->file, y->file);
	return order ? order : a < b ? -1 : a > b;
}

/* The locations that samples have, and their functions. */
static int add_code(struct profile *profile)
{
	static const struct trace_frame unknown = {.name = "[unknown stack]", .kind = FRAME_NOTE};
	struct stacks *stacks = profile->trace->stacks;
	uint32_t *sorted = calloc(profile->unknown_frame + 1, sizeof(*sorted)), count = 0;

	if (!sorted)
		return -ENOMEM;
	for (uint32_t i = 0; i < profile->unknown_frame; i++)
		if (profile->located[i])
			sorted[count++] = i;
	if (count)
		qsort_r(sorted, count, sizeof(*sorted), compare_frames, stacks);
	for (uint32_t i = 0, function = 0; i < count; i++) {
		const struct trace_frame *frame = stacks__frame(stacks, sorted[i]), *first;

		first = stacks__frame(stacks, function);
		if (!i || compare_texts(first->name, frame->name) || compare_texts(first->file, frame->file)) {
			function = sorted[i];
			add_function(profile, function, frame);
		}
		add_location(profile, sorted[i], frame, function);
	}
	if (profile->located[profile->unknown_frame]) {
		add_function(profile, profile->unknown_frame, &unknown);
		add_location(profile, profile->unknown_frame, &unknown, profile->unknown_frame);
	}
	free(sorted);
	return 0;
}

static int fill(struct profile *profile, enum flame_kind kind)
{
	bool hold = kind == FLAME_HOLD;
	const char *counted = hold ? "releases" : "contentions", *timed = hold ? "held" : "delay";
	int err;

	string(profile, "");
	add_value_type(profile, PROFILE_SAMPLE_TYPE, counted, "count");
	add_value_type(profile, PROFILE_SAMPLE_TYPE, timed, "nanoseconds");
	add_samples(profile, kind);
	err = add_code(profile);
	add_value_type(profile, PROFILE_PERIOD_TYPE, counted, "count");
	protobuf__integer(&profile->out, PROFILE_PERIOD, 1);
	protobuf__integer(&profile->out, PROFILE_DURATION, profile->trace->duration_ns);
	protobuf__integer(&profile->out, PROFILE_DEFAULT_TYPE, string(profile, timed));
	for (size_t i = 0; i < profile->strings.count; i++)
		protobuf__bytes(&profile->out, PROFILE_STRING, profile->strings.texts[i],
				strlen(profile->strings.texts[i]));
	return err ? err : profile->failed || profile->out.failed || profile->part.failed ? -ENOMEM : 0;
}

/* zlib's own gzip header has no time in it. */
static int write_compressed(const struct bytes *bytes, FILE *out)
{
	z_stream stream = {.next_in = bytes->data, .avail_in = (uInt)bytes->size};
	unsigned char chunk[16384];
	int status;

	if (bytes->size > UINT32_MAX)
		return -EFBIG;
	if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	errno = 0;
	do {
		stream.next_out = chunk;
		stream.avail_out = sizeof(chunk);
		status = deflate(&stream, Z_FINISH);
		fwrite(chunk, 1, sizeof(chunk) - stream.avail_out, out);
	} while (status == Z_OK);
	deflateEnd(&stream);
	if (fflush(out) || ferror(out))
		return errno ? -errno : -EIO;
	return status == Z_STREAM_END ? 0 : -EIO;
}

int report__pprof(const struct trace *trace, enum flame_kind kind, FILE *out)
{
	struct profile profile = {.trace = trace, .unknown_frame = (uint32_t)stacks__frame_count(trace->stacks)};
	int err;

	profile.located = calloc(profile.unknown_frame + 1, sizeof(*profile.located));
	err = profile.located ? fill(&profile, kind) : -ENOMEM;
	if (!err)
		err = write_compressed(&profile.out, out);
	free(profile.located);
	for (size_t i = 0; i < profile.strings.count; i++)
		free(profile.strings.texts[i]);
	free(profile.strings.texts);
	free(profile.strings.places);
	bytes__free(&profile.out);
	bytes__free(&profile.message);
	bytes__free(&profile.part);
	return err;
}
