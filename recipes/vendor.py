"""The recipes, written into another repository as one file, and kept current there."""

from __future__ import annotations

import ast
import difflib
import hashlib
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from textwrap import indent

from invoke.context import Context
from invoke.program import Program
from invoke.tasks import task

from . import __version__, ns
from .pyproject import parse_toml, read_toml
from .shell import RecipeError, exit_on_error, log

PACKAGE_DIR = Path(__file__).parent
INSIDE = tuple(
    f"inside/{name}.py"
    for name in (
        "distribution",
        "library",
        "purify",
        "probe",
        "imports",
        "graph",
        "start",
        "__main__",
    )
)
"""The modules that run in the fetched interpreter: they come first, and import no other."""

MODULES = tuple(
    f"{name}.py"
    for name in (
        *("shell", "parsers", "settings", "pyproject", "lockfile", "metadata", "source", "project"),
        *("session", "interpreter", "executable", "digest", "layer", "dependencies", "app"),
        *("phases", "__init__"),
    )
)
"""The other modules that are vendored, each behind those that it imports."""

OPTIONAL = {
    "bundle": ("archive", "treemap", "trial", "bundle"),
    "doctor": ("doctor",),
    "release": ("archive", "release"),
}
"""The collections that are vendored on request, and the modules that each is of, in order."""

HEAD = '''\
"""Package this project into one executable for Linux, macOS and Windows: `invoke cosmo`.

These are the cosmo-recipes in one file, as their `invoke vendor` wrote it. With Invoke and tqdm
installed (and tomli, before Python 3.11), `invoke --list` shows the tasks; uv gets dependencies.
With nothing installed, `uv run {name} cosmo` and `pipx run {name} cosmo` do the same.

To update it, run `invoke vendor FOLDER` in a clone of cosmo-recipes; with `--check`, that shows
whether it is current. A copy that was edited is not overwritten. The phases are below
"recipes/phases.py", the settings below "recipes/settings.py".

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
# dependencies = ["invoke>=2.2", "tqdm>=4.66", "tomli>=2.0.1; python_version < '3.11'", "uv>=0.8"]
# ///
# cosmo-recipes {version}
# sha256 of all other lines: {digest}

'''

TAIL = """

if __name__ == "__main__":
    import invoke.program

    path = Path(__file__).resolve()
    options = ["-r", str(path.parent), "-c", path.stem]
    invoke.program.Program(version=__version__).run([sys.argv[0], *options, *sys.argv[1:]])
"""

NOT_INSTALLED = """\
except ModuleNotFoundError as error:
    message = f"{__file__} needs {error.name}, which is not installed; pip install {error.name}"
    raise SystemExit(f"cosmo: {message}") from None
"""

ALL = f"Collection(cosmo, {', '.join(OPTIONAL)})"
"""How the namespace of all is made, which has fewer where not all is vendored."""

MARK = re.compile(
    r"^# cosmo-recipes (\S+)(?: with \S+)?\n# sha256 of all other lines: (\w+)\n", re.MULTILINE
)

