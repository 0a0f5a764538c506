"""What a build is made of: the lock, the checksum, the cache, mirrors, and no network."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from index import Index
from mirror import PYTHON, Mirror
from projects import Project, run

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LOCK = "pylock.cosmo.toml"


def sha256(file: Path) -> str:
    """The sha256 of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def lock(project: Project, **settings: str) -> str:
    """Write the lock, which must succeed; its text."""
    project.succeed("cosmo.lock", **settings)
    return (project.path / LOCK).read_text(encoding="utf-8")


def require(project: Project, *dependencies: str) -> None:
    """Let the project depend on these."""
    head = f"[project]\nname = 'hello'\nversion = '1'\ndependencies = {list(dependencies)}\n"
    project.write("pyproject.toml", head)


@pytest.fixture
def dependent(installing: Project, index: Index) -> Project:
    """The small project, which depends on bird 1.0 of the index."""
    index.wheel("bird", "1.0", {"bird.py": ""})
    require(installing, "bird")
    return installing


# The lock


def test_the_lock_tells_where_the_interpreter_came_from_and_what_it_is(
    project: Project, mirror: Mirror, version: tuple[int, int]
) -> None:
    text = lock(project, COSMO_URL=mirror.python)
    python = tomllib.loads(text)["tool"]["cosmo-recipes"]["python"]
    assert python.pop("version").startswith("{}.{}.".format(*version))
    assert python == {
        "url": mirror.python,
        "size": project.interpreter.stat().st_size,
        "sha256": sha256(project.interpreter),
        "last-modified": "2023-11-14T22:13:20Z",
    }
    assert mirror.downloads[PYTHON] == 1


def test_locking_again_gives_the_same_text(dependent: Project, index: Index) -> None:
    index.wheel("owl", "1.0", {"owl.py": ""})
    index.wheel("bird", "2.0", {"bird.py": ""}, "owl")
    text = lock(dependent)
    assert 'name = "owl"' in text
    assert lock(dependent, TZ="Asia/Tokyo", PYTHONHASHSEED="3") == text
    assert lock(dependent, COSMO_EXCLUDE="owl-1.0.dist-info *.dist-info/*") == text


def test_another_interpreter_is_refused_before_it_runs(project: Project, mirror: Mirror) -> None:
    lock(project, COSMO_URL=mirror.python)
    project.package(COSMO_URL=mirror.python)
    shutil.rmtree(project.home / ".cache")
    touch = b"MZqFpD='\n'\ntouch ../../ran ran /tmp/ran; exit 1\n"
    other = touch + project.other_interpreter()
    mirror.add(PYTHON, other)
    message = project.refused("cosmo", "--force", COSMO_URL=mirror.python)
    assert f"expected sha256 {sha256(project.interpreter)}" in message
    assert f"found {hashlib.sha256(other).hexdigest()}" in message
    assert list(project.path.rglob("ran")) == []
    assert (project.build / "python").read_bytes() == project.interpreter.read_bytes()


def test_a_build_asks_for_a_lock_or_a_checksum_of_the_interpreter(project: Project) -> None:
    digest = sha256(project.interpreter)
    assert project.succeed().stderr.count("cosmo.lock") == 1
    assert "cosmo.lock" not in project.succeed(COSMO_SHA256=digest.upper()).stderr
    message = project.refused(COSMO_SHA256="0" * 64)
    assert "expected sha256 000" in message
    assert f"found {digest}" in message
    assert "64 hexadecimal digits" in project.refused(COSMO_SHA256="abc")
    lock(project)
    assert "is not what is locked" in project.refused(COSMO_SHA256="0" * 64)
    for settings in ({}, {"COSMO_SHA256": digest}):
        assert "cosmo.lock" not in project.succeed(**settings).stderr


