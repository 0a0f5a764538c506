"""An executable as a file: what its header says, and what is in the zip at its end."""

from __future__ import annotations

import csv
import re
import zipfile
import zlib
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from typing import NamedTuple

from .metadata import run_module
from .parsers import is_executable
from .project import load_project
from .shell import RecipeError, exit_on_error

SITE = "Lib/site-packages/"
"""Where the program and its dependencies are in the zip."""

CPUS = {62: "x86-64", 183: "aarch64"}
"""The processors that an ELF header can name. Source: the ELF specification, `e_machine`."""

DAMAGES = (zipfile.BadZipFile, NotImplementedError, EOFError, zlib.error)
"""What `zipfile` raises for what it cannot read, beside errors of the system."""

PYTHONS = {3439: "3.10", 3495: "3.11", 3531: "3.12", 3571: "3.13", 3627: "3.14"}
"""Python's version by the number that its `.pyc` begin with. Source: CPython's `Lib/importlib`."""


class InstalledDist(NamedTuple):
    """A distribution in an executable: its name, version, licence and the names of its files.

    `licence` is empty where the metadata names none.
    """

    name: str
    version: str
    licence: str
    files: frozenset[str]


class Archive:
    """An Actually Portable Executable with a zip, ours or not: its path, its header, its entries.

    `start` is where the zip begins, in bytes.

    Raises `RecipeError` where the file is none, or its zip cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with exit_on_error(f"{path} cannot be read"):
            if not path.is_file():
                raise RecipeError(
                    f"{path} does not exist; make it with `invoke cosmo`, or name another"
                )
            if not is_executable(path):
                problem = "is no Actually Portable Executable, for it begins with other bytes"
                raise RecipeError(f"{path} {problem}; name another")
            with path.open("rb") as file:
                self.header = file.read(8192)
            try:
                self.zip = zipfile.ZipFile(path)
            except DAMAGES as error:
                problem = f"has no zip that can be read: {error}"
                raise RecipeError(f"{path} {problem}; name another") from error
        self.entries = self.zip.infolist()
        self.start = min((entry.header_offset for entry in self.entries), default=0)

    def read(self, name: str) -> bytes:
        """The content of an entry, empty where there is none of that name."""
        with exit_on_error(f"{name} in {self.path} cannot be read"):
            try:
                return self.zip.read(name)
            except KeyError:
                return b""
            except DAMAGES as error:
                raise RecipeError(f"{name} in {self.path} cannot be read: {error}") from error

    @property
    def args(self) -> list[str]:
        """The lines of `.args`. Source: Cosmopolitan, `LoadZipArgs`, which skips empty ones."""
        lines = self.read(".args").decode("utf-8", "replace").replace("\r", "\n").split("\n")
        return [line for line in lines if line]

    @property
    def module(self) -> str:
        """The module that `.args` runs, or calls a function of; empty where it says no such."""
        words = tuple(self.args)
        called = re.search(
            r'\bfrom ([\w.]+) import |_run_module_as_main\("([\w.]+)"', "\n".join(words)
        )
        return run_module(words) or (called and (called[1] or called[2])) or ""

    @property
    def cpus(self) -> list[str]:
        """The processors that it has ELF headers for.

        They stand in the shell script at its front, as arguments of `printf`. Source: Cosmopolitan,
        `ape/loader.c`, which looks for them in the first 8192 bytes.
        """
        numbers = []
        for text in re.findall(rb"printf '((?:[^'])*)", self.header):
            octal = re.sub(rb"\\([0-7]{1,3})", lambda match: bytes([int(match[1], 8) & 255]), text)
            if octal.startswith(b"\x7fELF") and len(octal) >= 20:
                numbers.append(int.from_bytes(octal[18:20], "little"))
        return [CPUS.get(number, f"machine {number}") for number in dict.fromkeys(numbers)]

    @property
    def python(self) -> str:
        """The Python's version, without its last number; empty where its library is not known."""
        name = next((one.filename for one in self.entries if one.filename.endswith("/os.pyc")), "")
        return PYTHONS.get(int.from_bytes(self.read(name)[:2], "little"), "")

    @property
    def dists(self) -> list[InstalledDist]:
        """The distributions whose metadata is in it, by name."""
        names, dists = {entry.filename for entry in self.entries}, []
        for name in names:
            info = re.match(rf"{SITE}[^/]+\.dist-info/(?=METADATA$)", name)
            if info:
                headers = HeaderParser().parsestr(self.read(name).decode("utf-8", "replace"))
                record = self.read(f"{info[0]}RECORD").decode("utf-8", "replace")
                files = {SITE + row[0] for row in csv.reader(record.splitlines()) if row}
                files |= {f"{file}c" for file in files if file.endswith(".py")}
                files |= {one for one in names if one.startswith(info[0])}
                texts = headers["Name"] or "", headers["Version"] or "", find_licence(headers)
                dists.append(InstalledDist(*texts, frozenset(files)))
        return sorted(dists, key=lambda dist: (dist.name.lower(), dist.version))


def find_licence(headers: Message) -> str:
    """The name of a licence: an SPDX expression, or what its author or the index calls it.

    Many a `License` is a whole text, which is no name. Source: the core metadata specifications.
    """
    text = " ".join((headers["License-Expression"] or headers["License"] or "").split())
    names = [
        line.rpartition(" :: ")[2]
        for line in headers.get_all("Classifier", [])
        if line.startswith("License :: ")
    ]
    return text if 0 < len(text) <= 60 and text != "UNKNOWN" else ", ".join(names)


def printable(name: str) -> str:
    """A name as it can be printed: what a terminal would obey is spelt out."""
    letters = (one if one.isprintable() else one.encode("unicode_escape").decode() for one in name)
    return "".join(letters)


def find_executable(file: str) -> Archive:
    """The executable that an option names; without it, the project's first."""
    return Archive(Path(file or load_project().executables[0].path))
