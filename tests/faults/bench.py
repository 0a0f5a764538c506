"""A project with a good executable, on which a build is broken, looked at, and mended."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar, NamedTuple

from mirror import Mirror
from projects import INVOKE, Project, path_without

PYTHON = "/pub/cosmos/bin/python"
"""Where the mirror has the interpreter."""

MARK = "COSMO_FAULT"
"""What the environment of all that a build starts has, with the bench's path for its value."""

PHASES = ("clean", "setup", "lock", "fetch", "deps", "compile", "update", "smoke")
"""What a line begins with that tells of no error."""

WRAPPER = """\
#!/bin/sh
count=$(($(cat "$COSMO_FAULT/count") + 1))
echo $count > "$COSMO_FAULT/count"
[ $count != "$(cat "$COSMO_FAULT/line")" ] || . "$COSMO_FAULT/do"
exec /bin/sh -c "$2"
"""
"""A shell that counts what it is called for, and does something else at one line."""

SOMETIMES = """\
#!/bin/sh
count=$(($(cat {count}) + 1))
echo $count > {count}
[ $count != {nth} ] || {{ {then}; }}
exec {real} "$@"
"""
"""A program that does something else at its n-th call."""


class Ended(NamedTuple):
    """How `invoke` ended, and what it printed."""

    status: int
    out: str
    err: str

    def errors(self) -> list[str]:
        """The lines on standard error that are no phase's."""
        return [line for line in self.err.splitlines() if line.split(" ")[0] not in PHASES]