def test_a_lock_that_was_spoilt_is_refused(project: Project) -> None:
    text = lock(project)
    for old, new in (
        ("sha256 = ", "sha256 = 5 #"),
        ("size = ", "size = 'big' #"),
        ("[tool.cosmo-recipes.python]", "[tool.cosmo-recipes.python"),
        ("[tool.cosmo-recipes.python]", "[tool.cosmo-recipes.dragon]"),
        ("inputs = [", "inputs = 'bird' #"),
        ("inputs = [", "inputs = ['bird', 3,"),
        ("packages = []", "packages = 'bird'"),
        ("packages = []", "packages = [{ name = 'bird' }]"),
        ("packages = []", "packages = [{ name = 'bird', directory = { path = '.' } }]"),
        ("packages = []", "packages = [{ name = 'bird', vcs = { url = 'git+file:///x' } }]"),
        ("packages = []", "packages = [{ name = 'bird', sdist = { url = 'http://x/b.tar.gz' } }]"),
        ("packages = []", "packages = [{ name = '../b', archive = { hashes = {} } }]"),
        ('lock-version = "1.0"', 'lock-version = "9"'),
    ):
        assert old in text
        project.write(LOCK, text.replace(old, new))
        assert re.search(f"{LOCK}|bird cannot be locked", project.refused())


def test_the_lock_of_an_earlier_release_is_refused(project: Project) -> None:
    project.write("cosmo.lock", "[python]\n")
    assert "write the new one with `invoke cosmo.lock`" in project.refused()
    lock(project)
    project.package()


def test_locked_dependencies_stay_when_newer_ones_appear(installing: Project, index: Index) -> None:
    index.wheel("bird", "1.0", {"bird.py": "print('one')\n"}, "owl")
    index.wheel("owl", "1.0", {"owl.py": ""})
    require(installing, "bird")
    data = tomllib.loads(lock(installing))
    assert data["tool"]["cosmo-recipes"]["inputs"] == ["bird"]
    packages = [(package["name"], package["version"]) for package in data["packages"]]
    assert packages == [("bird", "1.0"), ("owl", "1.0")]
    assert all(package["wheels"][0]["hashes"]["sha256"] for package in data["packages"])
    index.wheel("bird", "2.0", {"bird.py": "print('two')\n"})
    installing.env["UV_NO_CACHE"] = "1"  # it asks an index again after ten minutes only
    installing.write("src/hello/__main__.py", "import bird\n")
    installing.package()
    assert installing.says() == "one\n"
    installing.succeed("cosmo.lock", "--upgrade")
    installing.package()
    assert installing.says() == "two\n"


def test_locking_again_keeps_what_still_suits_and_upgrades_what_is_named(
    installing: Project, index: Index
) -> None:
    def versions(*words: str) -> list[str]:
        installing.succeed("cosmo.lock", *words)
        text = (installing.path / "pylock.cosmo.toml").read_text()
        return re.findall('(?m)^version = "(.*)"$', text)[:2]

    installing.env["UV_NO_CACHE"] = "1"  # it asks an index again after ten minutes only
    for name in ("bird", "wren"):
        index.wheel(name, "1.0", {f"{name}.py": ""})
    require(installing, "bird", "wren")
    assert versions() == ["1.0", "1.0"]
    for name in ("bird", "wren"):
        index.wheel(name, "2.0", {f"{name}.py": ""})
    assert versions() == ["1.0", "1.0"]
    before = installing.path.joinpath("pylock.cosmo.toml").read_bytes()
    said = installing.refused("cosmo.lock", "--upgrade=wren,crow")
    assert said.endswith("--upgrade=wren,crow: crow is not among the dependencies; correct it")
    assert installing.path.joinpath("pylock.cosmo.toml").read_bytes() == before
    assert versions("--upgrade=wren") == ["1.0", "2.0"]
    require(installing, "bird>1", "wren")
    assert versions() == ["2.0", "2.0"]
    index.wheel("bird", "3.0", {"bird.py": ""})
    assert versions("--upgrade") == ["3.0", "2.0"]


def test_a_release_with_other_content_is_refused(dependent: Project, index: Index) -> None:
    lock(dependent)
    dependent.env["UV_NO_CACHE"] = "1"
    index.wheel("bird", "1.0", {"bird.py": "import evil\n"})
    assert re.search(r"(?s)(?=.*ash).*bird", dependent.refused())


