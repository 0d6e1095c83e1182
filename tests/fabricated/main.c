/* SPDX-License-Identifier: MIT */
/* Writes a fabricated trace as a report: fabricated TRACE FORMAT [blame|wait|hold]. Not shipped; the browser's tests
 * and people who look at a report use it. */
#include <stdio.h>
#include <string.h>

#include "tests/fabricated/traces.h"
#include "tools/giltrace/formats.h"
#include "user/report/text.h"
#include "user/trace/trace.h"

static int write_report(const struct trace *trace, const char *format, enum flame_kind kind)
{
	if (!strcmp(format, "text"))
		return report__text(trace, stdout);
	for (size_t i = 0; i < REPORT_FORMATS; i++)
		if (!strcmp(format, report_formats[i].option))
			return report_formats[i].write(trace, kind, stdout);
	return 1;
}

int main(int argc, char **argv)
{
	enum flame_kind kind = FLAME_BLAME;
	struct trace *trace;
	int err;

	if (argc < 3)
		return 2;
	trace = fabricated__make(argv[1]);
	if (!trace)
		return 2;
	for (enum flame_kind i = 0; argc > 3 && i < FLAME_KINDS; i++)
		kind = !strcmp(flame_kind_name(i), argv[3]) ? i : kind;
	err = write_report(trace, argv[2], kind);
	trace__free(trace);
	return err != 0;
}
