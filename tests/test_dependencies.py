"""Dependencies and metadata: what is installed, in which form, and what is refused."""

from __future__ import annotations

import os
import re
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from index import BUILT, CANNOT, Index
from mirror import Mirror
from projects import Project, environment, run

NEEDS = """\
[project]
name = "hello"
version = "1.5"
requires-python = ">=3.9"
dependencies = {}

[project.scripts]
hello = "hello.__main__:main"

[project.entry-points."hello.birds"]
owl = "hello.words"
"""


def require(project: Project, *requirements: str, says: str = "1", imports: str = "sys") -> None:
    """Let the project depend on these, import, and print `says`."""
    project.write("pyproject.toml", NEEDS.format(list(requirements)))
    main = f"import {imports}\n\ndef main():\n    print({says})\n"
    project.write("src/hello/__main__.py", f"{main}\nif __name__ == '__main__':\n    main()\n")


def test_dependencies_run_with_their_data_and_metadata(installing: Project, index: Index) -> None:
    files = {"bird/__init__.py": "import wing\nSONG = wing.BEAT", "bird/song.txt": "la"}
    index.wheel("bird", "1.0", files, "wing>=2")
    index.wheel("wing", "1.0", {"wing.py": "BEAT = 1"})
    index.sdist("wing", "2.0", {"wing.py": "BEAT = 2"}, extension="pass")
    points = "[point for known in m.distributions() for point in known.entry_points]"
    owls = f"[point.value for point in {points} if point.group == 'hello.birds']"
    says = "bird.SONG, pkgutil.get_data('bird', 'song.txt').decode(), "
    says += f"m.version('hello'), m.version('bird'), m.requires('hello'), {owls}"
    require(installing, "bird", says=says, imports="bird, pkgutil, importlib.metadata as m")
    installing.package()
    assert installing.says() == "2 la 1.5 1.0 ['bird'] ['hello.words']\n"
    assert {"bird/__init__.pyc", "bird/song.txt", "wing.pyc"} < installing.held()
    assert not re.search(r"\.py\n|__pycache__", "\n".join([*installing.held(), ""]))


def test_the_interpreter_decides_which_markers_hold(
    installing: Project, index: Index, version: tuple[int, int]
) -> None:
    for name in ("here", "older", "windows", "newer"):
        index.wheel(name, "1.0", {f"{name}.py": ""})
    index.wheel("here", "2.0", {"here.py": ""}, python=">=3.99")
    here = "here; python_version == '{0}.{1}' and sys_platform == 'linux'"
    others = ["older; python_version < '{0}.{1}'", "newer; python_version > '{0}.{1}'"]
    asked = [marker.format(*version) for marker in (here, *others)]
    require(installing, *asked, "windows; os_name == 'nt'")
    installing.package()
    assert "here-1.0.dist-info/METADATA" in installing.held()
    assert not [name for name in installing.held() if name.startswith(("old", "win", "new"))]


def test_a_file_or_nothing_replaces_the_requirements(installing: Project, index: Index) -> None:
    index.wheel("bird", "1.0", {"bird.py": ""})
    index.wheel("bird", "2.0", {"bird.py": ""})
    require(installing, "nowhere", imports="bird")
    installing.write("deploy/all.txt", "bird < 2  # not yet\n")
    installing.package(COSMO_DEPS="deploy/all.txt")
    assert "bird-1.0.dist-info/METADATA" in installing.held()
    assert installing.start().returncode == 0
    installing.package(COSMO_DEPS="none", COSMO_CHECK="0")
    assert {name.partition("/")[0] for name in installing.held()} == {"hello"}


def test_metadata_alone_needs_no_installer_and_no_network(installing: Project) -> None:
    require(installing)
    installing.package(UV_DEFAULT_INDEX="http://127.0.0.1:9/")
    assert "hello-1.5.dist-info/entry_points.txt" in installing.held()


