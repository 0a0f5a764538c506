"""The program: the layouts it may have, what starts it, and what of it goes in."""

from __future__ import annotations

import os
import re
import shutil
import zipfile

import pytest

from index import Index
from projects import PYPROJECT, WORDS, Project, environment, run, start

SONG = "import sys\n\n\ndef sing(bird='owl'):\n    print(bird, sys.argv[1:])\n    return 3\n"


def made(project: Project, name: str = "", **settings: str) -> set[str]:
    """Package the project; what the executable holds."""
    project.package(**settings)
    return project.held(name)


@pytest.fixture
def bare(project: Project) -> Project:
    """A project called bird without any source; an executable is called after what it packages."""
    shutil.rmtree(project.path / "src/hello")
    project.write("pyproject.toml", "")
    project.executable = project.build / "bird"
    return project


# Layouts


@pytest.mark.parametrize(
    ("file", "pkg", "held"),
    [
        ("src/bird/__main__.py", "bird", "bird/__main__.pyc"),
        ("bird/__main__.py", "bird", "bird/__main__.pyc"),
        ("src/bird.py", "bird", "bird.pyc"),
        ("bird.py", "bird", "bird.pyc"),
        ("src/wood/bird/__main__.py", "wood.bird", "wood/bird/__main__.pyc"),
        ("wood/bird.py", "wood.bird", "wood/bird.pyc"),
        ("src/pipeline/__main__.py", "pipeline", "pipeline/__main__.pyc"),  # pip* is pruned
    ],
)
def test_every_common_layout_is_found(bare: Project, file: str, pkg: str, held: str) -> None:
    bare.write(file, f"print({file!r}, __file__)")
    assert made(bare, pkg, PKG=pkg) == {held}
    assert bare.says(name=pkg) == f"{file} /zip/Lib/site-packages/{held}\n"


def test_a_build_from_within_the_package_is_the_same(project: Project) -> None:
    held = made(project)
    shutil.rmtree(project.path / "dist")
    done = project.invoke("cosmo", cwd=project.path / "src/hello")
    assert done.returncode == 0, done.stderr
    assert project.held() == held


def test_another_folder_of_sources_is_named_and_does_not_hold_the_build(bare: Project) -> None:
    bare.write("lib/python/bird/__main__.py", "print('lib')")
    bare.write("bird/__main__.py", "print('not this')")
    bare.package(PKG="bird", COSMO_SRC="lib/python")
    assert bare.says() == "lib\n"
    message = bare.refused(PKG="bird", DIR_SITE="bird/dist/Lib/site-packages")
    assert "DIR_SITE lies among the sources" in message


def test_a_source_that_is_nowhere_is_refused_with_where_it_was_sought(bare: Project) -> None:
    bare.write("pyproject.toml", "[project]\nname = 'a-bird'\n")
    wrong = r"PKG=a_bird \(\[project\] name\): there is neither .*src/a_bird nor .*COSMO_SRC"
    assert re.search(wrong, bare.refused())


def test_scripts_or_the_entry_name_the_package_where_nothing_else_does(bare: Project) -> None:
    bare.write("src/bird/song.py", SONG)
    assert made(bare, COSMO_ENTRY="bird.song:sing") == {"bird/song.pyc"}
    assert "PKG=bird has no __main__" in bare.refused()
    assert "COSMO_ENTRY='song' (environment) is neither" in bare.refused(COSMO_ENTRY="song")
    scripts = "scripts.sing = 'bird.song:sing'\n"
    bare.write("pyproject.toml", f"[tool.poetry]\nname = 'song-bird'\n{scripts}")
    assert made(bare) == {"bird/song.pyc"}
    shown = bare.invoke("cosmo.settings").stdout
    assert re.search(r"^PKG +bird +\[project.scripts\]$", shown, re.MULTILINE)
    bare.write("pyproject.toml", f"[project]\nname = 'a-bird'\n{scripts}")
    assert made(bare) == {"bird/song.pyc"}
    assert bare.says("x") == "owl ['x']\n"


def test_packages_side_by_side_go_in_as_an_installation_brings_them(bare: Project) -> None:
    bare.write("pyproject.toml", "[project]\nname = 'bird'\nversion = '1.0'\n")
    bare.write("src/bird/__main__.py", "import feather, wing.beat")
    bare.write("src/feather.py", "print('soft')")
    bare.write("src/wing/beat.py", "print('strong')")
    bare.write("src/bird.egg-info/PKG-INFO", "")
    bare.write("src/notes/todo.txt", "")
    code = {"bird/__main__.pyc", "feather.pyc", "wing/beat.pyc"}
    assert made(bare) == code | {"bird-1.0.dist-info/METADATA"}
    assert bare.says() == "soft\nstrong\n"
    assert made(bare, COSMO_DEPS="none", COSMO_CHECK="0") == {"bird/__main__.pyc"}


