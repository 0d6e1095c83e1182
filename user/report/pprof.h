/* SPDX-License-Identifier: MIT */
/* A profile for pprof and what reads its files (Pyroscope, Parca, Grafana): profile.proto, gzipped. */
#ifndef GILTRACE_REPORT_PPROF_H
#define GILTRACE_REPORT_PPROF_H

#include <stdio.h>

#include "user/report/flame_tree.h"

/*
 * Writes one profile with the sample types of Go's: blame as its mutex profile, wait as its block profile (contentions
 * and delay), hold as releases and held time. Labels tell the process and the threads ("holder", "waiter"). The same
 * trace gives the same bytes, for no time of day is in it. 0, -ENOMEM, or the -errno of a failed write.
 */
int report__pprof(const struct trace *trace, enum flame_kind kind, FILE *out);

#endif
