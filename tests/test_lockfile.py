"""What a build is made of: the lock, the checksum, the cache, mirrors, and no network."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from index import Index
from mirror import Mirror
from projects import Project, environment, run

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PYTHON = "/pub/cosmos/bin/python"
LOCK = "pylock.cosmo.toml"


def sha256(file: Path) -> str:
    """The sha256 of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def lock(project: Project, **settings: str) -> str:
    """Write the lock, which must succeed; its text."""
    done = project.invoke("cosmo.lock", **settings)
    assert done.returncode == 0, done.stderr
    return (project.path / LOCK).read_text(encoding="utf-8")


def asks(project: Project, *dependencies: str) -> None:
    """Let the project ask for these."""
    quoted = ", ".join(f"'{each}'" for each in dependencies)
    head = f"[project]\nname = 'hello'\nversion = '1'\ndependencies = [{quoted}]\n"
    project.write("pyproject.toml", head)


def changed(interpreter: Path, folder: Path) -> bytes:
    """Another interpreter."""
    other = Path(shutil.copy(interpreter, folder / "other.com"))
    line = ["zip", "-q", "-d", other.name, "Lib/colorsys.pyc"]
    assert run(line, environment(folder), folder).returncode == 0
    return other.read_bytes()


# The lock


def test_the_lock_tells_where_the_interpreter_came_from_and_what_it_is(
    project: Project, mirror: Mirror, interpreter: Path, version: tuple[int, int]
) -> None:
    url = mirror.address + PYTHON
    python = tomllib.loads(lock(project, COSMO_URL=url))["tool"]["cosmo-recipes"]["python"]
    assert python.pop("version").startswith("{}.{}.".format(*version))
    assert python == {
        "url": url,
        "size": interpreter.stat().st_size,
        "sha256": sha256(interpreter),
        "last-modified": "2023-11-14T22:13:20Z",
    }
    assert mirror.downloads[PYTHON] == 1


def test_locking_again_gives_the_same_text(installing: Project, index: Index) -> None:
    index.wheel("bird", "1.0", {"bird.py": ""})
    asks(installing, "bird")
    first = lock(installing)
    assert lock(installing, TZ="Asia/Tokyo", PYTHONHASHSEED="3") == first


def test_without_a_lock_a_build_says_so_once(project: Project, interpreter: Path) -> None:
    assert project.invoke("cosmo").stderr.count("cosmo.lock") == 1
    assert "cosmo.lock" not in project.invoke("cosmo", COSMO_SHA256=sha256(interpreter)).stderr
    lock(project)
    assert "cosmo.lock" not in project.invoke("cosmo").stderr


def test_another_interpreter_than_the_locked_one_is_refused_before_it_runs(
    project: Project, mirror: Mirror, interpreter: Path
) -> None:
    url = mirror.address + PYTHON
    lock(project, COSMO_URL=url)
    project.package(COSMO_URL=url)
    shutil.rmtree(project.path.parent / ".cache")
    other = b"MZqFpD='\n'\ntouch ../../ran ran /tmp/ran; exit 1\n" + changed(
        interpreter, project.path
    )
    mirror.add(PYTHON, other)
    told = project.refused(COSMO_URL=url)
    assert f"expected sha256 {sha256(interpreter)}" in told
    assert f"found {hashlib.sha256(other).hexdigest()}" in told
    assert list(project.path.rglob("ran")) == []
    assert (project.build / "python").read_bytes() == interpreter.read_bytes()


def test_a_checksum_alone_does_for_the_interpreter(project: Project, interpreter: Path) -> None:
    project.package(COSMO_SHA256=sha256(interpreter).upper())
    told = project.refused(COSMO_SHA256="0" * 64)
    assert "expected sha256 000" in told
    assert f"found {sha256(interpreter)}" in told
    assert "64 hexadecimal digits" in project.refused(COSMO_SHA256="abc")
    lock(project)
    assert "is not what is locked" in project.refused(COSMO_SHA256="0" * 64)
    project.package(COSMO_SHA256=sha256(interpreter))


