"""The project: its folder, what its `pyproject.toml` says, its source, and what is made of it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from .lockfile import Lock, lock_name, read_lock
from .metadata import Metadata, args_lines, find_entries, read_metadata
from .parsers import Value, is_reserved
from .pyproject import ARTICLE, NAMED_BY, Location, locate_project
from .settings import (
    ARGS,
    DEPS,
    DIR_SITE,
    ENTRY,
    EXCLUDE,
    ISOLATED,
    NAMES,
    OPTIMIZE,
    OUT,
    PKG,
    SETTINGS,
    SHA256,
    SOURCE,
    SRC,
    Settings,
    Table,
)
from .shell import RecipeError, exit_on_error, log

FIRST_TIME, LAST_TIME = 315_532_800, 4_291_747_198
"""The seconds from 1980, when a zip's times begin, to the last that a `.pyc` of 2105 holds."""

WORK_FILES = (".args", ".deps", ".lock", ".new", ".smoke", "download", "python.part", "zip.part")
"""What a build writes in the build folder, beside Lib, the interpreter and the executables."""


class Executable(NamedTuple):
    """One output file: its name while it is made, its path, its `.args`, and its entry point."""

    name: str
    path: str
    args: tuple[str, ...]
    entry: str


class Project:
    """A project to package. Its paths are relative to the current directory.

    What is wrong with a setting, or in `pyproject.toml`, raises `RecipeError` when it is first used.
    """

    def __init__(self, location: Location, *given: Table) -> None:
        self.location = location
        self.folder, self.root = location.root, os.path.relpath(location.root)
        self.settings = Settings(location.root, *given, *location.tables)
        for name in location.tables[0].values if location.tables else ():  # [tool.cosmo.env]
            if name.startswith("COSMO_") and name not in NAMES:
                where = f"{location.pyproject.file}: {location.tables[0].source} {name}"
                raise RecipeError(f"{where} is no setting; `invoke cosmo.settings` lists them")
        if self.settings.lookup.find("PKG")[1] in ("not set", *NAMED_BY):
            inferred = self.infer_pkg()
            self.settings = self.settings.override(inferred) if inferred else self.settings

    @cached_property
    def pkg(self) -> str:
        """The article's `$PKG`."""
        return self.settings.get(PKG)

    @cached_property
    def site(self) -> str:
        """The article's `$DIR_SITE`."""
        path = os.path.normpath(os.path.join(self.root, self.settings.get(DIR_SITE)))
        return f"./{path}" if path.startswith("-") else path

    @property
    def build(self) -> str:
        """The article's `dist/cosmo`: whatever a build writes lies in it."""
        return os.path.dirname(os.path.dirname(self.site))

    @cached_property
    def metadata(self) -> Metadata:
        """What `[project]` says."""
        has_backend = "build-system" in self.location.pyproject.data
        return read_metadata(
            self.location.pyproject, has_backend or (self.folder / "setup.py").is_file()
        )

    @cached_property
    def source(self) -> Path:
        """The package's folder, or the module or script, that goes in."""
        pkg = self.settings.value(PKG)
        self.settings.get(PKG)
        return self.location.script or find_source(self.folder, self.settings.get(SRC), pkg)

    @property
    def top(self) -> str:
        """The name of the program's package or module in DIR_SITE."""
        return self.pkg.partition(".")[0] + (".py" if self.source.suffix == ".py" else "")

    @cached_property
    def beside(self) -> list[Path]:
        """What else an installation brings, of a folder that holds packages alone, as `src` does."""
        folder = self.source.parent
        if self.location.script or folder == self.folder or not self.metadata.dist_info:
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
        get, value = self.settings.get, self.settings.value
        entry, words, out = value(ENTRY), get(ARGS), self.out()
        options = ("-I",) * get(ISOLATED)
        if get(SOURCE) and get(OPTIMIZE):
            options += ("-" + "O" * get(OPTIMIZE),)
        if words is not None and entry.text is not None:
            raise RecipeError("COSMO_ARGS and COSMO_ENTRY both say what starts; set one of them")
        entries = {self.pkg: ""}
        if words is None:
            main = has_main(self.source, self.pkg, self.metadata.scripts, get(EXCLUDE))
            entries = find_entries(entry, self.metadata.scripts, self.pkg, main)
        if out is not None and len(entries) > 1:
            number = f"{len(entries)} executables"
            raise RecipeError(f"COSMO_OUT={out} cannot name {number}; set it for one entry")
        return tuple(
            Executable(
                name,
                out or os.path.join(self.build, name),
                args_lines(value(ARGS), words, options, self.pkg, call),
                call,
            )
            for name, call in entries.items()
        )

    def out(self) -> str | None:
        """The path that COSMO_OUT names; the build folder's own names are refused."""
        out = self.settings.get(OUT)
        if out is None:
            return None
        path = os.path.relpath(os.path.join(self.root, out))
        inner = os.path.relpath(path, self.build).split(os.sep)
        if inner[0] != ".." and (len(inner) > 1 or is_reserved(inner[0])):
            raise self.settings.value(OUT).error(" is a name that the build folder needs itself")
        return path

    @cached_property
    def lock_file(self) -> Path:
        """Where the lock lies: beside `pyproject.toml`; a script's beside it, under its name."""
        return Path(self.root, lock_name(self.location.script))

    @cached_property
    def lock(self) -> Lock | None:
        """What is locked, None where nothing is. COSMO_SHA256 must agree with it."""
        script = self.location.script
        old = f"{script.stem}.cosmo.lock" if script else "cosmo.lock"
        lock, given = read_lock(self.lock_file, old), self.settings.value(SHA256)
        if lock and self.settings.get(SHA256) not in ("", lock.sha256):
            problem = f" is not what is locked, {lock.sha256}; remove one of them"
            raise given.error(problem)
        return lock

    @property
    def writes_metadata(self) -> bool:
        """Whether there are dependencies to install, or metadata to write.

        The article's recipe knows neither: where its table configures the build, and there are no
        dependencies, the executable holds what the article puts in.
        """
        deps, metadata = self.settings.get(DEPS), self.metadata
        faithful = self.settings.lookup.find("PKG")[1] == ARTICLE
        return deps != "none" and bool(
            deps or metadata.built or metadata.dependencies or (metadata.dist_info and not faithful)
        )

    @property
    def installs(self) -> bool:
        """Whether there are, or may be, dependencies to install."""
        deps = self.settings.get(DEPS)
        return deps != "none" and bool(deps or self.metadata.built or self.metadata.dependencies)

    @cached_property
    def epoch(self) -> int:
        """The time, in seconds since 1970, of all that goes in.

        SOURCE_DATE_EPOCH, else the time of the last commit, else 1980; kept to what a zip and a
        `.pyc` can hold. Source: the specification of SOURCE_DATE_EPOCH, reproducible-builds.org.
        """
        given = os.environ.get("SOURCE_DATE_EPOCH")
        if given is not None and not re.fullmatch("[0-9]{1,18}", given):
            reason = "write a time in seconds since 1970, or unset it"
            raise RecipeError(f"SOURCE_DATE_EPOCH={given!r}: {reason}")
        seconds = int(given) if given is not None else last_commit(self.folder)
        return min(max(seconds, FIRST_TIME), LAST_TIME)

    def check(self) -> None:
        """Check all settings, the source, the lock, and that no file is in the way of a result."""
        for setting in SETTINGS:
            self.settings.get(setting)
        for path in (self.source, *self.beside):
            check_source(path, Path(self.build), self.settings.get(EXCLUDE))
        results = [executable.path for executable in self.executables]
        for result in (*results, f"{self.build}/python", f"{self.build}/zip"):
            if Path(result).is_dir():
                raise RecipeError(f"{result} is a folder, in the place of a file to make; move it")
        _ = self.lock, self.epoch

    def check_build_folder(self) -> None:
        """Check that nothing a build writes leads out of the build folder."""
        build = Path(self.build)
        paths = [build / name for name in WORK_FILES]
        for path in (*paths, *(build / "download").rglob("*"), *build.glob(".ape*")):
            if path.is_symlink():
                problem = "is a symbolic link, and a build would write through it; remove it"
                raise RecipeError(f"{path} {problem}")

    def infer_pkg(self) -> Table | None:
        """PKG from what starts, where the project's name, if it has one, is no package's."""
        pkg, source = self.settings.value(PKG), self.settings.get(SRC)
        if pkg.text is not None:
            with suppress(RecipeError):
                self.location.script or find_source(self.folder, source, pkg)
                return None
        entry = self.settings.value(ENTRY)
        scripts = self.metadata.scripts
        given = entry.text is not None
        start = entry if given else entry._replace(text="*" if scripts else None)
        entries = find_entries(start, scripts, "", True).values()
        tops = {re.split("[.:]", target)[0] for target in entries} - {""}
        where = "COSMO_ENTRY" if given else "[project.scripts]"
        return Table(where, {"PKG": tops.pop()}) if len(tops) == 1 else None


