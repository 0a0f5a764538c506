"""The recipe, phase by phase: what it makes and fetches, and how it ends when it cannot go on."""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
import pty
import re
import shlex
import shutil
import struct
import subprocess
import termios
import time
import zipfile
from pathlib import Path

import pytest

from mirror import Mirror
from projects import INVOKE, ROOT, Project, environment, run, start

PYTHON = "/pub/cosmos/bin/python"


def own(project: Project) -> list[str]:
    """The names in the executable that are not the interpreter's."""
    given = set(zipfile.ZipFile(project.interpreter).namelist())
    names = zipfile.ZipFile(project.executable).namelist()
    return [name for name in names if name not in given]


def args(executable: Path) -> bytes:
    return zipfile.ZipFile(executable).read(".args")


# What it makes


def test_the_program_runs_with_its_arguments_data_and_status(project: Project) -> None:
    project.package()
    done = project.start("one", "two three", "--version", "$HOME")
    assert done.stdout == "hello one|two three|--version|$HOME\n", done.stderr
    assert done.returncode == 4


def test_the_executable_holds_the_compiled_package_and_args(project: Project) -> None:
    project.write("src/hello/__pycache__/words.cpython-39.pyc", "the host's")
    project.package()
    assert own(project) == [
        ".args",
        "Lib/site-packages/hello/__init__.pyc",
        "Lib/site-packages/hello/__main__.pyc",
        "Lib/site-packages/hello/deep/__init__.pyc",
        "Lib/site-packages/hello/greeting.txt",
        "Lib/site-packages/hello/words.pyc",
    ]
    assert args(project.executable) == b"-m\nhello\n..."


def test_the_rest_of_it_is_the_interpreter_less_what_is_pruned(
    project: Project, interpreter: Path
) -> None:
    made, given = zipfile.ZipFile(project.package()), zipfile.ZipFile(interpreter)
    pruned = ("usr/", "Lib/site-packages/pip")
    kept = {
        info.filename: (info.CRC, info.external_attr)
        for info in given.infolist()
        if not info.filename.startswith(pruned)
    }
    added = set(own(project))
    rest = {
        info.filename: (info.CRC, info.external_attr)
        for info in made.infolist()
        if info.filename not in added
    }
    assert rest == kept
    start_of_it = interpreter.read_bytes()[:256]
    assert project.executable.read_bytes()[:256] == start_of_it


def test_pruning_can_be_widened_and_turned_off(project: Project) -> None:
    names = zipfile.ZipFile(project.package(COSMO_PRUNE="")).namelist()
    assert "Lib/site-packages/pip/__init__.py" in names
    names = zipfile.ZipFile(project.package(COSMO_PRUNE="nothing/* 'Lib/json/*'")).namelist()
    assert "Lib/site-packages/pip/__init__.py" in names
    assert not [name for name in names if name.startswith("Lib/json/")]
    assert project.start().stdout == "hello \n"


def test_a_program_whose_name_begins_with_pip_survives(project: Project) -> None:
    (project.path / "src/hello").rename(project.path / "src/pipeline")
    project.write("src/pipeline/__main__.py", "print('still here')")
    assert project.invoke("cosmo", PKG="pipeline").returncode == 0
    done = start(project.build / "pipeline", home=project.path.parent)
    assert done.stdout == "still here\n"


def test_a_module_of_a_package_can_be_the_program(project: Project) -> None:
    project.write("src/hello/deep/tool.py", "from hello.words import greet; print(greet(['deep']))")
    assert project.invoke("cosmo", PKG="hello.deep.tool").returncode == 0
    done = start(project.build / "hello.deep.tool", home=project.path.parent)
    assert done.stdout == "hello deep\n"


def test_isolated_the_current_directory_cannot_shadow_the_program(project: Project) -> None:
    away = project.path.parent / "shadow"
    (away / "hello").mkdir(parents=True)
    (away / "hello/__init__.py").write_text("")
    (away / "hello/__main__.py").write_text("print('shadow')")
    (away / "pkgutil.py").write_text("raise SystemExit('shadow')")
    project.package(COSMO_ISOLATED="1")
    assert args(project.executable) == b"-I\n-m\nhello\n..."
    assert project.start("x", cwd=away).stdout == "hello x\n"


