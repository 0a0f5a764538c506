"""One line for the shell, its echo and its failure; messages and progress bars."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from invoke.context import Context
from invoke.exceptions import CommandTimedOut, Exit
from invoke.runners import Local, Result
from invoke.watchers import StreamWatcher
from tqdm import tqdm

TIMEOUT = 3.0
"""For how many seconds the programs of a line may go on after they were told to end."""

FIXED = {"warn": True, "hide": "both", "echo_format": "{command}", "replace_env": True}
FIXED.update(dict.fromkeys(("pty", "asynchronous", "disown", "in_stream"), False))
"""What the recipes need of Invoke's options, whatever its configuration says."""

SHOWN_LINES = 20
"""How many of the last lines of a tool that failed are shown."""


class RecipeError(Exit):
    """The end of a build: what failed, why, and what to do next, in one line; exit status 1."""

    def __init__(self, message: str) -> None:
        super().__init__("cosmo: " + printable(" ".join(message.split())), code=1)


def printable(text: str) -> str:
    """A text as it can be printed in one line: what a terminal would obey is spelt out."""
    letters = (one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
    return "".join(letters)


@contextmanager
def exit_on_error(failed: str) -> Iterator[None]:
    """Turn an error of the system, or a value that it cannot take, into a `RecipeError`."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        raise RecipeError(f"{failed}: {error}; fix this and run it again") from error


def log(message: str) -> None:
    """Print about the work, on standard error; standard output has only what was asked for."""
    print(message, file=sys.stderr, flush=True)


def print_result(text: str) -> None:
    """Print what was asked for; what standard output's encoding lacks is spelt out."""
    encoding = sys.stdout.encoding or "utf-8"
    print_bytes([f"{text}\n".encode(encoding, "backslashreplace")])


def print_bytes(blocks: Iterable[bytes]) -> None:
    """Print what was asked for. A reader that stops early is no error.

    Python's own flush at its end must not fail again. Source: its "Note on SIGPIPE".
    """
    try:
        sys.stdout.flush()
        for block in blocks:
            sys.stdout.buffer.write(block)
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise RecipeError(f"the result cannot be printed: {error}; run it again") from error


class LineRunner(Local):
    """Runs a line without input; one that takes too long is ended with all that it started."""

    input_sleep = 0.001  # seconds between two looks at whether it has ended; Invoke's is 0.01
    started: ClassVar[list[subprocess.Popen[bytes]]] = []

    def start(self, command: str, shell: str, env: dict[str, Any]) -> None:
        """Start the line; what Invoke reads of it is as in its own runner."""
        null, pipe = subprocess.DEVNULL, subprocess.PIPE
        line = [shell, "-c", command]
        self.process = subprocess.Popen(line, env=env, stdin=null, stdout=pipe, stderr=pipe)
        LineRunner.started.append(self.process)

    def kill(self) -> None:
        """End the line, as Invoke does where it takes too long."""
        end_processes([self.process.pid], timeout=0)

    @classmethod
    def end_all(cls) -> None:
        """End the lines that run, and all that they started."""
        end_processes([one.pid for one in cls.started if one.poll() is None])


def processes() -> dict[int, int]:
    """The parent of each process that has not ended. Source: proc(5), and `ps` in POSIX."""
    proc, rows = Path("/proc"), []
    for number in filter(str.isdigit, os.listdir(proc) if proc.is_dir() else ()):
        with suppress(OSError):  # it has ended since
            stat = (proc / number / "stat").read_text(errors="replace")
            state, parent, *_ = stat.rpartition(")")[2].split()
            rows.append([number, parent, state])
    if not rows:
        ps = ["ps", "-A", "-o", "pid=,ppid=,state="]
        shown = subprocess.run(ps, capture_output=True, text=True, check=False).stdout
        rows = [line.split() for line in shown.splitlines()]
    return {int(number): int(parent) for number, parent, state in rows if state[0] != "Z"}


def end_processes(roots: Iterable[int], timeout: float = TIMEOUT) -> None:
    """End these processes, and all that they started; after `timeout` seconds by force."""
    parents, tree = processes(), list(roots)
    for number in tree:
        tree += [child for child, parent in parents.items() if parent == number]
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        for number in tree:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(number, signal_number)
        end = time.monotonic() + timeout
        while tree and time.monotonic() < end:
            time.sleep(0.02)
            left = processes()
            tree = [number for number in tree if number in left]


def line_environment(c: Context) -> dict[str, str]:
    """The user's environment, and Invoke's `run.env`."""
    return {**os.environ, **c.config.run.env}


class Shell:
    """Runs the lines of one task through Invoke; a dry run prints them as a script.

    `exports` are the variables that the lines expand, and those on which what is built must not
    depend. No `PYTHON*` variable of the user reaches a line.
    """

    exported: ClassVar[dict[str, str]] = {}

    def __init__(self, c: Context, task: str, exports: Mapping[str, str]) -> None:
        self.c, self.task, self.exports = c, task, dict(exports)
        self.dry, self.comment = bool(c.config.run.dry), f"# cosmo.{task}"

    def environment(self) -> dict[str, str]:
        """The environment of a line: the user's, Invoke's `run.env`, and `exports`."""
        env = line_environment(self.c)
        for name in [name for name in env if name.startswith("PYTHON") or name == "CDPATH"]:
            del env[name]
        return {**env, **self.exports, "TMPDIR": os.path.abspath(self.exports["TMPDIR"])}

    def announce(self) -> None:
        """Print the exports that are new to the script, and the task's name as a comment."""
        if not Shell.exported:
            print(r"unset CDPATH $(env | sed -n 's/^\(PYTHON[A-Z]*\)=.*/\1/p')")
        new = dict(self.exports.items() - Shell.exported.items())
        words = [f"{name}={quote(new[name])}" for name in self.exports if name in new]
        words = [word.replace("TMPDIR=", 'TMPDIR="$PWD"/', 1) for word in words]
        lines = ["export"]
        for word in words:
            lines += ["export"] if len(lines[-1]) + len(word) > 100 else []
            lines[-1] += f" {word}"
        print(*lines if words else (), sep="\n", end="\n" if words else "")
        Shell.exported.update(self.exports)
        if self.comment:
            print(self.comment)
            self.comment = ""

    def run(
        self,
        line: str,
        failed: str = "",
        remedy: str = "fix this and run it again",
        at: str = "",
        progress: Progress | None = None,
        reason: Callable[[Result], str] | None = None,
    ) -> Result:
        """Run one POSIX line, in the folder `at` if given.

        Where it fails, `RecipeError` says what `failed`, why, and the remedy. `reason` says why;
        else one line of output does, and more of it is shown before the error. Invoke's
        configuration chooses the shell, the echo and the timeout.
        """
        failed = failed or f"cosmo.{self.task} failed"
        if at:  # whichever symbolic links lead to the current folder
            folder = '"$DIR_SITE"' if at == self.exports["DIR_SITE"] else quote(at)
            line = f"(cd {'-P ' if at.startswith('..') else ''}{folder} && {line})"
        elif " && " in line and line[0] != "(":  # in a script by `sh -e`, any of them is to end it
            line = f"({line})"
        if self.dry and hasattr(signal, "SIGPIPE"):
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a reader that stops ends the script
        if self.dry or self.c.config.run.echo:
            self.announce()
        shell = shutil.which(str(self.c.config.run.shell or "sh")) or "/bin/sh"
        options = {
            "shell": shell,
            "env": self.environment(),
            "watchers": [progress] * bool(progress),
        }
        with exit_on_error(failed):
            try:
                result: Result = self.c._run(LineRunner(self.c), line, **FIXED, **options)
            except CommandTimedOut as error:
                why = f"it took longer than {error.timeout} seconds"
                raise RecipeError(f"{failed}: {why}; {remedy}") from error
        if result.failed:
            why = reason(result) if reason else show_output(result, progress)
            raise RecipeError(f"{failed}: {why}" + (f"; {remedy}" if remedy else ""))
        return result

    def remove(self, folder: str, tests: list[str]) -> None:
        """Run the line that removes, below a folder, what passes one of these tests of `find`.

        It runs there, for to `-path` the folder would be a part of the pattern.
        """
        find = rf"find . -depth \( {' -o '.join(tests)} \) -exec rm -rf {{}} +"
        if tests:
            self.run(find, at=folder)

    def exclude(self, folder: str, tests: list[str]) -> None:
        """Remove so, and what is empty then: to Python an empty folder is a package."""
        self.remove(folder, tests)
        if tests:
            self.run("find . -depth -type d -exec rmdir {} + 2>/dev/null || :", at=folder)

    def log(self, phase: str, message: str) -> None:
        """Print one line about a phase, unless the run is dry: then the script is all there is."""
        if not self.dry:
            log(f"{phase:<9}" + printable(re.sub(r"\s", " ", message)))


def show_output(result: Result, progress: Progress | None) -> str:
    """Show the last lines of a tool that failed; return the reason, for a line of ours."""
    output = [line for line in (result.stdout + result.stderr).splitlines() if line.strip()]
    counted = [bool(progress and progress.pattern.match(line)) for line in (*output, "")]
    counted[-1] = True  # of the lines that are counted, one stays before others: it may name a file
    lines = [line for at, line in enumerate(output) if not (counted[at] and counted[at + 1])]
    if len(lines) == 1:
        return re.sub(r"^\S*sh: (line )?\d+: ", "", lines[0])
    for line in lines[-SHOWN_LINES:]:
        log(printable(line.expandtabs()))
    return "see above" if lines else f"exit status {result.exited}"


def quote(path: str) -> str:
    """`path`, quoted for the shell; one that begins with a dash cannot be taken for an option."""
    return shlex.quote(f"./{path}" if path.startswith("-") else path)


@contextmanager
def progress_bar(name: str, total: int | None, unit: str) -> Iterator[tqdm[NoReturn]]:
    """A progress bar on standard error, on a terminal only. The unit `B` is scaled (kB, MB)."""
    scaled, silent = unit == "B", not sys.stderr.isatty()
    bar: tqdm[NoReturn] = tqdm(
        desc=name, total=total, unit=unit, unit_scale=scaled, disable=silent, leave=False
    )
    with bar:
        yield bar
        bar.total = bar.n
        bar.refresh()


class Progress(StreamWatcher):
    """Moves a bar on by one for each line with the first group of `start`, or by a folder's size.

    Each of Invoke's threads has a watcher of its own, made with the same arguments.
    """

    def __init__(self, bar: tqdm[NoReturn], start: str, folder: str = "") -> None:
        super().__init__()
        self.bar, self.pattern, self.folder, self.read = bar, re.compile(start), folder, 0

    def submit(self, stream: str) -> Iterable[str]:
        """Move the bar on; nothing is ever answered."""
        whole = stream.rfind("\n") + 1
        lines = stream[self.read : whole].splitlines()
        self.read = max(self.read, whole)
        if self.folder:
            with suppress(OSError):
                files = Path(self.folder).iterdir()
                self.bar.update(sum(path.stat().st_size for path in files) - self.bar.n)
        else:
            matches = map(self.pattern.match, lines)
            self.bar.update(sum(1 for match in matches if match and match[1]))
        return ()
