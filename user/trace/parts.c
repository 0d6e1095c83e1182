/* SPDX-License-Identifier: MIT */
/* A trace in parts: see parts.h. */
#include "user/trace/parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/histogram.h"
#include "user/trace/keys.h"
#include "user/trace/trace.h"

/* Figures of one name. */
#define OF_THREAD 2 /* held, waited */
#define OF_PLACE  1

#define NOT_KEPT  (KEYS_NONE - 1) /* a name or place beyond PARTS_NAMES */
#define OF_FRAMES UINT64_MAX      /* the second half of a key: the first is a frame's number */

/* One figure by parts, as they were when `folds` pairs had been made: it is brought up to date when it is used. */
struct series {
	uint32_t folds;
	double of[PARTS_MOST];
};

/* Times by buckets and parts: one series a bucket. */
struct times {
	struct series buckets[HISTOGRAM_BUCKETS];
};

struct parts {
	size_t count;   /* parts that are complete; the next one is being filled */
	uint32_t folds; /* a part is of 2^folds chunks */
	uint64_t chunks_in_next;
	struct series durations, totals[PARTS_FIGURES];
	struct times times[PARTS_TIMES];
	struct keys numbers; /* of names and places, and of frames: to their first series */
	struct series *series;
	size_t series_count, series_room, names;
};

struct parts *parts__new(void)
{
	return calloc(1, sizeof(struct parts));
}

void parts__free(struct parts *parts)
{
	if (!parts)
		return;
	keys__clear(&parts->numbers);
	free(parts->series);
	free(parts);
}

/* Of two parts one, as often as the others were. */
static void bring_up_to_date(struct series *series, uint32_t folds)
{
	for (; series->folds < folds; series->folds++) {
		for (size_t i = 0; i < PARTS_MOST / 2; i++)
			series->of[i] = series->of[2 * i] + series->of[2 * i + 1];
		memset(series->of + PARTS_MOST / 2, 0, sizeof(series->of) / 2);
	}
}

static void add(const struct parts *parts, struct series *series, double value)
{
	bring_up_to_date(series, parts->folds);
	series->of[parts->count] += value;
}

/* 64 bits of a text. That two texts have the same can be arranged, and then they have their noise in common. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
	for (; text && *text; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3;
	return (hash ^ 0xff) * 0x100000001b3;
}

struct name {
	uint64_t first, second; /* its key */
};

static struct name name_of(int kind, const char *name, const char *file)
{
	uint64_t first = hash_text(0xcbf29ce484222325 + (unsigned)kind, name);
	uint64_t second = hash_text(0x84222325cbf29ce4 - (unsigned)kind, name);

	return (struct name){hash_text(first, file), hash_text(second, file) >> 1};
}

static struct name name_of_place(const struct trace_frame *place)
{
	return place ? name_of(1 + (int)place->kind, place->name, place->file) : name_of(1 + FRAME_KINDS, "", NULL);
}

/* The first of the `wanted` series of a name, NOT_KEPT when there are too many names. 0 or -ENOMEM. */
static int find_series(struct parts *parts, struct name name, size_t wanted, uint32_t *out)
{
	uint32_t *number = keys__get(&parts->numbers, name.first, name.second);

	if (!number)
		return -ENOMEM;
	if (*number == KEYS_NONE && parts->names == PARTS_NAMES)
		*number = NOT_KEPT;
	if (*number == KEYS_NONE) {
		if (parts->series_count + wanted > parts->series_room) {
			size_t room = parts->series_room ? 2 * parts->series_room : 64;
			struct series *grown = realloc(parts->series, room * sizeof(*grown));

			if (!grown)
				return -ENOMEM;
			parts->series = grown;
			parts->series_room = room;
		}
		*number = (uint32_t)parts->series_count;
		memset(parts->series + parts->series_count, 0, wanted * sizeof(*parts->series));
		for (size_t i = 0; i < wanted; i++)
			parts->series[parts->series_count + i].folds = parts->folds;
		parts->series_count += wanted;
		parts->names++;
	}
	*out = *number;
	return 0;
}

static double held(const struct trace_thread *thread)
{
	return (double)thread->counts.held_ns + (double)thread->open.held_ns;
}

static double waited(const struct trace_thread *thread)
{
	return (double)thread->counts.waited_ns + (double)thread->open.waited_ns;
}

int parts__add_thread(struct parts *parts, const struct trace_thread *before, const struct trace_thread *now)
{
	const struct trace_counts *old = &before->counts, *new = &now->counts;
	const double changes[PARTS_FIGURES] = {
		[PARTS_ACQUISITIONS] = (double)new->acquisitions - (double)old->acquisitions,
		[PARTS_CONTENDED] = (double)new->contended - (double)old->contended,
		[PARTS_FAILED] = (double)new->failed - (double)old->failed,
		[PARTS_HELD_NS] = held(now) - held(before),
		[PARTS_WAITED_NS] = waited(now) - waited(before),
	};
	uint32_t series;
	int err = find_series(parts, name_of(0, now->name, NULL), OF_THREAD, &series);

	if (err)
		return err;
	for (int figure = 0; figure < PARTS_FIGURES; figure++)
		add(parts, &parts->totals[figure], changes[figure]);
	if (series == NOT_KEPT)
		return 0;
	add(parts, &parts->series[series], changes[PARTS_HELD_NS]);
	add(parts, &parts->series[series + 1], changes[PARTS_WAITED_NS]);
	return 0;
}

