/* SPDX-License-Identifier: MIT */
/* Taking in what the kernel side tells while it traces: processes that come and go, threads that end, long holds. */
#ifndef GILTRACE_CAPTURE_RECORDS_H
#define GILTRACE_CAPTURE_RECORDS_H

#include <stddef.h>

/* One of the ring buffer's records, of `size` bytes; `context`: the struct capture. 0: go on. */
int records__take(void *context, void *data, size_t size);

#endif
