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
#include "user/capture/locks.h"
#include "user/capture/run_time.h"
#include "user/trace/estimate.h"

#define TICK_NS          10000000 /* how often the cost is looked at while the probes stay; */
#define CALM_TICK_NS     40000000 /* as long as that is less than CALM of the budget */
#define CALM             0.1
#define BURST_S          0.5       /* so many seconds' budget may be spent at once before they go */
#define ROUND_NS         150000000 /* from one window to the next, on average; */
#define CONTENDED_NS     300000000 /* where waits cost much, for threads take ms to fall into another step; longer */
#define SWITCHING        0.005     /* where putting the probes in and out takes more than this of a CPU by itself: */
#define MOST_ROUND_NS    1e9       /* each process has its own */
#define LEAST_NS         1000000   /* a window */
#define MOST_WEIGHT      2000.0
#define UNKNOWN_PRICE_NS 2000
#define CHEAP            0.7      /* of the budget: when they cost less, the probes stay again */
#define CHEAP_WINDOWS    5        /* one after the other */
#define DEAR_WAITS       0.8      /* of the budget: when those of waits cost more, they come and go too; */
#define VERY_DEAR_WAITS  4        /* when so much more, at once */
#define CHEAP_WAITS      0.5      /* when they cost less, they stay again */
#define WAITS_FOR_NS     20000000 /* without holds, at least, to tell what waits cost */
#define HELD_UP          1.25     /* a hit costs so many times what it takes where waits are dear, see hit_price() */
#define HOLD_TICK_NS     1000000  /* how often a closed window's open holds are looked for */
#define RUNS_FOR_PRICE   256      /* of the probes' programs, until their mean run tells the price of a hit anew */

/* What was paid so far. */
struct meter {
	uint64_t hits, wait_hits, waited_ns; /* waited_ns: of waits seen in windows */
	uint64_t look_ns, release_look_ns;   /* of looks at stacks, by waiters and at releases */
};

/* What tells the error of a number that windows stand for: sums over them, and the differences of one to the next. */
struct spread {
	uint64_t count;
	double rates_sum, squares_sum, last_rate, differences_sum;
};

struct governor {
	struct capture *capture;
	double budget;
	int stop_fd;
	double hit_ns;             /* what a hit adds, lately; looks at stacks come on top */
	struct run_samples runs;   /* what tells that, */
	struct run_samples priced; /* when it was reckoned; */
	uint64_t priced_hits;      /* so many hits there had been */
	double settled_ns;         /* what these added, each at the price of its time */
	struct meter first;        /* at the beginning */
	bool running;
	pthread_t thread;
	pthread_mutex_t mutex;        /* held by the thread but while it waits: what follows fits together then */
	uint64_t began_ns, attach_ns; /* attach_ns: what putting the probes back takes, about */
	uint64_t closed_ns;           /* when the last window closed; 0: the probes stay */
	double rate;                  /* ns of cost a ns of an open window, lately; */
	double wait_rate;             /* that of waits, where they are probed */
	double round_ns;              /* from one window to the next, on average */
	bool wait_windows;            /* waits are probed in windows only, too */
	unsigned int cheap_waits;     /* windows in a row in which waits cost little */
	struct governor_figures figures;
	struct spread acquisitions, waits, waited;
};

static struct meter read_meter(const struct governor *governor)
{
	const struct giltrace_bpf *bpf = governor->capture->bpf;
	struct meter meter = {.look_ns = bpf->bss->walk_counts[WAITER_LOOK_NS],
			      .release_look_ns = bpf->bss->walk_counts[RELEASE_LOOK_NS]};

	for (int cpu = 0; cpu < COUNTED_CPUS; cpu++) {
		meter.hits += bpf->bss->cpu_counts[cpu][CPU_HITS];
		meter.wait_hits += bpf->bss->cpu_counts[cpu][CPU_WAIT_HITS];
		meter.waited_ns += bpf->bss->cpu_counts[cpu][CPU_WAITED_NS];
	}
	return meter;
}

