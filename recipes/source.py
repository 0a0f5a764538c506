"""The program's source: where it lies, whether it starts, and whether it can be packaged."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path

from .inside.distribution import EXTENSION
from .parsers import Value
from .pyproject import NAMED_BY
from .shell import RecipeError


def find_source(root: Path, src: str | None, pkg: Value) -> Path:
    """The package's folder or module, in COSMO_SRC, else in `src` or in the project's folder."""
    top = (pkg.text or "").partition(".")[0]
    folders = [root / "src", root] if src is None else [root / src]
    for path in (path for folder in folders for path in (folder / top, folder / f"{top}.py")):
        if path.is_file() if path.suffix else path.is_dir():
            return Path(os.path.relpath(path.parent), path.name)  # its name too where it is here
    problem = f"there is neither {' nor '.join(str(folder / top) for folder in folders)}"
    near = get_close_matches(top, [name for folder in folders for name in find_packages(folder)], 1)
    meant = f"did you mean {near[0]}? " if near else ""
    remedy = "correct PKG, or name the folder it is in with COSMO_SRC"
    if pkg.source in NAMED_BY:
        remedy = "name the package with PKG in [tool.cosmo.env], or its folder with COSMO_SRC"
    raise RecipeError(f"PKG={pkg.text} ({pkg.source}): {problem}, nor such a .py; {meant}{remedy}")


def find_packages(folder: Path) -> list[str]:
    """The names of the packages and modules in a folder."""
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    return [
        path.stem
        for path in paths
        if path.stem.isidentifier()
        if path.suffix == ".py" or (path.is_dir() and any(path.glob("*.py")))
    ]


def has_main(source: Path, pkg: str, scripts: Mapping[str, str], exclude: tuple[str, ...]) -> bool:
    """Whether `python -m PKG` starts it: a module that has scripts must itself say so.

    What is excluded starts nothing.
    """
    module = source.joinpath(*pkg.split(".")[1:])
    for main in (module / "__main__.py", module / "__main__.pyc"):
        if main.is_file() and not is_excluded(source, main, exclude):
            return True
    file = source if source.is_file() else module.with_name(f"{module.name}.py")
    if (module == source and not source.is_file()) or is_excluded(source, file, exclude):
        return False
    return file.is_file() and (not scripts or b"__main__" in file.read_bytes())


def check_source(source: Path, build: Path, exclude: tuple[str, ...]) -> None:
    """Check that a source can be packaged, but for what is excluded."""
    if source.is_dir() and source.resolve() in (build.resolve(), *build.resolve().parents):
        usual = "dist/cosmo/Lib/site-packages is usual"
        raise RecipeError(f"DIR_SITE lies among the sources, in {source}; {usual}")
    for path in source.rglob("*"):
        if re.search(r"[\n\r]", path.name):
            raise RecipeError(f"{str(path)!r}: the name of a file cannot hold a newline; rename it")
        if path.is_symlink() and not path.exists():
            kind = "an editor's lock: close" if path.name.startswith(".#") else "a link: correct"
            raise RecipeError(f"{path} is {kind} or remove it, for it leads to no file")
        if EXTENSION.search(path.name) and not is_excluded(source, path, exclude):
            problem = "cannot run in the executable, as no compiled module can"
            remedy = "if the program works without, name it in COSMO_EXCLUDE"
            raise RecipeError(f"{path} {problem}; {remedy}")


def is_excluded(source: Path, path: Path, exclude: tuple[str, ...]) -> bool:
    """Whether COSMO_EXCLUDE names a file of the source, or a folder that it is in."""
    inner = path.relative_to(source.parent)
    names = [str(part) for part in (inner, *inner.parents)]
    return any(fnmatchcase(name, pattern) for name in names for pattern in exclude)
