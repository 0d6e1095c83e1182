/* SPDX-License-Identifier: MIT */
/* Taking in single events: see event_log.h. */
#include "user/capture/event_log.h"

#include <errno.h>

#include "user/capture/capture_state.h"
#include "user/capture/stack_table.h"

#define LOG_BYTES   (1U << 22) /* 50000 events; those of 50 ms at a million a second */
#define MOST_EVENTS (1U << 20) /* that are kept until they are collected: 70 MiB */

static uint32_t find_stack(struct capture *capture, uint64_t id)
{
	uint32_t stack = stack_table__find(capture->stacks, id);

	if (stack != STACKS_UNKNOWN || !id)
		return stack;
	ring_buffer__consume(capture->stack_ring); /* it was told before, but maybe after the last look */
	return stack_table__find(capture->stacks, id);
}

static int take(void *context, void *data, size_t size)
{
	struct capture *capture = context;
	const struct event *event = data;
	const struct life *life;
	struct trace_event *into;
	uint32_t stack, waiter_stack;

	/* What measuring the price of a hit left there was before the trace. */
	if (size < sizeof(*event) || event->start_ns < capture->start_ns)
		return 0;
	life = lives__get(&capture->lives, event->tgid, event->instance);
	into = life && capture->harvested->event_count < MOST_EVENTS ? trace__add_event(capture->harvested) : NULL;
	if (!into) {
		capture->harvested->lost.events++;
		return 0;
	}
	stack = find_stack(capture, event->stack);
	waiter_stack = find_stack(capture, event->waiter_stack);
	life = lives__get(&capture->lives, event->tgid, event->instance); /* a stack may have told of others */
	*into = (struct trace_event){
		.kind = event->kind == EVENT_HOLD ? TRACE_HOLD : TRACE_WAIT,
		.forced = event->forced,
		.process = capture__number_of(capture, life),
		.pid = event->tgid,
		.tid = event->tid,
		.gil = event->lock,
		.start_ns = event->start_ns,
		.end_ns = event->end_ns,
		.stack = stack,
		.waiter_stack = waiter_stack,
		.holder = event->kind == EVENT_WAIT ? event->other : 0,
		.failed = event->failed,
		.waiters = event->kind == EVENT_HOLD ? event->other : 0,
	};
	return 0;
}

void event_log__size(struct capture *capture, int events)
{
	capture->bpf->rodata->logged_events = (uint32_t)events;
	if (events)
		bpf_map__set_max_entries(capture->bpf->maps.event_log, LOG_BYTES);
}

int event_log__open(struct capture *capture)
{
	if (!capture->bpf->rodata->logged_events)
		return 0;
	capture->event_ring = ring_buffer__new(bpf_map__fd(capture->bpf->maps.event_log), take, capture, NULL);
	return capture->event_ring ? 0 : -errno;
}

void event_log__take(struct capture *capture)
{
	if (capture->event_ring)
		ring_buffer__consume(capture->event_ring);
}
