/* SPDX-License-Identifier: MIT */
/*
 * How values travel between interpreters: as bytes, through numbered boxes. Who posts packs a copy of his value; who
 * fetches makes an object of his own out of it. No object is ever in two interpreters.
 */
#ifndef TOYGIL_MAILBOX_H
#define TOYGIL_MAILBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAILBOX_BOXES   64
#define MAILBOX_RESULTS MAILBOX_BOXES /* one more, where the interpreters' mains leave their results */

/* A packed value. `bytes` is owned. */
struct parcel {
	struct parcel *next;
	unsigned char *bytes;
	size_t length;
};

struct mailbox {
	pthread_mutex_t mutex;
	pthread_cond_t arrived;
	struct parcel *first[MAILBOX_BOXES + 1], *last[MAILBOX_BOXES + 1];
};

void mailbox__open(struct mailbox *mailbox);
void mailbox__close(struct mailbox *mailbox); /* frees what nobody fetched */

/* Takes over the parcel. */
void mailbox__post(struct mailbox *mailbox, uint32_t box, struct parcel *parcel);

/* Waits for a parcel, the oldest of its box, until *stopping is set. NULL: stopped. The caller is detached. */
struct parcel *mailbox__fetch(struct mailbox *mailbox, uint32_t box, const int *stopping);
struct parcel *mailbox__fetch_now(struct mailbox *mailbox, uint32_t box); /* NULL: none is there */

/* Wakes all who wait, after *stopping was set. */
void mailbox__wake(struct mailbox *mailbox);

void parcel__free(struct parcel *parcel);

#endif
