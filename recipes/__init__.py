"""Invoke recipes that turn a Python project into one executable for Linux, macOS and Windows."""

import sys

from invoke.collection import Collection

from .phases import cosmo

__version__ = "0.2.0"

ns = Collection(cosmo)


def with_recipes(module: str) -> Collection:
    """The tasks so far of the module with that `__name__`, and the recipes beside them."""
    tasks = Collection.from_module(sys.modules[module])
    taken = "cosmo" in tasks.task_names or "cosmo" in tasks.collections
    tasks.add_collection(cosmo, "cosmo_recipes" if taken else "cosmo")
    return tasks
