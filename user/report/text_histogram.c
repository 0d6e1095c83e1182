/* SPDX-License-Identifier: MIT */
/* A distribution as percentiles and bars: one row an octave, for the fine buckets are for percentiles. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>

#include "bpf/histogram.h"
#include "user/report/format.h"
#include "user/report/text_parts.h"
#include "user/trace/distribution.h"

#define BAR_WIDTH 34
#define OCTAVES   64

struct octave {
	uint64_t count;
	double time; /* the sum of the values, taken from the middle of their buckets */
};

static void sum_by_octave(const struct distribution *distribution, struct octave octaves[OCTAVES])
{
	for (size_t i = 0; i < distribution->bucket_count; i++) {
		const struct distribution_bucket *bucket = &distribution->buckets[i];
		struct octave *octave;
		uint64_t low, high;

		distribution__bounds(bucket->index, &low, &high);
		octave = &octaves[low ? histogram_highest_bit(low) : 0];
		octave->count += bucket->count;
		if (low)
			octave->time +=
				(double)bucket->count * ((double)low + (double)(high == UINT64_MAX ? low : high)) / 2;
	}
}

static void print_row(const char *range, const struct octave *octave, uint64_t most, double time, FILE *out)
{
	char share[FORMAT_SIZE];
	int length = (int)((double)octave->count / (double)most * BAR_WIDTH + 0.5);

	fprintf(out, "  %-19s %9" PRIu64 " %5s %% |%.*s\n", range, octave->count,
		format_percent(share, time > 0 ? octave->time / time : 0), octave->count && !length ? 1 : length,
		octave->count && !length ? "." : "##################################");
}

static void print_octave(int bit, const struct octave *octave, uint64_t most, double time, FILE *out)
{
	char from[FORMAT_SIZE], to[FORMAT_SIZE], range[2 * FORMAT_SIZE + 8];

	snprintf(range, sizeof(range), "%8s - %s", format_time(from, 1ULL << bit), format_time(to, 2ULL << bit));
	print_row(range, octave, most, time, out);
}

/* The rows lie between the shortest and the longest that is not 0. */
static void print_bars(const struct distribution *distribution, const char *zero, FILE *out)
{
	struct octave octaves[OCTAVES] = {{0}};
	int first = OCTAVES, last = 0;
	uint64_t most = 1;
	double time = 0;

	sum_by_octave(distribution, octaves);
	for (int i = 0; i < OCTAVES; i++) {
		if (!octaves[i].count)
			continue;
		first = i && i < first ? i : first;
		last = i;
		most = octaves[i].count > most ? octaves[i].count : most;
		time += octaves[i].time;
	}
	fprintf(out, "                          count   time\n");
	if (octaves[0].count)
		print_row(zero, &octaves[0], most, time, out);
	for (int i = first; i <= last; i++)
		print_octave(i, &octaves[i], most, time, out);
}

/* The highest percentiles of few values are the maximum itself, which is known exactly. */
static const char *percentile(char time[FORMAT_SIZE], const struct distribution *distribution, double percent)
{
	uint64_t ns = distribution__percentile(distribution, percent);

	return ns == distribution->max_ns ? format_time(time, ns) : format_rough_time(time, ns);
}

void text__histogram(const char *title, const char *meaning, const char *zero, const struct distribution *distribution,
		     FILE *out)
{
	static const double percents[] = {50, 90, 99, 99.9};
	char time[FORMAT_SIZE];

	if (!distribution->count)
		return;
	fprintf(out, "\n%s: %s\n  ", title, meaning);
	for (size_t i = 0; i < sizeof(percents) / sizeof(*percents); i++)
		fprintf(out, "p%g %s, ", percents[i], percentile(time, distribution, percents[i]));
	fprintf(out, "max %s\n", format_time(time, distribution->max_ns));
	print_bars(distribution, zero, out);
}
