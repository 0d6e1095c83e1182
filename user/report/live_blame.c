/* SPDX-License-Identifier: MIT */
/* Which code had the lock while others waited, of late and since a reset: see live.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/report/live.h"
#include "user/report/live_parts.h"

#define COMPARE(a, b)                              \
	do {                                       \
		if ((a) != (b))                    \
			return (a) < (b) ? -1 : 1; \
	} while (0)

/* The number of the frame that a stack is named by: the innermost Python function, else the leaf; -1: unknown. */
static int64_t culprit(const struct stacks *stacks, uint32_t stack)
{
	size_t count;
	const uint32_t *frames = stacks__frames(stacks, stack, &count);

	for (size_t i = 0; i < count; i++) {
		const struct trace_frame *frame = stacks__frame(stacks, frames[i]);

		if (frame && frame->kind == FRAME_PYTHON)
			return frames[i];
	}
	return count ? (int64_t)frames[0] : -1;
}

static int compare_texts(const char *a, const char *b)
{
	if (!a || !b)
		return (a != NULL) - (b != NULL);
	return strcmp(a, b);
}

/* By function: the places in one are together. */
static int compare_functions(const struct stacks *stacks, int64_t left, int64_t right)
{
	const struct trace_frame *a = left < 0 ? NULL : stacks__frame(stacks, (uint32_t)left);
	const struct trace_frame *b = right < 0 ? NULL : stacks__frame(stacks, (uint32_t)right);
	int order;

	if (left == right)
		return 0;
	if (!a || !b)
		return (a != NULL) - (b != NULL);
	order = compare_texts(a->name, b->name);
	return order ? order : compare_texts(a->file, b->file);
}

static int compare_blame(const void *left, const void *right, void *stacks)
{
	const struct live_blame *a = left, *b = right;

	COMPARE(a->process, b->process);
	COMPARE(a->gil, b->gil);
	COMPARE(a->holder, b->holder);
	return compare_functions(stacks, a->frame, b->frame);
}

static int compare_cost(const void *left, const void *right)
{
	const struct live_blame *a = left, *b = right;

	COMPARE(b->wait_ns[LIVE_SINCE_RESET], a->wait_ns[LIVE_SINCE_RESET]);
	COMPARE(b->wait_ns[LIVE_LAST], a->wait_ns[LIVE_LAST]);
	return 0;
}

static void merge(struct live_blame *into, const struct live_blame *from)
{
	if (from->wait_ns[LIVE_SINCE_RESET] > into->wait_ns[LIVE_SINCE_RESET])
		into->frame = from->frame;
	for (int span = 0; span < LIVE_SPANS; span++)
		into->wait_ns[span] += from->wait_ns[span];
}

static size_t merge_equal(struct live_blame *list, size_t count, const struct stacks *stacks)
{
	size_t kept = 0;

	qsort_r(list, count, sizeof(*list), compare_blame, (void *)stacks);
	for (size_t i = 0; i < count; i++) {
		if (kept && !compare_blame(&list[kept - 1], &list[i], (void *)stacks))
			merge(&list[kept - 1], &list[i]);
		else
			list[kept++] = list[i];
	}
	return kept;
}

int live__add_blame(struct live *live, const struct trace *trace, const struct stacks *stacks)
{
	size_t count = live->blame_count;
	struct live_blame *list = realloc(live->blame, (count + trace->blame_count + 1) * sizeof(*list));

	if (!list)
		return -ENOMEM;
	live->blame = list;
	live->blame_ns[LIVE_LAST] = 0;
	for (size_t i = 0; i < count; i++)
		list[i].wait_ns[LIVE_LAST] = 0;
	for (size_t i = 0; i < trace->blame_count; i++) {
		const struct trace_blame *from = &trace->blame[i];

		list[count++] = (struct live_blame){
			.process = from->process,
			.holder = from->holder,
			.gil = from->gil,
			.frame = culprit(stacks, from->stack),
			.wait_ns = {[LIVE_LAST] = from->wait_ns, [LIVE_SINCE_RESET] = from->wait_ns},
		};
		for (int span = 0; span < LIVE_SPANS; span++)
			live->blame_ns[span] += from->wait_ns;
	}
	count = merge_equal(list, count, stacks);
	if (count > LIVE_MOST_BLAME) {
		qsort(list, count, sizeof(*list), compare_cost);
		count = LIVE_MOST_BLAME;
	}
	live->blame_count = count;
	return 0;
}

const struct live_blame *live__worst(const struct live *live, enum live_span span, double *share)
{
	const struct live_blame *worst = NULL;

	for (size_t i = 0; i < live->blame_count; i++)
		if (live->blame[i].wait_ns[span] > (worst ? worst->wait_ns[span] : 0))
			worst = &live->blame[i];
	*share = worst && live->blame_ns[span] ? (double)worst->wait_ns[span] / (double)live->blame_ns[span] : 0;
	return worst;
}