def test_args_can_be_replaced_whole(project: Project) -> None:
    (project.path / "src/hello/__main__.py").unlink()
    project.package(COSMO_ARGS="-c 'import sys; print(sys.argv[1:])' 'a b' ...")
    assert args(project.executable) == b"-c\nimport sys; print(sys.argv[1:])\na b\n..."
    assert project.start("c").stdout == "['a b', 'c']\n"


def test_tracebacks_name_the_place_inside(project: Project) -> None:
    project.write("src/hello/__main__.py", "\ndef fail():\n    raise KeyError('x')\n\nfail()\n")
    project.package()
    done = project.start()
    assert 'File "/zip/Lib/site-packages/hello/__main__.py", line 3, in fail' in done.stderr
    assert done.returncode == 1


def test_every_module_of_a_deep_package_is_packed(project: Project) -> None:
    deep = "/".join(f"level{number}" for number in range(14))
    project.write(f"src/hello/{deep}/last.py", "print('deep')")
    project.package()
    assert f"Lib/site-packages/hello/{deep}/last.pyc" in own(project)


def test_no_module_beside_the_build_is_in_the_compilers_way(project: Project) -> None:
    project.write("tools/re.py", "raise SystemExit('the wrong re')")
    done = project.invoke("cosmo", DIR_SITE="tools/Lib/site-packages")
    assert done.returncode == 0, done.stderr


def test_a_stale_pyc_beside_its_source_is_not_packed(project: Project) -> None:
    source = project.write("src/hello/__main__.py", "print('stale')")
    code = f"import py_compile; py_compile.compile({str(source)!r}, {str(source) + 'c'!r})"
    os.utime(source, (315532800, 315532800))
    assert start(project.interpreter, "-c", code, home=project.path.parent).returncode == 0
    source.write_text("print('fresh')")
    project.package()
    assert project.start().stdout == "fresh\n"


def test_symbolic_links_and_read_only_sources_are_packed(project: Project) -> None:
    project.write("shared/note.txt", "linked")
    (project.path / "src/hello/note.txt").symlink_to("../../shared/note.txt")
    (project.path / "src/hello/words.py").chmod(0o444)
    (project.path / "src/hello/deep").chmod(0o555)
    assert b"linked" in zipfile.ZipFile(project.package()).read("Lib/site-packages/hello/note.txt")
    project.package()


@pytest.mark.parametrize(
    "name", ["with space", "naïve 日本", "quote'd", "-dash", "$HOME;x", "a\\b"]
)
def test_any_name_of_the_projects_folder_works(project: Project, name: str) -> None:
    place = project.path.parent / name
    place.mkdir()
    project.path.rename(place / name)
    moved = project.beside(f"{name}/{name}")
    moved.write("src/hello/data é x.txt", "data")
    moved.package()
    assert moved.start("x").stdout == "hello x\n"
    assert moved.invoke("cosmo", cwd=place, COSMO_PROJECT=name).returncode == 1  # no tasks.py here
    shutil.copy(moved.path / "tasks.py", place)
    done = moved.invoke("cosmo", cwd=place, COSMO_PROJECT=name)
    assert done.returncode == 0, done.stderr


def test_it_packages_from_a_folder_below_the_project(project: Project) -> None:
    done = project.invoke("cosmo", cwd=project.path / "src/hello")
    assert done.returncode == 0, done.stderr
    assert project.start("x").stdout == "hello x\n"


def test_without_a_pyproject_the_folder_of_the_tasks_is_the_project(project: Project) -> None:
    (project.path / "pyproject.toml").unlink()
    done = project.invoke("cosmo", cwd=project.path / "src/hello", PKG="hello")
    assert done.returncode == 0, done.stderr
    assert project.start("x").stdout == "hello x\n"
    assert not (project.path / "src/hello/dist").exists()
    project.write("parts/app/app.py", "print('app')\n")
    done = project.invoke("cosmo", cwd=project.path / "parts/app", PKG="app")
    assert done.returncode == 0, done.stderr
    assert (project.path / "parts/app/dist/cosmo/app").exists()


