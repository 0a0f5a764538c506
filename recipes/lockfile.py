"""`pylock.cosmo.toml`: the interpreter and the dependencies that a build takes, or stops.

It is a lock file by PEP 751, as uv writes and installs it; the interpreter stands in a table of its
own, `[tool.cosmo-recipes.python]`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from .pyproject import Toml, read_toml
from .shell import RecipeError

HEAD = "# What `invoke cosmo` builds from. `invoke cosmo.lock` wrote it, and writes it anew; commit it."
REMEDY = "write it anew with `invoke cosmo.lock`"


@dataclass(frozen=True)
class Lock:
    """What is locked: the interpreter, and the dependencies where there are any.

    `url`, `size` in bytes, `sha256` and `last_modified`, in UTC and empty where no server gave it,
    are those of the interpreter's file; `version` is its Python's. `inputs` is what the packages
    were resolved for, and `packages` are their names.
    """

    url: str
    size: int
    sha256: str
    version: str
    last_modified: str
    inputs: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()


def lock_name(script: Path | None) -> str:
    """The name of a project's lock file, or a script's; PEP 751 allows no further dot in it."""
    return f"pylock.cosmo-{script.stem.replace('.', '-')}.toml" if script else "pylock.cosmo.toml"


def read_lock(path: Path, old: str) -> Lock | None:
    """The lock at `path`; None where there is none. `RecipeError` for what cannot be one.

    `old` is the name that earlier releases gave it, whose content is refused, not ignored.
    """
    if not path.exists():
        if path.with_name(old).exists():
            remedy = "write the new one with `invoke cosmo.lock`, and remove it"
            raise RecipeError(
                f"{path.with_name(old)} is of an earlier release, and no longer read; {remedy}"
            )
        return None
    lock = read_toml(path)._replace(remedy=REMEDY)
    if lock.string("lock-version") != "1.0":
        raise lock.error("lock-version", "must be '1.0'")
    packages = tuple(map(check_package, lock.tables("packages")))
    ours = lock.table("tool", "cosmo-recipes")
    python = ours.table("python")
    return Lock(
        url=required(python, "url", r"\S(.*\S)?"),
        size=python.integer("size"),
        sha256=required(python, "sha256", "[0-9a-f]{64}"),
        version=required(python, "version", r"\d+\.\d[0-9a-z.+]*"),
        last_modified=python.string("last-modified", r"[-0-9TZ:]*"),
        inputs=ours.strings("inputs"),
        packages=packages,
    )


def required(table: Toml, key: str, pattern: str) -> str:
    """The string at a key that must be there."""
    if key not in table.data:
        raise table.error(key, "is missing")
    return table.string(key, pattern)


def check_package(package: Toml) -> str:
    """A package's name, where it names files alone, each with its sha256."""
    name = required(package, "name", r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
    for key in ("directory", "vcs"):
        if key in package.data:
            source = package.table(key).data
            where = source.get("path") or source.get("url")
            raise RecipeError(
                f"{name} cannot be locked: it comes from {where}, whose content has no hash; require a"
                " release of it, or build without a lock"
            )
    single = [package.table(key) for key in ("sdist", "archive") if key in package.data]
    files = [*single, *package.tables("wheels")]
    for file in files:
        required(file.table("hashes"), "sha256", "[0-9a-f]{64}")
    if not files:
        raise package.error(name, "has neither wheel nor sdist")
    return name


def lock_text(pylock: str, lock: Lock) -> str:
    """The text of a lock file, from that of what uv resolved.

    Without `requires-python`, for uv refuses to install what is not for the host's own Python.
    """
    lines = pylock.splitlines() or ['lock-version = "1.0"', 'created-by = "cosmo-recipes"']
    lines = [line for line in lines if not re.match(r"#|requires-python = ", line)]
    if not any(line.startswith("[[packages]]") for line in lines):
        lines = [line for line in lines if not line.startswith("packages")] + ["packages = []"]
    python = {
        "url": lock.url,
        "size": lock.size,
        "sha256": lock.sha256,
        "version": lock.version,
        "last-modified": lock.last_modified,
    }
    lines += ["", "[tool.cosmo-recipes]", "inputs = ["]
    lines += [f"    {json.dumps(text, ensure_ascii=False)}," for text in lock.inputs]
    lines += ["]", "", "[tool.cosmo-recipes.python]"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in python.items()]
    return "\n".join([HEAD, *lines, ""])
