"""One line for the shell, its echo and its failure; messages, progress, the lock, signals."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, NoReturn

from invoke.context import Context
from invoke.exceptions import CommandTimedOut, Exit
from invoke.runners import Local, Result
from invoke.watchers import StreamWatcher

FIXED = {"warn": True, "hide": "both", "echo_format": "{command}", "replace_env": True}
FIXED.update(dict.fromkeys(("pty", "asynchronous", "disown", "in_stream"), False))
"""What the recipes need of Invoke's options, whatever its configuration says."""


class RecipeError(Exit):
    """The end of a build: what failed, why, and what to do next, in one line; exit status 1."""

    def __init__(self, message: str) -> None:
        super().__init__("cosmo: " + printable(name_program(" ".join(message.split()))), code=1)


def name_program(text: str) -> str:
    """Name in a message the command that this user has, where that is not `invoke`."""
    program = os.path.basename(sys.argv[0])
    return text if program != "cosmo-recipes" else re.sub(r"\binvoke (?=\w)", f"{program} ", text)


def printable(text: str) -> str:
    """Spell out the characters that a terminal would obey."""
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
    """Print what was asked for; spell out what standard output's encoding lacks."""
    print_bytes([f"{text}\n".encode(sys.stdout.encoding or "utf-8", "backslashreplace")])


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


def quote(path: str) -> str:
    """Quote a path for the shell, so that a leading dash cannot be taken for an option."""
    return shlex.quote(f"./{path}" if path.startswith("-") else path)


def count(number: int, noun: str) -> str:
    """Say how many there are: `1 file`, `2 files`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


class LineRunner(Local):
    """Run a line in a folder, without input, in a session of its own that can be ended whole."""

    input_sleep = 0.001  # seconds between two looks at whether it has ended; Invoke's is 0.01
    folder: Path
    is_late = False

    def start(self, command: str, shell: str, env: dict[str, Any]) -> None:
        """Start the line. It inherits the lock of the build folder, which outlives a killed us."""
        self.process = subprocess.Popen(
            [shell, "-ec", command],
            cwd=self.folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            close_fds=False,
        )

    def wait(self) -> None:
        """Wait until the line has ended; end it where a signal does, before Invoke waits for it."""
        try:
            super().wait()
        except BaseException:
            self.kill()
            raise

    @property
    def timed_out(self) -> bool:
        """Tell whether the timeout ended the line; Invoke asks whether its timer has ended, too."""
        return self.is_late

    def kill(self) -> None:
        """End the line and all that it started; after three seconds by force."""
        self.is_late = self.is_late or threading.current_thread() is self._timer
        for number in (signal.SIGTERM, signal.SIGKILL) if hasattr(self, "process") else ():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(3)


class Bar(NamedTuple):
    """A progress bar: each line of output that matches `pattern` moves it on by `scale` units."""

    name: str
    total: int | None
    unit: str
    pattern: str
    scale: int = 1


class Progress(StreamWatcher):
    """Move a bar on. Each of Invoke's threads has a watcher, made with the same arguments."""

    def __init__(self, bar: Any, pattern: str) -> None:
        super().__init__()
        self.bar, self.pattern, self.read = bar, pattern, 0

    def submit(self, stream: str) -> Iterable[str]:
        """Move the bar on; answer nothing."""
        end = stream.rfind("\n") + 1
        self.bar.update(len(re.findall(f"(?m)^{self.pattern}", stream[self.read : end])))
        self.read = max(self.read, end)
        return ()


@contextmanager
def watch(progress: Bar | None) -> Iterator[list[StreamWatcher]]:
    """Show a progress bar on standard error while a line runs, on a terminal only."""
    if progress is None or not sys.stderr.isatty() or find_spec("tqdm") is None:
        yield []
        return
    from tqdm import tqdm  # imported here, as it takes a tenth of `invoke --list`

    name, total, unit, pattern, scale = progress
    scaled = scale if scale > 1 else False
    with tqdm(desc=name, total=total, unit=unit, unit_scale=scaled, leave=False) as bar:
        yield [Progress(bar, pattern)]


