"""What of the last build is kept for the next, and that nothing is that no longer holds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from index import Index
from mirror import PYTHON, Mirror
from projects import Project

SAME = "nothing has changed since the last build"
REUSED = "installed as in the last build"
CODE = '"""A docstring."""\n\nV = 1\n'
Change = Callable[[Project], object]


@pytest.fixture
def locked(installing: Project, index: Index) -> Project:
    """The small project, which prints what it has of bird 1.0, and has a lock."""
    index.wheel("bird", "1.0", {"bird/__init__.py": CODE, "bird/song.txt": "tweet"})
    require(installing, "bird")
    installing.write("src/hello/__main__.py", "import bird\nprint('hello', bird.V)\n")
    installing.write("src/hello/note.txt", "a note")
    installing.succeed("cosmo.lock")
    return installing


def require(project: Project, *dependencies: str, more: str = "") -> None:
    """Let the project depend on these."""
    head = f"[project]\nname = 'hello'\nversion = '1'\ndependencies = {list(dependencies)}\n"
    project.write("pyproject.toml", head + more)


def is_rebuilt(project: Project, *words: str, reuses: bool = False, **settings: str) -> bytes:
    """Build, where something is to be done; the executable's content."""
    done = project.succeed("cosmo", *words, **settings)
    assert SAME not in done.stderr
    assert (REUSED in done.stderr) == reuses
    return project.executable.read_bytes()


def first_build(project: Project, **settings: str) -> bytes:
    """The content of the executable that a build makes where there was none before."""
    copy = project.beside("first build")
    shutil.rmtree(copy.path, ignore_errors=True)
    shutil.copytree(project.path, copy.path, ignore=shutil.ignore_patterns("dist"))
    copy.env, copy.interpreter = project.env, project.interpreter
    return copy.package(**settings).read_bytes()


def keep_times(path: Path, change: Callable[[], object]) -> None:
    """Change a file, and set its times back."""
    stat = path.stat()
    change()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def edit(path: Path, old: str, new: str) -> None:
    """Replace text in a file by other text of the same length, and set its times back."""
    text = path.read_text("utf-8")
    assert old in text
    assert len(old) == len(new)
    keep_times(path, lambda: path.write_text(text.replace(old, new), "utf-8"))


# Nothing has changed


def test_where_nothing_has_changed_nothing_is_run(locked: Project) -> None:
    first = locked.succeed()
    times = {path: path.lstat().st_mtime_ns for path in locked.build.rglob("*")}
    again = locked.succeed()
    assert again.stdout == first.stdout
    assert again.stderr == f"cosmo    {SAME}; --force builds it anew\n"
    assert {path: path.lstat().st_mtime_ns for path in locked.build.rglob("*")} == times


def test_force_builds_all_of_it_anew(locked: Project) -> None:
    made = locked.package().read_bytes()
    (locked.build / ".layer/Lib/site-packages/bird/__init__.pyc").unlink()
    assert is_rebuilt(locked, "--force") == made
    assert SAME in locked.succeed().stderr


def test_a_single_phase_is_run_whether_or_not_anything_has_changed(locked: Project) -> None:
    locked.package()
    done = locked.succeed("cosmo.update")
    assert SAME not in done.stderr
    assert REUSED in done.stderr
    assert "compile " in done.stderr


def test_what_servers_have_now_is_not_taken_as_unchanged(
    installing: Project, mirror: Mirror, index: Index
) -> None:
    installing.package(COSMO_URL=mirror.python)
    mirror.add(PYTHON, other := installing.other_interpreter(), modified=1_800_000_000)
    assert SAME not in installing.succeed(COSMO_URL=mirror.python).stderr
    assert (installing.build / "python").read_bytes() == other
    index.wheel("bird", "1.0", {"bird.py": "V = 1\n"})
    require(installing, "bird")
    installing.write("src/hello/__main__.py", "import bird\nprint(bird.V)\n")
    installing.package()
    index.wheel("bird", "2.0", {"bird.py": "V = 2\n"})
    installing.package(UV_REFRESH="1", UV_NO_CACHE="1")
    assert installing.says() == "2\n"


MAIN = "src/hello/__main__.py"
NOTE = "src/hello/note.txt"


