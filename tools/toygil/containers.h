/* SPDX-License-Identifier: MIT */
/*
 * What the container instructions do, between `enter` and `leave`: with a global lock these are nothing, in `free` they
 * lock the object. Values that a container lets go of are released only after `leave`. Under `none` two threads may be
 * in here at once, so every index is held against the capacity of the very storage that it is used on. Part of a
 * design's file: see machine.h.
 */
#include <stdlib.h>
#include <string.h>

#include "tools/toygil/values.h"

#ifndef CONTAINER_MAX_LENGTH /* of a list or a dict */
#define CONTAINER_MAX_LENGTH ((size_t)1 << 26)
#endif

static struct items *items_with_room(struct thread *thread, struct list *list, size_t length)
{
	struct items *items = __atomic_load_n(&list->items, __ATOMIC_RELAXED), *larger;
	size_t capacity = items ? items->capacity : 0;

	if (length <= capacity)
		return items;
	capacity = length > 2 * capacity ? length : 2 * capacity;
	if (capacity < 4)
		capacity = 4;
	larger = length <= CONTAINER_MAX_LENGTH ? calloc(1, sizeof(*larger) + capacity * sizeof(*larger->at)) : NULL;
	if (!larger) {
		thread__no_memory(thread);
		return NULL;
	}
	larger->capacity = capacity;
	if (items)
		memcpy(larger->at, items->at, items->capacity * sizeof(*items->at));
	__atomic_store_n(&list->items, larger, __ATOMIC_RELAXED);
	discard(thread, items);
	return larger;
}

/* Takes over the reference to `item`, unless it fails. */
static bool list_append(struct thread *thread, struct list *list, struct object *item)
{
	struct section section;
	struct items *items;
	size_t length;

	enter(thread, &section, &list->header);
	length = __atomic_load_n(&list->length, __ATOMIC_RELAXED);
	items = items_with_room(thread, list, length + 1);
	if (items) {
		__atomic_store_n(&items->at[length], item, __ATOMIC_RELAXED);
		__atomic_store_n(&list->length, length + 1, __ATOMIC_RELAXED);
	}
	leave(thread, &section);
	return items != NULL;
}

/* Appends all that `from` has, which may be the same list. */
static bool list_extend(struct thread *thread, struct list *list, struct list *from)
{
	struct section section;
	struct items *items, *source;
	size_t length, added;

	enter_two(thread, &section, &list->header, &from->header);
	length = __atomic_load_n(&list->length, __ATOMIC_RELAXED);
	added = __atomic_load_n(&from->length, __ATOMIC_RELAXED);
	items = items_with_room(thread, list, length + added);
	source = __atomic_load_n(&from->items, __ATOMIC_RELAXED);
	for (size_t i = 0; items && source && i < added && i < source->capacity; i++) {
		struct object *item = source->at[i];

		if (item)
			retain(thread, item);
		items->at[length + i] = item;
	}
	if (items)
		__atomic_store_n(&list->length, length + added, __ATOMIC_RELAXED);
	leave(thread, &section);
	return items != NULL || !added;
}

static struct object *list_take_last(struct thread *thread, struct list *list)
{
	struct object *item = NULL;
	struct section section;
	struct items *items;
	size_t length;

	enter(thread, &section, &list->header);
	items = __atomic_load_n(&list->items, __ATOMIC_RELAXED);
	length = __atomic_load_n(&list->length, __ATOMIC_RELAXED);
	if (length && items && length <= items->capacity) {
		item = items->at[length - 1];
		items->at[length - 1] = NULL;
		__atomic_store_n(&list->length, length - 1, __ATOMIC_RELAXED);
	}
	leave(thread, &section);
	if (!item)
		thread__fail(thread, "take-last: the list is empty");
	return item;
}

/* Whether `index` is one of the list's, now. */
static bool in_list(struct list *list, struct items *items, int64_t index)
{
	return index >= 0 && items && (uint64_t)index < __atomic_load_n(&list->length, __ATOMIC_RELAXED) &&
	       (uint64_t)index < items->capacity;
}

static struct object *list_item(struct thread *thread, struct list *list, int64_t index)
{
	struct object *item = NULL;
	struct section section;
	struct items *items;

	enter(thread, &section, &list->header);
	items = __atomic_load_n(&list->items, __ATOMIC_RELAXED);
	if (in_list(list, items, index))
		item = __atomic_load_n(&items->at[index], __ATOMIC_RELAXED);
	if (item)
		retain(thread, item);
	leave(thread, &section);
	if (!item)
		thread__fail(thread, "item: the list has no item %lld", (long long)index);
	return item;
}

/* Takes over the reference to `item`, unless it fails. */
static bool list_set_item(struct thread *thread, struct list *list, int64_t index, struct object *item)
{
	struct object *old = NULL;
	struct section section;
	struct items *items;
	bool found;

	enter(thread, &section, &list->header);
	items = __atomic_load_n(&list->items, __ATOMIC_RELAXED);
	found = in_list(list, items, index);
	if (found) {
		old = __atomic_load_n(&items->at[index], __ATOMIC_RELAXED);
		__atomic_store_n(&items->at[index], item, __ATOMIC_RELAXED);
	}
	leave(thread, &section);
	if (old)
		release(thread, old);
	if (!found)
		thread__fail(thread, "set-item: the list has no item %lld", (long long)index);
	return found;
}

/* The entry with this key, or the empty one where it belongs; NULL: the table is full (only ever seen under `none`). */
static struct entry *find_entry(struct table *table, const struct object *key)
{
	uint64_t at = value__hash(key);

	for (size_t i = 0; i < table->capacity; i++, at++) {
		struct entry *entry = &table->at[at & (table->capacity - 1)];
		struct object *found = __atomic_load_n(&entry->key, __ATOMIC_RELAXED);

		if (!found || value__equal(found, key))
			return entry;
	}
	return NULL;
}