def test_projects_side_by_side_are_packaged_from_one_tasks_file(project: Project) -> None:
    one, two = project.beside("project/parts/one"), project.beside("project/parts/two")
    for part in (one, two):
        part.write("pyproject.toml", f"[tool.cosmo.env]\nPKG = '{part.path.name}'\n")
        part.write(f"{part.path.name}.py", f"print('part {part.path.name}')\n")
    env = one.environment()
    both = [subprocess.Popen([*INVOKE, "cosmo"], cwd=part.path, env=env) for part in (one, two)]
    assert [each.wait() for each in both] == [0, 0]
    before = (one.build / "one").read_bytes()
    done = project.invoke("cosmo", COSMO_PROJECT="parts/two")
    assert done.returncode == 0, done.stderr
    project.package()
    assert (one.build / "one").read_bytes() == before
    for part in (one, two):
        file = part.build / part.path.name
        assert start(file, home=project.path.parent).stdout == f"part {part.path.name}\n"
    assert project.start("x").stdout == "hello x\n"


def test_the_sample_project_packages_and_runs(project: Project) -> None:
    copy = project.beside("copy")
    shutil.copytree(ROOT / "sample_project", copy.path, ignore=shutil.ignore_patterns("dist"))
    copy.write("tasks.py", copy.tasks.text)
    assert copy.invoke("cosmo").returncode == 0
    almanac = copy.build / "almanac"
    home = copy.path.parent
    assert start(almanac, "--version", home=home).stdout == "almanac 1.0.0\n"
    assert "usage: almanac" in start(almanac, "--help", home=home).stdout
    done = start(almanac, "new", "york", "--date", "2024-06-21", home=home)
    assert done.stdout == "New York on 2024-06-21\n  day   15 h 06 min\n  moon  full\n"
    assert start(almanac, "Atlantis", home=home).returncode == 2


# The same bytes


def test_building_again_gives_the_same_bytes(project: Project) -> None:
    project.write("src/hello/sets.py", "def f(x):\n    return x in {'a', 'b', 'c', 'd', 'e'}\n")
    first = project.package().read_bytes()
    os.utime(project.path / "src/hello/words.py", (time.time(), time.time() + 100))
    other = {"TZ": "Asia/Tokyo", "LANG": "C", "PYTHONOPTIMIZE": "2", "PYTHONNODEBUGRANGES": "1"}
    assert project.package(**other).read_bytes() == first


def test_options_that_zip_finds_in_the_environment_change_nothing(project: Project) -> None:
    first = project.package().read_bytes()
    assert project.package(ZIPOPT="-0 -j", ZIP="-x *").read_bytes() == first
    entries = [zipfile.ZipFile(project.executable).getinfo(name) for name in own(project)]
    assert {(entry.extra, entry.date_time) for entry in entries} == {(b"", (1980, 1, 1, 0, 0, 0))}


def test_the_dry_run_is_a_script_that_gives_the_same_bytes(project: Project) -> None:
    checkout = project.beside("deeper/another checkout")
    shutil.copytree(project.path, checkout.path)
    done = project.invoke("--dry", "cosmo")
    assert done.returncode == 0
    assert done.stderr == ""
    assert "\033" not in done.stdout
    assert not project.build.exists()
    env = environment(project.path.parent, TZ="America/New_York", CDPATH=str(project.path))
    line = "umask 077; exec sh -e"
    scripted = subprocess.run(
        ["sh", "-c", line], input=done.stdout.encode(), env=env, cwd=checkout.path, check=False
    )
    assert scripted.returncode == 0
    assert checkout.executable.read_bytes() == project.package().read_bytes()


def test_a_dry_run_that_is_not_read_to_its_end_is_quiet(project: Project) -> None:
    env = project.environment()
    line = f"{shlex.join(INVOKE)} --dry cosmo | true"
    for unbuffered in ("", "1"):
        env["PYTHONUNBUFFERED"] = unbuffered
        done = run(["sh", "-c", line], env, project.path)
        assert (done.stdout, done.stderr) == ("", "")


def test_the_dry_run_needs_no_tools_and_fetches_with_the_articles_wget(project: Project) -> None:
    done = project.invoke("--dry", "cosmo", drop="wget", COSMO_URL="https://cosmo.zip/python")
    wget = next(line for line in done.stdout.splitlines() if "wget -N" in line)
    assert wget.endswith(" https://cosmo.zip/python)")


