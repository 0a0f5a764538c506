"""The article's recipe: one task a phase, in the article's order, each of them its shell lines."""

from __future__ import annotations

import os
import re
import shlex
from contextlib import redirect_stderr, suppress
from io import StringIO
from json import dumps
from pathlib import Path
from textwrap import wrap
from typing import NoReturn

from invoke.collection import Collection
from invoke.context import Context
from invoke.executor import Executor
from invoke.runners import Result
from invoke.tasks import task

from .app import write_app
from .dependencies import check_lock, check_uv, find_constraint, install_dependencies, write_lock
from .digest import build_inputs, last_report, note_build
from .executable import (
    add_line,
    compile_error,
    compile_line,
    compile_others,
    describe_executable,
    describe_failure,
    new_zip,
    place,
    touch,
    try_executable,
    try_imports,
    write_args,
)
from .inside.start import REMEDY
from .interpreter import (
    cache_folder,
    fetch_tools,
    inside_command,
    lock_message,
    prune_cache,
    zip_command,
)
from .layer import COMPILED, begin_executable
from .lockfile import count
from .project import CONSTRAINT, FORCE, INPUTS, Project, load_project
from .session import OPTIONS, handle_signals, lock_build_folder, session
from .settings import SETTINGS
from .shell import (
    Progress,
    RecipeError,
    Shell,
    exit_on_error,
    line_environment,
    log,
    print_result,
    progress_bar,
    quote,
    show_output,
)

IGNORED_DIRS = ("__pycache__", "*.egg-info", ".DS_Store")
IGNORED_FILES = ("*~", ".#*", "#*#", ".*.sw[op]")
"""What does not go in: the host's bytecode, what an editable install left, and editors' files."""


@task
def clean(c: Context) -> None:
    """Remove what an earlier build gathered; the executable and the interpreter stay."""
    with session(c, "clean") as (p, sh):
        sh.log("clean", p.site)
        sh.run('rm -rf "$DIR_SITE"')  # the article: rm -rf $DIR_SITE


@task(pre=[clean])
def setup(c: Context) -> None:
    """Copy the package into DIR_SITE, and write the .args that starts it."""
    with session(c, "setup") as (p, sh):
        sh.log("setup", f"{p.source} -> {p.site}")
        # the article: mkdir -p $DIR_SITE; cp -r src/$PKG $DIR_SITE
        target = '"$DIR_SITE"' if p.source.name == p.top else f'"$DIR_SITE"/{p.top}'
        copy = f"cp -RL {quote(str(p.source))} {target}"
        sh.run(f'mkdir -p "$DIR_SITE" && {copy} && chmod -R u+w "$DIR_SITE"')
        if p.beside and p.writes_metadata:
            beside = " ".join(quote(str(path)) for path in p.beside)
            sh.run(f'cp -RL {beside} "$DIR_SITE" && chmod -R u+w "$DIR_SITE"')
        for names in (IGNORED_DIRS, IGNORED_FILES):
            sh.remove(p.site, [f"-name {shlex.quote(name)}" for name in names])
        sh.exclude(p.site, p.excluded)
        if p.executables[0].args[-1:] != ("...",):
            sh.log("setup", "COSMO_ARGS does not end in ..., so the user's arguments are not taken")
        sh.run(write_args(p, p.executables[0]))  # the article: printf ... > dist/cosmo/.args


@task(help={"force": "Download again, even where the file is unchanged."})
def fetch(c: Context, force: bool = False) -> None:
    """Download the Cosmopolitan Python if there is a newer one; also zip, if none is installed."""
    with session(c, "fetch") as (p, sh):
        sh.log("lock", lock_message(p))
        fetch_tools(p, sh, force)  # the article: wget -N; chmod +x python


@task(pre=[setup, fetch])
def deps(c: Context) -> None:
    """Install the program's dependencies with uv, for the Cosmopolitan Python, and its metadata."""
    with session(c, "deps") as (p, sh):
        if p.writes_metadata:
            install_dependencies(p, sh)


@task(pre=[deps])
def check(c: Context) -> None:
    """Check that what the program imports when it starts is there, and can run."""
    with session(c, "check") as (p, sh):
        roots = [executable.entry for executable in p.executables if executable.entry]
        if not p.get("COSMO_CHECK") or not roots:
            return
        trial = ["--help"] if p.is_app and roots == [p.pkg] else []
        requires = "" if p.installs else p.metadata.requires_python  # else `deps` checked it
        words = shlex.join([p.metadata.name or p.pkg, requires, *roots, *trial])
        line = inside_command(p, "check", '"$DIR_SITE"', quote(p.layer), words)
        try:
            sh.run(line, f"{' and '.join(roots)}{p.entry_source} cannot start", remedy="")
        except RecipeError as error:
            add_advice(c, p, sh, error)
        if not sh.dry:
            path = Path(p.build, ".imports")
            absent = len(re.findall("(?m)^# ", path.read_text("utf-8")))
            also = f"; optional imports that are not there: {absent} ({path})" if absent else ""
            sh.log("check", f"{' and '.join(roots)} can start{also}")


