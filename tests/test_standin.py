"""`python tests/standin FILE` makes an interpreter that lacks what the genuine one lacks."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import pytest

from projects import INVOKE, ROOT, environment, run, start
from standin import make_standin

HOST_MODULES = """
import ast, asyncio, csv, datetime, decimal, email, http.server, importlib.metadata, json, logging
import multiprocessing, pathlib, random, shutil, ssl, sys, tempfile, unittest, urllib.request
for name, module in sorted(sys.modules.items()):
    file = getattr(module, "__file__", None)
    if file and not file.startswith("/zip/") and not file.endswith(".so"):
        print(name, file)
def typed(number: int): pass
assert typed.__annotations__ == {"number": int}
"""


IMPORT_EACH = """
import importlib, json, sys
errors = {}
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ImportError as error:
        errors[name] = str(error)
print(json.dumps(errors))
"""


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a stand-in; the interpreter under test may be a genuine one."""
    file = tmp_path_factory.mktemp("made") / "python.com"
    make_standin(file)
    return file


def import_errors(file: Path, home: Path, *names: str) -> dict[str, str]:
    """Return the error for each module that the interpreter cannot import."""
    done = start(file, "-c", IMPORT_EACH, *names, home=home)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_standin_says_what_it_is_and_takes_every_module_from_its_zip(tmp_path: Path) -> None:
    make = [sys.executable, str(ROOT / "tests/standin")]
    done = run([*make, "dist/standin/python"], environment(tmp_path), tmp_path)
    host = Path(sys.executable).resolve()
    assert done.stderr == f"stand-in  dist/standin/python: runs only where {host} is\n"
    file = tmp_path / "dist/standin/python"
    version = ".".join(map(str, sys.version_info[:3]))
    assert start(file, "--version", home=tmp_path).stdout == f"Python {version} (stand-in)\n"
    shown = start(file, "-c", "import sys; print(sys.version)", home=tmp_path).stdout
    assert (shown.startswith(version), "(stand-in)" in shown) == (True, True)
    done = start(file, "-c", HOST_MODULES, home=tmp_path)
    assert (done.stdout, done.stderr) == ("", "")
    (tmp_path / "file").write_text("")
    done = run([*make, "file/python"], environment(tmp_path), tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert done.stderr.startswith("cosmo: file/python cannot be written: ")


def test_it_lacks_just_what_the_genuine_one_lacks(standin: Path, tmp_path: Path) -> None:
    names = "_tkinter _testcapi _ctypes_test xxlimited tkinter turtle turtledemo idlelib ensurepip"
    lacking = {name: name for name in [*names.split(), "test", "pydoc_data", "_pydecimal"]}
    lacking.update({"ctypes": "_ctypes", "lzma": "_lzma", "dbm.ndbm": "_dbm"})
    errors = import_errors(standin, tmp_path, *lacking)
    assert errors == {name: f"No module named '{of}'" for name, of in lacking.items()}
    code = "from importlib.util import find_spec; print(find_spec('_ctypes'), find_spec('_lzma'))"
    assert start(standin, "-c", code, home=tmp_path).stdout == "None None\n"
    works = ("decimal", "_pyio", "multiprocessing.pool", "tarfile", "pip._vendor.packaging.tags")
    assert import_errors(standin, tmp_path, *works) == {}
    assert "pip " in start(standin, "-m", "pip", "--version", home=tmp_path).stdout


def test_time_zones_are_in_the_zip(standin: Path, tmp_path: Path) -> None:
    code = "import zoneinfo; print(zoneinfo.TZPATH, zoneinfo.ZoneInfo('UTC'))"
    done = start(standin, "-c", code, home=tmp_path)
    assert done.stdout == "('/zip/usr/share/zoneinfo',) UTC\n", done.stderr
    copy = tmp_path / "copy.com"
    line = ["zip", "-q", "-U", str(standin), "*", "--out", str(copy), "-x", "usr/*"]
    assert run(line, environment(tmp_path), tmp_path).returncode == 0
    copy.chmod(0o755)
    done = start(copy, "-c", code, home=tmp_path)
    assert "ZoneInfoNotFoundError: 'No time zone found with key UTC'" in done.stderr


@pytest.mark.parametrize("certificates", ["certificates.pem", "none"])
def test_certificates_and_terminal_data_are_in_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, certificates: str
) -> None:
    (tmp_path / "certificates.pem").write_text("some")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / certificates))
    make_standin(tmp_path / "python.com")
    with zipfile.ZipFile(tmp_path / "python.com") as archive:
        assert archive.read("share/ssl/cert.pem") == (b"" if certificates == "none" else b"some")
        assert {"share/terminfo/x/xterm", "share/terminfo/d/dumb"} < {*archive.namelist()}


def test_modules_are_left_out_and_put_back_by_name(tmp_path: Path) -> None:
    file = tmp_path / "python.com"
    left_out = ("_ssl", "_curses", "pwd", "zlib")  # the host's executable holds pwd; zlib is in use
    options = [word for name in left_out for word in ("--without", name)]
    line = [*INVOKE, "standin", "--out", str(file), *options, "--with", "_ctypes"]
    done = run(line, environment(tmp_path), ROOT)
    assert done.returncode == 0, done.stderr
    errors = import_errors(file, tmp_path, *left_out, "lzma", "ctypes", "json")
    lacking = {**{name: name for name in left_out}, "lzma": "_lzma"}
    assert errors == {name: f"No module named '{of}'" for name, of in lacking.items()}
    code = "import sys; print('pwd' in sys.builtin_module_names)"
    assert start(file, "-c", code, home=tmp_path).stdout == "False\n"
