/* SPDX-License-Identifier: MIT */
/* Recordings: what comes out is what went in, and any bytes are read or refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "tests/fabricated/traces.h"
#include "user/protobuf/reader.h"
#include "user/recording/chunk.h"
#include "user/recording/decode.h"
#include "user/recording/encode.h"
#include "user/recording/file.h"
#include "user/recording/reader.h"
#include "user/recording/recorder.h"
#include "user/report/json.h"
#include "user/report/text.h"
#include "user/trace/keys.h"
#include "user/trace/trace.h"

#define SECOND 1000000000ULL
#define MS     1000000ULL

/* The bytes of a report; freed by the caller. */
static char *report_of(const struct trace *trace, bool json)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(json ? report__json(trace, out) : report__text(trace, out), 0);
	fclose(out);
	return text;
}

static void assert_same_reports(const struct trace *a, const struct trace *b)
{
	for (int json = 0; json < 2; json++) {
		char *left = report_of(a, json), *right = report_of(b, json);

		assert_string_equal(left, right);
		free(left);
		free(right);
	}
}

static struct trace *decode_one(const struct bytes *payload)
{
	struct decoder *decoder = decoder__new(true);
	struct trace *trace = NULL;

	assert_int_equal(decoder__decode(decoder, payload->data, payload->size), 0);
	assert_int_equal(decoder__finish(decoder, &trace), 0);
	decoder__free(decoder);
	return trace;
}

/* There and back. `given` is finished, and of no use after it. */
static struct trace *round_trip(struct trace *given)
{
	struct encoder *encoder = encoder__new();
	struct bytes payload = {0}, events = {0};
	struct trace *got;

	assert_int_equal(encoder__encode(encoder, given, given->stacks, true, &payload, &events), 0);
	got = decode_one(&payload);
	encoder__free(encoder);
	bytes__free(&payload);
	return got;
}

static void assert_same_frames(const struct trace *a, const struct trace *b)
{
	size_t count = stacks__frame_count(a->stacks);

	assert_int_equal(count, stacks__frame_count(b->stacks));
	for (uint32_t i = 0; i < count; i++)
		assert_in_range(stacks__add_frame(b->stacks, stacks__frame(a->stacks, i)), 0, count - 1);
}

/* Every kind of element, with every name that could break a format. Stacks may get other numbers, which decide between
 * elements of the same weight; so two trips are compared, too. */
static void test_round_trip(void **state)
{
	(void)state;
	for (const struct fabricated *one = fabricated; one->name; one++) {
		struct trace *expected = one->make(), *given[2] = {one->make(), one->make()};
		struct trace *got = round_trip(given[0]), *spent = round_trip(given[1]), *again = round_trip(spent);
		struct trace_probes *probes = &expected->probes;

		probes->overhead_pct =
			100.0 * (double)probes->hits * probes->cost_ns_per_hit / (double)expected->duration_ns;
		assert_same_frames(expected, got);
		if (strcmp(one->name, "hostile") != 0)
			assert_same_reports(expected, got);
		assert_same_reports(got, again);
		trace__free(expected);
		trace__free(given[0]);
		trace__free(given[1]);
		trace__free(got);
		trace__free(spent);
		trace__free(again);
	}
}

/*
 * A run of some steps: a process with a lock and two threads, one of which ends in the second step; its number is given
 * away again. Each step brings blame with a stack of its own.
 */
struct run {
	struct stacks *stacks;
	uint64_t step;
};

static void add_times(struct distribution *into, uint64_t count, uint64_t ns)
{
	struct histogram histogram = {0};

	for (uint64_t i = 0; i < count; i++)
		histogram_add(&histogram, ns + i);
	assert_int_equal(distribution__add_histogram(into, &histogram), 0);
}

static void add_thread(struct trace *now, uint32_t tid, uint64_t acquisitions, uint64_t wait_ns, bool ended)
{
	struct trace_thread *thread = trace__add_thread(now);

	thread->pid = 4242;
	thread->tid = tid;
	thread->gil = 0x1000;
	thread->ended = ended;
	snprintf(thread->name, sizeof(thread->name), "worker-%u", tid);
	thread->counts.acquisitions = acquisitions;
	thread->counts.contended = acquisitions;
	add_times(&thread->wait, acquisitions, wait_ns);
	thread->counts.waited_ns = thread->wait.sum_ns;
}