static uint64_t looks_since(const struct meter *now, const struct meter *before)
{
	return now->look_ns - before->look_ns + now->release_look_ns - before->release_look_ns;
}

/*
 * A hit in the lock's mutex holds up those who want the mutex: they fall asleep, which no hit shows. What two threads
 * that write lost in windows, by the kernel's count of their writes, was 1.25 to 1.3 times what their hits took.
 * (tests/bench/bench_windows.py --workload write-2 shows the two beside each other.)
 */
static double hit_price(const struct governor *governor)
{
	return governor->hit_ns * (governor->wait_windows ? HELD_UP : 1);
}

/*
 * A hit costs a program that uses much other memory several times as much as one that does little else: how long the
 * probes' own programs run tells which it is. Where the price could not be measured it is taken to be high, so that the
 * budget holds.
 */
static void reckon_price(struct governor *governor)
{
	const struct price *price = &governor->capture->price;
	const struct run_samples *runs = &governor->runs, *priced = &governor->priced;
	uint64_t hits = read_meter(governor).hits;

	run_samples__go_on(&governor->runs, governor->capture->bpf, capture__now());
	if (runs->runs - priced->runs < RUNS_FOR_PRICE)
		return;
	if (price->hit_ns >= 0)
		governor->hit_ns = price__where(price, (runs->ns - priced->ns) / (double)(runs->runs - priced->runs));
	governor->settled_ns += (double)(hits - governor->priced_hits) * hit_price(governor);
	governor->priced_hits = hits;
	governor->priced = *runs;
}

/* ns that were paid for probes since `before`, a moment ago; since the beginning; for waits alone. */
static double paid_since(const struct governor *governor, const struct meter *before)
{
	struct meter now = read_meter(governor);

	return (double)(now.hits - before->hits) * hit_price(governor) + (double)looks_since(&now, before);
}

static double paid_in_all(const struct governor *governor)
{
	struct meter now = read_meter(governor);

	return governor->settled_ns + (double)(now.hits - governor->priced_hits) * hit_price(governor) +
	       (double)looks_since(&now, &governor->first);
}

static double paid_for_waits(const struct governor *governor, const struct meter *before)
{
	struct meter now = read_meter(governor);

	return (double)(now.wait_hits - before->wait_hits) * hit_price(governor) +
	       (double)(now.look_ns - before->look_ns);
}

/* False when the governor is to stop. */
static bool wait_until(struct governor *governor, uint64_t when)
{
	struct pollfd stop = {.fd = governor->stop_fd, .events = POLLIN};
	uint64_t now = capture__now(), left = when > now ? when - now : 0;
	struct timespec timeout = {.tv_sec = (time_t)(left / 1000000000), .tv_nsec = (long)(left % 1000000000)};
	bool going_on;

	pthread_mutex_unlock(&governor->mutex);
	going_on = ppoll(&stop, 1, &timeout, NULL) == 0;
	pthread_mutex_lock(&governor->mutex);
	return going_on;
}

static double random_share(void)
{
	uint32_t random;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		random = (uint32_t)capture__now() * 2654435761U;
	return random / 4294967296.0;
}

/*
 * How long the probes may stay until their cost is looked at again: until `left_ns` could be spent if it is what it
 * was.
 */
static uint64_t choose_tick(const struct governor *governor, double left_ns)
{
	double most = governor->rate < CALM * governor->budget ? CALM_TICK_NS : TICK_NS;

	return (uint64_t)fmin(most, fmax(LEAST_NS, left_ns / governor->rate));
}

/* The probes stay. True once that costs more than the budget; false when the governor is to stop. */
static bool stay(struct governor *governor)
{
	uint64_t began = capture__now(), now = began;
	double allowed = governor->budget * BURST_S * 1e9, spent = 0;
	bool going_on = true;

	governor->closed_ns = 0;
	while (going_on && spent <= allowed) {
		struct meter before = read_meter(governor);
		uint64_t tick = now;
		double cost;

		going_on = wait_until(governor, tick + choose_tick(governor, allowed - spent));
		now = capture__now();
		reckon_price(governor);
		cost = paid_since(governor, &before);
		governor->rate = cost / (double)(now - tick);
		spent = fmax(0, spent + cost - governor->budget * (double)(now - tick)); /* no saving up */
	}
	governor->figures.probed_ns += now - began;
	return going_on;
}

