"""The dependencies: what says what they are, how they are installed, and what is refused."""

from __future__ import annotations

import os
import re
import shutil
import sys
import zipfile
from pathlib import Path

from index import Index, require, write_tree
from projects import Project, path_without, run

MAIN = "src/hello/__main__.py"


def list_sources(project: Project) -> set[Path]:
    """List the project's files, but for what it was built into."""
    paths = {path for path in project.path.rglob("*") if path.is_file()}
    return {path for path in paths if not {"dist", "__pycache__"} & set(path.parts)}


INSTALLED = """\
import importlib.metadata as m, inspect, pkgutil, bird, bird.deep, ns.wing
from bird import templates
files = [file for name in ("bird", "wing", "hello_extra") for file in m.files(name)]
assert all(file.locate().exists() for file in files), files
assert not [file for file in files if ".so" in file.name or "/bin/" in str(file)], files
if hasattr(m, "packages_distributions"):
    assert m.packages_distributions()["bird"] == ["bird"], m.packages_distributions()
print(bird.SONG, pkgutil.get_data("bird", "song.txt").decode(), m.version("bird"), ns.wing.BEAT)
"""


def test_dependencies_go_in_with_data_and_metadata_and_without_what_cannot_run(
    installing: Project, index: Index, tag: str, version: tuple[int, int]
) -> None:
    try_fast = "try:\n    from bird._b import SONG\nexcept ImportError:\n    SONG = 'slow'\n"
    bird = {"bird/__init__.py": try_fast, "bird/song.txt": "la", "bird/deep.py": "", "lib.so.1": ""}
    bird.update({"bird/_b.so": "", "bird/old.py": "print 1\n", "bird/templates/t.py": "{% if %}"})
    bird["bird-1.0.dist-info/entry_points.txt"] = "[console_scripts]\nbird = bird:sing\n"
    index.wheel("bird", "1.0", bird, "wing>=2", tag=tag)
    index.wheel("wing", "1.0", {"ns/wing/__init__.py": "BEAT = 1"})
    index.sdist("wing", "2.0", {"ns/wing/__init__.py": "BEAT = 2"})
    index.wheel("hello_extra", "1.0", {"ns/tail/__init__.py": ""})
    index.wheel("here", "1.0", {"here.py": ""})
    index.wheel("here", "2.0", {"here.py": ""}, python=">=3.99")
    wanted = "here; python_version == '{}.{}' and sys_platform == 'linux'".format(*version)
    others = ["old; python_version < '{}.{}'".format(*version), "windows; os_name == 'nt'"]
    require(installing, "bird", "hello_extra", wanted, *others, main=INSTALLED)
    report = installing.succeed().stdout
    assert installing.run_executable() == "slow la 1.0 2\n"
    assert "  left out 2 extension modules of bird 1.0\n" in report
    assert "  as .py   bird/old.py, which does not compile\n" in report
    held = installing.packed_files()
    assert {
        "bird/__init__.pyc",
        "bird/old.py",
        "bird/templates/t.py",
        "ns/tail/__init__.pyc",
    } < held
    assert "here-1.0.dist-info/METADATA" in held
    stray = r"^(old|windows|bin)|\.so|uv_|\.lock|direct_url|__pycache__|(?<!old|s/t)\.py$"
    assert not [name for name in held if re.search(stray, name)]
    record = "Lib/site-packages/bird-1.0.dist-info/RECORD"
    rows = zipfile.ZipFile(installing.executable).read(record).decode().splitlines()
    assert {row.split(",")[0] for row in rows} == {name for name in held if name.startswith("bird")}


