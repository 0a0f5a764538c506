"""What `invoke doctor` says of a machine: its programs, the interpreter, and what starts."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import invoke
import pytest

from mirror import Mirror
from projects import Done, Project, run
from recipes.doctor import Finding, folder_finding, print_table, start_findings

COLLECTIONS = ["doctor"]
"""What a vendored `tasks.py` holds in these tests, beside `cosmo`."""

CLOSED = "http://127.0.0.1:9/python"
TOOLS = ("sh", "wget", "zip", "git")
DEPENDENT = "[project]\nname = 'hello'\nversion = '1'\ndependencies = ['bird']\n"
GET_WGET = "apt install wget, brew install wget"


class Report(NamedTuple):
    """What one run of `invoke doctor --json` said: its rows, its last line, its exit status."""

    rows: dict[str, dict[str, str]]
    error: str
    status: int

    def state(self, name: str) -> str:
        """The state of a row."""
        return self.rows[name]["state"]


class Machine:
    """A machine with the programs that a test gives it, and a project on it."""

    def __init__(self, project: Project) -> None:
        self.project, self.bin = project, project.home / "bin"
        self.bin.mkdir()
        # Python by another path, for uv may lie beside the one that runs the tests
        self.python = project.home / "python/bin/python"
        self.python.parent.mkdir(parents=True)
        self.python.symlink_to(os.path.realpath(sys.executable))

    def command(self, *words: str, without: Iterable[str] = ()) -> list[str]:
        """The command that runs `invoke doctor` with PATH as the real tools but `without`."""
        for name in TOOLS:
            link, real = self.bin / name, shutil.which(name)
            if name in without and link.is_symlink():
                link.unlink()
            elif name not in without and real and not link.exists():
                link.symlink_to(real)
        return [str(self.python), "-m", "invoke", "doctor", *words]

    def environment(self, **settings: str) -> dict[str, str]:
        """The environment that it runs in."""
        env = self.project.environment(**settings)
        path = f"{env['PYTHONPATH']}{os.pathsep}{Path(invoke.__file__).parent.parent}"
        return {**env, "PATH": str(self.bin), "PYTHONPATH": path}

    def run(self, *words: str, without: Iterable[str] = (), **settings: str) -> Done:
        """Run `invoke doctor` in the project."""
        command = self.command(*words, without=without)
        return run(command, self.environment(**settings), self.project.path)

    def report(self, without: Iterable[str] = (), **settings: str) -> Report:
        """Run `invoke doctor --json`, and read what it prints."""
        done = self.run("--json", without=without, **settings)
        assert "Traceback" not in done.stderr
        rows = {row["name"]: row for row in json.loads(done.stdout)}
        missing = [name for name, row in rows.items() if row["state"] == "missing"]
        assert bool(missing) == bool(done.returncode)
        assert len(done.stderr.splitlines()) == done.returncode
        for name in missing:
            assert f"{name}: " in done.stderr
            assert rows[name]["remedy"] in done.stderr
        return Report(rows, done.stderr, done.returncode)


@pytest.fixture
def machine(project: Project) -> Machine:
    """A machine with the small project."""
    return Machine(project)


def script(path: Path, text: str) -> Path:
    """A program of one line for sh."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


# The programs


def test_with_all_tools_it_names_them_and_ends_well(machine: Machine) -> None:
    report = machine.report()
    assert report.status == 0
    said = {name: row["text"] for name, row in report.rows.items()}
    assert re.match(r"GNU Wget2? \d+\.[\d.]*\d, .*/bin/wget$", said["wget"])
    assert re.match(r"Zip 3\.\d, .*/bin/zip$", said["zip"])
    assert re.match(r"git version \d+\.[\d.]*\d, .*/bin/git$", said["git"])
    assert said["Python"] == f"{sys.version.split()[0]}, {machine.python}"
    assert said["project"] == f"hello, in {machine.project.path}"
    assert said["interpreter"] == str(machine.project.interpreter)
    for name in ("wget", "zip", "git", "sh", "Python", "project", "interpreter", "disk"):
        assert (report.state(name), report.rows[name]["remedy"]) == ("ok", "")


def test_uv_and_git_are_no_more_than_noted(machine: Machine) -> None:
    report = machine.report(without=["git"])
    assert report.status == 0
    assert report.rows["uv"]["state"] == report.rows["git"]["state"] == "note"
    assert report.rows["uv"]["remedy"] == "pip install uv"
    assert report.rows["git"]["text"] == "none on PATH; all that goes in is dated 1980"


