/* SPDX-License-Identifier: MIT */
/*
 * The events of the page's timeline. First an overview: for each lane (a thread and a lock) and each of some thousand
 * equal parts of the time, which share of it the thread held the lock and which it waited, a byte each. Then all
 * events, in blocks of which the page unpacks those that are looked at. Both are deflated and in base64.
 *
 * A block is columns of numbers (LEB128), one behind the other, each with its length before all of them: see
 * `enum column`. page_events.js reads what is written here.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "user/report/html_lanes.h"
#include "user/report/html_parts.h"
#include "user/trace/trace.h"

#define BLOCK       65536 /* events */
#define LONGEST     10    /* bytes of a number */
#define LEVEL       3     /* of deflate: more takes as long again and saves a few percent */
#define MOST_BINS   16384
#define FEWEST_BINS 512
#define MOST_CELLS  (1 << 18)
#define GOLDEN      0.618 /* so that not all lanes are rounded up at the same place */

enum column {
	COLUMN_WHAT,         /* bit 0: a hold; bit 1: it was forced */
	COLUMN_LANE,         /* a number of the trace's threads */
	COLUMN_END,          /* nanoseconds since the end of the one before, the sign in bit 0 */
	COLUMN_DURATION,     /* nanoseconds */
	COLUMN_STACK,        /* of a wait: the holder's */
	COLUMN_COUNT,        /* of a wait: failed attempts; of a hold: waiters */
	COLUMN_HOLDER,       /* waits only: the lane, plus 1; 0: unknown */
	COLUMN_WAITER_STACK, /* waits only */
	COLUMNS
};

struct packer {
	const struct trace *trace;
	struct lanes *lanes;
	FILE *out;
	unsigned char *columns[COLUMNS];
	size_t sizes[COLUMNS];
	unsigned char *plain, *packed; /* a block as a whole */
	uint64_t previous, start, end; /* of the block, since the trace began */
	uint32_t count;
};

static void put_le32(unsigned char *to, size_t value)
{
	for (int i = 0; i < 4; i++)
		to[i] = (unsigned char)(value >> 8 * i);
}

static void put(struct packer *packer, enum column column, uint64_t value)
{
	unsigned char *to = packer->columns[column] + packer->sizes[column];
	size_t length = 0;

	for (; value > 0x7f; value >>= 7)
		to[length++] = (unsigned char)(value | 0x80);
	to[length++] = (unsigned char)value;
	packer->sizes[column] += length;
}

