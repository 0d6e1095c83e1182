/* SPDX-License-Identifier: MIT */
/*
 * The flame graph as SVG: see flame_svg.h. What the script needs to lay it out anew is in the elements' own attributes
 * and titles; no text of the target ever gets into code. The script and the style are files of their own (flame.js,
 * flame.css).
 */
#include "user/report/flame_svg.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "user/report/flame_label.h"
#include "user/report/format.h"
#include "user/report/safe_text.h"
#include "user/trace/trace.h"

/* What is drawn without the script, in pixels. flame.js has the same and does it for the window's width. */
#define WIDTH       1200
#define MARGIN      12
#define HEAD        112 /* above the frames */
#define ROW         20
#define CHARACTER   7.3 /* the width of one, of any monospaced font at 12 px */
#define NARROWEST   0.1
#define FEWEST_SEEN 3 /* characters: fewer tell nothing */

#define ASSET(symbol, path)                                \
	__asm__(".pushsection .rodata\n" #symbol ":\n"     \
		".incbin \"" path "\"\n" #symbol "_end:\n" \
		".byte 0\n.popsection\n");                 \
	extern const char symbol[], symbol##_end[];

ASSET(flame_css, "user/report/flame.css")
ASSET(flame_js, "user/report/flame.js")

struct drawing {
	const struct trace *trace;
	struct flame_tree tree;
	uint32_t *rows;     /* of each node: 0 at the root. A line that is told with its function has none */
	double *lefts;      /* of each node, in pixels */
	double scale;       /* pixels a nanosecond */
	uint32_t row_count; /* without the waiters' */
	uint64_t left_out, left_out_ns;
	FILE *out;
};

#define NO_ROW UINT32_MAX

struct words {
	const char *title, *width, *unit, *counted;
};

static const struct words words[FLAME_KINDS] = {
	[FLAME_BLAME] = {"Who blocked whom", "width: how long other threads waited while this code had the lock",
			 "of waiting", "waits"},
	[FLAME_WAIT] = {"Who waited", "width: how long this code waited for the lock", "of waiting", "waits"},
	[FLAME_HOLD] = {"Who held the lock", "width: how long the lock was held until this code let it go",
			"of holding", "releases"},
};

static void write_escaped(const char *text, FILE *out)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			fputc(*text, out);
		}
	}
}

/* Any bytes. */
static void write_foreign(const char *text, size_t most, FILE *out)
{
	char safe[SAFE_TEXT_SIZE];

	write_escaped(format_name(safe, sizeof(safe), text, most), out);
}

static bool is_of_waiter(const struct flame_node *node)
{
	return node->level >= FLAME_WAITED_BY;
}

/* Whether a node can be seen in either weight. */
static bool is_wide_enough(const struct flame_tree *tree, const struct flame_node *node)
{
	const struct flame_weight *all = &tree->nodes[0].total, *its = &node->total;
	double least = NARROWEST / (WIDTH - 2 * MARGIN);

	return (double)its->ns >= least * (double)all->ns ||
	       (tree->has_wall && (double)its->wall_ns >= least * (double)all->wall_ns);
}

/* A line that would be told with its function is no frame of its own; a waiter's time is its holder's already. */
static void leave_out(struct drawing *drawing, uint32_t i)
{
	const struct flame_node *node = &drawing->tree.nodes[i];

	if (node->level == FLAME_LINE && flame_tree__is_one_line(&drawing->tree, node->parent))
		return;
	drawing->left_out++;
	if (!is_of_waiter(node) && drawing->rows[node->parent] != NO_ROW)
		drawing->left_out_ns += node->total.ns;
}

