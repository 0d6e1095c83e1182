/* SPDX-License-Identifier: MIT */
/*
 * Stops a process that is held by ptrace each time its dynamic loader has mapped or removed libraries: a breakpoint on
 * _dl_debug_state(), an empty function that loaders (glibc's, musl's) call then, for debuggers. The breakpoint is one
 * of the processor's, set through perf_event_open(): the process's code is not changed, and when the tracer dies it is
 * gone.
 */
#ifndef GILTRACE_TARGET_LOADER_WATCH_H
#define GILTRACE_TARGET_LOADER_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "user/target/process.h"

/*
 * Watches a process, all of its threads, until it executes another program. `loader` is a mapping of its dynamic
 * loader. A file descriptor, whose closing ends it; -EOPNOTSUPP where this is not possible (before Linux 5.13, on a
 * machine without such breakpoints, or with an unknown loader), or another -errno.
 */
int loader_watch__open(const struct process *process, const struct mapping *loader);

/* Whether a thread that ptrace stopped at a SIGTRAP did so at such a breakpoint: the signal is not its own then. */
bool loader_watch__is_hit(pid_t tid);

/* The same of a signal that a stopped thread has not got yet. */
bool loader_watch__is_pending(pid_t tid);

#endif
