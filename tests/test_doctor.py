"""What `invoke doctor` says of a machine: what a build needs there, and what starts."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from invoke.context import Context

from mirror import Mirror
from recipes.doctor import check_folder, check_start, doctor
from recipes.fetch import file_sha256, keep_download
from recipes.shell import RecipeError

CLOSED = "http://127.0.0.1:9/python"
PLAIN = '[tool.ds.scripts]\n_.env.PKG = "hello"\n'


class Machine:
    """A machine that has only the programs and settings that a test gives it."""

    def __init__(self, path: Path, patch: pytest.MonkeyPatch, capsys: Any) -> None:
        self.bin, self.patch, self.capsys = path / "bin", patch, capsys
        (path / "project/src/hello").mkdir(parents=True)
        (path / "project/src/hello/__main__.py").touch()
        (path / "project/pyproject.toml").write_text(PLAIN)
        self.bin.mkdir()
        for name in ("sh", "wget", "zip"):
            (self.bin / name).symlink_to(str(shutil.which(name)))
        patch.chdir(path / "project")
        patch.setattr(sys, "executable", str(path / "python"))  # uv may lie beside it
        for name in [name for name in os.environ if name.startswith(("COSMO_", "UV", "XDG_"))]:
            patch.delenv(name)
        for name, text in {"PATH": self.bin, "HOME": path, "TMPDIR": path, "SHELL": "sh"}.items():
            patch.setenv(name, str(text))

    def program(self, name: str, text: str) -> Path:
        """Write a program for sh, in place of another."""
        file = self.bin / name
        file.unlink(missing_ok=True)
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)
        return file

    def check(self, missing: str = "", **settings: str) -> dict[str, str]:
        """Return the text of each row behind its state; check which of them are missing."""
        for name, text in settings.items():
            self.patch.setenv(name, text)
        self.capsys.readouterr()
        error = ""
        try:
            doctor["check"](Context(), json=True)
        except RecipeError as raised:
            error = str(raised)
        rows = json.loads(self.capsys.readouterr().out)
        assert [row["name"] for row in rows if row["state"] == "missing"] == missing.split()
        for row in rows:
            assert (row["state"] == "missing") == (f"{row['name']}: {row['text']}" in error)
        return {row["name"]: f"{row['state']} {row['text']}" for row in rows}


@pytest.fixture
def machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Machine:
    """Make a machine with sh, wget and zip, and a small project."""
    return Machine(tmp_path, monkeypatch, capsys)


def test_a_machine_that_has_all_is_described_in_a_table(machine: Machine) -> None:
    rows = machine.check()
    assert rows["project"] == f"ok hello, in {Path.cwd()}"
    assert rows["interpreter"] == "ok https://cosmo.zip/pub/cosmos/bin/python, to be fetched"
    assert rows["sh"] == f"ok {machine.bin}/sh"
    assert (rows["wget"][:11], rows["zip"][:9]) == ("ok GNU Wget", "ok Zip 3.")
    assert "uv" not in rows
    machine.capsys.readouterr()
    doctor["check"](Context())
    lines = machine.capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [[rows[name].split()[0], name] for name in rows]


def test_no_git_is_called_and_no_server_is_asked(machine: Machine) -> None:
    machine.program("git", f"echo called >> {machine.bin}/called")
    with Mirror() as mirror:
        url = mirror.python.replace("://", "://me:s3cret@")
        rows = machine.check(COSMO_URL=url, COSMO_ZIP_URL=f"{mirror.address}/zip")
        assert rows["interpreter"] == f"ok {mirror.python}, to be fetched"
        assert mirror.asked == 0
    assert not (machine.bin / "called").exists()
    assert sorted(map(str, Path().iterdir())) == ["pyproject.toml", "src"]


def test_uv_is_needed_with_dependencies_and_in_a_version_that_was_tried(machine: Machine) -> None:
    Path("pyproject.toml").write_text(f'{PLAIN}[project]\nname = "a"\ndependencies = ["bird"]\n')
    assert "uv is not installed; get it with" in machine.check("uv")["uv"]
    machine.program("uv", "echo uv 0.12.9")
    assert "uv is too old" in machine.check("uv")["uv"]
    machine.program("uv", "echo uv 0.13.0 '(abc 2026-01-01)'")
    assert machine.check()["uv"] == "ok uv 0.13.0"
    machine.program("uv", "exit 1")
    assert "uv" not in machine.check(COSMO_DEPS="none")


def test_sh_is_needed_and_gnu_wget_where_something_is_fetched(
    machine: Machine, interpreter: Path
) -> None:
    machine.program("wget", "echo 'BusyBox v1.35.0 multi-call binary.' >&2; exit 1")
    assert machine.check("wget")["wget"].startswith("missing BusyBox v1.35.0; get GNU Wget (apt")
    (machine.bin / "wget").unlink()
    assert machine.check("wget")["wget"].startswith("missing none on PATH; get GNU Wget (apt")
    rows = machine.check(COSMO_URL=str(interpreter))
    assert "wget" not in rows
    assert rows["interpreter"] == f"ok {interpreter}, to be fetched"
    (machine.bin / "zip").unlink()
    assert machine.check("wget")["zip"].startswith("note none on PATH; a build fetches one, but")
    (machine.bin / "sh").unlink()
    assert "use Linux, macOS or WSL" in machine.check("sh wget")["sh"]


def test_offline_the_cache_must_have_the_interpreter(machine: Machine, interpreter: Path) -> None:
    lock = "lock-version = '1.0'\ntool.cosmo-recipes.inputs = []\n[tool.cosmo-recipes.python]\n"
    lock += f"url = '{CLOSED}'\nsize = 1\nversion = '3.11.2'\nlast-modified = ''\n"
    rows = machine.check("interpreter", COSMO_OFFLINE="1", COSMO_URL=CLOSED)
    assert rows["interpreter"] == f"missing {CLOSED} is not cached; go online once"
    assert "wget" not in rows
    keep_download(CLOSED, interpreter)
    assert machine.check()["interpreter"] == f"ok {CLOSED}, in the cache"
    assert "wget" in machine.check(COSMO_OFFLINE="0")
    Path("pylock.cosmo.toml").write_text(f"{lock}sha256 = '{file_sha256(interpreter)}'\n")
    assert "wget" not in machine.check()
    Path("pylock.cosmo.toml").write_text(f"{lock}sha256 = '{'ab' * 32}'\n")
    assert "wget" in machine.check()


def test_a_project_that_cannot_be_read_is_an_error(machine: Machine) -> None:
    Path("pyproject.toml").write_text("not TOML\n")
    rows = machine.check("project")
    assert "is not valid TOML" in rows["project"]
    assert rows["wget"].startswith("ok ")
    Path("pyproject.toml").write_text(PLAIN)
    assert "is no longer a setting" in machine.check("project", COSMO_SLIM="1")["project"]


def test_a_folder_must_be_there_and_let_programs_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert check_folder("disk", str(tmp_path), "missing") == ("disk", "ok", str(tmp_path))
    row = check_folder("disk", str(tmp_path / "gone"), "missing")
    assert row == ("disk", "missing", f"{tmp_path}/gone cannot be written; use another")
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_flag=os.ST_NOEXEC))
    row = check_folder("HOME", str(tmp_path), "note")
    assert row == (
        "HOME",
        "note",
        f"{tmp_path} is mounted noexec: no program starts there; use another",
    )


def test_the_loader_needs_a_folder(machine: Machine) -> None:
    assert machine.check()["TMPDIR"] == f"ok {machine.bin.parent}"
    assert machine.check(TMPDIR="/nowhere")["TMPDIR"].startswith("note /nowhere cannot be written")
    rows = machine.check(TMPDIR="", HOME="")
    assert "HOME" not in rows
    assert rows["TMPDIR"].startswith("note not set, nor is HOME")


def test_an_old_shell_is_noted(machine: Machine) -> None:
    old, new = ("zsh 5.8.1", "fish, version 3.2.2"), ("zsh 5.9", "zsh 5.10", "fish, version 3.3.0")
    for version in (*old, *new):
        name, state = version[:4].strip(" "), "note" if version in old else "ok"
        shell = machine.program(name, f"echo '{version} (x86_64-debian-linux-gnu)'")
        text = machine.check(SHELL=str(shell))["shell"]
        assert text.startswith(f"{state} {version}")
        assert ("use `sh ./program`" in text) == (state == "note")


def start_row(binfmt: Path, **handlers: str) -> tuple[str, str]:
    """Return the state and text for a kernel with handlers of these magics; `-` disables one."""
    for name, magic in handlers.items():
        lines = ["disabled" if "-" in magic else "enabled", "interpreter /x", "offset 0"]
        lines.append(f"magic {magic.strip('-').encode().hex()}")
        (binfmt / name).write_text("\n".join(lines))
    (binfmt / "status").write_text("enabled\n")
    (binfmt / "register").mkdir(exist_ok=True)  # which cannot be read
    return next(row[1:] for row in check_start(Context(), binfmt) if row[0] == "start")


def test_the_kernels_handlers_say_what_starts(tmp_path: Path) -> None:
    state, text = start_row(tmp_path, elf="EL", WSLInterop="-MZ")
    assert (state, text[:22]) == ("note", "shells start ./program")
    assert text.endswith("(subprocess, systemd) use `sh ./program`")
    assert start_row(tmp_path, APE="MZqFpD") == ("ok", "the kernel starts ./program, by APE")
    text = "WSLInterop takes ./program for a Windows program; use `sh ./program`"
    assert start_row(tmp_path, WSLInterop="MZ") == ("note", text)
