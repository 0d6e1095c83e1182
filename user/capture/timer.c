/* SPDX-License-Identifier: MIT */
/* A timer on each CPU: see timer.h. */
#include "user/capture/timer.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "user/capture/capture_state.h"

/*
 * Nanoseconds from one look to the next: a prime number a second, so that it beats with nothing. Each look takes a few
 * us, and only when somebody waits; but threads that hand a lock on each few us fall out of step at each interrupt.
 */
#define OFTEN_NS  (1000000000 / 499)
#define SELDOM_NS (1000000000 / 7)

/* Often, for at least KEPT_OFTEN_NS, when long sleeps are one part in LONG_PART of the time of this length, or more. */
#define ADAPT_NS      100000000
#define KEPT_OFTEN_NS 1000000000
#define LONG_PART     20

struct timer {
	int count;
	struct bpf_link **links;
	int *clocks; /* the links' file descriptors */
	uint64_t period_ns;
	uint64_t adapted_ns, slept_ns; /* when it was adapted last, and `long_sleeps_ns` then */
	uint64_t wanted_ns;            /* when it was found last that it should look often */
};

static int open_clock(int cpu)
{
	struct perf_event_attr attributes = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.size = sizeof(attributes),
		.sample_period = OFTEN_NS,
		.exclude_idle = 1,
	};
	long fd = syscall(SYS_perf_event_open, &attributes, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : (int)fd;
}

void timer__stop(struct timer *timer)
{
	if (!timer)
		return;
	for (int i = 0; i < timer->count; i++)
		bpf_link__destroy(timer->links[i]);
	free(timer->links);
	free(timer->clocks);
	free(timer);
}

static void set_period(struct timer *timer, uint64_t period_ns)
{
	if (timer->period_ns == period_ns)
		return;
	timer->period_ns = period_ns;
	for (int i = 0; i < timer->count; i++)
		ioctl(timer->clocks[i], PERF_EVENT_IOC_PERIOD, &period_ns);
}

void timer__adapt(struct timer *timer, const struct giltrace_bpf *bpf, uint64_t now_ns)
{
	uint64_t slept_ns = bpf->bss->long_sleeps_ns;

	if (!timer || now_ns < timer->adapted_ns + ADAPT_NS)
		return;
	if (bpf->bss->any_always || (slept_ns - timer->slept_ns) * LONG_PART >= now_ns - timer->adapted_ns)
		timer->wanted_ns = now_ns;
	set_period(timer, now_ns < timer->wanted_ns + KEPT_OFTEN_NS ? OFTEN_NS : SELDOM_NS);
	timer->adapted_ns = now_ns;
	timer->slept_ns = slept_ns;
}

int timer__start(struct giltrace_bpf *bpf, struct timer **out)
{
	int cpus = libbpf_num_possible_cpus(), err = 0;
	struct timer *timer = calloc(1, sizeof(*timer));

	if (!timer || cpus <= 0)
		goto no_memory;
	timer->links = calloc((size_t)cpus, sizeof(*timer->links));
	timer->clocks = calloc((size_t)cpus, sizeof(*timer->clocks));
	if (!timer->links || !timer->clocks)
		goto no_memory;
	timer->period_ns = OFTEN_NS;
	timer->adapted_ns = capture__now();
	for (int cpu = 0; cpu < cpus && !err; cpu++) {
		int fd = open_clock(cpu);
		struct bpf_link *link;

		if (fd == -ENODEV)
			continue; /* this one is not there, or switched off */
		link = fd < 0 ? NULL : bpf_program__attach_perf_event(bpf->progs.on_timer, fd); /* it owns fd then */
		timer->clocks[timer->count] = fd;
		if (link)
			timer->links[timer->count++] = link;
		else
			err = fd < 0 ? fd : -errno;
		if (!link && fd >= 0)
			close(fd);
	}
	if (err) {
		timer__stop(timer);
		return err;
	}
	*out = timer;
	return 0;
no_memory:
	timer__stop(timer);
	return -ENOMEM;
}
