"""What of the interpreter's standard library goes in, and how it is packed."""

from __future__ import annotations

import re
import zipfile

import pytest

from index import Index
from projects import Project

SLIM = "(?m)^update .* of the library not needed: .*$"

MAIN = """\
import sys

def later():
    import sched
    return sched.scheduler

if __name__ == "__main__":
    print(later(), *(__import__(name) for name in sys.argv[1:]))
"""

USES_C = """\
import copy, datetime, decimal, pickle, re, time, warnings
from typing import Generic, TypeVar

print(datetime.datetime.strptime("2024", "%Y").year, time.strptime("2024", "%Y").tm_year)
print(decimal.Decimal("1.5") + 1, "é".encode("cp850"), b"\\x82".decode("cp437"))
print(pickle.loads(pickle.dumps({re.compile("a"): 3}))[re.compile("a")], copy.copy([1]))
print(Generic[TypeVar("T")].__name__ if hasattr(Generic, "x") else "\\N{BULLET}")
warnings.warn("a warning")
raise KeyError("at the end")
"""


def library(project: Project) -> set[str]:
    """The modules and packages at the top of the library in the executable."""
    names = zipfile.ZipFile(project.executable).namelist()
    found = (re.match(r"Lib/(\w+)(/|\.pyc?$)", name) for name in names)
    return {match[1] for match in found if match}


def test_slim_leaves_out_what_nothing_reaches(project: Project) -> None:
    project.write("src/hello/__main__.py", MAIN)
    whole = project.package().stat().st_size
    everything = library(project)
    shown = project.succeed(COSMO_SLIM="list").stderr
    assert library(project) == everything
    assert project.executable.stat().st_size == whole
    done = project.succeed(COSMO_SLIM="1")
    assert re.findall(SLIM, done.stderr) == re.findall(SLIM, shown) != []
    left = everything - library(project)
    assert {"unittest", "pdb", "zipapp", "wsgiref"} <= left
    assert all(f" {name}" in done.stderr for name in left)
    assert not {"sched", "heapq", "encodings", "runpy", "importlib"} & left
    assert project.executable.stat().st_size < whole
    assert project.says() == "<class 'sched.scheduler'>\n"
    assert "No module named 'zipapp'" in project.says("zipapp")
    project.package(COSMO_SLIM="zipapp sqlite3")
    assert {"zipapp", "sqlite3"} <= library(project)
    assert project.says("zipapp").startswith("<class 'sched.scheduler'> <module 'zipapp' ")
    assert "the library has no wav; " in project.refused(COSMO_SLIM="wav")


def test_slim_keeps_what_is_named_in_a_string_or_imported_by_data(project: Project) -> None:
    named = 'import importlib\nNAMES = ("xml.dom.minidom", "wave")\n'
    project.write("src/hello/__main__.py", f"{named}print(*map(importlib.import_module, NAMES))\n")
    project.write("src/hello/plugin.py", "from unittest import mock\n")
    project.write("src/hello/kept/template.py", "import sched, {{ name }}\n")
    project.package(COSMO_SLIM="1", COSMO_KEEP="hello/kept/*")
    assert {"xml", "wave", "unittest"} <= library(project)
    assert "sched" not in library(project)
    assert project.says().count("<module") == 2
    project.package(COSMO_SLIM="1", COSMO_ARGS="-m sched ...", COSMO_KEEP="hello/kept/*")
    assert "sched" in library(project)


def test_slim_keeps_what_the_arguments_start_or_import(project: Project) -> None:
    project.write("src/hello/__main__.py", "import sys\nprint(*sys.argv[1:])\n")
    how = {"COSMO_SLIM": "1", "COSMO_CHECK": "0"}
    for args, module in (
        ("-I -c 'import sys, wave; global x; from sys import *' ...", "wave"),
        ("-Im tabnanny ...", "tabnanny"),
        ("-msched ...", "sched"),
    ):
        project.package(COSMO_ARGS=args, **how)
        assert module in library(project)
        assert "zipapp" not in library(project)
    project.package(COSMO_ARGS="-m hello -m nosuch ...", COSMO_SLIM="1")
    assert project.says() == "-m nosuch\n"


def test_slim_keeps_what_a_library_module_always_imports(project: Project) -> None:
    project.write("src/hello/__main__.py", "import xmlrpc.server\nprint(xmlrpc.server.__name__)\n")
    project.package(COSMO_SLIM="1")
    assert project.says() == "xmlrpc.server\n"


def test_what_slim_left_out_is_named_where_the_program_lacks_it(project: Project) -> None:
    project.write("src/hello/__main__.py", "print('hello')\n")
    project.write("src/hello/__init__.py", "__import__(''.join(['zip', 'app']))\n")
    project.package()
    assert project.refused(COSMO_SLIM="1").endswith(
        "COSMO_SLIM left it out: keep it with COSMO_SLIM=zipapp"
    )


@pytest.mark.parametrize("source", ["0", "1"])
def test_what_python_itself_imports_by_name_is_kept(project: Project, source: str) -> None:
    project.write("src/hello/__main__.py", USES_C)
    project.package(COSMO_SLIM="1", COSMO_SOURCE=source, COSMO_CHECK="0")
    done = project.start()
    assert done.stdout == "2024 2024\n2.5 b'\\x82' é\n3 [1]\n•\n"
    assert "UserWarning: a warning" in done.stderr
    assert done.stderr.endswith("KeyError: 'at the end'\n")
    assert "ModuleNotFoundError" not in done.stderr


def test_slim_keeps_what_a_dependency_reaches_and_no_longer_what_it_did(
    installing: Project, index: Index
) -> None:
    index.wheel("bird", "1.0", {"bird/__init__.py": "", "bird/inner.py": "import wave\n"})
    head = "[project]\nname = 'hello'\nversion = '1'\ndependencies = ['bird']\n"
    installing.write("pyproject.toml", head)
    installing.write("src/hello/__main__.py", "import bird, sched\n")
    installing.env["COSMO_SLIM"] = "1"
    first = installing.package().read_bytes()
    assert {"wave", "sched"} <= library(installing)
    installing.write("src/hello/__main__.py", "import bird\n")
    assert "as in the last build" in installing.succeed().stderr
    assert "wave" in library(installing)
    assert "sched" not in library(installing)
    installing.write("src/hello/__main__.py", "import bird, sched\n")
    assert installing.package().read_bytes() == first


def test_how_it_is_packed_can_be_chosen(installing: Project, index: Index) -> None:
    index.wheel("bird", "1.0", {"bird/song.txt": "tweet " * 999, "bird/__init__.py": ""})
    head = "[project]\nname = 'hello'\nversion = '1'\ndependencies = ['bird']\n"
    installing.write("pyproject.toml", head)
    installing.write("src/hello/words.txt", "word " * 999)
    installing.package()
    before = zipfile.ZipFile(installing.executable).infolist()
    installing.package(COSMO_COMPRESS="0")
    stored = zipfile.ZipFile(installing.executable).infolist()
    assert [(info.filename, info.CRC) for info in stored] == [
        (info.filename, info.CRC) for info in before
    ]
    for name in ("hello/words.txt", "bird/song.txt"):
        types = [
            info.compress_type
            for infos in (before, stored)
            for info in infos
            if info.filename == f"Lib/site-packages/{name}"
        ]
        assert types == [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED]
    assert installing.says() == "hello \n"
