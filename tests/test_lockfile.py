"""What a build is made of: the lock, the downloads in the user's cache, and no network."""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
from pathlib import Path

import pytest

from index import Index, sources
from mirror import PYTHON, Mirror
from projects import Project, run

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LOCK = "pylock.cosmo.toml"
HEAD = "[project]\nname = 'hello'\nversion = '1'\ndependencies = {}\n"


def sha256(file: Path) -> str:
    """Compute the sha256 of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def lock(project: Project, *words: str, **settings: str) -> str:
    """Write the lock, which must succeed; return its text."""
    project.succeed("cosmo.lock", *words, **settings)
    return (project.path / LOCK).read_text(encoding="utf-8")


def require(project: Project, *dependencies: str, more: str = "") -> None:
    """Let the project depend on these, and import bird."""
    project.write("pyproject.toml", HEAD.format(list(dependencies)) + more)
    project.write("src/hello/__main__.py", "import bird\nprint(bird.V)\n")


@pytest.fixture
def needing(installing: Project, index: Index) -> Project:
    """The small project, which depends on bird 1.0 of the index, and asks it at each build."""
    index.wheel("bird", "1.0", {"bird.py": "V = 1\n"}, "owl")
    index.wheel("owl", "1.0", {"owl.py": ""})
    require(installing, "bird")
    installing.env["UV_NO_CACHE"] = "1"  # it asks an index again after ten minutes only
    return installing


# The lock


def test_a_lock_names_the_interpreter_and_all_packages_by_their_hashes(
    needing: Project, mirror: Mirror, version: tuple[int, int]
) -> None:
    text = lock(needing, COSMO_URL=mirror.python)
    data = tomllib.loads(text)
    python = data["tool"]["cosmo-recipes"]["python"]
    assert python.pop("version").startswith("{}.{}.".format(*version))
    assert python == {
        "url": mirror.python,
        "size": needing.interpreter.stat().st_size,
        "sha256": sha256(needing.interpreter),
        "last-modified": "2023-11-14T22:13:20Z",
    }
    assert data["tool"]["cosmo-recipes"]["inputs"] == ["bird"]
    packages = [(one["name"], one["version"], *one["wheels"]) for one in data["packages"]]
    assert [one[:2] for one in packages] == [("bird", "1.0"), ("owl", "1.0")]
    files = {path.rpartition("/")[2]: served.data for path, served in mirror.files.items()}
    for name, _, wheel in packages:
        content = files[f"{name}-1.0-py3-none-any.whl"]
        assert wheel["hashes"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert lock(needing, COSMO_URL=mirror.python, TZ="Asia/Tokyo") == text
    (needing.path / LOCK).unlink()
    assert lock(needing, COSMO_URL=mirror.python) == text
    assert mirror.downloads[PYTHON] == 1


def test_locked_dependencies_stay_until_they_are_upgraded(needing: Project, index: Index) -> None:
    def versions(*words: str) -> list[str]:
        return re.findall('(?m)^version = "(.*)"$', lock(needing, *words))[:2]

    assert versions() == ["1.0", "1.0"]
    for name in ("bird", "owl"):
        index.wheel(name, "2.0", {f"{name}.py": "V = 2\n"}, *(["owl"] if name == "bird" else []))
    needing.package()
    assert needing.says() == "1\n"
    assert versions() == ["1.0", "1.0"]
    assert versions("--upgrade=owl") == ["1.0", "2.0"]
    require(needing, "bird>1")
    assert versions() == ["2.0", "2.0"]
    index.wheel("bird", "3.0", {"bird.py": "V = 3\n"}, "owl")
    assert versions("--upgrade") == ["3.0", "2.0"]
    needing.package()
    assert needing.says() == "3\n"
    index.wheel("bird", "3.0", {"bird.py": "import evil\n"}, "owl")
    assert re.search(r"(?s)ash.*bird.*cannot be installed", needing.refused("cosmo", "--force"))


def test_no_lock_or_one_for_other_requirements_is_refused(needing: Project, index: Index) -> None:
    assert needing.succeed("--dry", "cosmo.lock").stderr == ""
    assert "does not exist; write it with `invoke cosmo.lock`" in needing.refused(
        "cosmo.lock", "--check"
    )
    lock(needing)
    assert "is current" in needing.succeed("cosmo.lock", "--check").stderr
    changes = (["bird", "owl"], ""), (["bird"], "[tool.uv]\nprerelease = 'allow'\n"), ([], "")
    for dependencies, more in changes:
        require(needing, *dependencies, more=more)
        for words in (["cosmo"], ["cosmo.lock", "--check"]):
            message = needing.refused(*words)
            assert (
                message.startswith(f"cosmo: {LOCK} is for bird, owl, and ")
                or "is for bird, and" in message
            )
            assert message.endswith(" is required; lock anew with `invoke cosmo.lock`")
    require(needing, "bird", "owl")
    text = lock(needing)
    needing.write(LOCK, re.sub(r"(?s)\[\[packages\]\].*(?=\[tool)", "packages = []\n", text))
    assert f"{LOCK}: packages were removed or added; write it anew" in needing.refused()


def test_a_requirements_file_is_locked_as_it_was(needing: Project) -> None:
    require(needing)
    for files in ({"all.txt": "bird<2\n"}, {"all.txt": "-r more.txt\n", "more.txt": "bird<2\n"}):
        for name, text in files.items():
            needing.write(name, text)
        lock(needing, COSMO_DEPS="all.txt")
        needing.package(COSMO_DEPS="all.txt")
        needing.write(name, "bird\n")
        assert "lock anew" in needing.refused(COSMO_DEPS="all.txt")


def test_archives_local_wheels_and_backends_requirements_are_locked(
    needing: Project, index: Index
) -> None:
    index.sdist("wren", "1.0", {"wren.py": ""})
    files = {path.rpartition("/")[2]: path for path in index.mirror.files}
    wheel = "bird-1.0-py3-none-any.whl"
    needing.write(f"wheels/{wheel}", "").write_bytes(index.mirror.files[files[wheel]].data)
    owl = f"owl @ {index.mirror.address}{files['owl-1.0-py3-none-any.whl']}"
    main = {"hello/__main__.py": "import bird, owl, wren\nprint(bird.V)\n"}
    for path, text in sources("hello", "1.0", main, "bird", owl, "wren").items():
        needing.write(path, text)
    head = "[project]\nname = 'hello'\ndynamic = ['version', 'dependencies']\n"
    source = f"[tool.uv.sources]\nbird = {{ path = 'wheels/{wheel}' }}\n"
    built = (needing.path / "pyproject.toml").read_text()
    needing.write("pyproject.toml", head + built + source)
    data = tomllib.loads(lock(needing))
    assert [package["name"] for package in data["packages"]] == ["bird", "owl", "wren"]
    assert data["packages"][0]["archive"]["path"] == f"wheels/{wheel}"
    assert data["tool"]["cosmo-recipes"]["inputs"][:3] == ["bird", owl, "wren"]
    assert "only a build knows" in needing.succeed("cosmo.lock", "--check").stderr
    needing.package()
    assert needing.says() == "1\n"
    needing.write(
        "content/hello-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: hello\nVersion: 1.0\n"
    )
    assert "and nothing, tool.uv" in needing.refused() or "lock anew" in needing.refused()


@pytest.mark.parametrize(
    "address",
    [
        "file://{0}/bird",
        "git+file://{0}/bird",
        "http://me:secret@{1}/files/bird-1.0-py3-none-any.whl",
        "http://{1}/files/bird-1.0-py3-none-any.whl?token=secret",
    ],
)
def test_a_folder_a_repository_or_a_secret_is_not_locked(
    needing: Project, index: Index, address: str
) -> None:
    tree = needing.beside("bird")
    for path, text in sources("bird", "1.0", {"bird.py": ""}).items():
        tree.write(path, text)
    env = needing.environment(
        **dict.fromkeys(("EMAIL", "GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), "a")
    )
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        assert run(["git", *words], env, tree.path).returncode == 0
    wheel = "/files/bird-1.0-py3-none-any.whl"
    index.mirror.add(f"{wheel}?token=secret", index.mirror.files[wheel].data)
    for space in (" ", ""):
        host = index.mirror.address.partition("//")[2]
        require(needing, f"bird{space}@{space}{address.format(needing.home, host)}")
        said = needing.refused("cosmo.lock")
        assert "cannot be locked: " in said
        assert "secret" not in said
        assert not (needing.path / LOCK).exists()
    if "secret" in address:
        needing.write(LOCK, lock(needing, COSMO_DEPS="none"))
        said = needing.refused()
        assert "is for nothing, and bird" in said
        assert "secret" not in said
        user = f"http://me:secret@{host}{PYTHON}"
        said = needing.refused("cosmo.lock", COSMO_URL=user, COSMO_DEPS="none")
        assert "cannot be locked" in said
        assert "secret" not in said


def test_a_lock_that_was_spoilt_is_refused_by_the_name_of_its_key(project: Project) -> None:
    text = lock(project)
    python, package = "tool.cosmo-recipes.python", "packages = [{ name = 'bird'"
    for old, new, key in (
        ("sha256 = ", "sha256 = 5 #", f"{python}.sha256"),
        ("size = ", "size = 'big' #", f"{python}.size"),
        ("size = ", "size = -5 #", f"{python}.size"),
        ("version = ", "version = 'x\\ny' #", f"{python}.version"),
        (f"[{python}]", f"[{python}", "is not valid TOML"),
        (f"[{python}]", "[tool.cosmo-recipes.dragon]", f"{python}."),
        ("inputs = [", "inputs = 'bird' #", "tool.cosmo-recipes.inputs"),
        ("packages = []\n", "packages = 'bird'\n", "packages"),
        ("packages = []\n", f"{package} }}]\n", "bird cannot be locked"),
        (
            "packages = []\n",
            f"{package}, directory = {{ path = '.' }} }}]\n",
            "bird cannot be locked",
        ),
        ("packages = []\n", f"{package}, sdist = {{ url = 'http://x/b' }} }}]\n", "bird cannot be"),
        ("packages = []\n", "packages = [{ name = '../b' }]\n", "called '../b'"),
        ("packages = []\n", "packages = [5]\n", "packages"),
        ('lock-version = "1.0"', 'lock-version = "9"', "lock-version"),
    ):
        assert old in text
        project.write(LOCK, text.replace(old, new, 1))
        said = project.refused()
        assert key in said
        assert said.count("\n") == 0
        assert re.search("anew|require a release", said)


# The interpreter


def test_another_interpreter_is_refused_before_it_runs(project: Project, mirror: Mirror) -> None:
    lock(project, COSMO_URL=mirror.python)
    script = project.succeed("--dry", "cosmo", COSMO_URL=mirror.python).stdout
    first = project.package(COSMO_URL=mirror.python).read_bytes()
    shutil.rmtree(project.home / ".cache")
    other = b"MZqFpD='\n'\ntouch ../../ran ran /tmp/ran; exit 1\n" + project.other_interpreter()
    mirror.add(PYTHON, other, modified=1_800_000_000)
    message = project.refused("cosmo", "--force", COSMO_URL=mirror.python)
    assert f"expected sha256 {sha256(project.interpreter)}" in message
    assert f"found {hashlib.sha256(other).hexdigest()}" in message
    assert (project.build / "python").read_bytes() == project.interpreter.read_bytes()
    project.executable.unlink()
    assert run(["sh", "-ec", script], project.environment(), project.path).returncode != 0
    assert list(project.path.rglob("ran")) == []
    assert not project.executable.exists()
    mirror.add(PYTHON, project.interpreter.read_bytes())
    done = run(["sh", "-ec", script], project.environment(), project.path)
    assert done.returncode == 0, done.stderr
    assert project.executable.read_bytes() == first


def test_the_locked_interpreter_that_is_there_is_not_fetched_again(
    project: Project, mirror: Mirror
) -> None:
    assert "`invoke cosmo.lock` writes one" in project.succeed().stderr
    lock(project, COSMO_URL=mirror.python)
    python = project.build / "python"
    before = python.stat().st_ino
    done = project.succeed("cosmo.fetch", COSMO_URL="http://127.0.0.1:9/other")
    assert "python of that sha256 is there" in done.stderr
    assert "COSMO_URL (environment) is asked for that file alone" in done.stderr
    assert python.stat().st_ino == before
    assert "alone" not in project.succeed("cosmo.fetch", COSMO_URL=mirror.python).stderr
    for words in (["cosmo", "--force"], ["cosmo.fetch"]):
        assert "is there" not in project.succeed(*words).stderr
        assert python.read_bytes() == project.interpreter.read_bytes()
        python.write_bytes(python.read_bytes()[:-1])


# The cache and no network


def test_a_locked_build_needs_the_network_only_once(needing: Project, mirror: Mirror) -> None:
    del needing.env["UV_NO_CACHE"]
    refused = needing.refused(COSMO_URL=mirror.python, COSMO_OFFLINE="1")
    assert "is not in the cache; go online once, without --offline or COSMO_OFFLINE" in refused
    lock(needing, COSMO_URL=mirror.python)
    other = needing.beside("other")
    first = needing.package(COSMO_URL=mirror.python).read_bytes()
    shutil.copytree(needing.path, other.path, ignore=shutil.ignore_patterns("dist"))
    other.env = needing.env
    assert mirror.downloads[PYTHON] == 1
    asked = mirror.asked
    assert other.package(COSMO_URL=mirror.python, COSMO_OFFLINE="1").read_bytes() == first
    (file,) = (needing.home / ".cache/cosmo-recipes/url").rglob("python")
    outside = needing.write("../outside", "mine")
    for damage in (lambda: file.write_bytes(b"MZqFpD='\n"), lambda: file.symlink_to(outside)):
        needing.succeed("cosmo", "--force", COSMO_URL=mirror.python)
        assert needing.executable.read_bytes() == first
        assert sha256(file) == file.parent.name
        file.unlink()
        damage()
    assert "is not in the cache" in other.refused(
        "cosmo", "--force", "--offline", COSMO_URL=mirror.python
    )
    assert outside.read_text() == "mine"
    assert mirror.asked > asked
