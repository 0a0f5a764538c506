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

from projects import Done, environment, run, start

APE_IS_REGISTERED = any(Path("/proc/sys/fs/binfmt_misc").glob("APE*"))


@pytest.fixture
def python(interpreter: Path, tmp_path: Path) -> Path:
    """A copy of the interpreter, free to be changed, in a directory with nothing else."""
    (tmp_path / "bin").mkdir()
    return Path(shutil.copy(interpreter, tmp_path / "bin/python.com"))


def shell(python: Path, line: str) -> Done:
    """Run a line of shell in the interpreter's directory."""
    return run(["sh", "-c", line], environment(python.parent), python.parent)


def begin(python: Path, *arguments: str, **env: str) -> Done:
    """Start the interpreter in its directory."""
    return start(python, *arguments, home=python.parent, **env)


def answer(python: Path, code: str, *options: str) -> Any:
    """What `code` leaves in `answer`, brought over as JSON."""
    code = f"import json, os, sys\n{code}\nprint(json.dumps(answer))"
    done = begin(python, *options, "-c", code)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


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
    "command",
    [
        *("./python.com", "sh python.com", "env ./python.com", "nohup ./python.com"),
        *("timeout 60 ./python.com", "find . -name python.com -exec {}"),
        *("PATH=$PWD:$PATH; python.com", "ln -s python.com link; ./link"),
        "mkdir 'a b'; cp python.com 'a b'; 'a b/python.com'",
    ],
)
def test_a_shell_starts_it(python: Path, command: str) -> None:
    done = shell(python, f"{command} -c 'print(6 * 7)' " + "';'" * ("-exec" in command))
    assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr


def test_it_needs_its_x_bit_even_when_a_shell_is_asked_to_read_it(python: Path) -> None:
    python.chmod(0o644)
    assert begin(python, "-c", "pass").returncode != 0


def test_running_it_changes_neither_the_file_nor_the_directory(python: Path) -> None:
    before = python.read_bytes()
    home, away = python.parent.parent / "home", python.parent.parent / "away"
    home.mkdir()
    away.mkdir()
    assert start(python, "-c", "import json", home=home, cwd=away).returncode == 0
    assert python.read_bytes() == before
    assert os.listdir(away) == []
    assert os.listdir(python.parent) == ["python.com"]


def test_assimilated_it_starts_without_a_shell_and_is_still_a_zip(python: Path) -> None:
    size = python.stat().st_size
    assert begin(python, "--assimilate").returncode == 0
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
        done = shell(python, line)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), line
    assert begin(python, "-m", "one").stdout == "1\n"
    assert begin(python, "-m", "two").returncode == 1


def test_zip_copies_it_less_what_is_excluded(python: Path) -> None:
    for line in (
        "zip -q -U python.com '*' --out copied.com -x 'Lib/json/*' nothing; chmod +x copied.com",
        "cp python.com deleted.com; zip -q -d deleted.com 'Lib/json/*'",
    ):
        done = shell(python, line)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    copied, deleted = (
        {info.filename: info.CRC for info in zipfile.ZipFile(python.parent / name).infolist()}
        for name in ("copied.com", "deleted.com")
    )
    assert copied == deleted
    assert begin(python.parent / "copied.com", "-c", "print(6 * 7)").stdout == "42\n"
    done = begin(python.parent / "copied.com", "-c", "import json")
    assert (done.returncode, "No module named 'json'" in done.stderr) == (1, True)


def test_zip_finds_its_offsets_ends_with_12_and_adds_its_ending_to_a_name(python: Path) -> None:
    done = shell(python, "zip -A python.com")
    assert "Zip entry offsets do not need adjusting" in done.stdout + done.stderr
    line = "zip -q -d python.com 'nothing/*'"  # no pattern matches
    assert shell(python, line).returncode == 12
    assert shell(python, f"{line} Lib/sitecustomize.pyc").returncode == 0
    done = shell(python, "cp python.com plain; zip -q -d plain 'Lib/json/*'")  # it has no dot
    assert done.returncode != 0
    assert "plain.zip" in done.stdout + done.stderr


