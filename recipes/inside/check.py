"""Check that a program can start: import it, and what its compiled code imports later.

Runs in the new executable, which has no sources: `FILE check ENTRY [NOTES [BESIDE [ARGUMENTS]]]`.
"""

import builtins
import dis
import importlib.machinery
import importlib.util
import json
import os
import re
import runpy
import select
import shlex
import signal
import sys
import tempfile
import time
import traceback
import types
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Optional

NO_NETWORK = "the start check has no network"
UNKNOWN_VALUE = object()  # of a name in compiled code

FORMER_LIBRARY = """aifc asynchat asyncore audioop cgi cgitb chunk crypt distutils imghdr imp lib2to3
mailcap nntplib pipes smtpd sndhdr spwd sunau telnetlib uu xdrlib""".split()
"""What Python 3.12 and 3.13 removed. Source: "What's New", of both."""

KEEPING_STEPS = "MAKE_FUNCTION SET_FUNCTION_ATTRIBUTE PUSH_NULL SWAP ROT_TWO POP_TOP".split()
"""Instructions between one that makes a value and one that stores or calls it."""


class StartProblem(Exception):
    """A reason why the program cannot start that no exception of its own tells."""


class StandIn(type):
    """The type of a class that stands for a module: its attributes, calls and items are such too."""

    def __getattr__(cls, name: str) -> "StandIn":
        if name.startswith("__"):
            raise AttributeError(name)
        return StandIn(name, (), {})

    def __call__(cls, *values: Any, **options: Any) -> Any:
        return values[0] if len(values) == 1 and callable(values[0]) else cls  # a decorator

    __getitem__ = __mul__ = __rmul__ = __call__


class CompiledCode:
    """The instructions of a code object; `ranges` are those that an exception leaves for a handler.

    Code that runs whenever the program's own `__name__` is `__main__` counts as unconditional.
    """

    def __init__(self, code: types.CodeType) -> None:
        self.names, self.jumps, self.ranges = set(code.co_names), [], []
        steps = dis.get_instructions(code)
        self.steps = [step for step in steps if step.opname not in ("EXTENDED_ARG", "CACHE")]
        for index, step in enumerate(self.steps):
            before = [one.argval for one in self.steps[max(index - 3, 0) : index]]
            is_main = "__name__" in before and "__main__" in before and "==" in before
            if step.opname.startswith("SETUP_"):  # before Python 3.11; a table since
                self.ranges.append((step.offset, step.argval, step.argval))
            elif step.opcode in {*dis.hasjrel, *dis.hasjabs} and not is_main:
                self.jumps.append((step.offset, step.argval))
        for entry in getattr(dis.Bytecode(code), "exception_entries", ()):
            self.ranges.append((entry.start, entry.end, entry.target))

    def in_handler(self, offset: int) -> bool:
        """Tell whether an exception leads here: by a jump over it, since 3.11 behind all else."""
        new = sys.version_info >= (3, 11)
        targets = [target for _, _, target in self.ranges if target <= offset]
        return any(new or any(at < t and offset < to for at, to in self.jumps) for t in targets)

    def is_certain(self, offset: int) -> bool:
        """Tell whether an instruction surely runs, and an ImportError in it is not caught."""
        ends = [step.offset for step in self.steps if step.opname.startswith("RETURN")]
        crossed = any(at < offset < to for at, to in self.jumps)
        if crossed or min(ends, default=offset) < offset or self.in_handler(offset):
            return False
        places = [offset]
        for place in places:  # a handler lies in the range of the next one
            inner = [target for start, end, target in self.ranges if start <= place < end]
            places += [target for target in inner if target not in places]
        return not any(map(self.catches_import_error, places[1:]))

    def catches_import_error(self, target: int) -> bool:
        """Tell whether a handler names ImportError or a class above it, or is bare."""
        guards = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
        loaded: set[Any] = set()
        steps = iter([step for step in self.steps if step.offset >= target])
        for step in steps:
            if step.opname in ("CHECK_EXC_MATCH", "JUMP_IF_NOT_EXC_MATCH"):
                jump = step if step.opname.startswith("JUMP") else next(steps)
                return bool(loaded & guards) or self.catches_import_error(jump.argval)
            if step.opname.startswith("LOAD_"):
                loaded.add(step.argval)
            elif step.opname == "WITH_EXCEPT_START":
                return bool(self.names & {"suppress", *guards})
            elif step.opname not in ("PUSH_EXC_INFO", "DUP_TOP", "BUILD_TUPLE", "NOP"):
                return step.opname == "POP_TOP" and not loaded
        return False

    def is_called(self, index: int) -> bool:
        """Tell whether what an instruction loads is called next; since 3.11 a NULL marks that."""
        step, depth = self.steps[index], 1
        if sys.version_info >= (3, 11) or step.opname == "LOAD_METHOD":
            near = self.steps[index + 1 if sys.version_info >= (3, 13) else index - 1].opname
            return "NULL" in step.argrepr or near == "PUSH_NULL" or step.opname == "LOAD_METHOD"
        for step in self.steps[index + 1 :]:
            depth += dis.stack_effect(step.opcode, step.arg, jump=False)
            if depth < 2 and (depth < 1 or step.opname.startswith("CALL_")):
                return depth == 1
        return False


