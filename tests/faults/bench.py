"""A project with a good executable, on which a build is broken, looked at, and repaired."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest

from mirror import Mirror
from projects import INVOKE, PHASES, Project, start

PYTHON = "/pub/cosmos/bin/python"
MARK = "COSMO_FAULT"  # in the environment of all that a build starts, with the bench's folder


class Bench:
    """The project, and what is done to it: `prefix` starts the command that calls `invoke`.

    `root` is where its files are seen, `ballast` a file that fills a disk, and `orphans` allows
    that what a build started goes on after it.
    """

    wanted: ClassVar[dict[str, bytes]] = {}  # what the changed program makes, by the bench's kind
    outputs: ClassVar[dict[bytes, str]] = {}  # what executables print, by their digests

    prefix: Sequence[str] = ()
    root, ballast, before, orphans = "", "", b"", False

    def __init__(self, project: Project, request: pytest.FixtureRequest) -> None:
        self.project, self.request = project, request
        self.kind: str = getattr(request, "param", "plain")
        self.mirror: Mirror = request.getfixturevalue("mirror")
        self.executable, self.home = project.executable, project.path.parent
        self.files = dict(self.mirror.files)
        self.fault, self.path = self.home / "fault", self.home / "fault/bin"
        self.path.mkdir(parents=True, exist_ok=True)
        url = self.mirror.address
        self.settings = {"COSMO_URL": url + PYTHON, "COSMO_ZIP_URL": f"{url}/pub/cosmos/bin/zip"}

    def change(self, word: str = "two") -> None:
        """Let the program print this word."""
        text = "import bird\nprint('{}', bird.SONG)\n" if "uv" in self.kind else "print('{}')\n"
        self.project.write("src/hello/__main__.py", text.format(word))

    def wrap(self, file: Path, real: str, nth: int, then: str) -> None:
        """Write a program that does `then` when it is called for the n-th time."""
        count = self.fault / f"{file.name}.count"
        count.write_text("0\n")
        script = f"count=$(($(cat {count}) + 1))\necho $count > {count}\n"
        script += f"[ $count != {nth} ] || {{ {then}; }}\nexec {real}\n"
        file.write_text(f"#!/bin/sh\n{script}")
        file.chmod(0o755)

    def at_call(self, program: str, nth: int, then: str) -> None:
        """Let a program on PATH do `then` when it is called for the n-th time."""
        real = str(shutil.which(program, path=self.environment()["PATH"]))
        self.wrap(self.path / program, f'{real} "$@"', nth, then.replace("{real}", real))

    def at_line(self, number: int, then: str) -> None:
        """Let the shell that Invoke calls do `then` when it is called for the n-th line."""
        self.wrap(self.fault / "sh", '/bin/sh -c "$2"', number, then)
        self.settings["INVOKE_RUN_SHELL"] = str(self.fault / "sh")

    def fill_at_line(self, number: int, folder: Path) -> None:
        """Fill the disk on which a folder lies when the shell is called for the n-th line."""
        self.ballast = f"{folder}/.ballast"
        self.at_line(number, f"cat /dev/zero >{self.ballast} 2>/dev/null")

    def serve(self, path: str = PYTHON, **how: Any) -> None:
        """Let the mirror give something else, or newer; functions are given the right content."""
        data = self.files[path].data
        values = {name: value(data) if callable(value) else value for name, value in how.items()}
        self.mirror.spoil(path, **{"modified": 1_800_000_000, **values})

    def environment(self, **settings: str) -> dict[str, str]:
        """The environment of `invoke`."""
        env = self.project.environment(**{**self.settings, **settings})
        return {**env, "PATH": f"{self.path}{os.pathsep}{env['PATH']}", MARK: str(self.fault)}

    def begin(self, task: str = "cosmo", **settings: str) -> Build:
        """Start `invoke`; the executable from before is what may stay."""
        self.before = self.content()
        return Build(self, task, self.environment(**settings))

    def invoke(self, task: str = "cosmo", **settings: str) -> Build:
        """Run `invoke`."""
        return self.begin(task, **settings).end()

    def build(self, **settings: str) -> Build:
        """Change the program, and package it."""
        self.change()
        return self.invoke(**settings)

    def content(self) -> bytes:
        """The executable's bytes, if there is one."""
        file = Path(f"{self.root}{self.executable}")
        return file.read_bytes() if file.exists() else b""

    def output(self) -> str:
        """What the executable prints; the same bytes are started once."""
        digest = hashlib.sha256(self.content()).digest()
        if digest not in self.outputs:
            done = start(Path(f"{self.root}{self.executable}"), home=self.home)
            assert done.returncode == 0, done
            self.outputs[digest] = done.stdout.split()[0]
        return self.outputs[digest]

    def breaks(self, done: Build, message: str = "", status: int = 1, late: bool = False) -> None:
        """See that a build failed as it should; `late` allows that the new executable is there."""
        assert done.status == status, done.err
        assert "Traceback" not in done.err, done.err
        assert late or done.out == "", done.err
        seen = "nothing"
        if status > 0:  # else it was killed, and could not speak
            seen = done.message()
            assert message in done.err, done.err
            assert status == 1 or done.errors() == [seen], done.err
        kept = self.content() == self.before
        assert kept or late, "the executable is another one"
        assert kept or self.output() == "two"
        self.recovers(seen, "intact" if kept else "replaced")

    def survives(self, done: Build) -> None:
        """See that a build succeeded in spite of a fault."""
        self.succeeded(done)
        self.recovers("no error", "replaced")

    def either(self, done: Build, message: str = "", late: bool = False) -> None:
        """See that a build either succeeded in spite of a fault, or failed as it should."""
        if done.status:
            self.breaks(done, message, late=late)
        else:
            self.survives(done)

    def succeeded(self, done: Build) -> None:
        """See that a build succeeded."""
        assert done.status == 0, done.err
        assert done.errors() == [], done.err
        assert self.output() == "two"

    def recovers(self, seen: str, executable: str) -> None:
        """Repair all but what a build made; the mirror has newer files; the next build succeeds."""
        shutil.rmtree(self.path)
        self.path.mkdir()
        self.settings.pop("INVOKE_RUN_SHELL", None)
        self.orphans = False
        if self.ballast:
            Path(f"{self.root}{self.ballast}").unlink()
        for path, good in self.files.items():
            if (given := self.mirror.files[path]) != good:
                self.mirror.files[path] = good._replace(modified=given.modified + 1)
        self.succeeded(self.invoke())
        assert self.content() == self.wanted.setdefault(self.kind, self.content())
        fault, _, case = self.request.node.name.partition("[")
        seen = re.sub(rf"\S*{self.home}/|(?<=127\.0\.0\.1):\d+", "", seen)
        row = (fault[5:].replace("_", " "), case[:-1], seen, executable, "ok")
        record = self.request.getfixturevalue("record_property")
        record("fault", [text.replace("|", "/")[:110] for text in row])


