"""The settings: one table of name, default, parser and meaning, and where a value comes from.

A value is looked up in the task's options, the environment, `[tool.cosmo.env]` of `pyproject.toml`,
the article's `[tool.ds.scripts]` `_.env`, and what `[project]` says; a default comes last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

from .parsers import (
    Value,
    parse_compress,
    parse_deps,
    parse_dir_site,
    parse_optimize,
    parse_out,
    parse_patterns,
    parse_pkg,
    parse_sha256,
    parse_slim,
    parse_src,
    parse_switch,
    parse_text,
    parse_urls,
    parse_version,
    parse_words,
)
from .shell import RecipeError, exit_on_error

SETTINGS: dict[str, Setting] = {}
MAX_LENGTH = 10_000
"""How many characters a setting may have, its `$NAME`s expanded."""


class Setting:
    """A setting: its name, default (None: there is none), parser and meaning."""

    def __init__(self, name: str, default: str | None, parse: Callable[[Value], Any]) -> None:
        self.name, self.default, self.parse, self.meaning = name, default, parse, ""

    def means(self, meaning: str) -> None:
        """List this setting, with its meaning."""
        self.meaning = meaning
        SETTINGS[self.name] = self


Setting("PKG", None, parse_pkg).means(
    "the package or module to run: a Python identifier, or several joined by dots; without it, the"
    " name of `[project]`, or what its scripts are imported from"
)
Setting("DIR_SITE", "dist/cosmo/Lib/site-packages", parse_dir_site).means(
    "the folder, inside the project, that the program is gathered and compiled in; it ends in"
    " `Lib/site-packages`, and what is above that is the build folder"
)
Setting("COSMO_URL", "https://cosmo.zip/pub/cosmos/bin/python", parse_urls).means(
    "the interpreter, CPython 3.10 or newer: an https, http or file URL, or a path; or several"
    " URLs, separated by spaces, of which the first that answers with what is locked is used"
)
Setting("COSMO_VERSION", None, parse_version).means(
    "a release of cosmo.zip, 4.0.2 for example: its interpreter, and its `zip`, which stay as they"
    " are, in place of the newest; not beside COSMO_URL"
)
Setting("COSMO_SHA256", None, parse_sha256).means(
    "the sha256 that the interpreter's file must have, where there is no `pylock.cosmo.toml`"
)
Setting("COSMO_OFFLINE", "0", parse_switch).means(
    "1 takes what is in the user's cache and asks no server for anything"
)
Setting("COSMO_ZIP_URL", "https://cosmo.zip/pub/cosmos/bin/zip", parse_urls).means(
    "the `zip` to fetch where none is on PATH; given like COSMO_URL"
)
Setting("COSMO_SRC", None, parse_src).means(
    "the folder that PKG is in; without it, `src`, else the project's own folder"
)
Setting("COSMO_DEPS", None, parse_deps).means(
    "a requirements file to install, in place of `[project]` dependencies; `none`: neither"
    " dependencies nor metadata"
)
Setting("COSMO_ENTRY", None, parse_text).means(
    "what starts: `module:function`, or the name of a `[project.scripts]` entry; `*` makes an"
    " executable for each of these; without it, the one script, or the one that is called like"
    " the project, else `-m PKG`; `-m PKG` first where the article's table sets PKG"
)
Setting("COSMO_EXCLUDE", "", parse_patterns).means(
    "what of the program and its dependencies to leave out: patterns for paths below"
    " `site-packages`, as shell words; `*` stands for any text, `/` too"
)
Setting("COSMO_KEEP", "", parse_patterns).means(
    "`.py` files that are data, a template's for example: patterns like COSMO_EXCLUDE's; what they"
    " name is neither compiled nor removed"
)
Setting("COSMO_SOURCE", "0", parse_switch).means(
    "1 ships the `.py` files too, so that tracebacks show lines and `inspect.getsource` works, and"
    " for a program that looks for its own `.py` files, its plugins for example"
)
Setting("COSMO_OPTIMIZE", "0", parse_optimize).means(
    "1 compiles like `python -O` (no `assert`), 2 like `-OO` (no docstrings either)"
)
Setting("COSMO_PRUNE", "Lib/site-packages/pip* usr/*", parse_patterns).means(
    "which of the interpreter's own files to leave out: `zip`'s patterns, as shell words; empty:"
    " none. Your program's files are never pruned"
)
Setting("COSMO_SLIM", "0", parse_slim).means(
    "1 leaves out what of the standard library neither the program nor its dependencies can reach;"
    " `list` shows it and leaves nothing out; what else to keep is named here, as in `sqlite3 csv`:"
    " what is imported by a name that is made up or stands in data or in a pickle, what help(),"
    " breakpoint() or a name in a string needs of pydoc, pdb, doctest, unittest and the like, and"
    " what the interpreter's own site-packages need, where COSMO_PRUNE keeps them"
)
Setting("COSMO_COMPRESS", "6", parse_compress).means(
    "how zip packs what is added, from 0, which is the quickest and largest, to 9"
)
Setting("COSMO_ISOLATED", "1", parse_switch).means(
    "1 puts `-I` first in `.args`: neither the current directory nor PYTHON* variables can change"
    " what runs; 0 is the default where the article's table sets PKG"
)
Setting("COSMO_ARGS", None, parse_words).means(
    "the lines of `.args`, as shell words, in place of the usual ones; end with `...`, which stands"
    " for the command line's arguments"
)
Setting("COSMO_CHECK", "1", parse_switch).means(
    "0 builds also what cannot start: what it imports is then not checked"
)
Setting("COSMO_SMOKE", None, parse_words).means(
    "arguments to try the new executable with, as shell words, `--version` for example, in an empty"
    " directory and environment; it replaces the old one only if it ends with status 0"
)
Setting("COSMO_OUT", None, parse_out).means(
    "the path of the executable, inside the project, `dist/tool.com` for example; without it, PKG"
    " in the build folder"
)
Setting("COSMO_SCRIPT", None, parse_text).means(
    "a script to package in place of a project, with the metadata in its comments (PEP 723); as"
    " `invoke cosmo.script FILE` does"
)
Setting("COSMO_PROJECT", None, parse_text).means(
    "the folder of the project to package; without it, the one that holds `pyproject.toml`, at or"
    " above the current one; else the current one, if PKG is in it, or the one that holds"
    " `setup.py`, `setup.cfg` or `tasks.py`"
)


RELEASE = "https://cosmo.zip/pub/cosmos/v/$COSMO_VERSION/bin/"
"""Where the files of one release of cosmo.zip are. Source: that site's list of releases."""


