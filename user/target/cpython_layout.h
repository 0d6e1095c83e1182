/* SPDX-License-Identifier: MIT */
/* What in a CPython's memory differs from one minor version to the next. x86-64 glibc, default builds. */
#ifndef GILTRACE_TARGET_CPYTHON_LAYOUT_H
#define GILTRACE_TARGET_CPYTHON_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

/*
 * Offsets in bytes, as read off real builds' debug information; 0 where a version has no such thing.
 * A minor that is not here is refused: its layout is unknown.
 */
struct cpython_layout {
	uint32_t version;          /* 0x0307: 3.7 */
	uint16_t interpreter;      /* PyThreadState.interp */
	uint16_t thread_id;        /* PyThreadState.thread_id, a pthread_t */
	uint16_t native_thread_id; /* PyThreadState.native_thread_id */
	uint16_t main_interpreter; /* _PyRuntime.interpreters.main; the list's head is 8 before it */
	uint16_t interpreter_next; /* PyInterpreterState.next */
	uint16_t interpreter_id;
	uint16_t interpreter_gil; /* PyInterpreterState.ceval.gil, a pointer */
};

/* The layout of 0x030b for 3.11, or NULL. */
const struct cpython_layout *cpython_layout__find(uint32_t major_minor);

#endif
