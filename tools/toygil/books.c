/* SPDX-License-Identifier: MIT */
/* What each event means for the books: see books.h. */
#include "tools/toygil/books.h"

#include <errno.h>
#include <stdlib.h>

#include "tools/toygil/lock.h"
#include "tools/toygil/thread.h"

struct books *books__new(void)
{
	return calloc(1, sizeof(struct books));
}

void books__free(struct books *books)
{
	if (books)
		free(books->blamed);
	free(books);
}

static struct blamed *pair_with(struct books *books, uint32_t holder)
{
	for (size_t i = 0; i < books->blamed_count; i++)
		if (books->blamed[i].holder == holder)
			return &books->blamed[i];
	if (!(books->blamed_count & (books->blamed_count - 1))) {
		size_t room = books->blamed_count ? 2 * books->blamed_count : 1;
		struct blamed *grown = realloc(books->blamed, room * sizeof(*grown));

		if (!grown)
			return NULL;
		books->blamed = grown;
	}
	books->blamed[books->blamed_count] = (struct blamed){.holder = holder};
	return &books->blamed[books->blamed_count++];
}

/* The attempt that began with the last `blocked` is over: its time is the doing of who held the lock then. */
static void charge(struct books *books, uint64_t now, bool wait_is_over)
{
	struct blamed *pair = pair_with(books, books->holder), *first;

	if (!pair) {
		books->lost_pairs++;
		return;
	}
	pair->wait_ns += now - books->asleep_since;
	books->charged_ns += now - books->asleep_since;
	first = wait_is_over ? pair_with(books, books->first_holder) : NULL;
	if (first)
		first->waits++;
}

void books__blocked(struct books *books, const struct lock *lock, uint64_t now)
{
	const struct thread *holder = __atomic_load_n(&lock->last_holder, __ATOMIC_RELAXED);

	books->events++;
	if (books->waiting_since) { /* the sleep before this one ended without the lock */
		charge(books, now, false);
		books->failed_now++;
		books->counts.failed++;
		if (books->result == ETIMEDOUT)
			books->counts.timeouts++;
		else
			books->counts.stolen++;
	}
	books->asleep_since = now;
	books->holder = holder ? holder->tid : 0;
	if (!books->waiting_since) {
		books->waiting_since = now;
		books->first_holder = books->holder;
		books->failed_now = 0;
		books->charged_ns = 0;
	}
}

void books__waited(struct books *books, int result)
{
	books->events++;
	books->result = result;
}

void books__acquired(struct books *books, const struct lock *lock, uint64_t now)
{
	books->events++;
	books->counts.acquisitions++;
	books->held_since = now;
	if (!books->waiting_since)
		return;
	charge(books, now, true);
	books->counts.contended++;
	books->counts.waited_ns += now - books->waiting_since;
	histogram_add(&books->wait, now - books->waiting_since);
	books->attempts[attempts_bucket(books->failed_now)]++;
	books->waiting_since = 0;
	if (lock->released_ns) {
		books->counts.handoffs++;
		histogram_add(&books->handoff, now - lock->released_ns);
	}
}

void books__released(struct books *books, struct lock *lock, bool forced, uint64_t now)
{
	books->events++;
	if (forced)
		books->counts.releases_forced++;
	else
		books->counts.releases_voluntary++;
	books->counts.held_ns += now - books->held_since;
	histogram_add(&books->hold, now - books->held_since);
	books->held_since = 0;
	lock->released_ns = now;
}