def test_each_change_of_the_program_is_built(locked: Project) -> None:
    changes: tuple[Change, ...] = (
        lambda p: edit(p.path / MAIN, "'hello'", "'howdy'"),
        lambda p: edit(p.path / NOTE, "note", "word"),
        lambda p: p.write("src/hello/more.txt", "more"),
        lambda p: (p.path / NOTE).rename(p.path / "src/hello/renamed.txt"),
        lambda p: (p.path / "src/hello/more.txt").unlink(),
    )
    made = [locked.package().read_bytes()]
    for change in changes:
        change(locked)
        made.append(is_rebuilt(locked, reuses=True))
    assert len(set(made)) == len(made)
    assert locked.says() == "howdy 1\n"
    (locked.path / "src/hello/renamed.txt").chmod(0o755)
    assert is_rebuilt(locked, reuses=True) == first_build(locked) != made[-1]
    edit(locked.path / "pyproject.toml", "version = '1'", "version = '2'")
    assert is_rebuilt(locked) == first_build(locked) != made[-1]
    assert SAME in locked.succeed().stderr


def test_what_was_done_to_the_files_of_a_build_is_undone(locked: Project) -> None:
    made = locked.package().read_bytes()
    changes: tuple[Callable[[], object], ...] = (
        lambda: keep_times(locked.executable, lambda: locked.executable.write_bytes(b"no")),
        lambda: locked.executable.chmod(0o644),
        lambda: locked.executable.unlink(),
        lambda: (locked.build / "python").write_bytes(b"no"),
        lambda: (locked.build / ".built").write_bytes(b"[\xff"),
    )
    for change in changes:
        change()
        assert is_rebuilt(locked, reuses=True) == made
        assert os.access(locked.executable, os.X_OK)
    assert SAME in locked.succeed().stderr


@pytest.mark.parametrize("reuses", [True, False], ids=["of the program", "of its dependencies too"])
def test_a_setting_that_changes_is_heeded_and_its_change_back(
    locked: Project, reuses: bool
) -> None:
    values = {"COSMO_ARGS": "-x ...", "COSMO_PRUNE": "Lib/colorsys.pyc", "COSMO_SMOKE": "-x"}
    if not reuses:
        values = {"COSMO_SOURCE": "1", "COSMO_OPTIMIZE": "2", "COSMO_KEEP": "bird"}
        values.update(COSMO_EXCLUDE="*.txt", SOURCE_DATE_EPOCH="1700000000")
        values.update(UV_INDEX_STRATEGY="first-index")
    before = locked.package().read_bytes()
    for name, value in values.items():
        setting = {name: value}
        changed = is_rebuilt(locked, reuses=reuses, **setting)
        assert (changed == before) == (name in ("COSMO_SMOKE", "UV_INDEX_STRATEGY")), name
        assert not reuses or changed == first_build(locked, **setting), name
        assert SAME in locked.succeed(**setting).stderr, name
        assert is_rebuilt(locked, reuses=reuses) == before, name


def test_a_setting_of_the_project_is_heeded(locked: Project) -> None:
    locked.package()
    require(locked, "bird", more="[tool.cosmo.env]\nCOSMO_EXCLUDE = '*.txt'\n")
    is_rebuilt(locked)
    assert "bird/song.txt" not in locked.held()


def test_another_interpreter_at_the_same_path_is_heeded(locked: Project) -> None:
    locked.interpreter = Path(shutil.copy(locked.interpreter, locked.home / "python.com"))
    locked.succeed("cosmo.lock")
    before = locked.package().read_bytes()
    other = locked.other_interpreter()
    keep_times(locked.interpreter, lambda: locked.interpreter.write_bytes(other))
    locked.succeed("cosmo.lock")
    assert is_rebuilt(locked) != before
    assert (locked.build / "python").read_bytes() == other


# The layer


def test_after_a_change_of_the_program_the_dependencies_are_kept(locked: Project) -> None:
    locked.package()
    kept = locked.build / ".layer/Lib/site-packages/bird/__init__.pyc"
    state = kept.stat().st_mtime_ns, kept.stat().st_ino
    locked.write(MAIN, "import bird\nprint('again', bird.V)\n")
    assert is_rebuilt(locked, reuses=True) == first_build(locked)
    assert (kept.stat().st_mtime_ns, kept.stat().st_ino) == state
    assert locked.says() == "again 1\n"


def test_dependencies_are_kept_where_they_are_not_locked(locked: Project) -> None:
    (locked.path / "pylock.cosmo.toml").unlink()
    locked.package()
    locked.write(MAIN, "import bird\nprint('again', bird.V)\n")
    assert is_rebuilt(locked, reuses=True) == first_build(locked)
    assert locked.says() == "again 1\n"


def test_another_version_of_a_dependency_is_installed(locked: Project, index: Index) -> None:
    locked.package()
    index.wheel("bird", "2.0", {"bird.py": "V = 2\n"})
    locked.succeed("cosmo.lock", "--upgrade", UV_NO_CACHE="1")
    assert is_rebuilt(locked) == first_build(locked)
    assert locked.says() == "hello 2\n"
    assert not any("bird-1.0" in path or "song" in path for path in locked.held())