def test_echo_shows_the_lines_as_they_run(project: Project) -> None:
    dry = project.invoke("--dry", "cosmo").stdout.splitlines()
    echoed = project.invoke("-e", "cosmo").stdout.splitlines()
    assert echoed[: len(dry)] == dry


# The phases


def test_a_build_writes_in_the_build_folder_alone(project: Project) -> None:
    home = project.path.parent / "home"
    home.mkdir()

    def files() -> set[str]:
        return {str(path) for path in project.path.rglob("*") if path.is_file()}

    before = files()
    project.package(HOME=str(home), TMPDIR=str(home), PYTHONDONTWRITEBYTECODE="1")
    assert list(home.iterdir()) == []
    assert {name for name in files() - before if not name.startswith(str(project.build))} == set()


def test_each_phase_does_all_that_it_needs(project: Project) -> None:
    assert project.invoke("cosmo.setup").returncode == 0
    assert (project.build / "Lib/site-packages/hello/__main__.py").exists()
    assert project.invoke("cosmo.compile").returncode == 0
    assert (project.build / "Lib/site-packages/hello/__main__.pyc").exists()
    assert not (project.build / "Lib/site-packages/hello/__main__.py").exists()
    assert project.invoke("cosmo.update").returncode == 0
    assert project.start("x").stdout == "hello x\n"
    assert project.invoke("cosmo.clean").returncode == 0
    assert not (project.build / "Lib/site-packages").exists()
    assert project.start("x").stdout == "hello x\n"


def test_what_was_removed_from_the_sources_is_gone_from_the_next_executable(
    project: Project,
) -> None:
    project.package()
    (project.path / "src/hello/deep/__init__.py").unlink()
    project.package()
    assert "Lib/site-packages/hello/deep/__init__.pyc" not in own(project)


def test_the_report_tells_size_digest_version_and_how_to_start(
    project: Project, version: tuple[int, int]
) -> None:
    done = project.invoke("cosmo")
    data = project.executable.read_bytes()
    assert done.stdout.splitlines()[0] == "dist/cosmo/hello"
    assert f"{len(data):,} bytes" in done.stdout
    assert hashlib.sha256(data).hexdigest() in done.stdout
    assert "Python {}.{}".format(*version) in done.stdout
    assert "./dist/cosmo/hello" in done.stdout
    assert "hello.exe" in done.stdout
    assert project.invoke("cosmo.report").stdout == done.stdout


# Fetching


def test_a_file_is_downloaded_once_and_again_when_it_changes_or_by_force(
    project: Project, mirror: Mirror, interpreter: Path
) -> None:
    url = mirror.address + PYTHON
    for words, downloads in (
        (["cosmo.fetch"], 1),
        (["cosmo.fetch"], 1),
        (["cosmo.fetch", "--force"], 2),
        (["cosmo.fetch"], 2),
    ):
        assert project.invoke(*words, COSMO_URL=url).returncode == 0
        assert mirror.downloads[PYTHON] == downloads
    assert (project.build / "python").read_bytes() == interpreter.read_bytes()
    newer = Path(shutil.copy(interpreter, project.path / "newer.com"))
    line = ["zip", "-q", "-d", newer.name, "Lib/colorsys.pyc"]
    assert run(line, environment(project.path), project.path).returncode == 0
    mirror.add(PYTHON, newer.read_bytes(), modified=1_710_000_000)
    assert project.invoke("cosmo.fetch", COSMO_URL=url).returncode == 0
    assert mirror.downloads[PYTHON] == 3
    assert (project.build / "python").read_bytes() == newer.read_bytes()


def test_another_url_is_another_file(project: Project, mirror: Mirror, interpreter: Path) -> None:
    one = mirror.add("/one/python", interpreter.read_bytes())
    two = mirror.add("/two/python", interpreter.read_bytes(), modified=1_600_000_000)
    for url in (one, two, one):
        assert project.invoke("cosmo.fetch", COSMO_URL=url).returncode == 0
    assert (mirror.downloads["/one/python"], mirror.downloads["/two/python"]) == (1, 1)


