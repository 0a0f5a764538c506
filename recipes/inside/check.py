"""Check that a program can start: import it, and what its compiled code imports later.

Runs in the new executable, which has no sources: `FILE check ENTRY [NOTES [BESIDE]]`.
"""

import contextlib
import dis
import importlib.machinery
import importlib.util
import itertools
import json
import os
import re
import signal
import sys
import types
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from .bytecode import CompiledCode, frame_place, program_places, site_relative

FORMER = "asynchat asyncore cgi cgitb crypt distutils imp lib2to3 nntplib pipes smtpd telnetlib"
"""Modules that Python 3.12 or 3.13 removed, and that programs still import."""


class StartTrial:
    """One try to import what starts. `optional` are the imports that are needed in some cases."""

    def __init__(self, entry: str, notes: dict[str, Any]) -> None:
        self.module, _, self.function = entry.partition(":")
        self.removed: dict[str, str] = {}  # each extension module, and its distribution
        for file, dist in notes.get("removed", {}).items():
            self.removed[file.partition(".")[0].replace("/", ".")] = dist or "the program"
        self.packages, self.beside = notes.get("packages", {}), notes.get("beside", [])
        self.lacked: tuple[str, list[Any]] | None = None
        self.doubts: list[str] = []  # errors that may come from code that was not run
        self.needs_network = self.changes_path = False
        self.seen: set[int] = set()
        self.optional: list[Callable[[], None]] = []

    def refuse_network(self, event: str, values: tuple[Any, ...]) -> None:
        """Refuse what needs a network, as an audit hook; paths and numbers of hosts do not."""
        lookup = re.fullmatch(r"socket\.get(addrinfo|hostby(name|addr)|nameinfo)", event)
        if lookup and not re.fullmatch(r"[\d.:]+", str(values[0])):
            self.needs_network = True
            raise sys.modules["_socket"].gaierror("the start check has no network")
        is_sent = re.fullmatch(r"socket\.(connect|send(msg|to))", event)
        if is_sent and not isinstance(values[-1], (str, bytes)):
            self.needs_network = True
            raise ConnectionRefusedError("the start check has no network")

    def find_spec(self, name: str, *_: object) -> None:
        """Note, as the last finder of modules, who asked for a removed extension module."""
        if name in self.removed:
            frames = [sys._getframe(1)]
            while frames[-1].f_back:
                frames.append(frames[-1].f_back)
            places = [frame_place(one, one.f_lineno, one.f_lasti) for one in reversed(frames)]
            self.lacked = name, [place for place in places if place[0]]

    def load_function(self) -> Any:
        """Import the module of the function that starts, and return the function."""
        value: Any = importlib.import_module(self.module)
        for name in self.function.split("."):
            if not hasattr(value, name):
                problem = f"{self.module} has no {self.function}"
                raise ImportError(f"{problem}; correct COSMO_ENTRY or [project.scripts]")
            value = getattr(value, name)
        return value

    def import_entry(self) -> None:
        """Import what starts, and what its compiled code imports later."""
        top = self.module.partition(".")[0]
        sites = [path for path in sys.path if path.endswith("site-packages")]
        packed = importlib.machinery.PathFinder.find_spec(top, sites)
        if packed and packed.origin != getattr(importlib.util.find_spec(top), "origin", ""):
            problem = f"the interpreter has a module {top} of its own, which would run instead"
            raise ImportError(f"{problem}; rename the program")
        if self.function:
            return self.follow(self.load_function(), 0)
        name = self.module
        spec = importlib.util.find_spec(name)
        if spec and spec.submodule_search_locations is not None:
            name = f"{name}.__main__"
            spec = importlib.util.find_spec(name)
        if not spec:
            raise ImportError(f"there is no module {name}; correct COSMO_ENTRY or PKG")
        namespace: dict[str, Any] = {"__name__": "__main__", "__package__": spec.parent}
        code = spec.loader.get_code(name)  # type: ignore[union-attr]
        return self.read(code, namespace, namespace, 0)

    def follow(self, value: Any, depth: int) -> None:
        """Import what a function imports, and what those do that it calls, up to five deep."""
        if hasattr(type(value), "make_context"):  # a command of click
            value = value.callback
        while type(value) is types.FunctionType and hasattr(value, "__wrapped__"):
            value = value.__wrapped__
        if type(value) is not types.FunctionType or depth > 5:
            return
        code = value.__code__
        is_plain = not code.co_flags & 0x2A0  # generators and coroutines run later
        if is_plain and id(code) not in self.seen and site_relative(code.co_filename):
            self.seen.add(id(code))
            self.read(code, value.__globals__, {}, depth)

    def read(self, code: Any, namespace: dict[str, Any], local: dict[str, Any], depth: int) -> None:
        """Go through compiled code: import what it imports, and follow the functions it calls."""
        compiled = CompiledCode(code)
        bound: dict[str, Any] = {}
        value = None
        for index, step in enumerate(compiled.steps):
            operation, name = step.opname, step.argval
            is_module = issubclass(type(value), types.ModuleType)  # isinstance wakes lazy objects
            attributes: Any = vars(value) if is_module else {}
            if operation == "IMPORT_NAME":
                bound = self.import_late(compiled, index, namespace)
                value = bound.get(name.partition(".")[0])
            elif operation == "IMPORT_FROM":
                value = bound.get(name, attributes.get(name))
            elif operation in ("LOAD_ATTR", "LOAD_METHOD"):
                self.changes_path = self.changes_path or (value is sys and name == "path")
                value = attributes.get(name)
            elif operation.startswith("STORE_"):
                local[name] = value
            elif operation.startswith(("LOAD_FAST", "LOAD_DEREF")):
                value = local.get(name)
            elif operation in ("LOAD_GLOBAL", "LOAD_NAME"):
                value = namespace.get(name)
            elif isinstance(name, types.CodeType) and not name.co_freevars:
                value = types.FunctionType(name, namespace)
            elif not operation.startswith(("MAKE_", "SET_F", "SWAP", "ROT_", "POP_TOP")):
                value = value if isinstance(name, str) else None  # a function's name keeps it
            if value is not None and operation.startswith("LOAD_") and compiled.is_called(index):
                if compiled.is_certain(step.offset):
                    self.follow(value, depth + 1)

    def import_late(self, compiled: CompiledCode, index: int, namespace: Any) -> dict[str, Any]:
        """Execute an import statement that surely runs; return what it binds. Keep others."""
        level, names, module = (step.argval for step in compiled.steps[index - 2 : index + 1])
        code, offset = compiled.code, compiled.steps[index].offset
        line = [row for start, row in dis.findlinestarts(code) if start <= offset][-1]
        module = "." * level + module
        text = f"from {module} import {', '.join(names)}" if names else f"import {module}"
        job = compile("\n" * ((line or 1) - 1) + text, code.co_filename, "exec", dont_inherit=True)
        scope = {key: namespace.get(key) for key in ("__name__", "__package__")}
        if self.changes_path or not compiled.is_certain(offset):  # the change was not made
            self.optional.append(partial(exec, job, scope))
            return {}
        try:
            exec(job, scope)  # noqa: S102 - the program's own statement
        except (ImportError, SyntaxError):
            raise
        except Exception as error:
            doubt = f"importing {module} fails unless other code ran before it"
            self.doubts.append(f"{doubt} ({self.explain(error)})")
        return scope

    def explain(self, error: BaseException) -> str:
        """Describe why an import failed, by the first of its causes that names a module."""
        if isinstance(error, SyntaxError) and error.filename:
            file = site_relative(error.filename) or error.filename
            return f"{file}:{error.lineno}: {type(error).__name__}: {error.msg}"
        places: list[Any] = []
        causes: list[BaseException] = []
        cause: Any = error
        while cause is not None and cause not in causes:
            causes.append(cause)
            places += program_places(cause)
            leaf = re.search(r"cannot import name '(\w+)'", str(cause))
            name = cause.name if isinstance(cause, ImportError) else ""
            name = f"{name}.{leaf[1]}" if leaf else name
            if name and (isinstance(cause, ModuleNotFoundError) or name in self.removed):
                return self.explain_missing(name, places)
            cause = cause.__cause__ or cause.__context__
        if not places:
            return str(error)
        file, line, *_ = (program_places(error) or places)[-1]
        text = f"{file}:{line}: {type(error).__name__}: {error}".partition("\n")[0]
        top = re.split(r"\W", file)[0]
        dists = [self.removed[name] for name in self.removed if name.startswith(f"{top}.")]
        if self.lacked and (dists or (isinstance(error, ImportError) and not error.name)):
            return self.explain_missing(*self.lacked)  # another error was raised in its place
        if dists:
            problem = f"{dists[0]} lacks its extension modules, which cannot run in the executable"
            return f"{problem} ({text})"
        return text

    def explain_removed(self, name: str, places: list[Any]) -> str:
        """Describe an extension module that was removed, and the distributions on the way to it."""
        tops = [re.split(r"\W", one[0])[0] for one in places]
        chain = [*dict.fromkeys(self.packages.get(one, one) for one in tops)]
        if self.removed[name] not in (chain[-1], "the program"):
            chain.append(self.removed[name])
        path = " -> ".join(one.partition(" ")[0] for one in chain)
        file, line, *_ = places[-1]
        place = f"{path}; {file}:{line}" if "->" in path else f"{file}:{line}"
        problem = f"{self.removed[name]} needs its extension module {name}, which cannot run"
        return f"{problem} in the executable ({place})"

    def explain_missing(self, name: str, places: list[Any]) -> str:
        """Describe a module that is missing where the last of `places` asks for it."""
        if not places:
            return f"there is no module {name}; correct COSMO_ENTRY or PKG"
        file, line, code, offset = places[-1]
        place = f"{file}:{line}"
        top = name.partition(".")[0]
        if name in self.removed:
            return self.explain_removed(name, places)
        if top in getattr(sys, "stdlib_module_names", (top,) if top[0] == "_" else ()):
            steps = [step for step in dis.get_instructions(code) if step.offset == offset]
            imported = [step.argval for step in steps if step.opname == "IMPORT_NAME"] or [name]
            packages = itertools.accumulate(imported[0].split("."), "{}.{}".format)
            absent = next((one for one in packages if one not in sys.modules), imported[0])
            if absent == name:
                return f"{place} imports {name}, which this interpreter lacks"
            return f"{absent} needs {name}, which this interpreter lacks ({place} imports it)"
        spec = importlib.machinery.PathFinder.find_spec(top)
        beside = [file for file in self.beside if file in (top, f"{top}.py")]
        problem = "is not installed"
        if spec and spec.origin:
            problem = f"{top} does not have"
        elif beside:
            problem = f"lies beside the program; put it in with COSMO_INCLUDE={beside[0]}"
        elif find_pth(top):
            problem = (
                f"{find_pth(top)} would make importable; .pth files do not work in the executable"
            )
        elif top in FORMER.split():
            version = "{}.{}".format(*sys.version_info)
            problem = f"Python {version} no longer has; take a newer release, or another Python"
        return f"{place} imports {name}, which {problem}"


