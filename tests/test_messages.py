"""What a beginner reads: mistakes that are really made, and the whole last line that each gets.

A key of the table is what is typed; where that is no mistake, its comment says what is. In the
lines, PROJECT stands for the project's folder, PYTHON for the interpreter's file, and SHA256 for
its sha256.
"""

from __future__ import annotations

import hashlib
import re
import shlex
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import invoke
import pytest

from index import BUILT, Index
from projects import ROOT, Project, environment, run

MAIN = "src/hello/__main__.py"
HELLO = "[project]\nname = 'hello'\nversion = '1'\n"
CLI = f"{HELLO}scripts.hello = 'hello.cli:main'\n"
URL = "https://cosmo.zip/pub/cosmos/bin/python"
LOCK = "lock-version = '1.0'\npackages = [{}]\n[tool.cosmo-recipes.python]\n"
LOCKED = f"{LOCK.format('')}url = 'python'\nsize = 9\nversion = '3.12.3'\nsha256 = '{'0' * 64}'\n"
UNHASHED = LOCK.format("{name = 'bird', wheels = [{url = 'https://x/bird-1-py3-none-any.whl'}]}")
ANYWAY = "COSMO_CHECK=0 builds it all the same"
NEEDS = "2.0 needs its extension module {0}, which cannot run in the executable (hello -> {1})"
LARK = "[console_scripts]\nlark = lark:sing\n"
NEITHER = "require another that has one, or name what starts with --entry=module:function"


def required(name: str) -> Mapping[str, str]:
    """The files of a program that requires and imports a distribution."""
    return {"pyproject.toml": f"{HELLO}dependencies = ['{name}']\n", MAIN: f"import {name}\n"}