def test_a_url_with_a_query_and_an_escaped_name_is_fetched(
    project: Project, mirror: Mirror, interpreter: Path
) -> None:
    for path in ("/get/my%20python?version=3&x=a/b", "/a%2520b?c=%20d", "/%C3%A9?", "/folder/"):
        url = mirror.add(path, interpreter.read_bytes())
        done = project.invoke("cosmo.fetch", COSMO_URL=url)
        assert done.returncode == 0, done.stderr


def test_a_torn_file_of_untold_length_is_mended(
    project: Project, mirror: Mirror, interpreter: Path
) -> None:
    data = interpreter.read_bytes()
    url = mirror.add(PYTHON, data, sent=len(data) // 2, length=False)
    assert "holds no Python" in project.refused("cosmo.fetch", COSMO_URL=url)
    mirror.add(PYTHON, data, length=False)
    assert project.invoke("cosmo.fetch", COSMO_URL=url).returncode == 0
    assert (project.build / "python").read_bytes() == data


def test_a_download_that_was_cut_short_is_mended(
    project: Project, mirror: Mirror, interpreter: Path
) -> None:
    data = interpreter.read_bytes()
    url = mirror.add(PYTHON, data, sent=len(data) // 2)
    told = project.refused("cosmo.fetch", COSMO_URL=url)
    assert url in told
    assert not (project.build / "python").exists()
    mirror.add(PYTHON, data)
    assert project.invoke("cosmo.fetch", COSMO_URL=url).returncode == 0
    assert (project.build / "python").read_bytes() == data


def test_a_path_or_a_file_url_needs_no_wget(project: Project, interpreter: Path) -> None:
    for url in (str(interpreter), interpreter.as_uri()):
        assert project.invoke("cosmo", drop="wget", COSMO_URL=url).returncode == 0
    assert project.start("x").stdout == "hello x\n"


def test_the_last_interpreter_serves_without_network(project: Project, mirror: Mirror) -> None:
    assert project.invoke("cosmo", COSMO_URL=mirror.address + PYTHON).returncode == 0
    first = project.executable.read_bytes()
    assert project.invoke("cosmo", COSMO_URL="dist/cosmo/python").returncode == 0
    assert mirror.downloads[PYTHON] == 1
    assert project.executable.read_bytes() == first


def test_without_wget_it_says_how_to_get_it(project: Project, mirror: Mirror) -> None:
    told = project.refused(drop="wget", COSMO_URL=mirror.address + PYTHON)
    assert "there is no wget on PATH; install wget" in told


def test_without_zip_the_cosmopolitan_zip_is_fetched_and_used(
    project: Project, mirror: Mirror
) -> None:
    url = mirror.address + "/pub/cosmos/bin/zip"
    done = project.invoke("cosmo", drop="zip", COSMO_ZIP_URL=url)
    assert done.returncode == 0, done.stderr
    assert mirror.downloads["/pub/cosmos/bin/zip"] == 1
    without = project.executable.read_bytes()
    assert project.package().read_bytes() == without


@pytest.mark.parametrize(
    ("serve", "wrong"),
    [
        ("nothing", "ERROR 404"),
        ("refusal", "Connection refused"),
        ("html", "is no Actually Portable Executable"),
        ("script", "is no Actually Portable Executable"),
        ("no zip", "holds no Python"),
        ("half", "cannot be downloaded"),
        ("half, as if whole", "holds no Python"),
    ],
)
def test_what_is_not_the_interpreter_never_takes_its_place(
    project: Project, mirror: Mirror, interpreter: Path, serve: str, wrong: str
) -> None:
    assert project.invoke("cosmo").returncode == 0
    data = interpreter.read_bytes()
    url = mirror.address + PYTHON
    if serve == "nothing":
        url = mirror.address + "/nothing"
    elif serve == "refusal":
        url = "http://127.0.0.1:9/python"
    elif serve == "half":
        mirror.add(PYTHON, data, sent=len(data) // 2)
    else:
        served = {
            "html": b"<html>Sign in</html>",
            "script": b"#!/bin/sh\ntouch ../../ran\n",
            "no zip": b"MZqFpD='\n'\ntouch ../../ran\n",
            "half, as if whole": data[: len(data) // 2],
        }
        mirror.add(PYTHON, served[serve])
    told = project.refused(COSMO_URL=url)
    assert wrong in told
    assert url in told
    assert (project.build / "python").read_bytes() == data
    assert not (project.path / "ran").exists()
    assert project.start("x").stdout == "hello x\n"


# Bad input


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"PKG": "a;b"}, "PKG='a;b' (environment) is not the name of a package"),
        ({"PKG": "../x"}, "is not the name of a package"),
        ({"PKG": "-x"}, "is not the name of a package"),
        ({"PKG": ""}, "is not the name of a package"),
        ({"PKG": "nowhere"}, "project/src/nowhere"),
        ({"PKG": "hello.deep"}, "PKG=hello.deep has no __main__"),
        ({"DIR_SITE": "/"}, "DIR_SITE='/' (environment) must lie inside the project"),
        ({"DIR_SITE": "../Lib/site-packages"}, "must lie inside the project"),
        ({"DIR_SITE": "dist/cosmo"}, "must be a folder of the project's, then Lib/site-packages"),
        ({"COSMO_ARGS": "-m 'a\nb'"}, "COSMO_ARGS (environment): a line of .args"),
        ({"COSMO_URL": "nowhere"}, "there is no file nowhere"),
        ({"COSMO_PROJECT": "nowhere"}, "no such folder"),
    ],
)
def test_a_bad_setting_ends_it_before_anything_is_removed(
    project: Project, settings: dict[str, str], wrong: str
) -> None:
    project.package()
    before = sorted(path for path in project.path.rglob("*") if "/." not in str(path))
    assert wrong in project.refused(**settings)
    after = sorted(path for path in project.path.rglob("*") if "/." not in str(path))
    assert after == before
    assert project.start("x").stdout == "hello x\n"


