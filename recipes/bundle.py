"""Look into an executable, and check it."""

from __future__ import annotations

import os
import re
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.parser import HeaderParser
from fnmatch import fnmatchcase
from json import dumps
from pathlib import Path
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from .executable import BuildRecord, read_build
from .fetch import file_sha256, is_ape
from .lockfile import normalize_name
from .project import Project, load_project
from .shell import RecipeError, Shell, handle_signals, print_bytes, print_result, printable, quote

FILE = "The executable (default: that of the last build)."
OPTIONS = r"(?:-[^cmWX\n]*(?:[WX]\n?.+)?\n)*-[^cmWX\n]*"
CALL = r'_run_module_as_main\("|\bfrom (?=.* sys\.exit\(([\w.]+)\(\)\)\n)'
START = re.compile(rf"{OPTIONS}(?:m\n?|c\n?.*(?:{CALL}))([\w.]+)")
"""Python's options in `.args`, the function that it calls, if any, and the module."""
SAFE = re.compile(r"((?!\.\.\.\n|.*\\n)[^\n\r]+\n)*\.\.\.")
"""The `.args` that old and new loaders read alike. Source: Cosmopolitan, LoadZipArgs."""
RULE = r"its lines must not be empty or hold \n, and the last, but no other, must be `...`"


@contextmanager
def exit_on_damage(failed: str) -> Iterator[None]:
    """Turn every error that a damaged file or zip can cause into a `RecipeError`."""
    try:
        yield
    except RecipeError:
        raise
    except Exception as error:  # zipfile, zlib and the system raise many kinds
        raise RecipeError(f"{failed}: {error}; name another") from error


class Archive:
    """An executable with a zip at its end. Raises `RecipeError` for another file.

    `first` maps a name to its first entry, the one that the executable sees. `native` is set if
    it was assimilated: it begins as an ELF or Mach-O file.
    """

    def __init__(self, path: Path) -> None:
        with exit_on_damage(f"cannot read {path}"):
            if not path.is_file():
                problem = "is not a file" if path.exists() else "does not exist"
                raise RecipeError(f"{path} {problem}; make it with `invoke cosmo`, or name another")
            with path.open("rb") as file:
                self.head = file.read(8192)
            self.native = self.head.startswith((b"\x7fELF", b"\xcf\xfa\xed\xfe"))
            if not self.native and not is_ape(path):
                problem = f"is not an APE file (it begins with {self.head[:6]!r})"
                raise RecipeError(f"{path} {problem}; name another")
            self.path, self.zip = path, zipfile.ZipFile(path)
        self.entries = self.zip.infolist()
        for entry in self.entries:
            with suppress(UnicodeError):  # the program zip writes UTF-8 and does not say so
                entry.filename = entry.filename.encode("cp437").decode()
        self.first = {entry.filename: entry for entry in reversed(self.entries)}
        library = re.compile(r"Lib/os\.pyc?$|lib/python3[^/]*/")
        self.is_python = any(map(library.match, self.first))
        self.args = self.read(".args").decode("utf-8", "replace").rstrip("\r\n")

    def read(self, name: str) -> bytes:
        """Return the content of an entry, b"" if there is none of that name."""
        with exit_on_damage(f"cannot read {name} in {self.path}"):
            return self.zip.read(self.first[name]) if name in self.first else b""

    def describe(self) -> dict[str, Any]:
        """Return its size, sha256, processors, what `.args` says, and its distributions."""
        texts = re.findall(rb"printf '(\\177ELF[^']*)", self.head)  # in an APE's shell script
        octal = re.compile(rb"\\([0-7]{1,3})")
        headers = [octal.sub(lambda match: bytes([int(match[1], 8) % 256]), one) for one in texts]
        machines = [one[18:19] for one in ([self.head] if self.native else headers)]
        names = {b">": "x86-64", b"\xb7": "aarch64"}  # ELF's e_machine, 62 and 183
        infos = sorted(name for name in self.first if name.endswith(".dist-info/METADATA"))
        return {
            "size": self.path.stat().st_size,
            "sha256": file_sha256(self.path),
            "processors": [names.get(one, "unknown") for one in dict.fromkeys(machines)],
            "args": self.args.splitlines(),
            "isolated": bool(re.match(f"{OPTIONS}I", self.args)),
            "dependencies": [read_metadata(self.read(name)) for name in infos],
        }


def read_metadata(content: bytes) -> dict[str, str]:
    """Return the canonical name, the version and the license in a METADATA file."""
    headers = HeaderParser().parsestr(content.decode("utf-8", "replace"))
    classifiers = [str(line).split(" :: ") for line in headers.get_all("Classifier", [])]
    licenses = ", ".join(parts[-1] for parts in classifiers if parts[0] == "License")
    text = headers["License-Expression"] or licenses or headers["License"] or ""
    name = normalize_name(headers["Name"] or "")
    text = text if "\n" not in text else ""  # some hold the whole licence
    return {"name": name, "version": headers["Version"] or "", "license": text}


