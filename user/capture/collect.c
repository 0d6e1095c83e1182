/* SPDX-License-Identifier: MIT */
/*
 * Reads the figures of the kernel side into a trace: those of threads that end while the capture runs, whose slots are
 * needed again, and all the others when they are collected.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "user/capture/capture_state.h"
#include "user/capture/discovery.h"
#include "user/capture/drain.h"
#include "user/capture/files.h"
#include "user/capture/governor.h"
#include "user/capture/lock_watch.h"
#include "user/capture/locks.h"
#include "user/target/plan.h"
#include "user/target/process.h"
#include "user/target/runtime.h"

static void fill_counts(struct trace_counts *counts, const struct thread *thread)
{
	counts->acquisitions = thread->acquisitions;
	counts->contended = thread->contended;
	counts->failed = thread->failed;
	counts->timeouts = thread->timeouts;
	counts->stolen = thread->stolen;
	counts->handoffs = thread->handoffs;
	counts->releases_forced = thread->releases_forced;
	counts->releases_voluntary =
		thread->releases > thread->releases_forced ? thread->releases - thread->releases_forced : 0;
	counts->held_ns = thread->hold.sum_ns;
	counts->waited_ns = thread->wait.sum_ns;
}

/* When the thread ended, at the latest with its process; 0: it lives. */
static uint64_t end_of(const struct thread *thread, const struct life *life)
{
	return thread->ended_ns ? thread->ended_ns : life->ended_ns;
}

/*
 * The intervals that an end of the trace, or of the thread, cuts. `lock` may be NULL: not read. Of a wait of another
 * window than this no more is known than what was charged.
 */
static void fill_open(struct trace_open *open, const struct thread *thread, const struct lock *lock,
		      uint32_t wait_window, uint64_t end)
{
	open->holds_at_start = thread->holds_at_start;
	open->held_ns = thread->held_at_start_ns;
	open->waits_at_start = thread->waits_at_start;
	open->waited_ns = thread->waited_at_start_ns;
	if (thread->waiting_since && (thread->wait_window == wait_window || (lock && lock->always))) {
		open->waits_at_end = 1;
		open->waited_ns +=
			thread->wait_weight * (end > thread->waiting_since ? end - thread->waiting_since : 0);
		open->charged_ns = thread->wait_weight * thread->charged_ns;
	} else if (thread->waiting_since) {
		open->waited_ns += thread->wait_weight * thread->charged_ns;
	}
	if (thread->holding && lock && lock->holder == thread->tid) {
		open->holds_at_end = 1;
		open->held_ns += end > lock->acquired_ns ? end - lock->acquired_ns : 0;
	}
}

/* The lock, or what is left of it where its process has ended. */
static bool read_lock(const struct capture *capture, const struct thread *thread, struct lock *lock)
{
	struct lock_key key = {.address = thread->lock, .tgid = thread->tgid};
	struct past_lock_key past = {.address = thread->lock, .tgid = thread->tgid, .instance = thread->instance};

	return (locks__read(capture->bpf, &key, lock) && lock->instance == thread->instance) ||
	       !bpf_map_lookup_elem(bpf_map__fd(capture->bpf->maps.past_locks), &past, lock);
}

uint32_t capture__number_of(const struct capture *capture, const struct life *life)
{
	return (uint32_t)(life - capture->lives.list);
}

/* The name that the thread has now, if it lives; the kernel side noted one when it first met the lock. */
static void fill_name(struct trace_thread *into, const struct thread *thread)
{
	char path[64];
	size_t size;
	FILE *file;

	snprintf(into->name, sizeof(into->name), "%.*s", (int)sizeof(thread->name), thread->name);
	if (thread->ended_ns)
		return;
	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/task/%" PRIu32 "/comm", thread->tgid, thread->tid);
	file = fopen(path, "re");
	if (!file)
		return;
	size = fread(into->name, 1, sizeof(into->name) - 1, file);
	if (size) /* a newline ends it, and may be in it */
		into->name[size - 1] = '\0';
	fclose(file);
}

