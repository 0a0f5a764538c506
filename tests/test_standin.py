"""`invoke standin`: what it makes says plainly what it is."""

from __future__ import annotations

import sys

from projects import Project, start

HOST_MODULES = """
import ast, asyncio, csv, datetime, decimal, email, http.server, importlib.metadata, json, logging
import multiprocessing, pathlib, random, shutil, ssl, sys, tempfile, unittest, urllib.request
for name, module in sorted(sys.modules.items()):
    file = getattr(module, "__file__", None)
    if file and not file.startswith("/zip/") and not file.endswith(".so"):
        print(name, file)
"""


def test_a_stand_in_says_what_it_is_and_takes_every_module_from_its_zip(project: Project) -> None:
    assert project.invoke("--dry", "standin").returncode == 0
    assert not (project.path / "dist/standin").exists()
    done = project.invoke("standin")
    assert done.returncode == 0, done.stderr
    assert "runs only where" in done.stderr
    file = project.path / "dist/standin/python"
    home = project.path.parent
    version = ".".join(map(str, sys.version_info[:3]))
    assert start(file, "--version", home=home).stdout == f"Python {version} (stand-in)\n"
    told = start(file, "-c", "import sys; print(sys.version)", home=home).stdout
    assert told.startswith(version)
    assert "(stand-in)" in told
    done = start(file, "-c", HOST_MODULES, home=home)
    assert (done.stdout, done.stderr) == ("", "")


def test_a_stand_in_that_cannot_be_written_is_one_line(project: Project) -> None:
    project.write("file", "")
    done = project.invoke("standin", "--out", "file/python")
    assert done.returncode == 1
    assert done.stderr.startswith("cosmo: file/python cannot be written: ")
    assert len(done.stderr.splitlines()) == 1
