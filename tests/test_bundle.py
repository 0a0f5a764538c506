"""Look into an executable, and check it: `bundle`."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from importlib import resources
from pathlib import Path

import pytest
from invoke.config import Config
from invoke.context import Context

from recipes.bundle import SAFE, START, Archive, bundle
from recipes.executable import BuildRecord
from recipes.shell import RecipeError

Run = Callable[..., str]

HEAD = b"MZqFpD='\n' # not a program\n"
SITE = "Lib/site-packages/"
PROGRAM = {
    f"{SITE}owl/__init__.py": "",
    f"{SITE}owl/__main__.py": "",
    f"{SITE}owl/greeting.txt": "hello\n",
    f"{SITE}owl-1.5.dist-info/METADATA": "Name: Owl.Tool\nVersion: 1.5\nLicense: MIT\n",
    ".args": "-m\nowl\n...",
}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a task of the collection on a file, and return what it prints."""

    def call(task: str, file: Path | str = "", /, dry: bool = False, **options: object) -> str:
        capsys.readouterr()
        c = Context(Config(overrides={"run": {"dry": dry}}))
        bundle[task](c, **options, **({"file": str(file)} if file else {}))
        return capsys.readouterr().out

    return call


def pack(path: Path, entries: dict[str, str], mode: int = 0o100644, script: str = "") -> Path:
    """Write what begins like an executable, and a zip of these entries behind it."""
    path.write_bytes(HEAD + script.encode())
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, text in entries.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, text)
    return path


