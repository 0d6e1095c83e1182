/* SPDX-License-Identifier: MIT */
/* What a running CPython's memory says about its locks: for reports' interpreter ids and for `doctor`. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/target/cpython.h"
#include "user/target/cpython_layout.h"
#include "user/target/plan.h"

#define MAX_INTERPRETERS 4096
#define MAX_RUNTIME      (1UL << 20) /* bytes of _PyRuntime that are searched; 3.11's has 0.2 MB */

/* struct _gil_runtime_state from 3.7 on, behind what free-threaded builds put first, with glibc's condition variables
 * and mutexes. */
struct gil_state {
	uint64_t interval_us;
	uint64_t last_holder; /* PyThreadState */
	int32_t locked;       /* -1 before the first use */
	int32_t padding;
	uint64_t switch_number;
	uint32_t cond[12], mutex[10], switch_cond[12], switch_mutex[10];
};

_Static_assert(sizeof(struct gil_state) == 208, "as found in builds");

static int read_word(const struct process *process, uint64_t address, uint64_t *out)
{
	return process__read(process, address, out, sizeof(*out));
}

int64_t cpython__interpreter(const struct process *process, const struct probe_plan *plan, uint64_t lock)
{
	const struct cpython_layout *layout = &plan->cpython;
	int64_t lowest = -1;
	uint64_t interpreter;

	if (!layout->interpreter_gil)
		return 0; /* one lock for all interpreters */
	if (!process || !plan->root ||
	    read_word(process, plan->load_bias + plan->root + layout->main_interpreter - 8, &interpreter))
		return -1;
	for (int i = 0; i < MAX_INTERPRETERS && interpreter; i++) {
		uint64_t gil, id;

		if (read_word(process, interpreter + layout->interpreter_gil, &gil) ||
		    read_word(process, interpreter + layout->interpreter_id, &id))
			break;
		if (gil == lock && (lowest < 0 || (int64_t)id < lowest))
			lowest = (int64_t)id;
		if (read_word(process, interpreter + layout->interpreter_next, &interpreter))
			break;
	}
	return lowest;
}

/* glibc's: whether both were made alike (the low bits of __wrefs say how), and both mutexes are plain (__kind). */
static bool has_locks(const struct gil_state *gil)
{
	const size_t wrefs = 9, kind = 4;

	return (gil->cond[wrefs] & 7) == (gil->switch_cond[wrefs] & 7) && !gil->mutex[kind] && !gil->switch_mutex[kind];
}

/* Whether a lock that is in use looks like this. */
static bool looks_used(const struct gil_state *gil)
{
	return gil->interval_us <= 1000000000 && (gil->locked == 0 || gil->locked == 1) && gil->switch_number &&
	       gil->switch_number < 1ULL << 44 && gil->last_holder && !(gil->last_holder & 7) && has_locks(gil);
}

/* The same, and its last holder belongs to the main interpreter. */
static bool is_gil(const struct process *process, const struct gil_state *gil, const struct cpython_layout *layout,
		   uint64_t main_interpreter)
{
	uint64_t interpreter;

	return looks_used(gil) && !read_word(process, gil->last_holder + layout->interpreter, &interpreter) &&
	       interpreter == main_interpreter;
}

/*
 * 3.7 to 3.11: the lock is somewhere within _PyRuntime, at another place in each micro release, and is known by its
 * looks. Two that look like it are none.
 */
static int search_runtime(const struct process *process, const struct probe_plan *plan,
			  const struct cpython_layout *layout, uint64_t *lock)
{
	uint64_t size = plan->root_size < MAX_RUNTIME ? plan->root_size : MAX_RUNTIME;
	uint64_t start = plan->load_bias + plan->root, main_interpreter;
	char *runtime = malloc(size + 1);
	size_t found = 0;
	int err = runtime ? process__read(process, start, runtime, size) : -ENOMEM;

	if (!err && size < layout->main_interpreter + sizeof(main_interpreter))
		err = -ENOENT;
	if (!err)
		memcpy(&main_interpreter, runtime + layout->main_interpreter, sizeof(main_interpreter));
	for (uint64_t at = 0; !err && at + sizeof(struct gil_state) <= size; at += 8) {
		struct gil_state gil;

		memcpy(&gil, runtime + at, sizeof(gil));
		if (!is_gil(process, &gil, layout, main_interpreter))
			continue;
		*lock = start + at;
		found++;
	}
	free(runtime);
	return err ? err : found == 1 ? 0 : -ENOENT;
}

