/* SPDX-License-Identifier: MIT */
/* The timeline's texts, each told when it is first needed: see timeline_parts.h. Numbers of values are those of the
 * stacks, then the locks, then the threads. */
#include <inttypes.h>
#include <string.h>

#include "user/report/safe_text.h"
#include "user/report/timeline_parts.h"

#define PLACE_SIZE 1024       /* of a function or a file: no more of a name is told */
#define STACK_SIZE 65536      /* of a stack: no more of its outer frames are told */
#define ARROW      " \u2190 " /* "called by" */

static void tell_thread(struct timeline *timeline, const struct timeline_thread *thread, enum perfetto_texts texts,
			uint64_t number)
{
	char name[4 * TRACE_NAME_SIZE], text[4 * TRACE_NAME_SIZE + 16];

	safe_text(name, sizeof(name), thread->name);
	snprintf(text, sizeof(text), *name ? "%s (%" PRIu32 ")" : "%s%" PRIu32, name, thread->tid);
	perfetto__text(&timeline->out, texts, number, text);
}

uint64_t timeline__thread_name(struct timeline *timeline, uint32_t thread)
{
	struct timeline_thread *found = &timeline->threads[thread];
	uint64_t number = (uint64_t)NAME_THREADS + thread;

	if (!found->is_name)
		tell_thread(timeline, found, PERFETTO_NAME, number);
	found->is_name = true;
	return number;
}

uint64_t timeline__thread_value(struct timeline *timeline, uint32_t thread)
{
	struct timeline_thread *found = &timeline->threads[thread];
	uint64_t number = stacks__count(timeline->trace->stacks) + timeline->lock_count + thread;

	if (!found->is_value)
		tell_thread(timeline, found, PERFETTO_VALUE, number);
	found->is_value = true;
	return number;
}

uint64_t timeline__lock_value(struct timeline *timeline, uint32_t lock)
{
	struct timeline_lock *found = &timeline->locks[lock];
	uint64_t number = stacks__count(timeline->trace->stacks) + lock;
	char text[TIMELINE_NAME_SIZE];

	if (!found->has_others)
		return 0;
	if (!found->is_value)
		perfetto__text(&timeline->out, PERFETTO_VALUE, number, timeline__lock_name(text, found, ""));
	found->is_value = true;
	return number;
}

/* "match (re/__init__.py:166)" */
static size_t format_frame(char *out, size_t size, const struct trace_frame *frame)
{
	char name[PLACE_SIZE], file[PLACE_SIZE], line[16] = "";

	safe_text(name, sizeof(name), *frame->name ? frame->name : "(no name)");
	safe_text(file, sizeof(file), frame->file ? frame->file : "");
	if (frame->line)
		snprintf(line, sizeof(line), ":%" PRIu32, frame->line);
	return (size_t)snprintf(out, size, *file ? "%s (%s%s)" : "%s", name, file, line);
}

/* The leaf first. */
static void tell_stack(struct timeline *timeline, uint32_t stack, const uint32_t *frames, size_t count)
{
	static char text[STACK_SIZE];
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		if (used + 2 * PLACE_SIZE + 64 > sizeof(text))
			break;
		if (i)
			used += (size_t)sprintf(text + used, ARROW);
		used += format_frame(text + used, sizeof(text) - used,
				     stacks__frame(timeline->trace->stacks, frames[i]));
	}
	perfetto__text(&timeline->out, PERFETTO_VALUE, stack, text);
}

uint64_t timeline__stack_value(struct timeline *timeline, uint32_t stack)
{
	size_t count;
	const uint32_t *frames = stacks__frames(timeline->trace->stacks, stack, &count);

	if (!count)
		return 0;
	if (!timeline->told[stack])
		tell_stack(timeline, stack, frames, count);
	timeline->told[stack] = true;
	return stack;
}
