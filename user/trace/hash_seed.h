/* SPDX-License-Identifier: MIT */
/* A number that nobody outside knows, so that no file can be made whose keys all fall on one place of a table. */
#ifndef GILTRACE_HASH_SEED_H
#define GILTRACE_HASH_SEED_H

#include <stdint.h>

/* The same for the whole life of the process. */
uint64_t hash_seed(void);

#endif