@pytest.mark.parametrize(
    ("old", "new"),
    [
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
    ],
)
def test_a_lock_that_was_spoilt_is_refused(project: Project, old: str, new: str) -> None:
    text = lock(project)
    assert old in text
    project.write(LOCK, text.replace(old, new))
    refusal = project.refused()
    assert LOCK in refusal or "bird cannot be locked" in refusal


def test_the_lock_of_an_earlier_release_is_refused(project: Project) -> None:
    project.write("cosmo.lock", "[python]\n")
    assert "write the new one with `invoke cosmo.lock`" in project.refused()
    lock(project)
    project.package()


def test_locked_dependencies_stay_when_the_index_has_newer_ones(
    installing: Project, index: Index
) -> None:
    index.wheel("bird", "1.0", {"bird.py": "print('one')\n"}, "owl")
    index.wheel("owl", "1.0", {"owl.py": ""})
    asks(installing, "bird")
    data = tomllib.loads(lock(installing))
    assert data["tool"]["cosmo-recipes"]["inputs"] == ["bird"]
    assert [(one["name"], one["version"]) for one in data["packages"]] == [
        ("bird", "1.0"),
        ("owl", "1.0"),
    ]
    assert all(one["wheels"][0]["hashes"]["sha256"] for one in data["packages"])
    index.wheel("bird", "2.0", {"bird.py": "print('two')\n"})
    installing.env["UV_NO_CACHE"] = "1"  # it asks an index again after ten minutes only
    installing.write("src/hello/__main__.py", "import bird\n")
    installing.package()
    assert installing.start().stdout == "one\n"
    lock(installing)
    installing.package()
    assert installing.start().stdout == "two\n"


def test_a_release_with_other_content_is_refused(installing: Project, index: Index) -> None:
    index.wheel("bird", "1.0", {"bird.py": ""})
    asks(installing, "bird")
    lock(installing)
    installing.env["UV_NO_CACHE"] = "1"
    index.wheel("bird", "1.0", {"bird.py": "import evil\n"})
    told = installing.refused()
    assert "ash" in told
    assert "bird" in told


def test_the_lock_covers_the_pure_form_of_what_has_extensions(
    installing: Project, index: Index, version: tuple[int, int]
) -> None:
    tag = "cp{0}{1}-cp{0}{1}-manylinux_2_17_x86_64".format(*version)
    index.wheel("bird", "1.0", {"bird.py": "", "_bird.so": ""}, tag=tag)
    index.sdist("bird", "1.0", {"bird.py": ""})
    asks(installing, "bird")
    lock(installing)
    installing.write("src/hello/__main__.py", "import bird; print('flies')\n")
    installing.package()
    assert installing.start().stdout == "flies\n"


def test_a_lock_for_other_dependencies_is_refused(installing: Project, index: Index) -> None:
    index.wheel("bird", "1.0", {"bird.py": ""})
    index.wheel("owl", "1.0", {"owl.py": ""})
    asks(installing, "bird")
    assert "does not exist" in installing.refused("cosmo.lock", "--check")
    lock(installing)
    assert installing.invoke("cosmo.lock", "--check").returncode == 0
    asks(installing, "bird", "owl")
    assert "is for bird, and bird, owl is required" in installing.refused()
    assert "lock anew" in installing.refused("cosmo.lock", "--check")
    lock(installing)
    installing.package()


def test_what_is_left_out_is_locked_all_the_same(installing: Project, index: Index) -> None:
    index.wheel("bird", "1.0", {"bird.py": ""}, "owl")
    index.wheel("owl", "1.0", {"owl.py": ""})
    asks(installing, "bird")
    text = lock(installing, COSMO_EXCLUDE="owl-1.0.dist-info *.dist-info/*")
    assert text == lock(installing)
    assert 'name = "owl"' in text


def test_a_dry_run_writes_no_lock(installing: Project, index: Index) -> None:
    index.wheel("bird", "1.0", {"bird.py": ""})
    asks(installing, "bird")
    done = installing.invoke("--dry", "cosmo.lock")
    assert (done.returncode, done.stderr) == (0, "")
    assert not (installing.path / LOCK).exists()