/* The releases since the last that was looked at: nobody knows from where. */
static int add_pending(struct trace *trace, const struct trace_thread *into, const struct thread *thread)
{
	struct trace_release_point *point;

	if (!thread->pending_releases)
		return 0;
	point = trace__add_release_point(trace);
	if (!point)
		return -ENOMEM;
	point->process = into->process;
	point->pid = into->pid;
	point->tid = into->tid;
	point->gil = into->gil;
	point->releases = thread->pending_releases;
	point->held_ns = thread->pending_held_ns;
	return 0;
}

/* Whether a thread that is added to this trace comes no more: it is harvested, or the trace is over. */
static bool is_final(const struct capture *capture, const struct trace *trace)
{
	return trace == capture->harvested || capture->stop_ns;
}

static int add_thread(struct capture *capture, struct trace *trace, const struct thread *thread)
{
	static struct lock lock; /* too large for the stack to be nice */
	struct trace_thread *into = trace__add_thread(trace);
	bool has_lock = read_lock(capture, thread, &lock);
	const struct life *life = lives__get(&capture->lives, thread->tgid, thread->instance);

	if (!into || !life)
		return -ENOMEM;
	into->process = capture__number_of(capture, life);
	into->pid = thread->tgid;
	into->tid = thread->tid;
	into->gil = thread->lock;
	into->ended = is_final(capture, trace) && end_of(thread, life) != 0;
	into->held_runnable_ns = thread->held_runnable_ns;
	into->held_blocked_ns = thread->held_blocked_ns;
	fill_name(into, thread);
	fill_counts(&into->counts, thread);
	fill_open(&into->open, thread, has_lock ? &lock : NULL, capture->bpf->bss->wait_window,
		  end_of(thread, life) ? end_of(thread, life) : capture->as_of_ns);
	if (distribution__add_histogram(&into->wait, &thread->wait) ||
	    distribution__add_histogram(&into->hold, &thread->hold))
		return -ENOMEM;
	return is_final(capture, trace) ? add_pending(trace, into, thread) : 0;
}

void capture__harvest_thread(struct capture *capture, uint32_t slot)
{
	static struct thread thread;
	static const struct thread nothing;
	struct thread *empty = &thread;
	int fd = bpf_map__fd(capture->bpf->maps.threads);

	if (slot >= capture->slots || bpf_map_lookup_elem(fd, &slot, &thread) || !thread.ended_ns)
		return;
	if (add_thread(capture, capture->harvested, &thread))
		capture->harvested->lost.threads++;
	capture->harvested_hits += thread.hits;
	*empty = nothing;
	if (!bpf_map_update_elem(fd, &slot, empty, BPF_ANY))
		bpf_map_update_elem(bpf_map__fd(capture->bpf->maps.free_slots), NULL, &slot, BPF_ANY);
}

/* Copies a slot that is in use. */
static bool read_slot(const struct capture *capture, uint32_t slot, struct thread *thread)
{
	if (capture->mapped_threads) {
		const struct thread *there = (const void *)(capture->mapped_threads + (size_t)slot * sizeof(*thread));

		if (!*(const volatile uint32_t *)&there->tgid)
			return false;
		memcpy(thread, there, sizeof(*thread));
		return thread->tgid != 0;
	}
	return !bpf_map_lookup_elem(bpf_map__fd(capture->bpf->maps.threads), &slot, thread) && thread->tgid;
}

static int collect_threads(struct capture *capture, struct trace *trace)
{
	static struct thread thread;
	uint64_t began = capture__cpu_time();
	int err = 0;

	for (uint32_t slot = 0; slot < capture->slots && !err; slot++) {
		if (!read_slot(capture, slot, &thread))
			continue;
		trace->probes.hits += thread.hits;
		err = add_thread(capture, trace, &thread);
	}
	capture->scan_ns = capture__cpu_time() - began;
	return err;
}

/* What the kernel side found when it first saw the lock, or else what the process says now, if it lives. */
static int64_t interpreter_of(const struct capture *capture, const struct life *life, uint64_t address,
			      const struct lock *lock)
{
	const struct probe_plan *plan = files__plan(capture->files, lock->plan);
	bool same_place = plan && plan->load_bias == life->load_bias;

	if (lock->interpreter >= 0 || !plan || !plan->adapter->interpreter)
		return lock->interpreter;
	return plan->adapter->interpreter(same_place ? life->process : NULL, plan, address);
}