def test_a_lock_covers_archives_and_pure_forms(installing: Project, index: Index, tag: str) -> None:
    index.wheel("owl", "1.0", {"owl.py": "print('hoots')"})
    index.wheel("bird", "1.0", {"bird.py": "", "_bird.so": ""}, tag=tag)
    index.sdist("bird", "1.0", {"bird.py": "print('flies')"})
    (path,) = (path for path in index.mirror.files if "owl-1.0" in path)
    require(installing, "bird", f"owl @ {index.mirror.address}{path}")
    lock(installing)
    installing.write("src/hello/__main__.py", "import bird, owl\n")
    installing.package()
    assert installing.says() == "flies\nhoots\n"


def test_none_or_a_lock_for_other_dependencies_is_refused(dependent: Project, index: Index) -> None:
    index.wheel("owl", "1.0", {"owl.py": ""})
    assert dependent.succeed("--dry", "cosmo.lock").stderr == ""
    assert "does not exist" in dependent.refused("cosmo.lock", "--check")
    lock(dependent)
    dependent.succeed("cosmo.lock", "--check")
    require(dependent, "bird", "owl")
    assert "is for bird, and bird, owl is required" in dependent.refused()
    assert "lock anew" in dependent.refused("cosmo.lock", "--check")
    lock(dependent)
    dependent.package()


def test_a_requirements_files_change_asks_for_a_new_lock(dependent: Project, index: Index) -> None:
    index.wheel("bird", "2.0", {"bird.py": ""})
    require(dependent)
    dependent.write("all.txt", "-r more.txt\n")
    dependent.write("more.txt", "bird<2\n")
    assert 'version = "1.0"' in lock(dependent, COSMO_DEPS="all.txt")
    dependent.package(COSMO_DEPS="all.txt")
    dependent.write("more.txt", "bird\n")
    assert "lock anew" in dependent.refused(COSMO_DEPS="all.txt")


def test_a_folder_cannot_be_locked(installing: Project) -> None:
    other = installing.beside("bird")
    other.write("pyproject.toml", "[project]\nname = 'bird'\nversion = '1'\n")
    require(installing, f"bird @ {other.path.as_uri()}")
    assert "bird cannot be locked: it comes from " in installing.refused("cosmo.lock")
    assert not (installing.path / LOCK).exists()


# The cache, mirrors, and no network


def test_a_download_is_shared_and_serves_offline(project: Project, mirror: Mirror) -> None:
    other = project.beside("other")
    shutil.copytree(project.path, other.path)
    assert "is not in the cache" in project.refused(COSMO_URL=mirror.python, COSMO_OFFLINE="1")
    for user in (project, other, project):
        user.package(COSMO_URL=mirror.python)
    assert mirror.downloads[PYTHON] == 1
    assert (other.build / "python").read_bytes() == project.interpreter.read_bytes()
    asked = mirror.asked
    project.package(COSMO_URL=mirror.python, COSMO_OFFLINE="1")
    assert mirror.asked == asked


def test_a_locked_build_needs_the_network_only_once(dependent: Project, mirror: Mirror) -> None:
    lock(dependent, COSMO_URL=mirror.python)
    first = dependent.package(COSMO_URL=mirror.python).read_bytes()
    mirror.server.shutdown()
    mirror.server.server_close()
    for words in (["cosmo"], ["cosmo", "--offline"]):
        dependent.succeed(*words, COSMO_URL=mirror.python)
        assert dependent.executable.read_bytes() == first
    other = dependent.beside("other")
    shutil.copytree(dependent.path, other.path, ignore=shutil.ignore_patterns("dist"))
    other.env = dependent.env
    assert other.package(COSMO_URL=mirror.python, COSMO_OFFLINE="1").read_bytes() == first


def test_offline_asks_no_index(dependent: Project, mirror: Mirror) -> None:
    asked = mirror.asked
    assert "cannot be resolved" in dependent.refused("cosmo", "--offline")
    assert mirror.asked == asked


def test_no_cache_entry_that_leads_elsewhere_is_followed(project: Project, mirror: Mirror) -> None:
    project.package(COSMO_URL=mirror.python)
    precious = project.write("../precious", "mine")
    (file,) = (project.home / ".cache/cosmo-recipes/url").iterdir()
    good = json.loads(file.read_text())
    entries: list[dict[str, Any]] = [
        {"sha256": "../../../precious", "name": "python", "time": 0},
        {"sha256": "x ]; touch PWNED; [ x", "name": "python", "time": 0},
        *({"name": name} for name in ("../../../../../precious", "$(touch PWNED)", "..")),
        {"time": "now"},
    ]
    for content in (*({**good, **entry} for entry in entries), ["no table"]):
        file.write_text(json.dumps(content))
        project.package(COSMO_URL=mirror.python)
    assert list(project.home.rglob("PWNED")) == []
    assert precious.read_text() == "mine"