def test_with_dependencies_uv_is_needed(machine: Machine) -> None:
    machine.project.write("pyproject.toml", DEPENDENT)
    report = machine.report()
    assert report.error.startswith("cosmo: `invoke cosmo` cannot run here: uv: none on PATH; ")
    assert report.error.endswith("; pip install uv\n")
    assert machine.report(COSMO_DEPS="none").status == 0
    script(machine.bin / "uv", "echo uv 0.9.1")
    assert machine.report().rows["uv"]["text"] == f"uv 0.9.1, {machine.bin}/uv"


def test_uv_beside_python_counts_as_it_does_for_a_build(machine: Machine) -> None:
    beside = script(machine.python.with_name("uv"), "echo uv 0.9.2")
    assert machine.report().rows["uv"]["text"] == f"uv 0.9.2, {beside}"


def test_wget_is_needed_where_a_server_is_to_be_asked(machine: Machine, mirror: Mirror) -> None:
    assert machine.report(without=["wget"]).state("wget") == "note"
    report = machine.report(without=["wget"], COSMO_URL=mirror.python)
    assert (report.state("wget"), report.state("interpreter")) == ("missing", "note")
    assert report.error.endswith(f"; {GET_WGET}\n")


def test_the_wget_of_busybox_does_not_do(machine: Machine, mirror: Mirror) -> None:
    script(machine.bin / "wget", "echo 'BusyBox v1.35.0 multi-call binary.' >&2; exit 1")
    report = machine.report(COSMO_URL=mirror.python)
    assert report.state("wget") == "missing"
    assert report.rows["wget"]["text"].startswith("BusyBox v1.35.0, ")
    assert machine.report().state("wget") == "note"


def test_a_zip_can_be_fetched(machine: Machine, mirror: Mirror) -> None:
    url = mirror.address + "/pub/cosmos/bin/zip"
    report = machine.report(without=["zip"], COSMO_ZIP_URL=url)
    assert (report.status, report.state("zip"), report.state("zip to fetch")) == (0, "note", "ok")
    report = machine.report(without=["zip"], COSMO_ZIP_URL=CLOSED)
    assert report.state("zip to fetch") == "missing"
    report = machine.report(without=["zip", "wget"], COSMO_ZIP_URL=url)
    assert report.state("wget") == "missing"


def test_without_sh_nothing_can_be_built(machine: Machine) -> None:
    assert machine.report(without=["sh"]).state("sh") == "missing"


# The interpreter


def test_a_server_is_asked_and_nothing_is_downloaded_or_written(
    machine: Machine, mirror: Mirror
) -> None:
    machine.command()
    before = sorted(machine.project.home.rglob("[!_]*"))
    report = machine.report(COSMO_URL=mirror.python)
    assert (report.state("interpreter"), mirror.asked) == ("ok", 1)
    assert not mirror.downloads
    after = [path for path in machine.project.home.rglob("[!_]*") if path.suffix != ".pyc"]
    assert sorted(after) == before


def test_a_server_that_does_not_answer_is_a_reason_to_end_with_1(machine: Machine) -> None:
    report = machine.report(COSMO_URL=CLOSED)
    assert report.error == (
        f"cosmo: `invoke cosmo` cannot run here: interpreter: {CLOSED} does not answer; check the"
        " network, or set COSMO_URL to a mirror or a file\n"
    )


def test_a_file_that_the_server_does_not_have_is_not_there(
    machine: Machine, mirror: Mirror
) -> None:
    assert machine.report(COSMO_URL=f"{mirror.address}/no").state("interpreter") == "missing"


def test_one_mirror_that_answers_will_do(machine: Machine, mirror: Mirror) -> None:
    report = machine.report(COSMO_URL=f"{CLOSED} {mirror.python}")
    assert report.rows["interpreter"]["text"] == mirror.python


def test_a_file_that_is_no_interpreter_is_not_taken_for_one(machine: Machine) -> None:
    text = machine.project.write("notes.txt", "notes\n")
    report = machine.report(COSMO_URL=str(text))
    assert report.error.endswith("is no Actually Portable Executable; correct COSMO_URL\n")


