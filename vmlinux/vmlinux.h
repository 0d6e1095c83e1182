/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The kernel's types that the BPF side reads, and nothing else: kept by hand. Fields are found by name when the program
 * is loaded (preserve_access_index), so order and padding here mean nothing. The enumerators are kernel ABI.
 */
#ifndef __VMLINUX_H__ /* the name tells bpf_tracing.h to use the kernel's own register names */
#define __VMLINUX_H__

typedef signed char __s8;
typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef int pid_t;
typedef _Bool bool;
enum { false = 0, true = 1 };

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_ARRAY_OF_MAPS = 12,
	BPF_MAP_TYPE_QUEUE = 22,
	BPF_MAP_TYPE_STACK = 23,
	BPF_MAP_TYPE_RINGBUF = 27,
};

enum { BPF_ANY = 0, BPF_NOEXIST = 1 };
enum { BPF_F_USER_STACK = 1 << 8 };
enum { BPF_F_MMAPABLE = 1 << 10 };
enum { BPF_RB_NO_WAKEUP = 1, BPF_RB_FORCE_WAKEUP = 2 };
enum { BPF_RB_AVAIL_DATA = 0 };
enum bpf_func_id___some { BPF_FUNC_task_pt_regs = 175, BPF_FUNC_loop = 181 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct pt_regs { /* x86-64 */
	unsigned long r15, r14, r13, r12, bp, bx, ax, si, di, orig_ax, ip, sp;
};

struct thread_struct { /* x86-64 */
	unsigned long fsbase;
};

typedef struct {
	int counter;
} atomic_t;

struct signal_struct {
	atomic_t live; /* threads that have not exited */
};

struct upid {
	int nr;
};

struct pid {
	unsigned int level;
	struct upid numbers[1]; /* one for each namespace that it is in, the outermost first */
};

struct task_struct {
	unsigned int __state; /* since 5.14 */
	unsigned int flags;
	pid_t pid, tgid;
	__u64 start_time;
	char comm[16];
	struct task_struct *group_leader, *real_parent;
	struct signal_struct *signal;
	struct pid *thread_pid;
	struct thread_struct thread;
	void *stack;
};

struct task_struct___before_5_14 {
	volatile long state;
};

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 session_id, seq_num;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

#pragma clang attribute pop

#endif
