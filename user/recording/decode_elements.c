/* SPDX-License-Identifier: MIT */
/* Processes, locks, threads and what is told of code, out of their messages: see decode_state.h. */
#include <errno.h>

#include "user/recording/decode_parts.h"
#include "user/recording/decode_state.h"
#include "user/recording/format.h"
#include "user/trace/parts.h"
#include "user/trace/trace.h"

int decode__stack_number(const struct decoder *decoder, uint32_t stack, uint32_t *out)
{
	if (stack > decoder->stacks.count)
		return -EBADMSG;
	*out = stack ? decoder->stacks.numbers[stack - 1] : STACKS_UNKNOWN;
	return 0;
}

/* Its number; all the other fields are of a process alone. */
static int find_number(const struct protobuf_field *message, uint32_t *number)
{
	struct protobuf_reader reader = protobuf__read_field(message);
	struct protobuf_field field;
	int err = 0;

	*number = 0;
	while (!err && protobuf__next(&reader, &field))
		if (field.number == PROCESS_NUMBER)
			err = decode__small(&field, number);
	return err ? err : reader.bad ? -EBADMSG : 0;
}

int decode__process(struct decoder *decoder, const struct protobuf_field *message)
{
	struct protobuf_reader reader = protobuf__read_field(message);
	struct trace *trace = decoder->trace;
	struct trace_process *process;
	struct protobuf_field field;
	uint32_t number, *place;
	int err = find_number(message, &number);

	if (err)
		return err;
	place = keys__get(&decoder->processes, number, 0);
	if (!place)
		return -ENOMEM;
	if (*place == KEYS_NONE) {
		*place = (uint32_t)trace->process_count;
		process = trace__add_process(trace);
		if (!process)
			return -ENOMEM;
		process->number = number;
	}
	process = &trace->processes[*place];
	while (!err && protobuf__next(&reader, &field)) {
		err = decode__process_field(trace, &field, process);
		decoder->text_bytes += field.number == PROCESS_EXE ? field.size : 0;
	}
	return err ? err : reader.bad ? -EBADMSG : 0;
}

/* The fields of a lock that are no keys. */
static int decode_gil_field(const struct protobuf_field *field, struct trace_gil *gil)
{
	switch (field->number) {
	case GIL_INTERPRETER:
		gil->interpreter = protobuf__unzigzag(field->value);
		return field->wire == WIRE_VARINT && gil->interpreter >= -1 ? 0 : -EBADMSG;
	case GIL_HANDOFF:
		return decode__distribution(field, &gil->handoff);
	case GIL_ATTEMPTS:
		return decode__attempts(field, gil->attempts);
	default:
		return decode__counter(gil_counters, field, gil);
	}
}

/* As a distribution is now, to tell later what came to it; where that is wanted. 0 or -ENOMEM. */
static int keep(const struct decoder *decoder, const struct distribution *now, struct distribution *kept)
{
	return decoder->parts ? distribution__merge(kept, now) : 0;
}

/* What came to it since; empties what was kept. */
static void tell_times(struct decoder *decoder, enum parts_times which, struct distribution *kept,
		       const struct distribution *now)
{
	if (decoder->parts)
		parts__add_times(decoder->parts, which, kept, now);
	distribution__clear(kept);
}

int decode__gil(struct decoder *decoder, const struct protobuf_field *message)
{
	struct protobuf_reader reader = protobuf__read_field(message);
	struct trace *trace = decoder->trace;
	struct protobuf_field field;
	struct element_keys keys;
	struct distribution before = {0};
	struct trace_gil *gil;
	uint32_t *number;
	size_t buckets;
	int err = decode__keys(message, &keys);

	if (err)
		return err;
	number = keys__get(&decoder->gils, keys.process, keys.gil);
	if (!number)
		return -ENOMEM;
	if (*number == KEYS_NONE) {
		*number = (uint32_t)trace->gil_count;
		gil = trace__add_gil(trace);
		if (!gil)
			return -ENOMEM;
		gil->process = keys.process;
		gil->address = keys.gil;
	}
	gil = &trace->gils[*number];
	gil->pid = keys.pid ? keys.pid : gil->pid;
	buckets = gil->handoff.bucket_count;
	err = keep(decoder, &gil->handoff, &before);
	while (!err && protobuf__next(&reader, &field))
		err = decode_gil_field(&field, gil);
	decoder->bucket_bytes += (gil->handoff.bucket_count - buckets) * sizeof(*gil->handoff.buckets);
	tell_times(decoder, PARTS_HANDOFFS, &before, &gil->handoff);
	return err ? err : reader.bad ? -EBADMSG : 0;
}

static int decode_thread_field(const struct protobuf_field *field, struct trace_thread *thread)
{
	uint64_t ended;
	int err;

	switch (field->number) {
	case THREAD_NAME:
		return decode__text(field, thread->name, sizeof(thread->name));
	case THREAD_ENDED:
		err = decode__number(field, 1, &ended);
		thread->ended = !err && ended;
		return err;
	case THREAD_WAIT:
		return decode__distribution(field, &thread->wait);
	case THREAD_HOLD:
		return decode__distribution(field, &thread->hold);
	default:
		return decode__counter(thread_counters, field, thread);
	}
}

