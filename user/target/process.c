/* SPDX-License-Identifier: MIT */
/* A running process: see process.h. */
#include "user/target/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_MAPPINGS 65536
#define MAX_FILES    4096

struct process {
	pid_t pid;
	int pidfd;
	int directory; /* /proc/PID: bound to this process, whoever has its number later */
	pid_t pid_in_namespace;
	char exe[PATH_MAX];
};

/* The fields of /proc/PID/stat that are of use. The name, in parentheses, may hold anything. */
struct process_stat {
	char state;
	uint64_t threads;
};

static int read_stat(const struct process *process, struct process_stat *out)
{
	char text[1024];
	const char *fields;
	ssize_t size;
	int fd = openat(process->directory, "stat", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	size = read(fd, text, sizeof(text) - 1);
	if (size <= 0) {
		int err = size ? -errno : -ESRCH;

		close(fd);
		return err;
	}
	close(fd);
	text[size] = '\0';
	fields = strrchr(text, ')');
	/* state, 16 fields that are of no use, num_threads: proc(5) */
	if (!fields || sscanf(fields, ") %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64,
			      &out->state, &out->threads) != 2)
		return -EIO;
	return 0;
}

bool process__alive(const struct process *process)
{
	struct pollfd wait = {.fd = process->pidfd, .events = POLLIN};
	int ready;

	do {
		ready = poll(&wait, 1, 0);
	} while (ready < 0 && errno == EINTR);
	return ready == 0;
}

static int open_pidfd(pid_t pid)
{
	int fd;

	if (pid <= 0)
		return -ESRCH;
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd >= 0)
		return fd;
	/* A thread that leads no process: EINVAL, or ENOENT from Linux 6.9 on. */
	return errno == EINVAL || errno == ENOENT ? -ESRCH : -errno;
}

/*
 * The last of the numbers in the NSpid line of a `status` file below the directory: the process's, or thread's, own in
 * the innermost namespace. -1: it cannot be told.
 */