def test_without_a_package_it_says_where_to_name_it(project: Project) -> None:
    (project.path / "pyproject.toml").unlink()
    told = project.refused()
    assert "PKG is not set" in told
    assert "[tool.cosmo.env]" in told


def test_a_pyproject_that_is_no_toml_is_named_with_its_line(project: Project) -> None:
    path = project.write("pyproject.toml", "[tool.cosmo.env]\nPKG = hello\n")
    told = project.refused()
    assert str(path) in told
    assert "line 2" in told


@pytest.mark.parametrize(
    ("text", "line", "error"),
    [
        ("x = 1\ndef f(:\n", "line 2", "SyntaxError: invalid syntax"),
        ("if 1:\nx = 1\n", "line 2", "IndentationError: expected an indented block"),
    ],
)
def test_a_file_that_does_not_compile_is_named_with_its_line(
    project: Project, text: str, line: str, error: str
) -> None:
    project.write("src/hello/deep/bad.py", text)
    told = project.refused()
    assert "hello/deep/bad.py" in told
    assert line in told
    assert error in told


def test_a_file_that_is_not_text_is_named(project: Project) -> None:
    project.write("src/hello/bad.py", "").write_bytes(b"x = '\xff'\n")
    assert "hello/bad.py" in project.refused()


def test_a_file_name_with_a_newline_is_refused(project: Project) -> None:
    project.write("src/hello/two\nlines.txt", "")
    assert "cannot hold a newline" in project.refused()


def test_a_failure_at_the_very_end_leaves_the_last_executable(project: Project) -> None:
    project.package()
    assert "correct COSMO_PRUNE" in project.refused(COSMO_PRUNE="*")
    assert project.start("x").stdout == "hello x\n"


@pytest.mark.parametrize(
    "name",
    [
        *(".args", ".deps", ".lock", ".new", ".smoke", "python.part", "download"),
        *("hello.zip", "python", "hello"),
    ],
)
def test_nothing_is_written_through_a_link_that_leads_out(project: Project, name: str) -> None:
    outside = project.path.parent / "outside"
    outside.mkdir()
    (outside / "file").write_text("mine")
    project.build.mkdir(parents=True)
    (project.build / name).symlink_to(outside if name == "download" else outside / "file")
    if name[0] == "." or name in ("python.part", "download"):
        assert "is a symbolic link" in project.refused()
    else:
        project.package()
    assert [path.name for path in outside.iterdir()] == ["file"]
    assert (outside / "file").read_text() == "mine"


