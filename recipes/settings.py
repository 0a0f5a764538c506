"""The settings: one table of name, default, parser and meaning, read once into one object.

A value is looked up in the task's options, the environment, `[tool.cosmo.env]` of `pyproject.toml`
and the article's `[tool.ds.scripts]` `_.env`; a default comes last.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from .shell import RecipeError

RELEASE = "https://cosmo.zip/pub/cosmos/v/{}/bin/{}"
"""Where the files of one release of cosmo.zip are. Source: that site's list of releases."""

STRUCK = {
    "COSMO_ARGS": "COSMO_ENTRY says what starts; remove it",
    "COSMO_SLIM": "the standard library goes in whole; leave parts out with COSMO_PRUNE",
    "COSMO_COMPRESS": "zip packs as it does by default; remove it",
    "COSMO_KEEP": "a .py that is not in a package stays as it is without it; remove it",
    "COSMO_SHA256": "`invoke cosmo.lock` writes the sha256 to a lock; remove it",
}
"""Settings of earlier releases, and what to do without each."""


class Table(NamedTuple):
    """Some settings, and where they stand, as an error message says it."""

    origin: str
    values: Mapping[str, str]


class Value(NamedTuple):
    """A setting's text, None where it is not set; where it stands; and the project's folder."""

    name: str
    text: str | None
    origin: str
    root: Path

    def error(self, problem: str) -> RecipeError:
        """Make the error that there is something wrong with this value."""
        return RecipeError(f"{self.name}={self.text or ''!r} ({self.origin}){problem}")

    def path(self) -> Path:
        """Return the path it names: in the environment from here, else from the project."""
        base = Path() if self.origin == "environment" else self.root
        return base.absolute() / Path(self.text or "").expanduser()

    def inner_path(self, problem: str = "") -> str:
        """Return the path in the project that it names; raise `RecipeError` for any other."""
        text, root = self.text or "", self.root
        path = Path(os.path.normpath(root / text))
        if os.path.isabs(text) or ".." in text.split("/") or path == root:
            problem = "must lie inside the project and be relative to it"
        elif root not in (path.parent.resolve(), *path.parent.resolve().parents):
            problem = f"leads out of the project, to {path.parent.resolve()}"
        if problem:
            raise self.error(f" {problem}")
        relative = os.path.relpath(path, root)
        return f"./{relative}" if relative.startswith("-") else relative


def parse_text(pattern: str, rule: str) -> Callable[[Value], str | None]:
    """Make a parser of texts that match a pattern; the rule says what to write."""

    def parse(value: Value) -> str | None:
        if value.text is not None and not re.fullmatch(pattern, value.text, re.DOTALL):
            raise value.error(f": {rule}")
        return value.text

    return parse


def parse_words(pattern: str, rule: str) -> Callable[[Value], tuple[str, ...]]:
    """Make a parser of shell words that each match a pattern."""

    def parse(value: Value) -> tuple[str, ...]:
        try:
            words = tuple(shlex.split(value.text or ""))
        except ValueError as error:
            raise value.error(f": {error}; correct it") from error
        for word in words:
            if not re.fullmatch(pattern, word, re.DOTALL):
                raise value.error(f": {word!r} {rule}")
        return words

    return parse


def parse_switch(value: Value) -> bool:
    """1 or 0, or another word for on and off."""
    rule = parse_text("(?i)[01]|true|false|yes|no|on|off", "write 1 or 0")
    return str(rule(value)).lower() in ("1", "true", "yes", "on")


def parse_pkg(value: Value) -> str | None:
    """A Python identifier, or several joined by dots."""
    text = value.text
    if text is None:
        return None
    if not all(part.isidentifier() for part in text.split(".")):
        rule = "use a Python identifier, or several joined by dots"
        raise value.error(f" is not the name of a package: {rule}")
    if text.endswith(".py") and (value.root / text).is_file():
        raise value.error(f" is a file; write the name of the module, PKG={text[:-3]}")
    if is_reserved(text.partition(".")[0]):
        raise value.error(": Python or the build folder needs that name; rename the package")
    return text


def parse_smoke(value: Value) -> tuple[str, ...] | None:
    """Arguments; none is allowed, and something else than not set."""
    return None if value.text is None else parse_words(".*", "")(value)


def parse_url(value: Value) -> str:
    """A URL for wget, as it stands; or an absolute path, also by a file URL."""
    text, path = value.text or "", value.path()
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if re.search(r"\s\w+://", text):
        raise value.error(" names several addresses; name one")
    if parts.scheme in ("http", "https") and parts.netloc and re.fullmatch("[!-~]+", text):
        return text
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        path = Path(unquote(parts.path))
    elif not text or "://" in text:
        raise value.error(": give an https, http or file URL, or a path")
    if not path.is_file():
        raise value.error(f": there is no file {path}; correct it")
    return str(path)


def parse_deps(value: Value) -> str | None:
    """The path of a requirements file, from the project's folder; or `none`."""
    if value.text is None or value.text == "none":
        return value.text
    if not value.text or not value.path().is_file():
        raise value.error(f": there is no file {value.path()}; name a requirements file, or none")
    return os.path.relpath(value.path(), value.root)


