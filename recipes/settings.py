"""What to package: every setting, checked, and what the project says, made into one `Settings`.

A setting is looked for in the environment, in `[tool.cosmo.env]` of `pyproject.toml`, in the
article's `[tool.ds.scripts]` table and in `[project]`; a default comes last.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from .cache import cache_folder
from .checks import (
    check_build,
    check_deps,
    check_dir_site,
    check_optimize,
    check_out,
    check_patterns,
    check_pkg,
    check_prune,
    check_sha256,
    check_smoke,
    check_switch,
    check_urls,
)
from .console import Stop, one_line
from .entry import args_lines, find_entries
from .epoch import source_date
from .known import KNOWN
from .layers import Layers, Table, Value
from .lock import Lock, lock_file, read_lock
from .program import Program, read_program
from .project import Project, find_project
from .source import check_source, find_source, has_main, modules_beside


class Executable(NamedTuple):
    """One result: what it starts as a file name, its path, its `.args`, and what these call."""

    name: str
    path: str
    args: tuple[str, ...]
    entry: str


@dataclass(frozen=True)
class Settings:
    """What a build needs to know, checked. Paths are relative to the current directory.

    `urls` and `zip_urls` are URLs for wget, or the path of a file to copy; `sha256` is what the
    interpreter must have, empty where it may be any. `cache` is the folder of the user's, and
    `epoch` the time, in seconds, of what goes in. `deps` is a requirements file, `none`, or None
    for what `program` says. `source` is the package or the module that goes in, and `beside` is
    what else lies in a folder of packages. `smoke` are arguments, None where nothing is tried.
    """

    pkg: str
    root: str
    dir_site: str
    source: str
    beside: tuple[str, ...]
    program: Program
    urls: tuple[str, ...]
    zip_urls: tuple[str, ...]
    sha256: str
    lock_file: str
    lock: Lock | None
    offline: bool
    cache: str
    epoch: int
    deps: str | None
    executables: tuple[Executable, ...]
    exclude: tuple[str, ...]
    keep: tuple[str, ...]
    ships_source: bool
    optimize: int
    prune: tuple[str, ...]
    smoke: tuple[str, ...] | None

    @property
    def top(self) -> str:
        """The name of the program's top-level package or module in DIR_SITE."""
        return self.pkg.partition(".")[0] + (".py" if self.source.endswith(".py") else "")

    @property
    def site(self) -> str:
        """The article's `$DIR_SITE`."""
        return os.path.normpath(os.path.join(self.root, self.dir_site))

    @property
    def build(self) -> str:
        """The article's `dist/cosmo`: whatever a build writes lies in it."""
        return os.path.dirname(os.path.dirname(self.site))


class Found(NamedTuple):
    """A project, and each setting's value as it was found, with `$NAME` expanded."""

    project: Project
    values: dict[str, Value]


def load_settings(locked: bool = True) -> Settings:
    """The settings for the current directory and environment; `Stop` where one of them is wrong.

    Without `locked`, they are those of a project that has no lock.
    """
    with one_line("the settings cannot be read"):
        found, values = read_settings(os.environ, Path.cwd())
        root, told = found.root, read_program(found)
        pkg = check_pkg(values["PKG"], root)
        dir_site = check_dir_site(values["DIR_SITE"], root)
        place = find_source(root, values["COSMO_SRC"], values["PKG"], found.script)
        build = (root / dir_site).parent.parent
        exclude = check_patterns("COSMO_EXCLUDE", values["COSMO_EXCLUDE"])
        beside = modules_beside(place, root, found.script) if told.dist_info else []
        for each in (place, *beside):
            check_source(each, build, exclude)
        main = has_main(place, pkg, told.scripts, exclude)
        executables = find_executables(values, told, root, build, main)
        here = os.path.relpath(root)
        file = lock_file(root, found.script)
        lock = read_lock(file) if locked else None
        settings = Settings(
            pkg=pkg,
            root=here,
            dir_site=dir_site,
            source=os.path.relpath(place),
            beside=tuple(map(os.path.relpath, beside)),
            program=told,
            urls=check_urls("COSMO_URL", values["COSMO_URL"], root),
            zip_urls=check_urls("COSMO_ZIP_URL", values["COSMO_ZIP_URL"], root),
            sha256=locked_sha256(values["COSMO_SHA256"], lock),
            lock_file=os.path.relpath(file),
            lock=lock,
            offline=check_switch("COSMO_OFFLINE", values["COSMO_OFFLINE"]),
            cache=cache_folder(os.environ),
            epoch=source_date(os.environ, root),
            deps=check_deps(values["COSMO_DEPS"], root),
            executables=executables,
            exclude=exclude,
            keep=check_patterns("COSMO_KEEP", values["COSMO_KEEP"]),
            ships_source=check_switch("COSMO_SOURCE", values["COSMO_SOURCE"]),
            optimize=check_optimize(values["COSMO_OPTIMIZE"]),
            prune=check_prune(values["COSMO_PRUNE"]),
            smoke=check_smoke(values["COSMO_SMOKE"]),
        )
        check_build(Path(settings.build), tuple(Path(each.path) for each in executables))
    return settings


