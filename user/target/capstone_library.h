/* SPDX-License-Identifier: MIT */
/*
 * libcapstone, opened when it is first needed: its tables of all machines take 5 MiB once the dynamic loader has been
 * through them, which the loading of the kernel side must not meet (tests/e2e/test_untouched.py).
 */
#ifndef GILTRACE_TARGET_CAPSTONE_LIBRARY_H
#define GILTRACE_TARGET_CAPSTONE_LIBRARY_H

#include <capstone/capstone.h>

/* The functions that are used, by their own names. */
struct capstone_library {
	__typeof__(&cs_open) open;
	__typeof__(&cs_option) option;
	__typeof__(&cs_malloc) malloc;
	__typeof__(&cs_free) free;
	__typeof__(&cs_close) close;
	__typeof__(&cs_disasm_iter) disasm_iter;
	__typeof__(&cs_regs_access) regs_access;
};

/* The library that this was built against, static; NULL: it is not installed. */
const struct capstone_library *capstone_library__get(void);

#endif