class Bench:
    """The project, and what is done to it. `rows` takes a row of the table.

    `prefix` starts the command that `invoke` is called by, `root` is where its files are seen,
    `path` comes first in PATH, and `settings` go into its environment; `orphans` allows that what
    it started goes on after it.
    """

    wanted: ClassVar[dict[str, bytes]] = {}
    """The executable that a build without faults makes of the changed program, by its kind."""

    heard: ClassVar[dict[bytes, str]] = {}
    """What executables printed when they were started."""

    def __init__(
        self, project: Project, mirror: Mirror, rows: Callable[[str, object], None], kind: str
    ) -> None:
        self.project = project
        self.kind = kind
        self.mirror = mirror
        self.rows = rows
        self.home = project.path.parent
        self.fault = self.home / "fault"
        self.path = self.fault / "bin"
        self.path.mkdir(parents=True, exist_ok=True)
        self.prefix: Sequence[str] = ()
        self.root = Path("/")
        self.settings = {
            "COSMO_URL": mirror.address + PYTHON,
            "COSMO_ZIP_URL": mirror.address + "/pub/cosmos/bin/zip",
        }
        self.executable = project.executable
        self.before = b""
        self.row: list[str] = []
        self.orphans = False

    # What is done to it

    def says(self, word: str) -> None:
        """Let the program print this word."""
        bird = "bird" in (self.project.path / "pyproject.toml").read_text(encoding="utf-8")
        more = ", bird.SONG" if bird else ""
        text = f"{'import bird' if bird else ''}\nprint('{word}'{more})\n"
        self.project.write("src/hello/__main__.py", text)

    def at_line(self, number: int, then: str) -> None:
        """Let the shell that Invoke calls do `then` when it is called for the n-th line."""
        wrapper = self.fault / "sh"
        wrapper.write_text(WRAPPER)
        wrapper.chmod(0o755)
        for name, text in (("count", "0"), ("line", str(number)), ("do", then)):
            (self.fault / name).write_text(f"{text}\n")
        self.settings["INVOKE_RUN_SHELL"] = str(wrapper)

    def counted(self) -> int:
        """How many lines the shell was called for."""
        return int((self.fault / "count").read_text())

    def at_call(self, program: str, nth: int, then: str) -> None:
        """Let a program on PATH do `then` when it is called for the n-th time."""
        real = shutil.which(program, path=self.environment()["PATH"])
        file, count = self.path / program, self.fault / f"{program}.count"
        count.write_text("0\n")
        file.write_text(
            SOMETIMES.format(
                count=count, nth=nth, then=then.replace("{real}", str(real)), real=real
            )
        )
        file.chmod(0o755)

    def mend(self) -> None:
        """Take the faults away; nothing that a build made is touched."""
        shutil.rmtree(self.path)
        self.path.mkdir()
        self.settings.pop("INVOKE_RUN_SHELL", None)

    # What is seen of it

    def environment(self, **settings: str) -> dict[str, str]:
        """The environment of `invoke`."""
        env = self.project.environment(**{**self.settings, **settings})
        env["PATH"] = f"{self.path}{os.pathsep}{env['PATH']}"
        return {**env, MARK: str(self.fault)}

    def begin(self, *words: str, **settings: str) -> Build:
        """Start `invoke` with `words`, else `invoke cosmo`."""
        return Build(self, words or ("cosmo",), settings)

    def invoke(self, *words: str, **settings: str) -> Ended:
        """Run `invoke` with `words`, else `invoke cosmo`."""
        return self.begin(*words, **settings).end()

    def content(self) -> bytes:
        """The executable's bytes."""
        return (self.root / str(self.executable).lstrip("/")).read_bytes()

    def printed(self) -> str:
        """What the executable prints: the same bytes are started once."""
        digest = hashlib.sha256(self.content()).digest()
        if digest in self.heard:
            return self.heard[digest]
        copy = self.home / "copy.com"
        copy.write_bytes(self.content())
        copy.chmod(0o755)
        away = Project(self.home, self.project.interpreter)
        away.executable = copy
        done = away.start()
        assert done.returncode == 0, done
        self.heard[digest] = done.stdout.split()[0]
        return self.heard[digest]

    # What must hold

    def breaks(
        self, fault: str, moment: str, status: int = 1, told: str = "", late: bool = False
    ) -> Ended:
        """Change the program, and package it; the fault must end that as it should."""
        self.change()
        return self.broke(self.invoke(), fault, moment, status=status, told=told, late=late)

    def change(self) -> None:
        """Change the program, the good executable of which is there."""
        self.before = self.content()
        self.says("two")

    def broke(
        self,
        done: Ended,
        fault: str,
        moment: str,
        status: int = 1,
        told: str = "",
        late: bool = False,
    ) -> Ended:
        """See that a build ended as it should: `late` allows that the new executable is there.

        A negative status is that of a process that a signal ended, and which could not speak.
        """
        assert done.status == status, done
        assert "Traceback" not in done.err, done
        errors = done.errors()
        if status >= 0:
            assert len(errors) == 1, done
            assert errors[0].startswith("cosmo: "), done
            assert told in errors[0], done
        assert late or done.out == "", done
        kept = self.content() == self.before
        if not kept:
            assert late, "the executable is another one"
            assert self.printed() == "two"
        saw = self.shortened(errors[0]) if errors else "nothing"
        self.row = [fault, moment, saw, "intact" if kept else "replaced"]
        return done

    def recovers(self, *words: str, **settings: str) -> None:
        """See that the next build succeeds, without anything cleaned up by hand."""
        done = self.invoke(*words, **settings)
        assert done.status == 0, done
        assert done.errors() == [], done
        assert self.printed() == "two"
        assert self.content() == self.wanted.setdefault(self.kind, self.content())
        self.rows("fault", [*self.row, "ok"])

    def survives(self, fault: str, moment: str) -> None:
        """Change the program, and package it; the fault must not matter."""
        self.change()
        self.survived(self.invoke(), fault, moment)

    def survived(self, done: Ended, fault: str, moment: str) -> None:
        """See that a build succeeded in spite of a fault."""
        assert done.status == 0, done
        assert done.errors() == [], done
        assert self.printed() == "two"
        self.row = [fault, moment, "no error", "replaced"]

    def either(self, done: Ended, fault: str, moment: str) -> None:
        """See that a build either succeeded in spite of a fault, or ended as it should."""
        if done.status == 0:
            self.survived(done, fault, moment)
        else:
            self.broke(done, fault, moment)

    def without(self, program: str) -> Ended:
        """Package it where PATH does not have a program; one of the bench's own counts."""
        path = path_without(program, self.home)
        kept, self.project.env = self.project.env, {**self.project.env, "PATH": path}
        try:
            return self.invoke()
        finally:
            self.project.env = kept

    def shortened(self, line: str) -> str:
        """A line for the table: without paths of this machine, and not too long."""
        text = re.sub(rf"(file://)?{re.escape(str(self.home))}/?", "", line).replace("|", "/")
        text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1", text)
        text = re.sub(r"(?<![\w.:/])/\S*/(?=[^/\s])", "", text)
        return text if len(text) <= 110 else f"{text[:109]}…"


