/* SPDX-License-Identifier: MIT */
/* The native frames of a stack and its Python frames into one, as profilers of mixed code do. Pure. */
#ifndef GILTRACE_SYMBOLS_MERGE_H
#define GILTRACE_SYMBOLS_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a native frame is to the merge. */
enum native_role {
	NATIVE_FUNCTION,
	NATIVE_EVALUATION, /* the interpreter's function that runs Python frames */
	NATIVE_NOWHERE,    /* in no file's code, or not behind a call: the stack was followed wrongly */
};

struct merged_frame {
	bool native;
	uint32_t index; /* in `roles` or in `entries` */
};

/*
 * Both stacks have the leaf first. `entries` says of each Python frame whether C code called it; when it is said of
 * none, it is not known. `cut`: the Python stack is deeper. Writes at most native_count + python_count frames into
 * `out`; returns how many.
 *
 * Each evaluation stands for the Python frames down to and including the next entry. Native stacks are followed by
 * frame pointers, which most builds do not have: then the leaf alone is right. When the native stack cannot be, what is
 * above its first evaluation is kept, or the leaf alone when it has none, and then all Python frames follow.
 */
size_t merge__frames(const enum native_role *roles, size_t native_count, const bool *entries, size_t python_count,
		     bool cut, struct merged_frame *out);

#endif
