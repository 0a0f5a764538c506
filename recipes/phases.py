"""The article's recipe: one task a phase, in the article's order, each of them its shell lines."""

from __future__ import annotations

import os
import shlex
import shutil
import time
from json import dumps
from pathlib import Path
from textwrap import wrap

from invoke.collection import Collection
from invoke.context import Context
from invoke.executor import Executor
from invoke.runners import Result
from invoke.tasks import task

from .dependencies import (
    changed_forms,
    check_lock_current,
    check_uv,
    excluded,
    inside_command,
    install_dependencies,
    uses_uv_lock,
    write_lock,
)
from .interpreter import cache_folder, cached_files, fetch_tools, file_sha256, zip_command
from .project import Executable, Project, load_project
from .session import OPTIONS, handle_signals, session
from .settings import KEEP, OPTIMIZE, PRUNE, SETTINGS, SMOKE, SOURCE, URL
from .shell import (
    Progress,
    RecipeError,
    Shell,
    explicit_path,
    inside,
    log,
    print_result,
    progress_bar,
    quote,
    remove_matching,
)

IGNORED_DIRS = ("__pycache__", "*.egg-info", ".DS_Store")
IGNORED_FILES = ("*~", ".#*", "#*#", ".*.sw[op]")
"""What does not go in: the host's bytecode, what an editable install left, and editors' files."""


@task
def clean(c: Context) -> None:
    """Remove what an earlier build gathered; the executable and the interpreter stay."""
    with session(c, "clean") as (p, sh):
        sh.log("clean", p.site)
        sh.run('rm -rf "$DIR_SITE"', f"{p.site} cannot be removed")


@task(pre=[clean])
def setup(c: Context) -> None:
    """Copy the package into DIR_SITE, and write the .args that starts it."""
    with session(c, "setup") as (p, sh):
        sh.log("setup", f"{p.source} -> {p.site}")
        failed = f"{p.source} cannot be copied to {p.site}"
        sources = [p.source, *(p.beside if p.writes_metadata else ())]
        copied = " ".join(quote(str(path)) for path in sources)
        target = f'"$DIR_SITE"/{p.top}' if p.location.script else '"$DIR_SITE"'
        line = f'mkdir -p "$DIR_SITE" && cp -RL {copied} {target} && chmod -R u+w "$DIR_SITE"'
        sh.run(line, failed)
        for kind, names in ((" -depth", IGNORED_DIRS), (" -type f", IGNORED_FILES)):
            tests = [f"-name {shlex.quote(name)}" for name in names]
            sh.run(remove_matching(f'"$DIR_SITE"{kind}', tests), failed)
        if excluded(p, '"$DIR_SITE"'):
            sh.run(remove_matching('"$DIR_SITE" -depth', excluded(p, '"$DIR_SITE"')), failed)
        sh.run(write_args(p, p.executables[0]), ".args cannot be written")


def write_args(p: Project, executable: Executable) -> str:
    """The line that writes `.args`."""
    form = r"\n".join(["%s"] * len(executable.args))
    words = ['"$PKG"' if word == p.pkg else shlex.quote(word) for word in executable.args]
    return f"printf '{form}' {' '.join(words)} > {quote(p.build)}/.args"


@task(help={"force": "Download again, even where the file is unchanged."})
def fetch(c: Context, force: bool = False) -> None:
    """Download the Cosmopolitan Python if there is a newer one; also zip, if none is installed."""
    with session(c, "fetch") as (p, sh):
        sh.log("lock", lock_message(p))
        fetch_tools(p, sh, force)


def lock_message(p: Project) -> str:
    """What is locked, and what serves as a mirror of it."""
    if p.lock is None:
        also = " but uv.lock's dependencies" if p.installs and uses_uv_lock(p) else ""
        return f"none{also}, so what is current goes in; `invoke cosmo.lock` writes one"
    url = p.settings.value(URL)
    other = url.source != "default" and p.lock.url not in (url.text or "").split()
    mirror = f"; COSMO_URL ({url.source}) counts as a mirror of that alone" if other else ""
    return f"{p.lock_file}: Python {p.lock.version}, {len(p.lock.packages)} packages{mirror}"


