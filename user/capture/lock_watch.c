/* SPDX-License-Identifier: MIT */
/* Looking at locks from outside: see lock_watch.h. */
#include "user/capture/lock_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/uio.h>

#define LEAST_GAP_NS  10000000
#define MORE_GAP_NS   20000000 /* at most, on top of it, at random: nothing that the target does beats with it */
#define LOOKS_AT_ONCE 64       /* of more locks, each is looked at less often */

struct lock_watch {
	size_t count, room, next;
	uint64_t next_ns;
	struct watched_lock *list;
};

struct lock_watch *lock_watch__new(void)
{
	return calloc(1, sizeof(struct lock_watch));
}

void lock_watch__free(struct lock_watch *watch)
{
	if (!watch)
		return;
	free(watch->list);
	free(watch);
}

int lock_watch__add(struct lock_watch *watch, const struct watched_lock *lock)
{
	for (size_t i = 0; i < watch->count; i++)
		if (watch->list[i].pid == lock->pid && watch->list[i].instance == lock->instance &&
		    watch->list[i].address == lock->address)
			return 0;
	if (watch->count == watch->room) {
		size_t room = watch->room ? 2 * watch->room : 8;
		struct watched_lock *grown = realloc(watch->list, room * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		watch->list = grown;
		watch->room = room;
	}
	watch->list[watch->count++] = *lock;
	return 0;
}

/* Of a process that has ended there is nothing to read, which counts as no look. */
static void look(struct watched_lock *lock)
{
	int32_t locked;
	struct iovec local = {.iov_base = &locked, .iov_len = sizeof(locked)};
	struct iovec remote = {.iov_base = (void *)(uintptr_t)lock->locked, .iov_len = sizeof(locked)};

	if (process_vm_readv((pid_t)lock->pid, &local, 1, &remote, 1, 0) != sizeof(locked))
		return;
	lock->looks++;
	lock->held += locked == 1;
}

uint64_t lock_watch__look(struct lock_watch *watch, uint64_t now)
{
	uint32_t random = 0;

	if (now < watch->next_ns)
		return watch->next_ns;
	for (size_t i = 0; i < watch->count && i < LOOKS_AT_ONCE; i++)
		look(&watch->list[watch->next++ % watch->count]);
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = (uint32_t)now * 2654435761U;
	watch->next_ns = now + LEAST_GAP_NS + random % MORE_GAP_NS;
	return watch->next_ns;
}

const struct watched_lock *lock_watch__list(const struct lock_watch *watch, size_t *count)
{
	*count = watch->count;
	return watch->list;
}