MISTAKES: dict[str, tuple[Mapping[str, str], str]] = {
    "invoke cosmo  # a syntax error": (
        {"pyproject.toml": CLI, "src/hello/cli.py": "import sys\n\ndef main(:\n    pass\n"},
        "src/hello does not compile: src/hello/cli.py:3: SyntaxError: invalid syntax; correct the"
        " file, or name it in COSMO_KEEP or COSMO_EXCLUDE",
    ),
    "invoke cosmo  # a function that is not there": (
        {"pyproject.toml": CLI.replace("main", "mian"), "src/hello/cli.py": "def main(): ...\n"},
        "hello.cli:mian ([project.scripts]) cannot start: hello.cli has no mian; correct it",
    ),
    "invoke cosmo  # a module that is not there": (
        {"pyproject.toml": CLI},
        "hello.cli:main ([project.scripts]) cannot start: there is no module hello.cli; correct it",
    ),
    f"COSMO_URL={URL} invoke cosmo --offline": (
        {},
        f"{URL} is not in the cache; go online once, without --offline or COSMO_OFFLINE",
    ),
    "COSMO_URL=http://127.0.0.1:9/python invoke cosmo": (
        {},
        "http://127.0.0.1:9/python cannot be downloaded: see above; check the network, or set"
        " COSMO_URL to a mirror or a file; `invoke standin` in a clone of cosmo-recipes makes one"
        " to try with",
    ),
    "invoke cosmo  # a changed hash": (
        {"pylock.cosmo.toml": LOCKED},
        f"PYTHON is not what pylock.cosmo.toml names: expected sha256 {'0' * 64}, found SHA256;"
        " correct COSMO_URL, or lock it anew with `invoke cosmo.lock`",
    ),
    "invoke cosmo  # a lock that is no TOML": (
        {"pylock.cosmo.toml": "not a lock\n"},
        "pylock.cosmo.toml is not valid TOML: Expected '=' after a key in a key/value pair (at line"
        " 1, column 5); write it anew with `invoke cosmo.lock`",
    ),
    "invoke cosmo  # a locked package without a hash": (
        {"pylock.cosmo.toml": UNHASHED},
        "pylock.cosmo.toml: packages.wheels.hashes.sha256 is missing; write it anew with `invoke"
        " cosmo.lock`",
    ),
    "COSMO_ISOLATE=1 invoke cosmo": (
        {},
        "COSMO_ISOLATE (environment) is no setting; did you mean COSMO_ISOLATED? `invoke"
        " cosmo.settings` lists them",
    ),
    "invoke cosmo  # a misspelt setting": (
        {"pyproject.toml": "[tool.cosmo.env]\nPKGG = 'hello'\n"},
        "PROJECT/pyproject.toml: PKGG ([tool.cosmo.env]) is no setting; did you mean PKG? `invoke"
        " cosmo.settings` lists them",
    ),
    "PKG=quote invoke cosmo": (
        {"src/quotes/__main__.py": ""},
        "PKG=quote (environment): there is neither PROJECT/src/quote nor PROJECT/quote, nor such a"
        " .py; did you mean quotes? correct PKG, or name the folder it is in with COSMO_SRC",
    ),
    "invoke cosmo  # a missing dependency": (
        {MAIN: "import nowhere\n"},
        "hello cannot start: hello/__main__.py:1 imports nowhere, which is not installed; add it to"
        f" the dependencies; {ANYWAY}",
    ),
    "invoke cosmo  # an extension module where an older release is pure": (
        required("bird"),
        f"hello cannot start: bird {NEEDS.format('_bird', 'bird; bird.py:1')}; with"
        " bird==1.0 it can start: require that",
    ),
    "invoke cosmo  # an extension module where the older release is broken": (
        required("wren"),
        f"hello cannot start: wren {NEEDS.format('_wren', 'wren; wren.py:1')}; {ANYWAY}",
    ),
    "invoke cosmo.app choir": (
        {},
        "choir has no command choir; name one with --entry: alto, tenor",
    ),
    "invoke cosmo.app whistle": (
        {},
        "whistle has no command written in Python; bin/blow is a native program, which cannot run;"
        f" {NEITHER}",
    ),
    "invoke cosmo.app fiddle": (
        {},
        "fiddle has no entry point, but bin/bow; name what that calls with --entry=module:function,"
        " or package a copy of it, with the requirement in its comments (PEP 723), by `invoke"
        " cosmo.script`",
    ),
    "invoke cosmo.app wren": (
        {},
        f"wren has no command written in Python; {NEITHER}",
    ),
    "invoke cosmo.app song --with '\"'": (
        {},
        "'\"' is no requirement; name a distribution, as in `invoke cosmo.app black==25.1.0`",
    ),
    "invoke --dry cosmo.app song": (
        {},
        "a dry run writes no script; run cosmo.app without --dry, then `invoke --dry cosmo.script"
        " FILE` of the script that it writes",
    ),
}


@pytest.fixture
def shop(installing: Project, index: Index, tag: str) -> Project:
    """The small project without settings, where uv finds what the mistakes need."""
    for name, text in (("bird", ""), ("wren", "raise ImportError('no wren')\n")):
        index.wheel(name, "1.0", {f"{name}.py": text})
        files = {f"{name}.py": f"import _{name}\n", f"_{name}.so": ""}
        index.wheel(name, "2.0", files, tag=tag)
    for name, commands in (("song", ("song",)), ("choir", ("alto", "tenor"))):
        points = "".join(f"{command} = {name}:sing\n" for command in commands)
        files = {f"{name}.py": "def sing():\n    print('la')\n"}
        files[f"{name}-1.0.dist-info/entry_points.txt"] = f"[console_scripts]\n{points}"
        index.wheel(name, "1.0", files)
    index.wheel("whistle", "1.0", {"whistle-1.0.data/scripts/blow": "\x7fELF"})
    index.wheel("fiddle", "1.0", {"fiddle-1.0.data/scripts/bow": "#!python\nprint('la')\n"})
    installing.write("pyproject.toml", HELLO)
    return installing


def last_line(project: Project, text: str) -> str:
    """The last line of what was said, but for what differs from one run to another."""
    python = project.interpreter
    line = text.splitlines()[-1].replace(str(project.path), "PROJECT")
    digest = hashlib.sha256(python.read_bytes()).hexdigest()
    return line.replace(str(python), "PYTHON").replace(digest, "SHA256")


