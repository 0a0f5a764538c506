"""What one module imports and binds: it is read, not run."""

from __future__ import annotations

import ast
import builtins
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any, NamedTuple

GUARDS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}

WITHOUT_CALLS = (ast.BoolOp, ast.IfExp, ast.Lambda, ast.Constant, ast.Name, ast.expr_context)
"""What in an expression calls nothing for certain."""


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

    def __init__(self, package: str, is_run: bool, source: bytes, called: set[str]) -> None:
        self.package, self.is_run, self.optional = package.split("."), is_run, 0
        lines = enumerate(source.splitlines(), start=1)
        self.lines = [number for number, line in lines if b"import" in line]
        tree = ast.parse(source)
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
        """Visit a statement; in an expression, which may be deep, only look for calls.

        Where all is optional, only imports are looked for: most functions have none.
        """
        if not isinstance(node, ast.expr):
            if not (self.optional and isinstance(node, ast.stmt)) or self.has_import(node):
                super().visit(node)
            return
        todo: list[ast.AST] = [] if self.optional else [node]
        while todo:
            part = todo.pop()
            if isinstance(part, ast.Call):
                self.calls.add(dotted_name(part.func))
            if not isinstance(part, WITHOUT_CALLS):
                todo += ast.iter_child_nodes(part)

    def has_import(self, node: ast.stmt) -> bool:
        """Whether the word stands in a line of a statement."""
        at = bisect_left(self.lines, node.lineno)
        return at < len(self.lines) and self.lines[at] <= (node.end_lineno or node.lineno)

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


def bound_names(path: str) -> set[str]:
    """The names that a module's file binds; `*` where it may bind any, or cannot be read."""
    with open(path, "rb") as source:
        try:
            todo: list[ast.AST] = [ast.parse(source.read())]
        except (SyntaxError, ValueError, RecursionError):
            return {"*"}
    names: set[str] = set()
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


def read_imports(
    path: str, package: str, is_run: bool, called: set[str] | None
) -> tuple[list[Any], list[Any]]:
    """The imports of a module's file; and of functions `called` in it, what they call elsewhere.

    Both are rows; there are none of what cannot be read.
    """
    with open(path, "rb") as source:
        try:
            visitor = ImportVisitor(package, is_run, source.read(), called or set())
        except (SyntaxError, ValueError, RecursionError):  # compileall names the line
            return [], []
    calls = list(visitor.called_imports()) if called is not None else []
    return [tuple(one) for one in visitor.imports], calls
