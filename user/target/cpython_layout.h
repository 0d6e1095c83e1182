/* SPDX-License-Identifier: MIT */
/* What in a CPython's memory differs from one version to the next. x86-64 glibc. */
#ifndef GILTRACE_TARGET_CPYTHON_LAYOUT_H
#define GILTRACE_TARGET_CPYTHON_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/frame_layout.h"

struct elf_image;

/* Where objects of a Python keep what: bytes (2.7: str) and str. */
struct cpython_objects {
	uint32_t type;                /* PyObject.ob_type */
	uint32_t bytes_length, bytes; /* PyBytesObject.ob_size, ob_sval */
	uint32_t text_length;         /* PyASCIIObject.length, in characters; 0: names are bytes (2.7) */
	uint32_t text_state;          /* .state, 32 bits */
	uint32_t text_kind;    /* the bit of it where `kind` begins; `compact` and `ascii` follow its three bits */
	uint32_t text_ascii;   /* the characters behind a compact ASCII header */
	uint32_t text_compact; /* those behind another compact header, or else a pointer to them */
};

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
	uint32_t line_table;      /* PyCodeObject.co_lnotab, or co_linetable from 3.10 on */
	struct cpython_objects objects;
	uint64_t current_thread; /* 2.7: _PyThreadState_Current, an address in the file */
	uint64_t check_interval; /* 2.7: _Py_CheckInterval, the same */
	bool free_threaded;
	bool guessed; /* the version is not known: what is seen must bear the layout out */
};

/*
 * The layout of a file's CPython of this version (0x030b: 3.11), and how its frames are walked (all zero when only that
 * is not known). From 3.13 on the file itself tells, in _Py_DebugOffsets; before, a table, as read off real builds'
 * debug information. 0, or -ENOTSUP with *reason, a clause.
 */
int cpython_layout__find(struct elf_image *image, uint32_t version, struct cpython_layout *out,
			 struct frame_layout *frames, const char **reason);

/* cpython_offsets.c: the same for versions that have _Py_DebugOffsets. */
#define CPYTHON_OFFSETS_FIRST 0x030d
int cpython_offsets__find(struct elf_image *image, uint32_t version, struct cpython_layout *out,
			  struct frame_layout *frames, const char **reason);

#endif
