"""The program: the layouts it may have, what starts it, and what of it goes in."""

from __future__ import annotations

import os
import re
import zipfile

import pytest

from index import Index
from projects import Project, environment, packed, run, start

SONG = "import sys\n\n\ndef sing(bird='owl'):\n    print(bird, sys.argv[1:])\n    return 3\n"


def made(project: Project, name: str = "hello", **settings: str) -> set[str]:
    """Package the project; what the executable `name` holds."""
    done = project.invoke("cosmo", **settings)
    assert done.returncode == 0, done.stderr
    return packed(project.build / name, project.interpreter)


@pytest.fixture
def bare(project: Project) -> Project:
    """A project without any source; it is called after what it packages."""
    for path in sorted((project.path / "src").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    project.write("pyproject.toml", "")
    return project


def says(bare: Project, name: str, *arguments: str) -> str:
    """What the executable prints."""
    away = bare.path.parent / "away"
    away.mkdir(exist_ok=True)
    done = start(bare.build / name, *arguments, home=bare.path.parent, cwd=away)
    return done.stdout + done.stderr


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
    ],
)
def test_every_common_layout_is_found(bare: Project, file: str, pkg: str, held: str) -> None:
    bare.write(file, f"print({file!r}, __file__)")
    assert made(bare, pkg, PKG=pkg) == {held}
    assert says(bare, pkg) == f"{file} /zip/Lib/site-packages/{held}\n"


def test_another_folder_of_sources_is_named(bare: Project) -> None:
    bare.write("lib/python/bird/__main__.py", "print('lib')")
    bare.write("bird.py", "print('not this')")
    made(bare, "bird", PKG="bird", COSMO_SRC="lib/python")
    assert says(bare, "bird") == "lib\n"


@pytest.mark.parametrize("src", ["nowhere", "..", "/tmp", "", "link"])  # noqa: S108 - a value
def test_a_folder_of_sources_lies_in_the_project(project: Project, src: str) -> None:
    (project.path / "link").symlink_to("..")
    assert project.refused(COSMO_SRC=src).startswith("cosmo: COSMO_SRC")


def test_a_source_that_is_nowhere_is_told_with_where_it_was_sought(bare: Project) -> None:
    bare.write("pyproject.toml", "[project]\nname = 'a-bird'\n")
    told = bare.refused()
    assert "PKG=a_bird ([project] name): there is neither" in told
    assert "src/a_bird nor " in told
    assert "COSMO_SRC" in told


def test_the_scripts_tell_the_package_where_the_projects_name_does_not(bare: Project) -> None:
    bare.write("pyproject.toml", "[project]\nname = 'a-bird'\nscripts.sing = 'bird.song:sing'\n")
    bare.write("src/bird/song.py", SONG)
    assert made(bare, "bird") == {"bird/song.pyc"}
    assert says(bare, "bird", "x") == "owl ['x']\n"


def test_the_entry_tells_the_package_where_nothing_else_does(bare: Project) -> None:
    bare.write("src/bird/song.py", SONG)
    assert made(bare, "bird", COSMO_ENTRY="bird.song:sing") == {"bird/song.pyc"}
    assert "PKG is not set" in bare.refused()
    assert "COSMO_ENTRY='song' (environment) is neither" in bare.refused(COSMO_ENTRY="song")
    bare.write(
        "pyproject.toml", "[tool.poetry]\nname = 'song-bird'\nscripts.sing = 'bird.song:sing'\n"
    )
    assert made(bare, "bird") == {"bird/song.pyc"}
    shown = bare.invoke("cosmo.settings").stdout
    assert re.search(r"^PKG +bird +\[project.scripts\]$", shown, re.MULTILINE)


