/* SPDX-License-Identifier: MIT */
/* The text report: see text.h. Its larger parts have files of their own: text_parts.h. */
#include "user/report/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "user/report/format.h"
#include "user/report/text_parts.h"
#include "user/trace/trace.h"

#define SHOWN_THREADS 40
#define SHOWN_LOCKS   4 /* of several processes */
#define LINE_WIDTH    80

/* Above these mean numbers of waiters a process is called bound, or partly bound, by the lock. */
#define BOUND        0.5
#define PARTLY_BOUND 0.05
#define BROKEN_OFF   "The recording breaks off here; what came after is not in it.\n"

static const char *runtime_title(const struct trace_target *target)
{
	return !strcmp(target->runtime, "cpython") ? "CPython" : target->runtime;
}

/* The processes that were traced: one, or several. */
static bool is_single(const struct trace *trace)
{
	return trace->scope != TRACE_EVERYTHING && trace->process_count <= 1;
}

static void print_several(const struct trace *trace, FILE *out)
{
	static const char *const scopes[] = {
		[TRACE_GIVEN] = "", [TRACE_CHILDREN] = " (with --follow)", [TRACE_EVERYTHING] = " (--all)"};
	char time[FORMAT_SIZE];

	fprintf(out, "%zu processes with a GIL%s, traced for %s%s\n", trace->process_count, scopes[trace->scope],
		format_time(time, trace->duration_ns), trace->level == TRACE_WAITS ? ", waits only" : "");
	if (trace->end == TRACE_END_UNKNOWN)
		fprintf(out, BROKEN_OFF);
	else if (trace->end != TRACE_END_TIME)
		fprintf(out, "The last of them ended; that ended the trace.\n");
	if (trace->scope == TRACE_GIVEN && trace->children)
		fprintf(out, "They forked %" PRIu64 " child process%s, not traced: --follow does that.\n",
			trace->children, trace->children > 1 ? "es" : "");
}

static void print_header(const struct trace *trace, FILE *out)
{
	char time[FORMAT_SIZE], exe[128];
	const char *base = strrchr(trace->target.exe, '/');

	fprintf(out, "%s (pid %" PRIu32, format_name(exe, sizeof(exe), base ? base + 1 : trace->target.exe, 20),
		trace->target.pid);
	if (trace->target.pid_in_namespace)
		fprintf(out, ", in its namespace %" PRIu32, trace->target.pid_in_namespace);
	fprintf(out, "), %s %s, traced for %s%s\n", runtime_title(&trace->target), trace->target.version,
		format_time(time, trace->duration_ns), trace->level == TRACE_WAITS ? ", waits only" : "");
	if (trace->end == TRACE_END_UNKNOWN)
		fprintf(out, BROKEN_OFF);
	else if (trace->end == TRACE_END_EXITED)
		fprintf(out, "The process ended; that ended the trace.\n");
	else if (trace->end == TRACE_END_EXECED)
		fprintf(out, "The process replaced its program (exec); that ended the trace.\n");
	if (trace->children && trace->scope == TRACE_GIVEN)
		fprintf(out, "It forked %" PRIu64 " child process%s meanwhile, not traced: --follow does that.\n",
			trace->children, trace->children > 1 ? "es" : "");
}

static uint64_t waited_ns(const struct trace_thread *thread)
{
	return thread->counts.waited_ns + thread->open.waited_ns;
}

static uint64_t held_ns(const struct trace_thread *thread)
{
	return thread->counts.held_ns + thread->open.held_ns;
}

/*
 * "Most of it: worker (12) 4.90 s, main (11) 3.10 s." As many of the first three as fit a line. The threads of a lock
 * are sorted by waited time.
 */
static void print_worst_waiters(const struct trace *trace, const struct trace_gil *gil, FILE *out)
{
	char time[FORMAT_SIZE], name[128], one[256];
	const char *separator = "Most of it: ";
	int shown = 0, column = 0;

	for (size_t i = 0; i < trace->thread_count && shown < 3; i++) {
		const struct trace_thread *thread = &trace->threads[i];

		if (!trace__is_of(thread, gil) || !waited_ns(thread))
			continue;
		column += snprintf(one, sizeof(one), "%s%s (%" PRIu32 ") %s", separator,
				   format_name(name, sizeof(name), thread->name, 15), thread->tid,
				   format_time(time, waited_ns(thread)));
		if (shown && column >= LINE_WIDTH)
			break;
		fputs(one, out);
		separator = ", ";
		shown++;
	}
	if (shown)
		fprintf(out, ".\n");
}

