"""What is not done twice: the base archive in the user's cache, and "nothing has changed"."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import uv

from index import Index, require, write_tree
from mirror import PYTHON, Mirror
from projects import PYPROJECT, ROOT, Project, run

SAME = "nothing has changed since the last build; --force builds it anew"
MAIN = "src/hello/__main__.py"
Change = Callable[[], object]


@pytest.fixture
def needing(installing: Project, index: Index) -> Project:
    """The small project, which prints what it has of bird 1.0."""
    index.wheel("bird", "1.0", {"bird/__init__.py": "V = 1\n", "bird/song.txt": "la", "_b.so": ""})
    require(installing, "bird", main="import bird\nprint('hello', bird.V)\n")
    installing.write("src/hello/note.txt", "a note")
    return installing


def list_bases(project: Project) -> list[Path]:
    """List the base archives in the cache."""
    return list((project.home / ".cache/cosmo-recipes/base").glob("*.zip"))


def install(project: Project, **settings: str) -> bool:
    """Gather the dependencies; return whether they came from the cache."""
    return "from the cache" in project.succeed("cosmo.deps", **settings).stderr


def is_rebuilt(project: Project, **settings: str) -> bytes:
    """Build, where something is to be done; return the executable's content."""
    assert SAME not in project.succeed(**settings).stderr
    return project.executable.read_bytes()


def copy_project(project: Project, name: str) -> Project:
    """Copy the project without what was built, as a fresh clone."""
    copy = project.beside(name)
    shutil.copytree(project.path, copy.path, ignore=shutil.ignore_patterns("dist"))
    copy.env = project.env
    return copy


def edit(path: Path, old: bytes, new: bytes) -> None:
    """Replace bytes in a file by as many others, and set its times back."""
    stat, content = path.stat(), path.read_bytes()
    assert old in content
    assert len(old) == len(new)
    path.write_bytes(content.replace(old, new, 1))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_a_fresh_clone_and_another_project_install_nothing(needing: Project, index: Index) -> None:
    needing.package()
    other = copy_project(needing, "other")
    other.write(MAIN, "import bird\nprint('other', bird.V)\n")
    done = other.succeed()
    assert "deps     1 package, from the cache\n" in done.stderr
    assert "  left out 1 extension module of bird 1.0\n" in done.stdout
    assert other.run_executable() == "other 1\n"
    other.succeed("cosmo.lock")
    clone, first = copy_project(other, "clone"), other.package().read_bytes()
    for path in [path for path in index.mirror.files if path.endswith(".whl")]:
        del index.mirror.files[path]
    shutil.rmtree(needing.home / ".cache/uv")
    assert clone.package().read_bytes() == first
    assert "cannot be installed" in clone.refused("cosmo", "--force")


def test_whatever_shapes_a_base_makes_another(needing: Project, index: Index) -> None:
    changed = needing.write("../changed.com", "")
    changed.write_bytes(needing.other_interpreter())
    user = needing.write("../shared/uv/uv.toml", "no-cache = true\n").parent.parent
    wheel = hashlib.sha256(index.mirror.files["/files/bird-1.0-py3-none-any.whl"].data)
    needing.write("plain.txt", "bird\n")
    needing.write("hashed.txt", f"bird==1.0 --hash=sha256:{wheel.hexdigest()}\n")
    settings = f"COSMO_URL={changed} COSMO_PRUNE=Lib/colorsys.pyc COSMO_EXCLUDE=*.txt"
    settings += " COSMO_SOURCE=1 COSMO_OPTIMIZE=2 SOURCE_DATE_EPOCH=1700000000"
    settings += " COSMO_DEPS=plain.txt COSMO_DEPS=hashed.txt UV_INDEX_STRATEGY=first-index"
    assert not install(needing)
    for one in f"{settings} XDG_CONFIG_DIRS={user}".split():
        assert not install(needing, **dict([one.split("=", 1)])), one
    assert len(list_bases(needing)) == 11
    assert install(needing, COSMO_SMOKE="", COSMO_ISOLATED="0", TZ="Asia/Tokyo")
    files = {"tasks.py": f"{needing.tasks.text}#\n", "uv.toml": "no-cache = true\n"}
    if needing.tasks.path == str(ROOT):
        recipes = shutil.copytree(ROOT / "recipes", needing.home / "recipes")
        needing.tasks = needing.tasks._replace(path=str(needing.home))
        files = {f"{recipes}/inside/more.py": "#\n", "uv.toml": "no-cache = true\n"}
    assert install(needing)
    for file, text in files.items():
        needing.write(file, text)
        assert not install(needing), file
    require(needing, "bird", more="[tool.uv]\nprerelease = 'allow'\n")
    assert not install(needing)
    index.wheel("bird", "2.0", {"bird.py": "V = 2\n"})
    assert not install(needing, UV_NO_CACHE="1")
    assert install(needing, UV_NO_CACHE="1")
    needing.write("invoke.yaml", "run:\n  env:\n    UV_NO_BINARY_PACKAGE: wren\n")
    assert not install(needing, UV_NO_CACHE="1")
    newer = f'[ "$1" = --version ] && echo uv 9.9.9 || exec {uv.find_uv_bin()} "$@"\n'
    needing.write("../bin/uv", f"#!/bin/sh\n{newer}").chmod(0o755)
    path = f"{needing.home}/bin{os.pathsep}{needing.environment()['PATH']}"
    assert not install(needing, UV_NO_CACHE="1", PATH=path)


