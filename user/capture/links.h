/* SPDX-License-Identifier: MIT */
/* Uprobe links: all the sites of one file in one link where the kernel can, one link a site where it cannot. */
#ifndef GILTRACE_CAPTURE_LINKS_H
#define GILTRACE_CAPTURE_LINKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bpf/giltrace.h"

struct giltrace_bpf;
struct bpf_link;

#define LINKS_MAX_SITES 256

struct link_site {
	uint64_t file_offset;
	uint32_t number; /* index in the map `sites` */
	enum probe_event event;
	int64_t distance; /* from the lock's address to the argument register there, bytes */
};

struct links {
	int multi_fd; /* -1: none */
	size_t count;
	struct bpf_link *single[LINKS_MAX_SITES];
};

/*
 * Whether uprobe_multi links are used: the kernel must have them (6.6) with a filter that covers all threads of a
 * process (6.10: commit 46ba0e49b642, "bpf: fix multi-uprobe PID filtering logic"). GILTRACE_NO_MULTI=1 in the
 * environment says no, so that the other way can be tested.
 */
bool links__multi_supported(void);

/* Before loading: chooses the programs that will be attached, and how. */
void links__prepare(struct giltrace_bpf *bpf, bool multi);

/* Attaches probes at the sites of `path` for one process, or for all (`only` is 0). 0 or -errno with nothing attached.
 */
int links__attach(struct links *links, struct giltrace_bpf *bpf, bool multi, pid_t only, const char *path,
		  const struct link_site *sites, size_t count);

/* Removes the probes. Idempotent. */
void links__detach(struct links *links);

#endif