@task(pre=[setup, fetch])
def deps(c: Context) -> None:
    """Install the program's dependencies with uv, for the Cosmopolitan Python, and its metadata."""
    with session(c, "deps") as (p, sh):
        if p.writes_metadata:
            install_dependencies(p, sh)


@task(pre=[deps], name="compile")
def compile_site(c: Context) -> None:
    """Compile the .py files to .pyc with the Cosmopolitan Python, and delete them."""
    with session(c, "compile") as (p, sh):
        entries = [executable.entry for executable in p.executables if executable.entry]
        words = [p.pkg.partition(".")[0], p.metadata.requires_python, *entries]
        line = inside_command(p, "check", '"$DIR_SITE"', *map(shlex.quote, words))
        sh.run(line, f"{' and '.join(entries) or p.pkg} cannot start", "")
        files = 0 if sh.dry else sum(1 for _ in Path(p.site).rglob("*.py"))
        sh.log("compile", f"{files} files")
        failed = f"{p.site} cannot be written"
        sh.run(f'find "$DIR_SITE" -type f -exec {touch(p)} {{}} +', failed)
        with progress_bar("compile", files, "files") as bar:
            progress = Progress(bar, "Compiling ")
            lib, own = os.path.dirname(p.site), compile_line(p, f"site-packages/{p.top}")
            remedy = "correct the file, or name it in COSMO_KEEP or COSMO_EXCLUDE"
            sh.run(inside(lib, own), f"{p.source} does not compile", remedy, progress)
            if p.writes_metadata:
                sh.run(
                    inside(lib, f"{compile_line(p, 'site-packages')} || :"), failed, "", progress
                )
        if not p.settings.get(SOURCE):
            compiled = "-exec test -f {}c ';' -exec rm -f {} +"
            sh.run(f"find \"$DIR_SITE\" -name '*.py' -type f {compiled}", failed)


def compile_line(p: Project, path: str) -> str:
    """The line that compiles what is below a path in `Lib`, so that tracebacks name it in /zip.

    It runs there, where no module but those to be packed can be in the compiler's way. Where the
    `.py` is shipped too, its `.pyc` goes to `__pycache__`, and is never checked against it: Python
    ignores one that lies beside a `.py`.
    """
    level = p.settings.get(OPTIMIZE)
    options = f" -{'O' * level}" if level else ""
    form = "--invalidation-mode unchecked-hash" if p.settings.get(SOURCE) else "-b"
    line = f"sh ../python{options} -m compileall -f {form} -p /zip/Lib {quote_pkg(p, path)}"
    keep = "|".join(shell_pattern(pattern) for pattern in p.settings.get(KEEP))
    return f"{line} -x {shlex.quote(f'^site-packages/({keep})(/.*)?$')}" if keep else line


def quote_pkg(p: Project, path: str) -> str:
    """A path below site-packages, with `$PKG` where it ends in that."""
    return '"site-packages/$PKG"' if path == f"site-packages/{p.pkg}" else quote(path)


def shell_pattern(pattern: str) -> str:
    """A pattern in which `*` and `?` stand for text, as a regular expression."""
    escaped = "".join(f"\\{sign}" if not sign.isalnum() else sign for sign in pattern)
    return escaped.replace(r"\*", ".*").replace(r"\?", ".")


def touch(p: Project) -> str:
    """The command that gives files the time of all that goes in."""
    return f"touch -t {time.strftime('%Y%m%d%H%M.%S', time.gmtime(p.epoch))}"


@task
def report(c: Context) -> None:
    """Print the executable's path, size, sha256 and Python, and how to start it."""
    with session(c, "report") as (p, sh):
        if sh.dry:
            return
        for executable in p.executables:
            if not Path(executable.path).is_file():
                raise RecipeError(f"{executable.path} does not exist; make it with `invoke cosmo`")
        line = inside(p.build, "sh ./python --version")
        version = sh.run(line, "the interpreter does not start").stdout.strip()
        for executable in p.executables:
            print_result("\n".join(report_lines(p, executable.path, version)))


