"""Package this project into one executable for Linux, macOS and Windows: `invoke cosmo`.

This file is cosmo-recipes 0.3.0, as its `invoke vendor` wrote it: the phases first, then the
settings, what they call, and last the programs that run in the fetched Python. With Invoke, tqdm
and uv installed (and tomli, before Python 3.11), `invoke --list` shows the tasks; with only uv, `uv
run tasks.py cosmo` does the same.

To update it, run `invoke vendor FOLDER` in a clone of cosmo-recipes; with `--check`, that shows
whether it is current. A copy that was edited is not overwritten.

MIT License. Copyright (c) the cosmo-recipes authors.
"""

# fmt: off
# ruff: noqa
# flake8: noqa
# pylint: skip-file
# isort: skip_file
# mypy: disable-error-code="import-untyped"
# /// script
# requires-python = ">=3.9"
# dependencies = ["invoke>=2.2", "tqdm>=4.66", "tomli>=2.0.1; python_version < '3.11'", "uv>=0.13"]
# ///
# cosmo-recipes 0.3.0
# sha256 of all other lines: bd73987103a180bccc4aa26fc6d6c0b3114609247f694ccbd4890e98fad6ed8a
from __future__ import annotations

# recipes/phases.py ------------------------------------------------------------
# The article's recipe: one task a phase, in the article's order, each of them its shell lines.
#
# Lines run in the project's folder. `b` is the build folder, the article's `dist/cosmo`, quoted.


import os
import re
import shlex
import shutil
from functools import partial

from invoke.context import Context
from invoke.tasks import task


WGET = "wget -N --no-config --no-hsts -t 3 --waitretry=1 -T 30"
"""The article's `wget -N`, with options that wget and wget2 take. TLS is verified, no `.wgetrc`
is read, and nothing is written to the home folder."""


@task
def clean(c: Context) -> None:
    """Remove the files that the last build gathered."""
    with session(c, "clean") as (p, sh):
        b = quote(p.build)
        sh.log("clean", p.site)
        # the article: rm -rf $DIR_SITE
        sh.run(f'rm -rf "$DIR_SITE" {b}/Lib {b}/.deps {b}/.new {b}/.wheel {b}/.build')


@task(pre=[clean])
def setup(c: Context) -> None:
    """Copy the program's sources, or build its wheel."""
    with session(c, "setup") as (p, sh):
        b = quote(p.build)
        lines = [
            # the article: mkdir -p $DIR_SITE
            f'mkdir -p "$DIR_SITE" {b}/.new/out {b}/.deps/Lib/site-packages {b}/.build',
            f"{inside_text(p)} > {b}/.inside.py",
        ]
        if p.source:
            sh.log("setup", f"{p.source} -> {p.site}")
            # the article: cp -r src/$PKG $DIR_SITE
            copy = f'cp -RL {quote(p.source)} "$DIR_SITE"{p.renamed}'
            lines += [copy, 'chmod -R u+w "$DIR_SITE"', *include_lines(p)]
            lines.append(f"ls -A {quote(p.beside)} > {b}/.new/beside")
        sh.run(*lines)
        if not (p.source or p.options.app):
            build_wheel(p, sh)


def build_wheel(p: Project, sh: Shell) -> None:
    """Let the project's build backend make its wheel.

    The file lets setuptools leave no litter, and take nothing that an earlier build left.
    """
    b = quote(p.build)
    sh.log("setup", f"a wheel of {p.label}, by its build backend")
    sh.run(
        rf"printf '[build]\nbuild_base = %s\n' {b}/.build/lib > {b}/.build/setup.cfg",
        rf"""printf '[egg_info]\negg_base = %s\n' "$PWD"/{b}/.build >> {b}/.build/setup.cfg""",
    )
    remedy = "correct [build-system], or what it builds"
    if "build-system" not in p.data and not p.path("setup.py").exists():
        remedy = "uv builds nothing without one: write [build-system] in pyproject.toml"
    sh.run(
        f"{p.uv} build --wheel --out-dir {b}/.wheel .",
        failed=f"{p.label} cannot be built",
        remedy=network_remedy(p) if p.settings.offline else remedy,
        reason=backend_problem,
    )


@task(help={"force": "Download again, even where the file is unchanged."})
def fetch(c: Context, force: bool = False) -> None:
    """Download the Cosmopolitan Python."""
    with session(c, "fetch") as (p, sh):
        if message := lock_message(p, requirements_kind(p)):
            sh.log("lock", message)
        for name in ("python",) if shutil.which("zip") else ("zip", "python"):
            fetch_file(p, sh, name, force or p.options.force)


