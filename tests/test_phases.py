"""The phases: what a build of each way makes, leaves alone and prints, and how it refuses."""

from __future__ import annotations

import ctypes
import hashlib
import itertools
import os
import re
import shlex
import shutil
import subprocess
import zipfile

import pytest

from projects import INVOKE, ROOT, Project, environment, run, start

SITE = "Lib/site-packages"

ARTICLE = """\
rm -rf $DIR_SITE
mkdir -p $DIR_SITE
cp -r src/$PKG $DIR_SITE
wget -N https://cosmo.zip/pub/cosmos/bin/python
chmod +x python
cp python $PKG.zip
./dist/cosmo/python -m compileall -b $DIR_SITE/$PKG
find $DIR_SITE/$PKG -name "*.py" -delete
zip -r $PKG.zip .args Lib
mv $PKG.zip $PKG"""


def test_every_line_of_the_article_stands_in_phases_in_its_order() -> None:
    text = (ROOT / "recipes/phases.py").read_text(encoding="utf-8")
    places = {line: text.find(line) for line in ARTICLE.splitlines()}
    assert [line for line, place in places.items() if place < 0] == []
    assert sorted(places, key=lambda line: places[line]) == [*places]
    for line in (r'printf -- "-m\\n$PKG\\n..." > dist/cosmo/.args', "'Lib/site-packages/pip*'"):
        assert line in text


# What a build makes


def test_article_build_packs_the_program_and_its_args_into_the_pruned_interpreter(
    project: Project, version: tuple[int, int]
) -> None:
    project.write("src/hello/__pycache__/words.cpython-39.pyc", "the host's")
    for name in ("words.py~", ".#words.py", "hello.egg-info/PKG-INFO", ".DS_Store"):
        project.write(f"src/hello/{name}", "litter")
    shutil.copy(project.path / "src/hello/words.py", project.path / "src/hello/words.pyc")
    files = {path for path in project.path.rglob("*") if path.is_file()}
    (project.home / "home").mkdir()
    report = project.succeed(HOME=str(project.home / "home"), PYTHONDONTWRITEBYTECODE="1").stdout
    written = {path for path in project.path.rglob("*") if path.is_file()} - files
    assert [path for path in written if project.build not in path.parents] == []
    assert [path.name for path in (project.home / "home").iterdir()] == [".cache"]
    assert [*(project.build / ".new/out").iterdir()] == []
    pruned = ("usr/", f"{SITE}/pip")
    kept = {
        info.filename: (info.CRC, info.external_attr)
        for info in zipfile.ZipFile(project.interpreter).infolist()
        if not info.filename.startswith(pruned)
    }
    program = ["__init__.pyc", "__main__.pyc", "deep/__init__.pyc", "greeting.txt", "words.pyc"]
    added = [*(f"{SITE}/hello/{name}" for name in program), ".args"]
    made = zipfile.ZipFile(project.executable)
    assert [name for name in made.namelist() if name not in kept] == added
    rest = [info for info in made.infolist() if info.filename not in added]
    assert {info.filename: (info.CRC, info.external_attr) for info in rest} == kept
    assert made.read(".args") == b"-m\nhello\n..."
    data = project.executable.read_bytes()
    assert data[:256] == project.interpreter.read_bytes()[:256]
    done = project.start("one", "two three", "--version", "$HOME")
    assert (done.stdout, done.returncode) == ("hello one|two three|--version|$HOME\n", 4)
    size, digest = f"{len(data):,} bytes", hashlib.sha256(data).hexdigest()
    assert report.splitlines()[0] == "dist/cosmo/hello"
    for fact in (size, digest, "Python {}.{}".format(*version), "./dist/cosmo/hello", "hello.exe"):
        assert fact in report
    assert project.succeed("cosmo.report").stdout == report


