"""The article's recipe: one task a phase, in the article's order, each of them its shell lines."""

from __future__ import annotations

import hashlib
import os
import shlex
from json import dumps
from pathlib import Path

from invoke.collection import Collection
from invoke.context import Context
from invoke.runners import Result
from invoke.tasks import task

from .base import bring_both, zip_program
from .bytecode import compile_lines, compile_reason, start_line
from .console import Lines, Stop, bar, one_line, say, show
from .deps import has_deps, install_deps, swapped
from .epoch import touch
from .pin import pin, see_lock
from .settings import Executable, Settings, load_settings, read_settings
from .shell import JUNK, here, leave_out, q, sh, tell
from .turn import turn


@task
def clean(c: Context) -> None:
    """Remove what an earlier build gathered; the executable and the interpreter stay."""
    with turn(c) as s:
        tell(c, "clean", s.site)
        sh(c, f"rm -rf {q(s.site)}", f"{s.site} cannot be removed")


@task(pre=[clean])
def setup(c: Context) -> None:
    """Copy the package into DIR_SITE, and write the .args that starts it."""
    with turn(c) as s:
        tell(c, "setup", f"{s.source} -> {s.site}")
        site, failed = q(s.site), f"{s.source} cannot be copied to {s.site}"
        sh(c, f"mkdir -p {site}", failed)
        sh(c, f"cp -RL {q(s.source)} {site}/{s.top} && chmod -R u+w {site}", failed)
        if s.beside and has_deps(s):
            sh(c, f"cp -RL {' '.join(map(q, s.beside))} {site} && chmod -R u+w {site}", failed)
        sh(c, leave_out(s.exclude, *JUNK), failed, at=s.site)
        sh(c, write_args(s.executables[0].args), ".args cannot be written", at=s.build)


def write_args(args: tuple[str, ...]) -> str:
    """The line that writes `.args`."""
    form = r"\n".join(["%s"] * len(args))
    return f"printf '{form}' {' '.join(map(shlex.quote, args))} > .args"


@task(help={"force": "Download again, even where the file is unchanged."})
def fetch(c: Context, force: bool = False) -> None:
    """Download the Cosmopolitan Python if there is a newer one; also zip, if none is installed."""
    with turn(c) as s:
        if not s.sha256:
            tell(c, "lock", "none, so what is current goes in; `invoke cosmo.lock` writes one")
        bring_both(c, s, force)


@task(pre=[setup, fetch])
def deps(c: Context) -> None:
    """Install what the program depends on, for the Cosmopolitan Python, and its metadata."""
    with turn(c) as s:
        if has_deps(s):
            install_deps(c, s)


@task(pre=[deps], name="compile")
def compile_site(c: Context) -> None:
    """Compile the .py files to .pyc with the Cosmopolitan Python, and delete them."""
    with turn(c) as s:
        entries = [made.entry for made in s.executables if made.entry]
        failed = f"{' and '.join(entries) or s.pkg} cannot start"
        then = "correct COSMO_ENTRY" if entries else "rename the program"
        sh(c, start_line(s, entries), failed, at=os.path.dirname(s.site), then=then)
        files = 0 if c.config.run.dry else sum(1 for _ in Path(s.site).rglob("*.py"))
        tell(c, "compile", f"{files} files")
        failed = f"{s.site} cannot be written"
        sh(c, touch(s.epoch, q(s.site)), failed)
        with bar("compile", files, "files") as shown:
            for line in compile_lines(s, has_deps(s)):
                sh(
                    c,
                    line,
                    f"{s.source} does not compile",
                    Lines(shown, "Compiling "),
                    at=os.path.dirname(s.site),
                    why=lambda result: compile_reason(result, os.path.dirname(s.source)),
                )
        if not s.ships_source:
            compiled = 'for file; do [ ! -f "${file}c" ] || rm -f "$file"; done'
            sh(
                c,
                f"find . -name '*.py' -type f -exec sh -c '{compiled}' sh {{}} +",
                failed,
                at=s.site,
            )


@task
def report(c: Context) -> None:
    """Tell the executable's path, size, sha256 and Python, and how to start it."""
    with turn(c) as s:
        if c.config.run.dry:
            return
        for made in s.executables:
            if not Path(made.path).is_file():
                raise Stop(f"{made.path} is not there; make it with `invoke cosmo`")
        line, failed = "TMPDIR=. sh ./python --version", "python does not start"
        version = sh(c, line, failed, at=s.build).stdout
        with one_line("the report cannot be printed"):
            show("\n".join(line for made in s.executables for line in told_of(s, made, version)))


def told_of(s: Settings, made: Executable, version: str) -> list[str]:
    """The lines of the report on one executable."""
    data = Path(made.path).read_bytes()
    start, name = q(here(made.path)), Path(made.path).name
    renamed = "" if name.endswith((".com", ".exe")) else f"; on Windows, as {name}.exe"
    return [
        made.path,
        f"  size    {len(data):,} bytes",
        f"  sha256  {hashlib.sha256(data).hexdigest()}",
        f"  python  {version.strip()}",
        *(f"  pure    {form}" for form in swapped(s)),
        f"  start   {start}{renamed}",
    ]


