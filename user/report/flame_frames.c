/* SPDX-License-Identifier: MIT */
/*
 * The frames of a flame graph in SVG: see flame_frames.h.
 *
 * Most of the time until a large graph is seen goes into reading its elements. So there is one rectangle, with a title,
 * for each frame that can be seen, and nothing else: what a zoom may show is a line of text in a table. Labels and the
 * edges between frames lie over the boxes, for a zoom stretches these.
 */
#include "user/report/flame_frames.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "user/report/flame_label.h"
#include "user/report/format.h"
#include "user/report/xml.h"

/* Pixels. flame.js has the same. */
#define CHARACTER   7.3  /* the width of one, of any monospaced font at 12 px */
#define NARROWEST   0.5  /* has an element */
#define NARROW_GAP  0.25 /* between frames that are marked as one, and the least width of such a mark */
#define EDGED       3    /* has a line at its left */
#define FEWEST_SEEN 3    /* characters: fewer tell nothing */

#define SAME     0.1 /* of two traces: a change of less of the greater has no colour */
#define LEFT_OUT 0.1 /* pixels: narrower frames are not in the file */
#define NO_ROW   UINT32_MAX

static bool is_of_waiter(const struct flame_node *node)
{
	return node->level >= FLAME_WAITED_BY;
}

/* A line that is told with its function is no frame of its own. */
static bool is_told_with_parent(const struct flame_tree *tree, uint32_t i)
{
	return tree->nodes[i].level == FLAME_LINE && flame_tree__is_one_line(tree, tree->nodes[i].parent);
}

/* Whether a node may be seen in either weight. */
static bool is_wide_enough(const struct flame_tree *tree, const struct flame_node *node)
{
	const struct flame_weight *all = &tree->nodes[0].total, *its = &node->total;
	double least = LEFT_OUT / FLAME_ROOM;

	return (double)its->ns >= least * (double)all->ns ||
	       (tree->has_wall && (double)its->wall_ns >= least * (double)all->wall_ns);
}

static double width_of(const struct flame_frames *frames, uint32_t i)
{
	return i ? (double)frames->tree.nodes[i].total.ns * frames->scale : FLAME_ROOM;
}

static bool is_in_file(const struct flame_frames *frames, uint32_t i)
{
	return frames->rows[i] != NO_ROW && !is_told_with_parent(&frames->tree, i);
}

static bool has_element(const struct flame_frames *frames, uint32_t i)
{
	return is_in_file(frames, i) && !is_of_waiter(&frames->tree.nodes[i]) && width_of(frames, i) >= NARROWEST;
}

/* A waiter's time is its holder's already. */
static void leave_out(struct flame_frames *frames, uint32_t i)
{
	const struct flame_node *node = &frames->tree.nodes[i];

	frames->rows[i] = NO_ROW;
	if (is_told_with_parent(&frames->tree, i))
		return;
	frames->left_out++;
	if (!is_of_waiter(node) && frames->rows[node->parent] != NO_ROW)
		frames->left_out_ns += node->total.ns;
}

/* Children begin where their elder siblings end; rows count from the root. Narrow nodes go with all that is in them. */
static void place(struct flame_frames *frames, double *next)
{
	const struct flame_tree *tree = &frames->tree;

	for (uint32_t i = 1; i < tree->count; i++) {
		const struct flame_node *node = &tree->nodes[i];
		uint32_t parent = node->parent;

		frames->lefts[i] = next[i] = next[parent];
		next[parent] += (double)node->total.ns * frames->scale;
		if (frames->rows[parent] == NO_ROW || !is_wide_enough(tree, node)) {
			leave_out(frames, i);
			continue;
		}
		frames->rows[i] = frames->rows[parent] + !is_told_with_parent(tree, i);
		if (is_of_waiter(node) || !is_in_file(frames, i))
			continue;
		frames->narrow += !has_element(frames, i);
		if (frames->rows[i] >= frames->row_count)
			frames->row_count = frames->rows[i] + 1;
	}
}

