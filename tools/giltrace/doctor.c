/* SPDX-License-Identifier: MIT */
/* giltrace doctor: what this machine allows, and for a process its probe plan and its lock at this moment. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "tools/giltrace/commands.h"
#include "user/capture/capture.h"
#include "user/report/format.h"
#include "user/report/safe_text.h"
#include "user/target/plan.h"
#include "user/target/process.h"
#include "user/target/runtime.h"

#define EMULATED_NS 1000
#define STEPPED_NS  15000

static const char *const event_names[] = {
	[PROBE_BLOCKED] = "blocked",   [PROBE_WAITED] = "waited",     [PROBE_ACQUIRED] = "acquired",
	[PROBE_RELEASED] = "released", [PROBE_SWITCHED] = "switched", [PROBE_TAKING] = "taking",
	[PROBE_TAKEN] = "taken",
};

static void print_check(const char *what, const char *answer)
{
	printf("  %-22s %s\n", what, answer);
}

/* Loads the kernel side for a try: whatever stands in the way, the message says. */
static int check_machine(void)
{
	struct capture_options options = {.level = TRACE_ALL};
	struct capture *capture = NULL;
	struct utsname kernel = {0};
	char why[512] = "", cost[FORMAT_SIZE];
	int err;

	uname(&kernel);
	printf("This machine\n");
	print_check("kernel", kernel.release);
	print_check("type information",
		    access("/sys/kernel/btf/vmlinux", R_OK) ? "missing: /sys/kernel/btf/vmlinux" : "yes");
	err = capture__open(&options, &capture, why, sizeof(why));
	print_check("BPF programs", err ? why : "load");
	if (!err) {
		capture__measure_price(capture);
		print_check("probes in one link", capture__has_uprobe_multi()
							  ? "yes (uprobe_multi)"
							  : "no: detaching takes about 0.1 s a site");
		print_check("cost of a probe hit",
			    capture__cost_ns_per_hit(capture) < 0
				    ? "could not be measured: no uprobes?"
				    : format_time(cost, (uint64_t)capture__cost_ns_per_hit(capture)));
		if (capture__cold_cost_ns_per_hit(capture) >= 0)
			print_check("with cold caches",
				    format_time(cost, (uint64_t)capture__cold_cost_ns_per_hit(capture)));
	}
	capture__free(capture);
	return err;
}

static void print_sites(const struct probe_plan *plan)
{
	char cost[FORMAT_SIZE];

	printf("\n  event     address      file offset  instruction                cost a hit\n");
	for (size_t i = 0; i < plan->site_count; i++) {
		const struct probe_site *site = &plan->sites[i];

		printf("  %-9s 0x%-10" PRIx64 " 0x%-10" PRIx64 " %-26.26s about %s%s\n", event_names[site->event],
		       site->address, site->file_offset, site->instruction,
		       format_time(cost, site->emulated ? EMULATED_NS : STEPPED_NS),
		       site->emulated ? "" : " (not emulated)");
	}
}

static void print_lock(const struct process *process, const struct probe_plan *plan)
{
	char state[256] = "";
	uint64_t lock;
	int err = plan->adapter->main_lock ? plan->adapter->main_lock(process, plan, &lock) : -ENOENT;

	if (err) {
		print_check("lock", "its address shows when it is first used");
		return;
	}
	printf("  %-22s 0x%" PRIx64 "\n", "lock", lock);
	if (plan->adapter->describe && !plan->adapter->describe(process, plan, lock, state, sizeof(state)))
		print_check("at this moment", state);
}

static void print_plan(const struct process *process, const struct probe_plan *plan)
{
	char safe[SAFE_TEXT_SIZE];

	printf("\nProcess %d (%s)\n", process__pid(process), safe_text(safe, sizeof(safe), process__exe(process)));
	printf("  %-22s %s %s, GIL design: %s\n", "runtime", plan->runtime, plan->version, plan->design);
	print_check("recognised by", safe_text(safe, sizeof(safe), plan->recognised));
	print_check("probes go into", safe_text(safe, sizeof(safe), plan->file.path));
	print_lock(process, plan);
	print_sites(plan);
	if (*plan->notes)
		printf("\n%s\n", safe_text(safe, sizeof(safe), plan->notes));
	else
		printf("\nAll of the lock's events can be traced, at the usual cost.\n");
}

static int check_process(pid_t pid)
{
	static struct probe_plan plan;
	struct process *process = NULL;
	char why[512] = "";
	int err = process__open(pid, &process);

	if (err) {
		if (err == -ESRCH)
			complain("there is no process %d", pid);
		else
			complain("process %d may not be looked at: %s; run giltrace with sudo", pid, strerror(-err));
		return err;
	}
	err = runtime__plan(process, &plan, why, sizeof(why));
	if (err)
		complain("%s", why);
	else
		print_plan(process, &plan);
	process__close(process);
	return err;
}

int command_doctor(const struct options *options)
{
	int machine = check_machine();
	int process = options->pid_count ? check_process(options->pids[0]) : 0;

	if (fflush(stdout)) {
		complain("cannot write the report: %s", strerror(errno));
		return STATUS_FAILURE;
	}
	if (machine || process)
		return status_of(machine ? machine : process);
	return STATUS_OK;
}
