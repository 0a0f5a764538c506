"""Package this project into one executable for Linux, macOS and Windows: `invoke cosmo`.

These are the cosmo-recipes in one file, as their `invoke vendor` wrote it. With Invoke and tqdm
installed (and tomli, before Python 3.11), `invoke --list` tells what there is. With nothing
installed, `uv run tasks.py cosmo` and `pipx run tasks.py cosmo` do the same as `invoke cosmo`.

To update it, run `invoke vendor FOLDER` in a clone of cosmo-recipes; with `--check`, that tells
whether it is current. A copy that was edited is not overwritten. What the phases do stands below
"recipes/cosmo.py", and what the settings mean below "recipes/known.py".

MIT License. Copyright (c) the cosmo-recipes authors.
"""

# fmt: off
# ruff: noqa
# flake8: noqa
# pylint: skip-file
# isort: skip_file
# mypy: disable-error-code="import-untyped"
# /// script
# requires-python = ">=3.9"
# dependencies = ["invoke>=2.2", "tqdm>=4.66", "tomli>=2.0.1; python_version < '3.11'"]
# ///
# cosmo-recipes 0.1.0
# sha256 of all other lines: 9ac004182bc635f6d3abc241a755da269b89e649de9c3009f07d30f017f92141

from __future__ import annotations

import _io
import ast
import builtins
import compileall
import csv
import errno
import hashlib
import importlib
import importlib.util
import inspect
import json
import keyword
import os
import re
import runpy
import select
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cache
from importlib import metadata
from importlib.machinery import FileFinder, ModuleSpec
from importlib.util import resolve_name
from itertools import accumulate
from json import dumps
from pathlib import Path
from symtable import SymbolTable, symtable
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn
from urllib.parse import unquote, urlsplit

try:
    from invoke.collection import Collection
    from invoke.context import Context
    from invoke.exceptions import CommandTimedOut, Exit
    from invoke.runners import Result
    from invoke.tasks import task
    from invoke.watchers import StreamWatcher
    from tqdm import tqdm

    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    if TYPE_CHECKING:
        import posix

except ModuleNotFoundError as error:
    told = f"{__file__} needs {error.name}, which is not installed"
    raise SystemExit(f"cosmo: {told}; pip install {error.name}") from None


# recipes/cache.py -------------------------------------------------------------
# The user's cache: what was downloaded or installed once, for all projects of this machine.
#
#     sha256/HASH       a file, by what it holds
#     url/HASH/NAME     a link to what an address last gave, for `wget -N`; url/HASH.time has its time
#     deps/HASH/deps    a link to what locked dependencies were installed to, as a tar
#
# A file gets its name when it is whole, by one rename, so that builds need not wait for each other.


def cache_folder(environ: Mapping[str, str]) -> str:
    """The folder of these recipes in the user's cache.

    Source: XDG Base Directory Specification, by which a relative path counts for nothing; without
    XDG_CACHE_HOME, on macOS, its File System Programming Guide.
    """
    base = environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = str(Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache"))
    return os.path.join(base, "cosmo-recipes")


def place(kind: str, text: str) -> str:
    """Where the link for an address, or for some dependencies, lies in the cache."""
    return f"{kind}/{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def sha256sum() -> str:
    """The program that prints the sha256 of its input: coreutils' or, as on macOS, Perl's."""
    return "sha256sum" if shutil.which("sha256sum") else "shasum -a 256"


def held_file(cache: str, link: str) -> Path | None:
    """The file in the cache that a link leads to; None where it leads nowhere, or elsewhere."""
    held = Path(cache, link).resolve()
    known = held.parent == Path(cache, "sha256").resolve() and re.fullmatch(
        "[0-9a-f]{64}", held.name
    )
    return held if known and held.is_file() else None


def see_sha256(file: str, wanted: str) -> str:
    """The line that fails, and tells what it found, where a file is not what it has to be."""
    found = f'found="$({sha256sum()} < {file})"'
    return f'{found} && {{ [ "${{found%% *}}" = {wanted} ] || {{ echo "$found" >&2; false; }}; }}'


def is_whole(cache: str) -> str:
    """The command that fails where what the link `$file` in the cache leads to was damaged."""
    held = shlex.quote(f"{cache}/sha256")
    return f'{{ hash="$({sha256sum()} < "$file")" && [ "$file" -ef {held}/"${{hash%% *}}" ]; }}'


def keep(cache: str, file: str, folder: str, name: str) -> str:
    """The line that puts a file into the cache, by its hash, and a link to it into a folder there.

    `file` and `name` are text of that line. Beside the folder, a file has the time that this one
    had; it comes last, for what is older than it is told to be is fetched again, not kept for good.
    A cache that cannot be written to is done without.
    """
    held, links = shlex.quote(f"{cache}/sha256"), shlex.quote(f"{cache}/{folder}")
    return (
        f'{{ hash="$({sha256sum()} < {file})" && hash="${{hash%% *}}" && mkdir -p {held} {links} &&'
        f' cp -p {file} {held}/.$$ && mv -f {held}/.$$ {held}/"$hash" &&'
        f' ln -sf ../../sha256/"$hash" {links}/.$$ && mv -f {links}/.$$ {links}/{name} &&'
        f" touch -r {file} {links}.$$ && mv -f {links}.$$ {links}.time; }}"
        f" 2>/dev/null || rm -f {held}/.$$ {links}/.$$ {links}.$$"
    )


# recipes/console.py -----------------------------------------------------------
# What a person sees: one line a step, a progress bar on a terminal, one line for an error.


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


# recipes/layers.py ------------------------------------------------------------
# The tables that a value is looked for in, one above the other, and the `$NAME`s in it.

LONGEST = 10_000
"""How many characters a setting may have, its `$NAME`s expanded."""


class Table(NamedTuple):
    """Some settings and the place they stand in, in the words of an error message."""

    source: str
    names: Mapping[str, str]


class Value(NamedTuple):
    """A setting as it was found: its text, None where it is not set, and where that came from."""

    text: str | None
    source: str


class Layers:
    """Where a value is looked for; the table that counts most comes first."""

    NAME = re.compile(r"\$(?:\$|\{(?P<braced>[A-Za-z_]\w*)\}|(?P<plain>[A-Za-z_]\w*))")

    def __init__(self, *tables: Table) -> None:
        self.tables = tables

    def find(self, name: str) -> Value:
        """The value of `name` as it stands, and its source."""
        for table in self.tables:
            if name in table.names:
                return Value(table.names[name], table.source)
        return Value(None, "not set")

    def expanded(self, name: str) -> Value:
        """The value of the setting `name`, with each `$NAME` in it replaced by that one's value."""
        value = self.find(name)
        if value.text is None:
            return value
        return Value(self._expand(value, (name,)), value.source)

    def _expand(self, value: Value, trail: tuple[str, ...]) -> str:
        def replace(match: re.Match[str]) -> str:
            name = match["braced"] or match["plain"]
            if name is None:
                return "$"
            other = self.find(name)
            if other.text is None or name in trail:
                wrong = "leads back to itself" if name in trail else "is not set"
                raise Stop(
                    f"{trail[-1]}={value.text} ({value.source}): ${name} {wrong}; correct it"
                )
            if other.source == "environment":
                return other.text  # the shell that set it has expanded it
            return self._expand(other, (*trail, name))

        text = self.NAME.sub(replace, value.text or "")
        if len(text) > LONGEST:
            raise Stop(f"{trail[0]} is longer than {LONGEST} characters; shorten {trail[-1]}")
        return text


# recipes/checks.py ------------------------------------------------------------
# What each setting has to be: a check gives the value a build uses, or ends it with `Stop`.

SWITCH = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off", ""), False),
}


def check_pkg(value: Value, root: Path) -> str:
    """PKG, where it is an identifier path and leaves the build's own files their names."""
    if value.text is None:
        file = root / "pyproject.toml"
        none = "" if file.exists() else ", which is not there (COSMO_PROJECT names another project)"
        raise Stop(
            f"PKG is not set, neither in the environment nor in {file}{none}: name the package to"
            " run there, under [tool.cosmo.env], or as in `PKG=name invoke cosmo`"
        )
    parts = value.text.split(".")
    if not all(part.isidentifier() for part in parts):
        raise Stop(
            f"PKG={value.text!r} ({value.source}) is not the name of a package: use a Python"
            " identifier, or several joined by dots"
        )
    if is_taken(parts[0]) or parts[0] == "__main__":
        whose = "Python" if parts[0] == "__main__" else "the build folder"
        raise Stop(f"PKG={value.text}: {whose} needs that name itself; rename the package")
    return value.text


def check_dir_site(value: Value, root: Path) -> str:
    """DIR_SITE, where it is a folder of its own inside the project that ends as it must."""
    text = value.text or ""
    clean = os.path.normpath(text)
    parts = clean.split(os.sep)
    build = (root / text).parent.parent.resolve()
    if os.path.isabs(text) or ".." in text.split("/"):
        wrong = "must lie inside the project and be relative to it"
    elif parts[-2:] != ["Lib", "site-packages"] or len(parts) < 3:
        wrong = "must be a folder of the project's, then Lib/site-packages"
    elif root not in build.parents:
        wrong = f"leads out of the project, to {build}"
    elif (root / "src").resolve() in (build, *build.parents):
        wrong = "lies among the sources"
    elif (root / text).is_symlink() or (root / text).parent.is_symlink():
        wrong = "is a symbolic link"
    else:
        return clean
    raise Stop(f"DIR_SITE={text!r} ({value.source}) {wrong}; dist/cosmo/Lib/site-packages is usual")


def check_url(name: str, value: Value, root: Path) -> str:
    """A URL for wget as it stands; for a file URL, the path that it names; or a path."""
    text = value.text or ""
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    plain = text.isascii() and text.isprintable() and " " not in text
    if parts.scheme in ("http", "https") and parts.netloc and plain:
        return text
    path = placed(value, root)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        path = Path(unquote(parts.path))
    elif not text or "://" in text:
        raise Stop(f"{name}={text!r} ({value.source}): give an https, http or file URL, or a path")
    if not path.is_file():
        raise Stop(f"{name}={text!r} ({value.source}): there is no file {path}; correct it")
    return str(path)


def check_urls(name: str, value: Value, root: Path) -> tuple[str, ...]:
    """A setting that names one address, or several URLs."""
    words = (value.text or "").split()
    if len(words) < 2 or not all("://" in word for word in words):
        return (check_url(name, value, root),)
    return tuple(check_url(name, Value(word, value.source), root) for word in words)


def check_sha256(value: Value) -> str:
    """COSMO_SHA256, empty where it is not set."""
    text = (value.text or "").lower()
    if value.text is not None and not re.fullmatch("[0-9a-f]{64}", text):
        raise Stop(f"COSMO_SHA256={value.text!r} ({value.source}): write 64 hexadecimal digits")
    return text


def placed(value: Value, root: Path) -> Path:
    """The path that a setting names.

    A relative one begins at the project's folder, or where the command runs if it was given there.
    """
    above = Path() if value.source == "environment" else Path(os.path.relpath(root))
    return above / Path(value.text or "").expanduser()


def check_prune(value: Value) -> tuple[str, ...]:
    """COSMO_PRUNE as patterns; one that `zip` would take for an option is refused."""
    patterns = shell_words("COSMO_PRUNE", value)
    for pattern in patterns:
        if not pattern or pattern[0] in "-@":
            raise Stop(f"COSMO_PRUNE ({value.source}): {pattern!r} is not a pattern; write a path")
    return patterns


def check_patterns(name: str, value: Value) -> tuple[str, ...]:
    """COSMO_EXCLUDE or COSMO_KEEP as patterns for paths below `site-packages`."""
    found = shell_words(name, value)
    for pattern in found:
        if not pattern or pattern[0] == "/" or re.search(r"[\n\r\[\]\\]", pattern):
            raise Stop(
                f"{name} ({value.source}): {pattern!r} is not a pattern; write a path below"
                " site-packages, as `hello/templates/*`"
            )
    return found


def check_switch(name: str, value: Value) -> bool:
    """A setting that is on or off."""
    choice = SWITCH.get((value.text or "").lower())
    if choice is None:
        raise Stop(f"{name}={value.text!r} ({value.source}): write 1 or 0")
    return choice


def check_optimize(value: Value) -> int:
    """COSMO_OPTIMIZE: how often Python is given `-O`."""
    if value.text not in ("", "0", "1", "2"):
        raise Stop(f"COSMO_OPTIMIZE={value.text!r} ({value.source}): write 0, 1 or 2")
    return int(value.text or 0)


def check_smoke(value: Value) -> tuple[str, ...] | None:
    """COSMO_SMOKE as a command's arguments; None: it is not tried."""
    return None if value.text is None else shell_words("COSMO_SMOKE", value)


def check_deps(value: Value, root: Path) -> str | None:
    """COSMO_DEPS: the path of a requirements file, `none`, or None for what `[project]` says."""
    if value.text is None or value.text == "none":
        return value.text
    path = placed(value, root)
    if not value.text or not path.is_file():
        raise Stop(
            f"COSMO_DEPS={value.text!r} ({value.source}): there is no file {path}; name a"
            " requirements file, or write none"
        )
    return str(path)


def check_out(value: Value, root: Path, build: Path) -> str | None:
    """COSMO_OUT, relative to the project's folder, where an executable may be put."""
    if value.text is None:
        return None
    path = Path(os.path.normpath(root / value.text))
    inside, folder = path.relative_to(build).parts if build in path.parents else (), path.parent
    if os.path.isabs(value.text) or root not in path.parents or ".." in Path(value.text).parts:
        wrong = "must lie inside the project and be relative to it"
    elif root != folder.resolve() and root not in folder.resolve().parents:
        wrong = f"leads out of the project, to {folder.resolve()}"
    elif value.text.endswith("/") or path.is_dir():
        wrong = "is a folder; name a file in it"
    elif inside and (len(inside) > 1 or is_taken(inside[0])):
        wrong = "is a name that the build folder needs itself"
    elif path.is_symlink() or (path.exists() and not is_executable(path)):
        wrong = "is there, and no executable that a build made; move it away, or name another"
    else:
        return str(path.relative_to(root))
    raise Stop(f"COSMO_OUT={value.text!r} ({value.source}) {wrong}")


def is_taken(name: str) -> bool:
    """Whether the build folder needs a file's name for its own files."""
    reserved = name.lower() in ("python", "zip", "lib", "download")
    return reserved or name.startswith(".") or name.endswith((".zip", ".part"))


def is_executable(path: Path) -> bool:
    """Whether `path` begins as an Actually Portable Executable. Source: `ape/ape.S`."""
    with path.open("rb") as file:
        return file.read(6) in (b"MZqFpD", b"jartsr")


def check_build(folder: Path, results: tuple[Path, ...]) -> None:
    """See that what is written there cannot lead out of it, and that nothing is in its way."""
    names = (
        ".args",
        ".cache",
        ".deps",
        ".list",
        ".lock",
        ".smoke",
        ".zip",
        "lock.part",
        "python.part",
        "zip.part",
        "download",
    )
    written = [folder / name for name in names]
    for path in (*written, *written[-1].rglob("*"), *folder.glob(".ape*")):
        if path.is_symlink():
            raise Stop(f"{path} is a symbolic link, and a build would write through it; remove it")
    for path in (*results, folder / "python", folder / "zip"):
        if path.is_dir():
            raise Stop(f"{path} is a folder, and the place of a file to be made; move it away")


def shell_words(name: str, value: Value) -> tuple[str, ...]:
    """A setting's value parted as a shell parts words."""
    try:
        return tuple(shlex.split(value.text or ""))
    except ValueError as error:
        raise Stop(f"{name}={value.text!r} ({value.source}): {error}; correct it") from error


# recipes/entry.py -------------------------------------------------------------
# What starts: the lines of `.args`, for each executable that is made.

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


# recipes/epoch.py -------------------------------------------------------------
# The time that is told of what goes in: the same on each day and machine.

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


# recipes/known.py -------------------------------------------------------------
# Every setting there is: its name, its default and what it means.


class Known(NamedTuple):
    """A setting that there is: its name, default (None: there is none) and meaning."""

    name: str
    default: str | None
    meaning: str


