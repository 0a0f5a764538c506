"""Dependencies and metadata: what is installed, in which form, and what is refused."""

from __future__ import annotations

import re
import shutil
import subprocess
import zipfile

import pytest

from index import CANNOT, Index
from projects import Project, environment, packed

NEEDS = """\
[project]
name = "hello"
version = "1.5"
requires-python = ">=3.9"
dependencies = [{}]

[project.scripts]
hello = "hello.words:greet"

[project.entry-points."hello.birds"]
owl = "hello.words"
"""

SAY = """\
import sys
{}

print({})
"""


def binary(version: tuple[int, int]) -> str:
    """The tag of a wheel with extension modules."""
    name = "cp{}{}".format(*version)
    return f"{name}-{name}-manylinux2014_x86_64"


def names(project: Project) -> set[str]:
    """The names of the program and its dependencies in the executable."""
    return packed(project.executable, project.interpreter)


def asks(project: Project, *requirements: str, says: str = "1", imports: str = "") -> None:
    """Let the project depend on these, import, and print `says`."""
    project.write("pyproject.toml", NEEDS.format(", ".join(map(repr, requirements))))
    lines = "\n".join(f"import {each}" for each in imports.split())
    project.write("src/hello/__main__.py", SAY.format(lines, says))


def test_dependencies_run_with_their_own_and_their_data(installing: Project, index: Index) -> None:
    files = {"bird/__init__.py": "import wing\nSONG = wing.BEAT", "bird/song.txt": "la"}
    index.wheel("bird", "1.0", files, "wing>=2")
    index.wheel("wing", "1.0", {"wing.py": "BEAT = 1"})
    index.sdist("wing", "2.0", {"wing.py": "BEAT = 2"}, extension="pass")
    says = "bird.SONG, __import__('pkgutil').get_data('bird', 'song.txt').decode()"
    asks(installing, "bird", says=says, imports="bird")
    installing.package()
    assert installing.start().stdout == "2 la\n"
    assert {"bird/__init__.pyc", "bird/song.txt", "wing.pyc"} < names(installing)
    assert not [name for name in names(installing) if name.endswith(".py") or "__pycache__" in name]


def test_the_versions_and_entry_points_of_all_are_known_inside(
    installing: Project, index: Index, version: tuple[int, int]
) -> None:
    index.wheel("bird", "1.0", {"bird.py": ""})
    found = "[each.value for each in m.entry_points()['hello.birds']]"
    if version >= (3, 10):
        found = "[each.value for each in m.entry_points(group='hello.birds')]"
    says = f"m.version('hello'), m.version('bird'), m.requires('hello'), {found}"
    asks(installing, "bird", says=says)
    main = (installing.path / "src/hello/__main__.py").read_text()
    installing.write("src/hello/__main__.py", "from importlib import metadata as m\n" + main)
    installing.package()
    assert installing.start().stdout == "1.5 1.0 ['bird'] ['hello.words']\n"


def test_the_interpreter_decides_which_markers_hold(
    installing: Project, index: Index, version: tuple[int, int]
) -> None:
    for name in ("here", "older", "windows", "newer"):
        index.wheel(name, "1.0", {f"{name}.py": ""})
    index.wheel("here", "2.0", {"here.py": ""}, python=">=3.99")
    now = ".".join(map(str, version))
    asks(
        installing,
        f'here; python_version == "{now}" and sys_platform == "linux"',
        f'older; python_version < "{now}"',
        f'newer; python_version > "{now}"',
        'windows; os_name == "nt"',
    )
    installing.package()
    assert "here-1.0.dist-info/METADATA" in names(installing)
    assert not [name for name in names(installing) if name.startswith(("old", "win", "new"))]


def test_a_requirements_file_stands_in_place_of_the_projects(
    installing: Project, index: Index
) -> None:
    index.wheel("bird", "1.0", {"bird.py": ""})
    index.wheel("bird", "2.0", {"bird.py": ""})
    asks(installing, "nowhere", says="1", imports="bird")
    installing.write("deploy/all.txt", "bird < 2  # not yet\n")
    installing.package(COSMO_DEPS="deploy/all.txt")
    assert "bird-1.0.dist-info/METADATA" in names(installing)
    assert installing.start().returncode == 0


