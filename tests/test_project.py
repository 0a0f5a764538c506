"""The three ways: what of a project goes in, what starts, and where the executable goes."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

import pytest

from index import BACKEND, BUILT, PURE, Files, Index, content
from projects import PYPROJECT, Project, environment, run
from recipes.project import load_project

BIRD = "[project]\nname = 'bird'\nversion = '1.0'\n"
OURS = "[tool.cosmo.env]\n"
ONE = f"{BIRD}scripts.x = 'wing:sing'\n"
TWO = f"{BIRD}scripts.sing = 'bird.song:sing'\nscripts.name-of-it = 'bird.song:name'\n"
SONG = "import sys\n\n\ndef sing(bird='owl'):\n    print(bird, sys.argv[1:])\n    return 3\n"
SONG += "\n\ndef name():\n    print(sys.argv[0].rpartition('/')[2])\n"
POINTS = "[console_scripts]\nsing = bird.song:sing [loud]\n[gui_scripts]\nname-of-it = "
POINTS += "bird.song:name\n"
COMMANDS = {"bird/song.py": SONG, "bird-1.0.dist-info/entry_points.txt": POINTS}


@pytest.fixture
def bird(installing: Project) -> Project:
    """A project called bird, for a build backend of its own, without any source."""
    shutil.rmtree(installing.path / "src/hello")
    installing.write("pyproject.toml", BUILT + BIRD)
    installing.executable = installing.build / "bird"
    return installing


def write_backend(project: Project, files: Files, *requires: str, first: str = "") -> None:
    """Write a build backend that runs `first`, and makes a wheel of these files."""
    shutil.rmtree(project.path / "content", ignore_errors=True)
    for file, text in content("bird", "1.0", files, requires, "", PURE).items():
        project.write(f"content/{file}", text)
    text = BACKEND.format(name="bird", version="1.0", tag=PURE)
    project.write("backend.py", f"{first}\n{text}")


@pytest.mark.parametrize(
    ("files", "text", "env", "found"),
    [
        ("src/bird/x.py bird.py", BIRD, "", "copy src/bird -m bird"),
        ("bird/x.py", BIRD, "", "copy bird -m bird"),
        ("bird.py wing.py", BIRD, "PKG=wing", "copy wing.py -m wing"),
        ("src/wood/bird.py", BIRD, "PKG=wood.bird", "copy src/wood -m wood.bird"),
        ("a/b/bird.py bird.py", BIRD, "COSMO_SRC=a/b", "copy a/b/bird.py -m bird"),
        ("bird.py", ONE, "", "copy bird.py wing:sing"),
        ("wing.py", ONE, "", "copy wing.py wing:sing"),
        ("a_bird.py", BIRD.replace("bird", "a-bird"), "", "copy a_bird.py -m a_bird"),
        ("setup.cfg=[flake8] bird.py", BIRD, "", "copy bird.py -m bird"),
        ("bird.py bird/data.txt", BIRD, "", "copy bird.py -m bird"),
        ("bird.py src/bird/__init__.py", BIRD, "", "copy src/bird -m bird"),
        ("setup.cfg=[metadata]\nname=bird", "", "", "wheel"),
        ("setup.py", "", "PKG=wing", "wheel -m wing"),
        ("", f"{BIRD}[tool.uv]\npackage = true", "", "wheel"),
        ("", f"{BUILT}{BIRD}{OURS}PKG = 'wing'", "", "wheel -m wing"),
        ("hello.py", f"{BUILT}{ONE}{PYPROJECT}", "", "article hello.py -m hello"),
        ("wing.py setup.py", PYPROJECT, "PKG=wing", "article wing.py -m wing"),
    ],
)
def test_the_project_and_its_settings_say_which_way_it_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: str, text: str, env: str, found: str
) -> None:
    for name, _, more in (word.partition("=") for word in [*files.split(" "), "pyproject.toml"]):
        Project(tmp_path, tmp_path).write(name or "empty", more or text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", dict([env.split("=")] if env else []))
    loaded = load_project()
    assert " ".join(filter(None, (loaded.way, loaded.source, loaded.start.entry))) == found


def test_the_article_takes_its_package_and_what_is_required(bird: Project, index: Index) -> None:
    index.wheel("owl", "1.0", {"owl.py": "print('hoot')\n"})
    text = f"{BUILT}{ONE}dependencies = ['owl']\n{PYPROJECT}"
    bird.write("pyproject.toml", text.replace("hello", "bird"))
    bird.write("src/bird/__main__.py", "import sys, owl\nprint(sys.argv[1:], sys.flags.isolated)")
    for name in ("t/page.py", "_fast.so", "notes.txt", ".hidden", "words.py~", ".#w.py"):
        bird.write(f"src/bird/{name}", "")
    bird.write("src/bird/__pycache__/words.cpython-39.pyc", "junk")
    bird.write("src/wing.py", "")
    bird.package()
    held = {name[5:] for name in bird.packed_files() if not name.startswith("owl")}
    assert held == {"__main__.pyc", "t/page.pyc", "_fast.so", "notes.txt", ".hidden"}
    assert bird.run_executable("x") == "hoot\n['x'] 0\n"


def test_a_wheel_is_as_its_backend_made_it(bird: Project, index: Index) -> None:
    index.wheel("owl", "1.0", {"owl.py": "", "owl-1.0.dist-info/entry_points.txt": POINTS})
    text = f"{BUILT}{BIRD}dynamic = ['dependencies', 'scripts']\n"
    text += f"{OURS}COSMO_INCLUDE = 'more.txt more'\n"
    bird.write("pyproject.toml", text)
    bird.write("src/bird/not_in_the_wheel.py", "")
    bird.write("src/more.txt", "")
    bird.write("src/more/__pycache__/x.pyc", "junk")
    files = {**COMMANDS, "bird/__init__.py": "import owl", "bird/data.txt": "", "bird/_fast.so": ""}
    files.update({"bird-1.0.data/scripts/chirp": "#!python\n", "bird/t/x.py": "{{"})
    write_backend(bird, files, "owl", first="open('content/wing.py', 'w').write('import bird')")
    assert "bird has several commands; name one with COSMO_ENTRY: sing, name" in bird.refused()
    assert "has no command fly; it has sing, name-of-it; name" in bird.refused(COSMO_ENTRY="fly")
    bird.executable = bird.build / "sing"
    report = bird.succeed(COSMO_ENTRY="sing").stdout
    assert "\n  left out 1 extension module of bird 1.0\n" in report
    held = {"bird/__init__.pyc", "bird/song.pyc", "bird/data.txt", "bird/t/x.py", "wing.pyc"}
    assert {name for name in bird.packed_files() if "info/" not in name} == {
        *held,
        "owl.pyc",
        "more.txt",
    }
    assert "bird-1.0.dist-info/entry_points.txt" in bird.packed_files()
    done = bird.start("a b")
    assert (done.stdout, done.returncode) == ("owl ['a b']\n", 3), done.stderr
    assert (bird.build / ".args").read_text().startswith("-I\n-c\nimport sys; ")
    bird.succeed(COSMO_ENTRY="bird.song:name", COSMO_OUT="dist/wing.com")
    assert bird.run_executable(name="../wing.com") == "wing.com\n"
    assert not [name for name in bird.packed_files("../wing.com") if "__pycache__" in name]
    (bird.path / "src/more/link").symlink_to(bird.path / "shared")
    for text in ("one", "two"):
        bird.write("shared/note.txt", text)
        bird.succeed(COSMO_ENTRY="sing")
        with zipfile.ZipFile(bird.executable) as archive:
            assert archive.read("Lib/site-packages/more/link/note.txt").decode() == text


def test_the_printed_script_makes_the_same_which_knows_its_name(bird: Project) -> None:
    bird.write("pyproject.toml", BUILT + TWO.replace("scripts.name", "gui-scripts.name"))
    write_backend(bird, COMMANDS)
    bird.env["COSMO_ENTRY"] = "name-of-it"
    script = bird.write("script", bird.succeed("--dry", "cosmo").stdout)
    env = environment(bird.home, **bird.env)
    assert run(["sh", "-e", str(script)], env, bird.path).returncode == 0
    first = (bird.build / "name-of-it").read_bytes()
    bird.succeed()
    assert (bird.build / "name-of-it").read_bytes() == first
    assert bird.succeed("--dry", "cosmo").stdout == script.read_text()
    (bird.build / "name-of-it").rename(bird.build / "another")
    assert bird.run_executable(name="another") == "another\n"


def test_without_a_command_a_package_starts(bird: Project, tag: str) -> None:
    write_backend(bird, {f"{name}/__main__.py": f"print('{name}')" for name in ("bird", "wing")})
    bird.package()
    assert (bird.run_executable(), (bird.build / ".args").read_text()) == (
        "bird\n",
        "-I\n-m\nbird\n...",
    )
    bird.package(PKG="wing")
    assert bird.run_executable(name="wing") == "wing\n"
    write_backend(bird, {f"{name}/__main__.py": "" for name in ("fly", "wing")})
    assert "bird has no command, and no package with a __main__; write one" in bird.refused()
    assert "bird cannot start: there is no module bird;" in bird.refused(PKG="bird")
    bird.write("backend.py", BACKEND.format(name="bird", version="1.0", tag=tag))
    assert f"bird-1.0-{tag}.whl holds compiled modules, which cannot run" in bird.refused()


@pytest.mark.parametrize("file", ["setup.py", "setup.cfg"])
def test_setuptools_leaves_nothing_behind(bird: Project, index: Index, file: str) -> None:
    first = "import os, re, shutil\nconfig = open(os.environ['DIST_EXTRA_CONFIG']).read()\n"
    first += "assert 'egg_base = /' in config\nbase = re.search('base = (dist/.*)', config)[1]\n"
    first += "shutil.copytree('content', base, dirs_exist_ok=True)"  # old files in it go in, too
    files = {"bird/__main__.py": "import owl; print('la')", "bird/old.py": ""}
    write_backend(bird, files, "owl", first=first)
    backend = (bird.path / "backend.py").read_text().replace('"content"', "base")
    backend += "\nclass __legacy__:\n    build_wheel = staticmethod(build_wheel)\n"
    index.wheel("setuptools", "80.0", {"setuptools/build_meta.py": backend})
    index.wheel("owl", "1.0", {"owl.py": ""})
    (bird.path / "backend.py").unlink()
    bird.write("pyproject.toml", f"{OURS}COSMO_ISOLATED = 0\n")  # uv needs it, or setup.py
    bird.write(file, "[metadata]\nname = bird\n" if file == "setup.cfg" else "")
    before = {path.name for path in bird.path.iterdir()}
    bird.package()
    assert (bird.run_executable(), (bird.build / ".args").read_text()) == ("la\n", "-m\nbird\n...")
    assert "bird/old.py" in bird.packed_files()
    (bird.path / "content/bird/old.py").unlink()
    bird.package()
    assert "bird/old.py" not in bird.packed_files()
    assert {path.name for path in bird.path.iterdir()} == before | {"dist"}


def test_a_copy_has_what_is_included_and_not_what_is_excluded(bird: Project) -> None:
    bird.write("app.py", "import helper, os\nprint(helper.read(), __file__)\n")
    read = "open(os.path.join(os.path.dirname(__file__), 'pages/a.txt')).read()"
    bird.write("helper.py", f"import os\n\ndef read():\n    return {read}\n")
    files = {"pages/a.txt": "page", "pages/env.py": "{{ x", "site/old.py": "print 1\n"}
    names = ("__init__.py", "tests/test_a.py", "tests/deep/x.txt", "notes for us.txt", ".DS_Store")
    for name, text in {**files, **{f"site/{name}": "" for name in names}}.items():
        bird.write(name, text)
    bird.write("pyproject.toml", f"{OURS}PKG = 'app'\nCOSMO_INCLUDE = 'helper.py pages'\n")
    bird.executable = bird.build / "app"
    assert f"there is no wing; name what is in {bird.path}" in bird.refused(COSMO_INCLUDE="wing")
    lies = "app.py:1 imports helper, which lies beside the program; put it in with COSMO_INCLUDE"
    assert lies in bird.refused(COSMO_INCLUDE="")
    include, exclude = "helper.py pages/a.txt pages site", "site/t*s '*/n* u*'"
    report = bird.succeed(COSMO_INCLUDE=include, COSMO_EXCLUDE=exclude).stdout
    assert "\n  as .py   site/old.py, which does not compile\n" in report
    assert bird.run_executable() == "page /zip/Lib/site-packages/app.pyc\n"
    packed = {"app.pyc", "helper.pyc", "pages/a.txt", "pages/env.py"}
    assert bird.packed_files() == {*packed, "site/__init__.pyc", "site/old.py"}
    for name in ("bin/tool", "bin/__pycache__/x.pyc", "locale/a.so.json", "locale/RECORD"):
        bird.write(name, "one")
    bird.package(COSMO_INCLUDE="helper.py pages bin locale")
    assert bird.packed_files() == {*packed, "bin/tool", "locale/a.so.json", "locale/RECORD"}


def test_a_module_called_like_a_package_is_refused(installing: Project, index: Index) -> None:
    index.wheel("bird", "1.0", {"bird/__init__.py": "print('not me')"})
    index.wheel("owl", "1.0", {"owl.py": "", "owl/notes.txt": "no package"})
    for name in ("bird", "owl"):
        script = f"# /// script\n# dependencies = ['{name}']\n# ///\nprint('me')\n"
        installing.write(f"{name}.py", script)
    problem = "{} is also a package in the executable, which would run in its place"
    assert problem.format("bird") in installing.refused("cosmo.script", "bird.py")
    installing.write("pip.py", "print('me')\n")
    assert problem.format("pip") in installing.refused("cosmo.script", "pip.py", COSMO_PRUNE="")
    installing.succeed("cosmo.script", "owl.py")
    assert installing.run_executable(name="owl") == "me\n"


def test_an_entry_in_sources_is_a_script_or_a_function_that_ends_it(bird: Project) -> None:
    bird.write("pyproject.toml", TWO)
    bird.write("src/bird/song.py", f"{SONG}\n\nclass Bird:\n    chirp = staticmethod(sing)\n")
    bird.succeed(COSMO_ENTRY="name-of-it", COSMO_OUT="dist/name-of-it")
    assert bird.run_executable(name="../name-of-it") == "name-of-it\n"
    assert "there is no module bird.__main__" in bird.refused()
    bird.write("../away/bird/song.py", "raise SystemExit('shadow')")
    for entry in ("bird.song:Bird.chirp", "sing"):
        bird.package(COSMO_ENTRY=entry)
        done = bird.start("a b")
        assert (done.stdout, done.returncode) == ("owl ['a b']\n", 3), done.stderr
    problem = "COSMO_ENTRY='nowhere' (environment) is neither `module:function` nor a command"
    assert problem in bird.refused(COSMO_ENTRY="nowhere")
    assert "no command bird.song:sing();x;" in bird.refused(COSMO_ENTRY="bird.song:sing();x")
    assert "bird.song has no dance" in bird.refused(COSMO_ENTRY="bird.song:dance")


SCRIPT = """\
# /// script
# requires-python = ">=3.9"
# dependencies = ["bird"]
# [tool.cosmo.env]
# COSMO_SOURCE = 1
# ///
import __main__, sys, bird
ONE = 1
print(bird.SONG, sys.argv[0][-5:], sys.argv[1:], __main__.ONE, sys.flags.isolated, __file__[-10:])
"""


def test_a_script_brings_what_its_comments_say(installing: Project, index: Index) -> None:
    index.wheel("bird", "1.0", {"bird/__init__.py": "SONG = 'la'"})
    installing.write("tools/my-tool.py", SCRIPT)
    text = "import json\r\nprint(json.dumps({}))\r\n"
    others = {
        "tool": "# /// script\r\n# ///\r\n",
        "2 fast.py": "",
        "-x.py": "",
        "json.py": "",
        "class.py": "",
    }
    for name, block in others.items():
        (installing.path / "tools" / name).write_bytes((block + text).encode())
    words = [word for name in others for word in ("cosmo.script", f"tools/{name}")]
    installing.succeed("cosmo.script", "tools/my-tool.py", *words, "cosmo.setup")
    tools = installing.path / "tools/dist/cosmo"
    assert (
        installing.run_executable("x", name=f"{tools}/my-tool") == "la -tool ['x'] 1 1 my_tool.py\n"
    )
    for name in others:
        assert installing.run_executable(name=f"{tools}/{Path(name).stem}") == "{}\n", name
    assert (installing.build / "Lib/site-packages/hello/words.py").exists()  # is not of a script


def test_a_script_that_cannot_be_read_is_named(project: Project) -> None:
    assert f"no such file: {project.path}/tool.py" in project.refused("cosmo.script", "tool.py")
    for text, wrong in (
        (SCRIPT.replace('["bird"]', "[bird]"), "is not valid TOML"),
        (SCRIPT + SCRIPT, "has several `# /// script` blocks"),
        (SCRIPT.replace("COSMO_SOURCE", "COSMO_SORCE"), "no setting; did you mean COSMO_SOURCE?"),
        (SCRIPT.replace(">=3.9", ">=3.99"), "it requires Python >=3.99, and this is 3."),
        (SCRIPT.replace("# ///\n", "", 1), "has a `# /// script` without an end"),
    ):
        project.write("tool.py", text)
        assert wrong in project.refused("cosmo.script", "tool.py")


def test_sources_show_in_tracebacks(project: Project, version: tuple[int, int]) -> None:
    fail = "import inspect\n\n\ndef fail():\n    raise KeyError('x')  # the line itself\n"
    project.write("src/hello/fails.py", fail)
    code = "def f():\n    'documented'\n\n\nassert False, 'asserted'\nprint(f.__doc__)\n"
    more = "import hello.fails, inspect\nprint(inspect.getsource(hello.fails.fail))\n"
    project.write("src/hello/__main__.py", f"{code}{more}hello.fails.fail()\n")
    project.package(COSMO_SOURCE="1", COSMO_OPTIMIZE="1")
    tag = "cpython-{}{}.opt-1".format(*version)
    assert {"hello/fails.py", f"hello/__pycache__/fails.{tag}.pyc"} <= project.packed_files()
    done = project.start(PYTHONVERBOSE="1")
    assert done.stdout == f"documented\n{fail[17:]}\n"
    assert '/zip/Lib/site-packages/hello/fails.py", line 5, in fail' in done.stderr
    assert "    raise KeyError('x')  # the line itself\n" in done.stderr
    assert f"code object from '/zip/Lib/site-packages/hello/__pycache__/fails.{tag}" in done.stderr
    project.write("src/hello/__main__.py", code)
    for level, shown in (("0", "asserted\n"), ("2", "None\n")):
        project.package(COSMO_OPTIMIZE=level, COSMO_CHECK="0")
        assert project.run_executable().endswith(shown)


def test_the_result_can_be_named_and_what_is_not_ours_stays(project: Project) -> None:
    for name in ("a;touch pwned;b '$(touch pwned)", "-x"):
        project.package(COSMO_OUT=f"bin/{name}")
        assert project.start("x", name=str(project.path / "bin" / name)).returncode == 1
    assert not list(project.path.rglob("pwned"))
    project.write("pyproject.toml", f"{PYPROJECT}{OURS}COSMO_OUT = 'dist/out here/$PKG.com'\n")
    for text in ("one", "other"):  # which replaces the one
        project.write("src/hello/greeting.txt", text)
        assert "  start    './dist/out here/hello.com'\n" in project.succeed().stdout
    os.mkfifo(project.path / "pipe")
    project.write("theirs", "precious")
    assert "pipe exists, and is not a plain file" in project.refused(COSMO_OUT="pipe")
    out, part = project.path / "bin/-x", project.path / "bin/.cosmo.part"
    for theirs in (project.path / "theirs", out):  # which a build had made
        theirs.write_text("precious")
        said = project.refused(COSMO_OUT=os.path.relpath(theirs, project.path))
        assert f"{theirs.name} exists, and is not what a build made" in said
        assert theirs.read_text() == "precious"
    project.succeed("cosmo", "--force", COSMO_OUT="bin/-x")
    assert not part.exists()
    for to in (project.home, project.path / "theirs", None):
        part.symlink_to(to) if to else part.mkdir()
        assert "part exists, and is not a plain file" in project.refused(COSMO_OUT="bin/new")
        part.unlink() if to else part.rmdir()
    assert [path.name for path in (project.path / "bin").glob("*x")] == ["-x"]
    assert (project.path / "theirs").read_text() == "precious"


def test_what_does_not_pass_its_trial_is_not_put_in_place(project: Project) -> None:
    code = "import os, sys\nprint(sys.argv[1:], os.listdir('.'), 'A' in os.environ)\nexit({})\n"
    project.write("src/hello/__main__.py", code.format(0))
    moved = project.beside("a[1]*")
    project.path.rename(moved.path)
    moved.write("../tasks.py", moved.tasks.text)
    smoke = {"COSMO_SMOKE": "--version 'a b'", "A": "1", "COSMO_EXCLUDE": "hello/greeting*"}
    moved.succeed(cwd=moved.home, COSMO_PROJECT="a[1]*", **smoke)
    assert "hello/greeting.txt" not in moved.packed_files()
    moved.write("src/hello/__main__.py", code.format(4))
    printed, last = moved.refused(**smoke).splitlines()
    assert printed == "['--version', 'a b'] [] False"
    assert "hello does not pass COSMO_SMOKE (--version 'a b'): exit status 4; correct" in last


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_what_a_wheel_installs_is_tried_too(installing: Project, index: Index, shell: str) -> None:
    for name, body in ("owl", "exit('--bad' in sys.argv)"), ("wren", "exit('no home')"):
        points = f"[console_scripts]\nhoot = {name}:main\n"
        files = {f"{name}.py": f"import sys\ndef main():\n    {body}\n"}
        index.wheel(name, "1.0", {**files, f"{name}-1.0.dist-info/entry_points.txt": points})
    env = {"INVOKE_RUN_SHELL": shell}
    installing.succeed("cosmo.app", "owl", **env)
    said = installing.refused("cosmo.app", "owl", COSMO_SMOKE="--bad", **env)
    assert "owl does not pass COSMO_SMOKE (--bad): exit status 1; " in said
    said = installing.refused("cosmo.app", "wren", **env)
    assert "no home" in said
    assert "wren does not pass a start (--help): exit status 1; COSMO_CHECK=0 skips" in said
