/* SPDX-License-Identifier: MIT */
/* What giltrace top shows is the difference of what was read before and now: of threads that come, go and come again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/histogram.h"
#include "user/report/live.h"

#define SECOND  1000000000ULL
#define MS      1000000ULL
#define PROCESS 3
#define PID     4000
#define LOCK    0x1000

/* A trace as capture__collect() brings it, with one process and its lock, after so many seconds. */
static struct trace *read_after(double seconds)
{
	struct trace *trace = trace__new();
	struct trace_process *process = trace__add_process(trace);
	struct trace_gil *gil = trace__add_gil(trace);

	trace->duration_ns = process->duration_ns = (uint64_t)(seconds * (double)SECOND);
	process->number = PROCESS;
	process->pid = PID;
	process->exe = strdup("/usr/bin/python3.11");
	process->end = TRACE_END_TIME;
	*gil = (struct trace_gil){.process = PROCESS, .pid = PID, .address = LOCK, .interpreter = 0};
	return trace;
}

/* `waits` of `wait_ns` each since the thread began, and as many acquisitions more. */
static struct trace_thread *add_thread(struct trace *trace, uint32_t tid, uint64_t waits, uint64_t wait_ns)
{
	struct trace_thread *thread = trace__add_thread(trace);
	struct histogram histogram = {0};

	*thread = (struct trace_thread){.process = PROCESS, .pid = PID, .tid = tid, .gil = LOCK, .name = "worker"};
	for (uint64_t i = 0; i < waits; i++)
		histogram_add(&histogram, wait_ns);
	assert_int_equal(distribution__add_histogram(&thread->wait, &histogram), 0);
	thread->counts.acquisitions = 2 * waits;
	thread->counts.contended = waits;
	thread->counts.waited_ns = waits * wait_ns;
	return thread;
}

static void take_in(struct live *live, struct trace *trace)
{
	assert_int_equal(live__add(live, trace, trace->stacks), 0);
	trace__free(trace);
}

static const struct live_thread *find(const struct live *live, uint32_t tid)
{
	for (size_t i = 0; i < live->thread_count; i++)
		if (live->threads[i].tid == tid)
			return &live->threads[i];
	return NULL;
}

static void test_differences(void **state)
{
	struct live live = {0};
	struct trace *trace = read_after(1);
	const struct live_thread *thread;
	struct trace_thread *traced;

	(void)state;
	traced = add_thread(trace, 11, 100, MS);
	traced->counts.held_ns = SECOND / 4;
	take_in(&live, trace);
	thread = find(&live, 11);
	assert_int_equal(thread->of[LIVE_LAST].acquisitions, 200);
	assert_true(live__thread_held(&live, thread, &live.gils[0], LIVE_LAST) == 0.25);

	trace = read_after(3);
	traced = add_thread(trace, 11, 150, MS);
	traced->counts.held_ns = SECOND / 4;
	traced->open.held_ns = SECOND; /* of a hold that goes on */
	add_thread(trace, 12, 10, MS);
	take_in(&live, trace);
	thread = find(&live, 11);
	assert_int_equal(live.span_ns[LIVE_LAST], 2 * SECOND);
	assert_int_equal(thread->of[LIVE_LAST].acquisitions, 100);
	assert_int_equal(thread->of[LIVE_LAST].contended, 50);
	assert_true(live__rate(&thread->of[LIVE_LAST], 100) == 50);
	assert_true(live__thread_held(&live, thread, &live.gils[0], LIVE_LAST) == 0.5);
	assert_true(live__waiting(&thread->of[LIVE_LAST]) == 0.025); /* 50 ms of 2 s */
	assert_int_equal(thread->of[LIVE_SINCE_RESET].acquisitions, 300);
	assert_int_equal(live.gils[0].of[LIVE_LAST].acquisitions, 120);
	assert_int_equal(live.gils[0].of[LIVE_SINCE_RESET].acquisitions, 320);
	assert_int_equal(live.gils[0].threads, 2);
	assert_string_equal(live.gils[0].name, "python3.11");
	live__clear(&live);
}

