/* SPDX-License-Identifier: MIT */
/*
 * `toygil bench`: the published figures of each design, row by row, and the same measured here. A ratio is the median
 * over pairs of runs, one right after the other, each in a process of its own, so that what else the machine does meets
 * both; its spread stands beside it. A row whose figure depends on the number of cores says what this machine's allow.
 */
#include "tools/toygil/bench.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/toygil/clock.h"
#include "tools/toygil/design.h"
#include "tools/toygil/object_mutex.h"
#include "tools/toygil/programs.h"

#define PAIRS     5
#define MAX_TASKS 4

/* One kind of run: of `processes` at once. */
struct trial {
	const char *program;
	const struct design *design;
	int threads, interpreters, processes; /* 0 is 1 */
	int64_t rounds;                       /* 0: for `duration_ns` */
	uint64_t duration_ns, interval_us;
	bool one_core, no_bias;
};

struct measurement {
	double seconds;         /* until the last process has ended */
	struct outcome outcome; /* of the first process */
};

static struct outcome *shared; /* MAX_TASKS of them, which child processes fill in */

static void configure(struct settings *settings, const struct trial *trial)
{
	settings__init(settings);
	settings->design = trial->design;
	settings->threads = trial->threads ? trial->threads : 1;
	settings->interpreters = trial->interpreters ? trial->interpreters : 1;
	settings->rounds = trial->rounds ? trial->rounds : -1;
	settings->duration_ns = trial->duration_ns;
	settings->interval_us = trial->interval_us ? trial->interval_us : settings->interval_us;
	settings->bias = !trial->no_bias;
	settings->books = trial->program && !strcmp(trial->program, "count-up") && trial->threads > 1 &&
			  trial->design != &design_free;
	settings->quiet = true;
}

static void run_child(const struct trial *trial, struct outcome *outcome)
{
	char error[PROGRAM_ERROR_SIZE];
	struct shipped_program shipped;
	struct settings settings;
	struct program *program;
	cpu_set_t first;

	if (trial->one_core) {
		CPU_ZERO(&first);
		CPU_SET(sched_getcpu(), &first);
		sched_setaffinity(0, sizeof(first), &first);
	}
	configure(&settings, trial);
	outcome->failed = true;
	if (!programs__find(trial->program, &shipped))
		_exit(1);
	program = program__assemble(trial->program, shipped.text, shipped.length, error);
	if (program)
		runtime__run(program, &settings, outcome);
	_exit(!program);
}

/* False, after a line on stderr, when a run could not be made. */
static bool run_trial(const struct trial *trial, struct measurement *measurement)
{
	int processes = trial->processes ? trial->processes : 1, started = 0, status;
	uint64_t begin = clock__now();
	bool good = true;

	for (; started < processes; started++) {
		pid_t pid = fork();

		if (!pid)
			run_child(trial, &shared[started]);
		if (pid < 0)
			break;
	}
	for (int i = 0; i < started; i++)
		good = wait(&status) > 0 && !status && good;
	measurement->seconds = (double)(clock__now() - begin) / 1e9;
	measurement->outcome = shared[0];
	good = good && started == processes && !shared[0].failed;
	if (!good)
		fprintf(stderr, "toygil: bench: %s under %s failed: %s\n", trial->program, trial->design->name,
			shared[0].error[0] ? shared[0].error : strerror(errno));
	if (processes == 1)
		measurement->seconds = (double)shared[0].elapsed_ns / 1e9;
	return good;
}

/* How the times of two trials compare. */
struct comparison {
	double ratio, least, most; /* the median of the pairs, and their spread; 0 when a run failed */
	struct measurement first;  /* of the first trial, in the last pair */
};

static int compare_doubles(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return a < b ? -1 : a > b;
}

/* The time of the first trial against `times` that of the second. */
static struct comparison compare(const struct trial *first, const struct trial *second, double times)
{
	struct comparison comparison = {0};
	struct measurement other;
	double ratios[PAIRS];

	for (int i = 0; i < PAIRS; i++) {
		if (!run_trial(second, &other) || !run_trial(first, &comparison.first))
			return (struct comparison){0};
		ratios[i] = comparison.first.seconds / (times * other.seconds);
	}
	qsort(ratios, PAIRS, sizeof(*ratios), compare_doubles);
	comparison.ratio = ratios[PAIRS / 2];
	comparison.least = ratios[0];
	comparison.most = ratios[PAIRS - 1];
	return comparison;
}