class Build:
    """A process of `invoke`, in a session of its own, the output of which goes to files."""

    def __init__(self, bench: Bench, words: Sequence[str], settings: dict[str, str]) -> None:
        self.bench = bench
        number = len(list(bench.fault.glob("*.err")))
        self.out, self.err = bench.fault / f"{number}.out", bench.fault / f"{number}.err"
        with self.out.open("w") as out, self.err.open("w") as err:
            self.process = subprocess.Popen(
                [*bench.prefix, *INVOKE, *words],
                env=bench.environment(**settings),
                cwd=bench.project.path,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                preexec_fn=heed,
            )

    def end(self) -> Ended:
        """Wait for it, and see that it leaves no process behind, unless it may."""
        try:
            status = self.process.wait(timeout=120)
        finally:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
        if not self.bench.orphans:
            end = time.monotonic() + 1
            while left(self.process.pid, self.bench.fault):
                assert time.monotonic() < end, left(self.process.pid, self.bench.fault)
                time.sleep(0.02)
        return Ended(status, self.out.read_text(), self.err.read_text())


def heed() -> None:
    """Let a process heed what the one that starts it may ignore, as under nohup."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def left(session: int, fault: Path) -> list[str]:
    """The command lines of the processes of a session, or with the mark of a bench."""
    mark = f"{MARK}={fault}".encode()
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # one that has ended since
            state, _, _, its = (each / "stat").read_text().rpartition(")")[2].split()[:4]
            marked = mark in (each / "environ").read_bytes().split(b"\0")
            if state != "Z" and (marked or int(its) == session):
                found.append((each / "cmdline").read_text().replace("\0", " "))
    return found


class Room:
    """A mount namespace of its own, in which a folder is a small disk."""

    def __init__(self, folder: Path, size: str) -> None:
        self.folder, self.size = folder, size

    @contextmanager
    def opened(self, bench: Bench) -> Iterator[None]:
        """Let a bench's builds run in it, with what was in the folder."""
        copy = f"{self.folder}.copy"
        subprocess.run(["cp", "-a", self.folder, copy], check=True)
        line = 'mount -t tmpfs -o "size=$2" tmpfs "$1" && cp -a "$3/." "$1" && echo up && exec cat'
        with subprocess.Popen(
            ["unshare", "-rm", "sh", "-c", line, "sh", str(self.folder), self.size, copy],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as keeper:
            assert keeper.stdin
            assert keeper.stdout
            assert keeper.stdout.readline() == b"up\n"
            enter = ["nsenter", "-t", str(keeper.pid), "-U", "-m", "--preserve-credentials"]
            go = 'cd "$1" && shift && exec "$@"'
            bench.prefix = [*enter, "sh", "-c", go, "sh", str(bench.project.path)]
            bench.root = Path(f"/proc/{keeper.pid}/root")
            try:
                yield
            finally:
                bench.prefix, bench.root = (), Path("/")
                keeper.stdin.close()
