/* SPDX-License-Identifier: MIT */
/* A running process, held by a pidfd so that its number cannot be reused under us; only ever read, never stopped. */
#ifndef GILTRACE_TARGET_PROCESS_H
#define GILTRACE_TARGET_PROCESS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct process;

/* One file that the process has mapped executable, and where. */
struct mapping {
	uint64_t start, end;  /* of the executable mapping, in the process */
	uint64_t file_offset; /* of `start` in the file, bytes */
	uint64_t device, inode;
	char path[PATH_MAX]; /* as the process's mount namespace names it, with " (deleted)" cut off; for people only */
	bool deleted;
};

/*
 * Takes hold of a process. 0 and *out (freed with process__close), -ESRCH when there is none (or only a zombie), -EPERM
 * or -EACCES when it may not be looked at, else -errno.
 */
int process__open(pid_t pid, struct process **out);
void process__close(struct process *process);

pid_t process__pid(const struct process *process);
pid_t process__pid_in_namespace(const struct process *process); /* as it knows itself; mostly the same */
int process__pidfd(const struct process *process);              /* poll()s readable once the process has ended */
const char *process__exe(const struct process *process);        /* /proc/PID/exe, for people only */
uint64_t process__threads(const struct process *process);       /* how many it has now; 0 once it is gone */
bool process__alive(const struct process *process);

/* The number of the process's thread that has this number in the innermost pid namespace; 0: it has none. */
pid_t process__thread(const struct process *process, uint64_t own_number);

/*
 * The distinct files that are mapped executable (by device and inode; the first mapping of each), in address order.
 * *out is freed with free(). Returns their number or -errno (-ESRCH: gone). Looks at 65536 mappings and 4096 files at
 * most.
 */
ssize_t process__executable_files(const struct process *process, struct mapping **out);

/* The same of each executable mapping, not only a file's first. */
ssize_t process__executable_mappings(const struct process *process, struct mapping **out);

/*
 * A path through which the very file that is mapped opens, also from another mount namespace and after it was deleted:
 * /proc/PID/map_files/START-END. Good while the process lives. Writes at most `size` bytes into `out`.
 */
void process__mapping_path(const struct process *process, const struct mapping *mapping, char *out, size_t size);

/* Reads memory of the process without stopping it. 0 or -errno: -EFAULT when not all of it is mapped, -ESRCH: gone. */
int process__read(const struct process *process, uint64_t address, void *out, size_t size);

#endif
