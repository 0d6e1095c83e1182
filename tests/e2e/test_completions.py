# SPDX-License-Identifier: MIT
"""The completions and man pages against what the programs themselves say: options, values, and that they work."""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest

import pythons
from tracing import GILTRACE, ROOT, Target, end, workload

COMPLETIONS = os.path.join(ROOT, "completions")
MANUALS = os.path.join(ROOT, "docs", "man")
PROGRAMS = {"giltrace": GILTRACE, "toygil": os.path.join(os.path.dirname(GILTRACE), "toygil")}


def run(*command, **popen):
    return subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60, check=False, text=True, **popen)


def options_of(program):
    """Those that --help tells."""
    text = run(PROGRAMS[program], "--help").stdout
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text) + re.findall(r"^ +(-[a-z]),", text, re.MULTILINE))


def values_of(program, option):
    """What the program says of a value that none would have: "takes a, b or c" or "expects a, b or c"."""
    said = run(PROGRAMS[program], option + "=no such value", *{"giltrace": ["-p", "1"], "toygil": ["sqrt"]}[program])
    listed = re.search(r"(?:takes|expects) (.*?)(?:, not .*)?$", said.stderr, re.MULTILINE).group(1)
    return set(re.split(r", | or ", listed))


class Shell:
    """What is asked of each shell; a subclass says how it is asked."""

    CHOICES = {"giltrace": ("--probes", "--stacks", "--flame-kind"), "toygil": ("--gil",)}

    def setUp(self):
        if not shutil.which(self.SHELL):
            self.skipTest(self.SHELL + " is not installed")
        self.path = os.path.dirname(os.path.abspath(GILTRACE)) + ":" + os.environ["PATH"]

    def complete(self, program, *words):
        """What is offered for the last of the words."""
        raise NotImplementedError

    def options(self, program):
        return {word.rstrip("=") for word in self.complete(program, "-") + self.complete(program, "--")}

    def file(self, program):
        return os.path.join(COMPLETIONS, {"zsh": "_%s"}.get(self.SHELL, "%s." + self.SHELL) % program)

    def test_syntax(self):
        for program in PROGRAMS:
            checked = run(self.SHELL, "-n", self.file(program))
            self.assertEqual((checked.returncode, checked.stderr), (0, ""))

    def test_options(self):
        for program in PROGRAMS:
            self.assertGreater(len(options_of(program)), 10)
            self.assertEqual(self.options(program), options_of(program), program)

    def test_values(self):
        for program, options in self.CHOICES.items():
            for option in options:
                offered = {word.split("=")[-1] for word in self.values(program, option)}
                self.assertEqual(offered, values_of(program, option), option)

    def values(self, program, option):
        return self.complete(program, option + "=")


class Running(Shell):
    """A shell that can be asked as if somebody pressed the key."""

    def test_subcommand(self):
        self.assertIn("doctor", self.complete("giltrace", "d"))
        self.assertNotIn("--flame", self.complete("giltrace", "doctor", "--fl"))

    def test_pids(self):
        target = Target(self, [pythons.system(), workload("spin"), "1", "0.01", "60"])
        target.hear()
        other = subprocess.Popen(["sleep", "60"])
        self.addCleanup(end, other)
        for words in (["-p", ""], ["--pid="]):
            offered = [word.split("=")[-1] for word in self.complete("giltrace", *words)]
            self.assertIn(str(target.pid), offered)
            self.assertNotIn(str(other.pid), offered)

    def test_programs(self):
        offered = self.complete("toygil", "c")
        self.assertIn("count-up", offered)
        self.assertIn("list", self.complete("toygil", "l"))

    def test_command(self):
        """Behind -- it is another program's turn."""
        self.assertIn("cksum", self.complete("giltrace", "-d", "1", "--", "cks"))
        self.assertNotIn("--probes", self.complete("giltrace", "--", "cksum", "--p"))

    def test_files(self):
        with tempfile.TemporaryDirectory() as directory:
            with open(os.path.join(directory, "old one.svg"), "w", encoding="ascii"):
                pass
            for option in ("--flame", "--json"):
                offered = self.complete("giltrace", option + "=" + directory + "/o")
                self.assertTrue([word for word in offered if word.replace("\\", "").endswith("old one.svg")], (option, offered))


class Bash(Running, unittest.TestCase):
    SHELL = "bash"

    def complete(self, program, *words):
        """bash takes a word with = in it for three."""
        split = [part for word in words for part in re.split("(=)", word)]
        if words[-1].endswith("="):
            split.pop()
        script = """source %s
            COMP_WORDS=(%s) COMP_CWORD=%d
            _%s
            printf '%%s\\n' "${COMPREPLY[@]}"
        """ % (shlex.quote(self.file(program)), " ".join(map(shlex.quote, [program, *split])), len(split), program)
        result = run("bash", "--norc", "-c", script, env=dict(os.environ, PATH=self.path))
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout.splitlines()


class Fish(Running, unittest.TestCase):
    SHELL = "fish"

    def complete(self, program, *words):
        script = "source %s; complete -C %s" % (shlex.quote(self.file(program)), shlex.quote(" ".join([program, *words])))
        with tempfile.TemporaryDirectory() as home:
            result = run("fish", "--no-config", "-c", script,
                         env=dict(os.environ, PATH=self.path, HOME=home, XDG_CONFIG_HOME=home, XDG_DATA_HOME=home))
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return [line.split("\t")[0] for line in result.stdout.splitlines()]


