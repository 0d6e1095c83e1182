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

#include "user/target/plan.h"
#include "user/target/process.h"
#include "user/target/runtime.h"

#define MAX_TRACEES 4096
#define OPTIONS \
	(PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD)

/* A thread that ptrace holds. While `loading`, its program's dynamic loader runs, at [loader_start, loader_end). */
struct tracee {
	pid_t tid;
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
		*tracee = (struct tracee){.tid = tid};
	}
	return tracee;
}

static void remove_tracee(struct launch *launch, pid_t tid)
{
	struct tracee *tracee = find_tracee(launch, tid);

	if (tracee)
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
	if (!launch->command)
		become_command(argv, go[0], exec_error[1]);
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
 * Following a program's start: from its exec on we stop at its system calls, until the first that does not come from
 * the dynamic loader. Then all its libraries are mapped and none of its own code has run but constructors.
 */

/* Where the program's loader is: AT_BASE of its auxiliary vector, up to the end of that executable mapping. */
static void find_loader(struct tracee *tracee)
{
	Elf64_auxv_t vector[64];
	struct process *process;
	struct mapping *files = NULL;
	uint64_t base = 0;
	char path[64];
	ssize_t size = 0, count;
	int fd;

	tracee->loader_start = tracee->loader_end = 0;
	snprintf(path, sizeof(path), "/proc/%d/auxv", tracee->tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		size = read(fd, vector, sizeof(vector));
		close(fd);
	}
	for (ssize_t i = 0; i < size / (ssize_t)sizeof(*vector); i++)
		if (vector[i].a_type == AT_BASE)
			base = vector[i].a_un.a_val;
	if (!base || process__open(tracee->tid, &process))
		return;
	count = process__executable_files(process, &files);
	for (ssize_t i = 0; i < count; i++) {
		if (files[i].start >= base && (!tracee->loader_end || files[i].start < tracee->loader_start)) {
			tracee->loader_start = files[i].start;
			tracee->loader_end = files[i].end;
		}
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

/* Lets a stopped tracee go on in the way that fits why it stopped. */
static void go_on(const struct tracee *tracee, int status)
{
	int signal = WSTOPSIG(status), event = status >> 16;
	bool job_control = signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;

	if (event == PTRACE_EVENT_STOP && job_control) {
		ptrace(PTRACE_LISTEN, tracee->tid, NULL, NULL);
		return;
	}
	if (event || signal == (SIGTRAP | 0x80))
		signal = 0;
	ptrace(tracee->loading ? PTRACE_SYSCALL : PTRACE_CONT, tracee->tid, NULL, (long)signal);
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

		if (tid < 0)
			break;
		if (!WIFSTOPPED(status)) {
			note_end(launch, tid, status);
			continue;
		}
		tracee = add_tracee(launch, tid);
		if (!tracee)
			return -ENOSPC;
		if (status >> 16 == PTRACE_EVENT_EXEC) {
			tracee->loading = true;
			find_loader(tracee);
		} else if (tracee->loading && WSTOPSIG(status) == (SIGTRAP | 0x80) && !in_loader(tracee)) {
			tracee->loading = false;
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

/* Detaching needs a stopped tracee: one that runs is interrupted first. The signal it stopped for, if any, goes with
 * it. */
static void let_go(struct launch *launch, pid_t tid)
{
	int status = 0;

	if (!ptrace(PTRACE_DETACH, tid, NULL, NULL) || ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) ||
	    waitpid(tid, &status, __WALL) != tid)
		return;
	if (!WIFSTOPPED(status))
		note_end(launch, tid, status);
	else
		ptrace(PTRACE_DETACH, tid, NULL,
		       status >> 16 || WSTOPSIG(status) == (SIGTRAP | 0x80) ? 0L : (long)WSTOPSIG(status));
}

pid_t launch__pid(const struct launch *launch)
{
	return launch->command;
}

void launch__resume(struct launch *launch)
{
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
