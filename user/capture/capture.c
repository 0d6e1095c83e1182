/* SPDX-License-Identifier: MIT */
/* Open, attach, activate, run, stop, detach: see capture.h. Reading the figures out is in collect.c. */
#include "user/capture/capture.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "user/capture/capture_state.h"
#include "user/capture/discovery.h"
#include "user/capture/drain.h"
#include "user/capture/event_log.h"
#include "user/capture/files.h"
#include "user/capture/governor.h"
#include "user/capture/links.h"
#include "user/capture/lock_watch.h"
#include "user/capture/locks.h"
#include "user/capture/price.h"
#include "user/capture/stack_table.h"
#include "user/capture/timer.h"
#include "user/target/plan.h"
#include "user/target/process.h"
#include "user/target/process_list.h"
#include "user/target/runtime.h"

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
	return capture->price.hit_ns;
}

double capture__cold_cost_ns_per_hit(const struct capture *capture)
{
	return capture->price.hit_ns < 0 ? -1 : capture->price.cold_hit_ns;
}

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

/* Puts the numbers of all there are into a queue of those that are free. */
static int fill_queue(const struct bpf_map *queue)
{
	for (uint32_t number = 0; number < bpf_map__max_entries(queue); number++)
		if (bpf_map_update_elem(bpf_map__fd(queue), NULL, &number, BPF_ANY))
			return -errno;
	return 0;
}

/* A child, or another program in a process: it has what its place in the trace needs. */
static void process_began(struct capture *capture, const struct record *record)
{
	if (!lives__begin(&capture->lives, record->tgid, record->instance, record->parent, record->time_ns))
		capture->harvested->lost.processes++;
}

static void process_ended(struct capture *capture, const struct record *record)
{
	struct life *life = lives__get(&capture->lives, record->tgid, record->instance);

	if (life) {
		life->ended_ns = record->time_ns;
		life->execed = record->execed;
	}
	ring_buffer__consume(capture->stack_ring); /* what it told is its still */
	stack_table__forget(capture->stacks, record->tgid, record->instance);
	capture__harvest_locks(capture);
}

static void add_hog(struct capture *capture, const struct hog *hog)
{
	const struct life *life = lives__get(&capture->lives, hog->tgid, hog->instance);
	struct trace_hog into = {
		.pid = hog->tgid,
		.tid = hog->tid,
		.gil = hog->lock,
		.start_ns = hog->start_ns,
		.held_ns = hog->held_ns,
		.request_to_drop_ns = hog->request_to_drop_ns,
		.waiters = hog->waiters,
		.runnable_ns = hog->runnable_ns,
		.blocked_ns = hog->blocked_ns,
		.syscall = hog->syscall,
		.syscall_ns = hog->syscall_ns,
	};

	ring_buffer__consume(capture->stack_ring); /* its stack was told before */
	into.stack = stack_table__find(capture->stacks, hog->stack);
	if (life)
		into.process = capture__number_of(capture, life);
	if (!life || trace__add_hog(capture->harvested, &into))
		capture->harvested->lost.stacks++;
}

static int handle_record(void *context, void *data, size_t size)
{
	struct capture *capture = context;
	const struct record *record = data;

	if (size < sizeof(*record))
		return 0;
	switch ((enum record_type)record->type) {
	case RECORD_THREAD_ENDED:
		capture__harvest_thread(capture, record->slot);
		break;
	case RECORD_PROCESS_BEGAN:
		process_began(capture, record);
		break;
	case RECORD_PROCESS_ENDED:
		process_ended(capture, record);
		break;
	case RECORD_HALF_FULL:
		capture->half_full = true;
		break;
	case RECORD_HOG:
		if (size >= sizeof(struct hog))
			add_hog(capture, data);
		break;
	case RECORD_EXECED:
		if (capture->scope != TRACE_GIVEN)
			discovery__expect(capture->discovery, (pid_t)record->tgid, record->time_ns);
		break;
	}
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
	links__prepare(bpf, capture->multi);
	size_maps(bpf, capture->slots, options->scope);
	size_stacks(bpf, options);
	event_log__size(capture, (int)options->events);
	bpf->rodata->waits_alone = options->level != TRACE_ALL;
	bpf->rodata->scope = (uint32_t)options->scope;
	bpf_program__set_autoload(bpf->progs.on_sched_switch, options->level != TRACE_WAITS);
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
	capture->ring = ring_buffer__new(bpf_map__fd(bpf->maps.records), handle_record, capture, NULL);
	if (!capture->ring)
		return -errno;
	capture->stack_ring =
		ring_buffer__new(bpf_map__fd(bpf->maps.new_stacks), stack_table__take, capture->stacks, NULL);
	return capture->stack_ring ? event_log__open(capture) : -errno;
}

