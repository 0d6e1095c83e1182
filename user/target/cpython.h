/* SPDX-License-Identifier: MIT */
/* The CPython adapter's parts. Others know it by runtime.h's table; tests also reach the part that needs no process. */
#ifndef GILTRACE_TARGET_CPYTHON_H
#define GILTRACE_TARGET_CPYTHON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct frame_text;
struct probe_plan;
struct process;
struct raw_frame;
struct runtime_adapter;

extern const struct runtime_adapter cpython_adapter;

/*
 * Makes the plan of one ELF file, but for what only a running process tells (`file`, `load_bias`). As runtime_adapter's
 * plan().
 */
int cpython__plan_file(int fd, struct probe_plan *plan, char *why, size_t why_size);

/* The version in a plan as numbers: 0x030b02 for "3.11.2"; 0 when it is unknown. */
uint32_t cpython__version(const struct probe_plan *plan);

/*
 * cpython_memory.c: what the process says of a plan made of its file. 0 when nothing speaks against it; with the reason
 * in `why`, -ENOTSUP when the layout is wrong, or -ENODATA when there is no lock.
 */
int cpython__check(const struct process *process, const struct probe_plan *plan, char *why, size_t why_size);

/* cpython_memory.c: the callbacks of the same names in runtime.h. */
int64_t cpython__interpreter(const struct process *process, const struct probe_plan *plan, uint64_t lock);
int cpython__main_lock(const struct process *process, const struct probe_plan *plan, uint64_t *lock);
const char *cpython__without_lock(const struct probe_plan *plan);
int cpython__describe(const struct process *process, const struct probe_plan *plan, uint64_t lock, char *out,
		      size_t size);

/* cpython_code.c: the callback of the same name. Also -ENOMEM. */
int cpython__name_frame(const struct process *process, const struct probe_plan *plan, const struct raw_frame *frame,
			struct frame_text *out);

/* cpython_code.c: the same. */
bool cpython__evaluates(const struct probe_plan *plan, const char *function);

#endif