def test_what_is_in_the_cache_needs_no_server(machine: Machine, mirror: Mirror) -> None:
    settings = {"COSMO_URL": mirror.python, "COSMO_OFFLINE": "1"}
    assert machine.report(**settings).state("interpreter") == "missing"
    machine.project.succeed("cosmo.fetch", COSMO_URL=mirror.python)
    report = machine.report(without=["wget"], **settings)
    assert (report.status, report.state("interpreter")) == (0, "ok")
    digest = hashlib.sha256(machine.project.interpreter.read_bytes()).hexdigest()
    report = machine.report(COSMO_URL=CLOSED, COSMO_SHA256=digest)
    assert report.rows["interpreter"]["text"] == "the locked one, from the cache"
    assert machine.report(COSMO_URL=CLOSED).state("interpreter") == "missing"


# The project


def test_outside_a_project_the_rest_is_checked(machine: Machine) -> None:
    (machine.project.path / "pyproject.toml").unlink()
    shutil.rmtree(machine.project.path / "src")
    report = machine.report()
    assert (report.status, report.state("project"), report.state("wget")) == (0, "note", "ok")
    assert report.rows["project"]["text"] == f"none in {machine.project.path}"
    assert machine.report(COSMO_URL=CLOSED).status == 1


@pytest.mark.parametrize(
    ("file", "settings", "problem"),
    [
        ("not TOML\n", {}, "is not valid TOML"),
        ("", {"PKG": "hi"}, "there is neither"),
        ("", {"PKG": "hello", "COSMO_URL": "nowhere"}, "there is no file nowhere"),
    ],
)
def test_a_project_with_a_mistake_cannot_be_packaged(
    machine: Machine, file: str, settings: dict[str, str], problem: str
) -> None:
    machine.project.write("pyproject.toml", file)
    report = machine.report(**settings)
    assert report.state("project") == "missing"
    assert problem in report.rows["project"]["text"]
    assert report.state("git") == "ok"


# Folders


def mounted(tmp_path: Path, *rows: str) -> Path:
    """A file like `/proc/self/mounts`, where TMP stands for the folder that it lies in."""
    text = "".join(f"none {row} 0 0\n" for row in rows)
    path = tmp_path / "mounts"
    path.write_text(text.replace("TMP", str(tmp_path.resolve())))
    return path


@pytest.mark.parametrize(
    ("rows", "state"),
    [
        (["/ ext4 rw"], "ok"),
        (["/ ext4 rw,noexec"], "note"),
        (["TMP tmpfs rw,noexec", "/ ext4 rw"], "note"),
        (["TMP ext4 rw", "/ ext4 rw,noexec"], "ok"),
        (["TMP ext4 rw", "TMP tmpfs rw,noexec"], "note"),
        ([r"TMP/a\040b tmpfs rw,noexec", "/ ext4 rw"], "note"),
        (["TMP/a tmpfs rw,noexec", "/ ext4 rw"], "ok"),
        (["/ ext4 rw,x-noexec"], "ok"),
    ],
)
def test_of_the_mounts_the_nearest_says_whether_programs_start(
    tmp_path: Path, rows: list[str], state: str
) -> None:
    (tmp_path / "a b").mkdir()
    finding = folder_finding("TMPDIR", tmp_path / "a b/new", "note", mounted(tmp_path, *rows))
    assert finding.state == state
    assert ("noexec" in finding.text) == (state == "note")


def test_a_project_where_no_program_starts_cannot_be_packaged(tmp_path: Path) -> None:
    mounts = mounted(tmp_path, "/ ext4 rw,noexec")
    assert folder_finding("disk", tmp_path, "missing", mounts).state == "missing"


def test_a_build_needs_more_room_than_a_loader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(199_999_999))
    finding = folder_finding("disk", tmp_path, "missing")
    assert (finding.state, finding.text) == ("missing", f"{tmp_path}, 199 MB free")
    assert folder_finding("TMPDIR", tmp_path, "note").state == "ok"


def test_a_file_is_no_folder_for_a_loader(machine: Machine) -> None:
    file = machine.project.write("file", "")
    report = machine.report(TMPDIR=str(file))
    assert report.rows["TMPDIR"]["text"] == f"{file} cannot be written"
    assert (report.status, report.state("TMPDIR"), report.state("HOME")) == (0, "note", "ok")


def test_with_neither_tmpdir_nor_home_it_says_so(machine: Machine) -> None:
    report = machine.report(TMPDIR="", HOME="")
    assert "HOME" not in report.rows
    assert report.rows["TMPDIR"]["text"] == "not set, nor is HOME, for the loader"


# What starts an executable


def start_row(folder: Path, **handlers: str) -> Finding:
    """What is said of a machine with these handlers of binfmt_misc."""
    for name, text in handlers.items():
        (folder / name).write_text(text)
    (folder / "status").write_text("enabled\n")
    (folder / "register").mkdir(exist_ok=True)  # which cannot be read
    return next(row for row in start_findings(folder) if row.name == "start")