def test_a_damaged_cache_is_repaired(project: Project, mirror: Mirror) -> None:
    lock(project, COSMO_URL=mirror.python)
    first = project.package(COSMO_URL=mirror.python).read_bytes()
    (file,) = (project.home / ".cache/cosmo-recipes/sha256").iterdir()
    file.write_bytes(file.read_bytes()[:1000])
    project.succeed("cosmo", "--force", COSMO_URL=mirror.python)
    assert project.executable.read_bytes() == first
    assert sha256(file) == file.name
    outside = project.write("../outside", "")
    file.unlink()
    file.symlink_to(outside)
    assert project.package(COSMO_URL=mirror.python).read_bytes() == first
    assert outside.read_text() == ""


def test_the_cache_is_shown_and_pruned(project: Project, mirror: Mirror) -> None:
    project.package(COSMO_URL=mirror.python)
    shown = project.invoke("cosmo.cache").stdout
    assert re.search(r"/.cache/cosmo-recipes: 2 files, \d+.\d MB\n", shown)
    assert "2 files" in project.invoke("cosmo.cache", "--prune", "1").stdout
    assert "write a number of days" in project.refused("cosmo.cache", "--prune=old")
    assert "0 files" in project.invoke("cosmo.cache", "--prune", "0").stdout
    project.package(COSMO_URL=mirror.python)
    assert mirror.downloads[PYTHON] == 2


def test_the_first_mirror_that_has_what_is_locked_is_used(project: Project, mirror: Mirror) -> None:
    lock(project)
    shutil.rmtree(project.home / ".cache", ignore_errors=True)
    (project.build / "python").unlink()
    gone = "http://127.0.0.1:9/python"
    other = mirror.add("/other", project.other_interpreter())
    html = mirror.add("/html", b"<html>sign in</html>")
    good = mirror.add("/good", project.interpreter.read_bytes())
    never = mirror.add("/never", project.interpreter.read_bytes())
    done = project.succeed(COSMO_URL=f"{gone} {other} {html}  {good} {never}")
    assert done.stderr.count("trying the next") == 3
    assert mirror.downloads["/never"] == 0
    shutil.rmtree(project.home / ".cache")
    (project.build / "python").unlink()
    assert "is not what pylock.cosmo.toml names" in project.refused(COSMO_URL=f"{gone} {other}")


def test_a_cache_that_cannot_be_written_is_done_without(project: Project, mirror: Mirror) -> None:
    project.write("../blocked", "a file")
    for folder in (str(project.home / "blocked"), "/proc/none", "relative"):
        project.package(COSMO_URL=mirror.python, XDG_CACHE_HOME=folder)
    assert not (project.path / "relative").exists()


def test_the_script_of_a_dry_run_heeds_the_checksum(project: Project, mirror: Mirror) -> None:
    lock(project, COSMO_URL=mirror.python)
    shutil.rmtree(project.home / ".cache")
    shutil.rmtree(project.build)
    script = project.invoke("--dry", "cosmo", COSMO_URL=mirror.python).stdout
    mirror.add(PYTHON, project.other_interpreter())
    assert run(["sh", "-ec", script], project.environment(), project.path).returncode != 0
    assert not project.executable.exists()
    mirror.add(PYTHON, project.interpreter.read_bytes())
    done = run(["sh", "-ec", script], project.environment(), project.path)
    assert done.returncode == 0, done.stderr
    assert project.says("x") == "hello x\n"


def test_the_lock_names_the_address_also_where_the_cache_has_the_file(
    project: Project, mirror: Mirror
) -> None:
    url = mirror.address + PYTHON
    assert project.invoke("cosmo.lock", COSMO_URL=url).returncode == 0
    lock = project.path / "pylock.cosmo.toml"
    text = lock.read_text()
    sha256 = text.partition('sha256 = "')[2][:64]
    lock.unlink()
    done = project.invoke("cosmo.lock", COSMO_URL=url, COSMO_SHA256=sha256)
    assert done.returncode == 0, done.stderr
    assert f'url = "{url}"' in lock.read_text()


