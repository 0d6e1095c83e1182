/* SPDX-License-Identifier: MIT */
/* The governor of the cost: see governor.h. */
#include "user/capture/governor.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "user/capture/capture_state.h"
#include "user/capture/files.h"

#define TICK_NS          10000000 /* how often the cost is looked at while the probes stay; */
#define CALM_TICK_NS     40000000 /* as long as that is less than CALM of the budget */
#define CALM             0.1
#define BURST_S          0.5       /* so many seconds' budget may be spent at once before they go */
#define ROUND_NS         150000000 /* from one window to the next, on average; longer when windows must be short */
#define LEAST_NS         1000000   /* a window */
#define MOST_WEIGHT      2000.0
#define UNKNOWN_PRICE_NS 2000
#define CHEAP            0.7     /* of the budget: when they cost less, the probes stay again */
#define CHEAP_WINDOWS    5       /* one after the other */
#define HOLD_TICK_NS     1000000 /* how often a closed window's open holds are looked for */

struct governor {
	struct capture *capture;
	double budget;
	int stop_fd;
	bool running;
	pthread_t thread;
	uint64_t began_ns, attach_ns; /* attach_ns: what putting the probes back takes, about */
	uint64_t closed_ns;           /* when the last window closed; 0: the probes stay */
	double rate;                  /* ns of cost a ns of an open window, lately */
	struct governor_figures figures;
	/* For the error: sums over windows of what each stands for, and the differences of one to the next. */
	double rates_sum, squares_sum, last_rate, differences_sum;
};

static uint64_t hits_so_far(const struct governor *governor)
{
	uint64_t sum = 0;

	for (int cpu = 0; cpu < HIT_CPUS; cpu++)
		sum += governor->capture->bpf->bss->cpu_hits[cpu][0];
	return sum;
}

/* Where the price of a hit could not be measured it is taken to be high, so that the budget holds. */
static double cost_of(const struct governor *governor, uint64_t hits)
{
	double each = governor->capture->cost_ns_per_hit;

	return (double)hits * (each >= 0 ? each : UNKNOWN_PRICE_NS);
}

/* False when the governor is to stop. */
static bool wait_until(const struct governor *governor, uint64_t when)
{
	struct pollfd stop = {.fd = governor->stop_fd, .events = POLLIN};
	uint64_t now = capture__now(), left = when > now ? when - now : 0;
	struct timespec timeout = {.tv_sec = (time_t)(left / 1000000000), .tv_nsec = (long)(left % 1000000000)};

	return ppoll(&stop, 1, &timeout, NULL) == 0;
}

static double random_share(void)
{
	uint32_t random;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		random = (uint32_t)capture__now() * 2654435761U;
	return random / 4294967296.0;
}

/* The probes stay. True once that costs more than the budget; false when the governor is to stop. */
static bool stay(struct governor *governor)
{
	uint64_t began = capture__now(), now = began, hits = hits_so_far(governor);
	double allowed = governor->budget * BURST_S * 1e9, spent = 0;
	bool going_on = true;

	governor->closed_ns = 0;
	while (going_on && spent <= allowed) {
		uint64_t before = hits, tick = now;
		bool calm = governor->rate < CALM * governor->budget;
		double cost;

		going_on = wait_until(governor, tick + (calm ? CALM_TICK_NS : TICK_NS));
		now = capture__now();
		hits = hits_so_far(governor);
		cost = cost_of(governor, hits - before);
		governor->rate = cost / (double)(now - tick);
		spent = fmax(0, spent + cost - governor->budget * (double)(now - tick)); /* no saving up */
	}
	governor->figures.probed_ns += now - began;
	return going_on;
}

/* Whether a lock has a hold that began in this window and goes on. */
static bool has_open_hold(const struct capture *capture, uint32_t window)
{
	static struct lock lock; /* the governor's alone */
	int fd = bpf_map__fd(capture->bpf->maps.locks);
	struct lock_key key, *previous = NULL;

	for (uint32_t i = 0; i < bpf_map__max_entries(capture->bpf->maps.locks); i++, previous = &key) {
		if (bpf_map_get_next_key(fd, previous, &key))
			break;
		if (!bpf_map_lookup_elem(fd, &key, &lock) && !lock.always && lock.holder && lock.window == window)
			return true;
	}
	return false;
}

/*
 * A window is over: no hold is opened any more. The probes stay until those that are open have ended; but when other
 * locks go on hitting them meanwhile, for as much as the window did again at most.
 */
static bool close_window(struct governor *governor, uint64_t end_ns, double allowed)
{
	struct capture *capture = governor->capture;
	uint32_t number = capture->bpf->bss->window_number;
	uint64_t before = hits_so_far(governor);
	bool going_on = true;

	capture->bpf->bss->window_end = end_ns;
	while (going_on && has_open_hold(capture, number)) {
		if (cost_of(governor, hits_so_far(governor) - before) > allowed) {
			governor->figures.cut++;
			break;
		}
		going_on = wait_until(governor, capture__now() + HOLD_TICK_NS);
	}
	files__switch_holds(capture->files, false);
	governor->closed_ns = end_ns;
	return going_on;
}