def report_lines(p: Project, path: str, version: str) -> list[str]:
    """The lines of the report on one executable."""
    name = Path(path).name
    renamed = "" if name.endswith((".com", ".exe")) else f"; on Windows, as {name}.exe"
    return [
        path,
        f"  size    {Path(path).stat().st_size:,} bytes",
        f"  sha256  {file_sha256(Path(path))}",
        f"  python  {version}",
        *(f"  pure    {form}" for form in changed_forms(p)),
        f"  start   {quote(explicit_path(path))}{renamed}",
    ]


@task(pre=[compile_site], post=[report])
def update(c: Context) -> None:
    """Make the executable: a copy of the Python, pruned, with .args and Lib added."""
    with session(c, "update") as (p, sh):
        first, *others = p.executables
        build, failed = p.build, f"{first.path} cannot be made"
        files = 0 if sh.dry else 1 + sum(path.is_file() for path in Path(build, "Lib").rglob("*"))
        paths = ", ".join(executable.path for executable in p.executables)
        sh.log("update", f"{files} files into {paths}")
        line = "rm -rf .new && mkdir .new && ln -s ../python .new/python.zip"
        sh.run(inside(build, line), failed)
        prune = " ".join(map(shlex.quote, p.settings.get(PRUNE)))
        line = f"{zip_command()} -q -U .new/python.zip '*' --out {new_zip(first)}"
        remedy = "correct COSMO_PRUNE, or fetch the interpreter again"
        sh.run(inside(build, f"{line} -x {prune}" if prune else line), failed, remedy)
        line = f"chmod -R u=rwX,go=rX .args Lib && find .args Lib -type f -exec {touch(p)} {{}} +"
        sh.run(inside(build, line), failed)
        with progress_bar("update", files, "entries") as bar:
            line = f"find .args Lib -type f | sort | {zip_command()} -MM -X -g {new_zip(first)} -@"
            line += f" && chmod +x {new_zip(first)}"
            sh.run(inside(build, line), failed, progress=Progress(bar, r"\s*(adding|updating): "))
        for other in others:
            sh.run(inside(build, f"cp {new_zip(first)} {new_zip(other)}"), failed)
            sh.run(f"{write_args(p, other)} && chmod u=rw,go=r {quote(build)}/.args", failed)
            line = f"{touch(p)} .args && {zip_command()} -q -MM -X {new_zip(other)} .args"
            sh.run(inside(build, line), failed)
        for executable in p.executables if p.settings.get(SMOKE) is not None else ():
            try_executable(p, sh, executable)
        for executable in p.executables:
            sh.run(place_line(p, executable), f"{executable.path} cannot be put in place")


def new_zip(executable: Executable) -> str:
    """The path that an executable has in the build folder until it is whole."""
    return f".new/{shlex.quote(executable.name)}.zip"


def try_executable(p: Project, sh: Shell, executable: Executable) -> None:
    """Try a new executable with the arguments in COSMO_SMOKE, in an empty folder and environment."""
    words = " ".join(map(shlex.quote, p.settings.get(SMOKE) or ()))
    sh.log("smoke", f"{Path(executable.path).name} {words}")
    start = f"sh ../{new_zip(executable)} {words} </dev/null"
    env = 'env -i PATH="$PATH" HOME="$PWD" TMPDIR="$PWD/.."'
    line = f"rm -rf .smoke && mkdir .smoke && (cd .smoke && {env} {start}) && rm -rf .smoke"
    failed = f"{executable.path} does not pass COSMO_SMOKE ({words})"
    remedy = "correct the program; the last executable stays"
    sh.run(inside(p.build, line), failed, remedy, reason=show_all)


def show_all(result: Result) -> str:
    """Show all that a program printed; return its exit status, as a reason."""
    for text in (result.stdout, result.stderr):
        if text.strip():
            log(text.rstrip())
    return f"exit status {result.exited}"


