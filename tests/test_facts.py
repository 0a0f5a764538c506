"""Facts about the interpreter's file, `/zip`, `.args` and zip on which the recipes rely.

Every test here holds for a genuine interpreter and for a stand-in.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from projects import Done, environment, run, start

APE_IS_REGISTERED = any(Path("/proc/sys/fs/binfmt_misc").glob("APE*"))
HAS_LOADER = APE_IS_REGISTERED or bool(shutil.which("ape"))


@pytest.fixture
def python(interpreter: Path, tmp_path: Path) -> Path:
    """Return a copy of the interpreter, which a test may change, alone in a folder."""
    (tmp_path / "bin").mkdir()
    return Path(shutil.copy(interpreter, tmp_path / "bin/python.com"))


def run_line(python: Path, line: str) -> Done:
    """Run a line of shell in the interpreter's folder."""
    return run(["sh", "-c", line], environment(python.parent), python.parent)


def run_python(python: Path, *arguments: str, **env: str) -> Done:
    """Start the interpreter in its folder."""
    return start(python, *arguments, home=python.parent, **env)


def evaluate(python: Path, code: str, *options: str) -> Any:
    """Return what `code` leaves in the variable `answer`."""
    code = f"import json, os, sys\n{code}\nprint(json.dumps(answer))"
    done = run_python(python, *options, "-c", code)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def add_entry(file: Path, name: str, text: str, mode: int = 0o100644) -> None:
    """Add an entry to the interpreter's zip."""
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(info, text)


@pytest.mark.skipif(APE_IS_REGISTERED, reason="this kernel starts it by itself")
def test_file_is_a_pe_header_and_a_script_that_the_kernel_refuses(python: Path) -> None:
    assert re.match(rb"(MZqFpD|jartsr)='\n", python.read_bytes()[:9])
    with pytest.raises(OSError, match="Exec format error"):
        subprocess.run([python, "-c", "pass"], check=False)


@pytest.mark.skipif(HAS_LOADER, reason="this machine has a loader of its own")
def test_first_start_writes_a_loader_to_tmpdir_else_home_else_the_folder(python: Path) -> None:
    for names in (["TMPDIR", "HOME"], ["HOME"], []):
        away = python.parent / f"away{len(names)}"
        env = {"PATH": os.environ["PATH"], **{name: str(away / name) for name in names}}
        for place in ("TMPDIR", "HOME"):
            (away / place).mkdir(parents=True)
        done = run(["sh", str(python), "-c", "print(6 * 7)"], env, away)
        assert done.stdout == "42\n", done.stderr
        written = {path.parent for path in away.rglob(".ape*")}
        assert written == {away.joinpath(*names[:1])}


def test_shell_starts_it_and_its_file_stays_the_same(python: Path) -> None:
    before = python.read_bytes()
    for command in (
        *("./python.com", "sh ./python.com", "env ./python.com", "timeout 60 ./python.com"),
        *("PATH=$PWD:$PATH; python.com", "ln -s python.com link; ./link"),
        "mkdir 'a b'; cp python.com 'a b'; 'a b/python.com'",
    ):
        done = run_line(python, f"{command} -c 'print(6 * 7)'")
        assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr
    assert python.read_bytes() == before


def test_assimilated_it_starts_without_a_shell_and_is_still_a_zip(python: Path) -> None:
    size = python.stat().st_size
    assert run_python(python, "--assimilate").returncode == 0
    assert python.stat().st_size == size
    done = run([str(python), "-c", "print(6 * 7)"], environment(python.parent), python.parent)
    assert done.stdout == "42\n"
    assert "Lib/os.pyc" in zipfile.ZipFile(python).namelist()


def test_zip_adds_and_replaces_entries_without_a_warning(python: Path) -> None:
    (python.parent / "Lib").mkdir()
    file = python.parent / "Lib/one.py"
    for line in ("zip -q -r python.com Lib", "find Lib -type f | zip -q -MM -X -g python.com -@"):
        file.write_text(f"print({line!r})")
        done = run_line(python, line)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), line
        assert run_python(python, "-m", "one").stdout == f"{line}\n"
    assert zipfile.ZipFile(python).namelist().count("Lib/one.py") == 1
    assert run_line(python, "zip -q -T python.com").returncode == 0
    assert re.search("(?m)^ *Lib/os.pyc$", run_line(python, "zip -sf python.com").stdout)
    done = run_line(python, "cp python.com plain; zip -q -g plain Lib/one.py")  # it has no dot
    assert (done.returncode, python.with_name("plain.zip").exists()) == (0, True)


def test_zip_copies_it_without_what_is_excluded_and_without_its_x_bit(python: Path) -> None:
    line = "zip -q -U python.com '*' --out copied.com -x 'Lib/json/*' nothing"
    done = run_line(python, line)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    copy = python.with_name("copied.com")
    whole, copied = (
        {info.filename: info.CRC for info in zipfile.ZipFile(file).infolist()}
        for file in (python, copy)
    )
    assert copied == {name: crc for name, crc in whole.items() if name[:9] != "Lib/json/"}
    assert not copy.stat().st_mode & 0o111
    copy.chmod(0o755)
    done = run_python(copy, "-c", "print(6 * 7); import json")
    assert (done.returncode, done.stdout) == (1, "42\n")
    assert "No module named 'json'" in done.stderr


