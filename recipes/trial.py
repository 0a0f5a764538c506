"""Check a finished executable, and start it as other systems would."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from invoke.context import Context
from invoke.runners import Result

from .archive import Archive, is_own, lock_problem
from .executable import describe_failure
from .inside.probe import START
from .inside.start import END
from .lockfile import count
from .metadata import isolates
from .project import load_project
from .session import handle_signals
from .shell import RecipeError, exit_on_error, print_result, printable

START_TIMEOUT = 120
"""How many seconds one start of an executable may take."""

PLAIN_PATH = "/usr/bin:/bin"


class Row(NamedTuple):
    """What was checked, whether it is as it should be (None: there is nothing to say), and how."""

    name: str
    ok: bool | None
    text: str


def print_rows(rows: list[Row], failed: str) -> None:
    """Print a table; `RecipeError` where anything in it is not as it should be."""
    marks = {True: "ok", False: "FAILED", None: "-"}
    lines = [f"{marks[row.ok]:<7} {row.name:<18} {printable(row.text)}" for row in rows]
    print_result("\n".join(lines))
    wrong = [row.name for row in rows if row.ok is False]
    if wrong:
        raise RecipeError(f"{failed}: {', '.join(wrong)}; see above")


def verify_executable(c: Context, archive: Archive) -> None:
    """Print what an executable is, and whether its zip, its `.args` and its start are right."""
    with bare_copy(archive) as copy:
        rows = [verify_zip(archive), verify_args(archive), verify_start(archive, copy)]
        version = start_copy([str(copy), "--version"], copy.parent)
    rows.insert(1, Row("python", version.ok, (version.stdout or version.stderr).strip()))
    isolated = isolates(tuple(archive.args))
    text = "yes" if isolated else "no: PYTHON* variables and the current directory change what runs"
    rows += [Row("isolated", isolated or None, text), verify_lock(archive)]
    cpus = ", ".join(archive.cpus)
    rows += [Row("processors", bool(cpus) or None, cpus or "its header names none")]
    print_rows(rows, f"{archive.path} is not as it should be")


def verify_zip(archive: Archive) -> Row:
    """Whether each entry can be read, is a file to Python, and is there once.

    Source: Cosmopolitan's `/zip`, where an entry is a file only if its mode says so.
    """
    try:
        bad = archive.zip.testzip()
    except Exception as error:  # of many kinds, where it is damaged
        return Row("zip", False, f"it cannot be read: {error}")
    names = Counter(entry.filename for entry in archive.entries)
    twice = [name for name, number in names.items() if number > 1]
    outside = [n for n in names if n.startswith("/") or ".." in n.split("/")]
    files = [entry for entry in archive.entries if not entry.is_dir()]
    unseen = [entry.filename for entry in files if entry.external_attr >> 28 != 8]
    for problem, found in (
        ("is damaged", [bad] if bad else []),
        ("is there twice", twice),
        ("leads out of it", outside),
        ("has no file type in its mode, so that Python cannot see it", unseen),
    ):
        if found:
            more = f", and {len(found) - 1} more" if len(found) > 1 else ""
            return Row("zip", False, f"{found[0]!r} {problem}{more}")
    return Row("zip", True, count(len(files), "file"))


def verify_args(archive: Archive) -> Row:
    """What starts, and whether it gets the command line's arguments.

    Source: Cosmopolitan, `LoadZipArgs`; by releases before 2024, only where the last line says so.
    """
    words = archive.args
    if words and words[-1] != "...":
        return Row(".args", False, f"{shlex.join(words)}: its last line is not ...")
    return Row(".args", True if words else None, shlex.join(words) or "none: it starts Python")


def verify_start(archive: Archive, copy: Path) -> Row:
    """Whether a copy without `.args` can import the module that they name.

    Of one that is run, only the package that it is in is imported.
    """
    module = archive.module
    if not module:
        return Row("start", None, "nothing is known of what starts")
    name = module.partition(".")[0] if "-m" in archive.args else module
    program = copy.with_name("imports")
    program.write_text(f"{START}\ntry:\n    import {name}\n{END}", "utf-8")
    done = start_copy([str(copy), "-I", str(program)], copy.parent)
    return Row("start", done.ok, f"{name} can be imported" if done.ok else describe_failure(done))


def verify_lock(archive: Archive) -> Row:
    """Whether what is in it is what the project's lock says, if it is of the project."""
    try:
        p = load_project()
        own = is_own(p, archive)
    except RecipeError:
        own = False
    if not own:
        return Row("locked", None, "it is no executable of this project, so that is not known")
    if p.lock is None:
        return Row("locked", None, f"no; `{p.lock_command}` writes a lock")
    problem, names = lock_problem(p, archive), count(len(p.lock.packages), "package")
    shown = problem or f"{p.lock_file}: Python {p.lock.version}, {names}"
    return Row("locked", not problem, shown)