int cpython__main_lock(const struct process *process, const struct probe_plan *plan, uint64_t *lock)
{
	const struct cpython_layout *layout = &plan->cpython;
	uint64_t interpreter;
	int err;

	if (!plan->root)
		return -ENOENT;
	if (plan->layout.lock_variable) {
		err = read_word(process, plan->load_bias + (uint64_t)plan->layout.lock_variable, lock);
		return err ? err : *lock ? 0 : -ENOENT; /* 2.7: none before the first thread is started */
	}
	if (!layout->main_interpreter) { /* 3.6: static variables */
		*lock = plan->load_bias + plan->root;
		return 0;
	}
	if (!layout->interpreter_gil)
		return search_runtime(process, plan, layout, lock);
	err = read_word(process, plan->load_bias + plan->root + layout->main_interpreter, &interpreter);
	if (!err && !interpreter)
		err = -ENOENT;
	err = err ? err : read_word(process, interpreter + layout->interpreter_gil, lock);
	return err ? err : *lock ? 0 : -ENOENT;
}

/* Free-threaded builds: whether the lock is in use at all. PYTHON_GIL, -X gil and extension modules decide. */
static bool is_enabled(const struct process *process, uint64_t lock)
{
	int32_t enabled;

	return process__read(process, lock, &enabled, sizeof(enabled)) || enabled;
}

const char *cpython__without_lock(const struct probe_plan *plan)
{
	if (!plan->cpython.free_threaded)
		return NULL;
	return "this is a free-threaded Python that runs without a GIL, so there is none to trace; with PYTHON_GIL=1 "
	       "it has "
	       "one, and its other locks can be traced with perf or bpftrace at PyMutex_Lock and _PyParkingLot_Park";
}

int cpython__check(const struct process *process, const struct probe_plan *plan, char *why, size_t why_size)
{
	const struct cpython_layout *layout = &plan->cpython;
	struct gil_state gil;
	uint64_t lock;

	if (!layout->interpreter_gil || cpython__main_lock(process, plan, &lock))
		return 0; /* another design, or not initialised yet */
	if (layout->free_threaded && !is_enabled(process, lock)) {
		snprintf(why, why_size, "%s", cpython__without_lock(plan));
		return -ENODATA;
	}
	if (layout->guessed && !process__read(process, lock + layout->gil_shift, &gil, sizeof(gil)) &&
	    gil.switch_number && !looks_used(&gil)) {
		snprintf(why, why_size,
			 "Python %s is not known to giltrace, and what should be its GIL does not look like one",
			 plan->version);
		return -ENOTSUP;
	}
	return 0;
}

/*
 * The thread that a thread state belongs to, by its number out here; 0: unknown. *own_number is what it has in its
 * namespace, and what CPython keeps. Up to 3.10 only its pthread_t is kept, which is the address of the C library's
 * struct pthread; its number is there at 720 (glibc 2.4 and later, x86-64) or at 48 (musl 1.1.20 and later).
 */
static pid_t thread_of(const struct process *process, const struct cpython_layout *layout, uint64_t holder,
		       uint64_t *own_number)
{
	static const uint64_t places[] = {720, 48};
	uint64_t pthread;

	*own_number = 0;
	if (layout->native_thread_id)
		return read_word(process, holder + layout->native_thread_id, own_number)
			       ? 0
			       : process__thread(process, *own_number);
	if (read_word(process, holder + layout->thread_id, &pthread))
		return 0;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		uint32_t number;
		pid_t tid;

		if (process__read(process, pthread + places[i], &number, sizeof(number)))
			continue;
		*own_number = number;
		tid = process__thread(process, number);
		if (tid)
			return tid;
	}
	return 0;
}

static void describe_holder(const struct process *process, const struct cpython_layout *layout, uint64_t holder,
			    bool locked, char *out, size_t size)
{
	const char *verb = locked ? "held" : "free, last held";
	uint64_t own_number;
	pid_t tid = thread_of(process, layout, holder, &own_number);

	if (!tid)
		snprintf(out, size, "%s by an unknown thread", verb);
	else if (own_number == (uint64_t)tid)
		snprintf(out, size, "%s by thread %d", verb, (int)tid);
	else
		snprintf(out, size, "%s by thread %d (%" PRIu64 " in its namespace)", verb, (int)tid, own_number);
}

