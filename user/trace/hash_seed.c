/* SPDX-License-Identifier: MIT */
/* The seed of hashes: see hash_seed.h. */
#include "user/trace/hash_seed.h"

#include <string.h>
#include <sys/auxv.h>

/* The kernel gives each program 16 random bytes. */
uint64_t hash_seed(void)
{
	const void *random = (const void *)(uintptr_t)getauxval(AT_RANDOM);
	uint64_t seed = 0;

	if (random)
		memcpy(&seed, (const char *)random + 8, sizeof(seed));
	return seed;
}
