/* SPDX-License-Identifier: MIT */
/* All processes of this machine that this one may see, and who started whom. */
#ifndef GILTRACE_TARGET_PROCESS_LIST_H
#define GILTRACE_TARGET_PROCESS_LIST_H

#include <sys/types.h>

struct process_entry {
	pid_t pid, parent;
};

/* *out is sorted by pid, freed with free(). Returns their number or -errno. Those that end meanwhile may be missing. */
ssize_t process_list__read(struct process_entry **out);

#endif
