"""A script cut out of these recipes: a function and what it needs, to run in another Python."""

from __future__ import annotations

import ast
import builtins
import inspect
import sys
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import resolve_name
from itertools import accumulate
from symtable import SymbolTable, symtable
from typing import NamedTuple


def excerpt(function: Callable[..., object]) -> str:
    """The source of `function` and of all that it needs of ours, then its call with `sys.argv`.

    It has no annotations, which older Pythons cannot all read. Raises `NameError` for what is bound
    in a way that is not followed: by a statement below another one, but for an import.
    """
    imports = ["import sys"]
    parts: list[str] = []
    seen: set[tuple[str, str]] = set()

    def add(module: str, name: str) -> None:
        bound = bindings(module).get(name)
        if (module, name) in seen or (bound is None and hasattr(builtins, name)):
            return
        if bound is None:
            raise NameError(f"{module} does not bind {name} where an excerpt can find it")
        seen.add((module, name))
        if bound.module:
            add(bound.module, name)
            return
        text = bare(bound.text)
        for other in needed_names(symtable(text, name, "exec")):
            add(module, other)
        (imports if bound.imports else parts).append(text)

    add(function.__module__, function.__name__)
    call = f"{function.__name__}(*sys.argv[1:])"
    return "\n\n".join(["\n".join(dict.fromkeys(imports)), *parts, call])


class Binding(NamedTuple):
    """The statement that binds a name, or the module of ours that it comes from."""

    text: str
    imports: bool = False
    module: str = ""


@cache
def bindings(module: str) -> dict[str, Binding]:
    """What binds each name of a module; an import is of one name."""
    there = sys.modules[module]
    text = inspect.getsource(there)
    lines = text.split("\n")
    found: dict[str, Binding] = {}
    for node in top_level(ast.parse(text).body):
        first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
        statement = Binding("\n".join(lines[first - 1 : node.end_lineno]))
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found[node.name] = statement
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            names = (each for each in ast.walk(node) if isinstance(each, ast.Name))
            found.update({each.id: statement for each in names if isinstance(each.ctx, ast.Store)})
        elif isinstance(node, ast.Import):
            for each in node.names:
                name = each.asname or each.name.partition(".")[0]
                before = f"{found[name].text}\n" if name in found else ""
                found[name] = Binding(f"{before}import {ast.unparse(each)}", True)
        elif isinstance(node, ast.ImportFrom):
            ours = resolve_name(f"{'.' * node.level}{node.module}", there.__package__ or "")
            for each in node.names:
                line = f"from {node.module} import {ast.unparse(each)}"
                found[each.asname or each.name] = Binding(line, True, ours if node.level else "")
    return found


def top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module, and the imports below an `if` or `try`."""
    for node in body:
        yield node
        if isinstance(node, (ast.If, ast.Try)):
            yield from filter(is_import, top_level([*node.body, *node.orelse]))


def is_import(node: ast.stmt) -> bool:
    """Whether a statement is an import."""
    return isinstance(node, (ast.Import, ast.ImportFrom))


def needed_names(table: SymbolTable) -> Iterator[str]:
    """The names that a module must have, for a statement of its own to run."""
    for symbol in table.get_symbols():
        if symbol.is_global() or (table.get_type() == "module" and symbol.is_referenced()):
            yield symbol.get_name()
    for inner in table.get_children():
        yield from needed_names(inner)


def bare(text: str) -> str:
    """`text` without its annotations."""
    code = text.encode()
    starts = [0, *accumulate(map(len, code.splitlines(keepends=True)))]

    def end(node: ast.expr) -> int:
        return starts[(node.end_lineno or 1) - 1] + (node.end_col_offset or 0)

    spans = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.arg) and node.annotation:
            name = starts[node.lineno - 1] + node.col_offset + len(node.arg.encode())
            spans.append((name, end(node.annotation)))
        elif isinstance(node, ast.AnnAssign):
            if node.value is None:
                raise NameError(f"{ast.unparse(node)} has no value, and binds nothing")
            spans.append((end(node.target), end(node.annotation)))
        elif isinstance(node, ast.FunctionDef) and node.returns:
            begin = starts[node.returns.lineno - 1] + node.returns.col_offset
            spans.append((code.rindex(b")", 0, begin) + 1, end(node.returns)))
    for begin, stop in sorted(spans, reverse=True):
        code = code[:begin] + code[stop:]
    return code.decode()
