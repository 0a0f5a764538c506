"""The program's own distribution: its metadata, and what its build backend makes."""

from __future__ import annotations

import os
import shlex

from invoke.context import Context

from .installer import install_reason, off, wheel_line
from .settings import Settings
from .shell import PYTHON, printf, q, sh, tell

RUN = f"{PYTHON} -B"
"""The fetched interpreter, in `.deps`; imports are tried, which shall leave no `__pycache__`."""

NOT_COPIED = (
    "./.venv",
    "./venv",
    "./.tox",
    "./.nox",
    "./node_modules",
    "*/__pycache__",
    "./cosmo_recipes.py",
)
"""What a build backend has no use for, of the project's copy that it works in. A vendored
`cosmo_recipes.py` would be a second module to one that looks for modules by itself."""


def write_metadata(c: Context, s: Settings, work: str) -> None:
    """Write the metadata and the requirements that `[project]` tells."""
    program, failed = s.program, f"the metadata of {s.pkg} cannot be written"
    if program.requires_python:
        see_version(c, s, work, shlex.quote(program.requires_python))
    if program.dist_info:
        info = shlex.quote(f"own/{program.dist_info}")
        line = f"mkdir {info} && {printf(program.metadata())} > {info}/METADATA"
        if program.entry_points:
            line += f" && {printf(program.entry_points_txt())} > {info}/entry_points.txt"
        sh(c, line, failed, at=work)
    if program.dependencies:
        sh(c, f"{printf(program.dependencies)} > requirements.txt", failed, at=work)


def build_wheel(c: Context, s: Settings, work: str) -> None:
    """Let the build backend make a wheel of a copy of the project, and install that as `own`."""
    tell(c, "deps", f"a wheel of {s.program.name or s.pkg}, by its build backend")
    left = [os.path.join(".", os.path.relpath(s.build, s.root)), *NOT_COPIED]
    without = " ".join(f"--exclude={shlex.quote(each)}" for each in left)
    line = f"tar -C {q(s.root)} {without} -cf {q(work)}/project.tar ."
    sh(c, line, f"{s.root} cannot be copied")
    line = "mkdir project && tar -C project -xf project.tar && chmod -R u+w project"
    sh(c, line, f"{s.root} cannot be copied", at=work)
    failed = f"{s.pkg} cannot be built by its own build backend"
    line = f"{off(s.offline)}{wheel_line('./project', './wheel')}"
    sh(c, line, failed, at=work, why=install_reason)
    failed = f"the wheel of {s.pkg} cannot be read"
    lib = 'for lib in own/*.data/*lib; do [ ! -d "$lib" ] || cp -R "$lib"/. own; done'
    line = f"{RUN} -m zipfile -e wheel/*.whl own && {lib} && rm -rf own/*.data project*"
    sh(c, line, failed, at=work)
    headers = "sed -n '/^.\\{0,1\\}$/q; s/^Requires-%s: //p' own/*.dist-info/METADATA"
    sh(c, f"{headers % 'Dist'} > requirements.txt", failed, at=work)
    asked = f"$({headers % 'Python'})"
    see_version(c, s, work, f'"{asked}"')


def see_version(c: Context, s: Settings, work: str, specifier: str) -> None:
    """See that the program is for the interpreter's Python."""
    line = f"{RUN} -m sift fits {specifier}"
    failed = f"{s.program.name or s.pkg} is not for this interpreter"
    sh(c, line, failed, at=work, then="fetch another one with COSMO_URL")