/* The other way round: the speed of `times` the second trial's work against the first's. */
static struct comparison speed(const struct trial *first, const struct trial *second, double times)
{
	struct comparison slowness = compare(first, second, times);

	if (slowness.ratio <= 0)
		return slowness;
	return (struct comparison){.ratio = 1 / slowness.ratio,
				   .least = 1 / slowness.most,
				   .most = 1 / slowness.least,
				   .first = slowness.first};
}

static int cores(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);
}

static void row(const char *what, const char *published, double here, const char *format, const char *note)
{
	char value[32];

	snprintf(value, sizeof(value), format, here);
	printf("%-58s %14s %10s  %s\n", what, published, here > 0 ? value : "failed", note);
	fflush(stdout);
}

/* A row of a ratio: with its spread, and `note`. */
static void ratio_row(const char *what, const char *published, struct comparison here, const char *note)
{
	char text[96];

	snprintf(text, sizeof(text), "[%.2f - %.2f]  %s", here.least, here.most, note);
	row(what, published, here.ratio, "%.2f", text);
}

/* A row of a figure that is at most the number of tasks or cores, whichever is less. */
static void scaling_row(const char *what, const char *published, struct comparison here, int tasks)
{
	char note[64];

	snprintf(note, sizeof(note), "%d cores allow %d", cores(), tasks < cores() ? tasks : cores());
	ratio_row(what, published, here, note);
}

static double ratio(double a, double b)
{
	return b > 0 ? a / b : 0;
}

static void rows_of_ticks(void)
{
	struct trial one = {.program = "count-up", .design = &design_ticks, .threads = 1, .rounds = 800};
	struct trial two = one, four = one;
	struct comparison contended;

	two.threads = 2;
	four.threads = 4;
	contended = compare(&two, &one, 2);
	ratio_row("ticks: 2 threads, time against one after the other", "1.97", contended,
		  cores() > 1 ? "" : "on one core: 1.45");
	ratio_row("ticks: 4 threads", "2.01", compare(&four, &one, 4), "");
	row("ticks: failed acquisitions a second, 2 threads", "thousands",
	    ratio((double)contended.first.outcome.failed_acquisitions, contended.first.seconds), "%.0f", "");
	one.one_core = two.one_core = four.one_core = true;
	ratio_row("ticks: 2 threads on one core", "1.45", compare(&two, &one, 2), "");
	ratio_row("ticks: 4 threads on one core", "1.49", compare(&four, &one, 4), "");
}

static void rows_of_interval(const struct trial *one)
{
	struct trial two = *one, four = *one, processes = *one, interpreters = *one;
	struct comparison handed;

	two.threads = 2;
	four.threads = 4;
	processes.processes = 4;
	interpreters.interpreters = 4;
	interpreters.design = &design_per_interpreter;
	handed = speed(&two, one, 2);
	ratio_row("interval: 2 threads, speed against one after the other", "0.91", handed, "");
	ratio_row("interval: 4 threads", "0.94", speed(&four, one, 4), "");
	row("interval: ms between hand-offs, 2 threads", "5.055",
	    1e3 * ratio(handed.first.seconds, (double)handed.first.outcome.handoffs), "%.3f", "");
	scaling_row("4 processes, speed against one after the other", "3.6", speed(&processes, one, 4), 4);
	scaling_row("per-interpreter: 4 interpreters, the same", "-", speed(&interpreters, one, 4), 4);
}

static void rows_of_released(void)
{
	struct trial sleep_one = {.program = "sleep", .design = &design_interval, .threads = 1, .rounds = 20};
	struct trial product_one = {.program = "matmul", .design = &design_interval, .threads = 1, .rounds = 200};
	struct trial sleep_four = sleep_one, product_two = product_one;

	sleep_four.threads = 4;
	product_two.threads = 2;
	ratio_row("I/O of 10 ms: 4 threads, speed against one after the other", "3.6",
		  speed(&sleep_four, &sleep_one, 4), "sleeping needs no cores");
	scaling_row("C code that releases: 2 threads", "1.5-1.8", speed(&product_two, &product_one, 2), 2);
}

static void rows_of_free(const struct trial *interval_one)
{
	struct trial one = *interval_one, two;
	struct trial biased = {.program = "own-counts", .design = &design_free, .threads = 1, .rounds = 6000};
	struct trial atomic = biased;

	one.design = &design_free;
	two = one;
	two.threads = 2;
	atomic.no_bias = true;
	scaling_row("free: 2 threads, speed against one after the other", "1.8", speed(&two, &one, 2), 2);
	ratio_row("free: 1 thread, time against interval", "1.05-1.40", compare(&one, interval_one, 1), "");
	ratio_row("free: atomic counts, time against biased, own objects", "> 2", compare(&atomic, &biased, 1), "");
}