static uint32_t add_stack(struct run *run, const char *name)
{
	struct trace_frame leaf = {name, "/srv/app.py", 7, FRAME_PYTHON},
			   root = {"main", "/srv/app.py", 1, FRAME_PYTHON};
	uint32_t frames[2];

	frames[0] = (uint32_t)stacks__add_frame(run->stacks, &leaf);
	frames[1] = (uint32_t)stacks__add_frame(run->stacks, &root);
	return (uint32_t)stacks__add(run->stacks, frames, 2);
}

static void add_code(struct trace *now, struct run *run)
{
	struct trace_blame *blame = trace__add_blame(now);
	struct trace_release_point *point = trace__add_release_point(now);
	char name[64];

	snprintf(name, sizeof(name), "step_%u", (unsigned int)run->step);
	*blame = (struct trace_blame){.pid = 4242,
				      .waiter = 4243,
				      .holder = 4244,
				      .gil = 0x1000,
				      .waiter_stack = add_stack(run, "always"),
				      .stack = add_stack(run, name),
				      .waits = 10,
				      .wait_ns = 50 * MS};
	*point = (struct trace_release_point){
		.pid = 4242, .tid = 4243, .gil = 0x1000, .stack = blame->stack, .releases = 3, .held_ns = 10 * MS};
	trace__add_hog(now, &(struct trace_hog){.pid = 4242,
						.tid = 4244,
						.gil = 0x1000,
						.stack = blame->stack,
						.start_ns = SECOND * (1 + run->step),
						.held_ns = 20 * MS,
						.request_to_drop_ns = (10 + run->step) * MS,
						.syscall = -1});
}

/* What a capture would collect at the next second. */
static struct trace *step(struct run *run)
{
	struct trace *now = trace__new();
	struct trace_process *process = trace__add_process(now);
	struct trace_gil *gil = trace__add_gil(now);
	uint64_t n = ++run->step;

	now->target.pid = process->pid = gil->pid = 4242;
	now->target.runtime = process->runtime = "cpython";
	now->target.design = process->design = "interval";
	snprintf(now->target.exe, sizeof(now->target.exe), "/usr/bin/python3");
	process->exe = strdup("/usr/bin/python3");
	now->start_ns = process->start_ns = SECOND;
	now->duration_ns = process->duration_ns = n * SECOND;
	now->probes.hits = 1000 * n;
	now->probes.cost_ns_per_hit = 800;
	now->stack_level = TRACE_STACKS_PYTHON;
	now->quality.walks = 5 * n;
	gil->address = 0x1000;
	gil->attempts[0] = 30 * n;
	gil->attempts[5] = n / 2;
	add_times(&gil->handoff, 30 * n, 4000);
	add_thread(now, 4243, 20 * n, 5 * MS, false);
	now->threads[0].open.waits_at_end = n % 2; /* comes and goes */
	now->threads[0].open.waited_ns = n % 2 ? 3 * MS : 0;
	if (n <= 2)
		add_thread(now, 4244, 10 * n, 9 * MS, n == 2);
	else
		add_thread(now, 4244, n, 700, false);
	add_code(now, run);
	return now;
}

static struct run begin_run(void)
{
	return (struct run){.stacks = stacks__new()};
}

/* The payloads of `steps` seconds, each in a segment of its own if `segments`. */
static void encode_run(struct bytes *payloads, size_t steps, bool segments)
{
	struct run run = begin_run();
	struct encoder *encoder = encoder__new();
	struct bytes events = {0};

	for (size_t i = 0; i < steps; i++) {
		struct trace *now = step(&run);

		if (segments && i)
			encoder__begin_segment(encoder);
		payloads[i] = (struct bytes){0};
		assert_int_equal(encoder__encode(encoder, now, run.stacks, i + 1 == steps, &payloads[i], &events), 0);
		trace__free(now);
	}
	bytes__free(&events);
	encoder__free(encoder);
	stacks__free(run.stacks);
}

static struct trace *decode_run(const struct bytes *payloads, size_t count)
{
	struct decoder *decoder = decoder__new(true);
	struct trace *trace = NULL;

	for (size_t i = 0; i < count; i++)
		assert_int_equal(decoder__decode(decoder, payloads[i].data, payloads[i].size), 0);
	assert_int_equal(decoder__finish(decoder, &trace), 0);
	decoder__free(decoder);
	return trace;
}

