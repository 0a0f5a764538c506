"""The project: where it lies, which of the three ways packages it, and what starts."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from configparser import ConfigParser
from configparser import Error as ConfigError
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from .lockfile import Lock, lock_command, lock_name, parse_toml, read_lock, table
from .settings import Settings, Table, check_names, find, is_reserved, read_settings
from .shell import RecipeError, exit_on_error

ARTICLE = "[tool.ds.scripts] _.env"
FIRST_TIME, LAST_TIME = 315_532_800, 4_291_747_198
"""The seconds from 1980, when a zip's times begin, to the last that a `.pyc` of 2105 holds."""

SCRIPT_BLOCK = r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)*)^# ///$"
"""Metadata in a script's comments. Source: PEP 723, its reference implementation; may be empty."""


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
    starts: tuple[Start, ...]
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
        else:
            check_names((*outer, *tables), tables[0], root / (script or "pyproject.toml"))
        way = find_way(root, data, script, options)
        if way == "article":
            tables = (*tables, Table(ARTICLE, {"COSMO_ISOLATED": "0"}))
        settings, name = read_settings(root, (*outer, *tables)), distribution_name(root, data)
        check_out(settings)
        source, module = ("", "") if way == "wheel" else find_source(root, settings, script, data)
        starts = find_starts(settings, data, name, script, module, options)
        ignored = options.lock or options.app
        lock = None if ignored else read_lock(root / lock_name(script), lock_command(script))
        return Project(
            *(root, settings, options, way, data, name, script, source, module, starts),
            *(read_epoch(), lock),
        )


def check_out(settings: Settings) -> None:
    """Refuse a COSMO_OUT that is a file of the build folder's own."""
    build = os.path.dirname(os.path.dirname(settings.dir_site))
    first, *inner = Path(os.path.relpath(settings.out or "..", build)).parts
    if settings.out and first != ".." and (inner or is_reserved(first)):
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


def distribution_name(root: Path, data: Mapping[str, Any]) -> str:
    """Find the distribution's name where it is written, empty where only a build tells it."""
    parser = ConfigParser(interpolation=None)
    with suppress(ConfigError, UnicodeError):
        parser.read(root / "setup.cfg", "utf-8")
    names = [table(data, *keys).get("name") for keys in (("project",), ("tool", "poetry"))]
    name = next((str(one) for one in names if one), parser.get("metadata", "name", fallback=""))
    return name if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", name) else ""


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
        for path in (Path(folder, one) for folder in folders for one in (top, f"{top}.py")):
            if (root / path).is_file() if path.suffix else (root / path).is_dir():
                return str(path), name
    if any(names):
        top = next(filter(None, names)).partition(".")[0]
        places = " nor ".join(os.path.normpath(Path(folder, top)) for folder in folders)
        where = settings.values["PKG"].origin if settings.pkg else "[project]"
        remedy = "correct PKG, or name the folder it is in with COSMO_SRC"
        raise RecipeError(
            f"PKG={top} ({where}): there is neither {places}, nor such a .py; {remedy}"
        )
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


def find_starts(
    s: Settings, data: Mapping[str, Any], name: str, script: str, module: str, options: Options
) -> tuple[Start, ...]:
    """Find what starts; of a wheel the installed entry points say it, unless a setting does."""
    scripts = {key: str(one) for key, one in table(data, "project", "scripts").items()}
    if s.args is not None and s.entry:
        raise RecipeError("COSMO_ARGS and COSMO_ENTRY both say what starts; set one of them")
    if s.entry == "*" and s.out:
        raise RecipeError(
            f"COSMO_OUT={s.out} cannot name several executables; set it for one entry"
        )
    if s.args is not None:
        return (Start(s.pkg or module or name or os.path.basename(s.out or "program"), ""),)
    if not module:
        entry = options.app[1] if options.app else s.entry
        return (Start(s.pkg or "", entry or (f"-m {s.pkg}" if s.pkg else "")),)
    stem = Path(script).stem
    result = stem if script and not is_reserved(stem) else module
    if s.entry == "*" and scripts:
        return tuple(Start(key, one) for key, one in scripts.items())
    if s.entry and s.entry not in scripts and ":" not in s.entry:
        commands = f"the commands are {', '.join(scripts)}" if scripts else "there are no commands"
        problem = f" is neither `module:function` nor a command; {commands}; correct it"
        raise s.values["COSMO_ENTRY"].error(problem)
    if s.entry:
        return (Start(result, scripts.get(s.entry, s.entry)),)
    if len(scripts) == 1 and not s.pkg:
        return (Start(*next(iter(scripts.items()))),)
    return (Start(result, f"-r {module}" if script else f"-m {module}"),)


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