class Build:
    """A process of `invoke`, in a session of its own; then how it ended, and what it printed."""

    def __init__(self, bench: Bench, task: str, env: dict[str, str]) -> None:
        self.bench, self.status, number = bench, 0, len(list(bench.fault.glob("*.err")))
        self.out_file, self.err_file = bench.fault / f"{number}.out", bench.fault / f"{number}.err"
        with self.out_file.open("w") as out, self.err_file.open("w") as err:
            self.process = subprocess.Popen(
                [*bench.prefix, *INVOKE, task],
                env=env,
                cwd=bench.project.path,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def end(self) -> Build:
        """Wait for it, and see that it leaves no process behind, unless it may."""
        try:
            self.status = self.process.wait(timeout=120)
        finally:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
        end = time.monotonic() + 1
        while not self.bench.orphans and (left := self.left()):
            assert time.monotonic() < end, left
            time.sleep(0.02)
        self.out, self.err = self.out_file.read_text(), self.err_file.read_text()
        return self

    def errors(self) -> list[str]:
        """The lines on standard error that are no phase's."""
        return [line for line in self.err.splitlines() if not line.startswith(PHASES)]

    def message(self) -> str:
        """The last line, the only one of ours; a tool that failed may have printed some before."""
        lines = self.err.splitlines()
        assert [line for line in lines if line.startswith("cosmo: ")] == lines[-1:], self.err
        return lines[-1]

    def left(self) -> list[str]:
        """The command lines of the processes of its session, or with the mark of its bench."""
        mark, left = f"{MARK}={self.bench.fault}".encode(), []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # one that has ended since
                state, _, _, session = (process / "stat").read_text().rpartition(")")[2].split()[:4]
                marked = mark in (process / "environ").read_bytes().split(b"\0")
                if state != "Z" and (marked or int(session) == self.process.pid):
                    left.append((process / "cmdline").read_text().replace("\0", " "))
        return left


@contextmanager
def small_disk(bench: Bench, folder: Path) -> Iterator[None]:
    """Let builds run where a folder, with what is in it, is a disk with room for one build."""
    copy, size = f"{folder}.copy", 10 * bench.project.interpreter.stat().st_size
    subprocess.run(["cp", "-a", folder, copy], check=True)
    line = (
        'mount -t tmpfs -o "size=$2" tmpfs "$1" && cp -a "$3/." "$1" && echo up && exec sleep 999'
    )
    command = ["unshare", "-rm", "sh", "-c", line, "sh", str(folder), str(size), copy]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as keeper:
        assert keeper.stdout
        if keeper.stdout.readline() != b"up\n":
            pytest.skip("no disk can be mounted")
        enter = ["nsenter", "-t", str(keeper.pid), "-U", "-m", "--preserve-credentials"]
        go = 'cd "$1" && shift && exec "$@"'
        bench.prefix = [*enter, "sh", "-c", go, "sh", str(bench.project.path)]
        bench.root = f"/proc/{keeper.pid}/root"
        try:
            yield
        finally:
            bench.prefix, bench.root = (), ""
            keeper.kill()