def test_a_dependency_that_is_left_out_now_is_not_kept(locked: Project, index: Index) -> None:
    index.wheel("owl", "1.0", {"owl.py": ""})
    require(locked, "bird", "owl")
    locked.succeed("cosmo.lock")
    locked.package()
    assert "owl.pyc" in locked.held()
    require(locked, "bird")
    locked.succeed("cosmo.lock")
    is_rebuilt(locked)
    assert "owl.pyc" not in locked.held()
    locked.write(MAIN, "print('hello', 1)\n")
    is_rebuilt(locked, COSMO_DEPS="none")
    assert not any("bird" in path for path in locked.held())


def test_an_environment_marker_that_changes_is_heeded(locked: Project) -> None:
    locked.write(MAIN, "try:\n    import bird\nexcept ImportError:\n    print('no bird')\n")
    locked.package()
    file = locked.path / "pylock.cosmo.toml"
    text = file.read_text("utf-8")
    marker = '\nname = "bird"\nmarker = "sys_platform == \'win32\'"\n'
    assert text.count('\nname = "bird"\n') == 1
    file.write_text(text.replace('\nname = "bird"\n', marker), "utf-8")
    is_rebuilt(locked)
    assert locked.says() == "no bird\n"


def test_a_layer_that_is_not_as_it_was_made_is_not_used(locked: Project) -> None:
    kept = locked.build / ".layer"
    bird = kept / "Lib/site-packages/bird"
    made = {"hello": locked.package().read_bytes()}
    edit(locked.path / MAIN, "hello", "howdy")
    made["howdy"] = first_build(locked)
    now, other = "howdy", "hello"
    spoils: tuple[Callable[[], object], ...] = (
        lambda: edit(bird / "song.txt", "tweet", "trill"),
        lambda: (bird / "song.txt").unlink(),
        lambda: (bird / "more.txt").write_text("more"),
        lambda: (bird / "song.txt").chmod(0o755),
        lambda: (bird / "__init__.pyc").write_bytes(b"no"),
        lambda: (bird / "more.py").symlink_to("/etc/hosts"),
        lambda: (kept / "key").unlink(),
        lambda: (kept / "key").write_bytes(b"\xff\n"),
        lambda: shutil.rmtree(kept),
        lambda: (kept / "base.zip").unlink(),
        lambda: keep_times(kept / "base.zip", lambda: (kept / "base.zip").write_bytes(b"no")),
    )
    for number, spoil in enumerate(spoils):
        spoil()
        assert is_rebuilt(locked, reuses=number > 8) == made[now], number
        edit(locked.path / MAIN, now, other)
        now, other = other, now


def test_what_a_failed_build_installed_is_not_half_kept(locked: Project, index: Index) -> None:
    before = locked.package().read_bytes()
    index.wheel("owl", "1.0", {"owl.py": "import gone\n"})
    require(locked, "bird", "owl")
    locked.write(MAIN, "import bird, owl\n")
    locked.succeed("cosmo.lock")
    assert "owl.py:1 imports gone" in locked.refused()
    assert "owl.py:1 imports gone" in locked.refused()
    require(locked, "bird")
    locked.write(MAIN, "import bird\nprint('hello', bird.V)\n")
    locked.succeed("cosmo.lock")
    assert is_rebuilt(locked) == before


BACKEND = """\
import os, zipfile

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = "bird-1.0-py3-none-any.whl"
    info = "bird-1.0.dist-info/"
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as archive:
        archive.write("bird.py")
        archive.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: bird\\nVersion: 1.0\\n")
        archive.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        archive.writestr(info + "RECORD", "bird.py,,\\n")
    return name
"""


def test_a_dependency_that_is_a_folder_goes_in_as_it_is_now(installing: Project) -> None:
    in_tree = "[build-system]\nrequires = []\nbackend-path = ['.']\nbuild-backend = 'backend'\n"
    head = "[project]\nname = 'bird'\nversion = '1.0'\n"
    installing.write("libs/bird/pyproject.toml", head + in_tree)
    installing.write("libs/bird/backend.py", BACKEND)
    installing.write("libs/bird/bird.py", "V = 1\n")
    require(installing, "bird", more="[tool.uv.sources]\nbird = { path = 'libs/bird' }\n")
    installing.write("src/hello/__main__.py", "import bird\nprint(bird.V)\n")
    for number in "1234":
        installing.write("libs/bird/bird.py", f"V = {number}\n")
        is_rebuilt(installing)
        assert installing.says() == f"{number}\n"