@pytest.fixture(scope="module")
def packed(interpreter: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an interpreter with a small program and `.args`."""
    folder = tmp_path_factory.mktemp("packed")
    file = Path(shutil.copy(interpreter, folder / "owl.zip"))
    for name, text in PROGRAM.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    subprocess.run(["zip", "-q", "-r", "-g", "owl.zip", ".args", "Lib"], cwd=folder, check=True)
    return file


@pytest.fixture
def owl(packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy it to an empty folder, which is the current one."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return Path(shutil.copy(packed, tmp_path / "here/owl"))


def zip_entries(file: Path, option: str, name: str) -> None:
    """Add an entry to an executable, or delete one, as its users would."""
    copy = file.rename(f"{file}.zip")  # zip adds that to a name without a dot
    subprocess.run(["zip", "-q", option, str(copy), name], check=True)
    copy.rename(file)


def test_entries_are_listed_with_their_sizes(owl: Path, run: Run) -> None:
    line = run("ls", owl, glob=f"{SITE}*greeting.txt")
    assert line.split() == ["6", "6", f"{SITE}owl/greeting.txt"]
    rows = {row["name"]: row for row in json.loads(run("ls", owl, json=True))}
    for entry in zipfile.ZipFile(owl).infolist():
        row = {"name": entry.filename, "size": entry.file_size, "packed": entry.compress_size}
        assert rows[entry.filename] == row


@pytest.mark.parametrize("name", ["ls", "size", "verify"])
def test_what_a_terminal_would_obey_is_spelt_out(tmp_path: Path, run: Run, name: str) -> None:
    odd = {"a\x1b[31m\nb": "", f"{SITE}\x1bx/y": "", ".args": "-m\n\x1b[2J\n..."}
    shown = run(name, pack(tmp_path / "odd", odd))
    assert all(letter.isprintable() for letter in shown.replace("\n", ""))
    assert "\\x1b" in shown


def test_names_beyond_ascii_are_those_that_were_packed(owl: Path, run: Run) -> None:
    Path("é.txt").write_text("accent", encoding="utf-8")
    zip_entries(owl, "-g", "é.txt")
    assert "  é.txt\n" in run("ls", owl)
    assert run("cat", owl, name="é.txt") == "accent"
    with pytest.raises(RecipeError, match=r"owl has no entry x; `invoke bundle\.ls` lists them"):
        run("cat", owl, name="x")


def test_another_file_is_refused_and_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for content in (b"#!/bin/sh\n", HEAD, b"\x7fELF"):
        (tmp_path / content[:4].hex()).write_bytes(content)
    for name, problem in (
        ("", "is not a file; make it with `invoke cosmo`"),
        ("pipe", "is not a file; make it with `invoke cosmo`"),
        ("x", "does not exist; make it with `invoke cosmo`"),
        (b"#!/b".hex(), r"is not an APE file \(it begins with b'#!/bin'\)"),
        (HEAD[:4].hex(), "cannot read .*: File is not a zip file"),
        (b"\x7fELF".hex(), "cannot read .*: File is not a zip file"),
    ):
        with pytest.raises(RecipeError, match=f"{problem}(; n|, or n)ame another"):
            Archive(tmp_path / name)


def test_the_parts_add_up_to_the_file(owl: Path, run: Run) -> None:
    parts = json.loads(run("size", owl, json=True))
    assert sum(parts.values()) == owl.stat().st_size
    assert list(parts.values()) == sorted(parts.values(), reverse=True)
    assert {"interpreter", "standard library", "owl", "owl-1.5.dist-info"} <= set(parts)
    assert run("size", owl).splitlines()[0].endswith("  standard library")


def test_the_executable_of_the_last_build_is_the_default(owl: Path, run: Run) -> None:
    Path("pyproject.toml").write_text('[project]\nname = "owl"\n[build-system]\n')
    with pytest.raises(RecipeError, match="does not exist; make it with `invoke cosmo`"):
        run("cat", name=".args")
    Path("dist/cosmo").mkdir(parents=True)
    made = BuildRecord("", "3.11.2", "", 1, "", "dist/owl", {}, [], [])
    Path("dist/cosmo/.build.json").write_text(json.dumps(asdict(made)))
    with pytest.raises(RecipeError, match="dist/owl does not exist; make it with `invoke cosmo`"):
        run("cat", name=".args")
    owl.rename("dist/owl")
    assert run("cat", name=".args") == "-m\nowl\n..."


@pytest.mark.parametrize("path", ["cosmo_ent/data/pledge", "cosmo_file/data/file.elf"])
def test_a_genuine_file_is_read_and_not_taken_for_a_python(run: Run, path: str) -> None:
    """Read two files of Cosmopolitan 4: a fat one, and an assimilated one. Neither is a Python."""
    package, name = path.split("/", 1)
    file = Path(str(resources.files(package))) / name
    rows = dict(line.split(maxsplit=1) for line in run("verify", file).splitlines())
    assert rows["zip"].startswith("ok, ")  # the mode of .symtab.amd64 is 0
    assert rows["start"] == "not tried: the zip holds no Python library"
    assimilated = "runs on this platform only" if path.endswith(".elf") else None
    assert rows.get("assimilated") == assimilated
    assert rows["processors"] == ("x86-64" if assimilated else "x86-64, aarch64")
    assert run("ls", file, glob=".symtab.arm64").endswith("  .symtab.arm64\n")
    assert sum(json.loads(run("size", file, json=True)).values()) == file.stat().st_size


def test_a_good_executable_is_described(owl: Path, run: Run) -> None:
    rows = dict(line.split(maxsplit=1) for line in run("verify", owl).splitlines())
    assert rows["size"] == str(owl.stat().st_size)
    assert (rows["args"], rows["isolated"], rows[".args"]) == ("-m, owl, ...", "False", "ok")
    assert "owl-tool 1.5" in rows["dependencies"].split(", ")
    assert rows["zip"] == f"ok, {len(zipfile.ZipFile(owl).namelist()):,} entries"
    assert re.match(r"ok, Python 3\..* can import owl", rows["start"])


def test_a_program_that_cannot_start_is_an_error(
    owl: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    zip_entries(owl, "-d", f"{SITE}owl/*")
    with pytest.raises(RecipeError, match="owl cannot start") as error:
        run("verify", owl)
    assert "missing: " in capsys.readouterr().err + str(error.value)


def test_the_start_check_sees_nothing_of_the_user(
    owl: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("json.py").write_text("raise SystemExit('the current directory counts')")
    Path(f"{SITE}owl").mkdir(parents=True)
    Path(f"{SITE}owl/__init__.py").write_text("import json\n")
    zip_entries(owl, "-g", f"{SITE}owl/__init__.py")
    assert "can import owl" in run("verify", owl)
    assert len(list(Path().iterdir())) == 3
    monkeypatch.setenv("SECRET", "1")
    script = '[ "$SECRET" ] && exit 3\n[ "$1" = -V ] || [ "$1$3" = -Icheck ] || exit 4\nexit\n'
    run("verify", pack(Path("odd"), {"Lib/os.pyc": "", ".args": "-m\nowl\n..."}, script=script))


def test_entries_that_python_reads_in_another_way_are_errors(tmp_path: Path, run: Run) -> None:
    assert "zip           ok" in run("verify", pack(tmp_path / "odd", {"data/x": ""}, mode=0))
    with pytest.raises(RecipeError, match=r"Lib/x\.pyc has no file type in its mode"):
        run("verify", pack(tmp_path / "odd", {"Lib/x.pyc": ""}, mode=0o644))
    file = pack(tmp_path / "odd", {".args": "-m\nfirst\n...\n"})
    with zipfile.ZipFile(file, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(".args", "-m\nsecond\n...")
    assert Archive(file).args == "-m\nfirst\n..."  # without the newline at its end
    with pytest.raises(RecipeError, match=r"\.args is there twice"):
        run("verify", file)


def test_a_damaged_entry_is_an_error_in_one_line(tmp_path: Path, run: Run) -> None:
    for text in ("some text", "".join(map(chr, range(32, 2000)))):
        whole = bytearray(pack(tmp_path / "odd", {"data": text}).read_bytes())
        whole[len(HEAD) + 36] ^= 255
        (tmp_path / "odd").write_bytes(whole)
        for task, options in ("verify", {}), ("cat", {"name": "data"}):
            with pytest.raises(RecipeError, match=r"cannot read data in .*odd: .*; name another"):
                run(task, tmp_path / "odd", **options)


def test_args_that_loaders_read_in_different_ways_are_an_error(owl: Path, run: Run) -> None:
    assert all(map(SAFE.fullmatch, ("-m\nowl\n...", "-c\nprint('...')\n...", "...")))
    for text in ("", "-m\nowl", "-m\n...\nowl\n...", "...\n...", "-m\n\nowl\n...", "-m\rowl\n..."):
        assert not SAFE.fullmatch(text)
    assert not SAFE.fullmatch("-c\nprint('\\n')\n...")
    Path(".args").write_text("-m\nowl\n")
    zip_entries(owl, "-g", ".args")
    with pytest.raises(RecipeError, match=r"\.args is not safe: .*the last, but no other, must be"):
        run("verify", owl)


def test_args_tell_what_starts_and_if_it_is_isolated(tmp_path: Path) -> None:
    for options, module, function, isolated in (
        ("-m\nowl", "owl", None, False),
        ("-I\n-m\nowl.cli", "owl.cli", None, True),
        ("-BIm\nowl", "owl", None, True),
        ("-W\nIgnore\n-Xutf8\n-m\nowl", "owl", None, False),
        ("-c\nimport sys; from a.b import c; x(); sys.exit(c.d())", "a.b", "c.d", False),
        ('-I\n-c\nimport runpy; runpy._run_module_as_main("owl", False)', "owl", None, True),
        ("-c\nprint(1)\n-m\nowl", None, None, False),
        ("/zip/owl.py\n-I\n-m\nowl", None, None, False),
    ):
        found = START.match(f"{options}\n...")
        assert (found and found[2], found and found[1]) == (module, function)
        file = pack(tmp_path / "odd", {".args": f"{options}\n..."})
        assert Archive(file).describe()["isolated"] == isolated