KNOWN = (
    Known(
        "PKG",
        None,
        "the package or module to run: a Python identifier, or several joined by dots; without it,"
        " the name of `[project]`, or what its scripts are imported from",
    ),
    Known(
        "DIR_SITE",
        "dist/cosmo/Lib/site-packages",
        "the folder, inside the project, that the program is gathered and compiled in; it ends in"
        " `Lib/site-packages`, and what is above that is the build folder",
    ),
    Known(
        "COSMO_URL",
        "https://cosmo.zip/pub/cosmos/bin/python",
        "the interpreter: an https, http or file URL, or a path; or several URLs, parted by spaces,"
        " of which the first that answers with what is locked is used",
    ),
    Known(
        "COSMO_SHA256",
        None,
        "the sha256 that the interpreter's file must have, where there is no `cosmo.lock`",
    ),
    Known(
        "COSMO_OFFLINE",
        "0",
        "1 takes what is in the user's cache and asks no server for anything",
    ),
    Known(
        "COSMO_ZIP_URL",
        "https://cosmo.zip/pub/cosmos/bin/zip",
        "the `zip` to fetch where none is on PATH; given like COSMO_URL",
    ),
    Known(
        "COSMO_SRC",
        None,
        "the folder that PKG is in; without it, `src`, else the project's own folder",
    ),
    Known(
        "COSMO_DEPS",
        None,
        "a requirements file to install, in place of `[project]` dependencies; `none`: neither"
        " dependencies nor metadata",
    ),
    Known(
        "COSMO_ENTRY",
        None,
        "what starts: `module:function`, or the name of a `[project.scripts]` entry; `*` makes an"
        " executable for each of these; without it, `-m PKG` if it has a `__main__`, else the one"
        " script",
    ),
    Known(
        "COSMO_EXCLUDE",
        "",
        "what of the program and its dependencies to leave out: patterns for paths below"
        " `site-packages`, as shell words; `*` stands for any text, `/` too",
    ),
    Known(
        "COSMO_KEEP",
        "",
        "`.py` files that are data, a template's for example: patterns like COSMO_EXCLUDE's;"
        " what they name is neither compiled nor removed",
    ),
    Known(
        "COSMO_SOURCE",
        "0",
        "1 ships the `.py` files too, so that tracebacks show lines and `inspect.getsource` works",
    ),
    Known(
        "COSMO_OPTIMIZE",
        "0",
        "1 compiles like `python -O` (no `assert`), 2 like `-OO` (no docstrings either)",
    ),
    Known(
        "COSMO_PRUNE",
        "Lib/site-packages/pip* usr/*",
        "which of the interpreter's own files to leave out: `zip`'s patterns, as shell words;"
        " empty: none. Your program's files are never pruned",
    ),
    Known(
        "COSMO_ISOLATED",
        "0",
        "1 puts `-I` first in `.args`: neither the current directory nor PYTHON* variables can"
        " change what runs",
    ),
    Known(
        "COSMO_ARGS",
        None,
        "the lines of `.args`, as shell words, in place of the usual ones; end with `...`,"
        " which stands for the command line's arguments",
    ),
    Known(
        "COSMO_SMOKE",
        None,
        "arguments to try the new executable with, as shell words, `--version` for example, in an"
        " empty directory and environment; it replaces the old one only if it ends with status 0",
    ),
    Known(
        "COSMO_OUT",
        None,
        "the path of the executable, inside the project, `dist/tool.com` for example; without it,"
        " PKG in the build folder",
    ),
    Known(
        "COSMO_SCRIPT",
        None,
        "a script to package in place of a project, with the metadata in its comments (PEP 723);"
        " `invoke cosmo.script FILE` sets it",
    ),
    Known(
        "COSMO_PROJECT",
        None,
        "the folder of the project to package; without it, the one that holds `pyproject.toml`, at"
        " or above the current one; else the current one, if PKG is in it, or the one that holds"
        " `setup.py`, `setup.cfg` or `tasks.py`",
    ),
)


# recipes/project.py -----------------------------------------------------------
# The project's folder, and the tables of its `pyproject.toml` that hold settings.

SCRIPT_BLOCK = r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$"
"""Metadata in a script's comments. Source: PEP 723, its reference implementation."""


class Project(NamedTuple):
    """A folder, what named it, what its `pyproject.toml` sets, most telling table first, and holds.

    For a script, `data` is what its metadata would be in a `pyproject.toml`.
    """

    root: Path
    source: str
    tables: tuple[Table, ...]
    data: dict[str, Any]
    script: Path | None = None

    @property
    def file(self) -> Path:
        """The file that `data` was read from, for an error message."""
        return self.script or self.root / "pyproject.toml"


def find_project(environ: Mapping[str, str], here: Path) -> Project:
    """The project to package: COSMO_SCRIPT or COSMO_PROJECT, else that at or above `here`.

    The nearest `pyproject.toml` counts, which may itself send on with one of these, once. Without
    any, it is `here`, if PKG is there, else where the nearest `setup.py`, `setup.cfg` or `tasks.py`
    lies. Raises `Stop` for what is not there and a file that is no TOML.
    """
    for name, become in (("COSMO_SCRIPT", scripted_project), ("COSMO_PROJECT", named_project)):
        if name in environ:
            return become(here, environ[name], "environment")
    root = project_root(here, environ.get("PKG", "").partition(".")[0])
    found = named_project(root, ".", "default")
    for source, names in found.tables:
        for name, become in (("COSMO_SCRIPT", scripted_project), ("COSMO_PROJECT", named_project)):
            if name in names:
                beside = [other for other in names if is_setting(other) and other != name]
                if beside:
                    told = f"{beside[0]} beside {name} is not read"
                    raise Stop(f"{found.file}: {told}; write it there where {name} leads")
                value = Layers(Table("environment", environ), *found.tables).expanded(name)
                return become(root, value.text or "", source)
    return found


def project_root(here: Path, top: str) -> Path:
    """Where the project begins that `here` is in; `top` is the package in the environment."""

    def nearest(*marks: str) -> Path | None:
        above = (here, *here.parents)
        return next((each for each in above if any((each / it).is_file() for it in marks)), None)

    if top and any((here / name).exists() for name in (top, f"{top}.py", f"src/{top}")):
        return nearest("pyproject.toml") or here
    return nearest("pyproject.toml") or nearest("setup.py", "setup.cfg", "tasks.py") or here


def named_project(base: Path, folder: str, source: str) -> Project:
    """The project in `folder`, which is relative to `base`."""
    root = base / Path(folder).expanduser()
    if not folder or not root.is_dir():
        raise Stop(
            f"COSMO_PROJECT={folder!r} ({source}): no such folder: {root}; name a project's folder"
        )
    root = root.resolve()
    path = root / "pyproject.toml"
    try:
        data = parse_toml(path, path.read_bytes())
    except FileNotFoundError:
        return Project(root, source, (), {})
    except OSError as error:
        raise Stop(f"{path} cannot be read: {error.strerror}; see to its mode") from error
    tables = [*settings_tables(path, "", data), texts_at(path, ARTICLES, data, *ARTICLES_KEYS)]
    for keys in (("project",), ("tool", "poetry")):
        name = table_at(path, data, *keys).get("name")
        if isinstance(name, str):
            source_of_name = f"[{'.'.join(keys)}] name"
            tables.append(pkg_table(source_of_name, name))
    return Project(root, source, tuple(tables), data)


def scripted_project(base: Path, file: str, source: str) -> Project:
    """The script at `file`, relative to `base`, as a project in the script's folder."""
    path = base / Path(file).expanduser()
    if not path.is_file() or path.suffix != ".py":
        wrong = "is no name of a Python file" if path.is_file() else "is no such file"
        raise Stop(f"COSMO_SCRIPT={file!r} ({source}): {path} {wrong}; name a script, *.py")
    path = path.resolve()
    try:
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
        blocks = [match["content"] for match in re.finditer(SCRIPT_BLOCK, text)]
    except (OSError, ValueError) as error:
        raise Stop(f"{path} cannot be read: {error}; see to the file") from error
    if not blocks and re.search("(?m)^# /// script$", text):
        raise Stop(f"{path} has a `# /// script` block without an end; end it with `# ///`")
    if len(blocks) > 1:
        raise Stop(f"{path} has several `# /// script` blocks, where one may be; join them")
    lines = [
        line[2:] if line.startswith("# ") else line[1:] for line in "".join(blocks).split("\n")
    ]
    data = parse_toml(f"the `# /// script` block of {path}", "\n".join(lines).encode())
    project = {key: data[key] for key in ("dependencies", "requires-python") if key in data}
    tables = (
        *settings_tables(path, " of the script", data),
        pkg_table("the script's name", path.stem),
    )
    return Project(path.parent, source, tables, {"project": project}, path)


def pkg_table(source: str, name: str) -> Table:
    """PKG where it follows from a name, in which `-` and `.` stand for `_`."""
    return Table(source, {"PKG": re.sub(r"[-.]", "_", name)})


ARTICLES_KEYS = ("tool", "ds", "scripts", "_", "env")
ARTICLES = "[tool.ds.scripts] _.env"


def settings_tables(path: Path, whose: str, data: dict[str, Any]) -> tuple[Table]:
    """Our own table of settings; `Stop` for keys beside it, which nobody would read."""
    stray = [key for key in table_at(path, data, "tool", "cosmo") if key != "env"]
    if stray:
        raise Stop(f"{path}: tool.cosmo.{stray[0]} is not read; write it under [tool.cosmo.env]")
    return (texts_at(path, f"[tool.cosmo.env]{whose}", data, "tool", "cosmo", "env"),)


def parse_toml(path: Path | str, content: bytes) -> dict[str, Any]:
    """What the TOML of `path` holds; `Stop` where it is none."""
    text = ""
    try:
        text = content.decode()
        return tomllib.loads(text)
    except ValueError as error:
        end = f"at line {len(text.splitlines())}, the end"
        why = str(error).replace("at end of document", end)
        raise Stop(f"{path} is not valid TOML: {why}; correct it there") from error


def table_at(path: Path, data: dict[str, Any], *keys: str) -> dict[str, Any]:
    """The table at `keys`, empty where there is none; `Stop` for a value that is no table."""
    for place, key in enumerate(keys, 1):
        data = data.get(key, {})
        if not isinstance(data, dict):
            name = ".".join(keys[:place])
            raise Stop(
                f"{path}: {name} is {toml_kind(data)}, and must be a table; correct it there"
            )
    return data


def texts_at(path: Path, source: str, data: dict[str, Any], *keys: str) -> Table:
    """The table at `keys` as environment variables: strings; numbers and booleans are spelt out.

    What else it holds is left out, but for a setting, which must be one of these.
    """
    found: dict[str, str] = {}
    for name, value in table_at(path, data, *keys).items():
        if isinstance(value, (str, int, float)):
            found[name] = str(int(value) if isinstance(value, bool) else value)
        elif is_setting(name):
            where = ".".join((*keys, name))
            raise Stop(
                f"{path}: {where} is {toml_kind(value)}, and must be a string; correct it there"
            )
    return Table(source, found)


def is_setting(name: str) -> bool:
    """Whether `name` is, or looks like, one of ours."""
    return name in ("PKG", "DIR_SITE") or name.startswith("COSMO_")


def toml_kind(value: object) -> str:
    """What TOML calls the type of `value`, with its article."""
    names = {dict: "table", list: "array", str: "string", int: "integer", bool: "boolean"}
    name = names.get(type(value), type(value).__name__)
    return f"an {name}" if name[0] in "aio" else f"a {name}"


# recipes/lock.py --------------------------------------------------------------
# `cosmo.lock`: which interpreter, and which dependencies, a build takes, or stops.

LOCK_HEAD = """\
# What `invoke cosmo` builds from; `invoke cosmo.lock` wrote it, and writes it anew. Commit it.
"""


PACKAGE = r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+_-]+( --hash=sha256:[0-9a-f]{64})+"
"""A package as it is locked. Source: pip's documentation, "requirements file format"."""


@dataclass(frozen=True)
class Lock:
    """What is locked: the interpreter, and the dependencies where there are any.

    `url`, `size` in bytes, `sha256` and `last_modified`, in UTC and empty where no server told it,
    are those of the interpreter's file, and `version` is its Python's. `asked` is what the packages
    were resolved for; a package is a line of a requirements file, with its hashes.
    """

    url: str
    size: int
    sha256: str
    version: str
    last_modified: str
    asked: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()

    def text(self) -> str:
        """The file's text."""
        python = {
            "url": self.url,
            "size": self.size,
            "sha256": self.sha256,
            "version": self.version,
            "last-modified": self.last_modified,
        }
        text = f"{LOCK_HEAD}\n[python]\n"
        for key, value in python.items():
            text += f"{key} = {json.dumps(value)}\n"
        text, end = f"{text}\n[dependencies]\n", "\n"
        for key, values in (("asked", self.asked), ("packages", self.packages)):
            text += f"{key} = [\n{''.join(f'    {json.dumps(each)},{end}' for each in values)}]\n"
        return text


def lock_file(root: Path, script: Path | None) -> Path:
    """Where the lock lies: beside `pyproject.toml`, or a script's beside it, under its name."""
    return root / ("cosmo.lock" if script is None else f"{script.stem}.cosmo.lock")


def read_lock(path: Path) -> Lock | None:
    """The lock at `path`; None where there is none, and `Stop` where it cannot be one."""
    if not path.is_file():
        return None
    data = parse_toml(path, path.read_bytes())
    python = table_at(path, data, "python")
    dependencies = table_at(path, data, "dependencies")
    return Lock(
        url=value_at(path, python, "url", r"\S(.*\S)?"),
        size=int(value_at(path, python, "size", r"\d+")),
        sha256=value_at(path, python, "sha256", "[0-9a-f]{64}"),
        version=value_at(path, python, "version", r"\d+\.\d[0-9a-z.+]*"),
        last_modified=value_at(path, python, "last-modified", r"[-0-9TZ:]*"),
        asked=lines_at(path, dependencies, "asked", ".*"),
        packages=lines_at(path, dependencies, "packages", PACKAGE),
    )


def value_at(path: Path, table: dict[str, Any], key: str, form: str) -> str:
    """The value at `key` as text, where it has the form that it must."""
    text = str(table.get(key, ""))
    if not re.fullmatch(form, text):
        raise Stop(f"{path}: {key} cannot be {text!r}; write it anew with `invoke cosmo.lock`")
    return text


def lines_at(path: Path, table: dict[str, Any], key: str, form: str) -> tuple[str, ...]:
    """The array of lines at `key`, each of which has the form that it must."""
    found = table.get(key, [])
    for each in found if isinstance(found, list) else [found]:
        if not isinstance(each, str) or not each.isprintable() or not re.fullmatch(form, each):
            then = "write it anew with `invoke cosmo.lock`"
            raise Stop(f"{path}: {key} cannot hold {each!r}; {then}")
    return tuple(found)


# recipes/program.py -----------------------------------------------------------
# The program, as `[project]` tells of it, and its metadata.

TOLD_BY_BACKEND = {"version", "dependencies", "scripts", "gui-scripts", "entry-points"}


@dataclass(frozen=True)
class Program:
    """What `[project]` says of a program; `built` if only its build backend can tell all of it.

    `name` and `version` are empty where they are not told, and the groups of `entry_points` are
    those of the `entry_points.txt` of its metadata.
    """

    name: str = ""
    version: str = ""
    summary: str = ""
    requires_python: str = ""
    dependencies: tuple[str, ...] = ()
    entry_points: dict[str, dict[str, str]] = field(default_factory=dict)
    built: bool = False

    @property
    def scripts(self) -> dict[str, str]:
        """The commands that it installs, and the `module:function` that each one calls."""
        return self.entry_points.get("console_scripts", {})

    @property
    def dist_info(self) -> str:
        """The folder of its metadata; empty where it has no name or no version."""
        name = re.sub(r"[-_.]+", "_", self.name).lower()
        return f"{name}-{self.version}.dist-info" if self.name and self.version else ""

    def metadata(self) -> list[str]:
        """The lines of `METADATA`. Source: the core metadata specification, version 2.1."""
        lines = ["Metadata-Version: 2.1", f"Name: {self.name}", f"Version: {self.version}"]
        lines += [f"Summary: {self.summary}"] if self.summary else []
        lines += [f"Requires-Python: {self.requires_python}"] if self.requires_python else []
        return lines + [f"Requires-Dist: {each}" for each in self.dependencies]

    def entry_points_txt(self) -> list[str]:
        """The lines of `entry_points.txt`. Source: the entry points specification."""
        return [
            line
            for group, entries in self.entry_points.items()
            for line in (f"[{group}]", *(f"{name} = {it}" for name, it in entries.items()))
        ]


