/* SPDX-License-Identifier: MIT */
/* What the JSON tells of code: who blocked whom by stacks, release points, hogs. A stack's list of frames is made once.
 */
#include <stdlib.h>

#include "user/report/json_parts.h"
#include "user/symbols/system_calls.h"
#include "user/trace/trace.h"

/* The lists that are made already, by the number of the stack. */
struct frame_lists {
	const struct stacks *stacks;
	json_t **made;
};

static const char *const kinds[FRAME_KINDS] = {
	[FRAME_PYTHON] = "python",
	[FRAME_NATIVE] = "native",
	[FRAME_KERNEL] = "kernel",
	[FRAME_NOTE] = "note",
};

static const char *const levels[] = {
	[TRACE_STACKS_NONE] = "none",
	[TRACE_STACKS_PYTHON] = "python",
	[TRACE_STACKS_NATIVE] = "native",
	[TRACE_STACKS_BOTH] = "both",
};

static json_t *frame(const struct trace_frame *frame)
{
	return json_pack("{s:o, s:o, s:o, s:s}", "name", json__text(frame->name), "file", json__text(frame->file),
			 "line", json__known(frame->line != 0, frame->line), "kind", kinds[frame->kind]);
}

static json_t *frames(const struct stacks *stacks, uint32_t stack)
{
	json_t *list = json_array();
	size_t count;
	const uint32_t *numbers = stacks__frames(stacks, stack, &count);

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, frame(stacks__frame(stacks, numbers[i])));
	return list;
}

/* A reference to the stack's list. */
static json_t *stack(struct frame_lists *lists, uint32_t number)
{
	if (!lists->made || number >= stacks__count(lists->stacks))
		return frames(lists->stacks, number);
	if (!lists->made[number])
		lists->made[number] = frames(lists->stacks, number);
	return json_incref(lists->made[number]);
}

static json_t *blame(const struct trace *trace, struct frame_lists *lists)
{
	json_t *list = json_array();
	bool wall_known = false;

	for (size_t i = 0; i < trace->blame_count; i++)
		wall_known |= trace->blame[i].wall_ns > 0;
	for (size_t i = 0; i < trace->blame_count; i++) {
		const struct trace_blame *pair = &trace->blame[i];
		json_t *object = json_object();

		json_object_set_new(object, "waiter", json__number(pair->waiter));
		json_object_set_new(object, "holder", json__known(pair->holder != 0, pair->holder));
		json_object_set_new(object, "gil", json__address(pair->gil));
		json_object_set_new(object, "process", json__number(pair->process));
		json_object_set_new(object, "pid", json__number(pair->pid));
		json_object_set_new(object, "waits", json__number(pair->waits));
		json_object_set_new(object, "wait_ns", json__number(pair->wait_ns));
		json_object_set_new(object, "wall_ns", json__known(wall_known, pair->wall_ns));
		json_object_set_new(object, "stack", stack(lists, pair->stack));
		json_object_set_new(object, "waiter_stack", stack(lists, pair->waiter_stack));
		json_array_append_new(list, object);
	}
	return list;
}

static json_t *release_points(const struct trace *trace, struct frame_lists *lists)
{
	json_t *list = json_array();

	for (size_t i = 0; i < trace->point_count; i++) {
		const struct trace_release_point *point = &trace->points[i];
		double score = trace__convoy_score(point);
		json_t *object = json_object();

		json_object_set_new(object, "tid", json__number(point->tid));
		json_object_set_new(object, "gil", json__address(point->gil));
		json_object_set_new(object, "process", json__number(point->process));
		json_object_set_new(object, "pid", json__number(point->pid));
		json_object_set_new(object, "releases", json__number(point->releases));
		json_object_set_new(object, "forced", json__number(point->forced));
		json_object_set_new(object, "held_ns", json__number(point->held_ns));
		json_object_set_new(object, "outside_ns", json__number(point->outside_ns));
		json_object_set_new(object, "returns", json__number(point->returns));
		json_object_set_new(object, "back_ns", json__number(point->back_ns));
		json_object_set_new(object, "convoy_score", score < 0 ? json_null() : json_real(score));
		json_object_set_new(object, "stack", stack(lists, point->stack));
		json_array_append_new(list, object);
	}
	return list;
}

/* With waits only, when a hold began and what it was spent on is not seen. */
static void add_hold(json_t *object, const struct trace_hog *hog, bool all)
{
	bool known = all && hog->held_ns > 0;
	uint64_t off_cpu = hog->runnable_ns + hog->blocked_ns;

	json_object_set_new(object, "start_ns", json__known(hog->start_ns != 0, hog->start_ns));
	json_object_set_new(object, "held_ns", json__known(hog->held_ns > 0, hog->held_ns));
	json_object_set_new(object, "held_on_cpu_ns",
			    json__known(known, hog->held_ns > off_cpu ? hog->held_ns - off_cpu : 0));
	json_object_set_new(object, "held_runnable_ns", json__known(known, hog->runnable_ns));
	json_object_set_new(object, "held_blocked_ns", json__known(known, hog->blocked_ns));
}

static json_t *hogs(const struct trace *trace, struct frame_lists *lists)
{
	json_t *list = json_array();

	for (size_t i = 0; i < trace->hog_count; i++) {
		const struct trace_hog *hog = &trace->hogs[i];
		bool slept = hog->syscall >= 0;
		json_t *object = json_object();

		json_object_set_new(object, "tid", json__number(hog->tid));
		json_object_set_new(object, "gil", json__address(hog->gil));
		json_object_set_new(object, "process", json__number(hog->process));
		json_object_set_new(object, "pid", json__number(hog->pid));
		add_hold(object, hog, trace__knows_holds(trace));
		json_object_set_new(object, "request_to_drop_ns", json__number(hog->request_to_drop_ns));
		json_object_set_new(object, "waiters", json__number(hog->waiters));
		json_object_set_new(object, "syscall", json__known(slept, (uint64_t)hog->syscall));
		json_object_set_new(object, "syscall_name", json__text(slept ? system_call__name(hog->syscall) : NULL));
		json_object_set_new(object, "syscall_ns", json__known(slept, hog->syscall_ns));
		json_object_set_new(object, "stack", stack(lists, hog->stack));
		json_array_append_new(list, object);
	}
	return list;
}

static json_t *quality(const struct trace *trace)
{
	const struct trace_stack_quality *quality = &trace->quality;
	bool any = trace->stack_level != TRACE_STACKS_NONE;

	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "level", levels[trace->stack_level], "walks",
			 json__known(any, quality->walks), "torn", json__known(any, quality->torn), "missing",
			 json__known(any, quality->missing), "cut", json__known(any, quality->cut), "frames_gone",
			 json__known(any, quality->frames_gone), "waiter_looks",
			 json__known(any, quality->waiter_looks), "waiter_look_ns",
			 json__known(any, quality->waiter_look_ns));
}

void json__add_code(json_t *root, const struct trace *trace)
{
	size_t count = stacks__count(trace->stacks);
	struct frame_lists lists = {trace->stacks, calloc(count, sizeof(json_t *))};

	json_object_set_new(root, "blame", blame(trace, &lists));
	json_object_set_new(root, "release_points", release_points(trace, &lists));
	json_object_set_new(root, "hogs", hogs(trace, &lists));
	json_object_set_new(root, "hogs_seen", json__number(trace->hogs_seen));
	json_object_set_new(root, "stacks", quality(trace));
	for (size_t i = 0; lists.made && i < count; i++)
		json_decref(lists.made[i]);
	free(lists.made);
}