class Zsh(Shell, unittest.TestCase):
    """What the function hands to _arguments, which does the rest."""

    SHELL = "zsh"

    def complete(self, program, *words):
        script = """words=(%s %s) CURRENT=%d
            _arguments() { print -rl -- "$@" }
            source %s
        """ % (program, " ".join(map(shlex.quote, words)), len(words) + 1, shlex.quote(self.file(program)))
        result = run("zsh", "-f", "-c", script, env=dict(os.environ, PATH=self.path))
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout.splitlines()

    def options(self, program):
        found = (re.match(r"(?:\*|\([^)]*\))?(--?[a-z-]*[a-z])", spec) for spec in self.complete(program, ""))
        return {match.group(1) for match in found if match} - {"-s"}

    def values(self, program, option):
        spec = next(spec for spec in self.complete(program, "") if spec.startswith(option + "="))
        return re.search(r"\(([^)]*)\)$", spec).group(1).split()

    def test_subcommand(self):
        """doctor takes but some."""
        self.assertFalse([spec for spec in self.complete("giltrace", "doctor", "") if "--flame" in spec])


class Manual(unittest.TestCase):
    def source(self, program):
        with open(os.path.join(MANUALS, program + ".1"), encoding="utf-8") as file:
            return file.read()

    def test_options(self):
        for program in PROGRAMS:
            items = [line for line in self.source(program).splitlines() if line.startswith(".It Fl ")]
            told = {"-" + flag.replace("\\-", "-") for line in items for flag in re.findall(r"Fl ([^ ]+)", line)}
            self.assertEqual(told, options_of(program), program)

    def test_values(self):
        for program, options in Shell.CHOICES.items():
            for option in options:
                item = self.source(program).split("\n.It Fl " + option[1:].replace("-", "\\-"), 1)[1].split("\n.It ")[0]
                told = {word.replace("\\-", "-") for word in re.findall(r"^\.Cm ([^ \n]+)", item, re.MULTILINE)}
                self.assertEqual(told, values_of(program, option), option)

    def test_statuses(self):
        """Of both: those that --help tells."""
        for program in PROGRAMS:
            text = re.split("[Ee]xit status: ", run(PROGRAMS[program], "--help").stdout)[1]
            section = self.source(program).split(".Sh EXIT STATUS")[1].split(".Sh ")[0]
            self.assertEqual(re.findall(r"^\.It (\d+)$", section, re.MULTILINE), re.findall(r"(?:^|, )(\d+) ", " ".join(text.split())))

    def test_grammar(self):
        """The man page's grammar of conditions is the documentation's."""
        with open(os.path.join(ROOT, "docs", "fail-if.md"), encoding="utf-8") as file:
            documented = file.read().split("## Grammar")[1].split("```")[1]
        section = self.source("giltrace").split(".Bd -literal -offset indent")[1].split(".Ed")[0]
        self.assertEqual("".join(section.split()), "".join(documented.split()))

    def test_format(self):
        """The page of recordings begins a file as docs/recording.md does, and knows the same types of chunks."""
        with open(os.path.join(MANUALS, "giltrace-recording.5"), encoding="utf-8") as file:
            page = file.read()
        with open(os.path.join(ROOT, "docs", "recording.md"), encoding="utf-8") as file:
            documented = file.read()
        self.assertIn(re.search(r"^\| 0 \| 8 \| `([0-9a-f ]+)`", documented, re.MULTILINE).group(1), page)
        kinds = re.search(r"type: `(\w+)` .*? or `(\w+)`", documented).groups()
        for kind in kinds:
            self.assertIn(".Li " + kind, page)

    def test_lint(self):
        if not shutil.which("mandoc"):
            self.skipTest("mandoc is not installed")
        for page in sorted(os.listdir(MANUALS)):
            checked = run("mandoc", "-T", "lint", "-W", "warning", os.path.join(MANUALS, page))
            self.assertEqual(checked.stdout + checked.stderr, "")

    def test_rendered(self):
        if not shutil.which("man") or not shutil.which("groff"):
            self.skipTest("man or groff is not installed")
        for program in PROGRAMS:
            page = run("man", "--warnings", "-l", os.path.join(MANUALS, program + ".1"),
                       env=dict(os.environ, MANWIDTH="80", MANPAGER="cat", LC_ALL="C.UTF-8"))
            self.assertEqual((page.returncode, page.stderr), (0, ""))
            for option in options_of(program):
                self.assertIn(option, page.stdout)


class Installed(unittest.TestCase):
    def test_install(self):
        """Everything at the places where each shell and man look."""
        with tempfile.TemporaryDirectory() as directory:
            build = os.path.dirname(os.path.dirname(os.path.abspath(GILTRACE)))
            done = run("make", "-C", ROOT, "-o", "all", "install", "BUILD=" + build, "DESTDIR=" + directory, "PREFIX=/usr")
            self.assertEqual(done.returncode, 0, done.stderr)
            for name in PROGRAMS:
                for path in ("bin/%s", "share/man/man1/%s.1", "share/bash-completion/completions/%s",
                             "share/zsh/site-functions/_%s", "share/fish/vendor_completions.d/%s.fish"):
                    self.assertTrue(os.path.isfile(os.path.join(directory, "usr", path % name)), path % name)
            self.assertTrue(os.path.isfile(os.path.join(directory, "usr/share/man/man5/giltrace-recording.5")))