def add_advice(c: Context, p: Project, sh: Shell, error: RecipeError) -> NoReturn:
    """Raise the error, with versions to require if the program can start with them: it is tried."""
    given = [p.value(name) for name in ("COSMO_DEPS", "COSMO_EXCLUDE")]
    shown = " and ".join(f"{one.name}={one.text} ({one.source})" for one in given if one.text)
    if shown:
        error = RecipeError(f"{error}; {shown} may be the cause")
    constraint, raised = find_constraint(p, sh), error
    if constraint:
        sh.log("check", f"tries {constraint}")
        with suppress(RecipeError), redirect_stderr(StringIO()):  # the reasons stay the last lines
            run_phases(c, {CONSTRAINT: constraint}, "check")
            line = inside_command(p, "imports", '"$DIR_SITE"', quote(p.layer))
            sh.run(line, reason=describe_failure)
            remedy = f"add --with {constraint}" if p.is_app else "require that"
            message = str(error).replace(f"; {REMEDY}", "")
            raised = RecipeError(f"{message}; with {constraint} it can start: {remedy}")
        if raised is error:
            sh.log("check", f"with {constraint} it cannot start either")
    raise raised


@task(pre=[check], name="compile")
def compile_site(c: Context) -> None:
    """Compile the .py files to .pyc with the Cosmopolitan Python, and delete them."""
    with session(c, "compile") as (p, sh):
        files = 0 if sh.dry else sum(1 for _ in Path(p.site).rglob("*.py"))
        sh.log("compile", count(files, "file"))
        with progress_bar("compile", files, "files") as bar:
            # the article: ./dist/cosmo/python -m compileall -b $DIR_SITE/$PKG
            lib, counted = os.path.dirname(p.site), Progress(bar, COMPILED)
            own = '"site-packages/$PKG"' if p.top == p.pkg else quote(f"site-packages/{p.top}")
            remedy = "correct the file, or name it in COSMO_KEEP or COSMO_EXCLUDE"
            failed, line = f"{p.source} does not compile", compile_line(p, f"-f {own}")

            def reason(result: Result) -> str:
                shown = show_output(result, counted)
                return compile_error(p, result) or shown

            sh.run(line, failed, remedy, at=lib, progress=counted, reason=reason)
            if p.beside or p.metadata.built:
                compile_others(sh, compile_line(p), lib, counted, p.pkg)
        if not p.get("COSMO_SOURCE"):  # the article: find $DIR_SITE/$PKG -name "*.py" -delete
            names = r"find . -name '*.pyc' -type f | sed -n 's/^\(\.\/.*\)c$/\1/p' | tr '\n' '\0'"
            sh.run(f"{names} | xargs -0 rm -f", at=p.site)


@task
def report(c: Context) -> None:
    """Print the executable's path, size, sha256 and Python, and how to start it."""
    with session(c, "report") as (p, sh):
        if sh.dry:
            return
        for executable in p.executables:
            if not Path(executable.path).is_file():
                raise RecipeError(f"{executable.path} does not exist; make it with `invoke cosmo`")
        version = sh.run("sh ./python --version", at=p.build).stdout.strip()
        shown = [line for one in p.executables for line in describe_executable(p, one, version)]
        print_result("\n".join(shown))
        note_build(p, line_environment(c), shown)


@task(pre=[compile_site], post=[report])
def update(c: Context) -> None:
    """Make the executable: a copy of the Python, pruned, with .args and Lib added."""
    with session(c, "update") as (p, sh):
        first, *others = p.executables
        files = 0 if sh.dry else sum(path.is_file() for path in Path(p.build, "Lib").rglob("*"))
        made = ", ".join(executable.path for executable in p.executables)
        sh.log("update", f"{count(files + 1, 'file')} into {made}")
        new, zip_ = new_zip(first), zip_command()
        with progress_bar("update", files, "entries") as bar:
            added = Progress(bar, r"\s*(adding|updating): ")
            begin_executable(p, sh, new, added)
            # the article: zip -r $PKG.zip .args Lib
            line = f"{add_line(p, new)} < .new/files && chmod =rwx {new}"
            sh.run(line, at=p.build, progress=added)
        if p.get("COSMO_CHECK") and first.entry:
            try_imports(p, sh, first)
        for other in others:
            sh.run(f"cp {new} {new_zip(other)}", at=p.build)
        for executable in p.executables:
            if executable in others:
                sh.run(f"{write_args(p, executable)} && {touch(p)} {quote(p.build)}/.args")
            sh.run(f"{zip_} -q -MM -X -g {new_zip(executable)} .args", at=p.build)
        for executable in p.executables:
            if p.get("COSMO_SMOKE") is not None:
                try_executable(p, sh, executable)
        for executable in p.executables:
            place(p, sh, executable)  # the article: mv $PKG.zip $PKG


