"""The project: what its settings and `pyproject.toml` say of its source, and what is made of it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

from .lockfile import Lock, lock_name, read_lock
from .metadata import (
    Metadata,
    args_lines,
    find_entries,
    is_entry_point,
    read_metadata,
    run_module,
)
from .parsers import is_reserved
from .pyproject import ARTICLE, NAMED_BY, Location, check_names, locate_project, read_toml
from .settings import SETTINGS, Settings, Table
from .shell import RecipeError, exit_on_error, log, quote
from .source import check_source, find_packages, find_source, has_main

FIRST_TIME, LAST_TIME = 315_532_800, 4_291_747_198
"""The seconds from 1980, when a zip's times begin, to the last that a `.pyc` of 2105 holds."""

WORK_FILES = (
    ".args",
    ".deps",
    ".built",
    ".imports",
    ".layer",
    ".lock",
    ".new",
    ".smoke",
    "download",
    "python.part",
    "zip.part",
)
"""What a build writes in the build folder, beside Lib, the interpreter and the executables."""

APP_MARK = "# Written by `invoke cosmo.app`."
"""How a script begins that `cosmo.app` wrote."""

CONSTRAINT, FORCE, INPUTS = "constraint", "force", "inputs"
"""The names under which the options of a task may have versions to resolve with; that nothing of
an earlier build is to be kept; and the digest of all that the build depends on."""


class Executable(NamedTuple):
    """One output file: its name while it is made, its path, its `.args`, and what starts.

    `entry` is `module:function`, or a module to run; empty where COSMO_ARGS does not name one.
    """

    name: str
    path: str
    args: tuple[str, ...]
    entry: str


