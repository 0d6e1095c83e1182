/* SPDX-License-Identifier: MIT */
/*
 * The page's data: the JSON report, with frames and stacks in tables of their own, so that each is there once, and
 * without the threads' histograms, which the page does not show.
 */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "user/report/html_parts.h"
#include "user/report/json_parts.h"
#include "user/trace/trace.h"

static json_t *frame_table(const struct stacks *stacks)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < stacks__frame_count(stacks); i++) {
		const struct trace_frame *frame = stacks__frame(stacks, i);

		json_array_append_new(list, json_pack("[o, o, i, i]", json__text(frame->name), json__text(frame->file),
						      (int)frame->line, (int)frame->kind));
	}
	return list;
}

static json_t *stack_table(const struct stacks *stacks)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < stacks__count(stacks); i++) {
		size_t count;
		const uint32_t *numbers = stacks__frames(stacks, i, &count);
		json_t *stack = json_array();

		for (size_t j = 0; j < count; j++)
			json_array_append_new(stack, json__number(numbers[j]));
		json_array_append_new(list, stack);
	}
	return list;
}

/* The elements of the document are in the order of the trace's. */
static void number_stacks(json_t *root, const struct trace *trace)
{
	json_t *list = json_object_get(root, "blame");

	for (size_t i = 0; i < trace->blame_count; i++) {
		json_t *pair = json_array_get(list, i);

		json_object_set_new(pair, "stack", json__number(trace->blame[i].stack));
		json_object_set_new(pair, "waiter_stack", json__number(trace->blame[i].waiter_stack));
	}
	list = json_object_get(root, "release_points");
	for (size_t i = 0; i < trace->point_count; i++)
		json_object_set_new(json_array_get(list, i), "stack", json__number(trace->points[i].stack));
	list = json_object_get(root, "hogs");
	for (size_t i = 0; i < trace->hog_count; i++)
		json_object_set_new(json_array_get(list, i), "stack", json__number(trace->hogs[i].stack));
}

static void leave_out_histograms(json_t *root)
{
	json_t *threads = json_object_get(root, "threads");

	for (size_t i = 0; i < json_array_size(threads); i++) {
		json_t *thread = json_array_get(threads, i);

		json_object_del(json_object_get(thread, "wait"), "buckets");
		if (json_is_object(json_object_get(thread, "hold")))
			json_object_del(json_object_get(thread, "hold"), "buckets");
	}
}

static const char *events_name(enum trace_events events)
{
	static const char *const names[] = {
		[TRACE_EVENTS_NONE] = "none", [TRACE_EVENTS_CONTENDED] = "contended", [TRACE_EVENTS_ALL] = "all"};

	return names[events];
}

/* No tag begins within the data: "<" is within strings only. */
static int write_piece(const char *piece, size_t size, void *out)
{
	const char *end = piece + size;

	while (piece < end) {
		const char *bracket = memchr(piece, '<', (size_t)(end - piece));
		const char *stop = bracket ? bracket : end;

		fwrite(piece, 1, (size_t)(stop - piece), out);
		if (bracket)
			fputs("\\u003c", out);
		piece = bracket ? bracket + 1 : end;
	}
	return 0;
}

int html__data(const struct trace *trace, FILE *out)
{
	json_t *root = json__document(trace);
	int err;

	if (!root)
		return -ENOMEM;
	number_stacks(root, trace);
	leave_out_histograms(root);
	json_object_set_new(root, "frames", frame_table(trace->stacks));
	json_object_set_new(root, "stack_table", stack_table(trace->stacks));
	json_object_set_new(root, "events", json_string(events_name(trace->event_level)));
	fputs("<script type=\"application/json\" id=\"data\">", out);
	err = json_dump_callback(root, write_piece, out, JSON_COMPACT | JSON_REAL_PRECISION(10)) ? -ENOMEM : 0;
	fputs("</script>\n", out);
	json_decref(root);
	return err;
}
