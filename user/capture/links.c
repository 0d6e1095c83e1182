/* SPDX-License-Identifier: MIT */
/* Uprobe links: see links.h. */
#include "user/capture/links.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "giltrace.skel.h"

/* From the kernel's include/uapi/linux/bpf.h of 6.6; Debian 12's headers are older. */
#define ATTACH_UPROBE_MULTI 48
#define COMMAND_LINK_CREATE 28

struct uprobe_multi_attr {
	uint32_t prog_fd;
	uint32_t target_fd;
	uint32_t attach_type;
	uint32_t flags;
	uint64_t path;
	uint64_t offsets;
	uint64_t ref_ctr_offsets;
	uint64_t cookies;
	uint32_t count;
	uint32_t multi_flags;
	uint32_t pid;
	uint32_t pad;
};

bool links__multi_supported(void)
{
	struct utsname name;
	unsigned major = 0, minor = 0;
	const char *no = getenv("GILTRACE_NO_MULTI");

	if ((no && *no == '1') || uname(&name) || sscanf(name.release, "%u.%u", &major, &minor) != 2)
		return false;
	return major > 6 || (major == 6 && minor >= 10);
}

static struct bpf_program *program_of(struct giltrace_bpf *bpf, enum probe_event event)
{
	struct bpf_program *programs[PROBE_EVENTS] = {
		[PROBE_BLOCKED] = bpf->progs.probe_blocked,   [PROBE_WAITED] = bpf->progs.probe_waited,
		[PROBE_ACQUIRED] = bpf->progs.probe_acquired, [PROBE_RELEASED] = bpf->progs.probe_released,
		[PROBE_SWITCHED] = bpf->progs.probe_switched, [PROBE_TAKING] = bpf->progs.probe_taking,
		[PROBE_TAKEN] = bpf->progs.probe_taken,
	};

	return programs[event];
}

void links__prepare(struct giltrace_bpf *bpf, bool multi)
{
	bpf_program__set_autoload(bpf->progs.probe_any, multi);
	if (multi)
		bpf_program__set_expected_attach_type(bpf->progs.probe_any, ATTACH_UPROBE_MULTI);
	for (enum probe_event event = 0; event < PROBE_EVENTS; event++)
		bpf_program__set_autoload(program_of(bpf, event), !multi);
}

static int attach_multi(struct links *links, struct giltrace_bpf *bpf, pid_t only, const char *path,
			const struct link_site *sites, size_t count)
{
	uint64_t offsets[LINKS_MAX_SITES], cookies[LINKS_MAX_SITES];
	struct uprobe_multi_attr attr = {
		.prog_fd = (uint32_t)bpf_program__fd(bpf->progs.probe_any),
		.attach_type = ATTACH_UPROBE_MULTI,
		.path = (uint64_t)(uintptr_t)path,
		.offsets = (uint64_t)(uintptr_t)offsets,
		.cookies = (uint64_t)(uintptr_t)cookies,
		.count = (uint32_t)count,
		.pid = (uint32_t)only,
	};

	for (size_t i = 0; i < count; i++) {
		offsets[i] = sites[i].file_offset;
		cookies[i] = make_cookie(sites[i].event, sites[i].number, sites[i].distance);
	}
	links->multi_fd = (int)syscall(SYS_bpf, COMMAND_LINK_CREATE, &attr, sizeof(attr));
	return links->multi_fd < 0 ? -errno : 0;
}

static int attach_singly(struct links *links, struct giltrace_bpf *bpf, pid_t only, const char *path,
			 const struct link_site *sites, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct bpf_link *link = bpf_program__attach_uprobe(program_of(bpf, sites[i].event), false,
								   only ? only : -1, path, sites[i].file_offset);
		int err = -errno;

		if (!link) {
			links__detach(links);
			return err;
		}
		links->single[links->count++] = link;
	}
	return 0;
}

int links__attach(struct links *links, struct giltrace_bpf *bpf, bool multi, pid_t only, const char *path,
		  const struct link_site *sites, size_t count)
{
	*links = (struct links){.multi_fd = -1};
	if (!count || count > LINKS_MAX_SITES)
		return -EINVAL;
	return multi ? attach_multi(links, bpf, only, path, sites, count)
		     : attach_singly(links, bpf, only, path, sites, count);
}

void links__detach(struct links *links)
{
	if (links->multi_fd >= 0)
		close(links->multi_fd);
	links->multi_fd = -1;
	while (links->count)
		bpf_link__destroy(links->single[--links->count]);
}
