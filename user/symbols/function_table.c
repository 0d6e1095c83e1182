/* SPDX-License-Identifier: MIT */
/* The functions of an ELF file: see function_table.h. */
#include "user/symbols/function_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/target/elf_image.h"

#define MAX_SYMBOLS (1UL << 20) /* of which 24 MB are read; an interpreter's .symtab has 20 000 */
#define MAX_NAMES   (64UL << 20)
#define LOOK_BACK   16 /* symbols before the nearest that may still reach over it */

struct function {
	uint64_t start, size;
	const char *name;
	bool global;
};

struct function_table {
	int fd;
	struct elf_image *image;
	char *names;
	size_t names_size;
	struct function *functions; /* sorted by start, one each */
	size_t count;
};

void function_table__free(struct function_table *table)
{
	if (!table)
		return;
	elf_image__close(table->image);
	close(table->fd);
	free(table->functions);
	free(table->names);
	free(table);
}

/* The file is read, not mapped: it may shrink. */
static int read_section(int fd, const Elf64_Shdr *section, uint64_t most, char **out)
{
	size_t done = 0;
	char *bytes;

	if (section->sh_size > most)
		return -E2BIG;
	bytes = malloc(section->sh_size + 1);
	if (!bytes)
		return -ENOMEM;
	while (done < section->sh_size) {
		ssize_t got = pread(fd, bytes + done, section->sh_size - done, (off_t)(section->sh_offset + done));

		if (got <= 0) {
			free(bytes);
			return got ? -errno : -ENOEXEC;
		}
		done += (size_t)got;
	}
	bytes[done] = '\0';
	*out = bytes;
	return 0;
}

static unsigned leading_underscores(const char *name)
{
	return (unsigned)strspn(name, "_");
}

/* Of several names of one function: an exported one with few underscores, read and not __libc_read; then any order. */
static int compare_names(const struct function *a, const struct function *b)
{
	unsigned left = leading_underscores(a->name), right = leading_underscores(b->name);

	if (a->global != b->global)
		return a->global ? -1 : 1;
	if (left != right)
		return left < right ? -1 : 1;
	return strcmp(a->name, b->name);
}

static int compare_functions(const void *left, const void *right)
{
	const struct function *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return compare_names(a, b);
}

static void keep_one_each(struct function_table *table)
{
	size_t kept = 0;

	for (size_t i = 0; i < table->count; i++) {
		struct function *last = kept ? &table->functions[kept - 1] : NULL;

		if (!last || last->start != table->functions[i].start)
			table->functions[kept++] = table->functions[i];
		else if (last->size < table->functions[i].size)
			last->size = table->functions[i].size;
	}
	table->count = kept;
}

static bool is_function(const Elf64_Sym *symbol, size_t names_size)
{
	unsigned type = ELF64_ST_TYPE(symbol->st_info);

	return (type == STT_FUNC || type == STT_GNU_IFUNC) && symbol->st_shndx != SHN_UNDEF && symbol->st_size &&
	       symbol->st_name && symbol->st_name < names_size;
}

static int take_symbols(struct function_table *table, const char *symbols, size_t count)
{
	table->functions = malloc((count + 1) * sizeof(*table->functions));
	if (!table->functions)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		Elf64_Sym symbol;

		memcpy(&symbol, symbols + i * sizeof(symbol), sizeof(symbol));
		if (is_function(&symbol, table->names_size))
			table->functions[table->count++] =
				(struct function){.start = symbol.st_value,
						  .size = symbol.st_size,
						  .name = table->names + symbol.st_name,
						  .global = ELF64_ST_BIND(symbol.st_info) != STB_LOCAL};
	}
	qsort(table->functions, table->count, sizeof(*table->functions), compare_functions);
	keep_one_each(table);
	return 0;
}

/* 0, -ENOENT when there is no such section or nothing in it, else -errno. */
static int read_symbols(struct function_table *table, uint32_t type)
{
	size_t sections = elf_image__section_count(table->image);
	Elf64_Shdr section = {0}, strings;
	char *symbols;
	int err = -ENOENT;

	for (size_t i = 0; i < sections; i++) {
		err = elf_image__section_at(table->image, i, &section);
		if (!err && section.sh_type == type)
			break;
		err = -ENOENT;
	}
	err = err ? err : elf_image__section_at(table->image, section.sh_link, &strings);
	err = err ? err : read_section(table->fd, &strings, MAX_NAMES, &table->names);
	if (err)
		return err;
	table->names_size = strings.sh_size;
	err = read_section(table->fd, &section, MAX_SYMBOLS * sizeof(Elf64_Sym), &symbols);
	if (!err) {
		err = take_symbols(table, symbols, section.sh_size / sizeof(Elf64_Sym));
		free(symbols);
	}
	return err || table->count ? err : -ENOENT;
}

static void forget_symbols(struct function_table *table)
{
	free(table->functions);
	free(table->names);
	table->functions = NULL;
	table->names = NULL;
	table->count = table->names_size = 0;
}

int function_table__open(int fd, struct function_table **out)
{
	struct function_table *table = calloc(1, sizeof(*table));
	const char *reason;
	int err;

	if (!table) {
		close(fd);
		return -ENOMEM;
	}
	table->fd = fd;
	err = elf_image__open(fd, &table->image, &reason);
	if (err) {
		function_table__free(table);
		return err;
	}
	if (read_symbols(table, SHT_SYMTAB)) {
		forget_symbols(table);
		if (read_symbols(table, SHT_DYNSYM))
			forget_symbols(table); /* .eh_frame is left */
	}
	*out = table;
	return 0;
}

const char *function_table__find(struct function_table *table, uint64_t address, uint64_t *start)
{
	size_t low = 0, high = table->count;
	struct address_range range;

	while (low < high) { /* behind the last one that starts at or before it */
		size_t middle = low + (high - low) / 2;

		if (table->functions[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	for (size_t i = low; i > 0 && low - i < LOOK_BACK; i--) {
		const struct function *function = &table->functions[i - 1];

		if (address - function->start < function->size) {
			*start = function->start;
			return function->name;
		}
	}
	*start = elf_image__function(table->image, address, &range) ? address : range.start;
	return NULL;
}

int function_table__load_bias(const struct function_table *table, uint64_t mapping_start, uint64_t mapping_offset,
			      uint64_t *bias)
{
	return elf_image__load_bias(table->image, mapping_start, mapping_offset, bias);
}
