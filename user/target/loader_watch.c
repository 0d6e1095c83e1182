/* SPDX-License-Identifier: MIT */
/* A breakpoint in the dynamic loader: see loader_watch.h. */
#include "user/target/loader_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "user/target/elf_image.h"

/* <linux/perf_event.h> has these fields from Linux 5.13 on, and so has what we build with; si_code's value is newer. */
#define SI_CODE_TRAP_PERF 6

/* Where the process has the function. */
static int find_function(const struct process *process, const struct mapping *loader, uint64_t *address)
{
	struct elf_image *image;
	struct elf_symbol symbol;
	const char *reason;
	char path[64];
	uint64_t bias;
	int fd, err;

	process__mapping_path(process, loader, path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	err = elf_image__open(fd, &image, &reason);
	if (!err) {
		err = elf_image__dynamic_symbol(image, "_dl_debug_state", &symbol);
		err = err ? err : elf_image__load_bias(image, loader->start, loader->file_offset, &bias);
		elf_image__close(image);
	}
	close(fd);
	if (err)
		return -EOPNOTSUPP;
	*address = symbol.address + bias;
	return 0;
}

int loader_watch__open(const struct process *process, const struct mapping *loader)
{
	struct perf_event_attr attributes = {
		.type = PERF_TYPE_BREAKPOINT,
		.size = sizeof(attributes),
		.bp_type = HW_BREAKPOINT_X,
		.bp_len = sizeof(long),
		.sample_period = 1,
		.sigtrap = 1,
		.inherit = 1,
		.inherit_thread = 1, /* a forked process gets its own */
		.remove_on_exec = 1,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};
	uint64_t address = 0;
	int fd, err = find_function(process, loader, &address);

	if (err)
		return err;
	attributes.bp_addr = address;
	fd = (int)syscall(SYS_perf_event_open, &attributes, process__pid(process), -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd >= 0)
		return fd;
	return errno == ESRCH ? -ESRCH : -EOPNOTSUPP;
}

bool loader_watch__is_hit(pid_t tid)
{
	siginfo_t info;

	return !ptrace(PTRACE_GETSIGINFO, tid, NULL, &info) && info.si_signo == SIGTRAP &&
	       info.si_code == SI_CODE_TRAP_PERF;
}

bool loader_watch__is_pending(pid_t tid)
{
	struct __ptrace_peeksiginfo_args first = {.nr = 1};
	siginfo_t info;

	/* It is for the thread, not the process; and sent by the kernel, so the queue has few before it. */
	for (; ptrace(PTRACE_PEEKSIGINFO, tid, &first, &info) == 1; first.off++)
		if (info.si_signo == SIGTRAP && info.si_code == SI_CODE_TRAP_PERF)
			return true;
	return false;
}
