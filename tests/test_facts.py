"""What is known of the interpreter's file, of `/zip`, of `.args` and of zip, as it stands in facts.

Every test here holds for the genuine interpreter as it does for a stand-in.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import stat
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from projects import environment, run, start

APE_IS_REGISTERED = any(Path("/proc/sys/fs/binfmt_misc").glob("APE*"))


@pytest.fixture
def python(interpreter: Path, tmp_path: Path) -> Path:
    """A copy of the interpreter, free to be changed, in a directory with nothing else."""
    (tmp_path / "bin").mkdir()
    return Path(shutil.copy(interpreter, tmp_path / "bin/python.com"))


def tell(file: Path, code: str, *options: str, **env: str) -> Any:
    """What `code` leaves in `told`, brought over as JSON."""
    code = f"import json, os, sys\n{code}\nprint(json.dumps(told))"
    done = start(file, *options, "-c", code, home=file.parent, **env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def outcome(file: Path, action: str) -> Any:
    """The errno that `action` ends with, 0 for none."""
    code = f"told = 0\ntry:\n    {action}\nexcept OSError as error:\n    told = error.errno"
    return tell(file, code)


def add(file: Path, name: str, text: str, mode: int = 0o100644) -> None:
    """Add a member to the interpreter's zip."""
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(info, text)


# The file


def test_it_begins_as_a_pe_header_and_a_shell_script(python: Path) -> None:
    assert re.match(rb"(MZqFpD|jartsr)='\n", python.read_bytes()[:9])


@pytest.mark.skipif(APE_IS_REGISTERED, reason="this kernel starts it by itself")
def test_the_kernel_refuses_to_start_it(python: Path) -> None:
    with pytest.raises(OSError, match="Exec format error"):
        subprocess.run([python, "-c", "pass"], check=False)
    with pytest.raises(OSError, match="Exec format error"):
        os.posix_spawn(python, [str(python), "-c", "pass"], {})


@pytest.mark.skipif(
    APE_IS_REGISTERED or bool(shutil.which("ape")), reason="this machine has a loader of its own"
)
@pytest.mark.parametrize("names", [("TMPDIR", "HOME"), ("HOME",), ()])
def test_its_first_start_writes_a_loader(python: Path, names: tuple[str, ...]) -> None:
    places = {name: python.parent / name for name in ("TMPDIR", "HOME", "away")}
    for place in places.values():
        place.mkdir()
    env = {"PATH": os.environ["PATH"], **{name: str(places[name]) for name in names}}
    done = run(["sh", str(python), "-c", "print(6 * 7)"], env, places["away"])
    assert done.stdout == "42\n", done.stderr
    written = [name for name, place in places.items() if list(place.glob(".ape*"))]
    assert written == [*names, "away"][:1]


@pytest.mark.parametrize(
    "line",
    [
        "./python.com -c 'print(6 * 7)'",
        "sh python.com -c 'print(6 * 7)'",
        "env ./python.com -c 'print(6 * 7)'",
        "nohup ./python.com -c 'print(6 * 7)'",
        "timeout 60 ./python.com -c 'print(6 * 7)'",
        "find . -name python.com -exec {} -c 'print(6 * 7)' ';'",
        "PATH=$PWD:$PATH; python.com -c 'print(6 * 7)'",
        "ln -s python.com link; ./link -c 'print(6 * 7)'",
        "mkdir 'a b'; cp python.com 'a b'; 'a b/python.com' -c 'print(6 * 7)'",
    ],
)
def test_a_shell_starts_it(python: Path, line: str) -> None:
    done = run(["sh", "-c", line], environment(python.parent), python.parent)
    assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr


def test_it_needs_its_x_bit_even_when_a_shell_is_told_to_read_it(python: Path) -> None:
    python.chmod(0o644)
    assert start(python, "-c", "pass", home=python.parent).returncode != 0


def test_running_it_changes_neither_the_file_nor_the_directory(python: Path) -> None:
    before = python.read_bytes()
    home = python.parent.parent / "home"
    away = python.parent.parent / "away"
    home.mkdir()
    away.mkdir()
    assert start(python, "-c", "import json", home=home, cwd=away).returncode == 0
    assert python.read_bytes() == before
    assert os.listdir(away) == []
    assert os.listdir(python.parent) == ["python.com"]