/* Whether the lock is one of several in its process. */
static bool has_other_locks(const struct trace *trace, const struct trace_gil *gil)
{
	const struct trace_process *process = trace__find_process(trace, gil->process);

	return process && process->gils > 1;
}

void text__verdict(const struct trace *trace, const struct trace_gil *gil, FILE *out)
{
	uint64_t waited = gil->counts.waited_ns + gil->open.waited_ns;
	uint64_t held = gil->counts.held_ns + gil->open.held_ns;
	double waiters = trace__saturation(trace, gil), utilisation = trace__utilisation(trace, gil, NULL);
	char percent[FORMAT_SIZE], time[FORMAT_SIZE], share[FORMAT_SIZE];

	fprintf(out, "%s",
		waiters >= BOUND          ? "BOUND BY THE GIL"
		: waiters >= PARTLY_BOUND ? "PARTLY BOUND BY THE GIL"
					  : "NOT BOUND BY THE GIL");
	if (has_other_locks(trace, gil) && gil->interpreter >= 0)
		fprintf(out, " OF INTERPRETER %" PRId64, gil->interpreter);
	if (utilisation >= 0)
		fprintf(out, ": held %s %% of the time", format_percent(percent, utilisation));
	fprintf(out, "%s on average %.*f thread%s.\n", utilisation >= 0 ? ";" : ":", waiters < 0.1 ? 3 : 1, waiters,
		waiters >= 0.95 && waiters < 1.05 ? " waits" : "s wait");
	if (!waited) {
		fprintf(out, "No thread lost time waiting for it.\n");
		return;
	}
	fprintf(out, "Waiting for it cost the threads %s", format_time(time, waited));
	if (trace__knows_holds(trace))
		fprintf(out, ", %s %% of the time they wanted to run",
			format_percent(share, (double)waited / (double)(waited + held)));
	fprintf(out, ".\n");
	print_worst_waiters(trace, gil, out);
}

static void print_lock_counts(const struct trace *trace, const struct trace_gil *gil, FILE *out)
{
	const struct trace_counts *counts = &gil->counts;

	fprintf(out, "\nLock 0x%" PRIx64, gil->address);
	if (gil->interpreter >= 0)
		fprintf(out, " (interpreter %" PRId64 ")", gil->interpreter);
	fprintf(out, "\n  ");
	if (trace__knows_holds(trace))
		fprintf(out, "%" PRIu64 " acquisitions, ", counts->acquisitions);
	fprintf(out, "%" PRIu64 " contended, %" PRIu64 " hand-offs\n", counts->contended, counts->handoffs);
	fprintf(out, "  failed attempts: %" PRIu64 " (%" PRIu64 " timeouts, %" PRIu64 " stolen)\n", counts->failed,
		counts->timeouts, counts->stolen);
	if (trace__knows_holds(trace))
		fprintf(out, "  releases: %" PRIu64 " forced, %" PRIu64 " voluntary\n", counts->releases_forced,
			counts->releases_voluntary);
}

static const char *percentile(char out[FORMAT_SIZE], const struct distribution *distribution, double percent)
{
	if (!distribution->count)
		return "-";
	return format_rough_time(out, distribution__percentile(distribution, percent));
}

/* Where windows were sampled: the thread's part of what the lock was held, for they see the program slowed. */
double text__held_share(const struct trace *trace, const struct trace_gil *gil, const struct trace_thread *thread)
{
	double utilisation = trace__utilisation(trace, gil, NULL), held = (double)held_ns(thread);
	double all = (double)(gil->counts.held_ns + gil->open.held_ns);

	if (trace__is_sampled(trace) && utilisation >= 0 && all > 0)
		return utilisation * held / all;
	return held / (double)trace__duration(trace, gil);
}

