"""`pylock.cosmo.toml`: the interpreter and the dependencies that a build takes, or stops.

It is a lock file by PEP 751, as uv writes and installs it; the interpreter has its own table,
`[tool.cosmo-recipes.python]`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from .pyproject import Toml, read_toml
from .shell import RecipeError

HEAD = "# What `invoke cosmo` builds from; commit it. `invoke cosmo.lock` writes it anew."


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


def count(number: int, noun: str) -> str:
    """How many there are, in words."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def lock_name(script: Path | None) -> str:
    """The name of a project's lock file, or a script's; PEP 751 allows no further dot in it."""
    return f"pylock.cosmo-{script.stem.replace('.', '-')}.toml" if script else "pylock.cosmo.toml"


def read_lock(path: Path, old: str, command: str) -> Lock | None:
    """The lock at `path`; None where there is none. `RecipeError` for what cannot be one.

    `old` is the name that earlier releases gave it; that is refused, not ignored. `command` writes
    the lock anew.
    """
    if not path.exists():
        if path.with_name(old).exists():
            remedy = f"write the new one with `{command}`, and remove it"
            raise RecipeError(f"{path.with_name(old)} is no longer read; {remedy}")
        return None
    lock = read_toml(path, f"write it anew with `{command}`")
    lock.string("lock-version", r"1\.0", default=None)
    ours = lock.table("tool", "cosmo-recipes")
    python = ours.table("python")
    if python.get("size", int, 0) < 0:
        raise python.error("size", "cannot be negative")
    packages = tuple(map(check_package, lock.tables("packages")))
    missing = set(ours.strings("packages")) - set(packages)
    if missing:
        raise lock.error("packages", f"has no {' or '.join(sorted(missing))}")
    return Lock(
        url=python.string("url", r"\S(.*\S)?", default=None),
        size=python.get("size", int, None),
        sha256=python.string("sha256", "[0-9a-f]{64}", default=None),
        version=python.string("version", r"\d+\.\d[0-9a-z.+]*", default=None),
        last_modified=python.string("last-modified", r"[-0-9TZ:]*"),
        inputs=ours.strings("inputs"),
        packages=packages,
    )


def check_package(package: Toml) -> str:
    """The name of a locked package, which must have files, each with its sha256."""
    name = package.string("name", r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", default=None)
    for key in package.data.keys() & {"directory", "vcs"}:
        source = package.table(key).data
        where = source.get("path") or source.get("url")
        problem = f"it comes from {where}, whose content has no hash"
        raise RecipeError(f"{name} cannot be locked: {problem}; require a release of it")
    single = [package.table(key) for key in ("sdist", "archive") if key in package.data]
    files = [*single, *package.tables("wheels")]
    for file in files:
        file.table("hashes").string("sha256", "[0-9a-f]{64}", default=None)
    if not files:
        raise package.error(name, "has neither wheel nor sdist")
    return name


def lock_text(pylock: str, lock: Lock) -> str:
    """The text of a lock file, from that of what uv resolved.

    Without `requires-python`, for uv refuses to install what is not for the host's own Python.
    """
    lines = pylock.splitlines() or ['lock-version = "1.0"', 'created-by = "cosmo-recipes"']
    lines = [line for line in lines if not re.match("#|requires-python = |packages = ", line)]
    lines += [] if "[[packages]]" in lines else ["packages = []"]
    inputs = [f"    {json.dumps(text, ensure_ascii=False)}," for text in lock.inputs]
    names = re.findall(r'(?m)^\[\[packages\]\]\nname = "([^"]+)"', pylock)
    lines += ["", "[tool.cosmo-recipes]", "inputs = [", *inputs, "]"]
    lines += [f"packages = {json.dumps(names)}", ""]
    lines += ["[tool.cosmo-recipes.python]"]
    for key in ("url", "size", "sha256", "version", "last_modified"):
        lines.append(f"{key.replace('_', '-')} = {json.dumps(getattr(lock, key))}")
    return "\n".join([HEAD, *lines, ""])
