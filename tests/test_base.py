"""What is not done twice: the base archive in the user's cache, and "nothing has changed"."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from index import Index, sources
from mirror import PYTHON, Mirror
from projects import ROOT, Project, run

SAME = "nothing has changed since the last build; --force builds it anew"
HEAD = "[project]\nname = 'hello'\nversion = '1'\ndependencies = {}\n"
MAIN = "src/hello/__main__.py"
Change = Callable[[], object]


@pytest.fixture
def needing(installing: Project, index: Index) -> Project:
    """The small project, which prints what it has of bird 1.0."""
    index.wheel("bird", "1.0", {"bird/__init__.py": "V = 1\n", "bird/song.txt": "la", "_b.so": ""})
    require(installing, "bird")
    installing.write(MAIN, "import bird\nprint('hello', bird.V)\n")
    installing.write("src/hello/note.txt", "a note")
    return installing


def require(project: Project, *dependencies: str, more: str = "") -> None:
    """Let the project depend on these."""
    project.write("pyproject.toml", HEAD.format(list(dependencies)) + more)


def list_bases(project: Project) -> set[Path]:
    """List the base archives in the cache."""
    return set((project.home / ".cache/cosmo-recipes/base").glob("*.zip"))


def install(project: Project, **settings: str) -> bool:
    """Gather the dependencies; return whether they came from the cache."""
    return "from the cache" in project.succeed("cosmo.deps", **settings).stderr


def copy_project(project: Project, name: str) -> Project:
    """Copy the project without what was built, as a fresh clone."""
    copy = project.beside(name)
    shutil.rmtree(copy.path, ignore_errors=True)
    shutil.copytree(project.path, copy.path, ignore=shutil.ignore_patterns("dist"))
    copy.env, copy.interpreter = project.env, project.interpreter
    return copy


def keep_times(path: Path, change: Change) -> None:
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


# The base archive


def test_a_fresh_clone_and_another_project_install_nothing(needing: Project, index: Index) -> None:
    needing.package()
    clone, other = copy_project(needing, "clone"), copy_project(needing, "other")
    other.write(MAIN, "import bird\nprint('other', bird.V)\n")
    done = other.succeed()
    assert "deps     1 package, from the cache\n" in done.stderr
    assert "  left out 1 extension module of bird 1.0\n" in done.stdout
    assert other.says() == "other 1\n"
    clone.succeed("cosmo.lock")
    other = copy_project(clone, "other")
    first = clone.package().read_bytes()
    for path in [path for path in index.mirror.files if path.endswith(".whl")]:
        del index.mirror.files[path]
    shutil.rmtree(needing.home / ".cache/uv")
    assert other.package().read_bytes() == first
    assert "cannot be installed" in other.refused("cosmo", "--force")
    assert len(list_bases(needing)) == 2


def test_whatever_shapes_a_base_makes_another(needing: Project, index: Index) -> None:
    changed = needing.write("../changed.com", "")
    changed.write_bytes(needing.other_interpreter())
    recipes = shutil.copytree(ROOT / "recipes", needing.home / "recipes")
    with (recipes / "inside/fit.py").open("a") as file:
        file.write("# changed\n")
    user = needing.write("../shared/uv/uv.toml", "no-cache = true\n").parent.parent
    digest = hashlib.sha256(index.mirror.files["/files/bird-1.0-py3-none-any.whl"].data).hexdigest()
    needing.write("plain.txt", "bird\n")
    needing.write("hashed.txt", f"bird==1.0 --hash=sha256:{digest}\n")
    settings = [
        {"COSMO_URL": str(changed)},
        {"COSMO_PRUNE": "Lib/colorsys.pyc"},
        {"COSMO_EXCLUDE": "*.txt"},
        {"COSMO_SOURCE": "1"},
        {"COSMO_OPTIMIZE": "2"},
        {"SOURCE_DATE_EPOCH": "1700000000"},
        {"COSMO_DEPS": "plain.txt"},
        {"COSMO_DEPS": "hashed.txt"},
        {"UV_INDEX_STRATEGY": "first-index"},
        {"XDG_CONFIG_DIRS": str(user)},
    ]
    assert not install(needing)
    for setting in settings:
        assert not install(needing, **setting), setting
    assert len(list_bases(needing)) == len(settings) + 1
    assert install(needing, **settings[-1])
    assert install(needing, COSMO_SMOKE="", COSMO_ISOLATED="0", TZ="Asia/Tokyo")
    if needing.tasks.path == str(ROOT):
        needing.tasks = needing.tasks._replace(path=str(needing.home))
        assert not install(needing)
    for text in ("no-cache = true\n", "prerelease = 'allow'\n"):
        needing.write("uv.toml", text)
        assert not install(needing)
    require(needing, "bird", more="[tool.uv]\nprerelease = 'allow'\n")
    assert not install(needing)
    index.wheel("bird", "2.0", {"bird.py": "V = 2\n"})
    assert not install(needing, UV_NO_CACHE="1")
    assert install(needing, UV_NO_CACHE="1")


def test_nothing_is_kept_of_folders_and_repositories(installing: Project) -> None:
    tree = installing.beside("bird")
    for path, text in sources("bird", "1.0", {"bird.py": "V = 1\n"}).items():
        tree.write(path, text)
    who = {
        f"GIT_{role}_{key}": "a@b.c"
        for role in ("AUTHOR", "COMMITTER")
        for key in ("NAME", "EMAIL")
    }
    env = installing.environment(**who)
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        assert run(["git", *words], env, tree.path).returncode == 0
    installing.write(MAIN, "import bird\nprint(bird.V)\n")
    for address in (tree.path.as_uri(), f"git+{tree.path.as_uri()}"):
        require(installing, f"bird @ {address}")
        for _ in "12":
            assert SAME not in installing.succeed().stderr
            assert installing.says() == "1\n"
    assert list_bases(installing) == set()


def test_a_damaged_or_vanished_base_is_made_anew(needing: Project) -> None:
    made = needing.package().read_bytes()
    (base,) = list_bases(needing)
    notes, whole = base.with_suffix(".json"), base.read_bytes()
    outside = needing.write("../outside", "as it was")
    changes: tuple[Change, ...] = (
        lambda: notes.unlink(),
        lambda: notes.write_text("[1, "),
        lambda: base.write_bytes(whole[:100_000]),
        lambda: base.write_bytes(whole.replace(b"bird", b"crow")),
        lambda: (base.unlink(), base.symlink_to(outside)),
    )
    for number, change in enumerate(changes):
        change()
        done = needing.succeed("cosmo.update")
        assert needing.executable.read_bytes() == made, number
        assert "left out 1 extension module of bird 1.0" in done.stdout, number
    assert base.read_bytes() == whole
    assert outside.read_text() == "as it was"


def at_compilers(project: Project, then: str) -> str:
    """Return a PATH with a shell that does `then` before a compiler of dependencies."""
    does = (
        f'#!/bin/sh\ncase "$* $PWD" in *compileall*.deps/Lib) {then} ;; esac\nexec /bin/sh "$@"\n'
    )
    shell = project.write("../bin/sh", does)
    shell.chmod(0o755)
    return f"{shell.parent}{os.pathsep}{project.environment()['PATH']}"


def test_a_base_that_was_not_compiled_to_its_end_is_not_kept(needing: Project) -> None:
    for then, problem in (("kill -9 $$", "cosmo.deps failed"), ("ulimit -f 0", "cosmo: ")):
        assert problem in needing.refused(PATH=at_compilers(needing, then))
        assert list_bases(needing) == set()
    needing.package()
    assert "bird/__init__.pyc" in needing.held()


def test_the_cache_is_shown_and_pruned(needing: Project, mirror: Mirror) -> None:
    def show(*words: str) -> str:
        number = re.search(
            r"/.cache/cosmo-recipes: (\d+) files, \d+.\d MB\n$",
            needing.succeed("cosmo.cache", *words).stdout,
        )
        files = [path for path in cache.rglob("*") if path.is_file()]
        assert number
        assert int(number[1]) == len(files)
        return " ".join(sorted({path.relative_to(cache).parts[0] for path in files}))

    cache = needing.home / ".cache/cosmo-recipes"
    needing.package(COSMO_URL=mirror.python)
    for path in cache.rglob("*"):
        os.utime(path, (1, 1))
    assert install(needing)
    assert show() == "base url"
    assert show("--prune", "1") == "base"
    assert "write a number of days" in needing.refused("cosmo.cache", "--prune=old")
    assert show("--prune", "0") == ""
    needing.write("../blocked", "a file")
    for folder in (str(needing.home / "blocked"), "/proc/none", "relative"):
        needing.package(COSMO_URL=mirror.python, XDG_CACHE_HOME=folder, UV_NO_CACHE="1")
    assert not (needing.path / "relative").exists()


# Nothing has changed


def write_way(project: Project, index: Index, way: str) -> list[str]:
    """Let the project be packaged in this way, with bird; return the words for it."""
    if way == "article":
        table = "[tool.ds.scripts]\n_.env.PKG = 'hello'\n"
        require(project, "bird", more=f"{table}_.env.DIR_SITE = 'dist/cosmo/Lib/site-packages'\n")
    elif way == "wheel":
        for path, text in sources("hello", "1.0", {"hello/__main__.py": ""}, "bird").items():
            project.write(path, text)
    elif way == "script":
        project.write("tool.py", "# /// script\n# dependencies = ['bird']\n# ///\nimport bird\n")
        return ["cosmo.script", "tool.py"]
    elif way == "app":
        points = {"owl-1.0.dist-info/entry_points.txt": "[console_scripts]\nowl = owl:main\n"}
        index.wheel("owl", "1.0", {"owl.py": "def main(): pass\n", **points}, "bird")
        return ["cosmo.app", "owl"]
    return ["cosmo"]


@pytest.mark.parametrize("way", ["article", "wheel", "copy", "script", "app"])
def test_where_nothing_has_changed_the_report_is_printed_again(
    needing: Project, index: Index, way: str
) -> None:
    words = write_way(needing, index, way)
    for locks in (False, True) if way != "app" else (False,):
        if locks:
            needing.succeed("cosmo.lock", *(["--script", "tool.py"] if way == "script" else []))
        first = needing.succeed(*words)
        assert SAME not in first.stderr
        made = needing.path / first.stdout.splitlines()[0]
        before = made.stat()
        again = needing.succeed(*words)
        assert again.stdout == first.stdout
        assert f"cosmo    {SAME}\n" in again.stderr
        assert made.stat() == before
    forced = needing.succeed(*words, "--force")
    assert SAME not in forced.stderr + forced.stdout
    assert made.stat().st_mtime_ns != before.st_mtime_ns
    assert forced.stdout == first.stdout


def is_rebuilt(project: Project, **settings: str) -> bytes:
    """Build, where something is to be done; return the executable's content."""
    assert SAME not in project.succeed(**settings).stderr
    return project.executable.read_bytes()


