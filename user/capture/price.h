/* SPDX-License-Identifier: MIT */
/* The price of a probe hit on this machine, measured on a function of our own with the same kind of instruction. */
#ifndef GILTRACE_CAPTURE_PRICE_H
#define GILTRACE_CAPTURE_PRICE_H

#include <stdbool.h>

struct giltrace_bpf;

/*
 * Lets the loaded programs trace acquisitions and releases of a lock of our own and returns the time in ns that a hit
 * adds, or a negative value when that fails. Leaves the maps as they were. Takes about 1 ms and one attach.
 */
double price__measure(struct giltrace_bpf *bpf, bool multi);

#endif
