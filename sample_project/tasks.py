"""Package this project into one executable for Linux, macOS and Windows: `invoke cosmo`.

These are the cosmo-recipes in one file, as their `invoke vendor` wrote it. With Invoke and tqdm
installed (and tomli, before Python 3.11), `invoke --list` shows the tasks; uv gets dependencies.
With nothing installed, `uv run tasks.py cosmo` and `pipx run tasks.py cosmo` do the same.

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
# cosmo-recipes 0.2.0
# sha256 of all other lines: 05d254ff91150e659498a0154feeb6dfe873ad788aa26183286f2facbe9b283a

from __future__ import annotations

import ast
import builtins
import gc
import importlib
import importlib.util
import json
import marshal
import opcode
import os
import re
import select
import signal
import sys
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from importlib import import_module
from types import CodeType
from typing import Any
from typing import NamedTuple

# recipes/inside/distribution.py -----------------------------------------------
# An installed distribution: its metadata, its files, and what requires it.

EXTENSION = re.compile(r"\.(so|pyd|dylib)(\.[0-9]+)*$")


def canonical(name: str) -> str:
    """A distribution's name in its normalized form. Source: PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements_lines(path: str, seen: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """The lines of a requirements file and those it includes, each with the name it requires.

    A line that requires nothing has an empty name. Source: pip's documentation, "requirements file
    format".
    """
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        text = re.sub(r"\\\r?\n", " ", file.read())
    for line in (re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines()):
        name = re.match(r"([A-Za-z0-9][\w.-]*)\s*(\[[^]]*\])?\s*([@=<>!~;(]|--|$)", line)
        named = name and not re.search(r"\.(whl|zip|tar\.\w+|tgz)$", name[1])
        yield line, canonical(name[1]) if name and named else ""
        include = re.match(r"(?:-r|-c|--requirement|--constraint)[\s=]*(\S+)", line)
        included = os.path.join(os.path.dirname(path), include[1]) if include else ""
        if os.path.isfile(included) and included not in seen:
            yield from requirements_lines(included, (*seen, path))


class Dist:
    """An installed distribution: its name, version, requirements and files below `folder`.

    A requirement is parsed by the `packaging` in the interpreter's own pip.
    """

    def __init__(self, folder: str, info: str) -> None:
        self.folder, self.info, self.name, self.version = folder, info, "", ""
        lines = self.read("METADATA").partition("\n\n")[0].splitlines()
        self.fields = [line.partition(": ")[::2] for line in lines]
        for key, value in self.fields:
            if key in ("Name", "Version"):
                setattr(self, key.lower(), value)

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @cached_property
    def requires(self) -> list[Any]:
        """What it requires."""
        packaging, requires = import_module("pip._vendor.packaging.requirements"), []
        for value in (value for key, value in self.fields if key == "Requires-Dist"):
            with suppress(packaging.InvalidRequirement):
                requires.append(packaging.Requirement(value))
        return requires

    @cached_property
    def hashes(self) -> dict[str, str]:
        """The hash of each of its files, empty where none is recorded."""
        rows = import_module("csv").reader(self.read("RECORD").splitlines())
        return {row[0]: row[1] for row in rows if len(row) > 1}

    def path(self, name: str) -> str:
        """The path of one of its files."""
        return os.path.join(self.folder, name)

    def read(self, name: str) -> str:
        """The text of a file of its metadata, empty where there is none."""
        path = self.path(f"{self.info}/{name}")
        if not os.path.isfile(path):
            return ""
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def files(self) -> list[str]:
        """Its installed files, without its metadata and scripts."""
        scripts = "bin/" if "bin/__init__.py" not in self.hashes else "../"
        names = (n for n in self.hashes if not n.startswith(("../", "/", scripts, self.info + "/")))
        return [name for name in names if os.path.isfile(self.path(name))]

    def extensions(self) -> list[str]:
        """Its extension modules and shared libraries, also those that COSMO_EXCLUDE removed."""
        return [name for name in self.hashes if EXTENSION.search(name)]

    def native_commands(self, module: str, functions: set[str]) -> Iterator[str]:
        """Its native programs that are called like a command by which these functions start."""
        entries = re.findall(r"(?m)^([^\s=]+)\s*=\s*([\w.]+):(\w+)", self.read("entry_points.txt"))
        commands = {
            name for name, *entry in entries if entry[0] == module and entry[1] in functions
        }
        for name in self.hashes:
            if name.rpartition("/")[2] in commands and os.path.isfile(self.path(name)):
                with open(self.path(name), "rb") as file:
                    if file.read(4) == b"\x7fELF":  # what there is for Linux is installed
                        yield name

    def requirements(self, dist: Dist, extras: bool = False) -> list[Any]:
        """Its requirements of `dist` that hold here; with `extras`, those of its own extras."""
        same = [line for line in self.requires if canonical(line.name) == canonical(dist.name)]
        if extras:
            return [line for line in same if "extra" in str(line.marker)]
        return [line for line in same if not line.marker or line.marker.evaluate({"extra": ""})]


def find_dists(folder: str) -> list[Dist]:
    """The distributions installed in a folder."""
    infos = (name for name in sorted(os.listdir(folder)) if name.endswith(".dist-info"))
    return [Dist(folder, name) for name in infos if os.path.isfile(f"{folder}/{name}/METADATA")]


def dependency_path(dist: Dist, dists: list[Dist], program: str) -> list[str]:
    """The names from the program to the distribution, each of which requires the next.

    By an extra, if nothing else does: by one of what another asks an extra of, or the program.
    """
    asked = {dist: [line for one in dists for line in one.requirements(dist)] for dist in dists}
    path = [dist]
    while True:
        rest = [other for other in dists if other not in path]
        above = [other for other in rest if other.requirements(path[0])]
        if not above:
            rest = [other for other in rest if other.requirements(path[0], extras=True)]
            above = [
                other
                for other in rest
                if not asked[other] or any(line.extras for line in asked[other])
            ]
        if not above:
            names = [step.name for step in path]
            return names if names[0] == program else [program, *names]
        path.insert(0, above[0])


# recipes/inside/library.py ----------------------------------------------------
# What of the standard library an executable can do without, by the bytecode of what goes in.

ALWAYS = """
_collections_abc _colorize _compat_pickle _sitebuiltins _strptime _weakrefset abc annotationlib
codecs collections contextlib copy copyreg encodings enum functools genericpath importlib io keyword
linecache locale ntpath numbers operator os pickle pkgutil posixpath re reprlib runpy site
sitecustomize stat string struct threading token tokenize traceback types typing usercustomize
warnings weakref zipimport
"""
"""What Python imports when it starts, and what its modules written in C import.

Source: the imports in CPython's own C files, 3.10 to 3.14.
"""

DEVELOPMENT = """
antigravity distutils doctest ensurepip idlelib lib2to3 pdb pydoc pydoc_data test this tkinter
turtle turtledemo unittest venv
"""
"""What the program or a dependency must import to keep it.

The library itself imports it for its own tests and for whoever sits at a prompt, and a string of
that name means something else.
"""

NEEDS_PYDOC = ("cgitb", "xmlrpc")
"""What of the library imports a module of DEVELOPMENT whenever it is imported itself.

Source: the imports of every module of CPython 3.11, with all others of DEVELOPMENT left out.
"""

NAME = re.compile(r"(?:ext://)?(\w+)(?:\.\w+)*(?::[\w.]+)?")
"""A string that may name a module, or what is in one, as entry points and `logging.config` do."""


def library_modules(names: list[str]) -> dict[str, list[str]]:
    """The files of each module and package at the top of the library, by the interpreter's zip."""
    modules: dict[str, list[str]] = {}
    for name in names:
        match = re.match(r"Lib/(\w+)(?:/__init__)?\.pyc?$", name)
        if match and not match[1].startswith("_sysconfigdata"):  # imported by a made-up name
            modules[match[1]] = []
    for name in names:
        match = re.match(r"Lib/(\w+)(?:/|\.pyc?$)", name)
        if match and match[1] in modules:
            modules[match[1]].append(name)
    return modules


def imported_names(code: CodeType) -> Iterator[str]:
    """The names that a code object imports, relative ones too, which are names of siblings."""
    extended = 0
    for operation, argument in zip(code.co_code[::2], code.co_code[1::2]):
        argument |= extended
        extended = argument << 8 if operation == opcode.EXTENDED_ARG else 0
        if operation == opcode.opmap["IMPORT_NAME"]:
            yield code.co_names[argument]


def named_modules(code: CodeType, modules: set[str]) -> Iterator[str]:
    """The modules, of these, that code imports, or may import by a name that is a string in it."""
    if not modules.isdisjoint(name.partition(".")[0] for name in code.co_names):
        yield from (name.partition(".")[0] for name in imported_names(code))
    todo = list(code.co_consts)
    while todo:
        value = todo.pop()
        if isinstance(value, CodeType):
            yield from named_modules(value, modules)
        elif isinstance(value, (tuple, frozenset)):
            todo += value
        elif isinstance(value, str):
            match = NAME.fullmatch(value)
            if match and match[1] not in DEVELOPMENT.split():
                yield match[1]


def load_code(data: bytes, name: str) -> list[CodeType]:
    """The code in a `.py` or `.pyc`; none where it is neither. Source: PEP 552, on `.pyc` files."""
    with suppress(SyntaxError, ValueError, EOFError, TypeError, RecursionError):
        is_compiled = name.endswith(".pyc")  # by this interpreter, a moment ago
        code = marshal.loads(data[16:]) if is_compiled else compile(data, name, "exec")  # noqa: S302
        return [code] if isinstance(code, CodeType) else []
    return []


def packed_code(folder: str) -> Iterator[CodeType]:
    """The code below a folder: the bytecode, and what has none beside it."""
    for path, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".pyc") or (name.endswith(".py") and f"{name}c" not in names):
                with open(os.path.join(path, name), "rb") as file:
                    yield from load_code(file.read(), name)


def print_unused(python: str, packed: str, layer: str, kept: str, *started: str) -> None:
    """Print patterns for zip: what of the library in the file `python` nothing packed can reach.

    Of a package all is kept if anything of it is reached, or is in `kept`, which are names with
    commas between them, or in `started`, which need not be of the library. Exits with one line if
    `kept` names what is not there.
    """
    with import_module("zipfile").ZipFile(python) as archive:  # it takes long to import
        modules = library_modules(archive.namelist())
        names = {name.partition(".")[0] for name in kept.split(",") if name}
        if names - modules.keys():
            sys.exit(f"the library has no {' and '.join(sorted(names - modules.keys()))}")
        names.update(name.partition(".")[0] for name in started)
        development = set(DEVELOPMENT.split())
        tops, todo = set(modules), deque([*ALWAYS.split(), *names])
        for site in filter(None, (packed, layer)):
            for code in packed_code(site):
                todo += named_modules(code, tops)
        unused = set(modules)
        while todo:
            top = todo.popleft()
            if top not in unused:
                continue
            unused.remove(top)
            todo += ["pydoc"] if top in NEEDS_PYDOC else []
            known = tops if top in development else tops - development
            for name in modules[top]:
                for code in load_code(archive.read(name), name) if ".py" in name[-4:] else ():
                    todo += known.intersection(named_modules(code, known))
    for top in sorted(unused):
        print(f"Lib/{top}/*" if f"Lib/{top}/" in modules[top][0] else modules[top][0])


# recipes/inside/purify.py -----------------------------------------------------
# Make installed distributions fit for the executable, in which no extension module can run.
#
# Extension modules, shared libraries and native programs are removed from what is installed. Whether
# the program starts without them is for `imports` to find out.

INSTALLER_FILES = ("INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json")
LAYER_SITE = "Lib/site-packages"
"""Where, in the folder of a layer, the dependencies are installed."""


def purify(work: str, layer: str, program: str, suffix: str) -> None:
    """Make what is installed in a layer fit for the executable; note there what changed.

    `program` is the program's distribution, if it has a name, and `work/own` has those that its own
    wheel brings: a dependency may require these, and they are removed. A `.py` will get `suffix`
    behind its name.
    `work/forms` has the form that `select` chose of each distribution. Exits with one line for what
    cannot be packaged.
    """
    site, own, changes, removed = os.path.join(layer, LAYER_SITE), os.path.join(work, "own"), [], []
    names = {canonical(program)}
    names |= {canonical(dist.name) for dist in (find_dists(own) if os.path.isdir(own) else ())}
    installed = find_dependencies(site, names)
    check_conflicts(installed)
    with open(os.path.join(work, "forms"), encoding="utf-8") as file:
        forms = dict(line.rstrip("\n").split("\t") for line in file)
    for dist in installed:
        extensions, form = dist.extensions(), forms.get(canonical(dist.name), "")
        programs = native_programs(dist)
        if extensions:
            form = "its wheel, without the extension"
        if programs:
            form = f"{form or 'its wheel'}, without its native {' and '.join(programs)}"
        missing = strip_extensions(dist, extensions)
        removed += [f"{name}\t{dist}\n" for name in (*missing, *programs)]
        changes += [f"{dist}\t{form}\n"] * bool(form)
        remove_installer_files(dist, suffix)
    with suppress(FileNotFoundError):
        os.remove(f"{site}/.lock")
    rmtree = import_module("shutil").rmtree
    if not os.path.exists(f"{site}/bin/__init__.py"):
        rmtree(f"{site}/bin", ignore_errors=True)
    for folder in [path for path, *_ in os.walk(site) if path.endswith("__pycache__")]:
        rmtree(folder)
    for note, lines in (("changed", changes), ("removed", removed)):
        with open(os.path.join(layer, note), "w", encoding="utf-8") as file:
            file.writelines(lines)


def find_dependencies(site: str, own: set[str]) -> list[Dist]:
    """What is installed, without the program's own distributions, which are removed."""
    installed = []
    for dist in find_dists(site):
        if canonical(dist.name) in own:
            remove_dist(dist)
        else:
            installed.append(dist)
    return installed


def check_conflicts(installed: list[Dist]) -> None:
    """Exit where two distributions bring different files of one name."""
    owners: dict[str, Dist] = {}
    for dist in installed:
        for name in (name for name in dist.files() if "__pycache__" not in name):
            other = owners.setdefault(name, dist)
            if dist.hashes[name] != other.hashes[name]:
                sys.exit(f"{other} and {dist} both bring {name}")


def check_program(packed: str, layer: str, program: str) -> None:
    """Exit where the program in `packed` and a dependency bring different files of one name.

    A package of which both bring a part, and the same `__init__.py`, is made whole in `packed`.
    """
    site, shared = os.path.join(layer, LAYER_SITE), []
    for name in list_files(packed):
        other, clash = os.path.join(site, name), module_package_clash(name)
        if os.path.isfile(os.path.join(site, clash)):
            sys.exit(f"{program} and {owner_of(site, clash)} both are {name.split('/')[0]}")
        if not os.path.isfile(other) or "__pycache__" in name:
            continue
        with open(os.path.join(packed, name), "rb") as one, open(other, "rb") as two:
            if one.read() != two.read():
                sys.exit(f"{program} and {owner_of(site, name)} both bring {name}")
        shared += [os.path.dirname(name)] * name.endswith("/__init__.py")
    for folder in shared:
        target = os.path.join(packed, folder)
        import_module("shutil").copytree(os.path.join(site, folder), target, dirs_exist_ok=True)


def list_files(folder: str) -> Iterator[str]:
    """The files below a folder, relative to it."""
    for path, _, names in os.walk(folder):
        above = path[len(folder) + 1 :]
        for name in names:
            yield f"{above}/{name}" if above else name


def owner_of(site: str, name: str) -> str:
    """The distribution that an installed file is of."""
    dists = (dist for dist in find_dists(site) if {name, f"{name}c"} & dist.hashes.keys())
    return str(next(dists, "a dependency"))


def module_package_clash(name: str) -> str:
    """The package that a module would hide or be hidden by, or the module for a package."""
    if name.endswith("/__init__.py"):
        return name[: -len("/__init__.py")] + ".py"
    return name[:-3] + "/__init__.py" if name.endswith(".py") else name + "/no-such-file"


def remove_dist(dist: Dist) -> None:
    """Remove a distribution's files, and the folders that are empty then."""
    for name in dist.files():
        os.remove(dist.path(name))
        folder = os.path.dirname(name)
        while folder and not os.listdir(dist.path(folder)):
            os.rmdir(dist.path(folder))
            folder = os.path.dirname(folder)
    import_module("shutil").rmtree(dist.path(dist.info))


def native_programs(dist: Dist) -> list[str]:
    """The programs, no scripts, that a distribution installs: their names, behind `bin/`."""
    programs = []
    for name in dist.hashes:
        path = dist.path(name)
        if (
            name.startswith("bin/")
            and "bin/__init__.py" not in dist.hashes
            and os.path.isfile(path)
        ):
            with open(path, "rb") as file:
                programs += [name] if file.read(2) != b"#!" else []
    return programs


def strip_extensions(dist: Dist, extensions: list[str]) -> list[str]:
    """Remove a distribution's extensions; return the module names that are missing then."""
    missing = []
    for name in extensions:
        with suppress(FileNotFoundError):
            os.remove(dist.path(name))
        *folders, file = name.split("/")
        parts = [*folders, file.split(".")[0]]
        stem = dist.path("/".join(parts))
        stands_in = os.path.exists(f"{stem}.py") or os.path.exists(f"{stem}/__init__.py")
        if all(part.isidentifier() for part in parts) and not stands_in:
            missing.append(".".join(parts))
    return missing


def remove_installer_files(dist: Dist, suffix: str) -> None:
    """Remove what tells of the installation from the metadata, and list the files as packed."""
    infos = [f"{dist.info}/{name}" for name in os.listdir(dist.path(dist.info))]
    for name in infos:
        if name.rpartition("/")[2] in INSTALLER_FILES:
            os.remove(dist.path(name))
    names = [*dist.files(), *(name for name in infos if os.path.exists(dist.path(name)))]
    rows = sorted(name + suffix if name.endswith(".py") else name for name in names)
    if dist.hashes:
        with open(dist.path(f"{dist.info}/RECORD"), "w", encoding="utf-8", newline="\n") as file:
            writer = import_module("csv").writer(file, lineterminator="\n")
            writer.writerows([row, "", ""] for row in rows)


# recipes/inside/probe.py ------------------------------------------------------
# Import modules in a process of their own, to see which of them cannot be imported.

IMPORT_TIMEOUT = 20
"""How many seconds the import of one module may take."""

START = """
import os, signal, sys

NETWORK = "connect getaddrinfo gethostbyaddr gethostbyname getnameinfo sendmsg sendto".split()
REFUSED = []

def refuse(event, args):
    local = event[7:] in ("connect", "sendmsg", "sendto") and isinstance(args[-1], (str, bytes))
    if event[:7] == "socket." and event[7:] in NETWORK and not local:
        error = sys.modules["socket"].gaierror if event[7:10] == "get" else ConnectionRefusedError
        REFUSED.append(event)
        raise error("the start check has no network")

for name in os.environ.keys() - {"PATH", "TMPDIR"}:
    del os.environ[name]
os.environ.update(HOME=os.getcwd(), TERM="dumb")
sys.stdin = open(os.devnull)
sys.addaudithook(refuse)
signal.alarm(60)
"""
"""The Python that what imports begins with: for a minute, without network, input and home.

It names a terminal, the plainest, as `curses.setupterm` fails without. Source of the events' names:
Python's documentation, "Audit events table".
"""


class Trial(NamedTuple):
    """A module to import; and one to import before, if it fails, as that may make it importable.

    `suffices` if it is enough that the one before can be imported, as it imports the module itself.
    """

    name: str
    before: str
    suffices: bool


def probe_imports(trials: list[Trial], removed: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Import modules; yield each one's name, and the module for lack of which it fails, or none.

    They are imported in a process without input, output, network and home. Where one of them ends
    it, or takes too long, nothing is known of that one, and a new process goes on behind it.
    """
    while trials:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            try:
                import_all(trials, removed, writing)
            finally:
                os._exit(0)
        os.close(writing)
        output, data = b"", b"-"
        while data and select.select([reading], [], [], IMPORT_TIMEOUT)[0]:
            data = os.read(reading, 65536)
            output += data
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
        rows = [json.loads(line) for line in output.split(b"\n")[:-1]]
        yield from rows
        trials = trials[len(rows) + 1 :]


def import_all(trials: list[Trial], removed: dict[str, str], writing: int) -> None:
    """Import the modules, and write a row of JSON about each."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.chdir(os.environ.get("TMPDIR", "."))  # the build folder
    exec(START, {})  # noqa: S102 - as `.imports` does
    for trial in trials:
        cause = missing_module(try_import(trial.name), removed)
        if cause and trial.before and has_imported(try_import(trial.before)):
            cause = "" if trial.suffices else missing_module(try_import(trial.name), removed)
        os.write(writing, json.dumps([trial.name, cause]).encode() + b"\n")


def try_import(name: str) -> BaseException | None:
    """Import a module; return what it raises, or nothing."""
    try:
        importlib.import_module(name)
    except BaseException as error:
        return error
    return None


def has_imported(error: BaseException | None) -> bool:
    """Whether a module has imported all it needs: it raised nothing, or ended the program."""
    is_exit = isinstance(error, SystemExit) and not isinstance(error.__context__, ImportError)
    return error is None or is_exit


def missing_module(error: BaseException | None, removed: dict[str, str]) -> str:
    """The module for lack of which an import failed; a removed one, if any of its causes names it.

    Empty where it did not fail, or for something else.
    """
    name, seen = "", []
    while error is not None and error not in seen:
        if isinstance(error, ImportError) and error.name:
            for module in removed:
                parent, _, leaf = module.rpartition(".")
                if error.name == module or (error.name == parent and repr(leaf) in str(error)):
                    return module
            name = name or (error.name if isinstance(error, ModuleNotFoundError) else "")
        seen.append(error)
        error = error.__cause__ or error.__context__
    return name


# recipes/inside/imports.py ----------------------------------------------------
# What one module imports and binds: it is read, not run.

GUARDS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}

WITHOUT_CALLS = (ast.BoolOp, ast.IfExp, ast.Lambda, ast.Constant, ast.Name, ast.expr_context)
"""What in an expression calls nothing for certain."""


class Import(NamedTuple):
    """One import: the module, the line, and whether the program may start without it.

    `attribute` if the name may also be one that the module before its last dot binds; `is_later`
    if it is in a function.
    """

    name: str
    line: int
    optional: bool
    attribute: bool = False
    is_later: bool = False

    def statement(self) -> str:
        """The statement that does the same at any place."""
        base, _, name = self.name.rpartition(".")
        return f"from {base} import {name}" if self.attribute else f"import {self.name}"


