/* SPDX-License-Identifier: MIT */
/* Starting a command up to its runtime: see launch.h. */
#include "user/target/launch.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user/target/loader_watch.h"
#include "user/target/plan.h"
#include "user/target/process.h"
#include "user/target/runtime.h"

#define MAX_TRACEES 4096
#define OPTIONS \
	(PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD)

/*
 * A thread that ptrace holds. `watch` is a breakpoint in its dynamic loader, or -1 (user/target/loader_watch.h). Where
 * there is none, it is stopped at its system calls while `loading`, as the loader runs, at [loader_start, loader_end).
 */
struct tracee {
	pid_t tid;
	int watch;
	bool loading;
	uint64_t loader_start, loader_end;
};

struct launch {
	pid_t command;
	int status; /* of the command, once `reaped` */
	bool reaped;
	int exec_error; /* a pipe: the errno of an exec that failed */
	size_t count;
	struct tracee tracees[MAX_TRACEES];
};

/* In the child: waits to be held, then becomes the command. The pipes close themselves at exec. */
static void become_command(char *const argv[], int go, int exec_error)
{
	sigset_t none;
	char byte;
	int err;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (read(go, &byte, 1) != 1)
		_exit(126);
	execvp(argv[0], argv);
	err = errno;
	if (write(exec_error, &err, sizeof(err)) != sizeof(err))
		_exit(126);
	_exit(err == ENOENT ? 127 : 126);
}

static struct tracee *find_tracee(struct launch *launch, pid_t tid)
{
	for (size_t i = 0; i < launch->count; i++)
		if (launch->tracees[i].tid == tid)
			return &launch->tracees[i];
	return NULL;
}

static struct tracee *add_tracee(struct launch *launch, pid_t tid)
{
	struct tracee *tracee = find_tracee(launch, tid);

	if (!tracee && launch->count < MAX_TRACEES) {
		tracee = &launch->tracees[launch->count++];
		*tracee = (struct tracee){.tid = tid, .watch = -1};
	}
	return tracee;
}

static void unwatch(struct tracee *tracee)
{
	if (tracee->watch >= 0)
		close(tracee->watch);
	tracee->watch = -1;
}

static void remove_tracee(struct launch *launch, pid_t tid)
{
	struct tracee *tracee = find_tracee(launch, tid);

	if (!tracee)
		return;
	unwatch(tracee);
	*tracee = launch->tracees[--launch->count];
}

/* A thread ended, as waitpid told: when it was the command itself, that is its status. */
static void note_end(struct launch *launch, pid_t tid, int status)
{
	remove_tracee(launch, tid);
	if (tid == launch->command) {
		launch->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		launch->reaped = true;
	}
}