int capture__open(const struct capture_options *options, struct capture **out, char *why, size_t why_size)
{
	struct capture *capture = calloc(1, sizeof(*capture));
	int err;

	if (!capture)
		return -ENOMEM;
	capture->level = options->level;
	capture->budget = options->budget;
	capture->scope = options->scope;
	capture->started = options->started;
	capture->unfiltered = options->unfiltered || options->scope != TRACE_GIVEN;
	capture->multi = links__multi_supported();
	capture->slots = slots_for(options);
	capture->stack_level = options->stacks;
	capture->event_level = options->events;
	capture->harvested = trace__new();
	capture->stacks = capture->harvested ? stack_table__new(capture) : NULL;
	capture->watch = lock_watch__new();
	if (!capture->stacks || !capture->watch) {
		capture__free(capture);
		return -ENOMEM;
	}
	err = load(capture, options);
	if (err) {
		err = explain_load(err, why, why_size);
		capture__free(capture);
		return err;
	}
	capture->price = price__measure(capture->bpf, capture->multi);
	capture->files = files__new(capture->bpf, capture->multi, capture->level);
	capture->discovery = capture->files ? discovery__new(capture->files) : NULL;
	if (!capture->discovery) {
		capture__free(capture);
		return -ENOMEM;
	}
	*out = capture;
	return 0;
}

/* NULL without memory; good until the next one is added. */
static struct given_process *add_given(struct capture *capture, const struct process *process)
{
	struct given_process *grown = realloc(capture->given, (capture->given_count + 1) * sizeof(*grown));

	if (!grown)
		return NULL;
	capture->given = grown;
	capture->given[capture->given_count] = (struct given_process){.process = process, .file = -1};
	return &capture->given[capture->given_count++];
}

int capture__attach(struct capture *capture, const struct process *process, const struct probe_plan *plan, char *why,
		    size_t why_size)
{
	char path[PATH_MAX];
	struct given_process *given = add_given(capture, process);
	int err;

	if (!given)
		return -ENOMEM;
	given->load_bias = plan->load_bias;
	process__mapping_path(process, &plan->file, path, sizeof(path));
	err = files__attach(capture->files, plan, capture->unfiltered ? 0 : process__pid(process), path, why, why_size);
	given->file = files__find(capture->files, &plan->file);
	if (!process__alive(process)) {
		snprintf(why, why_size, "process %d ended before it could be traced", process__pid(process));
		return -ESRCH;
	}
	return err;
}

