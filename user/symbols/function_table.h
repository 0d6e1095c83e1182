/* SPDX-License-Identifier: MIT */
/* The functions of one ELF file, by address: of .symtab, or else .dynsym. The file may be crafted, as ever. */
#ifndef GILTRACE_SYMBOLS_FUNCTION_TABLE_H
#define GILTRACE_SYMBOLS_FUNCTION_TABLE_H

#include <stdint.h>

struct function_table;

/* 0 and *out, or -errno as of elf_image__open() or -ENOMEM. Takes over `fd` in any case. */
int function_table__open(int fd, struct function_table **out);
void function_table__free(struct function_table *table); /* takes NULL */

/*
 * The name of the function that an address is in (as the file has it: before the load bias); it lives as long as the
 * table. NULL: no symbol covers it; then *start is where the function begins by .eh_frame, or the address itself.
 */
const char *function_table__find(struct function_table *table, uint64_t address, uint64_t *start);

/* As elf_image__load_bias(). */
int function_table__load_bias(const struct function_table *table, uint64_t mapping_start, uint64_t mapping_offset,
			      uint64_t *bias);

#endif
