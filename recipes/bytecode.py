"""The `.pyc` files: the lines that compile them in the fetched interpreter, and what these tell."""

from __future__ import annotations

import os
import re
import shlex

from invoke.runners import Result

from .excerpt import excerpt
from .settings import Settings
from .shell import PYTHON, last_line
from .starts import see_entries

COMPILE_ERROR = (
    r"^Compiling .site-packages/(?P<file>[^\n]*).\.\.\.\n"
    r"\*\*\* (?P<text>.*?)(?=^Compiling |^Listing |\Z)"
)
"""How compileall tells of a file that does not compile; alike in Python 3.6 and in 3.13."""

UNCHECKED = "import sys; sys.version_info > (3, 7) and print('--invalidation-mode unchecked-hash')"
"""What prints the option by which a `.pyc` is taken without a look at its `.py`, if any does."""

ZIP_SITE = "/zip/Lib/site-packages"


def compile_lines(s: Settings, more: bool) -> list[str]:
    """The lines for the program, each file of which must compile, and with `more` for the rest.

    They run in `Lib`, where no module but those to be packed can be in the compiler's way.
    All sources have one time, hence `-f`. Before Python 3.9, `-r` is needed below ten folders.
    """
    inside = ZIP_SITE if s.top.endswith(".py") else f"{ZIP_SITE}/{s.top}"
    own = f"{compile_start(s)} -f -r 99 -d {inside} site-packages/{s.top}"
    rest = f"{compile_start(s)} -r 99 -d {ZIP_SITE} site-packages || true"
    return [own, rest] if more else [own]


def compile_start(s: Settings) -> str:
    """The start of such a line: with which Python, to which form, and what it leaves alone.

    Where the `.py` is shipped too, its `.pyc` goes to `__pycache__`: Python takes one that lies
    beside a `.py` for nothing.
    """
    optimize = f" -{'O' * s.optimize}" if s.optimize else ""
    form = f" $({PYTHON} -c {shlex.quote(UNCHECKED)})" if s.ships_source else " -b"
    keep = "|".join(re.escape(each).replace(r"\*", ".*").replace(r"\?", ".") for each in s.keep)
    left = f" -x {shlex.quote(f'^site-packages/({keep})(/.*)?$')}" if keep else ""
    return f"{PYTHON}{optimize} -m compileall{form}{left}"


def start_line(s: Settings, entries: list[str]) -> str:
    """The line that sees whether what is to be started is there, and runs."""
    code, top = shlex.quote(excerpt(see_entries)), s.pkg.partition(".")[0]
    return f"{PYTHON} -B -c {code} {' '.join(map(shlex.quote, [top, *entries]))}"


def compile_reason(result: Result, source: str) -> str:
    """The first file below `source` that compileall says does not compile, its line and error."""
    told = re.search(COMPILE_ERROR, result.stdout, re.MULTILINE | re.DOTALL)
    if told is None:
        return last_line(result)
    file, text = os.path.join(source, told["file"]), told["text"]
    line = re.search(r", line (\d+)", text)
    error = re.findall(r"\w+(?:Error|Warning): [^\n]+", text)
    where = f"{file}, line {line[1]}" if line else file
    return f"{where}: {error[-1] if error else text}"