def test_scripts_and_traces_of_the_installer_stay_out(installing: Project, index: Index) -> None:
    points = {"bird-1.0.dist-info/entry_points.txt": "[console_scripts]\nbird = bird:sing\n"}
    index.wheel("bird", "1.0", {"bird.py": "def sing(): pass", **points})
    require(installing, "bird")
    installing.package()
    known = [f"bird-1.0.dist-info/{name}" for name in ("METADATA", "RECORD", "WHEEL")]
    held = installing.held()
    assert {name for name in held if not name.startswith("hello")} == {"bird.pyc", *known, *points}
    record = "Lib/site-packages/bird-1.0.dist-info/RECORD"
    rows = zipfile.ZipFile(installing.executable).read(record).decode().splitlines()
    assert "bird.pyc,," in rows
    assert {row.split(",")[0] for row in rows} <= held


def test_a_dry_run_of_it_gives_the_same_bytes(installing: Project, index: Index, tag: str) -> None:
    index.wheel("bird", "1.0", {"bird.py": "", "_bird.so": ""}, tag=tag)
    index.sdist("bird", "1.0", {"bird.py": ""})
    require(installing, "bird", imports="bird")
    checkout = installing.beside("deeper/another checkout")
    shutil.copytree(installing.path, checkout.path)
    done = installing.succeed("--dry", "cosmo")
    assert done.stderr == ""
    script = installing.write("../script", f"umask 077\n{done.stdout}")
    env = environment(installing.home, TZ="Asia/Tokyo", **installing.env)
    scripted = run(["sh", "-e", str(script)], env, checkout.path)
    assert scripted.returncode == 0, scripted.stderr
    assert checkout.executable.read_bytes() == installing.package().read_bytes()


# Extension modules


FAST = "try:\n    from _bird import sing\nexcept ImportError:\n    sing = 'slowly'\n"
STRIPPED = "its wheel, without the extension"


def forms(project: Project, **settings: str) -> list[str]:
    """What the report says of the forms of dependencies."""
    return re.findall(r"(?m)^  pure +(.*)$", project.succeed(**settings).stdout)


def test_a_pure_wheel_or_an_sdist_comes_first(installing: Project, index: Index, tag: str) -> None:
    index.wheel("bird", "1.0", {"bird.py": FAST, "_bird.so": ""}, tag=tag)
    index.sdist("bird", "1.0", {"bird.py": FAST + "sing = 'from source'"})
    require(installing, "bird", says="bird.sing", imports="bird")
    cache = installing.home / "cache"
    form = "bird 1.0: its sdist, built without the extension"
    assert forms(installing, UV_CACHE_DIR=str(cache)) == [form]
    assert installing.says() == "from source\n"
    assert not list(cache.glob("sdists*/**/*.whl"))  # the user's own cache
    assert list((installing.home / ".cache/cosmo-recipes/uv").glob("sdists*/**/*.whl"))
    index.wheel("bird", "1.0", {"bird.py": FAST})
    assert forms(installing, UV_NO_CACHE="1") == ["bird 1.0: a pure wheel"]
    assert installing.says() == "slowly\n"


LATER = "sing = 'slowly'\n\ndef fly():\n try:\n  import _bird\n except ImportError:\n  return 0\n"
REWORDED = "try:\n    import _bird\nexcept ImportError as e:\n    raise OSError(e)"
GUARDED: dict[str, dict[str, str]] = {
    "at once": {"bird/__init__.py": FAST.replace("_b", "bird._b"), "bird/_bird.abi3.so": ""},
    "beside": {"bird.py": "sing = 'slowly'", "bird.cpython-39-x86_64-linux-gnu.so": ""},
    "later": {"bird.py": LATER, "_bird.so": ""},
    "above": {
        "bird/__init__.py": FAST.replace("_bird", "bird.fast"),
        "bird/fast.py": "from bird._bird import sing",
        "bird/_bird.so": "",
        "_bird/__init__.py": "import bird; raise ModuleNotFoundError('No module named _bird')",
    },
}


@pytest.mark.parametrize("files", GUARDED.values(), ids=GUARDED)
def test_an_extension_is_left_out_where_the_rest_can_be_imported(
    installing: Project, index: Index, tag: str, files: dict[str, str]
) -> None:
    index.wheel("bird", "1.0", files, tag=tag)
    index.sdist("bird", "1.0", {}, extension=CANNOT)
    require(installing, "bird", says="bird.sing", imports="bird")
    assert forms(installing) == [f"bird 1.0: {STRIPPED}"]
    assert installing.says() == "slowly\n"
    assert not [name for name in installing.held() if name.endswith(".so")]


