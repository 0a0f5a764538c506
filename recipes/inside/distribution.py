"""An installed distribution: its metadata, its files, and which modules it cannot do without."""

from __future__ import annotations

import ast
import csv
import importlib
import json
import os
import re
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

EXTENSION = re.compile(r"\.(so|pyd|dylib)(\.[0-9]+)*$")
GUARDS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
IMPORT_TIMEOUT = 20
"""How many seconds the import of one module may take."""


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
        self.requires: list[Any] = []
        packaging = importlib.import_module("pip._vendor.packaging.requirements")
        for line in self.read("METADATA").partition("\n\n")[0].splitlines():
            key, _, value = line.partition(": ")
            if key in ("Name", "Version"):
                setattr(self, key.lower(), value)
            with suppress(packaging.InvalidRequirement):
                self.requires += [packaging.Requirement(value)] if key == "Requires-Dist" else []
        rows = csv.reader(self.read("RECORD").splitlines())
        self.hashes = {row[0]: row[1] for row in rows if len(row) > 1}

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

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
        """Its extension modules and shared libraries."""
        return [name for name in self.files() if EXTENSION.search(name)]

    def top_level(self) -> list[str]:
        """The names of its top-level modules and packages."""
        code = (name for name in self.files() if name.endswith(".py") or EXTENSION.search(name))
        return sorted({name.split("/")[0].split(".")[0] for name in code})

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


def find_needed(dist: Dist, missing: list[str]) -> tuple[list[str], set[str]]:
    """The missing modules that the distribution needs, and all modules that it tries to import.

    Every module of it is imported. One that fails for a missing one may fail if another one tries
    the same and can be imported, as in PyYAML; or if it is private and another one that names it
    can be imported, as in SQLAlchemy. What a function imports unguarded is needed, as in cffi.
    """
    modules = {name: module_name(name) for name in dist.files()}
    if missing and not any(name.endswith(".py") for name in modules):
        return missing, set()
    sources = read_sources(dist)
    tried: set[str] = set()
    optional: set[str] = set()
    failing: dict[str, str] = {}
    names = sorted(filter(None, modules.values()), key=lambda name: name.split("."))
    for name, works, reason, imported in probe_imports(names, missing, dist.top_level()):
        tried.update(imported)
        optional.update(imported if works else ())
        failing.update({name: reason} if reason else {})
    for path, source in sources.items():
        if modules[path] not in failing:
            optional.update(name for name in source.at_import if name.split(".")[-1][:1] == "_")
    needed = [reason for name, reason in failing.items() if name not in optional]
    later = {f"{name}." for source in sources.values() for name in source.in_functions}
    strings = {text for source in sources.values() for text in source.strings}
    for name in missing:
        by_string = name not in tried and name.rpartition(".")[2] in strings
        if by_string or any(other.startswith(f"{name}.") for other in later):
            needed += [name]
    return needed, tried


class Source(ast.NodeVisitor):
    """What a module imports at once and, unguarded, in functions; and its strings' last words."""

    def __init__(self, package: list[str], tree: ast.AST) -> None:
        self.package, self.functions, self.guards = package, 0, 0
        self.at_import: set[str] = set()
        self.in_functions: set[str] = set()
        self.strings: set[str] = set()
        self.visit(tree)

    def visit_FunctionDef(self, node: ast.AST) -> None:
        self.functions += 1
        self.generic_visit(node)
        self.functions -= 1

    visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef

    def visit_Try(self, node: ast.Try) -> None:
        types = [handler.type or ast.Name("Exception") for handler in node.handlers]
        caught = (name.id for one in types for name in ast.walk(one) if isinstance(name, ast.Name))
        guarded = not GUARDS.isdisjoint(caught)
        self.guards += guarded
        for line in node.body:
            self.visit(line)
        self.guards -= guarded
        for rest in (*node.handlers, *node.orelse, *node.finalbody):
            self.visit(rest)

    def visit_Import(self, node: ast.Import) -> None:
        self.add(*(alias.name for alias in node.names))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        above = self.package[: len(self.package) - node.level + 1] if node.level else []
        base = ".".join([*above, *filter(None, [node.module])])
        self.add(base, *(f"{base}.{alias.name}" for alias in node.names))

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.strings.add(node.value.rpartition(".")[2])

    def add(self, *names: str) -> None:
        if not self.functions:
            self.at_import.update(names)
        elif not self.guards:
            self.in_functions.update(names)


def read_sources(dist: Dist) -> dict[str, Source]:
    """Each module's file below the distribution's folder, and what it imports."""
    sources: dict[str, Source] = {}
    for name in dist.files():
        if name.endswith(".py") and {"test", "tests"}.isdisjoint(name.split("/")):
            with open(dist.path(name), "rb") as file:
                try:
                    sources[name] = Source(name.split("/")[:-1], ast.parse(file.read()))
                except (SyntaxError, ValueError):
                    continue
    return sources


def probe_imports(
    names: list[str], missing: list[str], top_level: list[str]
) -> Iterator[tuple[str, bool, str, list[str]]]:
    """Import modules; yield each one's name, whether it imports, the missing one, what it tries.

    They are imported in a process without input and output. Where one of them ends it, or takes too
    long, nothing is known of that one, and a new process goes on behind it.
    """
    while names:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            try:
                import_all(names, missing, top_level, writing)
            finally:
                os._exit(0)
        os.close(writing)
        output, data = b"", b"-"
        while data and select.select([reading], [], [], IMPORT_TIMEOUT)[0]:
            data = os.read(reading, 65536)
            output += data
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
        rows = [json.loads(line) for line in output.split(b"\n")[:-1]]
        yield from rows
        names = names[len(rows) + 1 :]


class ImportRecorder:
    """A finder that notes the name of each module that is imported, and finds none."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        self.names.add(name)


def import_all(names: list[str], missing: list[str], top_level: list[str], writing: int) -> None:
    """Import the modules, and write a row of JSON about each."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    failing: list[str] = []
    for name in names:
        works, reason, recorder, before = True, "", ImportRecorder(), set(sys.modules)
        sys.meta_path.insert(0, recorder)
        try:
            if not any(name.startswith(above + ".") for above in failing):
                importlib.import_module(name)
        except BaseException as error:
            works, reason = False, missing_module(error, missing, top_level)
            for new in set(sys.modules) - before:
                del sys.modules[new]
            failing += [name] if reason else []
        sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not recorder]
        row = json.dumps([name, works, reason, sorted(recorder.names)])
        os.write(writing, row.encode() + b"\n")


def missing_module(error: BaseException | None, missing: list[str], top_level: list[str]) -> str:
    """Which missing module of the distribution `error`, or what caused it, is about; or none."""
    while error is not None:
        name = str(error.name) if isinstance(error, ImportError) else ""
        for module in missing if name else ():
            leaf = module.rpartition(".")[2]
            if name == module or f"cannot import name {leaf!r}" in str(error):
                return module
        if isinstance(error, ModuleNotFoundError) and name.split(".")[0] in top_level:
            return name
        error = error.__cause__ or error.__context__
    return ""


def module_name(path: str) -> str:
    """The name of the module in a file; empty for what is none, or not to be imported by itself."""
    parts = path[:-3].split("/") if path.endswith(".py") else [""]
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    plain = all(part.isidentifier() and not part.startswith("test_") for part in parts)
    alone = {"__main__", "conftest", "test", "tests"}.isdisjoint(parts)
    return ".".join(parts) if plain and alone else ""