@pytest.mark.skipif(not shutil.which("unzip"), reason="needs unzip")
@pytest.mark.parametrize("command", ["unzip -qql", "unzip -tqq", "zip -q -T"])
def test_unzip_reads_it_without_a_warning(python: Path, command: str) -> None:
    done = shell(python, f"{command} python.com")
    assert (done.returncode, done.stderr) == (0, "")


# Inside the zip


def test_the_standard_library_is_compiled_and_pip_is_source(python: Path) -> None:
    names = zipfile.ZipFile(python).namelist()
    library = [name for name in names if not name.startswith("Lib/site-packages/")]
    assert {"Lib/os.pyc", "Lib/sitecustomize.pyc", "Lib/site-packages/pip/__init__.py"} < {*names}
    assert any(name.startswith(("usr/share/", "share/")) for name in names)
    assert not [name for name in library if name.startswith("Lib/") and name.endswith(".py")]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_entry_needs_a_file_type_and_of_two_with_one_name_the_first_wins(python: Path) -> None:
    add(python, "Lib/plain.py", "print('plain')", mode=0o600)
    add(python, "Lib/typed.py", "print('typed')", mode=0o100644)
    assert begin(python, "-m", "typed").stdout == "typed\n"
    assert begin(python, "-m", "plain").returncode == 1
    add(python, "Lib/typed.py", "print('second')")
    assert begin(python, "-m", "typed").stdout == "typed\n"


# Running


def test_it_lives_in_zip(python: Path) -> None:
    places = answer(python, "answer = [sys.prefix, sys.path[:3], os.__file__, sys.executable]")
    assert places[:2] == ["/zip", ["", "/zip/Lib", "/zip/Lib/site-packages"]]
    assert re.match("/zip/[Ll]ib/(.*/)?os.py", places[2])
    assert python.samefile(places[3])


def test_paths_outside_zip_are_dropped_but_for_the_current_directory(python: Path) -> None:
    (python.parent / "here.py").write_text("print('here')")
    (python.parent / "path").mkdir()
    (python.parent / "path/elsewhere.py").write_text("")
    env = {"PYTHONPATH": str(python.parent / "path")}
    assert begin(python, "-m", "here", **env).stdout == "here\n"
    assert begin(python, "-c", "import here", **env).returncode == 0
    assert begin(python, "-c", "import elsewhere", **env).returncode == 1


def test_zip_can_be_listed_and_read_but_not_written(python: Path) -> None:
    file = "/zip/Lib/site-packages/some/data.txt"
    add(python, file[len("/zip/") :], "some text")
    assert answer(python, "answer = os.listdir('/zip/Lib/site-packages/some')") == ["data.txt"]
    assert "os.pyc" in answer(python, "answer = os.listdir('/zip/Lib')")
    assert answer(python, "answer = os.path.exists('/zip/Lib/site-packages/none')") is False
    assert answer(python, f"answer = open('{file}').read()") == "some text"
    facts = answer(python, f"answer = os.stat('{file}')[:7]")
    assert stat.S_ISREG(facts[0])
    assert facts[6] == len("some text")
    for action in ("open('/zip/new', 'w')", "os.unlink('/zip/Lib/os.pyc')", "os.mkdir('/zip/new')"):
        code = f"answer = 0\ntry:\n    {action}\nexcept OSError as error:\n    answer = error.errno"
        assert answer(python, code) == errno.EINVAL


def test_resources_namespaces_and_metadata_work(python: Path) -> None:
    site = "Lib/site-packages"
    add(python, f"{site}/space/inner/__init__.py", "")
    add(python, f"{site}/space/inner/data.txt", "text")
    add(python, f"{site}/thing-1.2.dist-info/METADATA", "Name: thing\nVersion: 1.2\n")
    code = "import pkgutil; answer = pkgutil.get_data('space.inner', 'data.txt').decode()"
    assert answer(python, code) == "text"
    code = "from importlib.metadata import version; answer = version('thing')"
    assert answer(python, code) == "1.2"
    code = "from importlib.resources import files\n"
    code += "answer = files('space.inner').joinpath('data.txt').read_text()"
    assert answer(python, code) == "text"