PART = {"bird/__init__.py": "", "bird/fly.py": "from . import _bird", "bird/_bird.so": ""}
NEEDED: dict[str, tuple[str, dict[str, str]]] = {
    "nothing else": ("_bird", {"_bird.so": ""}),
    "at once": ("bird", {"bird.py": "import _bird", "_bird.so": ""}),
    "in a part": ("bird.fly", PART),
    "reworded": ("bird", {"bird.py": REWORDED, "_bird.abi3.so": ""}),
}


@pytest.mark.parametrize(("module", "files"), NEEDED.values(), ids=NEEDED)
def test_what_needs_its_extension_is_refused_with_the_chain_that_asks_for_it(
    installing: Project, index: Index, tag: str, module: str, files: dict[str, str]
) -> None:
    index.wheel("bird", "1.0", files, tag=tag)
    index.wheel("wood", "2.0", {"wood.py": f"import {module}"}, "bird")
    require(installing, "wood", imports="wood")
    extension = next(name for name in files if name.endswith(".so"))
    wrong = (
        r"bird 1.0 needs its extension module \S+, which cannot.*\(hello -> wood -> bird; \S+:1\)"
    )
    assert re.search(wrong, installing.refused())
    assert re.search(wrong, installing.refused(COSMO_EXCLUDE=extension))
    installing.package(COSMO_CHECK="0")


def test_what_a_package_looks_for_in_itself_in_place_of_its_extension_is_not_all_it_needs(
    installing: Project, index: Index, tag: str
) -> None:
    either = "try:\n    from . import _bird\nexcept ImportError:\n    _bird = None\n"
    either += "_bird or __import__('bird._other')\n"
    index.wheel("bird", "1.0", {"bird/__init__.py": either, "bird/_bird.so": ""}, tag=tag)
    index.wheel("bird", "0.9", {"bird/__init__.py": ""})
    require(installing, "bird", imports="bird")
    refused = installing.refused()
    problem = "bird 1.0 needs its extension module, which cannot run in the executable, or"
    assert f"{problem} bird._other (hello -> bird; hello/__main__.py:1)" in refused
    assert "with bird==0.9 it can start: require that" in refused


def test_what_the_interpreter_lacks_is_named_where_it_is_imported(
    installing: Project, index: Index, tag: str
) -> None:
    files = {"bird/__init__.py": "from bird import nest", "bird/nest.py": "import ctypes"}
    index.wheel("bird", "1.0", {**files, "bird/_bird.so": ""}, tag=tag)
    require(installing, "bird", imports="bird")
    assert "ctypes needs _ctypes, which this interpreter lacks (bird/nest.py:1" in (
        installing.refused()
    )


def test_an_extension_that_is_missed_only_when_it_is_tried_is_called_that(
    installing: Project, index: Index, tag: str
) -> None:
    sing = "def sing():\n    from bird import _bird\n"
    index.wheel("bird", "1.0", {"bird/__init__.py": sing, "bird/_bird.so": ""}, tag=tag)
    installing.write("src/hello/words.py", "import bird\n\nbird.sing()\n")
    require(installing, "bird", imports="hello.words")
    problem = "bird 1.0 needs its extension module bird._bird, which cannot run in the executable"
    refused = installing.refused()
    assert f"/hello cannot start: {problem} (bird/__init__.py:2); correct that" in refused


def test_what_fails_in_a_package_without_its_extensions_is_put_down_to_these(
    installing: Project, index: Index, tag: str
) -> None:
    files = {"bird/__init__.py": "from bird import _bird\n_bird.sing()\n", "bird/_bird/x.pyi": ""}
    index.wheel("bird", "1.0", {**files, "bird/_bird.so": ""}, tag=tag)
    require(installing, "bird", imports="bird")
    problem = "bird 1.0 lacks its extension modules, which cannot run in the executable"
    error = "bird/__init__.py:2: AttributeError: module 'bird._bird' has no attribute 'sing'"
    assert f"/hello cannot start: {problem} ({error}); correct that" in installing.refused()


