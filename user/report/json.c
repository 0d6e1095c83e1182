/* SPDX-License-Identifier: MIT */
/* The JSON report: see json.h. What is told of code (stacks, blame, release points, hogs) is in json_code.c. */
#include "user/report/json.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>

#include "user/report/json_parts.h"
#include "user/report/safe_text.h"
#include "user/trace/trace.h"

json_t *json__number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

json_t *json__known(bool is_known, uint64_t value)
{
	return is_known ? json__number(value) : json_null();
}

static json_t *measured(double value)
{
	return value < 0 ? json_null() : json_real(value);
}

json_t *json__address(uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%" PRIx64, value);
	return json_string(text);
}

json_t *json__text(const char *value)
{
	char safe[SAFE_TEXT_SIZE];

	return value && *value ? json_string(safe_text(safe, sizeof(safe), value)) : json_null();
}

static json_t *buckets(const struct distribution *distribution)
{
	json_t *list = json_array();

	for (size_t i = 0; i < distribution->bucket_count; i++) {
		const struct distribution_bucket *bucket = &distribution->buckets[i];
		uint64_t low, high;

		distribution__bounds(bucket->index, &low, &high);
		json_array_append_new(list,
				      json_pack("[o, o, o]", json__number(low), json__known(high != UINT64_MAX, high),
						json__number(bucket->count)));
	}
	return list;
}

static json_t *distribution(const struct distribution *d)
{
	bool any = d->count > 0;

	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:f, s:o}", "count", json__number(d->count),
			 "sum_ns", json__number(d->sum_ns), "min_ns", json__known(any, d->min_ns), "max_ns",
			 json__known(any, d->max_ns), "p50_ns", json__known(any, distribution__percentile(d, 50)),
			 "p90_ns", json__known(any, distribution__percentile(d, 90)), "p99_ns",
			 json__known(any, distribution__percentile(d, 99)), "p999_ns",
			 json__known(any, distribution__percentile(d, 99.9)), "error_pct", DISTRIBUTION_ERROR_PCT,
			 "buckets", buckets(d));
}

/* The counts, which a lock and a thread share. */
static void add_counts(json_t *object, const struct trace_counts *counts, bool all)
{
	json_object_set_new(object, "acquisitions", json__known(all, counts->acquisitions));
	json_object_set_new(object, "contended", json__number(counts->contended));
	json_object_set_new(object, "failed", json__number(counts->failed));
	json_object_set_new(object, "timeouts", json__number(counts->timeouts));
	json_object_set_new(object, "stolen", json__number(counts->stolen));
	json_object_set_new(object, "handoffs", json__number(counts->handoffs));
	json_object_set_new(object, "releases_forced", json__known(all, counts->releases_forced));
	json_object_set_new(object, "releases_voluntary", json__known(all, counts->releases_voluntary));
	json_object_set_new(object, "held_ns", json__known(all, counts->held_ns));
	json_object_set_new(object, "waited_ns", json__number(counts->waited_ns));
}

static json_t *open_intervals(const struct trace_open *open, bool all)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "holds_at_start", json__known(all, open->holds_at_start),
			 "holds_at_end", json__known(all, open->holds_at_end), "held_ns",
			 json__known(all, open->held_ns), "waits_at_start", json__number(open->waits_at_start),
			 "waits_at_end", json__number(open->waits_at_end), "waited_ns", json__number(open->waited_ns));
}

static json_t *attempts(const struct trace_gil *gil)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < ATTEMPTS_BUCKETS; i++) {
		uint64_t failed = i < ATTEMPTS_EXACT ? i : 1ULL << (i - ATTEMPTS_EXACT + 4);

		if (gil->attempts[i])
			json_array_append_new(
				list, json_pack("[o, o]", json__number(failed), json__number(gil->attempts[i])));
	}
	return list;
}

static void add_utilisation(json_t *object, const struct trace *trace, const struct trace_gil *gil)
{
	double error, utilisation = trace__utilisation(trace, gil, &error);
	bool known = utilisation >= 0;

	json_object_set_new(object, "utilisation", known ? json_real(utilisation) : json_null());
	json_object_set_new(object, "utilisation_error", known ? json_real(error) : json_null());
}