def test_packages_side_by_side_go_in_as_an_installation_brings_them(bare: Project) -> None:
    bare.write("pyproject.toml", "[project]\nname = 'bird'\nversion = '1.0'\n")
    bare.write("src/bird/__main__.py", "import feather, wing.beat")
    bare.write("src/feather.py", "print('soft')")
    bare.write("src/wing/beat.py", "print('strong')")
    bare.write("src/bird.egg-info/PKG-INFO", "")
    bare.write("src/notes/todo.txt", "")
    code = {"bird/__main__.pyc", "feather.pyc", "wing/beat.pyc"}
    assert made(bare, "bird") == code | {"bird-1.0.dist-info/METADATA"}
    assert says(bare, "bird") == "soft\nstrong\n"
    assert made(bare, "bird", COSMO_DEPS="none") == {"bird/__main__.pyc"}


def test_the_build_folder_cannot_lie_in_the_package(bare: Project) -> None:
    bare.write("bird/__main__.py", "")
    told = bare.refused(PKG="bird", DIR_SITE="bird/dist/Lib/site-packages")
    assert "DIR_SITE lies among the sources" in told


def test_a_module_with_scripts_is_started_by_them_unless_it_starts_itself(bare: Project) -> None:
    bare.write("pyproject.toml", "[project]\nname = 'bird'\nscripts.bird = 'bird:sing'\n")
    bare.write("bird.py", SONG)
    made(bare, "bird")
    assert says(bare, "bird", "x") == "owl ['x']\n"
    bare.write("bird.py", SONG + "\n\nif __name__ == '__main__':\n    sing('wren')\n")
    made(bare, "bird")
    assert says(bare, "bird", "x") == "wren ['x']\n"


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


def test_a_script_is_packaged_with_what_its_comments_name(
    installing: Project, index: Index
) -> None:
    index.wheel("bird", "1.0", {"bird.py": "SONG = 'la'"})
    folder = installing.path / "tools"
    installing.write("tools/my-tool.py", SCRIPT)
    done = installing.invoke("cosmo.script", "tools/my-tool.py")
    assert done.returncode == 0, done.stderr
    done = start(folder / "dist/cosmo/my_tool", "x", home=installing.path.parent)
    assert done.stdout == "la ['x'] 1\n", done.stderr


def test_a_script_may_be_called_like_what_it_depends_on_but_for_a_module(
    installing: Project, index: Index
) -> None:
    index.wheel("bird", "1.0", {"feather.py": "SONG = 'la'"})
    installing.write(
        "bird.py", SCRIPT.replace("bird.SONG", "feather.SONG").replace(", bird", ", feather")
    )
    done = installing.invoke("cosmo.script", "bird.py")
    assert done.returncode == 0, done.stderr
    assert start(installing.build / "bird", home=installing.path.parent).stdout == "la [] 1\n"


def test_a_script_may_have_the_line_ends_of_windows(project: Project) -> None:
    text = SCRIPT.replace('"bird"', "").replace("bird.SONG", "1").replace(", bird", "")
    (project.path / "tool.py").write_bytes(text.replace("\n", "\r\n").encode())
    done = project.invoke("cosmo.script", "tool.py")
    assert done.returncode == 0, done.stderr
    assert start(project.build / "tool", home=project.path.parent).stdout == "1 [] 1\n"


@pytest.mark.parametrize("name", ["tool", "tool.txt", "__main__.py", "2 fast.py"])
def test_a_script_needs_a_name_that_python_can_start(project: Project, name: str) -> None:
    project.write(name, "")
    assert "name" in project.refused("cosmo.script", name)


def test_a_script_needs_no_metadata(project: Project) -> None:
    project.write("tool.py", "print('by itself')")
    done = project.invoke("cosmo.script", "tool.py")
    assert done.returncode == 0, done.stderr
    assert start(project.build / "tool", home=project.path.parent).stdout == "by itself\n"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (SCRIPT.replace('"bird"', "bird"), "is not valid TOML"),
        (SCRIPT + SCRIPT, "has several `# /// script` blocks"),
        (SCRIPT.replace("COSMO_ISOLATED", "COSMO_ISOLATE"), "COSMO_ISOLATE is no setting"),
        (SCRIPT.replace(">=3.9", ">=3.99"), "requires Python >=3.99"),
        (SCRIPT.replace("# ///\n", "", 1), "has a `# /// script` block without an end"),
        (None, "no such file"),
    ],
)
def test_a_script_that_cannot_be_read_is_named(
    project: Project, text: str | None, wrong: str
) -> None:
    if text is not None:
        project.write("tool.py", text.replace('["bird"]', "[]"))
    told = project.refused("cosmo.script", "tool.py")
    assert wrong in told
    assert "tool" in told