def find_pth(top: str) -> str:
    """Find the .pth file that names a folder with this module; empty if there is none."""
    sites = [site for site in sys.path if os.path.isdir(site)]
    files = [os.path.join(site, name) for site in sites for name in sorted(os.listdir(site))]
    for pth in (file for file in files if file.endswith(".pth")):
        with open(pth, encoding="utf-8", errors="replace") as lines:
            for line in filter(str.strip, lines):
                path = os.path.join(os.path.dirname(pth), line.strip(), top)
                if any(os.path.exists(path + end) for end in ("", ".py", ".pyc")):
                    return os.path.basename(pth)
    return ""


def try_start(trial: StartTrial, report: Callable[..., None]) -> None:
    """Import what starts; report what is missing, and remarks."""
    sys.argv = [trial.module]
    sys.meta_path.append(trial)
    try:
        trial.import_entry()
    except BaseException as error:
        is_exit = isinstance(error, SystemExit) and not isinstance(error.__context__, ImportError)
        alone = trial.needs_network or isinstance(error, EOFError)
        if alone and not isinstance(error, ImportError):
            text = f"importing {trial.module} fails without network, input and home"
            return report("remark", f"{text}; try it by hand")
        if not is_exit:
            return report("missing", trial.explain(error))
        if error.args[:1] not in ((), (0,), (None,)):
            report("remark", f"importing {trial.module} ends the program ({error})")
    report("done", "")
    for doubt in trial.doubts:
        report("remark", doubt)
    zones = getattr(sys.modules.get("zoneinfo"), "available_timezones", None)
    if zones and not zones():
        report("remark", "zoneinfo finds no time zones; require tzdata")
    for run in trial.optional:
        trial.lacked = None
        try:
            run()
        except BaseException as error:
            if isinstance(error, ImportError):
                report("remark", f"needed only in some cases: {trial.explain(error)}")
    return None


