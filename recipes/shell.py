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

SHOWN_LINES = 20
"""How many of the last lines of a tool that failed are shown."""


class RecipeError(Exit):
    """The end of a build: what failed, why, and what to do next, in one line; exit status 1."""

    def __init__(self, message: str) -> None:
        super().__init__("cosmo: " + " ".join(message.split()), code=1)


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
    """Print what was asked for. A reader that stops early is no error.

    Python's own flush at its end must not fail again. Source: its "Note on SIGPIPE".
    """
    try:
        print(text, flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise RecipeError(f"the result cannot be printed: {error}; run it again") from error


class LineRunner(Local):
    """Runs a line in a process group of its own, so that it can be ended with all it started."""

    running: ClassVar[dict[int, subprocess.Popen[bytes]]] = {}

    def start(self, command: str, shell: str, env: dict[str, Any]) -> None:
        """Start the line, without input."""
        self.process = subprocess.Popen(
            [shell, "-c", command],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.running[self.process.pid] = self.process

    def kill(self) -> None:
        """End the line at once, as Invoke does where it took too long."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


def end_running() -> None:
    """End the lines that are running, and all that they started; at last by force."""
    for group, process in LineRunner.running.items():
        for number in (signal.SIGTERM, signal.SIGKILL):
            end = time.monotonic() + TIMEOUT
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, number)
                while time.monotonic() < end:
                    process.poll()
                    os.killpg(group, 0)
                    time.sleep(0.02)


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
        env = {**os.environ, **self.c.config.run.env}
        for name in [name for name in env if name.startswith("PYTHON") or name == "CDPATH"]:
            del env[name]
        return {**env, **self.exports, "TMPDIR": os.path.abspath(self.exports["TMPDIR"])}

    def announce(self) -> None:
        """Print the exports that are new to the script, and the task's name as a comment."""
        if not Shell.exported:
            print(r"unset CDPATH $(env | sed -n 's/^\(PYTHON[A-Z]*\)=.*/\1/p')")
        line = "export"
        for name, value in self.exports.items():
            if Shell.exported.get(name) != value:
                word = f"{name}={quote(value)}"
                if name == "TMPDIR":
                    word = f'TMPDIR="$PWD"/{quote(value)}'
                if len(line) + len(word) > 100:
                    print(line)
                    line = "export"
                line += f" {word}"
        if line != "export":
            print(line)
        Shell.exported = {**Shell.exported, **self.exports}
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
            line = f"(cd {'-P ' if at.startswith('..') else ''}{quote(at)} && {line})"
        if self.dry and hasattr(signal, "SIGPIPE"):
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a reader that stops ends the script
        if self.dry or self.c.config.run.echo:
            self.announce()
        fixed = {"pty": False, "asynchronous": False, "disown": False, "in_stream": False}
        runner = LineRunner(self.c)
        with exit_on_error(failed):
            try:
                result: Result = self.c._run(
                    runner,
                    line,
                    **fixed,
                    warn=True,
                    hide="both",
                    echo_format="{command}",
                    watchers=[progress] if progress else [],
                    shell=configured_shell(self.c),
                    env=self.environment(),
                    replace_env=True,
                )
            except CommandTimedOut as error:
                why = f"it took longer than {error.timeout} seconds"
                raise RecipeError(f"{failed}: {why}; {remedy}") from error
        LineRunner.running.clear()
        if result.failed:
            why = reason(result) if reason else show_output(result, progress)
            raise RecipeError(f"{failed}: {why}" + (f"; {remedy}" if remedy else ""))
        return result

    def remove(self, folder: str, tests: list[str]) -> None:
        """Run the line that removes, below a folder, what passes one of these tests of `find`."""
        if tests:
            self.run(rf"find {folder} \( {' -o '.join(tests)} \) -exec rm -rf {{}} +")

    def log(self, phase: str, message: str) -> None:
        """Print one line about a phase, unless the run is dry: then the script is all there is."""
        if not self.dry:
            log(f"{phase:<9}" + re.sub(r"\s", " ", message))


def show_output(result: Result, progress: Progress | None) -> str:
    """Show the last lines of a tool that failed; return the reason, for a line of ours."""
    output = [line for line in (result.stdout + result.stderr).splitlines() if line.strip()]
    counted = [bool(progress and progress.pattern.match(line)) for line in (*output, "")]
    counted[-1] = True  # of the lines that are counted, one stays before others: it may name a file
    lines = [line for at, line in enumerate(output) if not (counted[at] and counted[at + 1])]
    if len(lines) == 1:
        return re.sub(r"^\S*sh: (line )?\d+: ", "", lines[0])
    for line in lines[-SHOWN_LINES:]:
        log(line)
    return "see above" if lines else f"exit status {result.exited}"


def configured_shell(c: Context) -> str:
    """The shell that Invoke is configured to use, where it is installed, else sh."""
    return shutil.which(str(c.config.run.shell or "sh")) or "/bin/sh"


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
    """Moves a bar on by one for each line of output that `start` matches.

    Each of Invoke's threads has a watcher of its own, made with the same arguments.
    """

    def __init__(self, bar: tqdm[NoReturn], start: str) -> None:
        super().__init__()
        self.bar, self.pattern, self.read = bar, re.compile(start), 0

    def submit(self, stream: str) -> Iterable[str]:
        """Count the lines that came since the last call; nothing is ever answered."""
        whole = stream.rfind("\n") + 1
        lines = stream[self.read : whole].splitlines()
        self.bar.update(sum(1 for line in lines if self.pattern.match(line)))
        self.read = max(self.read, whole)
        return ()


class DownloadProgress(Progress):
    """Moves a bar on to the size of what is in a folder, whenever wget prints one of its dots."""

    def __init__(self, bar: tqdm[NoReturn], folder: str) -> None:
        super().__init__(bar, r"\s*\d+K[ .]")
        self.folder = Path(folder)

    def submit(self, stream: str) -> Iterable[str]:
        """Move the bar on; nothing is ever answered."""
        with suppress(OSError):
            self.bar.update(sum(path.stat().st_size for path in self.folder.iterdir()) - self.bar.n)
        return ()