def test_each_change_of_what_goes_in_is_built(needing: Project, index: Index) -> None:
    note, more = needing.path / "src/hello/note.txt", needing.path / "src/hello/more.txt"
    changes: tuple[Change, ...] = (
        lambda: edit(needing.path / MAIN, "'hello'", "'howdy'"),
        lambda: edit(note, "note", "word"),
        lambda: more.write_text("more"),
        lambda: note.rename(note.with_name("renamed.txt")),
        lambda: more.unlink(),
        lambda: note.with_name("renamed.txt").chmod(0o755),
    )
    made = [needing.package().read_bytes()]
    for change in changes:
        change()
        made.append(is_rebuilt(needing))
    for name, value in (("ARGS", "-x ..."), ("PRUNE", "Lib/colorsys.pyc"), ("ISOLATED", "0")):
        made.append(is_rebuilt(needing, **{f"COSMO_{name}": value}))
    needing.write(
        "pyproject.toml", HEAD.format(["bird"]) + "[tool.cosmo.env]\nCOSMO_EXCLUDE = '*.txt'\n"
    )
    made.append(is_rebuilt(needing))
    assert is_rebuilt(needing, COSMO_SMOKE="") == made[-1]
    index.wheel("bird", "2.0", {"bird.py": "V = 2\n"})
    needing.env["UV_NO_CACHE"] = "1"  # it asks an index again after ten minutes only
    made.append(is_rebuilt(needing))
    contents = needing.other_interpreter(), needing.interpreter.read_bytes()
    needing.interpreter = needing.write("../python.com", "")
    for content in contents:
        needing.interpreter.write_bytes(content)
        made.append(is_rebuilt(needing, COSMO_SOURCE="1"))
    assert len(set(made)) == len(made)
    assert made[-1] == copy_project(needing, "clone").package(COSMO_SOURCE="1").read_bytes()
    assert needing.says() == "howdy 2\n"


def test_what_was_done_to_the_files_of_a_build_is_undone(needing: Project, mirror: Mirror) -> None:
    made = needing.package(COSMO_URL=mirror.python).read_bytes()
    changes: tuple[Change, ...] = (
        lambda: keep_times(needing.executable, lambda: needing.executable.write_bytes(b"no")),
        lambda: needing.executable.chmod(0o644),
        lambda: needing.executable.unlink(),
        lambda: (needing.build / "python").write_bytes(b"no"),
        lambda: (needing.build / ".made.json").write_bytes(b"[\xff"),
    )
    for change in changes:
        change()
        assert needing.package(COSMO_URL=mirror.python).read_bytes() == made
        assert os.access(needing.executable, os.X_OK)
    assert SAME not in needing.succeed("cosmo.update", COSMO_URL=mirror.python).stderr
    needing.succeed("cosmo.report", COSMO_URL=mirror.python)
    assert SAME in needing.succeed(COSMO_URL=mirror.python).stderr
    mirror.add(PYTHON, needing.other_interpreter(), modified=1_800_000_000)
    assert is_rebuilt(needing, COSMO_URL=mirror.python) != made