static void print_thread(const struct trace *trace, const struct trace_gil *gil, const struct trace_thread *thread,
			 FILE *out)
{
	char held[FORMAT_SIZE], waited[FORMAT_SIZE], wait99[FORMAT_SIZE], hold99[FORMAT_SIZE], name[128], acquired[24];
	double duration = (double)trace__duration(trace, gil);
	bool all = trace__knows_holds(trace);

	snprintf(acquired, sizeof(acquired), "%" PRIu64, thread->counts.acquisitions);
	fprintf(out, "%7" PRIu32 "%c %s %5s %5s %9s %9" PRIu64 " %7" PRIu64 " %7s %7s\n", thread->tid,
		thread->ended ? '*' : ' ', format_name_column(name, sizeof(name), thread->name, 15),
		all ? format_percent(held, text__held_share(trace, gil, thread)) : "-",
		format_percent(waited, (double)waited_ns(thread) / duration), all ? acquired : "-",
		thread->counts.contended, thread->counts.failed, percentile(wait99, &thread->wait, 99),
		all ? percentile(hold99, &thread->hold, 99) : "-");
}

static void print_threads(const struct trace *trace, const struct trace_gil *gil, FILE *out)
{
	size_t shown = 0, ended = 0;

	fprintf(out, "\n                          held  wait                              wait    hold\n"
		     "    tid  thread             %%     %%  acquired contended  failed     p99     p99\n");
	for (size_t i = 0; i < trace->thread_count; i++) {
		const struct trace_thread *thread = &trace->threads[i];

		if (!trace__is_of(thread, gil))
			continue;
		ended += thread->ended;
		if (shown++ < SHOWN_THREADS)
			print_thread(trace, gil, thread, out);
	}
	if (shown > SHOWN_THREADS)
		fprintf(out, "         ... and %zu more threads, which waited less (--json has them all)\n",
			shown - SHOWN_THREADS);
	if (ended)
		fprintf(out, "         * ended during the trace\n");
}

/* What the holds were spent on. Held time that the scheduler saw off a CPU is worth a line when it is over 1 %. */
static void print_off_cpu(const struct trace *trace, const struct trace_gil *gil, FILE *out)
{
	uint64_t runnable = 0, blocked = 0;
	double held = (double)gil->counts.held_ns;
	char on[FORMAT_SIZE], preempted[FORMAT_SIZE], asleep[FORMAT_SIZE];

	for (size_t i = 0; i < trace->thread_count; i++) {
		const struct trace_thread *thread = &trace->threads[i];

		if (trace__is_of(thread, gil)) {
			runnable += thread->held_runnable_ns;
			blocked += thread->held_blocked_ns;
		}
	}
	if (!trace__knows_holds(trace) || held <= 0)
		return;
	fprintf(out, "\nThe holder was on a CPU %s %% of the time, preempted %s %%, asleep %s %%.\n",
		format_percent(on, 1 - (double)(runnable + blocked) / held),
		format_percent(preempted, (double)runnable / held), format_percent(asleep, (double)blocked / held));
}

static void print_open(const struct trace_gil *gil, FILE *out)
{
	const struct trace_open *open = &gil->open;

	if (!open->holds_at_start && !open->holds_at_end && !open->waits_at_start && !open->waits_at_end)
		return;
	fprintf(out,
		"\nCut by an end of the trace, and in no histogram:\n"
		"  holds: %" PRIu64 " at its start, %" PRIu64 " at its end; waits: %" PRIu64 " and %" PRIu64 "\n",
		open->holds_at_start, open->holds_at_end, open->waits_at_start, open->waits_at_end);
}

/* "==== python3.11, pid 1234 ====" over the whole line. */
static void print_process_title(const struct trace *trace, const struct trace_gil *gil, FILE *out)
{
	const struct trace_process *process = trace__find_process(trace, gil->process);
	const char *exe = process && process->exe ? process->exe : "?", *base = strrchr(exe, '/');
	char name[128], title[200];
	int width = snprintf(title, sizeof(title), "==== %s, pid %" PRIu32 " ",
			     format_name(name, sizeof(name), base ? base + 1 : exe, 30), gil->pid);

	fputs(title, out);
	for (int column = width; column < LINE_WIDTH; column++)
		fputc('=', out);
	fputs("\n\n", out);
}

