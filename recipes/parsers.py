"""What each setting has to be: a parser gives the value a build uses, or raises `RecipeError`."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

from .shell import RecipeError

SWITCH = {**dict.fromkeys(("1", "true", "yes", "on"), True)}
SWITCH.update(dict.fromkeys(("0", "false", "no", "off", ""), False))
APE_STARTS = ("MZqFpD", "jartsr")
"""How an Actually Portable Executable begins, and how one of an older release does.

Source: Cosmopolitan, `ape/ape.S`.
"""


class Value(NamedTuple):
    """A setting's text, None where it is not set, the source of that, and the project's folder."""

    name: str
    text: str | None
    source: str
    root: Path

    def error(self, problem: str) -> RecipeError:
        """The error that there is something wrong with this value."""
        return RecipeError(f"{self.name}={self.text or ''!r} ({self.source}){problem}")

    def path(self) -> Path:
        """The path that it names, from the project's folder, or the environment's from here."""
        base = Path() if self.source == "environment" else Path(os.path.relpath(self.root))
        return base / Path(self.text or "").expanduser()


def parse_text(value: Value) -> str | None:
    """Any text, None where it is not set."""
    return value.text


def parse_words(value: Value) -> tuple[str, ...] | None:
    """Its words, split as a shell does; None where it is not set."""
    try:
        return None if value.text is None else tuple(shlex.split(value.text))
    except ValueError as error:
        raise value.error(f": {error}; correct it") from error


def parse_patterns(value: Value) -> tuple[str, ...]:
    """Patterns for paths below `site-packages`, or, in COSMO_PRUNE, of zip's.

    One that zip would take for an option is refused.
    """
    forbidden = "[-@]" if value.name == "COSMO_PRUNE" else r"/|.*[\n\r\[\]\\]"
    words = parse_words(value) or ()
    for word in words:
        if not word or re.match(forbidden, word, re.DOTALL):
            raise value.error(f": {word!r} is not a pattern; write a path, as `hello/templates/*`")
    return words


def parse_switch(value: Value) -> bool:
    """1 or 0, or another word for on and off."""
    if (value.text or "").lower() not in SWITCH:
        raise value.error(": write 1 or 0")
    return SWITCH[(value.text or "").lower()]


def parse_optimize(value: Value) -> int:
    """How often Python is given `-O`."""
    if value.text not in ("", "0", "1", "2"):
        raise value.error(": write 0, 1 or 2")
    return int(value.text or 0)


def parse_compress(value: Value) -> int:
    """How zip packs, from 0, not at all, to 9; 6 is its default."""
    if not re.fullmatch("[0-9]?", value.text or ""):
        raise value.error(": write 0 to 9")
    return int(value.text or 6)


def parse_slim(value: Value) -> tuple[str, ...]:
    """1, `list`, or modules of the library to keep; nothing, or 0, for all of it."""
    words = (value.text or "0").split()
    for word in words:
        if not re.fullmatch(r"[01]|[A-Za-z_]\w*", word, re.ASCII) or (word == "0" and words[1:]):
            raise value.error(": write 1, list, or modules of the standard library to keep")
    return () if words in ([], ["0"]) else tuple(words)


def parse_sha256(value: Value) -> str:
    """64 hexadecimal digits, empty where it is not set."""
    if value.text is not None and not re.fullmatch("[0-9a-fA-F]{64}", value.text):
        raise value.error(": write 64 hexadecimal digits")
    return (value.text or "").lower()


def parse_pkg(value: Value) -> str:
    """An identifier path that leaves the build's own files their names."""
    if value.text is None:
        file = value.root / "pyproject.toml"
        problem, remedy = "", f"write PKG under [tool.cosmo.env] in {file}"
        if not file.exists():
            problem, remedy = f", and there is no {file}", "go to the project's folder"
        remedy += ", or name the package to run, as in `PKG=name invoke cosmo`"
        raise RecipeError(f"PKG is not set{problem}; {remedy}")
    first, *rest = value.text.split(".")
    if not all(part.isidentifier() for part in (first, *rest)):
        rule = "use a Python identifier, or several joined by dots"
        raise value.error(f" is not the name of a package: {rule}")
    if is_reserved(first) or first == "__main__":
        raise value.error(": Python or the build folder needs that name; rename the package")
    return value.text