def test_the_only_script_or_the_one_named_like_the_project_starts(bare: Project) -> None:
    bare.write("bird.py", SONG + "\nif __name__ == '__main__':\n    sing('wren')")
    for scripts, bird in (
        ("bird = 'bird:sing'", "owl"),
        ("chirp = 'bird:sing'", "owl"),
        ("chirp = 'bird:loud'\nscripts.Bird = 'bird:sing'", "owl"),
        ("chirp = 'bird:sing'\nscripts.fly = 'bird:sing'", "wren"),
    ):
        bare.write("pyproject.toml", f"[project]\nname = 'bird'\nscripts.{scripts}\n")
        bare.package()
        assert bare.says("x") == f"{bird} ['x']\n"


def test_only_the_articles_table_leaves_a_program_without_isolation(bare: Project) -> None:
    bare.write("bird.py", SONG + "\nif __name__ == '__main__':\n    sing('wren')")
    script = "[project]\nname = 'bird'\nscripts.bird = 'bird:sing'\n"
    for table, args in (
        ("", "-I -c import"),
        ("[tool.cosmo.env]\nPKG = 'bird'\n", "-I -c import"),
        ("[tool.cosmo.env]\nCOSMO_ISOLATED = 0\n", "-c import"),
        (PYPROJECT.replace("hello", "bird"), "-m bird ..."),
    ):
        bare.write("pyproject.toml", script + table)
        bare.package()
        assert " ".join((bare.build / ".args").read_text().splitlines()).startswith(args)


def test_a_name_of_the_interpreters_own_library_is_refused(bare: Project) -> None:
    for name in ("json", "textwrap"):
        bare.write(f"src/{name}.py", "")
        assert f"the interpreter has a module {name} of its own" in bare.refused(PKG=name)


# A script


SCRIPT = """\
#!/usr/bin/env python3
# /// script
# requires-python = ">=3.9"
# dependencies = ["bird"]
#
# [tool.cosmo.env]
# COSMO_ISOLATED = 1
# ///
import sys, bird

print(bird.SONG, sys.argv[1:], sys.flags.isolated)
"""


def test_a_script_brings_what_its_comments_name(installing: Project, index: Index) -> None:
    index.wheel("bird", "1.0", {"bird.py": "SONG = 'la'"})
    installing.write("tools/my-tool.py", SCRIPT)
    installing.succeed("cosmo.script", "tools/my-tool.py")
    tool = installing.path / "tools/dist/cosmo/my-tool"
    assert installing.says("x", name=str(tool)) == "la ['x'] 1\n"


def test_a_script_may_be_called_like_its_dependency(installing: Project, index: Index) -> None:
    index.wheel("bird", "1.0", {"feather.py": "SONG = 'la'"})
    code = SCRIPT.replace("bird.SONG", "feather.SONG").replace(", bird", ", feather")
    installing.write("bird.py", code)
    installing.succeed("cosmo.script", "bird.py")
    assert installing.says(name="bird") == "la [] 1\n"


def test_a_script_needs_no_metadata_and_may_have_the_line_ends_of_windows(project: Project) -> None:
    text = SCRIPT.replace('"bird"', "").replace("bird.SONG", "1").replace(", bird", "")
    for code, shown in (("print('by itself')", "by itself\n"), (text, "1 [] 1\n")):
        (project.path / "tool.py").write_bytes(code.replace("\n", "\r\n").encode())
        project.succeed("cosmo.script", "tool.py")
        assert project.says(name="tool") == shown


@pytest.mark.parametrize(
    ("name", "tool"),
    [
        *(("tool", "tool"), ("tool.txt", "tool"), ("2 fast.py", "2 fast"), ("-x.py", "-x")),
        *(("json.py", "json"), ("class.py", "class"), ("__main__.py", "__main__")),
    ],
)
def test_a_script_may_have_any_name_and_its_executable_bears_it(
    project: Project, name: str, tool: str
) -> None:
    project.write(f"tools/{name}", "import json\nprint(json.dumps({}))\n")
    project.succeed("cosmo.script", f"tools/{name}")
    assert project.says(name=str(project.path / "tools/dist/cosmo" / tool)) == "{}\n"


