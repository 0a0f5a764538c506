"""Digests of all that a build, or a part of it, depends on: where they are the same, it is kept."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from .inside.distribution import requirements_lines
from .interpreter import file_sha256, file_state, wanted_sha256
from .project import Project
from .settings import SETTINGS


def digest_of(*parts: object) -> str:
    """The sha256 of values whose `repr` is all there is to say of them."""
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()


@lru_cache
def recipes_digest() -> str:
    """The sha256 of these recipes, and of the Python that runs them."""
    path = Path(__file__)
    files = sorted(path.parent.rglob("*.py")) if __name__ == "recipes.digest" else [path]
    return digest_of(sys.version, sys.prefix, [file.read_bytes() for file in files])


def tree_digest(folder: str) -> str:
    """The sha256 of the paths, sizes, modes and times of all files below a folder."""
    rows = []
    for path, _, names in os.walk(folder):
        for name in names:
            stat = os.lstat(f"{path}/{name}")
            times = (stat.st_mtime_ns, stat.st_ctime_ns)
            rows.append((path, name, stat.st_size, stat.st_mode, *times))
    return digest_of(sorted(rows))


def file_contents(paths: Iterable[Path], above: tuple[str, ...] = ()) -> Iterator[object]:
    """The path, mode and content of each file, and of each file below a folder.

    A link to a folder that it is in is left out; what copies the folder refuses it.
    """
    for path in paths:
        if path.is_file():
            yield str(path), path.stat().st_mode, hashlib.sha256(path.read_bytes()).digest()
        elif path.is_dir() and (real := os.path.realpath(path)) not in above:
            yield from file_contents(sorted(path.iterdir()), (*above, real))


def environment_inputs(p: Project, env: Mapping[str, str]) -> list[object]:
    """What around a project a build depends on: the tools, their variables and configuration.

    Source: uv's documentation, on configuration files.
    """
    home = Path(env.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    folder = Path(p.folder).absolute()
    folders = [folder, *folder.parents]
    files = [Path(folder, name) for folder in folders for name in ("pyproject.toml", "uv.toml")]
    files += [Path(env.get("UV_CONFIG_FILE") or os.devnull), Path("/etc/uv/uv.toml")]
    shared = (env.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)
    files += [Path(place, "uv/uv.toml") for place in (str(home), *shared)]
    found = (shutil.which(tool, path=env.get("PATH")) for tool in ("uv", "zip"))
    tools = [(tool, file_state(Path(tool))) for tool in found if tool]
    names = [name for name in sorted(env) if name.startswith(("UV_", "PIP_"))]
    variables = [(name, env.get(name)) for name in (*names, "SOURCE_DATE_EPOCH")]
    return [tools, list(file_contents(files)), variables]


def layer_inputs(p: Project, pylock: Path, env: Mapping[str, str]) -> str:
    """The digest of all that the installed dependencies depend on, in this environment.

    Empty where a dependency is a folder: the lock file does not say what is in it.
    """
    locked, deps = pylock.read_bytes(), p.get("COSMO_DEPS")
    if b"directory" in locked:
        return ""
    names = ("COSMO_EXCLUDE", "COSMO_KEEP", "COSMO_SOURCE", "COSMO_OPTIMIZE")
    return digest_of(
        recipes_digest(),
        environment_inputs(p, env),
        file_sha256(Path(p.build, "python")),
        locked,
        [line for line, _ in requirements_lines(deps)] if deps else (),
        sorted(path.name for path in Path(p.build, ".deps/own").glob("*.dist-info")),
        *(p.metadata.name or p.pkg, p.metadata.requires_python, [p.get(name) for name in names]),
    )


def umask() -> int:
    """What the modes of new files lack; it can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def build_inputs(p: Project, env: Mapping[str, str]) -> str:
    """The digest of all that the executables depend on, in this environment.

    Empty where it is not known beforehand: the interpreter is what a server has now, dependencies
    are not locked, or the program is what its own build backend makes of it.
    """
    addresses, python = p.get("COSMO_URL"), wanted_sha256(p, "python")
    if not python and len(addresses) == 1 and "://" not in addresses[0]:
        python = file_sha256(Path(addresses[0]))
    if not python or p.metadata.built or (p.installs and p.lock is None):
        return ""
    deps = p.get("COSMO_DEPS")
    return digest_of(
        *(recipes_digest(), environment_inputs(p, env), python, p.epoch, p.constraint, umask()),
        [(p.value(name).text, p.value(name).source) for name in SETTINGS],
        [line for line, _ in requirements_lines(deps)] if deps not in (None, "none") else (),
        list(file_contents((p.source, *p.beside, p.lock_file))),
    )


def made_files(p: Project) -> list[Path]:
    """The interpreter and the executables, which a build leaves behind."""
    return [Path(p.build, "python"), *(Path(executable.path) for executable in p.executables)]


def note_build(p: Project, env: Mapping[str, str], report: list[str]) -> None:
    """Note in `.built` what the executables were made of, if nothing of that has changed since.

    A note on others, which are no longer there as they were, may stay.
    """
    if p.inputs and p.inputs == build_inputs(p, env):
        states = [file_state(path) for path in made_files(p)]
        Path(p.build, ".built").write_text(json.dumps([p.inputs, states, report]), "utf-8")


def last_report(p: Project, inputs: str) -> list[str]:
    """The report of the last build, if it was of the same, and nothing was done to what it made."""
    with suppress(OSError, ValueError):
        before, states, report = json.loads(Path(p.build, ".built").read_text("utf-8"))
        now = [list(file_state(path)) for path in made_files(p)]
        if inputs and before == inputs and states == now:
            return [str(line) for line in report]
    return []