static void print_gil(const struct trace *trace, const struct trace_gil *gil, FILE *out)
{
	fprintf(out, "\n");
	if (!is_single(trace))
		print_process_title(trace, gil, out);
	text__verdict(trace, gil, out);
	text__blame(trace, gil, out);
	print_lock_counts(trace, gil, out);
	print_threads(trace, gil, out);
	print_off_cpu(trace, gil, out);
	text__histogram("Wait", "from the first sleep to the acquisition", "did not sleep", &gil->wait, out);
	if (trace__knows_holds(trace)) {
		text__histogram("Hold", "from the acquisition to the release", "0", &gil->hold, out);
		text__histogram("Hand-off", "from a release to the acquisition by a thread that waited", "0",
				&gil->handoff, out);
	}
	text__matrix(trace, gil, out);
	text__hogs(trace, gil, out);
	text__release_points(trace, gil, out);
	print_open(gil, out);
}

static int compare_waited(const void *left, const void *right)
{
	const struct trace_gil *a = *(const struct trace_gil *const *)left,
			       *b = *(const struct trace_gil *const *)right;
	uint64_t a_ns = a->counts.waited_ns + a->open.waited_ns, b_ns = b->counts.waited_ns + b->open.waited_ns;

	if (a_ns != b_ns)
		return a_ns > b_ns ? -1 : 1;
	return a < b ? -1 : 1; /* they are sorted already */
}

/* Of many processes' locks, those that cost the most are told in full. */
static void print_worst_locks(const struct trace *trace, FILE *out)
{
	const struct trace_gil **sorted = calloc(trace->gil_count + 1, sizeof(*sorted));

	if (!sorted)
		return;
	for (size_t i = 0; i < trace->gil_count; i++)
		sorted[i] = &trace->gils[i];
	qsort(sorted, trace->gil_count, sizeof(*sorted), compare_waited);
	for (size_t i = 0; i < trace->gil_count && i < SHOWN_LOCKS; i++)
		print_gil(trace, sorted[i], out);
	if (trace->gil_count > SHOWN_LOCKS)
		fprintf(out, "\n... and %zu more locks, for which less was waited (--json has them all)\n",
			trace->gil_count - SHOWN_LOCKS);
	free(sorted);
}

/* Of several locks, each has a line before the details begin. */
static void print_locks(const struct trace *trace, FILE *out)
{
	fprintf(out, "\n%zu locks, each of its own interpreters:\n\n", trace->gil_count);
	fprintf(out, "  interpreter  lock               held %%  waiting  acquired contended threads\n");
	for (size_t i = 0; i < trace->gil_count; i++) {
		const struct trace_gil *gil = &trace->gils[i];
		char interpreter[24] = "-", held[FORMAT_SIZE], acquired[24];
		double utilisation = trace__utilisation(trace, gil, NULL);
		bool all = trace__knows_holds(trace);

		if (gil->interpreter >= 0)
			snprintf(interpreter, sizeof(interpreter), "%" PRId64, gil->interpreter);
		snprintf(acquired, sizeof(acquired), "%" PRIu64, gil->counts.acquisitions);
		fprintf(out, "  %11s  0x%-16" PRIx64 " %6s %8.2f %9s %9" PRIu64 " %7zu\n", interpreter, gil->address,
			utilisation >= 0 ? format_percent(held, utilisation) : "-", trace__saturation(trace, gil),
			all ? acquired : "-", gil->counts.contended, gil->threads);
	}
}

static void print_loss(FILE *out, uint64_t count, const char *what, const char *remedy)
{
	if (count)
		fprintf(out, "  %" PRIu64 " %s; %s\n", count, what, remedy);
}

static void print_lost(const struct trace *trace, FILE *out)
{
	const struct trace_lost *lost = &trace->lost;

	if (!(lost->events | lost->stacks | lost->threads | lost->probes | lost->gils | lost->pairs |
	      lost->processes)) {
		fprintf(out, "\nNothing was lost.\n");
		return;
	}
	fprintf(out, "\nLOST:\n");
	print_loss(out, lost->threads, "events of threads that found no free slot", "raise --max-threads");
	print_loss(out, lost->events, "notes of ended threads", "their figures were read at the end");
	print_loss(out, lost->gils, "events of locks that found no room", "their figures are missing");
	print_loss(out, lost->processes, "processes that could not be traced", "giltrace doctor -p PID tells why");
	print_loss(out, lost->pairs, "sleeps whose waiter x holder pair had no room", "the matrix lacks them");
	print_loss(out, lost->stacks, "stacks", "the blame is incomplete");
	print_loss(out, lost->probes, "probe hits were skipped by the kernel", "counts are as much too low");
}

