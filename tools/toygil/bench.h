/* SPDX-License-Identifier: MIT */
/* `toygil bench`: what is known of each design, measured here. */
#ifndef TOYGIL_BENCH_H
#define TOYGIL_BENCH_H

/* Prints the table on stdout, row by row. 0 or -errno, after a line on stderr. */
int bench__run(void);

#endif
