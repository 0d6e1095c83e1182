/* SPDX-License-Identifier: MIT */
/* The BPF programs and their maps: sized, loaded and filled; and what can be done where that fails. */
#ifndef GILTRACE_CAPTURE_KERNEL_SIDE_H
#define GILTRACE_CAPTURE_KERNEL_SIDE_H

#include <stddef.h>

struct capture;
struct capture_options;

/*
 * Sets what the capture has of the kernel side: `bpf`, the rings, `slots`, `mapped_threads`. Returns 0, or -EPERM or
 * -ENOTSUP with a line for the user in `why`; kernel_side__unload() takes back what there is either way.
 */
int kernel_side__load(struct capture *capture, const struct capture_options *options, char *why, size_t why_size);

void kernel_side__unload(struct capture *capture);

#endif