/* Who has met this file's locks is of this runtime. Its life is told at the end, by describe_processes(). */
static int add_process(struct capture *capture, struct trace *trace, struct life *life, uint32_t file)
{
	struct trace_process *process = trace__add_process(trace);

	if (!process)
		return -ENOMEM;
	life->file = file;
	process->number = capture__number_of(capture, life);
	return 0;
}

static int describe_process(const struct capture *capture, struct trace_process *process)
{
	const struct life *life = &capture->lives.list[process->number];
	const struct probe_plan *plan = files__plan(capture->files, life->file);
	uint64_t end_ns = life->ended_ns ? life->ended_ns : capture->as_of_ns;

	process->pid = life->pid;
	process->pid_in_namespace = life->pid_in_namespace == life->pid ? 0 : life->pid_in_namespace;
	process->parent = life->parent;
	process->exe = life->exe ? strdup(life->exe) : NULL;
	process->start_ns = life->began_ns;
	process->duration_ns = end_ns > life->began_ns ? end_ns - life->began_ns : 0;
	process->end = !life->ended_ns ? TRACE_END_TIME : life->execed ? TRACE_END_EXECED : TRACE_END_EXITED;
	process->from_start = life->process ? capture->started
					    : life->began_ns > capture->start_ns &&
						      life->began_ns >= files__attached_ns(capture->files, life->file);
	if (plan) {
		process->runtime = plan->runtime;
		process->design = plan->design;
		memcpy(process->version, plan->version, sizeof(process->version));
	}
	return life->exe && !process->exe ? -ENOMEM : 0;
}

/* Only now is all known of them: a lock may be read before its process's end is told, and even its beginning. */
static int describe_processes(const struct capture *capture, struct trace *trace)
{
	int err = 0;

	for (size_t i = 0; i < trace->process_count && !err; i++)
		err = describe_process(capture, &trace->processes[i]);
	return err;
}

static bool has_process(const struct trace *trace, uint32_t number)
{
	for (size_t i = 0; i < trace->process_count; i++)
		if (trace->processes[i].number == number)
			return true;
	return false;
}

static int add_lock(struct capture *capture, struct trace *trace, uint64_t address, uint32_t pid,
		    const struct lock *lock)
{
	struct life *life = lives__get(&capture->lives, pid, lock->instance);
	struct trace_gil *gil = trace__add_gil(trace);

	if (!gil || !life ||
	    (!has_process(trace, capture__number_of(capture, life)) && add_process(capture, trace, life, lock->plan)))
		return -ENOMEM;
	gil->process = capture__number_of(capture, life);
	gil->pid = pid;
	gil->address = address;
	gil->interpreter = interpreter_of(capture, life, address, lock);
	memcpy(gil->attempts, lock->attempts, sizeof(gil->attempts));
	return distribution__add_histogram(&gil->handoff, &lock->handoff);
}

void capture__harvest_locks(struct capture *capture)
{
	static struct lock lock;
	int fd = bpf_map__fd(capture->bpf->maps.past_locks);
	struct past_lock_key key;

	for (uint32_t i = 0; i < bpf_map__max_entries(capture->bpf->maps.past_locks); i++) {
		if (bpf_map_get_next_key(fd, NULL, &key) || bpf_map_lookup_elem(fd, &key, &lock))
			break;
		if (add_lock(capture, capture->harvested, key.address, key.tgid, &lock))
			capture->harvested->lost.gils++;
		bpf_map_delete_elem(fd, &key);
	}
}

static int collect_locks(struct capture *capture, struct trace *trace)
{
	static struct lock lock;
	int err = 0;

	lock.key.address = 0;
	for (uint32_t i = 0; !err && i < locks__room(capture->bpf) && locks__next(capture->bpf, &lock); i++)
		err = add_lock(capture, trace, lock.key.address, (uint32_t)lock.key.tgid, &lock);
	return err;
}