/* Whether a lock has a hold that began in this window and goes on, or a wait where those are seen in windows, too. */
static bool has_open(const struct governor *governor, uint32_t window)
{
	static struct lock lock; /* the governor's alone */
	const struct giltrace_bpf *bpf = governor->capture->bpf;

	lock.key.address = 0;
	for (uint32_t i = 0; i < locks__room(bpf) && locks__next(bpf, &lock); i++)
		if (!lock.always &&
		    ((lock.holder && lock.window == window) || (governor->wait_windows && lock.waiters)))
			return true;
	return false;
}

/*
 * A window is over: no hold is opened any more. The probes stay until those that are open have ended; but when other
 * locks go on hitting them meanwhile, for as much as the window did again at most.
 */
static bool close_window(struct governor *governor, uint64_t end_ns)
{
	struct capture *capture = governor->capture;
	uint32_t number = capture->bpf->bss->window_number;
	struct meter before = read_meter(governor);
	bool going_on = true;

	capture->bpf->bss->window_end = end_ns;
	while (going_on && has_open(governor, number)) {
		if (paid_since(governor, &before) > governor->budget * governor->round_ns) {
			governor->figures.cut++;
			break;
		}
		going_on = wait_until(governor, capture__now() + HOLD_TICK_NS);
	}
	files__switch(capture->files, FILES_HOLDS, false);
	if (governor->wait_windows) /* once: from then on these come and go with those of holds */
		files__switch(capture->files, FILES_WAITS, false);
	capture->bpf->bss->between_windows = governor->wait_windows;
	governor->closed_ns = end_ns;
	return going_on;
}

/* Each window stands for its round; what differs between one and the next is chance. */
static void note_rate(struct spread *spread, double a_ns, double round_ns)
{
	double difference = a_ns - spread->last_rate;

	if (spread->count++)
		spread->differences_sum += difference * difference / 2;
	spread->last_rate = a_ns;
	spread->rates_sum += a_ns * round_ns;
	spread->squares_sum += round_ns * round_ns;
}

/* The freedom is that of von Neumann's mean square of successive differences, were they normal. */
static double error_of(const struct spread *spread)
{
	double steps = (double)spread->count - 1;

	if (spread->count < 2 || spread->rates_sum <= 0)
		return -1;
	return estimate__student(2 * steps * steps / (3 * steps - 1)) *
	       sqrt(spread->squares_sum * spread->differences_sum / steps) / spread->rates_sum;
}

/*
 * What a window must stand for so that all of them together stay within the budget, what was spent included. Who loses
 * 10 % of a CPU is 11 % slower: aimed at is the share that makes a program of one busy CPU slower by the budget.
 */
static double choose_weight(const struct governor *governor)
{
	double elapsed = (double)(capture__now() - governor->began_ns),
	       share = governor->budget / (1 + governor->budget);
	double debt = paid_in_all(governor) / (share * elapsed);
	double weight = ceil(governor->rate / share * (debt > 1 ? fmin(debt, 4) : 1));

	return fmax(2, fmin(weight, MOST_WEIGHT));
}

/* The probes that were taken away come back, as yet without opening any hold. */
static void put_back(struct governor *governor)
{
	struct capture *capture = governor->capture;
	uint64_t asked = capture__now();

	capture->bpf->bss->between_windows = false;
	capture->bpf->bss->window_end = 0;
	capture->bpf->bss->window_number++;
	if (governor->wait_windows)
		capture->bpf->bss->wait_window++;
	files__switch(capture->files, FILES_HOLDS, true);
	governor->attach_ns = (3 * governor->attach_ns + (capture__now() - asked)) / 4;
}

