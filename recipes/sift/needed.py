"""Finds out whether a distribution can do without its extension modules."""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import sys
from collections.abc import Iterator

from .dists import Dist
from .later import read_later

PATIENCE = 20
"""For how many seconds a module may be imported."""


class Asked:
    """Notes each module that is asked for; it finds none."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Note the name."""
        self.names.add(name)


def unmet(dist: Dist, lost: list[str]) -> str:
    """An extension module that the distribution cannot do without; empty if there is none."""
    if lost and not any(path.endswith(".py") for path in dist.files()):
        return lost[0]
    needed, _ = tried(dist, lost)
    return needed[0] if needed else ""


def does_without(dist: Dist, lost: list[str]) -> bool:
    """Whether the distribution asks for modules that are not there, and makes do without."""
    needed, asked = tried(dist, lost)
    return not needed and bool(asked.intersection(lost))


def tried(dist: Dist, lost: list[str]) -> tuple[list[str], set[str]]:
    """Which of the lost modules the distribution needs, and all modules that it asks for.

    Every module of it is imported. One that fails for want of a lost one may do so if another asks
    for it and yet can be imported, as in PyYAML; or if it is private, and another that names it can
    be imported, as in SQLAlchemy. What a function imports is needed later, as in cffi, but where it
    makes do without.
    """
    names = sorted(filter(None, map(module_name, dist.files())), key=lambda name: name.split("."))
    read = read_later(dist)
    ever: set[str] = set()
    spared: set[str] = set()
    failing: dict[str, str] = {}
    for name, works, reason, asked in try_imports(names, lost):
        ever.update(asked)
        spared.update(asked if works else ())
        if reason:
            failing[name] = reason
    for path, reader in read.items():
        if module_name(path) not in failing:
            private = (
                name for name in reader.outside if ("." + name).rpartition(".")[2][:1] == "_"
            )
            spared.update(private)
    needed = [reason for name, reason in failing.items() if name not in spared]
    inside = {name for reader in read.values() for name in reader.imported}
    named = {name for reader in read.values() for name in reader.named}
    needed += [name for name in lost if any((each + ".").startswith(name + ".") for each in inside)]
    needed += [name for name in lost if name not in ever and name.rpartition(".")[2] in named]
    return needed, ever


def try_imports(names: list[str], lost: list[str]) -> Iterator[tuple[str, bool, str, list[str]]]:
    """Of each module: whether it can be imported, which lost one it fails for, what it asked for.

    They are imported in a process of their own, without input and output. Where one of them ends
    it, or takes too long, the next process goes on behind that one; nothing is known of it then.
    """
    left = list(names)
    while left:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            try:
                import_all(left, lost, writing)
            finally:
                os._exit(0)
        os.close(writing)
        told = b""
        while select.select([reading], [], [], PATIENCE)[0]:
            data = os.read(reading, 65536)
            if not data:
                break
            told += data
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
        rows = [json.loads(line) for line in told.split(b"\n")[:-1]]
        yield from rows
        left = left[len(rows) + 1 :]


def import_all(names: list[str], lost: list[str], writing: int) -> None:
    """Import the modules, and write a row about each."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    failing: list[str] = []
    for name in names:
        works, reason, asked, before = True, "", Asked(), set(sys.modules)
        sys.meta_path.insert(0, asked)
        try:
            if not any(name.startswith(above + ".") for above in failing):
                importlib.import_module(name)
        except BaseException as error:
            works, reason = False, missing_name(error, lost)
            for new in set(sys.modules) - before:
                del sys.modules[new]
            failing += [name] if reason else []
        sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not asked]
        row = json.dumps([name, works, reason, sorted(asked.names)])
        os.write(writing, row.encode() + b"\n")


def module_name(path: str) -> str:
    """The module that a file is; empty for what is none, or is not to be imported by itself."""
    parts = path[:-3].split("/") if path.endswith(".py") else [""]
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    tests = ("__main__", "conftest", "test", "tests")
    plain = all(part.isidentifier() and not part.startswith("test_") for part in parts)
    return ".".join(parts) if plain and parts and not set(parts) & set(tests) else ""


def missing_name(error: BaseException | None, lost: list[str]) -> str:
    """Which of the lost modules `error`, or what caused it, is about."""
    while error is not None:
        if isinstance(error, ImportError):
            for name in lost:
                leaf = name.rpartition(".")[2]
                if error.name == name or f"cannot import name {leaf!r}" in str(error):
                    return name
        error = error.__cause__ or error.__context__
    return ""
