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
    dates = {"GIT_COMMITTER_DATE": when, "GIT_AUTHOR_DATE": when}
    env = project.environment(GIT_CONFIG_NOSYSTEM="1", **dates)
    given = "git -c user.name=ann -c user.email=ann@example.org -c init.defaultBranch=x"
    done = run([*given.split(), *words], env, project.path)
    assert done.returncode == 0, done.stderr


def times(project: Project) -> set[tuple[int, ...]]:
    """The times of the program's entries."""
    with zipfile.ZipFile(project.executable) as archive:
        return {info.date_time for info in archive.infolist() if "/hello/" in info.filename}


@pytest.mark.parametrize(
    ("given", "time"),
    [
        ("1700000000", (2023, 11, 14, 22, 13, 20)),
        ("0", (1980, 1, 1, 0, 0, 0)),
        ("999999999999", (2105, 12, 31, 23, 59, 58)),
    ],
)
def test_source_date_epoch_is_the_time(project: Project, given: str, time: tuple[int, ...]) -> None:
    project.package(SOURCE_DATE_EPOCH=given, TZ="Asia/Tokyo")
    assert times(project) == {time}
    first = project.executable.read_bytes()
    assert project.package(SOURCE_DATE_EPOCH=given, TZ="Europe/Paris").read_bytes() == first
    assert project.says("x") == "hello x\n"


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_without_it_the_last_commit_to_the_project_tells_the_time(project: Project) -> None:
    never, committed = {(1980, 1, 1, 0, 0, 0)}, {(2024, 2, 3, 4, 5, 6)}

    def own(user: int) -> None:
        os.chown(project.path, user, user)
        os.chown(project.path / ".git", user, user)

    project.package()
    assert times(project) == never
    project.write("part/pyproject.toml", "")
    git(project, "init", "-q")
    git(project, "add", "src", "pyproject.toml", "tasks.py")
    git(project, "commit", "-qm", "one", when="2024-02-03T04:05:06Z")
    project.package()
    assert times(project) == committed
    with (project.path / "src/hello/words.py").open("a") as file:
        file.write("\n")
    project.package()
    assert times(project) == committed
    if os.getuid() == 0:
        own(12345)
    project.package(SOURCE_DATE_EPOCH="1700000000")
    assert times(project) == {(2023, 11, 14, 22, 13, 20)}
    done = project.invoke("cosmo", GIT_DIR="/nowhere", GIT_WORK_TREE="/")
    if os.getuid() == 0:  # git takes nothing from what is another user's
        assert times(project) == never
        assert "epoch    1980, for git has no last commit here: fatal: " in done.stderr
        own(0)
        project.package(GIT_DIR="/nowhere", GIT_WORK_TREE="/")
    assert times(project) == committed
    project.package(drop="git")
    assert times(project) == never


@pytest.mark.skipif(sys.platform != "linux", reason="the date is changed by a library for Linux")
def test_builds_anywhere_and_anytime_are_equal(installing: Project, index: Index, tag: str) -> None:
    import libfaketime  # type: ignore[import-untyped]

    index.wheel("bird", "1.0", {"bird/__init__.py": "", "bird/deep/data.txt": "x"})
    code = {"owl.py": "def hoot():\n    return {'a', 'b', 'c'}\n"}
    index.wheel("owl", "1.0", {**code, "_owl.so": ""}, tag=tag)
    index.sdist("owl", "1.0", code)
    head = "[project]\nname = 'hello'\nversion = '1'\ndependencies = ['bird', 'owl']\n"
    installing.write("pyproject.toml", head)
    installing.succeed("cosmo.lock")
    first = installing.package().read_bytes()
    other = installing.beside("another folder/deeper/ünd so")
    shutil.copytree(installing.path, other.path, ignore=shutil.ignore_patterns("dist"))
    for path in other.path.rglob("*"):
        os.utime(path, (1_234_567_890, 1_234_567_890))
    (other.path / "src/hello/words.py").chmod(0o600)
    (library,) = Path(libfaketime.__file__).parent.glob("vendor/**/libfaketime.so.1")
    date = {"LD_PRELOAD": str(library), "FAKETIME": "@2031-05-06 07:08:09", "NO_FAKE_STAT": "1"}
    date["FAKETIME_DONT_FAKE_MONOTONIC"] = "1"
    home = installing.home / "home"
    home.mkdir()
    where = {"HOME": str(home), "UV_NO_CACHE": "1"}
    env = other.environment(**installing.env, **AWAY, **date, **where)
    user = ["unshare", "-U", "--map-user=1234", "--map-group=1234"]
    shell = ["sh", "-c", 'umask 027; "$@"', "sh"]
    if run([*user, "true"], env, other.path).returncode:
        user = []  # this machine lets nobody be another
    assert run([*user, *shell, "date", "+%Y"], env, other.path).stdout == "2031\n"
    done = run([*user, *shell, *INVOKE, "cosmo"], env, other.path)
    assert done.returncode == 0, done.stderr
    assert other.executable.read_bytes() == first
