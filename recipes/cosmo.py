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

from .checks import file_name
from .console import Download, Lines, Stop, bar
from .settings import Settings, load, read
from .shell import q, reason, sh, tell

WGET = (
    "LC_ALL=C wget -N --no-if-modified-since --no-hsts --tries=3 --waitretry=1 --timeout=30"
    " --progress=dot:mega"
)
"""The article's `wget -N`. With `--no-if-modified-since` it sees by the size that an earlier
download was cut short, which the time hides; `--no-hsts` keeps it out of the home folder."""

TOUCH = "TZ=UTC0 find {} -type f -exec touch -t 198001010000 {{}} +"
"""Gives all files one time, the first that a zip can hold, so that the same sources give the same
bytes: a `.pyc` holds the time of its source, and a zip entry that of its file."""


ZIP = "TZ=UTC0 LC_ALL=C "
"""What a zip entry's time and name would else depend on: zip writes local time."""

COMPILE_ERROR = (
    r"^Compiling .Lib/site-packages/(?P<file>[^\n]*).\.\.\.\n"
    r"\*\*\* (?P<text>.*?)(?=^Compiling |^Listing |\Z)"
)
"""How compileall tells of a file that does not compile; alike in Python 3.6 and in 3.13."""


@task
def clean(c: Context) -> None:
    """Remove what an earlier build compiled; the executable and the interpreter stay."""
    s = load()
    tell(c, "clean", s.site)
    sh(c, f"rm -rf {q(s.site)}", f"{s.site} cannot be removed")


@task(pre=[clean])
def setup(c: Context) -> None:
    """Copy the package into DIR_SITE, and write the .args that starts it."""
    s = load()
    tell(c, "setup", f"{s.source} -> {s.site}")
    failed = f"{s.source} cannot be copied to {s.site}"
    sh(c, f"mkdir -p {q(s.site)}", failed)
    sh(c, f"cp -RL {q(s.source)} {q(s.site)} && chmod -R u+w {q(s.site)}", failed)
    sh(c, f"find {q(s.site)} -name __pycache__ -type d -prune -exec rm -rf {{}} +", failed)
    form = r"\n".join(["%s"] * len(s.args))
    lines = " ".join(map(shlex.quote, s.args))
    args = os.path.join(s.build, ".args")
    sh(c, f"printf '{form}' {lines} > {q(args)}", f"{args} cannot be written")


@task(help={"force": "Download again, even where the file is unchanged."})
def fetch(c: Context, force: bool = False) -> None:
    """Download the Cosmopolitan Python if there is a newer one; also zip, if none is installed."""
    s = load()
    sh(c, f"mkdir -p {q(s.build)}", f"{s.build} cannot be made")
    if zip_of() != "zip":
        get(c, s, s.zip_url, "zip", force)
    get(c, s, s.url, "python", force)


def get(c: Context, s: Settings, url: str, name: str, force: bool) -> None:
    """Bring what `url` names to `name` in the build folder, once it is seen to be whole."""
    tell(c, "fetch", url)
    file = download(c, s, url, force) if "://" in url else url
    part = f"{name}.part"
    build, copy = q(s.build), q(os.path.join(s.build, part))
    sh(c, f"cp {q(file)} {copy}", f"{url} cannot be copied")
    wrong = f"{url} is no Actually Portable Executable"
    sh(c, f"head -c 6 {copy} | grep -Eq '^(MZqFpD|jartsr)'", wrong, explain=refused)
    if name == "python":
        wrong = f"{url} holds no Python: no zip at its end that can be read and has a Lib/"
        sh(c, f"(cd {build} && {zip_of()} -sf {part} | grep -q '^ *Lib/')", wrong, explain=refused)
    failed = f"{name} cannot be put in place"
    sh(c, f"(cd {build} && chmod +x {part} && mv -f {part} {name})", failed)


def refused(_: Result) -> str:
    """What became of a file that is not what it should be."""
    return "it was not put in place; correct the setting that names it"


def download(c: Context, s: Settings, url: str, force: bool) -> str:
    """Download `url` where wget finds it the next time; return the file's path."""
    folder = os.path.join(s.build, "download", hashlib.sha256(url.encode()).hexdigest()[:8])
    file = os.path.join(folder, file_name(url))
    if force:
        sh(c, f"rm -f {q(file)}", f"{file} cannot be removed")
    failed = f"{url} cannot be downloaded"
    with bar("fetch", None, "B") as shown:
        line = f"{WGET} -P {q(folder)} {shlex.quote(url)}"
        sh(c, line, failed, Download(shown), explain=wget_reason)
    return file


