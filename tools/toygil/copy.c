/* SPDX-License-Identifier: MIT */
/*
 * Packing: a byte for the kind, then 8 bytes of value or length, then the bytes of a string, the items of a list, or
 * the keys and values of a dict. A function is its number in the program, which all interpreters share.
 */
#include "tools/toygil/copy.h"

#include <stdlib.h>
#include <string.h>

#include "tools/toygil/design.h"

#define MAX_PARCEL ((size_t)1 << 28)

struct packing {
	struct thread *thread;
	struct parcel *parcel;
	size_t room;
};

static bool put(struct packing *packing, const void *bytes, size_t length)
{
	struct parcel *parcel = packing->parcel;

	if (parcel->length + length > packing->room) {
		size_t room = 2 * (parcel->length + length) + 64;
		unsigned char *grown = room <= MAX_PARCEL ? realloc(parcel->bytes, room) : NULL;

		if (!grown) {
			thread__no_memory(packing->thread);
			return false;
		}
		parcel->bytes = grown;
		packing->room = room;
	}
	if (length)
		memcpy(parcel->bytes + parcel->length, bytes, length);
	parcel->length += length;
	return true;
}

static bool put_head(struct packing *packing, enum kind kind, int64_t value)
{
	unsigned char byte = (unsigned char)kind;

	return put(packing, &byte, 1) && put(packing, &value, sizeof(value));
}

static bool pack(struct packing *packing, struct object *object, int depth);

/* Packs an item that may leave its container meanwhile. */
static bool pack_item(struct packing *packing, struct object *item, int depth)
{
	const struct design *design = packing->thread->runtime->design;
	bool done;

	design->retain(packing->thread, item);
	done = pack(packing, item, depth + 1);
	design->release(packing->thread, item);
	return done;
}

/* Only when all is packed is the number of items known: others may append meanwhile. */
static void set_count(struct packing *packing, size_t head, int64_t count)
{
	memcpy(packing->parcel->bytes + head + 1, &count, sizeof(count));
}

static bool pack_list(struct packing *packing, struct list *list, int depth)
{
	const struct design *design = packing->thread->runtime->design;
	size_t head = packing->parcel->length;
	struct section section;
	int64_t count = 0;
	bool done;

	if (!put_head(packing, KIND_LIST, 0))
		return false;
	design->enter(packing->thread, &section, &list->header);
	done = true;
	for (size_t i = 0; done && i < list->length && list->items && i < list->items->capacity; i++, count++)
		done = pack_item(packing, list->items->at[i] ? list->items->at[i] : &object_none, depth);
	design->leave(packing->thread, &section);
	set_count(packing, head, count);
	return done;
}

static bool pack_dict(struct packing *packing, struct dict *dict, int depth)
{
	const struct design *design = packing->thread->runtime->design;
	size_t head = packing->parcel->length;
	struct section section;
	int64_t count = 0;
	bool done;

	if (!put_head(packing, KIND_DICT, 0))
		return false;
	design->enter(packing->thread, &section, &dict->header);
	done = true;
	for (size_t i = 0; done && dict->table && i < dict->table->capacity; i++) {
		struct entry entry = dict->table->at[i];

		if (!entry.key || !entry.value)
			continue;
		count++;
		design->retain(packing->thread, entry.value); /* while the key is packed */
		done = pack_item(packing, entry.key, depth) && pack_item(packing, entry.value, depth);
		design->release(packing->thread, entry.value);
	}
	design->leave(packing->thread, &section);
	set_count(packing, head, count);
	return done;
}