static int start(struct launch *launch, char *const argv[], int go[2])
{
	int exec_error[2];

	if (pipe2(exec_error, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	launch->exec_error = exec_error[0];
	launch->command = fork();
	if (!launch->command) {
		close(go[1]); /* so that it notices when nobody can let it go */
		become_command(argv, go[0], exec_error[1]);
	}
	close(exec_error[1]);
	if (launch->command < 0 || ptrace(PTRACE_SEIZE, launch->command, NULL, OPTIONS) || write(go[1], "", 1) != 1)
		return -errno;
	add_tracee(launch, launch->command);
	return 0;
}

int launch__start(char *const argv[], struct launch **out, char *why, size_t why_size)
{
	struct launch *launch = calloc(1, sizeof(*launch));
	int go[2], err;

	if (!launch || pipe2(go, O_CLOEXEC)) {
		free(launch);
		return -ENOMEM;
	}
	launch->exec_error = -1;
	err = start(launch, argv, go);
	close(go[0]);
	close(go[1]); /* a child that was not held yet ends itself now */
	if (err) {
		snprintf(why, why_size, "cannot start %s under control: %s", argv[0], strerror(-err));
		launch__free(launch);
		return err;
	}
	*out = launch;
	return 0;
}

/*
 * Following a program: from its exec on we stop at each change that its dynamic loader makes, as long as none of its
 * libraries has a runtime. All of a program's first libraries are one change; none of its code has run then. Where such
 * stops cannot be had we stop at its system calls, until the first that does not come from the loader.
 */

/* AT_BASE of the process's auxiliary vector: where its loader is; 0 when it has none. */
static uint64_t loader_base(pid_t pid)
{
	Elf64_auxv_t vector[64];
	ssize_t size = 0;
	uint64_t base = 0;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		size = read(fd, vector, sizeof(vector));
		close(fd);
	}
	for (ssize_t i = 0; i < size / (ssize_t)sizeof(*vector); i++)
		if (vector[i].a_type == AT_BASE)
			base = vector[i].a_un.a_val;
	return base;
}

/* The loader's code: the first executable mapping from its base on. NULL: it has none. */
static const struct mapping *loader_of(const struct mapping *files, ssize_t count, uint64_t base)
{
	const struct mapping *loader = NULL;

	for (ssize_t i = 0; base && i < count; i++)
		if (files[i].start >= base && (!loader || files[i].start < loader->start))
			loader = &files[i];
	return loader;
}

/* A process that is new, or its program is. */
static void begin(struct tracee *tracee, bool loading)
{
	const struct mapping *loader;
	struct process *process;
	struct mapping *files = NULL;
	ssize_t count;

	unwatch(tracee);
	tracee->loading = loading;
	tracee->loader_start = tracee->loader_end = 0;
	if (process__open(tracee->tid, &process)) /* it was killed; or it is a thread, and its process is watched */
		return;
	count = process__executable_files(process, &files);
	loader = loader_of(files, count, loader_base(tracee->tid));
	if (loader) {
		tracee->loader_start = loader->start;
		tracee->loader_end = loader->end;
		tracee->watch = loader_watch__open(process, loader);
		tracee->loading = loading && tracee->watch < 0;
	}
	free(files);
	process__close(process);
}

static bool in_loader(const struct tracee *tracee)
{
	struct __ptrace_syscall_info info = {0};

	if (ptrace(PTRACE_GET_SYSCALL_INFO, tracee->tid, sizeof(info), &info) <= 0)
		return false;
	return info.instruction_pointer >= tracee->loader_start && info.instruction_pointer <= tracee->loader_end;
}

/* The program of this stopped tracee is loaded: has it a runtime? 0, -ENOENT, or another -errno with `why`. */
static int recognise(pid_t pid, struct process **process, struct probe_plan *plan, char *why, size_t why_size)
{
	int err = process__open(pid, process);

	if (err)
		return -ENOENT; /* it was killed */
	err = runtime__plan(*process, plan, why, why_size);
	if (!err)
		return 0;
	process__close(*process);
	*process = NULL;
	return err == -ESRCH ? -ENOENT : err;
}

/* What a stopped tracee is to be given when it goes on: the signal that it stopped for, unless that was only ours. */
static int own_signal(pid_t tid, int status)
{
	int signal = WSTOPSIG(status);

	if (status >> 16 || signal == (SIGTRAP | 0x80) || (signal == SIGTRAP && loader_watch__is_hit(tid)))
		return 0;
	return signal;
}

/* Lets a stopped tracee go on in the way that fits why it stopped. */
static void go_on(const struct tracee *tracee, int status)
{
	int signal = WSTOPSIG(status), event = status >> 16;
	bool job_control = signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;

	if (event == PTRACE_EVENT_STOP && job_control) {
		ptrace(PTRACE_LISTEN, tracee->tid, NULL, NULL);
		return;
	}
	ptrace(tracee->loading ? PTRACE_SYSCALL : PTRACE_CONT, tracee->tid, NULL,
	       (long)own_signal(tracee->tid, status));
}

/* Takes in why a tracee stopped. True: its libraries may have a runtime now. */
static bool take_in(struct tracee *tracee, bool known, int status)
{
	if (status >> 16 == PTRACE_EVENT_EXEC || !known)
		begin(tracee, status >> 16 == PTRACE_EVENT_EXEC);
	else if (tracee->loading && WSTOPSIG(status) == (SIGTRAP | 0x80) && !in_loader(tracee))
		tracee->loading = false;
	else
		return status >> 16 == 0 && WSTOPSIG(status) == SIGTRAP && loader_watch__is_hit(tracee->tid);
	return status >> 16 == 0;
}

/* The command is gone: was it never one? */
static int ended_without_runtime(const struct launch *launch, char *why, size_t why_size)
{
	int err;

	if (read(launch->exec_error, &err, sizeof(err)) == sizeof(err)) {
		snprintf(why, why_size, "cannot run the command: %s", strerror(err));
		return -ENOEXEC;
	}
	snprintf(why, why_size, "the command ended, and no process of it had an interpreter lock to trace");
	return -ENOENT;
}

int launch__find(struct launch *launch, struct process **process, struct probe_plan *plan, char *why, size_t why_size)
{
	int err = 0;

	while (!err && launch->count) {
		int status;
		pid_t tid = waitpid(-1, &status, __WALL);
		struct tracee *tracee;
		bool known;

		if (tid < 0)
			break;
		if (!WIFSTOPPED(status)) {
			note_end(launch, tid, status);
			continue;
		}
		known = find_tracee(launch, tid);
		tracee = add_tracee(launch, tid);
		if (!tracee)
			return -ENOSPC;
		if (take_in(tracee, known, status)) {
			err = recognise(tid, process, plan, why, why_size);
			if (!err)
				return 0;
			err = err == -ENOENT ? 0 : err;
		}
		go_on(tracee, status);
	}
	launch__resume(launch);
	return err ? err : ended_without_runtime(launch, why, why_size);
}

/* Lets a stopped tracee get a signal of its breakpoint that is on the way, which would kill it when nobody held it. */
static int take_pending(pid_t tid, int status)
{
	while (WIFSTOPPED(status) && loader_watch__is_pending(tid))
		if (ptrace(PTRACE_CONT, tid, NULL, (long)own_signal(tid, status)) ||
		    waitpid(tid, &status, __WALL) != tid)
			break;
	return status;
}

/* Detaching needs a stopped tracee: one that runs is interrupted first. The signal it stopped for, if any, goes with
 * it. */
static void let_go(struct launch *launch, pid_t tid)
{
	int status = 0;

	if (!ptrace(PTRACE_DETACH, tid, NULL, NULL) || ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) ||
	    waitpid(tid, &status, __WALL) != tid)
		return;
	status = take_pending(tid, status);
	if (!WIFSTOPPED(status))
		note_end(launch, tid, status);
	else
		ptrace(PTRACE_DETACH, tid, NULL, (long)own_signal(tid, status));
}

pid_t launch__pid(const struct launch *launch)
{
	return launch->command;
}

void launch__resume(struct launch *launch)
{
	for (size_t i = 0; i < launch->count; i++)
		unwatch(&launch->tracees[i]);
	while (launch->count) {
		pid_t tid = launch->tracees[launch->count - 1].tid;

		let_go(launch, tid);
		remove_tracee(launch, tid);
	}
}

int launch__wait(struct launch *launch)
{
	int status;

	while (!launch->reaped) {
		if (waitpid(launch->command, &status, 0) == launch->command)
			note_end(launch, launch->command, status);
		else if (errno != EINTR)
			return 1;
	}
	return launch->status;
}

void launch__free(struct launch *launch)
{
	if (!launch)
		return;
	launch__resume(launch);
	if (launch->exec_error >= 0)
		close(launch->exec_error);
	free(launch);
}
