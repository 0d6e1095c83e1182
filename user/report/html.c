/* SPDX-License-Identifier: MIT */
/*
 * The page: see html.h. What can be read without scripts is written here; tables, graphs and the timeline are made by
 * the scripts (page*.js) from the data. The browser is told to run nothing but these scripts, by their hashes, and to
 * ask for nothing: so a name that got into the page as more than text could do nothing still.
 */
#include "user/report/html.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "page_hashes.inc"
#include "user/report/asset.h"
#include "user/report/format.h"
#include "user/report/html_parts.h"
#include "user/report/text.h"
#include "user/report/text_parts.h"
#include "user/report/xml.h"
#include "user/trace/trace.h"

#define SHOWN_VERDICTS 8

ASSET(page_css, "user/report/page.css")
ASSET(page_js, "user/report/page.js")
ASSET(page_tables_js, "user/report/page_tables.js")
ASSET(page_flame_js, "user/report/page_flame.js")
ASSET(page_events_js, "user/report/page_events.js")
ASSET(page_shares_js, "user/report/page_shares.js")
ASSET(page_picture_js, "user/report/page_picture.js")
ASSET(page_single_js, "user/report/page_single.js")
ASSET(page_timeline_js, "user/report/page_timeline.js")

/* A part of the text report, to be escaped as a whole. */
struct captured {
	FILE *stream;
	char *text;
	size_t size;
};

static int begin_capture(struct captured *captured)
{
	captured->text = NULL;
	captured->stream = open_memstream(&captured->text, &captured->size);
	return captured->stream ? 0 : -ENOMEM;
}

/* Without the empty lines around it. */
static int write_captured(struct captured *captured, FILE *out)
{
	char *text;

	if (fclose(captured->stream)) {
		free(captured->text);
		return -ENOMEM;
	}
	text = captured->text + strspn(captured->text, "\n");
	for (size_t length = strlen(text); length && text[length - 1] == '\n'; length--)
		text[length - 1] = '\0';
	xml__write(text, out);
	free(captured->text);
	return 0;
}

static int write_part(const struct trace *trace, void (*print)(const struct trace *, FILE *), FILE *out)
{
	struct captured captured;

	if (begin_capture(&captured))
		return -ENOMEM;
	print(trace, captured.stream);
	return write_captured(&captured, out);
}

static void write_title(const struct trace *trace, FILE *out)
{
	const char *base = strrchr(trace->target.exe, '/');
	char name[256];

	base = base ? base + 1 : trace->target.exe;
	fputs("giltrace: ", out);
	if (trace->process_count > 1 || !*base)
		fprintf(out, "%zu processes", trace->process_count);
	else
		xml__write(format_name(name, sizeof(name), base, 40), out);
}

static void write_head(const struct trace *trace, FILE *out)
{
	fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src" PAGE_SCRIPTS
	      "; style-src " PAGE_STYLE "; base-uri 'none'; form-action 'none'\">\n"
	      "<meta name=\"referrer\" content=\"no-referrer\">\n"
	      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>",
	      out);
	write_title(trace, out);
	fputs("</title>\n<style>", out);
	fwrite(page_css, 1, (size_t)(page_css_end - page_css), out);
	fputs("</style>\n</head>\n<body>\n", out);
}

static int write_verdict(const struct trace *trace, const struct trace_gil *gil, FILE *out)
{
	struct captured captured;
	int err;

	if (begin_capture(&captured))
		return -ENOMEM;
	text__verdict(trace, gil, captured.stream);
	fputs("<p class=\"verdict\">", out);
	err = write_captured(&captured, out);
	fputs("</p>\n", out);
	return err;
}

static int compare_waited(const void *left, const void *right)
{
	const struct trace_gil *a = *(const struct trace_gil *const *)left,
			       *b = *(const struct trace_gil *const *)right;
	uint64_t a_ns = a->counts.waited_ns + a->open.waited_ns, b_ns = b->counts.waited_ns + b->open.waited_ns;

	if (a_ns != b_ns)
		return a_ns > b_ns ? -1 : 1;
	return a < b ? -1 : 1;
}

