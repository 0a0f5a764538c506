"""Invoke recipes that turn a Python project into one executable for Linux, macOS and Windows."""

import sys

from invoke.collection import Collection

from .cosmo import cosmo
from .standin import standin

__version__ = "0.1.0"

ns = Collection(cosmo, standin)


def joined(module: str) -> Collection:
    """The tasks of a module so far, named by its `__name__`, and the recipes beside them."""
    tasks = Collection.from_module(sys.modules[module])
    tasks.add_collection(cosmo)
    return tasks