static void set_window(struct governor *governor, uint32_t weight, uint64_t start_ns, uint64_t end_ns)
{
	struct giltrace_bpf *bpf = governor->capture->bpf;

	bpf->bss->window_weight = weight;
	bpf->bss->window_start = start_ns;
	bpf->bss->window_end = end_ns;
}

/* No window will stand for the time since the last one. */
static void give_up_gap(struct governor *governor, int64_t stood_for_ns, uint64_t now)
{
	int64_t unseen = (int64_t)(now - governor->closed_ns) - stood_for_ns;

	governor->figures.unseen_ns += unseen;
	if (governor->wait_windows)
		governor->figures.waits_unseen_ns += unseen;
}

/* Waits cost too much by themselves: from now on they are seen in windows as holds are. */
static bool window_waits(struct governor *governor)
{
	uint64_t now = capture__now();

	give_up_gap(governor, 0, now);
	governor->figures.waits_sampled = governor->wait_windows = true;
	governor->cheap_waits = 0;
	governor->capture->bpf->bss->wait_windows = true;
	return close_window(governor, now);
}

/* They cost little: their probes stay again. */
static void keep_waits(struct governor *governor)
{
	struct capture *capture = governor->capture;
	uint64_t now;

	capture->bpf->bss->between_windows = false;
	capture->bpf->bss->wait_window++;
	files__switch(capture->files, FILES_WAITS, true);
	capture->bpf->bss->wait_windows = governor->wait_windows = false;
	now = capture__now();
	governor->figures.waits_unseen_ns += (int64_t)(now - governor->closed_ns);
	governor->figures.waits_absent_ns += now - governor->closed_ns;
}

/* What was seen in a window of this length, in ns, from `before` at its start. It stands for `round_ns`. */
static void note_window(struct governor *governor, const struct meter *before, double length, double round_ns)
{
	struct meter now = read_meter(governor);
	uint64_t wait_hits = now.wait_hits - before->wait_hits;

	governor->figures.windows++;
	governor->figures.probed_ns += (uint64_t)length;
	note_rate(&governor->acquisitions, (double)(now.hits - before->hits - wait_hits) / length, round_ns);
	if (!governor->wait_windows)
		return;
	governor->figures.waits_absent_ns += (uint64_t)(round_ns - length);
	note_rate(&governor->waits, (double)wait_hits / length, round_ns);
	governor->wait_rate = paid_for_waits(governor, before) / length;
	governor->cheap_waits = governor->wait_rate < CHEAP_WAITS * governor->budget ? governor->cheap_waits + 1 : 0;
}

/* Whether those of waits alone, which have been so since `asked`, cost more than this share of the budget. */
static bool are_waits_dear(struct governor *governor, const struct meter *before, uint64_t asked, double share)
{
	uint64_t now = capture__now();

	if (governor->wait_windows || now < asked + WAITS_FOR_NS)
		return false;
	governor->wait_rate = paid_for_waits(governor, before) / (double)(now - asked);
	return governor->wait_rate > share * governor->budget;
}

/* `switching_ns`: what a window took this thread, which does little else. */
static void choose_round(struct governor *governor, uint64_t switching_ns)
{
	double needed = fmin(MOST_ROUND_NS, (double)switching_ns / SWITCHING);

	governor->round_ns = fmax(governor->wait_windows ? CONTENDED_NS : ROUND_NS, (governor->round_ns + needed) / 2);
}

