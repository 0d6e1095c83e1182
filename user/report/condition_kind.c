/* SPDX-License-Identifier: MIT */
/* What values are, so that 10ms is not compared with 10: times, numbers, percent, texts, yes or no. */
#include <stdlib.h>
#include <string.h>

#include "user/report/condition_parts.h"

bool kind__is_numeric(struct kind kind)
{
	return kind.sort != SORT_TEXT && kind.sort != SORT_TRUTH;
}

bool kind__of_sum(struct kind a, struct kind b, struct kind *out)
{
	bool same = a.sort == b.sort && a.power == b.power;

	*out = a.sort == SORT_ZERO ? b : a;
	if (same)
		return true;
	if (!kind__is_numeric(a) || !kind__is_numeric(b))
		return false;
	if (a.sort == SORT_ZERO || b.sort == SORT_ZERO)
		return true;
	*out = (struct kind){SORT_RATIO, 0};
	return a.power == 0 && b.power == 0 && (a.sort == SORT_RATIO || b.sort == SORT_RATIO);
}

static bool is_count(struct kind kind)
{
	return kind.power == 0 && (kind.sort == SORT_NUMBER || kind.sort == SORT_ZERO);
}

bool kind__of_product(struct kind a, struct kind b, bool divided, struct kind *out)
{
	int power = divided ? a.power - b.power : a.power + b.power;

	if (!kind__is_numeric(a) || !kind__is_numeric(b) || abs(power) > MOST_POWER)
		return false;
	out->power = power;
	out->sort = power || (!divided && is_count(a) && is_count(b)) ? SORT_NUMBER : SORT_RATIO;
	return true;
}

const char *kind__name(struct kind kind)
{
	switch (kind.sort) {
	case SORT_ZERO:
	case SORT_NUMBER:
		return kind.power == 1    ? "a time (ns, us, ms, s)"
		       : kind.power == -1 ? "a number per time"
		       : kind.power       ? "a power of time"
					  : "a number without unit";
	case SORT_PERCENT:
		return "a percentage (%)";
	case SORT_RATIO:
		return "a ratio";
	case SORT_TEXT:
		return "a text";
	case SORT_TRUTH:
		break;
	}
	return "a condition";
}

static bool ends_with(const char *key, const char *end)
{
	size_t length = strlen(key), end_length = strlen(end);

	return length >= end_length && !strcmp(key + length - end_length, end);
}

bool kind__of_field(const char *key, const json_t *value, struct kind *out)
{
	*out = (struct kind){SORT_NUMBER, 0};
	if (json_is_string(value))
		out->sort = SORT_TEXT;
	else if (json_is_boolean(value))
		out->sort = SORT_TRUTH;
	else if (!json_is_number(value))
		return false;
	else if (ends_with(key, "_pct"))
		out->sort = SORT_PERCENT;
	else if (ends_with(key, "_ns") || strstr(key, "_ns_per_"))
		out->power = 1;
	else if (json_is_real(value))
		out->sort = SORT_RATIO;
	return true;
}