def locked_sha256(given: Value, lock: Lock | None) -> str:
    """What the interpreter's sha256 must be: COSMO_SHA256, or what is locked; these must agree."""
    sha256 = check_sha256(given)
    if lock and sha256 not in ("", lock.sha256):
        told = f"{sha256} ({given.source}) is not what is locked, {lock.sha256}"
        raise Stop(f"COSMO_SHA256={told}; remove one of them")
    return lock.sha256 if lock else sha256


def imported_pkg(values: Mapping[str, Value], told: Program, found: Project) -> Value:
    """PKG where the project's name is no package's: the one that what starts is imported from."""
    if values["PKG"].text is not None:
        with suppress(Stop):
            find_source(found.root, values["COSMO_SRC"], values["PKG"], found.script)
            return values["PKG"]
    given = values["COSMO_ENTRY"]
    everything = Value("*" if told.scripts else None, "[project.scripts]")
    start = given if given.text is not None else everything
    targets = find_entries(start, told.scripts, "", True).values()
    tops = {target.partition(":")[0].partition(".")[0] for target in targets} - {""}
    if len(tops) == 1:
        return Value(tops.pop(), "COSMO_ENTRY" if start is given else start.source)
    return values["PKG"]


def find_executables(
    values: Mapping[str, Value], told: Program, root: Path, build: Path, main: bool
) -> tuple[Executable, ...]:
    """The executables to make: one, but for `COSMO_ENTRY=*`."""
    own, start, pkg = values["COSMO_ARGS"], values["COSMO_ENTRY"], values["PKG"].text or ""
    out = check_out(values["COSMO_OUT"], root, build)
    isolated = check_switch("COSMO_ISOLATED", values["COSMO_ISOLATED"])
    ships = check_switch("COSMO_SOURCE", values["COSMO_SOURCE"])
    optimized = check_optimize(values["COSMO_OPTIMIZE"]) if ships else 0
    if own.text is not None and start.text is not None:
        raise Stop("COSMO_ARGS and COSMO_ENTRY both say what starts; set one of them")
    found = {pkg: ""} if own.text is not None else find_entries(start, told.scripts, pkg, main)
    if out is not None and len(found) > 1:
        raise Stop(f"COSMO_OUT={out} cannot name {len(found)} executables; set it for one entry")
    folder = os.path.relpath(build)
    return tuple(
        Executable(
            name,
            os.path.relpath(root / out) if out is not None else os.path.join(folder, name),
            args_lines(own, isolated, optimized, pkg, call),
            call,
        )
        for name, call in found.items()
    )


def read_settings(environ: Mapping[str, str], here: Path) -> Found:
    """The project, and each setting's value.

    Raises `Stop` for a `pyproject.toml` that cannot be read, a setting in it that there is not, and
    a `$NAME` that is not set.
    """
    found = find_project(environ, here)
    for name in found.tables[0].names if found.tables else ():  # those of [tool.cosmo.env]
        if name.startswith("COSMO_") and name not in [known.name for known in KNOWN]:
            told = "is no setting; `invoke cosmo.settings` lists them"
            raise Stop(f"{found.file}: {found.tables[0].source} {name} {told}")
    defaults = {known.name: known.default for known in KNOWN if known.default is not None}
    layers = Layers(Table("environment", environ), *found.tables, Table("default", defaults))
    names = [known.name for known in KNOWN if known.name != "COSMO_PROJECT"]
    values = {name: layers.expanded(name) for name in names}
    if values["PKG"].source in ("not set", "[project] name", "[tool.poetry] name"):
        values["PKG"] = imported_pkg(values, read_program(found), found)
    return Found(found, {**values, "COSMO_PROJECT": Value(str(found.root), found.source)})
