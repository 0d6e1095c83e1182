/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What the kernel side keeps: its maps and switches, and how it tells and counts what it loses. */
#ifndef GILTRACE_MAPS_BPF_H
#define GILTRACE_MAPS_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "giltrace.h"

const volatile bool waits_alone; /* waits end where the thread wakes up: not each acquisition is probed */
const volatile __u32 scope = SCOPE_GIVEN;

/*
 * Where probes of holds cost too much, they are there in windows only. An acquisition within [window_start, window_end)
 * opens a hold, which stands for `window_weight` of them and is seen to its end even when that comes later.
 * `window_number` changes when the probes are put back: what was going on before is not known any more. 1: they were
 * always there. Where those of waits cost too much too, `wait_windows` says that the same goes for waits, with
 * `wait_window` as the number.
 */
volatile __u64 window_start, window_end;
volatile __u32 window_weight, window_number;
volatile bool wait_windows;
volatile __u32 wait_window;
/* Between windows, where waits are seen in those only: what the scheduler does tells nothing then. */
volatile bool between_windows;
volatile bool any_always; /* a lock was met that windows are not for */
__u64 long_sleeps_ns;     /* what waiters slept for LONG_SLEEP_NS and more, told at its end */
/* Counts so far. Each CPU has a cache line of its own; what comes while one is written may be lost. */
volatile __u64 cpu_counts[COUNTED_CPUS][CPU_COUNTS];
/* Where the locks that were met last are in `locks`: what is there tells whether it is the one. */
volatile __u32 lock_cache[LOCK_CACHE];
/* Of each thread the last, unless another took its place. */
static struct unknown_sleep unknown_sleeps[UNKNOWN_SLEEPS];
/* Until the trace begins, and after it ended, hits are ignored. */
volatile bool active;
__u64 start_ns; /* when it began */
__u64 forked;   /* processes that the traced ones forked */
/* What grows with the number of stacks (bpf/giltrace.h), and how many entries of this epoch there are. */
volatile __u32 epoch;
volatile __u64 entries;
volatile bool half_told; /* to the user side, which then begins another epoch */
const volatile __u64 entries_half = 1;
__u64 lost[LOST_KINDS];

/* The sizes are set at load time. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32); /* tgid */
	__type(value, struct traced_process);
	__uint(max_entries, 1);
} processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct file_plan);
	__uint(max_entries, MAX_PLANS);
} plans SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct site);
	__uint(max_entries, 1);
} sites SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct lock);
	__uint(max_entries, 1);
} locks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct lock_key);
	__type(value, __u32); /* the lock's index in `locks` */
	__uint(max_entries, 1);
} lock_numbers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__type(value, __u32);
	__uint(max_entries, 1);
} free_locks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct past_lock_key);
	__type(value, struct lock);
	__uint(max_entries, 1);
} past_locks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32); /* slot */
	__type(value, struct thread);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE); /* so that looking for those in use costs no call each */
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

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32); /* tid */
	__type(value, struct woken);
	__uint(max_entries, 1);
} waiting_at_start SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct pair_key);
	__type(value, struct pair);
	__uint(max_entries, 1);
} pairs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct release_key);
	__type(value, struct release);
	__uint(max_entries, 1);
} releases SEC(".maps");

/* No program reads it: the user side writes to it to wait for the programs that run (see user/capture/drain.c). */
struct inner_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, 1);
};

struct inner_map barrier_inner SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__type(key, __u32);
	__uint(max_entries, 1);
	__array(values, struct inner_map);
} barrier SEC(".maps") = {.values = {&barrier_inner}};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
} records SEC(".maps");

static __always_inline void lose(enum lost kind)
{
	__sync_fetch_and_add(&lost[kind], 1);
}

static __always_inline void count_on_cpu(enum cpu_count count, __u64 more)
{
	cpu_counts[bpf_get_smp_processor_id() & (COUNTED_CPUS - 1)][count] += more;
}

/* `subject` and `detail` are the record's two unions. */
static __always_inline void tell(enum record_type type, __u32 tgid, __u32 subject, __u32 detail)
{
	struct record *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);

	if (!record) {
		lose(LOST_EVENTS);
		return;
	}
	record->type = type;
	record->tgid = tgid;
	record->slot = subject;
	record->parent = detail;
	record->time_ns = bpf_ktime_get_ns();
	bpf_ringbuf_submit(record, 0);
}

/* A new entry in one of the maps that are emptied by epoch: in time the user side is told. */
static __always_inline void count_entry(void)
{
	__sync_fetch_and_add(&entries, 1); /* without its result, which Linux 5.12 is the first to give */
	if (entries < entries_half || half_told)
		return;
	half_told = true; /* two may tell at the same time, which does no harm */
	tell(RECORD_HALF_FULL, 0, 0, 0);
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
