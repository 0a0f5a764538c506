"""What starts: the lines of `.args`, for each executable that is made."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Mapping

from .checks import is_taken, shell_words
from .console import Stop
from .layers import Value

ENTRY = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
"""`module:function`. Source: the entry points specification."""


def find_entries(entry: Value, scripts: Mapping[str, str], pkg: str, main: bool) -> dict[str, str]:
    """The `module:function` for each executable by its name; empty: it is `python -m PKG`.

    An executable that stands for the whole program bears PKG as its name.
    """
    names = f"[project.scripts] has {', '.join(scripts)}" if scripts else "there are no scripts"
    text = entry.text
    if text is None and main:
        return {pkg: ""}
    if text is None and len(scripts) == 1:
        return {pkg: script_target(next(iter(scripts)), scripts)}
    if text is None:
        told = "name one with COSMO_ENTRY" if scripts else "write one, or set COSMO_ENTRY"
        raise Stop(f"PKG={pkg} has no __main__, so `python -m` cannot start it; {names}; {told}")
    if text == "*" and scripts:
        for name in scripts:
            if is_taken(name) or not re.fullmatch(r"\w[\w.-]*", name):
                raise Stop(f"COSMO_ENTRY=*: no file can be called {name!r}; rename that script")
        return {name: script_target(name, scripts) for name in scripts}
    if text in scripts:
        return {pkg: script_target(text, scripts)}
    if is_entry(text):
        return {pkg: text}
    raise Stop(
        f"COSMO_ENTRY={text!r} ({entry.source}) is neither `module:function` nor a script's name;"
        f" {names}; correct it"
    )


def is_entry(text: str) -> bool:
    """Whether `text` is a `module:function` that Python can import.

    In a statement Python reads each name in its NFKC form, and finds no file of another one.
    """
    if unicodedata.normalize("NFKC", text) != text:
        return False
    words = re.split(r"[.:]", text)
    return ENTRY.fullmatch(text) is not None and not any(map(keyword.iskeyword, words))


def script_target(name: str, scripts: Mapping[str, str]) -> str:
    """What the script `name` calls; the extras that it may ask for are left out."""
    found = re.sub(r"\s*\[.*\]\s*$", "", scripts[name]).replace(" ", "")
    if not is_entry(found):
        raise Stop(
            f"the script {name} cannot start {scripts[name]!r}: write `module:function` in"
            " [project.scripts]"
        )
    return found


def args_lines(own: Value, isolated: bool, optimized: int, pkg: str, entry: str) -> tuple[str, ...]:
    """The lines of `.args`: COSMO_ARGS, else what starts `entry`, else PKG.

    A line can be neither empty nor hold a newline. Source: the interpreter parts the file at
    newlines and passes over what is empty; the newest take a backslash and an n for a newline.
    """
    if own.text is None:
        flags = (["-I"] if isolated else []) + (["-" + "O" * optimized] if optimized else [])
        return (*flags, *(("-c", calling(entry)) if entry else ("-m", pkg)), "...")
    lines = shell_words("COSMO_ARGS", own)
    if not lines or not all(lines) or any(re.search(r"\n|\r|\\n", line) for line in lines):
        raise Stop(
            f"COSMO_ARGS ({own.source}): a line of .args can neither be empty nor hold a"
            " newline, spelt out or as \\n; write the lines as shell words: `-m name ...`"
        )
    if isolated and not isolates(lines):
        raise Stop(
            f"COSMO_ARGS ({own.source}) stands in place of the -I that COSMO_ISOLATED puts in"
            " .args; begin it with -I, or set COSMO_ISOLATED=0"
        )
    return lines


def calling(entry: str) -> str:
    """The statement that calls `module:function` as an installed script does.

    The program is told the name by which it was started.
    """
    module, _, function = entry.partition(":")
    top = function.partition(".")[0]
    return (
        f"import sys; sys.argv[0] = sys.executable; from {module} import {top};"
        f" sys.exit({function}())"
    )


def isolates(lines: tuple[str, ...]) -> bool:
    """Whether a Python command line has `-I` among its own options, before what it runs."""
    for line in lines:
        if not line.startswith("-"):
            return False
        if "I" in re.split("[cmWX]", line)[0]:
            return True
        if re.search("[cm]", line):
            return False
    return False