/* ns to lock and unlock, uncontended: an object's byte, and the lock that `ticks` has. */
static void *compare_locks(void *result)
{
	enum { TIMES = 2000000 };
	struct lock lock;
	uint8_t byte = 0;
	uint64_t begin, byte_ns, lock_ns;

	begin = clock__now();
	for (int i = 0; i < TIMES; i++) {
		object_mutex__lock(NULL, &byte);
		object_mutex__unlock(&byte);
		__asm__ volatile("" : : "r"(&byte) : "memory");
	}
	byte_ns = clock__now() - begin;
	lock__init(&lock, 0);
	begin = clock__now();
	for (int i = 0; i < TIMES; i++) {
		pthread_mutex_lock(&lock.mutex);
		lock.locked = 1;
		pthread_mutex_unlock(&lock.mutex);
		pthread_mutex_lock(&lock.mutex);
		lock.locked = 0;
		pthread_cond_signal(&lock.cond);
		pthread_mutex_unlock(&lock.mutex);
	}
	lock_ns = clock__now() - begin;
	lock__destroy(&lock);
	*(double *)result = ratio((double)lock_ns, (double)byte_ns);
	return NULL;
}

/* On a thread: while a process has but one, glibc's locks do without atomics. */
static double lock_ratio(void)
{
	double result = 0;
	pthread_t thread;

	if (!pthread_create(&thread, NULL, compare_locks, &result))
		pthread_join(thread, NULL);
	return result;
}

static double echo_rate(int threads, uint64_t interval_us)
{
	uint64_t duration = interval_us > 20000 ? 2000000000 : 1000000000;
	struct trial trial = {.program = "mixed",
			      .design = &design_interval,
			      .threads = threads,
			      .interval_us = interval_us,
			      .duration_ns = duration};
	struct measurement measurement;

	if (!run_trial(&trial, &measurement))
		return 0;
	return ratio((double)measurement.outcome.rounds, measurement.seconds);
}

static void rows_of_convoy(void)
{
	static const struct {
		const char *text, *published;
		uint64_t interval_us;
	} intervals[] = {
		{"0.1 s", "5", 100000},   {"0.01 s", "50", 10000}, {"0.005 s", "100", 5000},
		{"0.001 s", "500", 1000}, {"1e-4 s", "3200", 100}, {"1e-5 s", "11000", 10},
	};
	struct trial alone = {.program = "echo", .design = &design_interval, .threads = 1, .duration_ns = 500000000};
	struct measurement measured;
	double rate = run_trial(&alone, &measured) ? ratio((double)measured.outcome.rounds, measured.seconds) : 0;
	char what[64], note[64];

	row("echo alone, requests a second", "30000", rate, "%.0f", "here the client is 2 x 80 us away");
	for (size_t i = 0; i < sizeof(intervals) / sizeof(*intervals); i++) {
		snprintf(what, sizeof(what), "  beside 1 counting thread, interval %s", intervals[i].text);
		snprintf(note, sizeof(note), "1 / (2 x interval + 1 / alone) = %.1f",
			 1 / (2e-6 * (double)intervals[i].interval_us + ratio(1, rate)));
		row(what, intervals[i].published, echo_rate(1, intervals[i].interval_us), "%.1f", note);
	}
	row("  beside 2 counting threads, interval 0.005 s", "50", echo_rate(2, 5000), "%.1f", "");
	row("  beside 4 counting threads, interval 0.005 s", "30", echo_rate(4, 5000), "%.1f", "");
}

int bench__run(void)
{
	struct trial one = {.program = "count-up", .design = &design_interval, .threads = 1, .rounds = 1600};

	shared = mmap(NULL, MAX_TASKS * sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		fprintf(stderr, "toygil: bench: %s\n", strerror(errno));
		return -errno;
	}
	printf("%-58s %14s %10s\n", "", "published", "here");
	rows_of_ticks();
	rows_of_interval(&one);
	rows_of_released();
	rows_of_free(&one);
	row("a lock of a mutex and a condition, time against one byte", "4.0", lock_ratio(), "%.2f", "");
	rows_of_convoy();
	munmap(shared, MAX_TASKS * sizeof(*shared));
	return 0;
}
