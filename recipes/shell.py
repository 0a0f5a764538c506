"""One line for the shell: its values quoted, its echo plain, its failure one line for a person."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
from collections.abc import Callable

from invoke.context import Context
from invoke.runners import Result
from invoke.watchers import StreamWatcher

from .console import Stop, say


def q(path: str) -> str:
    """`path` quoted for the shell; one that begins with a dash cannot be taken for an option."""
    return shlex.quote(f"./{path}" if path.startswith("-") else path)


def reason(result: Result) -> str:
    """The last line that the command printed, of its errors if there are any."""
    lines = [line for line in (result.stderr or result.stdout).splitlines() if line.strip()]
    last = re.sub(r"^\S*sh: (line )?\d+: ", "", lines[-1]) if lines else ""
    return last or f"exit status {result.exited}"


def sh(
    c: Context,
    line: str,
    failed: str,
    *watchers: StreamWatcher,
    at: str = "",
    why: Callable[[Result], str] = reason,
    then: str = "mend that, and run it again",
) -> Result:
    """Run one POSIX line, in the folder `at` if given; `invoke --dry` prints it for a script.

    Where it fails, `Stop` says what `failed`, why, as `why` reads it from the output, and `then`.
    """
    shell = c.config.run.shell
    if c.config.run.dry and hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a reader that stops ends the script
    result = c.run(
        f"(cd {q(at)} && {line})" if at else line,
        warn=True,
        hide="both",
        in_stream=False,
        echo_format="{command}",
        watchers=list(watchers),
        shell=shell if shutil.which(shell) else "/bin/sh",
    )
    if result.failed:
        raise Stop(f"{failed}: {why(result)}; {then}")
    return result


def tell(c: Context, phase: str, what: str) -> None:
    """Print one line about a phase, unless the run is dry: then its script is all there is."""
    if not c.config.run.dry:
        say(f"{phase:<9}{what}")