@pytest.mark.parametrize("settings", ["pty: true", "hide: true", "echo: true", "shell: null"])
def test_a_persons_own_invoke_settings_do_not_hide_an_error(
    project: Project, settings: str
) -> None:
    project.write("invoke.yaml", f"run:\n  {settings}\n  asynchronous: true\n")
    assert project.invoke("cosmo").returncode == 0
    project.write("src/hello/deep/bad.py", "def f(:\n")
    done = project.invoke("cosmo")
    assert done.returncode == 1
    assert 'hello/deep/bad.py", line 1' in done.stderr


def test_it_needs_no_bash(project: Project) -> None:
    assert project.invoke("cosmo", drop="bash").returncode == 0
    assert project.start("x").stdout == "hello x\n"


def test_neither_cdpath_nor_a_linked_current_directory_leads_it_astray(project: Project) -> None:
    other = project.beside("other")
    shutil.copytree(project.path, other.path)
    other.package()
    before = sorted((path, path.stat().st_mtime_ns) for path in other.path.rglob("*"))
    project.package(CDPATH=str(other.path))
    link = project.path.parent / "a/b/link"
    link.parent.mkdir(parents=True)
    link.symlink_to(project.path / "src/hello")
    line = f"cd {shlex.quote(str(link))} && {shlex.join(INVOKE)} cosmo"
    done = run(["sh", "-c", line], project.environment(), project.path)
    assert done.returncode == 0, done.stderr
    assert project.start("x").stdout == "hello x\n"
    after = sorted((path, path.stat().st_mtime_ns) for path in other.path.rglob("*"))
    assert after == before


def test_a_folder_in_the_executables_place_stays(project: Project) -> None:
    project.write("dist/cosmo/hello/mine.txt", "mine")
    done = project.invoke("cosmo")
    assert done.returncode == 1
    assert "dist/cosmo/hello is a folder" in done.stderr
    assert (project.executable / "mine.txt").exists()


def without_write_permission() -> None:
    """Make root obey the permissions of files, as everyone else does (Linux, prctl(2))."""
    cap_dac_override, pr_capbset_drop = 1, 24
    if os.geteuid() == 0 and ctypes.CDLL(None).prctl(pr_capbset_drop, cap_dac_override, 0, 0, 0):
        raise OSError("root's permissions cannot be taken away")


@pytest.mark.parametrize("locked", ["", "dist/cosmo"])
def test_without_write_permission_it_says_so(project: Project, locked: str) -> None:
    project.package()
    before = project.executable.read_bytes()
    if not locked:
        shutil.rmtree(project.path / "dist")
    (project.path / locked).chmod(0o555)
    try:
        done = subprocess.run(
            [*INVOKE, "cosmo"],
            env=project.environment(PYTHONDONTWRITEBYTECODE="1"),
            cwd=project.path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            check=False,
            preexec_fn=without_write_permission,
        )
    finally:
        (project.path / locked).chmod(0o755)
    assert done.returncode == 1
    told = done.stderr.splitlines()[-1]
    assert told.startswith("cosmo: ")
    assert "dist" in told.partition(": ")[2]
    assert "Permission denied" in told
    assert "Traceback" not in done.stderr
    if locked:
        assert project.executable.read_bytes() == before


# What a person sees


def test_progress_is_shown_on_a_terminal_only(project: Project, mirror: Mirror) -> None:
    command = [*INVOKE, "cosmo"]
    url = mirror.address + PYTHON
    env = project.environment(COSMO_URL=url)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    with subprocess.Popen(
        command, env=env, cwd=project.path, stdin=theirs, stdout=theirs, stderr=theirs
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
    size = len(project.interpreter.read_bytes()) / 1e6
    done = re.findall(rb"fetch: 100%[^\r]*? ([\d.]+)M/([\d.]+)M ", shown)
    assert done, shown
    assert float(done[-1][1]) == pytest.approx(size, rel=0.05)
    assert re.search(rb"compile: 100%[^\r]* 4/4 ", shown), shown
    assert re.search(rb"update: 100%[^\r]* 6/6 ", shown), shown
    plain = project.invoke("cosmo", COSMO_URL=url)
    assert "%" not in plain.stderr
    assert [line.split()[0] for line in plain.stderr.splitlines()] == [
        "clean",
        "setup",
        "lock",
        "fetch",
        "compile",
        "update",
    ]
