"""The same sources make the same bytes: anywhere, at any time, and by the dry run's script."""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from index import Index
from projects import INVOKE, Project, environment, run

AWAY = {
    "TZ": "Asia/Kathmandu",
    "LANG": "tr_TR.UTF-8",
    "LC_ALL": "C",
    "USER": "ann",
    "PYTHONOPTIMIZE": "2",
    "PYTHONHASHSEED": "7",
    "ZIPOPT": "-0 -j",
    "ZIP": "-x *",
}
HEAD = "[project]\nname = 'hello'\nversion = '1'\ndependencies = ['bird', 'owl']\n"
WAYS = {
    "article": f"{HEAD}[tool.ds.scripts]\n_.env.PKG = 'hello'\n",
    "wheel": f"{HEAD}[build-system]\nrequires = ['uv_build']\nbuild-backend = 'uv_build'\n",
    "copy": HEAD,
}


@pytest.fixture(params=WAYS)
def hello(request: pytest.FixtureRequest, installing: Project, index: Index, tag: str) -> Project:
    """Return the small project with dependencies, packaged in one of the three ways."""
    code = "def hoot(x):\n    'Hoot.'\n    return x in {'a', 'b', 'c', 'd', 'e'}\n"
    index.wheel("bird", "1.0", {"bird/__init__.py": code, "bird/deep/data.txt": "x"})
    index.wheel("owl", "1.0", {"owl.py": code, "_owl.so": ""}, tag=tag)
    installing.write("src/hello/sets.py", code)
    installing.write("pyproject.toml", WAYS[request.param])
    return installing


def copy_to(project: Project, name: str) -> Project:
    """Copy a project to another folder, with other times and modes."""
    other = project.beside(name)
    other.env = project.env
    shutil.copytree(project.path, other.path, ignore=shutil.ignore_patterns("dist"))
    for path in other.path.rglob("*"):
        os.utime(path, (1_234_567_890, 1_234_567_890))
    (other.path / "src/hello/words.py").chmod(0o600)
    return other


@pytest.mark.parametrize(
    ("epoch", "time"),
    [
        ("1711852200", (2024, 3, 31, 2, 30, 0)),  # a time that clocks in Paris passed over
        ("0", (1980, 1, 1, 0, 0, 0)),
        ("999999999999", (2105, 12, 31, 23, 59, 58)),
    ],
)
def test_source_date_epoch_is_the_time(project: Project, epoch: str, time: tuple[int, ...]) -> None:
    made = zipfile.ZipFile(project.package(SOURCE_DATE_EPOCH=epoch, TZ="Asia/Tokyo"))
    names = [f"Lib/site-packages/{name}" for name in project.packed_files()]
    entries = [made.getinfo(name) for name in [*names, ".args"]]
    assert {(entry.date_time, entry.extra) for entry in entries} == {(time, b"")}
    first = project.executable.read_bytes()
    project.succeed("cosmo", "--force", SOURCE_DATE_EPOCH=epoch, TZ="Europe/Paris")
    assert project.executable.read_bytes() == first
    assert project.run_executable("x") == "hello x\n"


@pytest.mark.skipif(sys.platform != "linux", reason="the date is changed by a library for Linux")
def test_bytes_are_the_same_on_another_path_at_another_time_and_umask(hello: Project) -> None:
    import libfaketime  # type: ignore[import-untyped]

    hello.succeed("cosmo.lock")
    first = hello.package().read_bytes()
    other = copy_to(hello, "another folder/deeper/ünd so")
    (library,) = Path(libfaketime.__file__).parent.glob("vendor/**/libfaketime.so.1")
    date = {"LD_PRELOAD": str(library), "FAKETIME": "@2031-05-06 07:08:09", "NO_FAKE_STAT": "1"}
    date["FAKETIME_DONT_FAKE_MONOTONIC"] = "1"
    (hello.home / "home").mkdir()
    away = {"HOME": str(hello.home / "home"), "UV_NO_CACHE": "1", **AWAY, **date}
    env = other.environment(**away)
    user = ["unshare", "-U", "--map-user=1234", "--map-group=1234"]
    shell = ["sh", "-c", 'umask 027; "$@"', "sh"]
    if run([*user, "true"], env, other.path).returncode:
        user = []
    assert run([*user, *shell, "date", "+%Y"], env, other.path).stdout == "2031\n"
    done = run([*user, *shell, *INVOKE, "cosmo"], env, other.path)
    assert done.returncode == 0, done.stderr
    assert other.executable.read_bytes() == first
    assert other.run_executable("x") == "hello x\n"
    if not user:
        pytest.skip("all but another user: this machine lets nobody be one")


def test_script_of_the_dry_run_makes_the_same_bytes(hello: Project) -> None:
    checkout = copy_to(hello, "deeper/another checkout")
    script = hello.write("../script", f"umask 077\n{hello.succeed('--dry', 'cosmo').stdout}")
    assert not hello.build.exists()
    away = {**hello.env, **AWAY, "CDPATH": str(hello.path)}
    done = run(["sh", "-e", str(script)], environment(hello.home, **away), checkout.path)
    assert done.returncode == 0, done.stderr
    assert checkout.run_executable("x") == "hello x\n"
    assert checkout.executable.read_bytes() == hello.package().read_bytes()
