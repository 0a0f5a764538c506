"""One line for the shell: its values quoted, its echo plain, its failure one line for a person."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
from collections.abc import Callable

from invoke.context import Context
from invoke.exceptions import CommandTimedOut
from invoke.runners import Result
from invoke.watchers import StreamWatcher

from .console import Stop, one_line, say

PYTHON = 'env -i PATH="$PATH" HOME=.. TMPDIR=.. PYTHONHASHSEED=0 sh ../python'
"""The fetched interpreter, called in a folder of the build folder, where it writes its loader. It
has none of the host's PYTHON* variables, which change what is compiled, and one order for sets.
`sh` starts what `env` need not know how to start."""

JUNK = ("__pycache__", "*.egg-info", "*~", ".#*", "#*#", ".*.sw[op]", ".DS_Store")
"""What does not go in: the host's bytecode, what an editable install left, and editors' files."""


def here(path: str) -> str:
    """`path` so that it says where it begins: here, above, or at the root."""
    return path if path.startswith(("./", "../", "/")) else f"./{path}"


def q(path: str) -> str:
    """`path` quoted for the shell; one that begins with a dash cannot be taken for an option."""
    return shlex.quote(f"./{path}" if path.startswith("-") else path)


def last_line(result: Result) -> str:
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
    why: Callable[[Result], str] = last_line,
    then: str = "mend that, and run it again",
) -> Result:
    """Run one POSIX line, in the folder `at` if given; `invoke --dry` prints it for a script.

    Where it fails, `Stop` says what `failed`, why, as `why` reads it from the output, and `then`.
    Invoke's configuration chooses the shell, the echo and the timeout; what the recipes need of the
    rest is fixed here.
    """
    if c.config.run.dry and hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a reader that stops ends the script
    with one_line(failed):
        try:
            result = c.run(
                f"({go(at)} && {line})" if at else line,
                warn=True,
                hide="both",
                in_stream=False,
                pty=False,
                asynchronous=False,
                disown=False,
                echo_format="{command}",
                watchers=list(watchers),
                shell=configured_shell(c),
            )
        except CommandTimedOut as error:
            raise Stop(f"{failed}: it took longer than {error.timeout} seconds; {then}") from error
    if result.failed:
        raise Stop(f"{failed}: {why(result)}; {then}")
    return result


def configured_shell(c: Context) -> str:
    """The shell that Invoke is configured to use, where there is such a one."""
    configured = str(c.config.run.shell or "sh")
    return configured if shutil.which(configured) else "/bin/sh"


def go(folder: str) -> str:
    """The `cd` to `folder`, whatever CDPATH says and whichever symbolic link led to where it is."""
    return f"cd -P {shlex.quote(here(folder))}"


def printf(lines: list[str] | tuple[str, ...]) -> str:
    """The shell command that prints these lines."""
    return f"printf '%s\\n' {' '.join(map(shlex.quote, lines))}"


def leave_out(patterns: tuple[str, ...], *names: str) -> str:
    """The line that removes, below the current folder, what is named so or lies at such a path."""
    tests = [f"-name {shlex.quote(name)}" for name in names]
    tests += [f"-path {shlex.quote(f'./{pattern}')}" for pattern in patterns]
    return f"find . -depth \\( {' -o '.join(tests)} \\) -exec rm -rf {{}} +"


def tell(c: Context, phase: str, what: str) -> None:
    """Print one line about a phase, unless the run is dry: then its script is all there is.

    A path may hold what would end the line.
    """
    if not c.config.run.dry:
        say(f"{phase:<9}" + re.sub(r"\s", " ", what))