static void free_run(struct bytes *payloads, size_t count)
{
	for (size_t i = 0; i < count; i++)
		bytes__free(&payloads[i]);
}

static const struct trace_thread *thread_of(const struct trace *trace, uint32_t tid, bool ended)
{
	for (size_t i = 0; i < trace->thread_count; i++)
		if (trace->threads[i].tid == tid && trace->threads[i].ended == ended)
			return &trace->threads[i];
	fail_msg("no thread %u", tid);
	return NULL;
}

/* Differences add up to what was captured, also where something became less. */
static void test_differences(void **state)
{
	struct bytes payloads[5];
	struct trace *trace;

	(void)state;
	for (int segments = 0; segments < 2; segments++) {
		encode_run(payloads, 5, segments);
		trace = decode_run(payloads, 5);
		assert_int_equal(trace->start_ns, SECOND);
		assert_int_equal(trace->duration_ns, 5 * SECOND);
		assert_int_equal(trace->end, TRACE_END_TIME);
		assert_int_equal(trace->probes.hits, 5000);
		assert_int_equal(trace->quality.walks, 25);
		assert_int_equal(trace->hogs_seen, 5);
		assert_int_equal(trace->gil_count, 1);
		assert_int_equal(trace->gils[0].attempts[5], 2);
		assert_int_equal(trace->gils[0].handoff.count, 150);
		assert_int_equal(trace->thread_count, 3);
		assert_int_equal(thread_of(trace, 4243, false)->counts.acquisitions, 100);
		assert_int_equal(thread_of(trace, 4243, false)->wait.count, 100);
		assert_int_equal(thread_of(trace, 4243, false)->open.waits_at_end, 1);
		assert_int_equal(thread_of(trace, 4243, false)->open.waited_ns, 3 * MS);
		assert_int_equal(thread_of(trace, 4244, true)->wait.count, 20);
		assert_int_equal(thread_of(trace, 4244, false)->wait.count, 5);
		assert_int_equal(thread_of(trace, 4244, false)->wait.max_ns, 704);
		assert_int_equal(trace->blame_count, 5);
		assert_int_equal(trace->processes[0].duration_ns, 5 * SECOND);
		trace__free(trace);
		free_run(payloads, 5);
	}
}

/* What has not changed takes no room. */
static void test_small(void **state)
{
	struct bytes payloads[20], again = {0}, events = {0};
	struct run run = begin_run();
	struct encoder *encoder = encoder__new();
	struct trace *now;

	(void)state;
	encode_run(payloads, 20, false);
	assert_true(payloads[0].size > 400);
	assert_in_range(payloads[10].size, 1, 400);
	free_run(payloads, 20);
	for (int i = 0; i < 2; i++) {
		now = step(&run);
		now->blame_count = now->point_count = now->hog_count = now->hogs_seen = 0;
		run.step--;
		assert_int_equal(encoder__encode(encoder, now, run.stacks, false, &again, &events), 0);
		trace__free(now);
	}
	assert_in_range(again.size, 1, 16);
	bytes__free(&again);
	encoder__free(encoder);
	stacks__free(run.stacks);
}

static uint64_t next_random(uint64_t *state, uint64_t below)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (*state >> 20) % below;
}

/* Three threads fight for a lock: one lets it go when asked, after 5 ms or in the middle, the next waits for it. */
static void add_fight(struct trace *now, struct run *run, size_t rounds)
{
	uint64_t noise = 7, ends[3] = {SECOND, SECOND, SECOND}, acquired = SECOND;
	uint32_t stacks[8], holder = 0;
	char name[16];

	for (uint32_t i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		stacks[i] = add_stack(run, name);
	}
	for (size_t i = 0; i < rounds; i++) {
		uint64_t released =
			acquired + (i % 3 ? 5 * MS + next_random(&noise, 200000) : next_random(&noise, 4 * MS));
		uint32_t next = (holder + 1 + (uint32_t)next_random(&noise, 2)) % 3;
		uint64_t wanted = ends[next] + 2000 + next_random(&noise, 30000);
		struct trace_event *event = trace__add_event(now);

		*event = (struct trace_event){.kind = TRACE_HOLD,
					      .forced = i % 3,
					      .pid = 4242,
					      .tid = 4243 + holder,
					      .gil = 0x1000,
					      .start_ns = acquired,
					      .end_ns = released,
					      .stack = stacks[next_random(&noise, 8)],
					      .waiters = 1 + i % 2};
		ends[holder] = released;
		acquired = released + 5000 + next_random(&noise, 40000);
		event = trace__add_event(now);
		*event = (struct trace_event){.kind = TRACE_WAIT,
					      .pid = 4242,
					      .tid = 4243 + next,
					      .gil = 0x1000,
					      .start_ns = wanted < acquired ? wanted : acquired,
					      .end_ns = acquired,
					      .stack = stacks[next_random(&noise, 8)],
					      .waiter_stack = stacks[next_random(&noise, 8)],
					      .holder = i % 50 ? 4243 + holder : 0,
					      .failed = i % 3 != 0};
		ends[next] = acquired;
		holder = next;
	}
}

