# SPDX-License-Identifier: MIT
"""The table of one workload: a row for each tracer."""
import statistics

OURS = "giltrace --probes=all"
ROW = "  %-33s %-22s %5s %-22s %6s %5s %5s %5s %7s"


def short(value):
    return "%.*f" % (1 if abs(value) < 100 else 0, value)


def spread(values):
    return "%6s [%s - %s]" % (short(statistics.median(values)), short(min(values)), short(max(values)))


def noise_pct(tracers):
    """How far from 0 a turn without a tracer was, at most."""
    return max(map(abs, tracers["no tracer"]["added_pct"]))


def ratio(tracers, name):
    """What it adds as a multiple of what giltrace does; where the noise is as much as half of that there is none."""
    added = {key: statistics.median(found["added_pct"]) for key, found in tracers.items()}
    if OURS not in added or added[OURS] <= 2 * noise_pct(tracers) or name == "no tracer":
        return "-"
    return "%.2f" % (added[name] / added[OURS])


def count(figures):
    seen = [number for number in figures["seen"] if number is not None]
    middle = statistics.median(seen) if seen else 0
    return "-" if not seen else "%d k" % (middle / 1000) if middle >= 1e5 else "%d" % middle


def show(result):
    tracers = result["tracers"]
    rate = statistics.median(result["units_per_s"])
    print("\n%s; %s, %.4g units a second" % (result["title"], result["version"], rate))
    print(ROW % ("", "time added, %", "ratio", "CPU time added, %", "tracer", "MiB", "start", "stop", "seen"))
    print(ROW % ("", "to a unit of work", "", "to a unit of work", "CPU, %", "", "s", "s", "events"))
    for name, figures in tracers.items():
        middle = {key: statistics.median(figures[key]) for key in ("tracer_cpu_pct", "start_s", "stop_s")}
        print(ROW % (name, spread(figures["added_pct"]), ratio(tracers, name), spread(figures["cpu_added_pct"]),
                     "%.2f" % middle["tracer_cpu_pct"], "%.0f" % max(figures["memory_mib"]), "%.2f" % middle["start_s"],
                     "%.2f" % middle["stop_s"], count(figures)))
        if any(figures["lost"]):
            print("    lost: %d" % sum(filter(None, figures["lost"])))
    for name, where in result["where"].items():
        print("  %s: on %s" % (name, where))
    for name, reason in result["left_out"].items():
        print("  %s is left out: %s" % (name, reason), flush=True)
