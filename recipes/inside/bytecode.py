"""Compiled code: what of it surely runs, and where in the program a frame or an error is."""

import dis
import itertools
import os
import re
import sys
import types
from typing import Any

JUMP_CODES = {*dis.hasjrel, *dis.hasjabs}


class CompiledCode:
    """The instructions of a code object, in which `__name__` counts as `__main__`.

    `skips` are pairs of offsets between which code may not run. `ranges` are three: where it
    starts and ends that an exception leads to a handler, and the handler.
    """

    def __init__(self, code: types.CodeType) -> None:
        self.code = code
        self.steps = [one for one in dis.get_instructions(code) if one.opname != "EXTENDED_ARG"]
        self.skips: list[tuple[int, int]] = []
        self.ranges: list[tuple[int, int, int]] = []
        for index, step in enumerate(self.steps):
            if step.opname.startswith("SETUP_"):  # before Python 3.11; since, there is a table
                self.ranges.append((step.offset, step.argval, step.argval))
            elif step.opname.startswith("RETURN_"):
                self.skips.append((step.offset, len(code.co_code)))  # handlers, too
            elif step.opcode in JUMP_CODES:
                before = {str(one.argval) for one in self.steps[max(index - 3, 0) : index]}
                if not before >= {"__name__", "__main__", "=="}:
                    self.skips.append((step.offset, step.argval))
        for entry in getattr(dis.Bytecode(code), "exception_entries", ()):
            self.ranges.append((entry.start, entry.end, entry.target))

    def is_certain(self, offset: int) -> bool:
        """Tell whether an instruction surely runs, and an ImportError in it is not caught."""
        places = [offset]
        for place in places:  # a handler may lie in the range of the next one
            targets = [target for start, end, target in self.ranges if start <= place < end]
            places += [target for target in targets if target not in places]
        is_skipped = any(start < offset < end for start, end in self.skips)
        return not is_skipped and not any(map(self.catches_import_error, places[1:]))

    def catches_import_error(self, target: int) -> bool:
        """Tell whether a handler names ImportError or a class above it, or is bare."""
        guards = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
        ignored = ("PUSH_EXC_INFO", "DUP_TOP", "NOP")
        steps = [one for one in self.steps if one.offset >= target and one.opname not in ignored]
        is_class = re.compile("LOAD_|BUILD_TUPLE").match
        loaded = [*itertools.takewhile(lambda step: is_class(step.opname), steps)]
        step, *behind = steps[len(loaded) :]
        if step.opname in ("CHECK_EXC_MATCH", "JUMP_IF_NOT_EXC_MATCH"):
            other = behind[0] if step.opname == "CHECK_EXC_MATCH" else step
            is_guard = any(one.argval in guards for one in loaded)
            return is_guard or self.catches_import_error(other.argval)
        if step.opname == "WITH_EXCEPT_START":
            return bool({"suppress", *guards}.intersection(self.code.co_names))
        return step.opname == "POP_TOP" and not loaded

    def is_called(self, index: int) -> bool:
        """Tell whether an instruction loads what is called next; since 3.11 a NULL marks that."""
        step = self.steps[index]
        after = enumerate(self.steps[index + 1 : index + 5])
        near = self.steps[index - 1 if (3, 11) <= sys.version_info < (3, 13) else index + 1]
        is_marked = near.opname == "PUSH_NULL" or "NULL" in step.argrepr
        calls = [(one.opname, one.arg == count) for count, one in after if "CALL" in one.opname]
        return is_marked or step.opname == "LOAD_METHOD" or calls[:1] == [("CALL_FUNCTION", True)]


def site_relative(file: str) -> str:
    """Name a file of the program or a dependency from its site folder on; others are empty."""
    sites = {path for path in sys.path if path} - {os.path.dirname(os.__file__)}
    ends = [len(site) + 1 for site in sites if file.startswith(f"{site}/")]
    return file[max(ends) :] if ends else file.partition("site-packages/")[2]  # compiled elsewhere


def frame_place(frame: types.FrameType, line: int, offset: int) -> tuple[str, int, Any, int]:
    """Return the file, line, code and offset that a frame is at."""
    return site_relative(frame.f_code.co_filename), line, frame.f_code, offset


def program_places(error: BaseException) -> list[Any]:
    """List file, line, code and offset of the frames that are the program's or a dependency's."""
    places, trace = [], error.__traceback__
    while trace:
        places.append(frame_place(trace.tb_frame, trace.tb_lineno, trace.tb_lasti))
        trace = trace.tb_next
    return [place for place in places if place[0]]
