/* SPDX-License-Identifier: MIT */
/*
 * The adapter for toygil. It tells all itself: exported symbols say how its lock is laid out and which design runs, and
 * USDT notes of the provider `gil` say where the events are, with the lock's address in %rdi at each, and at `waited`
 * the result of the sleep in %eax (tools/toygil/events.h, tracer_symbols.h). Crafted files are expected here too.
 * Its frames are walked by a layout that it exports, and named by another (toygil_layout.h).
 */
#include "user/target/toygil.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/target/elf_image.h"
#include "user/target/plan.h"
#include "user/target/process.h"
#include "user/target/runtime.h"

#define MAX_NOTES      (1U << 20) /* bytes */
#define NOTE_STAPSDT   3
#define NOTE_ALIGNMENT 4
#define NOP            0x90
#define MAX_COMMAND    4096
#define DESIGN_SIZE    32
#define MAX_THREAD     65536 /* bytes of a thread state */
#define PAGE           4096

/* The designs that toygil has: a name that the target gives must be one of these. */
static const char *const designs[] = {"ticks", "interval", "per-interpreter", "free", "none"};

static const char *const event_names[PROBE_EVENTS] = {
	[PROBE_BLOCKED] = "blocked",   [PROBE_WAITED] = "waited",     [PROBE_ACQUIRED] = "acquired",
	[PROBE_RELEASED] = "released", [PROBE_SWITCHED] = "switched",
};

static int read_symbol(struct elf_image *image, const char *name, void *out, size_t size)
{
	struct elf_symbol symbol;
	int err = elf_image__dynamic_symbol(image, name, &symbol);

	if (err)
		return err;
	return symbol.size == size ? elf_image__read(image, symbol.address, out, size) : -ENOEXEC;
}

/* A note's body: addresses of the probe, of the base and of the semaphore, then provider and name, both terminated. */
struct note {
	uint64_t address, base;
	const char *provider, *name;
};

static bool parse_note(const char *body, size_t size, struct note *note)
{
	const char *text = body + 3 * sizeof(uint64_t), *end = body + size;
	size_t length;

	if (size < 3 * sizeof(uint64_t) + 2 || end[-1])
		return false;
	memcpy(&note->address, body, sizeof(note->address));
	memcpy(&note->base, body + sizeof(uint64_t), sizeof(note->base));
	length = strlen(text) + 1; /* the last byte is 0 */
	if (text + length >= end)
		return false;
	note->provider = text;
	note->name = text + length;
	return true;
}

static int add_site(struct elf_image *image, struct probe_plan *plan, enum probe_event event, uint64_t address)
{
	struct probe_site *site = &plan->sites[plan->site_count];
	unsigned char code;

	if (plan->site_count == PLAN_MAX_SITES)
		return -E2BIG;
	if (elf_image__read(image, address, &code, 1) || code != NOP ||
	    elf_image__file_offset(image, address, &site->file_offset))
		return -ENOEXEC;
	site->event = event;
	site->address = address;
	site->emulated = true;
	snprintf(site->instruction, sizeof(site->instruction), "nop (USDT gil:%s)", event_names[event]);
	plan->site_count++;
	return 0;
}

static int add_note(struct elf_image *image, struct probe_plan *plan, const struct note *note, uint64_t base)
{
	if (strcmp(note->provider, "gil"))
		return 0;
	for (enum probe_event event = 0; event < PROBE_EVENTS; event++)
		if (event_names[event] && !strcmp(note->name, event_names[event]))
			return add_site(image, plan, event, note->address + base - note->base);
	return 0;
}

static size_t padded(uint32_t size)
{
	return ((size_t)size + NOTE_ALIGNMENT - 1) & ~(size_t)(NOTE_ALIGNMENT - 1);
}

static int add_notes(struct elf_image *image, struct probe_plan *plan, const char *notes, size_t size, uint64_t base)
{
	size_t at = 0;
	int err = 0;

	while (!err && size - at >= sizeof(Elf64_Nhdr)) {
		struct note note;
		Elf64_Nhdr header;
		size_t name, body;

		memcpy(&header, notes + at, sizeof(header));
		name = at + sizeof(header);
		if (padded(header.n_namesz) > size - name)
			return -ENOEXEC;
		body = name + padded(header.n_namesz);
		if (header.n_descsz > size - body)
			return -ENOEXEC;
		if (header.n_type == NOTE_STAPSDT && header.n_namesz == 8 && !memcmp(notes + name, "stapsdt", 8) &&
		    parse_note(notes + body, header.n_descsz, &note))
			err = add_note(image, plan, &note, base);
		at = padded(header.n_descsz) > size - body ? size : body + padded(header.n_descsz);
	}
	return err;
}

