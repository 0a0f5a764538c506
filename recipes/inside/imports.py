"""What a program imports when it starts, and what of that is missing.

The modules are read, not run; what is not where it is looked for is imported, in a process of its
own, before it is called missing.
"""

from __future__ import annotations

import ast
import builtins
import importlib.util
import json
import os
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from .probe import Trial, probe_imports
from .purify import list_files

GUARDS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}


class Import(NamedTuple):
    """One import: the module, the line, and whether the program may start without it.

    `attribute` if the name may also be one that the module before its last dot binds; `is_later`
    if it is in a function.
    """

    name: str
    line: int
    optional: bool
    attribute: bool = False
    is_later: bool = False

    def statement(self) -> str:
        """The statement that does the same at any place."""
        base, _, name = self.name.rpartition(".")
        return f"from {base} import {name}" if self.attribute else f"import {self.name}"


class ImportVisitor(ast.NodeVisitor):
    """The imports of a module, and what it calls of what it imports.

    Optional is what depends on a condition or may raise `ImportError`, and what a function imports,
    but for those in `called` and those that are called on import. Of the module that is run, what
    follows `if __name__ == "__main__"` is not.
    """

    def __init__(self, package: str, is_run: bool, tree: ast.Module, called: set[str]) -> None:
        self.package, self.is_run, self.optional = package.split("."), is_run, 0
        self.is_later = False
        self.imports: list[Import] = []
        self.imported: dict[str, Import] = {}
        self.calls, self.functions = set(called), {}
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                self.functions[node.name] = node
        self.visit(tree)
        self.is_later = True
        while ready := self.functions.keys() & self.calls:
            self.visit_called(self.functions.pop(min(ready)))

    def visit(self, node: ast.AST) -> None:
        """Visit a statement; in an expression, which may be deep, only look for calls."""
        if not isinstance(node, ast.expr):
            super().visit(node)
            return
        todo: list[ast.AST] = [] if self.optional else [node]
        while todo:
            part = todo.pop()
            if isinstance(part, ast.Call):
                self.calls.add(dotted_name(part.func))
            if not isinstance(part, (ast.BoolOp, ast.IfExp, ast.Lambda)):
                todo += ast.iter_child_nodes(part)

    def visit_called(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Visit a function that is called: what follows a conditional return is optional."""
        may_return = False
        for part in node.body:
            (self.visit_optional if may_return else self.visit)(part)
            leaves = (isinstance(inner, (ast.Return, ast.Raise)) for inner in ast.walk(part))
            may_return = may_return or any(leaves)

    def visit_optional(self, *nodes: ast.AST) -> None:
        self.optional += 1
        for node in nodes:
            self.visit(node)
        self.optional -= 1

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.visit_optional(*node.body)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_If(self, node: ast.If) -> None:
        test = node.test
        names = {part.id for part in ast.walk(test) if isinstance(part, ast.Name)}
        is_main = isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Eq)
        is_certain = self.is_run and is_main and names == {"__name__"}
        for part in node.body if is_certain else ():
            self.visit(part)
        self.visit_optional(*([] if is_certain else node.body), *node.orelse)

    def visit_Match(self, node: Any) -> None:
        self.visit_optional(*node.cases)

    def visit_Try(self, node: Any) -> None:
        types = [handler.type or ast.Name("Exception") for handler in node.handlers]
        if any(map(catches_import_error, types)):
            self.visit_optional(*node.body, *node.orelse)
        else:
            for part in (*node.body, *node.orelse):
                self.visit(part)
        self.visit_optional(*node.handlers)
        for part in node.finalbody:
            self.visit(part)

    visit_TryStar = visit_Try

    def visit_With(self, node: ast.With) -> None:
        guarded = any(catches_import_error(item.context_expr) for item in node.items)
        (self.visit_optional if guarded else self.generic_visit)(ast.Module(node.body, []))

    def called_imports(self) -> Iterator[tuple[str, str]]:
        """The module and the name of each function that is called and is imported for certain."""
        modules = {one.name: one for one in self.imports if not one.attribute}
        for call in sorted(self.calls):
            base, _, function = call.rpartition(".")
            one = self.imported.get(base or call) or (modules.get(base) if base else None)
            if one and not one.optional:
                module, _, name = one.name.rpartition(".")
                yield (one.name, function) if base else (module, name)

    def visit_Import(self, node: ast.Import) -> None:
        rest = (node.lineno, self.optional > 0, False, self.is_later)
        self.imports += [Import(alias.name, *rest) for alias in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        above = self.package[: len(self.package) - node.level + 1] if node.level else []
        base, optional = ".".join([*above, *filter(None, [node.module])]), self.optional > 0
        if base == "__future__":
            return
        self.imports.append(Import(base, node.lineno, optional, False, self.is_later))
        for alias in node.names:
            one = Import(f"{base}.{alias.name}", node.lineno, optional, True, self.is_later)
            self.imports.append(one)
            self.imported[alias.asname or alias.name] = one


def catches_import_error(node: ast.AST) -> bool:
    """Whether an expression may name an exception that an import raises, or suppress it."""
    names = {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
    return not GUARDS.isdisjoint(names) or not all(hasattr(builtins, name) for name in names)


def dotted_name(node: ast.AST) -> str:
    """The names of an expression like `a.b.c`; empty for any other."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def bound_names(tree: ast.AST) -> set[str]:
    """The names that a module binds, `*` where it imports all of another."""
    names: set[str] = set()
    todo = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        is_open = isinstance(node, ast.Name) and node.id in ("globals", "setattr", "vars")
        if is_open or (isinstance(node, ast.Attribute) and node.attr == "modules"):
            names.add("*")
        if isinstance(node, ast.alias):
            names.add(node.asname or node.name.partition(".")[0])
        todo += ast.iter_child_nodes(node)
    return names


class Use(NamedTuple):
    """Where a module is imported first: by which module, in which file and line; if in a function.

    `by` is empty for what the root imports: that is never imported itself.
    """

    by: str
    file: str
    line: int
    is_later: bool = False


def read_imports(
    path: str, package: str, is_run: bool, called: set[str] | None
) -> tuple[list[Any], list[Any]]:
    """The imports of a module's file; and of functions `called` in it, what they call elsewhere.

    Both are rows; there are none of what cannot be read.
    """
    with open(path, "rb") as source:
        try:
            visitor = ImportVisitor(package, is_run, ast.parse(source.read()), called or set())
        except (SyntaxError, ValueError, RecursionError):  # compileall names the line
            return [], []
    calls = list(visitor.called_imports()) if called is not None else []
    return [tuple(one) for one in visitor.imports], calls


def parents(name: str) -> Iterator[str]:
    """The folders above a file, by its path."""
    while name := name.rpartition("/")[0]:
        yield name


class ImportGraph:
    """The modules that are imported from the roots, and where each is imported first.

    `required` are those without which the program does not start. `removed` are the modules that
    were removed from what is installed, and `changed` the packages that they were of. Of `sites`,
    the second holds the dependencies, which are the same for as long as the file `kept` is there:
    it keeps what was read of them.
    """

    def __init__(
        self, sites: list[str], removed: dict[str, str], changed: set[str], kept: str
    ) -> None:
        self.files = {name: site for site in reversed(sites) for name in list_files(site)}
        self.folders = {folder for name in self.files for folder in parents(name)}
        self.installed, self.kept = sites[-1] if kept else "", kept
        self.known: dict[str, tuple[list[Any], list[Any]]] = {}
        self.removed, self.changed = removed, changed
        with suppress(OSError, ValueError), open(kept, encoding="utf-8") as file:
            self.known = json.load(file)
        self.read_before = len(self.known)
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
        """Keep what was read of the dependencies; where that cannot be, it is read again."""
        if self.kept and len(self.known) > self.read_before:
            with suppress(OSError):
                with open(f"{self.kept}.part", "w", encoding="utf-8") as file:
                    json.dump(self.known, file)
                os.replace(f"{self.kept}.part", self.kept)

    def binds(self, module: str, name: str) -> bool:
        """Whether a module may bind a name, as far as can be read."""
        file = self.find(module) or ""
        if not file.endswith(".py"):
            return True
        with open(os.path.join(self.files[file], file), "rb") as source:
            try:
                names = bound_names(ast.parse(source.read()))
            except (SyntaxError, ValueError, RecursionError):
                return True
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
            if not self.find(name) or (top in self.changed and top != use.by.split(".")[0]):
                trials.append(Trial(name, use.by or self.parent, bool(use.by) and not use.is_later))
        for name, cause in probe_imports(trials, self.removed):
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