class ImportVisitor(ast.NodeVisitor):
    """The imports of a module, and what it calls of what it imports.

    Optional is what depends on a condition or may raise `ImportError`, and what a function imports,
    but for those in `called` and those that are called on import. Of the module that is run, what
    follows `if __name__ == "__main__"` is not.
    """

    def __init__(self, package: str, is_run: bool, source: bytes, called: set[str]) -> None:
        self.package, self.is_run, self.optional = package.split("."), is_run, 0
        lines = enumerate(source.splitlines(), start=1)
        self.lines = [number for number, line in lines if b"import" in line]
        tree = ast.parse(source)
        self.is_later = False
        self.imports: list[Import] = []
        self.imported: dict[str, Import] = {}
        self.calls, self.functions = set(called), {}
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                self.functions[node.name] = node
        self.visit(tree)
        self.is_later = True
        while ready := self.functions.keys() & self.calls:
            self.visit_called(self.functions.pop(min(ready)))

    def visit(self, node: ast.AST) -> None:
        """Visit a statement; in an expression, which may be deep, only look for calls.

        Where all is optional, only imports are looked for: most functions have none.
        """
        if not isinstance(node, ast.expr):
            if not (self.optional and isinstance(node, ast.stmt)) or self.has_import(node):
                super().visit(node)
            return
        todo: list[ast.AST] = [] if self.optional else [node]
        while todo:
            part = todo.pop()
            if isinstance(part, ast.Call):
                self.calls.add(dotted_name(part.func))
            if not isinstance(part, WITHOUT_CALLS):
                todo += ast.iter_child_nodes(part)

    def has_import(self, node: ast.stmt) -> bool:
        """Whether the word stands in a line of a statement."""
        at = bisect_left(self.lines, node.lineno)
        return at < len(self.lines) and self.lines[at] <= (node.end_lineno or node.lineno)

    def visit_called(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Visit a function that is called: what follows a conditional return is optional."""
        may_return = False
        for part in node.body:
            (self.visit_optional if may_return else self.visit)(part)
            leaves = (isinstance(inner, (ast.Return, ast.Raise)) for inner in ast.walk(part))
            may_return = may_return or any(leaves)

    def visit_optional(self, *nodes: ast.AST) -> None:
        self.optional += 1
        for node in nodes:
            self.visit(node)
        self.optional -= 1

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.visit_optional(*node.body)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_If(self, node: ast.If) -> None:
        test = node.test
        names = {part.id for part in ast.walk(test) if isinstance(part, ast.Name)}
        is_main = isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Eq)
        is_certain = self.is_run and is_main and names == {"__name__"}
        for part in node.body if is_certain else ():
            self.visit(part)
        self.visit_optional(*([] if is_certain else node.body), *node.orelse)

    def visit_Match(self, node: Any) -> None:
        self.visit_optional(*node.cases)

    def visit_Try(self, node: Any) -> None:
        types = [handler.type or ast.Name("Exception") for handler in node.handlers]
        if any(map(catches_import_error, types)):
            self.visit_optional(*node.body, *node.orelse)
        else:
            for part in (*node.body, *node.orelse):
                self.visit(part)
        self.visit_optional(*node.handlers)
        for part in node.finalbody:
            self.visit(part)

    visit_TryStar = visit_Try

    def visit_With(self, node: ast.With) -> None:
        guarded = any(catches_import_error(item.context_expr) for item in node.items)
        (self.visit_optional if guarded else self.generic_visit)(ast.Module(node.body, []))

    def called_imports(self) -> Iterator[tuple[str, str]]:
        """The module and the name of each function that is called and is imported for certain."""
        modules = {one.name: one for one in self.imports if not one.attribute}
        for call in sorted(self.calls):
            base, _, function = call.rpartition(".")
            one = self.imported.get(base or call) or (modules.get(base) if base else None)
            if one and not one.optional:
                module, _, name = one.name.rpartition(".")
                yield (one.name, function) if base else (module, name)

    def visit_Import(self, node: ast.Import) -> None:
        rest = (node.lineno, self.optional > 0, False, self.is_later)
        self.imports += [Import(alias.name, *rest) for alias in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        above = self.package[: len(self.package) - node.level + 1] if node.level else []
        base, optional = ".".join([*above, *filter(None, [node.module])]), self.optional > 0
        if base == "__future__":
            return
        self.imports.append(Import(base, node.lineno, optional, False, self.is_later))
        for alias in node.names:
            one = Import(f"{base}.{alias.name}", node.lineno, optional, True, self.is_later)
            self.imports.append(one)
            self.imported[alias.asname or alias.name] = one


def catches_import_error(node: ast.AST) -> bool:
    """Whether an expression may name an exception that an import raises, or suppress it."""
    names = {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
    return not GUARDS.isdisjoint(names) or not all(hasattr(builtins, name) for name in names)


def dotted_name(node: ast.AST) -> str:
    """The names of an expression like `a.b.c`; empty for any other."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def bound_names(path: str) -> set[str]:
    """The names that a module's file binds; `*` where it may bind any, or cannot be read."""
    with open(path, "rb") as source:
        try:
            todo: list[ast.AST] = [ast.parse(source.read())]
        except (SyntaxError, ValueError, RecursionError):
            return {"*"}
    names: set[str] = set()
    while todo:
        node = todo.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        is_open = isinstance(node, ast.Name) and node.id in ("globals", "setattr", "vars")
        if is_open or (isinstance(node, ast.Attribute) and node.attr == "modules"):
            names.add("*")
        if isinstance(node, ast.alias):
            names.add(node.asname or node.name.partition(".")[0])
        todo += ast.iter_child_nodes(node)
    return names


def read_imports(
    path: str, package: str, is_run: bool, called: set[str] | None
) -> tuple[list[Any], list[Any]]:
    """The imports of a module's file; and of functions `called` in it, what they call elsewhere.

    Both are rows; there are none of what cannot be read.
    """
    with open(path, "rb") as source:
        try:
            visitor = ImportVisitor(package, is_run, source.read(), called or set())
        except (SyntaxError, ValueError, RecursionError):  # compileall names the line
            return [], []
    calls = list(visitor.called_imports()) if called is not None else []
    return [tuple(one) for one in visitor.imports], calls


# recipes/inside/graph.py ------------------------------------------------------
# What a program imports when it starts, and what of that is missing.
#
# What is not where it is looked for is imported, in a process of its own, before it is called
# missing.


class Use(NamedTuple):
    """Where a module is imported first: by which module, in which file and line; if in a function.

    `by` is empty for what the root imports: that is never imported itself.
    """

    by: str
    file: str
    line: int
    is_later: bool = False


def parents(name: str) -> Iterator[str]:
    """The folders above a file, by its path."""
    while name := name.rpartition("/")[0]:
        yield name


class ImportGraph:
    """The modules that are imported from the roots, and where each is imported first.

    `required` are those without which the program does not start. `removed` are the modules that
    were removed from what is installed, and `changed` the packages that they were of. Of `sites`,
    the second holds the dependencies, which are the same for as long as the file `kept` is there,
    as is the interpreter: it keeps what was read of them, and what they import that is elsewhere.
    """

    def __init__(
        self, sites: list[str], removed: dict[str, str], changed: set[str], kept: str
    ) -> None:
        self.files = {name: site for site in reversed(sites) for name in list_files(site)}
        self.folders = {folder for name in self.files for folder in parents(name)}
        self.installed, self.kept = sites[-1] if kept else "", kept
        self.known: dict[str, tuple[list[Any], list[Any]]] = {}
        self.elsewhere: set[str] = set()
        self.removed, self.changed = removed, changed
        with suppress(OSError, ValueError, TypeError), open(kept, encoding="utf-8") as file:
            known, elsewhere = json.load(file)
            self.known, self.elsewhere = dict(known), set(elsewhere)
        self.kept_before = len(self.known), len(self.elsewhere)
        self.required: dict[str, Use] = {}
        self.optional: dict[str, Use] = {}
        self.called: dict[str, set[str]] = {}
        self.started: list[Import] = []
        self.parent = ""

    def add_root(self, module: str, function: str) -> None:
        """Add what starts: a module that is run, as `-m` does, or from which a function is called.

        `started` are the imports by which it does.
        """
        if function:
            top = function.partition(".")[0]
            self.called.setdefault(module, set()).add(top)
            start = [Import(module, 0, False), Import(f"{module}.{top}", 0, False, True)]
            entries = [(one, Use("", "", 0)) for one in start]
        else:
            name = f"{module}.__main__" if self.find(f"{module}.__main__") else module
            self.parent = parent = name.rpartition(".")[0]
            entries = [(Import(parent, 0, False), Use("", "", 0))] * bool(parent)
            entries += self.read(name, is_run=True)
        self.started += [one for one, _ in entries if not one.optional]
        self.follow(entries)
        for name in list(self.called):
            self.started += [one for one, _ in self.read(name) if not one.optional]

    def follow(self, entries: list[tuple[Import, Use]]) -> None:
        """Add what is imported, directly or not: first what is required, then what is optional."""
        for modules, optional in ((self.required, False), (self.optional, True)):
            todo = deque(entry for entry in entries if optional or not entry[0].optional)
            while todo:
                one, use = todo.popleft()
                if one.attribute and one.name not in self.removed and not self.find(one.name):
                    continue
                parts = one.name.split(".")
                for end in range(1, len(parts) + 1):
                    name = ".".join(parts[:end])
                    if name in modules or name in self.required:
                        continue
                    modules[name] = use
                    new = self.read(name)
                    todo += [entry for entry in new if optional or not entry[0].optional]
                    entries += [entry for entry in new if entry[0].optional and not optional]

    def find(self, name: str) -> str | None:
        """A module's file, or a package's folder without one, below the site; None for none.

        A folder in which there is nothing, as COSMO_EXCLUDE may leave one, is none.
        """
        path = name.replace(".", "/")
        for file in (f"{path}/__init__.py", f"{path}.py", f"{path}/__init__.pyc", f"{path}.pyc"):
            if file in self.files:
                return file
        return path if path in self.folders else None

    def read(self, name: str, is_run: bool = False) -> list[tuple[Import, Use]]:
        """The imports of a module in the site, none of what has no source that can be read.

        Also those of functions that it calls of other modules.
        """
        file = self.find(name) or ""
        if not file.endswith(".py"):
            return []
        parent, _, last = name.rpartition(".")
        package = name if file.endswith("/__init__.py") and last != "__init__" else parent
        called = self.called.get(name, set() if is_run else None)
        key = " ".join([file, package, str(is_run), str(called is not None), *sorted(called or ())])
        rows = self.known.get(key) if self.files[file] == self.installed else None
        if rows is None:
            rows = read_imports(os.path.join(self.files[file], file), package, is_run, called)
            if self.files[file] == self.installed:
                self.known[key] = rows
        by = "" if is_run else name
        entries = [(Import(*row), Use(by, file, row[1], row[4])) for row in rows[0]]
        for base, function in rows[1]:
            names = self.called.setdefault(base, set())
            if function not in names:
                names.add(function)
                entries += self.read(base)
        return entries

    def save_read(self) -> None:
        """Keep what was read and imported; where that cannot be, it is done again."""
        if self.kept and (len(self.known), len(self.elsewhere)) != self.kept_before:
            with suppress(OSError):
                with open(f"{self.kept}.part", "w", encoding="utf-8") as file:
                    json.dump([self.known, sorted(self.elsewhere)], file)
                os.replace(f"{self.kept}.part", self.kept)

    def binds(self, module: str, name: str) -> bool:
        """Whether a module may bind a name, as far as can be read."""
        file = self.find(module) or ""
        if not file.endswith(".py"):
            return True
        names = bound_names(os.path.join(self.files[file], file))
        return bool(names & {name, "*", "__getattr__"}) or self.find(f"{module}.{name}") is not None

    def missing(self) -> Iterator[tuple[str, str, Use]]:
        """What is required and cannot be imported, the module it fails for, and where it is used.

        Asked for are what is not in the site, which the interpreter may have; and of what lost an
        extension module, all that others import, as that may fail behind a `try` of its own. Of two
        that fail for the same, what is not in the site is nearer to it.
        """
        trials: list[Trial] = []
        nearest: dict[str, str] = {}
        for name, use in self.required.items():
            top = name.split(".")[0]
            is_absent = not self.find(name) and name not in self.elsewhere
            if is_absent or (top in self.changed and top != use.by.split(".")[0]):
                trials.append(Trial(name, use.by or self.parent, bool(use.by) and not use.is_later))
        for name, cause in probe_imports(trials, self.removed):
            used_in = self.files.get(self.required[name].file)
            if not cause and not self.find(name) and used_in == self.installed:
                self.elsewhere.add(name)
            if cause and (
                cause not in nearest or (self.find(nearest[cause]) and not self.find(name))
            ):
                nearest[cause] = name
        for cause, name in nearest.items():
            yield name, cause, self.required.get(cause, self.required[name])

    def absent(self) -> Iterator[tuple[str, Use]]:
        """What is optional and is not there."""
        for name, use in self.optional.items():
            top = name.split(".")[0]
            here = self.find(name) or (not self.find(top) and in_interpreter(top))
            if not here and name not in self.required:
                yield name, use


def in_interpreter(name: str) -> bool:
    """Whether the interpreter has a top-level module; it has been started with one, `__main__`."""
    return name in sys.modules or importlib.util.find_spec(name) is not None


# recipes/inside/start.py ------------------------------------------------------
# Check that a program can start: its entry, this Python, and what it imports.

REMEDY = "COSMO_CHECK=0 builds it all the same"
RELEASES = "4.0.2, 3.9.2, 3.3.1, 3.1.3 and others"
"""Releases whose interpreters stay as they are. Source: cosmo.zip, `/pub/cosmos/v`."""

END = """
except SystemExit as ended:
    if isinstance(ended.__context__, ImportError):
        raise
import os, sys
try:
    sys.stdout.flush()
    for child in getattr(sys.modules.get("multiprocessing"), "active_children", list)():
        child.kill()
finally:
    os._exit(0)
"""
"""How `.imports` ends, also where a module has started a thread, or ends the program."""

RUN = """
    import runpy
    sys.argv[1:] = {arguments}
    signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
    try:
        runpy.run_module({module!r}, run_name="__main__", alter_sys=True)
    except (Exception, SystemExit) as ended:
        exits = isinstance(ended, SystemExit) and not isinstance(ended.__context__, ImportError)
        if not (exits or isinstance(ended, EOFError) or REFUSED):
            raise
        if not exits or ended.code not in (None, 0, 2):
            print("\\nremark: {line} fails without input, network and home; try it by hand")
"""
"""What `.imports` also does of a program that is to run: after a minute it has started.

By status 2 a program says that it does not know an option. Source: `argparse`.
"""

ZONES = """
    import zoneinfo
    if not zoneinfo.available_timezones():
        print("remark: zoneinfo will find no time zones; require tzdata")
"""
"""What `.imports` also does where the program may ask for time zones, which may be pruned."""


def check_start(packed: str, layer: str, program: str, specifiers: str, *roots: str) -> None:
    """Exit with a line for each thing for which what starts cannot start in this Python.

    `layer` has what is installed and the notes of `purify`, if anything is. A root is a module to
    run, or `module:function`; one that begins with a dash is an argument, with which the first is
    to run. Writes `.imports` in the build folder: a program that imports what they do, and does
    that.
    """
    gc.disable()  # what is read has no cycles, and there is much of it
    arguments = [root for root in roots if root.startswith("-")]
    roots = tuple(root for root in roots if root not in arguments)
    check_python(specifiers)
    notes, sites = Notes(packed, layer, program), program_sites(packed, layer)
    kept = os.path.join(layer, "imports") if layer else ""
    graph = ImportGraph(sites, notes.removed, notes.changed_packages(), kept)
    problems = []
    for root in roots:
        add_root(graph, root)
        package = root.partition(":")[0].partition(".")[0]
        dist = notes.removed.get(f"bin/{package}")
        if dist:
            problem = f"{dist} starts a native program, bin/{package}, which cannot run in the"
            problems.append(f"{problem} executable")
    problems += notes.native_commands(graph)
    sys.path += sites
    problems += [notes.describe(*missing, graph) for missing in graph.missing()]
    graph.save_read()
    if problems:
        notes.write_unsuitable(os.path.join(packed, "../../.deps"))
        sys.exit("\n".join([*problems[:-1], f"{problems[-1]}; {REMEDY}"]))
    absent = [f"# {use.file}:{use.line} may import {name}" for name, use in graph.absent()]
    with open(os.path.join(packed, "../../.imports"), "w", encoding="utf-8") as file:
        lines = dict.fromkeys(f"    {one.statement()}" for one in graph.started)
        if "zoneinfo" in {**graph.required, **graph.optional} and not graph.find("tzdata"):
            lines[ZONES] = None
        if arguments:
            line = " ".join([program, *arguments])
            lines[RUN.format(arguments=arguments, module=roots[0], line=line)] = None
        file.write("\n".join([*absent, f"{START}\ntry:\n    pass", *lines, END]))


def check_python(specifiers: str) -> None:
    """Exit with one line where this is none of the Pythons that `requires-python` allows."""
    if not specifiers:
        return
    version = "{}.{}.{}".format(*sys.version_info)
    sets = importlib.import_module("pip._vendor.packaging.specifiers")
    try:
        suits = sets.SpecifierSet(specifiers).contains(version, prereleases=True)
    except sets.InvalidSpecifier as error:
        sys.exit(f"requires-python cannot be {specifiers!r}: {error}; correct it")
    if not suits:
        problem = f"it requires Python {specifiers}, and this is {version}"
        remedy = f"name another release with COSMO_VERSION ({RELEASES}), or a file with COSMO_URL"
        sys.exit(f"{problem}; {remedy}")


def add_root(graph: ImportGraph, root: str) -> None:
    """Add what starts to the graph; exit with one line where it is not there, or is another."""
    module, _, function = root.partition(":")
    top, name = module.partition(".")[0], function.partition(".")[0]
    spec = None if top == "__main__" else importlib.util.find_spec(top)
    packed = graph.find(top) is not None
    if (
        spec
        and packed
        and "site-packages" not in f"{spec.origin} {spec.submodule_search_locations}"
    ):
        problem = f"the interpreter has a module {top} of its own, which would run instead"
        sys.exit(f"{problem}; rename the program")
    graph.add_root(module, function)
    if not graph.find(module) and (packed or not spec):
        sys.exit(f"there is no module {module}; correct it")
    if function and not graph.binds(module, name):
        sys.exit(f"{module} has no {name}; correct it")


def import_started(packed: str, layer: str = "") -> None:
    """Import, with what is packed and installed and in `.deps`, what `.imports` does."""
    program = os.path.abspath(os.path.join(packed, "../../.imports"))
    sys.path += program_sites(packed, layer)
    os.chdir(os.path.join(packed, "../../.deps"))
    importlib.import_module("runpy").run_path(program)


def program_sites(packed: str, layer: str) -> list[str]:
    """The folders with the program, and with what is installed, if anything is."""
    sites = [packed, *([os.path.join(layer, LAYER_SITE)] if layer else [])]
    return [os.path.abspath(site) for site in sites]


class Notes:
    """What is packed and installed, and what `purify` noted of it in the layer.

    `removed` are the modules that were removed, and `changed` the distributions that are installed
    in another form. `unsuitable` are those that need a removed module, and what requires each.
    """

    def __init__(self, packed: str, layer: str, program: str) -> None:
        self.program = program
        self.dists = [dist for site in program_sites(packed, layer) for dist in find_dists(site)]
        self.removed, self.changed = (read_note(layer, note) for note in ("removed", "changed"))
        self.unsuitable: dict[str, str] = {}

    def changed_packages(self) -> set[str]:
        """The names of the packages and modules that are installed in another form."""
        changed = [dist for dist in self.dists if str(dist) in self.changed]
        return {re.split("[/.]", name)[0] for dist in changed for name in dist.hashes}

    def describe(self, name: str, cause: str, use: Use, graph: ImportGraph) -> str:
        """The line on what is missing: `name` cannot be imported for lack of `cause`."""
        where, library = f"{use.file}:{use.line}", getattr(sys, "stdlib_module_names", ())
        dist = self.owner(use.file)
        dist = next((one for one in self.dists if str(one) == self.removed.get(cause)), dist)
        is_library = cause.partition(".")[0] in library or not (name == cause or graph.find(name))
        top, inner = cause.partition(".")[0], self.owner(graph.find(name) or "")
        if inner and not is_library and cause not in (name, *graph.required, *self.removed):
            problem = f"{inner} needs its extension module, which cannot run in the executable"
            if str(inner) in self.changed and not graph.find(top):  # in place of its extension
                return f"{problem}, or {cause}, which is not installed ({self.ask(inner)}; {where})"
            if str(inner) in self.changed and name.partition(".")[0] == top:
                return f"{problem}, or {cause} ({self.ask(inner)}; {where})"
        if dist and (cause in self.removed or (str(dist) in self.changed and not is_library)):
            problem = f"{dist} needs its extension module {cause}, which cannot run in the"
            return f"{problem} executable ({self.ask(dist)}; {where})"
        if not use.file:
            return f"there is no module {cause}"
        if graph.find(top):
            return f"{where} imports {cause}, which is not there"
        if not is_library:
            return f"{where} imports {cause}, which is not installed; add it to the dependencies"
        if name == cause:
            return f"{where} imports {cause}, which this interpreter lacks"
        return f"{name} needs {cause}, which this interpreter lacks ({where} imports it)"

    def native_commands(self, graph: ImportGraph) -> Iterator[str]:
        """A line on each native program that is called like the command that starts it."""
        for module, functions in graph.called.items():
            dist = self.owner(graph.find(module) or "")
            for name in dist.native_commands(module, functions) if dist else ():
                problem = f"{dist} starts a native program, {name}, which cannot run in the"
                yield f"{problem} executable"

    def owner(self, file: str) -> Dist | None:
        """The distribution that a file below the site is of."""
        return next((one for one in self.dists if {file, f"{file}c"} & one.hashes.keys()), None)

    def ask(self, dist: Dist) -> str:
        """The chain that requires an unsuitable distribution, which is noted."""
        names = dependency_path(dist, self.dists, self.program)
        self.unsuitable[dist.name] = names[-2] if len(names) > 2 else dist.name
        return " -> ".join(names)

    def write_unsuitable(self, work: str) -> None:
        """Note the unsuitable distributions, where anything is installed."""
        if os.path.isdir(work):
            with open(os.path.join(work, "unsuitable"), "w", encoding="utf-8") as file:
                file.writelines(f"{name}\t{parent}\n" for name, parent in self.unsuitable.items())


def read_note(layer: str, note: str) -> dict[str, str]:
    """The rows of a note, each a key and a value, that `purify` left in a layer."""
    path = os.path.join(layer, note)
    if not layer or not os.path.isfile(path):
        return {}
    with open(path, encoding="utf-8") as file:
        rows = (line.rstrip("\n").partition("\t") for line in file)
        return {row[0]: row[2] for row in rows}


# recipes/inside/__main__.py ---------------------------------------------------
# Programs that run in the fetched interpreter, by path: `sh dist/cosmo/python FILE MODE ...`.
#
#     target [SPECIFIERS]            print uv's options for this interpreter; refuse another Python
#     select PYLOCK FOLDER [HASHED]  part a lock file into those that uv is to install from
#     purify WORK LAYER PROGRAM SUFFIX
#                                    make what is installed in a layer fit for the executable
#     own PACKED LAYER PROGRAM SUFFIX [PYPROJECT INFO]
#                                    make the program fit for it, and write its metadata
#     check PACKED LAYER PROGRAM SPECIFIERS ROOT ...
#                                    check that what starts can, and that this Python suits
#     imports PACKED LAYER           import what starts
#     unused PYTHON PACKED LAYER KEPT [STARTED ...]
#                                    print what of the library in a file is not needed, for zip
#
# FILE is this folder; in a vendored file, which holds all of it, that file itself. The standard
# library alone is imported, and of the interpreter's own pip, `packaging` and (before Python 3.11)
# `tomli`. A refusal is one line on standard error.


def target(specifiers: str = "") -> None:
    """Print the options by which uv installs for this interpreter; exit if it is another Python."""
    check_python(specifiers)
    print("--python-version {}.{}.{} --python-platform linux".format(*sys.version_info))


def choose_forms(pylock: str, folder: str, hashed: str = "") -> None:
    """Part a lock file into those to install from, in `folder`.

    `pylock.wheels.toml` has each package of which there is a pure wheel, with that alone, or no
    sdist. Of each other one, `pylock.sdist-NAME.toml` has the sdist, to be built without a
    compiler, and `pylock.any-NAME.toml` all that there is, for where that fails. `forms` notes what
    was chosen in place of a wheel with extension modules. `target.refresh` has what makes uv build
    what is a folder: of that uv looks at the time of its metadata alone. `hashed` is a requirements
    file: what it gives hashes of must have one of these.
    """
    packages = load_toml(pylock).get("packages", [])
    hashes = required_hashes(hashed)
    chosen, forms = [], []
    for number, package in enumerate(packages):
        name, version = package["name"], package.get("version", "")
        anchor_paths(package, os.path.dirname(os.path.abspath(pylock)))
        sdist, wheels = package.pop("sdist", None), package.pop("wheels", [])
        package.get("directory", {}).pop("editable", None)  # its files are to go in
        files = [file for file in (sdist, package.get("archive"), *wheels) if file]
        allowed = hashes.get(name, {file["hashes"]["sha256"] for file in files})
        files = [file for file in files if file["hashes"]["sha256"] in allowed]
        if not files and (sdist or wheels or name in hashes):
            sys.exit(f"{name} {version} has no file with a hash of {hashed}")
        wheels = [file for file in wheels if file in files]
        pure = [file for file in wheels if is_pure(file)]
        if pure or sdist not in files:
            forms += [f"{name}\ta pure wheel\n"] if pure and pure != wheels else []
            chosen.append({**package, **({"wheels": pure or wheels} if wheels else {})})
            continue
        forms += [f"{name}\tits sdist, built without the extension\n"] if wheels else []
        write_pylock(
            folder, f"any-{name}-{number}", [{**package, "sdist": sdist, "wheels": wheels}]
        )
        write_pylock(folder, f"sdist-{name}-{number}", [{**package, "sdist": sdist}])
    write_pylock(folder, "wheels", chosen)
    with open(os.path.join(folder, "target.refresh"), "w", encoding="utf-8") as options:
        folders = (package["name"] for package in packages if "directory" in package)
        options.writelines(f"--refresh-package {name}\n" for name in folders)
    with open(os.path.join(folder, "forms"), "w", encoding="utf-8") as notes:
        notes.writelines(forms)


def required_hashes(hashed: str) -> dict[str, set[str]]:
    """The sha256 hashes in a requirements file, by name; exit for one that cannot be checked."""
    hashes: dict[str, set[str]] = {}
    for line, name in requirements_lines(hashed) if hashed else ():
        if "--hash" in line:
            found = re.findall(r"--hash[= ]sha256:([0-9a-fA-F]{64})", line)
            if not name or not found:
                form = "NAME==VERSION --hash=sha256:HASH, or NAME @ URL --hash=sha256:HASH"
                sys.exit(f"{hashed}: the hash of {line!r} cannot be checked; write {form}")
            hashes.setdefault(name, set()).update(map(str.lower, found))
    return hashes


def load_toml(path: str) -> dict[str, Any]:
    """The data of a TOML file."""
    toml = import_module("tomllib" if sys.version_info >= (3, 11) else "pip._vendor.tomli")
    with open(path, "rb") as file:
        return dict(toml.load(file))


def fit_program(
    packed: str, layer: str, program: str, suffix: str, pyproject: str = "", info: str = ""
) -> None:
    """Make the program in `packed` fit for the executable, beside the dependencies in `layer`.

    A `.py` will get `suffix` behind its name there. `info` is the folder for the metadata that
    `pyproject` gives. Exits with one line for what the program and a dependency both bring.
    """
    if layer:
        check_program(packed, layer, program)
    for dist in find_dists(packed):
        remove_installer_files(dist, suffix)
    if pyproject:
        write_metadata(pyproject, os.path.join(packed, info))


def write_metadata(pyproject: str, folder: str) -> None:
    """Write what `[project]` says as an installed distribution's metadata, in `folder`.

    Source: the core metadata specification, version 2.1; the entry points specification.
    """
    project = load_toml(pyproject)["project"]
    lines = ["Metadata-Version: 2.1", f"Name: {project['name']}", f"Version: {project['version']}"]
    for key, header in (("description", "Summary"), ("requires-python", "Requires-Python")):
        lines += [f"{header}: {project[key]}"] if project.get(key) else []
    lines += [f"Requires-Dist: {line}" for line in project.get("dependencies", [])]
    groups = {"console_scripts": project.get("scripts"), "gui_scripts": project.get("gui-scripts")}
    points = []
    for group, entries in {**groups, **project.get("entry-points", {})}.items():
        rows = [f"{name} = {entry}" for name, entry in (entries or {}).items()]
        points += [f"[{group}]", *rows] if rows else []
    os.makedirs(folder, exist_ok=True)
    for name, text in (("METADATA", lines), ("entry_points.txt", points)):
        if text:
            with open(os.path.join(folder, name), "w", encoding="utf-8", newline="\n") as file:
                file.write("\n".join(text) + "\n")


def is_pure(wheel: dict[str, Any]) -> bool:
    """Whether a wheel runs on any Python 3 and platform. Source: PEP 427, file names."""
    name = wheel.get("name") or wheel.get("url") or wheel.get("path") or ""
    return re.search(r"-(py2\.)?py3[0-9]*-none-any\.whl", name) is not None


def anchor_paths(value: Any, folder: str) -> None:
    """Make the paths of a package independent of where its lock file lies."""
    for entry in value if isinstance(value, list) else value.values():
        if isinstance(entry, dict) and isinstance(entry.get("path"), str):
            entry["path"] = os.path.join(folder, entry["path"])
        if isinstance(entry, (dict, list)):
            anchor_paths(entry, folder)


def write_pylock(folder: str, label: str, packages: list[dict[str, Any]]) -> None:
    """Write a lock file with these packages. Source: PEP 751."""
    with open(os.path.join(folder, f"pylock.{label}.toml"), "w", encoding="utf-8") as file:
        file.write('lock-version = "1.0"\ncreated-by = "cosmo-recipes"\n')
        file.write("" if packages else "packages = []\n")
        for package in packages:
            file.write("\n[[packages]]\n")
            file.writelines(f"{key} = {toml_value(value)}\n" for key, value in package.items())


def toml_value(value: Any) -> str:
    """A value as TOML writes it in one line."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{json.dumps(k)} = {toml_value(v)}' for k, v in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml_value, value))}]"
    if hasattr(value, "isoformat"):  # a date, or a time
        return str(value.isoformat())
    return json.dumps(value, ensure_ascii=False)


PROGRAMS: dict[str, Callable[..., None]] = {
    "target": target,
    "select": choose_forms,
    "purify": purify,
    "own": fit_program,
    "check": check_start,
    "imports": import_started,
    "unused": print_unused,
}

if __name__ == "__main__" and sys.argv[1:2] and sys.argv[1] in PROGRAMS:
    try:
        sys.exit(PROGRAMS[sys.argv[1]](*sys.argv[2:]))
    except OSError as problem:
        sys.exit(str(problem))


import hashlib
import keyword
import shlex
import shutil
import subprocess
import threading
import time
import unicodedata
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from configparser import ConfigParser
from contextlib import contextmanager
from contextlib import redirect_stderr
from dataclasses import dataclass
from dataclasses import field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import lru_cache
from io import StringIO
from json import dumps
from pathlib import Path
from string import Template
from textwrap import wrap
from types import FrameType
from typing import ClassVar
from typing import NoReturn
from urllib.parse import unquote
from urllib.parse import urlsplit
from urllib.parse import urlunsplit

try:
    from invoke.collection import Collection
    from invoke.context import Context
    from invoke.exceptions import CommandTimedOut
    from invoke.exceptions import Exit
    from invoke.executor import Executor
    from invoke.runners import Local
    from invoke.runners import Result
    from invoke.tasks import task
    from invoke.watchers import StreamWatcher
    from tqdm import tqdm

    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
except ModuleNotFoundError as error:
    message = f"{__file__} needs {error.name}, which is not installed; pip install {error.name}"
    raise SystemExit(f"cosmo: {message}") from None


# recipes/shell.py -------------------------------------------------------------
# One line for the shell, its echo and its failure; messages and progress bars.

TIMEOUT = 3.0
"""For how many seconds the programs of a line may go on after they were told to end."""

FIXED = {"warn": True, "hide": "both", "echo_format": "{command}", "replace_env": True}
FIXED.update(dict.fromkeys(("pty", "asynchronous", "disown", "in_stream"), False))
"""What the recipes need of Invoke's options, whatever its configuration says."""

SHOWN_LINES = 20
"""How many of the last lines of a tool that failed are shown."""


class RecipeError(Exit):
    """The end of a build: what failed, why, and what to do next, in one line; exit status 1."""

    def __init__(self, message: str) -> None:
        super().__init__("cosmo: " + printable(" ".join(message.split())), code=1)


def printable(text: str) -> str:
    """A text as it can be printed in one line: what a terminal would obey is spelt out."""
    letters = (one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
    return "".join(letters)


@contextmanager
def exit_on_error(failed: str) -> Iterator[None]:
    """Turn an error of the system, or a value that it cannot take, into a `RecipeError`."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        raise RecipeError(f"{failed}: {error}; fix this and run it again") from error


def log(message: str) -> None:
    """Print about the work, on standard error; standard output has only what was asked for."""
    print(message, file=sys.stderr, flush=True)


def print_result(text: str) -> None:
    """Print what was asked for; what standard output's encoding lacks is spelt out."""
    encoding = sys.stdout.encoding or "utf-8"
    print_bytes([f"{text}\n".encode(encoding, "backslashreplace")])


def print_bytes(blocks: Iterable[bytes]) -> None:
    """Print what was asked for. A reader that stops early is no error.

    Python's own flush at its end must not fail again. Source: its "Note on SIGPIPE".
    """
    try:
        sys.stdout.flush()
        for block in blocks:
            sys.stdout.buffer.write(block)
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise RecipeError(f"the result cannot be printed: {error}; run it again") from error


class LineRunner(Local):
    """Runs a line without input; one that takes too long is ended with all that it started."""

    input_sleep = 0.001  # seconds between two looks at whether it has ended; Invoke's is 0.01
    started: ClassVar[list[subprocess.Popen[bytes]]] = []

    def start(self, command: str, shell: str, env: dict[str, Any]) -> None:
        """Start the line; what Invoke reads of it is as in its own runner."""
        null, pipe = subprocess.DEVNULL, subprocess.PIPE
        line = [shell, "-c", command]
        self.process = subprocess.Popen(line, env=env, stdin=null, stdout=pipe, stderr=pipe)
        LineRunner.started.append(self.process)

    def kill(self) -> None:
        """End the line, as Invoke does where it takes too long."""
        end_processes([self.process.pid], timeout=0)

    @classmethod
    def end_all(cls) -> None:
        """End the lines that run, and all that they started."""
        end_processes([one.pid for one in cls.started if one.poll() is None])


def processes() -> dict[int, int]:
    """The parent of each process that has not ended. Source: proc(5), and `ps` in POSIX."""
    proc, rows = Path("/proc"), []
    for number in filter(str.isdigit, os.listdir(proc) if proc.is_dir() else ()):
        with suppress(OSError):  # it has ended since
            stat = (proc / number / "stat").read_text(errors="replace")
            state, parent, *_ = stat.rpartition(")")[2].split()
            rows.append([number, parent, state])
    if not rows:
        ps = ["ps", "-A", "-o", "pid=,ppid=,state="]
        shown = subprocess.run(ps, capture_output=True, text=True, check=False).stdout
        rows = [line.split() for line in shown.splitlines()]
    return {int(number): int(parent) for number, parent, state in rows if state[0] != "Z"}


def end_processes(roots: Iterable[int], timeout: float = TIMEOUT) -> None:
    """End these processes, and all that they started; after `timeout` seconds by force."""
    parents, tree = processes(), list(roots)
    for number in tree:
        tree += [child for child, parent in parents.items() if parent == number]
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        for number in tree:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(number, signal_number)
        end = time.monotonic() + timeout
        while tree and time.monotonic() < end:
            time.sleep(0.02)
            left = processes()
            tree = [number for number in tree if number in left]


def line_environment(c: Context) -> dict[str, str]:
    """The user's environment, and Invoke's `run.env`."""
    return {**os.environ, **c.config.run.env}


class Shell:
    """Runs the lines of one task through Invoke; a dry run prints them as a script.

    `exports` are the variables that the lines expand, and those on which what is built must not
    depend. No `PYTHON*` variable of the user reaches a line.
    """

    exported: ClassVar[dict[str, str]] = {}

    def __init__(self, c: Context, task: str, exports: Mapping[str, str]) -> None:
        self.c, self.task, self.exports = c, task, dict(exports)
        self.dry, self.comment = bool(c.config.run.dry), f"# cosmo.{task}"

    def environment(self) -> dict[str, str]:
        """The environment of a line: the user's, Invoke's `run.env`, and `exports`."""
        env = line_environment(self.c)
        for name in [name for name in env if name.startswith("PYTHON") or name == "CDPATH"]:
            del env[name]
        return {**env, **self.exports, "TMPDIR": os.path.abspath(self.exports["TMPDIR"])}

    def announce(self) -> None:
        """Print the exports that are new to the script, and the task's name as a comment."""
        if not Shell.exported:
            print(r"unset CDPATH $(env | sed -n 's/^\(PYTHON[A-Z]*\)=.*/\1/p')")
        new = dict(self.exports.items() - Shell.exported.items())
        words = [f"{name}={quote(new[name])}" for name in self.exports if name in new]
        words = [word.replace("TMPDIR=", 'TMPDIR="$PWD"/', 1) for word in words]
        lines = ["export"]
        for word in words:
            lines += ["export"] if len(lines[-1]) + len(word) > 100 else []
            lines[-1] += f" {word}"
        print(*lines if words else (), sep="\n", end="\n" if words else "")
        Shell.exported.update(self.exports)
        if self.comment:
            print(self.comment)
            self.comment = ""

    def run(
        self,
        line: str,
        failed: str = "",
        remedy: str = "fix this and run it again",
        at: str = "",
        progress: Progress | None = None,
        reason: Callable[[Result], str] | None = None,
    ) -> Result:
        """Run one POSIX line, in the folder `at` if given.

        Where it fails, `RecipeError` says what `failed`, why, and the remedy. `reason` says why;
        else one line of output does, and more of it is shown before the error. Invoke's
        configuration chooses the shell, the echo and the timeout.
        """
        failed = failed or f"cosmo.{self.task} failed"
        if at:  # whichever symbolic links lead to the current folder
            folder = '"$DIR_SITE"' if at == self.exports["DIR_SITE"] else quote(at)
            line = f"(cd {'-P ' if at.startswith('..') else ''}{folder} && {line})"
        elif " && " in line and line[0] != "(":  # in a script by `sh -e`, any of them is to end it
            line = f"({line})"
        if self.dry and hasattr(signal, "SIGPIPE"):
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a reader that stops ends the script
        if self.dry or self.c.config.run.echo:
            self.announce()
        shell = shutil.which(str(self.c.config.run.shell or "sh")) or "/bin/sh"
        options = {
            "shell": shell,
            "env": self.environment(),
            "watchers": [progress] * bool(progress),
        }
        with exit_on_error(failed):
            try:
                result: Result = self.c._run(LineRunner(self.c), line, **FIXED, **options)
            except CommandTimedOut as error:
                why = f"it took longer than {error.timeout} seconds"
                raise RecipeError(f"{failed}: {why}; {remedy}") from error
        if result.failed:
            why = reason(result) if reason else show_output(result, progress)
            raise RecipeError(f"{failed}: {why}" + (f"; {remedy}" if remedy else ""))
        return result

    def remove(self, folder: str, tests: list[str]) -> None:
        """Run the line that removes, below a folder, what passes one of these tests of `find`.

        It runs there, for to `-path` the folder would be a part of the pattern.
        """
        find = rf"find . -depth \( {' -o '.join(tests)} \) -exec rm -rf {{}} +"
        if tests:
            self.run(find, at=folder)

    def exclude(self, folder: str, tests: list[str]) -> None:
        """Remove so, and what is empty then: to Python an empty folder is a package."""
        self.remove(folder, tests)
        if tests:
            self.run("find . -depth -type d -exec rmdir {} + 2>/dev/null || :", at=folder)

    def log(self, phase: str, message: str) -> None:
        """Print one line about a phase, unless the run is dry: then the script is all there is."""
        if not self.dry:
            log(f"{phase:<9}" + printable(re.sub(r"\s", " ", message)))


def show_output(result: Result, progress: Progress | None) -> str:
    """Show the last lines of a tool that failed; return the reason, for a line of ours."""
    output = [line for line in (result.stdout + result.stderr).splitlines() if line.strip()]
    counted = [bool(progress and progress.pattern.match(line)) for line in (*output, "")]
    counted[-1] = True  # of the lines that are counted, one stays before others: it may name a file
    lines = [line for at, line in enumerate(output) if not (counted[at] and counted[at + 1])]
    if len(lines) == 1:
        return re.sub(r"^\S*sh: (line )?\d+: ", "", lines[0])
    for line in lines[-SHOWN_LINES:]:
        log(printable(line.expandtabs()))
    return "see above" if lines else f"exit status {result.exited}"


def quote(path: str) -> str:
    """`path`, quoted for the shell; one that begins with a dash cannot be taken for an option."""
    return shlex.quote(f"./{path}" if path.startswith("-") else path)


@contextmanager
def progress_bar(name: str, total: int | None, unit: str) -> Iterator[tqdm[NoReturn]]:
    """A progress bar on standard error, on a terminal only. The unit `B` is scaled (kB, MB)."""
    scaled, silent = unit == "B", not sys.stderr.isatty()
    bar: tqdm[NoReturn] = tqdm(
        desc=name, total=total, unit=unit, unit_scale=scaled, disable=silent, leave=False
    )
    with bar:
        yield bar
        bar.total = bar.n
        bar.refresh()


class Progress(StreamWatcher):
    """Moves a bar on by one for each line with the first group of `start`, or by a folder's size.

    Each of Invoke's threads has a watcher of its own, made with the same arguments.
    """

    def __init__(self, bar: tqdm[NoReturn], start: str, folder: str = "") -> None:
        super().__init__()
        self.bar, self.pattern, self.folder, self.read = bar, re.compile(start), folder, 0

    def submit(self, stream: str) -> Iterable[str]:
        """Move the bar on; nothing is ever answered."""
        whole = stream.rfind("\n") + 1
        lines = stream[self.read : whole].splitlines()
        self.read = max(self.read, whole)
        if self.folder:
            with suppress(OSError):
                files = Path(self.folder).iterdir()
                self.bar.update(sum(path.stat().st_size for path in files) - self.bar.n)
        else:
            matches = map(self.pattern.match, lines)
            self.bar.update(sum(1 for match in matches if match and match[1]))
        return ()


# recipes/parsers.py -----------------------------------------------------------
# What each setting has to be: a parser gives the value a build uses, or raises `RecipeError`.

SWITCH = {**dict.fromkeys(("1", "true", "yes", "on"), True)}
SWITCH.update(dict.fromkeys(("0", "false", "no", "off", ""), False))
APE_STARTS = ("MZqFpD", "jartsr")
"""How an Actually Portable Executable begins, and how one of an older release does.

Source: Cosmopolitan, `ape/ape.S`.
"""


class Value(NamedTuple):
    """A setting's text, None where it is not set, the source of that, and the project's folder."""

    name: str
    text: str | None
    source: str
    root: Path

    def error(self, problem: str) -> RecipeError:
        """The error that there is something wrong with this value."""
        return RecipeError(f"{self.name}={self.text or ''!r} ({self.source}){problem}")

    def path(self) -> Path:
        """The path that it names, from the project's folder, or the environment's from here."""
        base = Path() if self.source == "environment" else Path(os.path.relpath(self.root))
        return base / Path(self.text or "").expanduser()


def parse_text(value: Value) -> str | None:
    """Any text, None where it is not set."""
    return value.text


def parse_words(value: Value) -> tuple[str, ...] | None:
    """Its words, split as a shell does; None where it is not set."""
    try:
        return None if value.text is None else tuple(shlex.split(value.text))
    except ValueError as error:
        raise value.error(f": {error}; correct it") from error


def parse_patterns(value: Value) -> tuple[str, ...]:
    """Patterns for paths below `site-packages`, or, in COSMO_PRUNE, of zip's.

    One that zip would take for an option is refused.
    """
    forbidden = "[-@]" if value.name == "COSMO_PRUNE" else r"/|.*[\n\r\[\]\\]"
    words = parse_words(value) or ()
    for word in words:
        if not word or re.match(forbidden, word, re.DOTALL):
            raise value.error(f": {word!r} is not a pattern; write a path, as `hello/templates/*`")
    return words


def parse_switch(value: Value) -> bool:
    """1 or 0, or another word for on and off."""
    if (value.text or "").lower() not in SWITCH:
        raise value.error(": write 1 or 0")
    return SWITCH[(value.text or "").lower()]


def parse_optimize(value: Value) -> int:
    """How often Python is given `-O`."""
    if value.text not in ("", "0", "1", "2"):
        raise value.error(": write 0, 1 or 2")
    return int(value.text or 0)


def parse_compress(value: Value) -> int:
    """How zip packs, from 0, not at all, to 9; 6 is its default."""
    if not re.fullmatch("[0-9]?", value.text or ""):
        raise value.error(": write 0 to 9")
    return int(value.text or 6)


def parse_slim(value: Value) -> tuple[str, ...]:
    """1, `list`, or modules of the library to keep; nothing, or 0, for all of it."""
    words = (value.text or "0").split()
    for word in words:
        if not re.fullmatch(r"[01]|[A-Za-z_]\w*", word, re.ASCII) or (word == "0" and words[1:]):
            raise value.error(": write 1, list, or modules of the standard library to keep")
    return () if words in ([], ["0"]) else tuple(words)


def parse_sha256(value: Value) -> str:
    """64 hexadecimal digits, empty where it is not set."""
    if value.text is not None and not re.fullmatch("[0-9a-fA-F]{64}", value.text):
        raise value.error(": write 64 hexadecimal digits")
    return (value.text or "").lower()


def parse_pkg(value: Value) -> str:
    """An identifier path that leaves the build's own files their names."""
    if value.text is None:
        file = value.root / "pyproject.toml"
        problem, remedy = "", f"write PKG under [tool.cosmo.env] in {file}"
        if not file.exists():
            problem, remedy = f", and there is no {file}", "go to the project's folder"
        remedy += ", or name the package to run, as in `PKG=name invoke cosmo`"
        raise RecipeError(f"PKG is not set{problem}; {remedy}")
    first, *rest = value.text.split(".")
    if not all(part.isidentifier() for part in (first, *rest)):
        rule = "use a Python identifier, or several joined by dots"
        raise value.error(f" is not the name of a package: {rule}")
    if is_reserved(first) or first == "__main__":
        raise value.error(": Python or the build folder needs that name; rename the package")
    return value.text


def parse_urls(value: Value) -> tuple[str, ...]:
    """URLs for wget, as they stand; or one path, also by a file URL."""
    words = (value.text or "").split()
    if len(words) > 1 and all("://" in word for word in words):
        return tuple(url for word in words for url in parse_urls(value._replace(text=word)))
    text, path = value.text or "", value.path()
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme in ("http", "https") and parts.netloc:
        if text.isascii() and text.isprintable() and " " not in text:
            return (text,)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        path = Path(unquote(parts.path))
    elif not text or "://" in text:
        raise value.error(": give an https, http or file URL, or a path")
    if not path.is_file():
        raise value.error(f": there is no file {path}; correct it")
    return (str(path),)


def public_url(address: str) -> str:
    """An address as it may be published: without user, password and query; a path as it is."""
    if "://" not in address:
        return address
    parts = urlsplit(address)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def parse_version(value: Value) -> str | None:
    """A version of numbers and dots, None where it is not set."""
    if value.text is not None and not re.fullmatch(r"\d+(\.\d+)+", value.text):
        raise value.error(": write a release of cosmo.zip, as 4.0.2")
    return value.text


def parse_deps(value: Value) -> str | None:
    """The path of a requirements file, `none`, or None where it is not set."""
    if value.text is None or value.text == "none":
        return value.text
    if not value.text or not value.path().is_file():
        raise value.error(f": there is no file {value.path()}; name a requirements file, or none")
    return str(value.path())


def parse_dir_site(value: Value) -> str:
    """A folder of its own inside the project, which ends in Lib/site-packages."""
    text, root = value.text or "", value.root
    clean, site = os.path.normpath(text), root / text
    parts, build = clean.split(os.sep), site.parent.parent.resolve()
    if os.path.isabs(text) or ".." in text.split("/"):
        problem = "must lie inside the project and be relative to it"
    elif parts[-2:] != ["Lib", "site-packages"] or len(parts) < 3:
        problem = "must be a folder of the project's, then Lib/site-packages"
    elif root not in build.parents:
        problem = f"leads out of the project, to {build}"
    elif (root / "src").resolve() in (build, *build.parents):
        problem = "lies among the sources"
    elif site.is_symlink() or site.parent.is_symlink():
        problem = "is a symbolic link"
    else:
        return clean
    raise value.error(f" {problem}; dist/cosmo/Lib/site-packages is usual")


def parse_src(value: Value) -> str | None:
    """A folder in the project, None where it is not set."""
    folder = value.root / (value.text or "")
    if value.text is not None and not (value.text and folder.is_dir() and is_inside(folder, value)):
        raise value.error(": no such folder in the project; name the one that PKG is in")
    return value.text


def parse_out(value: Value) -> str | None:
    """A path inside the project that an executable may be put at, None where it is not set."""
    if value.text is None:
        return None
    root, path = value.root, Path(os.path.normpath(value.root / value.text))
    if os.path.isabs(value.text) or root not in path.parents or ".." in Path(value.text).parts:
        problem = "must lie inside the project and be relative to it"
    elif not is_inside(path.parent, value):
        problem = f"leads out of the project, to {path.parent.resolve()}"
    elif value.text.endswith("/") or path.is_dir():
        problem = "is a folder; name a file in it"
    elif path.is_symlink() or (path.exists() and not path.is_file()):
        problem = "exists, and is no file; move it away, or name another"
    elif path.exists() and not is_executable(path):
        problem = "exists, and is no executable that a build made; move it away, or name another"
    else:
        return str(path.relative_to(root))
    raise value.error(f" {problem}")


def is_inside(folder: Path, value: Value) -> bool:
    """Whether `folder` is the project's or in it, as it is written and as symbolic links lead."""
    paths = (Path(os.path.normpath(folder)), folder.resolve())
    return all(value.root in (path, *path.parents) for path in paths)


def is_reserved(name: str) -> bool:
    """Whether the build folder needs a file's name for its own files."""
    reserved = name.lower() in ("python", "zip", "lib", "download")
    return reserved or name.startswith(".") or name.endswith((".zip", ".part"))


def is_executable(path: Path) -> bool:
    """Whether a file begins as an Actually Portable Executable."""
    with path.open("rb") as file:
        return file.read(6).decode("latin-1") in APE_STARTS


# recipes/settings.py ----------------------------------------------------------
# The settings: one table of name, default, parser and meaning, and where a value comes from.
#
# A value is looked up in the task's options, the environment, `[tool.cosmo.env]` of `pyproject.toml`,
# the article's `[tool.ds.scripts]` `_.env`, and what `[project]` says; a default comes last.

SETTINGS: dict[str, Setting] = {}
MAX_LENGTH = 10_000
"""How many characters a setting may have, its `$NAME`s expanded."""


class Setting:
    """A setting: its name, default (None: there is none), parser and meaning."""

    def __init__(self, name: str, default: str | None, parse: Callable[[Value], Any]) -> None:
        self.name, self.default, self.parse, self.meaning = name, default, parse, ""

    def means(self, meaning: str) -> None:
        """List this setting, with its meaning."""
        self.meaning = meaning
        SETTINGS[self.name] = self


Setting("PKG", None, parse_pkg).means(
    "the package or module to run: a Python identifier, or several joined by dots; without it, the"
    " name of `[project]`, or what its scripts are imported from"
)
Setting("DIR_SITE", "dist/cosmo/Lib/site-packages", parse_dir_site).means(
    "the folder, inside the project, that the program is gathered and compiled in; it ends in"
    " `Lib/site-packages`, and what is above that is the build folder"
)
Setting("COSMO_URL", "https://cosmo.zip/pub/cosmos/bin/python", parse_urls).means(
    "the interpreter, CPython 3.10 or newer: an https, http or file URL, or a path; or several"
    " URLs, separated by spaces, of which the first that answers with what is locked is used"
)
Setting("COSMO_VERSION", None, parse_version).means(
    "a release of cosmo.zip, 4.0.2 for example: its interpreter, and its `zip`, which stay as they"
    " are, in place of the newest; not beside COSMO_URL"
)
Setting("COSMO_SHA256", None, parse_sha256).means(
    "the sha256 that the interpreter's file must have, where there is no `pylock.cosmo.toml`"
)
Setting("COSMO_OFFLINE", "0", parse_switch).means(
    "1 takes what is in the user's cache and asks no server for anything"
)
Setting("COSMO_ZIP_URL", "https://cosmo.zip/pub/cosmos/bin/zip", parse_urls).means(
    "the `zip` to fetch where none is on PATH; given like COSMO_URL"
)
Setting("COSMO_SRC", None, parse_src).means(
    "the folder that PKG is in; without it, `src`, else the project's own folder"
)
Setting("COSMO_DEPS", None, parse_deps).means(
    "a requirements file to install, in place of `[project]` dependencies; `none`: neither"
    " dependencies nor metadata"
)
Setting("COSMO_ENTRY", None, parse_text).means(
    "what starts: `module:function`, or the name of a `[project.scripts]` entry; `*` makes an"
    " executable for each of these; without it, the one script, or the one that is called like"
    " the project, else `-m PKG`; `-m PKG` first where the article's table sets PKG"
)
Setting("COSMO_EXCLUDE", "", parse_patterns).means(
    "what of the program and its dependencies to leave out: patterns for paths below"
    " `site-packages`, as shell words; `*` stands for any text, `/` too"
)
Setting("COSMO_KEEP", "", parse_patterns).means(
    "`.py` files that are data, a template's for example: patterns like COSMO_EXCLUDE's; what they"
    " name is neither compiled nor removed"
)
Setting("COSMO_SOURCE", "0", parse_switch).means(
    "1 ships the `.py` files too, so that tracebacks show lines and `inspect.getsource` works, and"
    " for a program that looks for its own `.py` files, its plugins for example"
)
Setting("COSMO_OPTIMIZE", "0", parse_optimize).means(
    "1 compiles like `python -O` (no `assert`), 2 like `-OO` (no docstrings either)"
)
Setting("COSMO_PRUNE", "Lib/site-packages/pip* usr/*", parse_patterns).means(
    "which of the interpreter's own files to leave out: `zip`'s patterns, as shell words; empty:"
    " none. Your program's files are never pruned"
)
Setting("COSMO_SLIM", "0", parse_slim).means(
    "1 leaves out what of the standard library neither the program nor its dependencies can reach;"
    " `list` shows it and leaves nothing out; what else to keep is named here, as in `sqlite3 csv`:"
    " what is imported by a name that is made up or stands in data or in a pickle, what help(),"
    " breakpoint() or a name in a string needs of pydoc, pdb, doctest, unittest and the like, and"
    " what the interpreter's own site-packages need, where COSMO_PRUNE keeps them"
)
Setting("COSMO_COMPRESS", "6", parse_compress).means(
    "how zip packs what is added, from 0, which is the quickest and largest, to 9"
)
Setting("COSMO_ISOLATED", "1", parse_switch).means(
    "1 puts `-I` first in `.args`: neither the current directory nor PYTHON* variables can change"
    " what runs; 0 is the default where the article's table sets PKG"
)
Setting("COSMO_ARGS", None, parse_words).means(
    "the lines of `.args`, as shell words, in place of the usual ones; end with `...`, which stands"
    " for the command line's arguments"
)
Setting("COSMO_CHECK", "1", parse_switch).means(
    "0 builds also what cannot start: what it imports is then not checked"
)
Setting("COSMO_SMOKE", None, parse_words).means(
    "arguments to try the new executable with, as shell words, `--version` for example, in an empty"
    " directory and environment; it replaces the old one only if it ends with status 0"
)
Setting("COSMO_OUT", None, parse_out).means(
    "the path of the executable, inside the project, `dist/tool.com` for example; without it, PKG"
    " in the build folder"
)
Setting("COSMO_SCRIPT", None, parse_text).means(
    "a script to package in place of a project, with the metadata in its comments (PEP 723); as"
    " `invoke cosmo.script FILE` does"
)
Setting("COSMO_PROJECT", None, parse_text).means(
    "the folder of the project to package; without it, the one that holds `pyproject.toml`, at or"
    " above the current one; else the current one, if PKG is in it, or the one that holds"
    " `setup.py`, `setup.cfg` or `tasks.py`"
)


RELEASE = "https://cosmo.zip/pub/cosmos/v/$COSMO_VERSION/bin/"
"""Where the files of one release of cosmo.zip are. Source: that site's list of releases."""


class Table(NamedTuple):
    """Some settings, and where they stand, as an error message says it."""

    source: str
    values: Mapping[str, str]


class Settings:
    """The settings of a project: each one is parsed, and so checked, when it is first used.

    Of the tables that they are looked up in, the first counts most.
    """

    def __init__(self, root: Path, *tables: Table) -> None:
        defaults = {name: one.default for name, one in SETTINGS.items() if one.default is not None}
        self.root, self.tables = root, (*with_release(tables), Table("default", defaults))
        self.parsed: dict[str, Any] = {}

    def find(self, name: str) -> tuple[str | None, str]:
        """The text of a setting as it is written, None where it is not set, and its source."""
        tables = (table for table in self.tables if name in table.values)
        return next(((table.values[name], table.source) for table in tables), (None, "not set"))

    def value(self, name: str, trail: tuple[str, ...] = ()) -> Value:
        """A setting's text, with each $NAME in it replaced, and its source.

        `trail` are the settings in which it is being replaced.
        """
        text, source = self.find(name)
        if text is not None:
            text = Template(text).safe_substitute(Names(self, (*trail, name)))
            if len(text) > MAX_LENGTH:
                problem = f"is longer than {MAX_LENGTH} characters; shorten it"
                raise RecipeError(f"{name} ({source}) {problem}")
        return Value(name, text, source, self.root)

    def get(self, name: str) -> Any:
        """What the parser of a setting makes of it. Raises `RecipeError` for what it cannot be."""
        if name not in self.parsed:
            with exit_on_error(name):
                self.parsed[name] = SETTINGS[name].parse(self.value(name))
        return self.parsed[name]


class Names(dict[str, str]):
    """What each $NAME in a setting stands for."""

    def __init__(self, settings: Settings, trail: tuple[str, ...]) -> None:
        self.settings, self.trail = settings, trail

    def __missing__(self, name: str) -> str:
        text, source = self.settings.find(name)
        if text is None or name in self.trail:
            problem = "is not set" if text is None else "leads back to itself"
            user, where = self.settings.find(self.trail[-1])
            raise RecipeError(f"{self.trail[-1]}={user} ({where}): ${name} {problem}; correct it")
        # what the environment has, the shell that set it has expanded
        return text if source == "environment" else self.settings.value(name, self.trail).text or ""


def with_release(tables: tuple[Table, ...]) -> Iterator[Table]:
    """The tables, and behind the first one that names a release, the addresses of its files."""
    is_named = False
    for table in tables:
        yield table
        if table.values.get("COSMO_VERSION") and not is_named:
            is_named = True
            if "COSMO_URL" in table.values:
                problem = f"COSMO_VERSION and COSMO_URL ({table.source}) both name an interpreter"
                raise RecipeError(f"{problem}; set one of them")
            urls = {"COSMO_URL": f"{RELEASE}python", "COSMO_ZIP_URL": f"{RELEASE}zip"}
            yield Table("COSMO_VERSION", urls)


def nearest_setting(name: str, likeness: float) -> str | None:
    """The setting that a misspelt name stands for; None if none is so much (0 to 1) like it."""
    endings = {one.replace("COSMO_", ""): one for one in SETTINGS}
    near = get_close_matches(name.upper().replace("COSMO_", ""), endings, 1, likeness)
    return endings[near[0]] if near else None


def is_setting(name: str) -> bool:
    """Whether `name` is, or looks like, a setting."""
    return name in ("PKG", "DIR_SITE") or name.startswith("COSMO_")


# recipes/pyproject.py ---------------------------------------------------------
# `pyproject.toml`: its accessors, where the project lies, and the tables that hold settings.
#
# Errors name the file, the key and what is allowed there.

ARTICLE = "[tool.ds.scripts] _.env"
NAMED_BY = ("[project] name", "[tool.poetry] name")
SCRIPT_BLOCK = r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$"
"""Metadata in a script's comments. Source: PEP 723, its reference implementation."""

KINDS = {dict: "a table", list: "an array", str: "a string", bool: "a boolean", int: "an integer"}


class Toml(NamedTuple):
    """A table of a TOML file: the file it is from, its data, and the keys that lead to it."""

    file: Path | str
    data: Mapping[str, Any] = {}
    keys: tuple[str, ...] = ()
    remedy: str = "correct it there"

    def error(self, key: str, problem: str) -> RecipeError:
        """The error that there is something wrong with a key."""
        return RecipeError(f"{self.file}: {'.'.join((*self.keys, key))} {problem}; {self.remedy}")

    def get(self, key: str, kind: type, default: Any) -> Any:
        """The value at `key`, which must be of a kind, else `default`."""
        value = self.data.get(key, default)
        if type(value) is not kind:
            found = KINDS.get(type(value), "a date or a number")
            raise self.error(key, f"is {found}, and must be {KINDS[kind]}")
        return value

    def table(self, *keys: str) -> Toml:
        """The table at `keys`, empty where there is none."""
        table = self
        for key in keys:
            table = table._replace(data=table.get(key, dict, {}), keys=(*table.keys, key))
        return table

    def tables(self, key: str) -> list[Toml]:
        """The array of tables at `key`."""
        values = self.get(key, list, [])
        if not all(isinstance(value, dict) for value in values):
            raise self.error(key, "must hold tables")
        return [self._replace(data=value, keys=(*self.keys, key)) for value in values]

    def string(self, key: str, pattern: str = r"[^\n\r]*", default: str | None = "") -> str:
        """The string at `key`, which must match `pattern`; without a default, it must be there."""
        if key not in self.data and default is None:
            raise self.error(key, "is missing")
        value: str = self.get(key, str, default)
        if key in self.data and not re.fullmatch(pattern, value):
            raise self.error(key, f"cannot be {value!r}")
        return value

    def strings(self, key: str) -> tuple[str, ...]:
        """The array at `key` of strings, each of one line that begins with a letter or digit."""
        values = self.get(key, list, [])
        for value in values:
            if not isinstance(value, str) or not value[:1].isalnum() or not value.isprintable():
                raise self.error(key, f"cannot hold {value!r}")
        return tuple(values)

    def items(self) -> dict[str, str]:
        """The table as names and strings, each of one line."""
        for key, value in self.data.items():
            if not isinstance(value, str) or not (key + value).isprintable():
                raise self.error(key, f"cannot be {value!r}")
        return dict(self.data)


def parse_toml(file: Path | str, content: bytes, remedy: str = "correct it there") -> Toml:
    """The TOML in the content of `file`; `RecipeError` where it is none, with the remedy."""
    text = ""
    try:
        text = content.decode()
        return Toml(file, tomllib.loads(text), remedy=remedy)
    except (ValueError, RecursionError) as error:
        end = f"at line {len(text.splitlines())}, the end"
        reason = str(error).replace("at end of document", end)
        raise RecipeError(f"{file} is not valid TOML: {reason}; {remedy}") from error


def read_toml(path: Path, remedy: str = "correct it there") -> Toml:
    """The TOML file at `path`, empty where there is none; errors in it end in the remedy."""
    with exit_on_error(f"{path} cannot be read"):
        content = path.read_bytes() if path.exists() else b""
        return parse_toml(path, content, remedy)


class Location(NamedTuple):
    """Where a project lies, what named it, its `pyproject.toml` (or a script's), its settings."""

    root: Path
    source: str
    pyproject: Toml
    tables: tuple[Table, ...]
    script: Path | None = None


def locate_project(here: Path, *given: Table) -> Location:
    """The project that COSMO_SCRIPT or COSMO_PROJECT names, else that at or above `here`.

    The nearest `pyproject.toml` counts, which may itself send on with one of these, once. Without
    any, it is `here`, if PKG is in it, else where the nearest `setup.py`, `setup.cfg` or `tasks.py`
    lies.
    """

    def nearest(*names: str) -> Path | None:
        folders = (here, *here.parents)
        return next((path for path in folders if any((path / n).is_file() for n in names)), None)

    locators = {"COSMO_SCRIPT": locate_script, "COSMO_PROJECT": locate_folder}
    settings = Settings(here, *given)
    for name, locate in locators.items():
        text, source = settings.find(name)
        if text is not None:
            return locate(here, text, source)
    top = (settings.find("PKG")[0] or "").partition(".")[0]
    is_here = top and any((here / name).exists() for name in (top, f"{top}.py", f"src/{top}"))
    root = nearest("pyproject.toml")
    root = root or (here if is_here else nearest("setup.py", "setup.cfg", "tasks.py") or here)
    location = locate_folder(root, ".", "default")
    for table in location.tables:
        for name in locators.keys() & table.values.keys():
            for other in filter(is_setting, table.values.keys() - {name}):
                problem = f"{other} beside {name} is not read; write it there where that leads"
                raise RecipeError(f"{location.pyproject.file}: {problem}")
            value = Settings(root, *given, *location.tables).value(name)
            return locators[name](root, value.text or "", value.source)
    return location


def locate_folder(base: Path, folder: str, source: str) -> Location:
    """The project in `folder`, which is relative to `base`."""
    root = base / Path(folder).expanduser()
    if not folder or not root.is_dir():
        problem = f"no such folder: {root}; name a project's folder"
        raise RecipeError(f"COSMO_PROJECT={folder!r} ({source}): {problem}")
    root = root.resolve()
    pyproject = read_toml(root / "pyproject.toml")
    article = pyproject.table("tool", "ds", "scripts", "_", "env")
    tables = [settings_table(pyproject, ""), as_variables(ARTICLE, article)]
    for keys, where in zip((("project",), ("tool", "poetry")), NAMED_BY):
        name = pyproject.table(*keys).data.get("name")
        tables += [name_table(where, name)] if isinstance(name, str) else []
    return Location(root, source, pyproject, tuple(tables))


def check_names(location: Location, given: tuple[Table, ...]) -> None:
    """Check the names in the tables of settings: what looks like a setting is to be one.

    In `[tool.cosmo.env]` all is refused that is neither a setting nor expanded in one; elsewhere,
    where others have their names too, only what is much like one.
    """
    texts = [text for table in location.tables for text in table.values.values()]
    used = set(re.findall(r"\$\{?(\w+)", "\n".join(texts)))
    for table in (*given, *location.tables):
        for name in sorted(table.values.keys() - SETTINGS.keys() - used):
            is_own = table is location.tables[0]
            if not is_own and not is_setting(name):
                continue
            near = nearest_setting(name, 0.6 if is_own else 0.8)
            if is_own or near:
                place = "" if table in given else f"{location.pyproject.file}: "
                also = f" did you mean {near}?" if near else ""
                problem = f"{place}{name} ({table.source}) is no setting;{also}"
                raise RecipeError(f"{problem} `invoke cosmo.settings` lists them")


def locate_script(base: Path, file: str, source: str) -> Location:
    """The script at `file`, relative to `base`, as a project in the script's folder."""
    path = (base / Path(file).expanduser()).resolve()
    if not path.is_file():
        problem = f"{path} is no such file; name a script"
        raise RecipeError(f"COSMO_SCRIPT={file!r} ({source}): {problem}")
    with exit_on_error(f"{path} cannot be read"):
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    blocks = [match["content"] for match in re.finditer(SCRIPT_BLOCK, text)]
    if not blocks and re.search("(?m)^# /// script$", text):
        raise RecipeError(f"{path} has a `# /// script` block without an end; end it with `# ///`")
    if len(blocks) > 1:
        raise RecipeError(f"{path} has several `# /// script` blocks, where one may be; join them")
    content = re.sub("(?m)^# ?", "", "".join(blocks)).encode()
    toml = parse_toml(f"the `# /// script` block of {path}", content)
    keys = {"dependencies", "requires-python"} & toml.data.keys()
    metadata = Toml(path, {"project": {key: toml.data[key] for key in keys}})
    pkg = Table("the script's name", {"PKG": script_module(path.stem)})
    tables = settings_table(toml, " of the script"), pkg
    return Location(path.parent, source, metadata, tables, path)


def script_module(stem: str) -> str:
    """The module that a script becomes: its name, where that is an identifier and not Python's."""
    name = re.sub(r"\W", "_", stem)
    here = (path.stem for path in Path(os.__file__).parent.iterdir())  # before Python 3.10
    library = getattr(sys, "stdlib_module_names", None) or set(here)
    taken = is_reserved(name) or name == "__main__" or name in library
    return name if name.isidentifier() and not taken else f"script_{name}"


def name_table(source: str, name: str) -> Table:
    """PKG where it follows from a name, in which `-` and `.` stand for `_`."""
    return Table(source, {"PKG": re.sub(r"[-.]", "_", name)})


def settings_table(toml: Toml, owner: str) -> Table:
    """The table `[tool.cosmo.env]`; `RecipeError` for keys beside it, which nothing would read."""
    for key in toml.table("tool", "cosmo").data.keys() - {"env"}:
        problem = f"tool.cosmo.{key} is not read; write it under [tool.cosmo.env]"
        raise RecipeError(f"{toml.file}: {problem}")
    return as_variables(f"[tool.cosmo.env]{owner}", toml.table("tool", "cosmo", "env"))


def as_variables(source: str, toml: Toml) -> Table:
    """A table as environment variables: strings; numbers and booleans are spelt out.

    What else it holds is left out, but for a setting, which must be one of these.
    """
    values: dict[str, str] = {}
    for name, value in toml.data.items():
        if isinstance(value, (str, int, float)):
            values[name] = str(int(value) if isinstance(value, bool) else value)
        elif is_setting(name):
            toml.get(name, str, "")
    return Table(source, values)


# recipes/lockfile.py ----------------------------------------------------------
# `pylock.cosmo.toml`: the interpreter and the dependencies that a build takes, or stops.
#
# It is a lock file by PEP 751, as uv writes and installs it; the interpreter has its own table,
# `[tool.cosmo-recipes.python]`.

HEAD = "# What `invoke cosmo` builds from; commit it. `invoke cosmo.lock` writes it anew."


@dataclass(frozen=True)
class Lock:
    """What is locked: the interpreter, and the dependencies where there are any.

    `url`, `size` in bytes, `sha256` and `last_modified`, in UTC and empty where no server gave it,
    are those of the interpreter's file; `version` is its Python's. `inputs` is what the packages
    were resolved for, and `packages` are their names.
    """

    url: str
    size: int
    sha256: str
    version: str
    last_modified: str
    inputs: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()


def count(number: int, noun: str) -> str:
    """How many there are, in words."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def lock_name(script: Path | None) -> str:
    """The name of a project's lock file, or a script's; PEP 751 allows no further dot in it."""
    return f"pylock.cosmo-{script.stem.replace('.', '-')}.toml" if script else "pylock.cosmo.toml"


def read_lock(path: Path, old: str, command: str) -> Lock | None:
    """The lock at `path`; None where there is none. `RecipeError` for what cannot be one.

    `old` is the name that earlier releases gave it; that is refused, not ignored. `command` writes
    the lock anew.
    """
    if not path.exists():
        if path.with_name(old).exists():
            remedy = f"write the new one with `{command}`, and remove it"
            raise RecipeError(f"{path.with_name(old)} is no longer read; {remedy}")
        return None
    lock = read_toml(path, f"write it anew with `{command}`")
    lock.string("lock-version", r"1\.0", default=None)
    ours = lock.table("tool", "cosmo-recipes")
    python = ours.table("python")
    if python.get("size", int, 0) < 0:
        raise python.error("size", "cannot be negative")
    packages = tuple(map(check_package, lock.tables("packages")))
    missing = set(ours.strings("packages")) - set(packages)
    if missing:
        raise lock.error("packages", f"has no {' or '.join(sorted(missing))}")
    return Lock(
        url=python.string("url", r"\S(.*\S)?", default=None),
        size=python.get("size", int, None),
        sha256=python.string("sha256", "[0-9a-f]{64}", default=None),
        version=python.string("version", r"\d+\.\d[0-9a-z.+]*", default=None),
        last_modified=python.string("last-modified", r"[-0-9TZ:]*"),
        inputs=ours.strings("inputs"),
        packages=packages,
    )


def check_package(package: Toml) -> str:
    """The name of a locked package, which must have files, each with its sha256."""
    name = package.string("name", r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", default=None)
    for key in package.data.keys() & {"directory", "vcs"}:
        source = package.table(key).data
        where = source.get("path") or source.get("url")
        problem = f"it comes from {where}, whose content has no hash"
        raise RecipeError(f"{name} cannot be locked: {problem}; require a release of it")
    single = [package.table(key) for key in ("sdist", "archive") if key in package.data]
    files = [*single, *package.tables("wheels")]
    for file in files:
        file.table("hashes").string("sha256", "[0-9a-f]{64}", default=None)
    if not files:
        raise package.error(name, "has neither wheel nor sdist")
    return name


def lock_text(pylock: str, lock: Lock) -> str:
    """The text of a lock file, from that of what uv resolved.

    Without `requires-python`, for uv refuses to install what is not for the host's own Python.
    """
    lines = pylock.splitlines() or ['lock-version = "1.0"', 'created-by = "cosmo-recipes"']
    lines = [line for line in lines if not re.match("#|requires-python = |packages = ", line)]
    lines += [] if "[[packages]]" in lines else ["packages = []"]
    inputs = [f"    {json.dumps(text, ensure_ascii=False)}," for text in lock.inputs]
    names = re.findall(r'(?m)^\[\[packages\]\]\nname = "([^"]+)"', pylock)
    lines += ["", "[tool.cosmo-recipes]", "inputs = [", *inputs, "]"]
    lines += [f"packages = {json.dumps(names)}", ""]
    lines += ["[tool.cosmo-recipes.python]"]
    for key in ("url", "size", "sha256", "version", "last_modified"):
        lines.append(f"{key.replace('_', '-')} = {json.dumps(getattr(lock, key))}")
    return "\n".join([HEAD, *lines, ""])


# recipes/metadata.py ----------------------------------------------------------
# The program's metadata, as `[project]` has it, and its entry points.

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


# recipes/source.py ------------------------------------------------------------
# The program's source: where it lies, whether it starts, and whether it can be packaged.


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


# recipes/project.py -----------------------------------------------------------
# The project: what its settings and `pyproject.toml` say of its source, and what is made of it.

FIRST_TIME, LAST_TIME = 315_532_800, 4_291_747_198
"""The seconds from 1980, when a zip's times begin, to the last that a `.pyc` of 2105 holds."""

WORK_FILES = (
    ".args",
    ".deps",
    ".built",
    ".imports",
    ".layer",
    ".lock",
    ".new",
    ".smoke",
    "download",
    "python.part",
    "zip.part",
)
"""What a build writes in the build folder, beside Lib, the interpreter and the executables."""

APP_MARK = "# Written by `invoke cosmo.app`."
"""How a script begins that `cosmo.app` wrote."""

CONSTRAINT, FORCE, INPUTS = "constraint", "force", "inputs"
"""The names under which the options of a task may have versions to resolve with; that nothing of
an earlier build is to be kept; and the digest of all that the build depends on."""


class Executable(NamedTuple):
    """One output file: its name while it is made, its path, its `.args`, and what starts.

    `entry` is `module:function`, or a module to run; empty where COSMO_ARGS does not name one.
    """

    name: str
    path: str
    args: tuple[str, ...]
    entry: str


class Project(Settings):
    """A project to package. Its paths are relative to the current directory.

    What is wrong in a setting or in `pyproject.toml` raises `RecipeError` when it is first used.
    `faithful` if the article's table configures the build: then it is as the article's.
    """

    constraint = ""
    """Versions, as shell words, that the dependencies are to be resolved with."""
    force = inputs = ""
    """Not empty if nothing of an earlier build is to be kept; the digest of what goes in."""

    def __init__(self, location: Location, *given: Table) -> None:
        super().__init__(location.root, *given, *location.tables)
        self.location, self.script = location, location.script
        self.folder = os.path.relpath(location.root)
        check_names(location, given)
        if self.find("PKG")[1] in ("not set", *NAMED_BY):
            self.tables = (*self.infer_pkg(), *self.tables)
            self.parsed.clear()
        self.faithful = self.find("PKG")[1] == ARTICLE
        if self.faithful:
            self.tables = (
                *self.tables[:-1],
                Table(ARTICLE, {"COSMO_ISOLATED": "0"}),
                self.tables[-1],
            )

    @property
    def pkg(self) -> str:
        """The article's `$PKG`."""
        return str(self.get("PKG"))

    @property
    def site(self) -> str:
        """The article's `$DIR_SITE`."""
        path = os.path.normpath(os.path.join(self.folder, self.get("DIR_SITE")))
        return f"./{path}" if path.startswith("-") else path

    @property
    def build(self) -> str:
        """The article's `dist/cosmo`: whatever a build writes lies in it."""
        return os.path.dirname(os.path.dirname(self.site))

    @cached_property
    def metadata(self) -> Metadata:
        """What `[project]` says."""
        pyproject = self.location.pyproject
        backend = "build-system" in pyproject.data or (self.root / "setup.py").is_file()
        return read_metadata(pyproject, backend)

    @cached_property
    def source(self) -> Path:
        """The package's folder, or the module or script, that goes in."""
        _ = self.pkg
        return self.script or find_source(self.root, self.get("COSMO_SRC"), self.value("PKG"))

    @property
    def top(self) -> str:
        """The name of the program's package or module in DIR_SITE."""
        is_module = self.source.suffix == ".py" or self.source == self.script
        return self.pkg.partition(".")[0] + (".py" if is_module else "")

    @cached_property
    def is_app(self) -> bool:
        """Whether it is a script that `cosmo.app` wrote."""
        return self.script is not None and self.script.read_bytes().startswith(APP_MARK.encode())

    @cached_property
    def beside(self) -> list[Path]:
        """What else an installation brings, where the source's folder holds packages alone."""
        folder = self.source.parent
        if self.script or folder.resolve() == self.root or not self.metadata.dist_info:
            return []
        return [
            path
            for path in sorted(folder.iterdir())
            if path != self.source and path.stem.isidentifier() and not path.is_symlink()
            if path.suffix == ".py" or (path.is_dir() and any(path.rglob("*.py")))
        ]

    @cached_property
    def executables(self) -> tuple[Executable, ...]:
        """The executables to make: one, but for `COSMO_ENTRY=*`."""
        entry, words, out = self.value("COSMO_ENTRY"), self.get("COSMO_ARGS"), self.out
        by_default = self.value("COSMO_ISOLATED").source == "default"
        isolated = self.get("COSMO_ISOLATED") and not (words is not None and by_default)
        options = ("-I",) if isolated else ()
        if self.get("COSMO_SOURCE") and self.get("COSMO_OPTIMIZE"):
            options += ("-" + "O" * self.get("COSMO_OPTIMIZE"),)
        if words is not None and entry.text is not None:
            raise RecipeError("COSMO_ARGS and COSMO_ENTRY both say what starts; set one of them")
        scripts, entries = self.metadata.scripts, {self.pkg: ""}
        if words is None:
            main = has_main(self.source, self.pkg, scripts, self.get("COSMO_EXCLUDE"))
            preferred = None if self.faithful and main else self.metadata.main_script(self.pkg)
            entry = entry._replace(text=preferred) if entry.text is None else entry
            entries = find_entries(entry, scripts, self.pkg, main)
        if self.script and len(entries) == 1 and not is_reserved(self.script.stem):
            entries = {self.script.stem: entries.popitem()[1]}
        if out and len(entries) > 1:
            problem = f"cannot name {len(entries)} executables; set it for one entry"
            raise RecipeError(f"COSMO_OUT={out} {problem}")
        given, made = self.value("COSMO_ARGS"), []
        for name, call in entries.items():
            lines = args_lines(given, words, options, self.pkg, call, bool(self.script))
            start = call or (self.pkg if words is None else run_module(words))
            made.append(Executable(name, out or os.path.join(self.build, name), lines, start))
        return tuple(made)

    @property
    def entry_source(self) -> str:
        """What says which function starts, in parentheses; empty where none does."""
        if not any(":" in executable.entry for executable in self.executables):
            return ""
        text = self.value("COSMO_ENTRY").text
        return " (COSMO_ENTRY)" if is_entry_point(text or "") else " ([project.scripts])"

    @property
    def out(self) -> str:
        """The path in COSMO_OUT, empty where it is not set; not one the build folder needs."""
        out = self.get("COSMO_OUT")
        path = os.path.relpath(os.path.join(self.folder, out)) if out else ""
        first, *rest = os.path.relpath(path or ".", self.build).split(os.sep)
        if out and first != ".." and (rest or is_reserved(first)):
            raise self.value("COSMO_OUT").error(" is a name that the build folder needs itself")
        return path

    @property
    def lock_file(self) -> Path:
        """Where the lock lies: beside `pyproject.toml`, or beside a script, under its name."""
        return Path(self.folder, lock_name(self.script))

    @property
    def lock_command(self) -> str:
        """The command that writes the lock."""
        script = f" --script {quote(os.path.relpath(self.script))}" if self.script else ""
        return f"invoke cosmo.lock{script}"

    @cached_property
    def lock(self) -> Lock | None:
        """What is locked, None where nothing is. COSMO_SHA256 must agree with it."""
        old = f"{self.script.stem}.cosmo.lock" if self.script else "cosmo.lock"
        lock = read_lock(self.lock_file, old, self.lock_command)
        if lock and self.get("COSMO_SHA256") not in ("", lock.sha256):
            problem = f" is not what is locked, {lock.sha256}; remove one of them"
            raise self.value("COSMO_SHA256").error(problem)
        return lock

    @property
    def installs(self) -> bool:
        """Whether there are, or may be, dependencies to install."""
        deps, metadata = self.get("COSMO_DEPS"), self.metadata
        return deps != "none" and bool(deps or metadata.built or metadata.dependencies)

    @property
    def layer(self) -> str:
        """The folder for the installed dependencies; empty where there are none."""
        packages = self.lock is None or self.lock.packages
        return os.path.join(self.build, ".layer") if self.installs and packages else ""

    @property
    def writes_metadata(self) -> bool:
        """Whether there are dependencies to install, or metadata to write.

        The article knows neither: where its table configures the build, and there is nothing to
        install, the executable holds what the article puts in.
        """
        bare = self.get("COSMO_DEPS") == "none" or self.faithful or not self.metadata.dist_info
        return self.installs or not bare

    @cached_property
    def uses_uv_lock(self) -> bool:
        """Whether the project's own `uv.lock` says what to install, for lack of another."""
        if not self.installs or self.get("COSMO_DEPS") or self.script or self.lock:
            return False
        if (self.root / "uv.lock").is_file():
            return True
        for folder in (path for path in self.root.parents if (path / "uv.lock").is_file()):
            with suppress(RecipeError):  # what is not this project's own is none of its errors
                keys = ("tool", "uv", "workspace")
                workspace = read_toml(folder / "pyproject.toml").table(*keys)
                member, excluded = (
                    any(self.root in folder.glob(pattern) for pattern in workspace.strings(key))
                    for key in ("members", "exclude")
                )
                if member and not excluded:
                    return True
        return False

    @property
    def excluded(self) -> list[str]:
        """The tests of `find` for what COSMO_EXCLUDE names below the folder that it runs in."""
        return [f"-path ./{shlex.quote(pattern)}" for pattern in self.get("COSMO_EXCLUDE")]

    @cached_property
    def epoch(self) -> int:
        """The time, in seconds since 1970, of all that goes in.

        SOURCE_DATE_EPOCH, else the time of the last commit, else 1980; kept to what a zip and a
        `.pyc` can hold. Source: the specification of SOURCE_DATE_EPOCH, reproducible-builds.org.
        """
        given = os.environ.get("SOURCE_DATE_EPOCH")
        if given is not None and not re.fullmatch("[0-9]{1,18}", given):
            rule = "write a time in seconds since 1970, or unset it"
            raise RecipeError(f"SOURCE_DATE_EPOCH={given!r}: {rule}")
        seconds = int(given) if given is not None else last_commit(self.root)
        return min(max(seconds, FIRST_TIME), LAST_TIME)

    def check(self) -> None:
        """Check all settings, the source, the lock, and that no folder is in a result's place."""
        with exit_on_error("the settings cannot be read"):
            for name in SETTINGS:
                self.get(name)
            for path in (self.source, *self.beside):
                check_source(path, Path(self.build), self.get("COSMO_EXCLUDE"))
        results = [executable.path for executable in self.executables]
        for result in (*results, f"{self.build}/python", f"{self.build}/zip"):
            if Path(result).is_dir():
                raise RecipeError(f"{result} is a folder, in the place of a file to make; move it")
        _ = self.lock, self.epoch

    def check_build_folder(self) -> None:
        """Check that nothing a build writes leads out of the build folder."""
        build = Path(self.build)
        paths = [*(build / name for name in WORK_FILES), *(build / "download").rglob("*")]
        for path in (*paths, *build.glob(".ape*"), *build.glob(".layer/*")):
            if path.is_symlink():
                problem = "is a symbolic link, and a build would write through it; remove it"
                raise RecipeError(f"{path} {problem}")

    def infer_pkg(self) -> list[Table]:
        """PKG from what starts, where the project's name, if it has one, is no package's."""
        pkg, entry = self.value("PKG"), self.value("COSMO_ENTRY")
        if pkg.text is not None:
            with suppress(RecipeError):
                _ = self.script or find_source(self.root, self.get("COSMO_SRC"), pkg)
                return []
        scripts, where = self.metadata.scripts, "COSMO_ENTRY"
        if entry.text is None:
            entry, where = entry._replace(text="*" if scripts else None), "[project.scripts]"
        entries = find_entries(entry, scripts, "", True).values()
        tops = {re.split("[.:]", target)[0] for target in entries} - {""}
        if not tops and not scripts and not self.script:
            tops, where = set(find_packages(self.root / "src")), "the only package in src"
        return [Table(where, {"PKG": tops.pop()})] if len(tops) == 1 else []


def load_project(options: Mapping[str, str] | None = None) -> Project:
    """The project that the options of a task, the environment or the current directory name."""
    with exit_on_error("the settings cannot be read"):
        given = (Table("option", options or {}), Table("environment", os.environ))
        project = Project(locate_project(Path.cwd(), *given), *given)
        values = [(options or {}).get(name, "") for name in (CONSTRAINT, FORCE, INPUTS)]
        project.constraint, project.force, project.inputs = values
        return project


@lru_cache
def last_commit(folder: Path) -> int:
    """The time of the last commit where a project lies, in seconds; 0 where git has none.

    The environment's GIT_* variables make no difference; git's own safeguards hold.
    """
    env = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
    git = ["git", "-c", "log.showSignature=false", "log", "-1", "--format=%ct"]
    try:
        done = subprocess.run(  # no shell, and no value of a setting
            git,
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return 0
    if done.returncode and any((path / ".git").exists() for path in (folder, *folder.parents)):
        reason = (done.stderr.strip().splitlines() or ["git does not say why"])[0]
        log(f"epoch    1980, for git has no last commit here: {reason}")
    return int(done.stdout) if done.stdout.strip().isdigit() else 0


# recipes/session.py -----------------------------------------------------------
# Build-folder lock and signal handling for one task.

OPTIONS = "cosmo_recipes"
"""Where, in Invoke's configuration, the options of a task stand for the tasks that it runs."""

LOCKED_DIRS: dict[str, int] = {}
"""The build folders that this process has locked until it ends, and the open file of each lock."""


@contextmanager
def session(
    c: Context, task: str, options: Mapping[str, str] | None = None
) -> Iterator[tuple[Project, Shell]]:
    """The project and the shell for one task, with its options, alone in the build folder.

    The lines get the article's settings, and what zip, Python and the sorting of names must not
    depend on; and TMPDIR, where an Actually Portable Executable writes its loader. Source for that:
    Cosmopolitan, `ape/ape.S`.
    """
    with handle_signals(), exit_on_error(f"cosmo.{task} cannot go on"):
        p = load_project({**c.config.get(OPTIONS, {}), **(options or {})})
        p.check_build_folder()
        article = {
            "SOURCE_DATE_EPOCH": str(p.epoch),
            "PKG": p.value("PKG").text or "",
            "DIR_SITE": p.site,
        }
        fixed = {"LC_ALL": "C", "TZ": "UTC0", "ZIP": "", "ZIPOPT": "", "PYTHONHASHSEED": "0"}
        # with which Python writes no time into a `.pyc`. Source: py_compile's documentation
        fixed["SOURCE_DATE_EPOCH"] = os.environ.get("SOURCE_DATE_EPOCH") or str(FIRST_TIME)
        sh = Shell(c, task, {**article, **fixed, "TMPDIR": p.build})
        if not sh.dry:
            lock_build_folder(Path(p.build))
        yield p, sh


def lock_build_folder(build: Path) -> None:
    """Keep other builds out of the build folder until this process ends, however it does."""
    path = build.resolve() / ".lock"
    if str(path) in LOCKED_DIRS:
        return
    build.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError), (build / ".gitignore").open("x") as file:
        file.write("*\n")
    number = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
    LOCKED_DIRS[str(path)] = number
    try:
        with suppress(ImportError):  # no POSIX system
            import fcntl

            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(LOCKED_DIRS.pop(str(path)))
        problem = "is in use by another build; run this again when that has ended"
        raise RecipeError(f"{build} {problem}") from None
    except OSError:
        pass  # a file system without locks


@contextmanager
def handle_signals() -> Iterator[None]:
    """While it lasts, a signal ends the line that runs, and all it started, with one message."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP")]
    before = {number: signal.getsignal(number) for number in numbers}
    handled = [number for number, handler in before.items() if handler != signal.SIG_IGN]

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        for other in handled:
            signal.signal(other, signal.SIG_IGN)
        LineRunner.end_all()
        name = signal.Signals(number).name
        message = f"cosmo: interrupted by {name}; what a build made before is whole; run it again"
        raise Exit(message, code=128 + number)

    try:
        for number in handled:
            signal.signal(number, stop)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# recipes/interpreter.py -------------------------------------------------------
# The fetched interpreter, and the zip beside it: downloaded by wget, verified, cached.
#
# The user's cache keeps what was downloaded once, for all projects of this machine:
#
#     sha256/HASH     a file, by its content
#     url/HASH.json   what an address gave last: its sha256, file name and time, for `wget -N`
#     uv/             what uv built without a compiler

WGET = "wget -N --no-config --no-hsts -t 3 --waitretry=1 -T 30"
"""The article's `wget -N`, with options that wget and wget2 take. TLS is verified, no `.wgetrc`
is read, and nothing is written to the home folder."""

NO_HTTP = "; export http_proxy=http://127.0.0.1:9/"
"""Where https leads on to http, wget is to fail: it meets a proxy that is not there."""

MAX_DOWNLOAD = 2**30
"""How many bytes a download may have, where no lock says it."""

ONLINE = "go online once, without --offline or COSMO_OFFLINE"
"""What to do where the cache has not all that a build needs."""

FETCHED = {"python": "COSMO_URL", "zip": "COSMO_ZIP_URL"}
"""What is fetched, by its name in the build folder, and the setting that says where from."""


def zip_command(build: str = ".") -> str:
    """The zip to call: the one on PATH, else the one that was fetched into the build folder."""
    return "zip" if shutil.which("zip") else f"sh {build}/zip"


def inside_command(p: Project, mode: str, *words: str) -> str:
    """The line that runs a program of `inside` in the fetched interpreter.

    In a vendored file the programs are in that file itself.
    """
    path = Path(__file__)
    path = path.with_name("inside") if __name__ == "recipes.interpreter" else path
    file = str(path) if os.path.relpath(path).startswith("..") else os.path.relpath(path)
    return f"sh {quote(p.build)}/python -IB {quote(file)} {' '.join([mode, *words])}"


def fetch_tools(p: Project, sh: Shell, force: bool = False) -> str:
    """Fetch the interpreter, and zip if none is installed; return the interpreter's address."""
    if not shutil.which("zip"):
        fetch_tool(p, sh, "zip", force)
    return fetch_tool(p, sh, "python", force)


def wanted_sha256(p: Project, name: str) -> str:
    """The sha256 that a fetched file must have, empty where any will do."""
    return "" if name == "zip" else p.lock.sha256 if p.lock else str(p.get("COSMO_SHA256"))


def lock_message(p: Project) -> str:
    """What is locked, and what serves as a mirror of it."""
    if p.lock is None and p.get("COSMO_SHA256"):
        return "none; the interpreter is the one that COSMO_SHA256 names"
    if p.lock is None:
        also = " but uv.lock's dependencies" if p.uses_uv_lock else ""
        return f"none{also}, so what is current goes in; `{p.lock_command}` writes one"
    url = p.value("COSMO_URL")
    other = url.source != "default" and p.lock.url not in map(public_url, (url.text or "").split())
    mirror = f"; COSMO_URL ({url.source}) is asked for that file alone" if other else ""
    return (
        f"{p.lock_file}: Python {p.lock.version}, {count(len(p.lock.packages), 'package')}{mirror}"
    )


def tool_addresses(p: Project, name: str) -> tuple[str, ...]:
    """The addresses to fetch a file from, in order; where the interpreter is locked, its too."""
    p.get("COSMO_VERSION")  # which may be a part of them, is checked first
    addresses: tuple[str, ...] = p.get(FETCHED[name])
    if (
        name == "python"
        and p.lock
        and "://" in p.lock.url
        and p.lock.url not in map(public_url, addresses)
    ):
        default = p.value("COSMO_URL").source == "default"
        addresses = (p.lock.url,) if default else (*addresses, p.lock.url)
    return addresses


def fetch_tool(p: Project, sh: Shell, name: str, force: bool) -> str:
    """Fetch a file from the cache, or the first address that has it; return its address."""
    addresses, sha256 = tool_addresses(p, name), wanted_sha256(p, name)
    if not (force or p.force or sh.dry) and has_sha256(Path(p.build, name), sha256):
        sh.log("fetch", f"{name} of that sha256 is there")
        return addresses[0]
    cached = None if force else cached_file(sha256)
    if cached:
        sh.log("fetch", f"{name} of that sha256, from the cache")
        take_file(p, sh, name, str(cached), sha256 if sh.dry else "", force)
        return addresses[0]
    for address in addresses[:-1]:
        try:
            sh.log("fetch", public_url(address))
            take_file(p, sh, name, address, sha256, force)
        except RecipeError as error:
            sh.log("fetch", f"{error.message}; trying the next"[len("cosmo: ") :])
        else:
            return address
    sh.log("fetch", public_url(addresses[-1]))
    take_file(p, sh, name, addresses[-1], sha256, force)
    return addresses[-1]


def has_sha256(path: Path, sha256: str) -> bool:
    """Whether a file is there, can be run, and has this sha256, if any is given."""
    with suppress(OSError):
        return bool(sha256) and os.access(path, os.X_OK) and file_sha256(path) == sha256
    return False


def take_file(p: Project, sh: Shell, name: str, address: str, sha256: str, force: bool) -> None:
    """Bring a file from one address into the build folder, and put it in place once it is verified.

    It must be an Actually Portable Executable with this sha256, if any is given; the interpreter
    with a zip at its end that can be read and holds a library.
    """
    file = os.path.join(p.build, name)
    part, remedy, downloaded = quote(f"{file}.part"), f"correct {FETCHED[name]}", ""
    shown = public_url(address)
    failed = f"{shown} cannot be copied"
    if "://" in address:
        downloaded = download(p, sh, name, address, force)
        sh.run(f"mv -f {quote(p.build)}/download/* {part}", failed, remedy)
    else:
        sh.run(f"mkdir -p {quote(p.build)} && cp {quote(address)} {part}", failed, remedy)

    def verify(line: str, problem: str, reason: Callable[[], str], remedy: str = remedy) -> None:
        sh.run(line, f"{shown} {problem}", remedy, reason=lambda _: reason())

    if sha256:
        program = "sha256sum" if shutil.which("sha256sum") else "shasum -a 256"
        verify(
            f"echo '{sha256}  '{part} | {program} -c >/dev/null 2>&1",
            f"is not what {p.lock_file if p.lock else 'COSMO_SHA256'} names",
            lambda: f"expected sha256 {sha256}, found {file_sha256(Path(f'{file}.part'))}",
            f"{remedy}, or {f'lock it anew with `{p.lock_command}`' if p.lock else 'COSMO_SHA256'}",
        )
    line = f"head -c 6 {name}.part | grep -Eq '^({'|'.join(APE_STARTS)})'"
    line += f" && {zip_command()} -sf python.part | grep -q '^ *Lib/'" if name == "python" else ""
    verify(f"(cd {quote(p.build)} && {line})", "cannot be used", lambda: describe(f"{file}.part"))
    if downloaded and not sh.dry:
        cache_download(address, Path(f"{file}.part"), downloaded)
    # the article: chmod +x python
    sh.run(f"chmod +x {part} && mv -f {part} {quote(file)}", f"{file} cannot be put in place")


def describe(path: str) -> str:
    """What a file that is no interpreter is instead."""
    if not is_executable(Path(path)):
        return "it is no Actually Portable Executable, for it begins with other bytes"
    return "it holds no Python: it has no readable zip with a Lib/ at its end"


def download(p: Project, sh: Shell, name: str, url: str, force: bool) -> str:
    """Download `url` to the folder `download`, or, offline, take what it gave before.

    Nothing else is in that folder, so that it does not matter how wget names the file. Its name is
    returned, if it is not what the cache has.
    """
    folder = os.path.join(p.build, "download")
    entry, remove = {} if force else cached_download(url), f"rm -rf {quote(folder)}"
    if entry:
        when = time.strftime("%Y%m%d%H%M.%S", time.gmtime(entry["time"]))
        target = quote(os.path.join(folder, entry["name"]))
        copy = f"cp {quote(entry['file'])} {target} && touch -t {when} {target}"
        sh.run(f"{remove} && mkdir -p {quote(folder)} && {copy}")
        remove = ""
    if p.get("COSMO_OFFLINE"):
        if not entry:
            raise RecipeError(f"{public_url(url)} is not in the cache; {ONLINE}")
        return ""
    remedy = f"check the network, or set {FETCHED[name]} to a mirror or a file"
    if p.value(FETCHED[name]).source == "COSMO_VERSION":
        remedy = "check the network, and COSMO_VERSION"
    if name == "python":
        remedy += "; `invoke standin` in a clone of cosmo-recipes makes one to try with"
    else:
        remedy = f"install zip (apt install zip), or {remedy}"
    failed = f"{public_url(url)} cannot be downloaded"
    if not shutil.which("wget") and not sh.dry:
        remedy = "install wget (apt install wget, brew install wget)"
        raise RecipeError(f"{failed}: there is no wget on PATH; {remedy}")
    size = p.lock.size if p.lock and name == "python" else None
    limits = f"{remove}; " if remove else ""
    limits += f"ulimit -f {(size or MAX_DOWNLOAD) // 512 + 1} || :"
    if url.startswith("https:"):
        limits += NO_HTTP + ("" if os.environ.get("https_proxy") else " no_proxy=")
    before = {} if sh.dry else folder_state(folder)
    # the article: wget -N https://cosmo.zip/pub/cosmos/bin/python
    line = f"({limits}\n{WGET} -P {quote(folder)} {shlex.quote(url)})"

    def reason(result: Result) -> str:
        too_long = result.exited in (153, -25)  # SIGXFSZ, by `ulimit`
        return "it is longer than it may be" if too_long else show_output(result, progress)

    with progress_bar("fetch", size, "B") as bar:
        progress = Progress(bar, r"\s*\d+K[ .]", folder)
        sh.run(line, failed, remedy, progress=progress, reason=reason)
        progress.submit("")
    after = {} if sh.dry else folder_state(folder)
    return "" if after == before else next(iter(after), "")


def file_state(path: Path) -> tuple[int, ...]:
    """What of a file changes when it does: where it is on the disk, its size, mode and times."""
    stat = path.stat()
    times = stat.st_mtime_ns, stat.st_ctime_ns
    return (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mode, *times)


def folder_state(folder: str) -> dict[str, tuple[int, ...]]:
    """The names of the files in a folder, if there is one, and the state of each."""
    paths = Path(folder).iterdir() if Path(folder).is_dir() else ()
    return {path.name: file_state(path) for path in paths}


def file_sha256(path: Path) -> str:
    """The sha256 of a file; of one that did not change since it was asked for last, as it was."""
    return read_sha256(path, file_state(path))


@lru_cache
def read_sha256(path: Path, state: tuple[int, ...]) -> str:
    """The sha256 of a file in this state."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(2**20), b""):
            digest.update(block)
    return digest.hexdigest()


def cache_folder() -> Path:
    """The folder of these recipes in the user's cache.

    Source: XDG Base Directory Specification, by which a relative path counts for nothing; without
    XDG_CACHE_HOME, on macOS, its File System Programming Guide.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = str(Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache"))
    return Path(base, "cosmo-recipes")


def prune_cache(days: int) -> None:
    """Remove from the cache what no build used for so many days."""
    before, folder = time.time() - days * 86400, cache_folder()
    if (folder / "uv").is_dir() and (folder / "uv").stat().st_mtime <= before:
        shutil.rmtree(folder / "uv")
    for path in (path for kind in ("sha256", "url") for path in (folder / kind).glob("*")):
        if path.stat().st_mtime <= before:
            path.unlink()


def cached_file(sha256: str) -> Path | None:
    """The file of that content in the cache, None where it has none; a damaged one is removed."""
    path = cache_folder() / "sha256" / sha256
    with suppress(OSError):
        if re.fullmatch("[0-9a-f]{64}", sha256) and path.is_file() and not path.is_symlink():
            if file_sha256(path) == sha256:
                os.utime(path)  # it was used, which `cosmo.cache --prune` asks for
                return path
            path.unlink()
    return None


def cached_download(url: str) -> dict[str, Any]:
    """What an address gave last: `file`, `name` and `time`; empty where nothing whole is cached."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        entry = json.loads(url_entry(url).read_text("utf-8"))
        file, name = cached_file(str(entry["sha256"])), str(entry["name"])
        if file and re.fullmatch(r"[\w%?=&+~,:@-][\w.%?=&+~,:@-]*", name):
            return {"file": str(file), "name": name, "time": float(entry["time"])}
    return {}


def url_entry(url: str) -> Path:
    """Where the cache notes what an address gave last."""
    return cache_folder() / "url" / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.json"


def cache_download(url: str, file: Path, name: str) -> None:
    """Put what an address gave into the cache, by renames; one that cannot be written is left."""
    sha256 = file_sha256(file)
    entry = {"url": url, "sha256": sha256, "name": name, "time": file.stat().st_mtime}
    with suppress(OSError):
        for path in (cache_folder() / "sha256" / sha256, url_entry(url)):
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{os.getpid()}.part")
            if path.suffix == ".json":
                part.write_text(json.dumps(entry), "utf-8")
            else:
                shutil.copyfile(file, part)
            part.replace(path)


# recipes/executable.py --------------------------------------------------------
# The executable: how it is compiled, its `.args`, what it is tried with, and one rename.

CHECK_REMEDY = "correct that, or build it all the same with COSMO_CHECK=0"
MAY_NOT_COMPILE = "[ $? = 1 ]"
"""What follows a compiler: of dependencies a file, as a template, may be none that compiles.

Source: compileall, which ends with status 1 then. One that was killed ends with another.
"""

INSTALLED = f"site-packages || {MAY_NOT_COMPILE}"
"""What to compile where all that is installed is, of which a file need not compile."""

CANNOT = "which cannot run in the executable"
LACKS = "which this interpreter lacks"
SOURCE_REMEDY = "if it looks for .py files of its own, keep them with COSMO_SOURCE=1; else "


def write_args(p: Project, executable: Executable) -> str:
    """The line that writes `.args`."""
    form = r"\n".join(["%s"] * len(executable.args))
    words = ['"$PKG"' if word == p.pkg else shlex.quote(word) for word in executable.args]
    return f"printf '{form}' {' '.join(words)} > {quote(p.build)}/.args"


def touch(p: Project) -> str:
    """The command that gives files the time of all that goes in."""
    return f"touch -t {time.strftime('%Y%m%d%H%M.%S', time.gmtime(p.epoch))}"


def compile_error(p: Project, result: Result) -> str:
    """The first error that compileall printed, with the source's file and line; else nothing."""
    pattern = r'(?ms)File "/zip/Lib/site-packages/([^"\n]+)", line (\d+)$.*?^(\w+Error: [^\n]*)$'
    match = re.search(pattern, result.stdout)
    if not match:
        return ""
    file = p.source if p.top.endswith(".py") else p.source.parent / match[1]
    return f"{file}:{match[2]}: {match[3]}"


def compile_line(p: Project, path: str = INSTALLED, build: str = "..") -> str:
    """The line that compiles what is below a path in `Lib`, so that tracebacks name it in /zip.

    It runs there, where no module but those to be packed can be in the compiler's way; `build` is
    the build folder from there. Where the
    `.py` is shipped too, its `.pyc` goes to `__pycache__`, and is never checked against it: Python
    ignores one that lies beside a `.py`.
    """
    options = f" -{'O' * p.get('COSMO_OPTIMIZE')}" if p.get("COSMO_OPTIMIZE") else ""
    form = "--invalidation-mode unchecked-hash" if p.get("COSMO_SOURCE") else "-b"
    keep = "|".join(re.escape(pattern) for pattern in p.get("COSMO_KEEP"))
    keep = keep.replace(r"\*", ".*").replace(r"\?", ".")
    left = f" -x {shlex.quote(f'^site-packages/({keep})(/.*)?$')}" if keep else ""
    return f"sh {build}/python{options} -m compileall {form}{left} -p /zip/Lib {path}"


def compile_others(sh: Shell, line: str, at: str, progress: Progress, what: str) -> None:
    """Run a line that compiles what need not all compile: MAY_NOT_COMPILE follows its compilers.

    Where a file cannot be written, compileall ends with the same status, and `RecipeError` says so
    of `what`.
    """
    done = sh.run(line, at=at, progress=progress)
    unwritten = re.search(r"(?m)^\*\*\* (\w+: \[Errno .*)", done.stdout)
    if unwritten:
        problem = f"the bytecode of {what} cannot be written"
        raise RecipeError(f"{problem}: {unwritten[1]}; fix this and run it again")


def new_zip(executable: Executable) -> str:
    """The path that an executable has in the build folder until it is whole."""
    return f".new/{shlex.quote(executable.name)}.zip"


def add_line(p: Project, new: str, build: str = ".") -> str:
    """The command that adds the files whose names it reads to a zip."""
    level = p.get("COSMO_COMPRESS")
    return f"{zip_command(build)} -MM -X -g {f'-{level} ' * (level != 6)}{new} -@"


def list_unused(p: Project, sh: Shell) -> str:
    """List in `.new/unused` what COSMO_SLIM leaves out of the library; the patterns, if it does."""
    words = p.get("COSMO_SLIM")
    if not words:
        return ""
    kept = shlex.quote(",".join(word for word in words if word not in ("1", "list")))
    paths, file = (f"{quote(p.build)}/python", '"$DIR_SITE"'), f"{quote(p.build)}/.new/unused"
    line = inside_command(p, "unused", *paths, quote(p.layer), kept, *started_modules(p))
    sh.run(f"{line} > {file}", "COSMO_SLIM cannot be heeded", "correct it")
    unused = "" if sh.dry else Path(p.build, ".new/unused").read_text("utf-8")
    names = [] if sh.dry else unused_modules(p)
    sh.log("update", f"{count(len(names), 'module')} of the library not needed: {', '.join(names)}")
    return "" if "list" in words else unused or "dry"


def unused_modules(p: Project) -> list[str]:
    """The modules of the library that `.new/unused` lists."""
    return re.findall(r"Lib/(\w+)", Path(p.build, ".new/unused").read_text("utf-8"))


def started_modules(p: Project) -> list[str]:
    """The modules, at the top, that the arguments in `.args` run or import, as shell words."""
    names = {run_module(executable.args) for executable in p.executables}
    for word in (word for executable in p.executables for word in executable.args):
        with suppress(SyntaxError, ValueError):
            names |= {one.name for one in ImportVisitor("", True, word.encode(), set()).imports}
    tops = {name.partition(".")[0] for name in names}
    return [shlex.quote(name) for name in sorted(tops - {"", p.top})]


def prune_interpreter(p: Project, sh: Shell, new: str, unused: str) -> None:
    """Make a zip of the interpreter, without what is pruned, at a path in the build folder."""
    # the article: cp python $PKG.zip; zip -d $PKG.zip 'Lib/site-packages/pip*' 'usr/*'
    prune = p.get("COSMO_PRUNE")
    line = f"{zip_command()} -q -U .new/python.zip '*' --out {new}"
    line += f" -x {shlex.join(prune)}" if prune else ""
    line += " -x@.new/unused" if unused else ""
    sh.run(line, "", "correct COSMO_PRUNE, or fetch the interpreter again", at=p.build)


def set_modes(p: Project, files: str) -> str:
    """The line that gives what goes in its modes and time."""
    return f"chmod -R u=rwX,go=rX {files} && find {files} -type f -exec {touch(p)} {{}} +"


def try_imports(p: Project, sh: Shell, executable: Executable) -> None:
    """Let a new executable, which has no .args yet, import what it will when it starts."""
    line = f"sh ./{shlex.quote(executable.name)}.zip -I ../.imports"
    at, failed = os.path.join(p.build, ".new"), f"{executable.path} cannot start"

    def reason(result: Result) -> str:
        why = describe_failure(result, read_note(p.layer, "removed"))
        lacks = re.search(r"No module named '(\w+)", why)
        if lacks and p.get("COSMO_SLIM") and lacks[1] in unused_modules(p):
            return f"{why}; COSMO_SLIM left it out: keep it with COSMO_SLIM={lacks[1]}"
        may_help = not p.get("COSMO_SOURCE") and LACKS not in why and CANNOT not in why
        return f"{why}; {SOURCE_REMEDY * may_help}{CHECK_REMEDY}"

    shown = sh.run(line, failed, remedy="", at=at, reason=reason).stdout
    for remark in re.findall("(?m)^remark: (.*)$", shown):
        sh.log("check", remark)


def describe_failure(result: Result, removed: Mapping[str, str] | None = None) -> str:
    """Why imports failed: the last frame of the traceback that is the program's, and the error.

    `removed` are the extension modules that were removed, and what each is of.
    """
    if result.exited in (142, -14):
        return "it takes longer than a minute to import what starts"
    found = list(re.finditer(r'File "(?:/zip/Lib/)?(.+)", line (\d+)(.*)', result.stderr))
    frames = [(match[1], match[2]) for match in found]
    own = [(file[14:], line) for file, line in frames if file.startswith("site-packages/")]
    error = traceback_error(result.stderr[found[-1].end() :] if found else "")
    *_, last = result.stderr.splitlines() or [f"exit status {result.exited}"]
    error = error or last
    where = "{}:{}".format(*(own or frames)[-1]) if frames else ""
    lacks = re.fullmatch(r"ModuleNotFoundError: No module named '([\w.]+)'", error)
    part = re.match(r"ImportError: cannot import name '(\w+)' from '([\w.]+)'", error)
    missing = lacks[1] if lacks else f"{part[2]}.{part[1]}" if part else ""
    if removed and missing in removed:
        return f"{removed[missing]} needs its extension module {missing}, {CANNOT} ({where})"
    is_private = re.fullmatch(r"_\w+", missing)
    if is_private and own and not frames[-1][0].startswith("site-packages/"):
        library = re.sub(r"(/__init__)?\.py$", "", frames[-1][0]).replace("/", ".")
        return f"{library} needs {missing}, {LACKS} ({where} imports it)"
    shown = f"{where}: {error}" if where else error
    top = re.split(r"[/.]", own[-1][0])[0] if own else ""
    dists = [dist for module, dist in (removed or {}).items() if module.split(".")[0] == top]
    return f"{dists[0]} lacks its extension modules, {CANNOT} ({shown})" if dists else shown


def traceback_error(text: str) -> str:
    """The error in what follows a traceback's last frame; with a second line behind a colon."""
    lines = [line for line in text.splitlines() if line.strip()]
    while lines and lines[0][0].isspace():  # it shows the source
        del lines[0]
    error, *more = [line.strip() for line in lines] or [""]
    return " ".join([error, *more[:1]]) if error.endswith(":") else error


def try_executable(p: Project, sh: Shell, executable: Executable) -> None:
    """Try a new executable with the arguments in COSMO_SMOKE, in an empty folder."""

    def show(result: Result) -> str:
        for text in filter(str.strip, (result.stdout, result.stderr)):
            log(text.rstrip())
        return f"exit status {result.exited}"

    words = shlex.join(p.get("COSMO_SMOKE"))
    sh.log("smoke", f"{Path(executable.path).name} {words}")
    env = 'env -i PATH="$PATH" HOME="$PWD" TMPDIR="$PWD/.."'
    start = f"{env} sh ../{new_zip(executable)} {words} </dev/null"
    end = "{ set -- $?; rm -rf .smoke .new; exit $1; }"
    line = f"rm -rf .smoke && mkdir .smoke && (cd .smoke && {start}) || {end} && rm -rf .smoke"
    failed = f"{executable.path} does not pass COSMO_SMOKE ({words})"
    sh.run(
        line,
        failed,
        "correct the program, or the arguments; the last executable stays",
        p.build,
        reason=show,
    )


def place(p: Project, sh: Shell, executable: Executable) -> None:
    """Put a whole executable in its place, by one rename.

    Elsewhere may be on another disk, where `mv` copies, after it removed what was there.
    """
    new, (folder, name) = f"{quote(p.build)}/{new_zip(executable)}", os.path.split(executable.path)
    line = f"mv -f {new} {quote(executable.path)}"
    if folder != p.build:
        part = quote(os.path.join(folder, f".{name}.part"))
        moved = f"mv -f {new} {part} && mv -f {part} {quote(executable.path)}"
        line = f"mkdir -p {quote(folder or '.')} && {{ {moved} || {{ rm -f {part}; false; }}; }}"
    sh.run(line, f"{executable.path} cannot be put in place")


def describe_executable(p: Project, executable: Executable, version: str) -> list[str]:
    """The lines of the report on an executable, which has this version of Python."""
    path, changes = Path(executable.path), Path(p.layer, "changed")
    forms = changes.read_text("utf-8").splitlines() if p.layer and changes.is_file() else []
    exe = "" if path.suffix in (".com", ".exe") else f"; on Windows, as {path.name}.exe"
    start = quote(str(path) if str(path).startswith(("/", "..")) else f"./{path}")
    rows = [("size", f"{path.stat().st_size:,} bytes"), ("sha256", file_sha256(path))]
    rows += [("python", version), *(("pure", form.replace("\t", ": ")) for form in forms)]
    rows.append(("start", f"{start}{exe}"))
    return [str(path), *(f"  {name:<7} {row}" for name, row in rows)]


# recipes/digest.py ------------------------------------------------------------
# Digests of all that a build, or a part of it, depends on: where they are the same, it is kept.


def digest_of(*parts: object) -> str:
    """The sha256 of values whose `repr` is all there is to say of them."""
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()


@lru_cache
def recipes_digest() -> str:
    """The sha256 of these recipes, and of the Python that runs them."""
    path = Path(__file__)
    files = sorted(path.parent.rglob("*.py")) if __name__ == "recipes.digest" else [path]
    return digest_of(sys.version, sys.prefix, [file.read_bytes() for file in files])


def tree_digest(folder: str) -> str:
    """The sha256 of the paths, sizes, modes and times of all files below a folder."""
    rows = []
    for path, _, names in os.walk(folder):
        for name in names:
            stat = os.lstat(f"{path}/{name}")
            times = (stat.st_mtime_ns, stat.st_ctime_ns)
            rows.append((path, name, stat.st_size, stat.st_mode, *times))
    return digest_of(sorted(rows))


def file_contents(paths: Iterable[Path], above: tuple[str, ...] = ()) -> Iterator[object]:
    """The path, mode and content of each file, and of each file below a folder.

    A link to a folder that it is in is left out; what copies the folder refuses it.
    """
    for path in paths:
        if path.is_file():
            yield str(path), path.stat().st_mode, hashlib.sha256(path.read_bytes()).digest()
        elif path.is_dir() and (real := os.path.realpath(path)) not in above:
            yield from file_contents(sorted(path.iterdir()), (*above, real))


def environment_inputs(p: Project, env: Mapping[str, str]) -> list[object]:
    """What around a project a build depends on: the tools, their variables and configuration.

    Source: uv's documentation, on configuration files.
    """
    home = Path(env.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    folder = Path(p.folder).absolute()
    folders = [folder, *folder.parents]
    files = [Path(folder, name) for folder in folders for name in ("pyproject.toml", "uv.toml")]
    files += [Path(env.get("UV_CONFIG_FILE") or os.devnull), Path("/etc/uv/uv.toml")]
    shared = (env.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)
    files += [Path(place, "uv/uv.toml") for place in (str(home), *shared)]
    found = (shutil.which(tool, path=env.get("PATH")) for tool in ("uv", "zip"))
    tools = [(tool, file_state(Path(tool))) for tool in found if tool]
    names = [name for name in sorted(env) if name.startswith(("UV_", "PIP_"))]
    variables = [(name, env.get(name)) for name in (*names, "SOURCE_DATE_EPOCH")]
    return [tools, list(file_contents(files)), variables]


def layer_inputs(p: Project, pylock: Path, env: Mapping[str, str]) -> str:
    """The digest of all that the installed dependencies depend on, in this environment.

    Empty where a dependency is a folder: the lock file does not say what is in it.
    """
    locked, deps = pylock.read_bytes(), p.get("COSMO_DEPS")
    if b"directory" in locked:
        return ""
    names = ("COSMO_EXCLUDE", "COSMO_KEEP", "COSMO_SOURCE", "COSMO_OPTIMIZE")
    return digest_of(
        recipes_digest(),
        environment_inputs(p, env),
        file_sha256(Path(p.build, "python")),
        locked,
        [line for line, _ in requirements_lines(deps)] if deps else (),
        sorted(path.name for path in Path(p.build, ".deps/own").glob("*.dist-info")),
        *(p.metadata.name or p.pkg, p.metadata.requires_python, [p.get(name) for name in names]),
    )


def umask() -> int:
    """What the modes of new files lack; it can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def build_inputs(p: Project, env: Mapping[str, str]) -> str:
    """The digest of all that the executables depend on, in this environment.

    Empty where it is not known beforehand: the interpreter is what a server has now, dependencies
    are not locked, or the program is what its own build backend makes of it.
    """
    addresses, python = p.get("COSMO_URL"), wanted_sha256(p, "python")
    if not python and len(addresses) == 1 and "://" not in addresses[0]:
        python = file_sha256(Path(addresses[0]))
    if not python or p.metadata.built or (p.installs and p.lock is None):
        return ""
    deps = p.get("COSMO_DEPS")
    return digest_of(
        *(recipes_digest(), environment_inputs(p, env), python, p.epoch, p.constraint, umask()),
        [(p.value(name).text, p.value(name).source) for name in SETTINGS],
        [line for line, _ in requirements_lines(deps)] if deps not in (None, "none") else (),
        list(file_contents((p.source, *p.beside, p.lock_file))),
    )


def made_files(p: Project) -> list[Path]:
    """The interpreter and the executables, which a build leaves behind."""
    return [Path(p.build, "python"), *(Path(executable.path) for executable in p.executables)]


def note_build(p: Project, env: Mapping[str, str], report: list[str]) -> None:
    """Note in `.built` what the executables were made of, if nothing of that has changed since.

    A note on others, which are no longer there as they were, may stay.
    """
    if p.inputs and p.inputs == build_inputs(p, env):
        states = [file_state(path) for path in made_files(p)]
        Path(p.build, ".built").write_text(json.dumps([p.inputs, states, report]), "utf-8")


def last_report(p: Project, inputs: str) -> list[str]:
    """The report of the last build, if it was of the same, and nothing was done to what it made."""
    with suppress(OSError, ValueError):
        before, states, report = json.loads(Path(p.build, ".built").read_text("utf-8"))
        now = [list(file_state(path)) for path in made_files(p)]
        if inputs and before == inputs and states == now:
            return [str(line) for line in report]
    return []


# recipes/layer.py -------------------------------------------------------------
# The layer: the dependencies as they go in, which are kept from one build to the next.
#
# It lies in `.layer` in the build folder:
#
#     Lib               what is installed, fit for the executable, and its bytecode
#     changed, removed  what became of extension modules
#     imports           what the start check read of it
#     base.zip          the interpreter, pruned, and all that is installed
#     key, base.key     what these were made of; each is written last

NO_COMPILER = "CC=false CXX=false RUSTC=false CARGO=false"
"""An sdist is built with no compiler to be found: many leave their extensions out then."""

COMPILED = "(Compiling )|Listing "
"""How compileall's lines begin."""

MANY_FILES = 200
"""From how many files on four processes compile faster than one, though each must start."""

REPLACE = "do without it, or require a version that has a pure wheel"
"""What to do about a dependency that cannot go in."""


def pyc_suffix(p: Project) -> str:
    """What is behind the name of a `.py` once it is packed, as a shell word."""
    return "''" if p.get("COSMO_SOURCE") else "c"


def install_layer(p: Project, sh: Shell, uv: str, work: str) -> None:
    """Install what is resolved or locked, in a form that can run, and compile it.

    Where the last build did so from the same, that is kept.
    """
    pylock = Path(work, "pylock.toml") if p.lock is None else p.lock_file
    inputs = "" if sh.dry else layer_inputs(p, pylock, line_environment(sh.c))
    if inputs and not p.force and read_file(p, "key") == layer_key(p, inputs):
        sh.log("deps", "installed as in the last build")
        return
    if not needs_target_first(p):
        write_target(p, sh, work)
    sh.run(f"rm -rf {quote(p.layer)} && mkdir -p {quote(p.layer)}/Lib/site-packages")
    install(p, sh, uv, quote(str(pylock)), work)
    files = 0 if sh.dry else sum(1 for _ in Path(p.layer).rglob("*.py"))
    line = compile_line(p, build="../..")
    if files > MANY_FILES:
        part = f'awk "NR % 4 == $part" ../.py | {compile_line(p, "-i -", "../..")}'
        line = f"find site-packages -name '*.py' > ../.py && for part in 0 1 2 3; do {part} &"
        line += '\n  compilers="$compilers $!"; done; for compiler in $compilers; do'
        line += f"\n  wait $compiler || {MAY_NOT_COMPILE} || exit; done"
    with progress_bar("deps", files, "files") as bar:
        counted = Progress(bar, COMPILED)
        compile_others(sh, line, f"{p.layer}/Lib", counted, "the dependencies")
    if inputs:
        Path(p.layer, "key").write_text(layer_key(p, inputs), "utf-8")


def read_file(p: Project, name: str) -> str:
    """What the layer has in a file of that name, empty where there is none."""
    with suppress(OSError, ValueError):
        return Path(p.layer, name).read_text("utf-8")
    return ""


def layer_key(p: Project, inputs: str) -> str:
    """What is in `key` where the layer is made of `inputs`, and as it was made."""
    notes = [read_file(p, name) for name in ("changed", "removed")]
    return f"{inputs}\n{tree_digest(f'{p.layer}/Lib')}\n{digest_of(notes)}\n"


def base_key(p: Project, unused: str) -> str:
    """What is in `base.key` where `base.zip` is made of the layer, and as it was made."""
    key, zipped = read_file(p, "key"), file_state(Path(p.layer, "base.zip"))
    return (
        digest_of(key, zipped, p.get("COSMO_PRUNE"), unused, p.get("COSMO_COMPRESS"), p.epoch)
        if key
        else ""
    )


def has_base(p: Project, unused: str) -> bool:
    """Whether the `base.zip` of the last build is made of the layer as it is."""
    with suppress(OSError):
        return not p.force and "" != base_key(p, unused) == read_file(p, "base.key")
    return False


def begin_executable(p: Project, sh: Shell, new: str, progress: Progress) -> None:
    """Make the zip `new` of all but the program, and list the program's files in `.new/files`."""
    sh.run("rm -rf .new && mkdir .new && ln -s ../python .new/python.zip", at=p.build)
    unused = list_unused(p, sh)
    is_kept = bool(p.layer) and not sh.dry and has_base(p, unused)
    layer = " .layer/Lib" if p.layer and not is_kept else ""
    sh.run(set_modes(p, f".args Lib{layer}"), at=p.build)
    if layer:
        make_base(p, sh, unused, progress)
    elif not p.layer:
        prune_interpreter(p, sh, new, unused)
    copy = f"cp .layer/base.zip {new} && " if p.layer else ""
    sh.run(f"{copy}find Lib -type f > .new/files && sort -o .new/files .new/files", at=p.build)


def make_base(p: Project, sh: Shell, unused: str, progress: Progress) -> None:
    """Make `base.zip`: the interpreter, pruned, and all that is installed, without sources."""
    inputs = read_file(p, "key").partition("\n")[0]
    for name in () if sh.dry else ("key", "base.key"):
        Path(p.layer, name).unlink(missing_ok=True)
    prune_interpreter(p, sh, ".layer/base.zip", unused)
    sh.run("find Lib -type f > .files && sort -o .files .files", at=p.layer)
    compiled = "sed -n /./d .files" if p.get("COSMO_SOURCE") else r"sed -n 's/\.pyc$/.py/p' .files"
    line = f"{compiled} | sort | comm -13 - .files | {add_line(p, 'base.zip', '..')}"
    if sh.dry or Path(p.layer, ".files").stat().st_size:
        sh.run(line, at=p.layer, progress=progress)
    if inputs and not sh.dry:
        Path(p.layer, "key").write_text(layer_key(p, inputs), "utf-8")
        Path(p.layer, "base.key").write_text(base_key(p, unused), "utf-8")


def network_remedy(p: Project) -> str:
    """What to do where uv cannot resolve or install."""
    if p.get("COSMO_OFFLINE"):
        return ONLINE
    remedy = "bring uv.lock up to date" if p.uses_uv_lock else "correct the requirements"
    return f"{remedy}, or check the network"


def needs_target_first(p: Project) -> bool:
    """Whether uv needs `.deps/target` before the layer: to resolve, or for the own wheel."""
    return p.lock is None or p.metadata.built


def write_target(p: Project, sh: Shell, work: str) -> None:
    """Write uv's options for the interpreter to `.deps/target`; refuse another Python."""
    metadata = p.metadata
    specifiers = [shlex.quote(metadata.requires_python)] if metadata.requires_python else []
    line = f"{inside_command(p, 'target', *specifiers)} > {quote(work)}/target"
    sh.run(line, f"{metadata.name or p.pkg} cannot run in this interpreter", remedy="")


def select_files(p: Project, sh: Shell, pylock: str, work: str) -> None:
    """Part a lock file into those to install from, with what a requirements file has hashes of."""
    hashed = [quote(p.get("COSMO_DEPS"))] if p.get("COSMO_DEPS") else []
    failed = f"the dependencies of {p.pkg} cannot be installed"
    remedy = "correct the requirements"
    sh.run(inside_command(p, "select", pylock, quote(work), *hashed), failed, remedy)


def install(p: Project, sh: Shell, uv: str, pylock: str, work: str) -> None:
    """Install what a lock file names, in a form that can run, in the layer.

    Of a package with extension modules the pure wheel is taken; else its sdist is built without a
    compiler; else its wheel is taken, and `purify` removes them.
    """
    if p.lock:
        sh.log("deps", f"{count(len(p.lock.packages), 'package')}, as locked")
    failed, remedy = f"the dependencies of {p.pkg} cannot be installed", network_remedy(p)
    select_files(p, sh, pylock, work)
    pip = f"{uv} pip install -q --target ../.layer/Lib/site-packages $(cat target*) -r"
    sh.run(f"{pip} pylock.wheels.toml", failed, remedy, at=work)
    cache = cache_folder()
    shared = os.access(cache, os.W_OK) or not cache.exists()
    with suppress(OSError):
        os.utime(cache / "uv")  # it was used, which `cosmo.cache --prune` asks for
    loop = (
        'for lock in pylock.sdist-*.toml; do [ -e "$lock" ] || continue',
        f"  (export {NO_COMPILER} UV_CACHE_DIR={quote(str(cache)) if shared else '..'}/uv",
        f'   {pip} "$lock") ||',
        f'   {pip} "pylock.any-${{lock#pylock.sdist-}}" || exit; done',
    )
    sh.run("\n".join(loop), failed, remedy, at=work)
    sh.exclude(f"{p.layer}/Lib/site-packages", p.excluded)
    own = shlex.quote(p.metadata.name if p.metadata.dist_info else "")
    words = quote(work), quote(p.layer), own, pyc_suffix(p)
    failed = f"{p.pkg} cannot be packaged with its dependencies"
    sh.run(inside_command(p, "purify", *words), failed, REPLACE)


# recipes/dependencies.py ------------------------------------------------------
# The program's dependencies and metadata: resolved and installed by uv for the interpreter.
#
# What one build needs for that lies in `.deps` in the build folder:
#
#     target       uv's options for the interpreter
#     pylock.toml  what was resolved, where it is not locked; `pylock.NAME.toml` are parts of it
#     forms        what was chosen in place of wheels with extension modules
#     wheel, own   the program's own wheel, where its build backend makes it, and that installed

NOT_COPIED = (
    *("./.venv", "./venv", "./.tox", "./.nox", "./node_modules", "*/__pycache__"),
    "./cosmo_recipes.py",  # a second module, to a backend that looks for modules
)
"""What a build backend does not need, of the project's copy that it works in."""


def check_uv(p: Project, dry: bool) -> str:
    """How a line calls uv; `RecipeError` where there are dependencies to install and no uv.

    As on PATH, or the one beside this Python, or that which started it. Source: uv's documentation,
    by which `uv run` sets UV.
    """
    places = (str(Path(sys.executable).with_name("uv")), os.environ.get("UV", ""))
    found = next(filter(None, map(shutil.which, places)), None)
    if found and not shutil.which("uv"):
        return quote(found)
    if not found and not shutil.which("uv") and not dry and p.installs:
        raise RecipeError(
            f"the dependencies of {p.pkg} cannot be installed: there is no uv on PATH; get it with"
            " `pip install uv`, or leave them out with COSMO_DEPS=none"
        )
    return "uv"


def install_dependencies(p: Project, sh: Shell) -> None:
    """Install the dependencies and metadata beside the program."""
    uv, work = prepare(p, sh)
    if p.metadata.built and p.installs:
        sh.run(f'cp -R {quote(work)}/own/. "$DIR_SITE"')
        sh.exclude(p.site, [*p.excluded, "-name __pycache__"])
    if p.lock:
        check_lock_matches(p, p.lock, work, sh.dry)
    if p.installs and p.lock is None:
        resolve(p, sh, uv, work)
    if p.layer:
        install_layer(p, sh, uv, work)
    words = [quote(p.layer), shlex.quote(p.metadata.name or p.pkg), pyc_suffix(p)]
    if p.metadata.dist_info and not p.metadata.built:
        words += [quote(os.path.join(p.folder, "pyproject.toml")), p.metadata.dist_info]
    line = inside_command(p, "own", '"$DIR_SITE"', *words)
    sh.run(line, f"{p.pkg} cannot be packaged with its dependencies", REPLACE)


def prepare(p: Project, sh: Shell) -> tuple[str, str]:
    """Make the folder `.deps` anew, and what the lock or the resolution needs in it.

    Return how a line calls uv, and that folder.
    """
    work, metadata, uv = os.path.join(p.build, ".deps"), p.metadata, check_uv(p, sh.dry)
    sh.run(f"rm -rf {quote(work)} && mkdir -p {quote(work)}")
    if not p.installs:
        return uv, work
    if p.script and p.script.suffix != ".py":  # by that uv knows a script
        sh.run(f"cp {quote(str(p.source))} {quote(work)}/script.py")
    sh.exports.update(UV_PYTHON=sys.executable, UV_PYTHON_DOWNLOADS="never", UV_LINK_MODE="copy")
    if p.get("COSMO_OFFLINE"):
        sh.exports.update(UV_OFFLINE="1")
    if needs_target_first(p):
        write_target(p, sh, work)
    if metadata.built:
        build_wheel(p, sh, uv, work)
    return uv, work


def build_wheel(p: Project, sh: Shell, uv: str, work: str) -> None:
    """Let the build backend make a wheel of a copy of the project, and install that in `own`."""
    sh.log("deps", f"a wheel of {p.metadata.name or p.pkg}, by its build backend")
    own = os.path.join(".", os.path.relpath(p.build, p.folder))
    options = " ".join(f"--exclude={shlex.quote(pattern)}" for pattern in (own, *NOT_COPIED))
    sh.run(f"tar -C {quote(p.folder)} {options} -cf {quote(work)}/project.tar .")
    line = "mkdir project && tar -C project -xf project.tar && chmod -R u+w project"
    sh.run(line, at=work)
    failed = f"{p.pkg} cannot be built by its own build backend"
    remedy = "correct [build-system], or what it builds"
    line = f"PYTHONUNBUFFERED=1 {NO_COMPILER} {uv} build --wheel -o wheel project"
    sh.run(line, failed, remedy, at=work, reason=backend_error)
    line = f"{uv} pip install -q --no-deps $(cat target) --target own wheel/*.whl"
    sh.run(line, f"the wheel of {p.pkg} cannot be installed", at=work)
    line = "rm -f own/.lock && { [ -e own/bin/__init__.py ] || rm -rf own/bin; }"
    sed = r"sed -n '/^.\{0,1\}$/q; s/^Requires-Dist: //p'"
    sh.run(f"{line} && {sed} own/*.dist-info/METADATA > requirements.txt", at=work)


def backend_error(result: Result) -> str:
    """Show what a build backend printed at last; return its error, or else its last line.

    uv's own lines follow, and it mixes the backend's two outputs.
    """
    shown = show_output(result, None)
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    ends = [at for at, line in enumerate(lines) if "The build backend returned an error" in line]
    own = lines[: ends[-1] - 1] if ends else lines
    errors = [line for line in own if re.match(r"([\w.]+(Error|Exception)|error)\b", line)]
    return (errors or own or [shown])[-1].strip()


def requirements_file(p: Project, work: str) -> str:
    """The file that names what is required."""
    if p.get("COSMO_DEPS"):
        return str(p.get("COSMO_DEPS"))
    if p.metadata.built:
        return os.path.join(work, "requirements.txt")
    if p.script and p.script.suffix != ".py":
        return os.path.join(work, "script.py")
    return os.path.join(p.folder, p.script.name if p.script else "pyproject.toml")


def resolve(p: Project, sh: Shell, uv: str, work: str, upgrade: Iterable[str] = ()) -> None:
    """Resolve the dependencies to `pylock.toml`: from a `uv.lock`, else to what is current.

    Where there is one already, its versions stay, but for those of the names in `upgrade`.
    """
    folder, deps = quote(os.path.relpath(work, p.folder)), p.get("COSMO_DEPS")
    sh.log("deps", deps or ", ".join(p.metadata.dependencies) or "what its metadata requires")
    file = os.path.relpath(requirements_file(p, work), p.folder)
    line, at = f"{uv} pip compile -q $(cat {folder}/target) {quote(file)}", p.folder
    line += "".join(f" --upgrade-package {shlex.quote(name)}" for name in upgrade if name)
    if p.constraint:
        sh.run(f"printf '%s\\n' {p.constraint} > {quote(work)}/constraint.txt")
        line += f" -c {folder}/constraint.txt"
    if p.uses_uv_lock:  # read with a Python that suits the project, which this one may not
        line = f"{uv} export -q --locked --no-default-groups --no-editable --no-emit-project"
        line += " --format pylock.toml"
        line = f"unset UV_PYTHON && {line}"
    elif at == ".":
        at = ""
    failed = f"the dependencies of {p.pkg} cannot be resolved"
    sh.run(f"{line} -o {folder}/pylock.toml", failed, network_remedy(p), at=at)


def find_constraint(p: Project, sh: Shell) -> str:
    """Versions, as shell words, with which nothing that cannot run is required; empty for none.

    uv resolves once more, for a platform that there are hardly any wheels for, so that it takes
    pure ones alone of what is unsuitable. Of that, and of what requires it, other versions do.
    """
    work = os.path.join(p.build, ".deps")
    path, uv = Path(work, "unsuitable"), check_uv(p, sh.dry)
    if p.lock or p.uses_uv_lock or p.constraint or not p.installs or not path.exists():
        return ""
    rows = dict(row.split("\t") for row in path.read_text("utf-8").splitlines())
    if not rows:
        return ""
    sh.log("check", f"asks uv for versions that need no extension module of {' and '.join(rows)}")
    only = " ".join(f"--only-binary {shlex.quote(name)}" for name in rows)
    version = r"$(sed 's/ --python-platform.*//' .deps/target)"
    file = quote(os.path.relpath(requirements_file(p, work), p.build))
    line = f"{NO_COMPILER} {uv} pip compile -q {version} --python-platform wasm32-pyodide2024"
    try:
        line += f" {only} --no-header --no-annotate {file} -o .deps/advice.txt"
        sh.run(line, at=p.build, reason=lambda _: "there are none")
    except RecipeError:
        sh.log("check", "there are none")
        return ""
    pins = Path(work, "advice.txt").read_text("utf-8").splitlines()
    packages = read_toml(Path(work, "pylock.toml")).tables("packages")
    resolved = {f"{canonical(one.string('name'))}=={one.string('version')}" for one in packages}
    names = {canonical(name) for row in rows.items() for name in row}
    return shlex.join(
        pin for pin in pins if pin not in resolved and canonical(pin.partition("==")[0]) in names
    )


def lock_inputs(p: Project, work: str) -> tuple[str, ...]:
    """What the dependencies are resolved for: requirements, or a digest of the file with them."""
    deps = p.get("COSMO_DEPS")
    if deps not in (None, "none"):
        text = "\n".join(line for line, _ in requirements_lines(deps))
        return (
            f"requirements {Path(deps).name} sha256:{hashlib.sha256(text.encode()).hexdigest()}",
        )
    if deps is None and p.metadata.built:
        return tuple(Path(work, "requirements.txt").read_text("utf-8").splitlines())
    return p.metadata.dependencies if deps is None else ()


def check_lock_matches(p: Project, lock: Lock, work: str, dry: bool = False) -> None:
    """Check that the packages were locked for what is required now."""
    inputs = lock.inputs if dry and p.metadata.built else lock_inputs(p, work)
    if inputs != lock.inputs:
        locked, now = (", ".join(texts) or "nothing" for texts in (lock.inputs, inputs))
        problem = f"is for {locked}, and {now} is required; lock anew with `{p.lock_command}`"
        raise RecipeError(f"{p.lock_file} {problem}")


def check_lock(p: Project) -> None:
    """Raise `RecipeError` where there is no lock, or it is for other requirements than now."""
    if p.lock is None:
        raise RecipeError(f"{p.lock_file} does not exist; write it with `{p.lock_command}`")
    if p.metadata.built and p.get("COSMO_DEPS") is None:
        log(f"lock     {p.lock_file}: what it must be for is known once the program is built")
        return
    check_lock_matches(p, p.lock, "")
    log(f"lock     {p.lock_file} is current")


def is_lock(p: Project) -> bool:
    """Whether there is a lock, and it can be read."""
    with suppress(RecipeError):
        return p.lock_file.is_file() and read_lock(p.lock_file, "", p.lock_command) is not None
    return False


def write_lock(p: Project, sh: Shell, address: str, upgrade: str | bool = False) -> None:
    """Write the lock for the interpreter that came from `address`, and what is required now.

    What is locked, and still suits, stays, but for what is to `upgrade`: names, or all of it.
    """
    uv, work = prepare(p, sh)
    if p.installs:
        if upgrade is not True and is_lock(p):  # from which uv keeps what still suits
            sh.run(f"cp {quote(str(p.lock_file))} {quote(work)}/pylock.toml")
        resolve(p, sh, uv, work, str(upgrade or "").split(","))
        select_files(p, sh, f"{quote(work)}/pylock.toml", work)
    shown = sh.run("sh ./python --version", at=p.build).stdout
    if sh.dry:
        return
    python, pylock = Path(p.build, "python"), Path(work, "pylock.toml")
    modified, remote = time.gmtime(python.stat().st_mtime), "://" in address
    with exit_on_error(f"{p.lock_file} cannot be written"):
        lock = Lock(
            url=public_url(address) if remote else Path(address).name,
            size=python.stat().st_size,
            sha256=file_sha256(python),
            version=shown.split()[1],
            last_modified=time.strftime("%Y-%m-%dT%H:%M:%SZ", modified) if remote else "",
            inputs=lock_inputs(p, work),
        )
        resolved = pylock.read_text("utf-8") if p.installs else ""
        here = Path(os.path.relpath(work, p.folder))  # uv's paths begin there
        resolved = re.sub(
            r'\bpath = "([^"/][^"]*)"',
            lambda match: f'path = "{os.path.normpath(here / match[1])}"',
            resolved,
        )
        text = lock_text(resolved, lock)
        packages = parse_toml(pylock, text.encode()).tables("packages")
        names = [check_package(package) for package in packages]
        asked = upgrade.split(",") if isinstance(upgrade, str) else []
        unknown = {canonical(name) for name in asked if name} - set(names)
        if unknown:
            problem = f"{' and '.join(sorted(unknown))} is not among the dependencies"
            raise RecipeError(f"--upgrade={upgrade}: {problem}; correct it")
        pylock.write_text(text, "utf-8")
        pylock.replace(p.lock_file)
    also = "" if remote else "; set COSMO_URL wherever it is built, for it came from a path"
    held = count(len(names), "package")
    if p.value("COSMO_URL").source == "default":
        also = "; that interpreter's address changes with each release: COSMO_VERSION names one"
    log(f"lock     {p.lock_file}: Python {lock.version}, {held}; commit it{also}")


# recipes/app.py ---------------------------------------------------------------
# A program from the package index, without own code: the script that starts it.

APP = """\
{mark} `invoke cosmo.script {file}` packages it again.
# {slashes} script
# dependencies = [{requirements}]
#
# [tool.cosmo.env]
# COSMO_OUT = "{command}"
# DIR_SITE = "cosmo/Lib/site-packages"
# {slashes}
import sys

if __name__ == "__main__":
    sys.argv[0] = sys.executable
    sys.path[:0] = ["/zip/bin"] if sys.flags.isolated else []  # a program may replace the first
    from {module} import {name}

    sys.exit({function}())
"""
"""A script with its requirements in its comments (PEP 723)."""


def write_app(p: Project, sh: Shell, requirement: str, entry: str, also: Sequence[str]) -> Path:
    """Write the script, in `dist`, that starts a command of a release; return its path.

    `entry` is the command's name, `module:function`, or empty for the only command, or the one
    that is called like the distribution. `also` are requirements to install with it.
    """
    if sh.dry:
        problem = "a dry run writes no script; run cosmo.app without --dry, then `invoke --dry"
        raise RecipeError(f"{problem} cosmo.script FILE` of the script that it writes")
    command, *_ = [distribution_name(text) for text in (requirement, *also)]
    if not is_entry_point(entry):
        command, entry = choose_command(
            requirement, entry or command, bool(entry), *install_app(p, sh, requirement)
        )
    path = Path(p.folder, "dist", f"app_{re.sub('[^A-Za-z0-9]', '_', command)}.py")
    written = path.is_file() and not path.is_symlink()
    if os.path.lexists(path) and not (written and path.read_text("utf-8").startswith(APP_MARK)):
        raise RecipeError(f"{path} was not written by cosmo.app; move it away")
    module, _, function = entry.partition(":")
    text = APP.format(
        mark=APP_MARK,
        slashes="///",  # spelt out above, this file would have two such blocks where it is vendored
        file=f"dist/{path.name}",
        requirements=", ".join(f'"{text}"' for text in (requirement, *also)),
        command=command,
        module=module,
        name=function.partition(".")[0],
        function=function,
    )
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    sh.log("app", f"{path} starts {entry}")
    return path


def distribution_name(requirement: str) -> str:
    """The name that a requirement begins with; `RecipeError` where it is none, or has quotes."""
    match = re.match(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", requirement)
    if not match or '"' in requirement or "\\" in requirement or not requirement.isprintable():
        problem = f"{requirement!r} is no requirement"
        raise RecipeError(f"{problem}; name a distribution, as in `invoke cosmo.app black==25.1.0`")
    return match[0]


def install_app(p: Project, sh: Shell, requirement: str) -> tuple[dict[str, str], dict[str, bool]]:
    """The commands that a release brings, each with its `module:function`, and its other programs.

    Of each of these it says whether it is a script. The release is installed by itself, into a
    folder that is removed again.
    """
    folder = os.path.join(p.build, ".app")
    sh.run(f"rm -rf {quote(folder)}")
    line = f"{check_uv(p, False)} pip install -q --no-deps --python {quote(sys.executable)}"
    line += f" --target {quote(folder)} {shlex.quote(requirement)}"
    sh.run(line, f"{requirement} cannot be installed", "correct its name, or check the network")
    parser = ConfigParser(delimiters="=", interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(Path(folder).glob("*.dist-info/entry_points.txt"), "utf-8")
    commands = dict(parser["console_scripts"]) if "console_scripts" in parser else {}
    others = [path for path in Path(folder, "bin").glob("*") if path.name not in commands]
    programs = {path.name: path.read_bytes()[:2] == b"#!" for path in others if path.is_file()}
    sh.run(f"rm -rf {quote(folder)}")
    return commands, programs


def choose_command(
    requirement: str, name: str, is_given: bool, commands: dict[str, str], programs: dict[str, bool]
) -> tuple[str, str]:
    """The command with that name, or, where none is given, the only one; and what it starts."""
    if not commands:
        scripts = sorted(program for program, is_script in programs.items() if is_script)
        if scripts:
            problem = f"{requirement} has no entry point, but bin/{' and bin/'.join(scripts)}"
            remedy = "name what that calls with --entry=module:function, or package a copy of it"
            remedy += ", with the requirement in its comments (PEP 723), by `invoke cosmo.script`"
            raise RecipeError(f"{problem}; {remedy}")
        native = f"; bin/{min(programs)} is a native program, which cannot run" if programs else ""
        remedy = "require another that has one, or name what starts with --entry=module:function"
        raise RecipeError(f"{requirement} has no command written in Python{native}; {remedy}")
    same = [command for command in commands if canonical(command) == canonical(name)]
    if not same and (is_given or len(commands) > 1):
        problem = f"{requirement} has no command {name}"
        raise RecipeError(f"{problem}; name one with --entry: {', '.join(commands)}")
    command = same[0] if same else next(iter(commands))
    entry = re.sub(r"\s*\[.*\]\s*$", "", commands[command]).replace(" ", "")
    if not re.fullmatch(r"\w[\w.-]*", command) or not is_entry_point(entry):
        problem = f"the command {command!r} of {requirement} cannot start {entry!r}"
        raise RecipeError(f"{problem}; name module:function with --entry")
    return command, entry


# recipes/phases.py ------------------------------------------------------------
# The article's recipe: one task a phase, in the article's order, each of them its shell lines.

IGNORED_DIRS = ("__pycache__", "*.egg-info", ".DS_Store")
IGNORED_FILES = ("*~", ".#*", "#*#", ".*.sw[op]")
"""What does not go in: the host's bytecode, what an editable install left, and editors' files."""


@task
def clean(c: Context) -> None:
    """Remove what an earlier build gathered; the executable and the interpreter stay."""
    with session(c, "clean") as (p, sh):
        sh.log("clean", p.site)
        sh.run('rm -rf "$DIR_SITE"')  # the article: rm -rf $DIR_SITE


@task(pre=[clean])
def setup(c: Context) -> None:
    """Copy the package into DIR_SITE, and write the .args that starts it."""
    with session(c, "setup") as (p, sh):
        sh.log("setup", f"{p.source} -> {p.site}")
        # the article: mkdir -p $DIR_SITE; cp -r src/$PKG $DIR_SITE
        target = '"$DIR_SITE"' if p.source.name == p.top else f'"$DIR_SITE"/{p.top}'
        copy = f"cp -RL {quote(str(p.source))} {target}"
        sh.run(f'mkdir -p "$DIR_SITE" && {copy} && chmod -R u+w "$DIR_SITE"')
        if p.beside and p.writes_metadata:
            beside = " ".join(quote(str(path)) for path in p.beside)
            sh.run(f'cp -RL {beside} "$DIR_SITE" && chmod -R u+w "$DIR_SITE"')
        for names in (IGNORED_DIRS, IGNORED_FILES):
            sh.remove(p.site, [f"-name {shlex.quote(name)}" for name in names])
        sh.exclude(p.site, p.excluded)
        if p.executables[0].args[-1:] != ("...",):
            sh.log("setup", "COSMO_ARGS does not end in ..., so the user's arguments are not taken")
        sh.run(write_args(p, p.executables[0]))  # the article: printf ... > dist/cosmo/.args


@task(help={"force": "Download again, even where the file is unchanged."})
def fetch(c: Context, force: bool = False) -> None:
    """Download the Cosmopolitan Python if there is a newer one; also zip, if none is installed."""
    with session(c, "fetch") as (p, sh):
        sh.log("lock", lock_message(p))
        fetch_tools(p, sh, force)  # the article: wget -N; chmod +x python


@task(pre=[setup, fetch])
def deps(c: Context) -> None:
    """Install the program's dependencies with uv, for the Cosmopolitan Python, and its metadata."""
    with session(c, "deps") as (p, sh):
        if p.writes_metadata:
            install_dependencies(p, sh)


@task(pre=[deps])
def check(c: Context) -> None:
    """Check that what the program imports when it starts is there, and can run."""
    with session(c, "check") as (p, sh):
        roots = [executable.entry for executable in p.executables if executable.entry]
        if not p.get("COSMO_CHECK") or not roots:
            return
        trial = ["--help"] if p.is_app and roots == [p.pkg] else []
        requires = "" if p.installs else p.metadata.requires_python  # else `deps` checked it
        words = shlex.join([p.metadata.name or p.pkg, requires, *roots, *trial])
        line = inside_command(p, "check", '"$DIR_SITE"', quote(p.layer), words)
        try:
            sh.run(line, f"{' and '.join(roots)}{p.entry_source} cannot start", remedy="")
        except RecipeError as error:
            add_advice(c, p, sh, error)
        if not sh.dry:
            path = Path(p.build, ".imports")
            absent = len(re.findall("(?m)^# ", path.read_text("utf-8")))
            also = f"; optional imports that are not there: {absent} ({path})" if absent else ""
            sh.log("check", f"{' and '.join(roots)} can start{also}")


def add_advice(c: Context, p: Project, sh: Shell, error: RecipeError) -> NoReturn:
    """Raise the error, with versions to require if the program can start with them: it is tried."""
    given = [p.value(name) for name in ("COSMO_DEPS", "COSMO_EXCLUDE")]
    shown = " and ".join(f"{one.name}={one.text} ({one.source})" for one in given if one.text)
    if shown:
        error = RecipeError(f"{error}; {shown} may be the cause")
    constraint, raised = find_constraint(p, sh), error
    if constraint:
        sh.log("check", f"tries {constraint}")
        with suppress(RecipeError), redirect_stderr(StringIO()):  # the reasons stay the last lines
            run_phases(c, {CONSTRAINT: constraint}, "check")
            line = inside_command(p, "imports", '"$DIR_SITE"', quote(p.layer))
            sh.run(line, reason=describe_failure)
            remedy = f"add --with {constraint}" if p.is_app else "require that"
            message = str(error).replace(f"; {REMEDY}", "")
            raised = RecipeError(f"{message}; with {constraint} it can start: {remedy}")
        if raised is error:
            sh.log("check", f"with {constraint} it cannot start either")
    raise raised


@task(pre=[check], name="compile")
def compile_site(c: Context) -> None:
    """Compile the .py files to .pyc with the Cosmopolitan Python, and delete them."""
    with session(c, "compile") as (p, sh):
        files = 0 if sh.dry else sum(1 for _ in Path(p.site).rglob("*.py"))
        sh.log("compile", count(files, "file"))
        with progress_bar("compile", files, "files") as bar:
            # the article: ./dist/cosmo/python -m compileall -b $DIR_SITE/$PKG
            lib, counted = os.path.dirname(p.site), Progress(bar, COMPILED)
            own = '"site-packages/$PKG"' if p.top == p.pkg else quote(f"site-packages/{p.top}")
            remedy = "correct the file, or name it in COSMO_KEEP or COSMO_EXCLUDE"
            failed, line = f"{p.source} does not compile", compile_line(p, f"-f {own}")

            def reason(result: Result) -> str:
                shown = show_output(result, counted)
                return compile_error(p, result) or shown

            sh.run(line, failed, remedy, at=lib, progress=counted, reason=reason)
            if p.beside or p.metadata.built:
                compile_others(sh, compile_line(p), lib, counted, p.pkg)
        if not p.get("COSMO_SOURCE"):  # the article: find $DIR_SITE/$PKG -name "*.py" -delete
            names = r"find . -name '*.pyc' -type f | sed -n 's/^\(\.\/.*\)c$/\1/p' | tr '\n' '\0'"
            sh.run(f"{names} | xargs -0 rm -f", at=p.site)


@task
def report(c: Context) -> None:
    """Print the executable's path, size, sha256 and Python, and how to start it."""
    with session(c, "report") as (p, sh):
        if sh.dry:
            return
        for executable in p.executables:
            if not Path(executable.path).is_file():
                raise RecipeError(f"{executable.path} does not exist; make it with `invoke cosmo`")
        version = sh.run("sh ./python --version", at=p.build).stdout.strip()
        shown = [line for one in p.executables for line in describe_executable(p, one, version)]
        print_result("\n".join(shown))
        note_build(p, line_environment(c), shown)


@task(pre=[compile_site], post=[report])
def update(c: Context) -> None:
    """Make the executable: a copy of the Python, pruned, with .args and Lib added."""
    with session(c, "update") as (p, sh):
        first, *others = p.executables
        files = 0 if sh.dry else sum(path.is_file() for path in Path(p.build, "Lib").rglob("*"))
        made = ", ".join(executable.path for executable in p.executables)
        sh.log("update", f"{count(files + 1, 'file')} into {made}")
        new, zip_ = new_zip(first), zip_command()
        with progress_bar("update", files, "entries") as bar:
            added = Progress(bar, r"\s*(adding|updating): ")
            begin_executable(p, sh, new, added)
            # the article: zip -r $PKG.zip .args Lib
            line = f"{add_line(p, new)} < .new/files && chmod =rwx {new}"
            sh.run(line, at=p.build, progress=added)
        if p.get("COSMO_CHECK") and first.entry:
            try_imports(p, sh, first)
        for other in others:
            sh.run(f"cp {new} {new_zip(other)}", at=p.build)
        for executable in p.executables:
            if executable in others:
                sh.run(f"{write_args(p, executable)} && {touch(p)} {quote(p.build)}/.args")
            sh.run(f"{zip_} -q -MM -X -g {new_zip(executable)} .args", at=p.build)
        for executable in p.executables:
            if p.get("COSMO_SMOKE") is not None:
                try_executable(p, sh, executable)
        for executable in p.executables:
            place(p, sh, executable)  # the article: mv $PKG.zip $PKG


FORCED = {"force": "Build all of it anew, and keep nothing of the last build."}
"""What an option of the tasks that package means."""


@task(default=True, help={"offline": "Ask no server: take what the cache has.", **FORCED})
def build(c: Context, offline: bool = False, force: bool = False) -> None:
    """Package the project into one executable: every phase, in order."""
    package(c, {"COSMO_OFFLINE": "1"} if offline else {}, force)


@task(help={"file": "The script; what it needs stands in its comments (PEP 723).", **FORCED})
def script(c: Context, file: str, force: bool = False) -> None:
    """Package a single script, with the dependencies that its comments name."""
    package(c, {"COSMO_SCRIPT": file}, force)


@task(
    iterable=["with_"],
    help={
        "requirement": "What to install, as in 'black==25.1.0'.",
        "entry": "The command to start, or module:function (default: called like the release).",
        "with": "What else to install, as in 'jsonschema<4.18'; may be given several times.",
        **FORCED,
    },
)
def app(
    c: Context,
    requirement: str,
    entry: str = "",
    with_: list[str] | None = None,
    force: bool = False,
) -> None:
    """Package a program from the package index into dist/, without a project."""
    with session(c, "app") as (p, sh):
        file = write_app(p, sh, requirement, entry, with_ or ())
    package(c, {"COSMO_SCRIPT": str(file)}, force)


def package(c: Context, options: dict[str, str], force: bool) -> None:
    """Check all settings, and run every phase with these options, which no later task sees.

    Where all is as it was for the last build, its report is printed again.
    """
    options = {**c.config.get(OPTIONS, {}), **options, FORCE: "1" if force else ""}
    with handle_signals(), exit_on_error("cosmo cannot go on"):
        p = load_project(options)
        p.check()
        dry = bool(c.config.run.dry)
        check_uv(p, dry)
        if Path(p.build).is_dir() and not dry:
            p.check_build_folder()
            lock_build_folder(Path(p.build))
        inputs = "" if dry else build_inputs(p, line_environment(c))
        report = last_report(p, inputs)
        if report and not force:
            log("cosmo    nothing has changed since the last build; --force builds it anew")
            print_result("\n".join(report))
            return
    run_phases(c, {**options, INPUTS: inputs}, "update")


def run_phases(c: Context, options: dict[str, str], last: str) -> None:
    """Run the phases up to the last one with these options, which no later task sees."""
    config = c.config.clone()
    config.update({OPTIONS: {**c.config.get(OPTIONS, {}), **options}})
    Executor(cosmo, config).execute(last)


@task(
    optional=["upgrade"],
    help={
        "check": "Write nothing: end with status 1 if it is not for what is required now.",
        "script": "The script to lock, in place of the project.",
        "upgrade": "Take current versions of all dependencies, or of these: --upgrade=rich,httpx.",
    },
)
def lock(c: Context, check: bool = False, script: str = "", upgrade: str | bool = False) -> None:
    """Write pylock.cosmo.toml: the interpreter and dependencies that builds take from now on."""
    options = {"COSMO_SCRIPT": script} if script else {}
    if check:
        check_lock(load_project(options))
        return
    with session(c, "lock", options) as (p, sh):
        p.lock = None
        write_lock(p, sh, fetch_tools(p, sh), upgrade)


@task(help={"prune": "Remove what no build used for so many days (0: all)."})
def cache(c: Context, prune: str = "") -> None:
    """Print what the user's cache holds, and its size; --prune DAYS makes it smaller."""
    if prune and not prune.isdecimal():
        raise RecipeError(f"--prune={prune!r}: write a number of days")
    if prune:
        prune_cache(int(prune))
    folder = cache_folder()
    sizes = [path.lstat().st_size for path in folder.rglob("*") if path.is_file()]
    print_result(f"{folder}: {len(sizes)} files, {sum(sizes) / 1e6:,.1f} MB")


@task(
    name="settings",
    help={"json": "Print them as JSON, for a machine.", "explain": "Also print what each means."},
)
def show_settings(c: Context, json: bool = False, explain: bool = False) -> None:
    """Print each setting, its value and where that comes from."""
    p = load_project()
    values = {name: p.value(name) for name in SETTINGS}
    here = values["COSMO_PROJECT"]._replace(text=str(p.root), source=p.location.source)
    values["COSMO_PROJECT"] = here
    wide = max(len(value.text or "") for value in values.values())
    lines = []
    for name, value in values.items():
        lines.append(f"{name:<15}{value.text or '':<{wide}}  {value.source}")
        lines += [f"    {line}" for line in wrap(SETTINGS[name].meaning, 76) if explain]
    rows = [{"name": n, "value": v.text, "source": v.source} for n, v in values.items()]
    print_result(dumps(rows, indent=2) if json else "\n".join(lines))


cosmo = Collection(
    "cosmo",
    *(clean, setup, fetch, deps, check, compile_site, update, build),
    *(report, script, app, lock, cache, show_settings),
)


# recipes/__init__.py ----------------------------------------------------------
# Invoke recipes that turn a Python project into one executable for Linux, macOS and Windows.

__version__ = "0.2.0"

ns = Collection(cosmo)


def with_recipes(module: str) -> Collection:
    """The tasks so far of the module with that `__name__`, and the recipes beside them."""
    tasks = Collection.from_module(sys.modules[module])
    for name, collection in ns.collections.items():
        taken = name in tasks.task_names or name in tasks.collections
        other = "cosmo_recipes" if name == "cosmo" else f"cosmo_{name}"
        tasks.add_collection(collection, other if taken else name)
    return tasks


if __name__ == "__main__":
    import invoke.program

    path = Path(__file__).resolve()
    options = ["-r", str(path.parent), "-c", path.stem]
    invoke.program.Program(version=__version__).run([sys.argv[0], *options, *sys.argv[1:]])
