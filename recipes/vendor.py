"""The recipes, written into another repository as one file, and kept current there."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import shlex
import shutil
from pathlib import Path

from invoke.context import Context
from invoke.tasks import task

from . import __version__
from .shell import RecipeError, exit_on_error, log

MODULES = (
    *("phases", "package", "settings", "project", "location", "session", "dependencies"),
    *("base", "executable", "lockfile", "fetch", "shell"),
)
"""The modules in the order that a reader wants them; what runs on import needs none behind it."""

HEAD = '''\
"""Package this project into one executable for Linux, macOS and Windows: `invoke cosmo`.

This file is cosmo-recipes {version}, as its `invoke vendor` wrote it: the phases first, then the
settings, what they call, and last the programs that run in the fetched Python. With Invoke, tqdm
and uv installed (and tomli, before Python 3.11), `invoke --list` shows the tasks; with only uv, `uv
run {name} cosmo` does the same.

To update it, run `invoke vendor FOLDER` in a clone of cosmo-recipes; with `--check`, that shows
whether it is current. A copy that was edited is not overwritten.

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
# dependencies = ["invoke>=2.2", "tqdm>=4.66", "tomli>=2.0.1; python_version < '3.11'", "uv>=0.13"]
# ///
# cosmo-recipes {version}
# sha256 of all other lines: {digest}
from __future__ import annotations

'''

TAIL = '''\
# in a repository with tasks of its own -------------------------------------------


def with_recipes(module: str) -> Collection:
    """Return the tasks so far of the module with that `__name__`, and the recipes beside them."""
    tasks = Collection.from_module(sys.modules[module])
    taken = "cosmo" in (*tasks.task_names, *tasks.collections)
    tasks.add_collection(cosmo, "cosmo_recipes" if taken else "cosmo")
    return tasks


ns = Collection(cosmo)

if __name__ == "__main__":
    from invoke.program import Program

    options = ["-r", str(Path(__file__).resolve().parent), "-c", Path(__file__).stem]
    Program(version="{version}").run([sys.argv[0], *options, *sys.argv[1:]])
    raise SystemExit

