"""`pylock.cosmo.toml`: the interpreter and the dependencies that a build takes, or stops.

It is a lock file by PEP 751, as uv writes and installs it; the interpreter has its own table,
`[tool.cosmo-recipes.python]`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .shell import RecipeError, exit_on_error, quote

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HEAD = "# What `invoke cosmo` builds from; commit it. `invoke cosmo.lock` writes it anew."

SHAPES = {
    "url": r"https?://[!-~]+|(?!-|.*://).+",
    "size": r"\d+",
    "sha256": "[0-9a-f]{64}",
    "version": r"\d+\.\d[0-9a-z.+]*",
    "last-modified": "[-0-9TZ:]*",
}
"""The keys of the interpreter's table, and what each looks like."""


@dataclass(frozen=True)
class Lock:
    """The content of a lock: the interpreter, and the dependencies if there are any.

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


def normalize_name(name: str) -> str:
    """Return a distribution's name as indexes and locks write it. Source: PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def lock_name(script: str) -> str:
    """Name the lock file of a project, or of a script; PEP 751 allows no further dot in it."""
    stem = Path(script).stem.replace(".", "-")
    return f"pylock.cosmo-{stem}.toml" if script else "pylock.cosmo.toml"


def lock_command(script: str) -> str:
    """Return the command that writes the lock of a project, or of a script."""
    return f"invoke cosmo.lock{f' --script {quote(script)}' if script else ''}"


def table(data: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """Return the table at `keys`, empty where there is none."""
    for key in keys:
        value = data.get(key)
        data = value if isinstance(value, dict) else {}
    return data


def parse_toml(
    file: Path | str, content: bytes, remedy: str = "correct it there"
) -> dict[str, Any]:
    """Parse TOML that `file` holds. Raises `RecipeError` with the remedy where it is not valid."""
    text = ""
    try:
        text = content.decode()
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        end = f"at line {len(text.splitlines())}, the end"
        reason = str(error).replace("at end of document", end)
        raise RecipeError(f"{file} is not valid TOML: {reason}; {remedy}") from error


def read_lock(path: Path, command: str) -> Lock | None:
    """Read the lock at `path`; None where there is none. `command` writes it anew.

    Raises `RecipeError` that names the key, for what cannot be a lock.
    """
    if not path.exists():
        return None
    with exit_on_error(f"{path} cannot be read"):
        data = parse_toml(path.name, path.read_bytes(), f"write it anew with `{command}`")
    ours = table(data, "tool", "cosmo-recipes")
    python = table(ours, "python")
    wrong = [key for key, one in SHAPES.items() if not re.fullmatch(one, str(python.get(key)))]
    inputs, packages = ours.get("inputs"), data.get("packages", [])
    if data.get("lock-version") != "1.0" or wrong or type(python["size"]) is not int:
        key = f"tool.cosmo-recipes.python.{wrong[0]}" if wrong else "lock-version"
        raise RecipeError(f"{path.name}: {key} is missing or wrong; write it anew with `{command}`")
    if not isinstance(inputs, list) or not isinstance(packages, list):
        problem = "tool.cosmo-recipes.inputs or packages is missing or wrong"
        raise RecipeError(f"{path.name}: {problem}; write it anew with `{command}`")
    try:
        names = tuple(check_package(package) for package in packages)
    except (AttributeError, TypeError, KeyError):
        raise RecipeError(
            f"{path.name}: packages are wrong; write it anew with `{command}`"
        ) from None
    if set(map(str, ours.get("packages") or ())) != set(names):
        raise RecipeError(
            f"{path.name}: packages were removed or added; write it anew with `{command}`"
        )
    values = {key.replace("-", "_"): python[key] for key in SHAPES}
    return Lock(**values, inputs=tuple(map(str, inputs)), packages=names)


def check_package(package: Mapping[str, Any]) -> str:
    """Return the name of a locked package, whose files must all have a sha256 and no secret.

    Raises `RecipeError` for one whose content is not known by a hash.
    """
    name, problem = str(package.get("name", "")), ""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name):
        raise RecipeError(f"a package cannot be called {name!r}; lock it anew")
    files = [package[key] for key in ("sdist", "archive") if key in package]
    files += package.get("wheels", [])
    hashes = [str((file.get("hashes") or {}).get("sha256")) for file in files]
    addresses = [str(file.get("url", "")) for file in files]
    if {"directory", "vcs"} & package.keys():
        source = package.get("directory") or package["vcs"]
        where = source.get("path") or public_url(str(source.get("url")))
        problem = f"it comes from {where}, whose content has no hash; require a release of it"
    elif not files or not all(re.fullmatch("[0-9a-f]{64}", one) for one in hashes):
        problem = "it has no file, or one without a sha256; lock it anew"
    elif addresses != [public_url(address) for address in addresses]:
        problem = "its address holds a password or a token; write that into ~/.netrc"
    if problem:
        raise RecipeError(f"{name} cannot be locked: {problem}")
    return name


def lock_text(pylock: str, lock: Lock) -> str:
    """Write a lock file's text, from that of what uv resolved.

    It has no `requires-python`, since uv refuses to install what is not for the host's own Python.
    """
    lines = pylock.splitlines() or ['lock-version = "1.0"', 'created-by = "cosmo-recipes"']
    lines = [line for line in lines if not re.match("#|requires-python = |packages = ", line)]
    lines += [] if "[[packages]]" in lines else ["packages = []"]
    inputs = [f"    {json.dumps(text, ensure_ascii=False)}," for text in lock.inputs]
    lines += ["", "[tool.cosmo-recipes]", "inputs = [", *inputs, "]"]
    lines += [f"packages = {json.dumps(lock.packages)}", "", "[tool.cosmo-recipes.python]"]
    values = asdict(lock)
    lines += [f"{key} = {json.dumps(values[key.replace('-', '_')])}" for key in SHAPES]
    return "\n".join([HEAD, *lines, ""])


def public_url(address: str) -> str:
    """Return an address without user, password and query; a path stays as it is.

    Of a fragment, what names a hash or a folder stays, as in `#sha256=...`.
    """
    if "://" not in address:
        return address
    parts = urlsplit(address)
    is_public = re.fullmatch(r"((sha\d+=[0-9a-f]+|subdirectory=[\w./-]+)(&|$))+", parts.fragment)
    fragment = parts.fragment if is_public else ""
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=host, query="", fragment=fragment).geturl()


def public_requirement(text: str) -> str:
    """Return a requirement as it may be printed: an address in it without a password."""
    return re.sub(r"\w+://\S+", lambda match: public_url(match[0]), text)
