"""The article's recipe: one task a phase, in the article's order, each of them its shell lines."""

from __future__ import annotations

import hashlib
import json as jsons
import os
import re
import shlex
import shutil
from pathlib import Path

from invoke.context import Context
from invoke.runners import Result
from invoke.tasks import task

from .base import get, zip_program
from .console import Lines, Stop, bar, one_line
from .settings import load, read
from .shell import here, q, reason, sh, tell

TOUCH = "TZ=UTC0 find {} -type f -exec touch -t 198001010000 {{}} +"
"""Gives all files one time, the first that a zip can hold, so that the same sources give the same
bytes: a `.pyc` holds the time of its source, and a zip entry that of its file, in local time."""

COMPILE = 'env -i PATH="$PATH" HOME=.. TMPDIR=.. PYTHONHASHSEED=0 sh ../python -m compileall'
"""The article's `python -m compileall`, without the host's PYTHON* variables, which change what is
compiled, and with one order for sets. It runs in `Lib`, where no module but those to be packed can
be in its way, and the interpreter writes its loader above that, in the build folder. `sh` starts
what `env` need not know how to start."""

COMPILE_ERROR = (
    r"^Compiling .site-packages/(?P<file>[^\n]*).\.\.\.\n"
    r"\*\*\* (?P<text>.*?)(?=^Compiling |^Listing |\Z)"
)
"""How compileall tells of a file that does not compile; alike in Python 3.6 and in 3.13."""


@task
def clean(c: Context) -> None:
    """Remove what an earlier build gathered; the executable and the interpreter stay."""
    s = load()
    tell(c, "clean", s.site)
    sh(c, f"rm -rf {q(s.site)}", f"{s.site} cannot be removed")


@task(pre=[clean])
def setup(c: Context) -> None:
    """Copy the package into DIR_SITE, and write the .args that starts it."""
    s = load()
    tell(c, "setup", f"{s.source} -> {s.site}")
    site, failed = q(s.site), f"{s.source} cannot be copied to {s.site}"
    sh(c, f"mkdir -p {site}", failed)
    sh(c, f"cp -RL {q(s.source)} {site} && chmod -R u+w {site}", failed)
    sh(c, f"find {site} -name __pycache__ -type d -prune -exec rm -rf {{}} +", failed)
    form = r"\n".join(["%s"] * len(s.args))
    lines = " ".join(map(shlex.quote, s.args))
    sh(c, f"printf '{form}' {lines} > .args", ".args cannot be written", at=s.build)


@task(help={"force": "Download again, even where the file is unchanged."})
def fetch(c: Context, force: bool = False) -> None:
    """Download the Cosmopolitan Python if there is a newer one; also zip, if none is installed."""
    s = load()
    sh(c, f"mkdir -p {q(s.build)}", f"{s.build} cannot be made")
    if not shutil.which("zip"):
        get(c, s, "COSMO_ZIP_URL", s.zip_url, force)
    get(c, s, "COSMO_URL", s.url, force)


@task(pre=[setup, fetch])
def compile(c: Context) -> None:  # noqa: A001 - the article's word
    """Compile the .py files to .pyc with the Cosmopolitan Python, and delete them."""
    s = load()
    package, inside = os.path.join(s.site, s.top), f"site-packages/{s.top}"
    files = sum(1 for _ in Path(package).rglob("*.py"))
    tell(c, "compile", f"{files} files")
    failed = f"{package} cannot be written"
    sh(c, TOUCH.format(q(package)), failed)
    with bar("compile", files, "files") as shown:
        sh(
            c,
            # -f: all sources have one time; -r: before Python 3.9 it stops ten folders deep
            f"{COMPILE} -f -r 99 -b -d /zip/Lib/{inside} {inside}",
            f"{s.source} does not compile",
            Lines(shown, "Compiling "),
            at=os.path.dirname(s.site),
            why=lambda result: compile_reason(result, os.path.dirname(s.source)),
        )
    sh(c, f"find {q(package)} -name '*.py' -type f -exec rm -f {{}} +", failed)


def compile_reason(result: Result, source: str) -> str:
    """The first file below `source` that compileall says does not compile, its line and error."""
    told = re.search(COMPILE_ERROR, result.stdout, re.MULTILINE | re.DOTALL)
    if told is None:
        return reason(result)
    file, text = os.path.join(source, told["file"]), told["text"]
    line = re.search(r", line (\d+)", text)
    error = re.findall(r"\w+(?:Error|Warning): [^\n]+", text)
    where = f"{file}, line {line[1]}" if line else file
    return f"{where}: {error[-1] if error else text}"


@task
def report(c: Context) -> None:
    """Tell the executable's path, size, sha256 and Python, and how to start it."""
    s = load()
    if c.config.run.dry:
        return
    file = Path(s.executable)
    if not file.is_file():
        raise Stop(f"{file} is not there; make it with `invoke cosmo`")
    version = sh(c, "TMPDIR=. sh ./python --version", "python does not start", at=s.build).stdout
    with one_line("the report cannot be printed"):
        data = file.read_bytes()
        print(f"{file}")
        print(f"  size    {len(data):,} bytes")
        print(f"  sha256  {hashlib.sha256(data).hexdigest()}")
        print(f"  python  {version.strip()}")
        print(f"  start   {q(here(s.executable))}; on Windows, rename it to {file.name}.exe first")


@task(pre=[compile], post=[report])
def update(c: Context) -> None:
    """Make the executable: a copy of the Python, pruned, with .args and Lib added."""
    s = load()
    new, zip_, failed = f"{s.pkg}.zip", zip_program(), f"{s.executable} cannot be made"
    files = 1 + sum(path.is_file() for path in Path(s.build, "Lib").rglob("*"))
    tell(c, "update", f"{files} files into {s.executable}")
    sh(c, f"rm -f python.zip {new} && ln -s python python.zip", failed, at=s.build)
    prune = f" -x {' '.join(map(shlex.quote, s.prune))}" if s.prune else ""
    line = f"{zip_} -q -U python.zip '*' --out {new}{prune}"
    sh(c, line, failed, at=s.build, then="correct COSMO_PRUNE, or fetch the interpreter again")
    sh(c, f"chmod -R u=rwX,go=rX .args Lib && {TOUCH.format('.args Lib')}", failed, at=s.build)
    add = f"find .args Lib -type f | LC_ALL=C sort | {zip_} -MM -X -g {new} -@"
    with bar("update", files, "entries") as shown:
        sh(c, add, failed, Lines(shown, "(adding|updating): "), at=s.build)
    sh(c, f"chmod +x {new} && mv -f {new} {s.pkg}", failed, at=s.build)


@task(pre=[update], default=True)
def build(c: Context) -> None:
    """Package the project into one executable: every phase, in order."""


@task(name="settings", help={"json": "Print them as JSON, for a machine."})
def show_settings(c: Context, json: bool = False) -> None:
    """Print each setting, its value and where that comes from."""
    with one_line("the settings cannot be read"):
        _, values = read(os.environ, Path.cwd())
    rows = [{"name": name, "value": v.text, "source": v.source} for name, v in values.items()]
    if json:
        print(jsons.dumps(rows, indent=2))
        return
    wide = max(len(row["value"] or "") for row in rows)
    for row in rows:
        print(f"{row['name']:<15}{row['value'] or '':<{wide}}  {row['source']}")