def test_folders_and_repositories_are_neither_kept_nor_locked(installing: Project) -> None:
    write_tree(installing, "../bird", "bird", {"bird.py": "V = 1\n"})
    env = installing.environment(EMAIL="x", GIT_AUTHOR_NAME="x", GIT_COMMITTER_NAME="x")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        assert run(["git", *words], env, installing.home / "bird").returncode == 0
    for kind in ("file", "git+file"):
        require(installing, f"bird @ {kind}://{installing.home}/bird", main="import bird\n")
        for _ in "12":
            is_rebuilt(installing)
        assert list_bases(installing) == []
        assert "bird cannot be locked: it comes from " in installing.refused("cosmo.lock")


def test_a_base_that_was_not_compiled_to_its_end_is_not_kept(needing: Project) -> None:
    for then, problem in (("kill -9 $$", "cosmo.deps failed"), ("ulimit -f 0", "cosmo: ")):
        case = f'case "$* $PWD" in *compileall*.deps/Lib) {then} ;; esac'
        shell = needing.write("../bin/sh", f'#!/bin/sh\n{case}\nexec /bin/sh "$@"\n')
        shell.chmod(0o755)
        path = f"{shell.parent}{os.pathsep}{needing.environment()['PATH']}"
        assert problem in needing.refused(PATH=path)
        assert list_bases(needing) == []
    needing.package()
    assert "bird/__init__.pyc" in needing.packed_files()


def test_the_cache_is_shown_and_pruned(needing: Project, mirror: Mirror) -> None:
    def show(*words: str) -> set[str]:
        shown = needing.succeed("cosmo.cache", *words).stdout
        files = [path.relative_to(cache) for path in cache.rglob("*") if path.is_file()]
        assert re.search(rf"/cosmo-recipes: {len(files)} files, \d+\.\d MB\n$", shown)
        return {path.parts[0] for path in files}

    cache = needing.home / ".cache/cosmo-recipes"
    needing.package(COSMO_URL=mirror.python)
    for path in cache.rglob("*"):
        os.utime(path, (1, 1))
    assert install(needing)
    assert show() == {"base", "url"}
    assert show("--prune", "1") == {"base"}
    assert "write a number of days" in needing.refused("cosmo.cache", "--prune=old")
    assert show("--prune", "0") == set()
    needing.write("../blocked", "a file")
    for folder in (str(needing.home / "blocked"), "/proc/none"):
        needing.package(COSMO_URL=mirror.python, XDG_CACHE_HOME=folder, UV_NO_CACHE="1")


WAYS = {
    "article": ("cosmo", MAIN, "cosmo.lock"),
    "wheel": ("cosmo", "content/hello/__main__.py", "cosmo.lock"),
    "copy": ("cosmo", MAIN, "cosmo.lock"),
    "script": ("cosmo.script tool.py", "tool.py", "cosmo.lock --script tool.py"),
    "app": ("cosmo.app owl", "away.py", "cosmo.cache"),  # no lock
}


