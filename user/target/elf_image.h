/* SPDX-License-Identifier: MIT */
/*
 * A bounded reader over one x86-64 ELF file (ET_EXEC or ET_DYN). Nothing in the file is trusted: every offset and
 * length is checked, every loop and allocation is bounded, and the file is read with pread(), never mapped, since it
 * may be truncated while it is read. Only what is asked for is read: debug sections never are.
 *
 * "Address" means a virtual address as the file has it, before the load bias.
 */
#ifndef GILTRACE_TARGET_ELF_IMAGE_H
#define GILTRACE_TARGET_ELF_IMAGE_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct elf_image;

struct address_range {
	uint64_t start, end; /* `end` is the first address after it */
};

struct elf_symbol {
	uint64_t address, size;
};

/* A slot of the global offset table that the dynamic linker fills with the address of names[name]. */
struct got_slot {
	uint64_t address;
	size_t name;
};

/* Larger sections are refused, in bytes. The largest real one is some 20 MB of .text. */
#define ELF_IMAGE_MAX_SECTION (128UL << 20)

/*
 * Opens an image over `fd`, which stays the caller's and must outlive it. 0 and *out (freed with elf_image__close), or
 * -ENOEXEC (no x86-64 executable or shared object, or one that is damaged: *reason says so), -ENOENT (no ELF file at
 * all), else -errno of a failed read.
 */
int elf_image__open(int fd, struct elf_image **out, const char **reason);
void elf_image__close(struct elf_image *image);

/* What was wrong when a call below failed with -ENOEXEC: a clause for a message, static. */
const char *elf_image__reason(const struct elf_image *image);

/* The first section with this name, or the one at `index`. 0, -ENOENT, or -ENOEXEC when it lies past the file's end. */
int elf_image__section(struct elf_image *image, const char *name, Elf64_Shdr *out);
int elf_image__section_at(struct elf_image *image, size_t index, Elf64_Shdr *out);
size_t elf_image__section_count(const struct elf_image *image);

/* Whether the section's name begins with `prefix`. */
bool elf_image__section_is(const struct elf_image *image, const Elf64_Shdr *section, const char *prefix);

/* A symbol that the file defines and exports. 0, -ENOENT or -ENOEXEC. Reads a few dozen bytes where there is a hash. */
int elf_image__dynamic_symbol(struct elf_image *image, const char *name, struct elf_symbol *out);

/* The slots through which the file reaches imported functions. Their number (cut at `max`), or -errno. */
ssize_t elf_image__got_slots(struct elf_image *image, const char *const *names, size_t name_count, struct got_slot *out,
			     size_t max);

/* Reads what the file holds at an address (not .bss). 0, -EFAULT (not in the file), or -errno. */
int elf_image__read(struct elf_image *image, uint64_t address, void *out, size_t size);

/* Where in the file the bytes of an address are. 0 or -EFAULT. */
int elf_image__file_offset(const struct elf_image *image, uint64_t address, uint64_t *offset);

/* What is added to an address at run time, told from where an executable part of the file is mapped. 0 or -EFAULT. */
int elf_image__load_bias(const struct elf_image *image, uint64_t mapping_start, uint64_t mapping_offset,
			 uint64_t *bias);

/* The function (or fragment of one) around an address, by .eh_frame. 0, -ENOENT, or -ENOEXEC. */
int elf_image__function(struct elf_image *image, uint64_t address, struct address_range *out);

#endif