def test_a_script_is_run_as_by_m_under_the_executables_name(project: Project) -> None:
    code = "import __main__, sys\nprint(sys.argv[0][-5:], sys.argv[1:], __name__, __main__.ONE)\n"
    project.write("tool.py", f"ONE = 1\n{code}print(__spec__.name, __file__[-8:])\n")
    project.succeed("cosmo.script", "tool.py")
    assert project.says("x", name="tool") == "/tool ['x'] __main__ 1\ntool tool.pyc\n"


def test_several_scripts_are_packaged_and_locked_by_one_command(project: Project) -> None:
    project.write("a.py", "print('a')")
    project.write("b.py", "print('b')")
    project.succeed(
        "cosmo.lock", "--script", "a.py", "cosmo.script", "a.py", "cosmo.script", "b.py"
    )
    assert (project.path / "pylock.cosmo-a.toml").exists()
    assert not (project.path / "pylock.cosmo-b.toml").exists()
    assert [project.says(name=name) for name in "ab"] == ["a\n", "b\n"]


def test_a_script_that_cannot_be_read_is_named(project: Project) -> None:
    assert re.search("tool.*no such file", project.refused("cosmo.script", "tool.py"))
    for text, wrong in (
        (SCRIPT.replace('"bird"', "bird"), "is not valid TOML"),
        (SCRIPT + SCRIPT, "has several `# /// script` blocks"),
        (
            SCRIPT.replace("COSMO_ISOLATED", "COSMO_ISOLATE"),
            "no setting; did you mean COSMO_ISOLATED?",
        ),
        (SCRIPT.replace(">=3.9", ">=3.99"), "requires Python >=3.99"),
        (SCRIPT.replace("# ///\n", "", 1), "has a `# /// script` block without an end"),
    ):
        project.write("tool.py", text.replace('["bird"]', "[]"))
        message = project.refused("cosmo.script", "tool.py")
        assert wrong in message
        assert "tool" in message


# What starts


SCRIPTS = """\
[project]
name = "bird"
version = "1.0"

[project.scripts]
sing = "bird.song:sing [loud]"
name-of-it = "bird.song:name"
"""


@pytest.mark.parametrize("entry", ["bird.song:sing", "bird.song:Bird.chirp", "sing"])
def test_an_entry_is_a_script_or_a_function_that_ends_it(bare: Project, entry: str) -> None:
    bare.write("pyproject.toml", SCRIPTS)
    bare.write("src/bird/song.py", SONG + "\n\nclass Bird:\n    chirp = staticmethod(sing)\n")
    bare.package(COSMO_ENTRY=entry)
    done = bare.start("a b")
    assert done.stdout == "owl ['a b']\n", done.stderr
    assert done.returncode == 3


def test_with_several_scripts_and_no_main_their_names_are_shown(bare: Project) -> None:
    bare.write("pyproject.toml", SCRIPTS)
    bare.write("src/bird/song.py", SONG)
    scripts = r"\[project.scripts\] has sing, name-of-it; name one with COSMO_ENTRY"
    assert re.search(f"PKG=bird has no __main__.*{scripts}", bare.refused())


def test_all_scripts_are_made_from_one_build_and_know_their_names(bare: Project) -> None:
    bare.write("pyproject.toml", SCRIPTS)
    name = "\n\ndef name():\n    print(sys.argv[0].rpartition('/')[2])\n"
    bare.write("src/bird/song.py", SONG + name)
    done = bare.invoke("cosmo", COSMO_ENTRY="*", COSMO_SMOKE="x", COSMO_ISOLATED="1")
    assert done.returncode == 1
    assert "sing does not pass COSMO_SMOKE (x): exit status 3" in done.stderr
    done = bare.succeed(COSMO_ENTRY="*", COSMO_ISOLATED="1")
    assert done.stderr.count("compile  ") == 1
    assert "dist/cosmo/sing" in done.stdout
    assert bare.says("x", name="sing") == "owl ['x']\n"
    assert bare.says(name="name-of-it") == "name-of-it\n"
    (bare.build / "name-of-it").rename(bare.build / "another")
    assert bare.says(name="another") == "another\n"


