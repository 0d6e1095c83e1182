#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The page (--html) of very many events: how long it takes to write, how large it is, and when a browser has it: from
asking for it until the overview is drawn, and from zooming until each event of an eighth of the time is. The events are
fabricated (tests/fabricated/); their durations are random. The limit: 10 million events within 3 s. The first opening has
the browser's own start in it and is shown apart.
"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "e2e"))
import browser  # noqa: E402

ROUNDS = 5
LIMIT = 3
STATE = '(document.getElementById("time") || {dataset: {}}).dataset.state'
ZOOM = 'document.getElementById("time").dispatchEvent(new KeyboardEvent("keydown", {key: "+"}))'
NEXT = 'document.getElementById("time").dispatchEvent(new KeyboardEvent("keydown", {key: "n"}))'


def write(program, events, threads, path):
    begin = time.monotonic()
    with open(path, "wb") as file:
        subprocess.run([program, "events-%d-%d" % (events, threads), "html"], stdout=file, check=True)
    whole = time.monotonic() - begin
    begin = time.monotonic()
    subprocess.run([program, "events-%d-%d" % (events, threads), "folded"], stdout=subprocess.DEVNULL, check=True)
    return whole - (time.monotonic() - begin)  # without the making of the trace


def open_once(chromium, path):
    """Seconds until the overview, until the events of an eighth, until a single hold is told."""
    times = []
    begin = time.monotonic()
    page = chromium.open("file://" + path, height=900)
    page.wait(STATE + ' === "overview" || ' + STATE + ' === "events"', "the overview", 120)
    times.append(time.monotonic() - begin)
    begin = time.monotonic()
    for _ in range(3):
        page.evaluate(ZOOM)
    page.wait(STATE + ' === "events"', "the events", 120)
    times.append(time.monotonic() - begin)
    begin = time.monotonic()
    page.evaluate(NEXT)
    page.wait('document.querySelector(".told").textContent !== ""', "a hold", 120)
    times.append(time.monotonic() - begin)
    page.close()
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--events", type=int, default=10000000)
    parser.add_argument("--threads", type=int, default=8)
    options = parser.parse_args()
    if not browser.CHROMIUM:
        sys.exit("there is no Chromium")
    with tempfile.TemporaryDirectory(prefix="giltrace-bench-html-") as directory:
        path = os.path.join(directory, "page.html")
        seconds = write(os.path.join(options.build, "fabricated"), options.events, options.threads, path)
        size = os.path.getsize(path)
        print("%d events of %d threads: %.1f MB (%.1f bytes an event), written in %.1f s" %
              (options.events, options.threads, size / 1e6, size / max(1, options.events), seconds))
        chromium = browser.Browser()
        try:
            first = open_once(chromium, path)
            rounds = [open_once(chromium, path) for _ in range(ROUNDS)]
        finally:
            chromium.close()
    print("first opening, the browser's start included: %.2f s" % first[0])
    names = ("open until it can be used", "zoom until each event of an eighth", "to a single hold")
    for index, name in enumerate(names):
        values = [times[index] for times in rounds]
        print("%-36s %.2f s (median of %d; %.2f to %.2f)" % (name + ":", statistics.median(values), ROUNDS, min(values),
                                                           max(values)))
    return statistics.median(times[0] for times in rounds) > LIMIT


if __name__ == "__main__":
    sys.exit(main())