# What starts


def test_an_entry_is_a_function_that_ends_the_program(bare: Project) -> None:
    bare.write("src/bird/song.py", SONG + "\n\nclass Bird:\n    chirp = staticmethod(sing)\n")
    for entry in ("bird.song:sing", "bird.song:Bird.chirp"):
        made(bare, "bird", PKG="bird", COSMO_ENTRY=entry)
        done = start(bare.build / "bird", "a b", home=bare.path.parent)
        assert done.stdout == "owl ['a b']\n", done.stderr
        assert done.returncode == 3


SCRIPTS = """\
[project]
name = "bird"
version = "1.0"

[project.scripts]
sing = "bird.song:sing [loud]"
name-of-it = "bird.song:name"
"""


def test_an_entry_is_the_name_of_a_script(bare: Project) -> None:
    bare.write("pyproject.toml", SCRIPTS)
    bare.write("src/bird/song.py", SONG)
    made(bare, "bird", COSMO_ENTRY="sing")
    assert says(bare, "bird") == "owl []\n"


def test_with_several_scripts_and_no_main_their_names_are_told(bare: Project) -> None:
    bare.write("pyproject.toml", SCRIPTS)
    bare.write("src/bird/song.py", SONG)
    told = bare.refused()
    assert "PKG=bird has no __main__" in told
    assert "[project.scripts] has sing, name-of-it; name one with COSMO_ENTRY" in told


def test_all_scripts_are_made_from_one_build_and_know_their_names(bare: Project) -> None:
    bare.write("pyproject.toml", SCRIPTS)
    name = "\n\ndef name():\n    print(sys.argv[0].rpartition('/')[2])\n"
    bare.write("src/bird/song.py", SONG + name)
    done = bare.invoke("cosmo", COSMO_ENTRY="*", COSMO_SMOKE="x", COSMO_ISOLATED="1")
    assert done.returncode == 1
    assert "sing does not pass COSMO_SMOKE (x): exit status 3" in done.stderr
    done = bare.invoke("cosmo", COSMO_ENTRY="*", COSMO_ISOLATED="1")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("compile  ") == 1
    assert "dist/cosmo/sing" in done.stdout
    assert says(bare, "sing", "x") == "owl ['x']\n"
    assert says(bare, "name-of-it") == "name-of-it\n"
    (bare.build / "name-of-it").rename(bare.build / "another")
    assert says(bare, "another") == "another\n"


@pytest.mark.parametrize(
    ("entry", "wrong"),
    [
        ("nowhere", "COSMO_ENTRY='nowhere' (environment) is neither `module:function` nor"),
        ("", "COSMO_ENTRY=''"),
        ("bird:", "COSMO_ENTRY='bird:'"),
        ("bird.song:sing();x", "COSMO_ENTRY='bird.song:sing();x'"),
        ("bird.song:dance", "bird.song has no dance"),
        ("bird.dance:sing", "there is no module bird.dance"),
        ("nowhere.dance:sing", "there is no module nowhere"),
        ("json:nothing", "json has no nothing"),
        ("bird.song:class", "COSMO_ENTRY='bird.song:class'"),
        ("bird.song:print", "bird.song has no print"),
    ],
)
def test_an_entry_that_does_not_exist_is_refused(bare: Project, entry: str, wrong: str) -> None:
    bare.write("pyproject.toml", SCRIPTS)
    bare.write("src/bird/song.py", SONG)
    assert wrong in bare.refused(COSMO_ENTRY=entry)


def test_only_one_setting_says_what_starts(project: Project) -> None:
    told = project.refused(COSMO_ENTRY="hello.words:greet", COSMO_ARGS="-m hello ...")
    assert "COSMO_ARGS and COSMO_ENTRY" in told