def test_with_none_the_executable_holds_what_the_article_puts_in(
    installing: Project, index: Index
) -> None:
    asks(installing, "nowhere")
    installing.package(COSMO_DEPS="none")
    alone = names(installing)
    assert alone
    assert all(name.startswith("hello/") for name in alone)


def test_metadata_alone_needs_no_installer_and_no_network(installing: Project) -> None:
    asks(installing)
    installing.package(UV_DEFAULT_INDEX="http://127.0.0.1:9/")
    assert "hello-1.5.dist-info/entry_points.txt" in names(installing)


def test_scripts_and_what_tells_of_the_installer_stay_out(
    installing: Project, index: Index
) -> None:
    points = {"bird-1.0.dist-info/entry_points.txt": "[console_scripts]\nbird = bird:sing\n"}
    index.wheel("bird", "1.0", {"bird.py": "def sing(): pass", **points})
    asks(installing, "bird")
    installing.package()
    assert {name for name in names(installing) if name.startswith(("bird", "bin", "."))} == {
        "bird.pyc",
        *(f"bird-1.0.dist-info/{each}" for each in ("METADATA", "RECORD", "WHEEL")),
        *points,
    }
    record = "Lib/site-packages/bird-1.0.dist-info/RECORD"
    told = zipfile.ZipFile(installing.executable).read(record).decode().splitlines()
    assert "bird.pyc,," in told
    assert {row.split(",")[0] for row in told} <= names(installing)


def test_the_dry_run_with_dependencies_gives_the_same_bytes(
    installing: Project, index: Index, version: tuple[int, int]
) -> None:
    tag = binary(version)
    index.wheel("bird", "1.0", {"bird.py": "", "_bird.so": ""}, tag=tag)
    index.sdist("bird", "1.0", {"bird.py": ""})
    asks(installing, "bird", imports="bird")
    checkout = installing.beside("deeper/another checkout")
    shutil.copytree(installing.path, checkout.path)
    done = installing.invoke("--dry", "cosmo")
    assert done.stderr == ""
    env = {**environment(installing.path.parent, TZ="Asia/Tokyo"), **installing.env}
    words = ["sh", "-c", "umask 077; exec sh -e"]
    scripted = subprocess.run(
        words,
        input=done.stdout,
        env=env,
        cwd=checkout.path,
        check=False,
        text=True,
        capture_output=True,
    )
    assert scripted.returncode == 0, scripted.stderr
    assert checkout.executable.read_bytes() == installing.package().read_bytes()


# Extension modules


def forms(project: Project, **settings: str) -> list[str]:
    """What the report says of the forms of dependencies."""
    done = project.invoke("cosmo", **settings)
    assert done.returncode == 0, done.stderr
    return re.findall(r"^  pure +(.*)$", done.stdout, re.MULTILINE)


FAST = "try:\n    from _bird import sing\nexcept ImportError:\n    sing = 'slowly'\n"


def test_a_pure_wheel_comes_before_one_with_extensions(
    installing: Project, index: Index, version: tuple[int, int]
) -> None:
    index.wheel("bird", "1.0", {"bird.py": FAST, "_bird.so": ""}, tag=binary(version))
    index.wheel("bird", "1.0", {"bird.py": FAST})
    asks(installing, "bird", says="bird.sing", imports="bird")
    assert forms(installing) == ["bird 1.0: a pure wheel"]
    assert installing.start().stdout == "slowly\n"


def test_an_sdist_is_built_without_its_extension(
    installing: Project, index: Index, version: tuple[int, int]
) -> None:
    index.wheel("bird", "1.0", {"bird.py": FAST, "_bird.so": ""}, tag=binary(version))
    index.sdist("bird", "1.0", {"bird.py": FAST + "sing = 'from source'"})
    asks(installing, "bird", says="bird.sing", imports="bird")
    assert forms(installing) == ["bird 1.0: its sdist, built without the extension"]
    assert installing.start().stdout == "from source\n"