@pytest.mark.parametrize("typed", MISTAKES)
def test_a_mistake_gets_a_line_that_says_what_to_do(shop: Project, typed: str) -> None:
    files, line = MISTAKES[typed]
    for name, text in files.items():
        shop.write(name, text)
    words = shlex.split(typed, comments=True)
    start = words.index("invoke")
    settings = dict(word.split("=", 1) for word in words[:start])
    assert last_line(shop, shop.refused(*words[start + 1 :], **settings)) == f"cosmo: {line}"
    if "`invoke cosmo.lock`" in line:
        shop.succeed("cosmo.lock")
        shop.package()


def test_a_version_that_is_tried_in_vain_says_no_more_than_that(shop: Project) -> None:
    for name, text in required("wren").items():
        shop.write(name, text)
    said = shop.invoke("cosmo").stderr
    assert "check    with wren==1.0 it cannot start either\n" in said
    assert said.count("\ndeps ") == 1
    assert "hello can start" not in said


def test_nothing_to_package_is_called_that(project: Project) -> None:
    empty = project.beside("empty")
    empty.write("tasks.py", project.tasks.text)
    assert last_line(empty, empty.refused()) == (
        "cosmo: PKG is not set, and there is no PROJECT/pyproject.toml; go to the project's folder,"
        " or name the package to run, as in `PKG=name invoke cosmo`"
    )


def test_the_only_package_needs_no_name(project: Project) -> None:
    small = project.beside("small")
    small.write("tasks.py", project.tasks.text)
    small.write("src/bird/__main__.py", "print('la')\n")
    small.succeed()
    assert small.says(name="bird") == "la\n"


@pytest.mark.parametrize(
    ("end", "cause"),
    [
        ("raise RuntimeError('no version')", "RuntimeError: no version"),
        ("raise SystemExit('error: no version')", "error: no version"),
    ],
)
def test_a_backend_that_fails_has_its_own_last_line_shown(
    installing: Project, end: str, cause: str
) -> None:
    installing.write("pyproject.toml", f"{BUILT}[project]\nname = 'hello'\ndynamic = ['version']\n")
    lines = "    for number in range(100):\n        print('line', number)\n"
    installing.write("backend.py", f"def build_wheel(*_):\n{lines}    {end}\n")
    done = installing.invoke("cosmo")
    assert done.returncode == 1
    assert last_line(installing, done.stderr) == (
        f"cosmo: hello cannot be built by its own build backend: {cause}; correct [build-system],"
        " or what it builds"
    )


def test_a_failed_smoke_test_leaves_nothing_behind(project: Project) -> None:
    project.package()
    project.write(MAIN, "import sys\n\nif __name__ == '__main__':\n    sys.exit(7)\n")
    assert last_line(project, project.refused(COSMO_SMOKE="--version")) == (
        "cosmo: dist/cosmo/hello does not pass COSMO_SMOKE (--version): exit status 7; correct the"
        " program, or the arguments; the last executable stays"
    )
    assert not {".new", ".smoke"} & {path.name for path in project.build.iterdir()}
    assert project.says("x") == "hello x\n"


def test_what_this_interpreter_lacks_is_called_that(
    project: Project, version: tuple[int, int]
) -> None:
    other = project.home / "other"
    other.write_bytes(project.other_interpreter())
    project.write(MAIN, "import colorsys\n")
    problem = "which this interpreter lacks"
    if version < (3, 10):  # which has no sys.stdlib_module_names
        problem = "which is not installed; add it to the dependencies"
    line = f"cosmo: hello cannot start: hello/__main__.py:1 imports colorsys, {problem}; {ANYWAY}"
    assert last_line(project, project.refused(COSMO_URL=str(other))) == line


