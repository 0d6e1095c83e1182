/* SPDX-License-Identifier: MIT */
/* The books of a run that is over, as a trace in the schema giltrace/1. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/toygil/books.h"
#include "tools/toygil/design.h"
#include "tools/toygil/tracer_symbols.h"
#include "user/report/json.h"
#include "user/report/output.h"
#include "user/trace/trace.h"

/* A wait that the end of the run cut: the part that was charged stays charged. */
static void add_open(struct trace_open *open, const struct books *books, uint64_t end)
{
	if (books->held_since) {
		open->holds_at_end = 1;
		open->held_ns = end - books->held_since;
	}
	if (books->waiting_since) {
		open->waits_at_end = 1;
		open->waited_ns = end - books->waiting_since;
		open->charged_ns = books->charged_ns;
	}
}

static int add_blame(struct trace *trace, const struct thread *thread, uint64_t gil)
{
	for (size_t i = 0; i < thread->books->blamed_count; i++) {
		const struct blamed *blamed = &thread->books->blamed[i];
		struct trace_blame *blame = trace__add_blame(trace);

		if (!blame)
			return -ENOMEM;
		*blame = (struct trace_blame){.pid = trace->target.pid,
					      .waiter = thread->tid,
					      .holder = blamed->holder,
					      .gil = gil,
					      .waits = blamed->waits,
					      .wait_ns = blamed->wait_ns};
	}
	return 0;
}

static int add_thread(struct trace *trace, const struct thread *thread, uint64_t gil, uint64_t end)
{
	struct trace_thread *entry = trace__add_thread(trace);
	const struct books *books = thread->books;

	if (!entry)
		return -ENOMEM;
	entry->pid = trace->target.pid;
	entry->tid = thread->tid;
	snprintf(entry->name, sizeof(entry->name), "%s", thread->name);
	entry->gil = gil;
	entry->ended = thread->done;
	entry->counts = books->counts;
	add_open(&entry->open, books, end);
	trace->lost.pairs += books->lost_pairs;
	trace->probes.hits += books->events;
	if (distribution__add_histogram(&entry->wait, &books->wait) ||
	    distribution__add_histogram(&entry->hold, &books->hold))
		return -ENOMEM;
	return add_blame(trace, thread, gil);
}

static int add_interpreter(struct trace *trace, const struct interpreter *interpreter, uint64_t end)
{
	uint64_t address = (uintptr_t)interpreter->lock;
	struct trace_gil *gil;
	int err = 0;

	if (!address)
		return 0; /* a design without a lock */
	gil = trace__add_gil(trace);
	if (!gil)
		return -ENOMEM;
	gil->pid = trace->target.pid;
	gil->address = address;
	gil->interpreter = interpreter->number;
	for (uint32_t i = 0; !err && i < interpreter->thread_count; i++) {
		const struct thread *thread = interpreter->threads[i];

		if (!thread->tid || !thread->books)
			continue; /* never ran */
		for (int bucket = 0; bucket < ATTEMPTS_BUCKETS; bucket++)
			gil->attempts[bucket] += thread->books->attempts[bucket];
		err = distribution__add_histogram(&gil->handoff, &thread->books->handoff);
		if (!err)
			err = add_thread(trace, thread, address, end);
	}
	return err;
}

/* What the probes took: much more than nothing only when somebody traces them. */
static void fill_probes(struct trace_probes *probes, const struct runtime *runtime)
{
	double sum = 0, longest = 0;

	for (uint32_t i = 0; i < runtime->interpreter_count; i++) {
		const struct interpreter *interpreter = &runtime->interpreters[i];

		for (uint32_t t = 0; t < interpreter->thread_count; t++) {
			const struct books *books = interpreter->threads[t]->books;

			if (!books)
				continue;
			sum += (double)books->probe_ns;
			longest = (double)books->longest_probe_ns > longest ? (double)books->longest_probe_ns : longest;
		}
	}
	if (probes->hits)
		probes->cost_ns_per_hit = sum / (double)probes->hits;
	probes->longest_ns = longest;
}

/* The run's only process, as a tracer would see it. */
static int add_process(struct trace *trace)
{
	struct trace_process *process = trace__add_process(trace);

	if (!process)
		return -ENOMEM;
	process->pid = trace->target.pid;
	process->exe = strdup(trace->target.exe);
	process->runtime = trace->target.runtime;
	process->design = trace->target.design;
	memcpy(process->version, trace->target.version, sizeof(process->version));
	process->start_ns = trace->start_ns;
	process->duration_ns = trace->duration_ns;
	process->end = trace->end;
	process->from_start = true;
	return 0;
}

static int fill(struct trace *trace, const struct runtime *runtime)
{
	ssize_t length = readlink("/proc/self/exe", trace->target.exe, sizeof(trace->target.exe) - 1);
	int err;

	trace->target.exe[length > 0 ? length : 0] = '\0';
	trace->target.pid = (uint32_t)getpid();
	trace->target.runtime = "toygil";
	trace->target.design = runtime->design->name;
	snprintf(trace->target.version, sizeof(trace->target.version), "%s", TOYGIL_VERSION);
	trace->start_ns = runtime->started_ns;
	trace->duration_ns = runtime->ended_ns - runtime->started_ns;
	trace->end = TRACE_END_EXITED;
	err = add_process(trace);
	for (uint32_t i = 0; !err && i < runtime->interpreter_count; i++)
		err = add_interpreter(trace, &runtime->interpreters[i], runtime->ended_ns);
	fill_probes(&trace->probes, runtime);
	return err ? err : trace__finish(trace);
}

static int write_file(const struct trace *trace, const char *path)
{
	struct output output;
	int err = output__open(&output, path);

	if (err)
		return err;
	err = report__json(trace, output.stream);
	if (!err)
		return output__commit(&output);
	output__abandon(&output);
	return err;
}

int books__write(const struct runtime *runtime, const char *path)
{
	struct trace *trace = trace__new();
	int err;

	if (!trace)
		return -ENOMEM;
	err = fill(trace, runtime);
	if (!err)
		err = write_file(trace, path);
	trace__free(trace);
	return err;
}
