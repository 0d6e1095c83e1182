/* SPDX-License-Identifier: MIT */
/* Equality, hash and text of values: see values.h. */
#include "tools/toygil/values.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "tools/toygil/design.h"

static const struct bytes *bytes_of(const struct object *object)
{
	return __atomic_load_n(&((const struct string *)object)->bytes, __ATOMIC_RELAXED);
}

bool value__equal(const struct object *a, const struct object *b)
{
	const struct bytes *left, *right;

	if (a == b)
		return true;
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case KIND_BOOLEAN:
	case KIND_INTEGER:
		return object__integer(a) == object__integer(b);
	case KIND_STRING:
		left = bytes_of(a);
		right = bytes_of(b);
		return left && right && left->length == right->length && !memcmp(left->at, right->at, left->length);
	}
	return false;
}

bool value__is_key(const struct object *object)
{
	return object->kind <= KIND_STRING;
}

uint64_t value__hash(const struct object *key)
{
	uint64_t hash = key->kind;
	const struct bytes *bytes;

	if (key->kind == KIND_STRING) {
		bytes = bytes_of(key);
		for (size_t i = 0; bytes && i < bytes->length; i++)
			hash = (hash ^ (unsigned char)bytes->at[i]) * 0x100000001b3; /* FNV-1a */
	} else if (key->kind != KIND_NONE) {
		hash += (uint64_t)object__integer(key);
	}
	hash *= 0x9e3779b97f4a7c15; /* spreads neighbours */
	return hash ^ (hash >> 32);
}

static void print_string(FILE *out, const struct object *object)
{
	const struct bytes *bytes = bytes_of(object);

	fputc('"', out);
	for (size_t i = 0; bytes && i < bytes->length; i++) {
		unsigned char c = (unsigned char)bytes->at[i];

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (isprint(c))
			fputc(c, out);
		else
			fprintf(out, "\\x%02x", c);
	}
	fputc('"', out);
}

static void print_nested(struct thread *thread, FILE *out, struct object *object, int depth);

/* The item is retained while it is printed: a section is suspended when its thread has to wait for an inner lock. */
static void print_list(struct thread *thread, FILE *out, struct list *list, int depth)
{
	const struct design *design = thread->runtime->design;
	struct section section;

	fputc('[', out);
	design->enter(thread, &section, &list->header);
	for (size_t i = 0; i < list->length && list->items && i < list->items->capacity; i++) {
		struct object *item = list->items->at[i];

		if (!item)
			continue;
		design->retain(thread, item);
		fputs(i ? ", " : "", out);
		print_nested(thread, out, item, depth + 1);
		design->release(thread, item);
	}
	design->leave(thread, &section);
	fputc(']', out);
}

static void print_dict(struct thread *thread, FILE *out, struct dict *dict, int depth)
{
	const struct design *design = thread->runtime->design;
	const char *separator = "";
	struct section section;

	fputc('{', out);
	design->enter(thread, &section, &dict->header);
	for (size_t i = 0; dict->table && i < dict->table->capacity; i++) {
		struct entry entry = dict->table->at[i];

		if (!entry.key || !entry.value)
			continue;
		design->retain(thread, entry.key);
		design->retain(thread, entry.value);
		fputs(separator, out);
		separator = ", ";
		print_nested(thread, out, entry.key, depth + 1);
		fputs(": ", out);
		print_nested(thread, out, entry.value, depth + 1);
		design->release(thread, entry.key);
		design->release(thread, entry.value);
	}
	design->leave(thread, &section);
	fputc('}', out);
}

static void print_nested(struct thread *thread, FILE *out, struct object *object, int depth)
{
	switch ((enum kind)object->kind) {
	case KIND_BOOLEAN:
		fputs(object__integer(object) ? "true" : "false", out);
		return;
	case KIND_INTEGER:
		fprintf(out, "%" PRId64, object__integer(object));
		return;
	case KIND_STRING:
		print_string(out, object);
		return;
	case KIND_FUNCTION:
		fprintf(out, "@%s", ((struct function *)object)->code->name);
		return;
	case KIND_LIST:
	case KIND_DICT:
		if (depth >= VALUE_MAX_DEPTH)
			fputs("...", out);
		else if (object->kind == KIND_LIST)
			print_list(thread, out, (struct list *)object, depth);
		else
			print_dict(thread, out, (struct dict *)object, depth);
		return;
	case KIND_NONE:
	case KINDS:
		break;
	}
	fputs("none", out);
}

void value__print(struct thread *thread, FILE *out, struct object *object)
{
	print_nested(thread, out, object, 0);
}
