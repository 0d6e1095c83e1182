#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A picture of what bench_compare.py measured, one for each interpreter: a panel for each workload, in it a row for
each tracer, on an axis that is straight around 0 and logarithmic beyond. compare_plot.py FILE.json [OUT.svg]"""
import json
import math
import os
import re
import statistics
import sys
from xml.sax.saxutils import escape

COLUMNS, MARGIN, TOP = 2, 24, 96
PANEL, LABEL, PLOT = 600, 234, 280  # widths; the rest of a panel is for figures
HEAD, ROW, FOOT = 34, 19, 34
LOWEST, TICKS = -10, (-10, -1, 0, 1, 10, 100, 1000, 10000)
OURS, OTHERS, NONE = "#0b62b0", "#b3470b", "#6b7280"
STYLE = """
text { font: 12px system-ui, "Helvetica Neue", Arial, sans-serif; fill: #1f2937 }
.title { font-size: 18px; font-weight: 600 } .note { fill: #4b5563 } .panel { font-size: 13px; font-weight: 600 }
.tick { font-size: 10px; fill: #6b7280 } .grid { stroke: #e5e7eb } .zero { stroke: #9ca3af } .noise { fill: #eef0f3 }
.value { font-variant-numeric: tabular-nums } .end { text-anchor: end } .middle { text-anchor: middle }
"""


def position(value):
    return math.copysign(math.log10(1 + abs(value)), value)


def colour(name):
    return NONE if name == "no tracer" else OURS if name.startswith("giltrace") else OTHERS


def words(value):
    """In %, with as many digits as mean something."""
    text = "%.0f" % value if abs(value) >= 10 else "%.1f" % value
    return {"-0": "0", "-0.0": "0.0"}.get(text, text).replace("-", "\N{MINUS SIGN}") + " %"


def text(x, y, content, kind="", fill=""):
    return '<text x="%g" y="%g"%s%s>%s</text>' % (x, y, ' class="%s"' % kind if kind else "",
                                                  ' style="fill:%s"' % fill if fill else "", escape(content))


def line(x1, y1, x2, y2, attributes):
    return '<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" %s/>' % (x1, y1, x2, y2, attributes)


def row(at, x, y, name, figures):
    """The range as a bar, the median as a dot, that of the CPU time as a ring, and the median's figure."""
    values, fill = figures["added_pct"], colour(name)
    middle, cpu = statistics.median(values), statistics.median(figures["cpu_added_pct"])
    return [text(x + LABEL - 10, y + 4, name, "end", fill),
            line(at(min(values)), y, at(max(values)), y, 'stroke="%s" stroke-width="3" stroke-opacity=".35"' % fill),
            '<circle cx="%.1f" cy="%.1f" r="3.2" fill="none" stroke="%s"/>' % (at(cpu), y, fill),
            '<circle cx="%.1f" cy="%.1f" r="3.6" fill="%s"/>' % (at(middle), y, fill),
            text(x + PANEL - 20, y + 4, words(middle), "value end", fill)]


def wrap(title, most=78):
    return title if len(title) <= most else title[:title.rfind(" ", 0, most)] + " ..."


def panel(x, y, result, highest):
    tracers = result["tracers"]
    scale = PLOT / (position(highest) - position(LOWEST))

    def at(value):
        return x + LABEL + (position(min(max(value, LOWEST), highest)) - position(LOWEST)) * scale

    bottom = y + HEAD + ROW * len(tracers)
    noise = max(map(abs, tracers.get("no tracer", {}).get("added_pct", [0])))
    out = [text(x, y + 14, wrap(result["title"]), "panel"),
           '<rect class="noise" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>'
           % (at(-noise), y + HEAD - 8, at(noise) - at(-noise), bottom - y - HEAD + 6)]
    for tick in TICKS:
        if tick <= highest:
            out += [line(at(tick), y + HEAD - 8, at(tick), bottom - 2, 'class="%s"' % ("grid" if tick else "zero")),
                    text(at(tick), bottom + 11, ("%d" % tick).replace("-", "\N{MINUS SIGN}"), "tick middle")]
    for number, (name, figures) in enumerate(tracers.items()):
        out += row(at, x, y + HEAD + ROW * number + 2, name, figures)
    return out


def draw(workloads, kernel, cpus):
    highest = max(max(figures["added_pct"] + figures["cpu_added_pct"])
                  for result in workloads.values() for figures in result["tracers"].values())
    highest = next((tick for tick in TICKS if tick > 1 and tick >= highest), TICKS[-1])
    x, y, body = MARGIN, TOP, []
    results = list(workloads.values())
    for first in range(0, len(results), COLUMNS):
        for column, result in enumerate(results[first:first + COLUMNS]):
            body += panel(x + column * (PANEL + MARGIN), y, result, highest)
        y += HEAD + FOOT + ROW * max(len(result["tracers"]) for result in results[first:first + COLUMNS])
    width = MARGIN + min(COLUMNS, len(results)) * (PANEL + MARGIN)
    version = results[0]["version"].replace("cpython", "CPython")
    kernel = re.match(r"[\d.]*", kernel).group()  # without what a builder adds
    head = [text(MARGIN, 32, "What a tracer adds to a unit of the target's work", "title"),
            text(MARGIN, 54, "%s, Linux %s, %d CPUs. Time added in %%: dot: median of paired rounds; bar: least to "
                 "most; grey band: as far from 0 as it was with no tracer." % (version, kernel, cpus), "note"),
            text(MARGIN, 72, "Ring: CPU time added to the target. The axis is logarithmic beyond 1 %; what is left of "
                 "0 is noise.", "note")]
    frame = '<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d">' % (width, y, width, y)
    return "\n".join([frame, "<style>%s</style>" % STYLE, '<rect width="100%" height="100%" fill="#fff"/>', *head,
                      *body, "</svg>"]) + "\n"


def write(results, path):
    """A file for each interpreter, whose version is put into its name; returns their paths."""
    stem, paths = os.path.splitext(path)[0], []
    for workloads in filter(None, results["pythons"].values()):
        version = re.search(r"\d+\.\d+", next(iter(workloads.values()))["version"]).group()
        paths.append("%s-%s.svg" % (stem, version))
        with open(paths[-1], "w", encoding="utf-8") as file:
            file.write(draw(workloads, results["kernel"], results["cpus"]))
    return paths


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as raw:
        print("\n".join(write(json.load(raw), sys.argv[2] if len(sys.argv) > 2 else sys.argv[1])))