static void assert_same_event(const struct trace_event *x, const struct stacks *stacks, const struct trace_event *y,
			      const struct trace *b)
{
	size_t count;
	const uint32_t *frames[2] = {stacks__frames(stacks, x->stack, &count),
				     stacks__frames(b->stacks, y->stack, &count)};

	assert_string_equal(stacks__frame(stacks, frames[0][0])->name, stacks__frame(b->stacks, frames[1][0])->name);
	assert_int_equal(x->kind, y->kind);
	assert_int_equal(x->forced, y->forced);
	assert_int_equal(x->pid, y->pid);
	assert_int_equal(x->tid, y->tid);
	assert_int_equal(x->gil, y->gil);
	assert_int_equal(x->start_ns, y->start_ns);
	assert_int_equal(x->end_ns, y->end_ns);
	assert_int_equal(x->holder, y->holder);
	assert_int_equal(x->failed, y->failed);
	assert_int_equal(x->waiters, y->waiters);
	assert_int_equal(x->waiter_stack != 0, y->waiter_stack != 0);
}

/* Each event comes out as it went in, and takes 8 bytes at most. */
static void test_events(void **state)
{
	struct run run = begin_run();
	struct encoder *encoder = encoder__new();
	struct decoder *decoder = decoder__new(true), *other = decoder__new(false);
	struct bytes payload = {0}, events = {0}, chunk = {0};
	struct trace *now = step(&run), *got = NULL;
	double bytes;

	(void)state;
	add_fight(now, &run, 50000);
	assert_int_equal(encoder__encode(encoder, now, run.stacks, true, &payload, &events), 0);
	assert_int_equal(chunk__write(&chunk, CHUNK_EVENTS, 1, events.data, events.size), 0);
	bytes = (double)chunk.size / (double)now->event_count;
	print_message("%zu events, %.2f bytes each, %.2f before zlib\n", now->event_count, bytes,
		      (double)events.size / (double)now->event_count);
	assert_true(bytes < 8);
	assert_int_equal(decoder__decode(decoder, payload.data, payload.size), 0);
	assert_int_equal(decoder__decode_events(decoder, events.data, events.size), 0);
	assert_int_equal(decoder__finish(decoder, &got), 0);
	assert_int_equal(got->event_count, now->event_count);
	for (size_t i = 0; i < got->event_count; i++)
		assert_same_event(&now->events[i], run.stacks, &got->events[i], got);
	trace__free(got);
	assert_int_equal(decoder__decode(other, payload.data, payload.size), 0);
	assert_int_equal(decoder__decode_events(other, events.data, events.size), 0);
	assert_int_equal(decoder__finish(other, &got), 0);
	assert_int_equal(got->event_count, 0); /* they were not wanted */
	trace__free(got);
	trace__free(now);
	decoder__free(decoder);
	decoder__free(other);
	encoder__free(encoder);
	bytes__free(&payload);
	bytes__free(&events);
	bytes__free(&chunk);
	stacks__free(run.stacks);
}

