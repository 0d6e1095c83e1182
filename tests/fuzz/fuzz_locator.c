/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: the ELF reader and the CPython locator over any bytes, as a traced process could have them mapped.
 *
 *   make fuzz-locator [FUZZ_RUNS=10000000]
 *
 * The seeds are small libraries of each shape (tests/fuzz/locator-seeds.sh).
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "user/target/cpython.h"
#include "user/target/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__asan_default_options(void);

/* The locator takes a megabyte a run: freed memory that is kept as long as the default says is all page faults. */
const char *__asan_default_options(void)
{
	return "quarantine_size_mb=4:malloc_context_size=4";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct probe_plan plan;
	static int fd = -1;
	char why[256];
	int err;

	if (fd < 0)
		fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0 || pwrite(fd, data, size, 0) != (ssize_t)size || ftruncate(fd, (off_t)size))
		abort();
	err = cpython__plan_file(fd, &plan, why, sizeof(why));
	if (err > 0 || (!err && !plan.site_count))
		abort();
	/* What doctor prints must end. */
	if (strnlen(plan.notes, sizeof(plan.notes)) == sizeof(plan.notes) || strnlen(why, sizeof(why)) == sizeof(why))
		abort();
	return 0;
}
