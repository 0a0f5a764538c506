"""The place of a project: its folder, and what its `pyproject.toml` or a script's comments say."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from configparser import ConfigParser
from configparser import Error as ConfigError
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from .lockfile import parse_toml, table
from .settings import Table, find
from .shell import RecipeError, exit_on_error

ARTICLE = "[tool.ds.scripts] _.env"

SCRIPT_BLOCK = r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)*)^# ///$"
"""Metadata in a script's comments. Source: PEP 723, its reference implementation; may be empty."""


def read_script(path: Path) -> dict[str, Any]:
    """Read the metadata in a script's comments; dependencies stand as those of `[project]`."""
    text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    blocks = [match["content"] for match in re.finditer(SCRIPT_BLOCK, text)]
    if len(blocks) > 1 or (not blocks and re.search("(?m)^# /// script$", text)):
        problem = "several `# /// script` blocks" if blocks else "a `# /// script` without an end"
        raise RecipeError(f"{path} has {problem}; write one, which ends with `# ///`")
    content = re.sub("(?m)^# ?", "", "".join(blocks)).encode()
    data = parse_toml(f"the `# /// script` block of {path}", content)
    keys = {"dependencies", "requires-python"} & data.keys()
    return {**data, "project": {key: data[key] for key in keys}}


class Location(NamedTuple):
    """A project as it lies: its folder, what `pyproject.toml` or the script says, its settings."""

    root: Path
    data: Mapping[str, Any]
    tables: tuple[Table, ...]
    script: str = ""


def read_location(path: Path) -> Location:
    """Read the project in a folder, or a script."""
    root, script = (path.parent, path.name) if path.is_file() else (path, "")
    file = path if script else path / "pyproject.toml"
    with exit_on_error(f"{file} cannot be read"):
        content = b"" if script or not file.exists() else file.read_bytes()
        data = read_script(path) if script else parse_toml(file, content)
    for key in table(data, "tool", "cosmo").keys() - {"env"}:
        raise RecipeError(f"{file}: tool.cosmo.{key} is not read; write it under [tool.cosmo.env]")
    tables, article = [], ("tool", "ds", "scripts", "_", "env")
    for origin, keys in (("[tool.cosmo.env]", ("tool", "cosmo", "env")), (ARTICLE, article)):
        texts = {}
        for name, value in table(data, *keys).items():
            if isinstance(value, (str, int, float)):
                texts[name] = str(int(value) if isinstance(value, bool) else value)
            elif name.startswith("COSMO_") or name in ("PKG", "DIR_SITE"):
                raise RecipeError(f"{file}: {origin} {name} must be a string; correct it there")
        tables.append(Table(origin, texts))
    return Location(root, data, tuple(tables), script)


def locate(here: Path, outer: tuple[Table, ...]) -> Location:
    """Find the script or project that COSMO_SCRIPT or COSMO_PROJECT names, else the nearest one.

    The nearest `pyproject.toml` may itself send on with one of these, once.
    """
    location = locate_named(here, outer)
    if location is None:
        nearest = read_location(nearest_project(here, outer))
        location = locate_named(nearest.root, (*outer, *nearest.tables)) or nearest
    return location


def locate_named(base: Path, tables: tuple[Table, ...]) -> Location | None:
    """Read the script or project that a setting names, if one does; its path begins at `base`."""
    for name, kind in (("COSMO_SCRIPT", "file"), ("COSMO_PROJECT", "folder")):
        value = find(name, tables, base)
        if value.text is not None:
            path = (base / Path(value.text).expanduser()).resolve()
            if not value.text or not (path.is_file() if kind == "file" else path.is_dir()):
                raise value.error(f": no such {kind}: {path}; correct it")
            return read_location(path)
    return None


def nearest_project(here: Path, outer: tuple[Table, ...]) -> Path:
    """Find the nearest folder of a project, at `here` or above; `here` itself if PKG is in it."""
    top = (find("PKG", outer, here).text or "").partition(".")[0]
    has_pkg = top and any((here / name).exists() for name in (top, f"{top}.py", f"src/{top}"))
    names = ["pyproject.toml", *([] if has_pkg else ["setup.py", "setup.cfg", "tasks.py"])]
    for folder in (here, *here.parents):
        if any((folder / name).is_file() for name in names):
            return folder
    return here


def check_lists(project: Mapping[str, Any], file: Path) -> None:
    """Refuse what must be a list of strings, and is not."""
    for key in {"dependencies", "dynamic"} & project.keys():
        value = project[key]
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise RecipeError(f"{file}: {key} must be a list of strings; correct it there")


def distribution_name(root: Path, data: Mapping[str, Any]) -> str:
    """Find the distribution's name where it is written, empty where only a build tells it."""
    parser = ConfigParser(interpolation=None)
    with suppress(ConfigError, UnicodeError):
        parser.read(root / "setup.cfg", "utf-8")
    names = [table(data, *keys).get("name") for keys in (("project",), ("tool", "poetry"))]
    name = next((str(one) for one in names if one), parser.get("metadata", "name", fallback=""))
    return name if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", name) else ""


def app_path(requirement: str, root: Path) -> str:
    """Return a requirement; one that is a path from here becomes one from the project's root."""
    path = Path(requirement)
    if "/" not in requirement or path.is_absolute() or not path.exists() or Path.cwd() == root:
        return requirement
    return f"./{os.path.relpath(path.absolute(), root)}"