def read_program(project: Project) -> Program:
    """What `project` says; `Stop` for a value of the wrong type or form."""
    path, data = project.file, project.data
    told = table_at(path, data, "project")
    if not told and not project.script:
        poetry = table_at(path, data, "tool", "poetry", "scripts")
        scripts = {name: value for name, value in poetry.items() if isinstance(value, str)}
        built = "build-system" in data or (project.root / "setup.py").is_file()
        return Program(entry_points={"console_scripts": scripts}, built=built)
    groups = {
        "console_scripts": strings_at(path, data, "project", "scripts"),
        "gui_scripts": strings_at(path, data, "project", "gui-scripts"),
    }
    for group in table_at(path, data, "project", "entry-points"):
        groups[group] = strings_at(path, data, "project", "entry-points", group)
    return Program(
        name=string_at(path, told, "name", r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"),
        version=string_at(path, told, "version", r"[A-Za-z0-9.!+_-]+"),
        summary=string_at(path, told, "description", r"[^\n\r]*"),
        requires_python=string_at(path, told, "requires-python", r"[^\n\r]*"),
        dependencies=array_at(path, told, "dependencies"),
        entry_points={group: entries for group, entries in groups.items() if entries},
        built=bool(TOLD_BY_BACKEND & set(array_at(path, told, "dynamic"))),
    )


def string_at(path: Path, told: dict[str, Any], key: str, form: str) -> str:
    """The string at `key`, empty where there is none."""
    value = told.get(key, "")
    if not isinstance(value, str):
        raise Stop(
            f"{path}: project.{key} is {toml_kind(value)}, and must be a string; correct it there"
        )
    if value and not re.fullmatch(form, value):
        raise Stop(f"{path}: project.{key} cannot be {value!r}; correct it there")
    return value


def array_at(path: Path, told: dict[str, Any], key: str) -> tuple[str, ...]:
    """The strings at `key`, each of them one line."""
    value = told.get(key, [])
    if not isinstance(value, list):
        raise Stop(
            f"{path}: project.{key} is {toml_kind(value)}, and must be an array; correct it there"
        )
    for each in value:
        if not isinstance(each, str) or not each[:1].isalnum() or not each.isprintable():
            raise Stop(f"{path}: project.{key} cannot hold {each!r}; correct it there")
    return tuple(value)


def strings_at(path: Path, data: dict[str, Any], *keys: str) -> dict[str, str]:
    """The table at `keys`, which holds strings of one line only."""
    found = table_at(path, data, *keys)
    for name, value in found.items():
        if not isinstance(value, str) or not (name + value).isprintable():
            raise Stop(
                f"{path}: {'.'.join((*keys, name))} cannot be {value!r}; write `module:function`"
            )
    return found


# recipes/source.py ------------------------------------------------------------
# The program's source: the layouts it may have, and whether it can be run and packed.


def find_source(root: Path, src: Value, pkg: Value, script: Path | None) -> Path:
    """The package folder or the module that is PKG, or the top of it; `Stop` where there is none.

    It is the script itself, else what lies in COSMO_SRC, else in `src` or in the project's folder.
    """
    if script is not None:
        return script
    if src.text is not None:
        folder = root / src.text
        if not src.text or not folder.is_dir() or not is_inside(root, folder):
            raise Stop(
                f"COSMO_SRC={src.text!r} ({src.source}): no such folder in the project; name the"
                " one that PKG is in"
            )
    top = (pkg.text or "").partition(".")[0]
    folders = [root / "src", root] if src.text is None else [root / src.text]
    for path in (path for folder in folders for path in (folder / top, folder / f"{top}.py")):
        if path.is_file() if path.suffix else path.is_dir():
            return path
    looked = " nor ".join(str(folder / top) for folder in folders)
    raise Stop(
        f"PKG={pkg.text} ({pkg.source}): there is neither {looked}, nor such a .py; correct PKG, or"
        " name the folder it is in with COSMO_SRC"
    )


def modules_beside(source: Path, root: Path, script: Path | None) -> list[Path]:
    """What else an installation brings, of a folder that holds packages alone, as `src` does."""
    folder = source.parent
    if script is not None or folder == root:
        return []
    return [
        path
        for path in sorted(folder.iterdir())
        if path != source and path.stem.isidentifier() and not path.is_symlink()
        if path.suffix == ".py" or (path.is_dir() and any(path.rglob("*.py")))
    ]


def is_inside(root: Path, folder: Path) -> bool:
    """Whether `folder` is `root` or in it, as it is written and as links lead."""
    written, real = Path(os.path.normpath(folder)), folder.resolve()
    return all(root in (each, *each.parents) for each in (written, real))


def has_main(
    source: Path, pkg: str, scripts: Mapping[str, str], exclude: tuple[str, ...] = ()
) -> bool:
    """Whether `python -m PKG` starts it: a module that has scripts must itself say so.

    What is left out starts nothing.
    """
    module = source.joinpath(*pkg.split(".")[1:])
    mains = [module / "__main__.py", module / "__main__.pyc"]
    if any(main.is_file() and not is_left_out(source, main, exclude) for main in mains):
        return True
    file = source if source.is_file() else module.with_name(f"{module.name}.py")
    if (module == source and not source.is_file()) or is_left_out(source, file, exclude):
        return False
    return file.is_file() and (not scripts or b"__main__" in file.read_bytes())


def check_source(source: Path, build: Path, exclude: tuple[str, ...]) -> None:
    """See that a source can be packed, but for what is left out."""
    if source.is_dir() and source.resolve() in (build.resolve(), *build.resolve().parents):
        raise Stop(
            f"DIR_SITE lies among the sources, in {source}; dist/cosmo/Lib/site-packages is usual"
        )
    for path in source.rglob("*"):
        if re.search(r"[\n\r]", path.name):
            raise Stop(f"{str(path)!r}: a packed file's name cannot hold a newline; rename it")
        if path.is_symlink() and not path.exists():
            told = "an editor's lock: close" if path.name.startswith(".#") else "a link: mend"
            raise Stop(f"{path} is {told} or remove it, for it leads to no file")
        if re.search(r"\.(so|pyd|dylib)$", path.name) and not is_left_out(source, path, exclude):
            raise Stop(
                f"{path} cannot run in the executable, as no compiled module can; if the program"
                " can do without, name it in COSMO_EXCLUDE"
            )


def is_left_out(source: Path, path: Path, exclude: tuple[str, ...]) -> bool:
    """Whether COSMO_EXCLUDE names a file of the source, or a folder that it is in."""
    inside = path.relative_to(source.parent)
    names = [str(each) for each in (inside, *inside.parents)]
    return any(fnmatchcase(name, pattern) for name in names for pattern in exclude)


# recipes/settings.py ----------------------------------------------------------
# What to package: every setting, checked, and what the project says, made into one `Settings`.
#
# A setting is looked for in the environment, in `[tool.cosmo.env]` of `pyproject.toml`, in the
# article's `[tool.ds.scripts]` table and in `[project]`; a default comes last.


class Executable(NamedTuple):
    """One result: what it starts as a file name, its path, its `.args`, and what these call."""

    name: str
    path: str
    args: tuple[str, ...]
    entry: str


@dataclass(frozen=True)
class Settings:
    """What a build needs to know, checked. Paths are relative to the current directory.

    `urls` and `zip_urls` are URLs for wget, or the path of a file to copy; `sha256` is what the
    interpreter must have, empty where it may be any. `cache` is the folder of the user's, and
    `epoch` the time, in seconds, of what goes in. `deps` is a requirements file, `none`, or None
    for what `program` says. `source` is the package or the module that goes in, and `beside` is
    what else lies in a folder of packages. `smoke` are arguments, None where nothing is tried.
    """

    pkg: str
    root: str
    dir_site: str
    source: str
    beside: tuple[str, ...]
    program: Program
    urls: tuple[str, ...]
    zip_urls: tuple[str, ...]
    sha256: str
    lock_file: str
    lock: Lock | None
    offline: bool
    cache: str
    epoch: int
    deps: str | None
    executables: tuple[Executable, ...]
    exclude: tuple[str, ...]
    keep: tuple[str, ...]
    ships_source: bool
    optimize: int
    prune: tuple[str, ...]
    smoke: tuple[str, ...] | None

    @property
    def top(self) -> str:
        """The name of the program's top-level package or module in DIR_SITE."""
        return self.pkg.partition(".")[0] + (".py" if self.source.endswith(".py") else "")

    @property
    def site(self) -> str:
        """The article's `$DIR_SITE`."""
        return os.path.normpath(os.path.join(self.root, self.dir_site))

    @property
    def build(self) -> str:
        """The article's `dist/cosmo`: whatever a build writes lies in it."""
        return os.path.dirname(os.path.dirname(self.site))


class Found(NamedTuple):
    """A project, and each setting's value as it was found, with `$NAME` expanded."""

    project: Project
    values: dict[str, Value]


def load_settings(locked: bool = True) -> Settings:
    """The settings for the current directory and environment; `Stop` where one of them is wrong.

    Without `locked`, they are those of a project that has no lock.
    """
    with one_line("the settings cannot be read"):
        found, values = read_settings(os.environ, Path.cwd())
        root, told = found.root, read_program(found)
        pkg = check_pkg(values["PKG"], root)
        dir_site = check_dir_site(values["DIR_SITE"], root)
        place = find_source(root, values["COSMO_SRC"], values["PKG"], found.script)
        build = (root / dir_site).parent.parent
        exclude = check_patterns("COSMO_EXCLUDE", values["COSMO_EXCLUDE"])
        beside = modules_beside(place, root, found.script) if told.dist_info else []
        for each in (place, *beside):
            check_source(each, build, exclude)
        main = has_main(place, pkg, told.scripts, exclude)
        executables = find_executables(values, told, root, build, main)
        here = os.path.relpath(root)
        file = lock_file(root, found.script)
        lock = read_lock(file) if locked else None
        settings = Settings(
            pkg=pkg,
            root=here,
            dir_site=dir_site,
            source=os.path.relpath(place),
            beside=tuple(map(os.path.relpath, beside)),
            program=told,
            urls=check_urls("COSMO_URL", values["COSMO_URL"], root),
            zip_urls=check_urls("COSMO_ZIP_URL", values["COSMO_ZIP_URL"], root),
            sha256=locked_sha256(values["COSMO_SHA256"], lock),
            lock_file=os.path.relpath(file),
            lock=lock,
            offline=check_switch("COSMO_OFFLINE", values["COSMO_OFFLINE"]),
            cache=cache_folder(os.environ),
            epoch=source_date(os.environ, root),
            deps=check_deps(values["COSMO_DEPS"], root),
            executables=executables,
            exclude=exclude,
            keep=check_patterns("COSMO_KEEP", values["COSMO_KEEP"]),
            ships_source=check_switch("COSMO_SOURCE", values["COSMO_SOURCE"]),
            optimize=check_optimize(values["COSMO_OPTIMIZE"]),
            prune=check_prune(values["COSMO_PRUNE"]),
            smoke=check_smoke(values["COSMO_SMOKE"]),
        )
        check_build(Path(settings.build), tuple(Path(each.path) for each in executables))
    return settings


def locked_sha256(given: Value, lock: Lock | None) -> str:
    """What the interpreter's sha256 must be: COSMO_SHA256, or what is locked; these must agree."""
    sha256 = check_sha256(given)
    if lock and sha256 not in ("", lock.sha256):
        told = f"{sha256} ({given.source}) is not what is locked, {lock.sha256}"
        raise Stop(f"COSMO_SHA256={told}; remove one of them")
    return lock.sha256 if lock else sha256


def imported_pkg(values: Mapping[str, Value], told: Program, found: Project) -> Value:
    """PKG where the project's name is no package's: the one that what starts is imported from."""
    if values["PKG"].text is not None:
        with suppress(Stop):
            find_source(found.root, values["COSMO_SRC"], values["PKG"], found.script)
            return values["PKG"]
    given = values["COSMO_ENTRY"]
    everything = Value("*" if told.scripts else None, "[project.scripts]")
    start = given if given.text is not None else everything
    targets = find_entries(start, told.scripts, "", True).values()
    tops = {target.partition(":")[0].partition(".")[0] for target in targets} - {""}
    if len(tops) == 1:
        return Value(tops.pop(), "COSMO_ENTRY" if start is given else start.source)
    return values["PKG"]


def find_executables(
    values: Mapping[str, Value], told: Program, root: Path, build: Path, main: bool
) -> tuple[Executable, ...]:
    """The executables to make: one, but for `COSMO_ENTRY=*`."""
    own, start, pkg = values["COSMO_ARGS"], values["COSMO_ENTRY"], values["PKG"].text or ""
    out = check_out(values["COSMO_OUT"], root, build)
    isolated = check_switch("COSMO_ISOLATED", values["COSMO_ISOLATED"])
    ships = check_switch("COSMO_SOURCE", values["COSMO_SOURCE"])
    optimized = check_optimize(values["COSMO_OPTIMIZE"]) if ships else 0
    if own.text is not None and start.text is not None:
        raise Stop("COSMO_ARGS and COSMO_ENTRY both say what starts; set one of them")
    found = {pkg: ""} if own.text is not None else find_entries(start, told.scripts, pkg, main)
    if out is not None and len(found) > 1:
        raise Stop(f"COSMO_OUT={out} cannot name {len(found)} executables; set it for one entry")
    folder = os.path.relpath(build)
    return tuple(
        Executable(
            name,
            os.path.relpath(root / out) if out is not None else os.path.join(folder, name),
            args_lines(own, isolated, optimized, pkg, call),
            call,
        )
        for name, call in found.items()
    )


def read_settings(environ: Mapping[str, str], here: Path) -> Found:
    """The project, and each setting's value.

    Raises `Stop` for a `pyproject.toml` that cannot be read, a setting in it that there is not, and
    a `$NAME` that is not set.
    """
    found = find_project(environ, here)
    for name in found.tables[0].names if found.tables else ():  # those of [tool.cosmo.env]
        if name.startswith("COSMO_") and name not in [known.name for known in KNOWN]:
            told = "is no setting; `invoke cosmo.settings` lists them"
            raise Stop(f"{found.file}: {found.tables[0].source} {name} {told}")
    defaults = {known.name: known.default for known in KNOWN if known.default is not None}
    layers = Layers(Table("environment", environ), *found.tables, Table("default", defaults))
    names = [known.name for known in KNOWN if known.name != "COSMO_PROJECT"]
    values = {name: layers.expanded(name) for name in names}
    if values["PKG"].source in ("not set", "[project] name", "[tool.poetry] name"):
        values["PKG"] = imported_pkg(values, read_program(found), found)
    return Found(found, {**values, "COSMO_PROJECT": Value(str(found.root), found.source)})


# recipes/shell.py -------------------------------------------------------------
# One line for the shell: its values quoted, its echo plain, its failure one line for a person.

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


# recipes/download.py ----------------------------------------------------------
# A download: wget, in a folder of its own, beside what the same address gave before.

WGET = (
    "LC_ALL=C wget -N --no-if-modified-since --no-config --no-hsts --tries=3 --waitretry=1"
    " --timeout=30 --progress=dot:mega"
)
"""The article's `wget -N`. With `--no-if-modified-since` it also compares sizes; `--no-config` and
`--no-hsts` keep it from writing where a `.wgetrc` says, and to the home folder. It verifies TLS."""

LONGEST_DOWNLOAD = 2**20
"""Of how many blocks a download may be; one has 512 bytes, or 1024 where the shell is bash."""


def download(c: Context, s: Settings, setting: str, url: str, force: bool) -> None:
    """Download `url` to `download`, or, offline, take what it gave before.

    Nothing else is in that folder, so that it does not matter what wget calls the file.
    """
    old = f"{shlex.quote(s.cache)}/{place('url', url)}"
    take = f'! {is_whole(s.cache)} || cp -L "$file" download || exit'
    seed = f'for file in {old}/*; do [ ! -f "$file" ] || [ ! -e {old}.time ] || {take}; done'
    seed = f"{seed} && {{ [ ! -e {old}.time ] || touch -c -r {old}.time download/*; }}"
    line = f"rm -rf download && mkdir download{'' if force else f' && {seed}'}"
    sh(c, line, f"{s.build}/download cannot be written", at=s.build)
    if s.offline:
        failed, then = f"{url} is not in the cache", "go online once, without COSMO_OFFLINE"
        sh(c, "ls download | grep -q .", failed, at=s.build, why=lambda _: "and offline", then=then)
        return
    then = f"see to the network, correct {setting}, or try `invoke cosmo.fetch --force`"
    if setting == "COSMO_ZIP_URL":
        then = f"install zip (apt install zip), or {then}"
    if not shutil.which("wget"):
        then = "install wget (apt install wget, brew install wget)"
    blocks = s.lock.size // 512 + 1 if s.lock and setting == "COSMO_URL" else LONGEST_DOWNLOAD
    limit, failed = f"ulimit -f {blocks} 2>/dev/null", f"{url} cannot be downloaded"
    line = f"{{ {limit} || :; }} && {WGET} -P download {shlex.quote(url)}"
    with bar("fetch", None, "B") as shown:
        done = sh(c, line, failed, Download(shown), at=s.build, why=wget_reason, then=then)
    insecure = re.search(r"^Location: (?!https:)\w+:\S*", done.stderr, re.MULTILINE)
    if url.startswith("https:") and insecure:
        raise Stop(f"{failed}: it leads on without TLS, {insecure[0]}; correct {setting}")


def keep_download(c: Context, s: Settings, url: str) -> None:
    """Put what was downloaded into the cache, and remove it here."""
    kept = keep(s.cache, '"$file"', place("url", url), '"${file##*/}"')
    line = f"for file in download/*; do {kept}; done"
    sh(c, f"{line}; rm -rf download", f"{s.build}/download cannot be removed", at=s.build)


def wget_reason(result: Result) -> str:
    """What wget says went wrong; the last thing that it prints may be a line of dots."""
    if result.exited == 127:
        return "there is no wget on PATH"
    told = re.findall(
        r"ERROR(?: \d+)?: .*|failed: .*|unable to .*|Read error.*|Connection closed at.*"
        r"|Unable to .*|No space left.*|File too large|\d+ redirections.*"
        r"|\S*: Unsupported.*",
        result.stderr,
    )
    if result.exited in (153, -25) or "File too large" in told:
        return "it is longer than a download may be"
    return told[-1].rstrip(".") if told else f"wget ended with exit status {result.exited}"


# recipes/base.py --------------------------------------------------------------
# The interpreter, and the zip beside it: brought to the build folder, and seen to be whole.

ZIP = "TZ=UTC0 LC_ALL=C ZIPOPT= ZIP="
"""What zip's entries must not depend on: it writes local time and takes options from these."""


def zip_program() -> str:
    """The zip to call in the build folder: the one on PATH, else the one that was fetched."""
    return f"{ZIP} zip" if shutil.which("zip") else f"{ZIP} TMPDIR=. sh ./zip"


def bring_both(c: Context, s: Settings, force: bool) -> str:
    """Bring the interpreter, and `zip` if none is installed; the interpreter's address."""
    sh(c, f"mkdir -p {q(s.build)}", f"{s.build} cannot be made")
    if not shutil.which("zip"):
        bring(c, s, "COSMO_ZIP_URL", force)
    return bring(c, s, "COSMO_URL", force)


def bring(c: Context, s: Settings, setting: str, force: bool) -> str:
    """Bring what COSMO_URL or COSMO_ZIP_URL names into the build folder; the address it had.

    What is locked comes from the cache, if it is there, else from the first address that has it.
    """
    name, addresses = ("python", s.urls) if setting == "COSMO_URL" else ("zip", s.zip_urls)
    if name == "python" and s.lock and "://" in s.lock.url and s.lock.url not in addresses:
        addresses = (*addresses, s.lock.url)
    held = os.path.join(s.cache, "sha256", s.sha256 if name == "python" else "")
    if Path(held).is_file() and not force:
        addresses = (held, *addresses)
    *others, last = addresses
    found = next((each for each in others if gives(c, s, setting, each, force)), last)
    if found == last:
        bring_from(c, s, setting, last, force)
    line = f"chmod +x {name}.part && mv -f {name}.part {name}"
    sh(c, line, f"{name} cannot be put in place", at=s.build)
    return found


def gives(c: Context, s: Settings, setting: str, address: str, force: bool) -> bool:
    """Bring it from an address, behind which there is another one; whether that has it."""
    try:
        bring_from(c, s, setting, address, force)
    except Stop as error:
        tell(c, "fetch", f"{error.message}; trying the next"[len("cosmo: ") :])
        return False
    return True


def bring_from(c: Context, s: Settings, setting: str, address: str, force: bool) -> None:
    """Bring it from one address, as `python.part` or `zip.part`, and see that it is what it must.

    It must be an Actually Portable Executable; and the interpreter must be the one that is locked,
    and the zip at its end one that can be read and holds a library. Source for the first bytes:
    Cosmopolitan, `ape/ape.S`; the second form is that of older releases.
    """
    tell(c, "fetch", address)
    name = "zip" if setting == "COSMO_ZIP_URL" else "python"
    part, then, failed = f"{name}.part", f"correct {setting}", f"{address} cannot be copied"
    remote = "://" in address
    if remote:
        download(c, s, setting, address, force)
        sh(c, f"cp -p download/* {part}", failed, at=s.build, then=then)
    else:
        sh(c, f"cp {q(address)} {q(os.path.join(s.build, part))}", failed, then=then)
    if name == "python" and s.sha256:
        failed = f"{address} is not what is locked"
        new = f"{then}, or lock anew with `invoke cosmo.lock`"
        line = see_sha256(part, s.sha256)
        sh(c, line, failed, at=s.build, why=lambda told: other(told, s.sha256), then=new)
    line = f"head -c 6 {part} | grep -Eq '^(MZqFpD|jartsr)'"
    failed = f"{address} is no Actually Portable Executable"
    sh(c, line, failed, at=s.build, why=lambda _: "it begins otherwise", then=then)
    if name == "python":
        line = f"{zip_program()} -sf {part} | grep -q '^ *Lib/'"
        failed = f"{address} holds no Python"
        why = "no zip at its end that can be read and has a Lib/"
        sh(c, line, failed, at=s.build, why=lambda _: why, then=then)
    if remote:
        keep_download(c, s, address)


def other(told: Result, wanted: str) -> str:
    """What is wrong with a file's sha256."""
    found = re.match("[0-9a-f]{64}", told.stderr)
    return f"expected sha256 {wanted}, found {found[0]}" if found else last_line(told)


# recipes/excerpt.py -----------------------------------------------------------
# A script cut out of these recipes: a function and what it needs, to run in another Python.


def excerpt(function: Callable[..., object]) -> str:
    """The source of `function` and of all that it needs of ours, then its call with `sys.argv`.

    It has no annotations, which older Pythons cannot all read. Raises `NameError` for what is bound
    in a way that is not followed: by a statement below another one, but for an import.
    """
    imports = ["import sys"]
    parts: list[str] = []
    seen: set[tuple[str, str]] = set()

    def add(module: str, name: str) -> None:
        bound = bindings(module).get(name)
        if (module, name) in seen or (bound is None and hasattr(builtins, name)):
            return
        if bound is None:
            raise NameError(f"{module} does not bind {name} where an excerpt can find it")
        seen.add((module, name))
        if bound.module:
            add(bound.module, name)
            return
        text = bare(bound.text)
        for other in needed_names(symtable(text, name, "exec")):
            add(module, other)
        (imports if bound.imports else parts).append(text)

    add(function.__module__, function.__name__)
    call = f"{function.__name__}(*sys.argv[1:])"
    return "\n\n".join(["\n".join(dict.fromkeys(imports)), *parts, call])


class Binding(NamedTuple):
    """The statement that binds a name, or the module of ours that it comes from."""

    text: str
    imports: bool = False
    module: str = ""


@cache
def bindings(module: str) -> dict[str, Binding]:
    """What binds each name of a module; an import is of one name."""
    there = sys.modules[module]
    text = inspect.getsource(there)
    lines = text.split("\n")
    found: dict[str, Binding] = {}
    for node in top_level(ast.parse(text).body):
        first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
        statement = Binding("\n".join(lines[first - 1 : node.end_lineno]))
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found[node.name] = statement
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            names = (each for each in ast.walk(node) if isinstance(each, ast.Name))
            found.update({each.id: statement for each in names if isinstance(each.ctx, ast.Store)})
        elif isinstance(node, ast.Import):
            for each in node.names:
                name = each.asname or each.name.partition(".")[0]
                before = f"{found[name].text}\n" if name in found else ""
                found[name] = Binding(f"{before}import {ast.unparse(each)}", True)
        elif isinstance(node, ast.ImportFrom):
            ours = resolve_name(f"{'.' * node.level}{node.module}", there.__package__ or "")
            for each in node.names:
                line = f"from {node.module} import {ast.unparse(each)}"
                found[each.asname or each.name] = Binding(line, True, ours if node.level else "")
    return found


def top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module, and the imports below an `if` or `try`."""
    for node in body:
        yield node
        if isinstance(node, (ast.If, ast.Try)):
            yield from filter(is_import, top_level([*node.body, *node.orelse]))


def is_import(node: ast.stmt) -> bool:
    """Whether a statement is an import."""
    return isinstance(node, (ast.Import, ast.ImportFrom))


def needed_names(table: SymbolTable) -> Iterator[str]:
    """The names that a module must have, for a statement of its own to run."""
    for symbol in table.get_symbols():
        if symbol.is_global() or (table.get_type() == "module" and symbol.is_referenced()):
            yield symbol.get_name()
    for inner in table.get_children():
        yield from needed_names(inner)


def bare(text: str) -> str:
    """`text` without its annotations."""
    code = text.encode()
    starts = [0, *accumulate(map(len, code.splitlines(keepends=True)))]

    def end(node: ast.expr) -> int:
        return starts[(node.end_lineno or 1) - 1] + (node.end_col_offset or 0)

    spans = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.arg) and node.annotation:
            name = starts[node.lineno - 1] + node.col_offset + len(node.arg.encode())
            spans.append((name, end(node.annotation)))
        elif isinstance(node, ast.AnnAssign):
            if node.value is None:
                raise NameError(f"{ast.unparse(node)} has no value, and binds nothing")
            spans.append((end(node.target), end(node.annotation)))
        elif isinstance(node, ast.FunctionDef) and node.returns:
            begin = starts[node.returns.lineno - 1] + node.returns.col_offset
            spans.append((code.rindex(b")", 0, begin) + 1, end(node.returns)))
    for begin, stop in sorted(spans, reverse=True):
        code = code[:begin] + code[stop:]
    return code.decode()


# recipes/starts.py ------------------------------------------------------------
# Runs in the fetched interpreter, in `Lib`: sees that what is to be started is there.
#
#     python starts.py package module:function ...
#
# The package must be no module of the interpreter's own. This imports no more than the packages that
# the modules are in. Only the standard library of Python 3.6 is used: older interpreters are fetched
# too.


def bound_names(tree: ast.AST) -> set[str]:
    """The names that a module binds, `*` where it imports all of another."""
    names: set[str] = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        if isinstance(node, ast.alias):
            names.add(node.asname or node.name.partition(".")[0])
        names |= bound_names(node)
    return names


def see_entry(entry: str) -> None:
    """End with one line where the entry cannot start."""
    module, _, function = entry.partition(":")
    top = function.partition(".")[0]
    try:
        spec = importlib.util.find_spec(module)
    except ImportError:
        spec = None
    if spec is None or spec.loader is None:
        sys.exit(f"there is no module {module}")
    source = getattr(spec.loader, "get_source", lambda name: None)(module)
    if source is None:
        names = set(dir(importlib.import_module(module)))
    else:
        names = bound_names(ast.parse(source))
    if not names & {top, "*", "__getattr__"}:
        sys.exit(f"{module} has no {top}")


def see_entries(package: str, *entries: str) -> None:
    """See to the package, and to each of the entries; their modules are in `site-packages`."""
    spec = importlib.util.find_spec(package)
    if spec and "site-packages" not in f"{spec.origin} {spec.submodule_search_locations}":
        sys.exit(f"the interpreter has a module {package} of its own, which would run instead")
    sys.path.insert(0, "site-packages")
    for each in entries:
        see_entry(each)


# recipes/bytecode.py ----------------------------------------------------------
# The `.pyc` files: the lines that compile them in the fetched interpreter, and what these tell.

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


# recipes/foreign.py -----------------------------------------------------------
# Runs in the host's Python: pip, for another Python.
#
#     python foreign.py MARKERS WHEELS install ...
#
# pip by itself decides by the Python it runs in which environment markers hold, and builds no sdist
# for another. MARKERS is what they are there, as JSON; WHEELS says which wheels may be taken:
# `compiled` takes those for Linux, `pure` only those that run everywhere. Whatever else pip does,
# and how it is configured, stays as it is.


def run_pip(markers: str, wheels: str, command: str, *rest: str) -> None:
    """Run pip. Its resolver knows of another Python since version 24.2."""
    del sys.path[0]  # its own folder
    import pip

    there = json.loads(markers)
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    major, minor = map(int, pip.__version__.split(".")[:2])
    if there["python_version"] != here and (major, minor) < (24, 2):
        sys.exit(
            f"ERROR: pip {pip.__version__} cannot install for another Python than its own; 24.2 can"
            " (pip install -U pip), and so can uv"
        )
    from pip._internal.cli import cmdoptions
    from pip._vendor.packaging import markers as evaluated

    environment: Any = lambda: dict(there)  # noqa: E731 - it stands for a function
    evaluated.default_environment = environment
    cmdoptions.check_dist_restriction = lambda *args, **named: None
    version = there["python_version"]
    flags = ["--python-version", version]
    if wheels == "pure":
        flags += ["--implementation", "py", "--abi", "none", "--platform", "any"]
    else:
        platforms = [f"manylinux_2_{minor}_x86_64" for minor in range(40, 4, -1)]
        platforms += ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"]
        flags += [word for each in platforms for word in ("--platform", each)]
        malloc = "m" if version in ("3.6", "3.7") else ""  # source: PEP 425's `abi tag`, and 3.8
        flags += ["--implementation", "cp", "--abi", f"cp{version.replace('.', '')}{malloc}"]
        flags += ["--abi", "abi3", "--abi", "none"]
    sys.argv[:] = ["pip", command, *flags, *rest]
    runpy.run_module("pip", run_name="__main__", alter_sys=True)


# recipes/installer.py ---------------------------------------------------------
# What installs, uv if it is there, else pip: its lines, and what it says went wrong.

NO_COMPILER = "CC=false CXX=false RUSTC=false CARGO=false"
"""An sdist is built with no compiler to be found: many leave their extensions out then."""

PIP_ENV = "PIP_USER=0 PIP_ROOT= PIP_PREFIX= PIP_TARGET="
"""What would lead pip to another place than `--target`."""

UV = "--link-mode copy --no-progress --color never"
PIP = "--no-color --progress-bar off --no-input --no-compile"


def has_uv() -> bool:
    """Whether uv is there."""
    return bool(uv())


def uv() -> str:
    """How a line calls uv: the one on PATH, else the one that started this; empty: there is none.

    Source: uv's documentation, which says that `uv run` sets UV.
    """
    if shutil.which("uv"):
        return "uv"
    return '"$UV"' if shutil.which(os.environ.get("UV", "")) else ""


def host_python() -> str:
    """The host's Python: pip runs in it, and uv builds with it."""
    return shlex.quote(sys.executable)


def wheel_line(project: str, folder: str) -> str:
    """The line that lets a project's build backend make a wheel of it."""
    if has_uv():
        return f"{NO_COMPILER} {uv()} build --wheel --python {host_python()} -o {folder} {project}"
    pip = f"{host_python()} -m pip wheel --no-deps --ignore-requires-python"
    return f"{NO_COMPILER} {pip} -w {folder} {project}"


def install_line(place: str) -> str:
    """The start of a line that installs for the interpreter that `$there` tells of.

    Wheels with extension modules for Linux may be taken: which version is resolved does not depend
    on them, and `sift` sees to them. `place` is the folder of `foreign.py`.
    """
    return uv_install("linux") if has_uv() else pip_install(place, "compiled")


def pure_lines(place: str) -> tuple[str, str]:
    """The starts of two lines: one takes a pure wheel, and one builds the sdist.

    What is built without a compiler is kept from the user's cache, in the build folder's own.
    """
    alone = f'{NO_COMPILER} UV_CACHE_DIR="$PWD"/{q(place)}/../.cache'
    if has_uv():
        # uv knows no platform without extensions; for this one there are hardly any
        wheel = f"{uv_install('wasm32-pyodide2024')} --only-binary :all:"
        name = '"$(sed -n \'s/==.*//p\' "$file")"'
        return wheel, f"{alone} {uv_install('linux')} --no-binary {name}"
    start = pip_install(place, "pure")
    return f"{start} --only-binary :all:", f"{alone.replace('UV_', 'PIP_')} {start}"


def compile_line() -> str:
    """The start of the line by which uv tells the hashes of what is pinned."""
    there = f'--python {host_python()} --python-version "$there" --python-platform linux'
    return f"{uv()} pip compile -q --generate-hashes --no-deps --no-header --no-annotate {there}"


def off(offline: bool) -> str:
    """What goes before a line that installs, and must ask no server where one is offline."""
    none = "PIP_PROXY=http://127.0.0.1:9 no_proxy= NO_PROXY="  # for what is asked for by its URL
    return f"export UV_OFFLINE=1 PIP_NO_INDEX=1 {none} && " if offline else ""


def uv_install(platform: str) -> str:
    """`uv pip install` for the version that `$there` tells of."""
    there = f'--python {host_python()} --python-version "$there" --python-platform {platform}'
    return f"{uv()} pip install {there} {UV}"


def pip_install(place: str, wheels: str) -> str:
    """`pip install` where the environment markers that `$there` tells of hold."""
    start = f"{PIP_ENV} {host_python()} {q(place)}/foreign.py"
    return f'{start} "$there" {wheels} install {PIP}'


def install_reason(result: Result) -> str:
    """What uv or pip says went wrong, in one line."""
    text = result.stderr + result.stdout
    told = re.search(r"^(?:error:|\s*\u00d7)(.*)", text, re.MULTILINE | re.DOTALL)
    if has_uv() and told:
        before = [line for line in text[: told.start()].splitlines() if line.strip()]
        said = f"{before[-1].strip()}: " if "backend" in told[1] and before else ""
        return said + re.sub(r"[\s\u2500-\u257f\u25b6\u00d7]+", " ", told[1]).strip()
    if "No module named 'pip'" in text or "No module named pip" in text:
        return "there is neither uv on PATH nor pip in this Python; install one (pip install uv)"
    if "MATCH THE HASHES" in text:
        found = re.search(r"^\s+(\S+) from .*\n\s+(Expected.*)\n\s+(Got.*)", text, re.MULTILINE)
        return " ".join(("the hash differs of", *(found.groups() if found else ())))
    missed = re.search(r"No matching distribution found for ([^\n]+)", text)
    if missed and "WARNING: Retrying" in text:
        why = re.findall(r"(?:object at \S+|\)): (.*?)'?\)?'?: /", text)
        return f"the package index cannot be reached, for {missed[1]}: {why[-1] if why else ''}"
    newer = re.findall(r"Requires-Python ([^;\n]+)", text)
    if missed and newer:
        return f"{missed[1]} needs Python {newer[-1]}, and the interpreter is older"
    if missed:
        return f"the package index has no {missed[1]}"
    clash = re.search(r"ERROR: (Cannot install .*?)\.?$", text, re.MULTILINE)
    if clash:
        return clash[1]
    failed = re.search(r"(?:Failed building wheel for|build wheels? for) ([^\s,]+)", text)
    tried = [failed[1]] if failed else re.findall(r"^Collecting (\S+)", text, re.MULTILINE)
    why = re.findall(r"^\s+(\S.*)\n\s+\[end of output\]", text, re.MULTILINE)
    if why:
        whose = [f"{name} has no wheel that fits, and its sdist does not build" for name in tried]
        return ": ".join([*whose[-1:], str(why[0])])
    errors = [each for each in re.findall(r"ERROR: (.*)", text) if each != "Exception:"]
    return errors[-1] if errors else last_line(result)


# recipes/own.py ---------------------------------------------------------------
# The program's own distribution: its metadata, and what its build backend makes.

RUN = f"{PYTHON} -B"
"""The fetched interpreter, in `.deps`; imports are tried, which shall leave no `__pycache__`."""

NOT_COPIED = (
    "./.venv",
    "./venv",
    "./.tox",
    "./.nox",
    "./node_modules",
    "*/__pycache__",
    "./cosmo_recipes.py",
)
"""What a build backend has no use for, of the project's copy that it works in. A vendored
`cosmo_recipes.py` would be a second module to one that looks for modules by itself."""


def write_metadata(c: Context, s: Settings, work: str) -> None:
    """Write the metadata and the requirements that `[project]` tells."""
    program, failed = s.program, f"the metadata of {s.pkg} cannot be written"
    if program.requires_python:
        see_version(c, s, work, shlex.quote(program.requires_python))
    if program.dist_info:
        info = shlex.quote(f"own/{program.dist_info}")
        line = f"mkdir {info} && {printf(program.metadata())} > {info}/METADATA"
        if program.entry_points:
            line += f" && {printf(program.entry_points_txt())} > {info}/entry_points.txt"
        sh(c, line, failed, at=work)
    if program.dependencies:
        sh(c, f"{printf(program.dependencies)} > requirements.txt", failed, at=work)


def build_wheel(c: Context, s: Settings, work: str) -> None:
    """Let the build backend make a wheel of a copy of the project, and install that as `own`."""
    tell(c, "deps", f"a wheel of {s.program.name or s.pkg}, by its build backend")
    left = [os.path.join(".", os.path.relpath(s.build, s.root)), *NOT_COPIED]
    without = " ".join(f"--exclude={shlex.quote(each)}" for each in left)
    line = f"tar -C {q(s.root)} {without} -cf {q(work)}/project.tar ."
    sh(c, line, f"{s.root} cannot be copied")
    line = "mkdir project && tar -C project -xf project.tar && chmod -R u+w project"
    sh(c, line, f"{s.root} cannot be copied", at=work)
    failed = f"{s.pkg} cannot be built by its own build backend"
    line = f"{off(s.offline)}{wheel_line('./project', './wheel')}"
    sh(c, line, failed, at=work, why=install_reason)
    failed = f"the wheel of {s.pkg} cannot be read"
    lib = 'for lib in own/*.data/*lib; do [ ! -d "$lib" ] || cp -R "$lib"/. own; done'
    line = f"{RUN} -m zipfile -e wheel/*.whl own && {lib} && rm -rf own/*.data project*"
    sh(c, line, failed, at=work)
    headers = "sed -n '/^.\\{0,1\\}$/q; s/^Requires-%s: //p' own/*.dist-info/METADATA"
    sh(c, f"{headers % 'Dist'} > requirements.txt", failed, at=work)
    asked = f"$({headers % 'Python'})"
    see_version(c, s, work, f'"{asked}"')


def see_version(c: Context, s: Settings, work: str, specifier: str) -> None:
    """See that the program is for the interpreter's Python."""
    line = f"{RUN} -m sift fits {specifier}"
    failed = f"{s.program.name or s.pkg} is not for this interpreter"
    sh(c, line, failed, at=work, then="fetch another one with COSMO_URL")


# recipes/sift/dists.py --------------------------------------------------------
# Distributions as they are installed: their files, and who asks for whom.

EXTENSION = re.compile(r"\.(so|pyd|dylib)(\.[0-9]+)*$")
TOLD_BY_INSTALLER = ("INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json")


def canonical(name: str) -> str:
    """A name in the form in which two names are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


class Dist:
    """An installed distribution: its name, version, requirements and files below `folder`."""

    def __init__(self, folder: str, info: str) -> None:
        self.folder, self.info = folder, info
        self.name, self.version = "", ""
        self.requires: list[str] = []
        with open(os.path.join(folder, info, "METADATA"), encoding="utf-8") as file:
            for line in iter(file.readline, ""):
                key, _, value = line.rstrip().partition(": ")
                if line in ("\n", "\r\n"):
                    break
                if key in ("Name", "Version"):
                    setattr(self, key.lower(), value)
                if key == "Requires-Dist":
                    self.requires.append(value)
        self.rows: dict[str, str] = {}
        record = os.path.join(folder, info, "RECORD")
        if os.path.exists(record):
            with open(record, encoding="utf-8", newline="") as file:
                self.rows = {row[0]: row[1] for row in csv.reader(file) if len(row) > 1}

    @property
    def title(self) -> str:
        """Its name and version."""
        return f"{self.name} {self.version}"

    def has(self, name: str) -> bool:
        """Whether its metadata has a file of that name."""
        return os.path.exists(os.path.join(self.folder, self.info, name))

    def is_editable(self) -> bool:
        """Whether it was asked for with `-e`. Source: the direct URL specification."""
        if not self.has("direct_url.json"):
            return False
        with open(
            os.path.join(self.folder, self.info, "direct_url.json"), encoding="utf-8"
        ) as file:
            return bool(json.load(file).get("dir_info", {}).get("editable"))

    def files(self) -> list[str]:
        """Its files that are there, but for its metadata and its scripts."""
        scripts = "bin/" if "bin/__init__.py" not in self.rows else "../"
        others = ("../", "/", scripts, self.info + "/")
        mine = (path for path in self.rows if not path.startswith(others))
        return [path for path in mine if os.path.isfile(os.path.join(self.folder, path))]

    def extensions(self) -> list[str]:
        """Its compiled modules and libraries."""
        return [path for path in self.files() if EXTENSION.search(path)]

    def is_asked_with_extras(self, found: list[Dist]) -> bool:
        """Whether a distribution requires this one with some of its extras."""
        lines = [line for dist in found for line in dist.requires]
        names = [re.match(r"([A-Za-z0-9._-]+)\s*\[", line) for line in lines]
        return any(name and canonical(name.group(1)) == canonical(self.name) for name in names)

    def tops(self) -> list[str]:
        """The names of its top-level modules and packages."""
        code = [path for path in self.files() if path.endswith(".py") or EXTENSION.search(path)]
        return sorted({path.split("/")[0].split(".")[0] for path in code})

    def needs(self, name: str, extras: bool) -> bool:
        """Whether it requires the distribution `name`; with `extras`, in some extra of its own."""
        for line in self.requires:
            found = re.match(r"[A-Za-z0-9._-]+", line)
            same = found is not None and canonical(found.group()) == canonical(name)
            if same and (extras or not re.search(r"\bextra\s*==", line)):
                return True
        return False


def find_dists(folder: str) -> list[Dist]:
    """What is installed in a folder."""
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return [
        Dist(folder, name)
        for name in names
        if name.endswith(".dist-info") and os.path.exists(os.path.join(folder, name, "METADATA"))
    ]


def see_conflicts(found: list[Dist], packed: str, program: str) -> None:
    """Refuse two distributions, or one and the program, that have other files of the same name."""
    owners: dict[str, Dist] = {}
    for dist in found:
        for path in dist.files():
            if "__pycache__" in path:
                continue
            other = owners.setdefault(path, dist)
            same = other is dist or dist.rows[path] == other.rows[path]
            theirs = f"{other.title} and {dist.title}"
            beside = os.path.join(packed, path)
            if same and dist.folder.endswith("site") and os.path.isfile(beside):
                theirs = f"{program} and {dist.title}"
                with open(beside, "rb") as one, open(os.path.join(dist.folder, path), "rb") as two:
                    same = one.read() == two.read()
            if dist.folder.endswith("site") and os.path.isfile(os.path.join(packed, twin(path))):
                sys.exit("{} and {} both are {}".format(program, dist.title, path.split("/")[0]))
            if not same:
                sys.exit(f"{theirs} both bring {path}")


def twin(path: str) -> str:
    """The package that a module would be, or the module that a package would be."""
    if path.endswith("/__init__.py"):
        return path[: -len("/__init__.py")] + ".py"
    return path[:-3] + "/__init__.py" if path.endswith(".py") else path + "/no such file"


def chain(dist: Dist, found: list[Dist], program: str) -> list[str]:
    """The names from the program to the distribution, each of which asks for the next."""
    names = [dist.name]
    while True:
        for extras in (False, True):
            above = [each for each in found if each.needs(names[0], extras)]
            above = [each for each in above if each.name not in names]
            if above:
                break
        if not above:
            return names if names[0] == program else [program, *names]
        names.insert(0, above[0].name)


def tidy(dist: Dist, suffix: str) -> None:
    """Leave what was installed out of the metadata: how, by which tool, and with which scripts."""
    folder = os.path.join(dist.folder, dist.info)
    for name in TOLD_BY_INSTALLER:
        if os.path.exists(os.path.join(folder, name)):
            os.remove(os.path.join(folder, name))
    if not dist.rows:
        return
    there = [*dist.files(), *(dist.info + "/" + name for name in os.listdir(folder))]
    names = (path + suffix if path.endswith(".py") else path for path in there)
    with open(os.path.join(folder, "RECORD"), "w", encoding="utf-8", newline="\n") as file:
        csv.writer(file, lineterminator="\n").writerows([name, "", ""] for name in sorted(names))


# recipes/sift/later.py --------------------------------------------------------
# Reads what a distribution's functions import when they are called.

GUARDS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}


class Reader(ast.NodeVisitor):
    """Gathers what a module's functions import unguarded, and the last words of its strings."""

    def __init__(self, package: list[str]) -> None:
        self.package = package
        self.imported: set[str] = set()
        self.named: set[str] = set()
        self.outside: set[str] = set()
        self.inside, self.guarded = 0, 0

    def visit_FunctionDef(self, node: ast.AST) -> None:
        self.inside += 1
        self.generic_visit(node)
        self.inside -= 1

    visit_AsyncFunctionDef = visit_FunctionDef
    visit_Lambda = visit_FunctionDef

    def visit_Try(self, node: ast.Try) -> None:
        caught = [
            name.id
            for handler in node.handlers
            for name in ast.walk(handler.type or handler)
            if isinstance(name, ast.Name)
        ]
        bare = any(handler.type is None for handler in node.handlers)
        guards = bare or bool(GUARDS.intersection(caught))
        self.guarded += guards
        for line in node.body:
            self.visit(line)
        self.guarded -= guards
        rest: list[ast.AST] = [*node.handlers, *node.orelse, *node.finalbody]
        for each in rest:
            self.visit(each)

    def visit_Import(self, node: ast.Import) -> None:
        self.add(*(each.name for each in node.names))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        above = self.package[: len(self.package) - node.level + 1] if node.level else []
        base = ".".join([*above, *filter(None, [node.module])])
        self.add(base, *(base + "." + each.name for each in node.names))

    def visit_Constant(self, node: ast.AST) -> None:
        self.name(getattr(node, "value", None))

    def visit_Str(self, node: ast.AST) -> None:  # before Python 3.8
        self.name(getattr(node, "s", None))

    def name(self, value: object) -> None:
        if isinstance(value, str):
            self.named.add(value.rpartition(".")[2])

    def add(self, *names: str) -> None:
        if self.inside and not self.guarded:
            self.imported.update(names)
        if not self.inside:
            self.outside.update(names)


def read_later(dist: Dist) -> dict[str, Reader]:
    """What was read of each file of the distribution that is a module."""
    found: dict[str, Reader] = {}
    for path in dist.files():
        if path.endswith(".py") and not set(path.split("/")) & {"test", "tests"}:
            with open(os.path.join(dist.folder, path), "rb") as file:
                try:
                    tree = ast.parse(file.read())
                except (SyntaxError, ValueError):
                    continue
            found[path] = Reader(path.split("/")[:-1])
            found[path].visit(tree)
    return found


# recipes/sift/needed.py -------------------------------------------------------
# Finds out whether a distribution can do without its extension modules.

PATIENCE = 20
"""For how many seconds a module may be imported."""


class Asked:
    """Notes each module that is asked for; it finds none."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Note the name."""
        self.names.add(name)


def unmet(dist: Dist, lost: list[str]) -> str:
    """An extension module that the distribution cannot do without; empty if there is none."""
    if lost and not any(path.endswith(".py") for path in dist.files()):
        return lost[0]
    needed, _ = tried(dist, lost)
    return needed[0] if needed else ""


def does_without(dist: Dist, lost: list[str]) -> bool:
    """Whether the distribution asks for modules that are not there, and makes do without."""
    needed, asked = tried(dist, lost)
    return not needed and bool(asked.intersection(lost))


def tried(dist: Dist, lost: list[str]) -> tuple[list[str], set[str]]:
    """Which of the lost modules the distribution needs, and all modules that it asks for.

    Every module of it is imported. One that fails for want of a lost one may do so if another asks
    for it and yet can be imported, as in PyYAML; or if it is private, and another that names it can
    be imported, as in SQLAlchemy. What a function imports is needed later, as in cffi, but where it
    makes do without.
    """
    names = sorted(filter(None, map(module_name, dist.files())), key=lambda name: name.split("."))
    read = read_later(dist)
    ever: set[str] = set()
    spared: set[str] = set()
    failing: dict[str, str] = {}
    for name, works, reason, asked in try_imports(names, lost):
        ever.update(asked)
        spared.update(asked if works else ())
        if reason:
            failing[name] = reason
    for path, reader in read.items():
        if module_name(path) not in failing:
            private = (
                name for name in reader.outside if ("." + name).rpartition(".")[2][:1] == "_"
            )
            spared.update(private)
    needed = [reason for name, reason in failing.items() if name not in spared]
    inside = {name for reader in read.values() for name in reader.imported}
    named = {name for reader in read.values() for name in reader.named}
    needed += [name for name in lost if any((each + ".").startswith(name + ".") for each in inside)]
    needed += [name for name in lost if name not in ever and name.rpartition(".")[2] in named]
    return needed, ever


def try_imports(names: list[str], lost: list[str]) -> Iterator[tuple[str, bool, str, list[str]]]:
    """Of each module: whether it can be imported, which lost one it fails for, what it asked for.

    They are imported in a process of their own, without input and output. Where one of them ends
    it, or takes too long, the next process goes on behind that one; nothing is known of it then.
    """
    left = list(names)
    while left:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            try:
                import_all(left, lost, writing)
            finally:
                os._exit(0)
        os.close(writing)
        told = b""
        while select.select([reading], [], [], PATIENCE)[0]:
            data = os.read(reading, 65536)
            if not data:
                break
            told += data
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
        rows = [json.loads(line) for line in told.split(b"\n")[:-1]]
        yield from rows
        left = left[len(rows) + 1 :]


def import_all(names: list[str], lost: list[str], writing: int) -> None:
    """Import the modules, and write a row about each."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    failing: list[str] = []
    for name in names:
        works, reason, asked, before = True, "", Asked(), set(sys.modules)
        sys.meta_path.insert(0, asked)
        try:
            if not any(name.startswith(above + ".") for above in failing):
                importlib.import_module(name)
        except BaseException as error:
            works, reason = False, missing_name(error, lost)
            for new in set(sys.modules) - before:
                del sys.modules[new]
            failing += [name] if reason else []
        sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not asked]
        row = json.dumps([name, works, reason, sorted(asked.names)])
        os.write(writing, row.encode() + b"\n")


def module_name(path: str) -> str:
    """The module that a file is; empty for what is none, or is not to be imported by itself."""
    parts = path[:-3].split("/") if path.endswith(".py") else [""]
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    tests = ("__main__", "conftest", "test", "tests")
    plain = all(part.isidentifier() and not part.startswith("test_") for part in parts)
    return ".".join(parts) if plain and parts and not set(parts) & set(tests) else ""


def missing_name(error: BaseException | None, lost: list[str]) -> str:
    """Which of the lost modules `error`, or what caused it, is about."""
    while error is not None:
        if isinstance(error, ImportError):
            for name in lost:
                leaf = name.rpartition(".")[2]
                if error.name == name or f"cannot import name {leaf!r}" in str(error):
                    return name
        error = error.__cause__ or error.__context__
    return ""


# recipes/sift/requirements.py -------------------------------------------------
# Reads what a requirements file says of where distributions come from, and of their hashes.

INDEX = r"(-i|-f|--index-url|--extra-index-url|--find-links|--no-index|--trusted-host)\b"
NESTED = r"(?:-r|-c|--requirement|--constraint)[\s=]*(\S+)"


class Requirements:
    """The index options of a file and those that it leads to, and the hashes by a canonical name.

    Source: pip's documentation, "requirements file format".
    """

    def __init__(self) -> None:
        self.options: list[str] = []
        self.hashes: dict[str, list[str]] = {}
        self.read: list[str] = []

    def add(self, path: str) -> None:
        """Read a file. One that cannot be read leaves what it says unsaid."""
        path = os.path.abspath(path)
        if path in self.read or not os.path.isfile(path):
            return
        self.read.append(path)
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            lines = re.sub(r"\\\r?\n", " ", file.read()).splitlines()
        for line in map(str.strip, lines):
            nested = re.match(NESTED, line)
            name = re.match(r"([A-Za-z0-9._-]+)", line)
            if nested:
                self.add(os.path.join(os.path.dirname(path), nested.group(1)))
            elif re.match(INDEX, line):
                self.options.append(self.absolute(line, path))
            elif name and "--hash" in line:
                found = self.hashes.setdefault(canonical(name.group(1)), [])
                found += re.findall(r"--hash[= ]\S+", line)

    def absolute(self, option: str, path: str) -> str:
        """An option with the folder that it names, beside the file, as an absolute path."""
        word, _, value = option.replace("=", " ", 1).partition(" ")
        folder = os.path.join(os.path.dirname(path), value.strip())
        there = value and "://" not in value and os.path.exists(folder)
        return f"{word} {folder}" if there else option


# recipes/sift/forms.py --------------------------------------------------------
# Gives each distribution with extension modules a form without them, if it has one.


def compiled(work: str, requirements: str) -> None:
    """Write a requirements file for each distribution with extensions, to `pure/NAME.txt`.

    It has the index options and hashes that were told; `pure/flags` is to go with it. One that did
    not come from an index is left alone: another may have its name there.
    """
    told = Requirements()
    told.add(requirements)
    with open(os.path.join(work, "pure", "flags"), "w") as file:
        file.write("--require-hashes" if told.hashes else "")
    for dist in find_dists(os.path.join(work, "site")):
        if dist.extensions() and not dist.has("direct_url.json"):
            name = canonical(dist.name)
            pinned = [f"{dist.name}=={dist.version}", *told.hashes.get(name, [])]
            with open(os.path.join(work, "pure", name + ".txt"), "w", encoding="utf-8") as file:
                file.write("\n".join([*told.options, " ".join(pinned)]) + "\n")


def settle(work: str, packed: str, program: str, suffix: str) -> Iterator[str]:
    """Make `site` and `own` fit to be packed; tell the form of each distribution that changed.

    A `.py` will be there with `suffix` after its name. The program itself is never a dependency.
    """
    site, own = os.path.join(work, "site"), os.path.join(work, "own")
    found = find_dists(own)
    mine = [canonical(dist.name) for dist in found]
    for dist in find_dists(site):
        if canonical(dist.name) in mine:
            remove_dist(dist)
        elif dist.is_editable():
            sys.exit(f"{dist.title} is editable, so it would stay where it is")
        else:
            found.append(dist)
    see_conflicts(found, packed, program)
    rest = [path for path in sys.path if path not in ("", os.getcwd())]
    sys.path[:] = [os.path.abspath(own), os.path.abspath(site), *rest]
    gone: list[str] = []
    for dist in found:
        lost = dist.extensions()
        if lost and dist.name not in gone:
            tops = dist.tops()
            now, form = changed(dist, os.path.join(work, "pure"))
            needed = unmet(now, strip_dist(now, lost)) if form != "a pure wheel" else ""
            if needed:
                asked = " -> ".join(chain(dist, found, program))
                spared = spare(now, tops, found, own)
                if not spared:
                    sys.exit(
                        f"{dist.title} needs its extension module {needed}, which cannot run in the"
                        f" executable ({asked})"
                    )
                gone += spared
                form = f"left out, for what asks for it does without ({asked})"
            yield f"{dist.title}: {form}"
    for dist in [*find_dists(own), *find_dists(site)]:
        tidy(dist, suffix)


def spare(dist: Dist, tops: list[str], found: list[Dist], own: str) -> list[str]:
    """Remove a distribution that those who ask for it can do without, and name it; else nothing.

    One that cannot do without is removed in turn, if those who ask for that one can. SQLAlchemy,
    for example, does without greenlet. The program's own word that it needs something stands.
    """
    askers = [each for each in found if each.needs(dist.name, extras=False)]
    if not askers or any(each.folder == own or each.is_asked_with_extras(found) for each in askers):
        return []
    remove_dist(dist)
    names = [dist.name]
    for each in askers:
        if not does_without(each, tops):
            more = spare(each, each.tops(), found, own)
            if not more:
                return []
            names += more
    return names


def changed(dist: Dist, pure: str) -> tuple[Dist, str]:
    """The distribution in the form that lies below `pure`, if any does, and what form it has."""
    for folder in sorted(os.listdir(pure)):
        for other in find_dists(os.path.join(pure, folder)):
            if canonical(other.title) == canonical(dist.title) and not other.extensions():
                with open(os.path.join(pure, folder + ".form"), encoding="utf-8") as file:
                    return swap_dist(dist, other), file.read().strip()
    return dist, "its wheel, without the extension"


def remove_dist(dist: Dist) -> None:
    """Remove a distribution's files, and the folders that are empty then."""
    for path in dist.files():
        os.remove(os.path.join(dist.folder, path))
        folder = os.path.dirname(path)
        while folder and not os.listdir(os.path.join(dist.folder, folder)):
            os.rmdir(os.path.join(dist.folder, folder))
            folder = os.path.dirname(folder)
    shutil.rmtree(os.path.join(dist.folder, dist.info))


def swap_dist(dist: Dist, other: Dist) -> Dist:
    """Put another form of a distribution in its place."""
    remove_dist(dist)
    shutil.copytree(os.path.join(other.folder, other.info), os.path.join(dist.folder, other.info))
    for path in other.files():
        target = os.path.join(dist.folder, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copyfile(os.path.join(other.folder, path), target)
    return Dist(dist.folder, other.info)


def strip_dist(dist: Dist, lost: list[str]) -> list[str]:
    """Remove the extensions of `lost` that are there; name those that no other file stands for."""
    gone = []
    for path in lost:
        whole = os.path.join(dist.folder, path)
        if os.path.exists(whole):
            os.remove(whole)
        folder, _, name = path.rpartition("/")
        parts = [*filter(None, folder.split("/")), name.split(".")[0]]
        stem = os.path.join(dist.folder, *parts)
        if not all(part.isidentifier() for part in parts):
            continue
        if not os.path.exists(stem + ".py") and not os.path.exists(stem + "/__init__.py"):
            gone.append(".".join(parts))
    return gone


# recipes/sift/command.py ------------------------------------------------------
# What the command line asks for.


def markers() -> dict[str, str]:
    """Source: the dependency specifiers specification, less what differs between machines."""
    version = sys.version_info
    full = "{}.{}.{}".format(*version[:3])
    return {
        "implementation_name": sys.implementation.name,
        "implementation_version": full,
        "os_name": os.name,
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": full,
        "python_version": "{}.{}".format(*version[:2]),
        "sys_platform": sys.platform,
    }


def fits(specifiers: str) -> None:
    """Refuse a program for another Python. Source: the version specifiers specification."""
    here = sys.version_info[:3]
    for each in filter(None, re.split(r"\s*,\s*", specifiers.strip("() "))):
        match = re.match(r"(~=|===?|!=|<=?|>=?)\s*v?(\d+(?:\.\d+)*)(\.\*)?", each)
        if not match:
            continue
        sign, text, star = match.groups()
        numbers = tuple(map(int, text.split(".")))
        that = (*numbers, 0, 0)[:3]
        same = here[: len(numbers)] == numbers if star else here == that
        holds = {
            "==": same,
            "===": same,
            "!=": not same,
            "<": here < that,
            "<=": here <= that,
            ">": here > that,
            ">=": here >= that,
            "~=": here >= that and here[: len(numbers) - 1] == numbers[:-1],
        }
        if not holds[sign]:
            sys.exit("it requires Python {}, and this is {}.{}.{}".format(specifiers, *here))


def sift(mode: str, *words: str) -> None:
    """Do what the command line asks for."""
    if mode == "markers":
        print(json.dumps(markers()))
    elif mode == "version":
        print(markers()["python_full_version"])
    elif mode == "fits":
        fits(words[0])
    elif mode == "compiled":
        compiled(*words)
    else:
        for line in settle(*words):
            print(line)


# recipes/deps.py --------------------------------------------------------------
# The program's dependencies and metadata: resolved for the fetched interpreter, fit to run there.
#
# All of it lies in `.deps` in the build folder until it is seen to be whole:
#
#     own         the program's metadata, and what its build backend adds
#     site        its dependencies
#     pure/NAME   the form without extension modules of one of these, if there is one; beside it,
#                 NAME.txt asks for it, NAME.log is what was said, NAME.form tells what it is
#     forms       which form each of them was given
#     sift.py     what does the sifting, in the interpreter
#     foreign.py  what starts pip, in the host's Python

WORK = ".deps"


def has_deps(s: Settings) -> bool:
    """Whether there is something to install, or metadata to write."""
    program = s.program
    told = program.built or program.dist_info or program.dependencies or program.requires_python
    return s.deps != "none" and bool(told or s.deps)


def install_deps(c: Context, s: Settings) -> None:
    """Install the dependencies and metadata beside the program."""
    work = prepare(c, s)
    if s.lock is None:
        if asks(s):
            resolve(c, s, work)
    else:
        see_asked(c, s, s.lock, work)
        if s.lock.packages:
            install_locked(c, s, s.lock, work)
    settle_deps(c, s, work)


def prepare(c: Context, s: Settings) -> str:
    """Write the program's metadata, and what it asks for, in a folder made anew; its path."""
    folders = " ".join(f"{WORK}/{each}" for each in ("own", "site", "pure"))
    sh(c, f"rm -rf {WORK} && mkdir -p {folders}", f"{s.build} cannot be written", at=s.build)
    work = os.path.join(s.build, WORK)
    failed = f"{work} cannot be written"
    sh(c, f"{printf([excerpt(sift)])} > sift.py", failed, at=work)
    if not has_uv():
        sh(c, f"{printf([excerpt(run_pip)])} > foreign.py", failed, at=work)
    if s.program.built:
        build_wheel(c, s, work)
    else:
        write_metadata(c, s, work)
    sh(c, leave_out(s.exclude, *JUNK), failed, at=os.path.join(work, "own"))
    return work


def asks(s: Settings) -> bool:
    """Whether there may be something to install."""
    return bool(s.deps or s.program.built or s.program.dependencies)


def resolve(c: Context, s: Settings, work: str, report: bool = False) -> None:
    """Install what is asked for; for each one with extension modules, look for a pure form too.

    With a lock, it is what `locked.txt` holds; with `report`, pip writes what it took.
    """
    place = os.path.relpath(work, s.root)
    file = os.path.join(place, "locked.txt" if s.lock else "requirements.txt")
    file = file if s.deps is None or s.lock else relative(s.deps, s.root)
    told = ", ".join(s.program.dependencies) or "what its metadata asks for"
    told = told if s.deps is None else s.deps
    tell(c, "deps", f"{len(s.lock.packages)} packages, as locked" if s.lock else told)
    failed = f"the dependencies of {s.pkg} cannot be installed"
    then = "correct the requirements, or see to the network"
    site = f"{q(place)}/site"
    words = [install_line(place), f"--target {site} -r {q(file)}"]
    words += ["--no-deps --require-hashes"] if s.lock else []
    words += [f"--report {site}.json"] if report else []
    line = f"{off(s.offline)}{ask(place)} && {' '.join(words)}"
    sh(c, line, failed, at=s.root, why=install_reason, then=then)
    line = "{ [ -e bin/__init__.py ] || rm -rf bin; } && rm -f .lock"
    line = f"{line} && {leave_out(s.exclude, '__pycache__')}"
    sh(c, line, failed, at=os.path.join(work, "site"))
    listed = os.path.relpath(os.path.join(s.root, file), work)
    sh(c, f"{RUN} -m sift compiled . {q(listed)}", failed, at=work)
    line = f"{off(s.offline)}{ask(place)} && {purify(place, report)}"
    sh(c, line, failed, at=s.root, why=install_reason, then=then)


def ask(place: str) -> str:
    """The line that sets `there` to what the installer must know of the interpreter."""
    mode = "version" if has_uv() else "markers"
    return f'there="$(cd -P {shlex.quote(here(place))} && {RUN} -m sift {mode})"'


def asked(s: Settings, work: str) -> tuple[str, ...]:
    """What the dependencies are resolved for: requirements, or the hash of the files with them."""
    if s.deps is not None and s.deps != "none":
        told = Requirements()
        told.add(s.deps)
        content = b"".join(Path(each).read_bytes() for each in told.read)
        return (f"-r {Path(s.deps).name} sha256:{hashlib.sha256(content).hexdigest()}",)
    if s.deps is None and s.program.built:
        return tuple(Path(work, "requirements.txt").read_text(encoding="utf-8").splitlines())
    return s.program.dependencies if s.deps is None else ()


def see_asked(c: Context, s: Settings, lock: Lock, work: str) -> None:
    """See that the packages were locked for what is asked for now."""
    if c.config.run.dry and s.program.built:
        return
    now = asked(s, work)
    if now != lock.asked:
        told = (
            f"{', '.join(lock.asked) or 'nothing'}, and {', '.join(now) or 'nothing'} is asked for"
        )
        raise Stop(f"{s.lock_file} is for {told}; lock anew with `invoke cosmo.lock`")


def install_locked(c: Context, s: Settings, lock: Lock, work: str) -> None:
    """Install what is locked, and nothing else; what that gave is kept in the cache."""
    link = place("deps", "\n".join([lock.sha256, *lock.packages, *s.exclude, excerpt(sift)]))
    held, failed = held_file(s.cache, f"{link}/deps"), f"{work} cannot be written"
    if held is not None:
        file = q(str(held))
        line = f"cp {file} deps.tar && {see_sha256('deps.tar', held.name)}"
        tell(c, "deps", f"{len(lock.packages)} packages, from the cache")
        with suppress(Stop):
            sh(c, f"{line} && tar -xf deps.tar && rm -f deps.tar", failed, at=work)
            return
        sh(c, f"rm -f {file}", failed)  # it was damaged
    told = Requirements()
    told.add(s.deps or "")
    line = "rm -rf site pure && mkdir site pure"
    locked = printf([*told.options, *lock.packages])
    sh(c, f"{line} && {locked} > locked.txt", failed, at=work)
    resolve(c, s, work)
    line = f"tar -cf deps.tar site pure && {keep(s.cache, 'deps.tar', link, 'deps')}"
    sh(c, f"{line}; rm -f deps.tar", failed, at=work)


def relative(path: str, root: str) -> str:
    """`path` as it is called in `root`."""
    return path if os.path.isabs(path) else os.path.relpath(path, root)


def purify(place: str, report: bool) -> str:
    """The line that installs, for each distribution that has one, the form without extensions.

    Both ways to it may fail: then there is none.
    """
    wheel, sdist = pure_lines(place)
    told = ' --report "$to.json"' if report else ""
    rest = f'$flags --no-deps --target "$to" -r "$file"{told} </dev/null >>"$to.log" 2>&1'
    return (
        f'flags="$(cat {q(place)}/pure/flags)" && for file in {q(place)}/pure/*.txt; do'
        f' [ -e "$file" ] || break; to="${{file%.txt}}"; form=\'a pure wheel\';'
        f" {wheel} {rest} || {{ rm -rf \"$to\"; form='its sdist, built without the extension';"
        f' {sdist} {rest}; }} || rm -rf "$to"; echo "$form" > "$to.form"; done'
    )


def settle_deps(c: Context, s: Settings, work: str) -> None:
    """See that all of it can run in the interpreter, and put it beside the program."""
    failed = f"{s.pkg} cannot be packaged with its dependencies"
    packed = os.path.relpath(s.site, work)
    suffix = "''" if s.ships_source else "c"
    words = f"settle . {q(packed)} {shlex.quote(s.program.name or s.pkg)} {suffix}"
    line = f"{RUN} -m sift {words} </dev/null > forms"
    then = "do without it, or leave such files out, as with COSMO_EXCLUDE='*.so'"
    sh(c, line, failed, at=work, then=then)
    failed = f"{s.site} cannot be written"
    sh(c, f"cp -R site/. own/. {q(packed)}", failed, at=work)
    sh(c, leave_out(s.exclude, "__pycache__"), failed, at=s.site)


def swapped(s: Settings) -> list[str]:
    """What the last build says of the distributions whose extension modules were left out."""
    told = Path(s.build, WORK, "forms")
    return told.read_text(encoding="utf-8").splitlines() if has_deps(s) and told.is_file() else []


# recipes/pin.py ---------------------------------------------------------------
# Writes `cosmo.lock`: what a build would take today.


def pin(c: Context, s: Settings, address: str) -> None:
    """Write the lock for the interpreter that came from `address`, and what is asked for."""
    s = replace(s, exclude=())  # what is left out of the executable is locked all the same
    packages: tuple[str, ...] = ()
    work = ""
    if has_deps(s):
        work = prepare(c, s)
        if asks(s):
            resolve(c, s, work, report=not has_uv())
            packages = () if c.config.run.dry else hashed(c, s, work)
    python = Path(s.build, "python")
    version = sh(c, "TMPDIR=. sh ./python --version", "python does not start", at=s.build).stdout
    if c.config.run.dry:
        return
    with one_line(f"{s.lock_file} cannot be written"):
        when = time.gmtime(python.stat().st_mtime)
        lock = Lock(
            url=address if "://" in address else Path(address).name,
            size=python.stat().st_size,
            sha256=hashlib.sha256(python.read_bytes()).hexdigest(),
            version=version.split()[1],
            last_modified=time.strftime("%Y-%m-%dT%H:%M:%SZ", when) if "://" in address else "",
            asked=asked(s, work),
            packages=packages,
        )
        part = Path(s.build, "lock.part")
        part.write_text(lock.text(), encoding="utf-8")
        part.replace(s.lock_file)
    say(f"lock     {s.lock_file}: Python {lock.version}, {len(packages)} packages; commit it")


def hashed(c: Context, s: Settings, work: str) -> tuple[str, ...]:
    """A line with its version and hashes for each package that was installed."""
    found = sorted(find_dists(os.path.join(work, "site")), key=lambda dist: canonical(dist.name))
    for each in found:
        if each.has("direct_url.json"):
            origin = Path(each.folder, each.info, "direct_url.json").read_text(encoding="utf-8")
            told = f"it comes from {json.loads(origin)['url']}, and only an index tells hashes"
            raise Stop(f"{each.name} cannot be locked: {told}; ask for a release of it")
    pinned = [f"{each.name}=={each.version}" for each in found]
    lines = told_by_uv(c, s, work, pinned) if has_uv() else told_by_pip(work, found)
    if len(lines) != len(pinned):
        told = "not all come from an index that tells hashes"
        raise Stop(f"{', '.join(pinned)} cannot be locked: {told}; ask an index for them")
    return tuple(lines)


def told_by_uv(c: Context, s: Settings, work: str, pinned: list[str]) -> list[str]:
    """What uv says of all files of these releases."""
    told, place = Requirements(), os.path.relpath(work, s.root)
    told.add(s.deps or "")
    failed = "the dependencies cannot be locked"
    sh(c, f"{printf([*told.options, *pinned])} > pinned.txt", failed, at=work)
    line = f"{off(s.offline)}{ask(place)} && {compile_line()} {q(place)}/pinned.txt"
    text = sh(c, line, failed, at=s.root, why=install_reason, then="see to the network").stdout
    lines = (re.sub(r"\s+", " ", line) for line in re.sub(r"\\\n", " ", text).splitlines())
    return [line.strip() for line in lines if re.fullmatch(PACKAGE, line.strip())]


def told_by_pip(work: str, found: list[Dist]) -> list[str]:
    """What pip reports of the files that it took."""
    hashes: dict[str, set[str]] = {}
    for path in (Path(work, "site.json"), *Path(work, "pure").glob("*.json")):
        for each in json.loads(path.read_text(encoding="utf-8"))["install"]:
            sha256 = each["download_info"]["archive_info"]["hashes"]["sha256"]
            hashes.setdefault(canonical(each["metadata"]["name"]), set()).add(sha256)
    return [
        " ".join([f"{each.name}=={each.version}", *(f"--hash=sha256:{it}" for it in sorted(known))])
        for each in found
        for known in [hashes.get(canonical(each.name), set())]
        if known
    ]


def see_lock(s: Settings) -> None:
    """End with status 1 where the lock is not there, or is for other requirements than now."""
    if s.lock is None:
        raise Stop(f"{s.lock_file} is not there; write it with `invoke cosmo.lock`")
    if s.deps is None and s.program.built:
        say(f"lock     {s.lock_file}: what it asks for is known when it is built")
        return
    if asked(s, "") != s.lock.asked:
        raise Stop(f"{s.lock_file} is for other requirements; lock anew with `invoke cosmo.lock`")
    say(f"lock     {s.lock_file} is current")


# recipes/turn.py --------------------------------------------------------------
# A phase's turn: alone in its build folder, and ended as a whole when it is interrupted.

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


# recipes/cosmo.py -------------------------------------------------------------
# The article's recipe: one task a phase, in the article's order, each of them its shell lines.


@task
def clean(c: Context) -> None:
    """Remove what an earlier build gathered; the executable and the interpreter stay."""
    with turn(c) as s:
        tell(c, "clean", s.site)
        sh(c, f"rm -rf {q(s.site)}", f"{s.site} cannot be removed")


@task(pre=[clean])
def setup(c: Context) -> None:
    """Copy the package into DIR_SITE, and write the .args that starts it."""
    with turn(c) as s:
        tell(c, "setup", f"{s.source} -> {s.site}")
        site, failed = q(s.site), f"{s.source} cannot be copied to {s.site}"
        sh(c, f"mkdir -p {site}", failed)
        sh(c, f"cp -RL {q(s.source)} {site}/{s.top} && chmod -R u+w {site}", failed)
        if s.beside and has_deps(s):
            sh(c, f"cp -RL {' '.join(map(q, s.beside))} {site} && chmod -R u+w {site}", failed)
        sh(c, leave_out(s.exclude, *JUNK), failed, at=s.site)
        sh(c, write_args(s.executables[0].args), ".args cannot be written", at=s.build)


def write_args(args: tuple[str, ...]) -> str:
    """The line that writes `.args`."""
    form = r"\n".join(["%s"] * len(args))
    return f"printf '{form}' {' '.join(map(shlex.quote, args))} > .args"


@task(help={"force": "Download again, even where the file is unchanged."})
def fetch(c: Context, force: bool = False) -> None:
    """Download the Cosmopolitan Python if there is a newer one; also zip, if none is installed."""
    with turn(c) as s:
        if not s.sha256:
            tell(c, "lock", "none, so what is current goes in; `invoke cosmo.lock` writes one")
        bring_both(c, s, force)


@task(pre=[setup, fetch])
def deps(c: Context) -> None:
    """Install what the program depends on, for the Cosmopolitan Python, and its metadata."""
    with turn(c) as s:
        if has_deps(s):
            install_deps(c, s)


@task(pre=[deps], name="compile")
def compile_site(c: Context) -> None:
    """Compile the .py files to .pyc with the Cosmopolitan Python, and delete them."""
    with turn(c) as s:
        entries = [made.entry for made in s.executables if made.entry]
        failed = f"{' and '.join(entries) or s.pkg} cannot start"
        then = "correct COSMO_ENTRY" if entries else "rename the program"
        sh(c, start_line(s, entries), failed, at=os.path.dirname(s.site), then=then)
        files = 0 if c.config.run.dry else sum(1 for _ in Path(s.site).rglob("*.py"))
        tell(c, "compile", f"{files} files")
        failed = f"{s.site} cannot be written"
        sh(c, touch(s.epoch, q(s.site)), failed)
        with bar("compile", files, "files") as shown:
            for line in compile_lines(s, has_deps(s)):
                sh(
                    c,
                    line,
                    f"{s.source} does not compile",
                    Lines(shown, "Compiling "),
                    at=os.path.dirname(s.site),
                    why=lambda result: compile_reason(result, os.path.dirname(s.source)),
                )
        if not s.ships_source:
            compiled = 'for file; do [ ! -f "${file}c" ] || rm -f "$file"; done'
            sh(
                c,
                f"find . -name '*.py' -type f -exec sh -c '{compiled}' sh {{}} +",
                failed,
                at=s.site,
            )


@task
def report(c: Context) -> None:
    """Tell the executable's path, size, sha256 and Python, and how to start it."""
    with turn(c) as s:
        if c.config.run.dry:
            return
        for made in s.executables:
            if not Path(made.path).is_file():
                raise Stop(f"{made.path} is not there; make it with `invoke cosmo`")
        line, failed = "TMPDIR=. sh ./python --version", "python does not start"
        version = sh(c, line, failed, at=s.build).stdout
        with one_line("the report cannot be printed"):
            show("\n".join(line for made in s.executables for line in told_of(s, made, version)))


def told_of(s: Settings, made: Executable, version: str) -> list[str]:
    """The lines of the report on one executable."""
    data = Path(made.path).read_bytes()
    start, name = q(here(made.path)), Path(made.path).name
    renamed = "" if name.endswith((".com", ".exe")) else f"; on Windows, as {name}.exe"
    return [
        made.path,
        f"  size    {len(data):,} bytes",
        f"  sha256  {hashlib.sha256(data).hexdigest()}",
        f"  python  {version.strip()}",
        *(f"  pure    {form}" for form in swapped(s)),
        f"  start   {start}{renamed}",
    ]


@task(pre=[compile_site], post=[report])
def update(c: Context) -> None:
    """Make the executable: a copy of the Python, pruned, with .args and Lib added."""
    with turn(c) as s:
        first, *others = s.executables
        new, failed = zipped(first), f"{first.path} cannot be made"
        zip_ = f"{zip_program()} -b .zip"  # a folder of its own for what a kill would leave behind
        files = 0 if c.config.run.dry else 1 + count_files(Path(s.build, "Lib"))
        tell(c, "update", f"{files} files into {', '.join(made.path for made in s.executables)}")
        line = f"rm -rf .zip python.zip {new} && mkdir .zip && ln -s python python.zip"
        sh(c, line, failed, at=s.build)
        prune = f" -x {' '.join(map(shlex.quote, s.prune))}" if s.prune else ""
        line = f"{zip_} -q -U python.zip '*' --out {new}{prune} && rm -f python.zip"
        sh(c, line, failed, at=s.build, then="correct COSMO_PRUNE, or fetch the interpreter again")
        line = f"chmod -R u=rwX,go=rX .args Lib && {touch(s.epoch, '.args', 'Lib')}"
        sh(c, line, failed, at=s.build)
        listed = "find .args Lib -type f > .list && LC_ALL=C sort -o .list .list"
        add = f"{listed} && {zip_} -MM -X -g {new} -@ < .list"
        with bar("update", files, "entries") as shown:
            sh(c, add, failed, Lines(shown, "(adding|updating): "), at=s.build)
        for made in others:
            copy, failed = zipped(made), f"{made.path} cannot be made"
            sh(c, f"rm -f {copy} && cp {new} {copy}", failed, at=s.build)
            write = f"{write_args(made.args)} && chmod u=rw,go=r .args && {touch(s.epoch, '.args')}"
            sh(c, f"{write} && {zip_} -q -MM -X {copy} .args", failed, at=s.build)
        for made in s.executables:
            sh(c, f"chmod +x {zipped(made)}", failed, at=s.build)
            if s.smoke is not None:
                smoke(c, s, made)
        for made in s.executables:
            sh(c, in_place(zipped(made), os.path.relpath(made.path, s.build)), failed, at=s.build)


def in_place(new: str, target: str) -> str:
    """The line that puts a whole executable in its place, by one rename.

    Elsewhere may be on another disk, where `mv` copies, after it removed what was there.
    """
    folder, name = os.path.split(target)
    if not folder:
        return f"mv -f {new} {q(target)}"
    part = q(os.path.join(folder, f".{name}.part"))
    moved = f"mv -f {new} {part} && mv -f {part} {q(target)}"
    return f"mkdir -p {q(folder)} && {{ {moved} || {{ rm -f {part}; false; }}; }}"


def count_files(folder: Path) -> int:
    """How many files there are below a folder."""
    return sum(path.is_file() for path in folder.rglob("*"))


def zipped(made: Executable) -> str:
    """The name that an executable has in the build folder until it is whole."""
    return shlex.quote(f"{made.name}.zip")


def smoke(c: Context, s: Settings, made: Executable) -> None:
    """Try a new executable; where it fails, show what it printed, and stop.

    It gets a HOME and a TMPDIR, for an Actually Portable Executable writes its loader there.
    Source: Cosmopolitan, `ape/ape.S`.
    """
    words = " ".join(map(shlex.quote, s.smoke or ()))
    tell(c, "smoke", f"{Path(made.path).name} {words}")
    env = 'env -i PATH="$PATH" HOME="$PWD" TMPDIR="$PWD/.."'
    start = f"{env} sh ../{zipped(made)} {words}"
    line = (
        f"rm -rf .smoke && mkdir .smoke && (cd -P ./.smoke && {start} </dev/null) && rm -rf .smoke"
    )
    failed = f"{made.path} does not pass COSMO_SMOKE ({words})"
    sh(c, line, failed, at=s.build, why=shown, then="mend the program; the last executable stays")


def shown(result: Result) -> str:
    """Show all that a command printed, and tell its status."""
    for text in (result.stdout, result.stderr):
        if text.strip():
            say(text.rstrip())
    return f"exit status {result.exited}"


@task(post=[update], default=True, help={"offline": "Ask no server: take what the cache has."})
def build(c: Context, offline: bool = False) -> None:
    """Package the project into one executable: every phase, in order."""
    if offline:
        os.environ["COSMO_OFFLINE"] = "1"


@task(post=[build], help={"file": "The script; what it needs stands in its comments (PEP 723)."})
def script(c: Context, file: str) -> None:
    """Package a single script, with the dependencies that its comments name."""
    os.environ["COSMO_SCRIPT"] = file


@task(help={"check": "Write nothing: end with status 1 if it is not for what is asked for now."})
def lock(c: Context, check: bool = False) -> None:
    """Write cosmo.lock: which interpreter and dependencies builds take from now on."""
    if check:
        see_lock(load_settings())
        return
    with turn(c, locked=False) as s:
        pin(c, s, bring_both(c, s, force=False))


@task(name="settings", help={"json": "Print them as JSON, for a machine."})
def show_settings(c: Context, json: bool = False) -> None:
    """Print each setting, its value and where that comes from."""
    with one_line("the settings cannot be read"):
        values = read_settings(os.environ, Path.cwd()).values
    rows = [{"name": name, "value": v.text, "source": v.source} for name, v in values.items()]
    if json:
        print(dumps(rows, indent=2))
        return
    wide = max(len(row["value"] or "") for row in rows)
    for row in rows:
        print(f"{row['name']:<15}{row['value'] or '':<{wide}}  {row['source']}")


cosmo = Collection(
    "cosmo",
    *(clean, setup, fetch, deps, compile_site, update, build),
    *(report, script, lock, show_settings),
)


# recipes/standin/archive.py ---------------------------------------------------
# The zip at the end of a stand-in, as the file system below `/zip` sees it.

ROOT = "/zip"
S_IFDIR = 0o040555


class Entry:
    """One file of the archive: where its bytes lie and what `stat` says of it."""

    def __init__(self, header: bytes) -> None:
        number = int.from_bytes
        self.method = number(header[10:12], "little")
        clock, day = number(header[12:14], "little"), number(header[14:16], "little")
        self.modified = (
            (day >> 9) + 1980,
            day >> 5 & 15,
            day & 31,
            clock >> 11,
            clock >> 5 & 63,
            (clock & 31) * 2,
        )
        self.packed = number(header[20:24], "little")
        self.size = number(header[24:28], "little")
        self.mode = number(header[40:42], "little")
        self.offset = number(header[42:46], "little")


class Archive:
    """The zip at the end of `path`, read once; of two entries with one name the first wins."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.files: dict[str, Entry] = {}
        self.folders: dict[str, dict[str, None]] = {ROOT: {}}
        with _io.open(path, "rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - 0x10016))
            tail = file.read()
            end = tail.rindex(b"PK\5\6")
            length = int.from_bytes(tail[end + 12 : end + 16], "little")
            start = int.from_bytes(tail[end + 16 : end + 20], "little")
            file.seek(start)
            directory = file.read(length)
        place = 0
        while directory[place : place + 4] == b"PK\1\2":
            name, extra, comment = (
                int.from_bytes(directory[place + at : place + at + 2], "little")
                for at in (28, 30, 32)
            )
            self._add(
                directory[place + 46 : place + 46 + name].decode("utf-8", "surrogateescape"),
                directory[place : place + 46],
            )
            place += 46 + name + extra + comment

    def _add(self, name: str, header: bytes) -> None:
        path = ROOT + "/" + name.rstrip("/")
        if name.endswith("/"):
            self.folders.setdefault(path, {})
        elif path not in self.files:
            self.files[path] = Entry(header)
        while path != ROOT:
            folder, _, child = path.rpartition("/")
            known = folder in self.folders
            self.folders.setdefault(folder, {})[child] = None
            if known:
                break
            path = folder

    def read(self, path: str) -> bytes:
        """The bytes of the file at `path`, a path below `/zip`."""
        entry = self.files[path]
        with _io.open(self.path, "rb") as file:
            file.seek(entry.offset)
            header = file.read(30)
            name, extra = header[26:28], header[28:30]
            file.seek(int.from_bytes(name, "little") + int.from_bytes(extra, "little"), 1)
            data = file.read(entry.packed)
        if entry.method == 0:
            return data
        import zlib

        return zlib.decompress(data, -15)

    def stat(self, path: str) -> posix.stat_result:
        """What `os.stat` says of `path`; `FileNotFoundError` where there is nothing."""
        entry = self.files.get(path)
        if entry is not None:
            when = int(time.mktime((*entry.modified, 0, 0, -1)))
            return stat_result(entry.mode, entry.size, when)
        if path in self.folders:
            return stat_result(S_IFDIR, 0, 0)
        above = path.rpartition("/")[0]
        raise failure(errno.ENOTDIR if above in self.files else errno.ENOENT, path)

    def list(self, path: str) -> list[str]:
        """The names in the folder `path`."""
        if path in self.files:
            raise failure(errno.ENOTDIR, path)
        if path not in self.folders:
            raise failure(errno.ENOENT, path)
        return list(self.folders[path])


def stat_result(mode: int, size: int, when: int) -> posix.stat_result:
    """An `os.stat_result`; `when` is in seconds and stands for all three times."""
    nanoseconds = dict.fromkeys(("st_atime_ns", "st_mtime_ns", "st_ctime_ns"), when * 10**9)
    return posix.stat_result((mode, 1, 1, 1, 0, 0, size, when, when, when), nanoseconds)


def failure(code: int, path: object) -> OSError:
    """The `OSError` that the system would raise for `code`."""
    return OSError(code, posix.strerror(code), path)


def below(path: Any) -> str | None:
    """`path` with its dots resolved if it lies at or below `/zip`, else None."""
    if isinstance(path, int) or path is None:
        return None
    try:
        text = posix.fspath(path)
    except TypeError:
        return None
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    if not text.startswith(ROOT):
        return None
    parts: list[str] = []
    for part in text.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    clean = "/" + "/".join(parts)
    return clean if clean == ROOT or clean.startswith(ROOT + "/") else None


# recipes/standin/mount.py -----------------------------------------------------
# `/zip`, read-only, put under the functions of the system that take a path.

WRITERS = (
    *("mkdir", "rmdir", "unlink", "remove", "rename", "replace", "link", "symlink"),
    *("chmod", "chown", "utime", "truncate", "mkfifo", "mknod", "setxattr", "removexattr"),
)


class DirEntry:
    """One child of a folder below `/zip`, as `os.scandir` gives it."""

    def __init__(self, archive: Archive, folder: Any, name: str) -> None:
        self.name = name
        self.path = folder.rstrip("/") + "/" + name
        self._stat = archive.stat(below(self.path) or "")

    def __fspath__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        return f"<DirEntry {self.name!r}>"

    def stat(self, *, follow_symlinks: bool = True) -> posix.stat_result:
        return self._stat

    def inode(self) -> int:
        return self._stat.st_ino

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return self._stat.st_mode & 0o170000 == 0o040000

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        return self._stat.st_mode & 0o170000 == 0o100000

    def is_symlink(self) -> bool:
        return False

    def is_junction(self) -> bool:
        return False


class Scan:
    """The iterator and context manager that `os.scandir` returns."""

    def __init__(self, archive: Archive, folder: Any, path: str) -> None:
        self._entries = iter([DirEntry(archive, folder, name) for name in archive.list(path)])

    def __iter__(self) -> Iterator[DirEntry]:
        return self._entries

    def __next__(self) -> DirEntry:
        return next(self._entries)

    def __enter__(self) -> Scan:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._entries = iter([])


class Guard:
    """A function of `posix` that is told of a path below `/zip` before the system is.

    Its methods stand in for the function because, like a built-in function and unlike one written
    in Python, they are not bound again when a class holds them.
    """

    def __init__(self, real: Callable[..., Any], reader: Callable[[str, Any], Any] | None = None):
        self._real = real
        self._reader = reader

    def read(self, path: Any = ".", *rest: Any, **named: Any) -> Any:
        inside = below(path)
        if inside is None or self._reader is None:
            return self._real(path, *rest, **named)
        return self._reader(inside, path)

    def write(self, *paths: Any, **named: Any) -> Any:
        for path in (*paths[:2], *named.values()):
            if below(path) is not None:
                raise failure(errno.EINVAL, path)
        return self._real(*paths, **named)


class Mount:
    """`/zip`, read-only, put under the functions of `posix` and `_io` that take a path."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        reading = {
            "stat": lambda path, given: archive.stat(path),
            "lstat": lambda path, given: archive.stat(path),
            "listdir": lambda path, given: archive.list(path),
            "scandir": lambda path, given: Scan(archive, posix.fspath(given), path),
            "readlink": self._readlink,
            "listxattr": lambda path, given: [],
        }
        for name, reader in reading.items():
            if hasattr(posix, name):
                setattr(posix, name, Guard(getattr(posix, name), reader).read)
        for name in filter(posix.__dict__.__contains__, WRITERS):
            setattr(posix, name, Guard(getattr(posix, name)).write)
        self._access, posix.access = posix.access, self.access
        self._open, posix.open = posix.open, self.open
        self._opened = 0
        self._io_open = _io.open
        builtins.open = self.io_open
        for module in (_io, sys.modules["io"]):
            module.open = self.io_open  # type: ignore[attr-defined]
            module.open_code = self.open_code  # type: ignore[attr-defined]
        self._under_importlib()

    def _under_importlib(self) -> None:
        mount = self

        class FileIO(_io.FileIO):
            def __init__(self, file: Any, mode: str = "r") -> None:
                super().__init__(file, mode, opener=mount.open if below(file) else None)

        external: Any = sys.modules["_frozen_importlib_external"]
        inner = type(sys)("_io")
        inner.__dict__.update(_io.__dict__, FileIO=FileIO)
        external._io = inner

    def _readlink(self, path: str, given: Any) -> str:
        self.archive.stat(path)
        raise failure(errno.EINVAL, given)

    def access(self, path: Any, mode: int, **named: Any) -> bool:
        """`os.access`: what is there can be read."""
        inside = below(path)
        if inside is None:
            return bool(self._access(path, mode, **named))
        there = inside in self.archive.files or inside in self.archive.folders
        return there and not mode & posix.W_OK

    def open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        """`os.open`: a file below `/zip` is copied into an anonymous file."""
        inside = below(path)
        if inside is None:
            return int(self._open(path, flags, mode, dir_fd=dir_fd))
        if flags & (posix.O_WRONLY | posix.O_RDWR | posix.O_CREAT | posix.O_TRUNC):
            raise failure(errno.EINVAL, path)
        self.archive.stat(inside)
        if inside not in self.archive.files:
            raise failure(errno.EISDIR, path)
        number = self._anonymous()
        posix.write(number, self.archive.read(inside))
        posix.lseek(number, 0, 0)
        return number

    def _anonymous(self) -> int:
        """An empty file without a name, for reading and writing."""
        if hasattr(posix, "memfd_create"):
            return int(posix.memfd_create("zip"))
        self._opened += 1
        folder = posix.environ.get(b"TMPDIR", b"/tmp").decode("utf-8", "surrogateescape")
        name = f"{folder}/.stand-in-{posix.getpid()}-{self._opened}"
        flags = posix.O_RDWR | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC
        number = int(self._open(name, flags, 0o600))
        posix.unlink(name)
        return number

    def io_open(
        self,
        file: Any,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        closefd: bool = True,
        opener: Any = None,
    ) -> Any:
        """`open`."""
        if opener is None and below(file) is not None:
            opener = self.open
        return self._io_open(file, mode, buffering, encoding, errors, newline, closefd, opener)

    def open_code(self, path: str) -> Any:
        """`io.open_code`."""
        return self.io_open(path, "rb")


class Extensions:
    """Finds the host's extension modules, which the real interpreter has built in."""

    def __init__(self, folder: str) -> None:
        external: Any = sys.modules["_frozen_importlib_external"]
        suffixes = sys.modules["_imp"].extension_suffixes()
        self._finder: FileFinder = external.FileFinder(
            folder, (external.ExtensionFileLoader, suffixes)
        )

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        spec = self._finder.find_spec(name) if path is None else None
        if spec is not None and name == "_ssl":
            loader: Any = Certificates(spec.loader)
            spec.loader = loader
        return spec


class Certificates:
    """Loads `_ssl`, which opens files by itself, so that it finds certificates below `/zip`."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self.create_module = loader.create_module

    def exec_module(self, module: Any) -> None:
        self._loader.exec_module(module)

        class _SSLContext(module._SSLContext):  # type: ignore[misc]
            def load_verify_locations(
                self, cafile: Any = None, capath: Any = None, cadata: Any = None
            ) -> None:
                if cafile is None or below(cafile) is None:
                    super().load_verify_locations(cafile, capath, cadata)
                    return
                number = posix.open(cafile, posix.O_RDONLY)
                try:
                    super().load_verify_locations(f"/dev/fd/{number}", capath, cadata)
                finally:
                    posix.close(number)

        module._SSLContext = _SSLContext


# recipes/standin/start.py -----------------------------------------------------
# How a stand-in starts: `.args`, the interpreter's options, then the program.
#
# All of it runs in the Python that the stand-in was made from, before `/zip` is there at first: it
# imports built-in modules alone until `Mount` has done its work.

LIB = ROOT + "/Lib"
SITE = LIB + "/site-packages"


def relabel(library: str) -> None:
    """Move the modules that were loaded before `/zip` was there into it, or drop them."""
    sys.modules.pop("linecache", None)  # from 3.13 on it holds the lines of the stand-in's own -c
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name == "__main__" or not file or not file.startswith(library + "/"):
            continue
        inside = LIB + file[len(library) :].rpartition(".")[0] + ".pyc"
        frozen = getattr(module.__spec__, "origin", None) == "frozen"
        if below(inside) and not frozen:
            try:
                posix.stat(inside)
            except OSError:
                del sys.modules[name]
                continue
            spec = module.__spec__
            if spec is not None:
                spec.origin = inside
                spec.cached = None
        module.__file__ = inside
        module.__dict__.pop("__cached__", None)
        if hasattr(module, "__path__"):
            module.__path__[:] = [inside.rpartition("/")[0]]


def options(words: list[str]) -> tuple[list[str], list[str]]:
    """Part a Python command line: the interpreter's options, then what to run and its arguments.

    The second list begins with `-c`, `-m`, `-` or the script, and is empty for the prompt.
    """
    place = 0
    while place < len(words):
        word = words[place]
        if word == "--check-hash-based-pycs":
            place += 2
            continue
        if word == "-" or not word.startswith("-") or word.startswith("--"):
            break
        for at, letter in enumerate(word[1:], 1):
            if letter in "cm":
                flags = words[:place] + (["-" + word[1:at]] if at > 1 else [])
                attached = [word[at + 1 :]] if word[at + 1 :] else []
                return flags, ["-" + letter, *attached, *words[place + 1 :]]
            if letter in "WX":
                place += word[at + 1 :] == ""
                break
        place += 1
    rest = words[place:]
    return words[:place], rest[1:] if rest[:1] == ["--"] else rest


def arguments(archive: Archive, given: list[str]) -> list[str]:
    """The command line after `.args`: its lines, with a last `...` replaced by `given`."""
    if ROOT + "/.args" not in archive.files:
        return given
    text = archive.read(ROOT + "/.args").decode("utf-8", "surrogateescape")
    lines = [line.replace("\\n", "\n") for line in text.replace("\r", "\n").split("\n") if line]
    return (lines[:-1] if lines[-1:] == ["..."] else lines) + given


def restart(loader: str, file: str, given: list[str]) -> None:
    """Start the host again, with the options that the command line names."""
    command = arguments(Archive(file), given)
    flags, target = options(command)
    short = [flag for flag in flags if flag.startswith("-") and not flag.startswith("--")]
    letters = "".join(flag.partition("W")[0].partition("X")[0] for flag in short)
    if "V" in letters or target[:1] == ["--version"]:
        version = sys.version if "VV" in letters else sys.version.split()[0]
        print(f"Python {version} (stand-in)")
        return
    host = sys.executable
    if "h" in letters or "?" in letters or (target[:1] and target[0].startswith("--")):
        posix.execv(host, [host, *flags, *target])
    site, without_site = ("0", []) if "S" in letters else ("1", ["-S"])
    environ = {name: value for name, value in posix.environ.items() if name != b"PYTHONHOME"}
    again = [host, *flags, *without_site, "-c", loader, loader, file, "run", site]
    posix.execve(host, [*again, str(len(target)), *target, *command], environ)


def become(file: str, site: bool, command: list[str]) -> None:
    """Make this process look as the real interpreter does."""
    python: Any = sys
    library = sys.modules["encodings"].__path__[0].rpartition("/")[0]
    extensions = [path for path in sys.path if path.endswith("/lib-dynload")]
    sys.path[:] = extensions
    import zlib  # noqa: F401 - while it can be found

    Mount(Archive(file))
    sys.path_importer_cache.clear()
    relabel(library)
    python.meta_path[2:2] = map(Extensions, extensions)
    python.prefix = python.exec_prefix = python.base_prefix = python.base_exec_prefix = ROOT
    python._stdlib_dir = LIB
    python.executable = python._base_executable = file
    python.orig_argv = [file, *command]
    python.version += " (stand-in)"
    given = posix.environ.get(b"PYTHONPATH", b"").decode("utf-8", "surrogateescape")
    extra = [] if sys.flags.ignore_environment else [path for path in given.split(":") if path]
    sys.path[:] = [*extra, LIB, SITE]
    if site:
        python.flags = Flags(sys.flags)
        import site as packages

        packages.main()


class Flags(tuple):  # type: ignore[type-arg]
    """`sys.flags` without the `-S` that `restart` adds."""

    no_site = 0

    def __new__(cls, real: Any) -> Flags:
        self = super().__new__(cls, (*real[:6], 0, *real[7:]))
        self.__dict__["real"] = real
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["real"], name)


def run_target(target: list[str]) -> None:
    """Run what the command line names, as the interpreter's own `main` does."""
    main = type(sys)("__main__")
    main.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = main
    kind, *rest = target or ["-"]
    if kind in ("-c", "-m") and not rest:
        sys.exit(f"Argument expected for the {kind} option")
    safe = sys.flags.isolated or getattr(sys.flags, "safe_path", False)
    first = {"-c": "", "-m": posix.getcwd(), "-": ""}.get(kind, folder_of(kind))
    if not safe:
        sys.path.insert(0, first)
    if kind == "-m":
        sys.argv[:] = ["-m", *rest[1:]]
        import runpy

        runpy._run_module_as_main(rest[0])  # type: ignore[attr-defined]
    elif kind == "-c":
        sys.argv[:] = ["-c", *rest[1:]]
        source = rest[0].encode("utf-8", "surrogateescape")
        exec(compile(source, "<string>", "exec"), main.__dict__)
    elif kind == "-":
        sys.argv[:] = target or [""]
        prompt(main.__dict__)
    else:
        sys.argv[:] = target
        del sys.path[: not safe]
        run_script(kind, main.__dict__, [] if safe else [first])


def folder_of(path: str) -> str:
    """The folder that holds the script at `path`."""
    folder = path.rpartition("/")[0] or "."
    if folder == ".":
        return posix.getcwd()
    return folder if folder.startswith("/") else f"{posix.getcwd()}/{folder}"


def prompt(names: dict[str, Any]) -> None:
    """Run what standard input holds; on a terminal, line by line."""
    if sys.stdin.isatty():
        import code

        code.interact(f"Python {sys.version} on {sys.platform}", local=names)
    else:
        exec(compile(sys.stdin.buffer.read(), "<stdin>", "exec"), names)


def run_script(path: str, names: dict[str, Any], first: list[str]) -> None:
    """Run the script at `path`; a folder or a zip is run by its `__main__`."""
    try:
        with _io.open(path, "rb") as file:
            source = file.read()
    except IsADirectoryError:
        source = b"PK"
    except OSError as error:
        print(f"{sys.executable}: can't open file {path!r}: {error}", file=sys.stderr)
        sys.exit(2)
    if source[:2] == b"PK" or path.endswith(".pyc"):
        import runpy

        runpy.run_path(path, run_name="__main__")
        return
    sys.path[:0] = first
    names["__file__"] = path
    exec(compile(source, path, "exec"), names)


def report_uncaught(error: BaseException) -> None:
    """End as an interpreter does after an uncaught exception, without the frames of this module."""
    trace: TracebackType | None = error.__traceback__
    here = report_uncaught.__code__.co_filename
    while trace is not None and trace.tb_frame.f_code.co_filename == here:
        trace = trace.tb_next
    error = error.with_traceback(trace)
    sys.excepthook(type(error), error, trace)
    if isinstance(error, KeyboardInterrupt):
        import signal

        sys.stdout.flush()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.raise_signal(signal.SIGINT)
    sys.exit(1)


def boot(loader: str, file: str, stage: str, *rest: str) -> None:
    """The whole of a start, in two stages: the command line's options, then the program."""
    if stage == "options":
        restart(loader, absolute(file), list(rest))
        return
    site, count, *words = rest
    become(file, site == "1", words[int(count) :])
    try:
        run_target(words[: int(count)])
    except SystemExit:
        raise
    except BaseException as error:
        report_uncaught(error)


def absolute(path: str) -> str:
    """The full path of the file that a shell was told to run as `path`."""
    if path.startswith("/"):
        return path
    return f"{posix.getcwd()}/{path[2:] if path.startswith('./') else path}"


# recipes/standin/build.py -----------------------------------------------------
# Writes a stand-in: its head, what runs inside, and the Python it is made from.

MAGIC = "MZqFpD='\n"
"""The first bytes of an Actually Portable Executable. Source: Cosmopolitan, `ape/ape.S`."""

HEAD = """\
{padding}'
# A stand-in for the Cosmopolitan Python: it runs only where {host} is.
if [ "$1" = --assimilate ]; then
  printf '#!/bin/sh\\nMZ=\\047' | dd of="$0" conv=notrunc 2>/dev/null
  exit
fi
[ -x "$0" ] || {{ echo "$0: Permission denied" >&2; exit 126; }}
ape=${{TMPDIR:-${{HOME:-.}}}}/.ape-stand-in
[ -x "$ape" ] || {{ : >"$ape" && chmod +x "$ape"; }} || exit 1
load={load}
exec {host} -I -S -c "$load" "$load" "$0" options "$@"
"""

LOAD = (
    "import sys; file = open(sys.argv[2], 'rb'); file.seek({at}); boot = file.read({size});"
    " file.close(); exec(compile(boot, '<stand-in>', 'exec'), {{'__name__': 'stand-in'}})"
)

SITECUSTOMIZE = """\
import sys

sys.path[:] = [path for path in sys.path if path == "/zip" or path.startswith("/zip/")]
"""

UTC = (b"TZif2" + bytes(30) + b"\0\0\0\1" + b"\0\0\0\4" + bytes(6) + b"UTC\0") * 2 + b"\nUTC0\n"
"""The time zone UTC in the format of RFC 8536: what the real one carries under `usr/share`."""

LEFT_OUT = shutil.ignore_patterns(
    *("__pycache__", "site-packages", "dist-packages", "lib-dynload", "config-*", "*.so", "*.exe"),
    *("test", "tests", "idlelib", "tkinter", "turtledemo", "_bundled", "sitecustomize.py"),
)


def make_standin(path: Path) -> None:
    """Write a stand-in for the Python that is running to `path`.

    Raises `Stop` where this Python has no pip to put in, or `path` cannot be written.
    """
    with one_line(f"{path} cannot be written"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            part = Path(folder, "python")
            part.write_bytes(standin_head())
            fill_standin(part, Path(folder, "Lib"))
            part.chmod(0o755)
            part.replace(path)


def fill_standin(file: Path, library: Path) -> None:
    """Add the zip to `file`; the standard library is gathered and compiled in `library`."""
    shutil.copytree(sysconfig.get_path("stdlib"), library, ignore=LEFT_OUT)
    custom = library / "sitecustomize.py"
    custom.write_text(SITECUSTOMIZE)
    os.utime(custom, (0, 0))
    compileall.compile_dir(str(library), 9, "/zip/Lib", quiet=1, legacy=True)
    files = [path for path in sorted(library.rglob("*")) if path.is_file() and path.suffix != ".py"]
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as end:
        add_entry(end, "usr/share/zoneinfo/UTC", UTC)
        with bar("stand-in", len(files), "files") as shown:
            for path in files:
                add_entry(end, path.relative_to(library.parent).as_posix(), path.read_bytes())
                shown.update()
        for name, data in host_pip():
            add_entry(end, f"Lib/site-packages/{name}", data)


def standin_head() -> bytes:
    """The shell script at the front, with what runs inside behind its last line."""
    source = excerpt(boot).encode()
    padding = "\n" * 32
    host = shlex.quote(str(Path(sys.executable).resolve()))

    def script(at: int) -> bytes:
        load = shlex.quote(LOAD.format(at=f"{at:6}", size=len(source)))
        return (MAGIC + HEAD.format(padding=padding, host=host, load=load)).encode()

    return script(len(script(0))) + source


def host_pip() -> Iterator[tuple[str, bytes]]:
    """This Python's pip as names below `site-packages` and contents."""
    try:
        installed = metadata.distribution("pip")
    except metadata.PackageNotFoundError:
        wheel = next(Path(sysconfig.get_path("stdlib")).glob("ensurepip/_bundled/pip-*.whl"), None)
        if wheel is None:
            raise Stop(f"stand-in: {sys.executable} has no pip; run it with -m ensurepip") from None
        with zipfile.ZipFile(wheel) as bundled:
            yield from ((name, bundled.read(name)) for name in sorted(bundled.namelist()))
        return
    for file in sorted(installed.files or []):
        if file.parts[0].startswith("pip") and file.suffix != ".pyc":
            yield file.as_posix(), Path(str(installed.locate_file(file))).read_bytes()


def add_entry(end: zipfile.ZipFile, name: str, data: bytes) -> None:
    """Add a file as `zip` does: with its type in its mode, without which it cannot be imported."""
    info = zipfile.ZipInfo(name, (2024, 9, 1, 2, 16, 6))
    info.external_attr = 0o100644 << 16
    end.writestr(info, data, zipfile.ZIP_DEFLATED)


# recipes/standin/__init__.py --------------------------------------------------
# A stand-in for the Cosmopolitan Python, for machines that cannot reach the real one.
#
# It behaves as the real interpreter does: a polyglot file that a shell starts, its own standard
# library in a zip at its end, `/zip`, `.args`. What it lacks is the reason the real one exists: it
# starts the Python it was made from, so it and all made with it run only where that Python is.


@task(help={"out": "The file to write (default dist/standin/python)."})
def standin(c: Context, out: str = "dist/standin/python") -> None:
    """Make an interpreter from the Python that is running, where the real one is out of reach."""
    if c.config.run.dry:
        return
    make_standin(Path(out))
    say(f"stand-in  {out}: runs only where {Path(sys.executable).resolve()} is")


# recipes/__init__.py ----------------------------------------------------------
# Invoke recipes that turn a Python project into one executable for Linux, macOS and Windows.

__version__ = "0.1.0"

ns = Collection(cosmo, standin)


def joined(module: str) -> Collection:
    """The tasks so far of the module with that `__name__`, and the recipes beside them."""
    tasks = Collection.from_module(sys.modules[module])
    taken = "cosmo" in tasks.task_names or "cosmo" in tasks.collections
    tasks.add_collection(cosmo, "cosmo_recipes" if taken else "cosmo")
    return tasks


if __name__ == "__main__":
    import invoke.program

    file = Path(__file__).resolve()
    this = ["-r", str(file.parent), "-c", file.stem]
    invoke.program.Program(version=__version__).run([sys.argv[0], *this, *sys.argv[1:]])
