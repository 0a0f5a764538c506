"""Look into an executable, and change it: `bundle`."""

from __future__ import annotations

import io
import json
import os
import re
import stat
import xml.etree.ElementTree as ET
import zipfile
from copy import copy
from pathlib import Path

import pytest

from index import Index
from projects import Project

COLLECTIONS = ["bundle"]
"""What a vendored `tasks.py` holds in these tests, beside `cosmo`."""

SITE = "Lib/site-packages/"
HEAD = b"MZqFpD='\n' # not a program\n"
ELF = rb"printf '\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0{}' "
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def bundled(project: Project) -> Project:
    """The small project, packaged."""
    project.package()
    return project


def ape(path: Path, entries: dict[str, str], head: bytes = HEAD) -> Path:
    """A file that begins like an executable, with a zip of these entries."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in entries.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(info, text)
    path.write_bytes(head + data.getvalue())
    return path


def names(file: Path) -> set[str]:
    """The names of the entries."""
    return set(zipfile.ZipFile(file).namelist())


# Looking


def test_its_entries_are_listed_with_their_sizes(bundled: Project) -> None:
    lines = bundled.succeed("bundle.ls", "--glob", f"{SITE}*greeting.txt").stdout.splitlines()
    assert [line.split() for line in lines] == [["6", "6", f"{SITE}hello/greeting.txt"]]
    rows = json.loads(bundled.succeed("bundle.ls", "--json").stdout)
    with zipfile.ZipFile(bundled.executable) as archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    assert {row["name"]: row["size"] for row in rows} == sizes


def test_a_tree_has_the_sum_of_each_folder(bundled: Project) -> None:
    glob = f"{SITE}hello/*"
    rows = json.loads(bundled.succeed("bundle.ls", "--json", "--glob", glob).stdout)
    lines = bundled.succeed("bundle.ls", "--tree", "--glob", glob).stdout.splitlines()
    total = f"{sum(row['size'] for row in rows):,}"
    assert [line.split()[0] for line in lines[:3]] == [total] * 3
    assert [line.split()[2] for line in lines[:4]] == [
        "Lib/",
        "site-packages/",
        "hello/",
        "__init__.pyc",
    ]
    assert lines[3].index("__init__") - lines[0].index("Lib/") == 6


def test_names_that_a_terminal_would_obey_are_spelt_out(project: Project) -> None:
    entries = {"a\x1b[31m\nb": "", "../up/\u202edown": "", f"{SITE}\tx/y": "", "Lib/os.pyc": ""}
    file = ape(project.home / "odd", entries)
    for words in (["ls"], ["ls", "--tree"], ["size"], ["verify"], ["diff", str(file)]):
        name, *rest = words
        last = [str(project.interpreter)] if name == "diff" else ["--file", str(file)]
        shown = project.invoke(f"bundle.{name}", *rest, *last)
        assert all(char.isprintable() for char in shown.stdout.replace("\n", ""))
        assert "Traceback" not in shown.stderr
    assert r"a\x1b[31m\nb" in project.succeed("bundle.ls", "--file", str(file)).stdout


def test_the_content_of_an_entry_is_printed_as_it_is(bundled: Project) -> None:
    assert bundled.succeed("bundle.cat", f"{SITE}hello/greeting.txt").stdout == "hello\n"
    said = bundled.invoke("bundle.cat", f"{SITE}hello/greting.txt")
    assert said.returncode == 1
    assert said.stderr == (
        f"cosmo: dist/cosmo/hello has no entry {SITE}hello/greting.txt; did you mean"
        f" {SITE}hello/greeting.txt?\n"
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "does not exist; make it with `invoke cosmo`, or name another"),
        (b"#!/bin/sh\n", "is no Actually Portable Executable, for it begins with other bytes"),
        (HEAD, "has no zip that can be read: File is not a zip file; name another"),
    ],
)
def test_what_is_no_executable_is_refused_in_one_line(
    project: Project, content: bytes | None, problem: str
) -> None:
    file = project.home / "file"
    if content is not None:
        file.write_bytes(content)
    for task in ("ls", "size", "verify", "try", "args"):
        done = project.invoke(f"bundle.{task}", "--file", str(file))
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"cosmo: {file} {problem}")
        assert done.stderr.count("\n") == 1


# Changing


def test_what_is_added_and_removed_shows_when_the_executable_runs(bundled: Project) -> None:
    (bundled.path / "greeting.txt").write_text("good morning\n")
    bundled.succeed("bundle.add", "greeting.txt", "--dest", f"{SITE}hello")
    assert bundled.says("you") == "good morning you\n"
    bundled.succeed("bundle.rm", f"{SITE}hello/greeting.txt")
    assert "greeting.txt" in bundled.start("you").stderr
    assert sorted(path.name for path in bundled.build.glob(".hello*")) == []


def test_a_folder_and_several_files_are_added_at_once(bundled: Project) -> None:
    before = names(bundled.executable)
    bundled.write("data/deep/-x y", "1")
    bundled.write("note", "2")
    bundled.succeed("bundle.add", "data", "--also", "note", "--dest=share/it's")
    added = names(bundled.executable) - before
    assert added == {"share/it's/data/deep/-x y", "share/it's/note"}
    bundled.succeed("bundle.rm", "share/it's/data/*", "--also", "share/it's/note")
    assert names(bundled.executable) == before


def test_other_lines_in_args_start_something_else(bundled: Project) -> None:
    assert bundled.succeed("bundle.args").stdout == "-m\nhello\n...\n"
    line = "-c 'import sys; print(sys.argv[1:])' 'a b' ..."
    bundled.succeed("bundle.args", "--set", line)
    assert bundled.says("c") == "['a b', 'c']\n"
    assert (
        bundled.succeed("bundle.args").stdout == "-c\nimport sys; print(sys.argv[1:])\na b\n...\n"
    )
    for bad in ("-m hello", "'' ...", "-c 'a\nb' ...", "'"):
        assert bundled.refused("bundle.args", "--set", bad).startswith("cosmo: --set=")


@pytest.mark.parametrize(
    "words",
    [
        ["rm", "nothing*"],
        ["add", "nowhere"],
        ["add", "tasks.py", "--dest", "../up"],
        ["add", "tasks.py", "--dest", "/up"],
    ],
)
def test_a_change_that_fails_leaves_the_executable_as_it_was(
    bundled: Project, words: list[str]
) -> None:
    before = sorted(path.name for path in bundled.build.iterdir())
    assert bundled.refused(f"bundle.{words[0]}", *words[1:])
    assert sorted(path.name for path in bundled.build.iterdir()) == before


def test_a_link_to_an_executable_stays_a_link(bundled: Project) -> None:
    link = bundled.home / "link"
    link.symlink_to(bundled.executable)
    bundled.succeed("bundle.rm", f"{SITE}hello/greeting.txt", "--file", str(link))
    assert link.is_symlink()
    assert f"{SITE}hello/greeting.txt" not in names(bundled.executable)
    assert os.access(bundled.executable, os.X_OK)


def test_a_dry_run_changes_nothing_and_is_a_script(bundled: Project) -> None:
    before = bundled.executable.read_bytes()
    script = bundled.succeed("--dry", "bundle.rm", f"{SITE}hello/words*").stdout
    assert bundled.executable.read_bytes() == before
    (bundled.path / "script").write_text(script)
    bundled.home.joinpath("away").mkdir(exist_ok=True)
    assert "# bundle.rm" in script
    assert max(map(len, script.splitlines())) <= 120


# Checking


def test_a_good_executable_is_said_to_be_one(bundled: Project) -> None:
    done = bundled.succeed("bundle.verify")
    rows = {line.split()[1]: line for line in done.stdout.splitlines()}
    assert list(rows) == ["zip", "python", ".args", "start", "isolated", "locked", "processors"]
    assert [rows[name].split()[0] for name in ("zip", "python", ".args", "start")] == ["ok"] * 4
    assert rows[".args"].endswith("-m hello ...")
    assert "invoke cosmo.lock" in rows["locked"]


def test_an_executable_elsewhere_is_started_too(bundled: Project) -> None:
    other = bundled.home / "other"
    bundled.executable.rename(other)
    assert "hello can be imported" in bundled.succeed("bundle.verify", "--file", str(other)).stdout
    bundled.succeed("bundle.rm", f"{SITE}hello/*", "--file", str(other))
    done = bundled.invoke("bundle.verify", "--file", str(other))
    assert done.returncode == 1
    assert re.search("(?m)^FAILED +start .*No module named 'hello'", done.stdout)
    assert done.stderr == f"cosmo: {other} is not as it should be: start; see above\n"


def test_what_is_not_as_locked_is_a_fault(bundled: Project) -> None:
    other = bundled.home / "python.com"
    other.write_bytes(bundled.other_interpreter())
    bundled.succeed("cosmo.lock", COSMO_URL=str(other))
    shown = bundled.invoke("bundle.verify").stdout
    assert re.search("(?m)^FAILED +locked +its interpreter is not the locked one$", shown)
    bundled.succeed("cosmo.lock")
    assert re.search(
        "(?m)^ok +locked +pylock.cosmo.toml: ", bundled.succeed("bundle.verify").stdout
    )


def test_no_program_that_lies_beside_an_executable_is_run(bundled: Project) -> None:
    (bundled.build / ".imports").write_text(f"open({str(bundled.home / 'run')!r}, 'w')")
    bundled.succeed("bundle.verify")
    assert not (bundled.home / "run").exists()


def test_of_two_entries_of_one_name_the_first_counts(project: Project) -> None:
    file = ape(project.home / "odd", {".args": "-m\nfirst\n..."})
    with zipfile.ZipFile(file, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(".args", "-m\nsecond\n...")
    assert project.succeed("bundle.args", "--file", str(file)).stdout == "-m\nfirst\n...\n"
    assert "first" in project.succeed("bundle.cat", ".args", "--file", str(file)).stdout


def test_names_beyond_ascii_are_listed_and_printed_as_they_are(bundled: Project) -> None:
    bundled.write("é.txt", "accent")
    bundled.succeed("bundle.add", "é.txt")
    assert "  é.txt\n" in bundled.succeed("bundle.ls", "--glob", "*.txt").stdout
    assert bundled.succeed("bundle.cat", "é.txt").stdout == "accent"
    ascii_only = bundled.succeed("bundle.ls", "--glob", "*.txt", PYTHONIOENCODING="ascii").stdout
    assert "  \\xe9.txt\n" in ascii_only


def test_metadata_that_is_hostile_ends_in_one_line(project: Project) -> None:
    info = f"{SITE}x-1.dist-info"
    wide = {f"{info}/METADATA": "Name: x", f"{info}/RECORD": "a" * 200_000}
    file = ape(project.home / "odd", {".args": "-m\n(x\n...", **wide})
    said = project.refused("bundle.size", "--file", str(file))
    assert said.startswith(f"cosmo: {info}/RECORD in {file} cannot be read: ")
    file = ape(file, {".args": "-m\n(x\n..."})
    assert "the whole file" in project.succeed("bundle.size", "--file", str(file)).stdout


def test_args_without_an_end_for_the_users_arguments_are_a_fault(bundled: Project) -> None:
    bundled.write(".args", "-m\nhello")
    bundled.succeed("bundle.add", ".args")
    done = bundled.invoke("bundle.verify")
    assert re.search(r"(?m)^FAILED +\.args +-m hello: its last line is not \.\.\.$", done.stdout)
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("name", "problem"),
    [("../x", "leads out of it"), ("/x", "leads out of it"), ("x", "is there twice")],
)
def test_entries_that_are_wrong_are_named(project: Project, name: str, problem: str) -> None:
    file = ape(project.home / "odd", {"x": "", name: ""})
    if name == "x":
        with zipfile.ZipFile(file, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr(copy(archive.infolist()[0]), "again")
    shown = project.invoke("bundle.verify", "--file", str(file)).stdout
    assert f"'{name}' {problem}" in shown


def test_an_entry_that_python_cannot_see_and_a_damaged_one_are_named(project: Project) -> None:
    file = ape(project.home / "odd", {"x": "x" * 1000})
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("plain", "")
    shown = project.invoke("bundle.verify", "--file", str(file)).stdout
    assert "'plain' has no file type in its mode, so that Python cannot see it" in shown
    for text in ("some text", "".join(map(chr, range(32, 2000)))):
        whole = bytearray(ape(file, {"x": text}).read_bytes())
        whole[len(HEAD) + 33] ^= 255
        file.write_bytes(whole)
        done = project.invoke("bundle.verify", "--file", str(file))
        assert re.search("(?m)^FAILED +zip ", done.stdout)
        assert done.returncode == 1
        said = project.refused("bundle.cat", "x", "--file", str(file))
        assert said.startswith(f"cosmo: x in {file} cannot be read: ")


def test_the_processors_are_those_of_the_elf_headers_in_it(project: Project) -> None:
    head = b"MZqFpD='\n'\n"
    for machine in (rb"\076\0", rb"\267\0"):
        head += ELF.replace(b"{}", machine) + b">&7\n"
    file = ape(project.home / "odd", {"x": ""}, head)
    shown = project.invoke("bundle.verify", "--file", str(file)).stdout
    assert re.search("(?m)^ok +processors +x86-64, aarch64$", shown)


def test_it_is_tried_in_several_environments(bundled: Project) -> None:
    done = bundled.invoke("bundle.try", "--args", "'one two'")
    rows = done.stdout.splitlines()
    ran = [row for row in rows if not row.startswith("-")]
    assert len(ran) >= 3
    assert all(re.search("^FAILED .*exit status 1: hello one two$", row) for row in ran[:3])
    assert all(
        "skipped: there is no" in row or "skipped: no " in row for row in rows if row not in ran
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)


# Measuring


def test_the_parts_add_up_to_the_file(installing: Project, index: Index) -> None:
    index.wheel("bird", "1.0", {"bird/__init__.py": "SONG = 'la' * 9", "bird/data": "x" * 999})
    head = "[project]\nname = 'hello'\nversion = '1'\ndependencies = ['bird']\n"
    installing.write("pyproject.toml", head)
    installing.package()
    parts = json.loads(installing.succeed("bundle.size", "--json").stdout)
    assert sum(part["packed"] for part in parts) == installing.executable.stat().st_size
    assert [part["packed"] for part in parts] == sorted(
        (part["packed"] for part in parts), reverse=True
    )
    by_name = {part["name"]: part for part in parts}
    assert {"standard library", "interpreter", "bird 1.0", "program"} <= set(by_name)
    assert set(by_name["bird 1.0"]["parts"]) == {"bird", "bird-1.0.dist-info"}
    assert set(by_name["program"]["parts"]) >= {"hello"}
    assert "the whole file" in installing.succeed("bundle.size").stdout.splitlines()[-1]


def test_the_treemap_takes_no_executables_place(bundled: Project) -> None:
    before = bundled.executable.read_bytes()
    said = bundled.refused("bundle.size", "--svg", str(bundled.executable))
    assert said.endswith(" is an executable; name another file")
    assert bundled.executable.read_bytes() == before


def test_the_treemap_is_drawn_to_scale(bundled: Project) -> None:
    bundled.write("a&b<c>", os.urandom(200_000).hex())
    bundled.succeed("bundle.add", "a&b<c>")
    bundled.succeed("bundle.size", "--svg", "size.svg")
    root = ET.parse(bundled.path / "size.svg").getroot()  # noqa: S314 - our own
    parts = json.loads(bundled.succeed("bundle.size", "--json").stdout)
    library = next(part for part in parts if part["name"] == "standard library")
    areas = {}
    for group in root.iter(f"{SVG}g"):
        title, box = group.find(f"{SVG}title"), group.find(f"{SVG}rect")
        assert title is not None
        assert box is not None
        x, y, width, height = (float(box.get(key, "")) for key in ("x", "y", "width", "height"))
        areas[(title.text or "").rpartition(",")[0]] = width * height
        assert min(x, y) >= 0
        assert x + width <= 1200
        assert y + height <= 720
    share = library["packed"] / bundled.executable.stat().st_size
    assert areas["standard library"] / (1200 * 676) == pytest.approx(share, rel=0.05)
    assert any("a&b<c>" in title for title in areas)


# Comparing


def test_what_differs_between_two_executables_is_listed(bundled: Project) -> None:
    other = bundled.home / "other"
    other.write_bytes(bundled.executable.read_bytes())
    assert bundled.succeed("bundle.diff", str(other), str(bundled.executable)).stdout == (
        "no difference\n"
    )
    bundled.write("greeting.txt", "good morning\n")
    bundled.write("new", "")
    for words in (["add", "greeting.txt", f"--dest={SITE}hello"], ["add", "new"], ["rm", ".args"]):
        bundled.succeed(f"bundle.{words[0]}", *words[1:])
    shown = bundled.succeed("bundle.diff", str(other), str(bundled.executable)).stdout
    assert shown.splitlines() == ["- .args", f"~ {SITE}hello/greeting.txt", "+ new"]
    rows = json.loads(
        bundled.succeed("bundle.diff", str(other), "dist/cosmo/hello", "--json").stdout
    )
    assert rows[1] == {"change": "~", "name": f"{SITE}hello/greeting.txt", "before": 6, "after": 13}
