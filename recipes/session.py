"""Build-folder lock and signal handling for one task."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from invoke.context import Context
from invoke.exceptions import Exit

from .project import FIRST_TIME, Project, load_project
from .shell import LineRunner, RecipeError, Shell, exit_on_error

OPTIONS = "cosmo_recipes"
"""Where, in Invoke's configuration, the options of a task stand for the tasks that it runs."""

LOCKED_DIRS: dict[str, int] = {}
"""The build folders that this process has locked until it ends, and the open file of each lock."""


@contextmanager
def session(
    c: Context, task: str, options: Mapping[str, str] | None = None
) -> Iterator[tuple[Project, Shell]]:
    """The project and the shell for one task, with its options, alone in the build folder.

    The lines get the article's settings, and what zip, Python and the sorting of names must not
    depend on; and TMPDIR, where an Actually Portable Executable writes its loader. Source for that:
    Cosmopolitan, `ape/ape.S`.
    """
    with handle_signals(), exit_on_error(f"cosmo.{task} cannot go on"):
        p = load_project({**c.config.get(OPTIONS, {}), **(options or {})})
        p.check_build_folder()
        article = {
            "SOURCE_DATE_EPOCH": str(p.epoch),
            "PKG": p.value("PKG").text or "",
            "DIR_SITE": p.site,
        }
        fixed = {"LC_ALL": "C", "TZ": "UTC0", "ZIP": "", "ZIPOPT": "", "PYTHONHASHSEED": "0"}
        # with which Python writes no time into a `.pyc`. Source: py_compile's documentation
        fixed["SOURCE_DATE_EPOCH"] = os.environ.get("SOURCE_DATE_EPOCH") or str(FIRST_TIME)
        sh = Shell(c, task, {**article, **fixed, "TMPDIR": p.build})
        if not sh.dry:
            lock_build_folder(Path(p.build))
        yield p, sh


def lock_build_folder(build: Path) -> None:
    """Keep other builds out of the build folder until this process ends, however it does."""
    path = build.resolve() / ".lock"
    if str(path) in LOCKED_DIRS:
        return
    build.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError), (build / ".gitignore").open("x") as file:
        file.write("*\n")
    number = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
    LOCKED_DIRS[str(path)] = number
    try:
        with suppress(ImportError):  # no POSIX system
            import fcntl

            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(LOCKED_DIRS.pop(str(path)))
        problem = "is in use by another build; run this again when that has ended"
        raise RecipeError(f"{build} {problem}") from None
    except OSError:
        pass  # a file system without locks


@contextmanager
def handle_signals() -> Iterator[None]:
    """While it lasts, a signal ends the line that runs, and all it started, with one message."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP")]
    before = {number: signal.getsignal(number) for number in numbers}
    handled = [number for number, handler in before.items() if handler != signal.SIG_IGN]

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        for other in handled:
            signal.signal(other, signal.SIG_IGN)
        LineRunner.end_all()
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