def test_settings_shape_what_is_packed(project: Project) -> None:
    project.write("../away/hello/__init__.py", "raise SystemExit('shadow')")
    project.write("../away/pkgutil.py", "raise SystemExit('shadow')")
    project.env["COSMO_ISOLATED"] = "1"
    names = zipfile.ZipFile(project.package(COSMO_PRUNE="")).namelist()
    assert f"{SITE}/pip/__init__.py" in names
    assert zipfile.ZipFile(project.executable).read(".args") == b"-I\n-m\nhello\n..."
    assert project.run_executable("x") == "hello x\n"
    prune = "nothing/* 'Lib/xml/*'"
    project.write("src/hello/deep/tool.py", "import sys; print(__name__, sys.argv[1:], __debug__)")
    project.package(PKG="hello.deep.tool", COSMO_PRUNE=prune, COSMO_OPTIMIZE="1", COSMO_SOURCE="1")
    made = zipfile.ZipFile(project.build / "hello.deep.tool")
    assert not [name for name in made.namelist() if name.startswith("Lib/xml/")]
    assert {f"{SITE}/hello/words.py", f"{SITE}/pip/__init__.py"} < {*made.namelist()}
    assert made.read(".args") == b"-I\n-O\n-m\nhello.deep.tool\n..."
    assert project.run_executable("x", name="hello.deep.tool") == "__main__ ['x'] False\n"
    (project.path / "src/hello/__main__.py").unlink()
    project.package(COSMO_CHECK="0", COSMO_EXCLUDE="hello/deep*")
    assert "hello/deep/__init__.pyc" not in project.packed_files()
    assert "correct COSMO_PRUNE" in project.refused(COSMO_PRUNE="*")


def test_deep_linked_and_read_only_files_are_packed_and_tracebacks_name_them(
    project: Project,
) -> None:
    deep = "/".join(f"level{number}" for number in range(14))
    project.write(f"src/hello/{deep}/last.py", "print('deep')")
    project.write("shared/note.txt", "linked")
    (project.path / "src/hello/note.txt").symlink_to("../../shared/note.txt")
    (project.path / "src/hello/deep").chmod(0o555)
    main = project.write("src/hello/__main__.py", "\ndef f():\n    raise KeyError('x')\n\nf()\n")
    main.chmod(0o444)
    for _ in range(2):
        made = zipfile.ZipFile(project.package())
        assert made.read(f"{SITE}/hello/note.txt") == b"linked"
        assert f"{SITE}/hello/{deep}/last.pyc" in made.namelist()
        main.unlink()
        main.write_text("\ndef f():\n    raise KeyError('y')\n\nf()\n")
    done = project.start()
    assert 'File "/zip/Lib/site-packages/hello/__main__.py", line 3, in f' in done.stderr
    assert (done.stderr.endswith("KeyError: 'y'\n"), done.returncode) == (True, 1)