def download(p: Project, sh: Shell, name: str, url: str, force: bool) -> None:
    """Download a file; a server is asked with the time of what it gave before, if that is cached.

    Offline, what is cached is all there is.
    """
    b, last = quote(p.build), None if force or sh.dry else cached_file("*", url)
    if not sh.dry:
        check_download(p, url, last)
    sh.run(
        f"rm -rf {b}/download",
        f"mkdir -p {b}/download",
        *([f"cp -p {quote(str(last))} {b}/download"] if last else []),
    )
    if not p.settings.offline:
        size = p.lock.size if p.lock and name == "python" else None
        sh.run(
            # the article: wget -N https://cosmo.zip/pub/cosmos/bin/python
            f"({wget_limits(url, size)}\n{WGET} -P {b}/download {shlex.quote(url)})",
            failed=f"{public_url(url)} cannot be downloaded",
            remedy=download_remedy(p, name),
            bar=Bar("fetch", size and size // 51200, "B", r"\s*\d+K[ .]", 51200),
            reason=download_problem,
            seconds=3600,  # a server may be slow
        )
    sh.run(f"cp -p {b}/download/* {b}/{name}.part")


def fetch_file(p: Project, sh: Shell, name: str, force: bool) -> None:
    """Take a file from the cache, or its address; put it in place once it is verified.

    It must be an APE file with the locked sha256, if one is locked; the interpreter with a zip at
    its end that can be read and holds a library.
    """
    b, address, sha256 = quote(p.build), tool_address(p, name), wanted_sha256(p, name)
    source, remedy, part = public_url(address), f"correct {FETCHED[name]}", f"{b}/{name}.part"
    new, cached = p.path(f"{p.build}/{name}.part"), None if force else cached_file(sha256)
    if not (force or sh.dry) and has_sha256(p.path(f"{p.build}/{name}"), sha256):
        sh.log("fetch", f"{name} of that sha256 is there")
        return
    sh.log("fetch", f"{name} of that sha256, from the cache" if cached else source)
    downloads = "://" in address and not cached
    if downloads:
        download(p, sh, name, address, force)
    else:
        copy = f"cp {quote(str(cached or address))} {part}"
        sh.run(f"mkdir -p {b}", copy, failed=f"{source} cannot be copied", remedy=remedy)
    if sha256:
        program = "sha256sum" if shutil.which("sha256sum") else "shasum -a 256"
        sh.run(
            f"echo '{sha256}  '{part} | {program} -c >/dev/null 2>&1",
            failed=f"{source} is not what {p.lock_file.name} names",
            remedy=f"{remedy}, or lock it anew with `{p.lock_command}`",
            reason=lambda _: f"expected sha256 {sha256}, found {file_sha256(new)}",
        )
    sh.run(
        f'head -c 8 {part} | grep -Eq "^(MZqFpD|jartsr)=\'"',
        *([f"{zip_command(p)} -sf {part} | grep -q '^ *Lib/'"] if name == "python" else []),
        failed=f"{source} cannot be used",
        remedy=remedy,
        reason=lambda _: describe_file(new),
    )
    if downloads and not sh.dry:
        keep_download(address, next(p.path(f"{p.build}/download").iterdir()))
    # the article: chmod +x python
    sh.run(f"chmod +x {part}", f"mv -f {part} {b}/{name}")


@task(pre=[setup, fetch])
def deps(c: Context) -> None:
    """Install the dependencies for the fetched Python."""
    with session(c, "deps") as (p, sh):
        b, kind = quote(p.build), requirements_kind(p)
        if needs_uv(p) or (p.way == "copy" and p.requires_python):
            requires = p.requires_python
            line = f"sh {b}/python -IB {b}/.inside.py target {shlex.quote(requires)} > {b}/.target"
            sh.run(line, failed=f"{p.label} cannot be installed", remedy="")
        if p.options.app:
            install_program(p, sh, shlex.quote(p.options.app[0]))
        if p.lock and not sh.dry:
            check_lock(p, p.lock)
        resolve(p, sh, kind)
        packages = [] if sh.dry else resolved_packages(p)
        if kind in ("uv.lock", "script") and not sh.dry:
            check_frozen(p, packages)
        key = "" if sh.dry else base_key(p, packages, {**os.environ, **c.config.run.env})
        if not sh.dry:
            p.path(f"{p.build}/.digest").write_text(build_digest(p, key), "utf-8")
        if is_current(p):
            return
        base = None if p.options.force else cached_base(key)
        if kind != "none":
            sh.log("deps", f"{count(len(packages), 'package')}{', from the cache' if base else ''}")
        if base:
            notes = quote(str(base.with_suffix(".json")))
            copy = f"cp {quote(str(base))} {b}/.new/base.zip"
            sh.run(copy, f"chmod +rx {b}/.new/base.zip", f"cp {notes} {b}/.new/notes.json")
        else:
            make_base(p, sh, kind, bool(packages) or (sh.dry and kind != "none"))
            if key:
                store_base(p, key)
        if not (p.source or p.options.app):
            install_program(p, sh, f"./{b}/.wheel/*.whl")


def make_base(p: Project, sh: Shell, kind: str, installs: bool) -> None:
    """Make the base archive: the interpreter, pruned, with the dependencies."""
    b = quote(p.build)
    prune = f" -x {shlex.join(p.settings.prune)}" if p.settings.prune else ""
    sh.run(
        f"sh {b}/python --version > {b}/.new/version",
        f"""printf '{{"python": "%s"}}' "$(cat {b}/.new/version)" > {b}/.new/notes.json""",
        f"ln -s ../python {b}/.new/python.zip",
        # the article: cp python $PKG.zip; zip -d $PKG.zip 'Lib/site-packages/pip*' 'usr/*'
        f"{zip_command(p)} -q -U {b}/.new/python.zip '*' --out {b}/.new/base.zip{prune}",
        f"chmod +x {b}/.new/base.zip",
        remedy="correct COSMO_PRUNE, or fetch the interpreter again",
    )
    if installs:
        install_dependencies(p, sh, kind)
        add_files(p, sh, f"{p.build}/.deps", "../.new/base.zip")


def add_files(p: Project, sh: Shell, folder: str, archive: str) -> None:
    """Add all of a folder's `Lib` to an archive, in one order, with one time and plain modes."""
    f, when = quote(folder), touch_time(p.epoch)
    sh.run(
        f"chmod -R u=rwX,go=rX {f}/Lib",
        f"find {f}/Lib -type f -exec touch -t {when} {{}} +",
        f"(cd {f} && find Lib -type f > .files && sort -o .files .files)",
    )
    files = 0 if sh.dry else p.path(f"{folder}/.files").read_bytes().count(b"\n")
    line = f"(cd {f} && {zip_command(p, folder)} -MM -X -g {archive} -@ < .files)"
    if folder == f"{p.build}/.deps":  # all dependencies may be for other systems
        line = f"[ ! -s {f}/.files ] || {line}"
    sh.run(line, bar=Bar("update", files, "files", r"\s*(adding|updating): "))


@task(pre=[deps], name="compile")
def compile_site(c: Context) -> None:
    """Compile the .py files with the fetched Python."""
    with session(c, "compile") as (p, sh):
        if is_current(p):
            return
        if not sh.dry:
            check_file_names(p)
        files = sum(1 for _ in p.path(p.site).rglob("*.py"))
        sh.log("compile", count(files, "file"))
        exclude(p, sh, '"$DIR_SITE"')
        # the article: ./dist/cosmo/python -m compileall -b $DIR_SITE/$PKG
        line = f"(cd {quote(p.build)}/Lib && {compile_command(p, '..')} -f site-packages)"
        bar = Bar("compile", files, "files", "Compiling ")
        if p.way == "article":
            failed = f"{p.source} does not compile"
            sh.run(line, failed=failed, remedy="correct it", bar=bar, reason=compile_problem)
            if not p.settings.source:  # the article: find $DIR_SITE/$PKG -name "*.py" -delete
                sh.run("""find "$DIR_SITE" -name '*.py' -delete""")
        else:
            sh.run(f"{line} || [ $? = 1 ]", bar=bar)
            fit(p, sh, '"$DIR_SITE"')


@task
def report(c: Context) -> None:
    """Print the executable's path, size and sha256."""
    with session(c, "report") as (p, sh):
        build = read_build(p)
        if sh.dry:
            return
        if build is None or not p.path(build.path).is_file():
            raise RecipeError("there is no executable of this project; make it with `invoke cosmo`")
        print_result("\n".join(build.report))


@task(pre=[compile_site], post=[report])
def update(c: Context) -> None:
    """Make the executable, try it, and put it in place."""
    with session(c, "update") as (p, sh):
        if is_current(p):
            sh.log("cosmo", "nothing has changed since the last build; --force builds it anew")
            return
        b = quote(p.build)
        if not sh.dry:
            check_shadows(p)
        files = sum(one.is_file() for one in p.path(f"{p.build}/Lib").rglob("*"))
        sh.log("update", f"{count(files + 1, 'file')} into the executable")
        add_files(p, sh, p.build, ".new/base.zip")  # the article: zip -r $PKG.zip .args Lib
        name, module = write_args(p, sh)
        if p.settings.check:
            check_imports(p, sh, module)
        sh.run(
            f"(cd {b} && {zip_command(p, p.build)} -q -X -g .new/base.zip .args)",
            f"mv {b}/.new/base.zip {b}/.new/out/{name}",
        )
        if p.settings.smoke is not None:
            try_executable(p, sh, p.settings.smoke, "COSMO_SMOKE")
        elif p.options.app and p.settings.check:
            try_executable(p, sh, ("--help",), "a start")
        place(p, sh, name)


def write_args(p: Project, sh: Shell) -> tuple[str, str]:
    """Write `.args`; return the result's name, and the module that starts, as shell words."""
    b, s = quote(p.build), p.settings
    options = ["-I"] if s.isolated else []
    options += ["-" + "O" * s.optimize] if s.source and s.optimize else []
    plain = f"chmod 644 {b}/.args", f"touch -t {touch_time(p.epoch)} {b}/.args"
    if p.way == "article" and p.start.entry == f"-m {p.module}":
        # the article: printf -- "-m\\n$PKG\\n..." > dist/cosmo/.args
        form = r"%s\n" * (len(options) + 2)
        sh.run(f"""printf '{form}...' {" ".join([*options, "-m"])} "$PKG" > {b}/.args""", *plain)
        return quote(p.start.name), quote(p.module)
    setting = "--entry" if p.options.app else "COSMO_ENTRY"
    target = shlex.join([p.start.entry, p.start.name, setting, *options])
    line = f"(cd {b} && sh ./python -IB .inside.py start Lib/site-packages {target})"
    sh.run(line, *plain, failed=f"{p.label} cannot start", remedy="")
    name = quote(p.start.name) if p.start.name else f'"$(cat {b}/.name)"'
    return name, '"$(cat ../.start)"'


def check_imports(p: Project, sh: Shell, module: str) -> None:
    """Let the new executable, which has no .args yet, import what it will when it starts."""
    line = f"sh ./base.zip -I ../.inside.py check {module} notes.json beside < /dev/null"
    result = sh.run(
        f"(cd {quote(p.build)}/.new && {line})",
        failed=f"{p.label} cannot start",
        remedy="",
        reason=partial(missing_imports, p),
    )
    for remark in re.findall("(?m)^remark: (.*)$", result.stdout):
        sh.log("check", remark)


def try_executable(p: Project, sh: Shell, arguments: tuple[str, ...], trial: str) -> None:
    """Start the new executable in an empty folder and environment, for a trial with that name."""
    b, command = quote(p.build), shlex.join(arguments)
    sh.log("smoke", command or "without arguments")
    env = 'env -i PATH="$PATH" HOME="$PWD" TMPDIR="$TMPDIR"'
    line = f"(cd {b}/.new/try && {env} sh ../out/* {command} < /dev/null)"
    sh.run(
        f"rm -rf {b}/.new/try",
        f"mkdir {b}/.new/try",
        f"{line} || [ $? = 2 ]" if p.options.app else line,  # it may not know --help
        failed=f"{p.label} does not pass {trial} ({command})",
        remedy=smoke_remedy(p),
        reason=show_all,
    )


def place(p: Project, sh: Shell, name: str) -> None:
    """Put the whole executable in its place, by one rename, and record the build."""
    b, out = quote(p.build), p.settings.out
    if path := "" if sh.dry else result_path(p):
        check_target(p, path)
    if out or p.options.app:  # that may be on another disk, where mv copies
        folder = quote(os.path.dirname(out or "dist/") or ".")
        sh.run(
            f"mkdir -p {folder}",
            f"mv -f {b}/.new/out/{name} {folder}/.cosmo.part",
            f"mv -f {folder}/.cosmo.part {quote(out) if out else f'dist/{name}'}",
            failed="the executable cannot be put in place",
        )
    else:
        sh.run(f"mv -f {b}/.new/out/{name} {b}/{name}")  # the article: mv $PKG.zip $PKG
    if path:
        record_build(p, path)


# recipes/package.py -----------------------------------------------------------
# The tasks that run the phases: package a project, a script or a release; and the lock.


import re
from dataclasses import replace
from json import dumps
from textwrap import wrap
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.executor import Executor
from invoke.tasks import task


FORCE = "Build all of it anew, and keep nothing of the last build."


@task(default=True, help={"offline": "Ask no server: take what the cache has.", "force": FORCE})
def build(c: Context, offline: bool = False, force: bool = False) -> None:
    """Package the project: every phase, in order."""
    package(c, Options(offline=offline, force=force))


@task(help={"file": "The script; what it needs stands in its comments (PEP 723).", "force": FORCE})
def script(c: Context, file: str, force: bool = False) -> None:
    """Package one script and what its comments require."""
    package(c, Options(script=file, force=force))


@task(
    iterable=["with_"],
    help={
        "requirement": "A release, as 'black==25.1.0'; a wheel, a folder or a URL.",
        "entry": "The command to start, or module:function (default: called like the release).",
        "with": "What else to install, as in 'jsonschema<4.18'; may be given several times.",
        "force": FORCE,
    },
)
def app(
    c: Context,
    requirement: str,
    entry: str = "",
    with_: list[str] | None = None,
    force: bool = False,
) -> None:
    """Package a program from the package index."""
    package(c, Options(app=(requirement, entry, tuple(with_ or ())), force=force))


def package(c: Context, options: Options) -> None:
    """Run every phase with these options; where nothing has changed, only the report is new."""
    with build_session(c, replace(options, skip=not (options.force or c.config.run.dry))) as p:
        run_phases(c, p, "update")


def run_phases(c: Context, p: Project, *names: str) -> None:
    """Run phases, and those before them, on a project that is loaded."""
    config = c.config.clone()
    config.update({PROJECT: p})
    Executor(cosmo, config).execute(*names)


@task(
    optional=["upgrade"],
    help={
        "check": "Write nothing: end with status 1 if it is not for what is required now.",
        "script": "The script to lock, in place of the project.",
        "upgrade": "Take current versions of all dependencies, or of these: --upgrade=rich,httpx.",
    },
)
def lock(c: Context, check: bool = False, script: str = "", upgrade: str | bool = False) -> None:
    """Write pylock.cosmo.toml, or check it."""
    if isinstance(upgrade, str) and not re.fullmatch(r"[\w.,-]*", upgrade):
        raise RecipeError(f"--upgrade={upgrade}: write names, with commas between them")
    if check:
        print_lock_state(load_project(Options(script=script)))
        return
    with build_session(c, Options(script=script, lock=True)) as p:
        run_phases(c, p, "setup", "fetch")
        sh = make_shell(c, "lock", p)
        b, upgrades = quote(p.build), ""
        if p.installs:
            sh.run(f"sh {b}/python -IB {b}/.inside.py target > {b}/.target")
        if p.lock_file.is_file() and upgrade is not True:  # uv keeps the versions in it that suit
            sh.run(f"cp {quote(p.lock_file.name)} {b}/.deps/pylock.all.toml")
            names = str(upgrade or "").split(",")
            upgrades = "".join(f" --upgrade-package {quote(name)}" for name in names if name)
        kind = requirements_kind(p)
        if upgrade and kind == "uv.lock":
            raise RecipeError(
                "--upgrade: the versions are those of uv.lock; run `uv lock --upgrade`"
            )
        if kind == "script" and upgrade not in ("", False, True):
            raise RecipeError(
                f"--upgrade={upgrade}: a script takes all current versions; leave it out"
            )
        resolve(p, sh, kind, upgrades)
        version = sh.run(f"sh {b}/python --version").stdout
        if not sh.dry:
            check_upgrade(upgrade, resolved_packages(p))
            write_lock(p, version)


def check_upgrade(upgrade: str | bool, packages: list[dict[str, Any]]) -> None:
    """Refuse a name in `--upgrade` that is not among the dependencies; uv would pass over it."""
    names = upgrade.split(",") if isinstance(upgrade, str) else []
    asked = {normalize_name(name) for name in names if name}
    for name in sorted(asked - {str(package.get("name")) for package in packages}):
        raise RecipeError(f"--upgrade={upgrade}: {name} is not among the dependencies; correct it")


def print_lock_state(p: Project) -> None:
    """Say that the lock is current. Raises `RecipeError` where it is not there, or not current."""
    if p.lock is None:
        raise RecipeError(f"{p.lock_file.name} does not exist; write it with `{p.lock_command}`")
    is_known = p.settings.deps or not p.is_dynamic
    if is_known:
        check_lock(p, p.lock)
    state = "is current" if is_known else "is there; only a build knows what it must be for"
    log(f"lock     {p.lock_file.name} {state}")


@task(help={"prune": "Remove what no build used for so many days (0: all)."})
def cache(c: Context, prune: str = "") -> None:
    """Print the cache's size; --prune makes it smaller."""
    if prune and not (prune.isdecimal() and len(prune) < 7):
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
    """Print each setting, its value and where it stands."""
    p = load_project()
    values = p.settings.values.values()
    wide = max(len(value.text or "") for value in values)
    lines = []
    for value in values:
        lines.append(f"{value.name:<15}{value.text or '':<{wide}}  {value.origin}")
        meaning = TABLE[value.name].metadata["meaning"]
        lines += [f"    {line}" for line in wrap(meaning, 76) if explain]
    rows = [{"name": one.name, "value": one.text, "source": one.origin} for one in values]
    print_result(dumps(rows, indent=2) if json else "\n".join(lines))


cosmo = Collection(
    "cosmo",
    *(clean, setup, fetch, deps, compile_site, update, report),
    *(build, script, app, lock, cache, show_settings),
)


# recipes/settings.py ----------------------------------------------------------
# The settings: one table of name, default, parser and meaning, read once into one object.
#
# A value is looked up in the task's options, the environment, `[tool.cosmo.env]` of `pyproject.toml`
# and the article's `[tool.ds.scripts]` `_.env`; a default comes last.


import os
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit


RELEASE = "https://cosmo.zip/pub/cosmos/v/{}/bin/{}"
"""Where the files of one release of cosmo.zip are. Source: that site's list of releases."""

STRUCK = {
    "COSMO_ARGS": "COSMO_ENTRY says what starts; remove it",
    "COSMO_SLIM": "the standard library goes in whole; leave parts out with COSMO_PRUNE",
    "COSMO_COMPRESS": "zip packs as it does by default; remove it",
    "COSMO_KEEP": "a .py that is not in a package stays as it is without it; remove it",
    "COSMO_SHA256": "`invoke cosmo.lock` writes the sha256 to a lock; remove it",
}
"""Settings of earlier releases, and what to do without each."""


class Table(NamedTuple):
    """Some settings, and where they stand, as an error message says it."""

    origin: str
    values: Mapping[str, str]


class Value(NamedTuple):
    """A setting's text, None where it is not set; where it stands; and the project's folder."""

    name: str
    text: str | None
    origin: str
    root: Path

    def error(self, problem: str) -> RecipeError:
        """Make the error that there is something wrong with this value."""
        return RecipeError(f"{self.name}={self.text or ''!r} ({self.origin}){problem}")

    def path(self) -> Path:
        """Return the path it names: in the environment from here, else from the project."""
        base = Path() if self.origin == "environment" else self.root
        return base.absolute() / Path(self.text or "").expanduser()

    def inner_path(self, problem: str = "") -> str:
        """Return the path in the project that it names; raise `RecipeError` for any other."""
        text, root = self.text or "", self.root
        path = Path(os.path.normpath(root / text))
        if os.path.isabs(text) or ".." in text.split("/") or path == root:
            problem = "must lie inside the project and be relative to it"
        elif root not in (path.parent.resolve(), *path.parent.resolve().parents):
            problem = f"leads out of the project, to {path.parent.resolve()}"
        if problem:
            raise self.error(f" {problem}")
        relative = os.path.relpath(path, root)
        return f"./{relative}" if relative.startswith("-") else relative


def parse_text(pattern: str, rule: str) -> Callable[[Value], str | None]:
    """Make a parser of texts that match a pattern; the rule says what to write."""

    def parse(value: Value) -> str | None:
        if value.text is not None and not re.fullmatch(pattern, value.text, re.DOTALL):
            raise value.error(f": {rule}")
        return value.text

    return parse


def parse_words(pattern: str, rule: str) -> Callable[[Value], tuple[str, ...]]:
    """Make a parser of shell words that each match a pattern."""

    def parse(value: Value) -> tuple[str, ...]:
        try:
            words = tuple(shlex.split(value.text or ""))
        except ValueError as error:
            raise value.error(f": {error}; correct it") from error
        for word in words:
            if not re.fullmatch(pattern, word, re.DOTALL):
                raise value.error(f": {word!r} {rule}")
        return words

    return parse


def parse_switch(value: Value) -> bool:
    """1 or 0, or another word for on and off."""
    rule = parse_text("(?i)[01]|true|false|yes|no|on|off", "write 1 or 0")
    return str(rule(value)).lower() in ("1", "true", "yes", "on")


def parse_pkg(value: Value) -> str | None:
    """A Python identifier, or several joined by dots."""
    text = value.text
    if text is None:
        return None
    if not all(part.isidentifier() for part in text.split(".")):
        rule = "use a Python identifier, or several joined by dots"
        raise value.error(f" is not the name of a package: {rule}")
    if text.endswith(".py") and (value.root / text).is_file():
        raise value.error(f" is a file; write the name of the module, PKG={text[:-3]}")
    if is_reserved(text.partition(".")[0]):
        raise value.error(": Python or the build folder needs that name; rename the package")
    return text


def parse_smoke(value: Value) -> tuple[str, ...] | None:
    """Arguments; none is allowed, and something else than not set."""
    return None if value.text is None else parse_words(".*", "")(value)


def parse_url(value: Value) -> str:
    """A URL for wget, as it stands; or an absolute path, also by a file URL."""
    text, path = value.text or "", value.path()
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if re.search(r"\s\w+://", text):
        raise value.error(" names several addresses; name one")
    if parts.scheme in ("http", "https") and parts.netloc and re.fullmatch("[!-~]+", text):
        return text
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        path = Path(unquote(parts.path))
    elif not text or "://" in text:
        raise value.error(": give an https, http or file URL, or a path")
    if not path.is_file():
        raise value.error(f": there is no file {path}; correct it")
    return str(path)


def parse_deps(value: Value) -> str | None:
    """The path of a requirements file, from the project's folder; or `none`."""
    if value.text is None or value.text == "none":
        return value.text
    if not value.text or not value.path().is_file():
        raise value.error(f": there is no file {value.path()}; name a requirements file, or none")
    return os.path.relpath(value.path(), value.root)


def parse_dir_site(value: Value) -> str:
    """A folder of its own inside the project, which ends in Lib/site-packages."""
    site = value.inner_path()
    parts, build = site.split("/"), (value.root / site).parent.parent.resolve()
    if parts[-2:] != ["Lib", "site-packages"] or parts[:-2] in ([], ["."]):
        value.inner_path("must be a folder of the project's, then Lib/site-packages")
    if (value.root / "src").resolve() in (build, *build.parents):
        value.inner_path("lies among the sources; dist/cosmo/Lib/site-packages is usual")
    return site


def parse_src(value: Value) -> str | None:
    """A folder in the project, or the project's own."""
    folder = (value.root / (value.text or "")).resolve()
    if value.text is not None and not (folder.is_dir() and value.root in (folder, *folder.parents)):
        raise value.error(": no such folder in the project; name the one that PKG is in")
    return value.text


def parse_out(value: Value) -> str | None:
    """A path inside the project that an executable may be put at."""
    if value.text is not None and (value.text.endswith("/") or (value.root / value.text).is_dir()):
        value.inner_path("is a folder; name a file in it")
    return None if value.text is None else value.inner_path()


def is_reserved(name: str) -> bool:
    """Tell whether Python or the build folder needs a file of this name."""
    return bool(re.match(r"(?i)(python|zip|lib|download|__main__)$|\.|.*\.(zip|part)$", name))


def setting(name: str, default: str | None, parse: Callable[[Value], Any], meaning: str) -> Any:
    """Declare a setting: its name, default (None: not set), parser, and meaning for users."""
    return field(metadata={"name": name, "default": default, "parse": parse, "meaning": meaning})


PATTERNS = parse_words(r"[^/\n\r\[\]\\][^\n\r\[\]\\]*", "is not a pattern; write a path, as `a/b*`")
ZIP_PATTERNS = parse_words("[^-@].*", "is not a pattern of zip; write a path, as `usr/*`")
BESIDE = parse_words(
    r"(?!/|\.(/|$))(?!(.*/)?\.\.(/|$)).+", "must name a file or folder beside the program"
)


@dataclass(frozen=True)
class Settings:
    """Every setting, parsed; and where each stands, as `cosmo.settings` prints it."""

    values: Mapping[str, Value]
    # fmt: off
    pkg: str | None = setting("PKG", None, parse_pkg,
        "the package or module to run, as `python -m PKG` does; without it, the project's command"
        " starts, or the module that the project or script is called like")
    dir_site: str = setting("DIR_SITE", "dist/cosmo/Lib/site-packages", parse_dir_site,
        "the folder, inside the project, that the program is gathered and compiled in; it ends in"
        " `Lib/site-packages`, and what is above that is the build folder")
    url: str = setting("COSMO_URL", "https://cosmo.zip/pub/cosmos/bin/python", parse_url,
        "the interpreter, CPython 3.10 or newer: an https, http or file URL, or a path")
    version: str | None = setting("COSMO_VERSION", None,
        parse_text(r"\d+(\.\d+)+", "write a release of cosmo.zip, as 4.0.2"),
        "a release of cosmo.zip, 4.0.2 for example: its interpreter, and its `zip`, which never"
        " change, in place of the newest; not beside COSMO_URL")
    offline: bool = setting("COSMO_OFFLINE", "0", parse_switch,
        "1 takes what is in the user's cache and asks no server for anything")
    zip_url: str = setting("COSMO_ZIP_URL", "https://cosmo.zip/pub/cosmos/bin/zip", parse_url,
        "the `zip` to fetch where none is on PATH; given like COSMO_URL")
    src: str | None = setting("COSMO_SRC", None, parse_src,
        "the folder that PKG is in; without it, `src`, else the project's own folder")
    deps: str | None = setting("COSMO_DEPS", None, parse_deps,
        "a requirements file to install, in place of what the project requires; `none`: nothing")
    entry: str | None = setting("COSMO_ENTRY", None, parse_text(".*", ""),
        "what starts: `module:function`, or the name of one of the project's commands")
    include: tuple[str, ...] = setting("COSMO_INCLUDE", "", BESIDE,
        "what else goes in: files or folders, as shell words, relative to the folder that the"
        " program's module is in; each goes in beside it under its own name")
    exclude: tuple[str, ...] = setting("COSMO_EXCLUDE", "", PATTERNS,
        "what of the program and its dependencies to leave out: patterns for paths below"
        " `site-packages`, as shell words; `*` stands for any text, `/` too")
    source: bool = setting("COSMO_SOURCE", "0", parse_switch,
        "1 ships the `.py` files too, for tracebacks with lines, `inspect.getsource`, and programs"
        " that look for their own `.py` files, plugins for example")
    optimize: int = setting("COSMO_OPTIMIZE", "0",
        lambda value: int(parse_text("[012]", "write 0, 1 or 2")(value) or 0),
        "1 compiles like `python -O` (no `assert`), 2 like `-OO` (no docstrings either)")
    prune: tuple[str, ...] = setting("COSMO_PRUNE", "Lib/site-packages/pip* usr/*", ZIP_PATTERNS,
        "which of the interpreter's own files to leave out: `zip`'s patterns, as shell words;"
        " empty: none. Your program's files are never pruned")
    isolated: bool = setting("COSMO_ISOLATED", "1", parse_switch,
        "1 puts `-I` first in `.args`: neither the current directory nor PYTHON* variables can"
        " change what runs; 0 is the default where the article's table sets PKG")
    check: bool = setting("COSMO_CHECK", "1", parse_switch,
        "0 builds also what cannot start: the new executable does not try what it imports")
    smoke: tuple[str, ...] | None = setting("COSMO_SMOKE", None, parse_smoke,
        "arguments to start the new executable with, as shell words, `--version` for example, in an"
        " empty directory and environment; it replaces the old one only if it ends with status 0")
    out: str | None = setting("COSMO_OUT", None, parse_out,
        "the path of the executable, inside the project, `dist/tool.com` for example; without it,"
        " the build folder, and the name of what starts")
    script: str | None = setting("COSMO_SCRIPT", None, parse_text(".*", ""),
        "a script to package in place of a project, with the metadata in its comments (PEP 723);"
        " as `invoke cosmo.script FILE` does")
    project: str | None = setting("COSMO_PROJECT", None, parse_text(".*", ""),
        "the folder of the project to package; without it, the nearest one, at or above the current"
        " one, that holds `pyproject.toml`, `setup.py`, `setup.cfg` or `tasks.py`")
    # fmt: on


TABLE = {one.metadata["name"]: one for one in fields(Settings) if one.metadata}
"""The fields of `Settings` by the names that users know."""


def find(name: str, tables: tuple[Table, ...], root: Path) -> Value:
    """Look a setting up; replace each $NAME in it, but not in what a shell has expanded."""
    table = next((one for one in tables if name in one.values), None)
    default = TABLE[name].metadata["default"]
    if table is None:
        return Value(name, default, "not set" if default is None else "default", root)
    text = table.values[name]
    try:
        text = text if table.origin == "environment" else expand(text, tables, 5)
    except LookupError as error:
        problem = f"{error.args[0]} is not set, or leads back to itself; correct it"
        raise RecipeError(f"{name} ({table.origin}): {problem}") from None
    return Value(name, text, table.origin, root)


def expand(text: str, tables: tuple[Table, ...], depth: int) -> str:
    """Replace each $NAME by what stands there, so many levels deep; `$$` is a dollar."""

    def replace(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        table = next((one for one in tables if name in one.values), None)
        default = TABLE[name].metadata["default"] if name in TABLE else None
        inner = table.values[name] if table else default
        if name is None or inner is None or not depth:
            if name is None:
                return "$"
            raise LookupError(f"${name}")
        shell = table is not None and table.origin == "environment"
        return inner if shell else expand(inner, tables, depth - 1)

    return re.sub(r"\$(?:\$|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})", replace, text)


def read_settings(root: Path, tables: tuple[Table, ...]) -> Settings:
    """Read every setting from the tables, of which the first counts most. Raises `RecipeError`."""
    values = {name: find(name, tables, root) for name in TABLE}
    version, url = values["COSMO_VERSION"], values["COSMO_URL"]
    origins = [*(table.origin for table in tables), "default", "not set"]
    if url.origin == version.origin:
        problem = f"COSMO_VERSION and COSMO_URL ({url.origin}) both name an interpreter"
        raise RecipeError(f"{problem}; set one of them")
    for name, file in (("COSMO_URL", "python"), ("COSMO_ZIP_URL", "zip")):
        if origins.index(values[name].origin) > origins.index(version.origin):
            text = RELEASE.format(TABLE["COSMO_VERSION"].metadata["parse"](version), file)
            values[name] = Value(name, text, "COSMO_VERSION", root)
    parsed = {one.name: one.metadata["parse"](values[name]) for name, one in TABLE.items()}
    return Settings(values, **parsed)


def check_names(tables: tuple[Table, ...], env: Table, file: Path) -> None:
    """Refuse settings that were struck, and names that are almost, but not, a setting's.

    In `env`, `[tool.cosmo.env]`, whatever is neither a setting nor expanded in one is refused.
    """
    written = [one.values for one in tables if one.origin != "environment"]
    used = set(re.findall(r"\$\{?(\w+)", repr(written)))
    for table in tables:
        for name in sorted(table.values.keys() - TABLE.keys() - used):
            if name in STRUCK:
                raise RecipeError(f"{name} ({table.origin}) is no longer a setting: {STRUCK[name]}")
            near = get_close_matches(name, TABLE, 1, 0.6 if table is env else 0.8)
            near = near or sorted({f"COSMO_{name.upper()}"} & TABLE.keys())
            if table is env or (near and name.startswith("COSMO_")):
                place = f"{file}: " if table is env else ""
                also = f"did you mean {near[0]}?" if near else "remove it"
                raise RecipeError(f"{place}{name} ({table.origin}) is no setting; {also}")


# recipes/project.py -----------------------------------------------------------
# The project: which of the three ways packages it, what is copied, and what starts.


import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple


FIRST_TIME, LAST_TIME = 315_532_800, 4_291_747_198
"""The seconds from 1980, when a zip's times begin, to the last that a `.pyc` of 2105 holds."""


@dataclass(frozen=True)
class Options:
    """The options of a task.

    `force` keeps nothing of the last build, and `skip` ends where nothing has changed since.
    `lock` ignores the lock file, which is to be written. `app` is the requirement, the command, and
    what else to install.
    """

    offline: bool = False
    force: bool = False
    skip: bool = False
    lock: bool = False
    script: str = ""
    app: tuple[str, str, tuple[str, ...]] | None = None


class Start(NamedTuple):
    """The name of an executable, and what it starts: `-m MODULE`, `module:function` or a command.

    `-r MODULE` is a script. Either is empty where the installed entry points say it.
    """

    name: str
    entry: str


@dataclass(frozen=True)
class Project:
    """A project to package. The paths are relative to `root`, the folder that lines run in.

    `way` is "article", "wheel" or "copy". `data` is `pyproject.toml`, or what a script says; `name`
    the distribution's, empty if only a build tells it. `source` is the package or module to copy,
    empty for a wheel, and `module` what it is called in `DIR_SITE`. `uv` is how a line calls uv.
    """

    root: Path
    settings: Settings
    options: Options
    way: str
    data: Mapping[str, Any]
    name: str
    script: str
    source: str
    module: str
    start: Start
    epoch: int
    lock: Lock | None
    uv: str = "uv"
    uv_version: str = ""

    @property
    def site(self) -> str:
        """Return the article's `$DIR_SITE`."""
        return self.settings.dir_site

    @property
    def build(self) -> str:
        """Return the article's `dist/cosmo`: whatever a build writes lies in it."""
        return os.path.dirname(os.path.dirname(self.site))

    @property
    def lock_file(self) -> Path:
        """Return the lock's path: beside `pyproject.toml`, or a script, under its name."""
        return self.root / lock_name(self.script)

    @property
    def lock_command(self) -> str:
        """Return the command that writes the lock."""
        return lock_command(self.script)

    @property
    def label(self) -> str:
        """Return what messages call the program."""
        requirement = self.options.app[0] if self.options.app else ""
        return requirement or self.name or self.script or self.module or self.root.name

    @property
    def project(self) -> Mapping[str, Any]:
        """Return the table `[project]`."""
        return table(self.data, "project")

    @property
    def requires(self) -> tuple[str, ...]:
        """Return what `[project]` or the script requires, as far as it says so itself."""
        return tuple(map(str, self.project.get("dependencies") or ()))

    @property
    def required_names(self) -> set[str]:
        """Return the other distributions that it requires, whatever the platform."""
        texts = [text.strip() for text in self.requires if ";" not in text]
        names = {normalize_name(re.split(r"[^\w.-]", text)[0]) for text in texts}
        return names - {normalize_name(self.name)}

    @property
    def requires_python(self) -> str:
        """Return the Pythons that it allows, if uv does not check that: it does for wheels."""
        return str(self.project.get("requires-python") or "") if self.source else ""

    @property
    def is_dynamic(self) -> bool:
        """Tell whether only the build backend knows what is required."""
        dynamic = "dependencies" in (self.project.get("dynamic") or ())
        return (self.way == "wheel" and not self.project) or (self.way != "copy" and dynamic)

    @property
    def installs(self) -> bool:
        """Tell whether there are, or may be, dependencies to install."""
        asked = bool(self.requires or self.is_dynamic or self.options.app)
        return asked if self.settings.deps is None else self.settings.deps != "none"

    @property
    def renamed(self) -> str:
        """Return the name that the source has in `DIR_SITE`, as a shell word, if it is another."""
        top = self.module.partition(".")[0] + (".py" if self.path(self.source).is_file() else "")
        return "" if os.path.basename(self.source) == top else f"/{top}"

    @property
    def beside(self) -> str:
        """Return the folder that the program's module is in, from which COSMO_INCLUDE names."""
        folder = self.settings.src or ("src" if self.path("src").is_dir() else ".")
        return (os.path.dirname(self.source) or ".") if self.source else folder

    def path(self, relative: str) -> Path:
        """Return a path of the project from the root of the file system."""
        return self.root / relative


def load_project(options: Options | None = None) -> Project:
    """Load the project that the options, the environment or the current directory name, once.

    Raises `RecipeError` for what is wrong with its settings, its files or its lock.
    """
    options = options or Options()
    with exit_on_error("the settings cannot be read"):
        chosen = {"COSMO_SCRIPT": options.script} if options.script else {}
        chosen.update({"COSMO_OFFLINE": "1"} if options.offline else {})
        outer = (Table("option", chosen), Table("environment", os.environ))
        root, data, tables, script = locate(Path.cwd().resolve(), outer)
        if options.app:
            data, tables, script = {}, (), ""
            options = replace(options, app=(app_path(options.app[0], root), *options.app[1:]))
        else:
            check_names((*outer, *tables), tables[0], root / (script or "pyproject.toml"))
        check_lists(table(data, "project"), root / (script or "pyproject.toml"))
        way = find_way(root, data, script, options)
        if way == "article":
            tables = (*tables, Table(ARTICLE, {"COSMO_ISOLATED": "0"}))
        settings, name = read_settings(root, (*outer, *tables)), distribution_name(root, data)
        check_out(settings)
        source, module = ("", "") if way == "wheel" else find_source(root, settings, script, data)
        start = find_start(settings, data, name, script, module, options)
        ignored = options.lock or options.app
        lock = None if ignored else read_lock(root / lock_name(script), lock_command(script))
        return Project(
            *(root, settings, options, way, data, name, script, source, module, start),
            *(read_epoch(), lock),
        )


def check_out(settings: Settings) -> None:
    """Refuse a COSMO_OUT that is a file of the build folder's own."""
    if settings.out is None:
        return
    build = os.path.dirname(os.path.dirname(settings.dir_site))
    parts = Path(os.path.relpath(settings.out, build)).parts
    if set(parts) <= {".."} or (parts[0] != ".." and (len(parts) > 1 or is_reserved(parts[0]))):
        problem = " is a name that the build folder needs itself"
        raise settings.values["COSMO_OUT"].error(problem)


def find_way(root: Path, data: Mapping[str, Any], script: str, options: Options) -> str:
    """Choose the way: the article's table, a project that can be built, or a copy."""
    if script:
        return "copy"
    if options.app:
        return "wheel"
    if "PKG" in table(data, "tool", "ds", "scripts", "_", "env"):
        return "article"
    asked = "build-system" in data or table(data, "tool", "uv").get("package") is True
    setup = (root / "setup.py").is_file() or distribution_name(root, {})
    return "wheel" if asked or setup else "copy"


def find_source(
    root: Path, settings: Settings, script: str, data: Mapping[str, Any]
) -> tuple[str, str]:
    """Find the package or module to copy: its path, and the module that it becomes.

    It is PKG's, the one that `[project]` is called like, or the one that its command is in.
    """
    if script:
        return script, settings.pkg or script_module(Path(script).stem)
    folders = [settings.src] if settings.src else ["src", "."]
    named = re.sub(r"[-.]", "_", str(table(data, "project").get("name") or ""))
    entries = map(str, table(data, "project", "scripts").values())
    names = (
        [settings.pkg] if settings.pkg else [named, *(re.split("[.:]", one)[0] for one in entries)]
    )
    for name in filter(None, names):
        top = name.partition(".")[0]
        ends = ("/__init__.py", ".py", "")  # a folder may be data beside the module
        for path in (Path(folder, top + end) for folder in folders for end in ends):
            if (root / path).is_file() or (not path.suffix and (root / path).is_dir()):
                return str(path.parent if path.name == "__init__.py" else path), name
    if any(names):
        top = next(filter(None, names)).partition(".")[0]
        places = " nor ".join(os.path.normpath(Path(folder, top)) for folder in folders)
        where = f"PKG={top} ({settings.values['PKG'].origin})"
        remedy = "correct PKG, or set COSMO_SRC to its folder"
        if not settings.pkg:
            where = f"[project] is called {top}"
            remedy = "set PKG to the module to run, or COSMO_SRC to its folder"
        raise RecipeError(f"{where}: there is neither {places}, nor such a .py; {remedy}")
    file = root / "pyproject.toml"
    remedies = (f", and there is no {file}; go to the project's folder", f"; write it in {file}")
    remedy = "or name the package to run, as in `PKG=name invoke cosmo`"
    raise RecipeError(f"PKG is not set{remedies[file.exists()]}, {remedy}")


def script_module(stem: str) -> str:
    """Name the module that a script becomes: as the script, if Python allows and lacks it."""
    name = re.sub(r"\W", "_", stem)
    here = (path.stem for path in Path(os.__file__).parent.iterdir())  # before Python 3.10
    library = getattr(sys, "stdlib_module_names", None) or set(here)
    taken = is_reserved(name) or name in library or not name.isidentifier()
    return f"script_{name}" if taken else name


def find_start(
    s: Settings, data: Mapping[str, Any], name: str, script: str, module: str, options: Options
) -> Start:
    """Find what starts; of a wheel the installed entry points say it, unless a setting does."""
    scripts = {key: str(one) for key, one in table(data, "project", "scripts").items()}
    if not module:
        entry = options.app[1] if options.app else s.entry
        result = "program" if s.out else s.pkg or ""
        return Start(result, entry or (f"-m {s.pkg}" if s.pkg else ""))
    stem = Path(script).stem
    result = stem if script and not is_reserved(stem) else module
    if s.entry and s.entry not in scripts and ":" not in s.entry:
        commands = f"the commands are {', '.join(scripts)}" if scripts else "there are no commands"
        problem = f" is neither `module:function` nor a command; {commands}; correct it"
        raise s.values["COSMO_ENTRY"].error(problem)
    if s.entry:
        return Start(result, scripts.get(s.entry, s.entry))
    if len(scripts) == 1 and not s.pkg:
        return Start(*next(iter(scripts.items())))
    return Start(result, f"-r {module}" if script else f"-m {module}")


def read_epoch() -> int:
    """Read SOURCE_DATE_EPOCH, the time of all that goes in, in seconds since 1970; else 1980.

    It is kept to what a zip and a `.pyc` can hold. Source: the specification of SOURCE_DATE_EPOCH,
    reproducible-builds.org.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "0")
    if not re.fullmatch("[0-9]{1,18}", epoch):
        rule = "write a time in seconds since 1970, or unset it"
        raise RecipeError(f"SOURCE_DATE_EPOCH={epoch!r}: {rule}")
    return min(max(int(epoch), FIRST_TIME), LAST_TIME)


# recipes/location.py ----------------------------------------------------------
# The place of a project: its folder, and what its `pyproject.toml` or a script's comments say.


import os
import re
from collections.abc import Mapping
from configparser import ConfigParser
from configparser import Error as ConfigError
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple


ARTICLE = "[tool.ds.scripts] _.env"

SCRIPT_BLOCK = r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)*)^# ///$"
"""Metadata in a script's comments. Source: PEP 723, its reference implementation; may be empty."""


def read_script(path: Path) -> dict[str, Any]:
    """Read the metadata in a script's comments; dependencies stand as those of `[project]`."""
    text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    blocks = [match["content"] for match in re.finditer(SCRIPT_BLOCK, text)]
    if len(blocks) > 1 or (not blocks and re.search("(?m)^# /// script$", text)):
        problem = "several `# /// script` blocks" if blocks else "a `# /// script` without an end"
        raise RecipeError(f"{path} has {problem}; write one, which ends with `# ///`")
    content = re.sub("(?m)^# ?", "", "".join(blocks)).encode()
    data = parse_toml(f"the `# /// script` block of {path}", content)
    keys = {"dependencies", "requires-python"} & data.keys()
    return {**data, "project": {key: data[key] for key in keys}}


class Location(NamedTuple):
    """A project as it lies: its folder, what `pyproject.toml` or the script says, its settings."""

    root: Path
    data: Mapping[str, Any]
    tables: tuple[Table, ...]
    script: str = ""


def read_location(path: Path) -> Location:
    """Read the project in a folder, or a script."""
    root, script = (path.parent, path.name) if path.is_file() else (path, "")
    file = path if script else path / "pyproject.toml"
    with exit_on_error(f"{file} cannot be read"):
        content = b"" if script or not file.exists() else file.read_bytes()
        data = read_script(path) if script else parse_toml(file, content)
    for key in table(data, "tool", "cosmo").keys() - {"env"}:
        raise RecipeError(f"{file}: tool.cosmo.{key} is not read; write it under [tool.cosmo.env]")
    tables, article = [], ("tool", "ds", "scripts", "_", "env")
    for origin, keys in (("[tool.cosmo.env]", ("tool", "cosmo", "env")), (ARTICLE, article)):
        texts = {}
        for name, value in table(data, *keys).items():
            if isinstance(value, (str, int, float)):
                texts[name] = str(int(value) if isinstance(value, bool) else value)
            elif name.startswith("COSMO_") or name in ("PKG", "DIR_SITE"):
                raise RecipeError(f"{file}: {origin} {name} must be a string; correct it there")
        tables.append(Table(origin, texts))
    return Location(root, data, tuple(tables), script)


def locate(here: Path, outer: tuple[Table, ...]) -> Location:
    """Find the script or project that COSMO_SCRIPT or COSMO_PROJECT names, else the nearest one.

    The nearest `pyproject.toml` may itself send on with one of these, once.
    """
    location = locate_named(here, outer)
    if location is None:
        nearest = read_location(nearest_project(here, outer))
        location = locate_named(nearest.root, (*outer, *nearest.tables)) or nearest
    return location


def locate_named(base: Path, tables: tuple[Table, ...]) -> Location | None:
    """Read the script or project that a setting names, if one does; its path begins at `base`."""
    for name, kind in (("COSMO_SCRIPT", "file"), ("COSMO_PROJECT", "folder")):
        value = find(name, tables, base)
        if value.text is not None:
            path = (base / Path(value.text).expanduser()).resolve()
            if not value.text or not (path.is_file() if kind == "file" else path.is_dir()):
                raise value.error(f": no such {kind}: {path}; correct it")
            return read_location(path)
    return None


def nearest_project(here: Path, outer: tuple[Table, ...]) -> Path:
    """Find the nearest folder of a project, at `here` or above; `here` itself if PKG is in it."""
    top = (find("PKG", outer, here).text or "").partition(".")[0]
    has_pkg = top and any((here / name).exists() for name in (top, f"{top}.py", f"src/{top}"))
    names = ["pyproject.toml", *([] if has_pkg else ["setup.py", "setup.cfg", "tasks.py"])]
    for folder in (here, *here.parents):
        if any((folder / name).is_file() for name in names):
            return folder
    return here


def check_lists(project: Mapping[str, Any], file: Path) -> None:
    """Refuse what must be a list of strings, and is not."""
    for key in {"dependencies", "dynamic"} & project.keys():
        value = project[key]
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise RecipeError(f"{file}: {key} must be a list of strings; correct it there")


def distribution_name(root: Path, data: Mapping[str, Any]) -> str:
    """Find the distribution's name where it is written, empty where only a build tells it."""
    parser = ConfigParser(interpolation=None)
    with suppress(ConfigError, UnicodeError):
        parser.read(root / "setup.cfg", "utf-8")
    names = [table(data, *keys).get("name") for keys in (("project",), ("tool", "poetry"))]
    name = next((str(one) for one in names if one), parser.get("metadata", "name", fallback=""))
    return name if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", name) else ""


def app_path(requirement: str, root: Path) -> str:
    """Return a requirement; one that is a path from here becomes one from the project's root."""
    path = Path(requirement)
    if "/" not in requirement or path.is_absolute() or not path.exists() or Path.cwd() == root:
        return requirement
    return f"./{os.path.relpath(path.absolute(), root)}"


# recipes/session.py -----------------------------------------------------------
# One build: the project, loaded once, alone in its build folder; its variables and its shell.


import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from invoke.context import Context


PROJECT = "cosmo_recipes_project"
"""Where, in Invoke's configuration, `invoke cosmo` hands the project on to the phases."""


@contextmanager
def session(c: Context, task: str) -> Iterator[tuple[Project, Shell]]:
    """Yield the project and the shell for one task, alone in the build folder.

    The project is the one that `invoke cosmo` loaded, if it runs the task.
    """
    loaded = c.config.get(PROJECT)
    if loaded:
        yield loaded, make_shell(c, task, loaded)
        return
    with build_session(c, Options()) as p:
        yield p, make_shell(c, task, p)


@contextmanager
def build_session(c: Context, options: Options) -> Iterator[Project]:
    """Load the project, check and lock its build folder; a dry run prints the variables."""
    with handle_signals(), exit_on_error("cosmo cannot go on"):
        p = load_project(options)
        p = find_uv(p) if needs_uv(p) else p
        if c.config.run.dry:
            make_shell(c, "", p).announce()
            yield p
            return
        check_build_folder(p.path(p.build))
        with lock_build_folder(p.path(p.build)):
            yield p


def find_uv(p: Project) -> Project:
    """Return the project with uv: on PATH, beside this Python, or the one that started it.

    Its version is asked once. Raises `RecipeError` where it is missing, or older than 0.13, with
    which the lines were tried; below 0.12 it believes the paths in a RECORD. Source of UV: uv's
    documentation of `uv run`.
    """
    places = ("uv", str(Path(sys.executable).with_name("uv")), os.environ.get("UV", ""))
    path = next((place for place in places if place and shutil.which(place)), "")
    remedy = "get it with `pip install -U 'uv>=0.13'`"
    if not path:
        raise RecipeError(f"{p.label} cannot be installed: uv is not installed; {remedy}")
    remedy += " or `uv self update`"
    with exit_on_error("uv cannot be started"):
        line = [path, "--version"]
        output = subprocess.run(line, capture_output=True, text=True, check=False).stdout  # noqa: S603
    match = re.match(r"uv (\d+)\.(\d+)\S*", output)
    if not match or (int(match[1]), int(match[2])) < (0, 13):
        raise RecipeError(f"uv is too old: it says {output.strip()!r}; {remedy}")
    return replace(p, uv="uv" if path == "uv" else quote(path), uv_version=match[0])


def needs_uv(p: Project) -> bool:
    """Tell whether a build calls uv: to build the wheel, or to install something."""
    return p.way == "wheel" or p.installs


def make_shell(c: Context, task: str, p: Project) -> Shell:
    """Make the shell whose lines have the article's variables, and no others that matter.

    Neither zip, Python nor the sorting of names may depend on the user's. TMPDIR is where an APE
    file writes its loader. Source for that: Cosmopolitan, `ape/ape.S`.
    """
    pkg = p.settings.pkg or p.module
    exports = {
        "SOURCE_DATE_EPOCH": str(p.epoch),
        **({"PKG": pkg} if pkg else {}),
        "DIR_SITE": p.site,
    }
    exports.update({"LC_ALL": "C", "TZ": "UTC0", "ZIP": "", "ZIPOPT": "", "PYTHONHASHSEED": "0"})
    exports["TMPDIR"] = f"$PWD/{p.build}"
    if needs_uv(p):
        exports.update(UV_PYTHON=sys.executable, UV_PYTHON_DOWNLOADS="never")
        exports.update(UV_LINK_MODE="copy", UV_NO_EDITABLE="1")
        exports.update({"UV_OFFLINE": "1"} if p.settings.offline else {})
        exports["DIST_EXTRA_CONFIG"] = f"$PWD/{p.build}/.build/setup.cfg"
    return Shell(c, f"cosmo.{task}", exports, p.root)


def check_build_folder(build: Path) -> None:
    """Check that a build would write into plain files and folders, and through no link."""
    paths = [build, *(build.iterdir() if build.is_dir() else ()), build / "Lib/site-packages"]
    for path in paths:
        kind = path.lstat().st_mode if path.exists() or path.is_symlink() else stat.S_IFDIR
        if not (stat.S_ISDIR(kind) or stat.S_ISREG(kind)):
            problem = "is a symbolic link" if stat.S_ISLNK(kind) else "is not a plain file"
            raise RecipeError(f"{path} {problem}, and a build would write through it; remove it")
    files = "python python.part zip zip.part .args .inside.py .target .build.json .digest"
    for name in files.split():
        if (build / name).is_dir():
            raise RecipeError(f"{build / name} is a folder, in the place of a file; remove it")


def inside_text(p: Project) -> str:
    """Return the command that prints the programs of `inside`, which the interpreter runs."""
    vendored = __name__ != "recipes.session"  # they are the last section of this file
    path = Path(__file__) if vendored else Path(__file__).with_name("inside")
    source = quote(min(os.path.relpath(path, p.root), str(path), key=len))
    return f"sed '1,/^# inside$/d' {source}" if vendored else f"sed '/^from \\./d' {source}/*.py"


def zip_command(p: Project, folder: str = ".") -> str:
    """Return how a line in `folder` calls zip: the one on PATH, else the one that was fetched."""
    return "zip" if shutil.which("zip") else f"sh ./{quote(os.path.relpath(p.build, folder))}/zip"


def compile_command(p: Project, build: str) -> str:
    """Return how the interpreter compiles below `Lib`, so that tracebacks name files in /zip.

    With SOURCE_DATE_EPOCH no `.pyc` carries a time. Where the `.py` is shipped too, its `.pyc` goes
    to `__pycache__`, and is never checked against it: Python ignores one beside a `.py`.
    """
    options = f" -{'O' * p.settings.optimize}" if p.settings.optimize else ""
    form = "--invalidation-mode unchecked-hash" if p.settings.source else "-b"
    return f"sh {build}/python{options} -m compileall {form} -p /zip/Lib"


# recipes/dependencies.py ------------------------------------------------------
# The dependencies: what says what they are, uv's lines, and the content of the lock.


import os
import re
import shlex
import subprocess
import time
import zipfile
from email.parser import HeaderParser
from pathlib import Path
from typing import Any


IGNORED = ("__pycache__ *.egg-info .DS_Store", "*~ .#* #*# .*.sw[op]")
"""What is not copied: the host's bytecode, what an editable install left, and editors' files."""


def requirements_kind(p: Project) -> str:
    """Say what the dependencies are taken from: the lock first, a new resolution last."""
    if not p.installs:
        return "none"
    if p.lock:
        return "lock"
    if p.options.app:
        return "app"
    if p.settings.deps:
        return "file"
    if p.script:
        return "script"
    if has_uv_lock(p):
        return "uv.lock"
    return "project" if p.way == "wheel" or p.is_dynamic else "pyproject"


def has_uv_lock(p: Project) -> bool:
    """Tell whether the project, or the workspace that it is a member of, has a `uv.lock`."""
    if not any((folder / "uv.lock").is_file() for folder in (p.root, *p.root.parents)):
        return False
    line = ["/bin/sh", "-c", f"{p.uv} workspace dir"]
    done = subprocess.run(line, cwd=p.root, capture_output=True, text=True, check=False)  # noqa: S603
    return done.returncode == 0 and Path(done.stdout.strip(), "uv.lock").is_file()


def is_offline(p: Project) -> bool:
    """Tell whether uv asks no server: it then refuses to refresh what it keeps of a folder."""
    value = os.environ.get("UV_OFFLINE") or table(p.data, "tool", "uv").get("offline")
    return p.settings.offline or str(value).lower() in ("1", "true", "yes", "on")


def network_remedy(p: Project) -> str:
    """Say what to do where uv cannot resolve or install."""
    if p.settings.offline:
        return "go online once, without --offline or COSMO_OFFLINE"
    return "correct the requirements, or check the network"


def resolved_packages(p: Project) -> list[dict[str, Any]]:
    """Read the packages that the lock file, or the resolution, names."""
    path = resolved_file(p)
    return list(parse_toml(path, path.read_bytes()).get("packages", [])) if p.installs else []


def resolved_file(p: Project) -> Path:
    """Return the lock file that says which dependencies are installed."""
    return p.lock_file if p.lock else p.path(f"{p.build}/.deps/pylock.toml")


def read_requirements(path: Path, seen: tuple[Path, ...] = ()) -> list[bytes | None]:
    """Read a requirements file and those that it includes; None for what only uv can find."""
    if path in seen:
        return []
    if not path.is_file():
        return [None]
    content = path.read_bytes()
    files: list[bytes | None] = [content]
    include = rb"(?m)^\s*(?:-r|-c|--requirement|--constraint)[\s=]*(.*?)\s*(?:\s#.*)?$"
    for match in re.finditer(include, content):
        name = match[1].decode("utf-8", "replace")
        files += read_requirements(path.parent / name, (*seen, path))
    return files


def wheel_file(p: Project) -> Path:
    """Return the wheel that was built. Raises `RecipeError` where it is not pure."""
    wheels = sorted(p.path(f"{p.build}/.wheel").glob("*.whl"))
    if len(wheels) != 1:
        raise RecipeError(f"{p.label}: its build backend made {count(len(wheels), 'wheel')}, not 1")
    if not wheels[0].name.endswith("-none-any.whl"):
        problem = f"{wheels[0].name} holds compiled modules, which cannot run in the executable"
        raise RecipeError(f"{problem}; build a pure wheel, one for any platform")
    return wheels[0]


def lock_inputs(p: Project) -> tuple[str, ...]:
    """List what the dependencies are resolved for: requirements, or digests of files with them."""
    uv = table(p.data, "tool", "uv")
    inputs = [f"tool.uv sha256:{digest_of(uv)}"] if uv else []
    if p.settings.deps and p.installs:
        digest = digest_of(read_requirements(p.path(p.settings.deps)))
        return (f"requirements {Path(p.settings.deps).name} sha256:{digest}", *inputs)
    if not (p.is_dynamic and p.installs) or p.source:
        return (*p.requires, *inputs) if p.installs else ()
    with exit_on_error("the wheel cannot be read"), zipfile.ZipFile(wheel_file(p)) as archive:
        info = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        headers = HeaderParser().parsestr(archive.read(info).decode("utf-8", "replace"))
    return (*headers.get_all("Requires-Dist", []), *inputs)


def check_lock(p: Project, lock: Lock) -> None:
    """Check that the packages were locked for what is required now."""
    required, locked = set(lock_inputs(p)), set(lock.inputs)
    lacks, more = (
        ", ".join(sorted(map(public_requirement, one)))
        for one in (required - locked, locked - required)
    )
    if lacks or more:
        problems = [f"lacks {lacks}"] if lacks else []
        problems += [f"has {more}, which is no longer required"] if more else []
        problem = f"{p.lock_file.name} {' and '.join(problems)}"
        raise RecipeError(f"{problem}; lock anew with `{p.lock_command}`")


def check_frozen(p: Project, packages: list[dict[str, Any]]) -> None:
    """Refuse a lock of uv's that lacks a package; uv's `--locked` also refuses any mirror."""
    for name in sorted(p.required_names - {str(package.get("name")) for package in packages}):
        raise RecipeError(f"the lock of uv lacks {name}, which {p.label} requires; run `uv lock`")


def write_lock(p: Project, version: str) -> None:
    """Write the lock for the interpreter that was fetched, and what was resolved."""
    address, python = tool_address(p, "python"), p.path(f"{p.build}/python")
    remote = "://" in address

    def from_root(match: re.Match[str]) -> str:  # uv's paths begin in the folder of the file
        path = os.path.normpath(f"{p.build}/.deps/{match[1]}")
        return f'path = "{path}"'

    modified = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(python.stat().st_mtime))
    resolved = resolved_file(p).read_text("utf-8") if p.installs else ""
    resolved = re.sub(r'\bpath = "([^"/][^"]*)"', from_root, resolved)
    lock = Lock(
        url=public_url(address) if remote else Path(address).name,
        size=python.stat().st_size,
        sha256=file_sha256(python),
        version=version.split()[1],
        last_modified=modified if remote else "",
        inputs=lock_inputs(p),
        packages=tuple(check_package(package) for package in resolved_packages(p)),
    )
    for text in (lock.url if remote else "", *lock.inputs):
        if text != public_requirement(text) or (remote and address != public_url(address)):
            problem = "cannot be locked: its address holds a password or a token"
            raise RecipeError(f"{public_requirement(text)} {problem}; write that into ~/.netrc")
    part = p.lock_file.with_name(f".{p.lock_file.name}.part")
    with exit_on_error(f"{p.lock_file} cannot be written"):
        part.unlink(missing_ok=True)  # what lies there may be a link, or a pipe
        part.write_text(lock_text(resolved, lock), "utf-8")
        part.replace(p.lock_file)
    also = "" if remote else "; set COSMO_URL wherever it is built, for it came from a path"
    if p.settings.values["COSMO_URL"].origin == "default":
        also = "; that interpreter's address changes with each release: COSMO_VERSION names one"
    held = count(len(lock.packages), "package")
    log(f"lock     {p.lock_file.name}: Python {lock.version}, {held}; commit it{also}")


def install_program(p: Project, sh: Shell, requirement: str) -> None:
    """Install the program alone: its wheel, or what `cosmo.app` was given."""
    if not (sh.dry or p.options.app):
        wheel_file(p)
    target = f'--target "$DIR_SITE" $(cat {quote(p.build)}/.target)'
    sh.run(
        f"{p.uv} pip install -q --no-deps {target} {requirement}",
        failed=f"{p.label} cannot be installed",
        remedy=network_remedy(p),
    )
    if p.settings.include:
        sh.run(*include_lines(p), failed="COSMO_INCLUDE cannot be copied")


def resolve(p: Project, sh: Shell, kind: str, upgrade: str = "") -> None:
    """Resolve the dependencies to `.deps/pylock.toml`, unless they are locked."""
    if kind in ("none", "lock"):
        return
    b, uv = quote(p.build), p.uv
    options = f"{b}/.deps/options"
    lines = [f"echo {upgrade} > {options}"]
    line = f"{uv} pip compile -q $(cat {b}/.target {options})"
    if kind == "project":  # uv keeps its metadata, though the backend may read other files
        name = p.name or f"$(ls {b}/.wheel | sed 's/-.*//')"
        refresh = "" if is_offline(p) else f" --refresh-package {name}"
        lines.append(f"echo --no-emit-package {name}{refresh} >> {options}")
        line = f"echo . | {line} -"
    elif kind == "pyproject":
        line += " pyproject.toml"
    elif kind == "file":
        line += f" {quote(str(p.settings.deps))}"
    elif kind == "script":  # with -p it is not narrowed to the host's Python
        frozen = " --frozen" if p.path(f"{p.script}.lock").exists() else ""
        python = f"\"<=$(cut -d ' ' -f 2 {b}/.target)\""
        line = f"{uv} export -q{frozen} --script {quote(p.script)} -p {python} $(cat {options})"
    elif kind == "uv.lock":  # it may be for another Python than the host's
        line = f"env -u UV_PYTHON {uv} export -q --frozen --no-default-groups --no-emit-project"
    else:  # of the program that was installed already
        requirement, _, others = p.options.app or ("", "", ())
        lines += [
            rf"""ls "$DIR_SITE" | sed -n 's/-\([^-]*\)\.dist-info$/==\1/p' > {b}/.deps/pins.txt""",
            f"printf '%s\\n' {shlex.join([requirement, *others])} > {b}/.deps/app.txt",
            f"echo --no-emit-package $(cut -d = -f 1 {b}/.deps/pins.txt) >> {options}",
        ]
        line += f" -c {b}/.deps/pins.txt {b}/.deps/app.txt"
    line += f" -o {b}/.deps/pylock.all.toml"
    # of a folder, too, uv keeps what it built: then it is refreshed, and all resolved once more
    names = """sed -n '/^name/h;/^dir/{g; s/name =/--refresh-package/;s/"//gp;}' pylock.all.toml"""
    sh.run(
        *lines,
        line,
        f"(cd {b}/.deps && {':' if is_offline(p) else names} > refresh)",
        f"cat {b}/.deps/refresh >> {options}",
        f"([ ! -s {b}/.deps/refresh ] ||\n{line})",
        # uv refuses a file that is not for the host's own Python
        f"sed '/^#/d; /^requires-python/d' {b}/.deps/pylock.all.toml > {b}/.deps/pylock.toml",
        failed=f"the dependencies of {p.label} cannot be resolved",
        remedy=network_remedy(p),
    )


def install_dependencies(p: Project, sh: Shell, kind: str) -> None:
    """Install what is resolved or locked; compile it; remove what cannot run."""
    b, site = quote(p.build), f"{quote(p.build)}/.deps/Lib/site-packages"
    install = f"{p.uv} pip install -q --target"
    line = f"(cd {b}/.deps && {install} Lib/site-packages $(cat ../.target refresh) -r pylock.toml)"
    if kind == "lock":
        line = f"{install} {site} $(cat {b}/.target) -r {quote(p.lock_file.name)}"
    elif kind == "file":  # uv checks the hashes that stand in it, and nowhere else
        file = quote(str(p.settings.deps))
        line = f"{install} {site} $(cat {b}/.target {b}/.deps/refresh) -r {file}"
    failed = f"the dependencies of {p.label} cannot be installed"
    sh.run(line, failed=failed, remedy=network_remedy(p))
    exclude(p, sh, site)
    lib = f"cd {b}/.deps/Lib"
    sh.run(f"({lib} && find site-packages -name '*.py' -print0 > ../py)")
    files = 0 if sh.dry else p.path(f"{p.build}/.deps/py").read_bytes().count(b"\0")
    # a template need not compile: then compileall ends with 1, and xargs with 123
    line = f"xargs -0r -P4 -n400 {compile_command(p, '../..')} < ../py"
    sh.run(f"({lib} && {line}) || [ $? -lt 124 ]", bar=Bar("deps", files, "files", "Compiling "))
    fit(p, sh, site)


def include_lines(p: Project) -> list[str]:
    """Copy what COSMO_INCLUDE names beside the program's module, and remove what is IGNORED."""
    lines = []
    for name in map(os.path.normpath, p.settings.include):
        source, folder = os.path.normpath(os.path.join(p.beside, name)), os.path.dirname(name)
        if not p.path(source).exists():
            place = p.path(p.beside).resolve()
            raise RecipeError(f"COSMO_INCLUDE: there is no {source}; name what is in {place}")
        target = f'"$DIR_SITE"/{quote(folder)}' if folder else '"$DIR_SITE"'
        lines += [f"mkdir -p {target}"] if folder else []
        lines += [f"cp -RL {quote(source)} {target}", f"chmod -R u+w {target}"]
    for names in IGNORED:
        tests = " -o ".join(f"-name {shlex.quote(name)}" for name in names.split())
        lines.append(rf'find "$DIR_SITE" -depth \( {tests} \) -exec rm -rf {{}} +')
    return lines


def fit(p: Project, sh: Shell, site: str) -> None:
    """Remove what cannot run and the compiled .py; make RECORD list what is there."""
    b, suffix = quote(p.build), "''" if p.settings.source else "c"
    line = f"sh {b}/python -IB {b}/.inside.py fit {site} {b}/.new/notes.json {suffix}"
    sh.run(line, failed=f"{p.label} cannot be packaged", remedy="")


def exclude(p: Project, sh: Shell, site: str) -> None:
    """Remove what COSMO_EXCLUDE names, and folders that are empty then: Python imports those."""
    tests = " -o ".join(f"-path ./{shlex.quote(pattern)}" for pattern in p.settings.exclude)
    if tests:
        sh.run(
            rf"(cd {site} && find . -depth \( {tests} \) -exec rm -rf {{}} +)",
            f"(cd {site} && find . -depth -type d -exec rmdir {{}} + 2>/dev/null || :)",
        )


# recipes/base.py --------------------------------------------------------------
# The base archive: the interpreter with the dependencies, in the user's cache by its key.


import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any


SHAPING = ("COSMO_PRUNE", "COSMO_EXCLUDE", "COSMO_SOURCE", "COSMO_OPTIMIZE")
"""The settings that change what a base archive holds."""


def uv_configuration(p: Project, env: Mapping[str, str]) -> list[object]:
    """Gather the uv configuration that an installation depends on: files, `[tool.uv]`, `UV_*`.

    Source: uv's documentation, on configuration files.
    """
    home = Path(env.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    shared = (env.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)
    files = [Path(place, "uv/uv.toml") for place in (str(home), *shared, "/etc")]
    files += [Path(env.get("UV_CONFIG_FILE") or os.devnull), p.root / "uv.toml"]
    files += [folder / name for folder in p.root.parents for name in ("uv.toml", "pyproject.toml")]
    variables = sorted((name, text) for name, text in env.items() if name[:3] == "UV_")
    contents = [one.read_bytes() for one in files if one.is_file()]
    return [contents, variables, table(p.data, "tool", "uv")]


def base_key(p: Project, packages: list[dict[str, Any]], env: Mapping[str, str]) -> str:
    """Compute the name of the base archive: the sha256 of all that it is made of.

    Empty where that is not known: the content of a folder or a repository has no hash.
    """
    here = Path(__file__)
    ours = sorted(here.parent.rglob("*.py")) if __name__ == "recipes.base" else [here]
    parts: list[object] = [sys.version, [file.read_bytes() for file in ours], p.epoch]
    parts += [python_sha256(p), [p.settings.values[one].text for one in SHAPING]]
    for package in packages:
        files = [package.get(key) for key in ("archive", "sdist")] + package.get("wheels", [])
        hashes = [file.get("hashes") for file in files if file]
        if not hashes or not all(hashes):
            return ""
    if packages:
        parts += [resolved_file(p).read_bytes(), p.uv_version, uv_configuration(p, env)]
        content = read_requirements(p.path(p.settings.deps)) if p.settings.deps else []
        parts.append(content)
        if None in content:
            return ""
    return digest_of(*parts)


def cached_base(key: str) -> Path | None:
    """Find the base archive in the cache; leave one that is damaged."""
    path, note = (cache_folder() / "base" / f"{key}{end}" for end in (".zip", ".json"))
    with suppress(OSError, ValueError, KeyError, TypeError):
        if key and use_file(note) and use_file(path):
            if json.loads(note.read_text("utf-8"))["base"] == file_sha256(path):
                return path
    return None


def store_base(p: Project, key: str) -> None:
    """Keep the base archive that was made in the cache, and what was removed of it."""
    base, note = p.path(f"{p.build}/.new/base.zip"), p.path(f"{p.build}/.new/notes.json")
    notes = {**json.loads(note.read_text("utf-8")), "base": file_sha256(base)}
    note.write_text(json.dumps(notes), "utf-8")
    for file in (note, base):
        keep_file(file, cache_folder() / "base" / f"{key}{file.suffix}")


# recipes/executable.py --------------------------------------------------------
# The executable: what it was made of, whether that has changed, and the report on it.


import json
import os
import re
import zipfile
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from invoke.runners import Result


UNSTABLE = r".*\.dist-info/(uv_cache\.json|uv_build\.json|direct_url\.json|RECORD)|\.lock"
"""What an installation of the same release may write differently each time, below its site."""


@dataclass(frozen=True)
class BuildRecord:
    """The executable of the last build and what it is made of, as `.build.json` records it.

    `digest` is of all that went in, empty where that is not known; `path` is the executable's, from
    the project's folder; `placed` has its sha256, and those of what builds put at other paths;
    `state` is what `file_state` says of it; `report` the lines that were printed.
    """

    digest: str
    python_version: str
    python_sha256: str
    python_size: int
    python_url: str
    path: str
    placed: Mapping[str, str]
    state: list[int]
    report: list[str]


def read_build(p: Project) -> BuildRecord | None:
    """Read what the last build recorded; None if there was none, or that cannot be read."""
    with suppress(OSError, ValueError, TypeError):
        return BuildRecord(**json.loads(p.path(f"{p.build}/.build.json").read_text("utf-8")))
    return None


def record_build(p: Project, path: str) -> None:
    """Record what a build made, what of, and the report on it."""
    python, address = p.path(f"{p.build}/python"), tool_address(p, "python")
    notes = json.loads(p.path(f"{p.build}/.new/notes.json").read_text("utf-8"))
    before, sha256 = read_build(p), file_sha256(p.path(path))
    build = BuildRecord(
        digest=p.path(f"{p.build}/.digest").read_text("utf-8"),
        python_version=notes["python"].replace("Python ", ""),
        python_sha256=python_sha256(p),
        python_size=python.stat().st_size,
        python_url=public_url(address) if "://" in address else "",
        path=path,
        placed={**(before.placed if before else {}), path: sha256},
        state=file_state(p.path(path)),
        report=report_lines(p, path, sha256, notes),
    )
    p.path(f"{p.build}/.build.json").write_text(json.dumps(asdict(build)), "utf-8")


def result_path(p: Project) -> str:
    """Return the path of the executable, from the project's folder, once what starts is known."""
    name = p.start.name or p.path(f"{p.build}/.name").read_text("utf-8")
    return p.settings.out or os.path.join("dist" if p.options.app else p.build, name)


def file_state(path: Path) -> list[int]:
    """Return what of a file changes when it does: its place on the disk, size, mode and times."""
    stat = path.stat()
    place = [stat.st_dev, stat.st_ino, stat.st_size, stat.st_mode]
    return [*place, stat.st_mtime_ns, stat.st_ctime_ns]


def build_digest(p: Project, key: str) -> str:
    """Compute the sha256 of all that the executable is made of; empty where it is not known."""
    where = ("COSMO_URL", "COSMO_ZIP_URL", "COSMO_OFFLINE", "COSMO_PROJECT", "COSMO_VERSION")
    values = [(name, value.text) for name, value in p.settings.values.items() if name not in where]
    return digest_of(key, program_digest(p), values, p.options.app, p.start) if key else ""


def program_digest(p: Project) -> str:
    """Compute the sha256 of the program's files: a wheel's names and CRCs, or what was copied."""
    site, rows = p.path(p.site), [str(p.epoch)]
    tops = [site]
    if not (p.source or p.options.app):
        with exit_on_error("the wheel cannot be read"), zipfile.ZipFile(wheel_file(p)) as wheel:
            rows += [repr((one.filename, one.CRC, one.external_attr)) for one in wheel.infolist()]
        site = p.path(p.beside)
        tops = [site / name for name in p.settings.include]
    files = [top for top in tops if top.is_file()]
    for folder, _, names in (one for top in tops for one in os.walk(top, followlinks=True)):
        files += [
            Path(folder, name) for name in names if os.path.isfile(os.path.join(folder, name))
        ]
    for path in files:
        name, mode = os.path.relpath(path, site), path.stat().st_mode & 0o100
        if not re.fullmatch(UNSTABLE, name):
            rows.append(repr((name, file_sha256(path), mode)))
    return digest_of(sorted(rows))


def check_file_names(p: Project) -> None:
    """Refuse a file that zip cannot be told of by a line."""
    for path in p.path(p.site).rglob("*"):
        if re.search(r"[\n\r]", path.name):
            raise RecipeError(f"{str(path)!r}: the name of a file cannot hold a newline; rename it")


def check_shadows(p: Project) -> None:
    """Refuse a module of the program in place of which a package in the base would be imported."""
    with zipfile.ZipFile(p.path(f"{p.build}/.new/base.zip")) as base:
        names = "\n".join(base.namelist())
    packages = re.findall(r"(?m)^Lib/site-packages/(\w+)/__init__\.pyc?$", names)
    for path in sorted(p.path(p.site).glob("*.py*")):
        if path.stem in packages:
            problem = "is also a package in the executable, which would run in its place"
            raise RecipeError(f"{path.stem} {problem}; rename the module")


def is_current(p: Project) -> bool:
    """Tell whether the executable on disk is made of what `deps` wrote to `.digest`."""
    build = read_build(p) if p.options.skip else None
    if build is None or not build.digest:
        return False
    with suppress(OSError):
        digest = p.path(f"{p.build}/.digest").read_text("utf-8")
        return digest == build.digest and file_state(p.path(build.path)) == build.state
    return False


def check_target(p: Project, path: str) -> None:
    """Refuse to replace what no build of ours made: a folder, a link, or another's file."""
    target, build = p.path(path), read_build(p)
    folder = target.parent.resolve()
    if p.root not in (folder, *folder.parents):
        raise RecipeError(f"{path} lies outside the project, in {folder}; set COSMO_OUT")
    for file in (target, target.with_name(".cosmo.part")):  # through which it is put in place
        if file.is_symlink() or (file.exists() and not file.is_file()):
            problem = "exists, and is not a plain file; move it away, or set COSMO_OUT"
            raise RecipeError(f"{os.path.relpath(file, p.root)} {problem}")
    sha256 = build.placed.get(path) if build else None
    if target.exists() and os.path.dirname(path) != p.build and not p.options.force:
        if sha256 != file_sha256(target):
            problem = "exists, and is not what a build made"
            raise RecipeError(f"{path} {problem}; move it away, or add --force")


def report_lines(p: Project, path: str, sha256: str, notes: Mapping[str, Any]) -> list[str]:
    """Return the lines of the report on an executable."""
    relative, name = os.path.relpath(p.path(path)), os.path.basename(path)
    start = quote(relative if relative.startswith(("/", "..")) else f"./{relative}")
    exe = "" if name.endswith((".com", ".exe")) else f"; on Windows, as {name}.exe"
    rows = [("size", f"{p.path(path).stat().st_size:,} bytes"), ("sha256", sha256)]
    rows.append(("python", notes["python"]))
    removed = [dist for file, dist in notes.get("removed", {}).items() if file[:4] != "bin/"]
    for dist, number in sorted(Counter(removed).items()):
        rows.append(("left out", f"{count(number, 'extension module')} of {dist or 'the program'}"))
    uncompiled = notes.get("uncompiled", [])
    rows += [("as .py", f"{file}, which does not compile") for file in uncompiled]
    rows.append(("start", f"{start}{exe}"))
    return [relative, *(f"  {title:<8} {printable(row)}" for title, row in rows)]


def backend_problem(result: Result) -> str:
    """Return the error that a build backend printed, instead of uv's words about it."""
    output = result.stderr.partition("error: Failed to build")[0]
    errors = re.findall(r"(?m)^(?:[\w.]+(?:Error|Exception)\b.*|error: .*)$", output)
    return errors[-1].strip() if errors else show_output(result)


def compile_problem(result: Result) -> str:
    """Return the first error that compileall printed, with the source's file and line."""
    pattern = r'(?ms)File "/zip/Lib/site-packages/([^"\n]+)", line (\d+)$.*?^(\w+Error: [^\n]*)$'
    sorry = r"ompiling 'site-packages/(.*)'\.\.\.\n\*\*\* Sorry: (.*?) \(.*, line (\d+)\)"
    match, other = re.search(pattern, result.stdout), re.search(sorry, result.stdout)
    if other and not match:
        return f"{other[1]}:{other[3]}: {other[2]}"
    return f"{match[1]}:{match[2]}: {match[3]}" if match else show_output(result)


def missing_imports(p: Project, result: Result) -> str:
    """Return what the start check found to be missing, and what to do."""
    match = re.search("(?m)^missing: (.*)$", result.stdout)
    problem = match[1] if match else show_output(result)
    place = "with --with" if p.options.app else "to the dependencies"
    place += " in its comments" if p.script else ""
    remedy = f"; add it {place}" if problem.endswith("is not installed") else ""
    return f"{problem}{remedy}; COSMO_CHECK=0 skips this check"


def show_all(result: Result) -> str:
    """Show all that a program printed; return its exit status."""
    for line in (result.stdout + result.stderr).expandtabs().splitlines():
        log(printable(line))
    return f"exit status {result.exited}"


def smoke_remedy(p: Project) -> str:
    """Say what to do where the started executable fails."""
    if p.options.app:
        return "COSMO_CHECK=0 skips this check"
    packed = {os.path.basename(p.source), *p.settings.include}
    others = {path.name for path in p.path(p.beside).iterdir()} - packed if p.source else set()
    beside = "put files that it reads in with COSMO_INCLUDE, " if others else ""
    return f"correct the program, {beside}or the arguments; the last executable stays"


# recipes/lockfile.py ----------------------------------------------------------
# `pylock.cosmo.toml`: the interpreter and the dependencies that a build takes, or stops.
#
# It is a lock file by PEP 751, as uv writes and installs it; the interpreter has its own table,
# `[tool.cosmo-recipes.python]`.


import json
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HEAD = "# What `invoke cosmo` builds from; commit it. `invoke cosmo.lock` writes it anew."

SHAPES = {
    "url": r"https?://[!-~]+|(?!-|.*://).+",
    "size": r"\d+",
    "sha256": "[0-9a-f]{64}",
    "version": r"\d+\.\d[0-9a-z.+]*",
    "last-modified": "[-0-9TZ:]*",
}
"""The keys of the interpreter's table, and what each looks like."""


@dataclass(frozen=True)
class Lock:
    """The content of a lock: the interpreter, and the dependencies if there are any.

    `url`, `size` in bytes, `sha256` and `last_modified`, in UTC and empty where no server gave it,
    are those of the interpreter's file; `version` is its Python's. `inputs` is what the packages
    were resolved for, and `packages` are their names.
    """

    url: str
    size: int
    sha256: str
    version: str
    last_modified: str
    inputs: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()


def normalize_name(name: str) -> str:
    """Return a distribution's name as indexes and locks write it. Source: PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def lock_name(script: str) -> str:
    """Name the lock file of a project, or of a script; PEP 751 allows no further dot in it."""
    stem = Path(script).stem.replace(".", "-")
    return f"pylock.cosmo-{stem}.toml" if script else "pylock.cosmo.toml"


def lock_command(script: str) -> str:
    """Return the command that writes the lock of a project, or of a script."""
    return f"invoke cosmo.lock{f' --script {quote(script)}' if script else ''}"


def table(data: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """Return the table at `keys`, empty where there is none."""
    for key in keys:
        value = data.get(key)
        data = value if isinstance(value, dict) else {}
    return data


def parse_toml(
    file: Path | str, content: bytes, remedy: str = "correct it there"
) -> dict[str, Any]:
    """Parse TOML that `file` holds. Raises `RecipeError` with the remedy where it is not valid."""
    text = ""
    try:
        text = content.decode()
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        end = f"at line {len(text.splitlines())}, the end"
        reason = str(error).replace("at end of document", end)
        raise RecipeError(f"{file} is not valid TOML: {reason}; {remedy}") from error


def read_lock(path: Path, command: str) -> Lock | None:
    """Read the lock at `path`; None where there is none. `command` writes it anew.

    Raises `RecipeError` that names the key, for what cannot be a lock.
    """
    if not path.exists():
        return None
    with exit_on_error(f"{path} cannot be read"):
        data = parse_toml(path.name, path.read_bytes(), f"write it anew with `{command}`")
    ours = table(data, "tool", "cosmo-recipes")
    python = table(ours, "python")
    wrong = [key for key, one in SHAPES.items() if not re.fullmatch(one, str(python.get(key)))]
    inputs, packages = ours.get("inputs"), data.get("packages", [])
    if data.get("lock-version") != "1.0" or wrong or type(python["size"]) is not int:
        key = f"tool.cosmo-recipes.python.{wrong[0]}" if wrong else "lock-version"
        raise RecipeError(f"{path.name}: {key} is missing or wrong; write it anew with `{command}`")
    if not isinstance(inputs, list) or not isinstance(packages, list):
        problem = "tool.cosmo-recipes.inputs or packages is missing or wrong"
        raise RecipeError(f"{path.name}: {problem}; write it anew with `{command}`")
    try:
        names = tuple(check_package(package) for package in packages)
    except (AttributeError, TypeError, KeyError):
        raise RecipeError(
            f"{path.name}: packages are wrong; write it anew with `{command}`"
        ) from None
    if set(map(str, ours.get("packages") or ())) != set(names):
        raise RecipeError(
            f"{path.name}: packages were removed or added; write it anew with `{command}`"
        )
    values = {key.replace("-", "_"): python[key] for key in SHAPES}
    return Lock(**values, inputs=tuple(map(str, inputs)), packages=names)


def check_package(package: Mapping[str, Any]) -> str:
    """Return the name of a locked package, whose files must all have a sha256 and no secret.

    Raises `RecipeError` for one whose content is not known by a hash.
    """
    name, problem = str(package.get("name", "")), ""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name):
        raise RecipeError(f"a package cannot be called {name!r}; lock it anew")
    files = [package[key] for key in ("sdist", "archive") if key in package]
    files += package.get("wheels", [])
    hashes = [str((file.get("hashes") or {}).get("sha256")) for file in files]
    addresses = [str(file.get("url", "")) for file in files]
    if {"directory", "vcs"} & package.keys():
        source = package.get("directory") or package["vcs"]
        where = source.get("path") or public_url(str(source.get("url")))
        problem = f"it comes from {where}, whose content has no hash; require a release of it"
    elif not files or not all(re.fullmatch("[0-9a-f]{64}", one) for one in hashes):
        problem = "it has no file, or one without a sha256; lock it anew"
    elif addresses != [public_url(address) for address in addresses]:
        problem = "its address holds a password or a token; write that into ~/.netrc"
    if problem:
        raise RecipeError(f"{name} cannot be locked: {problem}")
    return name


def lock_text(pylock: str, lock: Lock) -> str:
    """Write a lock file's text, from that of what uv resolved.

    It has no `requires-python`, since uv refuses to install what is not for the host's own Python.
    """
    lines = pylock.splitlines() or ['lock-version = "1.0"', 'created-by = "cosmo-recipes"']
    lines = [line for line in lines if not re.match("#|requires-python = |packages = ", line)]
    lines += [] if "[[packages]]" in lines else ["packages = []"]
    inputs = [f"    {json.dumps(text, ensure_ascii=False)}," for text in lock.inputs]
    lines += ["", "[tool.cosmo-recipes]", "inputs = [", *inputs, "]"]
    lines += [f"packages = {json.dumps(lock.packages)}", "", "[tool.cosmo-recipes.python]"]
    values = asdict(lock)
    lines += [f"{key} = {json.dumps(values[key.replace('-', '_')])}" for key in SHAPES]
    return "\n".join([HEAD, *lines, ""])


def public_url(address: str) -> str:
    """Return an address without user, password and query; a path stays as it is.

    Of a fragment, what names a hash or a folder stays, as in `#sha256=...`.
    """
    if "://" not in address:
        return address
    parts = urlsplit(address)
    is_public = re.fullmatch(r"((sha\d+=[0-9a-f]+|subdirectory=[\w./-]+)(&|$))+", parts.fragment)
    fragment = parts.fragment if is_public else ""
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=host, query="", fragment=fragment).geturl()


def public_requirement(text: str) -> str:
    """Return a requirement as it may be printed: an address in it without a password."""
    return re.sub(r"\w+://\S+", lambda match: public_url(match[0]), text)


# recipes/fetch.py -------------------------------------------------------------
# The interpreter's file, and the user's cache: its address, sha256 and content.
#
# The cache keeps what was downloaded or made once, for all projects of this user:
#
#     url/HASH/SHA256/NAME   what an address gave, by its content, with the server's name and time
#     base/KEY.zip           an interpreter with dependencies; KEY.json: what was removed of them


import hashlib
import os
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path

from invoke.runners import Result


FETCHED = {"python": "COSMO_URL", "zip": "COSMO_ZIP_URL"}
"""What is fetched, by its name in the build folder, and the setting that says where from."""


def wanted_sha256(p: Project, name: str) -> str:
    """Return the sha256 that a fetched file must have, empty where any will do."""
    return p.lock.sha256 if p.lock and name == "python" else ""


def tool_address(p: Project, name: str) -> str:
    """Return the URL or path to fetch a file from; a locked one's own, unless a setting says."""
    default = p.settings.values[FETCHED[name]].origin == "default"
    if default and p.lock and name == "python" and "://" in p.lock.url:
        return p.lock.url
    return p.settings.zip_url if name == "zip" else p.settings.url


def lock_message(p: Project, kind: str) -> str:
    """Say what is locked; empty where that is no question. `kind` is that of the requirements."""
    if p.options.app or p.options.lock:
        return ""
    if p.lock is None:
        if kind == "uv.lock":
            return f"uv.lock; `{p.lock_command}` writes one that holds the interpreter, too"
        return f"none, so what is current goes in; `{p.lock_command}` writes one"
    url = p.settings.values["COSMO_URL"]
    other = url.origin != "default" and p.lock.url != public_url(url.text or "")
    mirror = f"; the interpreter from COSMO_URL ({url.origin})" if other else ""
    packages = count(len(p.lock.packages), "package")
    return f"{p.lock_file.name}: Python {p.lock.version}, {packages}{mirror}"


def is_ape(path: Path) -> bool:
    """Tell whether a file begins as an Actually Portable Executable, new or old.

    Source: Cosmopolitan, `ape/ape.S`.
    """
    with path.open("rb") as file:
        return file.read(8) in (b"MZqFpD='", b"jartsr='")


def describe_file(path: Path) -> str:
    """Say what a file that is no interpreter is instead."""
    if is_ape(path):
        return "it holds no Python: there is no readable zip with a Lib/ at its end"
    with path.open("rb") as file:
        return f"it is not an APE file (it begins with {str(file.read(4))[1:]})"


def python_sha256(p: Project) -> str:
    """Return the sha256 of the fetched interpreter; a locked one was verified when it was taken."""
    return wanted_sha256(p, "python") or file_sha256(p.path(f"{p.build}/python"))


def has_sha256(path: Path, sha256: str) -> bool:
    """Tell whether a file is there, can be run, and has this sha256, if any is given."""
    with suppress(OSError):
        return bool(sha256) and os.access(path, os.X_OK) and file_sha256(path) == sha256
    return False


def file_sha256(path: Path) -> str:
    """Compute the sha256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(2**20), b""):
            digest.update(block)
    return digest.hexdigest()


def digest_of(*parts: object) -> str:
    """Compute the sha256 of values whose `repr` is all there is to say of them."""
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()


def cache_folder() -> Path:
    """Return the folder of these recipes in the user's cache.

    Source: XDG Base Directory Specification, by which a relative path counts for nothing; without
    XDG_CACHE_HOME, on macOS, its File System Programming Guide.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = str(Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache"))
    return Path(base, "cosmo-recipes")


def prune_cache(days: int) -> None:
    """Remove from the cache what no build used for so many days; folders of older releases too."""
    for pattern in ("url/*/*", "base/*", "sha256/*", "url/*.json", "uv"):
        for path in cache_folder().glob(pattern):
            with suppress(OSError):
                if path.lstat().st_mtime <= time.time() - days * 86400:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()


def keep_file(source: Path, target: Path) -> None:
    """Copy a file into the cache by a rename; do without where the cache cannot be written."""
    part = target.with_name(f".{os.getpid()}.part")
    with suppress(OSError):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copy2(source, part)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)


def use_file(path: Path) -> bool:
    """Tell whether the cache has a plain file, and note that it was used, for `--prune`."""
    with suppress(OSError):
        if path.is_file() and not path.is_symlink():
            os.utime(path)
            return True
    return False


def cached_file(sha256: str, url: str = "") -> Path | None:
    """Find a file with that content in the cache, or, for `*`, what an address gave last.

    One that is damaged is removed.
    """
    folder = hashlib.sha256(url.encode()).hexdigest()[:16] if url else "*"
    files = cache_folder().glob(f"url/{folder}/{sha256 or '-'}/*")
    with suppress(OSError):
        for path in sorted(files, key=lambda path: -path.parent.stat().st_mtime):
            is_whole = path.is_file() and file_sha256(path) == path.parent.name
            if is_whole and not path.name.startswith("."):
                os.utime(path.parent)  # it was used, which `--prune` asks for
                return path
            path.unlink()
    return None


def keep_download(url: str, file: Path) -> None:
    """Keep in the cache a file that an address gave, under its name."""
    folder = cache_folder() / "url" / hashlib.sha256(url.encode()).hexdigest()[:16]
    target = folder / file_sha256(file) / file.name
    if not target.exists():
        keep_file(file, target)
    with suppress(OSError):
        os.utime(target.parent)  # it is what the address gave last


def check_download(p: Project, url: str, last: Path | None) -> None:
    """Raise `RecipeError` where a file cannot be downloaded: offline, or without wget."""
    if p.settings.offline and not last:
        remedy = "go online once, without --offline or COSMO_OFFLINE"
        raise RecipeError(f"{public_url(url)} is not in the cache; {remedy}")
    if not (p.settings.offline or shutil.which("wget")):
        remedy = "install wget (apt install wget, brew install wget)"
        raise RecipeError(f"{public_url(url)}: there is no wget on PATH; {remedy}")


def download_remedy(p: Project, name: str) -> str:
    """Say what to do where a download failed."""
    if p.settings.values[FETCHED[name]].origin == "COSMO_VERSION":
        return "check the network, and COSMO_VERSION"
    remedy = f"check the network, or set {FETCHED[name]} to a mirror or a file"
    return remedy if name == "python" else f"install zip (apt install zip), or {remedy}"


def download_problem(result: Result) -> str:
    """Say why a download failed. SIGXFSZ comes from `ulimit`, which bounds its length."""
    return "it is longer than it may be" if result.exited in (153, -25) else show_output(result)


def wget_limits(url: str, size: int | None) -> str:
    """Return what bounds a download: its length, and, for https, where it may be led on to.

    Where https leads on to http or ftp, wget meets a proxy that is not there.
    """
    limits = f"ulimit -f {(size or 2**30) // 512 + 1} 2>/dev/null || :"  # a lower one may be set
    if url.startswith("https:"):
        limits += "; export http_proxy=http://127.0.0.1:9/ ftp_proxy=http://127.0.0.1:9/"
        limits += "" if os.environ.get("https_proxy") else " no_proxy="
    return limits


def touch_time(seconds: float) -> str:
    """Write a time as `touch -t` takes it, in UTC."""
    return time.strftime("%Y%m%d%H%M.%S", time.gmtime(seconds))


# recipes/shell.py -------------------------------------------------------------
# One line for the shell, its echo and its failure; messages, progress, the lock, signals.


import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, NoReturn

from invoke.context import Context
from invoke.exceptions import CommandTimedOut, Exit
from invoke.runners import Local, Result
from invoke.watchers import StreamWatcher

FIXED = {"warn": True, "hide": "both", "echo_format": "{command}", "replace_env": True}
FIXED.update(dict.fromkeys(("pty", "asynchronous", "disown", "in_stream"), False))
"""What the recipes need of Invoke's options, whatever its configuration says."""


class RecipeError(Exit):
    """The end of a build: what failed, why, and what to do next, in one line; exit status 1."""

    def __init__(self, message: str) -> None:
        super().__init__("cosmo: " + printable(name_program(" ".join(message.split()))), code=1)


def name_program(text: str) -> str:
    """Name in a message the command that this user has, where that is not `invoke`."""
    program = os.path.basename(sys.argv[0])
    return text if program != "cosmo-recipes" else re.sub(r"\binvoke (?=\w)", f"{program} ", text)


def printable(text: str) -> str:
    """Spell out the characters that a terminal would obey."""
    letters = (one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
    return "".join(letters)


@contextmanager
def exit_on_error(failed: str) -> Iterator[None]:
    """Turn an error of the system, or a value that it cannot take, into a `RecipeError`."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        raise RecipeError(f"{failed}: {error}; fix this and run it again") from error


def log(message: str) -> None:
    """Print about the work, on standard error; standard output has only what was asked for."""
    print(message, file=sys.stderr, flush=True)


def print_result(text: str) -> None:
    """Print what was asked for; spell out what standard output's encoding lacks."""
    print_bytes([f"{text}\n".encode(sys.stdout.encoding or "utf-8", "backslashreplace")])


def print_bytes(blocks: Iterable[bytes]) -> None:
    """Print what was asked for. A reader that stops early is no error.

    Python's own flush at its end must not fail again. Source: its "Note on SIGPIPE".
    """
    try:
        sys.stdout.flush()
        for block in blocks:
            sys.stdout.buffer.write(block)
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise RecipeError(f"the result cannot be printed: {error}; run it again") from error


def quote(path: str) -> str:
    """Quote a path for the shell, so that a leading dash cannot be taken for an option."""
    return shlex.quote(f"./{path}" if path.startswith("-") else path)


def count(number: int, noun: str) -> str:
    """Say how many there are: `1 file`, `2 files`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


class LineRunner(Local):
    """Run a line in a folder, without input, in a session of its own that can be ended whole."""

    input_sleep = 0.001  # seconds between two looks at whether it has ended; Invoke's is 0.01
    folder: Path
    is_late = False

    def start(self, command: str, shell: str, env: dict[str, Any]) -> None:
        """Start the line. It inherits the lock of the build folder, which outlives a killed us."""
        self.process = subprocess.Popen(
            [shell, "-ec", command],
            cwd=self.folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            close_fds=False,
        )

    def wait(self) -> None:
        """Wait until the line has ended; end it where a signal does, before Invoke waits for it."""
        try:
            super().wait()
        except BaseException:
            self.kill()
            raise

    @property
    def timed_out(self) -> bool:
        """Tell whether the timeout ended the line; Invoke asks whether its timer has ended, too."""
        return self.is_late

    def kill(self) -> None:
        """End the line and all that it started; after three seconds by force."""
        self.is_late = self.is_late or threading.current_thread() is self._timer
        for number in (signal.SIGTERM, signal.SIGKILL) if hasattr(self, "process") else ():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(3)


class Bar(NamedTuple):
    """A progress bar: each line of output that matches `pattern` moves it on by `scale` units."""

    name: str
    total: int | None
    unit: str
    pattern: str
    scale: int = 1


class Progress(StreamWatcher):
    """Move a bar on. Each of Invoke's threads has a watcher, made with the same arguments."""

    def __init__(self, bar: Any, pattern: str) -> None:
        super().__init__()
        self.bar, self.pattern, self.read = bar, pattern, 0

    def submit(self, stream: str) -> Iterable[str]:
        """Move the bar on; answer nothing."""
        end = stream.rfind("\n") + 1
        self.bar.update(len(re.findall(f"(?m)^{self.pattern}", stream[self.read : end])))
        self.read = max(self.read, end)
        return ()


@contextmanager
def watch(progress: Bar | None) -> Iterator[list[StreamWatcher]]:
    """Show a progress bar on standard error while a line runs, on a terminal only."""
    if progress is None or not sys.stderr.isatty() or find_spec("tqdm") is None:
        yield []
        return
    from tqdm import tqdm  # imported here, as it takes a tenth of `invoke --list`

    name, total, unit, pattern, scale = progress
    scaled = scale if scale > 1 else False
    with tqdm(desc=name, total=total, unit=unit, unit_scale=scaled, leave=False) as bar:
        yield [Progress(bar, pattern)]


class Shell:
    """Runs the lines of one task through Invoke, in one folder; a dry run prints them.

    `exports` are the variables that the lines expand, and those on which what is built must not
    depend. No `PYTHON*` variable of the user reaches a line.
    """

    def __init__(self, c: Context, task: str, exports: Mapping[str, str], folder: Path) -> None:
        self.c, self.task, self.exports, self.folder = c, task, exports, folder
        self.dry, self.comment = bool(c.config.run.dry), f"# {task}"
        if self.dry and hasattr(signal, "SIGPIPE"):
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a reader may stop early
        self.env = {**os.environ, **c.config.run.env}
        for name in [name for name in self.env if name.startswith("PYTHON") or name == "CDPATH"]:
            del self.env[name]
        self.env.update((name, text.replace("$PWD", str(folder))) for name, text in exports.items())

    def announce(self) -> None:
        """Print how a script of the lines begins: its folder, and the variables."""
        folder, lines = os.path.relpath(self.folder), ["export"]
        if folder != ".":
            print(f"cd {quote(folder)}")
        print(r"unset CDPATH $(env | sed -n 's/^\(PYTHON[A-Z]*\)=.*/\1/p')")
        for name, text in self.exports.items():
            inner = text.startswith("$PWD")
            word = f'{name}="$PWD"{quote(text[4:])}' if inner else f"{name}={quote(text)}"
            lines += ["export"] if len(lines[-1]) + len(word) > 100 else []
            lines[-1] += f" {word}"
        print(*lines, sep="\n")

    def run(
        self,
        *lines: str,
        failed: str = "",
        remedy: str = "fix this and run it again",
        bar: Bar | None = None,
        reason: Callable[[Result], str] | None = None,
        seconds: int | None = None,
    ) -> Result:
        """Run POSIX lines, up to the first that fails, as `sh -e` does.

        `RecipeError` then says what `failed`, why, and the remedy. `reason` says why; else one line
        of output does, and more of it is shown before the error. Invoke's configuration chooses the
        shell, the echo and the timeout; `seconds` is the timeout if that, like `-T`, says nothing.
        """
        seconds = self.c.config.timeouts.command or seconds
        if (self.dry or self.c.config.run.echo) and self.comment:
            print(self.comment)
            self.comment = ""
        shell = shutil.which(str(self.c.config.run.shell or "sh")) or "/bin/sh"
        failed, runner = failed or f"{self.task} failed", LineRunner(self.c)
        runner.folder = self.folder
        try:
            with exit_on_error(failed), watch(None if self.dry else bar) as watchers:
                options = {"shell": shell, "env": self.env, "watchers": watchers, **FIXED}
                result = runner.run("\n".join(lines), timeout=seconds, **options)
        except CommandTimedOut as error:
            why = f"it took longer than {error.timeout} seconds"
            raise RecipeError(f"{failed}: {why}; {remedy}") from error
        except BaseException:
            runner.kill()
            raise
        if result is None or result.failed:
            why = reason(result) if reason else show_output(result)
            raise RecipeError(f"{failed}: {why}" + (f"; {remedy}" if remedy else ""))
        return result

    def log(self, phase: str, message: str) -> None:
        """Print one line about a phase, unless the run is dry: then the script is all there is."""
        if not self.dry:
            log(f"{phase:<9}" + printable(name_program(re.sub(r"\s", " ", message))))


def show_output(result: Result) -> str:
    """Show the last 20 lines of a tool that failed; return the reason, for a line of ours."""
    lines = [line for line in (result.stdout + result.stderr).splitlines() if line.strip()]
    lines = [line for line in lines if not re.match(r"Compiling |Listing |\s*adding: ", line)]
    if len(lines) == 1:
        return re.sub(r"^\S*sh: (line )?\d+: ", "", lines[0])
    for line in lines[-20:]:
        log(printable(line.expandtabs()))
    return "see above" if lines else f"exit status {result.exited}"


@contextmanager
def lock_build_folder(build: Path) -> Iterator[None]:
    """Keep other builds out of the build folder, also while a line of a killed build still runs.

    Each line inherits the open file that is locked, and the system unlocks it when none is left.
    """
    build.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError), (build / ".gitignore").open("x") as file:
        file.write("*\n")
    number = os.open(build / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        os.set_inheritable(number, True)
        with suppress(ImportError):  # no POSIX system
            import fcntl

            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        problem = "is in use by another build; run this again when that has ended"
        raise RecipeError(f"{build} {problem}") from None
    finally:
        os.close(number)


@contextmanager
def handle_signals() -> Iterator[None]:
    """While it lasts, a signal ends the line that runs, and all it started, with one message."""
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP")]
    if threading.current_thread() is not threading.main_thread():
        numbers = []
    before = {number: signal.getsignal(number) for number in numbers}
    handled = [number for number, handler in before.items() if handler != signal.SIG_IGN]

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        for other in handled:
            signal.signal(other, signal.SIG_IGN)
        name = signal.Signals(number).name
        message = f"cosmo: interrupted by {name}; what a build made before is whole; run it again"
        raise Exit(message, code=128 + number)

    try:
        for number in handled:
            signal.signal(number, stop)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# in a repository with tasks of its own -------------------------------------------


def with_recipes(module: str) -> Collection:
    """Return the tasks so far of the module with that `__name__`, and the recipes beside them."""
    tasks = Collection.from_module(sys.modules[module])
    taken = "cosmo" in (*tasks.task_names, *tasks.collections)
    tasks.add_collection(cosmo, "cosmo_recipes" if taken else "cosmo")
    return tasks


ns = Collection(cosmo)

if __name__ == "__main__":
    from invoke.program import Program

    options = ["-r", str(Path(__file__).resolve().parent), "-c", Path(__file__).stem]
    Program(version="0.3.0").run([sys.argv[0], *options, *sys.argv[1:]])
    raise SystemExit

# What follows runs in the fetched Python: the first lines of a build write it to a file.
# inside


# inside/bytecode.py -----------------------------------------------------------
# Compiled code: what of it surely runs, and where in the program a frame or an error is.


import dis
import itertools
import os
import re
import sys
import types
from typing import Any

JUMP_CODES = {*dis.hasjrel, *dis.hasjabs}


class CompiledCode:
    """The instructions of a code object, in which `__name__` counts as `__main__`.

    `skips` are pairs of offsets between which code may not run. `ranges` are three: where it
    starts and ends that an exception leads to a handler, and the handler.
    """

    def __init__(self, code: types.CodeType) -> None:
        self.code = code
        self.steps = [one for one in dis.get_instructions(code) if one.opname != "EXTENDED_ARG"]
        self.skips: list[tuple[int, int]] = []
        self.ranges: list[tuple[int, int, int]] = []
        for index, step in enumerate(self.steps):
            if step.opname.startswith("SETUP_"):  # before Python 3.11; since, there is a table
                self.ranges.append((step.offset, step.argval, step.argval))
            elif step.opname.startswith("RETURN_"):
                self.skips.append((step.offset, len(code.co_code)))  # handlers, too
            elif step.opcode in JUMP_CODES:
                before = {str(one.argval) for one in self.steps[max(index - 3, 0) : index]}
                if not before >= {"__name__", "__main__", "=="}:
                    self.skips.append((step.offset, step.argval))
        for entry in getattr(dis.Bytecode(code), "exception_entries", ()):
            self.ranges.append((entry.start, entry.end, entry.target))

    def is_certain(self, offset: int) -> bool:
        """Tell whether an instruction surely runs, and an ImportError in it is not caught."""
        places = [offset]
        for place in places:  # a handler may lie in the range of the next one
            targets = [target for start, end, target in self.ranges if start <= place < end]
            places += [target for target in targets if target not in places]
        is_skipped = any(start < offset < end for start, end in self.skips)
        return not is_skipped and not any(map(self.catches_import_error, places[1:]))

    def catches_import_error(self, target: int) -> bool:
        """Tell whether a handler names ImportError or a class above it, or is bare."""
        guards = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
        ignored = ("PUSH_EXC_INFO", "DUP_TOP", "NOP")
        steps = [one for one in self.steps if one.offset >= target and one.opname not in ignored]
        is_class = re.compile("LOAD_|BUILD_TUPLE").match
        loaded = [*itertools.takewhile(lambda step: is_class(step.opname), steps)]
        step, *behind = steps[len(loaded) :]
        if step.opname in ("CHECK_EXC_MATCH", "JUMP_IF_NOT_EXC_MATCH"):
            other = behind[0] if step.opname == "CHECK_EXC_MATCH" else step
            is_guard = any(one.argval in guards for one in loaded)
            return is_guard or self.catches_import_error(other.argval)
        if step.opname == "WITH_EXCEPT_START":
            return bool({"suppress", *guards}.intersection(self.code.co_names))
        return step.opname == "POP_TOP" and not loaded

    def is_called(self, index: int) -> bool:
        """Tell whether an instruction loads what is called next; since 3.11 a NULL marks that."""
        step = self.steps[index]
        after = enumerate(self.steps[index + 1 : index + 5])
        near = self.steps[index - 1 if (3, 11) <= sys.version_info < (3, 13) else index + 1]
        is_marked = near.opname == "PUSH_NULL" or "NULL" in step.argrepr
        calls = [(one.opname, one.arg == count) for count, one in after if "CALL" in one.opname]
        return is_marked or step.opname == "LOAD_METHOD" or calls[:1] == [("CALL_FUNCTION", True)]


def site_relative(file: str) -> str:
    """Name a file of the program or a dependency from its site folder on; others are empty."""
    sites = {path for path in sys.path if path} - {os.path.dirname(os.__file__)}
    ends = [len(site) + 1 for site in sites if file.startswith(f"{site}/")]
    return file[max(ends) :] if ends else file.partition("site-packages/")[2]  # compiled elsewhere


def frame_place(frame: types.FrameType, line: int, offset: int) -> tuple[str, int, Any, int]:
    """Return the file, line, code and offset that a frame is at."""
    return site_relative(frame.f_code.co_filename), line, frame.f_code, offset


def program_places(error: BaseException) -> list[Any]:
    """List file, line, code and offset of the frames that are the program's or a dependency's."""
    places, trace = [], error.__traceback__
    while trace:
        places.append(frame_place(trace.tb_frame, trace.tb_lineno, trace.tb_lasti))
        trace = trace.tb_next
    return [place for place in places if place[0]]


# inside/check.py --------------------------------------------------------------
# Check that a program can start: import it, and what its compiled code imports later.
#
# Runs in the new executable, which has no sources: `FILE check ENTRY [NOTES [BESIDE]]`.


import contextlib
import dis
import importlib.machinery
import importlib.util
import itertools
import json
import os
import re
import signal
import sys
import types
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any


FORMER = "asynchat asyncore cgi cgitb crypt distutils imp lib2to3 nntplib pipes smtpd telnetlib"
"""Modules that Python 3.12 or 3.13 removed, and that programs still import."""


class StartTrial:
    """One try to import what starts. `optional` are the imports that are needed in some cases."""

    def __init__(self, entry: str, notes: dict[str, Any]) -> None:
        self.module, _, self.function = entry.partition(":")
        self.removed: dict[str, str] = {}  # each extension module, and its distribution
        for file, dist in notes.get("removed", {}).items():
            self.removed[file.partition(".")[0].replace("/", ".")] = dist or "the program"
        self.packages, self.beside = notes.get("packages", {}), notes.get("beside", [])
        self.lacked: tuple[str, list[Any]] | None = None
        self.doubts: list[str] = []  # errors that may come from code that was not run
        self.needs_network = self.changes_path = False
        self.seen: set[int] = set()
        self.optional: list[Callable[[], None]] = []

    def refuse_network(self, event: str, values: tuple[Any, ...]) -> None:
        """Refuse what needs a network, as an audit hook; paths and numbers of hosts do not."""
        lookup = re.fullmatch(r"socket\.get(addrinfo|hostby(name|addr)|nameinfo)", event)
        if lookup and not re.fullmatch(r"[\d.:]+", str(values[0])):
            self.needs_network = True
            raise sys.modules["_socket"].gaierror("the start check has no network")
        is_sent = re.fullmatch(r"socket\.(connect|send(msg|to))", event)
        if is_sent and not isinstance(values[-1], (str, bytes)):
            self.needs_network = True
            raise ConnectionRefusedError("the start check has no network")

    def find_spec(self, name: str, *_: object) -> None:
        """Note, as the last finder of modules, who asked for a removed extension module."""
        if name in self.removed:
            frames = [sys._getframe(1)]
            while frames[-1].f_back:
                frames.append(frames[-1].f_back)
            places = [frame_place(one, one.f_lineno, one.f_lasti) for one in reversed(frames)]
            self.lacked = name, [place for place in places if place[0]]

    def load_function(self) -> Any:
        """Import the module of the function that starts, and return the function."""
        value: Any = importlib.import_module(self.module)
        for name in self.function.split("."):
            if not hasattr(value, name):
                problem = f"{self.module} has no {self.function}"
                raise ImportError(f"{problem}; correct COSMO_ENTRY or [project.scripts]")
            value = getattr(value, name)
        return value

    def import_entry(self) -> None:
        """Import what starts, and what its compiled code imports later."""
        top = self.module.partition(".")[0]
        sites = [path for path in sys.path if path.endswith("site-packages")]
        packed = importlib.machinery.PathFinder.find_spec(top, sites)
        if packed and packed.origin != getattr(importlib.util.find_spec(top), "origin", ""):
            problem = f"the interpreter has a module {top} of its own, which would run instead"
            raise ImportError(f"{problem}; rename the program")
        if self.function:
            return self.follow(self.load_function(), 0)
        name = self.module
        spec = importlib.util.find_spec(name)
        if spec and spec.submodule_search_locations is not None:
            name = f"{name}.__main__"
            spec = importlib.util.find_spec(name)
        if not spec:
            raise ImportError(f"there is no module {name}; correct COSMO_ENTRY or PKG")
        namespace: dict[str, Any] = {"__name__": "__main__", "__package__": spec.parent}
        code = spec.loader.get_code(name)  # type: ignore[union-attr]
        return self.read(code, namespace, namespace, 0)

    def follow(self, value: Any, depth: int) -> None:
        """Import what a function imports, and what those do that it calls, up to five deep."""
        if hasattr(type(value), "make_context"):  # a command of click
            value = value.callback
        while type(value) is types.FunctionType and hasattr(value, "__wrapped__"):
            value = value.__wrapped__
        if type(value) is not types.FunctionType or depth > 5:
            return
        code = value.__code__
        is_plain = not code.co_flags & 0x2A0  # generators and coroutines run later
        if is_plain and id(code) not in self.seen and site_relative(code.co_filename):
            self.seen.add(id(code))
            self.read(code, value.__globals__, {}, depth)

    def read(self, code: Any, namespace: dict[str, Any], local: dict[str, Any], depth: int) -> None:
        """Go through compiled code: import what it imports, and follow the functions it calls."""
        compiled = CompiledCode(code)
        bound: dict[str, Any] = {}
        value = None
        for index, step in enumerate(compiled.steps):
            operation, name = step.opname, step.argval
            is_module = issubclass(type(value), types.ModuleType)  # isinstance wakes lazy objects
            attributes: Any = vars(value) if is_module else {}
            if operation == "IMPORT_NAME":
                bound = self.import_late(compiled, index, namespace)
                value = bound.get(name.partition(".")[0])
            elif operation == "IMPORT_FROM":
                value = bound.get(name, attributes.get(name))
            elif operation in ("LOAD_ATTR", "LOAD_METHOD"):
                self.changes_path = self.changes_path or (value is sys and name == "path")
                value = attributes.get(name)
            elif operation.startswith("STORE_"):
                local[name] = value
            elif operation.startswith(("LOAD_FAST", "LOAD_DEREF")):
                value = local.get(name)
            elif operation in ("LOAD_GLOBAL", "LOAD_NAME"):
                value = namespace.get(name)
            elif isinstance(name, types.CodeType) and not name.co_freevars:
                value = types.FunctionType(name, namespace)
            elif not operation.startswith(("MAKE_", "SET_F", "SWAP", "ROT_", "POP_TOP")):
                value = value if isinstance(name, str) else None  # a function's name keeps it
            if value is not None and operation.startswith("LOAD_") and compiled.is_called(index):
                if compiled.is_certain(step.offset):
                    self.follow(value, depth + 1)

    def import_late(self, compiled: CompiledCode, index: int, namespace: Any) -> dict[str, Any]:
        """Execute an import statement that surely runs; return what it binds. Keep others."""
        level, names, module = (step.argval for step in compiled.steps[index - 2 : index + 1])
        code, offset = compiled.code, compiled.steps[index].offset
        line = [row for start, row in dis.findlinestarts(code) if start <= offset][-1]
        module = "." * level + module
        text = f"from {module} import {', '.join(names)}" if names else f"import {module}"
        job = compile("\n" * ((line or 1) - 1) + text, code.co_filename, "exec", dont_inherit=True)
        scope = {key: namespace.get(key) for key in ("__name__", "__package__")}
        if self.changes_path or not compiled.is_certain(offset):  # the change was not made
            self.optional.append(partial(exec, job, scope))
            return {}
        try:
            exec(job, scope)  # noqa: S102 - the program's own statement
        except (ImportError, SyntaxError):
            raise
        except Exception as error:
            doubt = f"importing {module} fails unless other code ran before it"
            self.doubts.append(f"{doubt} ({self.explain(error)})")
        return scope

    def explain(self, error: BaseException) -> str:
        """Describe why an import failed, by the first of its causes that names a module."""
        if isinstance(error, SyntaxError) and error.filename:
            file = site_relative(error.filename) or error.filename
            return f"{file}:{error.lineno}: {type(error).__name__}: {error.msg}"
        places: list[Any] = []
        causes: list[BaseException] = []
        cause: Any = error
        while cause is not None and cause not in causes:
            causes.append(cause)
            places += program_places(cause)
            leaf = re.search(r"cannot import name '(\w+)'", str(cause))
            name = cause.name if isinstance(cause, ImportError) else ""
            name = f"{name}.{leaf[1]}" if leaf else name
            if name and (isinstance(cause, ModuleNotFoundError) or name in self.removed):
                return self.explain_missing(name, places)
            cause = cause.__cause__ or cause.__context__
        if not places:
            return str(error)
        file, line, *_ = (program_places(error) or places)[-1]
        text = f"{file}:{line}: {type(error).__name__}: {error}".partition("\n")[0]
        top = re.split(r"\W", file)[0]
        dists = [self.removed[name] for name in self.removed if name.startswith(f"{top}.")]
        if self.lacked and (dists or (isinstance(error, ImportError) and not error.name)):
            return self.explain_missing(*self.lacked)  # another error was raised in its place
        if dists:
            problem = f"{dists[0]} lacks its extension modules, which cannot run in the executable"
            return f"{problem} ({text})"
        return text

    def explain_removed(self, name: str, places: list[Any]) -> str:
        """Describe an extension module that was removed, and the distributions on the way to it."""
        tops = [re.split(r"\W", one[0])[0] for one in places]
        chain = [*dict.fromkeys(self.packages.get(one, one) for one in tops)]
        if self.removed[name] not in (chain[-1], "the program"):
            chain.append(self.removed[name])
        path = " -> ".join(one.partition(" ")[0] for one in chain)
        file, line, *_ = places[-1]
        place = f"{path}; {file}:{line}" if "->" in path else f"{file}:{line}"
        problem = f"{self.removed[name]} needs its extension module {name}, which cannot run"
        return f"{problem} in the executable ({place})"

    def explain_missing(self, name: str, places: list[Any]) -> str:
        """Describe a module that is missing where the last of `places` asks for it."""
        if not places:
            return f"there is no module {name}; correct COSMO_ENTRY or PKG"
        file, line, code, offset = places[-1]
        place = f"{file}:{line}"
        top = name.partition(".")[0]
        if name in self.removed:
            return self.explain_removed(name, places)
        if top in getattr(sys, "stdlib_module_names", (top,) if top[0] == "_" else ()):
            steps = [step for step in dis.get_instructions(code) if step.offset == offset]
            imported = [step.argval for step in steps if step.opname == "IMPORT_NAME"] or [name]
            packages = itertools.accumulate(imported[0].split("."), "{}.{}".format)
            absent = next((one for one in packages if one not in sys.modules), imported[0])
            if absent == name:
                return f"{place} imports {name}, which this interpreter lacks"
            return f"{absent} needs {name}, which this interpreter lacks ({place} imports it)"
        spec = importlib.machinery.PathFinder.find_spec(top)
        beside = [file for file in self.beside if file in (top, f"{top}.py")]
        problem = "is not installed"
        if spec and spec.origin:
            problem = f"{top} does not have"
        elif beside:
            problem = f"lies beside the program; put it in with COSMO_INCLUDE={beside[0]}"
        elif find_pth(top):
            problem = (
                f"{find_pth(top)} would make importable; .pth files do not work in the executable"
            )
        elif top in FORMER.split():
            version = "{}.{}".format(*sys.version_info)
            problem = f"Python {version} no longer has; take a newer release, or another Python"
        return f"{place} imports {name}, which {problem}"


def find_pth(top: str) -> str:
    """Find the .pth file that names a folder with this module; empty if there is none."""
    sites = [site for site in sys.path if os.path.isdir(site)]
    files = [os.path.join(site, name) for site in sites for name in sorted(os.listdir(site))]
    for pth in (file for file in files if file.endswith(".pth")):
        with open(pth, encoding="utf-8", errors="replace") as lines:
            for line in filter(str.strip, lines):
                path = os.path.join(os.path.dirname(pth), line.strip(), top)
                if any(os.path.exists(path + end) for end in ("", ".py", ".pyc")):
                    return os.path.basename(pth)
    return ""


def try_start(trial: StartTrial, report: Callable[..., None]) -> None:
    """Import what starts; report what is missing, and remarks."""
    sys.argv = [trial.module]
    sys.meta_path.append(trial)
    try:
        trial.import_entry()
    except BaseException as error:
        is_exit = isinstance(error, SystemExit) and not isinstance(error.__context__, ImportError)
        alone = trial.needs_network or isinstance(error, EOFError)
        if alone and not isinstance(error, ImportError):
            text = f"importing {trial.module} fails without network, input and home"
            return report("remark", f"{text}; try it by hand")
        if not is_exit:
            return report("missing", trial.explain(error))
        if error.args[:1] not in ((), (0,), (None,)):
            report("remark", f"importing {trial.module} ends the program ({error})")
    report("done", "")
    for doubt in trial.doubts:
        report("remark", doubt)
    zones = getattr(sys.modules.get("zoneinfo"), "available_timezones", None)
    if zones and not zones():
        report("remark", "zoneinfo finds no time zones; require tzdata")
    for run in trial.optional:
        trial.lacked = None
        try:
            run()
        except BaseException as error:
            if isinstance(error, ImportError):
                report("remark", f"needed only in some cases: {trial.explain(error)}")
    return None


def run_forked(work: Callable[..., None], seconds: int) -> tuple[list[list[str]], int]:
    """Run `work` in a child process; return the rows that it reports, and its exit status.

    The status is negative if a signal ended it: SIGALRM if it took too long.
    """
    reading, writing = os.pipe()
    signal.alarm(seconds + 30)  # for a pipe that stays open in what the child leaves behind
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            signal.alarm(seconds)
            work(lambda *row: os.write(writing, json.dumps(row).encode() + b"\n"))
            os.write(writing, b"\n")
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:
        rows = [json.loads(row) for row in itertools.takewhile(str.strip, pipe)]
    with contextlib.suppress(OSError):
        os.killpg(child, signal.SIGKILL)  # with what it has started
    return rows, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def find_problems(trial: StartTrial) -> Iterator[str]:
    """Yield a line for what is missing, and for each remark."""
    rows, status = run_forked(partial(try_start, trial), 60)
    yield from (f"{kind}: {text}" for kind, text in rows if text)
    if not rows:
        ended = f"signal {-status}" if status < 0 else f"exit status {status}"
        ended = f"importing {trial.module} ends the interpreter ({ended})"
        late = "importing what starts takes longer than a minute"
        yield f"missing: {late if status == -signal.SIGALRM else ended}"


def check_start(entry: str, notes: str = "", beside: str = "") -> None:
    """Print a line for each reason why `entry` cannot start; exit with status 1 if there is one.

    `notes` and `beside` are files: what `fit` noted, and the names of what lies beside the program.
    """
    texts = [""] * 2
    for number, path in enumerate((notes, beside)):
        if os.path.isfile(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                texts[number] = file.read()
    trial = StartTrial(entry, {"beside": texts[1].split("\n"), **json.loads(texts[0] or "{}")})
    output, null = os.dup(1), os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    sys.addaudithook(trial.refuse_network)
    for name in os.environ.keys() - {"PATH", "TMPDIR"}:
        del os.environ[name]
    home = os.path.abspath(f".home-{os.getpid()}")
    os.mkdir(home)
    os.environ.update(HOME=home, TERM="dumb", LC_CTYPE="C.UTF-8")
    os.chdir(home)
    lines = list(find_problems(trial))
    os.write(output, "".join(f"{line}\n" for line in lines).encode("utf-8", "replace"))
    if any(line.startswith("missing: ") for line in lines):
        sys.exit(1)


# inside/fit.py ----------------------------------------------------------------
# Make an installed tree fit for the executable: no native code, no sources, a true RECORD.


import csv
import json
import os
import posixpath
import re
import sys
from typing import Any

NATIVE_NAME = re.compile(r"\.(so|pyd|dylib)$|\.so(\.\d+)+$")
"""Names of extension modules and shared libraries, which cannot run in the executable."""

NATIVE_STARTS = (b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
"""How native programs begin: ELF, PE and Mach-O."""

MACHINE_FILES = ("uv_cache.json", "uv_build.json")
"""What uv notes of this machine in a dist-info."""


def fit_site(site: str, notes: str, suffix: str = "c") -> None:
    """Remove from `site` what cannot run, and the sources that were compiled; mend each RECORD.

    `notes` is a JSON file: `removed` has each removed file, and the distribution that it is of;
    `native` the programs among them; `uncompiled` the modules that do not compile, which stay;
    `packages` what distribution each package is of. `suffix` is what compiling adds to `.py`: `c`,
    or nothing where sources are shipped too.
    """
    noted = read_notes(notes)
    removed, owners = noted.setdefault("removed", {}), file_owners(site)
    uncompiled, native = noted.setdefault("uncompiled", []), noted.setdefault("native", [])
    modules = {top_name(file): dist for file, dist in owners.items() if file.endswith(".py")}
    noted.setdefault("packages", {}).update(modules)
    scripts = os.path.join(site, "bin")
    if os.path.isdir(scripts) and not os.path.exists(os.path.join(scripts, "__init__.py")):
        names = [name for name in sorted(os.listdir(scripts)) if f"bin/{name}" in owners]
        for name in names:  # others come from COSMO_INCLUDE
            removed[f"bin/{name}"] = owners[f"bin/{name}"]
            native += [f"bin/{name}"] if is_native(os.path.join(scripts, name)) else []
            os.unlink(os.path.join(scripts, name))
        if not os.listdir(scripts):
            os.rmdir(scripts)
    for folder, _, names in os.walk(site):
        for path in sorted(os.path.join(folder, name) for name in names):
            file = os.path.relpath(path, site)
            if re.search(r"[\n\r]", file):
                sys.exit(f"{file!r}: the name of a file cannot hold a newline; rename it")
            if NATIVE_NAME.search(os.path.basename(file)):
                os.unlink(path)
                removed[file] = owners.get(file, "")
            elif file.endswith(".py") and suffix and not fit_source(site, file):
                uncompiled.append(file)
    for info in dist_infos(site):
        mend_record(site, info)
    if os.path.isfile(os.path.join(site, ".lock")):
        os.unlink(os.path.join(site, ".lock"))
    with open(notes, "w", encoding="utf-8") as out:
        json.dump(noted, out, indent=1, sort_keys=True)


def read_notes(notes: str) -> dict[str, Any]:
    """Read what an earlier call noted, if there was one."""
    if not os.path.isfile(notes):
        return {}
    with open(notes, encoding="utf-8") as file:
        return dict(json.load(file))


def is_native(path: str) -> bool:
    """Tell whether a file is a native program."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return file.read(4).startswith(NATIVE_STARTS)


def fit_source(site: str, file: str) -> bool:
    """Remove a `.py` that was compiled; keep one that is data. False if it does not compile."""
    path = os.path.join(site, file)
    if not is_module(site, file):
        if os.path.isfile(f"{path}c"):
            os.unlink(f"{path}c")
    elif os.path.isfile(f"{path}c"):
        os.unlink(path)
    else:
        with open(path, "rb") as source:
            content = source.read()
        try:
            compile(content, file, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
        sys.exit(f"the bytecode of {file} was not written; is the disk full?")
    return True


def is_module(site: str, file: str) -> bool:
    """Tell whether a `.py` can be imported: all folders up to its top package have `__init__`.

    Above the top package there may be the folders of a namespace package (PEP 420).
    """
    *folders, name = file.split(os.sep)
    if not all(part.isidentifier() for part in (*folders, name[:-3])):
        return False
    inits = []
    for end in range(1, len(folders) + 1):
        init = os.path.join(site, *folders[:end], "__init__.py")
        inits.append(os.path.exists(init) or os.path.exists(f"{init}c"))
    while inits and not inits[0]:
        del inits[0]
    return not folders or bool(inits and all(inits))


def top_name(file: str) -> str:
    """Return the name by which the package or module that a `.py` is in is imported."""
    return re.split(r"[/.]", file)[0]


def name_packages(site: str, info: str) -> None:
    """Write `top_level.txt`: before Python 3.12, packages are not found by `.pyc` in RECORD.

    Source: `importlib.metadata.packages_distributions`.
    """
    path, rows = os.path.join(site, info, "top_level.txt"), record_rows(site, info)
    files = [posixpath.normpath(row[0]) for row in rows if row[0].endswith(".py")]
    ends = ("", "c")
    here = [one for one in files if any(os.path.isfile(f"{site}/{one}{end}") for end in ends)]
    tops = sorted(set(map(top_name, here)))
    if tops and not os.path.exists(path):
        with open(path, "w", encoding="utf-8", newline="\n") as out:
            out.writelines(f"{top}\n" for top in tops)
        with open(os.path.join(site, info, "RECORD"), "a", encoding="utf-8") as record:
            record.write(f"{info}/top_level.txt,,\n")


def dist_infos(site: str) -> list[str]:
    """List the names of the dist-info folders in `site`."""
    return sorted(name for name in os.listdir(site) if name.endswith(".dist-info"))


def record_rows(site: str, info: str) -> list[list[str]]:
    """Read the rows of a RECORD whose paths lie in `site`; a hostile wheel may list others."""
    path = os.path.join(site, info, "RECORD")
    if not os.path.isfile(path):
        return []
    with open(path, encoding="utf-8", errors="replace", newline="") as file:
        rows = [row for row in csv.reader(file) if row]
    inside = [row for row in rows if posixpath.normpath(row[0]).split("/")[0] not in ("..", "")]
    return [row for row in inside if not re.search(r"[\n\r\0]", row[0])]


def file_owners(site: str) -> dict[str, str]:
    """Map each installed file to the canonical name and the version of its distribution."""
    owners = {}
    for info in dist_infos(site):
        name, _, version = info[: -len(".dist-info")].partition("-")
        for row in record_rows(site, info):
            owners[posixpath.normpath(row[0])] = f"{canonical_name(name)} {version}"
    return owners


def canonical_name(name: str) -> str:
    """Normalize a distribution's name. Source: PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def mend_record(site: str, info: str) -> None:
    """Make a RECORD list what is there, and remove what uv notes of this machine."""
    for name in MACHINE_FILES:
        if os.path.isfile(os.path.join(site, info, name)):
            os.unlink(os.path.join(site, info, name))
    address = os.path.join(site, info, "direct_url.json")
    if os.path.isfile(address):
        with open(address, encoding="utf-8") as file:
            local = '"file:' in file.read()
        if local:
            os.unlink(address)
    name_packages(site, info)
    rows = []
    for row in record_rows(site, info):
        path = os.path.join(site, row[0])
        if os.path.isfile(path):
            rows.append(row)
        elif row[0].endswith(".py") and os.path.isfile(f"{path}c"):
            rows.append([f"{row[0]}c", "", ""])
    if rows:
        with open(os.path.join(site, info, "RECORD"), "w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(sorted(rows))


# inside/main.py ---------------------------------------------------------------
# The programs that lines of a build run in the fetched interpreter: `FILE COMMAND ...`.
#
#     target [SPECIFIERS]            print uv's options for this interpreter; refuse another Python
#     fit SITE NOTES [SUFFIX]        make an installed tree fit for the executable
#     start SITE ENTRY NAME SETTING [OPTION ...]
#                                    write .args, and the names of the result and of what starts
#     check ENTRY NOTES BESIDE [ARGUMENTS]
#                                    check that what starts can be imported
#
# A refusal is one line on standard error.


import os
import re
import sys
from importlib import import_module


CALLABLE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
"""`module:function`. Source: the entry points specification."""

RESERVED = re.compile(r"(?i)(python|zip|lib|download)$|\.|.*\.(zip|part)$")
"""Names that the build folder needs for its own files."""


def print_target(specifiers: str = "") -> None:
    """Print the options by which uv installs for this interpreter; exit if it is another Python."""
    version = "{}.{}.{}".format(*sys.version_info)
    if specifiers:
        sets = import_module("pip._vendor.packaging.specifiers")
        try:
            suits = sets.SpecifierSet(specifiers).contains(version, prereleases=True)
        except sets.InvalidSpecifier as error:
            sys.exit(f"requires-python cannot be {specifiers!r}: {error}; correct it")
        if not suits:
            remedy = "name another release with COSMO_VERSION, or a file with COSMO_URL"
            sys.exit(f"it requires Python {specifiers}, and this is {version}; {remedy}")
    print(f"--python-version {version} --python-platform linux")


def read_commands(site: str) -> dict[str, str]:
    """Read the commands that the program installs, each with its `module:function`."""
    from configparser import ConfigParser  # imported here, as most programs do without

    parser = ConfigParser(delimiters="=", interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    for info in dist_infos(site):
        parser.read(os.path.join(site, info, "entry_points.txt"), "utf-8")
    groups = [group for group in ("console_scripts", "gui_scripts") if group in parser]
    return {
        name: re.sub(r"\s*\[.*\]\s*$", "", text).replace(" ", "")
        for group in groups
        for name, text in parser[group].items()
    }


def choose_start(site: str, notes: str, entry: str, setting: str) -> tuple[str, str]:
    """Choose the name of the result and what it starts: a command, else a package's `__main__`."""
    commands = read_commands(site)
    project = "".join(info.partition("-")[0] for info in dist_infos(site)) or "the program"
    listed = f"it has {', '.join(commands)}" if commands else "it has no commands"
    if entry in commands:
        return entry, commands[entry]
    if re.match("-[mr] ", entry) or CALLABLE.fullmatch(entry):
        return re.split("[:. ]", entry)[entry[:1] == "-"], entry
    if entry:
        sys.exit(f"{project} has no command {entry}; {listed}; name one, or module:function")
    same = [name for name in commands if canonical_name(name) == canonical_name(project)]
    if len(commands) == 1 or same:
        name = (same or list(commands))[0]
        return name, commands[name]
    if commands:
        remedy = f"name one with {setting}: {', '.join(commands)}"
        sys.exit(f"{project} has several commands; {remedy}")
    native = read_notes(notes).get("native", [])
    if native:
        program = "is a native program, which cannot run in the executable"
        sys.exit(f"{project} has no command written in Python: {native[0]} {program}")
    mains = [name for name in sorted(os.listdir(site)) if has_main_module(site, name)]
    same = [name for name in mains if canonical_name(name) == canonical_name(project)]
    if len(mains) == 1 or same:
        name = (same or mains)[0]
        return name, f"-m {name}"
    remedy = f"write one in [project.scripts], or name module:function with {setting}"
    sys.exit(f"{project} has no command, and no package with a __main__; {remedy}")


def has_main_module(site: str, name: str) -> bool:
    """Tell whether a package can be started by `python -m`."""
    main = os.path.join(site, name, "__main__.py")
    return os.path.isfile(main) or os.path.isfile(f"{main}c")


def write_start(site: str, entry: str, name: str, setting: str, *options: str) -> None:
    """Write `.args`, `.name`, the result's, and `.start`, what it starts, in the build folder."""
    command, target = choose_start(site, ".new/notes.json", entry, setting)
    plain = bool(name) or re.fullmatch(r"\w[\w.-]*", command)
    name = name or command
    if not plain or not name.isprintable() or RESERVED.match(name):
        sys.exit(f"the executable cannot be called {name!r}; name it with COSMO_OUT")
    module = target.partition(" ")[2] or target
    if target.startswith("-m "):
        start = ["-m", module]
    elif target.startswith("-r "):  # as `-m` does, but the executable's name is sys.argv[0]
        call = "import runpy, sys; sys.argv[0] = sys.executable;"
        start = ["-c", f'{call} runpy._run_module_as_main("{module}", False)']
    elif CALLABLE.fullmatch(target):
        module_name, _, function = target.partition(":")
        call = f"import sys; sys.argv[0] = sys.executable; from {module_name}"
        call += f" import {function.partition('.')[0]};"
        if "-I" in options:  # where a script's folder is not the first, as a program may expect
            call += ' sys.path.insert(0, "/zip/bin");'
        start = ["-c", f"{call} sys.exit({function}())"]
    else:
        sys.exit(f"the command {command} cannot start {target!r}: write module:function")
    for file, lines in (
        (".args", [*options, *start, "..."]),
        (".name", [name]),
        (".start", [module]),
    ):
        with open(file, "w", encoding="utf-8", newline="\n") as out:
            out.write("\n".join(lines))


def run_command(arguments: list[str]) -> None:
    """Run the program that the command line names."""
    programs = {
        "target": print_target,
        "fit": fit_site,
        "start": write_start,
        "check": check_start,
    }
    try:
        programs[arguments[0]](*arguments[1:])  # type: ignore[operator]
    except OSError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    run_command(sys.argv[1:])