def test_a_url_that_a_lock_makes_a_mirror_is_named(project: Project, mirror: Mirror) -> None:
    url = mirror.address + PYTHON
    assert project.invoke("cosmo.lock", COSMO_URL=url).returncode == 0
    assert "mirror" not in project.invoke("cosmo.fetch", COSMO_URL=url).stderr
    done = project.invoke("cosmo.fetch", COSMO_URL="http://127.0.0.1:9/other")
    assert "COSMO_URL (environment) is asked for that file alone" in done.stderr


def test_a_projects_own_uv_lock_is_honoured(installing: Project, index: Index) -> None:
    index.wheel("bird", "1.0", {"bird.py": "print('one')\n"})
    head = "[project]\nname = 'hello'\nversion = '1'\nrequires-python = '>=3.9'\n"
    installing.write("pyproject.toml", f"{head}dependencies = ['bird']\n")
    installing.write("src/hello/__main__.py", "import bird\n")
    env = installing.environment(UV_NO_CACHE="1", UV_PYTHON=sys.executable)
    assert run(["uv", "lock", "-q"], env, installing.path).returncode == 0
    index.wheel("bird", "2.0", {"bird.py": "print('two')\n"})
    installing.env["UV_NO_CACHE"] = "1"
    done = installing.invoke("cosmo")
    assert done.returncode == 0, done.stderr
    assert "none but uv.lock's dependencies" in done.stderr
    assert installing.start().stdout == "one\n"
    assert installing.invoke("cosmo.lock").returncode == 0
    (installing.path / "uv.lock").unlink()
    installing.package()
    assert installing.start().stdout == "one\n"


def test_a_local_wheel_is_locked_by_a_path_from_the_project(
    installing: Project, index: Index
) -> None:
    index.wheel("bird", "1.0", {"bird.py": "print('local')\n"})
    name = "bird-1.0-py3-none-any.whl"
    (installing.path / "wheels").mkdir()
    (installing.path / "wheels" / name).write_bytes(index.mirror.files[f"/files/{name}"].data)
    head = "[project]\nname = 'hello'\nversion = '1'\ndependencies = ['bird']\n"
    source = f"[tool.uv.sources]\nbird = {{ path = 'wheels/{name}' }}\n"
    installing.write("pyproject.toml", head + source)
    installing.write("src/hello/__main__.py", "import bird\n")
    del installing.env["UV_NO_CONFIG"]
    assert installing.invoke("cosmo.lock").returncode == 0
    assert f'path = "wheels/{name}"' in (installing.path / "pylock.cosmo.toml").read_text()
    installing.package()
    assert installing.start().stdout == "local\n"


def test_a_lock_without_what_is_required_is_refused(installing: Project, index: Index) -> None:
    index.wheel("bird", "1.0", {"bird.py": ""})
    head = "[project]\nname = 'hello'\nversion = '1'\ndependencies = ['bird']\n"
    installing.write("pyproject.toml", head)
    assert installing.invoke("cosmo.lock").returncode == 0
    lock = installing.path / "pylock.cosmo.toml"
    text = lock.read_text()
    begin, end = text.index("[[packages]]"), text.index("[tool.cosmo-recipes]")
    lock.write_text(f"{text[:begin]}packages = []\n{text[end:]}")
    assert "has no bird; write it anew" in installing.refused()


def test_the_locked_interpreter_that_is_there_is_not_fetched_again(project: Project) -> None:
    lock(project)
    python = project.build / "python"
    before = python.stat().st_ino
    assert "python of that sha256 is there" in project.succeed("cosmo.fetch").stderr
    assert python.stat().st_ino == before
    assert "is there" not in project.succeed("cosmo", "--force").stderr
    python.write_bytes(python.read_bytes()[:-1])
    assert "is there" not in project.succeed("cosmo.fetch").stderr
    assert python.read_bytes() == project.interpreter.read_bytes()
