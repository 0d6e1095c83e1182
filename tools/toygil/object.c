/* SPDX-License-Identifier: MIT */
/* The immortal objects and the names of the kinds: see object.h. */
#include "tools/toygil/object.h"

struct object object_none = {.kind = KIND_NONE, .ref_local = IMMORTAL};
struct integer object_true = {.header = {.kind = KIND_BOOLEAN, .ref_local = IMMORTAL}, .value = 1};
struct integer object_false = {.header = {.kind = KIND_BOOLEAN, .ref_local = IMMORTAL}, .value = 0};
struct integer object_small[SMALL_COUNT];

void object__init_immortals(void)
{
	if (object_small[0].header.ref_local == IMMORTAL)
		return;
	for (int i = 0; i < SMALL_COUNT; i++) {
		object_small[i].header.kind = KIND_INTEGER;
		object_small[i].header.ref_local = IMMORTAL;
		object_small[i].value = i + SMALL_LOWEST;
	}
}

const char *object__kind_name(const struct object *object)
{
	static const char *const names[KINDS] = {
		[KIND_NONE] = "none",         [KIND_BOOLEAN] = "boolean", [KIND_INTEGER] = "integer",
		[KIND_STRING] = "string",     [KIND_LIST] = "list",       [KIND_DICT] = "dict",
		[KIND_FUNCTION] = "function",
	};

	return names[object->kind];
}