/* Opens a window at a random moment, for as long as its weight says, and closes it. False: the governor is to stop. */
static bool open_window(struct governor *governor)
{
	double weight = choose_weight(governor), planned = fmax(LEAST_NS, governor->round_ns / weight), length, round;
	uint64_t gap = (uint64_t)((0.5 + random_share()) * planned * (weight - 1)), asked = capture__now();
	uint64_t opens = governor->closed_ns + (gap > governor->attach_ns ? gap - governor->attach_ns : 0);
	struct meter closed = read_meter(governor), before;
	uint64_t run = capture__cpu_time(), start, end;

	if (!governor->wait_windows && opens > asked + WAITS_FOR_NS && !wait_until(governor, asked + WAITS_FOR_NS))
		return false;
	if (are_waits_dear(governor, &closed, asked, VERY_DEAR_WAITS))
		return window_waits(governor);
	if (!wait_until(governor, opens))
		return false;
	if (are_waits_dear(governor, &closed, asked, DEAR_WAITS))
		return window_waits(governor);
	closed = read_meter(governor);
	put_back(governor);
	start = capture__now();
	end = start + (uint64_t)((double)(start - governor->closed_ns) / (weight - 1));
	set_window(governor, (uint32_t)weight, start, end);
	before = read_meter(governor);
	if (!wait_until(governor, end)) {
		end = capture__now();
		give_up_gap(governor, (int64_t)((double)(end - start) * weight), end);
		governor->figures.probed_ns += end - start;
		governor->closed_ns = end;
		return false;
	}
	length = (double)(end - start);
	round = (double)(end - governor->closed_ns);
	note_window(governor, &before, length, round);
	if (!close_window(governor, end))
		return false;
	if (governor->wait_windows) /* now that those which began in it have ended */
		note_rate(&governor->waited, (double)(read_meter(governor).waited_ns - before.waited_ns) / length,
			  round);
	choose_round(governor, capture__cpu_time() - run);
	reckon_price(governor);
	governor->rate = (governor->rate + paid_since(governor, &closed) / length) / 2;
	if (governor->wait_windows && governor->cheap_waits >= CHEAP_WINDOWS)
		keep_waits(governor);
	return true;
}

/* Windows, until they have cost little for a while. False: the governor is to stop. */
static bool open_windows(struct governor *governor)
{
	unsigned int cheap = 0; /* windows in a row that cost little */

	governor->figures.sampled = true;
	if (!close_window(governor, capture__now()))
		return false;
	while (cheap < CHEAP_WINDOWS) {
		if (!open_window(governor))
			return false;
		cheap = governor->rate < CHEAP * governor->budget ? cheap + 1 : 0;
	}
	if (governor->wait_windows)
		keep_waits(governor);
	put_back(governor);
	governor->figures.unseen_ns += (int64_t)(capture__now() - governor->closed_ns);
	set_window(governor, 1, capture__now(), UINT64_MAX);
	return true;
}

static void *govern(void *argument)
{
	struct governor *governor = argument;

	run_samples__go_on(&governor->runs, governor->capture->bpf, capture__now());
	pthread_mutex_lock(&governor->mutex);
	while (stay(governor) && open_windows(governor))
		;
	pthread_mutex_unlock(&governor->mutex);
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
	governor->round_ns = ROUND_NS;
	governor->rate = 1; /* the worst, until it is known */
	governor->hit_ns = capture->price.hit_ns >= 0 ? capture->price.hit_ns : UNKNOWN_PRICE_NS;
	governor->first = read_meter(governor);
	governor->priced_hits = governor->first.hits;
	pthread_mutex_init(&governor->mutex, NULL);
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
	run_samples__end(&governor->runs, governor->capture->bpf);
	if (!governor->closed_ns || stop_ns < governor->closed_ns)
		return;
	give_up_gap(governor, 0, stop_ns);
	if (governor->wait_windows)
		governor->figures.waits_absent_ns += stop_ns - governor->closed_ns;
}

void governor__figures(struct governor *governor, struct governor_figures *out)
{
	pthread_mutex_lock(&governor->mutex);
	*out = governor->figures;
	out->acquisitions_error = error_of(&governor->acquisitions);
	out->waits_error = fmax(error_of(&governor->waits), error_of(&governor->waited));
	out->paid_ns = paid_in_all(governor);
	pthread_mutex_unlock(&governor->mutex);
}

void governor__free(struct governor *governor)
{
	if (!governor)
		return;
	governor__stop(governor, 0);
	if (governor->stop_fd >= 0)
		close(governor->stop_fd);
	pthread_mutex_destroy(&governor->mutex);
	free(governor);
}