@pytest.mark.parametrize("call", ["main()", "print(main.__name__)"])
def test_what_starts_a_native_program_called_like_its_command_is_refused(
    installing: Project, index: Index, call: str
) -> None:
    run = "import subprocess\n\ndef main():\n    subprocess.call(['bird/bin/song'])\n"
    files = {"bird/__init__.py": run, "bird/bin/song": "\x7fELF", "bird/bin/other": "\x7fELF"}
    files["bird-1.0.dist-info/entry_points.txt"] = "[console_scripts]\nsong = bird:main\n"
    index.wheel("bird", "1.0", files)
    needs = "# /// script\n# dependencies = ['bird']\n# ///\n"
    installing.write("tool.py", f"{needs}from bird import main\n\n{call}\n")
    if call != "main()":
        installing.succeed("cosmo.script", "tool.py")
        return
    refused = installing.refused("cosmo.script", "tool.py")
    problem = "bird 1.0 starts a native program, bird/bin/song, which cannot run in the executable"
    assert f"tool cannot start: {problem}; COSMO_CHECK=0" in refused


def test_an_extra_that_nothing_asks_for_is_no_part_of_the_chain(
    installing: Project, index: Index, tag: str
) -> None:
    bird = {"bird.py": "import _bird", "_bird.so": ""}
    index.wheel("bird", "1.0", bird, "air", "sky[blue]", tag=tag)
    index.wheel("air", "1.0", {"air.py": ""}, "bird; extra == 'feathers'")
    files = {"sea.py": "import _sea", "_sea.so": ""}
    index.wheel("sea", "1.0", files, tag=tag)
    index.wheel("sky", "1.0", {"sky.py": ""}, "sea; extra == 'blue'")
    needs = "# /// script\n# dependencies = ['bird']\n# ///\nimport bird, sea\n"
    installing.write("tool.py", needs)
    refused = installing.refused("cosmo.script", "tool.py")
    assert "(tool -> bird; bird.py:1)" in refused
    assert "(tool -> bird -> sky -> sea; sea.py:1)" in refused


def test_what_an_extension_is_replaced_by_is_no_dependency_of_what_imports_it(
    installing: Project, index: Index, tag: str
) -> None:
    either = "try:\n    from . import _bird\nexcept ImportError:\n    import nest_at_all\n"
    files = {"bird/__init__.py": either, "bird/_bird.py": "import wing_at_all\n"}
    index.wheel("bird", "1.0", {**files, "bird/_bird.so": ""}, tag=tag)
    index.wheel("bird", "0.9", {"bird/__init__.py": ""})
    require(installing, "bird", imports="bird")
    refused = installing.refused()
    assert (
        "bird 1.0 needs its extension module, which cannot run in the executable, or nest_at_all,"
        " which is not installed (hello -> bird; hello/__main__.py:1)"
    ) in refused
    assert "with bird==0.9 it can start: require that" in refused


def test_all_that_is_missing_is_named_at_once(installing: Project, index: Index, tag: str) -> None:
    for name in ("bird", "owl"):
        index.wheel(name, "1.0", {f"{name}.py": f"import _{name}", f"_{name}.so": ""}, tag=tag)
    require(installing, "bird", "owl", imports="bird, owl, nowhere_at_all")
    *lines, last = installing.refused().splitlines()
    assert lines == [
        "bird 1.0 needs its extension module _bird, which cannot run in the executable"
        " (hello -> bird; bird.py:1)",
        "owl 1.0 needs its extension module _owl, which cannot run in the executable"
        " (hello -> owl; owl.py:1)",
        "hello/__main__.py:1 imports nowhere_at_all, which is not installed; add it to the"
        " dependencies; COSMO_CHECK=0 builds it all the same",
    ]
    assert last.startswith("cosmo: hello.__main__:main ([project.scripts]) cannot start: see above")


