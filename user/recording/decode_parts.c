/* SPDX-License-Identifier: MIT */
/* Parts of the messages of a recording: see decode_parts.h. */
#include "user/recording/decode_parts.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "user/recording/format.h"
#include "user/trace/trace.h"

#define MOST_FACTOR 1000

int decode__number(const struct protobuf_field *field, uint64_t most, uint64_t *into)
{
	if (field->wire != WIRE_VARINT || field->value > most)
		return -EBADMSG;
	*into = field->value;
	return 0;
}

int decode__small(const struct protobuf_field *field, uint32_t *into)
{
	uint64_t value = 0;
	int err = decode__number(field, UINT32_MAX, &value);

	*into = (uint32_t)value;
	return err;
}

int decode__real(const struct protobuf_field *field, double least, double most, double *into)
{
	double value = protobuf__as_double(field);

	if (field->wire != WIRE_64 || !isfinite(value) || value < least || value > most)
		return -EBADMSG;
	*into = value;
	return 0;
}

int decode__text(const struct protobuf_field *field, char *into, size_t size)
{
	size_t length = field->size < size ? field->size : size - 1;

	if (field->wire != WIRE_BYTES)
		return -EBADMSG;
	if (length)
		memcpy(into, field->data, length);
	into[length] = '\0';
	return 0;
}

int decode__copy(const struct protobuf_field *field, char **into)
{
	if (field->wire != WIRE_BYTES || field->size > RECORDING_MAX_TEXT)
		return -EBADMSG;
	free(*into);
	*into = strndup(field->size ? (const char *)field->data : "", field->size);
	return *into ? 0 : -ENOMEM;
}

int decode__word(struct trace *trace, const struct protobuf_field *field, const char **into)
{
	char word[32];
	const char *kept;
	int err = decode__text(field, word, sizeof(word));

	if (err || trace->word_count > RECORDING_MAX_WORDS)
		return -EBADMSG;
	kept = trace__word(trace, word);
	if (!kept)
		return -ENOMEM;
	*into = kept;
	return 0;
}

int decode__keys(const struct protobuf_field *message, struct element_keys *keys)
{
	struct protobuf_reader reader = protobuf__read_field(message);
	struct protobuf_field field;
	int err = 0;

	*keys = (struct element_keys){0};
	while (!err && protobuf__next(&reader, &field)) {
		switch ((enum key_field)field.number) {
		case KEY_PROCESS:
			err = decode__small(&field, &keys->process);
			break;
		case KEY_PID:
			err = decode__small(&field, &keys->pid);
			break;
		case KEY_GIL:
			err = decode__number(&field, UINT64_MAX, &keys->gil);
			break;
		case KEY_TID:
			err = decode__small(&field, &keys->tid);
			break;
		case KEY_HOLDER:
			err = decode__small(&field, &keys->holder);
			break;
		case KEY_STACK:
			err = decode__small(&field, &keys->stack);
			break;
		case KEY_WAITER_STACK:
			err = decode__small(&field, &keys->waiter_stack);
			break;
		}
	}
	return err ? err : reader.bad ? -EBADMSG : 0;
}

static uint64_t changed(uint64_t value, int64_t difference)
{
	if (difference < 0)
		return value > -(uint64_t)difference ? value + (uint64_t)difference : 0;
	return value > (uint64_t)(INT64_MAX - difference) ? INT64_MAX : value + (uint64_t)difference;
}

int decode__counter(const struct counter *list, const struct protobuf_field *field, void *element)
{
	const struct counter *counter = counter__find(list, field->number);
	uint64_t value;
	char *place;

	if (!counter)
		return 0;
	if (field->wire != WIRE_VARINT)
		return -EBADMSG;
	place = (char *)element + counter->offset;
	memcpy(&value, place, sizeof(value));
	value = changed(value, protobuf__unzigzag(field->value));
	memcpy(place, &value, sizeof(value));
	return 0;
}

int decode__counters(const struct counter *list, const struct protobuf_field *message, void *element)
{
	struct protobuf_reader reader = protobuf__read_field(message);
	struct protobuf_field field;
	int err = 0;

	while (!err && protobuf__next(&reader, &field))
		err = decode__counter(list, &field, element);
	return err ? err : reader.bad ? -EBADMSG : 0;
}

