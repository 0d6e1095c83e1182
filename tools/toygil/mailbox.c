/* SPDX-License-Identifier: MIT */
/* Numbered boxes of packed values: see mailbox.h. */
#include "tools/toygil/mailbox.h"

#include <stdlib.h>

void mailbox__open(struct mailbox *mailbox)
{
	*mailbox = (struct mailbox){0};
	pthread_mutex_init(&mailbox->mutex, NULL);
	pthread_cond_init(&mailbox->arrived, NULL);
}

void parcel__free(struct parcel *parcel)
{
	if (parcel)
		free(parcel->bytes);
	free(parcel);
}

void mailbox__close(struct mailbox *mailbox)
{
	for (int box = 0; box <= MAILBOX_BOXES; box++) {
		while (mailbox->first[box]) {
			struct parcel *parcel = mailbox->first[box];

			mailbox->first[box] = parcel->next;
			parcel__free(parcel);
		}
	}
	pthread_cond_destroy(&mailbox->arrived);
	pthread_mutex_destroy(&mailbox->mutex);
}

void mailbox__post(struct mailbox *mailbox, uint32_t box, struct parcel *parcel)
{
	parcel->next = NULL;
	pthread_mutex_lock(&mailbox->mutex);
	if (mailbox->first[box])
		mailbox->last[box]->next = parcel;
	else
		mailbox->first[box] = parcel;
	mailbox->last[box] = parcel;
	pthread_cond_broadcast(&mailbox->arrived);
	pthread_mutex_unlock(&mailbox->mutex);
}

static struct parcel *take_first(struct mailbox *mailbox, uint32_t box)
{
	struct parcel *parcel = mailbox->first[box];

	if (parcel)
		mailbox->first[box] = parcel->next;
	return parcel;
}

struct parcel *mailbox__fetch(struct mailbox *mailbox, uint32_t box, const int *stopping)
{
	struct parcel *parcel;

	pthread_mutex_lock(&mailbox->mutex);
	while (!(parcel = take_first(mailbox, box)) && !__atomic_load_n(stopping, __ATOMIC_RELAXED))
		pthread_cond_wait(&mailbox->arrived, &mailbox->mutex);
	pthread_mutex_unlock(&mailbox->mutex);
	return parcel;
}

struct parcel *mailbox__fetch_now(struct mailbox *mailbox, uint32_t box)
{
	struct parcel *parcel;

	pthread_mutex_lock(&mailbox->mutex);
	parcel = take_first(mailbox, box);
	pthread_mutex_unlock(&mailbox->mutex);
	return parcel;
}

void mailbox__wake(struct mailbox *mailbox)
{
	pthread_mutex_lock(&mailbox->mutex);
	pthread_cond_broadcast(&mailbox->arrived);
	pthread_mutex_unlock(&mailbox->mutex);
}
