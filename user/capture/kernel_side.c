/* SPDX-License-Identifier: MIT */
/* Loading the kernel side: see kernel_side.h. */
#include "user/capture/kernel_side.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "user/capture/capture_state.h"
#include "user/capture/event_log.h"
#include "user/capture/links.h"
#include "user/capture/records.h"
#include "user/capture/stack_table.h"

/* Slots, at least: of running processes, and of those that have yet to begin. */
#define MIN_THREADS       384
#define MIN_THREADS_AHEAD 768
#define MAX_THREADS       65536
#define MAX_PAIRS         8192

/* What stacks need, when they are asked for. */
#define MAX_RELEASES 4096
#define MAX_TOLD     8192 /* stacks; those that are forgotten are told again */
#define MAX_WALKS    64   /* at the same time, those of preempted threads among them */
#define STACKS_BYTES (1U << 19)

/* Of the given processes, and of those that the other scopes find. */
#define GIVEN_LOCKS     64
#define FOUND_LOCKS     512
#define GIVEN_PROCESSES 256
#define FOUND_PROCESSES 8192

static uint32_t slots_for(const struct capture_options *options)
{
	uint64_t least = options->started || options->scope != TRACE_GIVEN ? MIN_THREADS_AHEAD : MIN_THREADS;
	uint64_t wanted = options->max_threads ? options->max_threads : 2 * options->threads + 256;

	if (!options->max_threads && wanted < least)
		wanted = least;
	return wanted > MAX_THREADS ? MAX_THREADS : (uint32_t)wanted;
}

static void size_stacks(struct giltrace_bpf *bpf, const struct capture_options *options)
{
	bool python = options->stacks == TRACE_STACKS_PYTHON || options->stacks == TRACE_STACKS_BOTH;

	bpf->rodata->python_stacks = python;
	bpf->rodata->native_stacks = options->stacks == TRACE_STACKS_NATIVE || options->stacks == TRACE_STACKS_BOTH;
	bpf->rodata->python_depth = options->depth ? options->depth : PYTHON_DEPTH;
	bpf->rodata->entries_half = MAX_RELEASES / 2;
	bpf_program__set_autoload(bpf->progs.on_timer, options->stacks != TRACE_STACKS_NONE);
	bpf_program__set_autoload(bpf->progs.on_sched_switch,
				  options->level != TRACE_WAITS || !bpf->rodata->native_stacks);
	if (options->stacks == TRACE_STACKS_NONE)
		return;
	bpf_map__set_max_entries(bpf->maps.releases, MAX_RELEASES);
	bpf_map__set_max_entries(bpf->maps.told_stacks, MAX_TOLD);
	bpf_map__set_max_entries(bpf->maps.walks, MAX_WALKS);
	bpf_map__set_max_entries(bpf->maps.free_walks, MAX_WALKS);
	bpf_map__set_max_entries(bpf->maps.new_stacks, STACKS_BYTES);
}

static void size_maps(struct giltrace_bpf *bpf, uint32_t slots, enum trace_scope scope)
{
	uint32_t locks = scope == TRACE_GIVEN ? GIVEN_LOCKS : FOUND_LOCKS;

	bpf_map__set_max_entries(bpf->maps.threads, slots);
	bpf_map__set_max_entries(bpf->maps.free_slots, slots);
	bpf_map__set_max_entries(bpf->maps.slots, slots);
	bpf_map__set_max_entries(bpf->maps.waiting_at_start, slots);
	bpf_map__set_max_entries(bpf->maps.thread_pointers, 2 * slots); /* also of threads that never met the lock */
	bpf_map__set_max_entries(bpf->maps.locks, locks);
	bpf_map__set_max_entries(bpf->maps.lock_numbers, locks);
	bpf_map__set_max_entries(bpf->maps.free_locks, locks);
	bpf_map__set_max_entries(bpf->maps.past_locks, locks / 2);
	bpf_map__set_max_entries(bpf->maps.processes, scope == TRACE_GIVEN ? GIVEN_PROCESSES : FOUND_PROCESSES);
	bpf_map__set_max_entries(bpf->maps.sites, MAX_SITES);
	bpf_map__set_max_entries(bpf->maps.pairs, MAX_PAIRS);
}