@pytest.mark.parametrize(
    ("name", "value"),
    [("COSMO_EXCLUDE", "bird/*"), ("COSMO_DEPS", "none"), ("COSMO_DEPS", "r.txt")],
)
def test_a_setting_for_which_a_dependency_is_not_there_is_named(
    installing: Project, index: Index, name: str, value: str
) -> None:
    index.wheel("bird", "1.0", {"bird/__init__.py": "", "bird/song.py": ""})
    for imports in ("bird.song", "bird"):
        require(installing, "bird", imports=imports)
        installing.write("r.txt", "")
        *_, last = installing.refused(**{name: value}).splitlines()
        assert re.search(
            r"hello/__main__.py:1 imports bird(\.song)?, which is not installed; ", last
        )
        assert last.endswith(f"; {name}={value} (environment) may be the cause")


def test_what_is_imported_where_the_program_is_run_is_followed(
    installing: Project, index: Index
) -> None:
    index.wheel("bird", "1.0", {"bird.py": "def sing():\n    import nowhere_at_all\n"})
    needs = "# /// script\n# dependencies = ['bird']\n# ///\n"
    run = "if __name__ == '__main__':\n    from bird import sing\n\n    sing()\n"
    installing.write("tool.py", f"{needs}{run}")
    refused = installing.refused("cosmo.script", "tool.py")
    assert "bird.py:2 imports nowhere_at_all, which is not installed" in refused


def test_only_what_the_index_gave_is_swapped(installing: Project, index: Index, tag: str) -> None:
    index.wheel("bird", "1.0", {"bird.py": FAST, "_bird.so": ""}, tag=tag)
    file = f"bird-1.0-{tag}.whl"
    wheel = installing.write(f"wheels/{file}", "")
    wheel.write_bytes(index.mirror.files[f"/files/{file}"].data)
    index.wheel("bird", "1.0", {"bird.py": "sing = 'a stranger'"})
    installing.write("all.txt", "-r more.txt\n")
    installing.write("more.txt", f"--no-index\n--find-links {wheel.parent}\nbird\n")
    require(installing, f"bird @ {wheel.as_uri()}", says="bird.sing", imports="bird")
    for settings in ({}, {"COSMO_DEPS": "all.txt"}):
        assert forms(installing, **settings) == [f"bird 1.0: {STRIPPED}"]
        assert installing.says() == "slowly\n"


@pytest.mark.parametrize(
    "bad",
    [
        *("import os; os._exit(0)", "import os; os.chdir('/')", "import os; os.write(1, b'x')"),
        *("input()", "import atexit; atexit.register(print)"),
    ],
)
def test_no_module_disturbs_a_build(installing: Project, index: Index, tag: str, bad: str) -> None:
    guarded = f"{FAST}try:\n    import worse\nexcept Exception:\n    pass\n"
    index.wheel("bird", "1.0", {"bird.py": guarded, "_bird.so": "", "worse.py": bad}, tag=tag)
    index.wheel("owl", "1.0", {"owl.py": FAST.replace("_bird", "_owl"), "_owl.so": ""}, tag=tag)
    require(installing, "bird", "owl", imports="bird, owl")
    assert forms(installing) == [f"bird 1.0: {STRIPPED}", f"owl 1.0: {STRIPPED}"]
    assert not [name for name in installing.held() if name.endswith(".so")]


def test_bin_may_be_a_package_and_the_program_is_none(installing: Project, index: Index) -> None:
    index.wheel("hello", "0.1", {"hello/words.py": "other", "hello/old.py": ""})
    index.wheel("bird", "1.0", {"bin/__init__.py": "SONG = 'la'", "a,b.txt": ""}, "hello")
    require(installing, "bird", says="bin.SONG", imports="bin")
    installing.package()
    assert installing.says() == "la\n"
    assert "hello-1.5.dist-info/METADATA" in installing.held()
    assert not {"hello/old.pyc", "hello-0.1.dist-info/METADATA"} & installing.held()


def test_excluded_files_stay_out_of_every_form(installing: Project, index: Index, tag: str) -> None:
    files = {"bird.py": FAST, "bird.c": "", "wing/test/x.py": ""}
    files["bird-1.0.dist-info/entry_points.txt"] = "[console_scripts]\nbird = bird:sing\n"
    index.wheel("bird", "1.0", {**files, "_bird.so": ""}, tag=tag)
    index.wheel("bird", "1.0", files)
    require(installing, "bird", imports="bird")
    assert forms(installing, COSMO_EXCLUDE="*.c */test") == ["bird 1.0: a pure wheel"]
    held = {name for name in installing.held() if name.startswith(("bird.", "wing", "bin"))}
    assert held == {"bird.pyc"}


