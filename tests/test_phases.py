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

from mirror import PYTHON, Mirror
from projects import INVOKE, ROOT, Project, environment, run, start


def runs(project: Project, **how: str | Path) -> None:
    """Package the project, whose program then greets as it should."""
    project.package(**how)
    assert project.says("x") == "hello x\n"


# What it makes


def test_the_program_runs_with_its_arguments_data_and_status(project: Project) -> None:
    project.package()
    done = project.start("one", "two three", "--version", "$HOME")
    assert (done.stdout, done.returncode) == ("hello one|two three|--version|$HOME\n", 4)


def test_the_executable_is_the_pruned_interpreter_with_program_and_args(project: Project) -> None:
    project.write("src/hello/__pycache__/words.cpython-39.pyc", "the host's")
    made = zipfile.ZipFile(project.package()).infolist()
    pruned = ("usr/", "Lib/site-packages/pip")
    kept = {
        info.filename: (info.CRC, info.external_attr)
        for info in zipfile.ZipFile(project.interpreter).infolist()
        if not info.filename.startswith(pruned)
    }
    program = ["__init__.pyc", "__main__.pyc", "deep/__init__.pyc", "greeting.txt", "words.pyc"]
    added = [*(f"Lib/site-packages/hello/{name}" for name in program), ".args"]
    assert [info.filename for info in made if info.filename not in kept] == added
    rest = [info for info in made if info.filename not in added]
    assert {info.filename: (info.CRC, info.external_attr) for info in rest} == kept
    assert project.executable.read_bytes()[:256] == project.interpreter.read_bytes()[:256]
    assert zipfile.ZipFile(project.executable).read(".args") == b"-m\nhello\n..."


def test_pruning_can_be_widened_and_turned_off_and_leaves_something(project: Project) -> None:
    names = zipfile.ZipFile(project.package(COSMO_PRUNE="")).namelist()
    assert "Lib/site-packages/pip/__init__.py" in names
    names = zipfile.ZipFile(project.package(COSMO_PRUNE="nothing/* 'Lib/json/*'")).namelist()
    assert "Lib/site-packages/pip/__init__.py" in names
    assert not [name for name in names if name.startswith("Lib/json/")]
    assert "correct COSMO_PRUNE" in project.refused(COSMO_PRUNE="*")
    assert project.says() == "hello \n"


def test_a_module_of_a_package_can_be_the_program(project: Project) -> None:
    project.write("src/hello/deep/tool.py", "from hello.words import greet; print(greet(['deep']))")
    project.package(PKG="hello.deep.tool")
    assert project.says(name="hello.deep.tool") == "hello deep\n"


def test_isolated_the_current_directory_cannot_shadow_the_program(project: Project) -> None:
    project.write("../away/hello/__init__.py", "")
    project.write("../away/hello/__main__.py", "print('shadow')")
    project.write("../away/pkgutil.py", "raise SystemExit('shadow')")
    runs(project, COSMO_ISOLATED="1")
    assert zipfile.ZipFile(project.executable).read(".args") == b"-I\n-m\nhello\n..."


def test_args_can_be_replaced_whole(project: Project) -> None:
    (project.path / "src/hello/__main__.py").unlink()
    lines = "-c 'import sys; print(sys.argv[1:])' 'a b' ..."
    made = zipfile.ZipFile(project.package(COSMO_ARGS=lines))
    assert made.read(".args") == b"-c\nimport sys; print(sys.argv[1:])\na b\n..."
    assert project.says("c") == "['a b', 'c']\n"


def test_tracebacks_name_the_place_inside(project: Project) -> None:
    project.write("src/hello/__main__.py", "\ndef fail():\n    raise KeyError('x')\n\nfail()\n")
    project.package()
    done = project.start()
    assert 'File "/zip/Lib/site-packages/hello/__main__.py", line 3, in fail' in done.stderr
    assert done.returncode == 1


def test_deep_modules_symbolic_links_and_read_only_sources_are_packed(project: Project) -> None:
    deep = "/".join(f"level{number}" for number in range(14))
    project.write(f"src/hello/{deep}/last.py", "print('deep')")
    project.write("shared/note.txt", "linked")
    (project.path / "src/hello/note.txt").symlink_to("../../shared/note.txt")
    (project.path / "src/hello/words.py").chmod(0o444)
    (project.path / "src/hello/deep").chmod(0o555)
    assert b"linked" in zipfile.ZipFile(project.package()).read("Lib/site-packages/hello/note.txt")
    assert f"hello/{deep}/last.pyc" in project.held()
    project.package()


