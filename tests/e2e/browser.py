# SPDX-License-Identifier: MIT
"""Headless Chromium, driven over a pipe by its own protocol (--remote-debugging-pipe): no driver, no port, no network."""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
import unittest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE = 60
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-extensions", "--disable-dev-shm-usage",
         "--hide-scrollbars", "--remote-debugging-pipe"]
KEYS = {"Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Tab": 9, "Home": 36}


class Browser:
    """One Chromium with an empty profile. Ends with close()."""

    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="giltrace-chromium-")
        self.next_id = 0
        self.unread = b""
        self.events = []
        self.pid = self._spawn()

    def _spawn(self):
        """It reads commands from descriptor 3 and answers on 4."""
        commands, self.to = os.pipe()
        self.answers, answers = os.pipe()
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in (commands, answers)]
        null = os.open("/dev/null", os.O_RDWR)
        actions = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, null, 2),
                   (os.POSIX_SPAWN_DUP2, high[0], 3), (os.POSIX_SPAWN_DUP2, high[1], 4)]
        try:
            return os.posix_spawn(CHROMIUM, [CHROMIUM, *FLAGS, "--user-data-dir=" + self.profile, "about:blank"],
                                  os.environ, file_actions=actions)
        finally:
            for fd in (commands, answers, null, *high):
                os.close(fd)

    def close(self):
        try:
            self.call("Browser.close")
        except (OSError, AssertionError):
            pass
        deadline = time.monotonic() + 10
        while os.waitpid(self.pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                break
            time.sleep(0.02)
        os.close(self.to)
        os.close(self.answers)
        shutil.rmtree(self.profile, True)

    def _read(self, deadline):
        """The next message: an answer or an event."""
        while b"\0" not in self.unread:
            ready, _, _ = select.select([self.answers], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise AssertionError("the browser said nothing for %d s" % PATIENCE)
            chunk = os.read(self.answers, 1 << 20)
            if not chunk:
                raise AssertionError("the browser has gone")
            self.unread += chunk
        message, self.unread = self.unread.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, session=None, **parameters):
        self.next_id += 1
        message = {"id": self.next_id, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.to, data):]
        deadline = time.monotonic() + PATIENCE
        while True:
            message = self._read(deadline)
            if message.get("id") == self.next_id:
                if "error" in message:
                    raise AssertionError("%s: %s" % (method, message["error"]))
                return message["result"]
            if "method" in message:
                self.events.append(message)

    def open(self, url, width=1280, height=800, scripts=True):
        return Page(self, url, width, height, scripts)


class Page:
    """A tab."""

    def __init__(self, browser, url, width, height, scripts):
        self.browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.target = target
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(domain + ".enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        if not scripts:
            self.call("Emulation.setScriptExecutionDisabled", value=True)
        self.began = len(browser.events)
        self.call("Page.navigate", url=url)

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)

    def evaluate(self, expression):
        """The value of an expression in the page; a promise is waited for."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError("%s: %s" % (expression, answer["exceptionDetails"]))
        return answer["result"].get("value")

    def wait(self, expression, what, timeout=PATIENCE):
        deadline = time.monotonic() + timeout
        while not self.evaluate(expression):
            if time.monotonic() > deadline:
                raise AssertionError("waited %g s in vain for %s" % (timeout, what))
            time.sleep(0.02)

    def click(self, x, y):
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left" if kind != "mouseMoved" else "none",
                      clickCount=1)

    def hover(self, x, y):
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def press(self, key, modifiers=0):
        code = KEYS.get(key) or ord(key.upper())
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 and not modifiers else "")
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, modifiers=modifiers,
                      text=text if kind == "keyDown" else "")

    def type(self, text):
        self.call("Input.insertText", text=text)

    def screenshot(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def events(self, method):
        return [event["params"] for event in self.browser.events[self.began:]
                if event["method"] == method and event.get("sessionId") == self.session]

    def problems(self):
        """Exceptions, and dialogs that a script opened."""
        return self.events("Runtime.exceptionThrown") + self.events("Page.javascriptDialogOpening")

    def complaints(self):
        """What the browser or a script wrote to the console: what a policy forbade is among it."""
        return [event["entry"]["text"] for event in self.events("Log.entryAdded")] + \
            [event["type"] for event in self.events("Runtime.consoleAPICalled")]

    def requests(self):
        return [event["request"]["url"] for event in self.events("Network.requestWillBeSent")]


class BrowserTest(unittest.TestCase):
    """Tests that share one Chromium."""

    maxDiff = None
    browser = None

    @classmethod
    def setUpClass(cls):
        if not CHROMIUM:
            raise unittest.SkipTest("there is no Chromium")
        cls.browser = Browser()

    @classmethod
    def tearDownClass(cls):
        if cls.browser:
            cls.browser.close()

    def open(self, url, **options):
        page = self.browser.open(url, **options)
        self.addCleanup(page.close)
        return page
