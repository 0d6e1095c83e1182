/* SPDX-License-Identifier: MIT */
/* The bounds of a file's functions, from the call frame entries that .eh_frame has of each, stripped or not. */
#ifndef GILTRACE_TARGET_CALL_FRAMES_H
#define GILTRACE_TARGET_CALL_FRAMES_H

#include <stddef.h>
#include <stdint.h>

#include "user/target/elf_image.h"

/*
 * Reads the ranges that the entries cover, sorted by start. `ident` is the ELF header's e_ident; `bytes` the section's
 * `size` bytes, not trusted; `address` the section's. A function that was split has an entry for each fragment. 0 and
 * *out (freed with free(), NULL when there is none), or -ENOMEM.
 */
int call_frames__read(const unsigned char *ident, uint8_t *bytes, size_t size, uint64_t address,
		      struct address_range **out, size_t *count);

#endif