def test_an_entry_that_does_not_exist_is_refused(bare: Project) -> None:
    bare.write("pyproject.toml", SCRIPTS)
    bare.write("src/bird/song.py", SONG)
    for entry, wrong in (
        ("nowhere", "COSMO_ENTRY='nowhere' (environment) is neither `module:function` nor"),
        ("", "COSMO_ENTRY=''"),
        ("bird:", "COSMO_ENTRY='bird:'"),
        ("bird.song:sing();x", "COSMO_ENTRY='bird.song:sing();x'"),
        ("bird.song:dance", "bird.song has no dance"),
        ("bird.dance:sing", "there is no module bird.dance"),
        ("nowhere.dance:sing", "there is no module nowhere"),
        ("json:nothing", "cannot import name 'nothing' from 'json'"),
        ("bird.song:class", "COSMO_ENTRY='bird.song:class'"),
        ("bird.song:print", "bird.song has no print"),
    ):
        assert wrong in bare.refused(COSMO_ENTRY=entry)


def test_only_one_setting_says_what_starts(project: Project) -> None:
    message = project.refused(COSMO_ENTRY="hello.words:greet", COSMO_ARGS="-m hello ...")
    assert "COSMO_ARGS and COSMO_ENTRY" in message


def test_args_that_take_none_of_the_users_arguments_are_remarked_on(project: Project) -> None:
    remark = "setup    COSMO_ARGS does not end in ..., so the user's arguments are not taken\n"
    assert remark in project.succeed("cosmo.setup", COSMO_ARGS="-m hello").stderr
    assert remark not in project.succeed("cosmo.setup", COSMO_ARGS="-m hello ...").stderr


def test_isolated_an_entry_is_not_shadowed_either(bare: Project) -> None:
    bare.write("src/bird/song.py", SONG)
    bare.package(PKG="bird", COSMO_ENTRY="bird.song:sing", COSMO_ISOLATED="1")
    bare.write("../away/bird/song.py", "raise SystemExit('shadow')")
    bare.write("../away/bird/__init__.py", "")
    assert bare.says() == "owl []\n"


# What goes in


def test_neither_junk_nor_what_is_excluded_goes_in(project: Project) -> None:
    for name in ("words.py~", ".#words.py", "#words.py#", ".words.py.swp", ".DS_Store"):
        project.write(f"src/hello/{name}", "junk")
    project.write("src/hello/__pycache__/words.cpython-39.pyc", "junk")
    project.write("src/hello/hello.egg-info/PKG-INFO", "junk")
    project.write("src/hello/.hidden", "data")
    project.write("src/hello/tests/deep/test_x.py", "")
    project.write("src/hello/notes for us.txt", "")
    names = ["__init__.pyc", "__main__.pyc", "greeting.txt", "words.pyc", ".hidden"]
    held = made(project, COSMO_EXCLUDE="hello/tests 'hello/notes*' hello/d?ep/*")
    assert held == {f"hello/{name}" for name in names}


def test_an_editors_lock_is_named_as_such(project: Project) -> None:
    (project.path / "src/hello/.#words.py").symlink_to("me@here.1234")
    assert ".#words.py is an editor's lock" in project.refused()


def test_what_is_kept_is_data(project: Project) -> None:
    template = "{{ this }} is no Python"
    project.write("src/hello/templates/{{name}}/setup.py", template)
    project.write("src/hello/templates/a (b).py", "x = 1")
    assert "templates/{{name}}/setup.py" in project.refused()
    names = {"hello/templates/{{name}}/setup.py", "hello/templates/a (b).py"}
    for pattern in ("hello/templates", "hello/templates/*"):
        held = made(project, COSMO_KEEP=pattern)
        assert {name for name in held if "templates" in name} == names
    inside = "Lib/site-packages/hello/templates/{{name}}/setup.py"
    assert zipfile.ZipFile(project.executable).read(inside).decode() == template


FAIL = "import inspect\n\n\ndef fail():\n    raise KeyError('x')  # the line itself\n\n\n"


def test_with_sources_tracebacks_show_lines(project: Project, version: tuple[int, int]) -> None:
    project.write("src/hello/fails.py", FAIL)
    code = "from hello import fails\nimport inspect\n"
    code += "print(inspect.getsource(fails.fail))\nfails.fail()\n"
    project.write("src/hello/__main__.py", code)
    held = made(project, COSMO_SOURCE="1")
    tag = "cpython-{}{}".format(*version)
    assert {"hello/fails.py", f"hello/__pycache__/fails.{tag}.pyc"} <= held
    done = project.start()
    assert done.stdout == "def fail():\n    raise KeyError('x')  # the line itself\n\n"
    assert '/zip/Lib/site-packages/hello/fails.py", line 5, in fail' in done.stderr
    assert "    raise KeyError('x')  # the line itself\n" in done.stderr
    loud = project.start(PYTHONVERBOSE="1").stderr
    assert f"code object from '/zip/Lib/site-packages/hello/__pycache__/fails.{tag}.pyc'" in loud


