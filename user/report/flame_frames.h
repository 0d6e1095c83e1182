/* SPDX-License-Identifier: MIT */
/*
 * The frames of a flame graph in SVG: their layout at a fixed width, the elements of those that are wide enough to be
 * seen, and a table of all for the script. flame.js reads what is written here, and lays out the same way for the
 * window's width.
 */
#ifndef GILTRACE_REPORT_FLAME_FRAMES_H
#define GILTRACE_REPORT_FLAME_FRAMES_H

#include <stdio.h>

#include "user/report/flame_tree.h"

/* Pixels. flame.js has the same. */
#define FLAME_WIDTH  1200
#define FLAME_MARGIN 12
#define FLAME_HEAD   112 /* above the frames */
#define FLAME_ROW    20
#define FLAME_ROOM   (FLAME_WIDTH - 2 * FLAME_MARGIN)

struct flame_words {
	const char *title, *width, *unit, *counted;
};

/* Pixels, from the root's left end. */
struct flame_mark {
	double begin, end;
};

struct flame_frames {
	struct flame_tree tree;
	const struct flame_words *words;
	uint32_t *rows; /* of each node: 0 at the root. A line that is told with its function has its. What is left out
			   has none */
	double *lefts;  /* of each node, in pixels from the root's left end */
	double scale;   /* pixels a nanosecond */
	uint32_t row_count;       /* without the waiters' */
	struct flame_mark *marks; /* of each row: room to gather narrow frames */
	uint64_t narrow;          /* have no element: the script makes it when a zoom shows them */
	uint64_t left_out, left_out_ns;
};

/* Lays out the tree that is in `frames`. 0 or -ENOMEM. */
int flame_frames__lay_out(struct flame_frames *frames);
void flame_frames__free(struct flame_frames *frames); /* with its tree; idempotent */

void flame_frames__write(const struct flame_frames *frames, FILE *out);

#endif
