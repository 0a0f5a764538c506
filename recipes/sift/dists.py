"""Distributions as they are installed: their files, and who asks for whom."""

from __future__ import annotations

import csv
import json
import os
import re
import sys

EXTENSION = re.compile(r"\.(so|pyd|dylib)(\.[0-9]+)*$")
TOLD_BY_INSTALLER = ("INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json")


def canonical(name: str) -> str:
    """A name in the form in which two names are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


class Dist:
    """An installed distribution: its name, version, requirements and files below `folder`."""

    def __init__(self, folder: str, info: str) -> None:
        self.folder, self.info = folder, info
        self.name, self.version = "", ""
        self.requires: list[str] = []
        with open(os.path.join(folder, info, "METADATA"), encoding="utf-8") as file:
            for line in iter(file.readline, ""):
                key, _, value = line.rstrip().partition(": ")
                if line in ("\n", "\r\n"):
                    break
                if key in ("Name", "Version"):
                    setattr(self, key.lower(), value)
                if key == "Requires-Dist":
                    self.requires.append(value)
        self.rows: dict[str, str] = {}
        record = os.path.join(folder, info, "RECORD")
        if os.path.exists(record):
            with open(record, encoding="utf-8", newline="") as file:
                self.rows = {row[0]: row[1] for row in csv.reader(file) if len(row) > 1}

    @property
    def title(self) -> str:
        """Its name and version."""
        return f"{self.name} {self.version}"

    def has(self, name: str) -> bool:
        """Whether its metadata has a file of that name."""
        return os.path.exists(os.path.join(self.folder, self.info, name))

    def is_editable(self) -> bool:
        """Whether it was asked for with `-e`. Source: the direct URL specification."""
        if not self.has("direct_url.json"):
            return False
        with open(
            os.path.join(self.folder, self.info, "direct_url.json"), encoding="utf-8"
        ) as file:
            return bool(json.load(file).get("dir_info", {}).get("editable"))

    def files(self) -> list[str]:
        """Its files that are there, but for its metadata and its scripts."""
        scripts = "bin/" if "bin/__init__.py" not in self.rows else "../"
        others = ("../", "/", scripts, self.info + "/")
        mine = (path for path in self.rows if not path.startswith(others))
        return [path for path in mine if os.path.isfile(os.path.join(self.folder, path))]

    def extensions(self) -> list[str]:
        """Its compiled modules and libraries."""
        return [path for path in self.files() if EXTENSION.search(path)]

    def is_asked_with_extras(self, found: list[Dist]) -> bool:
        """Whether a distribution requires this one with some of its extras."""
        lines = [line for dist in found for line in dist.requires]
        names = [re.match(r"([A-Za-z0-9._-]+)\s*\[", line) for line in lines]
        return any(name and canonical(name.group(1)) == canonical(self.name) for name in names)

    def tops(self) -> list[str]:
        """The names of its top-level modules and packages."""
        code = [path for path in self.files() if path.endswith(".py") or EXTENSION.search(path)]
        return sorted({path.split("/")[0].split(".")[0] for path in code})

    def needs(self, name: str, extras: bool) -> bool:
        """Whether it requires the distribution `name`; with `extras`, in some extra of its own."""
        for line in self.requires:
            found = re.match(r"[A-Za-z0-9._-]+", line)
            same = found is not None and canonical(found.group()) == canonical(name)
            if same and (extras or not re.search(r"\bextra\s*==", line)):
                return True
        return False


def find_dists(folder: str) -> list[Dist]:
    """What is installed in a folder."""
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return [
        Dist(folder, name)
        for name in names
        if name.endswith(".dist-info") and os.path.exists(os.path.join(folder, name, "METADATA"))
    ]


def see_conflicts(found: list[Dist], packed: str, program: str) -> None:
    """Refuse two distributions, or one and the program, that have other files of the same name."""
    owners: dict[str, Dist] = {}
    for dist in found:
        for path in dist.files():
            if "__pycache__" in path:
                continue
            other = owners.setdefault(path, dist)
            same = other is dist or dist.rows[path] == other.rows[path]
            theirs = f"{other.title} and {dist.title}"
            beside = os.path.join(packed, path)
            if same and dist.folder.endswith("site") and os.path.isfile(beside):
                theirs = f"{program} and {dist.title}"
                with open(beside, "rb") as one, open(os.path.join(dist.folder, path), "rb") as two:
                    same = one.read() == two.read()
            if dist.folder.endswith("site") and os.path.isfile(os.path.join(packed, twin(path))):
                sys.exit("{} and {} both are {}".format(program, dist.title, path.split("/")[0]))
            if not same:
                sys.exit(f"{theirs} both bring {path}")


def twin(path: str) -> str:
    """The package that a module would be, or the module that a package would be."""
    if path.endswith("/__init__.py"):
        return path[: -len("/__init__.py")] + ".py"
    return path[:-3] + "/__init__.py" if path.endswith(".py") else path + "/no such file"


def chain(dist: Dist, found: list[Dist], program: str) -> list[str]:
    """The names from the program to the distribution, each of which asks for the next."""
    names = [dist.name]
    while True:
        for extras in (False, True):
            above = [each for each in found if each.needs(names[0], extras)]
            above = [each for each in above if each.name not in names]
            if above:
                break
        if not above:
            return names if names[0] == program else [program, *names]
        names.insert(0, above[0].name)


def tidy(dist: Dist, suffix: str) -> None:
    """Leave what was installed out of the metadata: how, by which tool, and with which scripts."""
    folder = os.path.join(dist.folder, dist.info)
    for name in TOLD_BY_INSTALLER:
        if os.path.exists(os.path.join(folder, name)):
            os.remove(os.path.join(folder, name))
    if not dist.rows:
        return
    there = [*dist.files(), *(dist.info + "/" + name for name in os.listdir(folder))]
    names = (path + suffix if path.endswith(".py") else path for path in there)
    with open(os.path.join(folder, "RECORD"), "w", encoding="utf-8", newline="\n") as file:
        csv.writer(file, lineterminator="\n").writerows([name, "", ""] for name in sorted(names))
