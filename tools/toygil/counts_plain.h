/* SPDX-License-Identifier: MIT */
/*
 * Reference counts under a lock, as the designs that have one count: a plain number, because only the thread that holds
 * the lock touches it. And so no object needs a lock of its own. Part of a design's file: see machine.h.
 */
#include <stdlib.h>

#include "tools/toygil/design.h"

static void deallocate(struct thread *thread, struct object *object);

static inline void retain(struct thread *thread, struct object *object)
{
	(void)thread;
	if (object->ref_local != IMMORTAL)
		object->ref_local++;
}

static inline void release(struct thread *thread, struct object *object)
{
	if (object->ref_local != IMMORTAL && !--object->ref_local)
		deallocate(thread, object);
}

static inline void recycle(struct thread *thread, struct object *object)
{
	pool__put(&thread->pools[object->kind], object);
}

static inline void discard(struct thread *thread, void *storage)
{
	(void)thread;
	free(storage);
}

static inline void enter(struct thread *thread, struct section *section, struct object *object)
{
	(void)thread;
	(void)section;
	(void)object;
}

static inline void enter_two(struct thread *thread, struct section *section, struct object *a, struct object *b)
{
	(void)b;
	enter(thread, section, a);
}

static inline void leave(struct thread *thread, struct section *section)
{
	(void)thread;
	(void)section;
}
