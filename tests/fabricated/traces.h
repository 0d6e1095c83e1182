/* SPDX-License-Identifier: MIT */
/* Traces that never were: for tests of reports. Each is the same every time. */
#ifndef FABRICATED_TRACES_H
#define FABRICATED_TRACES_H

#include <stddef.h>

struct trace;

struct fabricated {
	const char *name;
	struct trace *(*make)(void); /* finished; NULL without memory */
};

extern const struct fabricated fabricated[];

/* The trace with this name; NULL: there is none. "frames-N" has about N nodes in its flame graph; "events-N-T" has N
 * events of T threads; "turns-N" about N events of 2000 threads in turn, "hostile-events" what no recorder would write.
 */
struct trace *fabricated__make(const char *name);

/* Those with single events. */
struct trace *fabricated__make_turns(size_t count);
struct trace *fabricated__make_hostile_events(void);

#endif
