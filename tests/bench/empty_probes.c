/* SPDX-License-Identifier: MIT */
/*
 * For the benchmark: puts a probe that does nothing at the given offsets of a file that a process has mapped, says
 * "attached", and keeps it there until its input ends. What this costs is the floor for any tracer by uprobes.
 *
 *     empty_probes PID FILE OFFSET...
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ATTACH_UPROBE_MULTI 48
#define LINK_CREATE         28
#define MAX_OFFSETS         64

struct uprobe_multi_attr {
	uint32_t prog_fd, target_fd, attach_type, flags;
	uint64_t path, offsets, ref_ctr_offsets, cookies;
	uint32_t count, multi_flags, pid, pad;
};

static int load_empty_program(void)
{
	const struct bpf_insn program[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = ATTACH_UPROBE_MULTI);

	return bpf_prog_load(BPF_PROG_TYPE_KPROBE, "empty", "GPL", program, 2, &options);
}

int main(int argc, char **argv)
{
	uint64_t offsets[MAX_OFFSETS];
	struct uprobe_multi_attr attr = {.attach_type = ATTACH_UPROBE_MULTI};
	int program = load_empty_program();

	if (argc < 4 || argc - 3 > MAX_OFFSETS || program < 0) {
		fprintf(stderr, "empty_probes: usage: empty_probes PID FILE OFFSET... (as root)\n");
		return 2;
	}
	for (int i = 3; i < argc; i++)
		offsets[i - 3] = strtoull(argv[i], NULL, 0);
	attr.prog_fd = (uint32_t)program;
	attr.pid = (uint32_t)atoi(argv[1]);
	attr.path = (uint64_t)(uintptr_t)argv[2];
	attr.offsets = (uint64_t)(uintptr_t)offsets;
	attr.count = (uint32_t)(argc - 3);
	if (syscall(SYS_bpf, LINK_CREATE, &attr, sizeof(attr)) < 0) {
		fprintf(stderr, "empty_probes: cannot attach: %s\n", strerror(errno));
		return 1;
	}
	printf("attached\n");
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}