def test_what_is_imported_behind_a_try_or_later_may_need_its_extension(
    installing: Project, index: Index, tag: str
) -> None:
    fast = {"_bird/fast.so": "", "_bird/__init__.py": "from . import fast"}
    index.wheel("bird", "1.0", fast, tag=tag)
    index.wheel("wing", "1.0", {"wing.py": "import _bird; _bird.fast"}, "bird")
    index.wheel("owl", "1.0", {"owl.py": FAST.replace("_bird", "wing")}, "wing")
    index.wheel("loud", "1.0", {"loud.py": "def fly():\n    import wing"}, "wing")
    require(installing, "owl", "loud", says="owl.sing", imports="owl, loud")
    done = installing.succeed()
    assert f"  pure    bird 1.0: {STRIPPED}\n" in done.stdout
    assert "; optional imports that are not there: 1 (dist/cosmo/.imports)" in done.stderr
    remarks = (installing.build / ".imports").read_text()
    assert remarks.startswith("# _bird/__init__.py:1 may import _bird.fast\n")
    assert installing.says() == "slowly\n"


# Bad input


def test_what_cannot_be_installed_is_named(installing: Project, index: Index) -> None:
    index.wheel("bird", "1.0", {"shared/x.py": "1", "shared/same.py": ""})
    index.wheel("owl", "1.0", {"shared/x.py": "2", "shared/same.py": ""})
    index.wheel("newer", "1.0", {"newer.py": ""}, python=">=3.99")
    index.wheel("strange", "1.0", {"hello/words.py": "other"})
    index.wheel("wren", "1.0", {"wren/__init__.py": ""})
    index.sdist("compiled", "1.0", {"compiled.py": ""}, extension=CANNOT)
    for requirements, *wrong in (
        ("bird>=2", "bird>=2"),
        ("nowhere-to-be-found", "nowhere-to-be-found"),
        ("newer", "newer", "3.99"),
        ("compiled", "compiled"),
        ("strange", "hello and strange 1.0 both bring hello/words.py"),
        ("bird owl", "bird 1.0 and owl 1.0 both bring shared/x.py"),
    ):
        require(installing, *requirements.split())
        message = installing.refused()
        assert [part for part in wrong if part not in message] == []
    installing.package(COSMO_EXCLUDE="shared/x.py")
    require(installing, "wren")
    installing.write("src/wren.py", "")
    assert "wren 1.0 both are wren" in installing.refused(PKG="wren")


def test_an_index_that_cannot_be_reached_is_named(installing: Project) -> None:
    require(installing, "bird")
    message = installing.refused(UV_DEFAULT_INDEX="http://127.0.0.1:9/simple/")
    assert re.search(r"(?s)bird.*refused.*check the network", message)


def test_a_program_is_packaged_for_the_pythons_that_it_says_alone(project: Project) -> None:
    require(project)
    path = project.path / "pyproject.toml"
    text = path.read_text()
    for spec in (">=3.9,<4", "!=3.8.*", "~=3.9", ">3.8", "==3.*", "<=3.99"):
        path.write_text(text.replace(">=3.9", spec))
        project.package()
    path.write_text(text.replace(">=3.9", ">=3.99"))
    refused = project.refused()
    assert "it requires Python >=3.99, and this is 3." in refused
    assert "; name another release with COSMO_VERSION (4.0.2, 3.9.2, " in refused


def test_what_is_editable_goes_in_as_it_is_installed(installing: Project) -> None:
    require(installing, imports="hello_version")
    other = installing.beside("owl")
    other.write("pyproject.toml", BUILT)
    code = BACKEND.replace("hello/_version.py", "hello_version.py").replace("hello", "owl")
    code = code.replace("owl_version", "hello_version").replace("Requires-Dist: bird\\n", "")
    other.write("backend.py", f"{code}build_editable = build_wheel\n")
    installing.write("all.txt", f"-e {other.path}\n")
    installing.package(COSMO_DEPS="all.txt")
    assert installing.says() == "1\n"