int flame_frames__lay_out(struct flame_frames *frames)
{
	const struct flame_tree *tree = &frames->tree;
	double *next = calloc(tree->count, sizeof(*next)); /* where each node's next child begins */

	frames->rows = calloc(tree->count, sizeof(*frames->rows));
	frames->lefts = calloc(tree->count, sizeof(*frames->lefts));
	if (!next || !frames->rows || !frames->lefts) {
		free(next);
		return -ENOMEM;
	}
	frames->scale = tree->nodes[0].total.ns ? FLAME_ROOM / (double)tree->nodes[0].total.ns : 0;
	frames->row_count = 1;
	place(frames, next);
	free(next);
	frames->marks = calloc(frames->row_count, sizeof(*frames->marks));
	return frames->marks ? 0 : -ENOMEM;
}

void flame_frames__free(struct flame_frames *frames)
{
	free(frames->rows);
	free(frames->lefts);
	free(frames->marks);
	frames->rows = NULL;
	frames->lefts = NULL;
	frames->marks = NULL;
	flame_tree__free(&frames->tree);
}

/* By what became of it: gone, appeared, more, fewer, or about the same. */
static char letter_of_change(const struct flame_node *node)
{
	double before = (double)node->sides[0], after = (double)node->sides[1];

	if (before <= 0 && after <= 0)
		return 'e';
	if (before <= 0 || after <= 0)
		return before > 0 ? 'g' : 'a';
	if (fabs(after - before) < SAME * (after > before ? after : before))
		return 'e';
	return after > before ? 'm' : 'f';
}

/* How much, as a share of the greater. */
static unsigned shade_of_change(const struct flame_node *node)
{
	double before = (double)node->sides[0], after = (double)node->sides[1];
	double change = fabs(after - before) / (after > before ? after : before);

	return before <= 0 && after <= 0 ? 0 : change < 1.0 / 3 ? 0 : change < 2.0 / 3 ? 1 : 2;
}

static char letter_of(const struct flame_tree *tree, const struct flame_node *node)
{
	static const char kinds[FRAME_KINDS] = {
		[FRAME_PYTHON] = 'p', [FRAME_NATIVE] = 'n', [FRAME_KERNEL] = 'k', [FRAME_NOTE] = 'o'};

	if (tree->of_two)
		return letter_of_change(node);
	switch (node->level) {
	case FLAME_FRAME:
	case FLAME_WAITER_FRAME:
		return kinds[node->kind];
	case FLAME_LINE:
		return 'l';
	case FLAME_WAITED_BY:
		return 'w';
	default:
		return 'r';
	}
}

/* One of three shades of its kind's colour, by the file: neighbours from the same file belong together. */
static unsigned shade_of(const struct flame_tree *tree, const struct flame_node *node)
{
	const char *text = node->file ? node->file : node->name;
	unsigned sum = 0;

	if (tree->of_two)
		return shade_of_change(node);
	for (; *text; text++)
		sum = sum * 31 + (unsigned char)*text;
	return (sum ^ sum >> 7) % 3;
}

static uint32_t top_of(const struct flame_frames *frames, uint32_t i)
{
	return (frames->row_count - 1 - frames->rows[i]) * FLAME_ROW;
}

/* "before 430 ms, after 120 ms of waiting a second: -72 %". flame.js says it the same way. */
static void write_sides(const struct flame_frames *frames, const struct flame_node *node, FILE *out)
{
	char before[FORMAT_SIZE], after[FORMAT_SIZE];

	fprintf(out, "before %s, after %s %s", format_time(before, node->sides[0]), format_time(after, node->sides[1]),
		frames->words->unit);
	if (node->sides[0] && node->sides[1])
		fprintf(out, ": %+.0f %%", 100 * ((double)node->sides[1] / (double)node->sides[0] - 1));
}