@pytest.mark.parametrize("source", ["0", "1"])
def test_it_can_be_optimized(project: Project, source: str) -> None:
    code = "def f():\n    'documented'\n\n\nassert False, 'asserted'\nprint(f.__doc__)\n"
    project.write("src/hello/__main__.py", code)
    for level, shown in ("", "asserted\n"), ("1", "documented\n"), ("2", "None\n"):
        project.package(COSMO_SOURCE=source, **({"COSMO_OPTIMIZE": level} if level else {}))
        assert project.says().endswith(shown)


def test_an_extension_module_of_the_program_is_refused(project: Project) -> None:
    project.write("src/hello/_fast.cpython-311-x86_64-linux-gnu.so", "")
    wrong = "src/hello/_fast.cpython-311-x86_64-linux-gnu.so cannot run in the executable"
    assert re.search(f"{wrong}.*COSMO_EXCLUDE", project.refused())
    assert "hello/words.pyc" in made(project, COSMO_EXCLUDE="hello/_fast.*")


# Where it goes, and whether it works


def test_the_result_can_be_named(project: Project) -> None:
    for name in ("my tool", "python", "a;touch pwned;b", "$(touch pwned)", "-x", "a'b"):
        project.package(COSMO_OUT=f"bin/{name}")
        assert project.start("x", name=str(project.path / "bin" / name)).returncode == 1
    assert not list(project.path.rglob("pwned"))
    for _ in range(2):
        shown = project.succeed(COSMO_OUT="dist/out here/tool.com").stdout
        assert project.says("x", name="../out here/tool.com") == "hello x\n"
        assert "start   './dist/out here/tool.com'\n" in shown


def test_a_result_that_does_not_pass_its_trial_is_not_put_in_place(project: Project) -> None:
    code = "import os, sys\nprint(sys.argv[1:], os.listdir('.'), 'A' in os.environ)\nsys.exit({})\n"
    project.write("src/hello/__main__.py", code.format(0))
    project.package(COSMO_SMOKE="--version 'a b'", A="1")
    project.write("src/hello/__main__.py", code.format(4))
    *_, printed, last = project.refused(COSMO_SMOKE="--version 'a b'", A="1").splitlines()
    assert printed == "['--version', 'a b'] [] False"
    assert last.startswith("cosmo: dist/cosmo/hello does not pass COSMO_SMOKE (")
    assert "exit status 4" in last


def test_the_dry_run_of_all_this_gives_the_same_bytes(bare: Project) -> None:
    bare.write("pyproject.toml", SCRIPTS)
    bare.write("src/bird/song.py", SONG + "\n\ndef name():\n    pass\n")
    bare.write("src/bird/data.py", "{{ x }}")
    settings = {"COSMO_ENTRY": "*", "COSMO_KEEP": "bird/data.py", "COSMO_SOURCE": "1"}
    script = bare.write("script", bare.succeed("--dry", "cosmo", **settings).stdout)
    assert run(["sh", "-e", str(script)], environment(bare.home), bare.path).returncode == 0
    first = {name: (bare.build / name).read_bytes() for name in ("sing", "name-of-it")}
    os.utime(bare.path / "src/bird/song.py")
    bare.package(**settings)
    assert {name: (bare.build / name).read_bytes() for name in first} == first


def test_several_scripts_are_packaged_by_one_command_and_leave_later_tasks_alone(
    project: Project,
) -> None:
    for name in ("one", "two"):
        project.write(f"{name}.py", f"print('{name}')")
    project.write("dist/cosmo/Lib/site-packages/old", "")
    words = ["cosmo.script", "one.py", "cosmo.script", "two.py", "cosmo.setup"]
    done = project.invoke(*words)
    assert done.returncode == 0, done.stderr
    for name in ("one", "two"):
        assert start(project.build / name, home=project.path.parent).stdout == f"{name}\n"
    assert (project.build / "Lib/site-packages/hello/words.py").exists()


def test_a_shared_library_of_the_program_is_refused(project: Project) -> None:
    project.write("src/hello/libfoo.so.1", "")
    assert "libfoo.so.1 cannot run in the executable" in project.refused()


