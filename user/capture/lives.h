/* SPDX-License-Identifier: MIT */
/*
 * The lives of the processes that a capture traces: from the start of the trace, a fork, an exec or a first hit, to the
 * end of the trace, an exec or the process's end. Filled in from what the kernel side tells.
 */
#ifndef GILTRACE_CAPTURE_LIVES_H
#define GILTRACE_CAPTURE_LIVES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct process;

struct life {
	uint32_t pid, instance; /* which name it to the kernel side */
	uint32_t parent;        /* a pid; 0: unknown */
	uint32_t pid_in_namespace;
	uint64_t began_ns, ended_ns;   /* 0: it goes on */
	bool execed;                   /* it ended by another program's beginning in it */
	char *exe;                     /* owned; NULL: unknown */
	const struct process *process; /* of one that was given; else NULL */
	struct process *opened;        /* of another one, once a stack of it had to be named; owned */
	uint64_t load_bias;            /* of one that was given: where it has its runtime's file */
	uint32_t file;                 /* its runtime's number among the probed files, once a lock of it was read */
};

struct lives {
	size_t count;
	struct life *list; /* in the order of beginning; its index is the trace's number of the process */
};

void lives__clear(struct lives *lives);

/*
 * The life of this process and instance, begun now if it is not known: the note of its beginning was lost. NULL without
 * memory. Good until the next one is added.
 */
struct life *lives__get(struct lives *lives, uint32_t pid, uint32_t instance);

/* The newest life of this process; NULL: there is none. */
struct life *lives__newest(const struct lives *lives, uint32_t pid);

/*
 * A life begins; it may have been met already, by a stack that was told before its beginning. What people want to know
 * of the process is read now, while it is there; where it is gone already, its parent's program is taken, which a
 * forked process runs. NULL without memory.
 */
struct life *lives__begin(struct lives *lives, uint32_t pid, uint32_t instance, uint32_t parent, uint64_t now);

#endif
