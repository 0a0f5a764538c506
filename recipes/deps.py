"""The program's dependencies and metadata: resolved for the fetched interpreter, fit to run there.

All of it lies in `.deps` in the build folder until it is seen to be whole:

    own         the program's metadata, and what its build backend adds
    site        its dependencies
    pure/NAME   the form without extension modules of one of these, if there is one; beside it,
                NAME.txt asks for it, NAME.log is what was said, NAME.form tells what it is
    forms       which form each of them was given
    sift.py     what does the sifting, in the interpreter
    foreign.py  what starts pip, in the host's Python
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from invoke.context import Context

from .excerpt import excerpt
from .foreign import run_pip
from .installer import has_uv, install_line, install_reason, pure_lines, wheel_line
from .settings import Settings
from .shell import JUNK, PYTHON, here, leave_out, q, sh, tell
from .sift.command import sift

WORK = ".deps"

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


def has_deps(s: Settings) -> bool:
    """Whether there is something to install, or metadata to write."""
    program = s.program
    told = program.built or program.dist_info or program.dependencies or program.requires_python
    return s.deps != "none" and bool(told or s.deps)


def install_deps(c: Context, s: Settings) -> None:
    """Install the dependencies and metadata beside the program."""
    folders = " ".join(f"{WORK}/{each}" for each in ("own", "site", "pure"))
    sh(c, f"rm -rf {WORK} && mkdir -p {folders}", f"{s.build} cannot be written", at=s.build)
    work = os.path.join(s.build, WORK)
    failed = f"{work} cannot be written"
    code = excerpt(sift)
    sh(c, f"{printf([code])} > sift.py", failed, at=work)
    if not has_uv():
        sh(c, f"{printf([excerpt(run_pip)])} > foreign.py", failed, at=work)
    if s.program.built:
        build_wheel(c, s, work)
    else:
        write_metadata(c, s, work)
    sh(c, leave_out(s.exclude, *JUNK), failed, at=os.path.join(work, "own"))
    if s.deps or s.program.built or s.program.dependencies:
        resolve(c, s, work)
    settle_deps(c, s, work)


def printf(lines: list[str] | tuple[str, ...]) -> str:
    """The shell command that prints these lines."""
    return f"printf '%s\\n' {' '.join(map(shlex.quote, lines))}"


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
    sh(c, wheel_line("./project", "./wheel"), failed, at=work, why=install_reason)
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


def resolve(c: Context, s: Settings, work: str) -> None:
    """Install the requirements; for each one with extension modules, look for a pure form too."""
    place = os.path.relpath(work, s.root)
    file = os.path.join(place, "requirements.txt") if s.deps is None else relative(s.deps, s.root)
    told = ", ".join(s.program.dependencies) or "what its metadata asks for"
    tell(c, "deps", told if s.deps is None else s.deps)
    failed = f"the dependencies of {s.pkg} cannot be installed"
    then = "correct the requirements, or see to the network"
    mode = "version" if has_uv() else "markers"
    ask = f'there="$(cd -P {shlex.quote(here(place))} && {RUN} -m sift {mode})"'
    start = install_line(place)
    line = f"{ask} && {start} --target {q(place)}/site -r {q(file)}"
    sh(c, line, failed, at=s.root, why=install_reason, then=then)
    line = "{ [ -e bin/__init__.py ] || rm -rf bin; } && rm -f .lock"
    line = f"{line} && {leave_out(s.exclude, '__pycache__')}"
    sh(c, line, failed, at=os.path.join(work, "site"))
    listed = os.path.relpath(os.path.join(s.root, file), work)
    sh(c, f"{RUN} -m sift compiled . {q(listed)}", failed, at=work)
    line = f"{ask} && {purify(place)}"
    sh(c, line, failed, at=s.root, why=install_reason, then=then)


def relative(path: str, root: str) -> str:
    """`path` as it is called in `root`."""
    return path if os.path.isabs(path) else os.path.relpath(path, root)


def purify(place: str) -> str:
    """The line that installs, for each distribution that has one, the form without extensions.

    Both ways to it may fail: then there is none.
    """
    wheel, sdist = pure_lines(place)
    rest = '$flags --no-deps --target "$to" -r "$file" </dev/null >>"$to.log" 2>&1'
    return (
        f'flags="$(cat {q(place)}/pure/flags)" && for file in {q(place)}/pure/*.txt; do'
        f' [ -e "$file" ] || break; to="${{file%.txt}}"; form=\'a pure wheel\';'
        f" {wheel} {rest} || {{ rm -rf \"$to\"; form='its sdist, built without the extension';"
        f' {sdist} {rest}; }} || rm -rf "$to"; echo "$form" > "$to.form"; done'
    )


def settle_deps(c: Context, s: Settings, work: str) -> None:
    """See that all of it can run in the interpreter, and put it beside the program."""
    failed = f"{s.pkg} cannot be packaged with its dependencies"
    packed = os.path.relpath(s.site, work)
    suffix = "''" if s.ships_source else "c"
    words = f"settle . {q(packed)} {shlex.quote(s.program.name or s.pkg)} {suffix}"
    line = f"{RUN} -m sift {words} </dev/null > forms"
    then = "do without it, or leave such files out, as with COSMO_EXCLUDE='*.so'"
    sh(c, line, failed, at=work, then=then)
    failed = f"{s.site} cannot be written"
    sh(c, f"cp -R site/. own/. {q(packed)}", failed, at=work)
    sh(c, leave_out(s.exclude, "__pycache__"), failed, at=s.site)


def swapped(s: Settings) -> list[str]:
    """What the last build says of the distributions whose extension modules were left out."""
    told = Path(s.build, WORK, "forms")
    return told.read_text(encoding="utf-8").splitlines() if has_deps(s) and told.is_file() else []
