/* SPDX-License-Identifier: MIT */
/* Finds the calls of imported functions: see call_sites.h. */
#include "user/target/call_sites.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/target/register_calls.h"

#define MAX_SLOTS      64
#define MAX_STUBS      256
#define MAX_CANDIDATES 4096
#define MAX_CODE       (64UL << 20) /* bytes that are scanned, over all sections */
#define WINDOW         (64UL << 10) /* bytes read at a time: what stays in the cache */
#define OVERLAP        16           /* so that no instruction is cut by a window's end */

/* A local entry of an imported function. */
struct stub {
	uint64_t address;
	size_t callee;
};

struct scan {
	struct elf_image *image;
	struct got_slot slots[MAX_SLOTS];
	size_t slot_count;
	struct stub stubs[MAX_STUBS];
	size_t stub_count;
	uint64_t lowest_stub, highest_stub;
	uint64_t after, last; /* what is looked for jumps to, and whether there is one */
	bool entered;
	struct call_sites *out; /* candidates, until they are confirmed: address and next are of the unprefixed form */
	int err;
};

/* A part of the code while it is scanned: window[from] to window[end - 1], of which `size` bytes can be read. */
struct window {
	const uint8_t *bytes;
	size_t from, end, size;
	uint64_t address; /* of bytes[0] */
};

typedef void (*scan_fn)(struct scan *scan, const struct window *window);

static uint64_t relative_target(const uint8_t *code, size_t opcode_size, uint64_t address)
{
	int32_t distance;

	memcpy(&distance, code + opcode_size, sizeof(distance));
	return address + opcode_size + sizeof(distance) + (uint64_t)(int64_t)distance;
}

static const struct got_slot *slot_at(const struct scan *scan, uint64_t address)
{
	for (size_t i = 0; i < scan->slot_count; i++)
		if (scan->slots[i].address == address)
			return &scan->slots[i];
	return NULL;
}

static const struct stub *stub_at(const struct scan *scan, uint64_t address)
{
	if (address < scan->lowest_stub || address > scan->highest_stub)
		return NULL;
	for (size_t i = 0; i < scan->stub_count; i++)
		if (scan->stubs[i].address == address)
			return &scan->stubs[i];
	return NULL;
}

static void add_stub(struct scan *scan, uint64_t address, size_t callee)
{
	if (scan->stub_count == MAX_STUBS) {
		scan->err = -E2BIG;
		return;
	}
	scan->stubs[scan->stub_count++] = (struct stub){.address = address, .callee = callee};
	if (address < scan->lowest_stub)
		scan->lowest_stub = address;
	if (address > scan->highest_stub)
		scan->highest_stub = address;
}