/* A hold that was open and has ended is not counted twice, nor does a count that seems to go back become a huge one. */
static void test_open_parts(void **state)
{
	struct live live = {0};
	struct trace *trace = read_after(1);

	(void)state;
	add_thread(trace, 11, 10, MS)->open.held_ns = 700 * MS;
	take_in(&live, trace);
	trace = read_after(2);
	add_thread(trace, 11, 10, MS)->counts.held_ns = 900 * MS;
	take_in(&live, trace);
	assert_int_equal(find(&live, 11)->of[LIVE_LAST].held_ns, 200 * MS);
	trace = read_after(3);
	add_thread(trace, 11, 9, MS)->counts.held_ns = 800 * MS;
	take_in(&live, trace);
	assert_int_equal(find(&live, 11)->of[LIVE_LAST].held_ns, 0);
	assert_int_equal(find(&live, 11)->of[LIVE_LAST].acquisitions, 0);
	assert_int_equal(find(&live, 11)->of[LIVE_LAST].wait.count, 0);
	live__clear(&live);
}

/* The percentile is that of the last span: what was before does not hide what is now. */
static void test_percentiles(void **state)
{
	struct live live = {0};
	struct trace *trace = read_after(1);
	struct trace_thread *thread;
	struct histogram histogram = {0};
	const struct live_figures *figures;
	uint64_t p99;

	(void)state;
	add_thread(trace, 11, 1000, MS);
	take_in(&live, trace);
	trace = read_after(2);
	thread = add_thread(trace, 11, 1000, MS);
	histogram_add(&histogram, 50 * MS);
	assert_int_equal(distribution__add_histogram(&thread->wait, &histogram), 0);
	take_in(&live, trace);
	figures = find(&live, 11)->of;
	p99 = distribution__percentile(&figures[LIVE_LAST].wait, 99);
	assert_true(p99 > 48 * MS && p99 < 52 * MS);
	assert_int_equal(figures[LIVE_LAST].wait.count, 1);
	p99 = distribution__percentile(&figures[LIVE_SINCE_RESET].wait, 99);
	assert_true(p99 > 0.96 * MS && p99 < 1.04 * MS);
	live__clear(&live);
}

/* The figures of a thread that ended stay in its lock's; another with its number begins at nothing. */
static void test_ended_threads(void **state)
{
	struct live live = {0};
	struct trace *trace = read_after(1);

	(void)state;
	add_thread(trace, 11, 100, MS);
	take_in(&live, trace);
	trace = read_after(2);
	add_thread(trace, 11, 20, MS); /* the later one, first in the list */
	add_thread(trace, 11, 130, MS)->ended = true;
	add_thread(trace, 12, 7, MS)->ended = true;
	take_in(&live, trace);
	assert_int_equal(find(&live, 11)->of[LIVE_LAST].contended, 30 + 20);
	assert_false(find(&live, 11)->ended);
	assert_true(find(&live, 12)->ended);
	assert_int_equal(live.gils[0].of[LIVE_LAST].contended, 57);
	assert_int_equal(live.gils[0].threads, 1);
	trace = read_after(3);
	add_thread(trace, 11, 25, MS);
	take_in(&live, trace);
	assert_null(find(&live, 12));
	assert_int_equal(find(&live, 11)->of[LIVE_LAST].contended, 5);
	assert_int_equal(live.gils[0].of[LIVE_SINCE_RESET].contended, 130 + 25 + 7);
	live__clear(&live);
}

static void test_reset(void **state)
{
	struct live live = {0};
	struct trace *trace = read_after(4);

	(void)state;
	add_thread(trace, 11, 100, MS);
	take_in(&live, trace);
	live__reset(&live);
	assert_int_equal(find(&live, 11)->of[LIVE_SINCE_RESET].contended, 0);
	assert_int_equal(find(&live, 11)->of[LIVE_LAST].contended, 100);
	trace = read_after(5);
	add_thread(trace, 11, 140, MS);
	take_in(&live, trace);
	assert_int_equal(live.span_ns[LIVE_SINCE_RESET], SECOND);
	assert_int_equal(live.gils[0].of[LIVE_SINCE_RESET].contended, 40);
	assert_int_equal(live.gils[0].of[LIVE_SINCE_RESET].wait.count, 40);
	live__clear(&live);
}

static uint32_t add_stack(struct stacks *stacks, const char *name, uint32_t line)
{
	struct trace_frame frame = {.name = name, .file = "work.py", .line = line, .kind = FRAME_PYTHON};
	uint32_t number = (uint32_t)stacks__add_frame(stacks, &frame);

	return (uint32_t)stacks__add(stacks, &number, 1);
}

