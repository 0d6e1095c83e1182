/* SPDX-License-Identifier: MIT */
/* A distribution as percentiles and bars: one row an octave, for the fine buckets are for percentiles. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>

#include "bpf/histogram.h"
#include "user/report/format.h"
#include "user/report/text_parts.h"
#include "user/trace/distribution.h"

#define BAR_WIDTH 38
#define OCTAVES   64

static void sum_by_octave(const struct distribution *distribution, uint64_t octaves[OCTAVES])
{
	for (size_t i = 0; i < distribution->bucket_count; i++) {
		uint64_t low, high;

		distribution__bounds(distribution->buckets[i].index, &low, &high);
		octaves[low ? histogram_highest_bit(low) : 0] += distribution->buckets[i].count;
	}
}

static void print_row(uint64_t low, uint64_t high, uint64_t count, uint64_t most, FILE *out)
{
	char from[FORMAT_SIZE], to[FORMAT_SIZE];
	int length = (int)((double)count / (double)most * BAR_WIDTH + 0.5);

	fprintf(out, "  %8s - %-8s %9" PRIu64 " |%.*s\n", format_time(from, low), format_time(to, high), count,
	        count && !length ? 1 : length, count && !length ? "." : "########################################");
}

static void print_bars(const struct distribution *distribution, FILE *out)
{
	uint64_t octaves[OCTAVES] = {0}, most = 1;
	int first = OCTAVES, last = 0;

	sum_by_octave(distribution, octaves);
	for (int i = 0; i < OCTAVES; i++) {
		if (!octaves[i])
			continue;
		first = i < first ? i : first;
		last = i;
		most = octaves[i] > most ? octaves[i] : most;
	}
	for (int i = first; i <= last; i++)
		print_row(i ? 1ULL << i : 0, 2ULL << i, octaves[i], most, out);
}

void text__histogram(const char *title, const char *meaning, const struct distribution *distribution, FILE *out)
{
	static const double percents[] = {50, 90, 99, 99.9};
	char time[FORMAT_SIZE];

	if (!distribution->count)
		return;
	fprintf(out, "\n%s: %s\n  ", title, meaning);
	for (size_t i = 0; i < sizeof(percents) / sizeof(*percents); i++)
		fprintf(out, "p%g %s, ", percents[i],
		        format_rough_time(time, distribution__percentile(distribution, percents[i])));
	fprintf(out, "max %s\n", format_time(time, distribution->max_ns));
	print_bars(distribution, out);
}
