/* SPDX-License-Identifier: MIT */
/* What in a CPython's memory differs from one version to the next. x86-64 glibc. */
#ifndef GILTRACE_TARGET_CPYTHON_LAYOUT_H
#define GILTRACE_TARGET_CPYTHON_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_image;

/* Offsets in bytes; 0 where a version has no such thing. */
struct cpython_layout {
	uint32_t version;          /* 0x0307: 3.7 */
	uint32_t interpreter;      /* PyThreadState.interp */
	uint32_t thread_id;        /* PyThreadState.thread_id, a pthread_t */
	uint32_t native_thread_id; /* PyThreadState.native_thread_id */
	uint32_t main_interpreter; /* _PyRuntime.interpreters.main; the list's head is 8 before it */
	uint32_t interpreter_next; /* PyInterpreterState.next */
	uint32_t interpreter_id;
	uint32_t interpreter_gil; /* PyInterpreterState.ceval.gil, a pointer; behind it the int own_gil */
	uint32_t gil_shift;       /* what precedes the lock's usual fields: `enabled` of free-threaded builds */
	uint64_t current_thread;  /* 2.7: _PyThreadState_Current, an address in the file */
	uint64_t check_interval;  /* 2.7: _Py_CheckInterval, the same */
	bool free_threaded;
	bool guessed; /* the version is not known: what is seen must bear the layout out */
};

/*
 * The layout of a file's CPython of this version (0x030b: 3.11). From 3.13 on the file itself tells, in
 * _Py_DebugOffsets; before, a table, as read off real builds' debug information. 0, or -ENOTSUP with *reason, a clause.
 */
int cpython_layout__find(struct elf_image *image, uint32_t version, struct cpython_layout *out, const char **reason);

#endif
