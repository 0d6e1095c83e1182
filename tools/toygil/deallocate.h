/* SPDX-License-Identifier: MIT */
/* The end of an object whose count reached zero. Part of a design's file: see machine.h. */

static void release_items(struct thread *thread, struct list *list)
{
	struct items *items = list->items;
	size_t length = __atomic_load_n(&list->length, __ATOMIC_RELAXED);

	list->items = NULL;
	for (size_t i = 0; items && i < length && i < items->capacity; i++)
		if (items->at[i])
			release(thread, items->at[i]);
	discard(thread, items);
}

static void release_entries(struct thread *thread, struct dict *dict)
{
	struct table *table = dict->table;

	dict->table = NULL;
	for (size_t i = 0; table && i < table->capacity; i++) {
		if (!table->at[i].key)
			continue;
		release(thread, table->at[i].key);
		if (table->at[i].value)
			release(thread, table->at[i].value);
	}
	discard(thread, table);
}

/*
 * Containers may hold containers to any depth, so what dies while another object's contents are released only joins
 * a list: nothing here recurses.
 */
static void drain(struct thread *thread)
{
	thread->draining = true;
	while (thread->dying) {
		struct object *object = thread->dying;

		thread->dying = (struct object *)(uintptr_t)object->owner;
		if (object->kind == KIND_LIST)
			release_items(thread, (struct list *)object);
		else
			release_entries(thread, (struct dict *)object);
		recycle(thread, object);
	}
	thread->draining = false;
}

static __attribute__((noinline)) void deallocate(struct thread *thread, struct object *object)
{
	thread->freed++;
	switch (object->kind) {
	case KIND_LIST:
	case KIND_DICT:
		object->owner = (uintptr_t)thread->dying;
		thread->dying = object;
		if (!thread->draining)
			drain(thread);
		return;
	case KIND_STRING:
		discard(thread, ((struct string *)object)->bytes);
		((struct string *)object)->bytes = NULL;
		break;
	}
	recycle(thread, object);
}
