"""One build: the project, loaded once, alone in its build folder; its variables and its shell."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from invoke.context import Context

from .project import Options, Project, load_project
from .shell import RecipeError, Shell, exit_on_error, handle_signals, lock_build_folder, quote

PROJECT = "cosmo_recipes_project"
"""Where, in Invoke's configuration, `invoke cosmo` hands the project on to the phases."""


@contextmanager
def session(c: Context, task: str) -> Iterator[tuple[Project, Shell]]:
    """Yield the project and the shell for one task, alone in the build folder.

    The project is the one that `invoke cosmo` loaded, if it runs the task.
    """
    loaded = c.config.get(PROJECT)
    if loaded:
        yield loaded, make_shell(c, task, loaded)
        return
    with build_session(c, Options()) as p:
        yield p, make_shell(c, task, p)


@contextmanager
def build_session(c: Context, options: Options) -> Iterator[Project]:
    """Load the project, check and lock its build folder; a dry run prints the variables."""
    with handle_signals(), exit_on_error("cosmo cannot go on"):
        p = load_project(options)
        p = find_uv(p) if needs_uv(p) else p
        if c.config.run.dry:
            make_shell(c, "", p).announce()
            yield p
            return
        check_build_folder(p.path(p.build))
        with lock_build_folder(p.path(p.build)):
            yield p


def find_uv(p: Project) -> Project:
    """Return the project with uv: on PATH, beside this Python, or the one that started it.

    Its version is asked once. Raises `RecipeError` where it is missing, or older than 0.13, with
    which the lines were tried; below 0.12 it believes the paths in a RECORD. Source of UV: uv's
    documentation of `uv run`.
    """
    places = ("uv", str(Path(sys.executable).with_name("uv")), os.environ.get("UV", ""))
    path = next((place for place in places if place and shutil.which(place)), "")
    remedy = "get it with `pip install -U 'uv>=0.13'`"
    if not path:
        raise RecipeError(f"{p.label} cannot be installed: uv is not installed; {remedy}")
    remedy += " or `uv self update`"
    with exit_on_error("uv cannot be started"):
        line = [path, "--version"]
        output = subprocess.run(line, capture_output=True, text=True, check=False).stdout  # noqa: S603
    match = re.match(r"uv (\d+)\.(\d+)\S*", output)
    if not match or (int(match[1]), int(match[2])) < (0, 13):
        raise RecipeError(f"uv is too old: it says {output.strip()!r}; {remedy}")
    return replace(p, uv="uv" if path == "uv" else quote(path), uv_version=match[0])


def needs_uv(p: Project) -> bool:
    """Tell whether a build calls uv: to build the wheel, or to install something."""
    return p.way == "wheel" or p.installs


def make_shell(c: Context, task: str, p: Project) -> Shell:
    """Make the shell whose lines have the article's variables, and no others that matter.

    Neither zip, Python nor the sorting of names may depend on the user's. TMPDIR is where an APE
    file writes its loader. Source for that: Cosmopolitan, `ape/ape.S`.
    """
    pkg = p.settings.pkg or p.module
    exports = {
        "SOURCE_DATE_EPOCH": str(p.epoch),
        **({"PKG": pkg} if pkg else {}),
        "DIR_SITE": p.site,
    }
    exports.update({"LC_ALL": "C", "TZ": "UTC0", "ZIP": "", "ZIPOPT": "", "PYTHONHASHSEED": "0"})
    exports["TMPDIR"] = f"$PWD/{p.build}"
    if needs_uv(p):
        exports.update(UV_PYTHON=sys.executable, UV_PYTHON_DOWNLOADS="never")
        exports.update(UV_LINK_MODE="copy", UV_NO_EDITABLE="1")
        exports.update({"UV_OFFLINE": "1"} if p.settings.offline else {})
        exports["DIST_EXTRA_CONFIG"] = f"$PWD/{p.build}/.build/setup.cfg"
    return Shell(c, f"cosmo.{task}", exports, p.root)


def check_build_folder(build: Path) -> None:
    """Check that a build would write into plain files and folders, and through no link."""
    paths = [build, *(build.iterdir() if build.is_dir() else ()), build / "Lib/site-packages"]
    for path in paths:
        kind = path.lstat().st_mode if path.exists() or path.is_symlink() else stat.S_IFDIR
        if not (stat.S_ISDIR(kind) or stat.S_ISREG(kind)):
            problem = "is a symbolic link" if stat.S_ISLNK(kind) else "is not a plain file"
            raise RecipeError(f"{path} {problem}, and a build would write through it; remove it")
    files = "python python.part zip zip.part .args .inside.py .target .build.json .digest"
    for name in files.split():
        if (build / name).is_dir():
            raise RecipeError(f"{build / name} is a folder, in the place of a file; remove it")


def inside_text(p: Project) -> str:
    """Return the command that prints the programs of `inside`, which the interpreter runs."""
    vendored = __name__ != "recipes.session"  # they are the last section of this file
    path = Path(__file__) if vendored else Path(__file__).with_name("inside")
    source = quote(min(os.path.relpath(path, p.root), str(path), key=len))
    return f"sed '1,/^# inside$/d' {source}" if vendored else f"sed '/^from \\./d' {source}/*.py"


def zip_command(p: Project, folder: str = ".") -> str:
    """Return how a line in `folder` calls zip: the one on PATH, else the one that was fetched."""
    return "zip" if shutil.which("zip") else f"sh ./{quote(os.path.relpath(p.build, folder))}/zip"


def compile_command(p: Project, build: str) -> str:
    """Return how the interpreter compiles below `Lib`, so that tracebacks name files in /zip.

    With SOURCE_DATE_EPOCH no `.pyc` carries a time. Where the `.py` is shipped too, its `.pyc` goes
    to `__pycache__`, and is never checked against it: Python ignores one beside a `.py`.
    """
    options = f" -{'O' * p.settings.optimize}" if p.settings.optimize else ""
    form = "--invalidation-mode unchecked-hash" if p.settings.source else "-b"
    return f"sh {build}/python{options} -m compileall {form} -p /zip/Lib"