def wget_reason(result: Result) -> str:
    """What wget says went wrong, and what to do."""
    if not shutil.which("wget"):
        return "wget is not on PATH; install it (apt install wget, brew install wget)"
    told = re.findall(r"ERROR \d+: .*|failed: .*|unable to .*|Read error.*", result.stderr)
    why = told[-1].rstrip(".") if told else reason(result)
    return f"{why}; see to the network and the setting, the last download is kept"


@task(pre=[setup, fetch])
def compile(c: Context) -> None:  # noqa: A001 - the article's word
    """Compile the .py files to .pyc with the Cosmopolitan Python, and delete them."""
    s = load()
    package = os.path.join(s.site, s.top)
    files = sum(1 for _ in Path(package).rglob("*.py"))
    tell(c, "compile", f"{files} files")
    sh(c, f"{TOUCH.format(q(package))}", f"{package} cannot be written")
    inside = f"Lib/site-packages/{s.top}"
    line = f"./python -m compileall -b -d /zip/{inside} {inside}"
    with bar("compile", files, "files") as shown:
        line = f"(cd {q(s.build)} && PYTHONHASHSEED=0 PYTHONOPTIMIZE= {line})"
        above = os.path.dirname(s.source)
        sh(
            c,
            line,
            f"{s.source} does not compile",
            Lines(shown, "Compiling "),
            explain=lambda result: compile_reason(result, above),
        )
    sh(
        c,
        f"find {q(package)} -name '*.py' -type f -exec rm -f {{}} +",
        f"{package} cannot be written",
    )


def compile_reason(result: Result, source: str) -> str:
    """The first file below `source` that compileall says does not compile, its line and error."""
    told = re.search(COMPILE_ERROR, result.stdout, re.MULTILINE | re.DOTALL)
    if told is None:
        return reason(result)
    file, text = os.path.join(source, told["file"]), told["text"]
    line = re.search(r", line (\d+)", text)
    error = re.findall(r"\w+(?:Error|Warning): [^\n]+", text)
    where = f"{file}, line {line[1]}" if line else file
    return f"{where}: {error[-1] if error else text}; correct it"


@task
def report(c: Context) -> None:
    """Tell the executable's path, size, sha256 and Python, and how to start it."""
    s = load()
    if c.config.run.dry:
        return
    file = Path(s.executable)
    if not file.is_file():
        raise Stop(f"{file} is not there; make it with `invoke cosmo`")
    version = sh(c, f"{q(s.python)} --version", f"{s.python} does not start").stdout.strip()
    data = file.read_bytes()
    print(f"{file}")
    print(f"  size    {len(data):,} bytes")
    print(f"  sha256  {hashlib.sha256(data).hexdigest()}")
    print(f"  python  {version}")
    print(f"  start   ./{q(str(file))}; on Windows, rename it to {file.name}.exe first")


@task(pre=[compile], post=[report])
def update(c: Context) -> None:
    """Make the executable: a copy of the Python, pruned, with .args and Lib added."""
    s = load()
    build, new = q(s.build), f"{s.pkg}.zip"
    files = 1 + sum(path.is_file() for path in Path(s.build, "Lib").rglob("*"))
    tell(c, "update", f"{files} files into {s.executable}")
    failed = f"{s.executable} cannot be made"
    prune = f" -x {' '.join(map(shlex.quote, s.prune))}" if s.prune else ""
    sh(c, f"(cd {build} && ln -sf python python.zip && rm -f {new})", failed)
    sh(c, f"(cd {build} && {zip_of()} -q -U python.zip '*' --out {new}{prune})", failed)
    sh(c, f"(cd {build} && chmod -R u=rwX,go=rX .args Lib && {TOUCH.format('.args Lib')})", failed)
    with bar("update", files, "entries") as shown:
        add = f"find .args Lib -type f | LC_ALL=C sort | {ZIP}{zip_of()} -MM -X -g {new} -@"
        sh(c, f"(cd {build} && {add})", failed, Lines(shown, "adding: "))
    sh(c, f"(cd {build} && chmod +x {new} && mv -f {new} {s.pkg})", failed)


def zip_of() -> str:
    """The zip to call in the build folder: the one on PATH, else the one that was fetched."""
    return "zip" if shutil.which("zip") else "./zip"


@task(pre=[update], default=True)
def build(c: Context) -> None:
    """Package the project into one executable: every phase, in order."""


@task(name="settings", help={"json": "Print them as JSON, for a machine."})
def show_settings(c: Context, json: bool = False) -> None:
    """Print each setting, its value and where that comes from."""
    _, values = read(os.environ, Path.cwd())
    rows = [{"name": name, "value": v.text, "source": v.source} for name, v in values.items()]
    if json:
        print(jsons.dumps(rows, indent=2))
        return
    wide = max(len(row["value"] or "") for row in rows)
    for row in rows:
        print(f"{row['name']:<15}{row['value'] or '':<{wide}}  {row['source']}")
