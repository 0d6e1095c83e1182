/* SPDX-License-Identifier: MIT */
/* All processes: see process_list.h. */
#include "user/target/process_list.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "pid (name) state ppid": proc(5). The name may hold anything. 0: it is gone. */
static pid_t read_parent(const char *pid)
{
	char path[300], text[512];
	const char *fields;
	pid_t parent = 0;
	size_t size;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	size = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[size] = '\0';
	fields = strrchr(text, ')');
	if (!fields || sscanf(fields, ") %*c %d", &parent) != 1)
		return 0;
	return parent;
}

static int compare(const void *left, const void *right)
{
	const struct process_entry *a = left, *b = right;

	return a->pid < b->pid ? -1 : a->pid > b->pid;
}

static int append(struct process_entry **list, size_t *count, struct process_entry entry)
{
	if (!(*count & (*count - 1))) {
		struct process_entry *grown = realloc(*list, (*count ? 2 * *count : 1) * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		*list = grown;
	}
	(*list)[(*count)++] = entry;
	return 0;
}

ssize_t process_list__read(struct process_entry **out)
{
	DIR *directory = opendir("/proc");
	struct dirent *entry;
	size_t count = 0;
	int err = 0;

	*out = NULL;
	if (!directory)
		return -errno;
	while (!err && (entry = readdir(directory)))
		if (isdigit((unsigned char)entry->d_name[0]))
			err = append(out, &count,
				     (struct process_entry){atoi(entry->d_name), read_parent(entry->d_name)});
	closedir(directory);
	if (err) {
		free(*out);
		return err;
	}
	if (count)
		qsort(*out, count, sizeof(**out), compare);
	return (ssize_t)count;
}
