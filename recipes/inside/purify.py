"""Make installed distributions fit for the executable, in which no extension module can run.

Extension modules, shared libraries and native programs are removed from what is installed. Whether
the program starts without them is for `imports` to find out.
"""

from __future__ import annotations

import csv
import os
import shutil
import sys
from contextlib import suppress

from .distribution import Dist, canonical, find_dists

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
    for dist in [*find_dists(packed), *find_dists(site)]:
        remove_installer_files(dist, suffix)
    if os.path.exists(f"{site}/.lock"):
        os.remove(f"{site}/.lock")
    if not os.path.exists(f"{site}/bin/__init__.py"):
        shutil.rmtree(f"{site}/bin", ignore_errors=True)
    for note, lines in (("changed", changes), ("removed", removed)):
        with open(os.path.join(work, note), "w", encoding="utf-8") as file:
            file.writelines(lines)


def find_dependencies(site: str, own: list[Dist]) -> list[Dist]:
    """What is installed, without the program, which a dependency may require; that is removed."""
    installed = []
    for dist in find_dists(site):
        if canonical(dist.name) in [canonical(mine.name) for mine in own]:
            remove_dist(dist)
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


def remove_dist(dist: Dist) -> None:
    """Remove a distribution's files, and the folders that are empty then."""
    for name in dist.files():
        os.remove(dist.path(name))
        folder = os.path.dirname(name)
        while folder and not os.listdir(dist.path(folder)):
            os.rmdir(dist.path(folder))
            folder = os.path.dirname(folder)
    shutil.rmtree(dist.path(dist.info))


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
            csv.writer(file, lineterminator="\n").writerows([row, "", ""] for row in rows)