def parse_dir_site(value: Value) -> str:
    """A folder of its own inside the project, which ends in Lib/site-packages."""
    site = value.inner_path()
    parts, build = site.split("/"), (value.root / site).parent.parent.resolve()
    if parts[-2:] != ["Lib", "site-packages"] or parts[:-2] in ([], ["."]):
        value.inner_path("must be a folder of the project's, then Lib/site-packages")
    if (value.root / "src").resolve() in (build, *build.parents):
        value.inner_path("lies among the sources; dist/cosmo/Lib/site-packages is usual")
    return site


def parse_src(value: Value) -> str | None:
    """A folder in the project, or the project's own."""
    folder = (value.root / (value.text or "")).resolve()
    if value.text is not None and not (folder.is_dir() and value.root in (folder, *folder.parents)):
        raise value.error(": no such folder in the project; name the one that PKG is in")
    return value.text


def parse_out(value: Value) -> str | None:
    """A path inside the project that an executable may be put at."""
    if value.text is not None and (value.text.endswith("/") or (value.root / value.text).is_dir()):
        value.inner_path("is a folder; name a file in it")
    return None if value.text is None else value.inner_path()


def is_reserved(name: str) -> bool:
    """Tell whether Python or the build folder needs a file of this name."""
    return bool(re.match(r"(?i)(python|zip|lib|download|__main__)$|\.|.*\.(zip|part)$", name))


def setting(name: str, default: str | None, parse: Callable[[Value], Any], meaning: str) -> Any:
    """Declare a setting: its name, default (None: not set), parser, and meaning for users."""
    return field(metadata={"name": name, "default": default, "parse": parse, "meaning": meaning})


PATTERNS = parse_words(r"[^/\n\r\[\]\\][^\n\r\[\]\\]*", "is not a pattern; write a path, as `a/b*`")
ZIP_PATTERNS = parse_words("[^-@].*", "is not a pattern of zip; write a path, as `usr/*`")
BESIDE = parse_words(
    r"(?!/|\.(/|$))(?!(.*/)?\.\.(/|$)).+", "must name a file or folder beside the program"
)


@dataclass(frozen=True)
class Settings:
    """Every setting, parsed; and where each stands, as `cosmo.settings` prints it."""

    values: Mapping[str, Value]
    # fmt: off
    pkg: str | None = setting("PKG", None, parse_pkg,
        "the package or module to run, as `python -m PKG` does; without it, the project's command"
        " starts, or the module that the project or script is called like")
    dir_site: str = setting("DIR_SITE", "dist/cosmo/Lib/site-packages", parse_dir_site,
        "the folder, inside the project, that the program is gathered and compiled in; it ends in"
        " `Lib/site-packages`, and what is above that is the build folder")
    url: str = setting("COSMO_URL", "https://cosmo.zip/pub/cosmos/bin/python", parse_url,
        "the interpreter, CPython 3.10 or newer: an https, http or file URL, or a path")
    version: str | None = setting("COSMO_VERSION", None,
        parse_text(r"\d+(\.\d+)+", "write a release of cosmo.zip, as 4.0.2"),
        "a release of cosmo.zip, 4.0.2 for example: its interpreter, and its `zip`, which never"
        " change, in place of the newest; not beside COSMO_URL")
    offline: bool = setting("COSMO_OFFLINE", "0", parse_switch,
        "1 takes what is in the user's cache and asks no server for anything")
    zip_url: str = setting("COSMO_ZIP_URL", "https://cosmo.zip/pub/cosmos/bin/zip", parse_url,
        "the `zip` to fetch where none is on PATH; given like COSMO_URL")
    src: str | None = setting("COSMO_SRC", None, parse_src,
        "the folder that PKG is in; without it, `src`, else the project's own folder")
    deps: str | None = setting("COSMO_DEPS", None, parse_deps,
        "a requirements file to install, in place of what the project requires; `none`: nothing")
    entry: str | None = setting("COSMO_ENTRY", None, parse_text(".*", ""),
        "what starts: `module:function`, or the name of one of the project's commands")
    include: tuple[str, ...] = setting("COSMO_INCLUDE", "", BESIDE,
        "what else goes in: files or folders, as shell words, relative to the folder that the"
        " program's module is in; each goes in beside it under its own name")
    exclude: tuple[str, ...] = setting("COSMO_EXCLUDE", "", PATTERNS,
        "what of the program and its dependencies to leave out: patterns for paths below"
        " `site-packages`, as shell words; `*` stands for any text, `/` too")
    source: bool = setting("COSMO_SOURCE", "0", parse_switch,
        "1 ships the `.py` files too, for tracebacks with lines, `inspect.getsource`, and programs"
        " that look for their own `.py` files, plugins for example")
    optimize: int = setting("COSMO_OPTIMIZE", "0",
        lambda value: int(parse_text("[012]", "write 0, 1 or 2")(value) or 0),
        "1 compiles like `python -O` (no `assert`), 2 like `-OO` (no docstrings either)")
    prune: tuple[str, ...] = setting("COSMO_PRUNE", "Lib/site-packages/pip* usr/*", ZIP_PATTERNS,
        "which of the interpreter's own files to leave out: `zip`'s patterns, as shell words;"
        " empty: none. Your program's files are never pruned")
    isolated: bool = setting("COSMO_ISOLATED", "1", parse_switch,
        "1 puts `-I` first in `.args`: neither the current directory nor PYTHON* variables can"
        " change what runs; 0 is the default where the article's table sets PKG")
    check: bool = setting("COSMO_CHECK", "1", parse_switch,
        "0 builds also what cannot start: the new executable does not try what it imports")
    smoke: tuple[str, ...] | None = setting("COSMO_SMOKE", None, parse_smoke,
        "arguments to start the new executable with, as shell words, `--version` for example, in an"
        " empty directory and environment; it replaces the old one only if it ends with status 0")
    out: str | None = setting("COSMO_OUT", None, parse_out,
        "the path of the executable, inside the project, `dist/tool.com` for example; without it,"
        " the build folder, and the name of what starts")
    script: str | None = setting("COSMO_SCRIPT", None, parse_text(".*", ""),
        "a script to package in place of a project, with the metadata in its comments (PEP 723);"
        " as `invoke cosmo.script FILE` does")
    project: str | None = setting("COSMO_PROJECT", None, parse_text(".*", ""),
        "the folder of the project to package; without it, the nearest one, at or above the current"
        " one, that holds `pyproject.toml`, `setup.py`, `setup.cfg` or `tasks.py`")
    # fmt: on