/* Three lines: the label, the figures, the place. */
static void write_title(const struct flame_frames *frames, uint32_t i, FILE *out)
{
	const struct flame_tree *tree = &frames->tree;
	const struct flame_weight *its = &tree->nodes[i].total, *all = &tree->nodes[0].total;
	char text[FLAME_LABEL_SIZE], time[FORMAT_SIZE], share[FORMAT_SIZE];

	fputs("<title>", out);
	xml__write(flame_label(text, tree, i), out);
	fputc('\n', out);
	if (tree->of_two) {
		write_sides(frames, &tree->nodes[i], out);
	} else {
		fprintf(out, "%s, ", format_time(time, its->ns));
		xml__write(format_percent(share, all->ns ? (double)its->ns / (double)all->ns : 0), out); /* "<0.1" */
		fprintf(out, " %%, %" PRIu64 " %s", its->count, frames->words->counted);
	}
	if (tree->has_wall)
		fprintf(out, "; by the clock %s", format_time(time, its->wall_ns));
	fputc('\n', out);
	xml__write(flame_place(text, tree, i), out);
	fputs("</title>", out);
}

/* A polygon is what browsers lay out fastest: its points take no part in the style. */
static void write_box(const struct flame_frames *frames, uint32_t i, FILE *out)
{
	double left = frames->lefts[i], right = left + width_of(frames, i);
	uint32_t top = top_of(frames, i), bottom = top + FLAME_ROW - 1;

	fprintf(out,
		"<polygon class=\"%c%u\" points=\"%.3f %" PRIu32 " %.3f %" PRIu32 " %.3f %" PRIu32 " %.3f %" PRIu32
		"\">",
		letter_of(&frames->tree, &frames->tree.nodes[i]), shade_of(&frames->tree, &frames->tree.nodes[i]), left,
		top, right, top, right, bottom, left, bottom);
}

/* Ends of lines are within tags, so that they make no nodes. */
static void write_boxes(const struct flame_frames *frames, FILE *out)
{
	const struct flame_tree *tree = &frames->tree;

	fprintf(out,
		"<svg id=\"graph\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%" PRIu32 "\" viewBox=\"0 0 %d %" PRIu32
		"\" preserveAspectRatio=\"none\"><g id=\"frames\" role=\"tree\" aria-label=\"%s\"><g id=\"drawn\"\n>",
		FLAME_MARGIN, FLAME_HEAD, FLAME_ROOM, frames->row_count * FLAME_ROW, FLAME_ROOM,
		frames->row_count * FLAME_ROW, frames->words->title);
	for (uint32_t i = 0; i < tree->count; i++) {
		if (!has_element(frames, i))
			continue;
		write_box(frames, i, out);
		write_title(frames, i, out);
		fputs("</polygon\n>", out);
	}
	fputs("</g><g id=\"made\"/></g></svg>\n", out);
}

static void write_mark(const struct flame_mark *mark, uint32_t top, FILE *out)
{
	double width = mark->end - mark->begin;

	if (width >= NARROW_GAP)
		fprintf(out, "M%.2f %" PRIu32 "h%.2fv%dh-%.2fz", mark->begin, top, width, FLAME_ROW - 1, width);
}

/* Narrow frames are not seen one by one, but together: those that stand side by side in a row are one mark. */
static void write_narrow(const struct flame_frames *frames, FILE *out)
{
	struct flame_mark *marks = frames->marks;

	memset(marks, 0, frames->row_count * sizeof(*marks));
	fputs("<path class=\"narrow\" d=\"", out);
	for (uint32_t i = 0; i < frames->tree.count; i++) {
		struct flame_mark *mark;

		if (!is_in_file(frames, i) || is_of_waiter(&frames->tree.nodes[i]) || has_element(frames, i))
			continue;
		mark = &marks[frames->rows[i]];
		if (frames->lefts[i] > mark->end + NARROW_GAP) {
			write_mark(mark, top_of(frames, i), out);
			mark->begin = frames->lefts[i];
		}
		mark->end = frames->lefts[i] + width_of(frames, i);
	}
	for (uint32_t row = 0; row < frames->row_count; row++)
		write_mark(&marks[row], (frames->row_count - 1 - row) * FLAME_ROW, out);
	fputs("\"/>\n", out);
}

static void write_edges(const struct flame_frames *frames, FILE *out)
{
	fputs("<path class=\"edges\" d=\"", out);
	for (uint32_t i = 0; i < frames->tree.count; i++)
		if (has_element(frames, i) && width_of(frames, i) >= EDGED)
			fprintf(out, "M%.2f %" PRIu32 "v%d", frames->lefts[i], top_of(frames, i), FLAME_ROW - 1);
	fputs("\"/>\n", out);
}

