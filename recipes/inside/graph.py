"""What a program imports when it starts, and what of that is missing.

What is not where it is looked for is imported, in a process of its own, before it is called
missing.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from .imports import Import, bound_names, read_imports
from .probe import Trial, probe_imports
from .purify import list_files


class Use(NamedTuple):
    """Where a module is imported first: by which module, in which file and line; if in a function.

    `by` is empty for what the root imports: that is never imported itself.
    """

    by: str
    file: str
    line: int
    is_later: bool = False


def parents(name: str) -> Iterator[str]:
    """The folders above a file, by its path."""
    while name := name.rpartition("/")[0]:
        yield name


class ImportGraph:
    """The modules that are imported from the roots, and where each is imported first.

    `required` are those without which the program does not start. `removed` are the modules that
    were removed from what is installed, and `changed` the packages that they were of. Of `sites`,
    the second holds the dependencies, which are the same for as long as the file `kept` is there,
    as is the interpreter: it keeps what was read of them, and what they import that is elsewhere.
    """

    def __init__(
        self, sites: list[str], removed: dict[str, str], changed: set[str], kept: str
    ) -> None:
        self.files = {name: site for site in reversed(sites) for name in list_files(site)}
        self.folders = {folder for name in self.files for folder in parents(name)}
        self.installed, self.kept = sites[-1] if kept else "", kept
        self.known: dict[str, tuple[list[Any], list[Any]]] = {}
        self.elsewhere: set[str] = set()
        self.removed, self.changed = removed, changed
        with suppress(OSError, ValueError, TypeError), open(kept, encoding="utf-8") as file:
            known, elsewhere = json.load(file)
            self.known, self.elsewhere = dict(known), set(elsewhere)
        self.kept_before = len(self.known), len(self.elsewhere)
        self.required: dict[str, Use] = {}
        self.optional: dict[str, Use] = {}
        self.called: dict[str, set[str]] = {}
        self.started: list[Import] = []
        self.parent = ""

    def add_root(self, module: str, function: str) -> None:
        """Add what starts: a module that is run, as `-m` does, or from which a function is called.

        `started` are the imports by which it does.
        """
        if function:
            top = function.partition(".")[0]
            self.called.setdefault(module, set()).add(top)
            start = [Import(module, 0, False), Import(f"{module}.{top}", 0, False, True)]
            entries = [(one, Use("", "", 0)) for one in start]
        else:
            name = f"{module}.__main__" if self.find(f"{module}.__main__") else module
            self.parent = parent = name.rpartition(".")[0]
            entries = [(Import(parent, 0, False), Use("", "", 0))] * bool(parent)
            entries += self.read(name, is_run=True)
        self.started += [one for one, _ in entries if not one.optional]
        self.follow(entries)
        for name in list(self.called):
            self.started += [one for one, _ in self.read(name) if not one.optional]

    def follow(self, entries: list[tuple[Import, Use]]) -> None:
        """Add what is imported, directly or not: first what is required, then what is optional."""
        for modules, optional in ((self.required, False), (self.optional, True)):
            todo = deque(entry for entry in entries if optional or not entry[0].optional)
            while todo:
                one, use = todo.popleft()
                if one.attribute and one.name not in self.removed and not self.find(one.name):
                    continue
                parts = one.name.split(".")
                for end in range(1, len(parts) + 1):
                    name = ".".join(parts[:end])
                    if name in modules or name in self.required:
                        continue
                    modules[name] = use
                    new = self.read(name)
                    todo += [entry for entry in new if optional or not entry[0].optional]
                    entries += [entry for entry in new if entry[0].optional and not optional]

    def find(self, name: str) -> str | None:
        """A module's file, or a package's folder without one, below the site; None for none.

        A folder in which there is nothing, as COSMO_EXCLUDE may leave one, is none.
        """
        path = name.replace(".", "/")
        for file in (f"{path}/__init__.py", f"{path}.py", f"{path}/__init__.pyc", f"{path}.pyc"):
            if file in self.files:
                return file
        return path if path in self.folders else None

    def read(self, name: str, is_run: bool = False) -> list[tuple[Import, Use]]:
        """The imports of a module in the site, none of what has no source that can be read.

        Also those of functions that it calls of other modules.
        """
        file = self.find(name) or ""
        if not file.endswith(".py"):
            return []
        parent, _, last = name.rpartition(".")
        package = name if file.endswith("/__init__.py") and last != "__init__" else parent
        called = self.called.get(name, set() if is_run else None)
        key = " ".join([file, package, str(is_run), str(called is not None), *sorted(called or ())])
        rows = self.known.get(key) if self.files[file] == self.installed else None
        if rows is None:
            rows = read_imports(os.path.join(self.files[file], file), package, is_run, called)
            if self.files[file] == self.installed:
                self.known[key] = rows
        by = "" if is_run else name
        entries = [(Import(*row), Use(by, file, row[1], row[4])) for row in rows[0]]
        for base, function in rows[1]:
            names = self.called.setdefault(base, set())
            if function not in names:
                names.add(function)
                entries += self.read(base)
        return entries

    def save_read(self) -> None:
        """Keep what was read and imported; where that cannot be, it is done again."""
        if self.kept and (len(self.known), len(self.elsewhere)) != self.kept_before:
            with suppress(OSError):
                with open(f"{self.kept}.part", "w", encoding="utf-8") as file:
                    json.dump([self.known, sorted(self.elsewhere)], file)
                os.replace(f"{self.kept}.part", self.kept)

    def binds(self, module: str, name: str) -> bool:
        """Whether a module may bind a name, as far as can be read."""
        file = self.find(module) or ""
        if not file.endswith(".py"):
            return True
        names = bound_names(os.path.join(self.files[file], file))
        return bool(names & {name, "*", "__getattr__"}) or self.find(f"{module}.{name}") is not None

    def missing(self) -> Iterator[tuple[str, str, Use]]:
        """What is required and cannot be imported, the module it fails for, and where it is used.

        Asked for are what is not in the site, which the interpreter may have; and of what lost an
        extension module, all that others import, as that may fail behind a `try` of its own. Of two
        that fail for the same, what is not in the site is nearer to it.
        """
        trials: list[Trial] = []
        nearest: dict[str, str] = {}
        for name, use in self.required.items():
            top = name.split(".")[0]
            is_absent = not self.find(name) and name not in self.elsewhere
            if is_absent or (top in self.changed and top != use.by.split(".")[0]):
                trials.append(Trial(name, use.by or self.parent, bool(use.by) and not use.is_later))
        for name, cause in probe_imports(trials, self.removed):
            used_in = self.files.get(self.required[name].file)
            if not cause and not self.find(name) and used_in == self.installed:
                self.elsewhere.add(name)
            if cause and (
                cause not in nearest or (self.find(nearest[cause]) and not self.find(name))
            ):
                nearest[cause] = name
        for cause, name in nearest.items():
            yield name, cause, self.required.get(cause, self.required[name])

    def absent(self) -> Iterator[tuple[str, Use]]:
        """What is optional and is not there."""
        for name, use in self.optional.items():
            top = name.split(".")[0]
            here = self.find(name) or (not self.find(top) and in_interpreter(top))
            if not here and name not in self.required:
                yield name, use


def in_interpreter(name: str) -> bool:
    """Whether the interpreter has a top-level module; it has been started with one, `__main__`."""
    return name in sys.modules or importlib.util.find_spec(name) is not None