/* The locks that cost the most come first. */
static int write_verdicts(const struct trace *trace, FILE *out)
{
	const struct trace_gil **sorted = calloc(trace->gil_count + 1, sizeof(*sorted));
	int err = 0;

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < trace->gil_count; i++)
		sorted[i] = &trace->gils[i];
	qsort(sorted, trace->gil_count, sizeof(*sorted), compare_waited);
	for (size_t i = 0; !err && i < trace->gil_count && i < SHOWN_VERDICTS; i++) {
		if (trace->process_count > 1)
			fprintf(out, "<h2 class=\"lock\">pid %" PRIu32 "</h2>\n", sorted[i]->pid);
		err = write_verdict(trace, sorted[i], out);
	}
	if (trace->gil_count > SHOWN_VERDICTS)
		fprintf(out, "<p>... and %zu more locks, for which less was waited.</p>\n",
			trace->gil_count - SHOWN_VERDICTS);
	if (!trace->gil_count)
		fputs("<p class=\"verdict\">No thread took, released or waited for the lock while it was traced.</p>\n",
		      out);
	free(sorted);
	return err;
}

static int write_summary(const struct trace *trace, FILE *out)
{
	int err;

	fputs("<header>\n<h1>", out);
	write_title(trace, out);
	fputs("</h1>\n<p class=\"target\">", out);
	err = write_part(trace, text__header, out);
	fputs("</p>\n", out);
	err = err ? err : write_verdicts(trace, out);
	fputs("</header>\n<noscript><p>The graphs need scripts; what follows is without them.</p></noscript>\n"
	      "<nav id=\"controls\" aria-label=\"What is shown\"></nav>\n<main>\n",
	      out);
	return err;
}

/* What the scripts fill; empty, they are not seen. */
static void write_places(FILE *out)
{
	static const char *const places[] = {"matrix", "flames", "timeline", "histograms", "hogs", "points"};

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		fprintf(out, "<section id=\"%s\"></section>\n", places[i]);
}

static void print_whole(const struct trace *trace, FILE *out)
{
	report__text(trace, out);
}

static int write_losses(const struct trace *trace, FILE *out)
{
	int err;

	fputs("<section id=\"losses\">\n<h2>What was lost, and what tracing cost</h2>\n<p class=\"lines\">", out);
	err = write_part(trace, text__losses, out);
	fputs("</p>\n</section>\n<section id=\"text\">\n<details><summary>The report as text</summary>\n<pre>", out);
	err = err ? err : write_part(trace, print_whole, out);
	fputs("</pre></details>\n</section>\n</main>\n", out);
	return err;
}

static void write_script(const char *begin, const char *end, FILE *out)
{
	fputs("<script>", out);
	fwrite(begin, 1, (size_t)(end - begin), out);
	fputs("</script>\n", out);
}

static int write_document(const struct trace *trace, FILE *out)
{
	int err;

	write_head(trace, out);
	err = write_summary(trace, out);
	html__threads(trace, out);
	write_places(out);
	err = err ? err : write_losses(trace, out);
	err = err ? err : html__data(trace, out);
	err = err ? err : html__events(trace, out);
	write_script(page_js, page_js_end, out);
	write_script(page_tables_js, page_tables_js_end, out);
	write_script(page_flame_js, page_flame_js_end, out);
	write_script(page_events_js, page_events_js_end, out);
	write_script(page_shares_js, page_shares_js_end, out);
	write_script(page_picture_js, page_picture_js_end, out);
	write_script(page_single_js, page_single_js_end, out);
	write_script(page_timeline_js, page_timeline_js_end, out);
	fputs("</body>\n</html>\n", out);
	return err;
}

int report__html(const struct trace *trace, FILE *out)
{
	int err;

	errno = 0;
	err = write_document(trace, out);
	if (err)
		return err;
	if (fflush(out) || ferror(out))
		return errno ? -errno : -EIO;
	return 0;
}