int capture__watch(struct capture *capture, const struct process *process)
{
	return add_given(capture, process) ? 0 : -ENOMEM;
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

/*
 * From here on the process is traced. `load_bias` as in struct traced_process; `given`: the process object lives as
 * long as the capture.
 */
static int begin_tracing(struct capture *capture, const struct process *process, uint64_t load_bias, bool given)
{
	uint32_t pid = (uint32_t)process__pid(process);
	struct traced_process traced = {
		.instance = (uint32_t)(capture->start_ns >> 6), .start_ns = capture->start_ns, .load_bias = load_bias};
	int fd = bpf_map__fd(capture->bpf->maps.processes);
	struct life *life;

	if (bpf_map_update_elem(fd, &pid, &traced, BPF_NOEXIST))
		return errno == EEXIST ? 0 : -errno;
	life = lives__begin(&capture->lives, pid, traced.instance, 0, capture->start_ns);
	if (!life)
		return -ENOMEM;
	life->process = given ? process : NULL;
	life->load_bias = load_bias;
	if (!process__alive(process)) /* its end was told before it was traced: nobody else will take it out */
		bpf_map_delete_elem(fd, &pid);
	return 0;
}

static bool is_traced(const struct capture *capture, pid_t pid)
{
	struct traced_process traced;
	uint32_t key = (uint32_t)pid;

	return !bpf_map_lookup_elem(bpf_map__fd(capture->bpf->maps.processes), &key, &traced);
}

/* What is done with each process of the scope; what it returns above 0 is added up. */
typedef int process_verb(struct capture *capture, const struct process *process);

static int apply(struct capture *capture, pid_t pid, process_verb *verb)
{
	struct process *process;
	int result;

	if (process__open(pid, &process))
		return 0; /* gone, a kernel's thread, or one that may not be looked at */
	result = verb(capture, process);
	process__close(process);
	return result > 0 ? result : 0;
}

/* A process with a runtime is to be traced from the start, so that its threads are known. */
static int trace_found(struct capture *capture, const struct process *process)
{
	if (discovery__look(capture->discovery, process) == 1)
		begin_tracing(capture, process, 0, false);
	return 1;
}

static int look(struct capture *capture, const struct process *process)
{
	int result = discovery__look(capture->discovery, process);

	return result == 1;
}

static bool is_given(const struct capture *capture, pid_t pid)
{
	for (size_t i = 0; i < capture->given_count; i++)
		if (process__pid(capture->given[i].process) == pid)
			return true;
	return false;
}

static int compare_pids(const void *left, const void *right)
{
	const struct process_entry *a = left, *b = right;

	return a->pid < b->pid ? -1 : a->pid > b->pid;
}

/* Marks, in a list sorted by pid, each process whose parent is given or marked. Returns how many are new. */
static size_t mark_descendants(const struct capture *capture, const struct process_entry *list, size_t count,
			       bool *marked)
{
	size_t new = 0;

	for (size_t i = 0; i < count; i++) {
		struct process_entry wanted = {.pid = list[i].parent};
		const struct process_entry *parent = bsearch(&wanted, list, count, sizeof(*list), compare_pids);

		if (!marked[i] && (is_given(capture, wanted.pid) || (parent && marked[parent - list]))) {
			marked[i] = true;
			new ++;
		}
	}
	return new;
}

/* Calls the verb for each process of the scope but the given ones. Returns the sum of what it returned, or -errno. */
static int for_scope(struct capture *capture, process_verb *verb)
{
	struct process_entry *list;
	ssize_t count = process_list__read(&list);
	bool *wanted = count > 0 ? calloc((size_t)count, sizeof(*wanted)) : NULL;
	int sum = 0;

	if (count > 0 && !wanted)
		count = -ENOMEM;
	if (count > 0 && capture->scope == TRACE_CHILDREN)
		while (mark_descendants(capture, list, (size_t)count, wanted))
			;
	for (ssize_t i = 0; i < count; i++)
		if ((capture->scope == TRACE_EVERYTHING || wanted[i]) && list[i].pid != getpid() &&
		    !is_given(capture, list[i].pid))
			sum += apply(capture, list[i].pid, verb);
	free(wanted);
	free(list);
	return count < 0 ? (int)count : sum;
}

int capture__attach_scope(struct capture *capture)
{
	return capture->scope == TRACE_GIVEN ? 0 : for_scope(capture, look);
}

/* Descendants, with a runtime or without: one that has none may start others that do. Forks in between are found again.
 */
static int begin_descendant(struct capture *capture, const struct process *process)
{
	if (is_traced(capture, process__pid(process)))
		return 0;
	discovery__look(capture->discovery, process);
	return begin_tracing(capture, process, 0, false) ? 0 : 1;
}

static int begin_scope(struct capture *capture)
{
	int found;

	if (capture->scope == TRACE_EVERYTHING)
		return for_scope(capture, trace_found);
	do {
		found = capture->scope == TRACE_CHILDREN ? for_scope(capture, begin_descendant) : 0;
	} while (found > 0);
	return found;
}

/* The timer is a help: where there are no perf events the waiters' own looks must do. */
int capture__activate(struct capture *capture)
{
	int err = giltrace_bpf__attach(capture->bpf);

	if (err)
		return err;
	if (capture->stack_level != TRACE_STACKS_NONE)
		timer__start(capture->bpf, &capture->timer);
	capture->start_ns = capture->bpf->bss->start_ns = capture__now();
	capture->bpf->bss->active = true;
	for (size_t i = 0; i < capture->given_count && !err; i++)
		err = begin_tracing(capture, capture->given[i].process, capture->given[i].load_bias, true);
	if (!err)
		err = begin_scope(capture);
	if (err >= 0)
		err = note_threads(capture);
	if (!err && capture->level == TRACE_AUTO)
		err = governor__start(capture, capture->budget, &capture->governor);
	return err;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* How long to wait: to the end, to the next look at a new program or at a lock, and a second at most. */
static struct timespec time_to_wait(uint64_t end_ns, uint64_t due_ns, int next_look_ms, uint64_t next_watch_ns)
{
	uint64_t now = capture__now(), until = least(now + 1000000000, next_watch_ns), left;

	if (next_look_ms >= 0)
		until = least(until, now + (uint64_t)next_look_ms * 1000000);
	if (end_ns)
		until = least(until, end_ns);
	if (due_ns)
		until = least(until, due_ns);
	left = until > now ? until - now : 0;
	return (struct timespec){.tv_sec = (time_t)(left / 1000000000), .tv_nsec = (long)(left % 1000000000)};
}

static void watch_lock(struct capture *capture, uint32_t pid, uint32_t instance, uint32_t file, uint64_t address)
{
	const struct probe_plan *plan = files__plan(capture->files, file);
	struct watched_lock lock = {.pid = pid, .instance = instance, .file = file, .address = address};

	if (!plan || plan->layout.lock_variable || plan->layout.locked == UNKNOWN_OFFSET)
		return;
	lock.locked = address + (uint64_t)plan->layout.locked;
	lock_watch__add(capture->watch, &lock); /* without memory it is not watched, which the report tells */
}

/* The main lock of a given process: it may be held all the time, and no probe ever hit. */
static void watch_main_lock(struct capture *capture, const struct given_process *given)
{
	const struct probe_plan *plan = given->file < 0 ? NULL : files__plan(capture->files, (uint32_t)given->file);
	struct probe_plan here;
	struct life *life;
	uint64_t lock;

	if (!plan || !plan->adapter->main_lock)
		return;
	here = *plan;
	here.load_bias = given->load_bias;
	life = lives__newest(&capture->lives, (uint32_t)process__pid(given->process));
	if (life && !plan->adapter->main_lock(given->process, &here, &lock))
		watch_lock(capture, life->pid, life->instance, (uint32_t)given->file, lock);
}

/* Where not every hold is probed, each lock that was met is watched. */
static void watch_met_locks(struct capture *capture, uint64_t now)
{
	static struct lock lock;

	if (capture->level == TRACE_ALL || now < capture->next_search_ns)
		return;
	capture->next_search_ns = now + 200000000;
	lock.key.address = 0;
	for (uint32_t i = 0; i < locks__room(capture->bpf) && locks__next(capture->bpf, &lock); i++)
		watch_lock(capture, (uint32_t)lock.key.tgid, lock.instance, lock.plan, lock.key.address);
}

/* Whether all processes that were traced have ended. */
static bool is_deserted(const struct capture *capture)
{
	uint32_t pid;

	return capture->scope != TRACE_EVERYTHING &&
	       bpf_map_get_next_key(bpf_map__fd(capture->bpf->maps.processes), NULL, &pid);
}

enum capture_end capture__run(struct capture *capture, uint64_t duration_ns, uint64_t due_ns, int stop_fd)
{
	uint64_t end_ns = duration_ns ? capture->start_ns + duration_ns : 0;
	struct pollfd fds[] = {
		{.fd = ring_buffer__epoll_fd(capture->ring), .events = POLLIN},
		{.fd = ring_buffer__epoll_fd(capture->stack_ring), .events = POLLIN},
		{.fd = stop_fd, .events = POLLIN},
		{.fd = capture->event_ring ? ring_buffer__epoll_fd(capture->event_ring) : -1, .events = POLLIN},
	};

	for (size_t i = 0; i < capture->given_count; i++)
		watch_main_lock(capture, &capture->given[i]);
	for (;;) {
		int next_look_ms = discovery__go_on(capture->discovery, capture__now());
		uint64_t next_watch_ns = lock_watch__look(capture->watch, capture__now());
		struct timespec timeout = time_to_wait(end_ns, due_ns, next_look_ms, next_watch_ns);
		int ready = ppoll(fds, 4, &timeout, NULL);
		bool deserted = is_deserted(capture); /* who is not there any more has told what it had to */

		watch_met_locks(capture, capture__now());
		ring_buffer__consume(capture->ring);
		ring_buffer__consume(capture->stack_ring);
		event_log__take(capture);
		if (capture->half_full) {
			capture->half_full = false;
			drain__all(capture);
		}
		if (ready > 0 && fds[2].revents)
			return CAPTURE_STOPPED;
		if (deserted)
			return capture->lives.count == 1 && capture->lives.list[0].execed ? CAPTURE_EXECED
											  : CAPTURE_EXITED;
		if (end_ns && capture__now() >= end_ns)
			return CAPTURE_TIME;
		if (due_ns && capture__now() >= due_ns)
			return CAPTURE_DUE;
	}
}

void capture__stop(struct capture *capture)
{
	if (!capture->bpf || !capture->bpf->bss || capture->stop_ns)
		return;
	governor__ask(capture->governor);
	capture->bpf->bss->active = false;
	capture->stop_ns = capture__now();
	governor__stop(capture->governor, capture->stop_ns);
}

void capture__detach(struct capture *capture)
{
	timer__stop(capture->timer);
	capture->timer = NULL;
	if (capture->files)
		files__detach(capture->files);
	if (capture->bpf)
		giltrace_bpf__detach(capture->bpf);
}

void capture__free(struct capture *capture)
{
	if (!capture)
		return;
	capture__stop(capture);
	capture__detach(capture);
	discovery__free(capture->discovery);
	files__free(capture->files);
	lives__clear(&capture->lives);
	governor__free(capture->governor);
	lock_watch__free(capture->watch);
	if (capture->mapped_threads)
		munmap((void *)capture->mapped_threads, mapped_size(capture));
	ring_buffer__free(capture->ring);
	ring_buffer__free(capture->stack_ring);
	ring_buffer__free(capture->event_ring);
	stack_table__free(capture->stacks);
	giltrace_bpf__destroy(capture->bpf);
	trace__free(capture->harvested);
	free(capture->given);
	free(capture);
}