/* A table that is at most half full with `length` entries. */
static struct table *table_with_room(struct thread *thread, struct dict *dict, size_t length)
{
	struct table *table = __atomic_load_n(&dict->table, __ATOMIC_RELAXED), *larger;
	size_t capacity = table ? table->capacity : 4;

	if (table && 2 * length <= capacity)
		return table;
	capacity *= 2;
	larger = length <= CONTAINER_MAX_LENGTH ? calloc(1, sizeof(*larger) + capacity * sizeof(*larger->at)) : NULL;
	if (!larger) {
		thread__no_memory(thread);
		return NULL;
	}
	larger->capacity = capacity;
	for (size_t i = 0; table && i < table->capacity; i++) {
		struct entry *entry = table->at[i].key ? find_entry(larger, table->at[i].key) : NULL;

		if (entry)
			*entry = table->at[i];
	}
	__atomic_store_n(&dict->table, larger, __ATOMIC_RELAXED);
	discard(thread, table);
	return larger;
}

/* Takes over the references to key and value, unless it fails. */
static bool dict_set_item(struct thread *thread, struct dict *dict, struct object *key, struct object *value)
{
	struct object *old = NULL, *old_key = NULL;
	struct entry *entry = NULL;
	struct section section;
	struct table *table;

	enter(thread, &section, &dict->header);
	table = table_with_room(thread, dict, __atomic_load_n(&dict->length, __ATOMIC_RELAXED) + 1);
	if (table)
		entry = find_entry(table, key);
	if (entry && entry->key) {
		old = entry->value;
		old_key = key;
	} else if (entry) {
		__atomic_store_n(&entry->key, key, __ATOMIC_RELAXED);
		__atomic_fetch_add(&dict->length, 1, __ATOMIC_RELAXED);
	}
	if (entry)
		__atomic_store_n(&entry->value, value, __ATOMIC_RELAXED);
	leave(thread, &section);
	if (old)
		release(thread, old);
	if (old_key)
		release(thread, old_key);
	return entry != NULL;
}

/* The value of a key with a new reference; NULL: there is none. */
static struct object *dict_find(struct thread *thread, struct dict *dict, struct object *key)
{
	struct object *value = NULL;
	struct section section;
	struct entry *entry;
	struct table *table;

	enter(thread, &section, &dict->header);
	table = __atomic_load_n(&dict->table, __ATOMIC_RELAXED);
	entry = table ? find_entry(table, key) : NULL;
	if (entry && entry->key)
		value = __atomic_load_n(&entry->value, __ATOMIC_RELAXED);
	if (value)
		retain(thread, value);
	leave(thread, &section);
	return value;
}

static bool is_key(struct thread *thread, const char *instruction, const struct object *key)
{
	if (value__is_key(key))
		return true;
	thread__fail(thread, "%s: a %s cannot be a key", instruction, object__kind_name(key));
	return false;
}

/* The instructions proper. Their operands are borrowed, their result is a new reference, or NULL after a failure. */

static struct object *container_item(struct thread *thread, struct object *container, struct object *key)
{
	struct object *value;

	if (container->kind == KIND_LIST && key->kind == KIND_INTEGER)
		return list_item(thread, (struct list *)container, object__integer(key));
	if (container->kind != KIND_DICT) {
		thread__fail(thread, "item: expects a list and an integer, or a dict and a key, got %s and %s",
			     object__kind_name(container), object__kind_name(key));
		return NULL;
	}
	if (!is_key(thread, "item", key))
		return NULL;
	value = dict_find(thread, (struct dict *)container, key);
	if (!value)
		thread__fail(thread, "item: the dict has no such key");
	return value;
}

/* Takes over the references to key and value, unless it fails. */
static bool container_set_item(struct thread *thread, struct object *container, struct object *key,
			       struct object *value)
{
	if (container->kind == KIND_LIST && key->kind == KIND_INTEGER) {
		if (!list_set_item(thread, (struct list *)container, object__integer(key), value))
			return false;
		release(thread, key);
		return true;
	}
	if (container->kind == KIND_DICT)
		return is_key(thread, "set-item", key) && dict_set_item(thread, (struct dict *)container, key, value);
	thread__fail(thread, "set-item: expects a list and an integer, or a dict and a key, got %s and %s",
		     object__kind_name(container), object__kind_name(key));
	return false;
}

static struct object *container_has(struct thread *thread, struct object *container, struct object *key)
{
	struct object *value;

	if (container->kind != KIND_DICT) {
		thread__fail(thread, "has: expects a dict and a key, got %s", object__kind_name(container));
		return NULL;
	}
	if (!is_key(thread, "has", key))
		return NULL;
	value = dict_find(thread, (struct dict *)container, key);
	if (value)
		release(thread, value);
	return object__boolean(value != NULL);
}

static struct object *container_length(struct thread *thread, struct object *container)
{
	struct section section;
	size_t length;

	if (container->kind == KIND_STRING) {
		const struct bytes *bytes = __atomic_load_n(&((struct string *)container)->bytes, __ATOMIC_RELAXED);

		return thread__new_integer(thread, bytes ? (int64_t)bytes->length : 0);
	}
	if (container->kind != KIND_LIST && container->kind != KIND_DICT) {
		thread__fail(thread, "length: expects a list, a dict or a string, got %s",
			     object__kind_name(container));
		return NULL;
	}
	enter(thread, &section, container);
	length = container->kind == KIND_LIST ? ((struct list *)container)->length : ((struct dict *)container)->length;
	leave(thread, &section);
	return thread__new_integer(thread, (int64_t)length);
}