def handler(magic: str, enabled: str = "enabled") -> str:
    """The text of a handler for what begins so. Source: Linux, fs/binfmt_misc.c."""
    return f"{enabled}\ninterpreter /init\nflags: PF\noffset 0\nmagic {magic.encode().hex()}\n"


@pytest.mark.skipif(sys.platform != "linux", reason="binfmt_misc is Linux's")
def test_a_handler_of_the_kernels_says_what_starts(tmp_path: Path) -> None:
    row = start_row(tmp_path, python="enabled\ninterpreter /x\nextension .py\n", elf=handler("EL"))
    assert (row.state, row.text.startswith("shells start")) == ("note", True)
    assert "register it:\necho ':APE:M::MZqFpD::/bin/sh:'" in row.remedy
    row = start_row(tmp_path, WSLInterop=handler("MZ"))
    assert row.text == "WSLInterop takes ./program for a Windows program"
    assert row.remedy.endswith(f"\necho -1 | sudo tee {tmp_path}/WSLInterop")
    assert "`sh ./program`" in row.remedy
    row = start_row(tmp_path, APE=handler("MZqFpD"))
    assert (row.state, row.text.split()[1:3]) == ("note", ["may", "take"])
    row = start_row(tmp_path, WSLInterop=handler("MZ", "disabled"))
    assert (row.state, row.text) == ("ok", "the kernel starts ./program, by APE")


@pytest.mark.parametrize(
    ("name", "version", "state"),
    [
        ("zsh", "zsh 5.8.1 (x86_64-debian-linux-gnu)", "note"),
        ("zsh", "zsh 5.9 (x86_64-debian-linux-gnu)", "ok"),
        ("zsh", "zsh 5.10 (x86_64-debian-linux-gnu)", "ok"),
        ("fish", "fish, version 3.2.2", "note"),
        ("fish", "fish, version 3.3.0", "ok"),
        ("dash", "not asked", "ok"),
    ],
)
def test_an_old_shell_is_noted(machine: Machine, name: str, version: str, state: str) -> None:
    shell = script(machine.project.home / name, f"echo '{version}'")
    row = machine.report(SHELL=str(shell)).rows["shell"]
    assert row["state"] == state
    assert ("`sh ./program`" in row["remedy"]) == (state == "note")
    assert row["text"].startswith(str(shell))


# How it reads


def test_all_that_it_prints_fits_into_80_columns(machine: Machine) -> None:
    broken = {"COSMO_URL": f"{CLOSED}/{'long/' * 30}", "TMPDIR": "", "HOME": ""}
    for without, settings in ((), {}), (TOOLS, broken):
        done = machine.run(without=without, **settings)
        lines = done.stdout.splitlines()
        assert max(map(len, lines)) <= 80
        assert len(lines) <= 40
        assert {line.split()[0] for line in lines if line[0] != " "} <= {"ok", "note", "missing"}
        assert "\x1b" not in done.stdout
    remedies = [line for line in lines if line.startswith("    ") and line[4] != " "]
    assert f"    {GET_WGET}" in remedies


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_colour_is_for_a_terminal_without_no_color(
    machine: Machine, no_color: str, coloured: bool
) -> None:
    env = machine.environment(NO_COLOR=no_color)
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        machine.command(without=["git"]), env=env, cwd=machine.project.path, stdout=theirs
    ) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # Linux: the other end is closed
                break
            if not piece:
                break
            shown += piece
    os.close(ours)
    assert process.returncode == 0
    assert (b"\x1b[32mok      \x1b[0m sh " in shown) == coloured
    assert (b"\x1b[33mnote    \x1b[0m git " in shown) == coloured
    assert (b"\x1b" in shown) == coloured


def test_a_long_remedy_goes_on_in_the_next_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([Finding("sh", "note", "found", f"do {'this ' * 20}\nand that")])
    row, first, second, last = capsys.readouterr().out.splitlines()
    assert row == "note     sh           found"
    assert all(line.startswith("    ") and len(line) <= 80 for line in (first, second))
    assert last == "    and that"


def test_it_is_one_task_whose_option_says_what_it_does(machine: Machine) -> None:
    said = machine.run("--help").stdout
    assert re.search(r"--json\s+Print the findings as JSON, for a machine\.", said)
    assert "Check whether `invoke cosmo` can run here" in said
