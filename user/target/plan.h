/* SPDX-License-Identifier: MIT */
/*
 * A probe plan: which instructions of which file tell the events of a lock's life, and what the registers and the
 * memory around the lock mean there. A runtime adapter makes one; the capture carries it out; `doctor` prints it.
 */
#ifndef GILTRACE_TARGET_PLAN_H
#define GILTRACE_TARGET_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/frame_layout.h"
#include "bpf/giltrace.h"
#include "user/target/cpython_layout.h"
#include "user/target/process.h"
#include "user/target/toygil_layout.h"

#define PLAN_MAX_SITES  256
#define PLAN_NOTES_SIZE 1024

struct probe_site {
	enum probe_event event;
	uint64_t address;     /* virtual address in the file */
	uint64_t file_offset; /* where the kernel puts the probe */
	bool emulated;        /* the kernel emulates the instruction: about 1 us a hit; if not, about 15 us */
	char instruction[48]; /* "call 0x41f5b0": for doctor */
};

struct runtime_adapter;

struct probe_plan {
	const struct runtime_adapter *adapter; /* the one that made it; static */
	const char *runtime;                   /* adapter's name, static */
	const char *design;                    /* "interval", ... static */
	char version[32];                      /* "" : unknown */
	char recognised[128];                  /* by what the runtime was recognised, for doctor */
	struct mapping file;                   /* the file that has the sites */
	uint64_t load_bias;                    /* run-time address = address in the file + load_bias */
	uint64_t root;      /* where the adapter begins to look for locks: an address in the file, 0: unknown */
	uint64_t root_size; /* of the variable there, bytes */
	struct lock_layout layout;
	struct frame_layout frames;       /* all zero: not known */
	struct cpython_layout cpython;    /* the CPython adapter's own */
	struct toygil_code_layout toygil; /* toygil's */
	size_t site_count;
	struct probe_site sites[PLAN_MAX_SITES]; /* sorted by event, then address */
	char notes[PLAN_NOTES_SIZE];             /* what is less than perfect, a line each; "" when nothing is */
};

#endif
