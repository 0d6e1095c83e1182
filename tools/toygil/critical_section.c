/* SPDX-License-Identifier: MIT */
/* Critical sections on one or two objects: see critical_section.h. */
#include "tools/toygil/critical_section.h"

#include "tools/toygil/object_mutex.h"
#include "tools/toygil/thread.h"

/*
 * Locking may have to sleep, and a thread that sleeps is detached and suspends its sections: this one must then be in
 * the list already, for the order in which they are resumed, but with no lock to its name.
 */
static void lock(struct thread *thread, struct section *section, uint8_t *first, uint8_t *second)
{
	section->first = section->second = NULL;
	object_mutex__lock(thread, first);
	if (second)
		object_mutex__lock(thread, second);
	section->first = first;
	section->second = second;
}

void section__enter(struct thread *thread, struct section *section, struct object *object)
{
	section->previous = thread->section;
	section->suspended = false;
	thread->section = section;
	lock(thread, section, &object->mutex, NULL);
}

void section__enter_two(struct thread *thread, struct section *section, struct object *a, struct object *b)
{
	if (a == b) {
		section__enter(thread, section, a);
		return;
	}
	section->previous = thread->section;
	section->suspended = false;
	thread->section = section;
	if ((uintptr_t)a < (uintptr_t)b)
		lock(thread, section, &a->mutex, &b->mutex);
	else
		lock(thread, section, &b->mutex, &a->mutex);
}

static void unlock(struct section *section)
{
	if (section->second)
		object_mutex__unlock(section->second);
	if (section->first)
		object_mutex__unlock(section->first);
}

void section__leave(struct thread *thread, struct section *section)
{
	unlock(section);
	thread->section = section->previous;
	if (thread->section && thread->section->suspended)
		section__resume(thread);
}

void section__suspend_all(struct thread *thread)
{
	for (struct section *s = thread->section; s && !s->suspended; s = s->previous) {
		unlock(s);
		s->suspended = true;
	}
}

void section__resume(struct thread *thread)
{
	struct section *section = thread->section;
	uint8_t *first = section->first, *second = section->second;

	section->suspended = false;
	if (first)
		lock(thread, section, first, second);
}
