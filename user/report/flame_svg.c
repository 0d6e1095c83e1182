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

#include "user/report/asset.h"
#include "user/report/flame_difference.h"
#include "user/report/flame_frames.h"
#include "user/report/format.h"
#include "user/report/safe_text.h"
#include "user/report/xml.h"
#include "user/trace/trace.h"

ASSET(flame_css, "user/report/flame.css")
ASSET(flame_js, "user/report/flame.js")

struct drawing {
	const struct trace *trace, *after; /* `after`: what `trace` is compared with; NULL: with nothing */
	struct flame_frames frames;
	FILE *out;
};

static const struct flame_words words[FLAME_KINDS] = {
	[FLAME_BLAME] = {"Who blocked whom", "width: how long other threads waited while this code had the lock",
			 "of waiting", "waits"},
	[FLAME_WAIT] = {"Who waited", "width: how long this code waited for the lock", "of waiting", "waits"},
	[FLAME_HOLD] = {"Who held the lock", "width: how long the lock was held until this code let it go",
			"of holding", "releases"},
};

static const struct flame_words words_of_two[FLAME_KINDS] = {
	[FLAME_BLAME] = {"Who blocked whom, before and after",
			 "width: how long others waited a second while this code had the lock, in the trace where that "
			 "was more",
			 "of waiting a second", "waits"},
	[FLAME_WAIT] = {"Who waited, before and after",
			"width: how long this code waited a second, in the trace where that was more",
			"of waiting a second", "waits"},
	[FLAME_HOLD] =
		{"Who held the lock, before and after",
		 "width: how long it was held a second until this code let it go, in the trace where that was more",
		 "of holding a second", "releases"},
};