static int find_sites(struct elf_image *image, int fd, struct probe_plan *plan)
{
	Elf64_Shdr section, base = {0};
	char *notes;
	int err = elf_image__section(image, ".note.stapsdt", &section);

	if (err)
		return err;
	if (section.sh_size > MAX_NOTES || elf_image__section(image, ".stapsdt.base", &base))
		return -ENOEXEC;
	notes = malloc(section.sh_size + 1);
	if (!notes)
		return -ENOMEM;
	if (pread(fd, notes, section.sh_size, (off_t)section.sh_offset) == (ssize_t)section.sh_size)
		err = add_notes(image, plan, notes, section.sh_size, base.sh_addr);
	else
		err = -ENOEXEC;
	free(notes);
	return err || plan->site_count ? err : -ENOEXEC;
}

static int compare_sites(const void *left, const void *right)
{
	const struct probe_site *a = left, *b = right;

	if (a->event != b->event)
		return a->event < b->event ? -1 : 1;
	return a->address < b->address ? -1 : a->address > b->address;
}

static const char *known_design(const char *name)
{
	for (size_t i = 0; i < sizeof(designs) / sizeof(*designs); i++)
		if (!strcmp(designs[i], name))
			return designs[i];
	return NULL;
}

/* Before the program runs, the command line says which design it will be. */
static const char *design_of_command(const struct process *process)
{
	char path[64], command[MAX_COMMAND + 1], *argument = command;
	const char *design = "interval";
	ssize_t size = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", process__pid(process));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		size = read(fd, command, MAX_COMMAND);
		close(fd);
	}
	command[size > 0 ? size : 0] = '\0';
	for (; argument < command + size; argument += strlen(argument) + 1)
		if (!strncmp(argument, "--gil=", 6) && known_design(argument + 6))
			design = known_design(argument + 6);
	return design;
}

static const char *find_design(const struct process *process, struct elf_image *image, const struct probe_plan *plan)
{
	struct elf_symbol symbol;
	char name[DESIGN_SIZE] = "";

	if (!elf_image__dynamic_symbol(image, "toygil_design", &symbol) &&
	    !process__read(process, symbol.address + plan->load_bias, name, sizeof(name) - 1) && known_design(name))
		return known_design(name);
	return design_of_command(process);
}

static bool is_within(uint32_t offset, uint32_t size, uint32_t span)
{
	return offset % size == 0 && offset <= span - size;
}

/* What is not there is at NO_FIELD; all else must be where it is read. */
static bool frames_fit(const struct frame_layout *frames)
{
	return frames->top && is_within(frames->top, 8, MAX_THREAD) && frames->code_type == 0 &&
	       frames->threads == NO_FIELD && frames->top_within == NO_FIELD && frames->owner == NO_FIELD &&
	       is_within(frames->previous, 8, FRAME_SPAN) && is_within(frames->code, 8, FRAME_SPAN) &&
	       is_within(frames->instruction, 8, FRAME_SPAN) &&
	       frames->instruction_form == INSTRUCTION_BEHIND_POINTER &&
	       is_within(frames->instructions, 8, CODE_SPAN) && is_within(frames->name, 8, CODE_SPAN) &&
	       is_within(frames->file, 8, CODE_SPAN) && is_within(frames->first_line, 4, CODE_SPAN);
}

static bool code_fits(const struct toygil_code_layout *code)
{
	return code->name_size && code->name_size <= CODE_SPAN && code->name <= CODE_SPAN - code->name_size &&
	       is_within(code->count, 4, CODE_SPAN) && is_within(code->lines, 8, CODE_SPAN) && code->instruction_size;
}

/* A toygil that tells nothing of its frames, or nonsense, is traced without stacks. */
static void read_frames(struct elf_image *image, struct probe_plan *plan)
{
	if (!read_symbol(image, "toygil_frame_layout", &plan->frames, sizeof(plan->frames)) &&
	    !read_symbol(image, "toygil_code_layout", &plan->toygil, sizeof(plan->toygil)) &&
	    frames_fit(&plan->frames) && code_fits(&plan->toygil))
		return;
	plan->frames = (struct frame_layout){0};
	snprintf(plan->notes, sizeof(plan->notes),
		 "How this toygil keeps its frames is not known: there are no stacks.\n");
}