def test_nothing_of_an_earlier_build_is_packed(project: Project) -> None:
    project.package()
    source = project.path / "src/hello/__main__.py"
    facts = source.stat()
    source.write_text(source.read_text().replace("greet(sys.argv[1:])", "'changed', 'here'"))
    os.utime(source, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    (project.path / "src/hello/deep/__init__.py").unlink()
    project.write("dist/cosmo/Lib/junk.pyc", "junk")
    project.package()
    assert project.run_executable() == "changed here\n"
    assert "Lib/junk.pyc" not in zipfile.ZipFile(project.executable).namelist()
    assert "hello/deep/__init__.pyc" not in project.packed_files()


def test_each_phase_does_all_that_it_needs(project: Project) -> None:
    main = project.build / SITE / "hello/__main__.py"
    project.succeed("cosmo.setup")
    assert main.exists()
    project.succeed("cosmo.compile")
    assert (main.with_suffix(".pyc").exists(), main.exists()) == (True, False)
    assert not project.executable.exists()
    project.succeed("cosmo.update")
    assert project.run_executable("x") == "hello x\n"
    project.succeed("cosmo.clean")
    assert not (project.build / SITE).exists()
    assert project.run_executable("x") == "hello x\n"


def test_unchanged_program_is_not_built_again_unless_forced(project: Project) -> None:
    report, before = project.succeed().stdout, project.executable.stat().st_mtime_ns
    again = project.succeed()
    assert (again.stdout, "nothing has changed since" in again.stderr) == (report, True)
    assert project.executable.stat().st_mtime_ns == before
    assert project.succeed("cosmo", "--force").stdout == report
    assert project.executable.stat().st_mtime_ns > before
    project.executable.write_bytes(b"damaged")
    assert project.succeed().stdout == report
    assert project.run_executable("x") == "hello x\n"


# Where a build runs


@pytest.mark.parametrize("name", ["naïve 日本 'q' $HOME;x a\\b", "-d"])
def test_any_name_of_the_projects_folder_works(project: Project, name: str) -> None:
    place = project.home / name
    place.mkdir()
    project.path.rename(place / name)
    moved = project.beside(f"{name}/{name}")
    moved.write("src/hello/data é x.txt", "data")
    moved.write("tools/re.py", "raise SystemExit('the wrong re')")
    moved.succeed(cwd=moved.path / "src/hello", DIR_SITE="tools/Lib/site-packages")
    assert start(moved.path / "tools/hello", "x", home=moved.home).stdout == "hello x\n"
    shutil.copy(moved.path / "tasks.py", place)
    moved.succeed(cwd=place, COSMO_PROJECT=name)
    assert moved.run_executable("x") == "hello x\n"


def test_projects_side_by_side_are_packaged_from_one_tasks_file(project: Project) -> None:
    parts = [project.beside(f"project/parts/{name}") for name in ("one", "two")]
    for part in parts:
        part.write("pyproject.toml", f"[tool.cosmo.env]\nPKG = '{part.path.name}'\n")
        part.write(f"{part.path.name}.py", f"print('part {part.path.name}')\n")
    env = project.environment()
    both = [subprocess.Popen([*INVOKE, "cosmo"], cwd=part.path, env=env) for part in parts]
    assert [build.wait() for build in both] == [0, 0]
    project.package()
    assert project.run_executable("x") == "hello x\n"
    for part in parts:
        assert part.run_executable(name=part.path.name) == f"part {part.path.name}\n"


def test_neither_cdpath_nor_a_linked_folder_leads_it_astray(project: Project) -> None:
    other, link = project.beside("other"), project.home / "link"
    shutil.copytree(project.path, other.path)
    link.symlink_to(project.path / "src/hello")
    line = f"cd {shlex.quote(str(link))} && {shlex.join(INVOKE)} cosmo"
    done = run(["sh", "-c", line], project.environment(CDPATH=str(other.path)), project.path)
    assert done.returncode == 0, done.stderr
    assert (project.run_executable("x"), other.build.exists()) == ("hello x\n", False)


# The three ways

HEAD = '[project]\nname = "almanac"\nversion = "1"\ndependencies = []\n'
WAYS = {
    "article": f'{HEAD}[tool.ds.scripts]\n_.env.PKG = "almanac"\n',
    "wheel": f'{HEAD}[build-system]\nrequires = ["uv_build"]\nbuild-backend = "uv_build"\n',
    "copy": HEAD,
}


@pytest.fixture(params=WAYS)
def almanac(request: pytest.FixtureRequest, installing: Project) -> Project:
    """Return a copy of the sample project that is packaged in one of the three ways."""
    sample = installing.beside("almanac")
    sample.env, sample.executable = installing.env, sample.build / "almanac"
    shutil.copytree(ROOT / "sample_project/src", sample.path / "src")
    sample.write("tasks.py", sample.tasks.text)
    sample.write("pyproject.toml", WAYS[request.param])
    return sample


def test_sample_project_is_packaged_and_runs_in_each_way_without_git(almanac: Project) -> None:
    git = almanac.write("../bin/git", f"#!/bin/sh\ntouch {almanac.home}/called\n")
    git.chmod(0o755)
    almanac.env["PATH"] = f"{git.parent}{os.pathsep}{almanac.environment()['PATH']}"
    for name in ("HEAD", "config", "index"):  # who reads a pipe waits for good
        os.mkfifo(almanac.write(f".git/{name}.sample", "").with_suffix(""))
    almanac.succeed("cosmo.lock")
    almanac.package()
    assert not (almanac.home / "called").exists()
    assert almanac.run_executable("--version") == "almanac 1.0.0\n"
    shown = almanac.run_executable("new", "york", "--date", "2024-06-21")
    assert shown == "New York on 2024-06-21\n  day   15 h 06 min\n  moon  full\n"
    assert almanac.start("Atlantis").returncode == 2


def test_no_line_of_the_sample_projects_dry_run_is_too_long(almanac: Project) -> None:
    table = (almanac.path / "pyproject.toml").read_text()
    almanac.write("pyproject.toml", table.replace("[]", "['x']"))
    shown = almanac.succeed("--dry", "cosmo", COSMO_URL="https://cosmo.zip/python").stdout
    assert [line for line in shown.splitlines() if len(line) > 120] == []
    phases = re.findall(r"(?m)^# cosmo\.(\w+)$", shown)
    assert phases == ["clean", "setup", "fetch", "deps", "compile", "update"]
    assert not almanac.build.exists()


def test_readme_quotes_the_dry_run_of_the_sample_project(project: Project) -> None:
    env = environment(project.home, SOURCE_DATE_EPOCH="315532800")
    done = run([*INVOKE, "--dry", "cosmo"], env, ROOT / "sample_project")
    assert done.stdout in (ROOT / "README.md").read_text(encoding="utf-8")


# What is refused


def test_bad_setting_ends_it_before_anything_is_removed(project: Project) -> None:
    project.package()
    before = {path: path.lstat().st_mtime_ns for path in project.path.rglob("*")}
    for name, value, problem in (
        ("PKG", "a;b", "PKG='a;b' (environment) is not the name of a package"),
        ("PKG", "nowhere", "neither src/nowhere nor nowhere"),
        ("DIR_SITE", "../Lib/site-packages", "must lie inside the project"),
        ("DIR_SITE", "dist/cosmo", "must be a folder of the project's, then Lib/site-packages"),
        ("COSMO_URL", "nowhere", "there is no file"),
    ):
        assert problem in project.refused(**{name: value})
    assert {path: path.lstat().st_mtime_ns for path in project.path.rglob("*")} == before


BAD = {
    "deep/bad.py": (b"x = 1\ndef f(:\n", "hello/deep/bad.py:2: SyntaxError: invalid syntax"),
    "deep/not.py": (b"if 1:\nx = 1\n", "hello/deep/not.py:2: IndentationError: expected an"),
    "deep/latin.py": (b"\nx = '\xff'\n", "hello/deep/latin.py"),
    "two\nlines.txt": (b"", "cannot hold a newline"),
}


@pytest.mark.parametrize("name", BAD)
def test_file_that_cannot_be_packed_is_named(project: Project, name: str) -> None:
    project.write(f"src/hello/{name}", "").write_bytes(BAD[name][0])
    assert BAD[name][1] in project.refused()


def test_nothing_is_written_through_a_link_or_into_a_folder(project: Project) -> None:
    mine = project.write("../outside/file", "mine")
    project.build.mkdir(parents=True)
    names = ".args .deps .new .wheel .lock .inside.py .target .name .start .digest .build.json"
    kinds = itertools.cycle((mine, mine.parent, mine.with_name("none"), None))  # None: a pipe
    for name, to in zip([*names.split(), "download", "python", "python.part", "hello"], kinds):
        path = project.build / name
        path.symlink_to(to) if to else os.mkfifo(path)
        done = project.invoke("cosmo")
        problem = "is a symbolic link" if to else "is not a plain file"
        assert (done.returncode, problem in done.stderr) == (1, True), name
        path.unlink()
    project.write("dist/cosmo/hello/mine.txt", "mine")
    done = project.invoke("cosmo")
    assert (done.returncode, "dist/cosmo/hello" in done.stderr) == (1, True)
    assert (project.build / "hello/mine.txt").exists()
    assert ([*mine.parent.iterdir()], mine.read_text()) == ([mine], "mine")


def without_write_permission() -> None:
    """Make root obey the permissions of files, as everyone else does (Linux, prctl(2))."""
    cap_dac_override, pr_capbset_drop = 1, 24
    if os.geteuid() == 0 and ctypes.CDLL(None).prctl(pr_capbset_drop, cap_dac_override, 0, 0, 0):
        raise OSError("root's permissions cannot be taken away")


@pytest.mark.parametrize("locked", ["", "dist/cosmo"])
def test_missing_write_permission_is_named(project: Project, locked: str) -> None:
    before = project.package().read_bytes()
    if not locked:
        shutil.rmtree(project.path / "dist")
    (project.path / locked).chmod(0o555)
    env = project.environment(PYTHONDONTWRITEBYTECODE="1")
    line = [*INVOKE, "cosmo", "--force"]
    done = run(line, env, project.path, preexec_fn=without_write_permission)
    (project.path / locked).chmod(0o755)
    assert (done.returncode, "Permission denied" in done.stderr) == (1, True)
    assert re.search("cosmo: .*\n$", done.stderr)
    assert not locked or project.executable.read_bytes() == before