def place_line(p: Project, executable: Executable) -> str:
    """The line that puts a whole executable in its place, by one rename.

    Elsewhere may be on another disk, where `mv` copies, after it removed what was there.
    """
    new, target = f"{quote(p.build)}/{new_zip(executable)}", executable.path
    folder, name = os.path.split(target)
    if folder == p.build:
        return f"mv -f {new} {quote(target)}"
    part = quote(os.path.join(folder, f".{name}.part"))
    moved = f"mv -f {new} {part} && mv -f {part} {quote(target)}"
    return f"mkdir -p {quote(folder or '.')} && {{ {moved} || {{ rm -f {part}; false; }}; }}"


@task(default=True, help={"offline": "Ask no server: take what the cache has."})
def build(c: Context, offline: bool = False) -> None:
    """Package the project into one executable: every phase, in order."""
    package(c, {"COSMO_OFFLINE": "1"} if offline else {})


@task(help={"file": "The script; what it needs stands in its comments (PEP 723)."})
def script(c: Context, file: str) -> None:
    """Package a single script, with the dependencies that its comments name."""
    package(c, {"COSMO_SCRIPT": file})


def package(c: Context, options: dict[str, str]) -> None:
    """Check all settings, and run every phase with these options, which no later task sees."""
    options = {**c.config.get(OPTIONS, {}), **options}
    with handle_signals():
        p = load_project(options)
        p.check()
        if p.writes_metadata:
            check_uv(p, bool(c.config.run.dry))
    config = c.config.clone()
    config.update({OPTIONS: options})
    Executor(cosmo, config).execute("update")


@task(help={"check": "Write nothing: end with status 1 if it is not for what is required now."})
def lock(c: Context, check: bool = False) -> None:
    """Write pylock.cosmo.toml: the interpreter and dependencies that builds take from now on."""
    if check:
        check_lock_current(load_project(dict(c.config.get(OPTIONS, {}))))
        return
    with session(c, "lock") as (p, sh):
        p.lock = None
        write_lock(p, sh, fetch_tools(p, sh))


@task(
    help={"prune": "Remove what no build used for this many days, and what uv built (0: all)."},
    optional=["prune"],
)
def cache(c: Context, prune: str = "") -> None:
    """Print what the user's cache holds, and its size; --prune DAYS makes it smaller."""
    folder, files = cache_folder(), list(cached_files())
    if prune:
        if not prune.isdecimal():
            raise RecipeError(f"--prune={prune!r}: write a number of days")
        before = time.time() - int(prune) * 86400
        shutil.rmtree(folder / "uv", ignore_errors=True)
        for path, _ in files:
            if path.exists() and path.stat().st_mtime <= before:
                path.unlink()
        files = list(cached_files())
    size = sum(size for _, size in files)
    print_result(f"{folder}: {len(files)} files, {size / 1e6:,.1f} MB")


@task(
    name="settings",
    help={
        "json": "Print them as JSON, for a machine.",
        "explain": "Also print what each one means.",
    },
)
def show_settings(c: Context, json: bool = False, explain: bool = False) -> None:
    """Print each setting, its value and where that comes from."""
    p = load_project(dict(c.config.get(OPTIONS, {})))
    values = {setting.name: p.settings.value(setting) for setting in SETTINGS}
    values["COSMO_PROJECT"] = values["COSMO_PROJECT"]._replace(
        text=str(p.folder), source=p.location.source
    )
    if json:
        rows = [{"name": v.name, "value": v.text, "source": v.source} for v in values.values()]
        print_result(dumps(rows, indent=2))
        return
    wide = max(len(value.text or "") for value in values.values())
    lines = []
    for setting in SETTINGS:
        value = values[setting.name]
        lines.append(f"{value.name:<15}{value.text or '':<{wide}}  {value.source}")
        lines += [*(f"    {line}" for line in wrap(setting.meaning, 76)), ""] if explain else []
    print_result("\n".join(lines))


cosmo = Collection(
    "cosmo",
    *(clean, setup, fetch, deps, compile_site, update, build),
    *(report, script, lock, cache, show_settings),
)