def test_a_program_that_will_find_no_time_zones_is_remarked_on(project: Project) -> None:
    project.write(MAIN, "import zoneinfo\n")
    names = zipfile.ZipFile(project.interpreter).namelist()
    zones = [name for name in names if re.search(r"(?<!^Lib)/zoneinfo/.*[^/]$", name)]
    remark = "check    zoneinfo will find no time zones; require tzdata"
    for settings, kept in (
        ({}, [name for name in zones if not name.startswith("usr/")]),
        ({"COSMO_PRUNE": "Lib/site-packages/pip*"}, zones),
    ):
        assert (remark in project.succeed(**settings).stderr.splitlines()) == (not kept)


def test_an_app_is_built_into_dist_and_runs(shop: Project) -> None:
    shop.succeed("cosmo.app", "song")
    assert shop.says(name=str(shop.path / "dist/song")) == "la\n"
    shop.succeed("cosmo.app", "choir", "--entry", "tenor")
    assert shop.says(name=str(shop.path / "dist/tenor")) == "la\n"
    (script,) = shop.path.glob("dist/*song*.py")
    assert "# cosmo.update" in shop.succeed("--dry", "cosmo.script", str(script)).stdout


def test_an_app_is_also_run_before_it_is_called_good(shop: Project, index: Index) -> None:
    sing = "def sing():\n    print('usage: lark')\n    __import__('bird' if {} else 'nowhere')\n"
    sing = sing.format("__import__('sys').argv[1:] == ['--help']")
    files = {"lark.py": sing, "lark-1.0.dist-info/entry_points.txt": LARK}
    index.wheel("lark", "1.0", files)
    assert last_line(shop, shop.refused("cosmo.app", "lark")) == (
        "cosmo: dist/lark cannot start: lark.py:3: ModuleNotFoundError: No module named 'bird'; if"
        " it looks for .py files of its own, keep them with COSMO_SOURCE=1; else correct that, or"
        " build it all the same with COSMO_CHECK=0"
    )
    shop.succeed("cosmo.app", "lark", "--with", "bird==1.0")
    assert shop.says("--help", name=str(shop.path / "dist/lark")) == "usage: lark\n"
    shop.succeed("cosmo.app", "lark", COSMO_CHECK="0")


def test_an_app_that_ends_in_failure_is_remarked_on(shop: Project, index: Index) -> None:
    net = "__import__('socket').create_connection(('127.0.0.1', 9))"
    for version, code in enumerate(("exit()", "exit(2)", "exit(1)", "exit('no')", "input()", net)):
        files = {"lark.py": f"from sys import exit\n\ndef sing():\n    {code}\n"}
        files[f"lark-{version}.dist-info/entry_points.txt"] = LARK
        index.wheel("lark", f"{version}", files)
        said = shop.succeed("cosmo.app", f"lark=={version}", UV_NO_CACHE="1").stderr
        remark = "app_lark --help fails without input, network and home; try it by hand"
        assert (f"check    {remark}" in said.splitlines()) == (version > 1), said


def test_an_app_is_told_which_requirement_lets_it_start(shop: Project, index: Index) -> None:
    files = {"lark.py": "import bird\n\ndef sing(): ...\n"}
    files["lark-1.0.dist-info/entry_points.txt"] = LARK
    index.wheel("lark", "1.0", files, "bird")
    assert shop.refused("cosmo.app", "lark").endswith("can start: add --with bird==1.0")
    shop.succeed("cosmo.app", "lark", "--with=bird==1.0")


@pytest.mark.parametrize(
    ("task", "module"),
    [("test", "pytest"), ("prove", "pytest"), ("lint", "ruff"), ("types", "mypy")],
)
def test_a_task_of_this_clone_says_what_installs_its_tool(
    tmp_path: Path, task: str, module: str
) -> None:
    for path in Path(invoke.__file__).parent.parent.iterdir():
        if path.name != module:
            (tmp_path / path.name).symlink_to(path)
    env = environment(tmp_path, PYTHONPATH=str(tmp_path))
    done = run([sys.executable, "-S", "-m", "invoke", task], env, ROOT)
    assert done.returncode == 1
    assert done.stderr == f"cosmo: {module} is not installed; pip install '.[test]'\n"
