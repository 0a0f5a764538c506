"""Reads what a distribution's functions import when they are called."""

from __future__ import annotations

import ast
import os

from .dists import Dist

GUARDS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}


class Reader(ast.NodeVisitor):
    """Gathers what a module's functions import unguarded, and the last words of its strings."""

    def __init__(self, package: list[str]) -> None:
        self.package = package
        self.imported: set[str] = set()
        self.named: set[str] = set()
        self.outside: set[str] = set()
        self.inside, self.guarded = 0, 0

    def visit_FunctionDef(self, node: ast.AST) -> None:
        self.inside += 1
        self.generic_visit(node)
        self.inside -= 1

    visit_AsyncFunctionDef = visit_FunctionDef
    visit_Lambda = visit_FunctionDef

    def visit_Try(self, node: ast.Try) -> None:
        caught = [
            name.id
            for handler in node.handlers
            for name in ast.walk(handler.type or handler)
            if isinstance(name, ast.Name)
        ]
        bare = any(handler.type is None for handler in node.handlers)
        guards = bare or bool(GUARDS.intersection(caught))
        self.guarded += guards
        for line in node.body:
            self.visit(line)
        self.guarded -= guards
        rest: list[ast.AST] = [*node.handlers, *node.orelse, *node.finalbody]
        for each in rest:
            self.visit(each)

    def visit_Import(self, node: ast.Import) -> None:
        self.add(*(each.name for each in node.names))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        above = self.package[: len(self.package) - node.level + 1] if node.level else []
        base = ".".join([*above, *filter(None, [node.module])])
        self.add(base, *(base + "." + each.name for each in node.names))

    def visit_Constant(self, node: ast.AST) -> None:
        self.name(getattr(node, "value", None))

    def visit_Str(self, node: ast.AST) -> None:  # before Python 3.8
        self.name(getattr(node, "s", None))

    def name(self, value: object) -> None:
        if isinstance(value, str):
            self.named.add(value.rpartition(".")[2])

    def add(self, *names: str) -> None:
        if self.inside and not self.guarded:
            self.imported.update(names)
        if not self.inside:
            self.outside.update(names)


def read_later(dist: Dist) -> dict[str, Reader]:
    """What was read of each file of the distribution that is a module."""
    found: dict[str, Reader] = {}
    for path in dist.files():
        if path.endswith(".py") and not set(path.split("/")) & {"test", "tests"}:
            with open(os.path.join(dist.folder, path), "rb") as file:
                try:
                    tree = ast.parse(file.read())
                except (SyntaxError, ValueError):
                    continue
            found[path] = Reader(path.split("/")[:-1])
            found[path].visit(tree)
    return found
