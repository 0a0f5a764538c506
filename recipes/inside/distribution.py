"""An installed distribution: its metadata, its files, and what requires it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from importlib import import_module
from typing import Any

EXTENSION = re.compile(r"\.(so|pyd|dylib)(\.[0-9]+)*$")


def canonical(name: str) -> str:
    """A distribution's name in its normalized form. Source: PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements_lines(path: str, seen: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """The lines of a requirements file and those it includes, each with the name it requires.

    A line that requires nothing has an empty name. Source: pip's documentation, "requirements file
    format".
    """
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        text = re.sub(r"\\\r?\n", " ", file.read())
    for line in (re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines()):
        name = re.match(r"([A-Za-z0-9][\w.-]*)\s*(\[[^]]*\])?\s*([@=<>!~;(]|--|$)", line)
        named = name and not re.search(r"\.(whl|zip|tar\.\w+|tgz)$", name[1])
        yield line, canonical(name[1]) if name and named else ""
        include = re.match(r"(?:-r|-c|--requirement|--constraint)[\s=]*(\S+)", line)
        included = os.path.join(os.path.dirname(path), include[1]) if include else ""
        if os.path.isfile(included) and included not in seen:
            yield from requirements_lines(included, (*seen, path))


class Dist:
    """An installed distribution: its name, version, requirements and files below `folder`.

    A requirement is parsed by the `packaging` in the interpreter's own pip.
    """

    def __init__(self, folder: str, info: str) -> None:
        self.folder, self.info, self.name, self.version = folder, info, "", ""
        lines = self.read("METADATA").partition("\n\n")[0].splitlines()
        self.fields = [line.partition(": ")[::2] for line in lines]
        for key, value in self.fields:
            if key in ("Name", "Version"):
                setattr(self, key.lower(), value)

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @cached_property
    def requires(self) -> list[Any]:
        """What it requires."""
        packaging, requires = import_module("pip._vendor.packaging.requirements"), []
        for value in (value for key, value in self.fields if key == "Requires-Dist"):
            with suppress(packaging.InvalidRequirement):
                requires.append(packaging.Requirement(value))
        return requires

    @cached_property
    def hashes(self) -> dict[str, str]:
        """The hash of each of its files, empty where none is recorded."""
        rows = import_module("csv").reader(self.read("RECORD").splitlines())
        return {row[0]: row[1] for row in rows if len(row) > 1}

    def path(self, name: str) -> str:
        """The path of one of its files."""
        return os.path.join(self.folder, name)

    def read(self, name: str) -> str:
        """The text of a file of its metadata, empty where there is none."""
        path = self.path(f"{self.info}/{name}")
        if not os.path.isfile(path):
            return ""
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def files(self) -> list[str]:
        """Its installed files, without its metadata and scripts."""
        scripts = "bin/" if "bin/__init__.py" not in self.hashes else "../"
        names = (n for n in self.hashes if not n.startswith(("../", "/", scripts, self.info + "/")))
        return [name for name in names if os.path.isfile(self.path(name))]

    def extensions(self) -> list[str]:
        """Its extension modules and shared libraries, also those that COSMO_EXCLUDE removed."""
        return [name for name in self.hashes if EXTENSION.search(name)]

    def native_commands(self, module: str, functions: set[str]) -> Iterator[str]:
        """Its native programs that are called like a command by which these functions start."""
        entries = re.findall(r"(?m)^([^\s=]+)\s*=\s*([\w.]+):(\w+)", self.read("entry_points.txt"))
        commands = {
            name for name, *entry in entries if entry[0] == module and entry[1] in functions
        }
        for name in self.hashes:
            if name.rpartition("/")[2] in commands and os.path.isfile(self.path(name)):
                with open(self.path(name), "rb") as file:
                    if file.read(4) == b"\x7fELF":  # what there is for Linux is installed
                        yield name

    def requirements(self, dist: Dist, extras: bool = False) -> list[Any]:
        """Its requirements of `dist` that hold here; with `extras`, those of its own extras."""
        same = [line for line in self.requires if canonical(line.name) == canonical(dist.name)]
        if extras:
            return [line for line in same if "extra" in str(line.marker)]
        return [line for line in same if not line.marker or line.marker.evaluate({"extra": ""})]


def find_dists(folder: str) -> list[Dist]:
    """The distributions installed in a folder."""
    infos = (name for name in sorted(os.listdir(folder)) if name.endswith(".dist-info"))
    return [Dist(folder, name) for name in infos if os.path.isfile(f"{folder}/{name}/METADATA")]


def dependency_path(dist: Dist, dists: list[Dist], program: str) -> list[str]:
    """The names from the program to the distribution, each of which requires the next.

    By an extra, if nothing else does: by one of what another asks an extra of, or the program.
    """
    asked = {dist: [line for one in dists for line in one.requirements(dist)] for dist in dists}
    path = [dist]
    while True:
        rest = [other for other in dists if other not in path]
        above = [other for other in rest if other.requirements(path[0])]
        if not above:
            rest = [other for other in rest if other.requirements(path[0], extras=True)]
            above = [
                other
                for other in rest
                if not asked[other] or any(line.extras for line in asked[other])
            ]
        if not above:
            names = [step.name for step in path]
            return names if names[0] == program else [program, *names]
        path.insert(0, above[0])