@pytest.mark.parametrize("way", WAYS)
def test_where_nothing_has_changed_the_report_is_printed_again(
    needing: Project, index: Index, way: str
) -> None:
    points = {"owl-1.0.dist-info/entry_points.txt": "[console_scripts]\nowl = owl:main\n"}
    index.wheel("owl", "1.0", {"owl.py": "def main(): pass\n", **points}, "bird")
    needing.write("tool.py", "# /// script\n# dependencies = ['bird']\n# ///\nimport bird\n")
    if way == "article":
        require(needing, "bird", more=PYPROJECT)
    if way == "wheel":
        write_tree(needing, ".", "hello", {"hello/__main__.py": ""}, "bird")
    build, file, lock = WAYS[way]
    for task in ("cosmo.cache", lock):
        needing.succeed(*task.split())
        first = needing.succeed(*build.split(), "--force")
        assert SAME not in first.stderr
        made = needing.path / first.stdout.splitlines()[0]
        before = made.stat()
        again = needing.succeed(*build.split())
        assert (again.stdout, made.stat()) == (first.stdout, before)
        assert f"cosmo    {SAME}\n" in again.stderr
    with (needing.path / file).open("a") as changed:
        changed.write("print(6 * 7)\n")
    assert (SAME in needing.succeed(*build.split()).stderr) == (way == "app")


def test_each_change_of_what_goes_in_is_built(needing: Project, index: Index) -> None:
    note, more = needing.path / "src/hello/note.txt", needing.path / "src/hello/more.txt"
    changes: tuple[Change, ...] = (
        lambda: edit(needing.path / MAIN, b"'hello'", b"'howdy'"),
        lambda: more.write_text("more"),
        lambda: more.with_name("RECORD").write_text("as data"),
        lambda: note.rename(note.with_name("renamed.txt")),
        lambda: more.unlink(),
        lambda: note.with_name("renamed.txt").chmod(0o755),
        lambda: require(needing, "bird", more="[tool.cosmo.env]\nCOSMO_EXCLUDE = '*.txt'\n"),
    )
    needing.env["UV_NO_CACHE"] = "1"  # it asks an index again after ten minutes only
    made = [needing.package().read_bytes()]
    for change in changes:
        change()
        made.append(is_rebuilt(needing))
    assert is_rebuilt(needing, COSMO_SMOKE="") == made[-1]
    made.append(is_rebuilt(needing, COSMO_ISOLATED="0"))
    made.append(is_rebuilt(needing, COSMO_PRUNE="Lib/colorsys.pyc"))
    index.wheel("bird", "2.0", {"bird.py": "V = 2\n"})
    made.append(is_rebuilt(needing))
    assert len(set(made)) == len(made)
    assert made[-1] == copy_project(needing, "clone").package().read_bytes()


def test_what_was_done_to_a_build_or_a_base_is_undone(needing: Project, mirror: Mirror) -> None:
    needing.env["COSMO_URL"] = mirror.python
    made, executable = needing.package().read_bytes(), needing.executable
    (base,) = list_bases(needing)
    whole, outside = base.read_bytes(), needing.write("../outside", "as it was")
    changes: tuple[Change, ...] = (
        lambda: edit(executable, b"MZqFpD", b"NZqFpD"),
        lambda: executable.chmod(0o644),
        lambda: (needing.build / ".build.json").write_bytes(b"[\xff"),
        lambda: base.with_suffix(".json").write_text("[1, "),
        lambda: base.write_bytes(whole[:100_000]),
        lambda: edit(base, b"bird/__init__.pyc", b"crow/__init__.pyc"),
        lambda: base.chmod(0o600),
        lambda: base.unlink() or base.symlink_to(outside),  # type: ignore[func-returns-value]
    )
    for number, change in enumerate(changes):
        if number > 2:
            executable.unlink()
        change()
        assert is_rebuilt(needing) == made
        assert executable.stat().st_mode & 0o777 == 0o755
        assert base.read_bytes() == whole
    assert outside.read_text() == "as it was"
    (needing.build / "python").write_bytes(b"no")
    assert SAME in needing.succeed().stderr
    assert SAME not in needing.succeed("cosmo.update").stderr
    mirror.add(PYTHON, needing.other_interpreter(), modified=1_800_000_000)
    assert is_rebuilt(needing) != made
