/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Which processes are traced: they come with the trace, by fork, by exec or by their first hit, and go when they end.
 */
#ifndef GILTRACE_PROCESS_BPF_H
#define GILTRACE_PROCESS_BPF_H

#include "locks.bpf.h"

/* 64 ns a step: no two lives of one process number begin in the same. */
static __always_inline __u32 new_instance(__u64 now)
{
	return now >> 6;
}

static __always_inline void begin_process(__u32 tgid, __u32 parent, __u64 began_ns, __u64 load_bias)
{
	struct traced_process process = {
		.instance = new_instance(bpf_ktime_get_ns()),
		.parent = parent,
		.start_ns = began_ns,
		.load_bias = load_bias,
	};

	if (bpf_map_update_elem(&processes, &tgid, &process, BPF_NOEXIST))
		lose(LOST_PROCESSES);
	else
		tell(RECORD_PROCESS_BEGAN, tgid, process.instance, parent);
}

/* The process that runs, if it is traced; where every process is, its first hit makes it known. */
static __always_inline struct traced_process *find_process(__u32 tgid)
{
	struct traced_process *process = bpf_map_lookup_elem(&processes, &tgid);
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	__u64 began_ns;

	if (process || scope != SCOPE_ALL)
		return process;
	began_ns = BPF_CORE_READ(task, group_leader, start_time);
	begin_process(tgid, BPF_CORE_READ(task, group_leader, real_parent, tgid),
		      began_ns > start_ns ? began_ns : start_ns, 0);
	return bpf_map_lookup_elem(&processes, &tgid);
}

/* A lock beyond the eighth, or one of two that are met at the same moment, is found at the end of the trace only. */
static __always_inline void remember_lock(struct traced_process *process, __u64 address)
{
	for (int i = 0; i < LOCKS_OF_PROCESS; i++) {
		if (!process->locks[i]) {
			process->locks[i] = address;
			return;
		}
	}
}

/*
 * A lock of a process that ended is kept for the user side, out of the way of another process with the same number.
 * Global, so that the verifier sees it once and not for each lock.
 */
__attribute__((noinline)) int keep_lock(__u64 address, __u32 tgid, __u32 instance)
{
	struct past_lock_key past = {.address = address, .tgid = tgid, .instance = instance};
	struct lock *lock = lock_at(address, tgid);

	if (!lock)
		return 0;
	if (bpf_map_update_elem(&past_locks, &past, lock, BPF_ANY))
		lose(LOST_GILS);
	remove_lock(lock, address, tgid);
	return 0;
}

static __always_inline void end_process(__u32 tgid, struct traced_process *process, bool execed)
{
	for (int i = 0; i < LOCKS_OF_PROCESS && process->locks[i]; i++)
		keep_lock(process->locks[i], tgid, process->instance);
	tell(RECORD_PROCESS_ENDED, tgid, process->instance, execed);
	bpf_map_delete_elem(&processes, &tgid);
}

#endif
