"""A project with a good executable, on which a build is broken, checked, and repaired."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from mirror import PYTHON, Mirror
from processes import begin, wait_for_processes
from projects import INVOKE, PHASES, Done, Project, start


class Bench:
    """A project whose builds are broken. `kind` says how it is packaged: article, or wheel.

    `prefix` starts the command that calls `invoke`; its files are seen below `root`; `ballast`
    is a file that fills a disk; `orphans` allows that lines outlive their build.
    """

    wanted: ClassVar[dict[str, bytes]] = {}  # what the changed program makes, by kind
    lines: ClassVar[dict[str, dict[str, list[range]]]] = {}  # the numbers of each phase's lines
    prefix: Sequence[str] = ()
    root, ballast, before, orphans = "", "", b"", False
    reached: tuple[Path, int] | None = None  # what counts calls or lines, and which is at fault

    def __init__(self, project: Project, request: pytest.FixtureRequest) -> None:
        self.project, self.request = project, request
        self.kind: str = getattr(request, "param", "article")
        self.mirror: Mirror = request.getfixturevalue("mirror")
        self.executable, self.home = project.executable, project.path.parent
        self.cache = self.home / ".cache/cosmo-recipes"
        self.files = dict(self.mirror.files)
        self.fault, self.path = self.home / "fault", self.home / "fault/bin"
        self.theirs = self.home / "theirs"
        self.path.mkdir(parents=True, exist_ok=True)
        self.settings = {"COSMO_URL": self.mirror.python}

    def change(self, word: str = "two") -> None:
        """Let the program print this word."""
        text = "import bird\nprint('{}', bird.SONG)\n" if "wheel" in self.kind else "print('{}')\n"
        self.project.write("src/hello/__main__.py", text.format(word))

    def wrap(self, file: Path, real: str, nth: int, then: str) -> None:
        """Write a program that does `then` when it is called for the n-th time."""
        count = self.fault / f"{file.name}.count"
        count.write_text("0\n")
        self.reached = count, nth
        script = f"read -r count <{count}\ncount=$((count + 1))\necho $count >{count}\n"
        file.write_text(f"#!/bin/sh\n{script}[ $count != {nth} ] || {{ {then}; }}\nexec {real}\n")
        file.chmod(0o755)

    def at_call(self, program: str, nth: int, then: str) -> None:
        """Let a program on PATH do `then` when it is called for the n-th time."""
        real = str(shutil.which(program, path=self.environment()["PATH"]))
        self.wrap(self.path / program, f'{real} "$@"', nth, then.replace("{real}", real))

    def at_line(self, line: range, before: str, after: str = ":") -> None:
        """Let the shell that Invoke calls do something before and after a line of the build."""
        file, count = self.fault / "sh", self.fault / "sh.count"
        for name, text in (("count", "0"), ("before", before), ("after", after)):
            (self.fault / f"sh.{name}").write_text(f"{text}\n")
        file.write_text(rf"""#!/bin/sh
lines() {{ printf '%s\n' "$command" | sed -n "$1"; }}
read -r count <{count}
command=$2 first=$(({line.start} - count)) last=$(({line.stop} - count - 1))
echo $((count + $(lines p | wc -l))) >{count}
if [ $first -gt 0 ] && [ "$(lines ${{first}}p)" ]; then
    command=$(lines "1,${{first}}{{${{first}}!p}}"; cat {file}.before
        lines "$first,${{last}}p"; cat {file}.after; lines "$((last + 1)),\$p")