TABLE = {one.metadata["name"]: one for one in fields(Settings) if one.metadata}
"""The fields of `Settings` by the names that users know."""


def find(name: str, tables: tuple[Table, ...], root: Path) -> Value:
    """Look a setting up; replace each $NAME in it, but not in what a shell has expanded."""
    table = next((one for one in tables if name in one.values), None)
    default = TABLE[name].metadata["default"]
    if table is None:
        return Value(name, default, "not set" if default is None else "default", root)
    text = table.values[name]
    try:
        text = text if table.origin == "environment" else expand(text, tables, 5)
    except LookupError as error:
        problem = f"{error.args[0]} is not set, or leads back to itself; correct it"
        raise RecipeError(f"{name} ({table.origin}): {problem}") from None
    return Value(name, text, table.origin, root)


def expand(text: str, tables: tuple[Table, ...], depth: int) -> str:
    """Replace each $NAME by what stands there, so many levels deep; `$$` is a dollar."""

    def replace(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        table = next((one for one in tables if name in one.values), None)
        default = TABLE[name].metadata["default"] if name in TABLE else None
        inner = table.values[name] if table else default
        if name is None or inner is None or not depth:
            if name is None:
                return "$"
            raise LookupError(f"${name}")
        shell = table is not None and table.origin == "environment"
        return inner if shell else expand(inner, tables, depth - 1)

    return re.sub(r"\$(?:\$|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})", replace, text)


def read_settings(root: Path, tables: tuple[Table, ...]) -> Settings:
    """Read every setting from the tables, of which the first counts most. Raises `RecipeError`."""
    values = {name: find(name, tables, root) for name in TABLE}
    version, url = values["COSMO_VERSION"], values["COSMO_URL"]
    origins = [*(table.origin for table in tables), "default", "not set"]
    if url.origin == version.origin:
        problem = f"COSMO_VERSION and COSMO_URL ({url.origin}) both name an interpreter"
        raise RecipeError(f"{problem}; set one of them")
    for name, file in (("COSMO_URL", "python"), ("COSMO_ZIP_URL", "zip")):
        if origins.index(values[name].origin) > origins.index(version.origin):
            text = RELEASE.format(TABLE["COSMO_VERSION"].metadata["parse"](version), file)
            values[name] = Value(name, text, "COSMO_VERSION", root)
    parsed = {one.name: one.metadata["parse"](values[name]) for name, one in TABLE.items()}
    return Settings(values, **parsed)


def check_names(tables: tuple[Table, ...], env: Table, file: Path) -> None:
    """Refuse settings that were struck, and names that are almost, but not, a setting's.

    In `env`, `[tool.cosmo.env]`, whatever is neither a setting nor expanded in one is refused.
    """
    written = [one.values for one in tables if one.origin != "environment"]
    used = set(re.findall(r"\$\{?(\w+)", repr(written)))
    for table in tables:
        for name in sorted(table.values.keys() - TABLE.keys() - used):
            if name in STRUCK:
                raise RecipeError(f"{name} ({table.origin}) is no longer a setting: {STRUCK[name]}")
            near = get_close_matches(name, TABLE, 1, 0.6 if table is env else 0.8)
            near = near or sorted({f"COSMO_{name.upper()}"} & TABLE.keys())
            if table is env or (near and name.startswith("COSMO_")):
                place = f"{file}: " if table is env else ""
                also = f"did you mean {near[0]}?" if near else "remove it"
                raise RecipeError(f"{place}{name} ({table.origin}) is no setting; {also}")
