"""Import modules in a process of their own, to see which of them cannot be imported."""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
from collections.abc import Iterator
from typing import NamedTuple

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