/* The next change of a packed list, whose indexes rise and stay below `end`. False at the end or when it is bad. */
static bool next_change(struct protobuf_reader *reader, uint32_t end, int64_t *previous, uint32_t *index,
			int64_t *difference)
{
	uint64_t gap, change;

	if (!protobuf__next_integer(reader, &gap))
		return false;
	if (!protobuf__next_integer(reader, &change) || gap >= end || (*previous >= 0 && !gap)) {
		reader->bad = true;
		return false;
	}
	*previous = (*previous < 0 ? 0 : *previous) + (int64_t)gap;
	*index = (uint32_t)*previous;
	*difference = protobuf__unzigzag(change);
	if (*previous >= end)
		reader->bad = true;
	return !reader->bad;
}

int decode__attempts(const struct protobuf_field *field, uint64_t *attempts)
{
	struct protobuf_reader reader = protobuf__read_field(field);
	int64_t previous = -1, difference;
	uint32_t index;

	while (next_change(&reader, ATTEMPTS_BUCKETS, &previous, &index, &difference))
		attempts[index] = changed(attempts[index], difference);
	return reader.bad ? -EBADMSG : 0;
}

/* The buckets that are there and those that change, in one list. */
static int change_buckets(const struct protobuf_field *field, struct distribution *into)
{
	struct protobuf_reader reader = protobuf__read_field(field);
	struct distribution_bucket merged[HISTOGRAM_BUCKETS], *kept;
	int64_t previous = -1, difference;
	size_t at = 0, count = 0;
	uint32_t index;

	while (next_change(&reader, HISTOGRAM_BUCKETS, &previous, &index, &difference)) {
		uint64_t value = 0;

		for (; at < into->bucket_count && into->buckets[at].index < index; at++)
			merged[count++] = into->buckets[at];
		if (at < into->bucket_count && into->buckets[at].index == index)
			value = into->buckets[at++].count;
		value = changed(value, difference);
		if (value)
			merged[count++] = (struct distribution_bucket){.index = index, .count = value};
	}
	if (reader.bad)
		return -EBADMSG;
	for (; at < into->bucket_count; at++)
		merged[count++] = into->buckets[at];
	kept = malloc((count + 1) * sizeof(*kept));
	if (!kept)
		return -ENOMEM;
	memcpy(kept, merged, count * sizeof(*kept));
	free(into->buckets);
	into->buckets = kept;
	into->bucket_count = count;
	return 0;
}

int decode__distribution(const struct protobuf_field *message, struct distribution *into)
{
	struct protobuf_reader reader = protobuf__read_field(message);
	struct protobuf_field field;
	int err = 0;

	while (!err && protobuf__next(&reader, &field)) {
		if (field.number == DISTRIBUTION_MIN)
			err = decode__number(&field, INT64_MAX, &into->min_ns);
		else if (field.number == DISTRIBUTION_MAX)
			err = decode__number(&field, INT64_MAX, &into->max_ns);
		else if (field.number == DISTRIBUTION_BUCKETS)
			err = change_buckets(&field, into);
		else
			err = decode__counter(distribution_counters, &field, into);
	}
	return err ? err : reader.bad ? -EBADMSG : 0;
}

static int decode_end(const struct protobuf_field *field, enum trace_end *into)
{
	uint64_t value;
	int err = decode__number(field, 1 + TRACE_END_UNKNOWN, &value);

	if (err || !value)
		return -EBADMSG;
	*into = (enum trace_end)(value - 1);
	return 0;
}

static int decode_enum(const struct protobuf_field *field, uint64_t most, int *into)
{
	uint64_t value = 0;
	int err = decode__number(field, most, &value);

	*into = (int)value;
	return err;
}

