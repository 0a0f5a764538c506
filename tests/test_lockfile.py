"""What a build is made of: the lock, the downloads in the user's cache, and no network."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from index import Index, require, write_tree
from mirror import PYTHON, Mirror
from projects import Project, run

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LOCK = "pylock.cosmo.toml"
BIRD = "bird-1.0-py3-none-any.whl"
MAIN = "import bird\nprint(bird.V)\n"


def sha256(file: Path) -> str:
    """Compute the sha256 of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def lock(project: Project, *words: str, **settings: str) -> str:
    """Write the lock, which must succeed; return its text."""
    project.succeed("cosmo.lock", *words, **settings)
    return (project.path / LOCK).read_text(encoding="utf-8")


@pytest.fixture
def needing(installing: Project, index: Index) -> Project:
    """The small project, which depends on bird 1.0 of the index, and asks it at each build."""
    index.wheel("bird", "1.0", {"bird.py": "V = 1\n"}, "owl")
    index.wheel("owl", "1.0", {"owl.py": ""})
    require(installing, "bird", main=MAIN)
    installing.env["UV_NO_CACHE"] = "1"  # it asks an index again after ten minutes only
    return installing


def test_a_lock_names_the_interpreter_and_all_packages_by_their_hashes(
    needing: Project, mirror: Mirror, version: tuple[int, int]
) -> None:
    text = lock(needing, COSMO_URL=mirror.python)
    data = tomllib.loads(text)
    ours, python = data["tool"]["cosmo-recipes"], needing.interpreter
    assert ours["inputs"] == ["bird"]
    assert ours["python"].pop("version").startswith("{}.{}.".format(*version))
    assert ours["python"].pop("size") == python.stat().st_size
    served = {"url": mirror.python, "last-modified": "2023-11-14T22:13:20Z"}
    assert ours["python"] == {"sha256": sha256(python), **served}
    for package, name in zip(data["packages"], ("bird", "owl")):
        content = mirror.files[f"/files/{name}-1.0-py3-none-any.whl"].data
        assert (package["name"], package["version"]) == (name, "1.0")
        assert package["wheels"][0]["hashes"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert lock(needing, COSMO_URL=mirror.python, TZ="Asia/Tokyo") == text
    (needing.path / LOCK).unlink()
    assert lock(needing, COSMO_URL=mirror.python) == text
    assert mirror.downloads[PYTHON] == 1


def test_locked_dependencies_stay_until_they_are_upgraded(needing: Project, index: Index) -> None:
    def versions(*words: str) -> list[str]:
        return re.findall('(?m)^version = "(.*)"$', lock(needing, *words))[:2]

    assert versions() == ["1.0", "1.0"]
    index.wheel("bird", "2.0", {"bird.py": "V = 2\n"}, "owl")
    index.wheel("owl", "2.0", {"owl.py": ""})
    needing.package()
    assert needing.run_executable() == "1\n"
    assert versions() == ["1.0", "1.0"]
    assert "write names, with commas" in needing.refused("cosmo.lock", "--upgrade=owl --index=x")
    said = needing.refused("cosmo.lock", "--upgrade=crow,owl")
    assert "--upgrade=crow,owl: crow is not among the dependencies" in said
    assert versions("--upgrade=owl") == ["1.0", "2.0"]
    require(needing, "bird>1")
    assert versions() == ["2.0", "2.0"]
    index.wheel("bird", "3.0", {"bird.py": "V = 3\n"}, "owl")
    assert versions("--upgrade") == ["3.0", "2.0"]
    needing.package()
    assert needing.run_executable() == "3\n"
    index.wheel("bird", "3.0", {"bird.py": "import evil\n"}, "owl")
    assert re.search(r"(?s)ash.*bird.*cannot be installed", needing.refused("cosmo", "--force"))


def test_no_lock_or_one_for_other_requirements_is_refused(needing: Project) -> None:
    assert needing.succeed("--dry", "cosmo.lock").stderr == ""
    missing = f"{LOCK} does not exist; write it with `invoke cosmo.lock`"
    assert missing in needing.refused("cosmo.lock", "--check")
    text = lock(needing)
    assert "is current" in needing.succeed("cosmo.lock", "--check").stderr
    begin, end = text.index("[[packages]]"), text.index("[tool.cosmo-recipes]")
    needing.write(LOCK, f"{text[:begin]}packages = []\n{text[end:]}")
    assert f"{LOCK}: packages were removed or added; write it anew" in needing.refused()
    needing.write(LOCK, text)
    for needs, more, problem in (
        ("bird owl", "", "lacks owl"),
        ("bird", "[tool.uv]\nprerelease = 'allow'\n", "lacks tool.uv sha256:[0-9a-f]+"),
        ("owl", "", "lacks owl and has bird, which is no longer required"),
        ("", "", "has bird, which is no longer required"),
    ):
        require(needing, *needs.split(), more=more)
        for words in (["cosmo"], ["cosmo.lock", "--check"]):
            remedy = "lock anew with `invoke cosmo.lock`"
            assert re.fullmatch(f"cosmo: {LOCK} {problem}; {remedy}", needing.refused(*words))


def test_a_lock_is_written_through_no_link_and_into_no_pipe(project: Project) -> None:
    theirs, part = project.write("../theirs", "precious"), project.path / f".{LOCK}.part"
    for to in (theirs, None):
        part.symlink_to(to) if to else os.mkfifo(part)
        assert "sha256 = " in lock(project)
        assert theirs.read_text() == "precious"


def test_a_requirements_file_is_locked_with_all_that_it_names(needing: Project) -> None:
    require(needing)
    needing.write("outer.txt", "-r all.txt\n")
    for file in ("all.txt", "outer.txt"):
        needing.write("all.txt", "bird<2\n")
        lock(needing, COSMO_DEPS=file)
        needing.package(COSMO_DEPS=file)
        needing.write("all.txt", "bird\n")
        assert "lock anew" in needing.refused(COSMO_DEPS=file)


def test_archives_local_wheels_and_what_a_backend_requires_are_locked(
    needing: Project, index: Index
) -> None:
    index.sdist("wren", "1.0", {"wren.py": ""})
    needing.write(f"wheels/{BIRD}", "").write_bytes(index.mirror.files[f"/files/{BIRD}"].data)
    needs = ["bird", f"owl @ {index.mirror.address}/files/owl-1.0-py3-none-any.whl", "wren"]
    head = "[project]\nname = 'hello'\ndynamic = ['version', 'dependencies']\n"
    head += f"[tool.uv.sources]\nbird = {{ path = 'wheels/{BIRD}' }}\n"
    main = {"hello/__main__.py": f"import bird, owl, wren\n{MAIN}"}
    write_tree(needing, ".", "hello", main, *needs, head=head)
    data = tomllib.loads(lock(needing))
    assert [package["name"] for package in data["packages"]] == ["bird", "owl", "wren"]
    assert data["packages"][0]["archive"]["path"] == f"wheels/{BIRD}"
    assert data["tool"]["cosmo-recipes"]["inputs"][:3] == needs
    assert "only a build knows" in needing.succeed("cosmo.lock", "--check").stderr
    needing.package()
    assert needing.run_executable() == "1\n"
    write_tree(needing, ".", "hello", main, *needs[1:], head=head)
    assert "lock anew" in needing.refused()


def test_a_hash_in_an_address_is_locked_and_no_secret(needing: Project, mirror: Mirror) -> None:
    sha256 = hashlib.sha256(mirror.files[f"/files/{BIRD}"].data).hexdigest()
    require(needing, f"bird @ {mirror.address}/files/{BIRD}#sha256={sha256}")
    assert sha256 in lock(needing)
    needing.package()
    assert needing.run_executable() == "1\n"


@pytest.mark.parametrize("form", ["@ http://me:secret@{}", "@http://{}?token=secret"])
def test_no_secret_in_an_address_is_locked_or_printed(
    needing: Project, mirror: Mirror, form: str
) -> None:
    host, address = mirror.address.partition("//")[2], form.lstrip("@ ")
    for path in (f"/files/{BIRD}", PYTHON):
        mirror.files[f"{path}?token=secret"] = mirror.files[path]
    none = lock(needing, COSMO_DEPS="none")
    require(needing, f"bird {form.format(f'{host}/files/{BIRD}')}")
    url = {"COSMO_URL": address.format(host + PYTHON), "COSMO_DEPS": "none"}
    for words, given in ("cosmo", {}), ("cosmo.lock", {}), ("cosmo.lock", url):
        done = needing.invoke(words, **given)
        problems = ("lacks bird", "cannot be locked: its address holds a")
        assert any(f" {problem}" in done.stderr for problem in problems), done
        assert (done.returncode, "secret" in done.stderr) == (1, False), done
    assert (needing.path / LOCK).read_text() == none


def test_a_lock_that_was_spoilt_is_refused_by_the_name_of_its_key(project: Project) -> None:
    text = lock(project)
    python, package = "tool.cosmo-recipes.python", "\npackages = [{ name = 'bird'"
    for old, new, key in (
        ("\nsha256 = ", "\nsha256 = 5 #", f"{python}.sha256"),
        ("\nurl = ", "\nurl = '--output-file=a:///../../x' #", f"{python}.url"),
        ("\nsize = ", "\nsize = 'big' #", f"{python}.size"),
        ("\nsize = ", "\nsize = -5 #", f"{python}.size"),
        ("\nversion = ", "\nversion = 'x\\ny' #", f"{python}.version"),
        (f"[{python}]", f"[{python}", "is not valid TOML"),
        (f"[{python}]", "[tool.cosmo-recipes.dragon]", f"{python}."),
        ("inputs = [\n]", "inputs = 'bird'", "tool.cosmo-recipes.inputs"),
        ("\npackages = []", "\npackages = 'bird'", "packages"),
        ("\npackages = []", "\npackages = [5]", "packages"),
        ("\npackages = []", f"{package} }}]", "bird cannot be locked"),
        ("\npackages = []", f"{package}, sdist = {{ url = 'http://x/b' }} }}]", "bird cannot be"),
        ("\npackages = []", f"{package}, directory = {{ path = '.' }} }}]", "bird cannot be"),
        ("\npackages = []", "\npackages = [{ name = '../b' }]", "'../b'"),
        ('lock-version = "1.0"', 'lock-version = "9"', "lock-version"),
    ):
        assert old in text
        project.write(LOCK, text.replace(old, new, 1))
        said = project.refused()
        assert (key in said, said.count("\n")) == (True, 0), said
        assert re.search("anew|require a release", said)


def test_another_interpreter_is_refused_before_it_runs(project: Project, mirror: Mirror) -> None:
    lock(project, COSMO_URL=mirror.python)
    first = project.package(COSMO_URL=mirror.python).read_bytes()
    shutil.rmtree(project.home / ".cache")
    script = project.succeed("--dry", "cosmo", COSMO_URL=mirror.python).stdout
    other = b"MZqFpD='\n'\ntouch ../../ran ran /tmp/ran; exit 1\n" + project.other_interpreter()
    mirror.add(PYTHON, other, modified=1_800_000_000)
    message = project.refused("cosmo", "--force", COSMO_URL=mirror.python)
    assert f"expected sha256 {sha256(project.interpreter)}" in message
    assert f"found {hashlib.sha256(other).hexdigest()}" in message
    assert (project.build / "python").read_bytes() == project.interpreter.read_bytes()
    project.executable.unlink()
    assert run(["sh", "-ec", script], project.environment(), project.path).returncode != 0
    assert not project.executable.exists()
    assert list(project.path.rglob("ran")) == []
    mirror.add(PYTHON, project.interpreter.read_bytes())
    done = run(["sh", "-ec", script], project.environment(), project.path)
    assert done.returncode == 0, done.stderr
    assert project.executable.read_bytes() == first


def test_the_locked_interpreter_that_is_there_is_not_fetched_again(
    project: Project, mirror: Mirror
) -> None:
    assert "`invoke cosmo.lock` writes one" in project.succeed("cosmo.fetch").stderr
    lock(project, COSMO_URL=mirror.python)
    python, there = project.build / "python", "python of that sha256 is there"
    before = python.stat().st_ino
    done = project.succeed("cosmo.fetch", COSMO_URL="http://127.0.0.1:9/other")
    assert there in done.stderr
    assert "; the interpreter from COSMO_URL (environment)" in done.stderr
    assert python.stat().st_ino == before
    assert "alone" not in project.succeed("cosmo.fetch", COSMO_URL=mirror.python).stderr
    assert there not in project.succeed("cosmo.fetch", "--force").stderr
    python.write_bytes(python.read_bytes()[:-1])
    assert there not in project.succeed("cosmo.fetch").stderr
    assert python.read_bytes() == project.interpreter.read_bytes()


def test_a_locked_build_needs_the_network_only_once(needing: Project, mirror: Mirror) -> None:
    needing.env["COSMO_URL"] = mirror.python
    del needing.env["UV_NO_CACHE"]
    offline = "is not in the cache; go online once, without --offline or COSMO_OFFLINE"
    assert offline in needing.refused(COSMO_OFFLINE="1")
    lock(needing)
    first, other = needing.package().read_bytes(), needing.beside("other")
    shutil.copytree(needing.path, other.path, ignore=shutil.ignore_patterns("dist"))
    other.env, asked = needing.env, mirror.asked
    assert other.package(COSMO_OFFLINE="1").read_bytes() == first
    assert mirror.asked == asked
    (file,) = (needing.home / ".cache/cosmo-recipes/url").rglob("python")
    outside = needing.write("../outside", "mine")
    for damaged in (b"MZqFpD='\n", b""):
        file.write_bytes(damaged)
        if not damaged:
            file.unlink()
            file.symlink_to(outside)
        (needing.build / "python").unlink()
        assert offline in needing.refused("cosmo", "--offline")
        needing.succeed("cosmo.fetch")
        assert sha256(needing.build / "python") == sha256(file) == file.parent.name
    assert outside.read_text() == "mine"
    assert mirror.downloads[PYTHON] == 3