/* Over the frames of a kind. */
static void write_texture(const struct flame_frames *frames, const char *texture, char letter, FILE *out)
{
	fprintf(out, "<path class=\"%s\" d=\"", texture);
	for (uint32_t i = 0; i < frames->tree.count; i++)
		if (letter_of(&frames->tree, &frames->tree.nodes[i]) == letter && has_element(frames, i) &&
		    width_of(frames, i) >= EDGED)
			fprintf(out, "M%.2f %" PRIu32 "h%.2fv%dh-%.2fz", frames->lefts[i], top_of(frames, i),
				width_of(frames, i), FLAME_ROW - 1, width_of(frames, i));
	fputs("\"/>\n", out);
}

static void write_label(const struct flame_frames *frames, uint32_t i, FILE *out)
{
	char label[FLAME_LABEL_SIZE];
	double width = width_of(frames, i);
	size_t room = width > 8 ? (size_t)((width - 8) / CHARACTER) : 0;

	if (room < FEWEST_SEEN)
		return;
	if (format_columns(flame_label(label, &frames->tree, i)) > room)
		flame_short_label(label, &frames->tree, i);
	format_cut(label, room, "\xe2\x80\xa6");
	fprintf(out, "<text class=\"%c%u\" x=\"%.2f\" y=\"%" PRIu32 "\">",
		letter_of(&frames->tree, &frames->tree.nodes[i]), shade_of(&frames->tree, &frames->tree.nodes[i]),
		frames->lefts[i] + 4, top_of(frames, i) + 14);
	xml__write(label, out);
	fputs("</text>\n", out);
}

/* What lies over the boxes. */
static void write_labels(const struct flame_frames *frames, FILE *out)
{
	fprintf(out, "<g id=\"labels\" aria-hidden=\"true\" transform=\"translate(%d %d)\">\n", FLAME_MARGIN,
		FLAME_HEAD);
	write_narrow(frames, out);
	write_texture(frames, "hatch", frames->tree.of_two ? 'g' : 'n', out);
	write_texture(frames, "dots", frames->tree.of_two ? 'a' : 'k', out);
	write_edges(frames, out);
	for (uint32_t i = 0; i < frames->tree.count; i++)
		if (has_element(frames, i))
			write_label(frames, i, out);
	fputs("</g>\n", out);
}

/*
 * A line a frame, in order, of fields between tabs: class, level, nanoseconds, count, nanoseconds by the clock where
 * they differ (of two traces: nanoseconds a second, and in place of the last two those before and after); then label
 * and place, where no element has them in its title. Neither has a tab or an end of line.
 */
static void write_figures(const struct flame_frames *frames, FILE *out)
{
	const struct flame_tree *tree = &frames->tree;
	char text[FLAME_LABEL_SIZE];

	fputs("<metadata id=\"figures\">", out);
	for (uint32_t i = 0; i < tree->count; i++) {
		const struct flame_node *node = &tree->nodes[i];

		if (!is_in_file(frames, i))
			continue;
		fprintf(out, "\n%s%c%u\t%" PRIu32 "\t%" PRIu64 "\t%" PRIu64 "\t", is_of_waiter(node) ? "u " : "",
			letter_of(tree, node), shade_of(tree, node), frames->rows[i] + 1, node->total.ns,
			tree->of_two ? node->sides[0] : node->total.count);
		if (tree->of_two)
			fprintf(out, "%" PRIu64, node->sides[1]);
		if (tree->has_wall && node->total.wall_ns != node->total.ns)
			fprintf(out, "%" PRIu64, node->total.wall_ns);
		if (has_element(frames, i))
			continue;
		fputc('\t', out);
		xml__write(flame_label(text, tree, i), out);
		fputc('\t', out);
		xml__write(flame_place(text, tree, i), out);
	}
	fputs("</metadata>\n", out);
}

void flame_frames__write(const struct flame_frames *frames, FILE *out)
{
	write_boxes(frames, out);
	write_labels(frames, out);
	write_figures(frames, out);
}