@pytest.mark.parametrize("count", [1, 300])
def test_a_compiler_that_is_killed_makes_no_layer(
    installing: Project, index: Index, count: int
) -> None:
    files = {f"bird/part{number}.py": "" for number in range(count)}
    index.wheel("bird", "1.0", {"bird/__init__.py": CODE, "bird/no.py": "{% if %}\n", **files})
    require(installing, "bird")
    installing.succeed("cosmo.lock")
    assert "cosmo.deps failed" in installing.refused(PATH=at_compilers(installing, "kill -9 $$"))
    is_rebuilt(installing)
    assert {name.rpartition(".")[2] for name in installing.held() if "part" in name} == {"pyc"}
    assert "bird/no.pyc" not in installing.held()


def at_compilers(project: Project, then: str) -> str:
    """A PATH with a shell that does `then` before a compiler of dependencies."""
    does = f'#!/bin/sh\ncase "$1 $PWD" in *python*.layer/Lib) {then} ;; esac\nexec /bin/sh "$@"\n'
    shell = project.write("../bin/sh", does)
    shell.chmod(0o755)
    return f"{shell.parent}{os.pathsep}{project.environment()['PATH']}"


def test_where_the_disk_is_full_no_layer_is_made(installing: Project, index: Index) -> None:
    index.wheel("bird", "1.0", {"bird/__init__.py": "V = 1\n"})
    require(installing, "bird")
    installing.succeed("cosmo.lock")
    said = installing.refused(PATH=at_compilers(installing, "ulimit -f 0"))
    assert "cosmo: the bytecode of the dependencies cannot be written: " in said
    is_rebuilt(installing)
    assert "bird/__init__.pyc" in installing.held()


def test_what_says_where_uv_takes_things_from_is_heeded(locked: Project) -> None:
    locked.package()
    places = locked.write("../shared/uv/uv.toml", "no-cache = true\n").parent.parent
    is_rebuilt(locked, XDG_CONFIG_DIRS=str(places))
    is_rebuilt(locked)
    locked.write("invoke.yaml", "run:\n  env:\n    UV_NO_CACHE: '1'\n")
    is_rebuilt(locked)
    assert SAME in locked.succeed().stderr


def test_an_executable_has_the_mode_of_the_build_that_made_it(locked: Project) -> None:
    before = os.umask(0o077)
    try:
        assert locked.package().stat().st_mode & 0o777 == 0o700
        os.umask(0o022)
        is_rebuilt(locked, reuses=True)
    finally:
        os.umask(before)
    assert locked.executable.stat().st_mode & 0o777 == 0o755


def test_links_to_the_folder_they_are_in_are_refused(locked: Project) -> None:
    for name in ("one", "two"):
        (locked.path / "src/hello" / name).symlink_to(".")
    assert "cosmo.setup failed: " in locked.refused()


def test_a_layer_does_not_lead_out_of_the_build_folder(locked: Project) -> None:
    locked.package()
    for name in (".files", "imports.part"):
        link = locked.build / ".layer" / name
        link.unlink(missing_ok=True)
        link.symlink_to(locked.write("../kept", "as it was"))
        edit(locked.path / MAIN, "hello", "howdy")
        assert "is a symbolic link" in locked.refused()
        edit(locked.path / MAIN, "howdy", "hello")
        link.unlink()
    assert (locked.home / "kept").read_text() == "as it was"


def test_what_is_noted_of_a_layer_must_be_as_it_was_made(locked: Project) -> None:
    made = locked.package().read_bytes()
    for name, text in (("changed", "bird 1.0\tno\n"), ("removed", "x\ty\n"), ("imports", "[1, 2]")):
        (locked.build / ".layer" / name).write_text(text)
        edit(locked.path / MAIN, "hello", "howdy")
        is_rebuilt(locked, reuses=name == "imports")
        edit(locked.path / MAIN, "howdy", "hello")
        assert is_rebuilt(locked, reuses=True) == made


def test_a_report_leaves_what_is_known_of_the_last_build(locked: Project) -> None:
    locked.package()
    locked.succeed("cosmo.report")
    assert SAME in locked.succeed().stderr


def test_a_package_of_the_program_and_a_dependency_is_one(locked: Project, index: Index) -> None:
    index.wheel("owl", "1.0", {"shared/owl.py": "V = 1\n"})
    require(locked, "bird", "owl")
    locked.succeed("cosmo.lock")
    locked.write("src/shared/own/__init__.py", "V = 5\n")
    locked.write("src/shared/own/__main__.py", "import shared.owl, shared.own as o\nprint(o.V)\n")
    done = locked.succeed("cosmo", PKG="shared.own")
    name = Path(done.stdout.splitlines()[0]).name
    assert locked.says(name=name) == "5\n"
    edit(locked.path / "src/shared/own/__init__.py", "V = 5", "V = 6")
    assert REUSED in locked.succeed("cosmo", PKG="shared.own").stderr
    assert locked.says(name=name) == "6\n"
