/* SPDX-License-Identifier: MIT */
/*
 * The objects of the toy runtime: one header, seven kinds.
 *
 * The header is the one of free-threaded CPython (PEP 703), and every design uses it: those with a lock count in
 * ref_local alone, `free` uses all of it. An object of count IMMORTAL is never counted and never freed: None, the
 * booleans, the small integers, and the constants of the program.
 */
#ifndef TOYGIL_OBJECT_H
#define TOYGIL_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct code;

enum kind { KIND_NONE, KIND_BOOLEAN, KIND_INTEGER, KIND_STRING, KIND_LIST, KIND_DICT, KIND_FUNCTION, KINDS };

#define IMMORTAL UINT32_MAX

/* The two low bits of ref_shared; the count itself is above them. */
enum shared_state {
	SHARED_DEFAULT,
	SHARED_WEAK_REFERENCES, /* kept free for what CPython uses it for */
	SHARED_QUEUED,          /* its owner has been asked to merge the two counts */
	SHARED_MERGED,          /* ref_local is over; ref_shared is the whole count */
	SHARED_STATES = 3,
};

#define SHARED_SHIFT           2
#define SHARED_COUNT(n, state) ((int64_t)(n) * (1 << SHARED_SHIFT) + (state))

struct object {
	uint64_t owner; /* id of the thread that counts in ref_local; 0: nobody. Links dead objects, too */
	uint8_t kind;
	uint8_t dead;  /* its memory waits in a pool */
	uint8_t mutex; /* one-byte lock: object_mutex.h */
	uint8_t unused;
	uint32_t ref_local;
	int64_t ref_shared;
};

_Static_assert(offsetof(struct object, mutex) == 10 && offsetof(struct object, ref_local) == 12 &&
		       offsetof(struct object, ref_shared) == 16 && sizeof(struct object) == 24,
	       "the layout of free-threaded CPython");

struct integer { /* and boolean */
	struct object header;
	int64_t value;
};

/* Every storage carries its own size, so that what one thread reads while another replaces it stays harmless. */
struct bytes {
	size_t length;
	char at[];
};

struct string {
	struct object header;
	struct bytes *bytes; /* owned */
};

struct items {
	size_t capacity;
	struct object *at[];
};

struct list {
	struct object header;
	size_t length;
	struct items *items; /* NULL or owned */
};

struct entry {
	struct object *key, *value;
};

struct table {
	size_t capacity; /* a power of two */
	struct entry at[];
};

struct dict {
	struct object header;
	size_t length;
	struct table *table; /* NULL or owned */
};

struct function {
	struct object header;
	const struct code *code;
};

#define SMALL_LOWEST  (-5)
#define SMALL_HIGHEST 256
#define SMALL_COUNT   (SMALL_HIGHEST - SMALL_LOWEST + 1)

/* None, the booleans and the small integers: shared by every interpreter, because nobody ever writes to them. */
extern struct object object_none;
extern struct integer object_true, object_false;
extern struct integer object_small[SMALL_COUNT];

#define IMMORTAL_BUILT_IN (3 + SMALL_COUNT)

/* Fills in the above. Call it once, before the first object is made; calling it again changes nothing. */
void object__init_immortals(void);

/* "none", "boolean", ... for messages; static. */
const char *object__kind_name(const struct object *object);

static inline struct object *object__boolean(bool value)
{
	return value ? &object_true.header : &object_false.header;
}

static inline int64_t object__integer(const struct object *object)
{
	return ((const struct integer *)object)->value;
}

static inline bool object__is_immortal(const struct object *object)
{
	return __atomic_load_n(&object->ref_local, __ATOMIC_RELAXED) == IMMORTAL;
}

#endif