/* Made by somebody: read or refused. */
static void test_every_event_bit_flipped(void **state)
{
	struct run run = begin_run();
	struct encoder *encoder = encoder__new();
	struct bytes payload = {0}, events = {0};
	struct trace *now = step(&run);

	(void)state;
	add_fight(now, &run, 10);
	assert_int_equal(encoder__encode(encoder, now, run.stacks, true, &payload, &events), 0);
	for (size_t bit = 0; bit < 8 * events.size; bit++) {
		struct decoder *decoder = decoder__new(true);
		int err;

		events.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
		assert_int_equal(decoder__decode(decoder, payload.data, payload.size), 0);
		err = decoder__decode_events(decoder, events.data, events.size);
		assert_true(!err || err == -EBADMSG);
		decoder__free(decoder);
		events.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	trace__free(now);
	encoder__free(encoder);
	bytes__free(&payload);
	bytes__free(&events);
	stacks__free(run.stacks);
}

/* The end of a trace alone: figures are those of the part that is there. */
static void test_without_beginning(void **state)
{
	struct bytes payloads[5];
	struct trace *trace;

	(void)state;
	encode_run(payloads, 5, true);
	trace = decode_run(payloads + 3, 2);
	assert_int_equal(trace->start_ns, 4 * SECOND);
	assert_int_equal(trace->duration_ns, 2 * SECOND);
	assert_int_equal(trace->processes[0].start_ns, 4 * SECOND);
	assert_int_equal(trace->processes[0].duration_ns, 2 * SECOND);
	assert_int_equal(trace->probes.hits, 2000);
	assert_int_equal(trace->thread_count, 2);
	assert_string_equal(thread_of(trace, 4243, false)->name, "worker-4243");
	assert_int_equal(thread_of(trace, 4243, false)->wait.count, 40);
	assert_int_equal(thread_of(trace, 4244, false)->wait.count, 2);
	assert_in_range(thread_of(trace, 4244, false)->wait.min_ns, 672, 703);
	assert_int_equal(trace->gils[0].counts.acquisitions, 42);
	assert_int_equal(trace->blame_count, 2);
	assert_string_equal(trace->processes[0].exe, "/usr/bin/python3");
	trace__free(trace);
	free_run(payloads, 5);
}

/* A live report and that of its recording. */
static void test_live_and_file(void **state)
{
	char path[] = "/tmp/giltrace-test-XXXXXX";
	struct recorder_options options = {.path = path, .report = true};
	struct recorder *recorder;
	struct run run = begin_run();
	struct trace *live, *read;
	char why[256];
	bool whole;
	FILE *in;

	(void)state;
	close(mkstemp(path));
	assert_int_equal(recorder__open(&options, &recorder), 0);
	for (int i = 0; i < 7; i++) {
		struct trace *now = step(&run);

		assert_int_equal(recorder__make_ready(recorder), 0);
		assert_int_equal(recorder__add(recorder, now, run.stacks, i == 6), 0);
		trace__free(now);
	}
	assert_int_equal(recorder__end(recorder), 0);
	assert_int_equal(recorder__trace(recorder, &live), 0);
	assert_int_equal(recorder__written_ns(recorder), 7 * SECOND);
	in = fopen(path, "r");
	assert_int_equal(recording__read(in, true, &read, &whole, why, sizeof(why)), 0);
	fclose(in);
	assert_true(whole);
	assert_same_reports(live, read);
	trace__free(live);
	trace__free(read);
	recorder__free(recorder);
	stacks__free(run.stacks);
	unlink(path);
}

/* A recording in memory. */
static void make_sample(struct bytes *file, size_t steps)
{
	unsigned char header[RECORDING_HEADER_SIZE];
	struct bytes payloads[32];

	*file = (struct bytes){0};
	chunk__write_header(header);
	bytes__add(file, header, sizeof(header));
	encode_run(payloads, steps, false);
	for (size_t i = 0; i < steps; i++)
		assert_int_equal(chunk__write(file, CHUNK_STATE, (uint32_t)i, payloads[i].data, payloads[i].size), 0);
	free_run(payloads, steps);
}

/* Reads it; what is refused has its line. Returns the trace's duration, or the -errno. */
static int64_t read_bytes(const unsigned char *data, size_t size, bool *whole)
{
	FILE *in = size ? fmemopen((void *)data, size, "r") : fopen("/dev/null", "r");
	struct trace *trace = NULL;
	char why[256] = "";
	int64_t duration;
	int err;

	*whole = false;
	err = recording__read(in, true, &trace, whole, why, sizeof(why));
	fclose(in);
	if (err) {
		assert_null(trace);
		assert_true(strlen(why) > 0);
		assert_null(strchr(why, '\n'));
		return err;
	}
	duration = (int64_t)trace->duration_ns;
	assert_true(trace->end != TRACE_END_UNKNOWN || !*whole);
	free(report_of(trace, true));
	trace__free(trace);
	return duration;
}

/* As far as chunks are whole, and no farther. */
static void test_cut_at_every_byte(void **state)
{
	int64_t duration, last = -EBADMSG;
	struct bytes file;
	bool whole;

	(void)state;
	make_sample(&file, 6);
	for (size_t size = 0; size <= file.size; size++) {
		duration = read_bytes(file.data, size, &whole);
		assert_int_equal(whole, size == file.size);
		assert_true(duration >= last && (duration == -EBADMSG || duration % (int64_t)SECOND == 0));
		last = duration;
	}
	assert_int_equal(last, 6 * SECOND);
	bytes__free(&file);
}

/* Each bit of it: no damage goes unseen. */
static void test_every_bit_flipped(void **state)
{
	struct bytes file;
	bool whole;

	(void)state;
	make_sample(&file, 3);
	for (size_t bit = 0; bit < 8 * file.size; bit++) {
		file.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
		read_bytes(file.data, file.size, &whole);
		assert_false(whole);
		file.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	bytes__free(&file);
}

/* Damage that the checksum does not show, for somebody made it: read or refused. */
static void test_every_payload_bit_flipped(void **state)
{
	struct bytes payloads[2];

	(void)state;
	encode_run(payloads, 2, false);
	for (size_t bit = 0; bit < 8 * payloads[0].size; bit++) {
		struct decoder *decoder = decoder__new(true);
		struct trace *trace = NULL;
		int err;

		payloads[0].data[bit / 8] ^= (unsigned char)(1 << bit % 8);
		err = decoder__decode(decoder, payloads[0].data, payloads[0].size);
		err = err ? err : decoder__decode(decoder, payloads[1].data, payloads[1].size);
		err = err ? err : decoder__finish(decoder, &trace);
		assert_true(!err || err == -EBADMSG || err == -EFBIG);
		if (trace)
			free(report_of(trace, true));
		trace__free(trace);
		decoder__free(decoder);
		payloads[0].data[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	free_run(payloads, 2);
}

/* Chunks of other types, and other fields, are a newer recorder's: they are skipped. */
static void test_unknown_is_skipped(void **state)
{
	unsigned char header[RECORDING_HEADER_SIZE];
	struct bytes payloads[2], file = {0}, more = {0};
	bool whole;

	(void)state;
	encode_run(payloads, 2, false);
	protobuf__integer(&payloads[1], 999, 5);
	protobuf__bytes(&payloads[1], 1000, "news", 4);
	protobuf__double(&payloads[1], 1001, 0.5);
	chunk__write_header(header);
	bytes__add(&file, header, sizeof(header));
	assert_int_equal(chunk__write(&file, CHUNK_STATE, 0, payloads[0].data, payloads[0].size), 0);
	assert_int_equal(chunk__write(&file, 0x31323334, 1, "anything", 8), 0);
	assert_int_equal(chunk__write(&file, CHUNK_STATE, 2, payloads[1].data, payloads[1].size), 0);
	assert_int_equal(read_bytes(file.data, file.size, &whole), 2 * SECOND);
	assert_true(whole);
	bytes__free(&more);
	bytes__free(&file);
	free_run(payloads, 2);
}

static void test_later_version_is_refused(void **state)
{
	unsigned char header[RECORDING_HEADER_SIZE];
	uint32_t sum;
	bool whole;

	(void)state;
	chunk__write_header(header);
	header[8] = RECORDING_VERSION + 1;
	sum = (uint32_t)crc32(0, header, 12);
	for (int i = 0; i < 4; i++)
		header[12 + i] = (unsigned char)(sum >> 8 * i);
	assert_int_equal(read_bytes(header, sizeof(header), &whole), -ENOTSUP);
}

/* A chunk of 100 bytes that says it is of 200 MiB. */
static void test_lengths_are_not_believed(void **state)
{
	struct bytes file = {0};
	unsigned char header[RECORDING_HEADER_SIZE], *chunk;
	char plain[4096] = {0};
	uint32_t sum;
	bool whole;

	(void)state;
	chunk__write_header(header);
	bytes__add(&file, header, sizeof(header));
	assert_int_equal(chunk__write(&file, CHUNK_STATE, 0, plain, sizeof(plain)), 0);
	chunk = file.data + RECORDING_HEADER_SIZE;
	chunk[15] = 12; /* of the plain size */
	sum = (uint32_t)crc32(crc32(0, chunk, 16), chunk + CHUNK_HEADER_SIZE,
			      (uInt)(file.size - RECORDING_HEADER_SIZE - CHUNK_HEADER_SIZE));
	for (int i = 0; i < 4; i++)
		chunk[16 + i] = (unsigned char)(sum >> 8 * i);
	assert_int_equal(read_bytes(file.data, file.size, &whole), -EBADMSG);
	bytes__free(&file);
}

/* With a greatest size: never larger, readable after each chunk, the newest in it. */
static void test_greatest_size(void **state)
{
	char path[] = "/tmp/giltrace-test-XXXXXX";
	struct recorder_options options = {.path = path, .max_size = RECORDING_MIN_SIZE};
	struct recorder *recorder;
	struct run run = begin_run();
	uint64_t noise = 1;
	bool was_cut = false;

	(void)state;
	close(mkstemp(path));
	assert_int_equal(recorder__open(&options, &recorder), 0);
	for (int i = 0; i < 400; i++) {
		struct trace *now = step(&run), *read;
		char why[256], name[64];
		struct stat status;
		bool whole;
		FILE *in;

		for (int j = 0; j < 50; j++) { /* what does not compress */
			struct trace_blame *blame = trace__add_blame(now);

			noise = noise * 6364136223846793005ULL + 1442695040888963407ULL;
			snprintf(name, sizeof(name), "f_%016llx", (unsigned long long)noise);
			*blame = (struct trace_blame){
				.pid = 4242, .waiter = 4243, .gil = 0x1000, .wait_ns = noise >> 40};
			blame->stack = add_stack(&run, name);
		}
		assert_int_equal(recorder__add(recorder, now, run.stacks, i == 399), 0);
		trace__free(now);
		assert_int_equal(stat(path, &status), 0);
		assert_in_range(status.st_size, 1, RECORDING_MIN_SIZE);
		assert_int_equal(status.st_size, recorder__size(recorder));
		if (i % 10 && i != 399)
			continue;
		in = fopen(path, "r");
		assert_int_equal(recording__read(in, true, &read, &whole, why, sizeof(why)), 0);
		fclose(in);
		assert_int_equal(whole, i == 399);
		assert_int_equal(read->start_ns + read->duration_ns, SECOND * (2 + (uint64_t)i));
		assert_int_equal(read->processes[0].duration_ns, read->duration_ns);
		if (read->start_ns > SECOND) {
			was_cut = true;
			assert_in_range(status.st_size, RECORDING_MIN_SIZE / 4, RECORDING_MIN_SIZE);
			assert_int_equal(thread_of(read, 4243, false)->counts.acquisitions,
					 20 * read->duration_ns / SECOND);
		}
		trace__free(read);
	}
	assert_true(was_cut);
	recorder__free(recorder);
	stacks__free(run.stacks);
	unlink(path);
}

static void test_too_large_for_the_file(void **state)
{
	char path[] = "/tmp/giltrace-test-XXXXXX";
	struct recording_file *file;
	struct bytes chunk = {0};
	char zeros[4096] = {0};

	(void)state;
	close(mkstemp(path));
	assert_int_equal(recording_file__open(path, RECORDING_MIN_SIZE, &file), 0);
	bytes__add(&chunk, zeros, sizeof(zeros));
	assert_int_equal(recording_file__append(file, &chunk, true), 0);
	while (chunk.size <= RECORDING_MIN_SIZE)
		bytes__add(&chunk, zeros, sizeof(zeros));
	assert_int_equal(recording_file__append(file, &chunk, true), -EFBIG);
	assert_int_equal(recording_file__size(file), RECORDING_HEADER_SIZE + sizeof(zeros));
	recording_file__close(file);
	bytes__free(&chunk);
	unlink(path);
}

/* A device that takes nothing: the same is tried again, and nothing is added meanwhile. */
static void test_full_disk(void **state)
{
	struct recorder_options options = {.path = "/dev/full", .report = true};
	struct recorder *recorder;
	struct run run = begin_run();
	struct trace *now = step(&run), *trace;

	(void)state;
	assert_int_equal(recorder__open(&options, &recorder), 0);
	assert_int_equal(recorder__add(recorder, now, run.stacks, false), -ENOSPC);
	assert_int_equal(recorder__make_ready(recorder), -ENOSPC);
	trace__free(now);
	now = step(&run);
	assert_int_equal(recorder__add(recorder, now, run.stacks, true), -ENOSPC);
	trace__free(now);
	assert_int_equal(recorder__end(recorder), -ENOSPC);
	assert_int_equal(recorder__written_ns(recorder), 0);
	assert_int_equal(recorder__trace(recorder, &trace), 0); /* the report has all */
	assert_int_equal(trace->duration_ns, 2 * SECOND);
	trace__free(trace);
	recorder__free(recorder);
	stacks__free(run.stacks);
}

/* The worst stay, whatever the order in which they come. */
static void test_worst_hogs(void **state)
{
	struct trace *trace = trace__new();
	uint64_t noise = 3;

	(void)state;
	for (uint64_t i = 0; i < 5 * TRACE_MAX_HOGS; i++) {
		noise = noise * 6364136223846793005ULL + 1442695040888963407ULL;
		assert_int_equal(trace__add_hog(trace, &(struct trace_hog){.request_to_drop_ns =
										   i < 100 ? SECOND + i : noise >> 40}),
				 0);
	}
	trace__finish(trace);
	assert_int_equal(trace->hog_count, TRACE_MAX_HOGS);
	assert_int_equal(trace->hogs_seen, 5 * TRACE_MAX_HOGS);
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(trace->hogs[i].request_to_drop_ns, SECOND + 99 - i);
	for (size_t i = 1; i < trace->hog_count; i++)
		assert_true(trace->hogs[i - 1].request_to_drop_ns >= trace->hogs[i].request_to_drop_ns);
	assert_true(trace->hogs[TRACE_MAX_HOGS - 1].request_to_drop_ns >
		    (1 << 24) / 2); /* the worst fifth of even noise */
	trace__free(trace);
}

static void test_wire_format(void **state)
{
	static const unsigned char bad[][12] = {
		{0x08},                                                 /* no value */
		{0x08, 0x80},                                           /* half of one */
		{0x00, 0x01},                                           /* field 0 */
		{0x0b, 0x01},                                           /* a wire type that is none */
		{0x12, 0x05, 'a'},                                      /* shorter than it says */
		{0x09, 1, 2, 3},                                        /* half of a double */
		{0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2}, /* more than 64 bits */
	};
	static const size_t sizes[] = {1, 2, 2, 2, 3, 4, 11};
	static const int64_t values[] = {0, 1, -1, 63, -64, INT64_MAX, INT64_MIN};
	struct protobuf_reader reader;
	struct protobuf_field field;
	struct bytes bytes = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		reader = protobuf__read(bad[i], sizes[i]);
		assert_false(protobuf__next(&reader, &field));
		assert_true(reader.bad);
	}
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
		protobuf__signed(&bytes, 1, values[i]);
	protobuf__double(&bytes, 2, -1.5);
	reader = protobuf__read(bytes.data, bytes.size);
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		assert_true(protobuf__next(&reader, &field));
		assert_true(protobuf__unzigzag(field.value) == values[i]);
	}
	assert_true(protobuf__next(&reader, &field));
	assert_true(protobuf__as_double(&field) == -1.5);
	assert_false(protobuf__next(&reader, &field));
	assert_false(reader.bad);
	bytes__free(&bytes);
}

static void test_keys(void **state)
{
	struct keys keys = {0};

	(void)state;
	for (uint32_t i = 0; i < 5000; i++) {
		uint32_t *number = keys__get(&keys, i % 70, i / 70);

		assert_int_equal(*number, KEYS_NONE);
		*number = i;
	}
	for (uint32_t i = 0; i < 5000; i++)
		assert_int_equal(*keys__get(&keys, i % 70, i / 70), i);
	keys__clear(&keys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_differences),
		cmocka_unit_test(test_small),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_every_event_bit_flipped),
		cmocka_unit_test(test_without_beginning),
		cmocka_unit_test(test_live_and_file),
		cmocka_unit_test(test_cut_at_every_byte),
		cmocka_unit_test(test_every_bit_flipped),
		cmocka_unit_test(test_every_payload_bit_flipped),
		cmocka_unit_test(test_unknown_is_skipped),
		cmocka_unit_test(test_later_version_is_refused),
		cmocka_unit_test(test_lengths_are_not_believed),
		cmocka_unit_test(test_greatest_size),
		cmocka_unit_test(test_too_large_for_the_file),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_worst_hogs),
		cmocka_unit_test(test_wire_format),
		cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
