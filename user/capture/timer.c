/* SPDX-License-Identifier: MIT */
/* A timer on each CPU: see timer.h. */
#include "user/capture/timer.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "giltrace.skel.h"

/* A prime, so that it beats with nothing; each look takes a few us, and only when somebody waits. */
#define LOOKS_A_SECOND 499

struct timer {
	int count;
	struct bpf_link **links;
};

static int open_clock(int cpu)
{
	struct perf_event_attr attributes = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.size = sizeof(attributes),
		.sample_freq = LOOKS_A_SECOND,
		.freq = 1,
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
	free(timer);
}

int timer__start(struct giltrace_bpf *bpf, struct timer **out)
{
	int cpus = libbpf_num_possible_cpus(), err = 0;
	struct timer *timer = calloc(1, sizeof(*timer));

	if (!timer || cpus <= 0)
		goto no_memory;
	timer->links = calloc((size_t)cpus, sizeof(*timer->links));
	if (!timer->links)
		goto no_memory;
	for (int cpu = 0; cpu < cpus && !err; cpu++) {
		int fd = open_clock(cpu);
		struct bpf_link *link;

		if (fd == -ENODEV)
			continue; /* this one is not there, or switched off */
		link = fd < 0 ? NULL : bpf_program__attach_perf_event(bpf->progs.on_timer, fd); /* it owns fd then */
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
	free(timer);
	return -ENOMEM;
}
