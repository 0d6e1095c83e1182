/* SPDX-License-Identifier: MIT */
/*
 * Runtime adapters: each is the one place that knows a runtime, and is one file. It recognises a process, finds the
 * lock's probe sites and says what the registers mean there.
 */
#ifndef GILTRACE_TARGET_RUNTIME_H
#define GILTRACE_TARGET_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mapping;
struct probe_plan;
struct raw_frame;
struct process;

#define FRAME_TEXT_SIZE 4096 /* a longer name or path is cut at the end, with "..." */

/* What a frame is, as the target has it: any bytes but NUL. */
struct frame_text {
	char name[FRAME_TEXT_SIZE];
	char file[FRAME_TEXT_SIZE]; /* "": unknown */
	uint32_t line;              /* 0: unknown */
};

struct runtime_adapter {
	const char *name;
	/*
	 * Looks at one mapped file. 0: *plan is made. -ENOENT: the file is none of this runtime's. -ENOEXEC: it is
	 * damaged. -ENODATA: it is this runtime's, but has no lock. Another -errno: it is this runtime's, but no plan
	 * can be made. `why` (of `why_size` bytes) gets a clause that says so.
	 */
	int (*plan)(const struct process *process, const struct mapping *file, struct probe_plan *plan, char *why,
		    size_t why_size);

	/* The rest looks into the running process, and may be NULL where the adapter does not know. */

	/* The interpreter that a lock belongs to (the main one where several share it); -1: unknown. `process` may be
	 * NULL: it is gone. */
	int64_t (*interpreter)(const struct process *process, const struct probe_plan *plan, uint64_t lock);
	/* The main interpreter's lock. 0 and *lock, -ENOENT when it cannot be found, or the -errno of a failed read. */
	int (*main_lock)(const struct process *process, const struct probe_plan *plan, uint64_t *lock);
	/* The lock's state now, in one line: "interval 5 ms, held by thread 123, switch number 42". 0 or -errno. */
	int (*describe)(const struct process *process, const struct probe_plan *plan, uint64_t lock, char *out,
			size_t size);
	/*
	 * The function, file and line of a frame. 0; -ESTALE: another code object is there now, or none; -ESRCH: the
	 * process is gone; -EFAULT: its memory says what cannot be.
	 */
	int (*name_frame)(const struct process *process, const struct probe_plan *plan, const struct raw_frame *frame,
			  struct frame_text *out);
	/*
	 * Whether this is the native function that runs the runtime's frames: in a stack of both kinds they take its
	 * place.
	 */
	bool (*evaluates)(const struct probe_plan *plan, const char *function);
	/* Why such a process may have no lock at all, and what can be traced instead; NULL: it has one. Static. */
	const char *(*without_lock)(const struct probe_plan *plan);
};

/* In the order in which they are asked. NULL ends the list. */
extern const struct runtime_adapter *const runtime_adapters[];

/*
 * Finds the runtime of a process and makes its plan. 0, -ESRCH (gone), -ENOENT (no known runtime is mapped), -EPERM or
 * -EACCES (may not look), or what the adapter said; on error `why` gets one line for the user.
 */
int runtime__plan(const struct process *process, struct probe_plan *plan, char *why, size_t why_size);

/*
 * Asks each adapter for one mapped file; the first that knows it decides. 0: *plan is made; -ENOENT: it is no known
 * runtime's; else what the adapter said, with a clause in `why`.
 */
int runtime__plan_file(const struct process *process, const struct mapping *file, struct probe_plan *plan, char *why,
		       size_t why_size);

#endif