static json_t *gils(const struct trace *trace)
{
	bool all = trace__knows_holds(trace);
	json_t *list = json_array();

	for (size_t i = 0; i < trace->gil_count; i++) {
		const struct trace_gil *gil = &trace->gils[i];
		json_t *object = json_object();

		json_object_set_new(object, "gil", json__address(gil->address));
		json_object_set_new(object, "interpreter",
				    json__known(gil->interpreter >= 0, (uint64_t)gil->interpreter));
		json_object_set_new(object, "process", json__number(gil->process));
		json_object_set_new(object, "pid", json__number(gil->pid));
		add_counts(object, &gil->counts, all);
		add_utilisation(object, trace, gil);
		json_object_set_new(object, "wait", distribution(&gil->wait));
		json_object_set_new(object, "hold", all ? distribution(&gil->hold) : json_null());
		json_object_set_new(object, "handoff", all ? distribution(&gil->handoff) : json_null());
		json_object_set_new(object, "attempts", attempts(gil));
		json_object_set_new(object, "open", open_intervals(&gil->open, all));
		json_array_append_new(list, object);
	}
	return list;
}

/* NULL: unknown. */
static const char *end_name(enum trace_end end)
{
	switch (end) {
	case TRACE_END_EXITED:
		return "exited";
	case TRACE_END_EXECED:
		return "execed";
	case TRACE_END_UNKNOWN:
		return NULL;
	case TRACE_END_TIME:
		break;
	}
	return "time";
}

static json_t *processes(const struct trace *trace)
{
	bool all = trace__knows_holds(trace);
	json_t *list = json_array();

	for (size_t i = 0; i < trace->process_count; i++) {
		const struct trace_process *process = &trace->processes[i];
		uint32_t own = process->pid_in_namespace ? process->pid_in_namespace : process->pid;
		json_t *object = json_object();

		json_object_set_new(object, "number", json__number(process->number));
		json_object_set_new(object, "pid", json__number(process->pid));
		json_object_set_new(object, "pid_in_namespace", json__number(own));
		json_object_set_new(object, "parent", json__known(process->parent != 0, process->parent));
		json_object_set_new(object, "exe", json__text(process->exe ? process->exe : ""));
		json_object_set_new(object, "runtime", json__text(process->runtime));
		json_object_set_new(object, "version", json__text(process->version));
		json_object_set_new(object, "design", json__text(process->design));
		json_object_set_new(object, "start_ns", json__number(process->start_ns));
		json_object_set_new(object, "duration_ns", json__number(process->duration_ns));
		json_object_set_new(object, "ended_by", json__text(end_name(process->end)));
		json_object_set_new(object, "from_start", json_boolean(process->from_start));
		json_object_set_new(object, "gils", json__number(process->gils));
		add_counts(object, &process->counts, all);
		json_object_set_new(object, "open", open_intervals(&process->open, all));
		json_array_append_new(list, object);
	}
	return list;
}

/* All processes together. */
static json_t *total(const struct trace *trace)
{
	bool all = trace__knows_holds(trace);
	json_t *object = json_object();

	json_object_set_new(object, "processes", json__number(trace->process_count));
	json_object_set_new(object, "gils", json__number(trace->gil_count));
	add_counts(object, &trace->total.counts, all);
	json_object_set_new(object, "wait", distribution(&trace->total.wait));
	json_object_set_new(object, "hold", all ? distribution(&trace->total.hold) : json_null());
	json_object_set_new(object, "open", open_intervals(&trace->total.open, all));
	return object;
}

static json_t *threads(const struct trace *trace)
{
	bool all = trace__knows_holds(trace);
	json_t *list = json_array();

	for (size_t i = 0; i < trace->thread_count; i++) {
		const struct trace_thread *thread = &trace->threads[i];
		uint64_t off_cpu = thread->held_runnable_ns + thread->held_blocked_ns;
		json_t *object = json_object();

		json_object_set_new(object, "tid", json__number(thread->tid));
		json_object_set_new(object, "name", json__text(thread->name));
		json_object_set_new(object, "gil", json__address(thread->gil));
		json_object_set_new(object, "process", json__number(thread->process));
		json_object_set_new(object, "pid", json__number(thread->pid));
		json_object_set_new(object, "ended", json_boolean(thread->ended));
		add_counts(object, &thread->counts, all);
		json_object_set_new(
			object, "held_on_cpu_ns",
			json__known(all, thread->counts.held_ns > off_cpu ? thread->counts.held_ns - off_cpu : 0));
		json_object_set_new(object, "held_runnable_ns", json__known(all, thread->held_runnable_ns));
		json_object_set_new(object, "held_blocked_ns", json__known(all, thread->held_blocked_ns));
		json_object_set_new(object, "wait", distribution(&thread->wait));
		json_object_set_new(object, "hold", all ? distribution(&thread->hold) : json_null());
		json_object_set_new(object, "open", open_intervals(&thread->open, all));
		json_array_append_new(list, object);
	}
	return list;
}

