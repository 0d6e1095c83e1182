/* SPDX-License-Identifier: MIT */
/*
 * Functions' bounds from .eh_frame: see call_frames.h.
 *
 * Of libdw only dwarf_next_cfi() is used, which steps from entry to entry. dwarf_cfi_addrframe(), which finds the entry
 * of an address, also runs the file's own unwind program, and allocates as that says.
 */
#include "user/target/call_frames.h"

#include <elfutils/libdw.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Reads one pointer of a call frame entry, encoded as its CIE says (DW_EH_PE_*). False: an encoding not in use. */
static bool decode_pointer(const uint8_t **at, const uint8_t *end, unsigned format, uint64_t *out)
{
	size_t size = (format & 7) == 3 ? 4 : 8; /* udata4 and sdata4; absptr, udata8 and sdata8 */
	int32_t narrow;

	if (format != 0 && (format & 7) != 3 && (format & 7) != 4)
		return false;
	if ((size_t)(end - *at) < size)
		return false;
	memcpy(out, *at, size);
	if (size == 4) {
		memcpy(&narrow, *at, sizeof(narrow));
		*out = format & 8 ? (uint64_t)(int64_t)narrow : (uint32_t)narrow;
	}
	*at += size;
	return true;
}

/* How a CIE's entries encode their pointers: a DW_EH_PE_* byte; -1 when it cannot be told. */
static int pointer_encoding(const Dwarf_CIE *cie)
{
	const uint8_t *at = cie->augmentation_data, *end = at + cie->augmentation_data_size;
	const char *letter = cie->augmentation;
	uint64_t ignored;
	unsigned format;

	if (*letter++ != 'z')
		return *cie->augmentation ? -1 : 0;
	for (; at && *letter; letter++) {
		if (*letter == 'R')
			return at < end ? *at : -1;
		if (*letter == 'P') {
			if (at >= end || *at == 0x50) /* DW_EH_PE_aligned */
				return -1;
			format = *at++ & 0xf;
			if (!decode_pointer(&at, end, format, &ignored))
				return -1;
		} else if (*letter == 'L') {
			at++;
		} else if (*letter != 'S' && *letter != 'B') {
			return -1;
		}
	}
	return 0;
}

/* The addresses that an entry covers. `base` is the section's address, `data` its bytes. */
static bool decode_range(const Dwarf_FDE *fde, int encoding, uint64_t base, const uint8_t *data,
			 struct address_range *out)
{
	const uint8_t *at = fde->start;
	unsigned format = encoding & 0xf, relative = encoding & 0x70;
	uint64_t length;

	if (encoding < 0 || (relative != 0 && relative != 0x10) || encoding & 0x80)
		return false;
	if (!decode_pointer(&at, fde->end, format, &out->start) || !decode_pointer(&at, fde->end, format & 7, &length))
		return false;
	if (relative)
		out->start += base + (uint64_t)(fde->start - data);
	out->end = out->start + length;
	return length && out->end > out->start;
}

static int compare_ranges(const void *left, const void *right)
{
	const struct address_range *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return a->end < b->end ? -1 : a->end > b->end;
}

struct ranges {
	struct address_range *all;
	size_t count;
};

static int add_range(struct ranges *ranges, const struct address_range *range)
{
	if (!(ranges->count & (ranges->count - 1))) {
		size_t room = ranges->count ? 2 * ranges->count : 1;
		struct address_range *grown = realloc(ranges->all, room * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		ranges->all = grown;
	}
	ranges->all[ranges->count++] = *range;
	return 0;
}

/* The encoding of the entries that refer to the CIE at this offset; -1: unknown. */
static int encoding_of(const unsigned char *ident, Elf_Data *data, Dwarf_Off offset)
{
	Dwarf_CFI_Entry entry;
	Dwarf_Off next;

	if (dwarf_next_cfi(ident, data, true, offset, &next, &entry) || !dwarf_cfi_cie_p(&entry))
		return -1;
	return pointer_encoding(&entry.cie);
}

/* Steps through all entries. Those that make no sense are passed over. */
static int walk(const unsigned char *ident, Elf_Data *data, uint64_t address, struct ranges *ranges)
{
	Dwarf_Off offset = 0, next = 0, cie = (Dwarf_Off)-1;
	int encoding = -1, err = 0;

	for (; !err && offset != (Dwarf_Off)-1; offset = next) {
		Dwarf_CFI_Entry entry;
		struct address_range range;
		int result = dwarf_next_cfi(ident, data, true, offset, &next, &entry);

		if (result > 0)
			break;
		if (next <= offset)
			next = (Dwarf_Off)-1;
		if (result < 0 || dwarf_cfi_cie_p(&entry))
			continue;
		if (entry.fde.CIE_pointer != cie) {
			cie = entry.fde.CIE_pointer;
			encoding = encoding_of(ident, data, cie);
		}
		if (decode_range(&entry.fde, encoding, address, data->d_buf, &range))
			err = add_range(ranges, &range);
	}
	return err;
}

int call_frames__read(const unsigned char *ident, uint8_t *bytes, size_t size, uint64_t address,
		      struct address_range **out, size_t *count)
{
	Elf_Data data = {.d_buf = bytes, .d_type = ELF_T_BYTE, .d_version = EV_CURRENT, .d_size = size};
	struct ranges ranges = {0};
	int err = walk(ident, &data, address, &ranges);

	if (err) {
		free(ranges.all);
		return err;
	}
	if (ranges.count)
		qsort(ranges.all, ranges.count, sizeof(*ranges.all), compare_ranges);
	*out = ranges.all;
	*count = ranges.count;
	return 0;
}