def test_no_module_beside_the_build_is_in_the_compilers_way(project: Project) -> None:
    project.write("tools/re.py", "raise SystemExit('the wrong re')")
    project.succeed(DIR_SITE="tools/Lib/site-packages")


def test_neither_a_stale_pyc_nor_a_removed_file_is_packed(project: Project) -> None:
    source = project.write("src/hello/__main__.py", "print('stale')")
    code = f"import py_compile; py_compile.compile({str(source)!r}, {str(source) + 'c'!r})"
    os.utime(source, (315532800, 315532800))
    assert start(project.interpreter, "-c", code, home=project.home).returncode == 0
    source.write_text("print('fresh')")
    project.package()
    assert project.says() == "fresh\n"
    (project.path / "src/hello/deep/__init__.py").unlink()
    project.package()
    assert "hello/deep/__init__.pyc" not in project.held()


@pytest.mark.parametrize("name", ["with space", "naïve 日本", "quote'd", "-d", "$HOME;x", "a\\b"])
def test_any_name_of_the_projects_folder_works(project: Project, name: str) -> None:
    place = project.home / name
    place.mkdir()
    project.path.rename(place / name)
    moved = project.beside(f"{name}/{name}")
    moved.write("src/hello/data é x.txt", "data")
    runs(moved)
    assert moved.invoke("cosmo", cwd=place, COSMO_PROJECT=name).returncode == 1  # no tasks.py here
    shutil.copy(moved.path / "tasks.py", place)
    moved.succeed(cwd=place, COSMO_PROJECT=name)


def test_it_packages_from_a_folder_below_with_a_pyproject_and_without(project: Project) -> None:
    runs(project, cwd=project.path / "src/hello")
    (project.path / "pyproject.toml").unlink()
    project.executable.unlink()
    runs(project, cwd=project.path / "src/hello", PKG="hello")
    assert not (project.path / "src/hello/dist").exists()
    project.write("parts/app/app.py", "print('app')\n")
    project.succeed(cwd=project.path / "parts/app", PKG="app")
    assert (project.path / "parts/app/dist/cosmo/app").exists()


def test_projects_side_by_side_are_packaged_from_one_tasks_file(project: Project) -> None:
    one, two = project.beside("project/parts/one"), project.beside("project/parts/two")
    for part in (one, two):
        part.write("pyproject.toml", f"[tool.cosmo.env]\nPKG = '{part.path.name}'\n")
        part.write(f"{part.path.name}.py", f"print('part {part.path.name}')\n")
    env = one.environment()
    both = [subprocess.Popen([*INVOKE, "cosmo"], cwd=part.path, env=env) for part in (one, two)]
    assert [build.wait() for build in both] == [0, 0]
    before = (one.build / "one").read_bytes()
    project.succeed(COSMO_PROJECT="parts/two")
    runs(project)
    assert (one.build / "one").read_bytes() == before
    for part in (one, two):
        assert part.says(name=part.path.name) == f"part {part.path.name}\n"


def test_the_sample_project_packages_and_runs(project: Project) -> None:
    copy = project.beside("copy")
    shutil.copytree(ROOT / "sample_project", copy.path, ignore=shutil.ignore_patterns("dist"))
    copy.write("tasks.py", copy.tasks.text)
    copy.package()
    assert copy.says("--version", name="almanac") == "almanac 1.0.0\n"
    assert "usage: almanac" in copy.says("--help", name="almanac")
    shown = copy.says("new", "york", "--date", "2024-06-21", name="almanac")
    assert shown == "New York on 2024-06-21\n  day   15 h 06 min\n  moon  full\n"
    assert copy.start("Atlantis", name="almanac").returncode == 2


# The same bytes