def test_assimilated_it_starts_without_a_shell_and_is_still_a_zip(python: Path) -> None:
    size = python.stat().st_size
    assert start(python, "--assimilate", home=python.parent).returncode == 0
    assert python.stat().st_size == size
    done = run([str(python), "-c", "print(6 * 7)"], environment(python.parent), python.parent)
    assert done.stdout == "42\n"
    assert "Lib/os.pyc" in zipfile.ZipFile(python).namelist()


# zip and unzip


def test_zip_adds_grows_and_deletes_without_a_warning(python: Path) -> None:
    folder = python.parent
    (folder / "Lib").mkdir()
    (folder / "Lib/one.py").write_text("print(1)")
    (folder / "Lib/two.py").write_text("print(2)")
    for line in (
        "zip -q -r python.com Lib -i '*one.py'",
        "zip -q -g -r python.com Lib -i '*two.py'",
        "zip -q -d python.com Lib/two.py",
    ):
        done = run(["sh", "-c", line], environment(folder), folder)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), line
    assert start(python, "-m", "one", home=folder).stdout == "1\n"
    assert start(python, "-m", "two", home=folder).returncode == 1


def test_zip_copies_it_less_what_is_excluded(python: Path) -> None:
    folder = python.parent
    for line in (
        "zip -q -U python.com '*' --out copied.com -x 'Lib/json/*' nothing; chmod +x copied.com",
        "cp python.com deleted.com; zip -q -d deleted.com 'Lib/json/*'",
    ):
        done = run(["sh", "-c", line], environment(folder), folder)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    copied, deleted = (
        {info.filename: info.CRC for info in zipfile.ZipFile(folder / name).infolist()}
        for name in ("copied.com", "deleted.com")
    )
    assert copied == deleted
    assert start(folder / "copied.com", "-c", "print(6 * 7)", home=folder).stdout == "42\n"
    assert start(folder / "copied.com", "-c", "import json", home=folder).returncode == 1


def test_zip_adds_its_ending_to_a_name_without_a_dot(python: Path) -> None:
    (python.parent / "plain").write_bytes(python.read_bytes())
    line = ["zip", "-q", "-d", "plain", "Lib/json/*"]
    done = run(line, environment(python.parent), python.parent)
    assert done.returncode != 0
    assert "plain.zip" in done.stdout + done.stderr


def test_zip_finds_its_offsets_right(python: Path) -> None:
    done = run(["zip", "-A", python.name], environment(python.parent), python.parent)
    assert "Zip entry offsets do not need adjusting" in done.stdout + done.stderr


def test_zip_ends_with_12_where_no_pattern_matches(python: Path) -> None:
    line = "zip -q -d python.com 'nothing/*'"
    done = run(["sh", "-c", line], environment(python.parent), python.parent)
    assert done.returncode == 12
    line = "zip -q -d python.com 'nothing/*' Lib/sitecustomize.pyc"
    done = run(["sh", "-c", line], environment(python.parent), python.parent)
    assert done.returncode == 0


@pytest.mark.skipif(not shutil.which("unzip"), reason="needs unzip")
@pytest.mark.parametrize("command", ["unzip -qql", "unzip -tqq", "zip -q -T"])
def test_unzip_reads_it_without_a_warning(python: Path, command: str) -> None:
    done = run([*command.split(), python.name], environment(python.parent), python.parent)
    assert (done.returncode, done.stderr) == (0, "")


# Inside the zip


def test_the_standard_library_is_compiled_and_pip_is_source(python: Path) -> None:
    names = zipfile.ZipFile(python).namelist()
    library = [name for name in names if not name.startswith("Lib/site-packages/")]
    assert "Lib/os.pyc" in names
    assert "Lib/sitecustomize.pyc" in names
    assert "Lib/site-packages/pip/__init__.py" in names
    assert any(name.startswith(("usr/share/", "share/")) for name in names)
    assert not [name for name in library if name.startswith("Lib/") and name.endswith(".py")]


def test_a_pruned_module_is_missing(python: Path) -> None:
    assert start(python, "-c", "import colorsys", home=python.parent).returncode == 0
    line = ["zip", "-q", "-d", python.name, "Lib/colorsys.pyc"]
    assert run(line, environment(python.parent), python.parent).returncode == 0
    done = start(python, "-c", "import colorsys", home=python.parent)
    assert "No module named 'colorsys'" in done.stderr