/* A text can be long, and it is the same for all the stacks of a frame: it is read once. */
int parts__add_blame(struct parts *parts, const struct stacks *stacks, uint32_t stack, uint64_t wait_ns)
{
	int64_t frame = stacks__culprit(stacks, stack);
	uint32_t *known = keys__get(&parts->numbers, (uint64_t)frame, OF_FRAMES), series;
	int err = known ? 0 : -ENOMEM;

	if (!err && *known == KEYS_NONE) {
		err = find_series(parts, name_of_place(frame < 0 ? NULL : stacks__frame(stacks, (uint32_t)frame)),
				  OF_PLACE, &series);
		known = err ? NULL : keys__get(&parts->numbers, (uint64_t)frame, OF_FRAMES);
		if (!known)
			return -ENOMEM;
		*known = series;
	}
	if (!err && *known != NOT_KEPT)
		add(parts, &parts->series[*known], (double)wait_ns);
	return err;
}

/* Both are sorted by index; what was there before is there still. */
void parts__add_times(struct parts *parts, enum parts_times which, const struct distribution *before,
		      const struct distribution *now)
{
	size_t old = 0;

	for (size_t i = 0; i < now->bucket_count; i++) {
		const struct distribution_bucket *bucket = &now->buckets[i];
		double count = (double)bucket->count;

		while (old < before->bucket_count && before->buckets[old].index < bucket->index)
			old++;
		if (old < before->bucket_count && before->buckets[old].index == bucket->index)
			count -= (double)before->buckets[old].count;
		if (count != 0 && bucket->index < HISTOGRAM_BUCKETS)
			add(parts, &parts->times[which].buckets[bucket->index], count);
	}
}

void parts__end_chunk(struct parts *parts, uint64_t ns)
{
	add(parts, &parts->durations, (double)ns);
	if (++parts->chunks_in_next < 1ULL << parts->folds)
		return;
	parts->chunks_in_next = 0;
	if (++parts->count < PARTS_MOST)
		return;
	parts->count /= 2;
	parts->folds++;
}

/* By parts, with what is left at the end in a part of its own. */
static size_t read(const struct parts *parts, const struct series *series, double out[PARTS_MOST])
{
	struct series now = *series;

	bring_up_to_date(&now, parts->folds);
	memcpy(out, now.of, sizeof(now.of));
	return parts->count + (parts->chunks_in_next > 0);
}

static bool is_end_short(const struct parts *parts)
{
	double ns[PARTS_MOST], sum = 0;
	size_t count = read(parts, &parts->durations, ns);

	if (count < 2)
		return false;
	for (size_t i = 0; i + 1 < count; i++)
		sum += ns[i];
	return ns[count - 1] < sum / (double)(count - 1) / 2;
}

static size_t read_whole(const struct parts *parts, const struct series *series, double out[PARTS_MOST])
{
	size_t count = read(parts, series, out);

	if (!is_end_short(parts))
		return count;
	out[count - 2] += out[count - 1];
	return count - 1;
}

size_t parts__count(const struct parts *parts)
{
	double unused[PARTS_MOST];

	return read_whole(parts, &parts->durations, unused);
}

size_t parts__durations(const struct parts *parts, double out[PARTS_MOST])
{
	return read_whole(parts, &parts->durations, out);
}

size_t parts__total(const struct parts *parts, enum parts_figure figure, double out[PARTS_MOST])
{
	return read_whole(parts, &parts->totals[figure], out);
}

/* What is asked for is not made. */
static size_t read_name(const struct parts *parts, struct name name, size_t which, double out[PARTS_MOST])
{
	const uint32_t number = keys__find(&parts->numbers, name.first, name.second);

	return number >= NOT_KEPT ? 0 : read_whole(parts, &parts->series[number + which], out);
}

size_t parts__thread(const struct parts *parts, const char *name, enum parts_figure figure, double out[PARTS_MOST])
{
	return read_name(parts, name_of(0, name, NULL), figure == PARTS_WAITED_NS, out);
}

size_t parts__place(const struct parts *parts, const struct trace_frame *place, double out[PARTS_MOST])
{
	return read_name(parts, name_of_place(place), 0, out);
}

size_t parts__times_below(const struct parts *parts, enum parts_times which, uint32_t bucket, double below[PARTS_MOST],
			  double all[PARTS_MOST])
{
	double some[PARTS_MOST];
	size_t count = parts__count(parts);

	memset(below, 0, PARTS_MOST * sizeof(*below));
	memset(all, 0, PARTS_MOST * sizeof(*all));
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		read_whole(parts, &parts->times[which].buckets[i], some);
		for (size_t k = 0; k < count; k++) {
			below[k] += i < bucket ? some[k] : 0;
			all[k] += some[k];
		}
	}
	return count;
}