/* Each window stands for its round; what differs between one and the next is chance. */
static void note_rate(struct governor *governor, double hits_a_ns, double round_ns)
{
	struct governor_figures *figures = &governor->figures;
	double difference = hits_a_ns - governor->last_rate;

	if (figures->windows++)
		governor->differences_sum += difference * difference / 2;
	governor->last_rate = hits_a_ns;
	governor->rates_sum += hits_a_ns * round_ns;
	governor->squares_sum += round_ns * round_ns;
	if (figures->windows > 1 && governor->rates_sum > 0)
		figures->acquisitions_error =
			1.96 *
			sqrt(governor->squares_sum * governor->differences_sum / (double)(figures->windows - 1)) /
			governor->rates_sum;
}

/* What a window must stand for so that all of them together stay within the budget, what was spent included. */
static double choose_weight(const struct governor *governor)
{
	double elapsed = (double)(capture__now() - governor->began_ns);
	double debt = cost_of(governor, hits_so_far(governor)) / (governor->budget * elapsed);
	double weight = ceil(governor->rate / governor->budget * (debt > 1 ? fmin(debt, 4) : 1));

	return fmax(2, fmin(weight, MOST_WEIGHT));
}

/* The probes of holds come back, as yet without opening any. */
static void put_back(struct governor *governor)
{
	uint64_t asked = capture__now();

	governor->capture->bpf->bss->window_end = 0;
	governor->capture->bpf->bss->window_number++;
	files__switch_holds(governor->capture->files, true);
	governor->attach_ns = (3 * governor->attach_ns + (capture__now() - asked)) / 4;
}

static void set_window(struct governor *governor, uint32_t weight, uint64_t start_ns, uint64_t end_ns)
{
	struct giltrace_bpf *bpf = governor->capture->bpf;

	bpf->bss->window_weight = weight;
	bpf->bss->window_start = start_ns;
	bpf->bss->window_end = end_ns;
}

/* Opens a window at a random moment, for as long as its weight says, and closes it. False: the governor is to stop. */
static bool open_window(struct governor *governor)
{
	double weight = choose_weight(governor), length = fmax(LEAST_NS, ROUND_NS / weight);
	uint64_t gap = (uint64_t)((0.5 + random_share()) * length * (weight - 1));
	uint64_t before, start, end, hits;

	if (!wait_until(governor, governor->closed_ns + (gap > governor->attach_ns ? gap - governor->attach_ns : 0)))
		return false;
	before = hits_so_far(governor);
	put_back(governor);
	start = capture__now();
	end = start + (uint64_t)((double)(start - governor->closed_ns) / (weight - 1));
	set_window(governor, (uint32_t)weight, start, end);
	hits = hits_so_far(governor);
	if (!wait_until(governor, end)) {
		end = capture__now();
		governor->figures.unseen_ns +=
			(int64_t)(end - governor->closed_ns) - (int64_t)((double)(end - start) * weight);
		governor->figures.probed_ns += end - start;
		governor->closed_ns = end;
		return false;
	}
	governor->figures.probed_ns += end - start;
	note_rate(governor, (double)(hits_so_far(governor) - hits) / (double)(end - start),
		  (double)(end - governor->closed_ns));
	if (!close_window(governor, end, governor->budget * ROUND_NS))
		return false;
	governor->rate =
		(governor->rate + cost_of(governor, hits_so_far(governor) - before) / (double)(end - start)) / 2;
	return true;
}

/* Windows, until they have cost little for a while. False: the governor is to stop. */
static bool open_windows(struct governor *governor)
{
	int cheap = 0;

	governor->figures.sampled = true;
	if (!close_window(governor, capture__now(), governor->budget * ROUND_NS))
		return false;
	while (cheap < CHEAP_WINDOWS) {
		if (!open_window(governor))
			return false;
		cheap = governor->rate < CHEAP * governor->budget ? cheap + 1 : 0;
	}
	put_back(governor);
	governor->figures.unseen_ns += (int64_t)(capture__now() - governor->closed_ns);
	set_window(governor, 1, capture__now(), UINT64_MAX);
	return true;
}

static void *govern(void *argument)
{
	struct governor *governor = argument;

	while (stay(governor) && open_windows(governor))
		;
	return NULL;
}

int governor__start(struct capture *capture, double budget, struct governor **out)
{
	struct governor *governor = calloc(1, sizeof(*governor));
	int err;

	if (!governor)
		return -ENOMEM;
	governor->capture = capture;
	governor->budget = budget;
	governor->began_ns = capture->start_ns;
	governor->figures.acquisitions_error = -1;
	governor->stop_fd = eventfd(0, EFD_CLOEXEC);
	err = governor->stop_fd < 0 ? errno : pthread_create(&governor->thread, NULL, govern, governor);
	if (err) {
		governor__free(governor);
		return -err;
	}
	governor->running = true;
	*out = governor;
	return 0;
}

void governor__ask(struct governor *governor)
{
	if (governor && governor->running)
		eventfd_write(governor->stop_fd, 1); /* never fails: the counter is far from its end */
}

void governor__stop(struct governor *governor, uint64_t stop_ns)
{
	if (!governor || !governor->running)
		return;
	governor__ask(governor);
	pthread_join(governor->thread, NULL);
	governor->running = false;
	if (governor->closed_ns)
		governor->figures.unseen_ns += (int64_t)(stop_ns - governor->closed_ns);
}

void governor__figures(const struct governor *governor, struct governor_figures *out)
{
	*out = governor->figures;
}

void governor__free(struct governor *governor)
{
	if (!governor)
		return;
	governor__stop(governor, 0);
	if (governor->stop_fd >= 0)
		close(governor->stop_fd);
	free(governor);
}