def test_an_entry_without_a_file_type_cannot_be_imported(python: Path) -> None:
    add(python, "Lib/plain.py", "print('plain')", mode=0o600)
    add(python, "Lib/typed.py", "print('typed')", mode=0o100644)
    assert start(python, "-m", "typed", home=python.parent).stdout == "typed\n"
    assert start(python, "-m", "plain", home=python.parent).returncode == 1


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_two_entries_with_one_name_the_first_wins(python: Path) -> None:
    add(python, "Lib/twice.py", "print('first')")
    add(python, "Lib/twice.py", "print('second')")
    assert start(python, "-m", "twice", home=python.parent).stdout == "first\n"


# Running


def test_it_lives_in_zip(python: Path) -> None:
    told = tell(python, "told = [sys.prefix, sys.path[:3], os.__file__, sys.executable]")
    assert told[:2] == ["/zip", ["", "/zip/Lib", "/zip/Lib/site-packages"]]
    assert re.match("/zip/[Ll]ib/(.*/)?os.py", told[2])
    assert python.samefile(told[3])


def test_paths_outside_zip_are_dropped_but_for_the_current_directory(python: Path) -> None:
    (python.parent / "here.py").write_text("print('here')")
    (python.parent / "path").mkdir()
    (python.parent / "path/there.py").write_text("")
    env = {"PYTHONPATH": str(python.parent / "path")}
    assert start(python, "-m", "here", home=python.parent, **env).stdout == "here\n"
    assert start(python, "-c", "import here", home=python.parent, **env).returncode == 0
    assert start(python, "-c", "import there", home=python.parent, **env).returncode == 1


@pytest.mark.parametrize(
    "action",
    [
        "open('/zip/new', 'w')",
        "os.unlink('/zip/Lib/os.pyc')",
        "os.mkdir('/zip/new')",
    ],
)
def test_zip_cannot_be_written(python: Path, action: str) -> None:
    assert outcome(python, action) == errno.EINVAL


def test_zip_can_be_listed_and_read(python: Path) -> None:
    add(python, "Lib/site-packages/some/data.txt", "some text")
    assert tell(python, "told = os.listdir('/zip/Lib/site-packages/some')") == ["data.txt"]
    assert "os.pyc" in tell(python, "told = os.listdir('/zip/Lib')")
    assert tell(python, "told = os.path.exists('/zip/Lib/site-packages/none')") is False
    assert tell(python, "told = open('/zip/Lib/site-packages/some/data.txt').read()") == "some text"
    code = "told = os.stat('/zip/Lib/site-packages/some/data.txt')[:7]"
    told = tell(python, code)
    assert stat.S_ISREG(told[0])
    assert told[6] == len("some text")


def test_resources_namespaces_and_metadata_work(python: Path) -> None:
    site = "Lib/site-packages"
    add(python, f"{site}/space/inner/__init__.py", "")
    add(python, f"{site}/space/inner/data.txt", "text")
    add(python, f"{site}/thing-1.2.dist-info/METADATA", "Name: thing\nVersion: 1.2\n")
    code = "import pkgutil; told = pkgutil.get_data('space.inner', 'data.txt').decode()"
    assert tell(python, code) == "text"
    code = "from importlib.metadata import version; told = version('thing')"
    assert tell(python, code) == "1.2"
    code = "from importlib.resources import files\n"
    code += "told = files('space.inner').joinpath('data.txt').read_text()"
    assert tell(python, code) == "text"


def test_a_folder_in_the_current_directory_shadows_a_program_unless_isolated(
    python: Path, version: tuple[int, int]
) -> None:
    add(python, "Lib/site-packages/prog/__init__.py", "")
    add(python, "Lib/site-packages/prog/__main__.py", "print('packaged')")
    (python.parent / "prog").mkdir()
    (python.parent / "prog/__init__.py").write_text("")
    (python.parent / "prog/__main__.py").write_text("print('shadow')")
    assert start(python, "-m", "prog", home=python.parent).stdout == "shadow\n"
    assert start(python, "-I", "-m", "prog", home=python.parent).stdout == "packaged\n"
    if version >= (3, 11):
        assert start(python, "-P", "-m", "prog", home=python.parent).stdout == "packaged\n"