class Project(Settings):
    """A project to package. Its paths are relative to the current directory.

    What is wrong in a setting or in `pyproject.toml` raises `RecipeError` when it is first used.
    `faithful` if the article's table configures the build: then it is as the article's.
    """

    constraint = ""
    """Versions, as shell words, that the dependencies are to be resolved with."""
    force = inputs = ""
    """Not empty if nothing of an earlier build is to be kept; the digest of what goes in."""

    def __init__(self, location: Location, *given: Table) -> None:
        super().__init__(location.root, *given, *location.tables)
        self.location, self.script = location, location.script
        self.folder = os.path.relpath(location.root)
        check_names(location, given)
        if self.find("PKG")[1] in ("not set", *NAMED_BY):
            self.tables = (*self.infer_pkg(), *self.tables)
            self.parsed.clear()
        self.faithful = self.find("PKG")[1] == ARTICLE
        if self.faithful:
            self.tables = (
                *self.tables[:-1],
                Table(ARTICLE, {"COSMO_ISOLATED": "0"}),
                self.tables[-1],
            )

    @property
    def pkg(self) -> str:
        """The article's `$PKG`."""
        return str(self.get("PKG"))

    @property
    def site(self) -> str:
        """The article's `$DIR_SITE`."""
        path = os.path.normpath(os.path.join(self.folder, self.get("DIR_SITE")))
        return f"./{path}" if path.startswith("-") else path

    @property
    def build(self) -> str:
        """The article's `dist/cosmo`: whatever a build writes lies in it."""
        return os.path.dirname(os.path.dirname(self.site))

    @cached_property
    def metadata(self) -> Metadata:
        """What `[project]` says."""
        pyproject = self.location.pyproject
        backend = "build-system" in pyproject.data or (self.root / "setup.py").is_file()
        return read_metadata(pyproject, backend)

    @cached_property
    def source(self) -> Path:
        """The package's folder, or the module or script, that goes in."""
        _ = self.pkg
        return self.script or find_source(self.root, self.get("COSMO_SRC"), self.value("PKG"))

    @property
    def top(self) -> str:
        """The name of the program's package or module in DIR_SITE."""
        is_module = self.source.suffix == ".py" or self.source == self.script
        return self.pkg.partition(".")[0] + (".py" if is_module else "")

    @cached_property
    def is_app(self) -> bool:
        """Whether it is a script that `cosmo.app` wrote."""
        return self.script is not None and self.script.read_bytes().startswith(APP_MARK.encode())

    @cached_property
    def beside(self) -> list[Path]:
        """What else an installation brings, where the source's folder holds packages alone."""
        folder = self.source.parent
        if self.script or folder.resolve() == self.root or not self.metadata.dist_info:
            return []
        return [
            path
            for path in sorted(folder.iterdir())
            if path != self.source and path.stem.isidentifier() and not path.is_symlink()
            if path.suffix == ".py" or (path.is_dir() and any(path.rglob("*.py")))
        ]

    @cached_property
    def executables(self) -> tuple[Executable, ...]:
        """The executables to make: one, but for `COSMO_ENTRY=*`."""
        entry, words, out = self.value("COSMO_ENTRY"), self.get("COSMO_ARGS"), self.out
        by_default = self.value("COSMO_ISOLATED").source == "default"
        isolated = self.get("COSMO_ISOLATED") and not (words is not None and by_default)
        options = ("-I",) if isolated else ()
        if self.get("COSMO_SOURCE") and self.get("COSMO_OPTIMIZE"):
            options += ("-" + "O" * self.get("COSMO_OPTIMIZE"),)
        if words is not None and entry.text is not None:
            raise RecipeError("COSMO_ARGS and COSMO_ENTRY both say what starts; set one of them")
        scripts, entries = self.metadata.scripts, {self.pkg: ""}
        if words is None:
            main = has_main(self.source, self.pkg, scripts, self.get("COSMO_EXCLUDE"))
            preferred = None if self.faithful and main else self.metadata.main_script(self.pkg)
            entry = entry._replace(text=preferred) if entry.text is None else entry
            entries = find_entries(entry, scripts, self.pkg, main)
        if self.script and len(entries) == 1 and not is_reserved(self.script.stem):
            entries = {self.script.stem: entries.popitem()[1]}
        if out and len(entries) > 1:
            problem = f"cannot name {len(entries)} executables; set it for one entry"
            raise RecipeError(f"COSMO_OUT={out} {problem}")
        given, made = self.value("COSMO_ARGS"), []
        for name, call in entries.items():
            lines = args_lines(given, words, options, self.pkg, call, bool(self.script))
            start = call or (self.pkg if words is None else run_module(words))
            made.append(Executable(name, out or os.path.join(self.build, name), lines, start))
        return tuple(made)

    @property
    def entry_source(self) -> str:
        """What says which function starts, in parentheses; empty where none does."""
        if not any(":" in executable.entry for executable in self.executables):
            return ""
        text = self.value("COSMO_ENTRY").text
        return " (COSMO_ENTRY)" if is_entry_point(text or "") else " ([project.scripts])"

    @property
    def out(self) -> str:
        """The path in COSMO_OUT, empty where it is not set; not one the build folder needs."""
        out = self.get("COSMO_OUT")
        path = os.path.relpath(os.path.join(self.folder, out)) if out else ""
        first, *rest = os.path.relpath(path or ".", self.build).split(os.sep)
        if out and first != ".." and (rest or is_reserved(first)):
            raise self.value("COSMO_OUT").error(" is a name that the build folder needs itself")
        return path

    @property
    def lock_file(self) -> Path:
        """Where the lock lies: beside `pyproject.toml`, or beside a script, under its name."""
        return Path(self.folder, lock_name(self.script))

    @property
    def lock_command(self) -> str:
        """The command that writes the lock."""
        script = f" --script {quote(os.path.relpath(self.script))}" if self.script else ""
        return f"invoke cosmo.lock{script}"

    @cached_property
    def lock(self) -> Lock | None:
        """What is locked, None where nothing is. COSMO_SHA256 must agree with it."""
        old = f"{self.script.stem}.cosmo.lock" if self.script else "cosmo.lock"
        lock = read_lock(self.lock_file, old, self.lock_command)
        if lock and self.get("COSMO_SHA256") not in ("", lock.sha256):
            problem = f" is not what is locked, {lock.sha256}; remove one of them"
            raise self.value("COSMO_SHA256").error(problem)
        return lock

    @property
    def installs(self) -> bool:
        """Whether there are, or may be, dependencies to install."""
        deps, metadata = self.get("COSMO_DEPS"), self.metadata
        return deps != "none" and bool(deps or metadata.built or metadata.dependencies)

    @property
    def layer(self) -> str:
        """The folder for the installed dependencies; empty where there are none."""
        packages = self.lock is None or self.lock.packages
        return os.path.join(self.build, ".layer") if self.installs and packages else ""

    @property
    def writes_metadata(self) -> bool:
        """Whether there are dependencies to install, or metadata to write.

        The article knows neither: where its table configures the build, and there is nothing to
        install, the executable holds what the article puts in.
        """
        bare = self.get("COSMO_DEPS") == "none" or self.faithful or not self.metadata.dist_info
        return self.installs or not bare

    @cached_property
    def uses_uv_lock(self) -> bool:
        """Whether the project's own `uv.lock` says what to install, for lack of another."""
        if not self.installs or self.get("COSMO_DEPS") or self.script or self.lock:
            return False
        if (self.root / "uv.lock").is_file():
            return True
        for folder in (path for path in self.root.parents if (path / "uv.lock").is_file()):
            with suppress(RecipeError):  # what is not this project's own is none of its errors
                keys = ("tool", "uv", "workspace")
                workspace = read_toml(folder / "pyproject.toml").table(*keys)
                member, excluded = (
                    any(self.root in folder.glob(pattern) for pattern in workspace.strings(key))
                    for key in ("members", "exclude")
                )
                if member and not excluded:
                    return True
        return False

    @property
    def excluded(self) -> list[str]:
        """The tests of `find` for what COSMO_EXCLUDE names below the folder that it runs in."""
        return [f"-path ./{shlex.quote(pattern)}" for pattern in self.get("COSMO_EXCLUDE")]

    @cached_property
    def epoch(self) -> int:
        """The time, in seconds since 1970, of all that goes in.

        SOURCE_DATE_EPOCH, else the time of the last commit, else 1980; kept to what a zip and a
        `.pyc` can hold. Source: the specification of SOURCE_DATE_EPOCH, reproducible-builds.org.
        """
        given = os.environ.get("SOURCE_DATE_EPOCH")
        if given is not None and not re.fullmatch("[0-9]{1,18}", given):
            rule = "write a time in seconds since 1970, or unset it"
            raise RecipeError(f"SOURCE_DATE_EPOCH={given!r}: {rule}")
        seconds = int(given) if given is not None else last_commit(self.root)
        return min(max(seconds, FIRST_TIME), LAST_TIME)

    def check(self) -> None:
        """Check all settings, the source, the lock, and that no folder is in a result's place."""
        with exit_on_error("the settings cannot be read"):
            for name in SETTINGS:
                self.get(name)
            for path in (self.source, *self.beside):
                check_source(path, Path(self.build), self.get("COSMO_EXCLUDE"))
        results = [executable.path for executable in self.executables]
        for result in (*results, f"{self.build}/python", f"{self.build}/zip"):
            if Path(result).is_dir():
                raise RecipeError(f"{result} is a folder, in the place of a file to make; move it")
        _ = self.lock, self.epoch

    def check_build_folder(self) -> None:
        """Check that nothing a build writes leads out of the build folder."""
        build = Path(self.build)
        paths = [*(build / name for name in WORK_FILES), *(build / "download").rglob("*")]
        for path in (*paths, *build.glob(".ape*"), *build.glob(".layer/*")):
            if path.is_symlink():
                problem = "is a symbolic link, and a build would write through it; remove it"
                raise RecipeError(f"{path} {problem}")

    def infer_pkg(self) -> list[Table]:
        """PKG from what starts, where the project's name, if it has one, is no package's."""
        pkg, entry = self.value("PKG"), self.value("COSMO_ENTRY")
        if pkg.text is not None:
            with suppress(RecipeError):
                _ = self.script or find_source(self.root, self.get("COSMO_SRC"), pkg)
                return []
        scripts, where = self.metadata.scripts, "COSMO_ENTRY"
        if entry.text is None:
            entry, where = entry._replace(text="*" if scripts else None), "[project.scripts]"
        entries = find_entries(entry, scripts, "", True).values()
        tops = {re.split("[.:]", target)[0] for target in entries} - {""}
        if not tops and not scripts and not self.script:
            tops, where = set(find_packages(self.root / "src")), "the only package in src"
        return [Table(where, {"PKG": tops.pop()})] if len(tops) == 1 else []


def load_project(options: Mapping[str, str] | None = None) -> Project:
    """The project that the options of a task, the environment or the current directory name."""
    with exit_on_error("the settings cannot be read"):
        given = (Table("option", options or {}), Table("environment", os.environ))
        project = Project(locate_project(Path.cwd(), *given), *given)
        values = [(options or {}).get(name, "") for name in (CONSTRAINT, FORCE, INPUTS)]
        project.constraint, project.force, project.inputs = values
        return project


@lru_cache
def last_commit(folder: Path) -> int:
    """The time of the last commit where a project lies, in seconds; 0 where git has none.

    The environment's GIT_* variables make no difference; git's own safeguards hold.
    """
    env = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
    git = ["git", "-c", "log.showSignature=false", "log", "-1", "--format=%ct"]
    try:
        done = subprocess.run(  # no shell, and no value of a setting
            git,
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return 0
    if done.returncode and any((path / ".git").exists() for path in (folder, *folder.parents)):
        reason = (done.stderr.strip().splitlines() or ["git does not say why"])[0]
        log(f"epoch    1980, for git has no last commit here: {reason}")
    return int(done.stdout) if done.stdout.strip().isdigit() else 0
