/* SPDX-License-Identifier: MIT */
/*
 * The stacks of a trace folded into a tree, for flame graphs and the formats of other viewers. Pure. Sums are exact:
 * what has no stack is in a node of its own, and the root has all.
 *
 * Calls of one function from one place in the tree are one node, whichever line they were at. The line that was
 * executed matters where the time was spent, so below each leaf there is a node for each of its lines.
 */
#ifndef GILTRACE_REPORT_FLAME_TREE_H
#define GILTRACE_REPORT_FLAME_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/trace/stacks.h"

struct trace;

enum flame_kind {
	FLAME_BLAME, /* the stacks of those who had the lock, by the time that others waited for them */
	FLAME_WAIT,  /* the stacks of those who waited, by the time that they waited */
	FLAME_HOLD,  /* the stacks at releases, by the time that the lock had been held */
};

#define FLAME_KINDS 3

enum flame_level {
	FLAME_ROOT,
	FLAME_PROCESS,      /* only of several */
	FLAME_INTERPRETER,  /* only where a process has several locks */
	FLAME_FRAME,        /* a function */
	FLAME_LINE,         /* of the function that is its parent */
	FLAME_WAITED_BY,    /* from here on: who waited */
	FLAME_WAITER_FRAME, /* a function of the waiter, the leaf first */
	FLAME_WAITER,       /* the thread */
};

struct flame_weight {
	uint64_t ns;
	uint64_t wall_ns; /* blame and wait: the part of the time in which anybody waited. Else 0 */
	uint64_t count;   /* finished waits, or releases */
};

struct flame_node {
	uint32_t parent; /* a number; the root's is its own, 0 */
	uint32_t end;    /* the number behind its last descendant's */
	uint32_t depth;
	enum flame_level level;
	enum frame_kind kind;
	const char *name;                /* of a frame, or of a process's program, or of a thread. Lives in the trace */
	const char *file;                /* NULL: unknown */
	int64_t number;                  /* of a line, process, thread, interpreter */
	uint32_t line;                   /* of a frame, when it was at one known line all the time; else 0 */
	struct flame_weight total, self; /* self: what no child has */
	uint64_t sides[2];               /* of two traces: ns a second, before and after */
	uint64_t self_sides[2];
};

struct flame_tree {
	enum flame_kind kind;
	bool of_two;              /* of two traces: see flame_tree__fold_two() */
	bool has_wall;            /* wall_ns is known */
	size_t count;             /* at least the root */
	struct flame_node *nodes; /* each before its children; of siblings the greatest first */
};

/*
 * Folds a finished trace. With `waiters`, each stack of a blame goes on with its waiter's, from the leaf to the thread.
 * The tree borrows names from the trace. 0 or -ENOMEM.
 */
int flame_tree__fold(const struct trace *trace, enum flame_kind kind, bool waiters, struct flame_tree *tree);

/*
 * Folds two finished traces into one tree, for what changed. What a node has itself is the greater of what it has in
 * the two, in ns a second of the trace; so nothing vanishes that is in one of them only, and what it had in each is in
 * `sides`. Processes, interpreters and waiters are not told apart: their numbers differ. The tree borrows names from
 * `both`, an empty trace, which is filled for it. 0 or -ENOMEM.
 */
int flame_tree__fold_two(const struct trace *before, const struct trace *after, enum flame_kind kind,
			 struct trace *both, struct flame_tree *tree);
void flame_tree__free(struct flame_tree *tree); /* idempotent */

/* Whether a node's only child is a line that has all its time: then the two can be shown as one. */
bool flame_tree__is_one_line(const struct flame_tree *tree, uint32_t node);

/* "blame", "wait", "hold". */
const char *flame_kind_name(enum flame_kind kind);

#endif
