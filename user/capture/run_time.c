/* SPDX-License-Identifier: MIT */
/* The kernel's account of the programs: see run_time.h. */
#include "user/capture/run_time.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "bpf/giltrace.h"
#include "giltrace.skel.h"

#define FIRST_GAP_NS 20000000 /* to the second sample; each gap is twice as long as the last, */
#define MOST_GAP_NS  1000000000

int run_time__keep(void)
{
	int fd = bpf_enable_stats(BPF_STATS_RUN_TIME);

	return fd < 0 ? -errno : fd;
}

struct run_time run_time__read(const struct giltrace_bpf *bpf)
{
	struct run_time sum = {0};
	struct bpf_program *program;

	bpf_object__for_each_program(program, bpf->obj)
	{
		struct bpf_prog_info info = {0};
		uint32_t size = sizeof(info);

		if (bpf_program__type(program) != BPF_PROG_TYPE_KPROBE || bpf_program__fd(program) < 0 ||
		    bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size))
			continue;
		sum.ns += info.run_time_ns;
		sum.runs += info.run_cnt;
	}
	/* Waiters that sleep already look from the scheduler's hook, which is no probe's program. */
	sum.look_ns = bpf->bss->walk_counts[WAITER_LOOK_NS] - bpf->bss->walk_counts[SCHEDULER_LOOK_NS] +
		      bpf->bss->walk_counts[RELEASE_LOOK_NS];
	return sum;
}

double run_time__mean(const struct run_time *before, const struct run_time *now)
{
	uint64_t runs = now->runs - before->runs;
	double ns = (double)(now->ns - before->ns) - (double)(now->look_ns - before->look_ns);

	return runs ? fmax(0, ns / (double)runs) : 0;
}

void run_samples__end(struct run_samples *samples, const struct giltrace_bpf *bpf)
{
	struct run_time now;

	if (!samples->kept)
		return;
	now = run_time__read(bpf);
	samples->ns += run_time__mean(&samples->since, &now) * (double)(now.runs - samples->since.runs);
	samples->runs += now.runs - samples->since.runs;
	close(samples->account);
	samples->kept = false;
}

void run_samples__go_on(struct run_samples *samples, const struct giltrace_bpf *bpf, uint64_t now)
{
	if (samples->kept) {
		run_samples__end(samples, bpf);
	} else if (now >= samples->next_ns) {
		samples->gap_ns = samples->gap_ns ? 2 * samples->gap_ns : FIRST_GAP_NS;
		if (samples->gap_ns > MOST_GAP_NS)
			samples->gap_ns = MOST_GAP_NS;
		samples->next_ns = now + samples->gap_ns;
		samples->account = run_time__keep();
		samples->kept = samples->account >= 0;
		samples->since = run_time__read(bpf);
	}
}

double run_samples__mean(const struct run_samples *samples)
{
	return samples->runs ? samples->ns / (double)samples->runs : 0;
}
