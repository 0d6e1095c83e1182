/* SPDX-License-Identifier: MIT */
/* What can be said of values without touching their counts: equality, hash, and their text. */
#ifndef TOYGIL_VALUES_H
#define TOYGIL_VALUES_H

#include <stdio.h>

#include "tools/toygil/object.h"

struct thread;

/* None, booleans, integers and strings by value; a list, dict or function is equal to itself only. */
bool value__equal(const struct object *a, const struct object *b);

/* Whether it can be a key of a dict: it can, if it is compared by value. */
bool value__is_key(const struct object *object);
uint64_t value__hash(const struct object *key);

/*
 * Writes a value as a program would: 12, "text", [1, none], {"k": 1}, @function. Containers nest to a depth of
 * VALUE_MAX_DEPTH and show as ... beyond. The thread must be attached.
 */
#define VALUE_MAX_DEPTH 32
void value__print(struct thread *thread, FILE *out, struct object *object);

#endif
