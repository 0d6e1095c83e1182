/* SPDX-License-Identifier: MIT */
/* Finding runtimes: see discovery.h. */
#include "user/capture/discovery.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>

#include "user/capture/files.h"
#include "user/target/plan.h"
#include "user/target/process.h"
#include "user/target/runtime.h"

#define MAX_VERDICTS 65536 /* files remembered, then forgotten all at once */
#define MAX_EXPECTED 1024  /* processes looked at repeatedly, the oldest forgotten first */

/* When a new program's libraries are looked for, in ms after it began. */
static const int looks_ms[] = {0, 1, 3, 8, 20, 50, 120, 300, 1000};
#define LOOKS (sizeof(looks_ms) / sizeof(*looks_ms))

/* What a file was found to be. A runtime that is probed is known to `files` too. */
struct verdict {
	uint64_t device, inode;
	int result; /* 1: a runtime, probed; 0: none; -errno: a runtime that cannot be probed */
};

struct expected {
	pid_t pid;
	uint64_t began_ns;
	size_t look; /* the next of looks_ms */
};

struct discovery {
	struct files *files;
	size_t verdict_count;
	struct verdict *verdicts;
	size_t expected_count;
	struct expected expected[MAX_EXPECTED];
	uint64_t failures;
};

struct discovery *discovery__new(struct files *files)
{
	struct discovery *discovery = calloc(1, sizeof(*discovery));

	if (discovery)
		discovery->files = files;
	return discovery;
}

void discovery__free(struct discovery *discovery)
{
	if (!discovery)
		return;
	free(discovery->verdicts);
	free(discovery);
}

uint64_t discovery__failures(const struct discovery *discovery)
{
	return discovery->failures;
}

static const struct verdict *find_verdict(const struct discovery *discovery, const struct mapping *file)
{
	for (size_t i = 0; i < discovery->verdict_count; i++)
		if (discovery->verdicts[i].device == file->device && discovery->verdicts[i].inode == file->inode)
			return &discovery->verdicts[i];
	return NULL;
}

static void remember_verdict(struct discovery *discovery, const struct mapping *file, int result)
{
	if (discovery->verdict_count == MAX_VERDICTS)
		discovery->verdict_count = 0;
	if (!(discovery->verdict_count & (discovery->verdict_count - 1))) {
		size_t room = discovery->verdict_count ? 2 * discovery->verdict_count : 1;
		struct verdict *grown = realloc(discovery->verdicts, room * sizeof(*grown));

		if (!grown)
			return; /* it is looked at again */
		discovery->verdicts = grown;
	}
	discovery->verdicts[discovery->verdict_count++] =
		(struct verdict){.device = file->device, .inode = file->inode, .result = result};
}

/* A file that is damaged, or of another kind of machine, is no runtime; one that could not be read is not judged. */
static bool is_final(int err)
{
	return err == -ENOENT || err == -ENOEXEC || err == -ENODATA || err == -ENOTSUP;
}

static int judge(struct discovery *discovery, const struct process *process, const struct mapping *file)
{
	const struct verdict *known = find_verdict(discovery, file);
	struct probe_plan *plan;
	char path[PATH_MAX], why[512];
	int err;

	if (known)
		return known->result;
	plan = malloc(sizeof(*plan));
	if (!plan)
		return -ENOMEM;
	err = runtime__plan_file(process, file, plan, why, sizeof(why));
	if (!err) {
		process__mapping_path(process, file, path, sizeof(path));
		err = files__attach(discovery->files, plan, 0, path, why, sizeof(why));
	}
	free(plan);
	if (err == -ENOENT || err == -ENOEXEC)
		remember_verdict(discovery, file, 0);
	else if (!err || is_final(err))
		remember_verdict(discovery, file, err ? err : 1);
	return err == -ENOENT || err == -ENOEXEC ? 0 : err ? err : 1;
}

int discovery__look(struct discovery *discovery, const struct process *process)
{
	struct mapping *files;
	ssize_t count = process__executable_files(process, &files);
	int result = 0;

	if (count < 0)
		return (int)count;
	for (ssize_t i = 0; i < count; i++) {
		int one = judge(discovery, process, &files[i]);

		if (one == 1 || (one && !result))
			result = one;
	}
	free(files);
	return result;
}

/* The process's own entry, a new one, or that of the oldest. */
static struct expected *place_for(struct discovery *discovery, pid_t pid)
{
	struct expected *oldest = discovery->expected;

	for (size_t i = 0; i < discovery->expected_count; i++) {
		if (discovery->expected[i].pid == pid)
			return &discovery->expected[i];
		if (discovery->expected[i].began_ns < oldest->began_ns)
			oldest = &discovery->expected[i];
	}
	if (discovery->expected_count < MAX_EXPECTED)
		return &discovery->expected[discovery->expected_count++];
	return oldest;
}

void discovery__expect(struct discovery *discovery, pid_t pid, uint64_t now_ns)
{
	*place_for(discovery, pid) = (struct expected){.pid = pid, .began_ns = now_ns};
}

/* False: there is nothing left to look for. */
static bool look_again(struct discovery *discovery, struct expected *expected, uint64_t now_ns)
{
	struct process *process;
	int result;

	if (process__open(expected->pid, &process))
		return false;
	result = discovery__look(discovery, process);
	process__close(process);
	while (expected->look < LOOKS && now_ns >= expected->began_ns + (uint64_t)looks_ms[expected->look] * 1000000)
		expected->look++;
	if (result < 0 && result != -ESRCH)
		discovery->failures++;
	return !result && expected->look < LOOKS;
}

int discovery__go_on(struct discovery *discovery, uint64_t now_ns)
{
	uint64_t next = UINT64_MAX;
	size_t kept = 0;

	for (size_t i = 0; i < discovery->expected_count; i++) {
		struct expected *expected = &discovery->expected[i];
		uint64_t due = expected->began_ns + (uint64_t)looks_ms[expected->look] * 1000000;

		if (due <= now_ns && !look_again(discovery, expected, now_ns))
			continue;
		due = expected->began_ns + (uint64_t)looks_ms[expected->look] * 1000000;
		next = due < next ? due : next;
		discovery->expected[kept++] = *expected;
	}
	discovery->expected_count = kept;
	if (!kept)
		return -1;
	return next <= now_ns ? 0 : (int)((next - now_ns) / 1000000 + 1);
}