/* What part of the stacks could not be had. */
static void print_stack_quality(const struct trace *trace, FILE *out)
{
	const struct trace_stack_quality *quality = &trace->quality;

	if (trace->stack_level == TRACE_STACKS_NONE ||
	    !(quality->torn | quality->missing | quality->cut | quality->frames_gone))
		return;
	fprintf(out,
		"Of %" PRIu64 " stacks %" PRIu64 " changed while they were read, %" PRIu64
		" could not be found, %" PRIu64 " were\ncut; %" PRIu64 " frames had no name any more.\n",
		quality->walks, quality->torn, quality->missing, quality->cut, quality->frames_gone);
}

/* Which figures are not exact, and by how much. */
static void print_sampling(const struct trace *trace, FILE *out)
{
	const struct trace_probes *probes = &trace->probes;
	char covered[FORMAT_SIZE], error[FORMAT_SIZE];

	if (!trace__is_sampled(trace))
		return;
	fprintf(out,
		"Within the budget of %g %% holds were probed %s %% of the time, in %" PRIu64 " window%s:\n"
		"acquisitions, releases, holds, hand-offs are estimates (their number +-%s %%).\n",
		probes->budget_pct, format_percent(covered, probes->coverage_pct / 100), probes->windows,
		probes->windows == 1 ? "" : "s", format_percent(error, probes->acquisitions_error_pct / 100));
	if (probes->waits_coverage_pct < 100)
		fprintf(out,
			"Waits were probed %s %% of the time: their number and time (+-%s %%), failures\n"
			"and blame are estimates too.\n",
			format_percent(covered, probes->waits_coverage_pct / 100),
			format_percent(error, probes->waits_error_pct / 100));
	else
		fprintf(out, "Waits are exact.\n");
	if (probes->windows_cut)
		fprintf(out, "In %" PRIu64 " windows holds were cut off: long ones are underrated.\n",
			probes->windows_cut);
}

static void print_cost(const struct trace *trace, FILE *out)
{
	char total[FORMAT_SIZE], each[FORMAT_SIZE], share[FORMAT_SIZE];
	const struct trace_probes *probes = &trace->probes;

	fprintf(out, "Tracing: %" PRIu64 " probe hits", probes->hits);
	if (probes->cost_ns_per_hit >= 0)
		fprintf(out, " of %s each cost it %s, %s %% of one CPU",
			format_time(each, (uint64_t)probes->cost_ns_per_hit),
			format_time(total, (uint64_t)((double)probes->hits * probes->cost_ns_per_hit)),
			format_percent(share, probes->overhead_pct / 100));
	fprintf(out, ".\n");
	if (trace->quality.waiter_looks)
		fprintf(out, "Looking at stacks took those who waited %s each time.\n",
			format_time(each, trace->quality.waiter_look_ns / trace->quality.waiter_looks));
}

void text__header(const struct trace *trace, FILE *out)
{
	if (is_single(trace))
		print_header(trace, out);
	else
		print_several(trace, out);
}

void text__losses(const struct trace *trace, FILE *out)
{
	print_lost(trace, out);
	print_stack_quality(trace, out);
	print_sampling(trace, out);
	print_cost(trace, out);
}

int report__text(const struct trace *trace, FILE *out)
{
	errno = 0;
	text__header(trace, out);
	if (is_single(trace)) {
		if (trace->gil_count > 1)
			print_locks(trace, out);
		for (size_t i = 0; i < trace->gil_count; i++)
			print_gil(trace, &trace->gils[i], out);
	} else {
		text__processes(trace, out);
		print_worst_locks(trace, out);
	}
	if (!trace->gil_count)
		fprintf(out, "\nNo thread took, released or waited for the lock while it was traced.\n");
	text__losses(trace, out);
	if (fflush(out) || ferror(out))
		return errno ? -errno : -EIO;
	return 0;
}
