"""A phase's turn: alone in its build folder, and ended as a whole when it is interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NamedTuple, NoReturn

from invoke.context import Context
from invoke.exceptions import Exit

from .console import Stop, one_line
from .settings import Settings, load_settings

HELD: dict[str, int] = {}
"""The build folders that are this process's until it ends, and the open file that holds each."""

PATIENCE_AT_END = 3.0
"""For how many seconds the programs that a line started may take to end."""


@contextmanager
def turn(c: Context, locked: bool = True) -> Iterator[Settings]:
    """The settings, for one phase. Raises `Stop` where they are wrong, or another build runs."""
    with interruptible():
        s = load_settings(locked)
        if not c.config.run.dry:
            hold(s.build)
        yield s


def hold(build: str) -> None:
    """Keep other builds out of the build folder until this process ends, however it does."""
    try:
        import fcntl
    except ImportError:  # no POSIX system
        return
    path = Path(build).resolve() / ".lock"
    if str(path) in HELD:
        return
    with one_line(f"{build} cannot be written"):
        path.parent.mkdir(parents=True, exist_ok=True)
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(number)
        raise Stop(
            f"{build} is in use by another build; run this again when that has ended"
        ) from None
    except OSError:
        pass  # a file system without locks
    HELD[str(path)] = number


@contextmanager
def interruptible() -> Iterator[None]:
    """While it lasts, an interruption ends what was started too, and is told in one line."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [signal.SIGINT, signal.SIGTERM, *filter(None, [getattr(signal, "SIGHUP", None)])]
    before = {number: signal.getsignal(number) for number in numbers}
    heeded = [number for number, handler in before.items() if handler != signal.SIG_IGN]

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        for each in heeded:
            signal.signal(each, signal.SIG_IGN)
        end_children()
        name = signal.Signals(number).name
        told = f"cosmo: interrupted by {name}; what is there is whole; run it again"
        raise Exit(told, code=128 + number)

    try:
        for number in heeded:
            signal.signal(number, stop)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Process(NamedTuple):
    """A process: its number, its parent's, its state, and when it began, which tells it apart."""

    number: int
    parent: int
    state: str
    began: str


def end_children() -> None:
    """End what this process started, and what that started; at last by force."""
    left = descendants()
    for number in (signal.SIGTERM, signal.SIGKILL):
        for each in left:
            with suppress(ProcessLookupError):
                os.kill(each.number, number)
        end = time.monotonic() + PATIENCE_AT_END
        while left and time.monotonic() < end:
            time.sleep(0.02)
            living = {(each.number, each.began) for each in processes() if each.state != "Z"}
            left = [each for each in left if (each.number, each.began) in living]


def descendants() -> list[Process]:
    """The processes below this one that have not ended."""
    below: dict[int, list[Process]] = {}
    for each in processes():
        if each.state != "Z":
            below.setdefault(each.parent, []).append(each)
    found = list(below.get(os.getpid(), []))
    for each in found:
        found += below.get(each.number, [])
    return found


def processes() -> Iterator[Process]:
    """All processes. Source: proc(5), and `ps` in POSIX."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent, *rest = path.read_text(errors="replace").rpartition(")")[2].split()
            yield Process(int(path.parent.name), int(parent), state, rest[17])
    if not Path("/proc/self/stat").exists():
        ps = ["ps", "-A", "-o", "pid=,ppid=,state=,lstart="]
        done = subprocess.run(ps, capture_output=True, text=True, check=False)  # noqa: S603
        for line in done.stdout.splitlines():
            number, parent, state, *began = line.split()
            yield Process(int(number), int(parent), state[0], " ".join(began))