def test_library_is_compiled_in_zip_and_pip_is_source(python: Path) -> None:
    names = zipfile.ZipFile(python).namelist()
    library = [name for name in names if not name.startswith("Lib/site-packages/")]
    assert {"Lib/os.pyc", "Lib/sitecustomize.pyc", "Lib/site-packages/pip/__init__.py"} < {*names}
    assert any(name.startswith(("usr/share/", "share/")) for name in names)
    assert not [name for name in library if name.startswith("Lib/") and name.endswith(".py")]
    places = evaluate(python, "answer = [sys.prefix, sys.path[:3], os.__file__, sys.executable]")
    assert places[:2] == ["/zip", ["", "/zip/Lib", "/zip/Lib/site-packages"]]
    assert re.match("/zip/[Ll]ib/(.*/)?os.py", places[2])
    assert python.samefile(places[3])


RESOURCES = """
import pkgutil
from importlib.metadata import version
from importlib.resources import files
file = "/zip/Lib/site-packages/space/inner/data.txt"
answer = [sorted(os.listdir(os.path.dirname(file))), os.path.exists(file + "x"), open(file).read()]
answer += [os.path.isfile(file), os.stat(file).st_size, version("thing")]
answer += [files("space.inner").joinpath("data.txt").read_text()]
answer += [pkgutil.get_data("space.inner", "data.txt").decode()]
for action in ("open('/zip/new', 'w')", "os.unlink('/zip/Lib/os.pyc')", "os.mkdir('/zip/new')"):
    try:
        answer += [eval(action)]
    except OSError as error:
        answer += [error.errno in (22, 30)]
"""


def test_zip_can_be_read_but_not_written_and_an_entry_needs_a_file_type(python: Path) -> None:
    site = "Lib/site-packages"
    add_entry(python, f"{site}/space/inner/__init__.py", "")
    add_entry(python, f"{site}/space/inner/data.txt", "text")
    add_entry(python, f"{site}/thing-1.2.dist-info/METADATA", "Name: thing\nVersion: 1.2\n")
    readable = [["__init__.py", "data.txt"], False, "text", True, 4, "1.2", "text", "text"]
    assert evaluate(python, RESOURCES) == [*readable, True, True, True]
    add_entry(python, "Lib/plain.py", "print('plain')", mode=0o600)
    add_entry(python, "Lib/typed.py", "print('typed')", mode=0o100644)
    assert run_python(python, "-m", "typed").stdout == "typed\n"
    assert run_python(python, "-m", "plain").returncode == 1


def test_current_folder_shadows_a_program_unless_isolated(python: Path) -> None:
    (python.parent / "path").mkdir()
    (python.parent / "path/elsewhere.py").write_text("")
    add_entry(python, "Lib/site-packages/prog.py", "print('packaged')")
    (python.parent / "prog.py").write_text("print('shadow')")
    env = {"PYTHONPATH": str(python.parent / "path")}
    assert run_python(python, "-m", "prog", **env).stdout == "shadow\n"
    assert run_python(python, "-I", "-m", "prog", **env).stdout == "packaged\n"
    assert run_python(python, "-c", "import elsewhere", **env).returncode == 1


def test_compileall_names_the_path_that_it_is_given(python: Path) -> None:
    package = python.parent / "Lib/site-packages/broken"
    package.mkdir(parents=True)
    (package / "__main__.py").write_text("\n\nraise KeyError('here')\n")
    line = "cd Lib; sh ../python.com -m compileall -q -b -p /zip/Lib site-packages"
    assert run_line(python, line).returncode == 0
    assert run_line(python, "zip -q -g -r python.com Lib -i '*/__main__.pyc'").returncode == 0
    done = start(python, "-m", "broken", home=python.parent, cwd=python.parent.parent)
    assert 'File "/zip/Lib/site-packages/broken/__main__.py", line 3' in done.stderr
    assert "KeyError: 'here'" in done.stderr


def test_it_takes_the_usual_options(python: Path) -> None:
    for option in ("-V", "--version"):
        assert re.match(r"Python 3\.\d+", run_python(python, option).stdout)
    names = ("isolated", "ignore_environment", "no_site", "optimize", "dont_write_bytecode")
    code = f"answer = [int(getattr(sys.flags, name)) for name in {names}]"
    for option, flags in {"-IB": [1, 1, 0, 0, 1], "-OO": [0, 0, 0, 2, 0]}.items():
        assert evaluate(python, code, option) == flags


def test_it_runs_code_modules_and_scripts_and_ends_with_their_status(python: Path) -> None:
    (python.parent / "show.py").write_text("import sys; print(sys.argv[1:], __name__)")
    for words in (["-m", "show"], ["show.py"], [str(python.parent / "show.py")]):
        done = run_python(python, *words, "a b", "-c", "--")
        assert done.stdout == "['a b', '-c', '--'] __main__\n", done.stderr
    code = "import sys; print(sys.argv); assert 0; sys.exit(7)"
    done = run_python(python, "-O", "-c", code, "a b", "-m")
    assert (done.stdout, done.returncode) == ("['-c', 'a b', '-m']\n", 7)
    assert run_python(python, "-c", code).returncode == 1


@pytest.mark.parametrize("form", ["{0}\n{1}\n...", "\n{0}\n\n{1}\n...\n", "{0}\r\n{1}\r\n...\r\n"])
def test_args_come_before_other_words(python: Path, form: str) -> None:
    add_entry(python, ".args", form.format("-c\nimport sys; print(sys.argv[1:])", "one two"))
    assert run_python(python).stdout == "['one two']\n"
    assert run_python(python, "-V", "c d").stdout == "['one two', '-V', 'c d']\n"