/* Children begin where their elder siblings end; rows count from the root. Narrow nodes go with all that is in them. */
static void lay_out(struct drawing *drawing)
{
	const struct flame_tree *tree = &drawing->tree;
	double *next = drawing->lefts + tree->count; /* where each node's next child begins */

	drawing->scale = tree->nodes[0].total.ns ? (WIDTH - 2 * MARGIN) / (double)tree->nodes[0].total.ns : 0;
	drawing->lefts[0] = next[0] = MARGIN;
	drawing->row_count = 1;
	for (uint32_t i = 1; i < tree->count; i++) {
		const struct flame_node *node = &tree->nodes[i];
		uint32_t parent = node->parent;

		drawing->lefts[i] = next[i] = next[parent];
		next[parent] += (double)node->total.ns * drawing->scale;
		if (drawing->rows[parent] == NO_ROW || !is_wide_enough(tree, node)) {
			drawing->rows[i] = NO_ROW;
			leave_out(drawing, i);
			continue;
		}
		drawing->rows[i] = drawing->rows[parent] + !flame_tree__is_one_line(tree, parent);
		if (!is_of_waiter(node) && drawing->rows[i] >= drawing->row_count)
			drawing->row_count = drawing->rows[i] + 1;
	}
}

static char letter_of(const struct flame_node *node)
{
	static const char kinds[FRAME_KINDS] = {
		[FRAME_PYTHON] = 'p', [FRAME_NATIVE] = 'n', [FRAME_KERNEL] = 'k', [FRAME_NOTE] = 'o'};

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
static unsigned shade_of(const struct flame_node *node)
{
	const char *text = node->file ? node->file : node->name;
	unsigned sum = 0;

	for (; *text; text++)
		sum = sum * 31 + (unsigned char)*text;
	return (sum ^ sum >> 7) % 3;
}

static void write_text(const struct drawing *drawing, uint32_t node, double width)
{
	char label[FLAME_LABEL_SIZE];
	size_t room = width > 8 ? (size_t)((width - 8) / CHARACTER) : 0;

	if (room < FEWEST_SEEN)
		return;
	if (format_columns(flame_label(label, &drawing->tree, node)) > room)
		flame_short_label(label, &drawing->tree, node);
	format_cut(label, room, "\xe2\x80\xa6");
	fputs("<text x=\"4\" y=\"14\">", drawing->out);
	write_escaped(label, drawing->out);
	fputs("</text>", drawing->out);
}

/* Three lines: the label, the figures, the place. */
static void write_title(const struct drawing *drawing, uint32_t node)
{
	const struct flame_tree *tree = &drawing->tree;
	const struct flame_weight *its = &tree->nodes[node].total, *all = &tree->nodes[0].total;
	char text[FLAME_LABEL_SIZE], time[FORMAT_SIZE], share[FORMAT_SIZE];

	fputs("<title>", drawing->out);
	write_escaped(flame_label(text, tree, node), drawing->out);
	fprintf(drawing->out, "\n%s, ", format_time(time, its->ns));
	write_escaped(format_percent(share, all->ns ? (double)its->ns / (double)all->ns : 0),
		      drawing->out); /* "<0.1" */
	fprintf(drawing->out, " %%, %" PRIu64 " %s", its->count, words[tree->kind].counted);
	if (tree->has_wall)
		fprintf(drawing->out, "; by the clock %s", format_time(time, its->wall_ns));
	fputc('\n', drawing->out);
	write_escaped(flame_place(text, tree, node), drawing->out);
	fputs("</title>", drawing->out);
}

static void write_frame(const struct drawing *drawing, uint32_t i)
{
	const struct flame_tree *tree = &drawing->tree;
	const struct flame_node *node = &tree->nodes[i];
	double width = (double)node->total.ns * drawing->scale;
	uint32_t row = drawing->rows[i];
	FILE *out = drawing->out;

	fprintf(out, "<g class=\"%s%c%u\" role=\"treeitem\" aria-level=\"%" PRIu32 "\" data-ns=\"%" PRIu64 "\"",
		is_of_waiter(node) ? "u " : "", letter_of(node), shade_of(node), row + 1, node->total.ns);
	if (tree->has_wall && node->total.wall_ns != node->total.ns)
		fprintf(out, " data-wall=\"%" PRIu64 "\"", node->total.wall_ns);
	fprintf(out, " data-count=\"%" PRIu64 "\"", node->total.count);
	if (!is_of_waiter(node))
		fprintf(out, " transform=\"translate(%.2f %u)\"", drawing->lefts[i],
			HEAD + (drawing->row_count - 1 - row) * ROW);
	fputc('>', out);
	write_title(drawing, i);
	fprintf(out, "<rect width=\"%.2f\" height=\"%d\"/>", is_of_waiter(node) || !node->total.ns ? 0 : width,
		ROW - 1);
	if (!is_of_waiter(node))
		write_text(drawing, i, width);
	fputs("</g\n>", out); /* the end of line within the tag, so that it makes no node */
}

static void write_frames(const struct drawing *drawing)
{
	const struct flame_tree *tree = &drawing->tree;

	fprintf(drawing->out, "<g id=\"frames\" role=\"tree\" aria-label=\"%s\">\n", words[tree->kind].title);
	for (uint32_t i = 0; i < tree->count; i++)
		if (drawing->rows[i] != NO_ROW &&
		    !(tree->nodes[i].level == FLAME_LINE && flame_tree__is_one_line(tree, tree->nodes[i].parent)))
			write_frame(drawing, i);
	fputs("</g>\n", drawing->out);
}

static void write_target(const struct trace *trace, FILE *out)
{
	const char *base = strrchr(trace->target.exe, '/');
	char time[FORMAT_SIZE];

	if (trace->scope == TRACE_EVERYTHING || trace->process_count > 1) {
		fprintf(out, "%zu processes", trace->process_count);
	} else {
		write_foreign(base ? base + 1 : trace->target.exe, 40, out);
		fprintf(out, " (pid %" PRIu32 "), ", trace->target.pid);
		write_foreign(!strcmp(trace->target.runtime, "cpython") ? "CPython" : trace->target.runtime, 20, out);
		fputc(' ', out);
		write_foreign(trace->target.version, 20, out);
	}
	fprintf(out, ", traced for %s%s", format_time(time, trace->duration_ns),
		trace->level == TRACE_WAITS ? ", waits only" : "");
}

static uint64_t lost(const struct trace_lost *lost)
{
	return lost->events + lost->stacks + lost->threads + lost->probes + lost->gils + lost->pairs + lost->processes;
}

static void write_total(const struct drawing *drawing)
{
	const struct flame_tree *tree = &drawing->tree;
	const struct flame_weight *all = &tree->nodes[0].total;
	char time[FORMAT_SIZE];

	if (!all->ns && tree->kind == FLAME_HOLD && drawing->trace->level == TRACE_WAITS) {
		fputs("Holds are not seen with --probes=waits.", drawing->out);
		return;
	}
	if (!all->ns) {
		fprintf(drawing->out, "No time %s was seen.", words[tree->kind].unit);
		return;
	}
	fprintf(drawing->out, "%s %s in %" PRIu64 " %s", format_time(time, all->ns), words[tree->kind].unit, all->count,
		words[tree->kind].counted);
	if (tree->has_wall)
		fprintf(drawing->out, "; for %s by the clock anybody waited", format_time(time, all->wall_ns));
	fprintf(drawing->out, " (%s)", words[tree->kind].width);
}

static void write_losses(const struct drawing *drawing)
{
	const struct trace *trace = drawing->trace;
	uint64_t bad = trace->quality.torn + trace->quality.missing;
	char time[FORMAT_SIZE];

	if (lost(&trace->lost))
		fprintf(drawing->out, "LOST: %" PRIu64 " events (the text report tells which). ", lost(&trace->lost));
	else
		fputs("Nothing was lost. ", drawing->out);
	if (bad)
		fprintf(drawing->out, "%" PRIu64 " of %" PRIu64 " stacks could not be read. ", bad,
			trace->quality.walks);
	if (drawing->left_out)
		fprintf(drawing->out, "%" PRIu64 " frames narrower than 0.1 px are not drawn (%s, counted below them).",
			drawing->left_out, format_time(time, drawing->left_out_ns));
}

static void write_head(const struct drawing *drawing)
{
	FILE *out = drawing->out;

	fprintf(out, "<g id=\"head\"><text class=\"heading\" x=\"%d\" y=\"28\">%s<tspan dx=\"12\" class=\"target\">",
		MARGIN, words[drawing->tree.kind].title);
	write_target(drawing->trace, out);
	fprintf(out, "</tspan></text>\n<text x=\"%d\" y=\"50\">", MARGIN);
	write_total(drawing);
	fprintf(out, "</text>\n<text class=\"minor\" x=\"%d\" y=\"69\">", MARGIN);
	write_losses(drawing);
	fputs("</text></g>\n", out);
}

/* Kinds differ by texture and lettering too, for those who do not see the colours. */
static void write_legend(FILE *out)
{
	static const struct {
		const char *classes, *text;
		int width;
	} entries[] = {{"p0", "Python", 66},
		       {"l0", "line", 52},
		       {"n0", "native", 66},
		       {"k0", "kernel", 66},
		       {"o0", "note", 52}};
	int left = MARGIN;

	fputs("<g id=\"legend\" aria-label=\"Legend\">\n", out);
	for (size_t i = 0; i < sizeof(entries) / sizeof(*entries); i++) {
		fprintf(out, "<g class=\"%s\" transform=\"translate(%d 82)\"><rect width=\"%d\" height=\"%d\"/>",
			entries[i].classes, left, entries[i].width, ROW - 2);
		fprintf(out, "<text x=\"8\" y=\"13\">%s</text></g>\n", entries[i].text);
		left += entries[i].width + 6;
	}
	fputs("</g>\n", out);
}

/* Hatches for native frames and dots for the kernel's, in each shade; the colours are in the style. */
static void write_textures(FILE *out)
{
	fputs("<defs>\n", out);
	for (int shade = 0; shade < 3; shade++) {
		fprintf(out,
			"<pattern id=\"hatch%d\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\" "
			"patternTransform=\"rotate(45)\"><rect class=\"native%d\" width=\"7\" height=\"7\"/>"
			"<rect class=\"stroke\" width=\"1.4\" height=\"7\"/></pattern>\n",
			shade, shade);
		fprintf(out,
			"<pattern id=\"dots%d\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\">"
			"<rect class=\"kernel%d\" width=\"6\" height=\"6\"/>"
			"<circle class=\"stroke\" cx=\"3\" cy=\"3\" r=\"1.1\"/></pattern>\n",
			shade, shade);
	}
	fputs("</defs>\n", out);
}

static void write_document(const struct drawing *drawing)
{
	unsigned height = HEAD + drawing->row_count * ROW + MARGIN;
	FILE *out = drawing->out;

	fprintf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%u\" viewBox=\"0 0 %d %u\" "
		"data-kind=\"%s\"%s data-unit=\"%s\" data-counted=\"%s\">\n<title>",
		WIDTH, height, WIDTH, height, flame_kind_name(drawing->tree.kind),
		drawing->tree.has_wall ? " data-has-wall=\"1\"" : "", words[drawing->tree.kind].unit,
		words[drawing->tree.kind].counted);
	fprintf(out, "%s: ", words[drawing->tree.kind].title);
	write_target(drawing->trace, out);
	fputs("</title>\n<style><![CDATA[\n", out);
	fwrite(flame_css, 1, (size_t)(flame_css_end - flame_css), out);
	fputs("]]></style>\n", out);
	write_textures(out);
	fprintf(out, "<rect id=\"paper\" width=\"100%%\" height=\"100%%\"/>\n");
	write_head(drawing);
	write_legend(out);
	fputs("<script>document.documentElement.classList.add(\"loading\")</script>\n", out);
	write_frames(drawing);
	fputs("<script><![CDATA[\n", out);
	fwrite(flame_js, 1, (size_t)(flame_js_end - flame_js), out);
	fputs("]]></script>\n</svg>\n", out);
}

static int draw(struct drawing *drawing)
{
	drawing->rows = calloc(drawing->tree.count, sizeof(*drawing->rows));
	drawing->lefts = calloc(2 * drawing->tree.count, sizeof(*drawing->lefts));
	if (!drawing->rows || !drawing->lefts)
		return -ENOMEM;
	errno = 0;
	lay_out(drawing);
	write_document(drawing);
	if (fflush(drawing->out) || ferror(drawing->out))
		return errno ? -errno : -EIO;
	return 0;
}

int report__flame(const struct trace *trace, enum flame_kind kind, FILE *out)
{
	struct drawing drawing = {.trace = trace, .out = out};
	int err = flame_tree__fold(trace, kind, true, &drawing.tree);

	if (err)
		return err;
	err = draw(&drawing);
	free(drawing.rows);
	free(drawing.lefts);
	flame_tree__free(&drawing.tree);
	return err;
}
