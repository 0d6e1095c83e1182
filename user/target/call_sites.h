/* SPDX-License-Identifier: MIT */
/*
 * Finds where an ELF file calls functions that it imports, with no symbol table: relocations name the slots of the
 * global offset table, the stubs that jump through these slots are the functions' local entries, and a scan of the code
 * finds the branches to the stubs. Each is confirmed by disassembling the function around it from its start.
 */
#ifndef GILTRACE_TARGET_CALL_SITES_H
#define GILTRACE_TARGET_CALL_SITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/target/disassembly.h"
#include "user/target/elf_image.h"

enum call_kind {
	CALL_DIRECT,        /* call stub */
	CALL_TAIL,          /* jmp stub */
	CALL_TAIL_IF,       /* jcc stub: passed also when it does not call */
	CALL_INDIRECT,      /* call *slot(%rip), or *%reg that was loaded from there: built with -fno-plt */
	CALL_INDIRECT_TAIL, /* jmp *slot(%rip), or *%reg */
	CALL_BY_REGISTER,   /* mov slot(%rip), %reg: calls may follow that are not seen */
	CALL_LOAD_DONE,     /* such a load whose calls are all found: in no result */
};

struct call_site {
	uint64_t address; /* of the instruction, its prefixes included */
	uint64_t next;    /* of the instruction behind it */
	size_t callee;    /* index of the function's name */
	enum call_kind kind;
	bool emulated;                 /* by the kernel, when probed */
	struct address_range function; /* the function, or fragment, that it is in */
	char text[48];                 /* disassembled */
};

struct call_sites {
	struct call_site *sites; /* in address order */
	size_t count;
	size_t imported;   /* how many of the functions the file imports at all */
	size_t unverified; /* byte patterns in code that no .eh_frame entry covers, or that could not be disassembled */
};

/*
 * Finds all calls of the named functions. 0 (also when there are none), -E2BIG (more than can be true), or as
 * elf_image's verbs. Free *out with call_sites__free() in any case.
 */
int call_sites__find(struct elf_image *image, struct disassembly *disassembly, const char *const *functions,
		     size_t function_count, struct call_sites *out);

/* Adds one at the end. 0, -E2BIG (absurdly many), or -ENOMEM. */
int call_sites__add(struct call_sites *out, const struct call_site *site);

/*
 * Whether anything in the code that looks like a jump of 32 bits goes to an address in (after, last]. 1 or 0; -E2BIG
 * when that is more code than *budget allows, in bytes, from which it is taken; or as elf_image's verbs.
 */
int call_sites__code_enters(struct elf_image *image, uint64_t after, uint64_t last, uint64_t *budget);

void call_sites__free(struct call_sites *sites);

#endif
