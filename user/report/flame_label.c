/* SPDX-License-Identifier: MIT */
/* What is written on a node of a flame graph: see flame_label.h. */
#include "user/report/flame_label.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "user/report/format.h"
#include "user/report/safe_text.h"

/* Characters; a name of 10 000 would make the file large and the graph no clearer. The JSON has all. */
#define MOST_OF_NAME  240
#define MOST_OF_PLACE 400

int64_t flame_line(const struct flame_tree *tree, uint32_t node)
{
	const struct flame_node *at = &tree->nodes[node];

	if (at->level == FLAME_LINE)
		return at->number;
	return flame_tree__is_one_line(tree, node) ? at[1].number : at->line;
}

const char *flame_short_label(char out[FLAME_LABEL_SIZE], const struct flame_tree *tree, uint32_t node)
{
	const struct flame_node *at = &tree->nodes[node];
	char safe[SAFE_TEXT_SIZE];

	if (at->level == FLAME_LINE)
		snprintf(out, FLAME_LABEL_SIZE, ":%" PRId64, at->number);
	else if (at->level == FLAME_INTERPRETER)
		snprintf(out, FLAME_LABEL_SIZE, "interpreter %" PRId64, at->number);
	else
		snprintf(out, FLAME_LABEL_SIZE, "%s",
			 *at->name ? format_name(safe, sizeof(safe), at->name, MOST_OF_NAME) : "(no name)");
	return out;
}

/* A native frame's file is a library, another's a source; the last part of either is enough to know it by. */
static void add_file(char out[FLAME_LABEL_SIZE], const char *file, int64_t line)
{
	const char *base = strrchr(file, '/');
	char safe[SAFE_TEXT_SIZE], number[24] = "";
	size_t used = strlen(out);

	if (line)
		snprintf(number, sizeof(number), ":%" PRId64, line);
	snprintf(out + used, FLAME_LABEL_SIZE - used, " (%s%s)",
		 format_name(safe, sizeof(safe), base && base[1] ? base + 1 : file, MOST_OF_NAME), number);
}

const char *flame_label(char out[FLAME_LABEL_SIZE], const struct flame_tree *tree, uint32_t node)
{
	const struct flame_node *at = &tree->nodes[node];
	size_t used;

	flame_short_label(out, tree, node);
	used = strlen(out);
	if (at->level == FLAME_LINE)
		snprintf(out, FLAME_LABEL_SIZE, "line %" PRId64, at->number);
	else if (at->level == FLAME_PROCESS)
		snprintf(out + used, FLAME_LABEL_SIZE - used, " (pid %" PRId64 ")", at->number);
	else if (at->level == FLAME_WAITER)
		snprintf(out + used, FLAME_LABEL_SIZE - used, " (thread %" PRId64 ")", at->number);
	else if ((at->level == FLAME_FRAME || at->level == FLAME_WAITER_FRAME) && at->file)
		add_file(out, at->file, flame_line(tree, node));
	return out;
}

const char *flame_place(char out[FLAME_LABEL_SIZE], const struct flame_tree *tree, uint32_t node)
{
	static const char *const kinds[FRAME_KINDS] = {
		[FRAME_PYTHON] = "Python", [FRAME_NATIVE] = "native", [FRAME_KERNEL] = "kernel", [FRAME_NOTE] = "note"};
	const struct flame_node *at = &tree->nodes[node];
	int64_t line = flame_line(tree, node);
	char safe[SAFE_TEXT_SIZE], number[24] = "";

	out[0] = '\0';
	if (at->level != FLAME_FRAME && at->level != FLAME_LINE && at->level != FLAME_WAITER_FRAME)
		return out;
	if (line)
		snprintf(number, sizeof(number), ":%" PRId64, line);
	if (at->file)
		snprintf(out, FLAME_LABEL_SIZE, "%s, %s%s", kinds[at->kind],
			 format_name(safe, sizeof(safe), at->file, MOST_OF_PLACE), number);
	else
		snprintf(out, FLAME_LABEL_SIZE, "%s", kinds[at->kind]);
	return out;
}
