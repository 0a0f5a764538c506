"""The project's folder, and the tables of its `pyproject.toml` that hold settings."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .console import Stop
from .layers import Layers, Table

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class Project(NamedTuple):
    """A folder, what named it, and what its `pyproject.toml` sets, most telling table first."""

    root: Path
    source: str
    tables: tuple[Table, ...]


def find(environ: Mapping[str, str], here: Path) -> Project:
    """The project to package: COSMO_PROJECT, else the nearest `pyproject.toml` at or above `here`.

    A `pyproject.toml` may itself send on to another folder with COSMO_PROJECT, once. Without any,
    `here` is the project. Raises `Stop` for a folder that is not there and a file that is no TOML.
    """
    if "COSMO_PROJECT" in environ:
        return named(here, environ["COSMO_PROJECT"], "environment")
    above = (folder for folder in (here, *here.parents) if (folder / "pyproject.toml").is_file())
    root = next(above, here)
    tables = read(root)
    for source, names in tables:
        if "COSMO_PROJECT" in names:
            beside = [name for name in names if is_setting(name) and name != "COSMO_PROJECT"]
            if beside:
                told = f"{beside[0]} beside COSMO_PROJECT is not read"
                raise Stop(f"{root / 'pyproject.toml'}: {told}; write it in that project's own")
            value = Layers(Table("environment", environ), *tables).expanded("COSMO_PROJECT")
            return named(root, value.text or "", source)
    return Project(root, "default", tables)


def named(base: Path, folder: str, source: str) -> Project:
    """The project in `folder`, which is relative to `base`."""
    root = base / Path(folder).expanduser()
    if not folder or not root.is_dir():
        raise Stop(
            f"COSMO_PROJECT={folder!r} ({source}): no such folder: {root}; name a project's folder"
        )
    return Project(root.resolve(), source, read(root.resolve()))


def read(root: Path) -> tuple[Table, ...]:
    """The tables of `root/pyproject.toml`; none where there is no such file."""
    path = root / "pyproject.toml"
    text = ""
    try:
        text = path.read_bytes().decode()
        data = tomllib.loads(text)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise Stop(f"{path} cannot be read: {error.strerror}; see to its mode") from error
    except ValueError as error:
        end = f"at line {len(text.splitlines())}, the end"
        why = str(error).replace("at end of document", end)
        raise Stop(f"{path} is not valid TOML: {why}; correct it there") from error
    stray = [key for key in table(path, data, "tool", "cosmo") if key != "env"]
    if stray:
        raise Stop(f"{path}: tool.cosmo.{stray[0]} is not read; write it under [tool.cosmo.env]")
    tables = [
        texts(path, "[tool.cosmo.env]", data, "tool", "cosmo", "env"),
        texts(path, "[tool.ds.scripts] _.env", data, "tool", "ds", "scripts", "_", "env"),
    ]
    name = table(path, data, "project").get("name")
    if isinstance(name, str):
        tables.append(Table("[project] name", {"PKG": re.sub(r"[-.]", "_", name)}))
    return tuple(tables)


def table(path: Path, data: dict[str, Any], *keys: str) -> dict[str, Any]:
    """The table at `keys`, empty where there is none; `Stop` for a value that is no table."""
    for place, key in enumerate(keys, 1):
        data = data.get(key, {})
        if not isinstance(data, dict):
            name = ".".join(keys[:place])
            raise Stop(f"{path}: {name} is {kind(data)}, and must be a table; correct it there")
    return data


def texts(path: Path, source: str, data: dict[str, Any], *keys: str) -> Table:
    """The table at `keys` as environment variables: strings; numbers and booleans are spelt out.

    What else it holds is left out, but for a setting, which must be one of these.
    """
    found: dict[str, str] = {}
    for name, value in table(path, data, *keys).items():
        if isinstance(value, (str, int, float)):
            found[name] = str(int(value) if isinstance(value, bool) else value)
        elif is_setting(name):
            where = ".".join((*keys, name))
            raise Stop(f"{path}: {where} is {kind(value)}, and must be a string; correct it there")
    return Table(source, found)


def is_setting(name: str) -> bool:
    """Whether `name` is, or looks like, one of ours."""
    return name in ("PKG", "DIR_SITE") or name.startswith("COSMO_")


def kind(value: object) -> str:
    """What TOML calls the type of `value`, with its article."""
    names = {dict: "a table", list: "an array", str: "a string", float: "a float"}
    return names.get(type(value), f"a {type(value).__name__}")
