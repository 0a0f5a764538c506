"""`python tests/standin FILE`: what it makes says plainly what it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from projects import ROOT, environment, run, start

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


def make(file: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run `python tests/standin FILE` in the folder `home`."""
    return run([sys.executable, str(ROOT / "tests/standin"), file], environment(home), home)


def test_a_stand_in_says_what_it_is_and_takes_every_module_from_its_zip(tmp_path: Path) -> None:
    done = make("dist/standin/python", tmp_path)
    assert done.returncode == 0, done.stderr
    host = Path(sys.executable).resolve()
    assert done.stderr == f"stand-in  dist/standin/python: runs only where {host} is\n"
    file = tmp_path / "dist/standin/python"
    version = ".".join(map(str, sys.version_info[:3]))
    assert start(file, "--version", home=tmp_path).stdout == f"Python {version} (stand-in)\n"
    shown = start(file, "-c", "import sys; print(sys.version)", home=tmp_path).stdout
    assert shown.startswith(version)
    assert "(stand-in)" in shown
    done = start(file, "-c", HOST_MODULES, home=tmp_path)
    assert (done.stdout, done.stderr) == ("", "")


def test_a_stand_in_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = make("file/python", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("cosmo: file/python cannot be written: ")
    assert len(done.stderr.splitlines()) == 1