static json_t *target(const struct trace_target *target)
{
	uint32_t own = target->pid_in_namespace ? target->pid_in_namespace : target->pid;

	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "pid", json__known(own != 0, target->pid),
			 "pid_in_namespace", json__known(own != 0, own), "exe", json__text(target->exe), "runtime",
			 json__text(target->runtime), "version", json__text(target->version), "design",
			 json__text(target->design));
}

static const char *scope_name(enum trace_scope scope)
{
	switch (scope) {
	case TRACE_CHILDREN:
		return "children";
	case TRACE_EVERYTHING:
		return "all";
	case TRACE_GIVEN:
		break;
	}
	return "given";
}

/* How much of the time holds and waits were probed, and how exact their numbers are; null where there is no budget. */
static void add_coverage(json_t *object, const struct trace *trace)
{
	const struct trace_probes *probes = &trace->probes;
	bool governed = trace->level == TRACE_AUTO;

	json_object_set_new(object, "coverage_pct", json_real(probes->coverage_pct));
	json_object_set_new(object, "budget_pct", governed ? json_real(probes->budget_pct) : json_null());
	json_object_set_new(object, "windows", json__known(governed, probes->windows));
	json_object_set_new(object, "windows_cut", json__known(governed, probes->windows_cut));
	json_object_set_new(object, "acquisitions_error_pct",
			    trace__knows_holds(trace) ? json_real(probes->acquisitions_error_pct) : json_null());
	json_object_set_new(object, "waits_coverage_pct", json_real(probes->waits_coverage_pct));
	json_object_set_new(object, "waits_error_pct", json_real(probes->waits_error_pct));
}

json_t *json__document(const struct trace *trace)
{
	const struct trace_lost *lost = &trace->lost;
	json_t *root = json_object();

	json_object_set_new(root, "schema", json_string("giltrace/1"));
	json_object_set_new(root, "target", target(&trace->target));
	json_object_set_new(root, "window",
			    json_pack("{s:o, s:o, s:o, s:o, s:s}", "start_ns", json__number(trace->start_ns),
				      "duration_ns", json__number(trace->duration_ns), "ended_by",
				      json__text(end_name(trace->end)), "children", json__number(trace->children),
				      "scope", scope_name(trace->scope)));
	json_object_set_new(root, "probes",
			    json_pack("{s:s, s:o, s:o, s:o, s:o}", "level", trace__level_name(trace->level), "hits",
				      json__number(trace->probes.hits), "cost_ns_per_hit",
				      measured(trace->probes.cost_ns_per_hit), "longest_ns",
				      measured(trace->probes.longest_ns), "overhead_pct",
				      measured(trace->probes.overhead_pct)));
	add_coverage(json_object_get(root, "probes"), trace);
	json_object_set_new(root, "lost",
			    json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "events", json__number(lost->events),
				      "stacks", json__number(lost->stacks), "threads", json__number(lost->threads),
				      "probes", json__number(lost->probes), "gils", json__number(lost->gils), "pairs",
				      json__number(lost->pairs), "processes", json__number(lost->processes)));
	json_object_set_new(root, "processes", processes(trace));
	json_object_set_new(root, "total", total(trace));
	json_object_set_new(root, "gils", gils(trace));
	json_object_set_new(root, "threads", threads(trace));
	json__add_code(root, trace);
	return root;
}

int report__json(const struct trace *trace, FILE *out)
{
	json_t *root = json__document(trace);
	int failed;

	if (!root)
		return -ENOMEM;
	errno = 0;
	failed = json_dumpf(root, out, JSON_INDENT(1) | JSON_REAL_PRECISION(10));
	json_decref(root);
	if (failed || fputc('\n', out) == EOF || fflush(out))
		return errno ? -errno : -EIO;
	return 0;
}