/* The thread with this number that lives; of one that has ended nothing more is told. */
static struct trace_thread *find_thread(struct decoder *decoder, const struct element_keys *keys)
{
	uint32_t *number = keys__get(&decoder->threads, (uint64_t)keys->process << 32 | keys->tid, keys->gil);
	struct trace *trace = decoder->trace;
	struct trace_thread *thread;

	if (!number)
		return NULL;
	if (*number != KEYS_NONE && !trace->threads[*number].ended)
		return &trace->threads[*number];
	*number = (uint32_t)trace->thread_count;
	thread = trace__add_thread(trace);
	if (thread) {
		thread->process = keys->process;
		thread->gil = keys->gil;
		thread->tid = keys->tid;
	}
	return thread;
}

int decode__thread(struct decoder *decoder, const struct protobuf_field *message)
{
	struct protobuf_reader reader = protobuf__read_field(message);
	struct trace_thread *thread, before;
	struct distribution wait = {0}, hold = {0};
	struct protobuf_field field;
	struct element_keys keys;
	size_t buckets;
	int err = decode__keys(message, &keys);

	if (err)
		return err;
	thread = find_thread(decoder, &keys);
	if (!thread)
		return -ENOMEM;
	thread->pid = keys.pid ? keys.pid : thread->pid;
	before = *thread; /* its figures; its distributions are the thread's own */
	err = keep(decoder, &thread->wait, &wait);
	err = err ? err : keep(decoder, &thread->hold, &hold);
	buckets = thread->wait.bucket_count + thread->hold.bucket_count;
	while (!err && protobuf__next(&reader, &field))
		err = decode_thread_field(&field, thread);
	buckets = thread->wait.bucket_count + thread->hold.bucket_count - buckets;
	decoder->bucket_bytes += buckets * sizeof(struct distribution_bucket);
	tell_times(decoder, PARTS_WAITS, &wait, &thread->wait);
	tell_times(decoder, PARTS_HOLDS, &hold, &thread->hold);
	err = err ? err : reader.bad ? -EBADMSG : 0;
	return err || !decoder->parts ? err : parts__add_thread(decoder->parts, &before, thread);
}

int decode__blame(struct decoder *decoder, const struct protobuf_field *message)
{
	struct trace_blame *blame = trace__add_blame(decoder->trace);
	struct element_keys keys;
	int err = blame ? decode__keys(message, &keys) : -ENOMEM;

	err = err ? err : decode__stack_number(decoder, keys.stack, &blame->stack);
	err = err ? err : decode__stack_number(decoder, keys.waiter_stack, &blame->waiter_stack);
	if (err)
		return err;
	blame->process = keys.process;
	blame->pid = keys.pid;
	blame->gil = keys.gil;
	blame->waiter = keys.tid;
	blame->holder = keys.holder;
	err = decode__counters(blame_counters, message, blame);
	if (err || !decoder->parts)
		return err;
	return parts__add_blame(decoder->parts, decoder->trace->stacks, blame->stack, blame->wait_ns);
}

int decode__point(struct decoder *decoder, const struct protobuf_field *message)
{
	struct trace_release_point *point = trace__add_release_point(decoder->trace);
	struct element_keys keys;
	int err = point ? decode__keys(message, &keys) : -ENOMEM;

	err = err ? err : decode__stack_number(decoder, keys.stack, &point->stack);
	if (err)
		return err;
	point->process = keys.process;
	point->pid = keys.pid;
	point->gil = keys.gil;
	point->tid = keys.tid;
	return decode__counters(point_counters, message, point);
}

int decode__hog(struct decoder *decoder, const struct protobuf_field *message)
{
	struct protobuf_reader reader = protobuf__read_field(message);
	struct trace_hog hog = {.syscall = -1};
	struct protobuf_field field;
	struct element_keys keys;
	uint64_t seen = decoder->trace->hogs_seen; /* the window tells */
	int err = decode__keys(message, &keys);

	err = err ? err : decode__stack_number(decoder, keys.stack, &hog.stack);
	while (!err && protobuf__next(&reader, &field)) {
		if (field.number == HOG_WAITERS)
			err = decode__small(&field, &hog.waiters);
		else if (field.number == HOG_SYSCALL && field.wire == WIRE_VARINT && field.value <= UINT32_MAX)
			hog.syscall = (int32_t)protobuf__unzigzag(field.value);
		else
			err = decode__counter(hog_counters, &field, &hog);
	}
	if (err || reader.bad)
		return err ? err : -EBADMSG;
	hog.process = keys.process;
	hog.pid = keys.pid;
	hog.gil = keys.gil;
	hog.tid = keys.tid;
	err = trace__add_hog(decoder->trace, &hog);
	decoder->trace->hogs_seen = seen;
	return err;
}
