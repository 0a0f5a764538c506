"""Invoke recipes that turn a Python project into one executable for Linux, macOS and Windows."""

import sys

from invoke.collection import Collection

from .cosmo import cosmo
from .standin import standin

__version__ = "0.1.0"

ns = Collection(cosmo, standin)


def joined(module: str) -> Collection:
    """The tasks so far of the module with that `__name__`, and the recipes beside them."""
    tasks = Collection.from_module(sys.modules[module])
    taken = "cosmo" in tasks.task_names or "cosmo" in tasks.collections
    tasks.add_collection(cosmo, "cosmo_recipes" if taken else "cosmo")
    return tasks