static bool locked_down(void)
{
	char text[128] = "";
	FILE *file = fopen("/sys/kernel/security/lockdown", "re");

	if (!file)
		return false;
	if (!fgets(text, sizeof(text), file))
		text[0] = '\0';
	fclose(file);
	return strstr(text, "[confidentiality]") != NULL;
}

/* What the user can do about a kernel side that does not load. */
static int explain(int err, char *why, size_t why_size)
{
	struct utsname kernel = {0};

	uname(&kernel);
	if (locked_down()) {
		snprintf(why, why_size,
			 "the kernel is locked down (confidentiality), which forbids BPF to read memory: boot "
			 "it with lockdown=integrity or none");
		return -EPERM;
	}
	if (err == -EPERM || err == -EACCES) {
		snprintf(why, why_size,
			 "tracing needs root, or CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE: run giltrace with sudo");
		return -EPERM;
	}
	if (access("/sys/kernel/btf/vmlinux", R_OK)) {
		snprintf(why, why_size,
			 "this kernel (%s) tells nothing about its types (no /sys/kernel/btf/vmlinux): giltrace "
			 "needs one built with CONFIG_DEBUG_INFO_BTF",
			 kernel.release);
		return -ENOTSUP;
	}
	snprintf(why, why_size,
		 "the kernel (%s) refused the BPF programs: %s; giltrace needs Linux 5.10 or later, "
		 "and --verbose shows what the kernel said",
		 kernel.release, strerror(-err));
	return -ENOTSUP;
}

/* Puts the numbers of all there are into a queue of those that are free. */
static int fill_queue(const struct bpf_map *queue)
{
	for (uint32_t number = 0; number < bpf_map__max_entries(queue); number++)
		if (bpf_map_update_elem(bpf_map__fd(queue), NULL, &number, BPF_ANY))
			return -errno;
	return 0;
}

static size_t mapped_size(const struct capture *capture)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), size = capture->slots * sizeof(struct thread);

	return (size + page - 1) / page * page;
}

/* Without it (an array's elements are 8 bytes apart or more) slots are read by calls. */
static void map_threads(struct capture *capture)
{
	void *mapped = sizeof(struct thread) % 8 ? MAP_FAILED
						 : mmap(NULL, mapped_size(capture), PROT_READ, MAP_SHARED,
							bpf_map__fd(capture->bpf->maps.threads), 0);

	capture->mapped_threads = mapped == MAP_FAILED ? NULL : mapped;
}

static int load(struct capture *capture, const struct capture_options *options)
{
	struct giltrace_bpf *bpf = giltrace_bpf__open();
	int err;

	if (!bpf)
		return -errno;
	capture->bpf = bpf;
	capture->slots = slots_for(options);
	links__prepare(bpf, capture->multi);
	size_maps(bpf, capture->slots, options->scope);
	size_stacks(bpf, options);
	event_log__size(capture, (int)options->events);
	bpf->rodata->waits_alone = options->level != TRACE_ALL;
	bpf->rodata->scope = (uint32_t)options->scope;
	err = giltrace_bpf__load(bpf);
	if (err)
		return err;
	bpf->bss->window_end = UINT64_MAX;
	bpf->bss->window_weight = bpf->bss->window_number = 1;
	err = fill_queue(bpf->maps.free_slots);
	if (!err)
		err = fill_queue(bpf->maps.free_locks);
	if (!err && options->stacks != TRACE_STACKS_NONE)
		err = fill_queue(bpf->maps.free_walks);
	if (err)
		return err;
	if (options->often)
		map_threads(capture);
	capture->ring = ring_buffer__new(bpf_map__fd(bpf->maps.records), records__take, capture, NULL);
	if (!capture->ring)
		return -errno;
	capture->stack_ring =
		ring_buffer__new(bpf_map__fd(bpf->maps.new_stacks), stack_table__take, capture->stacks, NULL);
	return capture->stack_ring ? event_log__open(capture) : -errno;
}

int kernel_side__load(struct capture *capture, const struct capture_options *options, char *why, size_t why_size)
{
	int err = load(capture, options);

	return err ? explain(err, why, why_size) : 0;
}

void kernel_side__unload(struct capture *capture)
{
	if (capture->mapped_threads)
		munmap((void *)capture->mapped_threads, mapped_size(capture));
	ring_buffer__free(capture->ring);
	ring_buffer__free(capture->stack_ring);
	ring_buffer__free(capture->event_ring);
	giltrace_bpf__destroy(capture->bpf);
}