def parse_urls(value: Value) -> tuple[str, ...]:
    """URLs for wget, as they stand; or one path, also by a file URL."""
    words = (value.text or "").split()
    if len(words) > 1 and all("://" in word for word in words):
        return tuple(url for word in words for url in parse_urls(value._replace(text=word)))
    text, path = value.text or "", value.path()
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme in ("http", "https") and parts.netloc:
        if text.isascii() and text.isprintable() and " " not in text:
            return (text,)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        path = Path(unquote(parts.path))
    elif not text or "://" in text:
        raise value.error(": give an https, http or file URL, or a path")
    if not path.is_file():
        raise value.error(f": there is no file {path}; correct it")
    return (str(path),)


def public_url(address: str) -> str:
    """An address as it may be published: without user, password and query; a path as it is."""
    if "://" not in address:
        return address
    parts = urlsplit(address)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def parse_version(value: Value) -> str | None:
    """A version of numbers and dots, None where it is not set."""
    if value.text is not None and not re.fullmatch(r"\d+(\.\d+)+", value.text):
        raise value.error(": write a release of cosmo.zip, as 4.0.2")
    return value.text


def parse_deps(value: Value) -> str | None:
    """The path of a requirements file, `none`, or None where it is not set."""
    if value.text is None or value.text == "none":
        return value.text
    if not value.text or not value.path().is_file():
        raise value.error(f": there is no file {value.path()}; name a requirements file, or none")
    return str(value.path())


def parse_dir_site(value: Value) -> str:
    """A folder of its own inside the project, which ends in Lib/site-packages."""
    text, root = value.text or "", value.root
    clean, site = os.path.normpath(text), root / text
    parts, build = clean.split(os.sep), site.parent.parent.resolve()
    if os.path.isabs(text) or ".." in text.split("/"):
        problem = "must lie inside the project and be relative to it"
    elif parts[-2:] != ["Lib", "site-packages"] or len(parts) < 3:
        problem = "must be a folder of the project's, then Lib/site-packages"
    elif root not in build.parents:
        problem = f"leads out of the project, to {build}"
    elif (root / "src").resolve() in (build, *build.parents):
        problem = "lies among the sources"
    elif site.is_symlink() or site.parent.is_symlink():
        problem = "is a symbolic link"
    else:
        return clean
    raise value.error(f" {problem}; dist/cosmo/Lib/site-packages is usual")


def parse_src(value: Value) -> str | None:
    """A folder in the project, None where it is not set."""
    folder = value.root / (value.text or "")
    if value.text is not None and not (value.text and folder.is_dir() and is_inside(folder, value)):
        raise value.error(": no such folder in the project; name the one that PKG is in")
    return value.text


def parse_out(value: Value) -> str | None:
    """A path inside the project that an executable may be put at, None where it is not set."""
    if value.text is None:
        return None
    root, path = value.root, Path(os.path.normpath(value.root / value.text))
    if os.path.isabs(value.text) or root not in path.parents or ".." in Path(value.text).parts:
        problem = "must lie inside the project and be relative to it"
    elif not is_inside(path.parent, value):
        problem = f"leads out of the project, to {path.parent.resolve()}"
    elif value.text.endswith("/") or path.is_dir():
        problem = "is a folder; name a file in it"
    elif path.is_symlink() or (path.exists() and not path.is_file()):
        problem = "exists, and is no file; move it away, or name another"
    elif path.exists() and not is_executable(path):
        problem = "exists, and is no executable that a build made; move it away, or name another"
    else:
        return str(path.relative_to(root))
    raise value.error(f" {problem}")


def is_inside(folder: Path, value: Value) -> bool:
    """Whether `folder` is the project's or in it, as it is written and as symbolic links lead."""
    paths = (Path(os.path.normpath(folder)), folder.resolve())
    return all(value.root in (path, *path.parents) for path in paths)


def is_reserved(name: str) -> bool:
    """Whether the build folder needs a file's name for its own files."""
    reserved = name.lower() in ("python", "zip", "lib", "download")
    return reserved or name.startswith(".") or name.endswith((".zip", ".part"))


def is_executable(path: Path) -> bool:
    """Whether a file begins as an Actually Portable Executable."""
    with path.open("rb") as file:
        return file.read(6).decode("latin-1") in APE_STARTS