def test_a_requirements_files_own_change_asks_for_a_new_lock(
    installing: Project, index: Index
) -> None:
    index.wheel("bird", "1.0", {"bird.py": ""})
    index.wheel("bird", "2.0", {"bird.py": ""})
    asks(installing)
    installing.write("all.txt", "-r more.txt\n")
    installing.write("more.txt", "bird<2\n")
    assert 'version = "1.0"' in lock(installing, COSMO_DEPS="all.txt")
    installing.package(COSMO_DEPS="all.txt")
    installing.write("more.txt", "bird\n")
    assert "lock anew" in installing.refused(COSMO_DEPS="all.txt")


def test_a_folder_cannot_be_locked(installing: Project) -> None:
    other = installing.beside("bird")
    other.write("pyproject.toml", "[project]\nname = 'bird'\nversion = '1'\n")
    asks(installing, f"bird @ {other.path.as_uri()}")
    refusal = installing.refused("cosmo.lock")
    assert "bird cannot be locked: it comes from " in refusal
    assert not (installing.path / LOCK).exists()


def test_an_archive_is_locked_by_its_hash(
    installing: Project, index: Index, mirror: Mirror
) -> None:
    index.wheel("bird", "1.0", {"bird.py": "print('flies')"})
    (path,) = (path for path in mirror.files if path.endswith(".whl"))
    asks(installing, f"bird @ {mirror.address}{path}")
    lock(installing)
    installing.write("src/hello/__main__.py", "import bird\n")
    installing.package()
    assert installing.start().stdout == "flies\n"


# The cache, mirrors, and no network


def test_two_projects_share_one_download(
    project: Project, mirror: Mirror, interpreter: Path
) -> None:
    other = project.beside("other")
    shutil.copytree(project.path, other.path)
    for each in (project, other, project):
        each.package(COSMO_URL=mirror.address + PYTHON)
    assert mirror.downloads[PYTHON] == 1
    assert (other.build / "python").read_bytes() == interpreter.read_bytes()


def test_a_locked_build_needs_no_network_the_second_time(
    installing: Project, index: Index, mirror: Mirror
) -> None:
    index.wheel("bird", "1.0", {"bird.py": ""})
    asks(installing, "bird")
    url = mirror.address + PYTHON
    lock(installing, COSMO_URL=url)
    first = installing.package(COSMO_URL=url).read_bytes()
    mirror.server.shutdown()
    mirror.server.server_close()
    for words in (["cosmo"], ["cosmo", "--offline"]):
        done = installing.invoke(*words, COSMO_URL=url)
        assert done.returncode == 0, done.stderr
        assert installing.executable.read_bytes() == first
    other = installing.beside("other")
    shutil.copytree(installing.path, other.path, ignore=shutil.ignore_patterns("dist"))
    other.env = installing.env
    assert other.package(COSMO_URL=url, COSMO_OFFLINE="1").read_bytes() == first


def test_offline_without_a_lock_takes_the_last_download(project: Project, mirror: Mirror) -> None:
    url = mirror.address + PYTHON
    told = project.refused(COSMO_URL=url, COSMO_OFFLINE="1")
    assert "is not in the cache" in told
    project.package(COSMO_URL=url)
    asked = mirror.asked
    project.package(COSMO_URL=url, COSMO_OFFLINE="1")
    assert mirror.asked == asked


def test_offline_asks_no_index(installing: Project, index: Index, mirror: Mirror) -> None:
    index.wheel("bird", "1.0", {"bird.py": ""})
    asks(installing, "bird")
    asked = mirror.asked
    assert "cannot be resolved" in installing.refused("cosmo", "--offline")
    assert mirror.asked == asked


