"""Make installed distributions fit for the executable, in which no extension module can run.

Extension modules, shared libraries and native programs are removed from what is installed. Whether
the program starts without them is for `imports` to find out.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module

from .distribution import Dist, canonical, find_dists

INSTALLER_FILES = ("INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json")
LAYER_SITE = "Lib/site-packages"
"""Where, in the folder of a layer, the dependencies are installed."""


def purify(work: str, layer: str, program: str, suffix: str) -> None:
    """Make what is installed in a layer fit for the executable; note there what changed.

    `program` is the program's distribution, if it has a name, and `work/own` has those that its own
    wheel brings: a dependency may require these, and they are removed. A `.py` will get `suffix`
    behind its name.
    `work/forms` has the form that `select` chose of each distribution. Exits with one line for what
    cannot be packaged.
    """
    site, own, changes, removed = os.path.join(layer, LAYER_SITE), os.path.join(work, "own"), [], []
    names = {canonical(program)}
    names |= {canonical(dist.name) for dist in (find_dists(own) if os.path.isdir(own) else ())}
    installed = find_dependencies(site, names)
    check_conflicts(installed)
    with open(os.path.join(work, "forms"), encoding="utf-8") as file:
        forms = dict(line.rstrip("\n").split("\t") for line in file)
    for dist in installed:
        extensions, form = dist.extensions(), forms.get(canonical(dist.name), "")
        programs = native_programs(dist)
        if extensions:
            form = "its wheel, without the extension"
        if programs:
            form = f"{form or 'its wheel'}, without its native {' and '.join(programs)}"
        missing = strip_extensions(dist, extensions)
        removed += [f"{name}\t{dist}\n" for name in (*missing, *programs)]
        changes += [f"{dist}\t{form}\n"] * bool(form)
        remove_installer_files(dist, suffix)
    with suppress(FileNotFoundError):
        os.remove(f"{site}/.lock")
    rmtree = import_module("shutil").rmtree
    if not os.path.exists(f"{site}/bin/__init__.py"):
        rmtree(f"{site}/bin", ignore_errors=True)
    for folder in [path for path, *_ in os.walk(site) if path.endswith("__pycache__")]:
        rmtree(folder)
    for note, lines in (("changed", changes), ("removed", removed)):
        with open(os.path.join(layer, note), "w", encoding="utf-8") as file:
            file.writelines(lines)


def find_dependencies(site: str, own: set[str]) -> list[Dist]:
    """What is installed, without the program's own distributions, which are removed."""
    installed = []
    for dist in find_dists(site):
        if canonical(dist.name) in own:
            remove_dist(dist)
        else:
            installed.append(dist)
    return installed


def check_conflicts(installed: list[Dist]) -> None:
    """Exit where two distributions bring different files of one name."""
    owners: dict[str, Dist] = {}
    for dist in installed:
        for name in (name for name in dist.files() if "__pycache__" not in name):
            other = owners.setdefault(name, dist)
            if dist.hashes[name] != other.hashes[name]:
                sys.exit(f"{other} and {dist} both bring {name}")


def check_program(packed: str, layer: str, program: str) -> None:
    """Exit where the program in `packed` and a dependency bring different files of one name.

    A package of which both bring a part, and the same `__init__.py`, is made whole in `packed`.
    """
    site, shared = os.path.join(layer, LAYER_SITE), []
    for name in list_files(packed):
        other, clash = os.path.join(site, name), module_package_clash(name)
        if os.path.isfile(os.path.join(site, clash)):
            sys.exit(f"{program} and {owner_of(site, clash)} both are {name.split('/')[0]}")
        if not os.path.isfile(other) or "__pycache__" in name:
            continue
        with open(os.path.join(packed, name), "rb") as one, open(other, "rb") as two:
            if one.read() != two.read():
                sys.exit(f"{program} and {owner_of(site, name)} both bring {name}")
        shared += [os.path.dirname(name)] * name.endswith("/__init__.py")
    for folder in shared:
        target = os.path.join(packed, folder)
        import_module("shutil").copytree(os.path.join(site, folder), target, dirs_exist_ok=True)


def list_files(folder: str) -> Iterator[str]:
    """The files below a folder, relative to it."""
    for path, _, names in os.walk(folder):
        above = path[len(folder) + 1 :]
        for name in names:
            yield f"{above}/{name}" if above else name


def owner_of(site: str, name: str) -> str:
    """The distribution that an installed file is of."""
    dists = (dist for dist in find_dists(site) if {name, f"{name}c"} & dist.hashes.keys())
    return str(next(dists, "a dependency"))


def module_package_clash(name: str) -> str:
    """The package that a module would hide or be hidden by, or the module for a package."""
    if name.endswith("/__init__.py"):
        return name[: -len("/__init__.py")] + ".py"
    return name[:-3] + "/__init__.py" if name.endswith(".py") else name + "/no-such-file"


def remove_dist(dist: Dist) -> None:
    """Remove a distribution's files, and the folders that are empty then."""
    for name in dist.files():
        os.remove(dist.path(name))
        folder = os.path.dirname(name)
        while folder and not os.listdir(dist.path(folder)):
            os.rmdir(dist.path(folder))
            folder = os.path.dirname(folder)
    import_module("shutil").rmtree(dist.path(dist.info))


def native_programs(dist: Dist) -> list[str]:
    """The programs, no scripts, that a distribution installs: their names, behind `bin/`."""
    programs = []
    for name in dist.hashes:
        path = dist.path(name)
        if (
            name.startswith("bin/")
            and "bin/__init__.py" not in dist.hashes
            and os.path.isfile(path)
        ):
            with open(path, "rb") as file:
                programs += [name] if file.read(2) != b"#!" else []
    return programs


def strip_extensions(dist: Dist, extensions: list[str]) -> list[str]:
    """Remove a distribution's extensions; return the module names that are missing then."""
    missing = []
    for name in extensions:
        with suppress(FileNotFoundError):
            os.remove(dist.path(name))
        *folders, file = name.split("/")
        parts = [*folders, file.split(".")[0]]
        stem = dist.path("/".join(parts))
        stands_in = os.path.exists(f"{stem}.py") or os.path.exists(f"{stem}/__init__.py")
        if all(part.isidentifier() for part in parts) and not stands_in:
            missing.append(".".join(parts))
    return missing


def remove_installer_files(dist: Dist, suffix: str) -> None:
    """Remove what tells of the installation from the metadata, and list the files as packed."""
    infos = [f"{dist.info}/{name}" for name in os.listdir(dist.path(dist.info))]
    for name in infos:
        if name.rpartition("/")[2] in INSTALLER_FILES:
            os.remove(dist.path(name))
    names = [*dist.files(), *(name for name in infos if os.path.exists(dist.path(name)))]
    rows = sorted(name + suffix if name.endswith(".py") else name for name in names)
    if dist.hashes:
        with open(dist.path(f"{dist.info}/RECORD"), "w", encoding="utf-8", newline="\n") as file:
            writer = import_module("csv").writer(file, lineterminator="\n")
            writer.writerows([row, "", ""] for row in rows)