def test_hashes_stay_checked(installing: Project, index: Index, tag: str) -> None:
    wheel = index.wheel("bird", "1.0", {"bird.py": FAST, "_bird.so": ""}, tag=tag)
    sdist = index.sdist("bird", "1.0", {"bird.py": FAST})
    require(installing, imports="bird")
    installing.write("outer.txt", "-r lock.txt\n")
    built = "its sdist, built without the extension"
    for file, hashes, form in (
        ("lock.txt", f"--hash=sha256:{wheel} --hash=sha256:{sdist}", built),
        ("lock.txt", f"--hash=sha256:{wheel}", STRIPPED),
        ("outer.txt", f"--hash=sha256:{wheel}", STRIPPED),
    ):
        installing.write("lock.txt", "bird==1.0 {}\n".format(hashes.replace(" ", " \\\n    ")))
        assert forms(installing, COSMO_DEPS=file) == [f"bird 1.0: {form}"]
    installing.write("lock.txt", f"bird==1.0 --hash=sha256:{'0' * 64}\n")
    assert re.search("(?is)(?=.*hash).*bird", installing.refused(COSMO_DEPS="lock.txt"))


def test_what_the_project_says_must_have_its_form(project: Project) -> None:
    for text, wrong in (
        ("dependencies = 'bird'", "dependencies is a string, and must be an array"),
        ("dependencies = [1]", "dependencies cannot hold 1"),
        ('dependencies = ["-r other.txt"]', "dependencies cannot hold '-r other.txt'"),
        ('dependencies = [" -r x"]', "dependencies cannot hold ' -r x'"),
        ('dependencies = ["a\\r-r x"]', "dependencies cannot hold 'a\\r-r x'"),
        ("version = 1", "version is an integer, and must be a string"),
        ("version = '../..'", "version cannot be '../..'"),
        ("name = 'a b'", "name cannot be 'a b'"),
        ("scripts = { a = 1 }", "scripts.a cannot be 1"),
    ):
        project.write("pyproject.toml", f"[project]\n{text}\n[tool.cosmo.env]\nPKG = 'hello'\n")
        assert f"project.{wrong}" in project.refused()


# Programs that only their build backend can tell of

BACKEND = """\
import os, zipfile

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    os.makedirs("build", exist_ok=True)
    open("build/left behind", "w").close()
    name = "hello-7.8-py3-none-any.whl"
    info = "hello-7.8.dist-info/"
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as archive:
        archive.writestr("hello/_version.py", "version = '7.8'")
        archive.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: hello\\nVersion: 7.8\\n"
            "Requires-Dist: bird\\nRequires-Dist: extra; extra == 'more'\\n")
        archive.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        archive.writestr(info + "RECORD", "hello/_version.py,,\\n")
    return name
"""


def test_what_is_dynamic_comes_from_the_build_backend(installing: Project, index: Index) -> None:
    def sources() -> set[Path]:
        return {path for path in installing.path.rglob("*") if "dist" not in path.parts}

    index.wheel("bird", "1.0", {"bird.py": "SONG = 'la'"})
    dynamic = "[project]\nname = 'hello'\ndynamic = ['version', 'dependencies']\n"
    installing.write("pyproject.toml", dynamic + BUILT)
    installing.write("backend.py", BACKEND)
    code = "from hello import _version; import bird; print(_version.version, bird.SONG)"
    installing.write("src/hello/__main__.py", code)
    installing.write("src/hello/later.py", "")
    before = sources()
    installing.package(COSMO_EXCLUDE="hello/later.py")
    assert "hello/later.pyc" not in installing.held()
    assert installing.says() == "7.8 la\n"
    assert "hello-7.8.dist-info/METADATA" in installing.held()
    assert not {".lock", "bin"} & installing.held()
    assert sources() == before
    installing.succeed("cosmo.lock")
    lock = installing.path / "pylock.cosmo.toml"
    assert lock.read_text().count('    "bird",\n') == 1
    installing.package()
    lock.unlink()
    installing.write("backend.py", "raise SystemExit('no such luck')")
    wrong = "(?s)(?=.*no such luck).*hello cannot be built by its own build backend"
    assert re.search(wrong, installing.refused())


