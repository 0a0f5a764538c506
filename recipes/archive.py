"""An executable as a file: what its header says, and what is in the zip at its end."""

from __future__ import annotations

import csv
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from typing import NamedTuple

from .inside.distribution import canonical
from .interpreter import file_sha256
from .metadata import run_module
from .parsers import is_executable
from .project import Project, load_project
from .shell import RecipeError, exit_on_error

SITE = "Lib/site-packages/"
"""Where the program and its dependencies are in the zip."""

CPUS = {62: "x86-64", 183: "aarch64"}
"""The processors that an ELF header can name. Source: the ELF specification, `e_machine`."""

MAX_READ = 2**26
"""How many bytes an entry may have that is read as a whole."""

PYTHONS = {3425: "3.9", 3439: "3.10", 3495: "3.11", 3531: "3.12", 3571: "3.13", 3627: "3.14"}
"""Python's version by the number that its `.pyc` begin with. Source: CPython's `Lib/importlib`."""


@contextmanager
def exit_on_damage(problem: str) -> Iterator[None]:
    """Turn whatever `zipfile` and `csv` raise for a damaged file into a `RecipeError`."""
    try:
        yield
    except Exception as error:
        raise RecipeError(f"{problem}: {error or 'it is damaged'}; name another file") from error


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

    `start` is where the zip begins, in bytes. `first` has the first entry of each name, which is
    the one that the executable sees. Source: Cosmopolitan's `/zip`.

    Raises `RecipeError` where the file is none, or its zip cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with exit_on_error(f"{path} cannot be read"):
            if not path.is_file():
                problem = "is no file" if path.exists() else "does not exist"
                raise RecipeError(f"{path} {problem}; make it with `invoke cosmo`, or name another")
            if not is_executable(path):
                problem = "is no Actually Portable Executable, for it begins with other bytes"
                raise RecipeError(f"{path} {problem}; name another")
            with path.open("rb") as file:
                self.header = file.read(8192)
        with exit_on_damage(f"{path} has no zip that can be read"):
            self.zip = zipfile.ZipFile(path)
        self.entries = self.zip.infolist()
        self.first: dict[str, zipfile.ZipInfo] = {}
        for entry in self.entries:
            if not entry.flag_bits & 0x800:  # zip's own are UTF-8 without that flag
                with suppress(UnicodeError):
                    entry.filename = entry.filename.encode("cp437").decode("utf-8")
            self.first.setdefault(entry.filename, entry)
        self.start = min((entry.header_offset for entry in self.entries), default=0)
        if self.start < 0:
            raise RecipeError(f"{path} has a zip that was cut short at its front; name another")

    def read(self, name: str) -> bytes:
        """The content of an entry, empty where there is none of that name."""
        entry, problem = self.first.get(name), f"{name} in {self.path} cannot be read"
        if entry is None:
            return b""
        if entry.file_size > MAX_READ:
            raise RecipeError(f"{problem}: it has {entry.file_size:,} bytes; name another")
        with exit_on_damage(problem):
            return self.zip.read(entry)

    def blocks(self, name: str) -> Iterator[bytes]:
        """The content of an entry, in parts."""
        entry, problem = self.first[name], f"{name} in {self.path} cannot be read"
        with exit_on_damage(problem), self.zip.open(entry) as content:
            yield from iter(lambda: content.read(2**20), b"")

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
        folders: defaultdict[str, set[str]] = defaultdict(set)
        for name in self.first:
            if re.match(rf"{SITE}[^/]+\.dist-info/", name):
                folders["/".join(name.split("/")[:3])].add(name)
        dists = [read_dist(self, folder, own) for folder, own in folders.items()]
        return sorted(dists, key=lambda dist: (dist.name.lower(), dist.version))


def read_dist(archive: Archive, folder: str, own: set[str]) -> InstalledDist:
    """A distribution by its metadata's folder, of which `own` are the files."""
    stem = folder[len(SITE) : -len(".dist-info")].partition("-")
    headers = HeaderParser().parsestr(archive.read(f"{folder}/METADATA").decode("utf-8", "replace"))
    record = archive.read(f"{folder}/RECORD").decode("utf-8", "replace")
    with exit_on_damage(f"{folder}/RECORD in {archive.path} cannot be read"):
        files = {SITE + row[0] for row in csv.reader(record.splitlines()) if row}
    files |= {f"{file}c" for file in files if file.endswith(".py")} | own
    name, version = headers["Name"] or stem[0], headers["Version"] or stem[2]
    return InstalledDist(name, version, find_licence(headers), frozenset(files))


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


def is_own(p: Project, archive: Archive) -> bool:
    """Whether it is one of the executables that this project makes."""
    path = archive.path.resolve()
    return path in [Path(executable.path).resolve() for executable in p.executables]


def is_made_from(archive: Archive, python: Path) -> bool:
    """Whether an executable begins as an interpreter does, and has no other library than that."""
    if not python.is_file():
        return False
    with archive.path.open("rb") as file, python.open("rb") as other:
        if file.read(archive.start) != other.read(archive.start):
            return False
    theirs = {name: entry.CRC for name, entry in Archive(python).first.items()}
    library = (name for name in archive.first if name != ".args" and not name.startswith(SITE))
    return all(theirs.get(name) == archive.first[name].CRC for name in library)


def lock_problem(p: Project, archive: Archive) -> str:
    """Why an executable of the project is not what the lock says; empty where it may be."""
    python = Path(p.build, "python")
    if p.lock is None or not is_made_from(archive, python) or file_sha256(python) != p.lock.sha256:
        return "its interpreter is not the locked one"
    known = {*p.lock.packages, canonical(p.metadata.name or p.pkg)}
    known |= {canonical(dist.name) for dist in Archive(python).dists}
    built = Path(p.build, ".deps/own").glob("*.dist-info")  # the program's, by its build backend
    known |= {canonical(path.name.partition("-")[0]) for path in built}
    other = sorted({canonical(dist.name) for dist in archive.dists} - known)
    return f"{' and '.join(other)} is not locked" if other else ""


def find_executable(file: str) -> Archive:
    """The executable that an option names; without it, the project's first."""
    return Archive(Path(file or load_project().executables[0].path))