class Table(NamedTuple):
    """Some settings, and where they stand, as an error message says it."""

    source: str
    values: Mapping[str, str]


class Settings:
    """The settings of a project: each one is parsed, and so checked, when it is first used.

    Of the tables that they are looked up in, the first counts most.
    """

    def __init__(self, root: Path, *tables: Table) -> None:
        defaults = {name: one.default for name, one in SETTINGS.items() if one.default is not None}
        self.root, self.tables = root, (*with_release(tables), Table("default", defaults))
        self.parsed: dict[str, Any] = {}

    def find(self, name: str) -> tuple[str | None, str]:
        """The text of a setting as it is written, None where it is not set, and its source."""
        tables = (table for table in self.tables if name in table.values)
        return next(((table.values[name], table.source) for table in tables), (None, "not set"))

    def value(self, name: str, trail: tuple[str, ...] = ()) -> Value:
        """A setting's text, with each $NAME in it replaced, and its source.

        `trail` are the settings in which it is being replaced.
        """
        text, source = self.find(name)
        if text is not None:
            text = Template(text).safe_substitute(Names(self, (*trail, name)))
            if len(text) > MAX_LENGTH:
                problem = f"is longer than {MAX_LENGTH} characters; shorten it"
                raise RecipeError(f"{name} ({source}) {problem}")
        return Value(name, text, source, self.root)

    def get(self, name: str) -> Any:
        """What the parser of a setting makes of it. Raises `RecipeError` for what it cannot be."""
        if name not in self.parsed:
            with exit_on_error(name):
                self.parsed[name] = SETTINGS[name].parse(self.value(name))
        return self.parsed[name]


class Names(dict[str, str]):
    """What each $NAME in a setting stands for."""

    def __init__(self, settings: Settings, trail: tuple[str, ...]) -> None:
        self.settings, self.trail = settings, trail

    def __missing__(self, name: str) -> str:
        text, source = self.settings.find(name)
        if text is None or name in self.trail:
            problem = "is not set" if text is None else "leads back to itself"
            user, where = self.settings.find(self.trail[-1])
            raise RecipeError(f"{self.trail[-1]}={user} ({where}): ${name} {problem}; correct it")
        # what the environment has, the shell that set it has expanded
        return text if source == "environment" else self.settings.value(name, self.trail).text or ""


def with_release(tables: tuple[Table, ...]) -> Iterator[Table]:
    """The tables, and behind the first one that names a release, the addresses of its files."""
    is_named = False
    for table in tables:
        yield table
        if table.values.get("COSMO_VERSION") and not is_named:
            is_named = True
            if "COSMO_URL" in table.values:
                problem = f"COSMO_VERSION and COSMO_URL ({table.source}) both name an interpreter"
                raise RecipeError(f"{problem}; set one of them")
            urls = {"COSMO_URL": f"{RELEASE}python", "COSMO_ZIP_URL": f"{RELEASE}zip"}
            yield Table("COSMO_VERSION", urls)


def nearest_setting(name: str, likeness: float) -> str | None:
    """The setting that a misspelt name stands for; None if none is so much (0 to 1) like it."""
    endings = {one.replace("COSMO_", ""): one for one in SETTINGS}
    near = get_close_matches(name.upper().replace("COSMO_", ""), endings, 1, likeness)
    return endings[near[0]] if near else None


def is_setting(name: str) -> bool:
    """Whether `name` is, or looks like, a setting."""
    return name in ("PKG", "DIR_SITE") or name.startswith("COSMO_")
