/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The locks that were met, by address and process. Each hit looks for one, so where it was last is remembered: an
 * array's look-up is a few instructions, a hash's takes a fifth of the program's time.
 */
#ifndef GILTRACE_LOCKS_BPF_H
#define GILTRACE_LOCKS_BPF_H

#include "maps.bpf.h"

/* NO_LOCK: it was not met. Global, so that the verifier sees it once. */
__attribute__((noinline)) __u32 look_up_lock(__u64 address, __u32 tgid)
{
	struct lock_key key = {.address = address, .tgid = tgid};
	__u32 *number = bpf_map_lookup_elem(&lock_numbers, &key);

	return number ? *number : NO_LOCK;
}

/* NULL: it was not met. */
static __always_inline struct lock *lock_at(__u64 address, __u32 tgid)
{
	__u32 place = (address * 0x9e3779b97f4a7c15 >> 32 ^ tgid) & (LOCK_CACHE - 1);
	__u32 number = lock_cache[place];
	struct lock *lock = bpf_map_lookup_elem(&locks, &number);

	if (lock && lock->key.address == address && lock->key.tgid == tgid)
		return lock;
	number = look_up_lock(address, tgid);
	lock = bpf_map_lookup_elem(&locks, &number);
	if (lock)
		lock_cache[place] = number;
	return lock;
}

/* An empty one, which nobody finds before enter_lock(). NULL: there is no room. */
static __always_inline struct lock *new_empty_lock(const struct lock_key *key, __u32 *number)
{
	static const struct lock empty;
	struct lock *lock;

	if (bpf_map_pop_elem(&free_locks, number)) {
		lose(LOST_GILS);
		return NULL;
	}
	bpf_map_update_elem(&locks, number, &empty, BPF_ANY);
	lock = bpf_map_lookup_elem(&locks, number);
	if (lock)
		lock->key = *key;
	return lock;
}

/* False: another thread met the same lock at the same moment, and was first. */
static __always_inline bool enter_lock(struct lock *lock, __u32 number)
{
	struct lock_key key = lock->key;

	if (!bpf_map_update_elem(&lock_numbers, &key, &number, BPF_NOEXIST))
		return true;
	lock->key.address = 0;
	bpf_map_push_elem(&free_locks, &number, BPF_ANY);
	return false;
}

/* The last threads of a process may come here at the same moment: one of them takes it out. */
static __always_inline void remove_lock(struct lock *lock, __u64 address, __u32 tgid)
{
	struct lock_key key = {.address = address, .tgid = tgid};
	__u32 number = look_up_lock(address, tgid);

	if (bpf_map_delete_elem(&lock_numbers, &key))
		return;
	lock->key.address = 0;
	bpf_map_push_elem(&free_locks, &number, BPF_ANY);
}

#endif