/* A lock of this process whose waits are told from the program's own sleeps; NULL: none. */
static const struct trace_gil *find_waited_lock(const struct capture *capture, const struct trace *trace, uint32_t pid)
{
	for (size_t i = 0; i < trace->gil_count; i++) {
		const struct probe_plan *plan =
			files__plan(capture->files, capture->lives.list[trace->gils[i].process].file);

		if (trace->gils[i].pid == pid && plan && !plan->layout.lock_variable)
			return &trace->gils[i];
	}
	return NULL;
}

/* Threads that woke once, from a sleep begun before the trace, and met the lock at no probe after that. */
static int collect_waiting_at_start(struct capture *capture, struct trace *trace)
{
	int fd = bpf_map__fd(capture->bpf->maps.waiting_at_start);
	uint32_t tid, *previous = NULL;
	struct woken woken;

	for (uint32_t i = 0; i < capture->slots && trace->gil_count; i++, previous = &tid) {
		const struct trace_gil *gil;
		struct trace_thread *thread;

		if (bpf_map_get_next_key(fd, previous, &tid))
			break;
		gil = bpf_map_lookup_elem(fd, &tid, &woken) ? NULL : find_waited_lock(capture, trace, woken.tgid);
		if (!gil)
			continue;
		thread = trace__add_thread(trace);
		if (!thread)
			return -ENOMEM;
		thread->process = gil->process;
		thread->pid = woken.tgid;
		thread->tid = tid;
		thread->gil = gil->address;
		thread->open.waits_at_start = 1;
		thread->open.waited_ns = woken.time_ns - capture->lives.list[gil->process].began_ns;
	}
	return 0;
}

/* Takes what was harvested on the way into the trace; locks stay harvested, for they may be looked at still. */
static int take_harvest(struct capture *capture, struct trace *trace)
{
	struct trace *harvested = capture->harvested;

	trace->probes.hits += capture->harvested_hits;
	trace->lost.threads += harvested->lost.threads;
	trace->lost.pairs += harvested->lost.pairs;
	trace->lost.gils += harvested->lost.gils;
	trace->lost.processes += harvested->lost.processes;
	trace->lost.stacks += harvested->lost.stacks;
	trace__move(trace, harvested);
	return trace__copy_locks(trace, harvested);
}

/* How often the kernel skipped a probe's program, because one ran already on that CPU. */
static uint64_t skipped_hits(const struct capture *capture)
{
	struct bpf_program *program;
	uint64_t skipped = 0;

	bpf_object__for_each_program(program, capture->bpf->obj)
	{
		struct bpf_prog_info info = {0};
		uint32_t size = sizeof(info);

		if (bpf_program__fd(program) >= 0 && !bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size))
			skipped += info.recursion_misses;
	}
	return skipped;
}

/* The first process that was given stands for all; where none was, only what all have in common. */
static void fill_target(const struct capture *capture, struct trace *trace)
{
	struct trace_target *target = &trace->target;

	if (capture->given_count) {
		const struct process *process = capture->given[0].process;

		target->pid = (uint32_t)process__pid(process);
		if (process__pid_in_namespace(process) != process__pid(process))
			target->pid_in_namespace = (uint32_t)process__pid_in_namespace(process);
		snprintf(target->exe, sizeof(target->exe), "%s", process__exe(process));
	}
	for (size_t i = 0; i < files__count(capture->files); i++) {
		const struct probe_plan *plan = files__plan(capture->files, (uint32_t)i);
		bool first = i == 0;

		target->runtime = first || !strcmp(target->runtime, plan->runtime) ? plan->runtime : "";
		target->design = first || !strcmp(target->design, plan->design) ? plan->design : "";
		if (first)
			snprintf(target->version, sizeof(target->version), "%s", plan->version);
		else if (strcmp(target->version, plan->version) != 0)
			target->version[0] = '\0';
	}
}