fi
exec /bin/sh -ec "$command"
""")
        file.chmod(0o755)
        self.settings["INVOKE_RUN_SHELL"], self.reached = str(file), (count, line.start)

    def serve(self, path: str = PYTHON, **options: Any) -> None:
        """Let the mirror give something else, or newer; functions are given the right content."""
        data = self.files[path].data
        values = {
            name: value(data) if callable(value) else value for name, value in options.items()
        }
        self.mirror.spoil(path, **{"modified": 1_800_000_000, **values})

    def put(self, path: Path, kind: str) -> None:
        """Put something else in the place of a file or folder, and that aside."""
        (self.theirs / "a folder").mkdir(parents=True)
        (self.theirs / "a file").write_text("theirs")
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            path.rename(self.home / "aside")
        if kind == "a pipe":
            os.mkfifo(path)
        elif kind == "a folder":
            (path / "theirs").mkdir(parents=True)
        elif kind == "garbage":
            path.write_bytes(b"garbage")
        else:
            path.symlink_to(self.theirs / kind[len("a link to ") :])

    def put_back(self, path: Path) -> None:
        """Remove what `put` put there, which is whole, and put back what it put aside."""
        if path.is_dir() and not path.is_symlink():
            (path / "theirs").rmdir()
            path.rmdir()
        path.unlink(missing_ok=True)
        if (self.home / "aside").exists():
            (self.home / "aside").rename(path)
        self.before = self.content()

    def environment(self, **settings: str) -> dict[str, str]:
        """Return the environment of `invoke`."""
        env = self.project.environment(**{**self.settings, **settings})
        return {**env, "PATH": f"{self.path}{os.pathsep}{env['PATH']}"}

    def begin(self, words: str = "cosmo", **settings: str) -> subprocess.Popen[str]:
        """Start `invoke`."""
        self.before, line = self.content(), [*self.prefix, *INVOKE, *words.split()]
        return begin(line, self.environment(**settings), self.project.path)

    def end(self, process: subprocess.Popen[str]) -> Done:
        """Wait for `invoke`, and for lines that may outlive it; no other process may be left."""
        try:
            out, err = process.communicate(timeout=120)
        finally:
            wait_for_processes(self.project.path, 1 + 30 * self.orphans)
        return Done(process.args, process.returncode, out, err)

    def build(self, words: str = "cosmo", **settings: str) -> Done:
        """Change the program, and package it."""
        self.change()
        return self.end(self.begin(words, **settings))

    def content(self) -> bytes:
        """Return the executable's bytes, if there is one."""
        file = Path(f"{self.root}{self.executable}")
        return file.read_bytes() if file.is_file() else b""

    def output(self) -> str:
        """Return the word that the executable prints."""
        done = start(Path(f"{self.root}{self.executable}"), home=self.home)
        assert done.returncode == 0, done
        return done.stdout.split()[0]

    def check(self, done: Done, message: str = "", status: int = 1, late: bool = False) -> None:
        """Check that a build failed, where `late` after it placed its executable; repair it."""
        assert (done.returncode, "Traceback" in done.stderr) == (status, False), done
        assert late or done.stdout == "", done
        seen = done.stderr.splitlines()[-1:] if status > 0 else []  # else it was killed
        ours = [line for line in done.stderr.splitlines() if line.startswith("cosmo: ")]
        assert (ours, message in done.stderr) == (seen, True), done
        assert "s3cret" not in "".join(ours)
        kept = self.content() == self.before
        assert kept or (late and self.output() == "two"), "the executable is another one"
        self.recover("".join(seen), "intact" if kept else "replaced")

    def check_either(self, done: Done, message: str = "", late: bool = False) -> None:
        """Check that a build succeeded in spite of a fault, or failed as it should."""
        if done.returncode:
            self.check(done, message, late=late)
        else:
            self.check_success(done)
            self.recover("no error", "replaced")

    def check_success(self, done: Done) -> None:
        """Check that a build succeeded."""
        ours = (*PHASES, "cosmo ")
        others = [line for line in done.stderr.splitlines() if not line.startswith(ours)]
        assert (done.returncode, others, self.output()) == (0, [], "two"), done

    def recover(self, seen: str, executable: str) -> None:
        """Repair all but what a build made; the mirror has newer files; the next build succeeds."""
        if self.reached:
            assert int(self.reached[0].read_text()) >= self.reached[1], "there was no fault"
        shutil.rmtree(self.path)
        self.path.mkdir()
        self.settings.pop("INVOKE_RUN_SHELL", None)
        self.orphans = False
        if self.ballast:
            Path(f"{self.root}{self.ballast}").unlink()
        for path, good in self.files.items():
            if (given := self.mirror.files[path]) != good:
                self.mirror.files[path] = good._replace(modified=given.modified + 1)
        self.check_success(self.end(self.begin()))
        assert self.content() == self.wanted.setdefault(self.kind, self.content())
        test, _, case = self.request.node.name[5:].partition("[")
        seen = re.sub(rf"\S*{self.home}/|(?<=127\.0\.0\.1):\d+", "", seen).replace("|", "/")
        row = (test.replace("_", " "), case[:-1], seen[:110], executable, "ok")
        self.request.getfixturevalue("record_property")("fault", row)


@contextmanager
def small_disk(bench: Bench, folder: Path) -> Iterator[None]:
    """Let builds run where a folder, with what is in it, is a disk with room for one build."""
    copy, size = f"{folder}.copy", 10 * bench.project.interpreter.stat().st_size
    subprocess.run(["cp", "-a", folder, copy], check=True)
    line = (
        'mount -t tmpfs -o "size=$2" tmpfs "$1" && cp -a "$3/." "$1" || exit; echo; exec sleep 1h'
    )
    command = ["unshare", "-rm", "sh", "-c", line, "sh", str(folder), str(size), copy]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as keeper:
        assert keeper.stdout
        if keeper.stdout.readline() != b"\n":
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
