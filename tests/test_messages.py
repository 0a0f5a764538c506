"""What a beginner reads: mistakes that are really made, and the whole last line that each gets.

A row of the table begins with what is typed; where that is no mistake, its comment says what is.
PROJECT stands for the project's folder, PYTHON and SHA256 for the interpreter's file and digest.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from index import BUILT, Index
from projects import PYPROJECT, ROOT, Project, environment, run
from recipes.fetch import file_sha256

MAIN = "src/hello/__main__.py"
HELLO = "[project]\nname = 'hello'\nversion = '1'\n"
CLI = f"{HELLO}scripts.hello = 'hello.cli:main'\n"
LOCK = "lock-version = '1.0'\npackages = []\ntool.cosmo-recipes.inputs = []\n"
LOCK += "[tool.cosmo-recipes.python]\nurl = 'python'\nsize = 9\nlast-modified = ''\n"
FAILS = "def build_wheel(*_):\n    print('line ' * 9)\n    raise RuntimeError('no version')\n"
FILES = {
    "a syntax error": {"pyproject.toml": PYPROJECT, "src/hello/cli.py": "\ndef main(:\n"},
    "no such function": {"pyproject.toml": CLI, "src/hello/cli.py": ""},
    "a changed hash": {"pylock.cosmo.toml": f"{LOCK}version = '3.12.3'\nsha256 = '{'0' * 64}'\n"},
    "a misspelt setting": {"pyproject.toml": "[tool.cosmo.env]\nCOSMO_SORCE = '1'\n"},
    "nothing to package": {"pyproject.toml": ""},
    "a file's name": {"tool.py": ""},
    "no comments": {"tool.py": "import nowhere\n"},
    "a missing dependency": {MAIN: "\nimport nowhere\n"},
    "native code": {"pyproject.toml": f"{HELLO}dependencies = ['bird']", MAIN: "import bird"},
    "a program that fails": {MAIN: "if __name__ == '__main__': exit(7)\n"},
    "a backend that fails": {"pyproject.toml": BUILT + HELLO, "backend.py": FAILS},
}
MISTAKES = f"""
invoke cosmo  # a syntax error
    src/hello does not compile: hello/cli.py:2: SyntaxError: invalid syntax; correct it

invoke cosmo  # no such function
    hello cannot start: hello.cli has no main; correct COSMO_ENTRY or [project.scripts];
    COSMO_CHECK=0 skips this check

invoke cosmo  # a changed hash
    PYTHON is not what pylock.cosmo.toml names: expected sha256 {"0" * 64},
    found SHA256; correct COSMO_URL, or lock it anew with `invoke cosmo.lock`

invoke cosmo  # a misspelt setting
    PROJECT/pyproject.toml: COSMO_SORCE ([tool.cosmo.env]) is no setting; did you mean COSMO_SOURCE?

PKG=quote invoke cosmo
    PKG=quote (environment): there is neither src/quote nor quote, nor such a .py; correct PKG, or
    set COSMO_SRC to its folder

invoke cosmo  # nothing to package
    PKG is not set; write it in PROJECT/pyproject.toml, or name the package to run, as in `PKG=name
    invoke cosmo`

PKG=tool.py invoke cosmo  # a file's name
    PKG='tool.py' (environment) is a file; write the name of the module, PKG=tool

invoke cosmo.script tool.py  # no comments
    tool.py cannot start: tool.py:1 imports nowhere, which is not installed; add it to the
    dependencies in its comments; COSMO_CHECK=0 skips this check

COSMO_URL=http://127.0.0.1:9/python invoke cosmo
    http://127.0.0.1:9/python cannot be downloaded: see above; check the network, or set COSMO_URL
    to a mirror or a file

invoke cosmo  # a missing dependency
    hello cannot start: hello/__main__.py:2 imports nowhere, which is not installed; add it to the
    dependencies; COSMO_CHECK=0 skips this check

