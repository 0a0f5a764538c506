"""A project that the tests package, and the ways in which they start things."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Union

from invoker import can_fork, start_invoker

PHASES = ("clean ", "setup ", "lock ", "fetch ", "deps ", "check ", "compile ", "update ", "smoke ")
ROOT = Path(__file__).resolve().parent.parent
INVOKE = [sys.executable, "-m", "invoke"]
Done = subprocess.CompletedProcess[str]
Place = Union[Path, str, None]

PYPROJECT = """\
[tool.ds.scripts]
_.env.PKG = "hello"
_.env.DIR_SITE = "dist/cosmo/Lib/site-packages"
"""
MAIN = """\
import sys
from hello.words import greet

if __name__ == "__main__":
    print(greet(sys.argv[1:]))
    sys.exit(len(sys.argv) - 1)
"""
WORDS = """\
import pkgutil

def greet(names):
    text = pkgutil.get_data("hello", "greeting.txt").decode("utf-8")
    return text.strip() + " " + "|".join(names)
"""


class Tasks(NamedTuple):
    """A project's `tasks.py`, and the folder that it imports from."""

    text: str
    path: str


IMPORTED = Tasks("from recipes import ns\n", str(ROOT))


class Project:
    """A project's folder, and what a person does in it."""

    def __init__(self, path: Path, interpreter: Path, tasks: Tasks = IMPORTED) -> None:
        self.path, self.home = path, path.parent
        self.interpreter, self.tasks = interpreter, tasks
        self.build = path / "dist/cosmo"
        self.executable = self.build / "hello"
        self.env: dict[str, str] = {}

    def write(self, name: str, text: str) -> Path:
        """Write a file of the project."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def beside(self, name: str) -> Project:
        """Another project, in another folder."""
        return Project(self.home / name, self.interpreter, self.tasks)

    def invoke(self, *words: str, cwd: Place = None, drop: str = "", **settings: str) -> Done:
        """Run `invoke` with `words`; `drop` names a program that PATH shall not have."""
        env = self.environment(**settings)
        if drop:
            env["PATH"] = path_without(drop, self.home)
        if can_fork(env):
            return start_invoker().run(words, env, str(cwd or self.path))
        return run([*INVOKE, *words], env, cwd or self.path)

    def environment(self, **settings: str) -> dict[str, str]:
        """The environment that `invoke` runs in: the recipes and the interpreter's file."""
        given = {"COSMO_URL": str(self.interpreter), **self.env, **settings}
        return environment(self.home, **given, PYTHONPATH=self.tasks.path)

    def succeed(self, *words: str, **options: Any) -> Done:
        """Run `invoke cosmo`, or `invoke` with other `words`, which must succeed."""
        done = self.invoke(*(words or ("cosmo",)), **options)
        assert done.returncode == 0, done.stderr
        return done

    def package(self, **options: Any) -> Path:
        """Run `invoke cosmo`, which must succeed, and return the executable."""
        self.succeed(**options)
        return self.executable

    def start(self, *arguments: str, name: str = "", **env: str) -> Done:
        """Start the executable, or another in its folder, from a directory outside the project."""
        away = self.home / "away"
        away.mkdir(exist_ok=True)
        file = self.build / (name or self.executable)
        return start(file, *arguments, home=self.home, cwd=away, **env)

    def run_executable(self, *arguments: str, **options: Any) -> str:
        """Run the executable, or another in its folder; return all that it prints."""
        done = self.start(*arguments, **options)
        return done.stdout + done.stderr

    def packed_files(self, name: str = "") -> set[str]:
        """List the files below site-packages that an executable has and the interpreter has not."""
        files = (self.build / (name or self.executable), self.interpreter)
        ours, theirs = (set(zipfile.ZipFile(file).namelist()) for file in files)
        begin = "Lib/site-packages/"
        return {path[len(begin) :] for path in ours - theirs if path.startswith(begin)}

    def other_interpreter(self) -> bytes:
        """The content of another interpreter."""
        other = Path(shutil.copy(self.interpreter, self.home / "other.com"))
        line = ["zip", "-q", "-d", str(other), "Lib/colorsys.pyc"]
        assert run(line, environment(self.home), self.home).returncode == 0
        return other.read_bytes()

    def refused(self, *words: str, **settings: str) -> str:
        """Run `invoke cosmo`, which must fail as it should; return what it says.

        As it should: exit status 1, one line of ours at the end of standard error, behind those of
        the phases and a tool's own; no traceback; an executable from before still is what it was.
        """
        self.executable.parent.mkdir(parents=True, exist_ok=True)
        if not self.executable.exists():
            self.executable.write_bytes(b"the last good executable")
        before = self.executable.read_bytes()
        done = self.invoke(*(words or ("cosmo",)), **settings)
        assert (done.returncode, done.stdout) == (1, ""), done
        assert "Traceback" not in done.stderr
        lines = [line for line in done.stderr.splitlines() if not line.startswith(PHASES)]
        assert [line.startswith("cosmo: ") for line in lines] == [False] * (len(lines) - 1) + [True]
        assert self.executable.read_bytes() == before
        return "\n".join(lines)


def environment(home: Path, **more: str) -> dict[str, str]:
    """An environment that leads to nothing of the user's.

    All tests share one TMPDIR, in which an interpreter has been started: two first starts at once
    race for the loader that they write there.
    """
    where = {"PATH": os.environ["PATH"], "HOME": str(home)}
    where["TMPDIR"] = os.environ.get("COSMO_TESTS_TMPDIR", str(home))
    return {**where, "LANG": "C.UTF-8", **more}


def run(command: list[str], env: Mapping[str, str], cwd: Path | str, **options: Any) -> Done:
    """Run a command with no standard input, and keep what it prints."""
    values = {"capture_output": True, "encoding": "utf-8", "errors": "surrogateescape", **options}
    values["stdin"] = subprocess.DEVNULL
    return subprocess.run(command, env=env, cwd=cwd, check=False, timeout=600, **values)


def start(file: Path, *arguments: str, home: Path, cwd: Place = None, **env: str) -> Done:
    """Start an Actually Portable Executable, as a shell does."""
    return run(["sh", str(file), *arguments], environment(home, **env), cwd or home)


def path_without(program: str, home: Path) -> str:
    """A PATH with everything that this one has but `program`."""
    folder = home / f"without-{program}"
    folder.mkdir(exist_ok=True)
    for place in os.environ["PATH"].split(os.pathsep):
        for file in Path(place).glob("*") if place else ():
            link = folder / file.name
            if file.name != program and not link.is_symlink():
                link.symlink_to(file)
    return str(folder)


def zip_program() -> bytes:
    """The zip of this machine in the form of an Actually Portable Executable."""
    return f"""MZqFpD='\n'\nexec {shutil.which("zip")} "$@"\n""".encode()