@pytest.mark.parametrize(
    "files",
    [
        {"bird/__init__.py": FAST.replace("_bird", "bird._bird"), "bird/_bird.abi3.so": ""},
        {"bird.py": "sing = 'slowly'", "bird.cpython-39-x86_64-linux-gnu.so": ""},
        {
            "bird.py": "sing = 'slowly'\n\ndef fly():\n    try:\n        import _bird\n"
            "    except ImportError:\n        return 'low'\n",
            "_bird.so": "",
        },
        {
            "bird/__init__.py": FAST.replace("_bird", "bird.fast"),
            "bird/fast.py": "from bird._bird import sing",
            "bird/_bird.so": "",
            "_bird/__init__.py": "import bird; raise ModuleNotFoundError('No module named _bird')",
        },
    ],
    ids=["guarded", "beside", "guarded later", "guarded above"],
)
def test_an_extension_is_left_out_where_the_rest_can_be_imported(
    installing: Project, index: Index, version: tuple[int, int], files: dict[str, str]
) -> None:
    index.wheel("bird", "1.0", files, tag=binary(version))
    index.sdist("bird", "1.0", {}, extension=CANNOT)
    asks(installing, "bird", says="bird.sing", imports="bird")
    assert forms(installing) == ["bird 1.0: its wheel, without the extension"]
    assert installing.start().stdout == "slowly\n"
    assert not [name for name in names(installing) if name.endswith(".so")]


@pytest.mark.parametrize(
    "files",
    [
        {"_bird.so": ""},
        {"bird.py": "import _bird", "_bird.so": ""},
        {"bird/__init__.py": "", "bird/fly.py": "from . import _bird", "bird/_bird.so": ""},
        {"bird.py": "def fly():\n    import _bird", "_bird.abi3.so": ""},
        {"bird.py": FAST + "\ndef fly():\n    import _bird", "_bird.so": ""},
        {"bird/__init__.py": "def f():\n    from . import _b", "bird/_b.so": ""},
        {"bird.py": "def f(): return __import__('importlib').import_module('_b')", "_b.so": ""},
        {
            "bird.py": "try:\n    import _bird\nexcept ImportError as e:\n    raise OSError(e)",
            "_bird.so": "",
        },
    ],
    ids=[
        *(
            "nothing else",
            "at once",
            "in a part",
            "later",
            "now and later",
            "later from",
            "by name",
        ),
        "in other words",
    ],
)
def test_what_needs_its_extension_is_refused_with_the_chain_that_asks_for_it(
    installing: Project, index: Index, version: tuple[int, int], files: dict[str, str]
) -> None:
    index.wheel("bird", "1.0", files, tag=binary(version))
    index.wheel("wood", "2.0", {"wood.py": ""}, "bird")
    asks(installing, "wood")
    told = installing.refused()
    assert "bird 1.0 needs its extension module" in told
    assert "(hello -> wood -> bird)" in told
    stem = next(name for name in files if name.endswith(".so"))
    installing.package(COSMO_EXCLUDE=stem)


def test_what_did_not_come_from_the_index_is_not_swapped_for_what_is_called_so_there(
    installing: Project, index: Index, version: tuple[int, int]
) -> None:
    tag = binary(version)
    index.wheel("bird", "1.0", {"bird.py": FAST, "_bird.so": ""}, tag=tag)
    given = installing.path / f"bird-1.0-{tag}.whl"
    given.write_bytes(index.mirror.files[f"/files/{given.name}"].data)
    index.wheel("bird", "1.0", {"bird.py": "sing = 'a stranger'"})
    asks(installing, f"bird @ {given.as_uri()}", says="bird.sing", imports="bird")
    assert forms(installing) == ["bird 1.0: its wheel, without the extension"]
    assert installing.start().stdout == "slowly\n"