def test_a_folder_shadows_a_program_unless_isolated(python: Path, version: tuple[int, int]) -> None:
    (python.parent / "prog").mkdir()
    for name, code in (("__init__", ""), ("__main__", "print('{}')")):
        add(python, f"Lib/site-packages/prog/{name}.py", code.format("packaged"))
        (python.parent / f"prog/{name}.py").write_text(code.format("shadow"))
    assert begin(python, "-m", "prog").stdout == "shadow\n"
    for option in ("-I", "-P") if version >= (3, 11) else ("-I",):
        assert begin(python, option, "-m", "prog").stdout == "packaged\n"


def test_compileall_names_the_path_that_it_is_given(python: Path) -> None:
    package = python.parent / "Lib/site-packages/broken"
    package.mkdir(parents=True)
    (package / "__main__.py").write_text("\n\nraise KeyError('here')\n")
    inside = "/zip/Lib/site-packages/broken"
    options = ["-m", "compileall", "-q", "-b", "-d", inside, str(package)]
    assert begin(python, *options).returncode == 0
    assert sorted(os.listdir(package)) == ["__main__.py", "__main__.pyc"]
    assert shell(python, "zip -q -g -r python.com Lib -i '*/__main__.pyc'").returncode == 0
    done = start(python, "-m", "broken", home=python.parent, cwd=python.parent.parent)
    assert done.returncode == 1
    assert f'File "{inside}/__main__.py", line 3' in done.stderr
    assert "KeyError: 'here'" in done.stderr


# Options


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_it_shows_its_version(python: Path, option: str) -> None:
    assert re.match(r"Python 3\.\d+", begin(python, option).stdout)


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
    code = f"answer = {{name: int(getattr(sys.flags, name)) for name in {list(flags)}}}"
    assert answer(python, code, option) == flags


def test_it_takes_warning_and_implementation_options(python: Path) -> None:
    code = "answer = [sys.warnoptions, sorted(sys._xoptions)]"
    options = ["-Wignore", "-W", "default", "-Xone", "-X", "two"]
    assert answer(python, code, *options) == [["ignore", "default"], ["one", "two"]]


def test_it_runs_code_modules_scripts_and_standard_input(python: Path) -> None:
    folder = python.parent
    (folder / "show.py").write_text("import sys; print(sys.argv[1:], __name__)")
    for words in (["-m", "show"], ["show.py"], [str(folder / "show.py")]):
        done = begin(python, *words, "a b", "-c", "--")
        assert done.stdout == "['a b', '-c', '--'] __main__\n", done.stderr
    done = begin(python, "-c", "import sys; print(sys.argv)", "a b", "-m")
    assert done.stdout == "['-c', 'a b', '-m']\n"
    for options in ("", "-", "- x"):
        piped = shell(python, f"echo 'import sys; print(sys.argv[1:])' | sh python.com {options}")
        assert piped.stdout == f"{options.split()[1:]}\n"


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["-c", "import sys; sys.exit(7)"], 7),
        (["-c", "raise ValueError"], 1),
        (["-c", "pass"], 0),
        (["-c", "assert 0"], 1),
        (["-O", "-c", "assert 0"], 0),
    ],
)
def test_it_ends_with_the_programs_status(python: Path, words: list[str], status: int) -> None:
    assert begin(python, *words).returncode == status


# .args


ENDS = [("\n", "", ""), ("\n", "", "\n"), ("\r\n", "", "\r\n"), ("\n\n", "\n", "\n\n")]


@pytest.mark.parametrize(("newline", "first", "last"), ENDS)
def test_args_come_before_other_words(python: Path, newline: str, first: str, last: str) -> None:
    lines = ["-c", "import sys; print(sys.argv[1:])", "one two", "..."]
    add(python, ".args", first + newline.join(lines) + last)
    done = begin(python)
    assert done.stdout == "['one two']\n", done.stderr
    done = begin(python, "-V", "c d")
    assert done.stdout == "['one two', '-V', 'c d']\n"