TABLE = """\
[tool.cosmo.env]
# What `invoke cosmo` goes by; `invoke cosmo.settings` lists all there is and what is in force.
#
# The package to run, where [project] does not say:
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
        "with": "Other collections: bundle,doctor,release, or none (default: as it has now).",
    }
)
def vendor(
    c: Context,
    dest: str,
    check: bool = False,
    force: bool = False,
    settings: bool = False,
    with_: str = "",
) -> None:
    """Write these recipes into another repository, as one file: tasks.py, or beside its own."""
    folder = Path(dest)
    if not folder.is_dir():
        raise RecipeError(f"{dest} cannot be vendored to: no such folder; name a repository's")
    with exit_on_error(f"{dest} cannot be vendored to"):
        own, path = vendor_targets(folder)
        current = read_text(path) if path.exists() else None
        now = re.search(r"(?m)^# cosmo-recipes \S+ with (\S+)$", current or "")
        asked = (with_ or (now[1] if now else "none")).split(",")
        if not {*asked} <= {*OPTIONAL, "none"}:
            raise RecipeError(f"--with={with_}: name some of {', '.join(OPTIONAL)}, or none")
        text = vendored(path.name, [name for name in OPTIONAL if name in asked])
        pyproject = folder / "pyproject.toml"
        missing = settings and "env" not in read_toml(pyproject).table("tool", "cosmo").data
        if check:
            command = "invoke" if Path(sys.argv[0]).name in ("invoke", "inv") else "cosmo-recipes"
            command += f" vendor {shlex.quote(dest)}{f' --with {with_}' if with_ else ''}"
            check_copy(path, text, current, command)
            if missing:
                raise RecipeError(f"{pyproject} has no [tool.cosmo.env]; `--settings` adds one")
            return
        if not force:
            check_copy(path, text, current, "")
        texts = {path: text}
        if missing:
            texts[pyproject] = with_settings(pyproject)
        for target, content in texts.items():
            if not c.config.run.dry:
                write_file(target, content)
            dry = ", not written, for the run is dry" if c.config.run.dry else ""
            what = f"cosmo-recipes {__version__}" if target == path else "[tool.cosmo.env] added"
            log(f"vendor   {target}: {what}{dry}")
    if path != own and not re.search(r"(?m)^(from|import) \.?cosmo_recipes\b", read_text(own)):
        log(f"{own} stays as it is; let it end with these two lines:")
        print("from cosmo_recipes import with_recipes\nns = with_recipes(__name__)")


def main() -> None:
    """Run the tasks that the command line of `cosmo-recipes` names: the recipes' and `vendor`."""
    ns.add_task(vendor)
    Program(version=__version__, namespace=ns, name="cosmo-recipes", binary="cosmo-recipes").run()


def vendored(name: str, chosen: Sequence[str] = ()) -> str:
    """The file, to be called `name`: its head, the recipes, and what runs them as a script.

    `chosen` are the optional collections to write, too.
    """
    inside = [Module(PACKAGE_DIR / path) for path in INSIDE]
    *paths, last = MODULES
    also = dict.fromkeys(f"{module}.py" for one in chosen for module in OPTIONAL[one])
    modules = [Module(PACKAGE_DIR / path) for path in (*paths, *also, last)]
    collections = ", ".join(["cosmo", *chosen])
    modules[-1].text = modules[-1].text.replace(ALL, f"Collection({collections})")
    first = import_lines(inside)
    rest = import_lines(modules, first)
    others = [line for line in rest if line.split()[1].partition(".")[0] in ("invoke", "tqdm")]
    others += ["", *(part for module in modules for part in module.conditional)]
    parts = [
        "from __future__ import annotations\n",
        *first,
        *(f"\n{module.text}\n" for module in inside),
        "",
        *(line for line in rest if line not in others),
        "",
        "try:",
        *(indent(part, "    ") for part in others),
        NOT_INSTALLED,
        *(f"\n{module.text}\n" for module in modules),
    ]
    version = f"{__version__} with {','.join(chosen)}" if chosen else __version__
    text = HEAD.format(name=name, version=version, digest="{digest}") + "\n".join(parts) + TAIL
    return text.replace("{digest}", digest(text), 1)


