/* SPDX-License-Identifier: MIT */
/* The report formats: see formats.h. */
#include "tools/giltrace/formats.h"

#include "user/report/flame_svg.h"
#include "user/report/folded.h"
#include "user/report/html.h"
#include "user/report/json.h"
#include "user/report/pprof.h"
#include "user/report/speedscope.h"
#include "user/report/timeline.h"

static int write_json(const struct trace *trace, enum flame_kind kind, FILE *out)
{
	(void)kind;
	return report__json(trace, out);
}

static int write_html(const struct trace *trace, enum flame_kind kind, FILE *out)
{
	(void)kind;
	return report__html(trace, out);
}

const struct report_format report_formats[REPORT_FORMATS] = {
	{"json", "[=FILE]", "a report in JSON to FILE, or to stdout instead of the text", true, false, WITHOUT_EVENTS,
	 write_json},
	{"html", "=FILE.html", "all of it as one page for a browser, without a network", false, false, EVENTS_IF_KNOWN,
	 write_html},
	{"flame", "=FILE.svg", "an interactive flame graph", false, true, WITHOUT_EVENTS, report__flame},
	{"folded", "=FILE", "folded stacks and nanoseconds, for other flame graph tools", false, true, WITHOUT_EVENTS,
	 report__folded},
	{"speedscope", "=FILE", "blame, wait and hold for speedscope, in one file", false, true, WITHOUT_EVENTS,
	 report__speedscope},
	{"pprof", "=FILE", "a profile for pprof: blame as Go's mutex profile, wait as its block one", false, true,
	 WITHOUT_EVENTS, report__pprof},
	{"timeline", "=FILE", "each wait and hold on a timeline, for ui.perfetto.dev", false, false, MADE_OF_EVENTS,
	 report__timeline},
};