def test_an_index_that_the_requirements_name_is_the_only_one_for_pure_forms_too(
    installing: Project, index: Index, version: tuple[int, int]
) -> None:
    tag = binary(version)
    index.wheel("bird", "1.0", {"bird.py": FAST, "_bird.so": ""}, tag=tag)
    name = f"bird-1.0-{tag}.whl"
    (installing.path / "wheels").mkdir()
    (installing.path / "wheels" / name).write_bytes(index.mirror.files[f"/files/{name}"].data)
    index.wheel("bird", "1.0", {"bird.py": "sing = 'a stranger'"})
    installing.write("all.txt", "-r more.txt\n")
    installing.write("more.txt", f"--no-index\n--find-links {installing.path / 'wheels'}\nbird\n")
    asks(installing, says="bird.sing", imports="bird")
    told = forms(installing, COSMO_DEPS="all.txt")
    assert told == ["bird 1.0: its wheel, without the extension"]
    assert installing.start().stdout == "slowly\n"


@pytest.mark.parametrize(
    "bad",
    [
        *("import os; os._exit(0)", "import os; os.chdir('/')", "import os; os.write(1, b'x')"),
        *("input()", "import atexit; atexit.register(print)", "import sys; sys.meta_path[:] = []"),
    ],
)
def test_no_module_that_is_tried_can_disturb_the_build(
    installing: Project, index: Index, version: tuple[int, int], bad: str
) -> None:
    tag = binary(version)
    index.wheel("bird", "1.0", {"bird.py": FAST, "_bird.so": "", "worse.py": bad}, tag=tag)
    index.wheel("owl", "1.0", {"owl.py": FAST.replace("_bird", "_owl"), "_owl.so": ""}, tag=tag)
    asks(installing, "bird", "owl")
    form = "its wheel, without the extension"
    assert forms(installing) == [f"bird 1.0: {form}", f"owl 1.0: {form}"]
    assert not [name for name in names(installing) if name.endswith(".so")]


def test_the_program_itself_is_no_dependency(installing: Project, index: Index) -> None:
    index.wheel("hello", "0.1", {"hello/words.py": "other", "hello/old.py": ""})
    index.wheel("bird", "1.0", {"bird.py": ""}, "hello")
    asks(installing, "bird")
    installing.package()
    assert "hello-1.5.dist-info/METADATA" in names(installing)
    assert not {"hello/old.pyc", "hello-0.1.dist-info/METADATA"} & names(installing)


def test_a_package_called_bin_is_a_package(installing: Project, index: Index) -> None:
    index.wheel("bird", "1.0", {"bin/__init__.py": "SONG = 'la'", "a,b.txt": ""})
    asks(installing, "bird", says="bin.SONG", imports="bin")
    installing.package()
    assert installing.start().stdout == "la\n"


def test_what_is_built_without_a_compiler_is_kept_from_the_users_cache(
    installing: Project, index: Index, version: tuple[int, int]
) -> None:
    index.wheel("bird", "1.0", {"bird.py": FAST, "_bird.so": ""}, tag=binary(version))
    index.sdist("bird", "1.0", {"bird.py": FAST})
    asks(installing, "bird")
    cache = installing.path.parent / "cache"
    assert forms(installing, UV_CACHE_DIR=str(cache))
    assert not list(cache.glob("sdists*/**/*.whl"))
    assert list((installing.path.parent / ".cache/cosmo-recipes/uv").glob("sdists*/**/*.whl"))


def test_what_is_excluded_stays_out_of_every_form(
    installing: Project, index: Index, version: tuple[int, int]
) -> None:
    files = {"bird.py": FAST, "bird.c": "", "wing/test/x.py": ""}
    files["bird-1.0.dist-info/entry_points.txt"] = "[console_scripts]\nbird = bird:sing\n"
    index.wheel("bird", "1.0", {**files, "_bird.so": ""}, tag=binary(version))
    index.wheel("bird", "1.0", files)
    asks(installing, "bird", imports="bird")
    assert forms(installing, COSMO_EXCLUDE="*.c */test") == ["bird 1.0: a pure wheel"]
    assert {name for name in names(installing) if name.startswith(("bird.", "wing", "bin"))} == {
        "bird.pyc"
    }