static int make_plan(const struct process *process, struct elf_image *image, int fd, struct probe_plan *plan, char *why,
		     size_t why_size)
{
	int err = read_symbol(image, "toygil_lock_layout", &plan->layout, sizeof(plan->layout));
	char version[16] = "";

	if (err)
		return -ENOENT;
	err = find_sites(image, fd, plan);
	if (!err)
		err = elf_image__load_bias(image, plan->file.start, plan->file.file_offset, &plan->load_bias);
	if (err) {
		snprintf(why, why_size, "toygil's probes cannot be found: its notes are missing or damaged");
		return err == -ENOMEM ? err : -ENOEXEC;
	}
	if (!read_symbol(image, "toygil_version", version, sizeof(version)))
		snprintf(plan->version, sizeof(plan->version), "%.15s", version);
	qsort(plan->sites, plan->site_count, sizeof(*plan->sites), compare_sites);
	read_frames(image, plan);
	plan->runtime = "toygil";
	plan->design = find_design(process, image, plan);
	snprintf(plan->recognised, sizeof(plan->recognised), "the file exports toygil_lock_layout");
	return 0;
}

static int toygil_plan(const struct process *process, const struct mapping *file, struct probe_plan *plan, char *why,
		       size_t why_size)
{
	struct elf_image *image;
	const char *reason;
	char path[PATH_MAX];
	int fd, err;

	process__mapping_path(process, file, path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = elf_image__open(fd, &image, &reason);
	if (!err) {
		*plan = (struct probe_plan){.file = *file};
		err = make_plan(process, image, fd, plan, why, why_size);
		elf_image__close(image);
	} else {
		err = -ENOENT; /* the adapter that was asked before has said what is wrong with the file */
	}
	close(fd);
	return err;
}

static uint64_t word_at(const char *bytes, uint32_t offset)
{
	uint64_t word;

	memcpy(&word, bytes + offset, sizeof(word));
	return word;
}

static uint32_t number_at(const char *bytes, uint32_t offset)
{
	uint32_t number;

	memcpy(&number, bytes + offset, sizeof(number));
	return number;
}

/* Reads no page that the text does not reach into. A text without an end is cut off. */
static int read_text(const struct process *process, uint64_t address, char out[FRAME_TEXT_SIZE])
{
	static const char cut[] = "...";
	size_t used = 0;

	while (used < FRAME_TEXT_SIZE) {
		size_t rest = PAGE - (address + used) % PAGE, room = FRAME_TEXT_SIZE - used;
		size_t size = rest < room ? rest : room;
		int err = process__read(process, address + used, out + used, size);

		if (err)
			return err;
		if (memchr(out + used, '\0', size))
			return 0;
		used += size;
	}
	memcpy(out + FRAME_TEXT_SIZE - sizeof(cut), cut, sizeof(cut));
	return 0;
}

static int read_code(const struct process *process, const struct probe_plan *plan, const struct raw_frame *frame,
		     char code[CODE_SPAN])
{
	const struct frame_layout *frames = &plan->frames;
	const struct toygil_code_layout *layout = &plan->toygil;
	uint32_t ends[] = {frames->instructions + 8,        frames->name + 8,  frames->file + 8,
			   frames->first_line + 4,          layout->count + 4, layout->lines + 8,
			   layout->name + layout->name_size};
	uint32_t size = 0;
	int err;

	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		size = ends[i] > size ? ends[i] : size;
	if (!frames->top || size > CODE_SPAN)
		return -EFAULT;
	err = process__read(process, frame->code, code, size);
	if (err)
		return err == -EFAULT ? -ESTALE : err;
	return code_check(word_at(code, frames->name), word_at(code, frames->file),
			  number_at(code, frames->first_line)) == frame->check
		       ? 0
		       : -ESTALE;
}

/* Code lives as long as the program runs; then the process ends. */
static int name_frame(const struct process *process, const struct probe_plan *plan, const struct raw_frame *frame,
		      struct frame_text *out)
{
	const struct toygil_code_layout *layout = &plan->toygil;
	char code[CODE_SPAN];
	uint32_t index;
	int err = read_code(process, plan, frame, code);

	if (err)
		return err;
	snprintf(out->name, sizeof(out->name), "%.*s", (int)layout->name_size, code + layout->name);
	index = (frame->instruction & INSTRUCTION_MASK) / layout->instruction_size;
	out->line = 0;
	if (index < number_at(code, layout->count))
		err = process__read(process, word_at(code, layout->lines) + index * sizeof(out->line), &out->line,
				    sizeof(out->line));
	return err ? err : read_text(process, word_at(code, plan->frames.file), out->file);
}

static bool evaluates(const struct probe_plan *plan, const char *function)
{
	static const char machine[] = "machine__run";

	(void)plan;
	return !strncmp(function, machine, sizeof(machine) - 1) &&
	       (!function[sizeof(machine) - 1] || function[sizeof(machine) - 1] == '.');
}

const struct runtime_adapter toygil_adapter = {
	.name = "toygil",
	.plan = toygil_plan,
	.name_frame = name_frame,
	.evaluates = evaluates,
};
