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

from . import checks, entry, program, project, source
from .console import Stop, one_line
from .known import KNOWN
from .layers import Layers, Table, Value
from .program import Program


class Executable(NamedTuple):
    """One result: what it starts as a file name, its path, its `.args`, and what these call."""

    name: str
    path: str
    args: tuple[str, ...]
    entry: str


@dataclass(frozen=True)
class Settings:
    """What a build needs to know, checked. Paths are relative to the current directory.

    `url` and `zip_url` are a URL for wget, or the path of a file to copy. `deps` is a requirements
    file, `none`, or None for what `program` says. `source` is the package or the module that goes
    in, and `beside` is what else lies in a folder of packages. `smoke` are arguments, None where
    nothing is to be tried.
    """

    pkg: str
    root: str
    dir_site: str
    source: str
    beside: tuple[str, ...]
    program: Program
    url: str
    zip_url: str
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

    project: project.Project
    values: dict[str, Value]


def load() -> Settings:
    """The settings for the current directory and environment; `Stop` where one of them is wrong."""
    with one_line("the settings cannot be read"):
        found, values = read(os.environ, Path.cwd())
        root, told = found.root, program.read(found)
        pkg = checks.pkg(values["PKG"], root)
        dir_site = checks.dir_site(values["DIR_SITE"], root)
        place = source.find(root, values["COSMO_SRC"], values["PKG"], found.script)
        build = (root / dir_site).parent.parent
        exclude = checks.patterns("COSMO_EXCLUDE", values["COSMO_EXCLUDE"])
        beside = source.beside(place, root, found.script) if told.dist_info else []
        for each in (place, *beside):
            source.check(each, build, exclude)
        executables = results(values, told, root, build, source.has_main(place, pkg, told.scripts))
        here = os.path.relpath(root)
        settings = Settings(
            pkg=pkg,
            root=here,
            dir_site=dir_site,
            source=os.path.relpath(place),
            beside=tuple(map(os.path.relpath, beside)),
            program=told,
            url=checks.url("COSMO_URL", values["COSMO_URL"], root),
            zip_url=checks.url("COSMO_ZIP_URL", values["COSMO_ZIP_URL"], root),
            deps=checks.deps(values["COSMO_DEPS"], root),
            executables=executables,
            exclude=exclude,
            keep=checks.patterns("COSMO_KEEP", values["COSMO_KEEP"]),
            ships_source=checks.switch("COSMO_SOURCE", values["COSMO_SOURCE"]),
            optimize=checks.optimize(values["COSMO_OPTIMIZE"]),
            prune=checks.prune(values["COSMO_PRUNE"]),
            smoke=checks.smoke(values["COSMO_SMOKE"]),
        )
        checks.build(Path(settings.build), tuple(Path(each.path) for each in executables))
    return settings


def imported(values: Mapping[str, Value], told: Program, found: project.Project) -> Value:
    """PKG where the project's name is no package's: the one that what starts is imported from."""
    if values["PKG"].text is not None:
        with suppress(Stop):
            source.find(found.root, values["COSMO_SRC"], values["PKG"], found.script)
            return values["PKG"]
    given = values["COSMO_ENTRY"]
    everything = Value("*" if told.scripts else None, "[project.scripts]")
    start = given if given.text is not None else everything
    targets = entry.named(start, told.scripts, "", True).values()
    tops = {target.partition(":")[0].partition(".")[0] for target in targets} - {""}
    if len(tops) == 1:
        return Value(tops.pop(), "COSMO_ENTRY" if start is given else start.source)
    return values["PKG"]


def results(
    values: Mapping[str, Value], told: Program, root: Path, build: Path, main: bool
) -> tuple[Executable, ...]:
    """The executables to make: one, but for `COSMO_ENTRY=*`."""
    own, start, pkg = values["COSMO_ARGS"], values["COSMO_ENTRY"], values["PKG"].text or ""
    out = checks.out(values["COSMO_OUT"], root, build)
    isolated = checks.switch("COSMO_ISOLATED", values["COSMO_ISOLATED"])
    ships = checks.switch("COSMO_SOURCE", values["COSMO_SOURCE"])
    optimized = checks.optimize(values["COSMO_OPTIMIZE"]) if ships else 0
    if own.text is not None and start.text is not None:
        raise Stop("COSMO_ARGS and COSMO_ENTRY both say what starts; set one of them")
    found = {pkg: ""} if own.text is not None else entry.named(start, told.scripts, pkg, main)
    if out is not None and len(found) > 1:
        raise Stop(f"COSMO_OUT={out} cannot name {len(found)} executables; set it for one entry")
    folder = os.path.relpath(build)
    return tuple(
        Executable(
            name,
            os.path.relpath(root / out) if out is not None else os.path.join(folder, name),
            entry.args(own, isolated, optimized, pkg, call),
            call,
        )
        for name, call in found.items()
    )


def read(environ: Mapping[str, str], here: Path) -> Found:
    """The project, and each setting's value.

    Raises `Stop` for a `pyproject.toml` that cannot be read, a setting in it that there is not, and
    a `$NAME` that is not set.
    """
    found = project.find(environ, here)
    for name in found.tables[0].names if found.tables else ():  # those of [tool.cosmo.env]
        if name.startswith("COSMO_") and name not in [known.name for known in KNOWN]:
            told = "is no setting; `invoke cosmo.settings` lists them"
            raise Stop(f"{found.file}: {found.tables[0].source} {name} {told}")
    defaults = {known.name: known.default for known in KNOWN if known.default is not None}
    layers = Layers(Table("environment", environ), *found.tables, Table("default", defaults))
    names = [known.name for known in KNOWN if known.name != "COSMO_PROJECT"]
    values = {name: layers.expanded(name) for name in names}
    if values["PKG"].source in ("not set", "[project] name", "[tool.poetry] name"):
        values["PKG"] = imported(values, program.read(found), found)
    return Found(found, {**values, "COSMO_PROJECT": Value(str(found.root), found.source)})
