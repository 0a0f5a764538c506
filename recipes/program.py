"""The program, as `[project]` tells of it, and its metadata."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .console import Stop
from .project import Project, table_at, toml_kind

TOLD_BY_BACKEND = {"version", "dependencies", "scripts", "gui-scripts", "entry-points"}


@dataclass(frozen=True)
class Program:
    """What `[project]` says of a program; `built` if only its build backend can tell all of it.

    `name` and `version` are empty where they are not told, and the groups of `entry_points` are
    those of the `entry_points.txt` of its metadata.
    """

    name: str = ""
    version: str = ""
    summary: str = ""
    requires_python: str = ""
    dependencies: tuple[str, ...] = ()
    entry_points: dict[str, dict[str, str]] = field(default_factory=dict)
    built: bool = False

    @property
    def scripts(self) -> dict[str, str]:
        """The commands that it installs, and the `module:function` that each one calls."""
        return self.entry_points.get("console_scripts", {})

    @property
    def dist_info(self) -> str:
        """The folder of its metadata; empty where it has no name or no version."""
        name = re.sub(r"[-_.]+", "_", self.name).lower()
        return f"{name}-{self.version}.dist-info" if self.name and self.version else ""

    def metadata(self) -> list[str]:
        """The lines of `METADATA`. Source: the core metadata specification, version 2.1."""
        lines = ["Metadata-Version: 2.1", f"Name: {self.name}", f"Version: {self.version}"]
        lines += [f"Summary: {self.summary}"] if self.summary else []
        lines += [f"Requires-Python: {self.requires_python}"] if self.requires_python else []
        return lines + [f"Requires-Dist: {each}" for each in self.dependencies]

    def entry_points_txt(self) -> list[str]:
        """The lines of `entry_points.txt`. Source: the entry points specification."""
        return [
            line
            for group, entries in self.entry_points.items()
            for line in (f"[{group}]", *(f"{name} = {it}" for name, it in entries.items()))
        ]


def read_program(project: Project) -> Program:
    """What `project` says; `Stop` for a value of the wrong type or form."""
    path, data = project.file, project.data
    told = table_at(path, data, "project")
    if not told and not project.script:
        poetry = table_at(path, data, "tool", "poetry", "scripts")
        scripts = {name: value for name, value in poetry.items() if isinstance(value, str)}
        built = "build-system" in data or (project.root / "setup.py").is_file()
        return Program(entry_points={"console_scripts": scripts}, built=built)
    groups = {
        "console_scripts": strings_at(path, data, "project", "scripts"),
        "gui_scripts": strings_at(path, data, "project", "gui-scripts"),
    }
    for group in table_at(path, data, "project", "entry-points"):
        groups[group] = strings_at(path, data, "project", "entry-points", group)
    return Program(
        name=string_at(path, told, "name", r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"),
        version=string_at(path, told, "version", r"[A-Za-z0-9.!+_-]+"),
        summary=string_at(path, told, "description", r"[^\n\r]*"),
        requires_python=string_at(path, told, "requires-python", r"[^\n\r]*"),
        dependencies=array_at(path, told, "dependencies"),
        entry_points={group: entries for group, entries in groups.items() if entries},
        built=bool(TOLD_BY_BACKEND & set(array_at(path, told, "dynamic"))),
    )


def string_at(path: Path, told: dict[str, Any], key: str, form: str) -> str:
    """The string at `key`, empty where there is none."""
    value = told.get(key, "")
    if not isinstance(value, str):
        raise Stop(
            f"{path}: project.{key} is {toml_kind(value)}, and must be a string; correct it there"
        )
    if value and not re.fullmatch(form, value):
        raise Stop(f"{path}: project.{key} cannot be {value!r}; correct it there")
    return value


def array_at(path: Path, told: dict[str, Any], key: str) -> tuple[str, ...]:
    """The strings at `key`, each of them one line."""
    value = told.get(key, [])
    if not isinstance(value, list):
        raise Stop(
            f"{path}: project.{key} is {toml_kind(value)}, and must be an array; correct it there"
        )
    for each in value:
        if not isinstance(each, str) or not each[:1].isalnum() or not each.isprintable():
            raise Stop(f"{path}: project.{key} cannot hold {each!r}; correct it there")
    return tuple(value)


def strings_at(path: Path, data: dict[str, Any], *keys: str) -> dict[str, str]:
    """The table at `keys`, which holds strings of one line only."""
    found = table_at(path, data, *keys)
    for name, value in found.items():
        if not isinstance(value, str) or not (name + value).isprintable():
            raise Stop(
                f"{path}: {'.'.join((*keys, name))} cannot be {value!r}; write `module:function`"
            )
    return found
