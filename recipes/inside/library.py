"""What of the standard library an executable can do without, by the bytecode of what goes in."""

from __future__ import annotations

import marshal
import opcode
import os
import re
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from types import CodeType

ALWAYS = """
_collections_abc _colorize _compat_pickle _sitebuiltins _strptime _weakrefset abc annotationlib
codecs collections contextlib copy copyreg encodings enum functools genericpath importlib io keyword
linecache locale ntpath numbers operator os pickle pkgutil posixpath re reprlib runpy site
sitecustomize stat string struct threading token tokenize traceback types typing usercustomize
warnings weakref zipimport
"""
"""What Python imports when it starts, and what its modules written in C import.

Source: the imports in CPython's own C files, 3.10 to 3.14.
"""

DEVELOPMENT = """
antigravity distutils doctest ensurepip idlelib lib2to3 pdb pydoc pydoc_data test this tkinter
turtle turtledemo unittest venv
"""
"""What the program or a dependency must import to keep it.

The library itself imports it for its own tests and for whoever sits at a prompt, and a string of
that name means something else.
"""

NEEDS_PYDOC = ("cgitb", "xmlrpc")
"""What of the library imports a module of DEVELOPMENT whenever it is imported itself.

Source: the imports of every module of CPython 3.11, with all others of DEVELOPMENT left out.
"""

NAME = re.compile(r"(?:ext://)?(\w+)(?:\.\w+)*(?::[\w.]+)?")
"""A string that may name a module, or what is in one, as entry points and `logging.config` do."""


def library_modules(names: list[str]) -> dict[str, list[str]]:
    """The files of each module and package at the top of the library, by the interpreter's zip."""
    modules: dict[str, list[str]] = {}
    for name in names:
        match = re.match(r"Lib/(\w+)(?:/__init__)?\.pyc?$", name)
        if match and not match[1].startswith("_sysconfigdata"):  # imported by a made-up name
            modules[match[1]] = []
    for name in names:
        match = re.match(r"Lib/(\w+)(?:/|\.pyc?$)", name)
        if match and match[1] in modules:
            modules[match[1]].append(name)
    return modules


def imported_names(code: CodeType) -> Iterator[str]:
    """The names that a code object imports, relative ones too, which are names of siblings."""
    extended = 0
    for operation, argument in zip(code.co_code[::2], code.co_code[1::2]):
        argument |= extended
        extended = argument << 8 if operation == opcode.EXTENDED_ARG else 0
        if operation == opcode.opmap["IMPORT_NAME"]:
            yield code.co_names[argument]


def named_modules(code: CodeType, modules: set[str]) -> Iterator[str]:
    """The modules, of these, that code imports, or may import by a name that is a string in it."""
    if not modules.isdisjoint(name.partition(".")[0] for name in code.co_names):
        yield from (name.partition(".")[0] for name in imported_names(code))
    todo = list(code.co_consts)
    while todo:
        value = todo.pop()
        if isinstance(value, CodeType):
            yield from named_modules(value, modules)
        elif isinstance(value, (tuple, frozenset)):
            todo += value
        elif isinstance(value, str):
            match = NAME.fullmatch(value)
            if match and match[1] not in DEVELOPMENT.split():
                yield match[1]


def load_code(data: bytes, name: str) -> list[CodeType]:
    """The code in a `.py` or `.pyc`; none where it is neither. Source: PEP 552, on `.pyc` files."""
    with suppress(SyntaxError, ValueError, EOFError, TypeError, RecursionError):
        is_compiled = name.endswith(".pyc")  # by this interpreter, a moment ago
        code = marshal.loads(data[16:]) if is_compiled else compile(data, name, "exec")  # noqa: S302
        return [code] if isinstance(code, CodeType) else []
    return []


def packed_code(folder: str) -> Iterator[CodeType]:
    """The code below a folder: the bytecode, and what has none beside it."""
    for path, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".pyc") or (name.endswith(".py") and f"{name}c" not in names):
                with open(os.path.join(path, name), "rb") as file:
                    yield from load_code(file.read(), name)


def print_unused(python: str, packed: str, layer: str, kept: str, *started: str) -> None:
    """Print patterns for zip: what of the library in the file `python` nothing packed can reach.

    Of a package all is kept if anything of it is reached, or is in `kept`, which are names with
    commas between them, or in `started`, which need not be of the library. Exits with one line if
    `kept` names what is not there.
    """
    with import_module("zipfile").ZipFile(python) as archive:  # it takes long to import
        modules = library_modules(archive.namelist())
        names = {name.partition(".")[0] for name in kept.split(",") if name}
        if names - modules.keys():
            sys.exit(f"the library has no {' and '.join(sorted(names - modules.keys()))}")
        names.update(name.partition(".")[0] for name in started)
        development = set(DEVELOPMENT.split())
        tops, todo = set(modules), deque([*ALWAYS.split(), *names])
        for site in filter(None, (packed, layer)):
            for code in packed_code(site):
                todo += named_modules(code, tops)
        unused = set(modules)
        while todo:
            top = todo.popleft()
            if top not in unused:
                continue
            unused.remove(top)
            todo += ["pydoc"] if top in NEEDS_PYDOC else []
            known = tops if top in development else tops - development
            for name in modules[top]:
                for code in load_code(archive.read(name), name) if ".py" in name[-4:] else ():
                    todo += known.intersection(named_modules(code, known))
    for top in sorted(unused):
        print(f"Lib/{top}/*" if f"Lib/{top}/" in modules[top][0] else modules[top][0])
