/* SPDX-License-Identifier: MIT */
/*
 * Starts a command and stops its first process that has a runtime with a lock before it runs a line of it. Uses ptrace
 * until then, on the command and what it starts, and lets all of them go afterwards. All verbs belong to one thread.
 */
#ifndef GILTRACE_TARGET_LAUNCH_H
#define GILTRACE_TARGET_LAUNCH_H

#include <stddef.h>
#include <sys/types.h>

struct launch;
struct probe_plan;
struct process;

/*
 * Starts `argv` (NULL-terminated, found through PATH), with no signal blocked and held before its first instruction. 0
 * and *out, freed with launch__free, or -errno with one line in `why`.
 */
int launch__start(char *const argv[], struct launch **out, char *why, size_t why_size);

/*
 * Runs the command until a process of it has a runtime. 0: it is stopped, *process (the caller's, process__close) and
 * *plan are made. -ENOENT: the command ended without one. -ENOEXEC: it could not be executed. Else -errno. On an error
 * `why` gets one line, and whatever still runs is let go.
 */
int launch__find(struct launch *launch, struct process **process, struct probe_plan *plan, char *why, size_t why_size);

/* The command's own process id. */
pid_t launch__pid(const struct launch *launch);

/* Lets everything run untraced by ptrace. Idempotent. */
void launch__resume(struct launch *launch);

/* Waits for the command itself to end. Its exit status, or 128 + the signal that killed it. */
int launch__wait(struct launch *launch);

void launch__free(struct launch *launch);

#endif