FORCED = {"force": "Build all of it anew, and keep nothing of the last build."}
"""What an option of the tasks that package means."""


@task(default=True, help={"offline": "Ask no server: take what the cache has.", **FORCED})
def build(c: Context, offline: bool = False, force: bool = False) -> None:
    """Package the project into one executable: every phase, in order."""
    package(c, {"COSMO_OFFLINE": "1"} if offline else {}, force)


@task(help={"file": "The script; what it needs stands in its comments (PEP 723).", **FORCED})
def script(c: Context, file: str, force: bool = False) -> None:
    """Package a single script, with the dependencies that its comments name."""
    package(c, {"COSMO_SCRIPT": file}, force)


@task(
    iterable=["with_"],
    help={
        "requirement": "What to install, as in 'black==25.1.0'.",
        "entry": "The command to start, or module:function (default: called like the release).",
        "with": "What else to install, as in 'jsonschema<4.18'; may be given several times.",
        **FORCED,
    },
)
def app(
    c: Context,
    requirement: str,
    entry: str = "",
    with_: list[str] | None = None,
    force: bool = False,
) -> None:
    """Package a program from the package index into dist/, without a project."""
    with session(c, "app") as (p, sh):
        file = write_app(p, sh, requirement, entry, with_ or ())
    package(c, {"COSMO_SCRIPT": str(file)}, force)


def package(c: Context, options: dict[str, str], force: bool) -> None:
    """Check all settings, and run every phase with these options, which no later task sees.

    Where all is as it was for the last build, its report is printed again.
    """
    options = {**c.config.get(OPTIONS, {}), **options, FORCE: "1" if force else ""}
    with handle_signals(), exit_on_error("cosmo cannot go on"):
        p = load_project(options)
        p.check()
        dry = bool(c.config.run.dry)
        check_uv(p, dry)
        if Path(p.build).is_dir() and not dry:
            p.check_build_folder()
            lock_build_folder(Path(p.build))
        inputs = "" if dry else build_inputs(p, line_environment(c))
        report = last_report(p, inputs)
        if report and not force:
            log("cosmo    nothing has changed since the last build; --force builds it anew")
            print_result("\n".join(report))
            return
    run_phases(c, {**options, INPUTS: inputs}, "update")


def run_phases(c: Context, options: dict[str, str], last: str) -> None:
    """Run the phases up to the last one with these options, which no later task sees."""
    config = c.config.clone()
    config.update({OPTIONS: {**c.config.get(OPTIONS, {}), **options}})
    Executor(cosmo, config).execute(last)


@task(
    optional=["upgrade"],
    help={
        "check": "Write nothing: end with status 1 if it is not for what is required now.",
        "script": "The script to lock, in place of the project.",
        "upgrade": "Take current versions of all dependencies, or of these: --upgrade=rich,httpx.",
    },
)
def lock(c: Context, check: bool = False, script: str = "", upgrade: str | bool = False) -> None:
    """Write pylock.cosmo.toml: the interpreter and dependencies that builds take from now on."""
    options = {"COSMO_SCRIPT": script} if script else {}
    if check:
        check_lock(load_project(options))
        return
    with session(c, "lock", options) as (p, sh):
        p.lock = None
        write_lock(p, sh, fetch_tools(p, sh), upgrade)


@task(help={"prune": "Remove what no build used for so many days (0: all)."})
def cache(c: Context, prune: str = "") -> None:
    """Print what the user's cache holds, and its size; --prune DAYS makes it smaller."""
    if prune and not prune.isdecimal():
        raise RecipeError(f"--prune={prune!r}: write a number of days")
    if prune:
        prune_cache(int(prune))
    folder = cache_folder()
    sizes = [path.lstat().st_size for path in folder.rglob("*") if path.is_file()]
    print_result(f"{folder}: {len(sizes)} files, {sum(sizes) / 1e6:,.1f} MB")


@task(
    name="settings",
    help={"json": "Print them as JSON, for a machine.", "explain": "Also print what each means."},
)
def show_settings(c: Context, json: bool = False, explain: bool = False) -> None:
    """Print each setting, its value and where that comes from."""
    p = load_project()
    values = {name: p.value(name) for name in SETTINGS}
    here = values["COSMO_PROJECT"]._replace(text=str(p.root), source=p.location.source)
    values["COSMO_PROJECT"] = here
    wide = max(len(value.text or "") for value in values.values())
    lines = []
    for name, value in values.items():
        lines.append(f"{name:<15}{value.text or '':<{wide}}  {value.source}")
        lines += [f"    {line}" for line in wrap(SETTINGS[name].meaning, 76) if explain]
    rows = [{"name": n, "value": v.text, "source": v.source} for n, v in values.items()]
    print_result(dumps(rows, indent=2) if json else "\n".join(lines))


cosmo = Collection(
    "cosmo",
    *(clean, setup, fetch, deps, check, compile_site, update, build),
    *(report, script, app, lock, cache, show_settings),
)
