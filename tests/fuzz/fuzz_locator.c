/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: the ELF reader and the CPython locator over any bytes, as a traced process could have them mapped.
 *
 *   clang -std=gnu11 -D_GNU_SOURCE -I. -g -O1 -fsanitize=fuzzer,address,undefined tests/fuzz/fuzz_locator.c \
 *         user/target/[a-z]*.c -ldw -lelf -lcapstone -o fuzz_locator
 *   fuzz_locator -timeout=2 -max_len=65536 CORPUS
 *
 * Good seeds are libraries built from tests/unit/locator_fixture.c and .S.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "user/target/cpython.h"
#include "user/target/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct probe_plan plan;
	static int fd = -1;
	char why[256];
	int err;

	if (fd < 0)
		fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, 0) || pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();
	err = cpython__plan_file(fd, &plan, why, sizeof(why));
	if (err > 0 || (!err && !plan.site_count))
		abort();
	/* What doctor prints must end. */
	if (strnlen(plan.notes, sizeof(plan.notes)) == sizeof(plan.notes) || strnlen(why, sizeof(why)) == sizeof(why))
		abort();
	return 0;
}
