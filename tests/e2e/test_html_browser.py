# SPDX-License-Identifier: MIT
"""The page (--html) in a browser: it filters and zooms by mouse and keyboard, asks nobody, and no name runs anything."""

import os
import re
import shutil
import tempfile

import fabricated
from browser import BrowserTest

LINES = 'Array.from(document.querySelectorAll(%r), (element) => element.textContent)'


class Html(BrowserTest):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="giltrace-html-")
        self.addCleanup(shutil.rmtree, self.directory, True)

    def show(self, trace="shop", **options):
        path = os.path.join(self.directory, trace + ".html")
        with open(path, "wb") as file:
            file.write(fabricated.report(trace, "html"))
        page = self.open("file://" + path, **options)
        if options.get("scripts", True):
            page.wait('document.documentElement !== null && document.documentElement.dataset.ready === "1"', "the scripts")
        else:
            page.wait('document.readyState === "complete"', "the page")
        return page

    def texts(self, page, selector):
        return page.evaluate(LINES % selector)

    def click(self, page, selector):
        """With the mouse, in the middle of the first such element."""
        left, top, width, height = page.evaluate(
            "(() => { const e = document.querySelector(%r); e.scrollIntoView({block: 'center'});"
            " const b = e.getBoundingClientRect(); return [b.left, b.top, b.width, b.height]; })()" % selector)
        page.click(left + width / 2, top + height / 2)

    def see(self, page):
        """Which part of the time the timeline shows, and from what."""
        return page.evaluate("(({from, to, state}) => [+from, +to, state])(document.getElementById('time').dataset)")

    def assert_sound(self, page):
        self.assertEqual(page.problems(), [], "a script failed, or opened a dialog")
        self.assertEqual(page.complaints(), [], "something is on the console")
        self.assertEqual([url for url in page.requests() if not url.startswith("file://" + self.directory)], [],
                         "the page asked somebody for something")

    def test_without_scripts(self):
        page = self.show(scripts=False)
        text = page.evaluate("document.body.innerText")
        self.assertIn("BOUND BY THE GIL: held 94 % of the time; on average 1.3 threads wait.", text)
        self.assertIn("Nothing was lost.", text)
        self.assertIn("Tracing: 24047 probe hits", text)
        self.assertEqual(len(self.texts(page, "#threads tbody tr")), 5)
        self.assertIn("io-1", self.texts(page, "#threads tbody tr")[0])
        self.assertIn("Who waited (rows) for whom (columns)", "".join(self.texts(page, "#text pre")),
                      "the rest can be read as text")
        self.assertEqual(page.complaints(), [])

    def test_every_trace_is_shown(self):
        for trace in fabricated.TRACES + ("events-10-1", "events-400-2000"):
            with self.subTest(trace=trace):
                page = self.show(trace)
                self.assertEqual(len(self.texts(page, ".verdict")), {"several": 3}.get(trace, 1))
                self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth - innerWidth"), 0,
                                     "the page is as wide as the window")
                self.assert_sound(page)

    def test_narrow_window(self):
        page = self.show("hostile", width=380)
        self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth - innerWidth"), 0)

    def test_policy(self):
        """What got into the page as a tag could neither run nor ask."""
        page = self.show()
        self.assertIsNone(page.evaluate(
            "(() => { const script = document.createElement('script'); script.textContent = 'window.ran = 1';"
            " document.body.append(script); return window.ran; })()"), "a script runs that is none of the page's")
        self.assertEqual(page.evaluate("fetch('data:text/plain,x').then(() => 'asked', () => 'refused')"), "refused")
        self.assertEqual(page.evaluate(
            "new Promise((done) => { const image = new Image(); image.onload = () => done('asked');"
            " image.onerror = () => done('refused');"
            " image.src = 'data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA='; })"), "refused")
        self.assertIn("Content Security Policy", " ".join(page.complaints()))

    def test_hostile_names_are_text(self):
        page = self.show("hostile")
        self.assert_sound(page)
        self.assertTrue(page.evaluate("document.title").startswith("giltrace"), "a name ran")
        self.assertEqual(page.evaluate("document.querySelectorAll('img, iframe, object, embed, [onload], [onclick],"
                                       " [onerror], [onmouseover], a').length"), 0)
        self.assertEqual(page.evaluate("document.scripts.length"), 9, "the data, and eight scripts")
        self.assertIn("</script><script>alert(1)</script>", self.texts(page, "#threads tbody th"))
        self.assertIn("</script><script>alert(1)</script>",
                      " ".join(page.evaluate("Array.from(document.querySelectorAll('.frame'), (frame) => frame.title)")))
        self.click(page, "#matrix thead button")
        self.assertIn("<script>", page.evaluate("document.getElementById('filter').textContent"))
        self.assert_sound(page)

    def test_holder_filters(self):
        page = self.show()
        waited = lambda: self.texts(page, '.flame[data-kind="wait"] .frame')  # noqa: E731
        self.assertIn("Worker.handle (worker.py)", waited())
        self.click(page, '#matrix button[data-holder="4246"]')
        self.assertEqual(page.evaluate("document.getElementById('filter').textContent"),
                         "Only: who waited for legacy (4246)")
        self.assertEqual(waited(), ["all", "Thread._bootstrap (threading.py)", "Thread.run (threading.py)",
                                    "serve (server.py)", "Connection.read (server.py)", "SocketIO.readinto (socket.py)",
                                    "sock_recv_impl (_socket.so)"], "io-1 only waited for it")
        self.assertIn("610 ms", self.texts(page, ".graph .hint")[0])
        self.assertEqual(len(self.texts(page, "#hogs tbody tr")), 1)
        self.assertEqual(page.evaluate("document.activeElement.dataset.holder"), "4246", "the focus stays")
        page.press("Escape")
        self.assertIn("Worker.handle (worker.py)", waited())
        self.assertEqual(len(self.texts(page, "#hogs tbody tr")), 16)
        self.assert_sound(page)

    def test_thread_in_the_table_filters(self):
        page = self.show()
        self.click(page, '#threads tr[data-lane="2"] button')
        self.assertIn("worker-1 (4243)", page.evaluate("document.getElementById('filter').textContent"))
        self.click(page, "#clear")
        self.assertIn("Click a holder", page.evaluate("document.getElementById('filter').textContent"))

    def test_code_filters_and_keys_walk(self):
        page = self.show()
        page.evaluate("document.querySelector('.flame[data-kind=\"blame\"] .frame').focus()")
        name = "document.activeElement.getAttribute('aria-label').split(',')[0]"
        for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowRight"):
            page.press(key)
        self.assertEqual(page.evaluate(name), "Legacy.poll (legacy.py)")
        page.press("Enter")
        self.assertEqual(page.evaluate(name), "Legacy.poll (legacy.py)", "the focus stays on what was zoomed")
        self.assertIn("who waited for Legacy.poll", page.evaluate("document.getElementById('filter').textContent"))
        self.assertIn("610 ms", self.texts(page, ".graph .hint")[1], "the waits for it only")
        self.assertEqual(self.texts(page, "#matrix tbody tr"), ["io-1 (4245)610 ms"])
        page.press("Escape")
        self.assertIn("12.8 s", self.texts(page, ".graph .hint")[1])
        self.assert_sound(page)

    def test_twins(self):
        page = self.show("events-1000-3")
        page.wait("document.getElementById('time').dataset.state === 'events'", "the events")
        page.evaluate("document.querySelectorAll('main details').forEach((twin) => { twin.open = true; })")
        page.wait("document.querySelectorAll('#timeline tbody tr').length > 0", "the events' table")
        self.assertEqual(len(self.texts(page, "#timeline tbody tr")), 200)
        self.assertIn("The first 200 of 1000 events", self.texts(page, "#timeline caption"))
        self.assertEqual(len(self.texts(page, "#flames caption")), 3)
        self.assertIn("worker-1 (4243)worker-2 (4244)50.0 ms100", self.texts(page, "#matrix tbody tr"))
        self.assert_sound(page)

    def test_timeline_by_keyboard(self):
        page = self.show("events-200000-5")
        page.evaluate("document.getElementById('time').focus()")
        page.wait("document.getElementById('time').dataset.state === 'events'", "the events")
        whole = self.see(page)
        self.assertEqual(whole[:2], [0, 10000000000])
        frame = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))"

        def press(key):
            page.press(key)
            page.evaluate(frame)
            return self.see(page)

        self.assertEqual(press("+")[:2], [2500000000, 7500000000])
        self.assertEqual(press("ArrowRight")[:2], [3500000000, 8500000000])
        self.assertEqual(press("ArrowLeft")[:2], [2500000000, 7500000000])
        self.assertEqual(press("-")[:2], whole[:2])
        press("n")
        page.wait("document.querySelector('.told').textContent", "the next hold")
        first = page.evaluate("document.querySelector('.told').textContent")
        self.assertRegex(first, r"worker-\d \(\d+\) had the lock for \d+")
        page.evaluate(frame)
        from_ns, to_ns, state = self.see(page)
        self.assertLess(to_ns - from_ns, 10000000, "a single hand-off can be seen")
        self.assertEqual(state, "events")
        press("n")
        second = page.evaluate("document.querySelector('.told').textContent")
        self.assertNotEqual(second, first)
        press("p")
        self.assertEqual(page.evaluate("document.querySelector('.told').textContent"), first, "and back")
        self.assertEqual(press("Home")[:2], whole[:2])
        self.assert_sound(page)

    def test_timeline_says_what_was_captured(self):
        """Figures of a hold, through packing and unpacking, as they were made (tests/fabricated/)."""
        page = self.show("events-100-2")
        page.evaluate("document.getElementById('time').focus()")
        page.wait("document.getElementById('time').dataset.state === 'events'", "the events")
        page.evaluate("document.querySelector('#timeline details').open = true")
        page.wait("document.querySelectorAll('#timeline tbody tr').length === 100", "the events' table")
        rows = page.evaluate("Array.from(document.querySelectorAll('#timeline tbody tr'), (row) =>"
                             " Array.from(row.cells, (cell) => cell.textContent))")
        self.assertEqual([row[2] for row in rows].count("held"), 50)
        holds = [row for row in rows if row[2] == "held"]
        self.assertEqual([row[1] for row in holds[:4]], ["worker-0 (4242)", "worker-1 (4243)"] * 2, "they take turns")
        starts = [float(row[0].split()[0]) for row in holds]
        ends = [start + float(row[3].split()[0]) / 1000 for start, row in zip(starts, holds)]
        for end, start in zip(ends, starts[1:]):
            self.assertLess(end, start + 0.001, "one at a time")
        waits = [row for row in rows if row[2] == "waited" and row[3] != "0"]
        self.assertTrue(all(re.match(r"worker-\d", row[4]) for row in waits), "each behind a holder")

    def test_overview_far_away(self):
        """More events than are unpacked at once: from afar it is the overview, from near each event."""
        page = self.show("events-2400000-4")
        page.wait("document.getElementById('time').dataset.state === 'overview'", "the overview")
        page.evaluate("document.querySelector('#timeline details').open = true")
        page.wait("document.querySelectorAll('#timeline tbody tr').length === 4", "the shares")
        held = [float(text.split()[0]) for text in page.evaluate(
            "Array.from(document.querySelectorAll('#timeline tbody tr'), (row) => row.cells[1].textContent)")]
        self.assertAlmostEqual(sum(held), 95, delta=4, msg="of 100 %: somebody has it nearly all the time")
        page.evaluate("document.getElementById('time').focus()")
        for _ in range(4):
            page.press("+")
        page.wait("document.getElementById('time').dataset.state === 'events'", "the events")
        self.assert_sound(page)

    def test_dark_and_print(self):
        page = self.show()
        colour = "getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(colour)
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
        self.assertNotEqual(page.evaluate(colour), light)
        page.call("Emulation.setEmulatedMedia", media="print")
        self.assertEqual(page.evaluate("getComputedStyle(document.getElementById('controls')).display"), "none")
