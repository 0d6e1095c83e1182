/* SPDX-License-Identifier: MIT */
/* What the kernel side tells while it traces: see records.h. */
#include "user/capture/records.h"

#include "user/capture/capture_state.h"
#include "user/capture/discovery.h"
#include "user/capture/stack_table.h"

/* A child, or another program in a process: it has what its place in the trace needs. */
static void process_began(struct capture *capture, const struct record *record)
{
	if (!lives__begin(&capture->lives, record->tgid, record->instance, record->parent, record->time_ns))
		capture->harvested->lost.processes++;
}

static void process_ended(struct capture *capture, const struct record *record)
{
	struct life *life = lives__get(&capture->lives, record->tgid, record->instance);

	if (life) {
		life->ended_ns = record->time_ns;
		life->execed = record->execed;
	}
	ring_buffer__consume(capture->stack_ring); /* what it told is its still */
	stack_table__forget(capture->stacks, record->tgid, record->instance);
	capture__harvest_locks(capture);
}

static void add_hog(struct capture *capture, const struct hog *hog)
{
	const struct life *life = lives__get(&capture->lives, hog->tgid, hog->instance);
	struct trace_hog into = {
		.pid = hog->tgid,
		.tid = hog->tid,
		.gil = hog->lock,
		.start_ns = hog->start_ns,
		.held_ns = hog->held_ns,
		.request_to_drop_ns = hog->request_to_drop_ns,
		.waiters = hog->waiters,
		.runnable_ns = hog->runnable_ns,
		.blocked_ns = hog->blocked_ns,
		.syscall = hog->syscall,
		.syscall_ns = hog->syscall_ns,
	};

	ring_buffer__consume(capture->stack_ring); /* its stack was told before */
	into.stack = stack_table__find(capture->stacks, hog->stack);
	if (life)
		into.process = capture__number_of(capture, life);
	if (!life || trace__add_hog(capture->harvested, &into))
		capture->harvested->lost.stacks++;
}

int records__take(void *context, void *data, size_t size)
{
	struct capture *capture = context;
	const struct record *record = data;

	if (size < sizeof(*record))
		return 0;
	switch ((enum record_type)record->type) {
	case RECORD_THREAD_ENDED:
		capture__harvest_thread(capture, record->slot);
		break;
	case RECORD_PROCESS_BEGAN:
		process_began(capture, record);
		break;
	case RECORD_PROCESS_ENDED:
		process_ended(capture, record);
		break;
	case RECORD_HALF_FULL:
		capture->half_full = true;
		break;
	case RECORD_HOG:
		if (size >= sizeof(struct hog))
			add_hog(capture, data);
		break;
	case RECORD_EXECED:
		if (capture->scope != TRACE_GIVEN)
			discovery__expect(capture->discovery, (pid_t)record->tgid, record->time_ns);
		break;
	}
	return 0;
}
