/* SPDX-License-Identifier: MIT */
/*
 * The interface behind which each GIL design is one file: ticks.c, interval.c, per_interpreter.c, free.c, none.c.
 *
 * How a design takes and lets go of its lock, and how it makes a thread see that somebody wants it, are functions of
 * this table. How it counts references runs at almost every instruction, so there a design is a template's argument:
 * its file defines the inline functions that machine.h names, includes machine.h, and so has an interpreter of its own.
 */
#ifndef TOYGIL_DESIGN_H
#define TOYGIL_DESIGN_H

#include "tools/toygil/critical_section.h"
#include "tools/toygil/runtime.h"

struct design {
	const char *name;
	const char *summary;  /* one line */
	bool per_interpreter; /* may run with --interpreters=N */

	/* Around a run. open: 0 or -errno. */
	int (*open)(struct runtime *runtime);
	void (*close)(struct runtime *runtime);

	/* A thread begins attached (it may touch objects; with a lock: it holds it), and ends detached. */
	void (*begin)(struct thread *thread);
	void (*end)(struct thread *thread);

	/* Around what may block: a thread that is detached touches no object. */
	void (*detach)(struct thread *thread);
	void (*attach)(struct thread *thread);

	/* For code that is not compiled once for each design. */
	void (*retain)(struct thread *thread, struct object *object);
	void (*release)(struct thread *thread, struct object *object);
	void (*enter)(struct thread *thread, struct section *section, struct object *object);
	void (*leave)(struct thread *thread, struct section *section);
	/* Sets an item of a list or dict; takes over the references to key and value unless it fails. */
	bool (*set_item)(struct thread *thread, struct object *container, struct object *key, struct object *value);

	/* The objects of the thread's interpreter that are alive, the immortal ones apart. */
	uint64_t (*count_live)(struct thread *thread);

	/* Calls a function with the right number of arguments, whose references it takes over. NULL: see thread->error.
	 */
	struct object *(*run)(struct thread *thread, const struct code *code, struct object **arguments);
};

extern const struct design design_ticks, design_interval, design_per_interpreter, design_free, design_none;

/* All of them, in the order of history; NULL ends the list. */
extern const struct design *const designs[];

/* The one with this name, or NULL. */
const struct design *design__find(const char *name);

#endif