def run_forked(work: Callable[..., None], seconds: int) -> tuple[list[list[str]], int]:
    """Run `work` in a child process; return the rows that it reports, and its exit status.

    The status is negative if a signal ended it: SIGALRM if it took too long.
    """
    reading, writing = os.pipe()
    signal.alarm(seconds + 30)  # for a pipe that stays open in what the child leaves behind
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            signal.alarm(seconds)
            work(lambda *row: os.write(writing, json.dumps(row).encode() + b"\n"))
            os.write(writing, b"\n")
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:
        rows = [json.loads(row) for row in itertools.takewhile(str.strip, pipe)]
    with contextlib.suppress(OSError):
        os.killpg(child, signal.SIGKILL)  # with what it has started
    return rows, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def find_problems(trial: StartTrial) -> Iterator[str]:
    """Yield a line for what is missing, and for each remark."""
    rows, status = run_forked(partial(try_start, trial), 60)
    yield from (f"{kind}: {text}" for kind, text in rows if text)
    if not rows:
        ended = f"signal {-status}" if status < 0 else f"exit status {status}"
        ended = f"importing {trial.module} ends the interpreter ({ended})"
        late = "importing what starts takes longer than a minute"
        yield f"missing: {late if status == -signal.SIGALRM else ended}"


def check_start(entry: str, notes: str = "", beside: str = "") -> None:
    """Print a line for each reason why `entry` cannot start; exit with status 1 if there is one.

    `notes` and `beside` are files: what `fit` noted, and the names of what lies beside the program.
    """
    texts = [""] * 2
    for number, path in enumerate((notes, beside)):
        if os.path.isfile(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                texts[number] = file.read()
    trial = StartTrial(entry, {"beside": texts[1].split("\n"), **json.loads(texts[0] or "{}")})
    output, null = os.dup(1), os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    sys.addaudithook(trial.refuse_network)
    for name in os.environ.keys() - {"PATH", "TMPDIR"}:
        del os.environ[name]
    home = os.path.abspath(f".home-{os.getpid()}")
    os.mkdir(home)
    os.environ.update(HOME=home, TERM="dumb", LC_CTYPE="C.UTF-8")
    os.chdir(home)
    lines = list(find_problems(trial))
    os.write(output, "".join(f"{line}\n" for line in lines).encode("utf-8", "replace"))
    if any(line.startswith("missing: ") for line in lines):
        sys.exit(1)
