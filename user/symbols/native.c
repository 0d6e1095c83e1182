/* SPDX-License-Identifier: MIT */
/* Names of native functions: see native.h. */
#include "user/symbols/native.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "user/symbols/function_table.h"
#include "user/target/process.h"

#define MAX_FILES     128           /* whose symbols are kept; each is an open descriptor */
#define READ_AGAIN_NS 1000000000ULL /* wrong addresses must not have the mappings read each time */
#define NAME_SIZE     320

struct native_mapping {
	uint64_t start, end, file_offset, device, inode;
	char *path;
};

struct file {
	uint64_t device, inode;
	struct function_table *table; /* NULL: it cannot be read */
};

struct native_files {
	struct file files[MAX_FILES];
	size_t count;
	char name[NAME_SIZE]; /* of the last answer */
};

struct native_files *native_files__new(void)
{
	return calloc(1, sizeof(struct native_files));
}

static void forget_files(struct native_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		function_table__free(files->files[i].table);
	files->count = 0;
}

void native_files__free(struct native_files *files)
{
	if (!files)
		return;
	forget_files(files);
	free(files);
}

void native_maps__clear(struct native_maps *maps)
{
	for (size_t i = 0; i < maps->count; i++)
		free(maps->mappings[i].path);
	free(maps->mappings);
	*maps = (struct native_maps){0};
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int compare_mappings(const void *left, const void *right)
{
	const struct native_mapping *a = left, *b = right;

	return (a->start > b->start) - (a->start < b->start);
}

static void read_maps(struct native_maps *maps, const struct process *process)
{
	struct mapping *mappings;
	ssize_t count = process__executable_mappings(process, &mappings);

	if (count < 0)
		return; /* what was read before is better than nothing */
	native_maps__clear(maps);
	maps->mappings = calloc((size_t)count + 1, sizeof(*maps->mappings));
	for (ssize_t i = 0; maps->mappings && i < count; i++) {
		char *path = strdup(mappings[i].path);

		if (!path)
			break;
		maps->mappings[maps->count++] = (struct native_mapping){.start = mappings[i].start,
									.end = mappings[i].end,
									.file_offset = mappings[i].file_offset,
									.device = mappings[i].device,
									.inode = mappings[i].inode,
									.path = path};
	}
	free(mappings);
	if (maps->count)
		qsort(maps->mappings, maps->count, sizeof(*maps->mappings), compare_mappings);
}

static const struct native_mapping *find_mapping(const struct native_maps *maps, uint64_t address)
{
	size_t low = 0, high = maps->count;

	while (low < high) { /* the first one that ends behind it */
		size_t middle = low + (high - low) / 2;

		if (maps->mappings[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < maps->count && maps->mappings[low].start <= address ? &maps->mappings[low] : NULL;
}

/* Libraries come while a process runs: what is in none of the known ones may be in a new one. */
static const struct native_mapping *mapping_of(struct native_maps *maps, const struct process *process,
					       uint64_t address)
{
	const struct native_mapping *mapping = find_mapping(maps, address);
	uint64_t now;

	if (mapping || !process)
		return mapping;
	now = now_ns();
	if (maps->read_at_ns && now - maps->read_at_ns < READ_AGAIN_NS)
		return NULL;
	read_maps(maps, process);
	maps->read_at_ns = now;
	return find_mapping(maps, address);
}

static int open_mapped(const struct process *process, const struct native_mapping *mapping)
{
	struct mapping where = {.start = mapping->start, .end = mapping->end};
	char path[64];

	process__mapping_path(process, &where, path, sizeof(path));
	return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

/* The symbols of a mapped file; NULL: it has none that can be read. */
static struct function_table *table_of(struct native_files *files, const struct process *process,
				       const struct native_mapping *mapping)
{
	struct file *file;
	int fd;

	for (size_t i = 0; i < files->count; i++)
		if (files->files[i].device == mapping->device && files->files[i].inode == mapping->inode)
			return files->files[i].table;
	fd = process ? open_mapped(process, mapping) : -1;
	if (fd < 0)
		return NULL; /* this process has let go of it; another one may have it still */
	if (files->count == MAX_FILES)
		forget_files(files);
	file = &files->files[files->count++];
	*file = (struct file){.device = mapping->device, .inode = mapping->inode};
	if (function_table__open(fd, &file->table))
		file->table = NULL;
	return file->table;
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

bool native__name(struct native_files *files, struct native_maps *maps, const struct process *process, uint64_t address,
		  struct native_name *out)
{
	const struct native_mapping *mapping = mapping_of(maps, process, address);
	struct function_table *table;
	uint64_t bias, offset, start;

	if (!mapping)
		return false;
	out->file = mapping->path;
	out->name = NULL;
	offset = address - mapping->start + mapping->file_offset;
	table = table_of(files, process, mapping);
	if (table && !function_table__load_bias(table, mapping->start, mapping->file_offset, &bias)) {
		out->name = function_table__find(table, address - bias, &start);
		offset -= address - bias - start; /* the same in the file as in memory, within a segment */
	}
	if (!out->name) {
		snprintf(files->name, sizeof(files->name), "%.255s+0x%" PRIx64, last_part(mapping->path), offset);
		out->name = files->name;
	}
	return true;
}

/* call rel32 has five bytes, call r/m (0xff /2) two to seven; prefixes come before those. */
bool native__follows_call(const struct process *process, uint64_t address)
{
	static const size_t lengths[] = {2, 3, 4, 6, 7};
	uint8_t code[7];

	if (!process || process__read(process, address - sizeof(code), code, sizeof(code)))
		return true;
	if (code[2] == 0xe8)
		return true;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		const uint8_t *call = code + sizeof(code) - lengths[i];

		if (call[0] == 0xff && (call[1] >> 3 & 7) == 2)
			return true;
	}
	return false;
}