static void blame(struct trace *trace, uint32_t holder, uint32_t stack, uint64_t wait_ns)
{
	struct trace_blame *pair = trace__add_blame(trace);

	*pair = (struct trace_blame){.process = PROCESS,
				     .pid = PID,
				     .gil = LOCK,
				     .waiter = 99,
				     .holder = holder,
				     .stack = stack,
				     .wait_ns = wait_ns};
}

/* A function's places count together, and it is named by the worst of them. */
static void test_blame(void **state)
{
	struct live live = {0};
	struct stacks *stacks = stacks__new();
	struct trace *trace = read_after(1);
	uint32_t one = add_stack(stacks, "compute", 10), two = add_stack(stacks, "compute", 12);
	uint32_t other = add_stack(stacks, "parse", 5);
	const struct live_blame *worst;
	double share;

	(void)state;
	blame(trace, 11, one, 300 * MS);
	blame(trace, 11, two, 200 * MS);
	blame(trace, 12, other, 400 * MS);
	blame(trace, 12, one, 100 * MS);
	assert_int_equal(live__add(&live, trace, stacks), 0);
	trace__free(trace);
	worst = live__worst(&live, LIVE_LAST, &share);
	assert_int_equal(worst->holder, 11);
	assert_true(share == 0.5);
	assert_int_equal(stacks__frame(stacks, (uint32_t)worst->frame)->line, 10);

	trace = read_after(2);
	blame(trace, 12, other, 50 * MS);
	assert_int_equal(live__add(&live, trace, stacks), 0);
	trace__free(trace);
	worst = live__worst(&live, LIVE_LAST, &share);
	assert_int_equal(worst->holder, 12);
	assert_true(share == 1);
	worst = live__worst(&live, LIVE_SINCE_RESET, &share);
	assert_int_equal(worst->holder, 11);
	live__reset(&live);
	assert_null(live__worst(&live, LIVE_SINCE_RESET, &share));
	live__clear(&live);
	stacks__free(stacks);
}

/* Of more blame than is kept, the sum stays what it is. */
static void test_much_blame(void **state)
{
	struct live live = {0};
	struct stacks *stacks = stacks__new();
	struct trace *trace = read_after(1);
	const struct live_blame *worst;
	double share;

	(void)state;
	for (uint32_t holder = 1; holder <= 3 * LIVE_MOST_BLAME; holder++)
		blame(trace, holder, STACKS_UNKNOWN, holder == 77 ? 3 * LIVE_MOST_BLAME + 1 : 1);
	assert_int_equal(live__add(&live, trace, stacks), 0);
	trace__free(trace);
	assert_int_equal(live.blame_count, LIVE_MOST_BLAME);
	worst = live__worst(&live, LIVE_LAST, &share);
	assert_int_equal(worst->holder, 77);
	assert_int_equal(worst->frame, -1);
	assert_true(share > 0.5 && share < 0.51);
	live__clear(&live);
	stacks__free(stacks);
}

/* Without holds the lock's use is told by looks at it; those of the last span alone. */
static void test_looks(void **state)
{
	struct live live = {0};
	struct trace *trace = read_after(1);

	(void)state;
	trace->level = TRACE_WAITS;
	trace->gils[0].looks = 50;
	trace->gils[0].looks_held = 10;
	add_thread(trace, 11, 10, MS);
	take_in(&live, trace);
	assert_true(live__gil_held(&live, &live.gils[0], LIVE_LAST) == 0.2);
	trace = read_after(2);
	trace->level = TRACE_WAITS;
	trace->gils[0].looks = 100;
	trace->gils[0].looks_held = 50;
	add_thread(trace, 11, 10, MS);
	take_in(&live, trace);
	assert_true(live__gil_held(&live, &live.gils[0], LIVE_LAST) == 0.8);
	assert_true(live__gil_held(&live, &live.gils[0], LIVE_SINCE_RESET) == 0.5);
	assert_true(live__thread_held(&live, find(&live, 11), &live.gils[0], LIVE_LAST) < 0);
	live__clear(&live);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_differences), cmocka_unit_test(test_open_parts),
		cmocka_unit_test(test_percentiles), cmocka_unit_test(test_ended_threads),
		cmocka_unit_test(test_reset),       cmocka_unit_test(test_blame),
		cmocka_unit_test(test_much_blame),  cmocka_unit_test(test_looks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