def test_a_dependency_is_left_out_where_what_asks_for_it_does_without(
    installing: Project, index: Index, version: tuple[int, int]
) -> None:
    tag = binary(version)
    index.wheel(
        "bird", "1.0", {"_bird/fast.so": "", "_bird/__init__.py": "from . import fast"}, tag=tag
    )
    index.wheel("wing", "1.0", {"wing.py": "import _bird; _bird.fast"}, "bird")
    index.wheel("owl", "1.0", {"owl.py": FAST.replace("_bird", "wing")}, "wing")
    index.wheel("loud", "1.0", {"loud.py": "def fly():\n    import wing.x"}, "wing")
    asks(installing, "owl", says="owl.sing", imports="owl")
    assert forms(installing) == [
        "bird 1.0: left out, every dependent imports without it (hello -> owl -> wing -> bird)"
    ]
    assert installing.start().stdout == "slowly\n"
    assert not [name for name in names(installing) if name.startswith(("wing", "bird", "_"))]
    for needed in ("loud", "wing", "owl[more]"):
        asks(installing, "owl", needed)
        assert "bird 1.0 needs its extension module _bird.fast" in installing.refused()


# Bad input


def test_what_cannot_be_resolved_is_named(installing: Project, index: Index) -> None:
    index.wheel("bird", "1.0", {"bird.py": ""})
    for requirement in ("bird>=2", "nowhere-to-be-found"):
        asks(installing, requirement)
        assert requirement in installing.refused()


def test_an_index_that_cannot_be_reached_is_named(installing: Project) -> None:
    asks(installing, "bird")
    nowhere = "http://127.0.0.1:9/simple/"
    told = installing.refused(UV_DEFAULT_INDEX=nowhere)
    assert "bird" in told
    assert "refused" in told
    assert "check the network" in told


def test_a_dependency_for_a_newer_python_is_named(installing: Project, index: Index) -> None:
    index.wheel("bird", "1.0", {"bird.py": ""}, python=">=3.99")
    asks(installing, "bird")
    told = installing.refused()
    assert "bird" in told
    assert "3.99" in told


def test_a_program_for_a_newer_python_is_refused(project: Project) -> None:
    asks(project)
    path = project.path / "pyproject.toml"
    path.write_text(path.read_text().replace(">=3.9", ">=3.99"))
    assert "it requires Python >=3.99, and this is 3." in project.refused()


@pytest.mark.parametrize("spec", [">=3.9,<4", "!=3.8.*", "~=3.9", ">3.8", "==3.*", "<=3.99"])
def test_a_program_for_this_python_is_packaged(project: Project, spec: str) -> None:
    asks(project)
    path = project.path / "pyproject.toml"
    path.write_text(path.read_text().replace(">=3.9", spec))
    project.package()


def test_two_that_bring_the_same_file_are_named(installing: Project, index: Index) -> None:
    index.wheel("bird", "1.0", {"shared/x.py": "1", "shared/same.py": ""})
    index.wheel("owl", "1.0", {"shared/x.py": "2", "shared/same.py": ""})
    asks(installing, "bird", "owl")
    told = installing.refused()
    assert "bird 1.0 and owl 1.0 both bring shared/x.py" in told
    installing.package(COSMO_EXCLUDE="shared/x.py")


def test_a_dependency_that_brings_the_programs_own_file_is_named(
    installing: Project, index: Index
) -> None:
    index.wheel("bird", "1.0", {"hello/words.py": "other"})
    asks(installing, "bird")
    assert "hello and bird 1.0 both bring hello/words.py" in installing.refused()


def test_a_module_that_would_hide_a_dependency_is_named(installing: Project, index: Index) -> None:
    index.wheel("bird", "1.0", {"bird/__init__.py": ""})
    asks(installing, "bird")
    (installing.path / "src/bird.py").write_text("")
    told = installing.refused(PKG="bird")
    assert "bird 1.0 both are bird" in told


def test_what_is_editable_goes_in_as_it_is_installed(installing: Project, index: Index) -> None:
    index.wheel("bird", "1.0", {"bird.py": ""})
    asks(installing, imports="hello_version")
    backend = "build-backend = 'backend'\nbackend-path = ['.']\n"
    other = installing.beside("owl")
    other.write("pyproject.toml", f"[build-system]\nrequires = []\n{backend}")
    code = BACKEND.replace("hello/_version.py", "hello_version.py").replace("hello", "owl")
    code = code.replace("owl_version", "hello_version").replace("Requires-Dist: bird\\n", "")
    other.write("backend.py", f"{code}build_editable = build_wheel\n")
    installing.write("all.txt", f"-e {other.path}\n")
    installing.package(COSMO_DEPS="all.txt")
    assert installing.start().stdout == "1\n"