int call_sites__add(struct call_sites *out, const struct call_site *site)
{
	if (out->count == MAX_CANDIDATES)
		return -E2BIG;
	if (!(out->count & (out->count - 1))) {
		size_t room = out->count ? 2 * out->count : 1;
		struct call_site *grown = realloc(out->sites, room * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		out->sites = grown;
	}
	out->sites[out->count++] = *site;
	return 0;
}

static void add_candidate(struct scan *scan, uint64_t address, size_t size, size_t callee, enum call_kind kind)
{
	const struct call_site site = {.address = address, .next = address + size, .callee = callee, .kind = kind};
	int err = call_sites__add(scan->out, &site);

	if (err)
		scan->err = err;
}

/*
 * A stub is a jump through the slot, and is entered there or up to three small instructions earlier, as the linker
 * likes: endbr64 (f3 0f 1e fa), mov $index,%r11d (41 bb, mold's), bnd (f2).
 */
static void look_for_stub(struct scan *scan, const uint8_t *code, size_t before, size_t left, uint64_t address)
{
	static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
	const struct got_slot *slot;

	if (left < 6 || code[0] != 0xff || code[1] != 0x25)
		return;
	slot = slot_at(scan, relative_target(code, 2, address));
	if (!slot)
		return;
	add_stub(scan, address, slot->name);
	if (before >= 1 && code[-1] == 0xf2) {
		add_stub(scan, --address, slot->name);
		code--;
		before--;
	}
	if (before >= 6 && code[-6] == 0x41 && code[-5] == 0xbb) {
		address -= 6;
		code -= 6;
		before -= 6;
		add_stub(scan, address, slot->name);
	}
	if (before >= 4 && !memcmp(code - 4, endbr64, sizeof(endbr64)))
		add_stub(scan, address - 4, slot->name);
}

static void scan_for_stubs(struct scan *scan, const struct window *window)
{
	for (size_t i = window->from; i < window->end; i++)
		look_for_stub(scan, window->bytes + i, i, window->size - i, window->address + i);
}

static void look_for_branch(struct scan *scan, const uint8_t *code, size_t left, uint64_t address)
{
	size_t opcode_size = code[0] == 0x0f ? 2 : 1;
	const struct stub *stub;

	if (left < opcode_size + 4 || (code[0] == 0x0f && (code[1] & 0xf0) != 0x80))
		return;
	stub = stub_at(scan, relative_target(code, opcode_size, address));
	if (stub)
		add_candidate(scan, address, opcode_size + 4, stub->callee,
			      code[0] == 0xe8   ? CALL_DIRECT
			      : code[0] == 0xe9 ? CALL_TAIL
						: CALL_TAIL_IF);
}

static void look_for_slot(struct scan *scan, const uint8_t *code, size_t left, uint64_t address)
{
	const struct got_slot *slot;
	bool load = code[0] == 0x8b; /* mov disp(%rip), %reg, behind its REX */

	if (left < 6 || (load ? (code[1] & 0xc7) != 0x05 : code[1] != 0x15 && code[1] != 0x25))
		return;
	slot = slot_at(scan, relative_target(code, 2, address));
	if (slot)
		add_candidate(scan, address, 6, slot->name,
			      load              ? CALL_BY_REGISTER
			      : code[1] == 0x15 ? CALL_INDIRECT
						: CALL_INDIRECT_TAIL);
}

/* The hot loop: megabytes of code pass here. */
static void scan_for_calls(struct scan *scan, const struct window *window)
{
	static const bool may_begin[256] = {[0xe8] = true, [0xe9] = true, [0x0f] = true, [0xff] = true, [0x8b] = true};

	for (size_t i = window->from; i < window->end; i++) {
		const uint8_t *code = window->bytes + i;

		if (!may_begin[*code])
			continue;
		if (*code == 0xff || *code == 0x8b)
			look_for_slot(scan, code, window->size - i, window->address + i);
		else
			look_for_branch(scan, code, window->size - i, window->address + i);
	}
}

/* Scans a section, window by window; windows overlap, and each byte is seen once. */
static int scan_section(struct scan *scan, const Elf64_Shdr *section, uint8_t *bytes, scan_fn look)
{
	uint64_t done = 0;
	size_t kept = 0; /* bytes at the window's start that were seen before */

	while (done < section->sh_size) {
		uint64_t left = section->sh_size - done;
		size_t size = left < WINDOW ? left : WINDOW;
		struct window window = {
			.bytes = bytes,
			.from = kept < OVERLAP ? 0 : OVERLAP,
			/* An instruction near the end waits for the next window, unless there is none. */
			.end = left > size ? kept + size - OVERLAP : kept + size,
			.size = kept + size,
			.address = section->sh_addr + done - kept,
		};
		int err = elf_image__read(scan->image, section->sh_addr + done, bytes + kept, size);

		if (err)
			return err;
		look(scan, &window);
		if (scan->err)
			return scan->err;
		done += size;
		if (left > size) { /* keep what was not seen, and as much before it, for what precedes a stub */
			memmove(bytes, bytes + window.size - 2 * OVERLAP, 2 * OVERLAP);
			kept = 2 * OVERLAP;
		}
	}
	return 0;
}

/* Scans the executable sections, the linker's stubs (.plt, .plt.sec, .plt.got, ...) or all the others. */
static int scan_code(struct scan *scan, bool stubs, scan_fn look)
{
	uint8_t *window = malloc(WINDOW + 2 * OVERLAP);
	uint64_t scanned = 0;
	int err = window ? 0 : -ENOMEM;

	for (size_t i = 1; !err && i < elf_image__section_count(scan->image); i++) {
		Elf64_Shdr section;

		err = elf_image__section_at(scan->image, i, &section);
		if (err || section.sh_type != SHT_PROGBITS || !(section.sh_flags & SHF_EXECINSTR) ||
		    elf_image__section_is(scan->image, &section, ".plt") != stubs ||
		    elf_image__section_is(scan->image, &section, ".bolt.org")) /* kept by BOLT, and not run */
			continue;
		scanned += section.sh_size;
		err = scanned > MAX_CODE ? -E2BIG : scan_section(scan, &section, window, look);
	}
	free(window);
	return err;
}

static uint64_t code_size(struct elf_image *image)
{
	uint64_t size = 0;

	for (size_t i = 1; i < elf_image__section_count(image); i++) {
		Elf64_Shdr section;

		if (!elf_image__section_at(image, i, &section) && section.sh_flags & SHF_EXECINSTR)
			size += section.sh_size < MAX_CODE ? section.sh_size : MAX_CODE;
	}
	return size;
}

static void scan_for_jumps(struct scan *scan, const struct window *window)
{
	for (size_t i = window->from; i < window->end; i++) {
		const uint8_t *code = window->bytes + i;
		size_t opcode_size = *code == 0x0f ? 2 : 1, left = window->size - i;
		uint64_t target;

		if ((*code != 0x0f && *code != 0xe9) || left < opcode_size + 4)
			continue;
		target = relative_target(code, opcode_size, window->address + i);
		if (target > scan->after && target <= scan->last && (*code == 0xe9 || (code[1] & 0xf0) == 0x80))
			scan->entered = true;
	}
}

int call_sites__code_enters(struct elf_image *image, uint64_t after, uint64_t last, uint64_t *budget)
{
	struct scan scan = {.image = image, .after = after, .last = last};
	uint64_t size = code_size(image);
	int err;

	if (size > *budget)
		return -E2BIG;
	*budget -= size;
	err = scan_code(&scan, false, scan_for_jumps);
	return err ? err : scan.entered;
}

static int compare_sites(const void *left, const void *right)
{
	const struct call_site *a = left, *b = right;

	return a->address < b->address ? -1 : a->address > b->address;
}

/* Whether an instruction is what a candidate took it for: prefixes may precede, nothing may follow. */
static bool confirms(const cs_insn *instruction, const struct call_site *site)
{
	return instruction->address + instruction->size == site->next && instruction->address <= site->address &&
	       site->address - instruction->address <= 3;
}

static void confirm(struct call_site *site, const cs_insn *instruction)
{
	site->address = instruction->address;
	site->emulated = instruction__emulated(instruction->bytes, instruction->size);
	instruction__text(instruction, site->text, sizeof(site->text));
}

/*
 * Disassembles one function and moves the confirmed of its candidates, which are sites[first] to sites[end - 1], to
 * sites[*kept...].
 */
static int confirm_function(struct disassembly *disassembly, struct call_sites *out, size_t first, size_t end,
			    size_t *kept)
{
	const cs_insn *instruction;
	size_t next = first;
	int err = disassembly__start(disassembly, &out->sites[first].function, false);

	if (err)
		return err;
	while (next < end && (instruction = disassembly__next(disassembly))) {
		while (next < end && out->sites[next].address < instruction->address)
			next++; /* was in the middle of the instruction before */
		if (next == end || instruction->address + instruction->size <= out->sites[next].address)
			continue;
		if (confirms(instruction, &out->sites[next])) {
			confirm(&out->sites[next], instruction);
			out->sites[(*kept)++] = out->sites[next];
		}
		next++;
	}
	return 0;
}

/* Keeps of the candidates those that stand on an instruction boundary. */
static int confirm_candidates(struct scan *scan, struct disassembly *disassembly)
{
	struct call_sites *out = scan->out;
	size_t kept = 0;

	qsort(out->sites, out->count, sizeof(*out->sites), compare_sites);
	for (size_t first = 0, end; first < out->count; first = end) {
		struct address_range function;
		int err = elf_image__function(scan->image, out->sites[first].address, &function);

		if (err && err != -ENOENT)
			return err;
		for (end = first;
		     end < out->count && (end == first || (!err && out->sites[end].address < function.end)); end++)
			out->sites[end].function = function;
		err = err ? err : confirm_function(disassembly, out, first, end, &kept);
		if (err == -ENOMEM || err == -ENOEXEC)
			return err;
		if (err)
			out->unverified += end - first;
	}
	out->count = kept;
	return 0;
}

/* Leaves out the loads whose calls are all known, and a call that two loads lead to but for once. */
static void sort_out(struct call_sites *out)
{
	size_t kept = 0;

	qsort(out->sites, out->count, sizeof(*out->sites), compare_sites);
	for (size_t i = 0; i < out->count; i++)
		if (out->sites[i].kind != CALL_LOAD_DONE &&
		    (!kept || out->sites[kept - 1].address != out->sites[i].address))
			out->sites[kept++] = out->sites[i];
	out->count = kept;
}

/* Adds the calls through registers. A load stays in the list when it may lead to others. */
static int add_register_calls(struct call_sites *out, struct disassembly *disassembly)
{
	size_t confirmed = out->count;

	for (size_t i = 0; i < confirmed; i++) {
		const struct call_site load = out->sites[i]; /* the list grows and moves */
		size_t before = out->count;
		bool escapes;
		int err;

		if (load.kind != CALL_BY_REGISTER)
			continue;
		err = register_calls__find(disassembly, &load, out, &escapes);
		if (err)
			return err;
		if (!escapes && out->count > before)
			out->sites[i].kind = CALL_LOAD_DONE;
	}
	if (out->count)
		sort_out(out);
	return 0;
}

static size_t count_imported(const struct scan *scan, size_t function_count)
{
	size_t imported = 0;

	for (size_t name = 0; name < function_count; name++) {
		bool found = false;

		for (size_t i = 0; i < scan->slot_count; i++)
			found |= scan->slots[i].name == name;
		imported += found;
	}
	return imported;
}

int call_sites__find(struct elf_image *image, struct disassembly *disassembly, const char *const *functions,
		     size_t function_count, struct call_sites *out)
{
	struct scan scan = {.image = image, .lowest_stub = UINT64_MAX, .out = out};
	ssize_t slots = elf_image__got_slots(image, functions, function_count, scan.slots, MAX_SLOTS);
	int err;

	*out = (struct call_sites){0};
	if (slots < 0)
		return (int)slots;
	scan.slot_count = (size_t)slots;
	out->imported = count_imported(&scan, function_count);
	if (!scan.slot_count)
		return 0;
	err = scan_code(&scan, true, scan_for_stubs);
	err = err ? err : scan_code(&scan, false, scan_for_calls);
	if (err || !out->count)
		return err;
	err = confirm_candidates(&scan, disassembly);
	return err ? err : add_register_calls(out, disassembly);
}

void call_sites__free(struct call_sites *sites)
{
	free(sites->sites);
	*sites = (struct call_sites){0};
}
