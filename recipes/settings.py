"""The settings: one table, and where their values come from.

A value is looked up in the task's options, the environment, `[tool.cosmo.env]` of `pyproject.toml`,
the article's `[tool.ds.scripts]` `_.env`, and what `[project]` says; a default comes last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from string import Template
from typing import Any, Generic, NamedTuple, TypeVar

from .parsers import (
    Value,
    parse_deps,
    parse_dir_site,
    parse_optimize,
    parse_out,
    parse_patterns,
    parse_pkg,
    parse_prune,
    parse_sha256,
    parse_src,
    parse_switch,
    parse_text,
    parse_urls,
    parse_words,
)
from .shell import RecipeError

T = TypeVar("T")
MAX_LENGTH = 10_000
"""How many characters a setting may have, its `$NAME`s expanded."""


class Setting(Generic[T]):
    """A setting: its name, default (None: there is none), parser and meaning."""

    def __init__(
        self, name: str, default: str | None, parse: Callable[[Value], T], meaning: str
    ) -> None:
        self.name, self.default, self.parse = name, default, parse
        self.meaning = " ".join(meaning.split())


PKG = Setting(
    "PKG",
    None,
    parse_pkg,
    """the package or module to run: a Python identifier, or several joined by dots; without it, the
    name of `[project]`, or what its scripts are imported from""",
)
DIR_SITE = Setting(
    "DIR_SITE",
    "dist/cosmo/Lib/site-packages",
    parse_dir_site,
    """the folder, inside the project, that the program is gathered and compiled in; it ends in
    `Lib/site-packages`, and what is above that is the build folder""",
)
URL = Setting(
    "COSMO_URL",
    "https://cosmo.zip/pub/cosmos/bin/python",
    parse_urls,
    """the interpreter, CPython 3.10 or newer: an https, http or file URL, or a path; or several
    URLs, separated by spaces, of which the first that answers with what is locked is used""",
)
SHA256 = Setting(
    "COSMO_SHA256",
    None,
    parse_sha256,
    "the sha256 that the interpreter's file must have, where there is no `pylock.cosmo.toml`",
)
OFFLINE = Setting(
    "COSMO_OFFLINE",
    "0",
    parse_switch,
    "1 takes what is in the user's cache and asks no server for anything",
)
ZIP_URL = Setting(
    "COSMO_ZIP_URL",
    "https://cosmo.zip/pub/cosmos/bin/zip",
    parse_urls,
    "the `zip` to fetch where none is on PATH; given like COSMO_URL",
)
SRC = Setting(
    "COSMO_SRC",
    None,
    parse_src,
    "the folder that PKG is in; without it, `src`, else the project's own folder",
)
DEPS = Setting(
    "COSMO_DEPS",
    None,
    parse_deps,
    """a requirements file to install, in place of `[project]` dependencies; `none`: neither
    dependencies nor metadata""",
)
ENTRY = Setting(
    "COSMO_ENTRY",
    None,
    parse_text,
    """what starts: `module:function`, or the name of a `[project.scripts]` entry; `*` makes an
    executable for each of these; without it, `-m PKG` if it has a `__main__`, else the one
    script""",
)
EXCLUDE = Setting(
    "COSMO_EXCLUDE",
    "",
    parse_patterns,
    """what of the program and its dependencies to leave out: patterns for paths below
    `site-packages`, as shell words; `*` stands for any text, `/` too""",
)
KEEP = Setting(
    "COSMO_KEEP",
    "",
    parse_patterns,
    """`.py` files that are data, a template's for example: patterns like COSMO_EXCLUDE's; what they
    name is neither compiled nor removed""",
)
SOURCE = Setting(
    "COSMO_SOURCE",
    "0",
    parse_switch,
    "1 ships the `.py` files too, so that tracebacks show lines and `inspect.getsource` works",
)
OPTIMIZE = Setting(
    "COSMO_OPTIMIZE",
    "0",
    parse_optimize,
    "1 compiles like `python -O` (no `assert`), 2 like `-OO` (no docstrings either)",
)
PRUNE = Setting(
    "COSMO_PRUNE",
    "Lib/site-packages/pip* usr/*",
    parse_prune,
    """which of the interpreter's own files to leave out: `zip`'s patterns, as shell words; empty:
    none. Your program's files are never pruned""",
)
ISOLATED = Setting(
    "COSMO_ISOLATED",
    "0",
    parse_switch,
    """1 puts `-I` first in `.args`: neither the current directory nor PYTHON* variables can change
    what runs""",
)
ARGS = Setting(
    "COSMO_ARGS",
    None,
    parse_words,
    """the lines of `.args`, as shell words, in place of the usual ones; end with `...`, which stands
    for the command line's arguments""",
)
SMOKE = Setting(
    "COSMO_SMOKE",
    None,
    parse_words,
    """arguments to try the new executable with, as shell words, `--version` for example, in an empty
    directory and environment; it replaces the old one only if it ends with status 0""",
)
OUT = Setting(
    "COSMO_OUT",
    None,
    parse_out,
    """the path of the executable, inside the project, `dist/tool.com` for example; without it, PKG
    in the build folder""",
)
SCRIPT = Setting(
    "COSMO_SCRIPT",
    None,
    parse_text,
    """a script to package in place of a project, with the metadata in its comments (PEP 723); as
    `invoke cosmo.script FILE` does""",
)
PROJECT = Setting(
    "COSMO_PROJECT",
    None,
    parse_text,
    """the folder of the project to package; without it, the one that holds `pyproject.toml`, at or
    above the current one; else the current one, if PKG is in it, or the one that holds `setup.py`,
    `setup.cfg` or `tasks.py`""",
)
SETTINGS: tuple[Setting[Any], ...] = (
    *(PKG, DIR_SITE, URL, SHA256, OFFLINE, ZIP_URL, SRC, DEPS, ENTRY, EXCLUDE, KEEP, SOURCE),
    *(OPTIMIZE, PRUNE, ISOLATED, ARGS, SMOKE, OUT, SCRIPT, PROJECT),
)
NAMES = [setting.name for setting in SETTINGS]


