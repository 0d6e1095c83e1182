/* SPDX-License-Identifier: MIT */
/* Emptying what grows with the number of stacks: see drain.h. */
#include "user/capture/drain.h"

#include <bpf/bpf.h>
#include <errno.h>

#include "user/capture/capture_state.h"
#include "user/capture/event_log.h"
#include "user/capture/stack_table.h"

#define COMPACT_FIRST_AT 65536 /* blame and release points, until equal ones are merged for the first time */

/*
 * Waits until no program runs that began before: that is what the kernel does when a map within a map is replaced
 * (commit 1ae80cf31938, "bpf: wait for running BPF programs when updating map-in-map").
 */
static int wait_for_programs(struct capture *capture)
{
	uint32_t only = 0, inner = (uint32_t)bpf_map__fd(capture->bpf->maps.barrier_inner);

	return bpf_map_update_elem(bpf_map__fd(capture->bpf->maps.barrier), &only, &inner, BPF_ANY) ? -errno : 0;
}

static int add_pair(struct capture *capture, const struct pair_key *key, const struct pair *pair)
{
	const struct life *life = lives__get(&capture->lives, key->tgid, key->instance);
	struct trace_blame *blame = trace__add_blame(capture->harvested);

	if (!blame || !life)
		return -ENOMEM;
	blame->process = capture__number_of(capture, life);
	blame->pid = key->tgid;
	blame->waiter = key->waiter;
	blame->holder = key->holder;
	blame->gil = key->lock;
	blame->waiter_stack = stack_table__find(capture->stacks, key->waiter_stack);
	blame->stack = stack_table__find(capture->stacks, key->holder_stack);
	blame->waits = pair->waits;
	blame->wait_ns = pair->wait_ns;
	blame->wall_ns = pair->wall_ns;
	return 0;
}

static int add_release(struct capture *capture, const struct release_key *key, const struct release *release)
{
	const struct life *life = lives__get(&capture->lives, key->tgid, key->instance);
	struct trace_release_point *point = trace__add_release_point(capture->harvested);

	if (!point || !life)
		return -ENOMEM;
	point->process = capture__number_of(capture, life);
	point->pid = key->tgid;
	point->tid = key->tid;
	point->gil = key->lock;
	point->stack = stack_table__find(capture->stacks, key->stack);
	point->releases = release->releases;
	point->forced = release->forced;
	point->held_ns = release->held_ns;
	point->outside_ns = release->outside_ns;
	point->returns = release->returns;
	point->back_ns = release->back_ns;
	return 0;
}

/*
 * For each of the two maps: moves the entries that are not of this epoch. Bounded by the size of the map, for the
 * kernel side adds entries meanwhile. What finds no memory is counted as lost.
 */
#define DRAIN(capture, map, key_type, value_type, now, add, lost_count)                            \
	do {                                                                                       \
		int fd = bpf_map__fd((capture)->bpf->maps.map);                                    \
		uint32_t limit = bpf_map__max_entries((capture)->bpf->maps.map);                   \
		key_type key, next;                                                                \
		value_type value;                                                                  \
		bool more = !bpf_map_get_next_key(fd, NULL, &key);                                 \
                                                                                                   \
		for (uint32_t i = 0; more && i < 2 * limit; i++, key = next) {                     \
			more = !bpf_map_get_next_key(fd, &key, &next);                             \
			if (key.epoch == (now))                                                    \
				continue;                                                          \
			if (bpf_map_lookup_elem(fd, &key, &value) || add((capture), &key, &value)) \
				(lost_count)++;                                                    \
			bpf_map_delete_elem(fd, &key);                                             \
		}                                                                                  \
	} while (0)

static void compact(struct capture *capture)
{
	struct trace *trace = capture->harvested;

	if (!capture->compact_at)
		capture->compact_at = COMPACT_FIRST_AT;
	if (trace->blame_count + trace->point_count < capture->compact_at)
		return;
	trace__compact(trace);
	if (trace->blame_count + trace->point_count > capture->compact_at / 2)
		capture->compact_at *= 2;
}

void drain__all(struct capture *capture)
{
	uint32_t now = capture->bpf->bss->epoch + 1;

	capture->bpf->bss->epoch = now;
	capture->bpf->bss->entries = 0;
	capture->bpf->bss->half_told = false;
	if (wait_for_programs(capture))
		return; /* they stay where they are, and come with the next epoch */
	ring_buffer__consume(capture->ring);
	ring_buffer__consume(capture->stack_ring); /* what entries name was told before */
	event_log__take(capture);
	DRAIN(capture, pairs, struct pair_key, struct pair, now, add_pair, capture->harvested->lost.pairs);
	DRAIN(capture, releases, struct release_key, struct release, now, add_release, capture->harvested->lost.stacks);
	compact(capture);
}
