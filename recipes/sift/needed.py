"""Finds out whether a distribution can do without its extension modules."""

import contextlib
import importlib
import os
import re
import sys
from typing import Dict, List, Optional, Set

from .dists import Dist


class Asked:
    """Notes each module that is asked for; it finds none."""

    def __init__(self) -> None:
        self.names: Set[str] = set()

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        self.names.add(name)


def unmet(dist: Dist, lost: List[str]) -> str:
    """An extension module that the distribution cannot do without; empty if there is none.

    Every module of it is imported. One that fails for want of an extension may do so if another
    asks for it and yet can be imported, as in PyYAML. An extension that no import asks for, though
    some module names it, may be needed later, as in cffi.
    """
    if lost and not any(path.endswith(".py") for path in dist.files()):
        return lost[0]
    names = sorted(filter(None, map(module_name, dist.files())), key=lambda name: name.split("."))
    asked, ever, spared = Asked(), set(), set()
    failing: Dict[str, str] = {}
    sys.meta_path.insert(0, asked)
    for name in names:
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
                if "." not in name:
                    break
            for new in set(sys.modules) - before:
                del sys.modules[new]
        else:
            spared |= asked.names
        ever |= asked.names
    sys.meta_path.remove(asked)
    needed = [reason for name, reason in failing.items() if name not in spared]
    needed += [name for name in lost if name not in ever and mentioned(dist, name)]
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


def mentioned(dist: Dist, name: str) -> bool:
    """Whether a module of the distribution names the lost module."""
    word = re.compile(r"\b{}\b".format(re.escape(name.rpartition(".")[2])))
    for path in dist.files():
        if path.endswith(".py"):
            with open(os.path.join(dist.folder, path), encoding="utf-8", errors="replace") as file:
                if word.search(file.read()):
                    return True
    return False
