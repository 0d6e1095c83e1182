/* SPDX-License-Identifier: MIT */
/* Traces with single events that never were: see traces.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fabricated/traces.h"
#include "user/trace/trace.h"

#define US      1000ULL
#define PID     4242
#define GIL     0xa5b8a8
#define START   1000000000000ULL
#define THREADS 2000

static struct trace *new_trace(uint64_t duration_ns)
{
	struct trace *trace = trace__new();
	struct trace_process *process = trace__add_process(trace);

	trace->start_ns = process->start_ns = START;
	trace->duration_ns = process->duration_ns = duration_ns;
	trace->event_level = TRACE_EVENTS_ALL;
	process->pid = trace->target.pid = PID;
	process->exe = strdup("/usr/bin/python3.11");
	return trace;
}

static void add_gil(struct trace *trace, uint64_t address, int64_t interpreter)
{
	struct trace_gil *gil = trace__add_gil(trace);

	gil->pid = PID;
	gil->address = address;
	gil->interpreter = interpreter;
}

static void add_thread(struct trace *trace, uint64_t gil, uint32_t tid, const char *name)
{
	struct trace_thread *thread = trace__add_thread(trace);

	thread->pid = PID;
	thread->tid = tid;
	thread->gil = gil;
	snprintf(thread->name, sizeof(thread->name), "%s", name);
}

static struct trace_event *add_event(struct trace *trace, enum trace_event_kind kind, uint32_t tid, uint64_t start_ns,
				     uint64_t end_ns)
{
	struct trace_event *event = trace__add_event(trace);

	*event = (struct trace_event){.kind = kind,
				      .pid = PID,
				      .tid = tid,
				      .gil = GIL,
				      .start_ns = START + start_ns,
				      .end_ns = START + end_ns};
	return event;
}

static struct trace *finished(struct trace *trace)
{
	if (!trace__finish(trace))
		return trace;
	trace__free(trace);
	return NULL;
}

/* Threads that take turns: each holds the lock for 7 us, of which the next one waits for 6. */
struct trace *fabricated__make_turns(size_t count)
{
	struct trace *trace = new_trace(count * 4 * US);

	add_gil(trace, GIL, 0);
	for (uint32_t i = 0; i < THREADS && i < count; i++)
		add_thread(trace, GIL, PID + i, "worker");
	for (size_t i = 0; i < count / 2; i++) {
		uint64_t at = i * 7 * US;
		struct trace_event *hold = add_event(trace, TRACE_HOLD, PID + i % THREADS, at, at + 7 * US), *wait;

		hold->waiters = 1;
		wait = add_event(trace, TRACE_WAIT, PID + (i + 1) % THREADS, at + US, at + 7 * US);
		wait->holder = PID + i % THREADS;
		wait->failed = i % 3;
	}
	return finished(trace);
}

/* What an honest recording does not have, and names that are none. */
struct trace *fabricated__make_hostile_events(void)
{
	struct trace *trace = new_trace(1000 * US);
	struct trace_frame frame = {"\xff\x1b[31m\xe2\x80\xae", "\n\xc3.py", 7, FRAME_PYTHON};
	uint32_t frames[600], stack;

	for (size_t i = 0; i < 600; i++) {
		frame.line = 7 + (uint32_t)i;
		frames[i] = (uint32_t)stacks__add_frame(trace->stacks, &frame);
	}
	stack = (uint32_t)stacks__add(trace->stacks, frames, 600);
	add_gil(trace, GIL, 0);
	add_gil(trace, GIL + 64, -1);
	add_thread(trace, GIL, PID, "\x80\x1b]0;owned\x07");
	add_thread(trace, GIL, PID + 1, "");
	add_event(trace, TRACE_HOLD, PID, 10 * US, 20 * US)->stack = stack;
	add_event(trace, TRACE_HOLD, PID, 15 * US, 25 * US);                           /* beside its own */
	add_event(trace, TRACE_HOLD, PID + 1, 12 * US, 30 * US)->waiters = UINT32_MAX; /* two have the lock */
	add_event(trace, TRACE_WAIT, PID, 30 * US, 30 * US);                           /* no length */
	add_event(trace, TRACE_HOLD, PID, 30 * US, 30 * US);
	add_event(trace, TRACE_WAIT, PID, 30 * US, 40 * US)->holder = 99; /* a thread that has nothing else */
	add_event(trace, TRACE_HOLD, PID + 2, 50 * US, 45 * US);          /* ends before it begins */
	add_event(trace, TRACE_HOLD, PID + 2, INT64_MAX - START - 5, INT64_MAX - START);
	add_event(trace, TRACE_HOLD, PID, 60 * US, 70 * US)->gil = GIL + 64;
	add_event(trace, TRACE_HOLD, PID, 80 * US, 90 * US)->gil = GIL + 128; /* of a lock that there is not */
	add_event(trace, TRACE_HOLD, PID, 0, 1)->start_ns = 5;                /* before the trace */
	return finished(trace);
}
