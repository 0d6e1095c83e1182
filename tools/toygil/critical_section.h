/* SPDX-License-Identifier: MIT */
/*
 * Critical sections of `free` (PEP 703): one or two objects, locked for a few instructions. A thread's sections nest
 * as a list on its C stack. When the thread detaches, all of them are suspended (their locks are let go), so that
 * sections cannot deadlock as locks do; the innermost is resumed when it attaches again, and each outer one when it
 * becomes the innermost.
 */
#ifndef TOYGIL_CRITICAL_SECTION_H
#define TOYGIL_CRITICAL_SECTION_H

#include <stdbool.h>
#include <stdint.h>

struct object;
struct thread;

struct section {
	struct section *previous; /* the one around it */
	uint8_t *first, *second;  /* the locks; NULL: none (yet) */
	bool suspended;
};

void section__enter(struct thread *thread, struct section *section, struct object *object);

/* Two objects, which may be the same one; locked in the order of their addresses. */
void section__enter_two(struct thread *thread, struct section *section, struct object *a, struct object *b);
void section__leave(struct thread *thread, struct section *section);

/* While the thread detaches, and after it attached. */
void section__suspend_all(struct thread *thread);
void section__resume(struct thread *thread);

#endif
