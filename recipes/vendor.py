"""The recipes, written into another repository as one file, and kept current there."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

from invoke.context import Context
from invoke.tasks import task

from . import __version__
from .console import Stop, one_line, say
from .flat import flat
from .project import parse_toml, table_at

HEAD = '''\
"""Package this project into one executable for Linux, macOS and Windows: `invoke cosmo`.

These are the cosmo-recipes in one file, as their `invoke vendor` wrote it. With Invoke and tqdm
installed (and tomli, before Python 3.11), `invoke --list` tells what there is. With nothing
installed, `uv run {name} cosmo` and `pipx run {name} cosmo` do the same as `invoke cosmo`.

To update it, run `invoke vendor FOLDER` in a clone of cosmo-recipes; with `--check`, that tells
whether it is current. A copy that was edited is not overwritten. What the phases do stands below
"recipes/cosmo.py", and what the settings mean below "recipes/known.py".

MIT License. Copyright (c) the cosmo-recipes authors.
"""

# fmt: off
# ruff: noqa
# flake8: noqa
# pylint: skip-file
# isort: skip_file
# mypy: disable-error-code="import-untyped"
# /// script
# requires-python = ">=3.9"
# dependencies = ["invoke>=2.2", "tqdm>=4.66", "tomli>=2.0.1; python_version < '3.11'"]
# ///
# cosmo-recipes {version}
# sha256 of all other lines: {digest}

'''

TAIL = """

if __name__ == "__main__":
    import invoke.program

    file = Path(__file__).resolve()
    this = ["-r", str(file.parent), "-c", file.stem]
    invoke.program.Program(version=__version__).run([sys.argv[0], *this, *sys.argv[1:]])
