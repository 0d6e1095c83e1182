/* SPDX-License-Identifier: MIT */
/* What is written on a node of a flame graph: made safe, and short enough to be drawn. */
#ifndef GILTRACE_REPORT_FLAME_LABEL_H
#define GILTRACE_REPORT_FLAME_LABEL_H

#include "user/report/flame_tree.h"

#define FLAME_LABEL_SIZE 4096

/* "is_email (validation.py:17)", "line 17", "python3.11 (pid 12)", "worker-1 (thread 14)". Safe (safe_text.h), at most
 * some hundred characters, one line. Returns `out`. */
const char *flame_label(char out[FLAME_LABEL_SIZE], const struct flame_tree *tree, uint32_t node);

/* The same without what is in brackets, and ":17": what is left where there is little room. */
const char *flame_short_label(char out[FLAME_LABEL_SIZE], const struct flame_tree *tree, uint32_t node);

/* "Python, /srv/shop/orders/validation.py:17": the kind, and the place in full; "" for what is no frame. */
const char *flame_place(char out[FLAME_LABEL_SIZE], const struct flame_tree *tree, uint32_t node);

/* The line that is told with a function: its only one, else 0. */
int64_t flame_line(const struct flame_tree *tree, uint32_t node);

#endif