def load_project(options: Mapping[str, str] | None = None) -> Project:
    """The project that the options of a task, the environment or the current directory name."""
    with exit_on_error("the settings cannot be read"):
        given = (Table("option", options or {}), Table("environment", os.environ))
        return Project(locate_project(Path.cwd(), *given), *given)


def find_source(root: Path, src: str | None, pkg: Value) -> Path:
    """The package's folder or module, in COSMO_SRC, else in `src` or in the project's folder."""
    top = (pkg.text or "").partition(".")[0]
    folders = [root / "src", root] if src is None else [root / src]
    for path in (path for folder in folders for path in (folder / top, folder / f"{top}.py")):
        if path.is_file() if path.suffix else path.is_dir():
            return Path(os.path.relpath(path))
    looked = " nor ".join(str(folder / top) for folder in folders)
    remedy = "correct PKG, or name the folder it is in with COSMO_SRC"
    raise RecipeError(
        f"PKG={pkg.text} ({pkg.source}): there is neither {looked}, nor such a .py; {remedy}"
    )


def has_main(
    source: Path, pkg: str, scripts: Mapping[str, str], exclude: tuple[str, ...] = ()
) -> bool:
    """Whether `python -m PKG` starts it: a module that has scripts must itself say so.

    What is excluded starts nothing.
    """
    module = source.joinpath(*pkg.split(".")[1:])
    mains = [module / "__main__.py", module / "__main__.pyc"]
    if any(main.is_file() and not is_excluded(source, main, exclude) for main in mains):
        return True
    file = source if source.is_file() else module.with_name(f"{module.name}.py")
    if (module == source and not source.is_file()) or is_excluded(source, file, exclude):
        return False
    return file.is_file() and (not scripts or b"__main__" in file.read_bytes())