"""

MARK = re.compile(r"^# cosmo-recipes (\S+)\n# sha256 of all other lines: (\w+)\n", re.MULTILINE)

TABLE = """\
[tool.cosmo.env]
# What `invoke cosmo` goes by; `invoke cosmo.settings` tells all there is and what is in force.
#
# The package to run, where [project] does not tell:
# PKG = "name"
#
# Neither the directory that the program is started in nor PYTHON* variables change what runs:
COSMO_ISOLATED = "1"
#
# Try a new executable with these arguments before it replaces the old one:
# COSMO_SMOKE = "--version"
"""
"""The recommended settings, for a `pyproject.toml`."""


@task(
    help={
        "dest": "The other repository's folder.",
        "check": "Write nothing: end with status 1, and what differs, if the copy is not current.",
        "force": "Overwrite a copy that was edited.",
        "settings": "Also add a [tool.cosmo.env] table to its pyproject.toml, if it has none.",
    }
)
def vendor(
    c: Context, dest: str, check: bool = False, force: bool = False, settings: bool = False
) -> None:
    """Write these recipes into another repository, as one file: tasks.py, or beside its own."""
    folder = Path(dest)
    if not folder.is_dir():
        raise Stop(f"{dest} cannot be vendored to: there is no such folder; name a repository's")
    with one_line(f"{dest} cannot be vendored to"):
        own, path = places(folder)
        copy = vendored(path.name)
        there = read(path) if path.exists() else None
        project = folder / "pyproject.toml"
        if check:
            see_current(path, copy, there, f"{program()} vendor {shlex.quote(dest)}")
            if settings and not has_settings(project):
                raise Stop(f"{project} has no [tool.cosmo.env]; `--settings` alone adds one")
            return
        if there is not None and not force:
            see_ours(path, there)
        texts = {path: copy}
        if settings and not has_settings(project):
            texts[project] = with_settings(project)
        for each, text in texts.items():
            if not c.config.run.dry:
                put(each, text)
            dry = ", not written, for the run is dry" if c.config.run.dry else ""
            say(f"vendor   {each}: cosmo-recipes {__version__}{dry}")
    if path != own:
        join(own)


def see_ours(path: Path, there: str) -> None:
    """Refuse to overwrite what is edited, or newer, or not ours."""
    mark = MARK.search(there)
    if mark is None:
        raise Stop(f"{path} is not one of ours; move it away, or overwrite it with --force")
    if edited(there):
        raise Stop(f"{path} was edited; --check shows what differs, --force overwrites it")
    if numbers(mark[1]) > numbers(__version__):
        told = f"{path} is cosmo-recipes {mark[1]}, and this is {__version__}"
        raise Stop(f"{told}; use newer ones, or overwrite it with --force")


def numbers(version: str) -> list[int]:
    """A version, to be compared."""
    return [int(each) for each in re.findall(r"\d+", version)]


def vendored(name: str) -> str:
    """The file, to be called `name`: its head, the recipes, and what runs them as a script."""
    text = HEAD.format(name=name, version=__version__, digest="{digest}") + flat() + TAIL
    return text.replace("{digest}", digest(text), 1)


def digest(text: str) -> str:
    """What tells whether a copy is as it was written: the sha256 of all but the line with it."""
    rest = re.sub(r"(?m)^# sha256 of all other lines: .*\n", "", text, count=1)
    return hashlib.sha256(rest.encode()).hexdigest()


def edited(text: str) -> bool:
    """Whether a file is not as `vendor` wrote it, or not from `vendor` at all."""
    mark = MARK.search(text)
    return mark is None or mark[2] != digest(text)


def places(folder: Path) -> tuple[Path, Path]:
    """Where the repository's own tasks are, or would be, and where the recipes are to go.

    Source: Invoke's loader, which takes a `tasks.py` before a `tasks/__init__.py`, and imports what
    lies beside either.
    """
    own, package = folder / "tasks.py", folder / "tasks/__init__.py"
    if not own.exists() and package.exists():
        own = package
    if own.exists() and not MARK.search(read(own)):
        return own, own.with_name("cosmo_recipes.py")
    return own, own


def see_current(path: Path, copy: str, there: str | None, line: str) -> None:
    """End with status 1, and what differs, where the copy is not the one that would be written."""
    if there is None:
        raise Stop(f"{path} is not there; `{line}` writes it")
    if there == copy:
        say(f"vendor   {path}: cosmo-recipes {__version__}, current")
        return
    mark = MARK.search(there)
    if mark is None:
        raise Stop(f"{path} is not one of ours; `{line} --force` overwrites it")
    same = mark[1] == __version__
    told = f"cosmo-recipes {mark[1]}, " + (
        "of other sources" if same else f"and this is {__version__}"
    )
    if not edited(there):
        newer = numbers(mark[1]) > numbers(__version__)
        then = "use newer ones" if newer else f"`{line}` brings it up to date"
        raise Stop(f"{path} is {told}; {then}")
    before, after = copy.splitlines(keepends=True), there.splitlines(keepends=True)
    print("".join(difflib.unified_diff(before, after, "as it would be", str(path))), end="")
    also = "" if same else f", and it is {told}"
    then = f"`{line} --force` overwrites it"
    raise Stop(f"{path} was edited by hand, as shown{also}; {then}")


def program() -> str:
    """What was called: Invoke, or the program of this package."""
    return "invoke" if Path(sys.argv[0]).name in ("invoke", "inv") else "cosmo-recipes"


def read(path: Path) -> str:
    """The text of a file, whatever ends its lines."""
    return path.read_text(encoding="utf-8", errors="replace")


def put(path: Path, text: str) -> None:
    """Write a file, all at once; one that is there keeps its mode."""
    if path.is_symlink():
        raise Stop(f"{path} is a symbolic link, and what it leads to stays as it is; remove it")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as file:
            file.write(text.encode())
        if path.exists():
            shutil.copymode(path, part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def join(own: Path) -> None:
    """Print the two lines with which a repository's own tasks take in the recipes."""
    if re.search(r"(?m)^(from|import) \.?cosmo_recipes\b", read(own)):
        return
    say(f"{own} stays as it is; let it end with these two lines:")
    print("from cosmo_recipes import joined\nns = joined(__name__)")


def has_settings(path: Path) -> bool:
    """Whether a `pyproject.toml` has a table of settings."""
    data = parse_toml(path, path.read_bytes()) if path.exists() else {}
    return "env" in table_at(path, data, "tool", "cosmo")


def with_settings(path: Path) -> str:
    """The text of a `pyproject.toml`, as it is, and the recommended settings."""
    text = path.read_bytes().decode() if path.exists() else ""
    end = "\r\n" if "\r\n" in text else "\n"
    gap = "" if not text else end if text.endswith("\n") else 2 * end
    # the lines of `.args` that a project writes itself say whether it is isolated
    table = TABLE.replace("\nCOSMO_I", "\n# COSMO_I") if "COSMO_ARGS" in text else TABLE
    new = text + gap + table.replace("\n", end)
    try:
        parse_toml(path, new.encode())
    except Stop as error:
        told = "has an inline table where [tool.cosmo.env] is to go; write that by hand"
        raise Stop(f"{path} {told}") from error
    return new