static pid_t read_own_number(int directory, const char *path)
{
	char text[4096], *line, *last;
	int fd = openat(directory, path, O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	if (size <= 0)
		return -1;
	text[size] = '\0';
	line = strstr(text, "\nNSpid:");
	if (!line)
		return -1;
	line[1 + strcspn(line + 1, "\n")] = '\0';
	last = strrchr(line, '\t');
	return last && atoi(last) > 0 ? atoi(last) : -1;
}

/* Opens what is read of the process, and makes sure that it is the one that the pidfd holds. */
static int open_directory(struct process *process)
{
	struct process_stat status;
	char path[32];
	ssize_t length;
	int maps, err;

	snprintf(path, sizeof(path), "/proc/%d", (int)process->pid);
	process->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (process->directory < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	err = read_stat(process, &status);
	if (err)
		return err == -ENOENT ? -ESRCH : err;
	/* While the pidfd's process lives its number is its own, so the directory is its too. */
	if (status.state == 'Z' || status.state == 'X' || !process__alive(process))
		return -ESRCH;
	maps = openat(process->directory, "maps", O_RDONLY | O_CLOEXEC);
	if (maps < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	close(maps);
	process->pid_in_namespace = read_own_number(process->directory, "status");
	if (process->pid_in_namespace < 0)
		process->pid_in_namespace = process->pid;
	length = readlinkat(process->directory, "exe", process->exe, sizeof(process->exe) - 1);
	process->exe[length > 0 ? length : 0] = '\0'; /* a kernel thread has none */
	return 0;
}

int process__open(pid_t pid, struct process **out)
{
	struct process *process = calloc(1, sizeof(*process));
	int err = 0;

	if (!process)
		return -ENOMEM;
	process->pid = pid;
	process->directory = -1;
	process->pidfd = open_pidfd(pid);
	if (process->pidfd < 0)
		err = process->pidfd;
	err = err ? err : open_directory(process);
	if (err) {
		process__close(process);
		return err;
	}
	*out = process;
	return 0;
}

void process__close(struct process *process)
{
	if (!process)
		return;
	if (process->pidfd >= 0)
		close(process->pidfd);
	if (process->directory >= 0)
		close(process->directory);
	free(process);
}

pid_t process__pid(const struct process *process)
{
	return process->pid;
}

pid_t process__pid_in_namespace(const struct process *process)
{
	return process->pid_in_namespace;
}

int process__pidfd(const struct process *process)
{
	return process->pidfd;
}

const char *process__exe(const struct process *process)
{
	return process->exe;
}

uint64_t process__threads(const struct process *process)
{
	struct process_stat status;

	return read_stat(process, &status) || !process__alive(process) ? 0 : status.threads;
}

static bool has_thread(const struct process *process, uint64_t tid)
{
	char path[40];

	snprintf(path, sizeof(path), "task/%" PRIu64, tid);
	return tid && tid <= INT_MAX && !faccessat(process->directory, path, F_OK, 0);
}

/* Asks each of the process's threads for its own number. */
static pid_t search_threads(const struct process *process, pid_t own_number)
{
	int fd = openat(process->directory, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *tasks = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *task;
	pid_t found = 0;

	if (!tasks) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while (!found && (task = readdir(tasks))) {
		char path[sizeof(task->d_name) + 16];

		snprintf(path, sizeof(path), "%s/status", task->d_name);
		if (*task->d_name != '.' && read_own_number(dirfd(tasks), path) == own_number)
			found = atoi(task->d_name);
	}
	closedir(tasks);
	return found;
}

pid_t process__thread(const struct process *process, uint64_t own_number)
{
	if (process->pid_in_namespace == process->pid)
		return has_thread(process, own_number) ? (pid_t)own_number : 0;
	return own_number && own_number <= INT_MAX ? search_threads(process, (pid_t)own_number) : 0;
}

/* "start-end perms offset major:minor inode path". False: not a file that is mapped executable. */
static bool parse_mapping(const char *line, struct mapping *out)
{
	static const char deleted[] = " (deleted)";
	unsigned major_number, minor_number;
	char permissions[5];
	int path_at = 0;
	size_t length;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 " %n", &out->start, &out->end,
		   permissions, &out->file_offset, &major_number, &minor_number, &out->inode, &path_at) != 7 ||
	    !strchr(permissions, 'x') || !out->inode)
		return false;
	out->device = makedev(major_number, minor_number);
	snprintf(out->path, sizeof(out->path), "%s", line + path_at);
	out->path[strcspn(out->path, "\n")] = '\0';
	length = strlen(out->path);
	out->deleted = length >= sizeof(deleted) - 1 && !strcmp(out->path + length - (sizeof(deleted) - 1), deleted);
	if (out->deleted)
		out->path[length - (sizeof(deleted) - 1)] = '\0';
	return true;
}

static bool is_known(const struct mapping *files, size_t count, const struct mapping *file)
{
	for (size_t i = 0; i < count; i++)
		if (files[i].device == file->device && files[i].inode == file->inode)
			return true;
	return false;
}

static int add_file(struct mapping **files, size_t *count, const struct mapping *file)
{
	if (!(*count & (*count - 1))) {
		struct mapping *grown = realloc(*files, (*count ? 2 * *count : 1) * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		*files = grown;
	}
	(*files)[(*count)++] = *file;
	return 0;
}

static ssize_t read_mappings(FILE *maps, bool each_file_once, struct mapping **out)
{
	struct mapping file, *files = NULL;
	size_t count = 0, size = 0;
	char *line = NULL;
	int err = 0;

	for (int lines = 0; !err && lines < MAX_MAPPINGS && count < MAX_FILES; lines++) {
		errno = 0;
		if (getline(&line, &size, maps) < 0) {
			err = errno ? -errno : 0;
			break;
		}
		if (parse_mapping(line, &file) && !(each_file_once && is_known(files, count, &file)))
			err = add_file(&files, &count, &file);
	}
	free(line);
	if (err) {
		free(files);
		return err;
	}
	*out = files;
	return (ssize_t)count;
}

static ssize_t open_mappings(const struct process *process, bool each_file_once, struct mapping **out)
{
	int fd = openat(process->directory, "maps", O_RDONLY | O_CLOEXEC);
	ssize_t count;
	FILE *maps;

	*out = NULL;
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	maps = fdopen(fd, "r");
	if (!maps) {
		close(fd);
		return -ENOMEM;
	}
	count = read_mappings(maps, each_file_once, out);
	fclose(maps);
	if (count == 0 && !process__alive(process)) /* an ended process reads as empty */
		return -ESRCH;
	return count;
}

ssize_t process__executable_files(const struct process *process, struct mapping **out)
{
	return open_mappings(process, true, out);
}

ssize_t process__executable_mappings(const struct process *process, struct mapping **out)
{
	return open_mappings(process, false, out);
}

void process__mapping_path(const struct process *process, const struct mapping *mapping, char *out, size_t size)
{
	snprintf(out, size, "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, (int)process->pid, mapping->start, mapping->end);
}

int process__read(const struct process *process, uint64_t address, void *out, size_t size)
{
	struct iovec local = {.iov_base = out, .iov_len = size};
	struct iovec remote = {.iov_base = (void *)(uintptr_t)address, .iov_len = size};
	ssize_t got = process_vm_readv(process->pid, &local, 1, &remote, 1, 0);

	if (got < 0)
		return -errno;
	if ((size_t)got != size)
		return -EFAULT;
	return process__alive(process) ? 0 : -ESRCH; /* else the number may be another's by now */
}