def test_building_again_in_another_environment_gives_the_same_bytes(project: Project) -> None:
    project.write("src/hello/sets.py", "def f(x):\n    return x in {'a', 'b', 'c', 'd', 'e'}\n")
    first = project.package().read_bytes()
    os.utime(project.path / "src/hello/words.py", (time.time(), time.time() + 100))
    other = {"TZ": "Asia/Tokyo", "LANG": "C", "PYTHONOPTIMIZE": "2", "PYTHONNODEBUGRANGES": "1"}
    assert project.package(**other, ZIPOPT="-0 -j", ZIP="-x *").read_bytes() == first
    archive = zipfile.ZipFile(project.executable)
    entries = [archive.getinfo(f"Lib/site-packages/{name}") for name in project.held()]
    entries.append(archive.getinfo(".args"))
    assert {(entry.extra, entry.date_time) for entry in entries} == {(b"", (1980, 1, 1, 0, 0, 0))}


def test_the_dry_run_is_a_script_that_gives_the_same_bytes(project: Project) -> None:
    url = "https://cosmo.zip/python"
    needs_no_tool = project.succeed("--dry", "cosmo", drop="wget", COSMO_URL=url).stdout
    assert re.search(rf"(?m)wget -N.* {url}\)$", needs_no_tool)
    checkout = project.beside("deeper/another checkout")
    shutil.copytree(project.path, checkout.path)
    done = project.succeed("--dry", "cosmo")
    assert done.stderr == ""
    assert "\033" not in done.stdout
    assert not project.build.exists()
    script = project.write("../script", f"umask 077\n{done.stdout}")
    env = environment(project.home, TZ="America/New_York", CDPATH=str(project.path))
    assert run(["sh", "-e", str(script)], env, checkout.path).returncode == 0
    assert checkout.executable.read_bytes() == project.package().read_bytes()


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_dry_run_that_is_not_read_to_its_end_is_quiet(project: Project, unbuffered: str) -> None:
    line = ["sh", "-c", f"{shlex.join(INVOKE)} --dry cosmo | true"]
    done = run(line, project.environment(PYTHONUNBUFFERED=unbuffered), project.path)
    assert (done.stdout, done.stderr) == ("", "")


def test_echo_shows_the_lines_as_they_run(project: Project) -> None:
    dry = project.invoke("--dry", "cosmo").stdout.splitlines()
    echoed = project.invoke("-e", "cosmo").stdout.splitlines()
    assert echoed[: len(dry)] == dry


# The phases


def test_a_build_writes_in_the_build_folder_alone(project: Project) -> None:
    home = project.home / "home"
    home.mkdir()

    def outside() -> set[Path]:
        files = {path for path in project.path.rglob("*") if path.is_file()}
        return {path for path in files if project.build not in path.parents}

    before = outside()
    project.package(HOME=str(home), TMPDIR=str(home), PYTHONDONTWRITEBYTECODE="1")
    assert list(home.iterdir()) == []
    assert outside() <= before


def test_each_phase_does_all_that_it_needs(project: Project) -> None:
    main = project.build / "Lib/site-packages/hello/__main__.py"
    project.succeed("cosmo.setup")
    assert main.exists()
    project.succeed("cosmo.compile")
    assert main.with_suffix(".pyc").exists()
    assert not main.exists()
    project.succeed("cosmo.update")
    assert project.says("x") == "hello x\n"
    project.succeed("cosmo.clean")
    assert not (project.build / "Lib/site-packages").exists()
    assert project.says("x") == "hello x\n"


def test_the_report_has_size_digest_and_version(project: Project, version: tuple[int, int]) -> None:
    report = project.succeed().stdout
    data = project.executable.read_bytes()
    assert report.splitlines()[0] == "dist/cosmo/hello"
    size, digest = f"{len(data):,} bytes", hashlib.sha256(data).hexdigest()
    python = "Python {}.{}".format(*version)
    for fact in (size, digest, python, "./dist/cosmo/hello", "hello.exe"):
        assert fact in report
    assert project.invoke("cosmo.report").stdout == report


# Fetching


def test_a_download_is_repeated_for_a_change_or_by_force(project: Project, mirror: Mirror) -> None:
    for option, downloads in (("", 1), ("", 1), ("--force", 2), ("", 2)):
        project.succeed("cosmo.fetch", *option.split(), COSMO_URL=mirror.python)
        assert mirror.downloads[PYTHON] == downloads
    assert (project.build / "python").read_bytes() == project.interpreter.read_bytes()
    newer = project.other_interpreter()
    mirror.add(PYTHON, newer, modified=1_710_000_000)
    project.succeed("cosmo.fetch", COSMO_URL=mirror.python)
    assert mirror.downloads[PYTHON] == 3
    assert (project.build / "python").read_bytes() == newer


