"""Whether this machine can package a project, and how an executable starts on it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from json import dumps
from pathlib import Path
from textwrap import fill
from typing import NamedTuple

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from .interpreter import FETCHED, cached_download, cached_file, tool_addresses, wanted_sha256
from .parsers import is_executable
from .project import Project, load_project
from .shell import RecipeError, print_result, printable

STATE_COLOURS = {"ok": "32", "note": "33", "missing": "31"}
BINFMT, MOUNTS = Path("/proc/sys/fs/binfmt_misc"), Path("/proc/self/mounts")
REGISTER = f"echo ':APE:M::MZqFpD::/bin/sh:' | sudo tee {BINFMT}/register"
"""Lets the kernel start an executable until it restarts. Source: Cosmopolitan's README."""
SHELLS = {"bash": (0, 0), "zsh": (5, 9), "fish": (3, 3)}
"""The first release that starts an executable. Source: Cosmopolitan's README; fish's releases."""
TOOLS = {
    "sh": ("it runs the lines of a build", "use Linux, macOS or WSL"),
    "wget": ("GNU Wget downloads the interpreter", "apt install wget, brew install wget"),
    "zip": ("a build fetches one", "apt install zip, brew install zip"),
    "uv": ("it installs dependencies, where there are any", "pip install uv"),
    "git": ("all that goes in is dated 1980", "apt install git, or set SOURCE_DATE_EPOCH"),
}
"""The programs that a build calls: what to say where there is none, and how to get it."""


class Finding(NamedTuple):
    """One row: a name, `ok`, `note` or `missing`, what was found, and what to do."""

    name: str
    state: str
    text: str
    remedy: str = ""


def run_program(*words: str) -> tuple[int, str]:
    """The exit status of a program that gets no input, and its output; -1 if it cannot run."""
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(  # noqa: S603 - a list, no shell
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False
        )
        return done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace")
    return -1, ""


def tool_findings(needed: set[str]) -> Iterator[Finding]:
    """Which Python this is, and which of the programs that a build calls there are."""
    yield Finding("Python", "ok", f"{sys.version.split()[0]}, {sys.executable}")
    beside = [str(Path(sys.executable).with_name("uv")), os.environ.get("UV", "")]
    for name, (purpose, remedy) in TOOLS.items():
        places, state = [name, *beside * (name == "uv")], "missing" if name in needed else "note"
        path = next(filter(None, map(shutil.which, places)), None)
        status, output = run_program(path or "", "--version")
        found = re.search(r"(GNU Wget2?|BusyBox|Zip|uv|git version) v?\d[\d.]*\d", output)
        works = found or name == "sh" or status == 0
        text = f"{found[0]}, {path}" if found else path or "none on PATH"
        text += "" if works or not path else f" does not run (exit status {status})"
        good = path and works and (name, found and found[1]) != ("wget", "BusyBox")
        yield Finding(name, "ok" if good else state, text if good else f"{text}; {purpose}", remedy)


def fetched_finding(p: Project, name: str) -> Finding:
    """Whether a build can have the interpreter, or zip: from the cache, a path or a server."""
    label, addresses = {"python": "interpreter"}.get(name, "zip to fetch"), tool_addresses(p, name)
    remedy = f"check the network, or set {FETCHED[name]} to a mirror or a file"
    if cached_file(wanted_sha256(p, name)):
        return Finding(label, "ok", "the locked one, from the cache")
    if "://" not in addresses[0]:
        found = addresses[0] if is_executable(Path(addresses[0])) else ""
        problem, remedy = "is no Actually Portable Executable", f"correct {FETCHED[name]}"
    elif p.get("COSMO_OFFLINE"):
        found = next(filter(cached_download, addresses), "")
        problem, remedy = "is not in the cache", "run `invoke cosmo` once without COSMO_OFFLINE"
    elif not shutil.which("wget"):
        return Finding(label, "note", f"{addresses[0]} cannot be asked without wget")
    else:  # by options that wget and wget2 take, and that write nothing
        ask = ("wget", "--spider", "--no-config", "--no-hsts", "-t", "1", "-T", "10")
        found = next((url for url in addresses if run_program(*ask, url)[0] == 0), "")
        problem = "does not answer"
    if found:
        return Finding(label, "ok", found)
    return Finding(label, "missing", f"{', '.join(addresses)} {problem}", remedy)


def project_findings(needed: set[str]) -> Iterator[Finding]:
    """The project, its disk, and what it fetches; what else it needs is added to `needed`."""
    p = load_project()
    if p.find("PKG")[0] is None and not (p.root / "pyproject.toml").exists():
        yield Finding("project", "note", f"none in {p.root}", "go to one, or set PKG to a package")
    else:
        p.check()
        needed |= {"uv"} if p.installs else set()
        yield Finding("project", "ok", f"{', '.join(e.name for e in p.executables)}, in {p.root}")
    for name in ("python",) if shutil.which("zip") else ("python", "zip"):
        finding = fetched_finding(p, name)
        needed |= {"wget"} if finding.state != "ok" and "://" in finding.text else set()
        yield finding
    remedy = "move the project to a disk with 200 MB where programs can start"
    yield folder_finding("disk", p.root, "missing")._replace(remedy=remedy)