def test_a_requirements_file_replaces_them_and_uv_checks_its_hashes(
    installing: Project, index: Index
) -> None:
    digest = index.wheel("bird", "1.0", {"bird.py": "V = 1\n"})
    index.wheel("bird", "2.0", {"bird.py": "V = 2\n"})
    write_tree(installing, "libs/owl", "owl", {"owl.py": "V = 5\n"})
    require(installing, "nowhere", main="import bird, owl\nprint(bird.V, owl.V)\n")
    installing.write("deploy/all.txt", f"-r more.txt\n-e {installing.path}/libs/owl\n")
    installing.write("deploy/more.txt", "bird  # not yet\n-c caps.txt\n")
    installing.write("deploy/caps.txt", "bird<2\n")
    installing.package(COSMO_DEPS="deploy/all.txt")
    assert installing.run_executable() == "1 5\n"
    assert not [
        name for name in installing.packed_files() if re.search("edit|[.]pth|direct_url", name)
    ]
    installing.write(MAIN, "")
    for hashed in (digest, "0" * 64):
        installing.write("inner.txt", f"bird==1.0 \\\n  --hash=sha256:{hashed}\n")
        for file, text in (("inner.txt", ""), ("outer.txt", "-r inner.txt\n")):
            installing.write(file, text or (installing.path / file).read_text())
            if hashed == digest:
                installing.package(COSMO_DEPS=file)
            else:
                assert re.search("(?is)hash.*bird", installing.refused(COSMO_DEPS=file))
    installing.package(COSMO_DEPS="none")
    assert {name.partition("/")[0] for name in installing.packed_files()} == {"hello"}


def test_a_uv_lock_of_the_workspace_says_which_versions(installing: Project, index: Index) -> None:
    index.wheel("bird", "1.0", {"bird.py": "V = 1\n"})
    main = {"hello/__main__.py": "import bird, owl\nprint(bird.V, owl.V)\n"}
    installing.write("pyproject.toml", "[tool.uv.workspace]\nmembers = ['app', 'libs/*']\n")
    head = "[project]\nname = '{}'\nversion = '1.0'\nrequires-python = '>=3.9'\ndependencies = {}\n"
    source = "[tool.uv.sources]\nowl = { workspace = true }\n"
    needs = ["bird", "owl"]
    write_tree(installing, "app", "hello", main, *needs, head=head.format("hello", needs) + source)
    write_tree(installing, "libs/owl", "owl", {"owl.py": "V = 5\n"}, head=head.format("owl", []))
    installing.env["UV_NO_CACHE"] = "1"  # it asks an index again after ten minutes only
    env = installing.environment(UV_PYTHON=sys.executable)
    assert run(["uv", "lock", "-q"], env, installing.path).returncode == 0
    locked = (installing.path / "uv.lock").read_bytes()
    index.wheel("bird", "2.0", {"bird.py": "V = 2\n"})
    installing.executable = installing.path / "app/dist/cosmo/hello"
    for number in "56":
        installing.write("libs/owl/content/owl.py", f"V = {number}\n")
        shown = installing.succeed(COSMO_PROJECT="app").stderr
        assert "\nlock     uv.lock; `invoke cosmo.lock` writes one that" in shown
        assert installing.run_executable() == f"1 {number}\n"
    assert (installing.path / "uv.lock").read_bytes() == locked
    said = installing.refused("cosmo.lock", "--upgrade", COSMO_PROJECT="app")
    assert "the versions are those of uv.lock; run `uv lock --upgrade`" in said
    needs = ["bird", "owl", "Wren_.Tail>1", "other; python_version < '3'"]
    write_tree(installing, "app", "hello", main, *needs, head=head.format("hello", needs) + source)
    message = "the lock of uv lacks wren-tail, which hello requires; run `uv lock`"
    assert message in installing.refused(COSMO_PROJECT="app")