static bool pack(struct packing *packing, struct object *object, int depth)
{
	const struct program *program = packing->thread->runtime->program;
	const struct bytes *bytes;

	if (depth > COPY_MAX_DEPTH) {
		thread__fail(packing->thread, "a value nested more than %d deep cannot be copied", COPY_MAX_DEPTH);
		return false;
	}
	switch ((enum kind)object->kind) {
	case KIND_BOOLEAN:
	case KIND_INTEGER:
		return put_head(packing, object->kind, object__integer(object));
	case KIND_STRING:
		bytes = ((struct string *)object)->bytes;
		return put_head(packing, KIND_STRING, bytes ? (int64_t)bytes->length : 0) &&
		       (!bytes || put(packing, bytes->at, bytes->length));
	case KIND_LIST:
		return pack_list(packing, (struct list *)object, depth);
	case KIND_DICT:
		return pack_dict(packing, (struct dict *)object, depth);
	case KIND_FUNCTION:
		return put_head(packing, KIND_FUNCTION, ((struct function *)object)->code - program->codes);
	case KIND_NONE:
	case KINDS:
		break;
	}
	return put_head(packing, KIND_NONE, 0);
}

struct parcel *copy__pack(struct thread *thread, struct object *object)
{
	struct packing packing = {.thread = thread, .parcel = calloc(1, sizeof(struct parcel))};

	if (!packing.parcel) {
		thread__no_memory(thread);
		return NULL;
	}
	if (pack(&packing, object, 0))
		return packing.parcel;
	parcel__free(packing.parcel);
	return NULL;
}

struct unpacking {
	struct thread *thread;
	const unsigned char *at;
};

static struct object *unpack(struct unpacking *unpacking);

static struct object *unpack_string(struct unpacking *unpacking, size_t length)
{
	struct object *string = thread__new_string(unpacking->thread, (const char *)unpacking->at, length);

	unpacking->at += length;
	return string;
}

static struct object *unpack_list(struct unpacking *unpacking, size_t length)
{
	struct thread *thread = unpacking->thread;
	struct list *list = (struct list *)thread__new_list(thread, length);

	for (size_t i = 0; list && i < length; i++) {
		list->items->at[i] = unpack(unpacking);
		if (!list->items->at[i]) {
			thread->runtime->design->release(thread, &list->header);
			return NULL;
		}
		list->length++;
	}
	return list ? &list->header : NULL;
}

static struct object *unpack_dict(struct unpacking *unpacking, size_t length)
{
	struct thread *thread = unpacking->thread;
	const struct design *design = thread->runtime->design;
	struct object *dict = thread__new_dict(thread);

	for (size_t i = 0; dict && i < length; i++) {
		struct object *key = unpack(unpacking), *value = key ? unpack(unpacking) : NULL;

		if (value && design->set_item(thread, dict, key, value))
			continue;
		if (key)
			design->release(thread, key);
		if (value)
			design->release(thread, value);
		design->release(thread, dict);
		return NULL;
	}
	return dict;
}

/* Every function that a program can get at is one of its constants, and so has an object in each interpreter. */
static struct object *function_object(struct thread *thread, int64_t code)
{
	const struct program *program = thread->runtime->program;

	for (uint32_t i = 0; i < program->constant_count; i++)
		if (program->constants[i].kind == KIND_FUNCTION && program->constants[i].integer == code)
			return thread->interpreter->constants[i];
	return &object_none;
}

static struct object *unpack(struct unpacking *unpacking)
{
	enum kind kind = (enum kind) * unpacking->at++;
	int64_t value;

	memcpy(&value, unpacking->at, sizeof(value));
	unpacking->at += sizeof(value);
	switch (kind) {
	case KIND_BOOLEAN:
		return object__boolean(value);
	case KIND_INTEGER:
		return thread__new_integer(unpacking->thread, value);
	case KIND_STRING:
		return unpack_string(unpacking, (size_t)value);
	case KIND_LIST:
		return unpack_list(unpacking, (size_t)value);
	case KIND_DICT:
		return unpack_dict(unpacking, (size_t)value);
	case KIND_FUNCTION:
		return function_object(unpacking->thread, value);
	case KIND_NONE:
	case KINDS:
		break;
	}
	return &object_none;
}

struct object *copy__unpack(struct thread *thread, const struct parcel *parcel)
{
	struct unpacking unpacking = {.thread = thread, .at = parcel->bytes};

	return unpack(&unpacking);
}
