"""Finds out whether a distribution can do without its extension modules."""

import contextlib
import importlib
import os
import sys
from typing import Dict, List, Optional, Set

from .dists import Dist
from .later import later


class Asked:
    """Notes each module that is asked for; it finds none."""

    def __init__(self) -> None:
        self.names: Set[str] = set()

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        self.names.add(name)


def unmet(dist: Dist, lost: List[str]) -> str:
    """An extension module that the distribution cannot do without; empty if there is none.

    Every module of it is imported. One that fails for want of an extension may do so if another
    asks for it and yet can be imported, as in PyYAML. What a function imports is needed later, as
    in cffi, but where it makes do without.
    """
    if lost and not any(path.endswith(".py") for path in dist.files()):
        return lost[0]
    names = sorted(filter(None, map(module_name, dist.files())), key=lambda name: name.split("."))
    asked, ever, spared = Asked(), set(), set()
    failing: Dict[str, str] = {}
    sys.meta_path.insert(0, asked)
    for name in names:
        if any(name.startswith(above + ".") for above in failing):
            continue
        asked.names, before = set(), set(sys.modules)
        try:
            with open(os.devnull, "w") as null, contextlib.redirect_stdout(null):
                with contextlib.redirect_stderr(null):
                    importlib.import_module(name)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            reason = missing(error, lost)
            if reason:
                failing[name] = reason
            for new in set(sys.modules) - before:
                del sys.modules[new]
        else:
            spared |= asked.names
        ever |= asked.names
    sys.meta_path.remove(asked)
    needed = [reason for name, reason in failing.items() if name not in spared]
    imported, named = later(dist)
    needed += [name for name in lost if name in imported]
    needed += [name for name in lost if name not in ever and name.rpartition(".")[2] in named]
    return needed[0] if needed else ""


def module_name(path: str) -> str:
    """The module that a file is; empty for what is none, or is not to be imported by itself."""
    parts = path[:-3].split("/") if path.endswith(".py") else [""]
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    tests = ("__main__", "conftest", "test", "tests")
    plain = all(part.isidentifier() and not part.startswith("test_") for part in parts)
    return ".".join(parts) if plain and parts and not set(parts) & set(tests) else ""


def missing(error: Optional[BaseException], lost: List[str]) -> str:
    """Which of the lost modules `error`, or what caused it, is about."""
    while error is not None:
        if isinstance(error, ImportError):
            for name in lost:
                leaf = name.rpartition(".")[2]
                if error.name == name or "cannot import name {!r}".format(leaf) in str(error):
                    return name
        error = error.__cause__ or error.__context__
    return ""