def test_compileall_names_the_path_that_it_is_told(python: Path) -> None:
    package = python.parent / "Lib/site-packages/broken"
    package.mkdir(parents=True)
    (package / "__main__.py").write_text("\n\nraise KeyError('here')\n")
    inside = "/zip/Lib/site-packages/broken"
    options = ["-m", "compileall", "-q", "-b", "-d", inside, str(package)]
    assert start(python, *options, home=python.parent).returncode == 0
    assert sorted(os.listdir(package)) == ["__main__.py", "__main__.pyc"]
    line = ["zip", "-q", "-g", "-r", python.name, "Lib/site-packages/broken/__main__.pyc"]
    assert run(line, environment(python.parent), python.parent).returncode == 0
    away = python.parent.parent
    done = start(python, "-m", "broken", home=python.parent, cwd=away)
    assert done.returncode == 1
    assert f'File "{inside}/__main__.py", line 3' in done.stderr
    assert "KeyError: 'here'" in done.stderr


# Options


def test_it_tells_its_version(python: Path) -> None:
    for option in ("-V", "--version"):
        done = start(python, option, home=python.parent)
        assert re.match(r"Python 3\.\d+", done.stdout)


@pytest.mark.parametrize(
    ("option", "flags"),
    [
        ("-B", {"dont_write_bytecode": 1}),
        ("-E", {"ignore_environment": 1}),
        ("-I", {"isolated": 1, "ignore_environment": 1, "no_user_site": 1}),
        ("-O", {"optimize": 1}),
        ("-OO", {"optimize": 2}),
        ("-S", {"no_site": 1}),
        ("-s", {"no_user_site": 1}),
        ("-u", {}),
        ("-BOs", {"dont_write_bytecode": 1, "optimize": 1, "no_user_site": 1}),
    ],
)
def test_it_takes_the_usual_options(python: Path, option: str, flags: dict[str, int]) -> None:
    flags = {"isolated": 0, "no_site": 0, "optimize": 0, **flags}
    code = f"told = {{name: int(getattr(sys.flags, name)) for name in {list(flags)}}}"
    assert tell(python, code, option) == flags


def test_it_takes_warning_and_implementation_options(python: Path) -> None:
    code = "told = [sys.warnoptions, sorted(sys._xoptions)]"
    assert tell(python, code, "-Wignore", "-W", "default", "-Xone", "-X", "two") == [
        ["ignore", "default"],
        ["one", "two"],
    ]


def test_asserts_go_with_optimization(python: Path) -> None:
    assert start(python, "-c", "assert 0", home=python.parent).returncode == 1
    assert start(python, "-O", "-c", "assert 0", home=python.parent).returncode == 0


def test_it_runs_code_modules_scripts_and_standard_input(python: Path) -> None:
    folder = python.parent
    (folder / "show.py").write_text("import sys; print(sys.argv[1:], __name__)")
    for words in (["-m", "show"], ["show.py"], [str(folder / "show.py")]):
        done = start(python, *words, "a b", "-c", "--", home=folder)
        assert done.stdout == "['a b', '-c', '--'] __main__\n", done.stderr
    done = start(python, "-c", "import sys; print(sys.argv)", "a b", "-m", home=folder)
    assert done.stdout == "['-c', 'a b', '-m']\n"
    for words in ([], ["-"], ["-", "x"]):
        piped = subprocess.run(
            ["sh", str(python), *words],
            input="import sys; print(sys.argv[1:])",
            env=environment(folder),
            cwd=folder,
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
        assert piped.stdout == f"{words[1:]}\n"


@pytest.mark.parametrize(
    ("code", "status"),
    [("import sys; sys.exit(7)", 7), ("raise ValueError", 1), ("pass", 0)],
)
def test_it_ends_with_the_programs_status(python: Path, code: str, status: int) -> None:
    assert start(python, "-c", code, home=python.parent).returncode == status


# .args


@pytest.mark.parametrize(
    "text",
    [
        "-c\nimport sys; print(sys.argv[1:])\none two\n...",
        "-c\nimport sys; print(sys.argv[1:])\none two\n...\n",
        "-c\r\nimport sys; print(sys.argv[1:])\r\none two\r\n...\r\n",
        "\n-c\n\nimport sys; print(sys.argv[1:])\n\none two\n\n...\n\n",
    ],
)
def test_args_are_lines_and_end_with_the_command_lines_own(python: Path, text: str) -> None:
    add(python, ".args", text)
    done = start(python, home=python.parent)
    assert done.stdout == "['one two']\n", done.stderr
    done = start(python, "-V", "c d", home=python.parent)
    assert done.stdout == "['one two', '-V', 'c d']\n"
