/* SPDX-License-Identifier: MIT */
/*
 * A report in which there is one of everything, made by the writer of real ones: so a condition can be checked before
 * there is a report, and cannot disagree with the writer about the fields that there are.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/report/condition_parts.h"
#include "user/report/json_parts.h"
#include "user/trace/trace.h"

#define PID 1
#define GIL 0x1000

static int add_time(struct distribution *distribution)
{
	struct histogram *histogram = calloc(1, sizeof(*histogram));
	int err = -1;

	if (histogram) {
		histogram_add(histogram, 1000);
		err = distribution__add_histogram(distribution, histogram);
	}
	free(histogram);
	return err;
}

static uint32_t add_stack(struct trace *trace)
{
	const struct trace_frame frame = {"f", "f.py", 1, FRAME_PYTHON};
	uint32_t number = (uint32_t)stacks__add_frame(trace->stacks, &frame);
	int64_t stack = stacks__add(trace->stacks, &number, 1);

	return stack < 0 ? STACKS_UNKNOWN : (uint32_t)stack;
}

static int add_process(struct trace *trace)
{
	struct trace_process *process = trace__add_process(trace);

	if (!process)
		return -1;
	process->pid = process->parent = PID;
	process->exe = strdup("/python3");
	process->runtime = "cpython";
	process->design = "interval";
	snprintf(process->version, sizeof(process->version), "3");
	process->duration_ns = 1;
	return process->exe ? 0 : -1;
}

static int add_lock(struct trace *trace)
{
	struct trace_gil *gil = trace__add_gil(trace);

	if (!gil)
		return -1;
	gil->pid = PID;
	gil->address = GIL;
	gil->interpreter = 0;
	gil->attempts[0] = 1;
	gil->looks = 1;
	return add_time(&gil->handoff);
}

static int add_thread(struct trace *trace)
{
	struct trace_thread *thread = trace__add_thread(trace);

	if (!thread)
		return -1;
	thread->pid = thread->tid = PID;
	thread->gil = GIL;
	thread->counts.acquisitions = 1;
	snprintf(thread->name, sizeof(thread->name), "python3");
	return add_time(&thread->wait) || add_time(&thread->hold) ? -1 : 0;
}

static int add_code(struct trace *trace)
{
	uint32_t stack = add_stack(trace);
	struct trace_blame *blame = trace__add_blame(trace);
	struct trace_release_point *point = trace__add_release_point(trace);
	const struct trace_hog hog = {.pid = PID,
				      .tid = PID,
				      .gil = GIL,
				      .stack = stack,
				      .start_ns = 1,
				      .held_ns = 1,
				      .request_to_drop_ns = 1};

	if (!stack || !blame || !point)
		return -1;
	*blame = (struct trace_blame){.pid = PID,
				      .waiter = PID,
				      .holder = PID,
				      .gil = GIL,
				      .waiter_stack = stack,
				      .stack = stack,
				      .wait_ns = 1,
				      .wall_ns = 1};
	*point = (struct trace_release_point){
		.pid = PID, .tid = PID, .gil = GIL, .stack = stack, .releases = 1, .outside_ns = 1};
	return trace__add_hog(trace, &hog);
}

static void fill(struct trace *trace, struct condition_scope scope)
{
	struct trace_target *target = &trace->target;

	target->pid = PID;
	target->runtime = "cpython";
	target->design = "interval";
	snprintf(target->exe, sizeof(target->exe), "/python3");
	snprintf(target->version, sizeof(target->version), "3");
	trace->level = scope.level;
	trace->duration_ns = 1;
	trace->stack_level = scope.stacks;
	trace->probes = (struct trace_probes){.coverage_pct = 100, .waits_coverage_pct = 100, .longest_ns = 1};
}

/* Lists that stay empty because nothing fills them. */
static void forget(json_t *document, const struct trace *trace)
{
	static const char *const lists[] = {"blame", "release_points", "hogs"};

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		json_t *element = json_array_get(json_object_get(document, lists[i]), 0);

		if (trace->stack_level == TRACE_STACKS_NONE)
			json_object_set_new(element, "stack", json_null());
		if (trace->stack_level == TRACE_STACKS_NONE && json_object_get(element, "waiter_stack"))
			json_object_set_new(element, "waiter_stack", json_null());
		if (i && !trace__knows_holds(trace))
			json_object_set_new(document, lists[i], json_null());
	}
	if (!trace__knows_holds(trace))
		json_object_set_new(document, "hogs_seen", json_null());
}

json_t *condition__specimen(struct condition_scope scope)
{
	struct trace *trace = trace__new();
	json_t *document = NULL;

	if (!trace)
		return NULL;
	fill(trace, scope);
	if (!add_process(trace) && !add_lock(trace) && !add_thread(trace) && !add_code(trace) && !trace__finish(trace))
		document = json__document(trace);
	if (document)
		forget(document, trace);
	trace__free(trace);
	return document;
}
