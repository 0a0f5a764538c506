"""What to package: every setting, its source, its default and its check, made into one `Settings`.

A setting is looked for in the environment, in `[tool.cosmo.env]` of `pyproject.toml`, in the
article's `[tool.ds.scripts]` table and in `[project]`; a default comes last.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from . import checks, project
from .console import Stop, one_line
from .layers import Layers, Table, Value


class Known(NamedTuple):
    """A setting that there is: its name, default (None: there is none) and meaning."""

    name: str
    default: str | None
    meaning: str


KNOWN = (
    Known(
        "PKG",
        None,
        "the package to run, under `src/`: a Python identifier, or several joined by dots;"
        " without it, the name of `[project]`",
    ),
    Known(
        "DIR_SITE",
        "dist/cosmo/Lib/site-packages",
        "the folder, inside the project, that the program is gathered and compiled in; it ends in"
        " `Lib/site-packages`, and what is above that is the build folder",
    ),
    Known(
        "COSMO_URL",
        "https://cosmo.zip/pub/cosmos/bin/python",
        "the interpreter: an https, http or file URL, or a path",
    ),
    Known(
        "COSMO_ZIP_URL",
        "https://cosmo.zip/pub/cosmos/bin/zip",
        "the `zip` to fetch where none is on PATH; given like COSMO_URL",
    ),
    Known(
        "COSMO_PRUNE",
        "Lib/site-packages/pip* usr/*",
        "which of the interpreter's own files to leave out: `zip`'s patterns, as shell words;"
        " empty: none. Your program's files are never pruned",
    ),
    Known(
        "COSMO_ISOLATED",
        "0",
        "1 puts `-I` first in `.args`: neither the current directory nor PYTHON* variables can"
        " change what runs",
    ),
    Known(
        "COSMO_ARGS",
        None,
        "the lines of `.args`, as shell words, in place of the usual ones; end with `...`,"
        " which stands for the command line's arguments",
    ),
    Known(
        "COSMO_PROJECT",
        None,
        "the folder of the project to package; without it, the one that holds `pyproject.toml`, at"
        " or above the current one",
    ),
)


@dataclass(frozen=True)
class Settings:
    """What a build needs to know, checked. Paths are relative to the current directory.

    `url` and `zip_url` are a URL for wget, or the path of a file to copy.
    """

    pkg: str
    root: str
    dir_site: str
    url: str
    zip_url: str
    prune: tuple[str, ...]
    args: tuple[str, ...]

    @property
    def top(self) -> str:
        """The top-level package: all of it goes in, whichever of its modules is run."""
        return self.pkg.partition(".")[0]

    @property
    def source(self) -> str:
        """The folder of the top-level package, the article's `src/$PKG`."""
        return os.path.normpath(os.path.join(self.root, "src", self.top))

    @property
    def site(self) -> str:
        """The article's `$DIR_SITE`."""
        return os.path.normpath(os.path.join(self.root, self.dir_site))

    @property
    def build(self) -> str:
        """The article's `dist/cosmo`: whatever a build writes lies in it."""
        return os.path.dirname(os.path.dirname(self.site))

    @property
    def executable(self) -> str:
        """The result."""
        return os.path.join(self.build, self.pkg)


def load() -> Settings:
    """The settings for the current directory and environment; `Stop` where one of them is wrong."""
    with one_line("the settings cannot be read"):
        root, values = read(os.environ, Path.cwd())
        settings = Settings(
            pkg=checks.pkg(values["PKG"], root),
            root=os.path.relpath(root),
            dir_site=checks.dir_site(values["DIR_SITE"], root),
            url=checks.url("COSMO_URL", values["COSMO_URL"], root),
            zip_url=checks.url("COSMO_ZIP_URL", values["COSMO_ZIP_URL"], root),
            prune=checks.prune(values["COSMO_PRUNE"]),
            args=checks.args(values["COSMO_ARGS"], values["COSMO_ISOLATED"], values["PKG"]),
        )
        runs_module = values["COSMO_ARGS"].text is None
        checks.source(Path(settings.source), values["PKG"], runs_module)
        checks.build(Path(settings.build), settings.pkg)
    return settings


def read(environ: Mapping[str, str], here: Path) -> tuple[Path, dict[str, Value]]:
    """The project's folder, and each setting's value as it was found, with `$NAME` expanded.

    Raises `Stop` for a `pyproject.toml` that cannot be read, a setting in it that there is not, and
    a `$NAME` that is not set.
    """
    root, source, tables = project.find(environ, here)
    for name in tables[0].names if tables else ():  # those of [tool.cosmo.env], which is ours
        if name.startswith("COSMO_") and name not in [known.name for known in KNOWN]:
            told = "is no setting; `invoke cosmo.settings` lists them"
            raise Stop(f"{root / 'pyproject.toml'}: {tables[0].source} {name} {told}")
    defaults = {known.name: known.default for known in KNOWN if known.default is not None}
    layers = Layers(Table("environment", environ), *tables, Table("default", defaults))
    names = [known.name for known in KNOWN if known.name != "COSMO_PROJECT"]
    values = {name: layers.expanded(name) for name in names}
    return root, {**values, "COSMO_PROJECT": Value(str(root), source)}