def test_hashes_stay_checked(installing: Project, index: Index, version: tuple[int, int]) -> None:
    tag = binary(version)
    digests = [
        index.wheel("bird", "1.0", {"bird.py": FAST, "_bird.so": ""}, tag=tag),
        index.sdist("bird", "1.0", {"bird.py": FAST}),
    ]
    asks(installing, imports="bird")

    def lock(*hashes: str) -> None:
        words = " \\\n    ".join(f"--hash=sha256:{each}" for each in hashes)
        installing.write("lock.txt", f"bird==1.0 \\\n    {words}\n")

    lock(*digests)
    assert forms(installing, COSMO_DEPS="lock.txt") == [
        "bird 1.0: its sdist, built without the extension"
    ]
    lock(digests[0])
    assert forms(installing, COSMO_DEPS="lock.txt") == [
        "bird 1.0: its wheel, without the extension"
    ]
    installing.write("outer.txt", "-r lock.txt\n")
    told = forms(installing, COSMO_DEPS="outer.txt")
    assert told == ["bird 1.0: its wheel, without the extension"]
    lock("0" * 64)
    refusal = installing.refused(COSMO_DEPS="lock.txt")
    assert "bird" in refusal
    assert "hash" in refusal.lower()


def test_an_sdist_that_needs_a_compiler_is_named(installing: Project, index: Index) -> None:
    index.sdist("bird", "1.0", {"bird.py": ""}, extension=CANNOT)
    asks(installing, "bird")
    assert "bird" in installing.refused()


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("dependencies = 'bird'", "project.dependencies is a string, and must be an array"),
        ("dependencies = [1]", "project.dependencies cannot hold 1"),
        ('dependencies = ["-r other.txt"]', "project.dependencies cannot hold '-r other.txt'"),
        ('dependencies = [" -r x"]', "project.dependencies cannot hold ' -r x'"),
        ('dependencies = ["a\\r-r x"]', "project.dependencies cannot hold 'a\\r-r x'"),
        ("version = 1", "project.version is an integer, and must be a string"),
        ("version = '../..'", "project.version cannot be '../..'"),
        ("name = 'a b'", "project.name cannot be 'a b'"),
        ("scripts = { a = 1 }", "project.scripts.a cannot be 1"),
    ],
)
def test_what_the_project_says_must_have_its_form(project: Project, text: str, wrong: str) -> None:
    project.write(
        "pyproject.toml", f"{text}\n[tool.cosmo.env]\nPKG = 'hello'\n".join(["[project]\n", ""])
    )
    assert wrong in project.refused()


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


def test_a_dynamic_version_and_what_is_generated_come_from_the_build_backend(
    installing: Project, index: Index
) -> None:
    index.wheel("bird", "1.0", {"bird.py": "SONG = 'la'"})
    installing.write(
        "pyproject.toml",
        "[project]\nname = 'hello'\ndynamic = ['version', 'dependencies']\n"
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n",
    )
    installing.write("backend.py", BACKEND)
    code = "from hello import _version; import bird; print(_version.version, bird.SONG)"
    installing.write("src/hello/__main__.py", code)
    installing.write("src/hello/later.py", "")
    before = {path for path in installing.path.rglob("*") if "dist" not in path.parts}
    installing.package(COSMO_EXCLUDE="hello/later.py")
    assert "hello/later.pyc" not in names(installing)
    assert installing.start().stdout == "7.8 la\n"
    assert "hello-7.8.dist-info/METADATA" in names(installing)
    assert {path for path in installing.path.rglob("*") if "dist" not in path.parts} == before


def test_a_backend_that_fails_is_one_line(installing: Project) -> None:
    installing.write(
        "pyproject.toml",
        "[project]\nname = 'hello'\ndynamic = ['version']\n"
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n",
    )
    installing.write("backend.py", "raise SystemExit('no such luck')")
    told = installing.refused()
    assert "hello cannot be built by its own build backend" in told
    assert "no such luck" in told
