"""Runs in the fetched interpreter, in `Lib`: sees that what is to be started is there.

    python starts.py package module:function ...

The package must be no module of the interpreter's own. This imports no more than the packages that
the modules are in. Only the standard library of Python 3.6 is used: older interpreters are fetched
too.
"""

from __future__ import annotations

import ast
import importlib.util
import sys


def bound_names(tree: ast.AST) -> set[str]:
    """The names that a module binds, `*` where it imports all of another."""
    names: set[str] = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        if isinstance(node, ast.alias):
            names.add(node.asname or node.name.partition(".")[0])
        names |= bound_names(node)
    return names


def see_entry(entry: str) -> None:
    """End with one line where the entry cannot start."""
    module, _, function = entry.partition(":")
    top = function.partition(".")[0]
    try:
        spec = importlib.util.find_spec(module)
    except ImportError:
        spec = None
    if spec is None or spec.loader is None:
        sys.exit(f"there is no module {module}")
    source = getattr(spec.loader, "get_source", lambda name: None)(module)
    if source is None:
        names = set(dir(importlib.import_module(module)))
    else:
        names = bound_names(ast.parse(source))
    if not names & {top, "*", "__getattr__"}:
        sys.exit(f"{module} has no {top}")


def see_entries(package: str, *entries: str) -> None:
    """See to the package, and to each of the entries; their modules are in `site-packages`."""
    spec = importlib.util.find_spec(package)
    if spec and "site-packages" not in f"{spec.origin} {spec.submodule_search_locations}":
        sys.exit(f"the interpreter has a module {package} of its own, which would run instead")
    sys.path.insert(0, "site-packages")
    for each in entries:
        see_entry(each)
