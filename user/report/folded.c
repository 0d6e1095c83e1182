/* SPDX-License-Identifier: MIT */
/* Folded stacks: see folded.h. */
#include "user/report/folded.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "user/report/safe_text.h"
#include "user/trace/trace.h"

static void write_text(const char *text, FILE *out)
{
	char safe[SAFE_TEXT_SIZE];

	safe_text(safe, sizeof(safe), text);
	for (const char *at = safe; *at; at++) {
		if (*at == ';')
			fputs("\\x3b", out);
		else
			fputc(*at, out);
	}
}

/* `line` 0: none, or it does not matter. */
static void write_frame(const struct flame_node *node, int64_t line, FILE *out)
{
	write_text(node->name, out);
	switch (node->level) {
	case FLAME_PROCESS:
		fprintf(out, " (pid %" PRId64 ")", node->number);
		break;
	case FLAME_INTERPRETER:
		fprintf(out, " %" PRId64, node->number);
		break;
	default:
		if (!node->file)
			break;
		fputs(" (", out);
		write_text(node->file, out);
		if (line)
			fprintf(out, ":%" PRId64, line);
		fputc(')', out);
	}
}

/* A line is no frame of its own: it is told with its function. */
static void write_stack(const struct flame_tree *tree, uint32_t leaf, uint32_t *path, FILE *out)
{
	const struct flame_node *nodes = tree->nodes;
	const char *separator = "";
	size_t depth = 0;

	path[depth++] = 0; /* behind the leaf: no line */
	for (uint32_t at = leaf; at; at = nodes[at].parent)
		path[depth++] = at;
	for (size_t i = depth; i-- > 1;) {
		const struct flame_node *next = &nodes[path[i - 1]];

		if (nodes[path[i]].level == FLAME_LINE)
			continue;
		fputs(separator, out);
		write_frame(&nodes[path[i]], next->level == FLAME_LINE ? next->number : 0, out);
		separator = ";";
	}
	fprintf(out, " %" PRIu64 "\n", nodes[leaf].self.ns);
}

static int write_tree(const struct flame_tree *tree, FILE *out)
{
	uint32_t *path, deepest = 0;

	for (size_t i = 0; i < tree->count; i++)
		deepest = tree->nodes[i].depth > deepest ? tree->nodes[i].depth : deepest;
	path = calloc(deepest + 2, sizeof(*path));
	if (!path)
		return -ENOMEM;
	errno = 0;
	for (uint32_t i = 1; i < tree->count; i++)
		if (tree->nodes[i].self.ns)
			write_stack(tree, i, path, out);
	free(path);
	if (fflush(out) || ferror(out))
		return errno ? -errno : -EIO;
	return 0;
}

int report__folded(const struct trace *trace, enum flame_kind kind, FILE *out)
{
	struct flame_tree tree;
	int err = flame_tree__fold(trace, kind, false, &tree);

	if (err)
		return err;
	err = write_tree(&tree, out);
	flame_tree__free(&tree);
	return err;
}
