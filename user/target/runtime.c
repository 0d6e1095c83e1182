/* SPDX-License-Identifier: MIT */
/* The registry of runtime adapters: see runtime.h. */
#include "user/target/runtime.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/target/cpython.h"
#include "user/target/plan.h"
#include "user/target/process.h"
#include "user/target/toygil.h"

const struct runtime_adapter *const runtime_adapters[] = {
	&cpython_adapter,
	&toygil_adapter,
	NULL,
};

int runtime__plan_file(const struct process *process, const struct mapping *file, struct probe_plan *plan, char *why,
		       size_t why_size)
{
	int err = -ENOENT;

	for (size_t i = 0; runtime_adapters[i] && err == -ENOENT; i++) {
		err = runtime_adapters[i]->plan(process, file, plan, why, why_size);
		if (!err)
			plan->adapter = runtime_adapters[i];
	}
	return err;
}

/* Why no plan could be made of the file that came closest to being a runtime's. */
struct failure {
	const struct mapping *file;
	int err;
	char clause[256];
};

/* The first refusal counts; a file that is merely damaged may be anything, and counts only if there is none. */
static void remember(struct failure *failure, const struct mapping *file, int err, const char *clause)
{
	if (failure->file && (failure->err != -ENOEXEC || err == -ENOEXEC))
		return;
	failure->file = file;
	failure->err = err;
	snprintf(failure->clause, sizeof(failure->clause), "%s", clause);
}

static int explain(const struct process *process, const struct failure *failure, char *why, size_t why_size)
{
	int pid = process__pid(process);

	if (!process__alive(process)) {
		snprintf(why, why_size, "process %d ended while it was looked at", pid);
		return -ESRCH;
	}
	if (!failure->file) {
		snprintf(why, why_size, "process %d (%s) has no Python interpreter mapped", pid, process__exe(process));
		return -ENOENT;
	}
	if (failure->err == -ENOEXEC) {
		snprintf(why, why_size, "process %d (%s) has no Python interpreter mapped; but %s cannot be read: %s",
			 pid, process__exe(process), failure->file->path, failure->clause);
		return -ENOENT;
	}
	if (failure->err == -EPERM || failure->err == -EACCES)
		snprintf(why, why_size,
			 "process %d: no permission to read the files that it has mapped (%s); run as root", pid,
			 failure->file->path);
	else
		snprintf(why, why_size, "process %d: %s: %s", pid, failure->file->path, failure->clause);
	return failure->err;
}

static int explain_no_files(const struct process *process, int err, char *why, size_t why_size)
{
	int pid = process__pid(process);

	if (err == -ESRCH)
		snprintf(why, why_size, "process %d has ended", pid);
	else if (err == -EPERM || err == -EACCES)
		snprintf(why, why_size, "process %d: no permission to see what it has mapped; run as root", pid);
	else
		snprintf(why, why_size, "process %d: its mappings cannot be read: %s", pid, strerror(-err));
	return err;
}

/* Whether the runtime in this file is the one that runs: several may be mapped, and one only be there for another use.
 */
static bool is_initialised(const struct process *process, const struct probe_plan *plan)
{
	uint64_t lock;

	return !plan->adapter->main_lock || !plan->adapter->main_lock(process, plan, &lock);
}

/*
 * Goes through the files for one with a runtime that is initialised; else takes the first with a runtime. 0, or -ENOENT
 * with *failure filled in.
 */
static int choose_file(const struct process *process, const struct mapping *files, ssize_t count,
		       struct probe_plan *plan, struct failure *failure)
{
	struct probe_plan *other = malloc(sizeof(*other));
	bool found = false;

	if (!other)
		return -ENOMEM;
	for (ssize_t i = 0; i < count; i++) {
		char clause[256] = "";
		int err = runtime__plan_file(process, &files[i], other, clause, sizeof(clause));
		bool initialised = !err && is_initialised(process, other);

		if (!err && (!found || initialised))
			*plan = *other;
		found |= !err;
		if (err && err != -ENOENT)
			remember(failure, &files[i], err, clause);
		if (initialised || err == -EPERM || err == -EACCES || err == -ENOMEM)
			break; /* the errors are the same for all */
	}
	free(other);
	return found ? 0 : -ENOENT;
}

int runtime__plan(const struct process *process, struct probe_plan *plan, char *why, size_t why_size)
{
	struct failure failure = {0};
	struct mapping *files;
	ssize_t count = process__executable_files(process, &files);
	int err;

	if (count < 0)
		return explain_no_files(process, (int)count, why, why_size);
	err = choose_file(process, files, count, plan, &failure);
	if (err)
		err = explain(process, &failure, why, why_size);
	free(files);
	return err;
}
