"""The executable: what it was made of, whether that has changed, and the report on it."""

from __future__ import annotations

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

from .dependencies import wheel_file
from .fetch import digest_of, file_sha256, python_sha256, tool_address
from .lockfile import public_url
from .project import Project
from .shell import RecipeError, count, exit_on_error, log, printable, quote, show_output

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