def test_a_scripts_own_uv_settings_and_python_are_heeded(installing: Project, index: Index) -> None:
    def script(more: str, python: str = ">=3.9") -> str:
        block = f"dependencies = ['bird']\nrequires-python = '{python}'\n{more}"
        lines = "".join(f"# {line}\n" for line in block.splitlines())
        return f"# /// script\n{lines}# ///\nimport bird\nprint(bird.V)\n"

    index.wheel("bird", "2.0", {"bird.py": "V = 'another'\n"})
    write_tree(installing, "libs/bird", "bird", {"bird.py": "V = 'fork'\n"})
    for more, said in (
        ("[tool.uv.sources]\nbird = { path = 'libs/bird' }\n", "fork"),
        ("", "another"),
    ):
        installing.write("tool.py", script(more))
        installing.succeed("cosmo.script", "tool.py")
        assert installing.run_executable(name="tool") == f"{said}\n"
    env = installing.environment(UV_PYTHON=sys.executable)
    assert run(["uv", "lock", "-q", "--script", "tool.py"], env, installing.path).returncode == 0
    before = (installing.path / "tool.py.lock").read_bytes()
    installing.succeed("cosmo.script", "tool.py")
    installing.write("tool.py", script("").replace("'bird'", "'bird<9', 'owl'"))
    assert "the lock of uv lacks owl, which" in installing.refused("cosmo.script", "tool.py")
    assert (installing.path / "tool.py.lock").read_bytes() == before
    (installing.path / "tool.py.lock").unlink()
    said = installing.refused("cosmo.lock", "--script=tool.py", "--upgrade=bird")
    assert "--upgrade=bird: a script takes all current versions; leave it out" in said
    installing.write("tool.py", script("[tool.uv]\nexclude-newer = '2020-01-01T00:00:00Z'\n"))
    message = installing.refused("cosmo.script", "tool.py")
    assert re.search(r"(?s)bird.*tool.py cannot be resolved: ", message)
    for text in (script("", ">=3.99"), "# /// script\n# requires-python = '>=3.99'\n# ///\n"):
        installing.write("tool.py", text)
        message = installing.refused("cosmo.script", "tool.py")
        assert "it requires Python >=3.99, and this is 3." in message


def test_a_built_project_is_resolved_by_uv_without_itself_and_its_folders_are_never_stale(
    installing: Project, index: Index
) -> None:
    wood = {"hello/words.py": "V = 'a stranger'\n", "ns/wood/__init__.py": ""}
    index.wheel("wood", "1.0", wood, "hello")
    write_tree(installing, "libs/bird", "bird", {"bird.py": ""})
    main = "import bird, hello.words, ns.wood, ns.mine\nprint(hello.words.V, bird.V)\n"
    files = {"hello/__main__.py": main, "hello/words.py": "V = 'mine'\n", "ns/mine/__init__.py": ""}
    head = "[project]\nname = 'hello'\ndynamic = ['version', 'dependencies']\n"
    head += "[tool.uv.sources]\nbird = { path = 'libs/bird', editable = true }\n"
    needs = "bird", "wood", "nowhere; extra == 'more'"
    write_tree(installing, ".", "hello", files, *needs, head=head)
    before = list_sources(installing)
    for number in "123":
        installing.write("libs/bird/content/bird.py", f"V = {number}\n")
        installing.package()
        assert installing.run_executable() == f"mine {number}\n"
    assert list_sources(installing) == before
    installing.succeed("cosmo", "--offline", "--force")
    installing.succeed("cosmo", "--force", UV_OFFLINE="true")
    for folder, name in ((".", "hello"), ("libs/bird", "bird")):  # their pyproject.toml stay
        index.wheel(f"{name}_tail", "1.0", {f"{name}_tail.py": ""})
        file = installing.path / folder / f"content/{name}-1.0.dist-info/METADATA"
        file.write_text(file.read_text().rstrip("\n") + f"\nRequires-Dist: {name}-tail\n")
        installing.package()
        assert f"{name}_tail.pyc" in installing.packed_files()