class Table(NamedTuple):
    """Some settings, and where they stand, as an error message says it."""

    source: str
    values: Mapping[str, str]


class Lookup(Mapping[str, str]):
    """Setting lookup across tables, the first of which counts most, with $NAME expansion."""

    def __init__(self, *tables: Table, trail: tuple[str, ...] = ()) -> None:
        self.tables, self.trail = tables, trail

    def find(self, name: str) -> tuple[str | None, str]:
        """The text of a setting as it is written, None where it is not set, and its source."""
        for table in self.tables:
            if name in table.values:
                return table.values[name], table.source
        return None, "not set"

    def expand(self, name: str) -> tuple[str | None, str]:
        """The text of a setting, with each $NAME in it replaced, and its source."""
        text, source = self.find(name)
        if text is None:
            return None, source
        inner = Lookup(*self.tables, trail=(*self.trail, name))
        text = Template(text).safe_substitute(inner)
        if len(text) > MAX_LENGTH:
            raise RecipeError(
                f"{name} ({source}) is longer than {MAX_LENGTH} characters; shorten it"
            )
        return text, source

    def __getitem__(self, name: str) -> str:
        text, source = self.find(name)
        if text is None or name in self.trail:
            problem = "is not set" if text is None else "leads back to itself"
            user, user_source = self.find(self.trail[-1])
            raise RecipeError(
                f"{self.trail[-1]}={user} ({user_source}): ${name} {problem}; correct it"
            )
        if source == "environment":
            return text  # the shell that set it has expanded it
        return self.expand(name)[0] or ""

    def __iter__(self) -> Iterator[str]:
        return iter({name for table in self.tables for name in table.values})

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Settings:
    """The settings of a project: each one is parsed, and so checked, when it is first used."""

    def __init__(self, root: Path, *tables: Table) -> None:
        defaults = {
            setting.name: setting.default for setting in SETTINGS if setting.default is not None
        }
        self.root = root
        self.lookup = Lookup(*tables, Table("default", defaults))
        self.parsed: dict[str, Any] = {}

    def value(self, setting: Setting[Any]) -> Value:
        """A setting's text, with each $NAME in it replaced, and its source."""
        return Value(setting.name, *self.lookup.expand(setting.name), self.root)

    def get(self, setting: Setting[T]) -> T:
        """A setting's value. Raises `RecipeError` for what it cannot be."""
        if setting.name not in self.parsed:
            self.parsed[setting.name] = setting.parse(self.value(setting))
        parsed: T = self.parsed[setting.name]
        return parsed

    def override(self, table: Table) -> Settings:
        """These settings, below a table that counts more."""
        return Settings(self.root, table, *self.lookup.tables[:-1])


def is_setting(name: str) -> bool:
    """Whether `name` is, or looks like, a setting."""
    return name in ("PKG", "DIR_SITE") or name.startswith("COSMO_")
