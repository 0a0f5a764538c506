"""Processes in the background, and what they leave behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path


def begin(line: Sequence[str], env: Mapping[str, str], folder: Path) -> subprocess.Popen[str]:
    """Start a command in a session of its own, without input; keep what it prints."""
    return subprocess.Popen(
        line,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )


def find_processes(folder: Path) -> dict[int, str]:
    """Find the processes whose current directory is in a folder; return their commands."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # one that has ended since
            if f"{(path / 'cwd').readlink()}/".startswith(f"{folder}/"):
                found[int(path.name)] = (path / "cmdline").read_text().replace("\0", " ")
    return found


def wait_for_processes(folder: Path, seconds: float) -> None:
    """Wait until no process is in a folder; then end those that are left, which is an error."""
    end = time.monotonic() + seconds
    while left := find_processes(folder):
        if time.monotonic() > end:
            for number in left:
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            raise AssertionError(left)
        time.sleep(0.02)