def test_isolated_an_entry_is_not_shadowed_either(bare: Project) -> None:
    bare.write("src/bird/song.py", SONG)
    made(bare, "bird", PKG="bird", COSMO_ENTRY="bird.song:sing", COSMO_ISOLATED="1")
    away = bare.path.parent / "away"
    (away / "bird").mkdir(parents=True)
    (away / "bird/song.py").write_text("raise SystemExit('shadow')")
    (away / "bird/__init__.py").write_text("")
    assert says(bare, "bird") == "owl []\n"


# What goes in


def test_junk_does_not_go_in(project: Project) -> None:
    for name in ("words.py~", ".#words.py", "#words.py#", ".words.py.swp", ".DS_Store"):
        project.write(f"src/hello/{name}", "junk")
    project.write("src/hello/__pycache__/words.cpython-39.pyc", "junk")
    project.write("src/hello/hello.egg-info/PKG-INFO", "junk")
    project.write("src/hello/.hidden", "data")
    held = made(project)
    assert not [name for name in held if "~" in name or "#" in name or "swp" in name]
    assert not [name for name in held if "egg-info" in name or "DS_Store" in name]
    assert "hello/.hidden" in held


def test_an_editors_lock_is_told_as_such(project: Project) -> None:
    (project.path / "src/hello/.#words.py").symlink_to("me@here.1234")
    assert ".#words.py is an editor's lock" in project.refused()


def test_what_is_excluded_does_not_go_in(project: Project) -> None:
    project.write("src/hello/tests/deep/test_x.py", "")
    project.write("src/hello/notes for us.txt", "")
    held = made(project, COSMO_EXCLUDE="hello/tests 'hello/notes*' hello/d?ep/*")
    assert held == {
        *("hello/__init__.pyc", "hello/__main__.pyc", "hello/greeting.txt", "hello/words.pyc")
    }


def test_what_is_kept_is_data(project: Project) -> None:
    template = "{{ this }} is no Python"
    project.write("src/hello/templates/{{name}}/setup.py", template)
    project.write("src/hello/templates/a (b).py", "x = 1")
    assert "templates/{{name}}/setup.py" in project.refused()
    held = made(project, COSMO_KEEP="hello/templates")
    assert "hello/templates/a (b).py" in held
    held = made(project, COSMO_KEEP="hello/templates/*")
    assert {name for name in held if "templates" in name} == {
        "hello/templates/{{name}}/setup.py",
        "hello/templates/a (b).py",
    }
    inside = "Lib/site-packages/hello/templates/{{name}}/setup.py"
    assert zipfile.ZipFile(project.executable).read(inside).decode() == template


@pytest.mark.parametrize("pattern", ["/abs", "''", "a[b]", r"'a\b'", "'a\nb'", "'"])
@pytest.mark.parametrize("name", ["COSMO_EXCLUDE", "COSMO_KEEP"])
def test_a_pattern_that_cannot_match_is_refused(project: Project, name: str, pattern: str) -> None:
    assert project.refused(**{name: pattern}).startswith(f"cosmo: {name}")


FAIL = "import inspect\n\n\ndef fail():\n    raise KeyError('x')  # the line itself\n\n\n"


def test_with_sources_tracebacks_show_lines_and_nothing_is_compiled_at_a_start(
    project: Project, version: tuple[int, int]
) -> None:
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


@pytest.mark.parametrize("ships", ["0", "1"])
def test_it_can_be_optimized(project: Project, ships: str) -> None:
    code = "def f():\n    'told'\n\n\nassert False, 'asserted'\nprint(f.__doc__)\n"
    project.write("src/hello/__main__.py", code)
    project.package(COSMO_SOURCE=ships)
    assert "asserted" in project.start().stderr
    project.package(COSMO_SOURCE=ships, COSMO_OPTIMIZE="1")
    assert project.start().stdout == "told\n"
    project.package(COSMO_SOURCE=ships, COSMO_OPTIMIZE="2")
    assert project.start().stdout == "None\n"


