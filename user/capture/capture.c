/* SPDX-License-Identifier: MIT */
/* Open, attach, activate, run, stop, detach: see capture.h. Reading the figures out is in collect.c. */
#include "user/capture/capture.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "user/capture/capture_state.h"
#include "user/capture/price.h"
#include "user/target/plan.h"
#include "user/target/process.h"

#define MIN_THREADS 768
#define MAX_THREADS 65536
#define MAX_LOCKS   64
#define MAX_PAIRS   16384

uint64_t capture__now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

bool capture__has_uprobe_multi(void)
{
	return links__multi_supported();
}

double capture__cost_ns_per_hit(const struct capture *capture)
{
	return capture->cost_ns_per_hit;
}

static uint32_t slots_for(const struct capture_options *options)
{
	uint64_t wanted = options->max_threads ? options->max_threads : 2 * options->threads + 256;

	if (!options->max_threads && wanted < MIN_THREADS)
		wanted = MIN_THREADS;
	return wanted > MAX_THREADS ? MAX_THREADS : (uint32_t)wanted;
}

static void size_maps(struct giltrace_bpf *bpf, uint32_t slots)
{
	bpf_map__set_max_entries(bpf->maps.threads, slots);
	bpf_map__set_max_entries(bpf->maps.free_slots, slots);
	bpf_map__set_max_entries(bpf->maps.slots, slots);
	bpf_map__set_max_entries(bpf->maps.waiting_at_start, slots);
	bpf_map__set_max_entries(bpf->maps.thread_pointers, 2 * slots); /* also of threads that never met the lock */
	bpf_map__set_max_entries(bpf->maps.locks, MAX_LOCKS);
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
static int explain_load(int err, char *why, size_t why_size)
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

static int fill_free_slots(struct capture *capture)
{
	int fd = bpf_map__fd(capture->bpf->maps.free_slots);

	for (uint32_t slot = 0; slot < capture->slots; slot++)
		if (bpf_map_update_elem(fd, NULL, &slot, BPF_ANY))
			return -errno;
	return 0;
}

static int handle_record(void *context, void *data, size_t size)
{
	struct capture *capture = context;
	const struct record *record = data;

	if (size < sizeof(*record))
		return 0;
	if (record->type == RECORD_EXECED)
		capture->execed = true;
	else if (record->type == RECORD_THREAD_ENDED)
		capture__harvest_thread(capture, record->slot);
	return 0;
}

static int load(struct capture *capture, const struct capture_options *options)
{
	struct giltrace_bpf *bpf = giltrace_bpf__open();
	int err;

	if (!bpf)
		return -errno;
	capture->bpf = bpf;
	links__prepare(bpf, capture->multi);
	size_maps(bpf, capture->slots);
	bpf->rodata->waits_only = options->level == TRACE_WAITS;
	bpf_program__set_autoload(bpf->progs.on_sched_switch, options->level == TRACE_ALL);
	err = giltrace_bpf__load(bpf);
	if (err)
		return err;
	err = fill_free_slots(capture);
	if (err)
		return err;
	capture->ring = ring_buffer__new(bpf_map__fd(bpf->maps.records), handle_record, capture, NULL);
	return capture->ring ? 0 : -errno;
}

int capture__open(const struct capture_options *options, struct capture **out, char *why, size_t why_size)
{
	struct capture *capture = calloc(1, sizeof(*capture));
	int err;

	if (!capture)
		return -ENOMEM;
	capture->links.multi_fd = -1;
	capture->level = options->level;
	capture->multi = links__multi_supported();
	capture->slots = slots_for(options);
	capture->generations = calloc(capture->slots, sizeof(*capture->generations));
	capture->harvested = trace__new();
	if (!capture->generations || !capture->harvested) {
		capture__free(capture);
		return -ENOMEM;
	}
	err = load(capture, options);
	if (err) {
		err = explain_load(err, why, why_size);
		capture__free(capture);
		return err;
	}
	capture->cost_ns_per_hit = price__measure(capture->bpf, capture->multi);
	*out = capture;
	return 0;
}

static bool has_site(const struct probe_plan *plan, enum probe_event event)
{
	for (size_t i = 0; i < plan->site_count; i++)
		if (plan->sites[i].event == event)
			return true;
	return false;
}

/* Forced releases are told by the waiters' timeouts; where those are not known, by `switched`. */
static bool is_needed(const struct probe_plan *plan, enum trace_level level, enum probe_event event)
{
	if (event == PROBE_SWITCHED)
		return !has_site(plan, PROBE_WAITED);
	return level == TRACE_ALL || event == PROBE_BLOCKED || event == PROBE_WAITED;
}

/* The sites that the level needs, with the distance from the lock to the argument at each. */
static size_t choose_sites(const struct probe_plan *plan, enum trace_level level, struct link_site *sites)
{
	size_t count = 0;

	for (size_t i = 0; i < plan->site_count && count < LINKS_MAX_SITES; i++) {
		const struct probe_site *site = &plan->sites[i];
		bool at_cond = site->event != PROBE_ACQUIRED && site->event != PROBE_SWITCHED;

		if (!is_needed(plan, level, site->event))
			continue;
		sites[count++] = (struct link_site){
			.file_offset = site->file_offset,
			.event = site->event,
			.distance = at_cond ? plan->layout.cond : plan->layout.switch_cond,
		};
	}
	return count;
}

static int check_plan(const struct probe_plan *plan, enum trace_level level, char *why, size_t why_size)
{
	if (level != TRACE_WAITS || (has_site(plan, PROBE_WAITED) && plan->layout.locked != UNKNOWN_OFFSET))
		return 0;
	snprintf(why, why_size, "this build's waits cannot be told apart without its acquisitions: use --probes=all");
	return -ENOTSUP;
}

int capture__attach(struct capture *capture, const struct process *process, const struct probe_plan *plan, char *why,
		    size_t why_size)
{
	struct link_site sites[LINKS_MAX_SITES];
	char path[PATH_MAX];
	size_t count = choose_sites(plan, capture->level, sites);
	int err = check_plan(plan, capture->level, why, why_size);

	if (err)
		return err;
	capture->process = process;
	capture->plan = plan;
	process__mapping_path(process, &plan->file, path, sizeof(path));
	err = links__attach(&capture->links, capture->bpf, capture->multi, process__pid(process), path, sites, count);
	if (!err)
		err = giltrace_bpf__attach(capture->bpf);
	if (!process__alive(process)) {
		snprintf(why, why_size, "process %d ended before it could be traced", process__pid(process));
		return -ESRCH;
	}
	if (err)
		snprintf(why, why_size, "the kernel refused a probe in %s: %s", plan->file.path, strerror(-err));
	return err;
}

/* Reads the task iterator once, which notes the threads that there are already. */
static int note_threads(struct capture *capture)
{
	char ignored[256];
	int fd = bpf_iter_create(bpf_link__fd(capture->bpf->links.note_threads));

	if (fd < 0)
		return -errno;
	while (read(fd, ignored, sizeof(ignored)) > 0)
		;
	close(fd);
	return 0;
}

int capture__activate(struct capture *capture)
{
	uint32_t pid = (uint32_t)process__pid(capture->process);
	struct traced_process traced = {.layout = capture->plan->layout};

	capture->start_ns = traced.start_ns = capture__now();
	capture->bpf->bss->active = true;
	if (bpf_map_update_elem(bpf_map__fd(capture->bpf->maps.processes), &pid, &traced, BPF_ANY))
		return -errno;
	return note_threads(capture);
}

static int timeout_ms(uint64_t end_ns)
{
	uint64_t now = capture__now();

	if (!end_ns)
		return -1;
	if (now >= end_ns)
		return 0;
	return end_ns - now > 1000000000 ? 1000 : (int)((end_ns - now + 999999) / 1000000);
}

enum capture_end capture__run(struct capture *capture, uint64_t duration_ns, int stop_fd)
{
	uint64_t end_ns = duration_ns ? capture->start_ns + duration_ns : 0;
	struct pollfd fds[] = {
		{.fd = ring_buffer__epoll_fd(capture->ring), .events = POLLIN},
		{.fd = process__pidfd(capture->process), .events = POLLIN},
		{.fd = stop_fd, .events = POLLIN},
	};

	for (;;) {
		int ready = poll(fds, 3, timeout_ms(end_ns));

		if (ready > 0 && fds[0].revents)
			ring_buffer__consume(capture->ring);
		if (capture->execed)
			return CAPTURE_EXECED;
		if (ready > 0 && fds[2].revents)
			return CAPTURE_STOPPED;
		if (ready > 0 && fds[1].revents)
			return CAPTURE_EXITED;
		if (end_ns && capture__now() >= end_ns)
			return CAPTURE_TIME;
	}
}

void capture__stop(struct capture *capture)
{
	if (!capture->bpf || !capture->bpf->bss || capture->stop_ns)
		return;
	capture->bpf->bss->active = false;
	capture->stop_ns = capture__now();
}

void capture__detach(struct capture *capture)
{
	links__detach(&capture->links);
	if (capture->bpf)
		giltrace_bpf__detach(capture->bpf);
}

void capture__free(struct capture *capture)
{
	if (!capture)
		return;
	capture__stop(capture);
	capture__detach(capture);
	ring_buffer__free(capture->ring);
	giltrace_bpf__destroy(capture->bpf);
	trace__free(capture->harvested);
	free(capture->generations);
	free(capture->ended);
	free(capture);
}
