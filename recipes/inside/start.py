"""Check that a program can start: its entry, this Python, and what it imports."""

from __future__ import annotations

import gc
import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Iterator

from .distribution import Dist, dependency_path, find_dists
from .graph import ImportGraph, Use
from .probe import START
from .purify import LAYER_SITE

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
