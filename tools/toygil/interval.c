/* SPDX-License-Identifier: MIT */
/*
 * The design of CPython 3.2 and later: one lock, handed on at the request of a waiter whose interval is over. How it is
 * taken and dropped is in interval_lock.c; what is left here is that all threads share it.
 */
#include "tools/toygil/counts_plain.h"
#include "tools/toygil/interval_lock.h"

static int open_run(struct runtime *runtime)
{
	lock__init(&runtime->interpreters[0].own_lock, runtime->settings->interval_us);
	runtime->interpreters[0].lock = &runtime->interpreters[0].own_lock;
	return 0;
}

static void close_run(struct runtime *runtime)
{
	lock__destroy(&runtime->interpreters[0].own_lock);
}

static inline bool tick(struct thread *thread)
{
	(void)thread;
	return true;
}

static inline bool asked(struct thread *thread)
{
	return interval_lock__asked(thread);
}

static inline bool answer(struct thread *thread)
{
	return interval_lock__answer(thread);
}

static uint64_t count_live(struct thread *thread)
{
	return runtime__live_objects(thread->interpreter);
}

#include "tools/toygil/machine.h"

const struct design design_interval = {
	.name = "interval",
	.summary = "one lock, asked for after an interval of 5 ms, with forced switching (CPython 3.2 and later)",
	.open = open_run,
	.close = close_run,
	.begin = interval_lock__take,
	.end = interval_lock__drop,
	.detach = interval_lock__drop,
	.attach = interval_lock__take,
	.retain = machine__retain,
	.release = machine__release,
	.enter = machine__enter,
	.leave = machine__leave,
	.set_item = container_set_item,
	.count_live = count_live,
	.run = machine__run,
};
