"""The project: which of the three ways packages it, what is copied, and what starts."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from .location import ARTICLE, app_path, check_lists, distribution_name, locate
from .lockfile import Lock, lock_command, lock_name, normalize_name, read_lock, table
from .settings import Settings, Table, check_names, is_reserved, read_settings
from .shell import RecipeError, exit_on_error

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
