"""What each setting has to be: a parser gives the value a build uses, or raises `RecipeError`."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from .shell import RecipeError

SWITCH = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off", ""), False),
}


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
        """The path that it names: from the project's folder, or where the environment sets it, here."""
        base = Path() if self.source == "environment" else Path(os.path.relpath(self.root))
        return base / Path(self.text or "").expanduser()

    def words(self) -> tuple[str, ...]:
        """Its text, parted as a shell parts words."""
        try:
            return tuple(shlex.split(self.text or ""))
        except ValueError as error:
            raise self.error(f": {error}; correct it") from error


def parse_pkg(value: Value) -> str:
    """An identifier path that leaves the build's own files their names."""
    if value.text is None:
        file = value.root / "pyproject.toml"
        none = "" if file.exists() else ", which is not there (COSMO_PROJECT names another project)"
        raise RecipeError(
            f"PKG is not set, neither in the environment nor in {file}{none}: name the package to"
            " run there, under [tool.cosmo.env], or as in `PKG=name invoke cosmo`"
        )
    parts = value.text.split(".")
    if not all(part.isidentifier() for part in parts):
        problem = (
            " is not the name of a package: use a Python identifier, or several joined by dots"
        )
        raise value.error(problem)
    if is_reserved(parts[0]) or parts[0] == "__main__":
        owner = "Python" if parts[0] == "__main__" else "the build folder"
        raise RecipeError(f"PKG={value.text}: {owner} needs that name itself; rename the package")
    return value.text


def parse_dir_site(value: Value) -> str:
    """A folder of its own inside the project, which ends in Lib/site-packages."""
    text, root = value.text or "", value.root
    clean = os.path.normpath(text)
    parts = clean.split(os.sep)
    build = (root / text).parent.parent.resolve()
    if os.path.isabs(text) or ".." in text.split("/"):
        problem = "must lie inside the project and be relative to it"
    elif parts[-2:] != ["Lib", "site-packages"] or len(parts) < 3:
        problem = "must be a folder of the project's, then Lib/site-packages"
    elif root not in build.parents:
        problem = f"leads out of the project, to {build}"
    elif (root / "src").resolve() in (build, *build.parents):
        problem = "lies among the sources"
    elif (root / text).is_symlink() or (root / text).parent.is_symlink():
        problem = "is a symbolic link"
    else:
        return clean
    raise value.error(f" {problem}; dist/cosmo/Lib/site-packages is usual")


def parse_url(value: Value) -> str:
    """A URL for wget as it stands; for a file URL, the path that it names; or a path."""
    text = value.text or ""
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    plain = text.isascii() and text.isprintable() and " " not in text
    if parts.scheme in ("http", "https") and parts.netloc and plain:
        return text
    path = value.path()
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        path = Path(unquote(parts.path))
    elif not text or "://" in text:
        raise value.error(": give an https, http or file URL, or a path")
    if not path.is_file():
        raise value.error(f": there is no file {path}; correct it")
    return str(path)


def parse_urls(value: Value) -> tuple[str, ...]:
    """One address, or several URLs."""
    words = (value.text or "").split()
    if len(words) < 2 or not all("://" in word for word in words):
        return (parse_url(value),)
    return tuple(parse_url(value._replace(text=word)) for word in words)


def parse_sha256(value: Value) -> str:
    """64 hexadecimal digits, empty where it is not set."""
    if value.text is not None and not re.fullmatch("[0-9a-fA-F]{64}", value.text):
        raise value.error(": write 64 hexadecimal digits")
    return (value.text or "").lower()


def parse_prune(value: Value) -> tuple[str, ...]:
    """Patterns of zip's; one that zip would take for an option is refused."""
    for pattern in value.words():
        if not pattern or pattern[0] in "-@":
            raise value.error(f": {pattern!r} is not a pattern; write a path")
    return value.words()


def parse_patterns(value: Value) -> tuple[str, ...]:
    """Patterns for paths below `site-packages`."""
    for pattern in value.words():
        if not pattern or pattern[0] == "/" or re.search(r"[\n\r\[\]\\]", pattern):
            usage = "write a path below site-packages, as `hello/templates/*`"
            raise value.error(f": {pattern!r} is not a pattern; {usage}")
    return value.words()


def parse_switch(value: Value) -> bool:
    """1 or 0, or another word for on and off."""
    choice = SWITCH.get((value.text or "").lower())
    if choice is None:
        raise value.error(": write 1 or 0")
    return choice


def parse_optimize(value: Value) -> int:
    """How often Python is given `-O`."""
    if value.text not in ("", "0", "1", "2"):
        raise value.error(": write 0, 1 or 2")
    return int(value.text or 0)


def parse_words(value: Value) -> tuple[str, ...] | None:
    """A command's arguments, None where it is not set."""
    return None if value.text is None else value.words()


def parse_text(value: Value) -> str | None:
    """Any text, None where it is not set."""
    return value.text


def parse_deps(value: Value) -> str | None:
    """The path of a requirements file, `none`, or None for what `[project]` says."""
    if value.text is None or value.text == "none":
        return value.text
    if not value.text or not value.path().is_file():
        raise value.error(f": there is no file {value.path()}; name a requirements file, or none")
    return str(value.path())


def parse_src(value: Value) -> str | None:
    """A folder in the project, None where it is not set."""
    folder = value.root / (value.text or "")
    if value.text is None:
        return None
    if not value.text or not folder.is_dir() or not is_inside(value.root, folder):
        raise value.error(": no such folder in the project; name the one that PKG is in")
    return value.text


def parse_out(value: Value) -> str | None:
    """A path inside the project that an executable may be put at, None where it is not set."""
    if value.text is None:
        return None
    root = value.root
    path = Path(os.path.normpath(root / value.text))
    if os.path.isabs(value.text) or root not in path.parents or ".." in Path(value.text).parts:
        problem = "must lie inside the project and be relative to it"
    elif not is_inside(root, path.parent):
        problem = f"leads out of the project, to {path.parent.resolve()}"
    elif value.text.endswith("/") or path.is_dir():
        problem = "is a folder; name a file in it"
    elif path.is_symlink() or (path.exists() and not is_executable(path)):
        problem = "exists, and is no executable that a build made; move it away, or name another"
    else:
        return str(path.relative_to(root))
    raise value.error(f" {problem}")


def is_inside(root: Path, folder: Path) -> bool:
    """Whether `folder` is `root` or in it, as it is written and as symbolic links lead."""
    written, real = Path(os.path.normpath(folder)), folder.resolve()
    return all(root in (path, *path.parents) for path in (written, real))


def is_reserved(name: str) -> bool:
    """Whether the build folder needs a file's name for its own files."""
    reserved = name.lower() in ("python", "zip", "lib", "download")
    return reserved or name.startswith(".") or name.endswith((".zip", ".part"))


def is_executable(path: Path) -> bool:
    """Whether `path` begins as an Actually Portable Executable. Source: Cosmopolitan, ape/ape.S."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(6) in (b"MZqFpD", b"jartsr")
