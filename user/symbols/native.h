/* SPDX-License-Identifier: MIT */
/* Instruction pointers of a process into names of functions. */
#ifndef GILTRACE_SYMBOLS_NATIVE_H
#define GILTRACE_SYMBOLS_NATIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct process;

/* The files that were looked into, whoever has them mapped. */
struct native_files;
struct native_files *native_files__new(void); /* NULL without memory */
void native_files__free(struct native_files *files);

/* What one process has mapped executable; all zero: not read yet. */
struct native_maps {
	struct native_mapping *mappings; /* in address order */
	size_t count;
	uint64_t read_at_ns;
};

void native_maps__clear(struct native_maps *maps);

struct native_name {
	const char *name; /* the function's; else the file's and where in it its code begins: "libfoo.so+0x1230" */
	const char *file; /* path, as the process's mount namespace names it */
};

/*
 * Names the function that an address is in. Of a return address, which may be behind the function's last instruction,
 * the byte before it is to be asked. False: it is in no file's code. `process` may be NULL: it is gone, what was read
 * of it before is used. The texts are good until the next call.
 */
bool native__name(struct native_files *files, struct native_maps *maps, const struct process *process, uint64_t address,
		  struct native_name *out);

/*
 * Whether what is right before an address is a call, so that it can be a return address: what a stack without frame
 * pointers is followed to mostly cannot. True when it cannot be read.
 */
bool native__follows_call(const struct process *process, uint64_t address);

#endif