def require_build(project: Project) -> BuildRecord:
    """Return what the last build noted; `RecipeError` if it made nothing."""
    build = read_build(project)
    if build is None:
        raise RecipeError("the project's executable does not exist; make it with `invoke cosmo`")
    return build


def open_executable(file: str) -> Archive:
    """Open the file that an option names, else the executable of the last build."""
    if not file:
        project = load_project()
        file = os.path.relpath(project.path(require_build(project).path))
    return Archive(Path(file))


@task(name="ls", help={"glob": "Only names as 'Lib/*'.", "json": "Print JSON.", "file": FILE})
def list_entries(c: Context, glob: str = "*", json: bool = False, file: str = "") -> None:
    """List the entries with their sizes."""
    entries = [one for one in open_executable(file).entries if fnmatchcase(one.filename, glob)]
    rows = [{"name": e.filename, "size": e.file_size, "packed": e.compress_size} for e in entries]
    lines = [f"{e.file_size:>13,} {e.compress_size:>13,}  {printable(e.filename)}" for e in entries]
    print_result(dumps(rows, indent=2) if json else "\n".join(lines))


@task(help={"name": "The entry's name, as `bundle.ls` lists it.", "file": FILE})
def cat(c: Context, name: str, file: str = "") -> None:
    """Print the content of one entry."""
    archive = open_executable(file)
    if name not in archive.first:
        raise RecipeError(f"{archive.path} has no entry {name}; `invoke bundle.ls` lists them")
    print_bytes([archive.read(name)])


@task(help={"json": "Print JSON.", "file": FILE})
def size(c: Context, json: bool = False, file: str = "") -> None:
    """Print how many bytes each part takes."""
    archive = open_executable(file)
    offsets = (entry.header_offset for entry in archive.entries)
    parts = Counter({"interpreter": min(offsets, default=0)})
    for name, entry in archive.first.items():
        library = "standard library" if name.startswith(("Lib/", "lib/")) else "other data"
        part = name.split("/")[2] if name.startswith("Lib/site-packages/") else library
        parts[part] += entry.compress_size
    parts["zip headers"] = archive.path.stat().st_size - sum(parts.values())
    lines = [f"{packed:>13,}  {printable(part)}" for part, packed in parts.most_common()]
    print_result(dumps(dict(parts.most_common()), indent=2) if json else "\n".join(lines))


@task(help={"file": FILE})
def verify(c: Context, file: str = "") -> None:
    """Check an executable's zip, .args and imports."""
    archive = open_executable(file)
    facts = archive.describe()
    facts["dependencies"] = [f"{one['name']} {one['version']}" for one in facts["dependencies"]]
    if archive.native:
        facts["assimilated"] = "runs on this platform only"
    for name, value in facts.items():
        text = ", ".join(value) if isinstance(value, list) else str(value)
        print_result(f"{name:<13} {printable(text) or 'none'}")
    for entry in archive.entries:
        name, kind = entry.filename, entry.external_attr >> 28
        archive.read(name)
        if archive.first[name] is not entry:
            raise RecipeError(f"{archive.path}: {name} is there twice; build it anew")
        if name.startswith("Lib/") and not entry.is_dir() and kind != 8:  # as `/zip` has it
            problem = "has no file type in its mode, so Python does not see it; pack it with zip"
            raise RecipeError(f"{archive.path}: {name} {problem}")
    print_result(f"zip           ok, {len(archive.entries):,} entries")
    if not archive.is_python:
        print_result("start         not tried: the zip holds no Python library")
        return
    if not SAFE.fullmatch(archive.args):
        raise RecipeError(f"{archive.path}: .args is not safe: {RULE}")
    print_result(".args         ok")
    print_result(f"start         {printable(try_start(c, archive))}")


def try_start(c: Context, archive: Archive) -> str:
    """Run a build's start check in a copy without `.args`; return the version and remarks."""
    start, inside = START.match(archive.args), quote(str(Path(__file__).with_name("inside")))
    clean = 'env -i PATH="$PATH" HOME="$PWD" TMPDIR="$PWD" sh -c'
    with handle_signals(), tempfile.TemporaryDirectory() as folder:
        sh = Shell(c, "bundle.verify", {"LC_ALL": "C", "ZIPOPT": ""}, Path(folder))
        failed = f"{archive.path} cannot start"
        lines = [
            f"cp {quote(str(archive.path.absolute()))} copy.zip",
            "chmod +x copy.zip",
            rf"sed '/^from \./d' {inside}/*.py > inside.py",
            "zip -q -d copy.zip .args",
            f"{clean} './copy.zip -V'",
        ]
        version = sh.run(*lines, failed=failed).stdout.strip()
        if not start:
            return f"{version}; not tried: .args names no module to import"
        entry = ":".join(filter(None, (start[2], start[1])))
        line = f"{clean} './copy.zip -I inside.py check {entry}'"
        output = sh.run(line, failed=failed, remedy="").stdout
        return "; ".join([f"ok, {version} can import {entry}", *re.findall("remark: .*", output)])


bundle = Collection("bundle", list_entries, cat, verify, size)
