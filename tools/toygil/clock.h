/* SPDX-License-Identifier: MIT */
/* The one clock of the runtime, the same as a tracer's in the kernel: ns of CLOCK_MONOTONIC. */
#ifndef TOYGIL_CLOCK_H
#define TOYGIL_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock__now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* This long from now, as pthread_cond_timedwait() wants it. */
static inline struct timespec clock__after(uint64_t ns)
{
	uint64_t then = clock__now() + ns;

	return (struct timespec){.tv_sec = (time_t)(then / 1000000000), .tv_nsec = (long)(then % 1000000000)};
}

#endif