def test_a_wheel_with_compiled_modules_and_a_backend_that_fails_are_refused(
    installing: Project, tag: str
) -> None:
    write_tree(installing, ".", "hello", {"hello.py": ""})
    backend = installing.path / "backend.py"
    backend.write_text(backend.read_text().replace("py3-none-any", tag))
    problem = f"hello-1.0-{tag}.whl holds compiled modules, which cannot run in the executable"
    assert f"cosmo: {problem}; build a pure wheel, one for any platform" in installing.refused()
    backend.write_text("raise ValueError('no such luck')\n")
    problem = "cannot be built: ValueError: no such luck; correct [build-system]"
    assert problem in installing.refused()


def test_a_release_a_wheel_or_a_folder_is_packaged_with_what_else_is_asked_for(
    installing: Project, index: Index
) -> None:
    main = "import owl\n\ndef main():\n    print(owl.V)\n"
    points = {"bird-1.0.dist-info/entry_points.txt": "[console_scripts]\nsing = bird:main\n"}
    index.wheel("bird", "1.0", {"bird.py": main, **points}, "owl")
    for number in "12":
        index.wheel("owl", f"{number}.0", {"owl.py": f"V = {number}\n"})
    wheel = "bird-1.0-py3-none-any.whl"
    installing.write(wheel, "").write_bytes(index.mirror.files[f"/files/{wheel}"].data)
    write_tree(installing, "libs/bird", "bird", {"bird.py": main, **points}, "owl")
    for words, said in (
        (["bird>0"], "2"),
        ([f"./{wheel}", "--with", "owl<2"], "1"),
        (["libs/bird"], "2"),
    ):
        shown = installing.succeed("cosmo.app", *words, "--force").stdout
        assert shown.startswith("dist/sing\n")
        assert installing.run_executable(name="../sing") == f"{said}\n"
    libs = installing.path / "libs"
    installing.succeed(
        "cosmo.app", f"../{wheel}", "--force", cwd=libs, DIR_SITE="b d/x/Lib/site-packages"
    )
    (installing.path / "dist/sing").write_text("precious")
    message = "dist/sing exists, and is not what a build made"
    assert message in installing.refused("cosmo.app", "bird")
    shutil.rmtree(installing.path / "dist")
    (installing.path / "dist").symlink_to(installing.home)
    bird = ("cosmo.app", "bird", "--force")
    message = installing.invoke(*bird, DIR_SITE="b/x/Lib/site-packages").stderr
    assert f"dist/sing lies outside the project, in {installing.home}" in message
    (installing.path / "dist").unlink()
    index.wheel("native", "1.0", {"native-1.0.data/scripts/native": "\x7fELF"})
    message = installing.refused("cosmo.app", "native")
    assert "native has no command written in Python: bin/native is a native program" in message


EXCLUDED = """\
import inspect, bird, hello.words
assert not bird.song()
print(bird.song.__doc__, hello.words.song.__doc__, inspect.getsource(bird.song).count("assert"))
"""


def test_excluded_files_stay_out_and_sources_and_optimizing_reach_dependencies(
    installing: Project, index: Index
) -> None:
    song = 'def song():\n    "A song."\n    assert False\n'
    files = {"bird.py": song, "bird.c": "", "wing/test/x.py": "", "wing/[a] b.txt": ""}
    index.wheel("bird", "1.0", files)
    require(installing, "bird", main=EXCLUDED)
    installing.write("src/hello/words.py", song)
    installing.write("src/hello/test/x.py", "")
    installing.package(COSMO_EXCLUDE="*.c */test", COSMO_SOURCE="1", COSMO_OPTIMIZE="2")
    assert installing.run_executable() == "None None 1\n"
    held = installing.packed_files()
    assert {"bird.py", "hello/words.py", "wing/[a] b.txt"} < held
    assert not [name for name in held if re.search(r"[.]c$|test", name)]
    packages = "from importlib.util import find_spec\nprint(find_spec('wing'))\n"
    installing.write(MAIN, packages)
    installing.package(COSMO_EXCLUDE="wing/*")
    assert installing.run_executable() == "None\n"


