/* SPDX-License-Identifier: MIT */
/*
 * A bounded reader over one ELF file: see elf_image.h.
 *
 * The headers are read as <elf.h> lays them out; libelf is not asked for them because it allocates by the counts that
 * the file gives.
 */
#include "user/target/elf_image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/target/call_frames.h"

#define MAX_SEGMENTS    512
#define MAX_HASH_CHAIN  1024         /* real chains have some 20 links at most */
#define MAX_FRAMES      (32UL << 20) /* bytes of .eh_frame; an interpreter's has 0.2 to 2 MB */
#define RELOCATION_STEP 1024         /* relocations read at a time */

struct elf_image {
	int fd;
	uint64_t file_size;
	const char *reason;
	Elf64_Ehdr header;
	Elf64_Phdr *segments;
	Elf64_Shdr *sections;
	char *section_names; /* NUL-terminated whatever the file has */
	size_t section_names_size;
	struct address_range *functions; /* sorted by start; read at the first question */
	size_t function_count;
	bool functions_read;
};

static int damaged(struct elf_image *image, const char *reason)
{
	image->reason = reason;
	return -ENOEXEC;
}

static bool within(uint64_t offset, uint64_t size, uint64_t limit)
{
	return offset <= limit && size <= limit - offset;
}

static int read_file(struct elf_image *image, uint64_t offset, void *out, size_t size)
{
	size_t done = 0;

	if (!within(offset, size, image->file_size))
		return damaged(image, "a part of it lies past its end");
	while (done < size) {
		ssize_t got = pread(image->fd, (char *)out + done, size - done, (off_t)(offset + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return damaged(image, "it was truncated while it was read");
		done += (size_t)got;
	}
	return 0;
}

/* Reads `size` bytes into fresh memory with a NUL after them. */
static int read_allocated(struct elf_image *image, uint64_t offset, uint64_t size, void *out)
{
	char *memory;
	int err;

	if (size > ELF_IMAGE_MAX_SECTION)
		return damaged(image, "a section of it is absurdly large");
	if (!within(offset, size, image->file_size))
		return damaged(image, "a section lies past its end");
	memory = malloc(size + 1);
	if (!memory)
		return -ENOMEM;
	err = read_file(image, offset, memory, size);
	if (err) {
		free(memory);
		return err;
	}
	memory[size] = '\0';
	*(char **)out = memory;
	return 0;
}

static int check_header(struct elf_image *image)
{
	const Elf64_Ehdr *header = &image->header;

	if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
	    header->e_machine != EM_X86_64)
		return damaged(image, "it is for another kind of machine than x86-64");
	if (header->e_type != ET_EXEC && header->e_type != ET_DYN)
		return damaged(image, "it is neither an executable nor a shared object");
	if (header->e_phentsize != sizeof(Elf64_Phdr) || !header->e_phnum || header->e_phnum > MAX_SEGMENTS)
		return damaged(image, "its program headers make no sense");
	if (!header->e_shnum || header->e_shentsize != sizeof(Elf64_Shdr))
		return damaged(image, "it has no usable section headers");
	if (header->e_shstrndx >= header->e_shnum)
		return damaged(image, "its section names are missing");
	return 0;
}

static int read_headers(struct elf_image *image)
{
	const Elf64_Shdr *names;
	int err = read_file(image, 0, &image->header, sizeof(image->header));

	err = err ? err : check_header(image);
	err = err ? err
		  : read_allocated(image, image->header.e_phoff, image->header.e_phnum * sizeof(Elf64_Phdr),
				   &image->segments);
	err = err ? err
		  : read_allocated(image, image->header.e_shoff, image->header.e_shnum * sizeof(Elf64_Shdr),
				   &image->sections);
	if (err)
		return err;
	names = &image->sections[image->header.e_shstrndx];
	image->section_names_size = names->sh_size;
	return read_allocated(image, names->sh_offset, names->sh_size, &image->section_names);
}

int elf_image__open(int fd, struct elf_image **out, const char **reason)
{
	struct elf_image *image;
	char magic[SELFMAG];
	struct stat status;
	int err;

	*reason = "";
	if (fstat(fd, &status))
		return -errno;
	if (!S_ISREG(status.st_mode) || pread(fd, magic, sizeof(magic), 0) != sizeof(magic) ||
	    memcmp(magic, ELFMAG, SELFMAG))
		return -ENOENT;
	image = calloc(1, sizeof(*image));
	if (!image)
		return -ENOMEM;
	image->fd = fd;
	image->file_size = (uint64_t)status.st_size;
	image->reason = "";
	err = read_headers(image);
	if (err) {
		*reason = image->reason;
		elf_image__close(image);
		return err;
	}
	*out = image;
	return 0;
}

void elf_image__close(struct elf_image *image)
{
	if (!image)
		return;
	free(image->segments);
	free(image->sections);
	free(image->section_names);
	free(image->functions);
	free(image);
}

const char *elf_image__reason(const struct elf_image *image)
{
	return image->reason;
}

size_t elf_image__section_count(const struct elf_image *image)
{
	return image->header.e_shnum;
}

int elf_image__section_at(struct elf_image *image, size_t index, Elf64_Shdr *out)
{
	if (index >= image->header.e_shnum)
		return -ENOENT;
	*out = image->sections[index];
	if (out->sh_type != SHT_NOBITS && !within(out->sh_offset, out->sh_size, image->file_size))
		return damaged(image, "a section lies past its end");
	return 0;
}

static const char *section_name(const struct elf_image *image, const Elf64_Shdr *section)
{
	return section->sh_name < image->section_names_size ? image->section_names + section->sh_name : "";
}

bool elf_image__section_is(const struct elf_image *image, const Elf64_Shdr *section, const char *prefix)
{
	return !strncmp(section_name(image, section), prefix, strlen(prefix));
}

int elf_image__section(struct elf_image *image, const char *name, Elf64_Shdr *out)
{
	for (size_t i = 1; i < image->header.e_shnum; i++)
		if (!strcmp(section_name(image, &image->sections[i]), name))
			return elf_image__section_at(image, i, out);
	return -ENOENT;
}

static int section_of_type(struct elf_image *image, uint32_t type, Elf64_Shdr *out)
{
	for (size_t i = 1; i < image->header.e_shnum; i++)
		if (image->sections[i].sh_type == type)
			return elf_image__section_at(image, i, out);
	return -ENOENT;
}

/* The dynamic symbols and the strings that they name. */
static int dynamic_symbols(struct elf_image *image, Elf64_Shdr *symbols, Elf64_Shdr *strings)
{
	int err = section_of_type(image, SHT_DYNSYM, symbols);

	if (err)
		return err;
	err = elf_image__section_at(image, symbols->sh_link, strings);
	if (err == -ENOENT || (!err && (strings->sh_type != SHT_STRTAB || symbols->sh_type != SHT_DYNSYM)))
		return damaged(image, "its dynamic symbols have no names");
	return err;
}

/* Whether the string at `index` is `name`: 1 or 0, or -errno. */
static int names_equal(struct elf_image *image, const Elf64_Shdr *strings, uint64_t index, const char *name)
{
	char text[128];
	size_t size = strlen(name) + 1;
	int err;

	if (size > sizeof(text) || !within(index, size, strings->sh_size))
		return 0;
	err = read_file(image, strings->sh_offset + index, text, size);
	return err ? err : !memcmp(text, name, size);
}

/* Whether the dynamic symbol at `index` is a definition of `name`: 1 and *out, 0, or -errno. */
static int symbol_defines(struct elf_image *image, const Elf64_Shdr *symbols, const Elf64_Shdr *strings, uint64_t index,
			  const char *name, struct elf_symbol *out)
{
	Elf64_Sym symbol;
	int found;

	if (index >= symbols->sh_size / sizeof(symbol))
		return 0;
	found = read_file(image, symbols->sh_offset + index * sizeof(symbol), &symbol, sizeof(symbol));
	if (found)
		return found;
	if (symbol.st_shndx == SHN_UNDEF)
		return 0;
	found = names_equal(image, strings, symbol.st_name, name);
	if (found > 0)
		*out = (struct elf_symbol){.address = symbol.st_value, .size = symbol.st_size};
	return found;
}

static uint32_t gnu_hash(const char *name)
{
	uint32_t hash = 5381;

	for (; *name; name++)
		hash = hash * 33 + (unsigned char)*name;
	return hash;
}

/* Looks a definition up in a .gnu.hash section: a few small reads, however many symbols there are. */
static int find_hashed(struct elf_image *image, const Elf64_Shdr *hash, const char *name, struct elf_symbol *out)
{
	struct {
		uint32_t buckets, first_symbol, bloom_words, bloom_shift;
	} table;
	uint32_t index, link, wanted = gnu_hash(name);
	uint64_t buckets_at, chains_at;
	Elf64_Shdr symbols, strings;
	int err = dynamic_symbols(image, &symbols, &strings);

	if (err)
		return err;
	if (hash->sh_size < sizeof(table))
		return damaged(image, "its symbol hash makes no sense");
	err = read_file(image, hash->sh_offset, &table, sizeof(table));
	if (err || !table.buckets)
		return err ? err : -ENOENT;
	buckets_at = sizeof(table) + 8ULL * table.bloom_words;
	chains_at = buckets_at + 4ULL * table.buckets;
	if (chains_at > hash->sh_size)
		return damaged(image, "its symbol hash makes no sense");
	err = read_file(image, hash->sh_offset + buckets_at + 4ULL * (wanted % table.buckets), &index, sizeof(index));
	for (unsigned links = 0; !err && index >= table.first_symbol && links < MAX_HASH_CHAIN; links++, index++) {
		uint64_t at = chains_at + 4ULL * (index - table.first_symbol);

		if (!within(at, sizeof(link), hash->sh_size))
			break;
		err = read_file(image, hash->sh_offset + at, &link, sizeof(link));
		if (!err && (link | 1) == (wanted | 1))
			err = symbol_defines(image, &symbols, &strings, index, name, out);
		if (err > 0)
			return 0;
		if (link & 1)
			break;
	}
	return err ? err : -ENOENT;
}

struct symbol_table {
	Elf64_Sym *symbols;
	size_t count;
	char *strings;
	size_t strings_size;
};

static void free_symbols(struct symbol_table *table)
{
	free(table->symbols);
	free(table->strings);
}

static int read_symbols(struct elf_image *image, struct symbol_table *table)
{
	Elf64_Shdr symbols, strings;
	int err = dynamic_symbols(image, &symbols, &strings);

	*table = (struct symbol_table){0};
	err = err ? err : read_allocated(image, symbols.sh_offset, symbols.sh_size, &table->symbols);
	err = err ? err : read_allocated(image, strings.sh_offset, strings.sh_size, &table->strings);
	if (err) {
		free_symbols(table);
		return err;
	}
	table->count = symbols.sh_size / sizeof(Elf64_Sym);
	table->strings_size = strings.sh_size;
	return 0;
}

static const char *symbol_name(const struct symbol_table *table, size_t index)
{
	if (index >= table->count || table->symbols[index].st_name >= table->strings_size)
		return "";
	return table->strings + table->symbols[index].st_name;
}

/* Reads the whole table: for files without .gnu.hash. */
static int find_linearly(struct elf_image *image, const char *name, struct elf_symbol *out)
{
	struct symbol_table table;
	int err = read_symbols(image, &table);

	if (err)
		return err;
	err = -ENOENT;
	for (size_t i = 1; err && i < table.count; i++) {
		if (table.symbols[i].st_shndx == SHN_UNDEF || strcmp(symbol_name(&table, i), name))
			continue;
		*out = (struct elf_symbol){.address = table.symbols[i].st_value, .size = table.symbols[i].st_size};
		err = 0;
	}
	free_symbols(&table);
	return err;
}

int elf_image__dynamic_symbol(struct elf_image *image, const char *name, struct elf_symbol *out)
{
	Elf64_Shdr hash;
	int err = section_of_type(image, SHT_GNU_HASH, &hash);

	if (err == -ENOENT)
		return find_linearly(image, name, out);
	return err ? err : find_hashed(image, &hash, name, out);
}

/* Which name a relocation's symbol has, or name_count. */
static size_t imported_name(const struct symbol_table *table, const Elf64_Rela *relocation, const char *const *names,
			    size_t name_count)
{
	uint64_t type = ELF64_R_TYPE(relocation->r_info);
	size_t name = 0;
	const char *symbol;

	if (type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT)
		return name_count;
	symbol = symbol_name(table, ELF64_R_SYM(relocation->r_info));
	while (name < name_count && strcmp(symbol, names[name]))
		name++;
	return name;
}

/* Adds the slots of one relocation section to out[*used...]. */
static int add_slots(struct elf_image *image, const Elf64_Shdr *section, const struct symbol_table *table,
		     const char *const *names, size_t name_count, struct got_slot *out, size_t *used, size_t max)
{
	Elf64_Rela relocations[RELOCATION_STEP];
	uint64_t count = section->sh_size / sizeof(Elf64_Rela);

	if (section->sh_size > ELF_IMAGE_MAX_SECTION)
		return damaged(image, "its relocations are absurdly many");
	for (uint64_t first = 0; first < count; first += RELOCATION_STEP) {
		uint64_t step = count - first < RELOCATION_STEP ? count - first : RELOCATION_STEP;
		int err = read_file(image, section->sh_offset + first * sizeof(Elf64_Rela), relocations,
				    step * sizeof(Elf64_Rela));

		if (err)
			return err;
		for (uint64_t i = 0; i < step; i++) {
			size_t name = imported_name(table, &relocations[i], names, name_count);

			if (name < name_count && *used < max)
				out[(*used)++] = (struct got_slot){.address = relocations[i].r_offset, .name = name};
		}
	}
	return 0;
}

ssize_t elf_image__got_slots(struct elf_image *image, const char *const *names, size_t name_count, struct got_slot *out,
			     size_t max)
{
	struct symbol_table table;
	uint64_t read = 0;
	size_t used = 0;
	int err = read_symbols(image, &table);

	if (err)
		return err;
	for (size_t i = 1; !err && i < image->header.e_shnum; i++) {
		Elf64_Shdr section;

		if (image->sections[i].sh_type != SHT_RELA || !(image->sections[i].sh_flags & SHF_ALLOC))
			continue;
		err = elf_image__section_at(image, i, &section);
		read += section.sh_size;
		if (!err && read > ELF_IMAGE_MAX_SECTION) /* many sections over the same bytes */
			err = damaged(image, "its relocations are absurdly many");
		err = err ? err : add_slots(image, &section, &table, names, name_count, out, &used, max);
	}
	free_symbols(&table);
	return err ? err : (ssize_t)used;
}

/* The loaded segment whose bytes in the file include this address, or NULL. */
static const Elf64_Phdr *segment_at(const struct elf_image *image, uint64_t address)
{
	for (size_t i = 0; i < image->header.e_phnum; i++) {
		const Elf64_Phdr *segment = &image->segments[i];

		if (segment->p_type == PT_LOAD && address >= segment->p_vaddr &&
		    address - segment->p_vaddr < segment->p_filesz)
			return segment;
	}
	return NULL;
}

int elf_image__read(struct elf_image *image, uint64_t address, void *out, size_t size)
{
	const Elf64_Phdr *segment = segment_at(image, address);
	uint64_t within_segment;

	if (!segment)
		return -EFAULT;
	within_segment = address - segment->p_vaddr;
	if (size > segment->p_filesz - within_segment || !within(segment->p_offset, within_segment, image->file_size))
		return -EFAULT;
	return read_file(image, segment->p_offset + within_segment, out, size);
}

int elf_image__file_offset(const struct elf_image *image, uint64_t address, uint64_t *offset)
{
	const Elf64_Phdr *segment = segment_at(image, address);

	if (!segment || !within(segment->p_offset, address - segment->p_vaddr, image->file_size))
		return -EFAULT;
	*offset = segment->p_offset + (address - segment->p_vaddr);
	return 0;
}

int elf_image__load_bias(const struct elf_image *image, uint64_t mapping_start, uint64_t mapping_offset, uint64_t *bias)
{
	for (size_t i = 0; i < image->header.e_phnum; i++) {
		const Elf64_Phdr *segment = &image->segments[i];
		uint64_t page_offset = segment->p_offset & 0xfff; /* the kernel maps whole pages */

		if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X))
			continue;
		if (mapping_offset < segment->p_offset - page_offset ||
		    mapping_offset - (segment->p_offset - page_offset) >= segment->p_filesz + page_offset)
			continue;
		/* Unsigned arithmetic throughout: a bias may be "negative", and a crafted one merely wrong. */
		*bias = mapping_start - mapping_offset + segment->p_offset - segment->p_vaddr;
		return 0;
	}
	return -EFAULT;
}

static int read_functions(struct elf_image *image)
{
	Elf64_Shdr section;
	uint8_t *bytes;
	int err = elf_image__section(image, ".eh_frame", &section);

	if (err)
		return err == -ENOENT ? damaged(image, "it has no .eh_frame, so no function's bounds are known") : err;
	if (section.sh_size > MAX_FRAMES)
		return damaged(image, "its .eh_frame is absurdly large");
	err = read_allocated(image, section.sh_offset, section.sh_size, &bytes);
	if (err)
		return err;
	err = call_frames__read(image->header.e_ident, bytes, section.sh_size, section.sh_addr, &image->functions,
				&image->function_count);
	free(bytes);
	image->functions_read = !err;
	return err;
}

int elf_image__function(struct elf_image *image, uint64_t address, struct address_range *out)
{
	size_t low = 0, high;

	if (!image->functions_read) {
		int err = read_functions(image);

		if (err)
			return err;
	}
	high = image->function_count;
	while (low < high) { /* the last one that starts at or before it */
		size_t middle = low + (high - low) / 2;

		if (image->functions[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || address >= image->functions[low - 1].end)
		return -ENOENT;
	*out = image->functions[low - 1];
	return 0;
}