static void write_base64(const unsigned char *data, size_t size, FILE *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char line[4096];
	size_t filled = 0;

	for (size_t i = 0; i < size; i += 3) {
		size_t left = size - i;
		uint32_t bits = (uint32_t)data[i] << 16 | (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
				(left > 2 ? data[i + 2] : 0);

		line[filled++] = digits[bits >> 18];
		line[filled++] = digits[bits >> 12 & 63];
		line[filled++] = left > 1 ? digits[bits >> 6 & 63] : '=';
		line[filled++] = left > 2 ? digits[bits & 63] : '=';
		if (filled == sizeof(line)) {
			fwrite(line, 1, filled, out);
			filled = 0;
		}
	}
	fwrite(line, 1, filled, out);
}

/* 0 or -ENOMEM. */
static int write_block(struct packer *packer)
{
	size_t size = 4 * COLUMNS;
	uLongf packed = compressBound(4 * COLUMNS + (uLong)COLUMNS * BLOCK * LONGEST);

	for (size_t i = 0; i < COLUMNS; i++) {
		put_le32(packer->plain + 4 * i, packer->sizes[i]);
		memcpy(packer->plain + size, packer->columns[i], packer->sizes[i]);
		size += packer->sizes[i];
		packer->sizes[i] = 0;
	}
	if (compress2(packer->packed, &packed, packer->plain, size, LEVEL) != Z_OK)
		return -ENOMEM;
	fprintf(packer->out,
		"<script type=\"application/octet-stream\" class=\"events\" data-start=\"%" PRIu64
		"\" data-end=\"%" PRIu64 "\" data-count=\"%" PRIu32 "\">",
		packer->start, packer->end, packer->count);
	write_base64(packer->packed, packed, packer->out);
	fputs("</script>\n", packer->out);
	packer->count = 0;
	packer->previous = 0;
	return 0;
}

static int pack(struct packer *packer, const struct trace_event *event, const struct lane_span *span)
{
	int64_t step = (int64_t)(span->end - packer->previous);
	bool holds = event->kind == TRACE_HOLD;

	put(packer, COLUMN_WHAT, holds | (event->forced ? 2 : 0));
	put(packer, COLUMN_LANE, span->lane);
	put(packer, COLUMN_END, (uint64_t)step << 1 ^ (uint64_t)(step >> 63));
	put(packer, COLUMN_DURATION, span->end - span->start);
	put(packer, COLUMN_STACK, event->stack);
	put(packer, COLUMN_COUNT, holds ? event->waiters : event->failed);
	if (!holds) {
		put(packer, COLUMN_HOLDER, lanes__holder(packer->lanes, event) + 1);
		put(packer, COLUMN_WAITER_STACK, event->waiter_stack);
	}
	packer->start = packer->count && packer->start < span->start ? packer->start : span->start;
	packer->end = packer->count && packer->end > span->end ? packer->end : span->end;
	packer->previous = span->end;
	return ++packer->count == BLOCK ? write_block(packer) : 0;
}

static int write_blocks(struct packer *packer)
{
	const struct trace *trace = packer->trace;
	struct lane_span span;
	int err = 0;

	for (size_t i = 0; !err && i < trace->event_count; i++)
		if (lanes__find(packer->lanes, &trace->events[i], &span))
			err = pack(packer, &trace->events[i], &span);
	return !err && packer->count ? write_block(packer) : err;
}

static int pack_events(const struct trace *trace, struct lanes *lanes, FILE *out)
{
	struct packer packer = {.trace = trace, .lanes = lanes, .out = out};
	size_t most = 4 * COLUMNS + (size_t)COLUMNS * BLOCK * LONGEST;
	int err = -ENOMEM;

	packer.plain = malloc(most);
	packer.packed = malloc(compressBound(most));
	packer.columns[0] = malloc((size_t)COLUMNS * BLOCK * LONGEST);
	for (size_t i = 1; i < COLUMNS && packer.columns[0]; i++)
		packer.columns[i] = packer.columns[0] + i * BLOCK * LONGEST;
	if (packer.plain && packer.packed && packer.columns[0])
		err = write_blocks(&packer);
	free(packer.plain);
	free(packer.packed);
	free(packer.columns[0]);
	return err;
}

/* Nanoseconds in each part of the time, held and waited by turns. */
struct overview {
	size_t lanes, bins;
	uint64_t bin_ns;
	uint64_t *sums;
};

static void add_to_overview(struct overview *overview, const struct lane_span *span, bool holds)
{
	uint64_t *sums = overview->sums + span->lane * overview->bins * 2 + (holds ? 0 : overview->bins);

	for (uint64_t at = span->start; at < span->end;) {
		uint64_t bin = at / overview->bin_ns, next = (bin + 1) * overview->bin_ns;

		next = next < span->end ? next : span->end;
		sums[bin] += next - at;
		at = next;
	}
}

/* What rounding takes from one part of the time the next one gets, so that sums are right, of many lanes too. */
static void round_lane(const uint64_t *sums, size_t bins, uint64_t bin_ns, double carry, unsigned char *shares)
{
	for (size_t i = 0; i < bins; i++) {
		double share = carry + 255.0 * (double)sums[i] / (double)bin_ns;

		shares[i] = share < 255 ? (unsigned char)share : 255;
		carry = share < 255 ? share - shares[i] : 0;
	}
}

static int write_overview(const struct overview *overview, FILE *out)
{
	size_t size = overview->lanes * overview->bins * 2;
	uLongf packed_size = compressBound(size);
	unsigned char *plain = malloc(size + 1), *packed = malloc(packed_size);
	int err = plain && packed ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < 2 * overview->lanes; i++)
		round_lane(overview->sums + i * overview->bins, overview->bins, overview->bin_ns,
			   fmod((double)i * GOLDEN, 1), plain + i * overview->bins);
	if (!err && compress2(packed, &packed_size, plain, size, LEVEL) != Z_OK)
		err = -ENOMEM;
	if (!err) {
		fprintf(out,
			"<script type=\"application/octet-stream\" id=\"overview\" data-lanes=\"%zu\" "
			"data-bins=\"%zu\" data-bin-ns=\"%" PRIu64 "\">",
			overview->lanes, overview->bins, overview->bin_ns);
		write_base64(packed, packed_size, out);
		fputs("</script>\n", out);
	}
	free(plain);
	free(packed);
	return err;
}

static int sum_up(const struct trace *trace, struct lanes *lanes, FILE *out)
{
	struct overview overview = {.lanes = lanes__count(lanes), .bins = MOST_BINS};
	struct lane_span span;
	int err;

	while (overview.bins > FEWEST_BINS && overview.bins * overview.lanes > MOST_CELLS)
		overview.bins /= 2;
	overview.bin_ns = trace->duration_ns / overview.bins + 1;
	overview.sums = calloc(overview.lanes * overview.bins * 2 + 1, sizeof(*overview.sums));
	if (!overview.sums)
		return -ENOMEM;
	for (size_t i = 0; i < trace->event_count; i++)
		if (lanes__find(lanes, &trace->events[i], &span))
			add_to_overview(&overview, &span, trace->events[i].kind == TRACE_HOLD);
	err = write_overview(&overview, out);
	free(overview.sums);
	return err;
}

int html__events(const struct trace *trace, FILE *out)
{
	struct lanes lanes;
	int err = trace->event_count ? lanes__open(&lanes, trace) : 1;

	if (err)
		return err < 0 ? err : 0;
	err = sum_up(trace, &lanes, out);
	err = err ? err : pack_events(trace, &lanes, out);
	lanes__close(&lanes);
	return err;
}
