/* SPDX-License-Identifier: MIT */
/* The difference of two traces in JSON, as docs/diff.md has it: see difference.h. */
#include <errno.h>
#include <math.h>

#include "user/report/difference.h"
#include "user/report/json_parts.h"

static json_t *known(bool is_known, double value)
{
	return is_known && isfinite(value) ? json_real(value) : json_null();
}

/* In % where it is a share. */
static double in_unit(enum difference_unit unit, double value)
{
	return unit == DIFFERENCE_SHARE ? 100 * value : value;
}

static const char *name_of(enum difference_unit unit)
{
	static const char *const names[] = {[DIFFERENCE_SHARE] = "pct",
					    [DIFFERENCE_NUMBER] = "threads",
					    [DIFFERENCE_RATE] = "per_s",
					    [DIFFERENCE_TIME] = "ns"};

	return names[unit];
}

static json_t *figure(const struct difference_figure *figure, enum difference_unit unit)
{
	double change = difference__change(figure);
	static const char *const verdicts[] = {
		[ESTIMATE_NOISE] = "noise", [ESTIMATE_MORE] = "more", [ESTIMATE_LESS] = "less"};

	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:s?}", "unit", name_of(unit), "before",
			 known(figure->known[0], in_unit(unit, figure->value[0])), "after",
			 known(figure->known[1], in_unit(unit, figure->value[1])), "change_pct",
			 known(true, 100 * change), "difference_low", known(true, in_unit(unit, figure->range.low)),
			 "difference_high", known(true, in_unit(unit, figure->range.high)), "verdict",
			 figure->verdict == ESTIMATE_UNKNOWN ? NULL : verdicts[figure->verdict]);
}

static json_t *side(const struct difference *difference, int i)
{
	const struct trace *trace = difference->sides[i].trace;

	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "pid", json__number(trace->target.pid), "exe",
			 json__text(trace->target.exe), "runtime", json__text(trace->target.runtime), "version",
			 json__text(trace->target.version), "start_ns", json__number(trace->start_ns), "duration_ns",
			 json__number(trace->duration_ns), "parts", json__number(difference->parts[i]));
}

static json_t *overall(const struct difference *difference)
{
	json_t *object = json_object();

	for (size_t i = 0; i < DIFFERENCE_OVERALL; i++) {
		const struct difference_overall *row = &difference->overall[i];

		json_object_set_new(object, row->key, figure(&row->figure, row->unit));
	}
	return object;
}

static json_t *threads(const struct difference *difference)
{
	json_t *list = json_array();

	for (size_t i = 0; i < difference->thread_count; i++) {
		const struct difference_thread *thread = &difference->threads[i];

		json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:o, s:o}", "name", json__text(thread->name),
						      "threads_before", json__number(thread->threads[0]),
						      "threads_after", json__number(thread->threads[1]), "waited",
						      figure(&thread->waited, DIFFERENCE_SHARE), "held",
						      figure(&thread->held, DIFFERENCE_SHARE)));
	}
	return list;
}

static json_t *places(const struct difference *difference)
{
	json_t *list = json_array();

	for (size_t i = 0; i < difference->place_count; i++) {
		const struct difference_place *place = &difference->places[i];
		const struct trace_frame *frame = place->frame;

		json_array_append_new(
			list, json_pack("{s:o, s:o, s:o, s:o, s:o}", "function", json__text(frame ? frame->name : NULL),
					"file", json__text(frame ? frame->file : NULL), "waits_before",
					json__number(place->waits[0]), "waits_after", json__number(place->waits[1]),
					"waited", figure(&place->waited, DIFFERENCE_SHARE)));
	}
	return list;
}

int difference__json(const struct difference *difference, FILE *out)
{
	json_t *root =
		json_pack("{s:s, s:o, s:o, s:b, s:o, s:o, s:o}", "schema", "giltrace-diff/1", "before",
			  side(difference, 0), "after", side(difference, 1), "judged", (int)difference->judged,
			  "overall", overall(difference), "threads", threads(difference), "blame", places(difference));
	int err;

	if (!root)
		return -ENOMEM;
	errno = 0;
	err = json_dumpf(root, out, JSON_INDENT(1) | JSON_REAL_PRECISION(10)) || fputc('\n', out) == EOF || fflush(out)
		      ? -1
		      : 0;
	if (err)
		err = errno ? -errno : -EIO;
	json_decref(root);
	return err;
}
