/* SPDX-License-Identifier: MIT */
/* Figures for people: see format.h. */
#include "user/report/format.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "bpf/histogram.h"
#include "user/report/safe_text.h"

/* Three digits of a value in [1, 1000); what would round to 1000 the caller takes to the next unit. */
static const char *three_digits(char out[FORMAT_SIZE], double value, const char *unit)
{
	int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;

	snprintf(out, FORMAT_SIZE, "%.*f %s", decimals, value, unit);
	return out;
}

const char *format_time(char out[FORMAT_SIZE], uint64_t ns)
{
	double value = (double)ns;

	if (!ns)
		snprintf(out, FORMAT_SIZE, "0");
	else if (ns < 1000)
		snprintf(out, FORMAT_SIZE, "%" PRIu64 " ns", ns);
	else if (value < 999.5e3)
		three_digits(out, value / 1e3, "us");
	else if (value < 999.5e6)
		three_digits(out, value / 1e6, "ms");
	else if (value < 999.5e9)
		three_digits(out, value / 1e9, "s");
	else
		snprintf(out, FORMAT_SIZE, "%" PRIu64 " s", ns / 1000000000);
	return out;
}

const char *format_rough_time(char out[FORMAT_SIZE], uint64_t ns)
{
	uint64_t unit = 1, rounded = ns >> HISTOGRAM_UNIT_BITS ? ns : 0;

	while (rounded >= 100) {
		unit *= 10;
		rounded = (ns + unit / 2) / unit;
	}
	format_time(out, rounded * unit);
	if (out[1] == '.' && out[3] >= '0' && out[3] <= '9') /* "5.10 ms": the third digit is always 0 */
		memmove(out + 3, out + 4, strlen(out + 4) + 1);
	else if (out[2] == '.' && out[3] == '0')
		memmove(out + 2, out + 4, strlen(out + 4) + 1);
	return out;
}

const char *format_percent(char out[FORMAT_SIZE], double share)
{
	double percent = share * 100;

	if (percent <= 0)
		snprintf(out, FORMAT_SIZE, "0");
	else if (percent < 0.1)
		snprintf(out, FORMAT_SIZE, "<0.1");
	else
		snprintf(out, FORMAT_SIZE, "%.*f", percent < 9.95 ? 1 : 0, percent);
	return out;
}

const char *format_count(char out[FORMAT_SIZE], double count)
{
	static const char units[] = "kMGTPE";
	int unit = -1;

	while (count >= 999.5 && units[unit + 1]) {
		count /= 1000;
		unit++;
	}
	if (unit < 0)
		snprintf(out, FORMAT_SIZE, "%.0f", count > 0 ? count : 0);
	else
		snprintf(out, FORMAT_SIZE, "%.*f%c", count < 9.995 ? 2 : count < 99.95 ? 1 : 0, count, units[unit]);
	return out;
}

const char *format_name(char *out, size_t size, const char *name, size_t width)
{
	size_t characters = 0;

	safe_text(out, size, name);
	for (char *at = out; *at; at++) {
		if (((unsigned char)*at & 0xc0) == 0x80) /* within a character */
			continue;
		if (++characters == width && at[1]) {
			char *rest = at + 1;

			while (((unsigned char)*rest & 0xc0) == 0x80)
				rest++;
			if (*rest) { /* more characters follow: this one gives way */
				memcpy(at, "~", 2);
				break;
			}
		}
	}
	return out;
}

const char *format_name_column(char *out, size_t size, const char *name, size_t width)
{
	size_t length, characters = 0;

	format_name(out, size, name, width);
	length = strlen(out);
	for (const char *at = out; *at; at++)
		characters += ((unsigned char)*at & 0xc0) != 0x80;
	for (; characters < width && length + 1 < size; characters++)
		out[length++] = ' ';
	out[length] = '\0';
	return out;
}

static bool is_within_character(const char *at)
{
	return ((unsigned char)*at & 0xc0) == 0x80;
}

/* From U+1000 on most characters are wide. */
static size_t columns_of(const char *at)
{
	return (unsigned char)*at >= 0xe1 ? 2 : 1;
}

size_t format_columns(const char *text)
{
	size_t count = 0;

	for (; *text; text++)
		count += is_within_character(text) ? 0 : columns_of(text);
	return count;
}

void format_cut(char *text, size_t most, const char *mark)
{
	size_t count = 0;

	if (format_columns(text) <= most)
		return;
	for (; *text; text++) {
		if (is_within_character(text))
			continue;
		if (count + columns_of(text) >= most)
			break;
		count += columns_of(text);
	}
	strcpy(text, mark);
}
