"""Run `invoke` in a fork of a process that has imported it: the import takes most of its time."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

AT_START = ("LC_ALL", "LC_CTYPE", "PYTHONHASHSEED", "PYTHONIOENCODING", "PYTHONUTF8")
"""Variables that count when a Python starts, so a fork cannot heed them."""


class Invoker:
    """A process that has imported Invoke, and forks for each call."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(
        self, words: Sequence[str], env: Mapping[str, str], cwd: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `invoke` with these words, without input, and keep what it prints."""
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder, name) for name in ("out", "err")]
            request = {"words": words, "env": env, "cwd": cwd, "files": list(map(str, files))}
            with self.lock:
                assert self.process.stdin
                assert self.process.stdout
                print(json.dumps(request), file=self.process.stdin, flush=True)
                status = int(self.process.stdout.readline())
            out, err = (file.read_text("utf-8", "surrogateescape") for file in files)
        return subprocess.CompletedProcess(["invoke", *words], status, out, err)


@cache
def start_invoker() -> Invoker:
    """Start the process, once."""
    return Invoker()


def can_fork(env: Mapping[str, str]) -> bool:
    """Tell whether an environment leaves the start of Python as it was here."""
    return env.get("LANG") == "C.UTF-8" and not any(name in env for name in AT_START)


def become_invoke(words: list[str], env: dict[str, str], cwd: str, files: list[str]) -> None:
    """Make this process as `python -m invoke` starts it."""
    signal.alarm(600)
    for number, path in enumerate((os.devnull, *files)):
        file = os.open(path, os.O_RDWR | os.O_CREAT)
        os.dup2(file, number)
        os.close(file)
    for stream, errors in ((sys.stdout, "surrogateescape"), (sys.stderr, "backslashreplace")):
        assert isinstance(stream, io.TextIOWrapper)
        stream.reconfigure(encoding="utf-8", errors=errors)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.path[:1] = [cwd, *filter(None, env.get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv = ["invoke", *words]


def serve() -> None:
    """Fork for each request, which is a line of JSON; print its exit status."""
    from invoke.main import program  # imported here, before the forks, and not by the tests

    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            become_invoke(**json.loads(line))
            program.run()
            return
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    serve()
