/* SPDX-License-Identifier: MIT */
/* The files that are probed: each has its plan, and one link, or one for each process that it is probed for. */
#ifndef GILTRACE_CAPTURE_FILES_H
#define GILTRACE_CAPTURE_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "user/trace/trace.h"

struct giltrace_bpf;
struct mapping;
struct probe_plan;
struct process;

struct files;

/* NULL without memory. The kernel side's programs must be loaded before a file is attached. */
struct files *files__new(struct giltrace_bpf *bpf, bool multi, enum trace_level level);
void files__free(struct files *files); /* detaches; takes NULL */

/*
 * Probes the plan's file, for one process (`only` is its pid) or for every process that has it mapped (0), unless that
 * is done already. `path` opens the file. 0; -ENOTSUP: the plan lacks what the level needs; -ENOSPC: too many files or
 * sites; else the kernel's -errno; `why` gets one line.
 */
int files__attach(struct files *files, const struct probe_plan *plan, pid_t only, const char *path, char *why,
		  size_t why_size);

enum files_kind { FILES_WAITS, FILES_HOLDS, FILES_KINDS };

/*
 * With TRACE_AUTO: takes away the probes of waits or those of holds, or puts them back. Those of holds that come while
 * waits' are away bring these along, and take them with them: were one kind taken away after the other, the rest would
 * be hit for the 10 to 50 ms that the first takes. So waits' own are put back only while holds' are away. Probes begin
 * to hit at the end of the call, and cease at its beginning. For another thread than the others' too. 0 or -errno of
 * the first that failed.
 */
int files__switch(struct files *files, enum files_kind kind, bool on);

/*
 * Takes away the probes where waits begin, as far as they are this process's alone: the kernel side tells of its sleeps
 * by other means. Where holds are probed, too, that happens only while they are not, and from then on the two come and
 * go together. For the caller of files__attach().
 */
void files__forgo_blocked(struct files *files, pid_t only);

/* Whether a file's locks can be probed in windows. */
bool files__has_windows(const struct files *files, uint32_t number);

/* Removes all probes. Idempotent; no other thread may use `files` any more. */
void files__detach(struct files *files);

/* Begins to, beside what else there is to do. No other thread may use `files` any more. */
void files__begin_detach(struct files *files);

/* How many files there are, and the plan of each, in the order in which they came: the index in the map `plans`. */
size_t files__count(const struct files *files);
const struct probe_plan *files__plan(const struct files *files, uint32_t number);

/* Whether a plan that was only guessed is refuted by what its probes saw, given how many locks were met through it. */
bool files__refuted(const struct files *files, uint32_t number, uint64_t locks, uint64_t *unlike, uint64_t *senseless);

/* Since when the file is probed, CLOCK_MONOTONIC ns. */
uint64_t files__attached_ns(const struct files *files, uint32_t number);

/* The file's number, or -1: it is not probed. */
int files__find(const struct files *files, const struct mapping *file);

#endif