def folder_finding(name: str, folder: Path, state: str, mounts: Path = MOUNTS) -> Finding:
    """Whether a folder has room, and a loader written there can start. Source: proc(5)."""
    paths = (folder, *folder.absolute().parents)
    real = next(path for path in paths if os.path.exists(path)).resolve()  # noqa: PTH110 - long names
    lines = mounts.read_text("utf-8", "replace").splitlines() if mounts.exists() else []
    points = {line.split()[1].replace(r"\040", " "): line.split()[3] for line in lines}
    options = next((points[str(one)] for one in (real, *real.parents) if str(one) in points), "")
    free = shutil.disk_usage(real).free // 1_000_000
    text, good = f"{folder}, {free:,} MB free", free >= (200 if state == "missing" else 1)
    if not real.is_dir() or not os.access(real, os.W_OK):
        text, good = f"{folder} cannot be written", False
    elif "noexec" in options.split(","):
        text, good = f"{folder} is mounted noexec: no loader starts there", False
    return Finding(name, "ok" if good else state, text, "set TMPDIR to another, for cron too")


def start_findings(binfmt: Path = BINFMT) -> Iterator[Finding]:
    """Whether the login shell and the kernel start an executable, and where its loader would be."""
    path, handlers, state = os.environ.get("SHELL", ""), {}, "note"
    since = SHELLS.get(Path(path).name, ())
    found = re.search(r"\d+\.\d+", run_program(path, "--version")[1] if since else "")
    old = found and tuple(map(int, found[0].split("."))) < since
    text = f"{path or 'not set'} {found[0] if found else ''}"
    yield Finding("shell", "note" if old else "ok", text, "start executables by `sh ./program`")
    for file in sorted({*binfmt.glob("*")} - {binfmt / "register"}):
        lines = file.read_text("utf-8").splitlines()
        magic = next((line[6:] for line in lines if line.startswith("magic ")), "-")
        if "enabled" in lines and b"MZqFpD='".hex().startswith(magic):
            handlers[magic] = file.name
    windows, remedy = handlers.get(b"MZ".hex()), "start it by `sh ./program`"
    if sys.platform == "darwin" and run_program("xcode-select", "-p")[0]:
        text, remedy = "there is no cc, to compile its loader on arm64", "xcode-select --install"
    elif windows:
        takes = "may take" if len(handlers) > 1 else "takes"
        text = f"{windows} {takes} ./program for a Windows program"
        remedy += f", or turn that off:\necho -1 | sudo tee {binfmt / windows}"
    elif handlers:
        state, text = "ok", f"the kernel starts ./program, by {', '.join(handlers.values())}"
    else:
        text = "shells start ./program; subprocess and systemd get ENOEXEC"
        remedy += f", or register it:\n{REGISTER}" * binfmt.exists()
    yield Finding("start", state, text, remedy)
    names = [name for name in ("TMPDIR", "HOME") if os.environ.get(name)]
    yield from (folder_finding(name, Path(os.environ[name]), "note") for name in names)
    if not names:
        yield Finding("TMPDIR", "note", "not set, nor is HOME, for the loader", "set TMPDIR")


def print_table(findings: list[Finding]) -> None:
    """Print the findings in 80 columns; in colours on a terminal, but for NO_COLOR."""
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    for name, state, *texts in findings:
        text, remedy = printable(texts[0]), texts[1]
        row = fill(text, 80, initial_indent=f"{state:<8} {name:<12} ", subsequent_indent=" " * 22)
        print_result(f"\x1b[{STATE_COLOURS[state]}m{row[:8]}\x1b[0m{row[8:]}" if coloured else row)
        for line in remedy.splitlines():
            print_result(fill(line, 80, initial_indent=" " * 4, subsequent_indent=" " * 4))


@task(name="check", default=True, help={"json": "Print the findings as JSON, for a machine."})
def check_machine(c: Context, json: bool = False) -> None:
    """Check whether `invoke cosmo` can run here, and how an executable starts here."""
    needed = {"sh"}
    try:
        findings = [*project_findings(needed)]
    except (RecipeError, OSError) as error:
        text, _, remedy = str(error).partition("; ")
        findings = [Finding("project", "missing", text, remedy)]
    findings += [*tool_findings(needed), *start_findings()]
    findings = [one._replace(remedy="") if one.state == "ok" else one for one in findings]
    if json:
        print_result(dumps([finding._asdict() for finding in findings], indent=2))
    else:
        print_table(findings)
    missing = [f"{f.name}: {f.text}; {f.remedy}" for f in findings if f.state == "missing"]
    if missing:
        raise RecipeError(f"`invoke cosmo` cannot run here: {'; '.join(missing)}")


doctor = Collection("doctor", check_machine)