def test_without_uv_it_says_how_to_get_it_where_there_is_something_to_install(
    installing: Project,
) -> None:
    alone = installing.path.parent / "alone"
    alone.mkdir()
    (alone / "python").symlink_to(Path(sys.executable).resolve())
    site = next(path for path in sys.path if path.endswith("site-packages"))
    env = installing.environment()
    env["PATH"] = os.pathsep.join(
        p for p in env["PATH"].split(os.pathsep) if not Path(p, "uv").exists()
    )
    env["PYTHONPATH"] = f"{env['PYTHONPATH']}{os.pathsep}{site}"
    command = [str(alone / "python"), "-m", "invoke", "cosmo"]
    done = run(command, env, installing.path)
    assert done.returncode == 0, done.stderr
    installing.write("pyproject.toml", "[project]\nname = 'hello'\ndependencies = ['bird']\n")
    done = run(command, env, installing.path)
    assert done.returncode == 1
    assert done.stderr == (
        "cosmo: the dependencies of hello cannot be installed: there is no uv on PATH; get it with"
        " `pip install uv`, or leave them out with COSMO_DEPS=none\n"
    )


def test_the_dry_run_with_one_dependency_has_few_lines(installing: Project) -> None:
    head = "[project]\nname = 'hello'\nversion = '1'\ndependencies = ['bird']\n"
    installing.write("pyproject.toml", head)
    lines = installing.invoke("--dry", "cosmo").stdout.splitlines()
    assert "# cosmo.deps" in lines
    assert len(lines) <= 45


def test_a_file_of_two_dependencies_stays_where_one_is_left_out(
    installing: Project, index: Index, version: tuple[int, int]
) -> None:
    tag = "cp{0}{1}-cp{0}{1}-manylinux2014_x86_64".format(*version)
    index.wheel("bird", "1.0", {"shared/__init__.py": "V = 1\n", "shared/a.py": ""})
    more = {"shared/b.py": "import _b", "_b.so": ""}
    index.wheel("owl", "1.0", {"shared/__init__.py": "V = 1\n", **more}, tag=tag)
    guarded = "import shared\ntry:\n    import shared.b, _b\nexcept ImportError:\n    pass\n"
    index.wheel("wren", "1.0", {"wren.py": f"{guarded}print(shared.V)\n"}, "bird", "owl")
    head = "[project]\nname = 'hello'\nversion = '1'\ndependencies = ['wren']\n"
    installing.write("pyproject.toml", head)
    installing.write("src/hello/__main__.py", "import wren\n")
    installing.package()
    assert installing.start().stdout == "1\n"


def test_a_hash_holds_for_an_address_and_in_a_lock_too(
    installing: Project, index: Index, mirror: Mirror
) -> None:
    digest = index.wheel("bird", "1.0", {"bird.py": ""})
    (path,) = (path for path in mirror.files if path.endswith(".whl"))
    installing.write("pyproject.toml", "[project]\nname = 'hello'\nversion = '1'\n")
    for requirement in ("bird==1.0", f"bird @ {mirror.address}{path}"):
        installing.write("all.txt", f"{requirement} --hash=sha256:{'0' * 64}\n")
        for task in ("cosmo", "cosmo.lock"):
            assert "hash" in installing.refused(task, COSMO_DEPS="all.txt").lower()
        digests = f"--hash=sha256:{'0' * 64} # was --hash=sha256:{digest}"
        installing.write("all.txt", f"# bird==0 --hash=sha256:{digest}\n{requirement} {digests}\n")
        assert "hash" in installing.refused(COSMO_DEPS="all.txt")
        installing.write("all.txt", f"{requirement} --hash=sha256:{digest}\n")
        installing.package(COSMO_DEPS="all.txt")
    data = mirror.files[path].data
    (installing.path / "bird-1.0-py3-none-any.whl").write_bytes(data)
    for requirement in (mirror.address + path, "./bird-1.0-py3-none-any.whl"):
        installing.write("all.txt", f"{requirement} --hash=sha256:{digest}\n")
        assert "cannot be checked" in installing.refused(COSMO_DEPS="all.txt")
