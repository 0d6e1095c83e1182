/* SPDX-License-Identifier: MIT */
/* Tracing what the command line names: see session.h. */
#include "tools/giltrace/session.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "tools/giltrace/commands.h"
#include "user/target/launch.h"
#include "user/target/plan.h"
#include "user/target/process.h"
#include "user/target/runtime.h"

/* Of more processes, one link serves all: each takes tens of ms to remove. */
#define MOST_FILTERED 4

/* From here on SIGINT and SIGTERM come through a descriptor. */
static int catch_signals(struct session *session)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	session->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return session->signals < 0 ? -errno : 0;
}

/* The first signal is used up: the next one ends giltrace as it ends any program. */
static void release_signals(struct session *session)
{
	struct signalfd_siginfo info;
	sigset_t set;

	while (read(session->signals, &info, sizeof(info)) == sizeof(info))
		;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void swallow(int signal)
{
	(void)signal;
}

/*
 * While the command has no runtime yet there is nothing to report: the first SIGINT or SIGTERM is left to the command,
 * which may ignore it; the second one ends giltrace.
 */
static void leave_signals_to_command(struct session *session)
{
	struct sigaction once = {.sa_handler = swallow, .sa_flags = SA_RESETHAND | SA_RESTART};

	sigaction(SIGINT, &once, NULL);
	sigaction(SIGTERM, &once, NULL);
	release_signals(session);
}

static void take_signals_back(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
}

static int open_capture(struct session *session)
{
	bool is_recorded = session->options->recording || reports__want_events(&session->options->reports);
	struct capture_options options = {
		.level = session->options->level,
		.budget = session->options->budget_pct / 100,
		.scope = session->options->scope,
		.started = session->options->command != NULL,
		.unfiltered = session->options->pid_count > MOST_FILTERED,
		.stacks = session->options->stacks,
		.events = is_recorded ? session->options->events : TRACE_EVENTS_NONE,
		.depth = session->options->depth,
		.often = session->options->subcommand == COMMAND_TOP,
		.max_threads = session->options->max_threads,
	};

	for (size_t i = 0; i < session->process_count; i++)
		options.threads += process__threads(session->processes[i]);
	return capture__open(&options, &session->capture, session->why, SESSION_WHY_SIZE);
}

/* Opens a process and puts it into the session, as yet without a plan. */
static int add_process(struct session *session, pid_t pid)
{
	int err = process__open(pid, &session->processes[session->process_count]);

	if (err == -ESRCH)
		snprintf(session->why, SESSION_WHY_SIZE, "there is no process %d", pid);
	else if (err)
		snprintf(session->why, SESSION_WHY_SIZE, "process %d may not be looked at: %s; run giltrace with sudo",
			 pid, strerror(-err));
	else
		session->process_count++;
	return err;
}

/* The runtime of the process with this index. With --follow a process may do without: its children may have one. */
static int make_plan(struct session *session, size_t index)
{
	struct probe_plan *plan = malloc(sizeof(*plan));
	int err = plan ? runtime__plan(session->processes[index], plan, session->why, SESSION_WHY_SIZE) : -ENOMEM;

	if (!err) {
		session->plans[index] = plan;
		return 0;
	}
	free(plan);
	return err == -ENOENT && session->options->scope == TRACE_CHILDREN ? 0 : err;
}

static void *measure_price(void *argument)
{
	capture__measure_price(argument);
	return NULL;
}

/*
 * The kernel side is loaded first: that takes the most memory, and what the search for runtimes needs comes on top. The
 * price is measured beside the search.
 */
static int find_running(struct session *session)
{
	pthread_t thread;
	bool beside;
	int err = 0;

	for (size_t i = 0; !err && i < session->options->pid_count; i++)
		err = add_process(session, session->options->pids[i]);
	err = err ? err : open_capture(session);
	if (err)
		return err;
	beside = !pthread_create(&thread, NULL, measure_price, session->capture);
	for (size_t i = 0; !err && i < session->process_count; i++)
		err = make_plan(session, i);
	if (beside)
		pthread_join(thread, NULL);
	else
		capture__measure_price(session->capture);
	return err;
}

/*
 * The kernel side is loaded before the command starts, so that its runtime is held up only for the attaching. The first
 * process with a runtime may be a child of the command's.
 */
static int find_started(struct session *session)
{
	struct probe_plan *plan = malloc(sizeof(*plan));
	int err = plan ? open_capture(session) : -ENOMEM;

	session->plans[0] = plan; /* freed with the session */
	if (!err)
		capture__measure_price(session->capture);
	if (!err)
		err = launch__start(session->options->command, &session->launch, session->why, SESSION_WHY_SIZE);
	if (err)
		return err;
	leave_signals_to_command(session);
	err = launch__find(session->launch, &session->processes[0], plan, session->why, SESSION_WHY_SIZE);
	take_signals_back();
	if (err)
		return err;
	session->process_count = 1;
	if (session->options->scope == TRACE_CHILDREN &&
	    launch__pid(session->launch) != process__pid(session->processes[0]))
		err = add_process(session, launch__pid(session->launch));
	return err;
}

static int attach(struct session *session)
{
	int err = 0;

	for (size_t i = 0; !err && i < session->process_count; i++)
		err = session->plans[i] ? capture__attach(session->capture, session->processes[i], session->plans[i],
							  session->why, SESSION_WHY_SIZE)
					: capture__watch(session->capture, session->processes[i]);
	if (!err)
		err = capture__attach_scope(session->capture);
	return err < 0 ? err : 0;
}

int session__prepare(struct session *session)
{
	const struct options *options = session->options;
	int err = catch_signals(session);

	if (!err)
		err = options->command ? find_started(session) : find_running(session);
	if (!err)
		err = attach(session);
	if (!err)
		err = capture__activate(session->capture);
	if (err)
		release_signals(session);
	return err;
}

void session__begin(struct session *session)
{
	if (session->launch)
		launch__resume(session->launch);
	if (session->options->verbose)
		complain("tracing begins");
}

enum capture_end session__run(struct session *session, uint64_t due_ns)
{
	return capture__run(session->capture, session->options->duration_ns, due_ns, session->signals);
}

enum trace_end session__stop(struct session *session, enum capture_end end)
{
	static const enum trace_end ends[] = {
		[CAPTURE_TIME] = TRACE_END_TIME,     [CAPTURE_STOPPED] = TRACE_END_TIME,
		[CAPTURE_EXITED] = TRACE_END_EXITED, [CAPTURE_EXECED] = TRACE_END_EXECED,
		[CAPTURE_DUE] = TRACE_END_TIME,
	};

	capture__stop(session->capture);
	release_signals(session);
	return ends[end];
}

/*
 * Waits for the command, if there is one. Its status is ours, unless something went wrong here; then that is told, and
 * the command still runs to its end.
 */
int session__end_with_command(struct session *session, int err, int status)
{
	int command_status;

	if (!session->launch)
		return status;
	launch__resume(session->launch);
	command_status = launch__wait(session->launch);
	return status == STATUS_OK || err == -ENOEXEC ? command_status : status;
}

void session__free(struct session *session)
{
	capture__free(session->capture);
	session->capture = NULL;
	launch__free(session->launch);
	for (size_t i = 0; i < OPTIONS_MAX_PIDS; i++) {
		process__close(session->processes[i]);
		free(session->plans[i]);
	}
	if (session->signals >= 0)
		close(session->signals);
}