def test_a_pipe_in_the_place_of_the_result_is_refused(project: Project) -> None:
    os.mkfifo(project.path / "pipe")
    assert "is no file" in project.refused(COSMO_OUT="pipe")


def test_a_result_may_be_named_after_the_package_that_the_scripts_name(project: Project) -> None:
    head = "[project]\nname = 'other'\nscripts.greet = 'hello.words:greet'\n"
    project.write("pyproject.toml", f"{head}[tool.cosmo.env]\nCOSMO_OUT = 'dist/$PKG.com'\n")
    assert project.invoke("cosmo").returncode == 0
    assert (project.path / "dist/hello.com").exists()


def test_a_program_may_be_called_like_the_recipes_own_modules(project: Project) -> None:
    (project.path / "src/hello").rename(project.path / "src/inside")
    project.write("src/inside/__main__.py", "")
    project.write("src/inside/words.py", "def greet():\n    print('inside')\n")
    done = project.invoke("cosmo", PKG="inside", COSMO_ENTRY="inside.words:greet")
    assert done.returncode == 0, done.stderr
    assert start(project.build / "inside", home=project.path.parent).stdout == "inside\n"


def test_what_is_excluded_stays_out_of_a_project_whose_path_is_a_pattern(project: Project) -> None:
    moved = project.beside("a[1]*")
    project.path.rename(moved.path)
    moved.write("../tasks.py", moved.tasks.text)
    settings = {"COSMO_PROJECT": "a[1]*", "COSMO_EXCLUDE": "hello/greeting*"}
    done = moved.invoke("cosmo", cwd=moved.path.parent, **settings)
    assert done.returncode == 0, done.stderr
    assert "hello/greeting.txt" not in moved.held()


def test_a_command_may_replace_the_first_folder_as_it_may_elsewhere(project: Project) -> None:
    text = (
        "import sys\n\ndef main():\n    sys.path[0] = '/'\n    import colorsys\n    print('la')\n"
    )
    project.write("src/hello/words.py", text)
    project.package(COSMO_ENTRY="hello.words:main", COSMO_ISOLATED="1")
    assert project.says() == "la\n"


def test_a_command_in_a_package_called_by_its_init_starts(project: Project) -> None:
    project.write(
        "src/hello/__init__.py", "from .words import greet\n\ndef main():\n    print('la')\n"
    )
    project.package(COSMO_ENTRY="hello.__init__:main")
    assert project.says() == "la\n"


def test_what_looks_for_its_own_source_is_told_how_to_keep_it(project: Project) -> None:
    text = "import os\nNAMES = os.listdir(os.path.dirname(__file__))\n"
    text += "if 'words.py' not in NAMES:\n    raise RuntimeError('no words')\n"
    project.write("src/hello/words.py", f"{WORDS}\n{text}")
    remedy = "no words; if it looks for .py files of its own, keep them with COSMO_SOURCE=1; else "
    assert remedy in project.refused()
    project.package(COSMO_SOURCE="1")


def test_what_asks_for_the_terminal_when_it_is_imported_has_one(project: Project) -> None:
    text = "import curses, os\ncurses.setupterm()\nassert os.environ['TERM']\n"
    project.write("src/hello/words.py", f"{WORDS}\n{text}")
    project.package()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "import nowhere_at_all\n",
            "hello/words.py:1 imports nowhere_at_all, which is not installed",
        ),
        ("raise ImportError('stop')\nimport nowhere_at_all\n", "words.py:2 imports nowhere_at_all"),
        ("import os\nos.environ['NOT_SET']\n", "KeyError: 'NOT_SET'"),
        (
            "raise ValueError('no owl:\\n\\n- hoot\\n- fly')\n",
            "words.py:1: ValueError: no owl: - hoot;",
        ),
        ("raise ValueError('no owl\\n - hoot')\n", "words.py:1: ValueError: no owl;"),
        ("try:\n import nowhere\nexcept ImportError:\n raise SystemExit('stop')\n", "start: stop"),
        ("def f(:\n", "SyntaxError: invalid syntax"),
        ("import socket\nsocket.create_connection(('127.0.0.1', 9))\n", "has no network"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGALRM)\n", "longer than a minute"),
        ("input()\n", "EOFError"),
    ],
)
def test_a_program_that_cannot_be_imported_is_refused(
    project: Project, text: str, message: str
) -> None:
    project.write("src/hello/words.py", text)
    assert message in project.refused()
    project.write(
        "src/hello/words.py", f"{WORDS}\nif len(__import__('sys').argv) > 1:\n    1 / 0\n"
    )
    project.package()