static void fill_quality(const struct capture *capture, struct trace *trace)
{
	const uint64_t *counts = (const uint64_t *)capture->bpf->bss->walk_counts;

	trace->quality.walks = counts[WALKS];
	trace->quality.torn = counts[WALKS_TORN];
	trace->quality.missing = counts[WALKS_MISSING];
	trace->quality.cut = counts[WALKS_CUT];
	trace->quality.waiter_looks = counts[WAITER_LOOKS];
	trace->quality.waiter_look_ns = counts[WAITER_LOOK_NS];
	trace->quality.frames_gone = capture->harvested->quality.frames_gone;
}

/* What a hit cost on average, looks at stacks included. */
static double cost_per_hit(const struct capture *capture, uint64_t hits)
{
	const uint64_t *counts = (const uint64_t *)capture->bpf->bss->walk_counts;
	double price = capture__cost_ns_per_hit(capture);

	if (price < 0 || !hits)
		return price;
	return price + (double)(counts[WAITER_LOOK_NS] + counts[RELEASE_LOOK_NS]) / (double)hits;
}

static void fill_lost_and_cost(const struct capture *capture, struct trace *trace)
{
	const uint64_t *lost = (const uint64_t *)capture->bpf->bss->lost;

	trace->lost.events = lost[LOST_EVENTS] + capture->harvested->lost.events;
	trace->lost.threads += lost[LOST_THREADS];
	trace->lost.gils += lost[LOST_GILS];
	trace->lost.pairs += lost[LOST_PAIRS];
	trace->lost.stacks += lost[LOST_STACKS];
	trace->lost.processes += lost[LOST_PROCESSES] + discovery__failures(capture->discovery);
	trace->lost.probes = lost[LOST_SENSELESS] + skipped_hits(capture);
	trace->children = capture->bpf->bss->forked;
	trace->probes.cost_ns_per_hit = cost_per_hit(capture, trace->probes.hits);
}

static uint64_t locks_of_file(const struct capture *capture, const struct trace *trace, uint32_t file)
{
	uint64_t count = 0;

	for (size_t i = 0; i < trace->gil_count; i++)
		count += capture->lives.list[trace->gils[i].process].file == file;
	return count;
}

/* Of several processes, those whose runtime is not what it was guessed to be are left out. */
static void mark_refuted(const struct capture *capture, struct trace *trace)
{
	uint64_t unlike, senseless;

	if (capture->scope == TRACE_GIVEN && capture->given_count == 1)
		return; /* capture__check() refuses it with the reason */
	for (uint32_t file = 0; file < files__count(capture->files); file++) {
		if (!files__refuted(capture->files, file, locks_of_file(capture, trace, file), &unlike, &senseless))
			continue;
		for (size_t i = 0; i < trace->process_count; i++)
			trace->processes[i].refuted |= capture->lives.list[trace->processes[i].number].file == file;
	}
}

static struct trace_gil *find_gil(struct trace *trace, uint32_t process, uint64_t address)
{
	for (size_t i = 0; i < trace->gil_count; i++)
		if (trace->gils[i].process == process && trace->gils[i].address == address)
			return &trace->gils[i];
	return NULL;
}

/* A lock that was held whenever it was looked at, and that no probe met: a thread that lets nobody in. */
static struct trace_gil *add_unmet_lock(struct capture *capture, struct trace *trace,
					const struct watched_lock *watched)
{
	static struct lock lock;

	lock = (struct lock){.instance = watched->instance, .plan = watched->file, .interpreter = -1};
	if (!watched->held || add_lock(capture, trace, watched->address, watched->pid, &lock))
		return NULL;
	return &trace->gils[trace->gil_count - 1];
}

static int collect_looks(struct capture *capture, struct trace *trace)
{
	const struct watched_lock *list;
	size_t count;

	list = lock_watch__list(capture->watch, &count);
	for (size_t i = 0; i < count; i++) {
		const struct life *life = lives__get(&capture->lives, list[i].pid, list[i].instance);
		struct trace_gil *gil =
			life ? find_gil(trace, capture__number_of(capture, life), list[i].address) : NULL;

		if (!life)
			return -ENOMEM;
		if (!gil)
			gil = add_unmet_lock(capture, trace, &list[i]);
		if (!gil)
			continue;
		gil->looks = list[i].looks;
		gil->looks_held = list[i].held;
	}
	return 0;
}

