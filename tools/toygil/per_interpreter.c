/* SPDX-License-Identifier: MIT */
/*
 * The design of PEP 684 (CPython 3.12): an interpreter has its own objects and its own interval lock, so two
 * interpreters run at once, and nothing in them is shared but what is never written: code, and the immortal None,
 * booleans and small integers. Between them values travel through the mailbox, as copies (copy.c, mailbox.c).
 */
#include "tools/toygil/counts_plain.h"
#include "tools/toygil/interval_lock.h"

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

const struct design design_per_interpreter = {
	.name = "per-interpreter",
	.summary = "the interval lock, one for each interpreter; data crosses only as copies (CPython 3.12)",
	.per_interpreter = true,
	.open = runtime__open_own_locks,
	.close = runtime__close_own_locks,
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
