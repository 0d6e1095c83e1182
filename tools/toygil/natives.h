/* SPDX-License-Identifier: MIT */
/* The natives: what a toy program calls that is written in C. */
#ifndef TOYGIL_NATIVES_H
#define TOYGIL_NATIVES_H

#include <stdint.h>

struct object;
struct thread;

struct native {
	const char *name;
	int arguments;
	/* The arguments are borrowed. A new reference, or NULL: after thread__fail(), or because the run stops. */
	struct object *(*call)(struct thread *thread, struct object **arguments);
	const char *summary; /* for `toygil list` */
};

/* In the order of the alphabet; a NULL name ends the list. */
extern const struct native natives[];

/* The index of a native, or -1. */
int64_t native__find(const char *name);

/* The natives that do not fit on a page with the others: echo.c, matmul.c. */
struct object *native__open(struct thread *thread, struct object **arguments);
struct object *native__receive(struct thread *thread, struct object **arguments);
struct object *native__send(struct thread *thread, struct object **arguments);
struct object *native__close(struct thread *thread, struct object **arguments);
struct object *native__matmul(struct thread *thread, struct object **arguments);

/* The integer argument of a native within bounds; false after thread__fail(). */
int native__integer(struct thread *thread, const char *name, struct object *argument, int64_t low, int64_t high,
		    int64_t *value);

#endif
