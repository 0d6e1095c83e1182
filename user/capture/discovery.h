/* SPDX-License-Identifier: MIT */
/*
 * Finding runtimes in processes that were not given: those that are there when the trace begins, and those that
 * programs bring along which are executed meanwhile. Each file is looked at once.
 */
#ifndef GILTRACE_CAPTURE_DISCOVERY_H
#define GILTRACE_CAPTURE_DISCOVERY_H

#include <stdint.h>
#include <sys/types.h>

struct files;
struct process;

struct discovery;

/* NULL without memory. `files` is where runtimes that are found are probed. */
struct discovery *discovery__new(struct files *files);
void discovery__free(struct discovery *discovery); /* takes NULL */

/*
 * Looks at what a process has mapped, and probes each runtime. 1: it has one that is probed; 0: it has none; -errno: it
 * has one that cannot be probed, or the process cannot be looked at.
 */
int discovery__look(struct discovery *discovery, const struct process *process);

/*
 * A process runs a new program. Its libraries come a little later, so it is looked at several times within a second, by
 * discovery__go_on(), which returns after how many ms it wants to be called again; -1: nothing is to be done.
 */
void discovery__expect(struct discovery *discovery, pid_t pid, uint64_t now_ns);
int discovery__go_on(struct discovery *discovery, uint64_t now_ns);

/* How many processes had a runtime that could not be probed. */
uint64_t discovery__failures(const struct discovery *discovery);

#endif