static double error_pct(double error)
{
	return error < 0 ? 100 : fmin(100, 100 * error);
}

/* What was seen in windows stands for the time after the last one, too. */
static double factor_for(double unseen_ns, double duration_ns)
{
	return duration_ns / fmax(duration_ns - unseen_ns, 0.02 * duration_ns);
}

/* What the governor did: how much of the time waits and holds were probed. */
static void fill_coverage(const struct capture *capture, struct trace *trace)
{
	struct trace_probes *probes = &trace->probes;
	double duration = (double)trace->duration_ns;
	struct governor_figures figures;

	probes->coverage_pct = capture->level == TRACE_WAITS ? 0 : 100;
	if (!capture->governor || duration <= 0)
		return;
	governor__figures(capture->governor, &figures);
	probes->budget_pct = 100 * capture->budget;
	if (probes->hits && probes->cost_ns_per_hit >= 0)
		probes->cost_ns_per_hit = figures.paid_ns / (double)probes->hits;
	probes->windows = figures.windows;
	probes->windows_cut = figures.cut;
	if (!figures.sampled)
		return;
	probes->coverage_pct = fmin(99.99, 100 * (double)figures.probed_ns / duration);
	probes->acquisitions_error_pct = error_pct(figures.acquisitions_error);
	trace->holds_factor = factor_for((double)figures.unseen_ns, duration);
	for (size_t i = 0; i < trace->process_count; i++)
		trace->processes[i].in_windows =
			files__has_windows(capture->files, capture->lives.list[trace->processes[i].number].file);
	if (!figures.waits_sampled)
		return;
	probes->waits_coverage_pct = fmax(0, fmin(99.99, 100 - 100 * (double)figures.waits_absent_ns / duration));
	probes->waits_error_pct = error_pct(figures.waits_error);
	trace->waits_factor = factor_for((double)figures.waits_unseen_ns, duration);
}

uint64_t capture__scan_ns(const struct capture *capture)
{
	return capture->scan_ns;
}

const struct stacks *capture__stacks(const struct capture *capture)
{
	return capture->harvested->stacks;
}

int capture__collect(struct capture *capture, struct trace *trace)
{
	int err;

	capture->as_of_ns = capture->stop_ns ? capture->stop_ns : capture__now();
	drain__all(capture);
	capture__harvest_locks(capture);
	fill_target(capture, trace);
	trace->level = capture->level;
	trace->scope = capture->scope;
	trace->stack_level = capture->stack_level;
	trace->event_level = capture->event_level;
	trace->start_ns = capture->start_ns;
	trace->duration_ns = capture->as_of_ns - capture->start_ns;
	err = take_harvest(capture, trace);
	if (!err)
		err = collect_threads(capture, trace);
	if (!err)
		err = collect_locks(capture, trace);
	if (!err && capture->stop_ns)
		err = collect_waiting_at_start(capture, trace);
	if (!err)
		err = collect_looks(capture, trace);
	if (!err)
		err = describe_processes(capture, trace);
	if (err)
		return err;
	mark_refuted(capture, trace);
	fill_quality(capture, trace);
	fill_lost_and_cost(capture, trace);
	fill_coverage(capture, trace);
	return 0;
}

int capture__check(const struct capture *capture, const struct trace *trace, char *why, size_t why_size)
{
	const struct probe_plan *plan = files__plan(capture->files, 0);
	const char *without = plan && plan->adapter->without_lock ? plan->adapter->without_lock(plan) : NULL;
	uint64_t unlike, senseless;
	bool refuted = files__refuted(capture->files, 0, trace->gil_count, &unlike, &senseless);

	if (capture->scope != TRACE_GIVEN || capture->given_count != 1)
		return 0;
	if (without && !trace->gil_count && !unlike) {
		snprintf(why, why_size, "%s", without);
		return -ENODATA;
	}
	if (!refuted)
		return 0;
	snprintf(why, why_size,
		 "Python %s is not known to giltrace, and what was seen does not fit: "
		 "%" PRIu64 " calls were made with what is no lock, %" PRIu64 " made no sense",
		 plan->version, unlike, senseless);
	return -ENOTSUP;
}