def test_another_url_is_another_file_whatever_its_form(project: Project, mirror: Mirror) -> None:
    one = mirror.add("/one/python", project.interpreter.read_bytes())
    two = mirror.add("/two/python", project.interpreter.read_bytes(), modified=1_600_000_000)
    for url in (one, two, one):
        project.succeed("cosmo.fetch", COSMO_URL=url)
    assert (mirror.downloads["/one/python"], mirror.downloads["/two/python"]) == (1, 1)
    for path in ("/get/my%20python?version=3&x=a/b", "/a%2520b?c=%20d", "/%C3%A9?", "/folder/"):
        project.succeed("cosmo.fetch", COSMO_URL=mirror.add(path, project.interpreter.read_bytes()))
        assert mirror.downloads[path] == 1


def test_a_download_that_was_cut_short_is_repaired(project: Project, mirror: Mirror) -> None:
    data, python = project.interpreter.read_bytes(), project.build / "python"
    for length, wrong in ((True, "cannot be downloaded"), (False, "holds no Python")):
        path = f"/{length}/python"
        url = mirror.add(path, data, sent=len(data) // 2, length=length)
        message = project.refused("cosmo.fetch", COSMO_URL=url)
        assert wrong in message
        assert url in message
        assert not python.exists()
        mirror.add(path, data, length=length)
        project.succeed("cosmo.fetch", COSMO_URL=url)
        assert python.read_bytes() == data
        python.unlink()


def test_it_needs_no_bash_and_for_a_path_or_a_file_url_no_wget(project: Project) -> None:
    runs(project, drop="bash")
    for url in (str(project.interpreter), project.interpreter.as_uri()):
        runs(project, drop="wget", COSMO_URL=url)


def test_the_last_interpreter_serves_without_network(project: Project, mirror: Mirror) -> None:
    first = project.package(COSMO_URL=mirror.python).read_bytes()
    assert project.package(COSMO_URL="dist/cosmo/python").read_bytes() == first
    assert mirror.downloads[PYTHON] == 1


def test_wget_must_be_installed_but_a_zip_is_fetched(project: Project, mirror: Mirror) -> None:
    message = project.refused(drop="wget", COSMO_URL=mirror.python)
    assert "there is no wget on PATH; install wget" in message
    url = mirror.address + "/pub/cosmos/bin/zip"
    without = project.package(drop="zip", COSMO_ZIP_URL=url).read_bytes()
    assert mirror.downloads["/pub/cosmos/bin/zip"] == 1
    assert project.package().read_bytes() == without


def test_only_an_interpreter_takes_an_interpreters_place(project: Project, mirror: Mirror) -> None:
    project.package()
    data = project.interpreter.read_bytes()
    half = data[: len(data) // 2]
    script, no_zip = b"#!/bin/sh\ntouch ../../ran\n", b"MZqFpD='\n'\ntouch ../../ran\n"
    for url, wrong in (
        (mirror.address + "/nothing", "ERROR 404"),
        ("http://127.0.0.1:9/python", "Connection refused"),
        (mirror.add("/html", b"<html>Sign in</html>"), "is no Actually Portable Executable"),
        (mirror.add("/script", script), "is no Actually Portable Executable"),
        (mirror.add("/no/zip", no_zip), "holds no Python"),
        (mirror.add("/half", data, sent=len(half)), "cannot be downloaded"),
        (mirror.add("/half/as/if/whole", half), "holds no Python"),
    ):
        message = project.refused(COSMO_URL=url)
        assert wrong in message
        assert url in message
        assert (project.build / "python").read_bytes() == data
        assert not (project.path / "ran").exists()
    assert project.says("x") == "hello x\n"


# Bad input


def test_a_bad_setting_ends_it_before_anything_is_removed(project: Project) -> None:
    def paths() -> list[Path]:
        return sorted(path for path in project.path.rglob("*") if "/." not in str(path))

    project.package()
    before = paths()
    for name, value, wrong in (
        ("PKG", "a;b", "PKG='a;b' (environment) is not the name of a package"),
        *(("PKG", value, "is not the name of a package") for value in ("../x", "-x", "")),
        ("PKG", "nowhere", "project/src/nowhere"),
        ("PKG", "hello.deep", "PKG=hello.deep has no __main__"),
        ("DIR_SITE", "/", "DIR_SITE='/' (environment) must lie inside the project"),
        ("DIR_SITE", "../Lib/site-packages", "must lie inside the project"),
        ("DIR_SITE", "dist/cosmo", "must be a folder of the project's, then Lib/site-packages"),
        ("COSMO_ARGS", "-m 'a\nb'", "COSMO_ARGS (environment): a line of .args"),
        ("COSMO_URL", "nowhere", "there is no file nowhere"),
        ("COSMO_PROJECT", "nowhere", "no such folder"),
    ):
        assert wrong in project.refused(**{name: value})
        assert paths() == before
    assert project.says("x") == "hello x\n"


def test_a_pyproject_that_is_no_toml_or_is_missing_is_named(project: Project) -> None:
    path = project.write("pyproject.toml", "[tool.cosmo.env]\nPKG = hello\n")
    assert re.search(rf"{re.escape(str(path))}.*line 2", project.refused())
    path.unlink()
    project.write("src/other.py", "")
    assert re.search(rf"PKG is not set.*{re.escape(str(path))}", project.refused())


@pytest.mark.parametrize(
    ("name", "text", "wrong"),
    [
        ("deep/bad.py", b"x = 1\ndef f(:\n", "SyntaxError: invalid syntax"),
        ("deep/bad.py", b"if 1:\nx = 1\n", "IndentationError: expected an indented block"),
        ("deep/bad.py", b"\nx = '\xff'\n", ""),
        ("two\nlines.txt", b"", "cannot hold a newline"),
    ],
)
def test_a_bad_file_is_named(project: Project, name: str, text: bytes, wrong: str) -> None:
    project.write(f"src/hello/{name}", "").write_bytes(text)
    message, place = project.refused(), [f"hello/{name}", "line 2"] if "\n" not in name else []
    assert [part for part in [*place, wrong] if part not in message] == []


REFUSED = [".args", ".deps", ".lock", ".new", ".smoke", "python.part", "download"]


@pytest.mark.parametrize("name", [*REFUSED, "hello.zip", "python", "hello"])
def test_nothing_is_written_through_a_link_that_leads_out(project: Project, name: str) -> None:
    mine = project.write("../outside/file", "mine")
    project.build.mkdir(parents=True)
    (project.build / name).symlink_to(mine.parent if name == "download" else mine)
    if name in REFUSED:
        assert "is a symbolic link" in project.refused()
    else:
        project.package()
    assert list(mine.parent.iterdir()) == [mine]
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("settings", ["pty: true", "hide: true", "echo: true", "shell: null"])
def test_a_persons_invoke_settings_do_not_hide_an_error(project: Project, settings: str) -> None:
    project.write("invoke.yaml", f"run:\n  {settings}\n  asynchronous: true\n")
    project.package()
    project.write("src/hello/deep/bad.py", "def f(:\n")
    done = project.invoke("cosmo")
    assert done.returncode == 1
    assert 'hello/deep/bad.py", line 1' in done.stderr


def test_neither_cdpath_nor_a_linked_current_directory_leads_it_astray(project: Project) -> None:
    other = project.beside("other")
    shutil.copytree(project.path, other.path)
    other.package()
    before = sorted((path, path.stat().st_mtime_ns) for path in other.path.rglob("*"))
    project.package(CDPATH=str(other.path))
    link = project.home / "a/b/link"
    link.parent.mkdir(parents=True)
    link.symlink_to(project.path / "src/hello")
    line = f"cd {shlex.quote(str(link))} && {shlex.join(INVOKE)} cosmo"
    done = run(["sh", "-c", line], project.environment(), project.path)
    assert done.returncode == 0, done.stderr
    assert project.says("x") == "hello x\n"
    assert sorted((path, path.stat().st_mtime_ns) for path in other.path.rglob("*")) == before


def test_a_folder_in_the_executables_place_stays(project: Project) -> None:
    mine = project.write("dist/cosmo/hello/mine.txt", "mine")
    done = project.invoke("cosmo")
    assert done.returncode == 1
    assert "dist/cosmo/hello is a folder" in done.stderr
    assert mine.exists()


def without_write_permission() -> None:
    """Make root obey the permissions of files, as everyone else does (Linux, prctl(2))."""
    cap_dac_override, pr_capbset_drop = 1, 24
    if os.geteuid() == 0 and ctypes.CDLL(None).prctl(pr_capbset_drop, cap_dac_override, 0, 0, 0):
        raise OSError("root's permissions cannot be taken away")


@pytest.mark.parametrize("locked", ["", "dist/cosmo"])
def test_without_write_permission_it_says_so(project: Project, locked: str) -> None:
    before = project.package().read_bytes()
    if not locked:
        shutil.rmtree(project.path / "dist")
    (project.path / locked).chmod(0o555)
    try:
        env = project.environment(PYTHONDONTWRITEBYTECODE="1")
        command = [*INVOKE, "cosmo", "--force"]
        done = run(command, env, project.path, preexec_fn=without_write_permission)
    finally:
        (project.path / locked).chmod(0o755)
    assert done.returncode == 1
    assert re.match("cosmo: (?=.*dist).*Permission denied", done.stderr.splitlines()[-1])
    assert "Traceback" not in done.stderr
    if locked:
        assert project.executable.read_bytes() == before


# What a person sees


def test_progress_is_shown_on_a_terminal_only(project: Project, mirror: Mirror) -> None:
    env = project.environment(COSMO_URL=mirror.python)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    with subprocess.Popen(
        [*INVOKE, "cosmo"], env=env, cwd=project.path, stdin=theirs, stdout=theirs, stderr=theirs
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
    totals = re.findall(rb"fetch: 100%[^\r]*? [\d.]+M/([\d.]+)M ", shown)
    assert totals, shown
    assert float(totals[-1]) == pytest.approx(size, rel=0.05)
    assert re.search(rb"compile: 100%[^\r]* 4/4 ", shown), shown
    assert re.search(rb"update: 100%[^\r]* 5/5 ", shown), shown
    plain = project.invoke("cosmo", COSMO_URL=mirror.python).stderr
    assert "%" not in plain
    phases = [line.split()[0] for line in plain.splitlines()]
    assert phases == ["clean", "setup", "lock", "fetch", "check", "compile", "update"]


def test_the_dry_run_of_the_sample_project_is_quoted_in_the_readme(project: Project) -> None:
    env = environment(project.path.parent, SOURCE_DATE_EPOCH="315532800")
    done = run([*INVOKE, "--dry", "cosmo"], env, ROOT / "sample_project")
    assert done.stdout in (ROOT / "README.md").read_text(encoding="utf-8")
    lines = done.stdout.splitlines()
    assert len(lines) <= 30
    assert max(map(len, lines)) <= 120
    phases = ["clean", "setup", "fetch", "check", "compile", "update"]
    comments = [line for line in lines if line.startswith("#")]
    assert comments == [f"# cosmo.{phase}" for phase in phases]
    assert not [line for line in lines if "uv " in line or ".deps" in line]


def test_a_phase_checks_only_the_settings_that_it_uses(project: Project) -> None:
    project.package()
    done = project.invoke("cosmo.clean", COSMO_URL="nowhere", COSMO_ARGS="'", PKG="no name")
    assert done.returncode == 0, done.stderr
    assert not (project.build / "Lib/site-packages").exists()


def test_a_tool_that_fails_has_its_own_last_lines_shown(project: Project) -> None:
    project.write("src/hello/bad.py", "x = 1\ndef f(:\n")
    *_, shown, last = project.refused().splitlines()
    assert shown == "SyntaxError: invalid syntax"
    assert last == (
        "cosmo: src/hello does not compile: src/hello/bad.py:2: SyntaxError: invalid syntax;"
        " correct the file, or name it in COSMO_KEEP or COSMO_EXCLUDE"
    )


def test_the_dry_script_ends_where_the_build_does(project: Project) -> None:
    script = project.invoke("--dry", "cosmo").stdout
    shutil.rmtree(project.path / "src/hello")
    done = run(["sh", "-ec", script], project.environment(), project.path)
    assert done.returncode != 0
    assert not project.executable.exists()


def test_a_line_that_takes_too_long_is_ended_with_all_it_started(project: Project) -> None:
    project.write("src/hello/__main__.py", "import time\ntime.sleep(300)\n")
    begin = time.monotonic()
    done = project.invoke("-T", "8", "cosmo", COSMO_SMOKE="")
    assert done.returncode == 1
    assert "it took longer than 8 seconds" in done.stderr
    assert time.monotonic() - begin < 100