/* Any bytes. */
static void write_foreign(const char *text, size_t most, FILE *out)
{
	char safe[SAFE_TEXT_SIZE];

	xml__write(format_name(safe, sizeof(safe), text, most), out);
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

static void write_targets(const struct drawing *drawing)
{
	write_target(drawing->trace, drawing->out);
	if (!drawing->after)
		return;
	fputs("; ", drawing->out);
	write_target(drawing->after, drawing->out);
}

static void write_total(const struct drawing *drawing)
{
	const struct flame_tree *tree = &drawing->frames.tree;
	const struct flame_weight *all = &tree->nodes[0].total;
	char time[FORMAT_SIZE];

	if (!all->ns && tree->kind == FLAME_HOLD && drawing->trace->level == TRACE_WAITS) {
		fputs("Holds are not seen with --probes=waits.", drawing->out);
		return;
	}
	if (!all->ns) {
		fprintf(drawing->out, "No time %s was seen.", drawing->frames.words->unit);
		return;
	}
	fprintf(drawing->out, "%s %s in %" PRIu64 " %s", format_time(time, all->ns), drawing->frames.words->unit,
		all->count, drawing->frames.words->counted);
	if (tree->has_wall)
		fprintf(drawing->out, "; for %s by the clock anybody waited", format_time(time, all->wall_ns));
	fprintf(drawing->out, " (%s)", drawing->frames.words->width);
}

/* Of two traces: the sums, and what the width is. */
static void write_totals(const struct drawing *drawing)
{
	const struct flame_node *all = &drawing->frames.tree.nodes[0];
	char before[FORMAT_SIZE], after[FORMAT_SIZE];

	fprintf(drawing->out, "Before %s, after %s %s (%s)", format_time(before, all->sides[0]),
		format_time(after, all->sides[1]), drawing->frames.words->unit, drawing->frames.words->width);
}

static void write_losses(const struct drawing *drawing)
{
	const struct trace *trace = drawing->trace;
	uint64_t bad = trace->quality.torn + trace->quality.missing;
	char time[FORMAT_SIZE];

	if (drawing->after && trace__lost(trace) + trace__lost(drawing->after))
		fprintf(drawing->out, "LOST: %" PRIu64 " events before, %" PRIu64 " after. ", trace__lost(trace),
			trace__lost(drawing->after));
	else if (trace__lost(trace))
		fprintf(drawing->out, "LOST: %" PRIu64 " events (the text report tells which). ", trace__lost(trace));
	else
		fputs("Nothing was lost. ", drawing->out);
	if (bad && !drawing->after)
		fprintf(drawing->out, "%" PRIu64 " of %" PRIu64 " stacks could not be read. ", bad,
			trace->quality.walks);
	if (drawing->frames.narrow)
		fprintf(drawing->out, "Grey: %" PRIu64 " frames narrower than 0.5 px; a zoom shows them. ",
			drawing->frames.narrow);
	if (drawing->frames.left_out)
		fprintf(drawing->out, "%" PRIu64 " frames narrower than 0.1 px are left out (%s, counted below them).",
			drawing->frames.left_out, format_time(time, drawing->frames.left_out_ns));
}

static void write_head(const struct drawing *drawing)
{
	FILE *out = drawing->out;

	fprintf(out, "<g id=\"head\"><text class=\"heading\" x=\"%d\" y=\"28\">%s<tspan dx=\"12\" class=\"target\">",
		FLAME_MARGIN, drawing->frames.words->title);
	write_targets(drawing);
	fprintf(out, "</tspan></text>\n<text x=\"%d\" y=\"50\">", FLAME_MARGIN);
	if (drawing->after)
		write_totals(drawing);
	else
		write_total(drawing);
	fprintf(out, "</text>\n<text class=\"minor\" x=\"%d\" y=\"69\">", FLAME_MARGIN);
	write_losses(drawing);
	fputs("</text></g>\n", out);
}

struct legend_entry {
	const char *class, *text;
	int width;
	const char *texture;
};

/* Kinds differ by texture and lettering too, for those who do not see the colours. */
static const struct legend_entry legend_of_one[] = {{"p0", "Python", 66, NULL},    {"l0", "line", 52, NULL},
						    {"n0", "native", 66, "hatch"}, {"k0", "kernel", 66, "dots"},
						    {"o0", "note", 52, NULL},      {NULL, NULL, 0, NULL}};
static const struct legend_entry legend_of_two[] = {{"m0", "more", 52, NULL},
						    {"m1", "by 1/3", 66, NULL},
						    {"m2", "by 2/3", 66, NULL},
						    {"a0", "only after", 94, "dots"},
						    {"e0", "the same", 80, NULL},
						    {"f0", "less", 52, NULL},
						    {"f1", "by 1/3", 66, NULL},
						    {"f2", "by 2/3", 66, NULL},
						    {"g0", "only before", 102, "hatch"},
						    {NULL, NULL, 0, NULL}};

static void write_legend(const struct drawing *drawing, FILE *out)
{
	const struct legend_entry *entries = drawing->after ? legend_of_two : legend_of_one;
	int left = FLAME_MARGIN;

	fputs("<g id=\"legend\" aria-label=\"Legend\">\n", out);
	for (size_t i = 0; entries[i].class; i++) {
		fprintf(out, "<rect class=\"%s\" x=\"%d\" y=\"82\" width=\"%d\" height=\"%d\"/>", entries[i].class,
			left, entries[i].width, FLAME_ROW - 2);
		if (entries[i].texture)
			fprintf(out, "<rect class=\"%s\" x=\"%d\" y=\"82\" width=\"%d\" height=\"%d\"/>",
				entries[i].texture, left, entries[i].width, FLAME_ROW - 2);
		fprintf(out, "<text class=\"%s\" x=\"%d\" y=\"95\">%s</text>\n", entries[i].class, left + 8,
			entries[i].text);
		left += entries[i].width + 6;
	}
	fputs("</g>\n", out);
}

/* For what lies over native frames and over the kernel's. */
static void write_textures(FILE *out)
{
	fputs("<defs>\n<pattern id=\"hatch\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\" "
	      "patternTransform=\"rotate(45)\"><rect class=\"stroke\" width=\"1.4\" height=\"7\"/></pattern>\n"
	      "<pattern id=\"dots\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\">"
	      "<circle class=\"stroke\" cx=\"3\" cy=\"3\" r=\"1.1\"/></pattern>\n</defs>\n",
	      out);
}

static void write_document(const struct drawing *drawing)
{
	unsigned height = FLAME_HEAD + drawing->frames.row_count * FLAME_ROW + FLAME_MARGIN;
	FILE *out = drawing->out;

	fprintf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%u\" viewBox=\"0 0 %d %u\" "
		"data-kind=\"%s\"%s data-unit=\"%s\" data-counted=\"%s\">\n<title>",
		FLAME_WIDTH, height, FLAME_WIDTH, height, flame_kind_name(drawing->frames.tree.kind),
		drawing->frames.tree.has_wall ? " data-has-wall=\"1\""
		: drawing->after              ? " data-of-two=\"1\""
					      : "",
		drawing->frames.words->unit, drawing->frames.words->counted);
	fprintf(out, "%s: ", drawing->frames.words->title);
	write_targets(drawing);
	fputs("</title>\n<style><![CDATA[\n", out);
	fwrite(flame_css, 1, (size_t)(flame_css_end - flame_css), out);
	fputs("]]></style>\n", out);
	write_textures(out);
	fprintf(out, "<rect id=\"paper\" width=\"100%%\" height=\"100%%\"/>\n");
	write_head(drawing);
	write_legend(drawing, out);
	fputs("<script>document.documentElement.classList.add(\"loading\")</script>\n", out);
	flame_frames__write(&drawing->frames, out);
	fputs("<script><![CDATA[\n", out);
	fwrite(flame_js, 1, (size_t)(flame_js_end - flame_js), out);
	fputs("]]></script>\n</svg>\n", out);
}

static int draw(struct drawing *drawing)
{
	int err = flame_frames__lay_out(&drawing->frames);

	if (err)
		return err;
	errno = 0;
	write_document(drawing);
	if (fflush(drawing->out) || ferror(drawing->out))
		return errno ? -errno : -EIO;
	return 0;
}

int report__flame(const struct trace *trace, enum flame_kind kind, FILE *out)
{
	struct drawing drawing = {.trace = trace, .out = out, .frames.words = &words[kind]};
	int err = flame_tree__fold(trace, kind, true, &drawing.frames.tree);

	if (!err)
		err = draw(&drawing);
	flame_frames__free(&drawing.frames);
	return err;
}

int report__flame_difference(const struct trace *before, const struct trace *after, enum flame_kind kind, FILE *out)
{
	struct drawing drawing = {.trace = before, .after = after, .out = out, .frames.words = &words_of_two[kind]};
	struct trace *both = trace__new();
	int err = both ? flame_tree__fold_two(before, after, kind, both, &drawing.frames.tree) : -ENOMEM;

	if (!err)
		err = draw(&drawing);
	flame_frames__free(&drawing.frames);
	trace__free(both);
	return err;
}