def check_source(source: Path, build: Path, exclude: tuple[str, ...]) -> None:
    """Check that a source can be packaged, but for what is excluded."""
    if source.is_dir() and source.resolve() in (build.resolve(), *build.resolve().parents):
        usual = "dist/cosmo/Lib/site-packages is usual"
        raise RecipeError(f"DIR_SITE lies among the sources, in {source}; {usual}")
    for path in source.rglob("*"):
        if re.search(r"[\n\r]", path.name):
            raise RecipeError(
                f"{str(path)!r}: a packed file's name cannot hold a newline; rename it"
            )
        if path.is_symlink() and not path.exists():
            editor = (
                "an editor's lock: close the file, or" if path.name.startswith(".#") else "a link;"
            )
            raise RecipeError(f"{path} leads to no file, as {editor} remove it")
        native = re.search(r"\.(so|pyd|dylib)(\.[0-9]+)*$", path.name)
        if native and not is_excluded(source, path, exclude):
            raise RecipeError(
                f"{path} cannot run in the executable, as no compiled module can; if the program"
                " works without, name it in COSMO_EXCLUDE"
            )


def is_excluded(source: Path, path: Path, exclude: tuple[str, ...]) -> bool:
    """Whether COSMO_EXCLUDE names a file of the source, or a folder that it is in."""
    inner = path.relative_to(source.parent)
    names = [str(part) for part in (inner, *inner.parents)]
    return any(fnmatchcase(name, pattern) for name in names for pattern in exclude)


def last_commit(folder: Path) -> int:
    """The time of the last commit where a project lies, in seconds; 0 where git has none.

    The environment's GIT_* variables make no difference; git's own safeguards hold.
    """
    env = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-c", "log.showSignature=false", "log", "-1", "--format=%ct"],  # noqa: S607
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
