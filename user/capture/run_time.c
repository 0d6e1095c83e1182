/* SPDX-License-Identifier: MIT */
/* The kernel's account of the programs: see run_time.h. */
#include "user/capture/run_time.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>

#include "giltrace.skel.h"

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
	return sum;
}