@contextmanager
def bare_copy(archive: Archive) -> Iterator[Path]:
    """A copy without `.args`, which is a Python, in a folder of its own beside it."""
    if not shutil.which("zip"):
        raise RecipeError("there is no zip on PATH; install zip (apt install zip)")
    with trial_folder(archive) as folder:
        copy = folder / "copy.zip"
        shutil.copy(archive.path, copy)
        if ".args" in archive.first:
            line = ["zip", "-q", "-d", str(copy), ".args"]
            env = {name: text for name, text in os.environ.items() if not name.startswith("ZIP")}
            done = subprocess.run(line, env=env, check=False, capture_output=True, text=True)
            if done.returncode:
                raise RecipeError(f"{archive.path} cannot be tried: {done.stdout}; name another")
        yield copy


@contextmanager
def trial_folder(archive: Archive) -> Iterator[Path]:
    """An empty folder beside an executable, which is removed."""
    parent, failed = archive.path.resolve().parent, f"{archive.path} cannot be tried in its folder"
    folder = partial(tempfile.TemporaryDirectory, prefix=".try.", dir=parent)
    with handle_signals(), exit_on_error(failed), folder() as path:
        yield Path(path)


def start_copy(
    words: list[str], home: Path, shell: tuple[str, ...] = ("/bin/sh",), **env: str
) -> Result:
    """Start an executable through a shell, in a folder, without input; return how it ended."""
    variables = {"PATH": PLAIN_PATH, "HOME": str(home), "TMPDIR": str(home), **env}
    try:
        done = subprocess.run(
            [*shell, *words],
            cwd=home,
            env={name: text for name, text in variables.items() if text},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=START_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Result(stderr=f"it took longer than {START_TIMEOUT} seconds", exited=124)
    except OSError as error:
        return Result(stderr=str(error), exited=127)
    return Result(done.stdout, done.stderr, exited=done.returncode)


def try_executables(c: Context, archive: Archive, words: list[str]) -> None:
    """Start an executable in several environments, and print a table of what ran."""
    with trial_folder(archive) as folder:
        program = folder / "program" / archive.path.name
        program.parent.mkdir()
        shutil.copy(archive.path, program)
        read_only = folder / "home"
        read_only.mkdir(mode=0o555)
        line = [str(program), *words]
        path = os.environ.get("PATH", PLAIN_PATH)
        rows = [
            tried("shell", start_copy(line, folder, PATH=path)),
            tried("empty environment", start_copy(line, folder, HOME="")),
            tried("read-only home", start_copy(line, read_only, TMPDIR=str(folder))),
            try_wine(program, words, folder),
            try_container(program, words),
        ]
    print_rows(rows, f"{archive.path} does not run everywhere")


def tried(name: str, result: Result) -> Row:
    """The row about one start."""
    lines = (result.stdout + result.stderr).strip().splitlines()
    last = lines[-1] if lines else "no output"
    return Row(name, result.ok, last if result.ok else f"exit status {result.exited}: {last}")


def try_wine(program: Path, words: list[str], folder: Path) -> Row:
    """Start it as on Windows."""
    wine = shutil.which("wine")
    if not wine:
        return Row("wine", None, "skipped: there is no wine (apt install wine)")
    copy = shutil.copy(program, program.with_name(f"{program.name}.exe"))
    quiet = {"WINEPREFIX": str(folder / "wine"), "WINEDEBUG": "-all"}
    return tried("wine", start_copy([str(copy), *words], folder, (wine,), **quiet))


def try_container(program: Path, words: list[str]) -> Row:
    """Start it where no Python is: in a container of busybox, without network."""
    engine = next(filter(None, map(shutil.which, ("docker", "podman"))), None)
    ours = ("HOME", "DOCKER_", "CONTAINER", "XDG_RUNTIME_DIR")
    env = {name: text for name, text in os.environ.items() if name.startswith(ours)}
    if not engine or not start_copy(["info"], program.parent, (engine,), **env).ok:
        return Row("container", None, "skipped: no container engine runs (docker, podman)")
    image = ["busybox", "sh", "/program", *words]
    mount = f"type=bind,src={program},dst=/program,readonly"
    run = ["run", "--rm", "--network", "none", "--mount", mount, *image]
    return tried("container", start_copy(run, program.parent, (engine,), **env))
