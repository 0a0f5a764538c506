"""What cannot run is removed from an installed tree, and what starts is chosen: the functions."""

from __future__ import annotations

import compileall
import json
import os
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import pytest

from index import Files
from recipes.inside.fit import fit_site
from recipes.inside.main import write_start

INFO = "bird-1.0.dist-info"


@pytest.fixture(autouse=True)
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the current directory be a build folder."""
    monkeypatch.chdir(tmp_path)
    Path(".new").mkdir()


def install(files: Files, *rows: str) -> None:
    """Write the files of bird 1.0, and more rows of its RECORD; compile what is Python."""
    files = {f"{INFO}/METADATA": "Metadata-Version: 2.1\nName: bird\nVersion: 1.0\n", **files}
    for name, text in files.items():
        path = Path("site", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    record = [f'"{name}",sha256=x,1' for name in files]
    Path("site", INFO, "RECORD").write_text("\n".join([*record, *rows, f"{INFO}/RECORD,,", ""]))
    compileall.compile_dir("site", quiet=2, legacy=True)


def fit(suffix: str = "c") -> dict[str, Any]:
    """Make the tree fit; return what was noted."""
    fit_site("site", ".new/notes.json", suffix)
    return dict(json.loads(Path(".new/notes.json").read_text()))


def list_files() -> set[str]:
    """List the files that are not in a dist-info."""
    files = [os.path.join(folder, name) for folder, _, names in os.walk("site") for name in names]
    return {os.path.relpath(file, "site") for file in files if INFO not in file}


def test_native_files_are_removed_by_name_and_noted_with_their_distribution() -> None:
    native = ["bird/_b.so", "bird/a/x.abi3.so", "bird/libz.so.1.2", "wing.pyd", "lib/y.dylib"]
    stays = {"bird/so", "bird/a.sow", "bird/x.so_", "bird/run", "share/bin/tool"}
    scripts = {"bin/song": "#!/bin/sh\n", "bin/ruff": "\x7fELF", "bin/w.exe": "MZ\x90"}
    files = {**dict.fromkeys(native[1:], ""), **dict.fromkeys(stays, "\x7fELF"), **scripts}
    install(files, "./bird/_b.so,,")
    for name in ("bird/_b.so", "bin/unknown"):
        Path("site", name).write_bytes(b"")
    notes, removed = fit(), dict.fromkeys([*native, *scripts], "bird 1.0")
    assert (notes["removed"], notes["native"]) == (removed, ["bin/ruff", "bin/w.exe"])
    assert list_files() == {*stays, "bin/unknown"}
    install({"other.so": "", "other.py": "(", "bird/a.so.json": ""})
    assert fit()["removed"] == {**removed, "other.so": "bird 1.0"}


DATA = {"bird/templates/env.py": "x", "bird/migrations/deep/__init__.py": "", "bird/a-b/c.py": ""}
DATA.update({"my-tool.py": "", "bird/cookie{{name}}/__init__.py": "", "bird/broken/t.py": "{% if"})
MODULES = ("bird/__init__", "bird/deep/__init__", "bird/deep/x", "bin/__init__", "ns/pkg/__init__")
BROKEN = {"bird/old.py": "print 1\n", "bird/nul.py": "\0"}


@pytest.mark.parametrize("suffix", ["c", ""])
def test_compiled_sources_go_and_python_files_that_are_data_stay(suffix: str) -> None:
    install({**{f"{name}.py": "V = 1\n" for name in MODULES}, **DATA, **BROKEN})
    notes = fit(suffix)
    files = {name for name in list_files() if suffix or name[-1] != "c"}
    assert files == {*DATA, *BROKEN, *(f"{name}.py{suffix}" for name in MODULES)}
    assert sorted(notes["uncompiled"]) == (sorted(BROKEN) if suffix else [])


def test_missing_bytecode_and_a_newline_in_a_name_end_the_build() -> None:
    install({"bird.py": ""})
    Path("site/bird.pyc").unlink()
    with pytest.raises(SystemExit, match=r"the bytecode of bird\.py was not written; is the disk"):
        fit()
    install({"a\nb.txt": ""})
    with pytest.raises(SystemExit, match=r"'a\\nb.txt': .* cannot hold a newline; rename it"):
        fit()


def test_record_lists_what_is_there_and_rows_that_lead_out_do_nothing() -> None:
    Path("precious.py").write_text("mine")
    hostile = ["../precious.py", "a/../../precious.py", f"{Path.cwd()}/precious.py", "bin/tool.py"]
    hostile += ["..", "", '"x\ny.py"', "gone.py"]
    files = {"bird/__init__.py": "", "bird/t/x.py": "", "bird/_b.so": "", "a,b.txt": "", "w.py": ""}
    install(files, *(f"{row},sha256=x,1" for row in hostile))
    fit()
    assert Path("precious.py").read_text() == "mine"
    dist = Distribution.at(Path("site", INFO))
    info = {f"{INFO}/{name}" for name in ("METADATA", "RECORD", "top_level.txt")}
    there = {"bird/__init__.pyc", "bird/t/x.py", "a,b.txt", "w.pyc"}
    assert {str(file) for file in dist.files or ()} == there | info
    assert list_files() == there
    assert dist.read_text("top_level.txt") == "bird\nw\n"


def test_a_package_is_of_the_distribution_with_its_modules_by_its_canonical_name() -> None:
    install({"bird/__init__.py": "", "owl.py": "", "wing-stubs/__init__.pyi": "", "song.txt": ""})
    Path("site", INFO).rename("site/Night_Bird-1.0.dist-info")
    assert fit()["packages"] == {"bird": "night-bird 1.0", "owl": "night-bird 1.0"}


@pytest.mark.parametrize(("url", "stays"), [("file:///home/me", False), ("https://x/y", True)])
def test_traces_of_the_installer_go(url: str, stays: bool) -> None:
    names = [f"{INFO}/{name}" for name in ("uv_cache.json", "uv_build.json", "direct_url.json")]
    files = dict.fromkeys(names, json.dumps({"url": url}))
    install({**files, f"{INFO}/top_level.txt": "is\n", "bird.py": ""})
    Path("site/.lock").touch()
    fit()
    left = [name for name in [*names, ".lock"] if Path("site", name).exists()]
    assert left == names[2:] * stays
    record = Path("site", INFO, "RECORD").read_text()
    assert [name for name in names if name in record] == left
    assert Path("site", INFO, "top_level.txt").read_text() == "is\n"


COMMANDS = "[console_scripts]\nwren = wren:a.b\nBIRD = bird.cli : main [extra]\n"
GUI = "[other]\nx = y:z\n[gui_scripts]\nwin=bird:win\n"
MAIN = {"bird/__init__.py": "", "bird/__main__.py": ""}
STARTS: dict[str, tuple[str, Files, str, str]] = {
    "the command called like it": (COMMANDS, {}, "", "BIRD = bird.cli:main"),
    "the only command": (GUI, MAIN, "", "win = bird:win"),
    "the one that is named": (COMMANDS + GUI, {}, "wren", "wren = wren:a.b"),
    "a function": (COMMANDS, {}, "bird.x:y.z", "bird = bird.x:y.z"),
    "PKG": (COMMANDS, {}, "-m bird.sub", "bird = bird.sub"),
    "a package": ("", MAIN, "", "bird = bird"),
    "of several packages": ("", {**MAIN, "a/__main__.py": ""}, "", "bird = bird"),
    "several": ("[gui_scripts]\na = x:y\nb = x:z\n", MAIN, "", "several commands.*: a, b$"),
    "unknown": (COMMANDS, {}, "crow", "bird has no command crow; it has wren, BIRD; name one"),
    "none": ("", {"bird.py": ""}, "", "no command, and no package with a __main__; write one in"),
    "two packages": ("", {"a/__main__.py": "", "b/__main__.py": ""}, "", "and no package with a _"),
    "native": ("", {"bin/bird": "\x7fELF", **MAIN}, "", "in Python: bin/bird is a native program"),
    "strange": ("[console_scripts]\nbird = bird\n", {}, "", "bird cannot start 'bird': write mod"),
    "a bad name": (
        "[console_scripts]\na b = x:y\n",
        {},
        "",
        "cannot be called 'a b'; name it with",
    ),
}


@pytest.mark.parametrize(("points", "files", "entry", "expected"), STARTS.values(), ids=STARTS)
def test_what_starts_is_a_command_or_a_module_or_refused(
    points: str, files: Files, entry: str, expected: str
) -> None:
    install({**files, f"{INFO}/entry_points.txt": points})
    fit()
    name, is_start, start = expected.partition(" = ")
    for given in ("", "other") if is_start else ():
        write_start("site", entry, given, "COSMO_ENTRY")
        assert (Path(".name").read_text(), Path(".start").read_text()) == (given or name, start)
    if not is_start:
        with pytest.raises(SystemExit, match=expected):
            write_start("site", entry, "", "COSMO_ENTRY")
        assert not Path(".args").exists()


def test_args_start_a_module_as_python_does_and_a_function_as_an_installed_command() -> None:
    install({f"{INFO}/entry_points.txt": COMMANDS})
    call = "import sys; sys.argv[0] = sys.executable; from wren import a; sys.exit(a.b())"
    for entry, *lines in (("-m bird", "-m", "bird"), ("wren", "-c", call)):
        write_start("site", entry, "", "COSMO_ENTRY", "-P")
        assert Path(".args").read_text().split("\n") == ["-P", *lines, "..."]