class Shell:
    """Runs the lines of one task through Invoke, in one folder; a dry run prints them.

    `exports` are the variables that the lines expand, and those on which what is built must not
    depend. No `PYTHON*` variable of the user reaches a line.
    """

    def __init__(self, c: Context, task: str, exports: Mapping[str, str], folder: Path) -> None:
        self.c, self.task, self.exports, self.folder = c, task, exports, folder
        self.dry, self.comment = bool(c.config.run.dry), f"# {task}"
        if self.dry and hasattr(signal, "SIGPIPE"):
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a reader may stop early
        self.env = {**os.environ, **c.config.run.env}
        for name in [name for name in self.env if name.startswith("PYTHON") or name == "CDPATH"]:
            del self.env[name]
        self.env.update((name, text.replace("$PWD", str(folder))) for name, text in exports.items())

    def announce(self) -> None:
        """Print how a script of the lines begins: its folder, and the variables."""
        folder, lines = os.path.relpath(self.folder), ["export"]
        if folder != ".":
            print(f"cd {quote(folder)}")
        print(r"unset CDPATH $(env | sed -n 's/^\(PYTHON[A-Z]*\)=.*/\1/p')")
        for name, text in self.exports.items():
            inner = text.startswith("$PWD")
            word = f'{name}="$PWD"{quote(text[4:])}' if inner else f"{name}={quote(text)}"
            lines += ["export"] if len(lines[-1]) + len(word) > 100 else []
            lines[-1] += f" {word}"
        print(*lines, sep="\n")

    def run(
        self,
        *lines: str,
        failed: str = "",
        remedy: str = "fix this and run it again",
        bar: Bar | None = None,
        reason: Callable[[Result], str] | None = None,
        seconds: int | None = None,
    ) -> Result:
        """Run POSIX lines, up to the first that fails, as `sh -e` does.

        `RecipeError` then says what `failed`, why, and the remedy. `reason` says why; else one line
        of output does, and more of it is shown before the error. Invoke's configuration chooses the
        shell, the echo and the timeout; `seconds` is the timeout if that, like `-T`, says nothing.
        """
        seconds = self.c.config.timeouts.command or seconds
        if (self.dry or self.c.config.run.echo) and self.comment:
            print(self.comment)
            self.comment = ""
        shell = shutil.which(str(self.c.config.run.shell or "sh")) or "/bin/sh"
        failed, runner = failed or f"{self.task} failed", LineRunner(self.c)
        runner.folder = self.folder
        try:
            with exit_on_error(failed), watch(None if self.dry else bar) as watchers:
                options = {"shell": shell, "env": self.env, "watchers": watchers, **FIXED}
                result = runner.run("\n".join(lines), timeout=seconds, **options)
        except CommandTimedOut as error:
            why = f"it took longer than {error.timeout} seconds"
            raise RecipeError(f"{failed}: {why}; {remedy}") from error
        except BaseException:
            runner.kill()
            raise
        if result is None or result.failed:
            why = reason(result) if reason else show_output(result)
            raise RecipeError(f"{failed}: {why}" + (f"; {remedy}" if remedy else ""))
        return result

    def log(self, phase: str, message: str) -> None:
        """Print one line about a phase, unless the run is dry: then the script is all there is."""
        if not self.dry:
            log(f"{phase:<9}" + printable(name_program(re.sub(r"\s", " ", message))))


def show_output(result: Result) -> str:
    """Show the last 20 lines of a tool that failed; return the reason, for a line of ours."""
    lines = [line for line in (result.stdout + result.stderr).splitlines() if line.strip()]
    lines = [line for line in lines if not re.match(r"Compiling |Listing |\s*adding: ", line)]
    if len(lines) == 1:
        return re.sub(r"^\S*sh: (line )?\d+: ", "", lines[0])
    for line in lines[-20:]:
        log(printable(line.expandtabs()))
    return "see above" if lines else f"exit status {result.exited}"


@contextmanager
def lock_build_folder(build: Path) -> Iterator[None]:
    """Keep other builds out of the build folder, also while a line of a killed build still runs.

    Each line inherits the open file that is locked, and the system unlocks it when none is left.
    """
    build.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError), (build / ".gitignore").open("x") as file:
        file.write("*\n")
    number = os.open(build / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        os.set_inheritable(number, True)
        with suppress(ImportError):  # no POSIX system
            import fcntl

            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        problem = "is in use by another build; run this again when that has ended"
        raise RecipeError(f"{build} {problem}") from None
    finally:
        os.close(number)


@contextmanager
def handle_signals() -> Iterator[None]:
    """While it lasts, a signal ends the line that runs, and all it started, with one message."""
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP")]
    if threading.current_thread() is not threading.main_thread():
        numbers = []
    before = {number: signal.getsignal(number) for number in numbers}
    handled = [number for number, handler in before.items() if handler != signal.SIG_IGN]

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        for other in handled:
            signal.signal(other, signal.SIG_IGN)
        name = signal.Signals(number).name
        message = f"cosmo: interrupted by {name}; what a build made before is whole; run it again"
        raise Exit(message, code=128 + number)

    try:
        for number in handled:
            signal.signal(number, stop)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