class Module:
    """A module of the package: its imports, and its text without them."""

    def __init__(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        tree, lines = ast.parse(text), text.split("\n")
        self.imports: list[ast.Import | ast.ImportFrom] = []
        self.conditional: list[str] = []
        for node in tree.body[1:]:
            part = lines[node.lineno - 1 : node.end_lineno]
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                self.imports.append(node)
            elif isinstance(node, ast.If) and "__name__" not in part[0]:
                self.conditional += ["\n".join(part)] if "version_info" in part[0] else []
            else:
                continue
            lines[node.lineno - 1 : node.end_lineno] = [""] * len(part)
        title = f"{path.relative_to(PACKAGE_DIR.parent).as_posix()} ".ljust(78, "-")
        comment = [title, *(ast.get_docstring(tree) or "").split("\n")]
        body = "\n".join(lines[tree.body[0].end_lineno :]).strip("\n")
        gap = "\n\n\n" if body.startswith(("def ", "class ", "@")) else "\n\n"
        self.text = gap.join(
            filter(None, ["\n".join(f"# {line}".rstrip() for line in comment), body])
        )


def import_lines(modules: list[Module], known: Iterable[str] = ()) -> list[str]:
    """The absolute imports of these modules, without what is `known`, sorted as isort does."""
    names: dict[str, set[str]] = {}
    for node in (node for module in modules for node in module.imports):
        if isinstance(node, ast.Import):
            names.update({f"import {alias.name}": {""} for alias in node.names})
        elif not node.level and node.module != "__future__":
            start = f"from {node.module} import "
            names.setdefault(start, set()).update(alias.name for alias in node.names)
    found = [f"{start}{name}" for start in names for name in names[start]]
    new = [line for line in found if line not in known]
    return sorted(new, key=lambda line: (line.startswith("from"), line))


def digest(text: str) -> str:
    """The sha256 of all lines but the one with it, by which an edited copy is known."""
    rest = re.sub(r"(?m)^# sha256 of all other lines: .*\n", "", text, count=1)
    return hashlib.sha256(rest.encode()).hexdigest()


def version_key(version: str) -> tuple[list[int], bool, str]:
    """A version, to be compared: a pre-release comes before its release."""
    release, rest = re.split(r"(?<=\d)(?![\d.])|$", version, maxsplit=1)
    return [int(part) for part in release.split(".") if part.isdigit()], not rest, rest


def check_copy(path: Path, text: str, current: str | None, command: str) -> None:
    """Raise `RecipeError` where a copy is not what would be written, and show what was edited.

    With a command, that is how the copy is written; without, it may be older, but not edited.
    """
    if current is None and command:
        raise RecipeError(f"{path} does not exist; `{command}` writes it")
    if current is None or current == text:
        if command:
            log(f"vendor   {path}: cosmo-recipes {__version__}, current")
        return
    mark = MARK.search(current)
    if mark is None:
        raise RecipeError(f"{path} was not written by vendor; move it away, or add --force")
    version = f"{path} is cosmo-recipes {mark[1]}, "
    version += "of other sources" if mark[1] == __version__ else f"and this is {__version__}"
    if mark[2] != digest(current):
        before, after = text.splitlines(keepends=True), current.splitlines(keepends=True)
        diff = difflib.unified_diff(before, after, "as it would be", str(path))
        print("".join(diff) if command else "", end="")
        shown = "as shown; " if command else "as --check shows; "
        raise RecipeError(f"{path} was edited by hand, {shown}--force overwrites it")
    if version_key(mark[1]) > version_key(__version__):
        raise RecipeError(f"{version}; use newer recipes, or overwrite it with --force")
    if command:
        raise RecipeError(f"{version}; `{command}` brings it up to date")


def vendor_targets(folder: Path) -> tuple[Path, Path]:
    """Where the repository's own tasks are, or would be, and where the recipes are to go.

    Source: Invoke's loader, which takes a `tasks.py` before a `tasks/__init__.py`, and imports what
    lies beside either.
    """
    own, package = folder / "tasks.py", folder / "tasks/__init__.py"
    if not own.exists() and package.exists():
        own = package
    if own.exists() and not MARK.search(read_text(own)):
        return own, own.with_name("cosmo_recipes.py")
    return own, own


def read_text(path: Path) -> str:
    """The text of a file, whatever ends its lines."""
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
    except RecipeError as error:
        problem = "has an inline table where [tool.cosmo.env] is to go; write that by hand"
        raise RecipeError(f"{path} {problem}") from error
    return new