# What follows runs in the fetched Python: the first lines of a build write it to a file.
# inside
'''

MARK = re.compile(r"(?m)^# cosmo-recipes (\S+)(?: with \S+)?\n# sha256 of all other lines: (\w+)\n")
"""How a vendored file names its release and the sha256 of the rest; older ones name collections."""


@task(
    help={
        "dest": "The other repository's folder.",
        "check": "Write nothing: end with status 1, and what differs, if the copy is not current.",
        "force": "Overwrite a copy that was edited.",
    }
)
def vendor(c: Context, dest: str, check: bool = False, force: bool = False) -> None:
    """Write the recipes into a repository as one file."""
    folder = Path(dest)
    if not folder.is_dir():
        raise RecipeError(f"{dest} cannot be vendored to: no such folder; name a repository's")
    with exit_on_error(f"{dest} cannot be vendored to"):
        tasks = next((one for one in own_tasks(folder) if one.exists()), folder / "tasks.py")
        own = read_text(tasks) if tasks.exists() else ""
        is_ours = not tasks.exists() or bool(MARK.search(own))
        path = tasks if is_ours else tasks.with_name("_cosmo_recipes.py")
        joined = is_ours or re.search(r"(?m)^[^#\n]*\b_cosmo_recipes\b", own)
        old, text = tasks.with_name("cosmo_recipes.py"), vendored(path.name)
        for copy in [path, *([] if is_ours else [old])]:
            if copy.exists() and not force:
                check_copy(copy, text if check and copy == path else "", dest)
        if check:
            if not path.exists():
                raise RecipeError(f"{path} does not exist; `invoke vendor {dest}` writes it")
            if not joined:
                raise RecipeError(f"{tasks} lacks two lines; `invoke vendor {dest}` shows them")
            log(f"vendor   {path}: cosmo-recipes {__version__}, current")
            return
        if not c.config.run.dry:
            write_file(path, text)
            if not is_ours and old.exists() and MARK.search(read_text(old)):
                old.unlink()
        dry = ", not written, for the run is dry" if c.config.run.dry else ""
        log(f"vendor   {path}: cosmo-recipes {__version__}{dry}")
        if not joined:
            log(f"{tasks} stays as it is; add these two lines at its end, in place of older ones:")
            print("from _cosmo_recipes import with_recipes\nns = with_recipes(__name__)")


def own_tasks(folder: Path) -> tuple[Path, Path]:
    """Return where a repository's own tasks may be. Source: Invoke's loader, in this order."""
    return folder / "tasks.py", folder / "tasks/__init__.py"


def vendored(name: str) -> str:
    """Return the text of the file, to be called `name`: the modules, one after the other."""
    here = Path(__file__).parent
    inside = sorted((here / "inside").glob("*.py"))
    parts = [section(here / f"{module}.py") for module in MODULES]
    tail = [TAIL.replace("{version}", __version__), *map(section, inside)]
    head = HEAD.replace("{version}", __version__).replace("{name}", name)
    text = head + "\n\n".join([*parts, *tail])
    return text.replace("{digest}", copy_digest(text), 1)


def section(path: Path) -> str:
    """Return a module's text without its relative imports, below a comment that names it."""
    text = path.read_text("utf-8").replace("from __future__ import annotations\n\n", "")
    text = re.sub(r"(?m)^from \.\w* import (\([^)]*\)|.*)\n", "", text)
    _, docstring, text = text.split('"""', 2)
    comment = "\n".join(f"# {line}".rstrip() for line in docstring.rstrip().split("\n"))
    title = f"# {path.parent.name}/{path.name} ".ljust(80, "-")
    return f"{title}\n{comment}\n{text.rstrip()}\n"


def copy_digest(text: str) -> str:
    """Compute the sha256 of all lines but the one with it, by which an edited copy is known."""
    others = re.sub(r"(?m)^# sha256 of all other lines: .*\n", "", text, count=1)
    return hashlib.sha256(others.encode()).hexdigest()


def check_copy(path: Path, text: str, dest: str) -> None:
    """Raise `RecipeError` where a copy is not ours, or was edited; or is not `text`, if given."""
    current = read_text(path)
    mark = MARK.search(current)
    if mark is None:
        raise RecipeError(f"{path} was not written by vendor; move it away, or add --force")
    if mark[2] != copy_digest(current):
        before, after = text.splitlines(keepends=True), current.splitlines(keepends=True)
        diff = difflib.unified_diff(before, after, "as it would be", str(path)) if text else ()
        print("".join(diff), end="")
        diff_note = "as shown; " if text else "as --check shows; "
        raise RecipeError(f"{path} was edited by hand, {diff_note}--force overwrites it")
    newer, ours = (re.findall(r"\d+", one) for one in (mark[1], __version__))
    if [*map(int, newer)] > [*map(int, ours)]:
        problem = f"{path} is cosmo-recipes {mark[1]}, and this is {__version__}"
        raise RecipeError(f"{problem}; use newer recipes, or overwrite it with --force")
    if text and current != text:
        update = f"`invoke vendor {shlex.quote(dest)}` brings it up to date"
        raise RecipeError(f"{path} is cosmo-recipes {mark[1]}, and not current; {update}")


def read_text(path: Path) -> str:
    """Read the text of a file, whatever ends its lines."""
    return path.read_text(encoding="utf-8", errors="replace")


def write_file(path: Path, text: str) -> None:
    """Write a file, all at once; one that exists keeps its mode."""
    if path.is_symlink():
        raise RecipeError(f"{path} is a symbolic link, whose target is left alone; remove it")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as file:
            file.write(text.encode())
        if path.exists():
            shutil.copymode(path, part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
