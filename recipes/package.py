"""The tasks that run the phases: package a project, a script or a release; and the lock."""

from __future__ import annotations

import re
from dataclasses import replace
from json import dumps
from textwrap import wrap
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.executor import Executor
from invoke.tasks import task

from .dependencies import (
    check_lock,
    requirements_kind,
    resolve,
    resolved_packages,
    write_lock,
)
from .fetch import cache_folder, prune_cache
from .lockfile import normalize_name
from .phases import clean, compile_site, deps, fetch, report, setup, update
from .project import Options, Project, load_project
from .session import PROJECT, build_session, make_shell
from .settings import TABLE
from .shell import RecipeError, log, print_result, quote

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
