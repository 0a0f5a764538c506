"""`cosmo.lock`: which interpreter, and which dependencies, a build takes, or stops."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .console import Stop
from .project import parse_toml, table_at

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
