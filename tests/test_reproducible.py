"""The same bytes: whoever builds it, where, and when."""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from index import Index
from projects import INVOKE, Project, run

AWAY = {
    "TZ": "Asia/Kathmandu",
    "LANG": "tr_TR.UTF-8",
    "LC_ALL": "C",
    "USER": "ann",
    "HOSTNAME": "x",
}


def git(project: Project, *words: str, when: str = "") -> None:
    """Run git in the project, with no configuration of the user's."""
    env = project.environment(
        GIT_CONFIG_NOSYSTEM="1", GIT_COMMITTER_DATE=when, GIT_AUTHOR_DATE=when
    )
    given = [
        "-c",
        "user.name=ann",
        "-c",
        "user.email=ann@example.org",
        "-c",
        "init.defaultBranch=x",
    ]
    done = run(["git", *given, *words], env, project.path)
    assert done.returncode == 0, done.stderr


def times(project: Project) -> set[tuple[int, ...]]:
    """The times of the program's entries."""
    with zipfile.ZipFile(project.executable) as archive:
        added = (each for each in archive.infolist() if "/hello/" in each.filename)
        return {each.date_time for each in added}


@pytest.mark.parametrize(
    ("given", "time"),
    [
        ("1700000000", (2023, 11, 14, 22, 13, 20)),
        ("0", (1980, 1, 1, 0, 0, 0)),
        ("999999999999", (2105, 12, 31, 23, 59, 58)),
    ],
)
def test_source_date_epoch_is_the_time_of_all_that_goes_in(
    project: Project, given: str, time: tuple[int, ...]
) -> None:
    project.package(SOURCE_DATE_EPOCH=given, TZ="Asia/Tokyo")
    assert times(project) == {time}
    first = project.executable.read_bytes()
    assert project.package(SOURCE_DATE_EPOCH=given, TZ="Europe/Paris").read_bytes() == first
    assert project.start("x").stdout == "hello x\n"


@pytest.mark.parametrize("given", ["", "now", "-5", "1e9", "1700000000; id", "9" * 30])
def test_a_time_that_is_none_is_refused(project: Project, given: str) -> None:
    assert "SOURCE_DATE_EPOCH" in project.refused(SOURCE_DATE_EPOCH=given)


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_without_it_the_last_commit_to_the_project_tells_the_time(project: Project) -> None:
    project.package()
    assert times(project) == {(1980, 1, 1, 0, 0, 0)}
    project.write("part/pyproject.toml", "")
    git(project, "init", "-q")
    git(project, "add", "src", "pyproject.toml", "tasks.py")
    git(project, "commit", "-qm", "one", when="2024-02-03T04:05:06Z")
    project.package()
    assert times(project) == {(2024, 2, 3, 4, 5, 6)}
    project.write("src/hello/words.py", (project.path / "src/hello/words.py").read_text() + "\n")
    project.package()
    assert times(project) == {(2024, 2, 3, 4, 5, 6)}
    if os.getuid() == 0:
        os.chown(project.path, 12345, 12345)
        os.chown(project.path / ".git", 12345, 12345)
    project.package(SOURCE_DATE_EPOCH="1700000000")
    assert times(project) == {(2023, 11, 14, 22, 13, 20)}
    done = project.invoke("cosmo", GIT_DIR="/nowhere", GIT_WORK_TREE="/")
    if os.getuid() == 0:  # git takes nothing from what is another user's
        assert times(project) == {(1980, 1, 1, 0, 0, 0)}
        assert "epoch    1980, for git has no last commit here: fatal: " in done.stderr
        os.chown(project.path, 0, 0)
        os.chown(project.path / ".git", 0, 0)
        project.package(GIT_DIR="/nowhere", GIT_WORK_TREE="/")
    assert times(project) == {(2024, 2, 3, 4, 5, 6)}
    assert project.invoke("cosmo", drop="git").returncode == 0
    assert times(project) == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.skipif(sys.platform != "linux", reason="the date is changed by a library for Linux")
def test_two_builds_in_different_circumstances_are_equal_byte_for_byte(
    installing: Project, index: Index, version: tuple[int, int]
) -> None:
    import libfaketime  # type: ignore[import-untyped]

    index.wheel("bird", "1.0", {"bird/__init__.py": "", "bird/deep/data.txt": "x"})
    code = {"owl.py": "def hoot():\n    return {'a', 'b', 'c'}\n"}
    tag = "cp{0}{1}-cp{0}{1}-manylinux_2_17_x86_64".format(*version)
    index.wheel("owl", "1.0", {**code, "_owl.so": ""}, tag=tag)
    index.sdist("owl", "1.0", code)
    head = "[project]\nname = 'hello'\nversion = '1'\ndependencies = ['bird', 'owl']\n"
    installing.write("pyproject.toml", head)
    assert installing.invoke("cosmo.lock").returncode == 0
    first = installing.package().read_bytes()
    other = installing.beside("another folder/deeper/ünd so")
    shutil.copytree(installing.path, other.path, ignore=shutil.ignore_patterns("dist"))
    for path in other.path.rglob("*"):
        os.utime(path, (1_234_567_890, 1_234_567_890))
    (other.path / "src/hello/words.py").chmod(0o600)
    (library,) = Path(libfaketime.__file__).parent.glob("vendor/**/libfaketime.so.1")
    date = {"LD_PRELOAD": str(library), "FAKETIME": "@2031-05-06 07:08:09", "NO_FAKE_STAT": "1"}
    date["FAKETIME_DONT_FAKE_MONOTONIC"] = "1"
    (installing.path.parent / "home").mkdir()
    home = {"HOME": str(installing.path.parent / "home"), "UV_NO_CACHE": "1"}
    env = other.environment(**installing.env, **AWAY, **date, **home)
    user = ["unshare", "-U", "--map-user=1234", "--map-group=1234"]
    shell = ["sh", "-c", 'umask 027; "$@"', "sh"]
    if run([*user, "true"], env, other.path).returncode:
        user = []  # this machine lets nobody be another
    told = run([*user, *shell, "date", "+%Y"], env, other.path).stdout
    assert told == "2031\n"
    done = run([*user, *shell, *INVOKE, "cosmo"], env, other.path)
    assert done.returncode == 0, done.stderr
    assert other.executable.read_bytes() == first