class StartTrial:
    """One try to import what starts. `misses` tells who asked for a module that was not found."""

    def __init__(self, entry: str, notes: dict[str, Any], stand_ins: list[str]) -> None:
        self.module, _, self.function = entry.partition(":")
        self.notes, self.stand_ins, self.seen = notes, stand_ins, {0}
        self.misses: dict[str, list[Any]] = {}
        self.optional: list[tuple[int, int, bool, Callable[[], None]]] = []
        library = [path for path in sys.path for end in ("", "c") if os.path.exists(f"{path}/os.py{end}")]
        sites = [os.path.abspath(path) + "/" for path in sys.path if path not in library]
        self.sites = sorted(sites, key=len, reverse=True)
        files = notes.get("removed", {})
        modules = [re.fullmatch(r"([\w/]+)\.[^/]+", file) for file in files]
        self.removed = {one[1].replace("/", "."): files[one[0]] for one in modules if one}
        sys.meta_path.insert(0, types.SimpleNamespace(find_spec=self.find_stand_in))
        sys.meta_path.append(types.SimpleNamespace(find_spec=self.note_miss))

    def find_stand_in(self, name: str, *_: Any) -> Any:
        """Find a module that the trial has a stand-in for."""
        if not any(f"{name}.".startswith(f"{one}.") for one in self.stand_ins):
            return None
        loader = types.SimpleNamespace(exec_module=id, create_module=lambda spec: StandIn(name, (), {}))
        return importlib.machinery.ModuleSpec(name, loader, is_package=True)

    def note_miss(self, name: str, *_: Any) -> None:
        """Note who asks for a module that no finder has found."""
        self.misses[name] = self.places(traceback.walk_stack(sys._getframe()))[::-1]

    def relative(self, file: str) -> str:
        """Name a file of the program or a dependency from its site folder on; others are empty."""
        return next((file[len(site) :] for site in self.sites if file.startswith(site)), "")

    def places(self, walk: Iterable[tuple[types.FrameType, int]]) -> list[Any]:
        """List the file, line, code and instruction of the frames in the program or a dependency."""
        rows = [(frame.f_code.co_filename, line, frame.f_code, frame.f_lasti) for frame, line in walk]
        return [(self.relative(file), *rest) for file, *rest in rows if self.relative(file)]

    # What starts

    def import_entry(self) -> None:
        """Import what starts, and what its compiled code imports later."""
        top, absent = self.module.partition(".")[0], f"there is no module {self.module}"
        spec = importlib.util.find_spec(top)
        packed = [site for site in self.sites for end in ("", ".py", ".pyc") if os.path.exists(f"{site}{top}{end}")]
        if packed and spec and spec.origin and not self.relative(spec.origin):
            raise StartProblem(f"the interpreter has a module {top} of its own, which would run instead; rename the program")
        if self.function:
            value = importlib.import_module(self.module)
            for name in self.function.split("."):
                value = getattr(value, name, UNKNOWN_VALUE)
            if value is UNKNOWN_VALUE:
                raise StartProblem(f"{self.module} has no {self.function}; correct COSMO_ENTRY or [project.scripts]")
            return self.follow(value, 0)
        spec = importlib.util.find_spec(self.module)
        if spec and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{self.module}.__main__")
            absent += ".__main__"
        if not spec:
            raise StartProblem(f"{absent}; correct COSMO_ENTRY or PKG")
        namespace = {"__name__": "__main__", "__package__": spec.parent}
        self.read(spec.loader.get_code(spec.name), namespace, namespace, 0)

    def follow(self, value: Any, depth: int) -> None:
        """Import what a function imports, if `value` is one that runs when it is called."""
        is_click = "click" in {base.__module__.partition(".")[0] for base in type(value).__mro__}
        value = getattr(value, "callback", value) if is_click else value
        value = getattr(value, "__func__", value)
        while isinstance(value, types.FunctionType) and hasattr(value, "__wrapped__"):
            value = value.__wrapped__
        code = getattr(value, "__code__", None)
        is_plain = isinstance(value, types.FunctionType) and not code.co_flags & 0x2A0  # a generator or coroutine
        if is_plain and depth < 6 and id(code) not in self.seen and self.relative(code.co_filename):
            self.seen.add(id(code))
            self.read(code, value.__globals__, {}, depth)

    def read(self, code: types.CodeType, namespace: dict[str, Any], local: dict[str, Any], depth: int) -> None:
        """Go through compiled code: import what it imports, and follow the functions it calls."""
        compiled, imported, value = CompiledCode(code), {}, UNKNOWN_VALUE
        for index, step in enumerate(compiled.steps):
            kind, name = step.opname.partition("_")[0], step.argval
            if step.opname == "IMPORT_NAME":
                imported = self.import_late(compiled, index, namespace)
                value = imported.get(name.partition(".")[0], UNKNOWN_VALUE)
            elif step.opname == "IMPORT_FROM" or step.opname in ("LOAD_ATTR", "LOAD_METHOD"):
                found = getattr(value, name, UNKNOWN_VALUE) if isinstance(value, types.ModuleType) else UNKNOWN_VALUE
                value = imported.get(name, found) if kind == "IMPORT" else found
            elif kind == "STORE":
                local[name] = value
            elif step.opname.startswith(("LOAD_FAST", "LOAD_DEREF")):
                value = local.get(name, UNKNOWN_VALUE)
            elif step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                value = {**namespace, **local}.get(name, UNKNOWN_VALUE)
            elif isinstance(name, types.CodeType) and not name.co_freevars:
                value = types.FunctionType(name, namespace)
            elif step.opname not in KEEPING_STEPS and not (step.opname == "LOAD_CONST" and isinstance(name, str)):
                value = UNKNOWN_VALUE
            if kind == "LOAD" and value is not UNKNOWN_VALUE and compiled.is_called(index):
                if compiled.is_certain(step.offset):
                    self.follow(value, depth + 1)
