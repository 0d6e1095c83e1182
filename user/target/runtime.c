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

const struct runtime_adapter *const runtime_adapters[] = {
	&cpython_adapter,
	NULL,
};

/* Asks each adapter for one file. */
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

/* The message about one file that was no success. */
static int explain(const struct process *process, const struct mapping *file, int err, const char *clause, char *why,
		   size_t why_size)
{
	if (!process__alive(process)) {
		snprintf(why, why_size, "process %d ended while it was looked at", (int)process__pid(process));
		return -ESRCH;
	}
	if (err == -EPERM || err == -EACCES)
		snprintf(why, why_size,
			 "process %d: no permission to read the files that it has mapped (%s); run as root",
			 (int)process__pid(process), file->path);
	else
		snprintf(why, why_size, "process %d: %s: %s", (int)process__pid(process), file->path, clause);
	return err;
}

/* The message when no file is a runtime's; `broken`: the first file that could not be read, or NULL. */
static int explain_none(const struct process *process, const struct mapping *broken, const char *clause, char *why,
			size_t why_size)
{
	int pid = process__pid(process);

	if (!process__alive(process)) {
		snprintf(why, why_size, "process %d ended while it was looked at", pid);
		return -ESRCH;
	}
	if (broken)
		snprintf(why, why_size,
			 "process %d (%s) has no Python interpreter mapped; one file could not be read: %s: %s", pid,
			 process__exe(process), broken->path, clause);
	else
		snprintf(why, why_size, "process %d (%s) has no Python interpreter mapped", pid, process__exe(process));
	return -ENOENT;
}

int runtime__plan(const struct process *process, struct probe_plan *plan, char *why, size_t why_size)
{
	char clause[256] = "", broken_clause[256] = "";
	const struct mapping *broken = NULL;
	struct mapping *files;
	ssize_t count = process__executable_files(process, &files);
	ssize_t last = 0;
	int err = -ENOENT;

	if (count == -ESRCH || count == -ENOENT) {
		snprintf(why, why_size, "process %d has ended", (int)process__pid(process));
		return -ESRCH;
	}
	if (count < 0) {
		snprintf(why, why_size, "process %d: no permission to see what it has mapped (%s); run as root",
			 (int)process__pid(process), strerror((int)-count));
		return (int)count;
	}
	for (; last < count; last++) {
		err = plan_file(process, &files[last], plan, clause, sizeof(clause));
		if (err == -ENOEXEC && !broken) {
			broken = &files[last];
			memcpy(broken_clause, clause, sizeof(clause));
		}
		if (err != -ENOENT && err != -ENOEXEC)
			break;
	}
	if (err && last < count)
		err = explain(process, &files[last], err, clause, why, why_size);
	else if (err)
		err = explain_none(process, broken, broken_clause, why, why_size);
	free(files);
	return err;
}
