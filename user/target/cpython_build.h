/* SPDX-License-Identifier: MIT */
/* What the parts of the CPython adapter share while the plan of one ELF file is made. */
#ifndef GILTRACE_TARGET_CPYTHON_BUILD_H
#define GILTRACE_TARGET_CPYTHON_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/target/call_sites.h"
#include "user/target/disassembly.h"
#include "user/target/elf_image.h"
#include "user/target/plan.h"

/* struct _gil_runtime_state on x86-64, from 3.7 on, behind what free-threaded builds put first. */
#define GIL_COND        32
#define GIL_SWITCH_COND 120

/* One file while its plan is made. */
struct build {
	struct elf_image *image;
	struct disassembly *disassembly;
	struct call_sites calls;
	const char *const *functions; /* the names of the callees in `calls` */
	uint64_t scan_budget;         /* bytes of code that may still be scanned for jumps */
	struct probe_plan *plan;
	char *why;
	size_t why_size;
};

/* Says why no plan can be made; returns `err`. */
__attribute__((format(printf, 3, 4))) int build__refuse(struct build *build, int err, const char *format, ...);

/* Adds a line to the plan's notes. */
__attribute__((format(printf, 2, 3))) void build__note(struct build *build, const char *format, ...);

/* 0 or as build__refuse(). `text` is the instruction. */
int build__add_site(struct build *build, enum probe_event event, uint64_t address, bool emulated, const char *text);

/* Adds the site of a call, or of an instruction before it that is better to probe. 0 or as build__refuse(). */
int build__add_call(struct build *build, enum probe_event event, const struct call_site *call);

/*
 * Adds the first conditional jump on the result of a call, which is still in eax there: 0, or what it is compared with.
 * *found says whether there is one.
 */
int build__add_result_jump(struct build *build, enum probe_event event, const struct call_site *call, bool *found);

/* The first of an event's sites, or NULL. */
const struct probe_site *build__first_site(const struct build *build, enum probe_event event);

/* cpython_sites.c: the sites of 3.x. The layout of the lock must be known but for 3.6. 0 or as build__refuse(). */
int build__find_sites(struct build *build);

/* cpython_static.c: the lock of 3.6, of whose sites there must be some. 0 or as build__refuse(). */
int build__find_static_layout(struct build *build);

/* cpython_ticks.c: the sites and the lock of 2.7. 0 or as build__refuse(). */
int build__find_ticks(struct build *build);

#endif