def test_a_dry_run_of_a_built_project_gives_the_same_bytes(
    installing: Project, index: Index, tag: str
) -> None:
    index.wheel("bird", "1.0", {"bird.py": "V = 1\n", "_bird.so": "", "t/x.py": "{%"}, tag=tag)
    write_tree(installing, ".", "hello", {"hello/__main__.py": "import bird\n"}, "bird")
    script = installing.succeed("--dry", "cosmo").stdout
    made = installing.package().read_bytes()
    for path in (installing.executable, installing.build / "python"):
        path.unlink()
    env = installing.environment(TZ="Asia/Tokyo")
    done = run(["sh", "-ec", f"umask 077\n{script}"], env, installing.path)
    assert done.returncode == 0, done.stderr
    assert installing.executable.read_bytes() == made
    installing.succeed(DIR_SITE="b d/x/Lib/site-packages")
    write_tree(installing, ".", "hello", {"hello/__main__.py": ""}, "windows; os_name == 'nt'")
    shutil.rmtree(installing.build)
    script = installing.invoke("--dry", "cosmo", drop="uv").stdout  # but beside Python there is one
    env["PATH"] = path_without("uv", installing.home)
    done = run(["sh", "-ec", script], env, installing.path)
    assert done.returncode == 0, done.stderr


def test_what_cannot_be_resolved_is_named(installing: Project, index: Index) -> None:
    index.wheel("bird", "1.0", {"bird.py": ""})
    index.wheel("newer", "1.0", {"newer.py": ""}, python=">=3.99")
    for requirement, *wrong in (
        ("bird>=2", "bird>=2"),
        ("nowhere-to-be-found", "nowhere-to-be-found"),
        ("newer", "newer", "3.99"),
    ):
        require(installing, requirement)
        message = installing.refused()
        assert [part for part in wrong if part not in message] == []
        assert "cosmo: the dependencies of hello cannot be resolved: " in message
        assert message.endswith("; correct the requirements, or check the network")
    require(installing, "bird")
    message = installing.refused(UV_DEFAULT_INDEX="http://127.0.0.1:9/simple/", UV_NO_CACHE="1")
    assert re.search(r"(?s)bird.*check the network", message)
    asked = index.mirror.asked
    message = installing.refused("cosmo", "--offline", UV_CACHE_DIR=str(installing.home / "no"))
    assert message.endswith("; go online once, without --offline or COSMO_OFFLINE")
    assert index.mirror.asked == asked


def test_uv_that_is_missing_or_too_old_is_refused_where_there_is_something_to_install(
    installing: Project,
) -> None:
    python = installing.home / "alone/python"  # beside which there is no uv
    python.parent.mkdir()
    python.symlink_to(Path(sys.executable).resolve())
    folders = installing.environment()["PATH"].split(os.pathsep)
    path = os.pathsep.join(folder for folder in folders if not Path(folder, "uv").exists())
    env = installing.environment(PATH=f"{installing.home}/bin{os.pathsep}{path}")
    site = next(path for path in sys.path if path.endswith("site-packages"))
    env["PYTHONPATH"] += f"{os.pathsep}{site}"
    command = [str(python), "-m", "invoke", "cosmo"]
    require(installing)
    assert run(command, env, installing.path).returncode == 0
    require(installing, "bird")
    get = "get it with `pip install -U 'uv>=0.13'`"
    for shell, problem in (
        ("", "hello cannot be installed: uv is not installed"),
        ("echo uv 0.12.99", "uv is too old: it says 'uv 0.12.99'"),
        ("echo uv-wrapper", "uv is too old: it says 'uv-wrapper'"),
    ):
        if shell:
            installing.write("../bin/uv", f"#!/bin/sh\n{shell}\n").chmod(0o755)
            get = "get it with `pip install -U 'uv>=0.13'` or `uv self update`"
        done = run(command, env, installing.path)
        assert (done.returncode, done.stderr) == (1, f"cosmo: {problem}; {get}\n")