static int decode_choice(struct trace *trace, const struct protobuf_field *field)
{
	int value, err;

	switch (field->number) {
	case WINDOW_LEVEL:
		err = decode_enum(field, TRACE_AUTO, &value);
		trace->level = (enum trace_level)value;
		return err;
	case WINDOW_SCOPE:
		err = decode_enum(field, TRACE_EVERYTHING, &value);
		trace->scope = (enum trace_scope)value;
		return err;
	case WINDOW_EVENTS:
		err = decode_enum(field, TRACE_EVENTS_ALL, &value);
		trace->event_level = (enum trace_events)value;
		return err;
	default:
		err = decode_enum(field, TRACE_STACKS_BOTH, &value);
		trace->stack_level = (enum trace_stacks)value;
		return err;
	}
}

int decode__window_field(struct trace *trace, const struct protobuf_field *field)
{
	struct trace_probes *probes = &trace->probes;

	switch (field->number) {
	case WINDOW_LEVEL:
	case WINDOW_SCOPE:
	case WINDOW_STACKS:
	case WINDOW_EVENTS:
		return decode_choice(trace, field);
	case WINDOW_END:
		return decode_end(field, &trace->end);
	case WINDOW_COST:
		return decode__real(field, -1, 1e12, &probes->cost_ns_per_hit);
	case WINDOW_LONGEST:
		return decode__real(field, -1, 1e18, &probes->longest_ns);
	case WINDOW_BUDGET:
		return decode__real(field, -1, 1e4, &probes->budget_pct);
	case WINDOW_COVERAGE:
		return decode__real(field, 0, 100, &probes->coverage_pct);
	case WINDOW_ERROR:
		return decode__real(field, 0, 100, &probes->acquisitions_error_pct);
	case WINDOW_FACTOR:
		return decode__real(field, 0, MOST_FACTOR, &trace->holds_factor);
	case WINDOW_WAITS_COVERAGE:
		return decode__real(field, 0, 100, &probes->waits_coverage_pct);
	case WINDOW_WAITS_ERROR:
		return decode__real(field, 0, 100, &probes->waits_error_pct);
	case WINDOW_WAITS_FACTOR:
		return decode__real(field, 0, MOST_FACTOR, &trace->waits_factor);
	case WINDOW_PID:
		return decode__small(field, &trace->target.pid);
	case WINDOW_PID_IN_NAMESPACE:
		return decode__small(field, &trace->target.pid_in_namespace);
	case WINDOW_EXE:
		return decode__text(field, trace->target.exe, sizeof(trace->target.exe));
	case WINDOW_RUNTIME:
		return decode__word(trace, field, &trace->target.runtime);
	case WINDOW_VERSION:
		return decode__text(field, trace->target.version, sizeof(trace->target.version));
	case WINDOW_DESIGN:
		return decode__word(trace, field, &trace->target.design);
	default:
		return decode__counter(window_counters, field, trace);
	}
}

static int decode_flags(const struct protobuf_field *field, struct trace_process *process)
{
	uint64_t flags = 0;
	int err = decode__number(field, UINT64_MAX, &flags);

	process->from_start = flags & PROCESS_FROM_START;
	process->in_windows = flags & PROCESS_IN_WINDOWS;
	process->refuted = flags & PROCESS_REFUTED;
	return err;
}

int decode__process_field(struct trace *trace, const struct protobuf_field *field, struct trace_process *process)
{
	switch (field->number) {
	case PROCESS_NUMBER:
		return 0;
	case PROCESS_PID:
		return decode__small(field, &process->pid);
	case PROCESS_PID_IN_NAMESPACE:
		return decode__small(field, &process->pid_in_namespace);
	case PROCESS_PARENT:
		return decode__small(field, &process->parent);
	case PROCESS_EXE:
		return decode__copy(field, &process->exe);
	case PROCESS_RUNTIME:
		return decode__word(trace, field, &process->runtime);
	case PROCESS_VERSION:
		return decode__text(field, process->version, sizeof(process->version));
	case PROCESS_DESIGN:
		return decode__word(trace, field, &process->design);
	case PROCESS_START:
		return decode__number(field, INT64_MAX, &process->start_ns);
	case PROCESS_END:
		return decode_end(field, &process->end);
	case PROCESS_FLAGS:
		return decode_flags(field, process);
	default:
		return decode__counter(process_counters, field, process);
	}
}