@pytest.mark.parametrize(
    "entry",
    [
        {"sha256": "../../../precious", "name": "python", "time": 0},
        {"sha256": "x ]; touch PWNED; [ x", "name": "python", "time": 0},
        {"name": "../../../../../precious"},
        {"name": "$(touch PWNED)"},
        {"name": ".."},
        {"time": "now"},
        ["no table"],
    ],
)
def test_a_cache_entry_that_leads_elsewhere_is_not_followed(
    project: Project, mirror: Mirror, entry: dict[str, object]
) -> None:
    url = mirror.address + PYTHON
    project.package(COSMO_URL=url)
    precious = project.write("../precious", "mine")
    (file,) = (project.path.parent / ".cache/cosmo-recipes/url").iterdir()
    good = json.loads(file.read_text())
    file.write_text(json.dumps({**good, **entry} if isinstance(entry, dict) else entry))
    project.package(COSMO_URL=url)
    assert list(project.path.parent.rglob("PWNED")) == []
    assert precious.read_text() == "mine"


def test_a_damaged_cache_is_repaired(project: Project, mirror: Mirror, interpreter: Path) -> None:
    url = mirror.address + PYTHON
    lock(project, COSMO_URL=url)
    first = project.package(COSMO_URL=url).read_bytes()
    (file,) = (project.path.parent / ".cache/cosmo-recipes/sha256").iterdir()
    file.write_bytes(file.read_bytes()[:1000])
    assert project.package(COSMO_URL=url).read_bytes() == first
    assert sha256(file) == file.name
    outside = project.write("../outside", "")
    file.unlink()
    file.symlink_to(outside)
    assert project.package(COSMO_URL=url).read_bytes() == first
    assert outside.read_text() == ""


def test_the_cache_is_shown_and_pruned(project: Project, mirror: Mirror) -> None:
    project.package(COSMO_URL=mirror.address + PYTHON)
    shown = project.invoke("cosmo.cache").stdout
    assert re.search(r"/.cache/cosmo-recipes: 2 files, \d+.\d MB\n", shown)
    assert "2 files" in project.invoke("cosmo.cache", "--prune", "1").stdout
    assert "write a number of days" in project.refused("cosmo.cache", "--prune=old")
    assert "0 files" in project.invoke("cosmo.cache", "--prune", "0").stdout
    project.package(COSMO_URL=mirror.address + PYTHON)
    assert mirror.downloads[PYTHON] == 2


def test_the_first_mirror_that_has_what_is_locked_is_used(
    project: Project, mirror: Mirror, interpreter: Path
) -> None:
    lock(project)
    shutil.rmtree(project.path.parent / ".cache", ignore_errors=True)
    gone = "http://127.0.0.1:9/python"
    other = mirror.add("/other", changed(interpreter, project.path))
    html = mirror.add("/html", b"<html>sign in</html>")
    good = mirror.add("/good", interpreter.read_bytes())
    never = mirror.add("/never", interpreter.read_bytes())
    done = project.invoke("cosmo", COSMO_URL=f"{gone} {other} {html}  {good} {never}")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("trying the next") == 3
    assert mirror.downloads["/never"] == 0
    shutil.rmtree(project.path.parent / ".cache")
    assert "is not what is locked" in project.refused(COSMO_URL=f"{gone} {other}")


def test_a_cache_that_cannot_be_written_is_done_without(project: Project, mirror: Mirror) -> None:
    project.write("../blocked", "a file")
    for folder in (str(project.path.parent / "blocked"), "/proc/none", "relative"):
        project.package(COSMO_URL=mirror.address + PYTHON, XDG_CACHE_HOME=folder)
    assert not (project.path / "relative").exists()


def test_a_dry_run_prints_the_checksum_and_the_script_heeds_it(
    project: Project, mirror: Mirror, interpreter: Path
) -> None:
    url = mirror.address + PYTHON
    lock(project, COSMO_URL=url)
    shutil.rmtree(project.path.parent / ".cache")
    shutil.rmtree(project.build)
    script = project.invoke("--dry", "cosmo", COSMO_URL=url).stdout
    mirror.add(PYTHON, changed(interpreter, project.path))
    done = run(["sh", "-ec", script], project.environment(), project.path)
    assert done.returncode != 0
    assert not project.executable.exists()
    mirror.add(PYTHON, interpreter.read_bytes())
    done = run(["sh", "-ec", script], project.environment(), project.path)
    assert done.returncode == 0, done.stderr
    assert project.start("x").stdout == "hello x\n"
