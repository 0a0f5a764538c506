"""Invoke recipes that turn a Python project into one executable for Linux, macOS and Windows."""

import sys

from invoke.collection import Collection

from .bundle import bundle
from .doctor import doctor
from .package import cosmo
from .release import release

__version__ = "0.3.0"

ns = Collection(cosmo, bundle, doctor, release)


def with_recipes(module: str) -> Collection:
    """Return the tasks so far of the module with that `__name__`, and the recipes beside them."""
    tasks = Collection.from_module(sys.modules[module])
    for name, collection in ns.collections.items():
        taken = name in tasks.task_names or name in tasks.collections
        other = "cosmo_recipes" if name == "cosmo" else f"cosmo_{name}"
        tasks.add_collection(collection, other if taken else name)
    return tasks


def main() -> None:
    """Run the tasks that the command line of `cosmo-recipes` names: the recipes' and `vendor`."""
    from invoke.program import Program

    from .vendor import vendor

    ns.add_task(vendor)
    Program(version=__version__, namespace=ns, name="cosmo-recipes", binary="cosmo-recipes").run()