invoke cosmo  # native code
    hello cannot start: bird 2.0 needs its extension module _bird, which cannot run in the
    executable (hello -> bird; bird.py:1); COSMO_CHECK=0 skips this check

COSMO_SMOKE=--version invoke cosmo  # a program that fails
    hello does not pass COSMO_SMOKE (--version): exit status 7; correct the program, or the
    arguments; the last executable stays

invoke cosmo  # a backend that fails
    hello cannot be built: RuntimeError: no version; correct [build-system], or what it builds

invoke cosmo.app choir
    choir cannot start: choir has several commands; name one with --entry: alto, tenor

invoke cosmo.app choir --entry alto
    choir cannot start: choir.py:1 imports wren, which is not installed; add it with --with;
    COSMO_CHECK=0 skips this check

invoke cosmo.app whistle
    whistle cannot start: whistle has no command written in Python: bin/blow is a native
    program, which cannot run in the executable
"""


@pytest.fixture
def shop(installing: Project, index: Index, tag: str) -> Project:
    """The small project without settings, where uv finds what the mistakes need."""
    index.wheel("bird", "2.0", {"bird.py": "import _bird\n", "_bird.so": ""}, tag=tag)
    index.wheel("wren", "1.0", {"wren.py": "def sing():\n    print('la')\n"})
    points = "[console_scripts]\nalto = choir:sing\ntenor = choir:sing\n"
    files = {"choir.py": "from wren import sing\n", "choir-1.0.dist-info/entry_points.txt": points}
    index.wheel("choir", "1.0", files)
    index.wheel("whistle", "1.0", {"whistle-1.0.data/scripts/blow": "\x7fELF"})
    installing.write("pyproject.toml", HELLO)
    return installing


@pytest.mark.parametrize("row", MISTAKES.strip().split("\n\n"), ids=lambda row: row.split("\n")[0])
def test_a_mistake_gets_a_line_that_says_what_to_do(shop: Project, row: str) -> None:
    typed, _, lines = row.partition("\n")
    digest = file_sha256(shop.interpreter)
    for name, text in FILES.get(typed.partition("# ")[2], {}).items():
        shop.write(name, text)
    setting, _, words = typed.partition("invoke ")
    settings = dict([setting.strip().split("=")] if setting else [])
    said = shop.refused(*shlex.split(words, comments=True), **settings)
    for value, name in ((shop.path, "PROJECT"), (shop.interpreter, "PYTHON"), (digest, "SHA256")):
        said = said.replace(str(value), name)
    assert said.splitlines()[-1] == f"cosmo: {' '.join(lines.split())}"


@pytest.mark.parametrize("tasks", ["imported"], indirect=True)
def test_a_message_names_the_command_that_the_user_has(shop: Project) -> None:
    words = [str(Path(sys.executable).with_name("cosmo-recipes")), "cosmo.lock", "--check"]
    said = run(words, shop.environment(), shop.path).stderr
    assert said.endswith("does not exist; write it with `cosmo-recipes cosmo.lock`\n")


def test_an_app_is_built_into_dist_and_runs(shop: Project) -> None:
    words = ("cosmo.app", "choir", "--entry", "tenor", "--with=wren")
    assert "# cosmo.update" in shop.succeed("--dry", *words).stdout
    shop.succeed(*words)
    assert shop.run_executable(name="../tenor") == "la\n"


def test_tasks_of_this_clone_say_what_installs_their_tool(tmp_path: Path) -> None:
    for path in Path(pytest.__file__).parent.parent.iterdir():
        if path.name not in ("pytest", "ruff", "mypy"):
            (tmp_path / path.name).symlink_to(path)
    env = environment(tmp_path, PYTHONPATH=str(tmp_path))
    for task, module in (("test", "pytest"), ("lint", "ruff"), ("types", "mypy")):
        done = run([sys.executable, "-S", "-m", "invoke", task], env, ROOT)
        line = f"cosmo: {module} is not installed; pip install '.[test]'\n"
        assert (done.returncode, done.stderr) == (1, line)
