"""What a person sees: one line a step, a progress bar on a terminal, one line for an error."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from invoke.exceptions import Exit
from invoke.watchers import StreamWatcher
from tqdm import tqdm


class Stop(Exit):
    """The end of a build: what failed, why, and what to do next, in one line; exit status 1."""

    def __init__(self, message: str) -> None:
        super().__init__("cosmo: " + " ".join(message.split()), code=1)


@contextmanager
def one_line(failed: str) -> Iterator[None]:
    """Turn an error of the system, or a value that it cannot take, into a `Stop`."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        raise Stop(f"{failed}: {error}; mend that, and run it again") from error


def say(message: str) -> None:
    """Print one line about the work; standard output is left to what was asked for."""
    print(message, file=sys.stderr, flush=True)


def show(text: str) -> None:
    """Print what was asked for. Where that fails, Python shall not try, and fail, again at its end.

    Source: Python's documentation, `signal`, "Note on SIGPIPE".
    """
    try:
        print(text, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


@contextmanager
def bar(what: str, total: int | None, unit: str) -> Iterator[tqdm[NoReturn]]:
    """A progress bar on standard error, shown on a terminal only.

    `unit` is the word behind the count; `"B"` counts bytes and is scaled (kB, MB).
    """
    shown: tqdm[NoReturn] = tqdm(
        desc=what,
        total=total,
        unit=unit,
        unit_scale=unit == "B",
        disable=not sys.stderr.isatty(),
        leave=False,
    )
    with shown:
        yield shown
        shown.refresh()


class Lines(StreamWatcher):
    """Moves a bar on by one for each line of output that begins as the pattern `start` says."""

    def __init__(self, shown: tqdm[NoReturn], start: str) -> None:
        super().__init__()
        self.shown = shown
        self.pattern = re.compile(rf"^\s*(?:{start})", re.MULTILINE)
        self.read = 0

    def submit(self, stream: str) -> Iterable[str]:
        """Count the lines that came since the last call; nothing is ever answered."""
        whole = stream.rfind("\n") + 1
        self.shown.update(len(self.pattern.findall(stream[self.read : whole])))
        self.read = max(self.read, whole)
        return ()


class Download(StreamWatcher):
    """Moves a bar on by the bytes that `wget --progress=dot:mega` tells of.

    Source: wget's manual, "dot:mega": each dot is 64 KiB and each line says where it begins.
    """

    DOT = 64 * 1024

    def __init__(self, shown: tqdm[NoReturn]) -> None:
        super().__init__()
        self.shown = shown

    def submit(self, stream: str) -> Iterable[str]:
        """Read the length and the last line of dots; nothing is ever answered."""
        length = re.findall(r"^Length: (\d+)", stream, re.MULTILINE)
        rows = re.findall(r"^ *(\d+)K ([. ]+)", stream, re.MULTILINE)
        saved = re.findall(r" saved \[(\d+)", stream)
        if rows:
            begin, dots = rows[-1]
            done = int(begin) * 1024 + dots.count(".") * self.DOT
            self.shown.total = int(length[-1]) if length else None
            self.shown.update((int(saved[-1]) if saved else done) - self.shown.n)
        return ()
