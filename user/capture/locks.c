/* SPDX-License-Identifier: MIT */
/* Reading the locks that the kernel side met: see locks.h. */
#include "user/capture/locks.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "giltrace.skel.h"

bool locks__read(const struct giltrace_bpf *bpf, const struct lock_key *key, struct lock *lock)
{
	__u32 number;

	return !bpf_map_lookup_elem(bpf_map__fd(bpf->maps.lock_numbers), key, &number) &&
	       !bpf_map_lookup_elem(bpf_map__fd(bpf->maps.locks), &number, lock) && lock->key.address == key->address &&
	       lock->key.tgid == key->tgid;
}

bool locks__next(const struct giltrace_bpf *bpf, struct lock *lock)
{
	struct lock_key key = lock->key, next;
	bool first = !key.address;

	while (!bpf_map_get_next_key(bpf_map__fd(bpf->maps.lock_numbers), first ? NULL : &key, &next)) {
		if (locks__read(bpf, &next, lock))
			return true;
		key = next;
		first = false;
	}
	return false;
}

void locks__remove(const struct giltrace_bpf *bpf, const struct lock_key *key)
{
	static const struct lock empty;
	__u32 number;

	if (bpf_map_lookup_elem(bpf_map__fd(bpf->maps.lock_numbers), key, &number))
		return;
	bpf_map_delete_elem(bpf_map__fd(bpf->maps.lock_numbers), key);
	bpf_map_update_elem(bpf_map__fd(bpf->maps.locks), &number, &empty, BPF_ANY);
	bpf_map_update_elem(bpf_map__fd(bpf->maps.free_locks), NULL, &number, BPF_ANY);
}

unsigned int locks__room(const struct giltrace_bpf *bpf)
{
	return bpf_map__max_entries(bpf->maps.locks);
}
