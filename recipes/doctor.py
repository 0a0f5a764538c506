"""Check whether a build can run on this machine, and how an executable starts on it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from json import dumps
from pathlib import Path

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from .fetch import cached_file, tool_address, wanted_sha256
from .lockfile import public_url
from .project import load_project
from .session import find_uv, needs_uv
from .shell import RecipeError, print_result, printable, quote

Row = tuple[str, str, str]
"""A name, a state (`ok`, `note` or `missing`), and what was found; a remedy unless it is ok."""
BINFMT = Path("/proc/sys/fs/binfmt_misc")


@task(name="check", default=True, help={"json": "Print JSON."})
def check_machine(c: Context, json: bool = False) -> None:
    """Check this machine for what a build needs."""
    rows = [*check_build(c), *check_start(c, BINFMT)]
    table = [f"{state:<8} {name:<12} {printable(text)}" for name, state, text in rows]
    data = [dict(zip(("name", "state", "text"), row)) for row in rows]
    print_result(dumps(data, indent=2) if json else "\n".join(table))
    missing = [f"{name}: {text}" for name, state, text in rows if state == "missing"]
    if missing:
        raise RecipeError(f"`invoke cosmo` cannot run here: {'; '.join(missing)}")


def check_build(c: Context) -> Iterator[Row]:
    """Yield whether the project can be read, and what a build of it needs. Ask no server."""
    name, root, downloads, offline = "project", ".", True, False
    try:
        p = load_project()
        root, offline, address = str(p.root), p.settings.offline, tool_address(p, "python")
        yield name, "ok", f"{p.label}, in {root}"
        locked, last = cached_file(wanted_sha256(p, "python")), cached_file("*", address)
        downloads = "://" in address and not locked and not offline
        state = "in the cache" if locked or last else "to be fetched"
        if "://" in address and offline and not (locked or last):
            yield "interpreter", "missing", f"{public_url(address)} is not cached; go online once"
        else:
            yield "interpreter", "ok", f"{public_url(address)}, {state}"
        name = "uv"
        if needs_uv(p):
            yield name, "ok", find_uv(p).uv_version
    except RecipeError as error:
        yield name, "missing", str(error)
    sh, wget, zip_ = shutil.which("sh"), read_version(c, "wget"), read_version(c, "zip")
    yield "sh", "ok" if sh else "missing", sh or "none on PATH; use Linux, macOS or WSL"
    if downloads or not (zip_ or offline):
        get = "; get GNU Wget (apt install wget, brew install wget)"
        good = wget.startswith("GNU")
        yield "wget", "ok" if good else "missing", (wget or "none on PATH") + get * (not good)
    get = "none on PATH; a build fetches one, but `bundle` needs it (apt install zip)"
    yield "zip", "ok" if zip_ else "note", zip_ or get
    yield check_folder("disk", root, "missing")


def read_version(c: Context, program: str) -> str:
    """Return what a program calls itself when it is run with --version, "" if it does not."""
    options = {"shell": "/bin/sh", "hide": True, "warn": True, "in_stream": False, "dry": False}
    done = c.run(f"{quote(program)} --version", **options)
    match = re.search(r"(GNU Wget2?|BusyBox|Zip|zsh|fish, version) v?\d[\d.]*", str(done))
    return match[0] if match else ""


def check_folder(name: str, path: str, state: str) -> Row:
    """Check that a folder can be written, and that programs start there; else say `state`."""
    if not os.access(path, os.W_OK):
        return name, state, f"{path} cannot be written; use another"
    if os.statvfs(path).f_flag & getattr(os, "ST_NOEXEC", 0):  # macOS has no such flag
        return name, state, f"{path} is mounted noexec: no program starts there; use another"
    return name, "ok", path


def check_start(c: Context, binfmt: Path) -> Iterator[Row]:
    """Yield what decides how an executable starts: the loader's folder, the shell, the kernel."""
    loader = [name for name in ("TMPDIR", "HOME") if os.environ.get(name)]
    yield from (check_folder(name, os.environ[name], "note") for name in loader)
    if not loader:
        yield "TMPDIR", "note", "not set, nor is HOME; set one, for the loader is written there"
    shell, first = os.environ.get("SHELL", ""), {"zsh": (5, 9), "fish": (3, 3)}
    if Path(shell).name in first:
        version = read_version(c, shell)
        old = tuple(map(int, re.findall(r"\d+", version)[:2])) < first[Path(shell).name]
        rule = " does not start executables; use `sh ./program`" if old else ""
        yield "shell", "note" if old else "ok", f"{version}{rule}"
    handlers = {}
    for file in {*binfmt.glob("*")} - {binfmt / "register"}:
        lines = file.read_text("utf-8").splitlines()
        magic = next((line[6:] for line in lines if line.startswith("magic ")), "-")
        if "enabled" in lines and b"MZqFpD='".hex().startswith(magic):
            handlers[magic] = file.name
    if "4d5a" in handlers:  # MZ
        text = "takes ./program for a Windows program; use `sh ./program`"
        yield "start", "note", f"{handlers['4d5a']} {text}"
    elif handlers:
        yield "start", "ok", f"the kernel starts ./program, by {min(handlers.values())}"
    else:
        text = "shells start ./program; where there is none (subprocess, systemd)"
        yield "start", "note", f"{text} use `sh ./program`"


doctor = Collection("doctor", check_machine)
