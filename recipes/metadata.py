"""The program's metadata, as `[project]` has it, and its entry points."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from .parsers import Value, is_reserved
from .pyproject import Toml
from .shell import RecipeError

FROM_BACKEND = {"version", "dependencies", "scripts", "gui-scripts", "entry-points"}
ENTRY_POINT = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
"""`module:function`. Source: the entry points specification."""


@dataclass(frozen=True)
class Metadata:
    """What `[project]` says of a program; `built` if only its build backend knows all of it.

    `name` and `version` are empty where they are not given; `scripts` are the commands that it
    installs, and the `module:function` that each of them calls.
    """

    name: str = ""
    version: str = ""
    requires_python: str = ""
    dependencies: tuple[str, ...] = ()
    scripts: Mapping[str, str] = field(default_factory=dict)
    built: bool = False

    @property
    def dist_info(self) -> str:
        """The name of its metadata folder; empty where it has no name or no version."""
        name = re.sub(r"[-_.]+", "_", self.name).lower()
        return f"{name}-{self.version}.dist-info" if self.name and self.version else ""

    def main_script(self, pkg: str) -> str | None:
        """The script that stands for the program: the only one, or the one with its name."""
        names = [re.sub(r"[-_.]+", "-", name).lower() for name in (self.name, pkg)]
        same = [name for name in self.scripts if re.sub(r"[-_.]+", "-", name).lower() in names]
        return next(iter(self.scripts if len(self.scripts) == 1 else same), None)


def read_metadata(pyproject: Toml, has_backend: bool) -> Metadata:
    """The metadata in a `pyproject.toml` or a script; `RecipeError` for what it cannot be."""
    project = pyproject.table("project")
    project.string("description")
    if not project.data:
        scripts = pyproject.table("tool", "poetry", "scripts").data
        texts = {name: value for name, value in scripts.items() if isinstance(value, str)}
        return Metadata(scripts=texts, built=has_backend)
    groups = [("entry-points", group) for group in project.table("entry-points").data]
    for keys in (("gui-scripts",), *groups):
        project.table(*keys).items()  # they are written as they stand, so they must be right
    return Metadata(
        name=project.string("name", r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"),
        version=project.string("version", r"[A-Za-z0-9.!+_-]+"),
        requires_python=project.string("requires-python"),
        dependencies=project.strings("dependencies"),
        scripts=project.table("scripts").items(),
        built=bool(FROM_BACKEND & set(project.strings("dynamic"))),
    )


def find_entries(
    entry: Value, scripts: Mapping[str, str], pkg: str, has_main: bool
) -> dict[str, str]:
    """The `module:function` of each executable by its name; an empty one stands for `-m PKG`.

    An executable that stands for the whole program bears PKG as its name.
    """
    names = f"[project.scripts] has {', '.join(scripts)}" if scripts else "there are no scripts"
    text = entry.text
    if text is None and has_main:
        return {pkg: ""}
    if text is None:
        remedy = "name one with COSMO_ENTRY" if scripts else "write one, or set COSMO_ENTRY"
        problem = f"has no __main__, so `python -m` cannot start it; {names}; {remedy}"
        raise RecipeError(f"PKG={pkg} {problem}")
    if text not in scripts and not is_entry_point(text) and not (text == "*" and scripts):
        raise entry.error(f" is neither `module:function` nor a script's name; {names}; correct it")
    chosen = {name: name for name in scripts} if text == "*" else {pkg: text}
    entries = {}
    for name, script in chosen.items():
        call = re.sub(r"\s*\[.*\]\s*$", "", scripts.get(script, script)).replace(" ", "")
        if text == "*" and (is_reserved(name) or not re.fullmatch(r"\w[\w.-]*", name)):
            raise RecipeError(f"COSMO_ENTRY=*: no file can be called {name!r}; rename it")
        if not is_entry_point(call):
            remedy = "write `module:function` in [project.scripts]"
            raise RecipeError(f"the script {script} cannot start {scripts[script]!r}: {remedy}")
        entries[name] = call
    return entries


def is_entry_point(text: str) -> bool:
    """Whether `text` is a `module:function` that Python can import.

    In a statement Python reads each name in its NFKC form, and finds no file of another one.
    """
    plain = ENTRY_POINT.fullmatch(text) and unicodedata.normalize("NFKC", text) == text
    return bool(plain) and not any(map(keyword.iskeyword, re.split(r"[.:]", text)))


def args_lines(
    given: Value,
    words: tuple[str, ...] | None,
    options: tuple[str, ...],
    pkg: str,
    entry: str,
    is_script: bool,
) -> tuple[str, ...]:
    """The lines of `.args`: COSMO_ARGS, else the options and what calls `entry`, or runs PKG.

    A script, too, is to find the executable's name in `sys.argv[0]`, so it is run by the function
    that `-m` calls, which would put the module's path there.

    A line can be neither empty nor hold a newline. Source: the interpreter splits the file at
    newlines and skips what is empty; the newest take a backslash and an n for a newline.
    """
    if words is None:
        module, _, function = entry.partition(":")
        name = function.partition(".")[0]
        call = f"import sys; sys.argv[0] = sys.executable; from {module} import {name};"
        if "-I" in options:  # in which a script's folder is not the first, as a program may expect
            call += ' sys.path.insert(0, "/zip/bin");'
        start = ("-c", f"{call} sys.exit({function}())") if entry else ("-m", pkg)
        if is_script and not entry:
            call = "import runpy, sys; sys.argv[0] = sys.executable;"
            start = ("-c", f'{call} runpy._run_module_as_main("{pkg}", False)')
        return (*options, *start, "...")
    if not words or not all(words) or any(re.search(r"\n|\r|\\n", word) for word in words):
        problem = "a line of .args can neither be empty nor hold a newline, spelt out or as \\n"
        remedy = "write the lines as shell words: `-m name ...`"
        raise RecipeError(f"COSMO_ARGS ({given.source}): {problem}; {remedy}")
    if "-I" in options and not isolates(words):
        remedy = "begin it with -I, or set COSMO_ISOLATED=0"
        problem = "replaces the -I that COSMO_ISOLATED puts in .args"
        raise RecipeError(f"COSMO_ARGS ({given.source}) {problem}; {remedy}")
    return words


def isolates(words: tuple[str, ...]) -> bool:
    """Whether a Python command line has `-I` among its own options, before what it runs."""
    for word in words:
        if not word.startswith("-"):
            return False
        if "I" in re.split("[cmWX]", word)[0]:
            return True
        if re.search("[cm]", word):
            return False
    return False


def run_module(words: tuple[str, ...]) -> str:
    """The module that a Python command line runs by `-m`; empty where it runs something else."""
    rest = list(words)
    while rest and rest[0].startswith("-"):
        match = re.fullmatch("-[A-Za-z]*?([cmWX])(.*)", rest.pop(0))
        if match:
            value = match[2] or (rest.pop(0) if rest else "")
            if match[1] in "cm":
                return value if match[1] == "m" else ""
    return ""
