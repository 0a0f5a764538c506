"""A stand-in for the Cosmopolitan Python, for machines that cannot reach the real one.

It behaves as the real interpreter does: a polyglot file that a shell starts, its own standard
library in a zip at its end, `/zip`, `.args`. What it lacks is the reason the real one exists: it
starts the Python it was made from, so it and all made with it run only where that Python is.
"""

from __future__ import annotations

import sys
from pathlib import Path

from invoke.context import Context
from invoke.tasks import task

from ..console import say
from .build import make_standin


@task(help={"out": "The file to write (default dist/standin/python)."})
def standin(c: Context, out: str = "dist/standin/python") -> None:
    """Make an interpreter from the Python that is running, where the real one is out of reach."""
    if c.config.run.dry:
        return
    make_standin(Path(out))
    say(f"stand-in  {out}: runs only where {Path(sys.executable).resolve()} is")
