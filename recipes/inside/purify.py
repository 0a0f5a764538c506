"""Make installed distributions fit for the executable, in which no extension module can run.

Extension modules are removed from what is installed. A distribution that cannot be imported without
them is removed too, if all that require it do without it, and refused otherwise.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys

from .distribution import Dist, canonical, find_dists, required_extension, works_without

INSTALLER_FILES = ("INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json")


def purify(work: str, packed: str, program: str, suffix: str) -> None:
    """Make what is installed in `work/site` fit for the executable; note changes in `work/changed`.

    `packed` holds the program; a `.py` will get `suffix` behind its name there. `work/forms` has the
    form that `select` chose of each distribution. Exits with one line for what cannot be packaged.
    """
    site, changes = os.path.join(work, "site"), []
    own = find_dists(packed)
    installed = []
    for dist in find_dists(site):
        if canonical(dist.name) in [canonical(mine.name) for mine in own]:
            remove_dist(dist)  # a dependency that requires the program
        elif json.loads(dist.read("direct_url.json") or "{}").get("dir_info", {}).get("editable"):
            sys.exit(f"{dist} is editable, so its files would stay where they are")
        else:
            installed.append(dist)
    check_conflicts(own, installed, packed, program)
    sys.path[:0] = [os.path.abspath(packed), os.path.abspath(site)]
    with open(os.path.join(work, "forms"), encoding="utf-8") as file:
        chosen = dict(line.rstrip("\n").split("\t") for line in file)
    removed: list[str] = []
    for dist in installed:
        extensions = dist.extensions()
        form = chosen.get(canonical(dist.name), "")
        if dist.name in removed or not (extensions or form):
            continue
        if extensions or form != "a pure wheel":
            form = form if not extensions else "its wheel, without the extension"
            top_level = dist.top_level()
            needed = required_extension(dist, strip_extensions(dist, extensions))
            if needed:
                path = " -> ".join(dependency_path(dist, own + installed, program))
                dropped = drop_optional(dist, top_level, own, installed)
                if not dropped:
                    sys.exit(
                        f"{dist} needs its extension module {needed}, which cannot run in the"
                        f" executable ({path})"
                    )
                removed += dropped
                form = f"left out, every dependent imports without it ({path})"
        changes.append(f"{dist}: {form}\n")
    for dist in [*find_dists(packed), *find_dists(site)]:
        remove_installer_files(dist, suffix)
    if not os.path.exists(f"{site}/bin/__init__.py"):
        shutil.rmtree(f"{site}/bin", ignore_errors=True)
    with open(os.path.join(work, "changed"), "w", encoding="utf-8") as file:
        file.writelines(changes)


def check_conflicts(own: list[Dist], installed: list[Dist], packed: str, program: str) -> None:
    """Exit where two distributions, or one and the program, bring different files of one name."""
    owners: dict[str, Dist] = {}
    for dist in own + installed:
        for path in dist.files():
            if "__pycache__" in path:
                continue
            other = owners.setdefault(path, dist)
            if other is not dist and dist.hashes[path] != other.hashes[path]:
                sys.exit(f"{other} and {dist} both bring {path}")
            if dist in own:
                continue
            if os.path.isfile(os.path.join(packed, module_package_clash(path))):
                sys.exit(f"{program} and {dist} both are {path.split('/')[0]}")
            beside = os.path.join(packed, path)
            if os.path.isfile(beside):
                with open(beside, "rb") as one, open(os.path.join(dist.folder, path), "rb") as two:
                    if one.read() != two.read():
                        sys.exit(f"{program} and {dist} both bring {path}")


def module_package_clash(path: str) -> str:
    """The package that a module would hide or be hidden by, or the module for a package."""
    if path.endswith("/__init__.py"):
        return path[: -len("/__init__.py")] + ".py"
    return path[:-3] + "/__init__.py" if path.endswith(".py") else path + "/no-such-file"


def dependency_path(dist: Dist, dists: list[Dist], program: str) -> list[str]:
    """The names from the program to the distribution, each of which requires the next."""
    path = [dist]
    while True:
        for extras in (False, True):
            above = [other for other in dists if other.requirements(path[0], extras)]
            above = [other for other in above if other not in path]
            if above:
                break
        if not above:
            names = [step.name for step in path]
            return names if names[0] == program else [program, *names]
        path.insert(0, above[0])


def drop_optional(
    dist: Dist, modules: list[str], own: list[Dist], installed: list[Dist]
) -> list[str]:
    """Remove `dist` if every dependent imports without it; return the removed names.

    A dependent that does not is removed in turn, if its own dependents import without it; as for
    SQLAlchemy, which imports without greenlet. What the program itself requires, and what is
    required with extras, stays.
    """
    dependents = [other for other in own + installed if other.requirements(dist)]
    extras = any(line.extras for other in own + installed for line in other.requirements(dist))
    if not dependents or extras or any(other in own for other in dependents):
        return []
    remove_dist(dist)
    names = [dist.name]
    for other in dependents:
        if not works_without(other, modules):
            more = drop_optional(other, other.top_level(), own, installed)
            if not more:
                return []
            names += more
    return names


def remove_dist(dist: Dist) -> None:
    """Remove a distribution's files, and the folders that are empty then."""
    for path in dist.files():
        os.remove(os.path.join(dist.folder, path))
        folder = os.path.dirname(path)
        while folder and not os.listdir(os.path.join(dist.folder, folder)):
            os.rmdir(os.path.join(dist.folder, folder))
            folder = os.path.dirname(folder)
    shutil.rmtree(os.path.join(dist.folder, dist.info))


def strip_extensions(dist: Dist, extensions: list[str]) -> list[str]:
    """Remove a distribution's extensions; return the module names that are missing then."""
    missing = []
    for path in extensions:
        os.remove(os.path.join(dist.folder, path))
        folder, _, name = path.rpartition("/")
        parts = [*filter(None, folder.split("/")), name.split(".")[0]]
        stem = os.path.join(dist.folder, *parts)
        if all(part.isidentifier() for part in parts):
            if not os.path.exists(stem + ".py") and not os.path.exists(stem + "/__init__.py"):
                missing.append(".".join(parts))
    return missing


def remove_installer_files(dist: Dist, suffix: str) -> None:
    """Remove what tells of the installation from the metadata, and list the files as packed."""
    folder = os.path.join(dist.folder, dist.info)
    for name in INSTALLER_FILES:
        if os.path.exists(os.path.join(folder, name)):
            os.remove(os.path.join(folder, name))
    if dist.hashes:
        paths = [*dist.files(), *(f"{dist.info}/{name}" for name in os.listdir(folder))]
        names = sorted(path + suffix if path.endswith(".py") else path for path in paths)
        with open(os.path.join(folder, "RECORD"), "w", encoding="utf-8", newline="\n") as file:
            csv.writer(file, lineterminator="\n").writerows([name, "", ""] for name in names)
