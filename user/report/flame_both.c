/* SPDX-License-Identifier: MIT */
/* Two traces in one: see flame_both.h. */
#include "user/report/flame_both.h"

#include <errno.h>
#include <stdlib.h>

#include "user/trace/trace.h"

/* The number that a stack has in another table. */
static int64_t copy_stack(struct stacks *into, const struct stacks *from, uint32_t stack)
{
	size_t count;
	const uint32_t *frames = stacks__frames(from, stack, &count);
	uint32_t *copied = calloc(count + 1, sizeof(*copied));
	int64_t number = copied ? 0 : -ENOMEM;

	for (size_t i = 0; number >= 0 && i < count; i++) {
		number = stacks__add_frame(into, stacks__frame(from, frames[i]));
		copied[i] = number < 0 ? 0 : (uint32_t)number;
	}
	if (number >= 0)
		number = stacks__add(into, copied, count);
	free(copied);
	return number;
}

/* Of all stacks of a trace: their numbers in the other table. NULL without memory. */
static uint32_t *copy_stacks(struct stacks *into, const struct stacks *from)
{
	size_t count = stacks__count(from);
	uint32_t *numbers = calloc(count, sizeof(*numbers));

	for (size_t i = 1; numbers && i < count; i++) {
		int64_t number = copy_stack(into, from, (uint32_t)i);

		if (number < 0) {
			free(numbers);
			return NULL;
		}
		numbers[i] = (uint32_t)number;
	}
	return numbers;
}

/* ns a second: the two are not of the same length. What there is does not become nothing. */
static uint64_t a_second(const struct trace *trace, uint64_t ns)
{
	double seconds = (double)trace->duration_ns / 1e9;
	double result = seconds > 0 ? (double)ns / seconds : 0;

	return ns && result < 1 ? 1 : result < 0x1p62 ? (uint64_t)(result + 0.5) : 1ULL << 62;
}

/* Of one of the two. */
static int copy(struct trace *both, const struct trace *from)
{
	uint32_t *numbers = copy_stacks(both->stacks, from->stacks);
	struct trace_blame *pair;
	int err = numbers ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < from->blame_count; i++) {
		pair = trace__add_blame(both);
		err = pair ? 0 : -ENOMEM;
		if (err)
			break;
		pair->wait_ns = a_second(from, from->blame[i].wait_ns);
		pair->stack = numbers[from->blame[i].stack];
		pair->waiter_stack = numbers[from->blame[i].waiter_stack];
	}
	for (size_t i = 0; !err && i < from->point_count; i++) {
		struct trace_release_point *point = trace__add_release_point(both);

		err = point ? 0 : -ENOMEM;
		if (err)
			break;
		point->held_ns = a_second(from, from->points[i].held_ns);
		point->stack = numbers[from->points[i].stack];
	}
	free(numbers);
	return err;
}

int flame_both__fill(struct trace *both, const struct trace *before, const struct trace *after)
{
	int err = copy(both, before);

	return err ? err : copy(both, after);
}
