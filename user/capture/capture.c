/* SPDX-License-Identifier: MIT */
/*
 * Open, attach, activate, run, stop, detach: see capture.h. Loading is in kernel_side.c, reading the figures out in
 * collect.c.
 */
#include "user/capture/capture.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "bpf/lifecycle.h"
#include "user/capture/capture_state.h"
#include "user/capture/discovery.h"
#include "user/capture/drain.h"
#include "user/capture/event_log.h"
#include "user/capture/files.h"
#include "user/capture/governor.h"
#include "user/capture/kernel_side.h"
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

static uint64_t time_of(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t capture__now(void)
{
	return time_of(CLOCK_MONOTONIC);
}

uint64_t capture__cpu_time(void)
{
	return time_of(CLOCK_THREAD_CPUTIME_ID);
}

bool capture__has_uprobe_multi(void)
{
	return links__multi_supported();
}

double capture__cost_ns_per_hit(const struct capture *capture)
{
	return price__where(&capture->price, run_samples__mean(&capture->runs));
}

double capture__cold_cost_ns_per_hit(const struct capture *capture)
{
	return capture->price.hit_ns < 0 ? -1 : capture->price.cold_hit_ns;
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
	capture->price.hit_ns = -1;
	capture->stack_level = options->stacks;
	capture->event_level = options->events;
	capture->harvested = trace__new();
	capture->stacks = capture->harvested ? stack_table__new(capture) : NULL;
	capture->watch = lock_watch__new();
	if (!capture->stacks || !capture->watch) {
		capture__free(capture);
		return -ENOMEM;
	}
	err = kernel_side__load(capture, options, why, why_size);
	if (err) {
		capture__free(capture);
		return err;
	}
	capture->files = files__new(capture->bpf, capture->multi, capture->level);
	capture->discovery = capture->files ? discovery__new(capture->files) : NULL;
	if (!capture->discovery) {
		capture__free(capture);
		return -ENOMEM;
	}
	*out = capture;
	return 0;
}

void capture__measure_price(struct capture *capture)
{
	capture->price = price__measure(capture->bpf, capture->multi);
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

static bool find_traced(const struct capture *capture, pid_t pid, struct traced_process *traced)
{
	uint32_t key = (uint32_t)pid;

	return !bpf_map_lookup_elem(bpf_map__fd(capture->bpf->maps.processes), &key, traced);
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
	struct traced_process traced;

	if (find_traced(capture, process__pid(process), &traced))
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

/*
 * Where the scheduler tells of sleeps, the probes where waits begin go: each keeps the lock's mutex for as long as it
 * takes, from the one who wants to let go. Only Python stacks can be read there.
 */
static void forgo_blocked(struct capture *capture, uint64_t now)
{
	struct traced_process traced;

	if (capture->level == TRACE_ALL || capture->unfiltered || capture->bpf->rodata->native_stacks)
		return;
	for (size_t i = 0; i < capture->given_count; i++) {
		pid_t pid = process__pid(capture->given[i].process);

		if (find_traced(capture, pid, &traced) && tells_sleeps(&traced, now))
			files__forgo_blocked(capture->files, pid);
	}
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
		forgo_blocked(capture, capture__now());
		timer__adapt(capture->timer, capture->bpf, capture__now());
		if (!capture->governor)
			run_samples__go_on(&capture->runs, capture->bpf, capture__now());
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
	if (capture->files)
		files__begin_detach(capture->files);
	run_samples__end(&capture->runs, capture->bpf);
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
	kernel_side__unload(capture);
	stack_table__free(capture->stacks);
	trace__free(capture->harvested);
	free(capture->given);
	free(capture);
}