@pytest.mark.parametrize(
    ("name", "value"), [("COSMO_OPTIMIZE", "3"), ("COSMO_SOURCE", "maybe"), ("COSMO_SMOKE", "'")]
)
def test_a_switch_has_few_values(project: Project, name: str, value: str) -> None:
    assert project.refused(**{name: value}).startswith(f"cosmo: {name}")


def test_an_extension_module_of_the_program_is_refused(project: Project) -> None:
    project.write("src/hello/_fast.cpython-311-x86_64-linux-gnu.so", "")
    told = project.refused()
    assert "src/hello/_fast.cpython-311-x86_64-linux-gnu.so cannot run in the executable" in told
    assert "COSMO_EXCLUDE" in told
    assert "hello/words.pyc" in made(project, COSMO_EXCLUDE="hello/_fast.*")


# Where it goes, and whether it works


def test_the_result_can_be_named(project: Project) -> None:
    for name in ("my tool", "python", "a;touch pwned;b", "$(touch pwned)", "-x", "a'b"):
        done = project.invoke("cosmo", COSMO_OUT=f"bin/{name}")
        assert done.returncode == 0, done.stderr
        assert start(project.path / "bin" / name, "x", home=project.path.parent).returncode == 1
    assert not list(project.path.rglob("pwned"))
    done = project.invoke("cosmo", COSMO_OUT="dist/out here/tool.com")
    assert done.returncode == 0, done.stderr
    file = project.path / "dist/out here/tool.com"
    assert start(file, "x", home=project.path.parent).stdout == "hello x\n"
    assert "start   './dist/out here/tool.com'\n" in done.stdout
    assert project.invoke("cosmo", COSMO_OUT="dist/out here/tool.com").returncode == 0


@pytest.mark.parametrize(
    "value",
    [
        *("", "/x", "../x", "dist/../../x", "src", "src/", ".", "pyproject.toml", "link/x"),
        *("dist/cosmo/python", "dist/cosmo/Lib/x", "dist/cosmo/.args", "dist/cosmo/x.zip"),
    ],
)
def test_a_result_cannot_replace_what_is_none(project: Project, value: str) -> None:
    (project.path / "link").symlink_to("..")
    assert project.refused(COSMO_OUT=value).startswith("cosmo: COSMO_OUT")


def test_a_result_that_does_not_pass_its_trial_is_not_put_in_place(project: Project) -> None:
    code = "import os, sys\nprint(sys.argv[1:], os.listdir('.'), 'A' in os.environ)\nsys.exit({})\n"
    project.write("src/hello/__main__.py", code.format(0))
    project.package(COSMO_SMOKE="--version 'a b'", A="1")
    before = project.executable.read_bytes()
    project.write("src/hello/__main__.py", code.format(4))
    done = project.invoke("cosmo", COSMO_SMOKE="--version 'a b'", A="1")
    assert done.returncode == 1
    assert done.stdout == ""
    *_, printed, last = done.stderr.splitlines()
    assert printed == "['--version', 'a b'] [] False"
    assert last.startswith("cosmo: dist/cosmo/hello does not pass COSMO_SMOKE (")
    assert "exit status 4" in last
    assert project.executable.read_bytes() == before


def test_the_dry_run_of_all_this_gives_the_same_bytes(bare: Project) -> None:
    bare.write("pyproject.toml", SCRIPTS)
    bare.write("src/bird/song.py", SONG + "\n\ndef name():\n    pass\n")
    bare.write("src/bird/data.py", "{{ x }}")
    settings = {"COSMO_ENTRY": "*", "COSMO_KEEP": "bird/data.py", "COSMO_SOURCE": "1"}
    done = bare.invoke("--dry", "cosmo", **settings)
    (bare.path / "script").write_text(done.stdout)
    env = environment(bare.path.parent)
    assert run(["sh", "-e", "script"], env, bare.path).returncode == 0
    first = {name: (bare.build / name).read_bytes() for name in ("sing", "name-of-it")}
    os.utime(bare.path / "src/bird/song.py")
    made(bare, "sing", **settings)
    assert {name: (bare.build / name).read_bytes() for name in first} == first
