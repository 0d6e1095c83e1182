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

/* Asks each adapter for one file: the first that knows it decides. */
static int plan_file(const struct process *process, const struct mapping *file, struct probe_plan *plan, char *why,
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

int runtime__plan(const struct process *process, struct probe_plan *plan, char *why, size_t why_size)
{
	struct failure failure = {0};
	struct mapping *files;
	ssize_t count = process__executable_files(process, &files);
	int err = -ENOENT;

	if (count < 0)
		return explain_no_files(process, (int)count, why, why_size);
	for (ssize_t i = 0; err && i < count; i++) {
		char clause[256] = "";

		err = plan_file(process, &files[i], plan, clause, sizeof(clause));
		if (err && err != -ENOENT)
			remember(&failure, &files[i], err, clause);
		if (err == -EPERM || err == -EACCES || err == -ENOMEM)
			break; /* the same for all */
	}
	if (err)
		err = explain(process, &failure, why, why_size);
	free(files);
	return err;
}