/*
 * Where a request to drop the lock is noted, as found in builds: in the interpreter (3.9 to 3.12), in _PyRuntime before
 * the lock (3.7.4, 3.8), or in the holder's eval_breaker (3.13 and later), whose lowest bit it is.
 */
enum { EVAL_BREAKER = 24, DROP_BIT = 1 };

static uint64_t drop_request_at(const struct process *process, const struct probe_plan *plan, uint64_t lock,
				uint64_t holder)
{
	static const uint32_t in_interpreter[] = {[9] = 76, [10] = 72, [11] = 104, [12] = 372};
	unsigned minor = plan->cpython.version & 0xff;
	uint64_t interpreter;

	if (minor == 7 && (cpython__version(plan) & 0xff) >= 4)
		return lock - 548;
	if (minor == 8)
		return lock - 556;
	if (minor >= 9 && minor <= 12)
		return read_word(process, holder + plan->cpython.interpreter, &interpreter)
			       ? 0
			       : interpreter + in_interpreter[minor];
	return minor >= 13 && !plan->cpython.guessed ? holder + EVAL_BREAKER : 0;
}

static const char *describe_drop_request(const struct process *process, const struct probe_plan *plan, uint64_t lock,
					 uint64_t holder)
{
	uint64_t address = holder ? drop_request_at(process, plan, lock, holder) : 0;
	bool is_bit = (plan->cpython.version & 0xff) >= 13;
	uint32_t value;

	if (!address || process__read(process, address, &value, sizeof(value)) || (!is_bit && value > 1))
		return "not known whether a drop is requested";
	return value & DROP_BIT ? "drop requested" : "no drop requested";
}

/* 3.6: the interval, the switch number and the drop request are variables of their own, and are not looked for. */
static int describe_static(const struct process *process, const struct probe_plan *plan,
			   const struct cpython_layout *layout, uint64_t lock, char *out, size_t size)
{
	uint64_t holder;
	int32_t locked;
	int err;

	if (plan->layout.locked == UNKNOWN_OFFSET || plan->layout.last_holder == UNKNOWN_OFFSET)
		return -ENOENT;
	err = process__read(process, lock + (uint64_t)plan->layout.locked, &locked, sizeof(locked));
	err = err ? err : read_word(process, lock + (uint64_t)plan->layout.last_holder, &holder);
	if (err)
		return err;
	if (locked < 0)
		snprintf(out, size, "not created yet: no thread was started");
	else
		describe_holder(process, layout, holder, locked == 1, out, size);
	return 0;
}

/* 2.7: the semaphore's value is in its first word (glibc, x86-64). */
static int describe_ticks(const struct process *process, const struct probe_plan *plan, uint64_t lock, char *out,
			  size_t size)
{
	uint64_t thread_state = 0;
	uint32_t value;
	int32_t ticks = 0;
	char holder[96] = "held";
	int err = process__read(process, lock, &value, sizeof(value));

	if (err)
		return err;
	if (plan->cpython.check_interval)
		process__read(process, plan->load_bias + plan->cpython.check_interval, &ticks, sizeof(ticks));
	if (plan->layout.last_holder != UNKNOWN_OFFSET)
		read_word(process, plan->load_bias + (uint64_t)plan->layout.last_holder, &thread_state);
	if (!value && thread_state)
		describe_holder(process, &plan->cpython, thread_state, true, holder, sizeof(holder));
	snprintf(out, size, "check interval %" PRId32 " ticks, %s", ticks, value ? "free" : holder);
	return 0;
}

int cpython__describe(const struct process *process, const struct probe_plan *plan, uint64_t lock, char *out,
		      size_t size)
{
	const struct cpython_layout *layout = &plan->cpython;
	struct gil_state gil;
	char holder[96];
	int err;

	if (plan->layout.lock_variable)
		return describe_ticks(process, plan, lock, out, size);
	if (!layout->main_interpreter)
		return describe_static(process, plan, layout, lock, out, size);
	err = process__read(process, lock + layout->gil_shift, &gil, sizeof(gil));
	if (err)
		return err;
	describe_holder(process, layout, gil.last_holder, gil.locked == 1, holder, sizeof(holder));
	snprintf(out, size, "interval %g ms, %s, switch number %" PRIu64 ", %s", (double)gil.interval_us / 1000, holder,
		 gil.switch_number, describe_drop_request(process, plan, lock, gil.last_holder));
	return 0;
}
