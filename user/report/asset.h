/* SPDX-License-Identifier: MIT */
/* Scripts and styles are files of their own, and become part of the program as they are. */
#ifndef GILTRACE_REPORT_ASSET_H
#define GILTRACE_REPORT_ASSET_H

/* `symbol` is the first byte of the file at `path` (from the top of the source tree), `symbol`_end the one behind its
 * last. */
#define ASSET(symbol, path)                                \
	__asm__(".pushsection .rodata\n" #symbol ":\n"     \
		".incbin \"" path "\"\n" #symbol "_end:\n" \
		".byte 0\n.popsection\n");                 \
	extern const char symbol[], symbol##_end[];

#endif
