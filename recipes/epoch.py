"""The time that is told of what goes in: the same on each day and machine."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from .console import Stop

FIRST, LAST = 315_532_800, 4_291_747_198
"""The seconds from 1980, when a zip's times begin, to the last that a `.pyc` of 2105 holds."""


def source_date(environ: Mapping[str, str], root: Path) -> int:
    """SOURCE_DATE_EPOCH, else the time of the last commit, else 1980.

    It is in seconds, and kept to what a zip and a `.pyc` can hold. Source: the specification of
    SOURCE_DATE_EPOCH at reproducible-builds.org.
    """
    given = environ.get("SOURCE_DATE_EPOCH")
    if given is not None and not re.fullmatch("[0-9]{1,18}", given):
        raise Stop(f"SOURCE_DATE_EPOCH={given!r}: write a time in seconds since 1970, or unset it")
    seconds = int(given) if given is not None else last_commit(root)
    return min(max(seconds, FIRST), LAST)


@cache
def last_commit(root: Path) -> int:
    """The time of the last commit where the project lies, in seconds; 0 where git does not tell.

    Every phase asks, and git is asked once. Neither who owns the files nor a repository that the
    environment names makes a difference.
    """
    line = ["git", "-c", "safe.directory=*", "-c", "log.showSignature=false"]
    env = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and no value of a setting
            [*line, "log", "-1", "--format=%ct"],
            cwd=root,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return 0
    return int(done.stdout) if done.stdout.strip().isdigit() else 0


def touch(epoch: int, *paths: str) -> str:
    """The line that gives all files that time, as a zip entry and a `.pyc` tell it."""
    when = time.strftime("%Y%m%d%H%M.%S", time.gmtime(epoch))
    return f"TZ=UTC0 find {' '.join(paths)} -type f -exec touch -t {when} {{}} +"