@task(pre=[compile_site], post=[report])
def update(c: Context) -> None:
    """Make the executable: a copy of the Python, pruned, with .args and Lib added."""
    with turn(c) as s:
        first, *others = s.executables
        new, failed = zipped(first), f"{first.path} cannot be made"
        zip_ = f"{zip_program()} -b .zip"  # a folder of its own for what a kill would leave behind
        files = 0 if c.config.run.dry else 1 + count_files(Path(s.build, "Lib"))
        tell(c, "update", f"{files} files into {', '.join(made.path for made in s.executables)}")
        line = f"rm -rf .zip python.zip {new} && mkdir .zip && ln -s python python.zip"
        sh(c, line, failed, at=s.build)
        prune = f" -x {' '.join(map(shlex.quote, s.prune))}" if s.prune else ""
        line = f"{zip_} -q -U python.zip '*' --out {new}{prune} && rm -f python.zip"
        sh(c, line, failed, at=s.build, then="correct COSMO_PRUNE, or fetch the interpreter again")
        line = f"chmod -R u=rwX,go=rX .args Lib && {touch(s.epoch, '.args', 'Lib')}"
        sh(c, line, failed, at=s.build)
        listed = "find .args Lib -type f > .list && LC_ALL=C sort -o .list .list"
        add = f"{listed} && {zip_} -MM -X -g {new} -@ < .list"
        with bar("update", files, "entries") as shown:
            sh(c, add, failed, Lines(shown, "(adding|updating): "), at=s.build)
        for made in others:
            copy, failed = zipped(made), f"{made.path} cannot be made"
            sh(c, f"rm -f {copy} && cp {new} {copy}", failed, at=s.build)
            write = f"{write_args(made.args)} && chmod u=rw,go=r .args && {touch(s.epoch, '.args')}"
            sh(c, f"{write} && {zip_} -q -MM -X {copy} .args", failed, at=s.build)
        for made in s.executables:
            sh(c, f"chmod +x {zipped(made)}", failed, at=s.build)
            if s.smoke is not None:
                smoke(c, s, made)
        for made in s.executables:
            sh(c, in_place(zipped(made), os.path.relpath(made.path, s.build)), failed, at=s.build)


def in_place(new: str, target: str) -> str:
    """The line that puts a whole executable in its place, by one rename.

    Elsewhere may be on another disk, where `mv` copies, after it removed what was there.
    """
    folder, name = os.path.split(target)
    if not folder:
        return f"mv -f {new} {q(target)}"
    part = q(os.path.join(folder, f".{name}.part"))
    moved = f"mv -f {new} {part} && mv -f {part} {q(target)}"
    return f"mkdir -p {q(folder)} && {{ {moved} || {{ rm -f {part}; false; }}; }}"


def count_files(folder: Path) -> int:
    """How many files there are below a folder."""
    return sum(path.is_file() for path in folder.rglob("*"))


def zipped(made: Executable) -> str:
    """The name that an executable has in the build folder until it is whole."""
    return shlex.quote(f"{made.name}.zip")


def smoke(c: Context, s: Settings, made: Executable) -> None:
    """Try a new executable; where it fails, show what it printed, and stop.

    It gets a HOME and a TMPDIR, for an Actually Portable Executable writes its loader there.
    Source: Cosmopolitan, `ape/ape.S`.
    """
    words = " ".join(map(shlex.quote, s.smoke or ()))
    tell(c, "smoke", f"{Path(made.path).name} {words}")
    env = 'env -i PATH="$PATH" HOME="$PWD" TMPDIR="$PWD/.."'
    start = f"{env} sh ../{zipped(made)} {words}"
    line = (
        f"rm -rf .smoke && mkdir .smoke && (cd -P ./.smoke && {start} </dev/null) && rm -rf .smoke"
    )
    failed = f"{made.path} does not pass COSMO_SMOKE ({words})"
    sh(c, line, failed, at=s.build, why=shown, then="mend the program; the last executable stays")


def shown(result: Result) -> str:
    """Show all that a command printed, and tell its status."""
    for text in (result.stdout, result.stderr):
        if text.strip():
            say(text.rstrip())
    return f"exit status {result.exited}"


@task(post=[update], default=True, help={"offline": "Ask no server: take what the cache has."})
def build(c: Context, offline: bool = False) -> None:
    """Package the project into one executable: every phase, in order."""
    if offline:
        os.environ["COSMO_OFFLINE"] = "1"


@task(post=[build], help={"file": "The script; what it needs stands in its comments (PEP 723)."})
def script(c: Context, file: str) -> None:
    """Package a single script, with the dependencies that its comments name."""
    os.environ["COSMO_SCRIPT"] = file


@task(help={"check": "Write nothing: end with status 1 if it is not for what is asked for now."})
def lock(c: Context, check: bool = False) -> None:
    """Write cosmo.lock: which interpreter and dependencies builds take from now on."""
    if check:
        see_lock(load_settings())
        return
    with turn(c, locked=False) as s:
        pin(c, s, bring_both(c, s, force=False))


@task(name="settings", help={"json": "Print them as JSON, for a machine."})
def show_settings(c: Context, json: bool = False) -> None:
    """Print each setting, its value and where that comes from."""
    with one_line("the settings cannot be read"):
        values = read_settings(os.environ, Path.cwd()).values
    rows = [{"name": name, "value": v.text, "source": v.source} for name, v in values.items()]
    if json:
        print(dumps(rows, indent=2))
        return
    wide = max(len(row["value"] or "") for row in rows)
    for row in rows:
        print(f"{row['name']:<15}{row['value'] or '':<{wide}}  {row['source']}")


cosmo = Collection(
    "cosmo",
    *(clean, setup, fetch, deps, compile_site, update, build),
    *(report, script, lock, show_settings),
)
