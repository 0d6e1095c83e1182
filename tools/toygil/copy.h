/* SPDX-License-Identifier: MIT */
/* Values as bytes and back: the only way of a value into another interpreter. */
#ifndef TOYGIL_COPY_H
#define TOYGIL_COPY_H

struct object;
struct parcel;
struct thread;

#define COPY_MAX_DEPTH 64 /* of containers in containers */

/* A deep copy of the value, packed; NULL after thread__fail(). What is contained twice arrives as two. */
struct parcel *copy__pack(struct thread *thread, struct object *object);

/* A new object of the thread's interpreter; NULL after thread__fail(). The parcel stays the caller's. */
struct object *copy__unpack(struct thread *thread, const struct parcel *parcel);

#endif
