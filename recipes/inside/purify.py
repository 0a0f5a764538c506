"""Make installed distributions fit for the executable, in which no extension module can run.

Extension modules are removed from what is installed. A distribution that cannot be imported without
them is removed too, if all that require it do without it, and refused otherwise.
"""

from __future__ import annotations

import csv
import os
import shutil
import sys

from .distribution import Dist, canonical, find_dists, find_needed

INSTALLER_FILES = ("INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json")


def purify(work: str, packed: str, program: str, suffix: str) -> None:
    """Make what is installed in `work/site` fit for the executable; note changes in `work/changed`.

    `packed` holds the program; a `.py` will get `suffix` behind its name there. `work/forms` has
    the form that `select` chose of each distribution. Exits with one line for what cannot be
    packaged.
    """
    site, own, changes, removed = os.path.join(work, "site"), find_dists(packed), [], []
    installed = find_dependencies(site, own)
    check_conflicts(own, installed, packed, program)
    sys.path += [os.path.abspath(packed), os.path.abspath(site)]
    with open(os.path.join(work, "forms"), encoding="utf-8") as file:
        chosen = dict(line.rstrip("\n").split("\t") for line in file)
    for dist in installed:
        extensions, form = dist.extensions(), chosen.get(canonical(dist.name), "")
        if dist.name in removed or not (extensions or form):
            continue
        if extensions or form != "a pure wheel":
            form = "its wheel, without the extension" if extensions else form
            top_level = dist.top_level()
            needed, _ = find_needed(dist, strip_extensions(dist, extensions))
            if needed:
                path = " -> ".join(dependency_path(dist, own + installed, program))
                dropped = drop_optional(dist, top_level, own, installed)
                if not dropped:
                    problem = f"needs its extension module {needed[0]}, which cannot run in the"
                    sys.exit(f"{dist} {problem} executable ({path})")
                removed += dropped
                form = f"left out, every dependent imports without it ({path})"
        changes.append(f"{dist}: {form}\n")
    for dist in [*find_dists(packed), *find_dists(site)]:
        remove_installer_files(dist, suffix)
    if os.path.exists(f"{site}/.lock"):
        os.remove(f"{site}/.lock")
    if not os.path.exists(f"{site}/bin/__init__.py"):
        shutil.rmtree(f"{site}/bin", ignore_errors=True)
    with open(os.path.join(work, "changed"), "w", encoding="utf-8") as file:
        file.writelines(changes)


def find_dependencies(site: str, own: list[Dist]) -> list[Dist]:
    """What is installed, without the program, which a dependency may require; that is removed."""
    installed = []
    for dist in find_dists(site):
        if canonical(dist.name) in [canonical(mine.name) for mine in own]:
            remove_dist(dist, [])
        else:
            installed.append(dist)
    return installed


def check_conflicts(own: list[Dist], installed: list[Dist], packed: str, program: str) -> None:
    """Exit where two distributions, or one and the program, bring different files of one name."""
    owners: dict[str, Dist] = {}
    for dist in own + installed:
        for name in dist.files():
            if "__pycache__" in name:
                continue
            other, beside = owners.setdefault(name, dist), os.path.join(packed, name)
            if dist.hashes[name] != other.hashes[name]:
                sys.exit(f"{other} and {dist} both bring {name}")
            if dist in own:
                continue
            if os.path.isfile(os.path.join(packed, module_package_clash(name))):
                sys.exit(f"{program} and {dist} both are {name.split('/')[0]}")
            if os.path.isfile(beside):
                with open(beside, "rb") as one, open(dist.path(name), "rb") as two:
                    if one.read() != two.read():
                        sys.exit(f"{program} and {dist} both bring {name}")


def module_package_clash(name: str) -> str:
    """The package that a module would hide or be hidden by, or the module for a package."""
    if name.endswith("/__init__.py"):
        return name[: -len("/__init__.py")] + ".py"
    return name[:-3] + "/__init__.py" if name.endswith(".py") else name + "/no-such-file"


def dependency_path(dist: Dist, dists: list[Dist], program: str) -> list[str]:
    """The names from the program to the distribution, each of which requires the next."""
    path = [dist]
    while True:
        rest = [other for other in dists if other not in path]
        above = [other for other in rest if other.requirements(path[0])]
        above = above or [other for other in rest if other.requirements(path[0], extras=True)]
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
    required with extras, is not.
    """
    dists = own + installed
    dependents = [other for other in dists if other.requirements(dist)]
    lines = (line for one in dists for other in dependents for line in one.requirements(other))
    if (
        not dependents
        or any(line.extras for line in lines)
        or any(one in own for one in dependents)
    ):
        return []
    remove_dist(dist, dists)
    names = [dist.name]
    for other in dependents:
        needed, tried = find_needed(other, modules)
        if needed or tried.isdisjoint(modules):
            more = drop_optional(other, other.top_level(), own, installed)
            if not more:
                return []
            names += more
    return names


def remove_dist(dist: Dist, dists: list[Dist]) -> None:
    """Remove a distribution's files, but for others' too, and the folders that are empty then."""
    others = [
        other for other in dists if other is not dist and os.path.isdir(other.path(other.info))
    ]
    shared = {name for other in others for name in other.hashes}
    for name in (name for name in dist.files() if name not in shared):
        os.remove(dist.path(name))
        folder = os.path.dirname(name)
        while folder and not os.listdir(dist.path(folder)):
            os.rmdir(dist.path(folder))
            folder = os.path.dirname(folder)
    shutil.rmtree(dist.path(dist.info))


def strip_extensions(dist: Dist, extensions: list[str]) -> list[str]:
    """Remove a distribution's extensions; return the module names that are missing then."""
    missing = []
    for name in extensions:
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
            csv.writer(file, lineterminator="\n").writerows([row, "", ""] for row in rows)
