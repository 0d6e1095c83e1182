/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What the kernel side keeps: its maps and switches, and how it tells and counts what it loses. */
#ifndef GILTRACE_MAPS_BPF_H
#define GILTRACE_MAPS_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "giltrace.h"

const volatile bool waits_only; /* no acquired and released sites are probed */

/* Until the trace begins, and after it ended, hits are ignored. */
volatile bool active;
__u64 lost[LOST_KINDS];
__u64 unlike; /* hits in traced processes whose argument did not look like a lock */

/* The sizes are set at load time. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32); /* tgid */
	__type(value, struct traced_process);
	__uint(max_entries, 64);
} processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct lock_key);
	__type(value, struct lock);
	__uint(max_entries, 1);
} locks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32); /* slot */
	__type(value, struct thread);
	__uint(max_entries, 1);
} threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__type(value, __u32);
	__uint(max_entries, 1);
} free_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);   /* tid */
	__type(value, __u32); /* its first slot; the others are chained */
	__uint(max_entries, 1);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct thread_pointer);
	__type(value, __u32); /* tid */
	__uint(max_entries, 1);
} thread_pointers SEC(".maps");

/* Threads that woke from a sleep which began before the trace, and when. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32); /* tid */
	__type(value, __u64);
	__uint(max_entries, 1);
} waiting_at_start SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct pair_key);
	__type(value, struct pair);
	__uint(max_entries, 1);
} pairs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
} records SEC(".maps");

static __always_inline void lose(enum lost kind)
{
	__sync_fetch_and_add(&lost[kind], 1);
}

static __always_inline void tell(enum record_type type, __u32 tgid, __u32 slot)
{
	struct record *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);

	if (!record) {
		lose(LOST_EVENTS);
		return;
	}
	record->type = type;
	record->tgid = tgid;
	record->slot = slot;
	record->pad = 0;
	bpf_ringbuf_submit(record, 0);
}

static __always_inline __u64 thread_pointer_of(struct task_struct *task)
{
	return BPF_CORE_READ(task, thread.fsbase);
}

static __always_inline void remember_thread_pointer(__u32 tgid, __u32 tid, __u64 pointer)
{
	struct thread_pointer key = {.tgid = tgid, .pointer = pointer};

	if (pointer && bpf_map_update_elem(&thread_pointers, &key, &tid, BPF_ANY))
		lose(LOST_PAIRS);
}

#endif
