"""Fetching: when a file is downloaded again, what is refused, and which servers are trusted."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket

import pytest

from mirror import PYTHON, Mirror
from projects import Project, run
from recipes.fetch import wget_limits


def put_on_path(project: Project, text: str) -> None:
    """Put a script called wget first on the project's PATH; {} stands for the real one."""
    file = project.write("../bin/wget", f"#!/bin/sh\n{text.format(shutil.which('wget'))}\n")
    file.chmod(0o755)
    project.env["PATH"] = f"{file.parent}{os.pathsep}{os.environ['PATH']}"


def test_offline_takes_what_the_address_gave_last(project: Project, mirror: Mirror) -> None:
    first, second = project.interpreter.read_bytes(), project.other_interpreter()
    for modified, content in enumerate((first, second, first), 1_800_000_000):
        mirror.add(PYTHON, content, modified=modified)
        project.succeed("cosmo.fetch", COSMO_URL=mirror.python)
        assert (project.build / "python").read_bytes() == content
    project.succeed("cosmo.fetch", COSMO_URL=mirror.python, COSMO_OFFLINE="1")
    assert (project.build / "python").read_bytes() == first
    digest = hashlib.sha256(first).hexdigest()
    (damaged,) = project.home.glob(f".cache/cosmo-recipes/url/*/{digest}/*")
    damaged.write_bytes(first[:-9])
    project.succeed("cosmo.fetch", COSMO_URL=mirror.python, COSMO_OFFLINE="1")
    assert (project.build / "python").read_bytes() == second
    assert not (project.build / "python.part").exists()
    (file,) = project.home.glob(".cache/cosmo-recipes/url/*/*/*")
    file.unlink()
    os.mkfifo(file)
    assert "is not in the cache" in project.refused(COSMO_URL=mirror.python, COSMO_OFFLINE="1")


def test_only_a_changed_file_is_downloaded_again(project: Project, mirror: Mirror) -> None:
    for option, downloads in (("", 1), ("", 1), ("--force", 2), ("", 2)):
        project.succeed("cosmo.fetch", *option.split(), COSMO_URL=mirror.python)
        assert mirror.downloads[PYTHON] == downloads
    newer = project.other_interpreter()
    mirror.add(PYTHON, newer, modified=1_710_000_000)
    project.succeed("cosmo.fetch", COSMO_URL=mirror.python)
    assert mirror.downloads[PYTHON] == 3
    assert (project.build / "python").read_bytes() == newer
    mirror.files.clear()
    project.succeed("cosmo.fetch", COSMO_URL=mirror.python, COSMO_OFFLINE="1")
    message = project.refused(COSMO_URL=mirror.python + "2", COSMO_OFFLINE="1")
    assert f"{mirror.python}2 is not in the cache; go online once" in message


def test_each_address_is_downloaded_once_in_whatever_form(project: Project, mirror: Mirror) -> None:
    data = project.interpreter.read_bytes()
    paths = ["/one/python", "/two/python", "/get/my%20python?version=3&x=a/b", "/a%2520b?c=%20d"]
    for path in [*paths, "/%C3%A9?", "/folder/", *paths[:2]]:
        url = mirror.add(path, data, modified=1_700_000_000 - 10_000 * len(path))
        project.succeed("cosmo.fetch", COSMO_URL=url)
        assert mirror.downloads[path] == 1
        assert (project.build / "python").read_bytes() == data


def test_no_other_file_takes_the_interpreters_place(project: Project, mirror: Mirror) -> None:
    project.package()
    data = project.interpreter.read_bytes()
    no_zip = b"MZqFpD='\n'\ntouch ../../ran\n"
    for url, problem in (
        (mirror.address + "/nothing", "cannot be downloaded: see above; check the network, or set"),
        ("http://127.0.0.1:9/python", "Connection refused"),
        (mirror.lead("/round", f"{mirror.address}/round"), "redirections exceeded"),
        (mirror.add("/html", b"<html>Sign in</html>"), "not an APE file (it begins with '<htm"),
        (mirror.add("/script", b"#!/bin/sh\n"), "it is not an APE file (it begins with '#!/b"),
        (mirror.add("/no/zip", no_zip), "cannot be used: it holds no Python"),
        (mirror.add("/half", data, sent=len(data) // 2), "cannot be downloaded"),
        (mirror.add("/no/length", data, sent=9_999, length=False), "it holds no Python"),
    ):
        message = project.refused(COSMO_URL=url)
        assert [text for text in (problem, url) if text not in message] == []
        assert (project.build / "python").read_bytes() == data
    assert not (project.path / "ran").exists()
    for path in ("/half", "/no/length"):
        project.succeed("cosmo.fetch", COSMO_URL=mirror.add(path, data, length=path == "/half"))


def test_a_path_needs_no_wget_and_nothing_needs_zip(project: Project, mirror: Mirror) -> None:
    first = project.package(drop="bash").read_bytes()
    for url in (str(project.interpreter), project.interpreter.as_uri(), "dist/cosmo/python"):
        assert project.package(drop="wget", COSMO_URL=url).read_bytes() == first
    message = project.refused(drop="wget", COSMO_URL=mirror.python)
    assert "there is no wget on PATH; install wget (apt install wget" in message
    zip_url = mirror.address + "/pub/cosmos/bin/zip"
    project.succeed("cosmo", "--force", drop="zip", COSMO_ZIP_URL=zip_url)
    assert project.executable.read_bytes() == first


def test_wgetrc_cannot_turn_verification_off(project: Project, secure: Mirror) -> None:
    file = str(project.write("../.wgetrc", "check_certificate = off\n"))
    for settings in ({}, {"WGETRC": file}, {"SYSTEM_WGETRC": file}):
        assert "certificate" in project.refused(COSMO_URL=secure.python, **settings)
    assert secure.downloads[PYTHON] == 0


def test_https_cannot_lead_to_http_or_ftp(project: Project, secure: Mirror, mirror: Mirror) -> None:
    put_on_path(project, 'exec {} --ca-certificate=../ca "$@"')
    project.package(COSMO_URL=secure.python)
    project.succeed("cosmo.fetch", COSMO_URL=secure.lead("/latest", secure.python))
    assert secure.downloads[PYTHON] == 2
    with socket.create_server(("127.0.0.1", 0)) as ftp:
        ftp.settimeout(0)
        for to in (mirror.python, f"ftp://127.0.0.1:{ftp.getsockname()[1]}/python"):
            url = secure.lead("/without", to)
            message = project.refused(COSMO_URL=url, no_proxy="127.0.0.1")
            assert f"Location: {to}" in message
        with pytest.raises(BlockingIOError):  # nobody has called
            ftp.accept()
    assert mirror.asked == 0


def test_download_that_is_longer_than_locked_is_cut_off(project: Project, mirror: Mirror) -> None:
    data = project.interpreter.read_bytes()
    project.succeed("cosmo.lock", COSMO_URL=mirror.python)
    shutil.rmtree(project.home / ".cache")
    (project.build / "python").unlink()
    mirror.add(PYTHON, data + bytes(30_000_000), length=False)
    assert "it is longer than it may be" in project.refused(COSMO_URL=mirror.python)
    assert sum(file.stat().st_size for file in project.build.rglob("*")) < 8 * len(data)


def test_download_without_a_lock_is_cut_off_at_a_gigabyte_or_after_an_hour(
    project: Project, mirror: Mirror
) -> None:
    for more, status in (0, 0), (1024, 153):
        line = f"{wget_limits('http://host/python', None)}; truncate -s {2**30 + more} file"
        done = run(["sh", "-c", f"({line}) 2>/dev/null"], project.environment(), project.path)
        assert done.returncode == status
    quick = "Timer = lambda seconds, end: timer(seconds / 1800, end)"  # an hour is two seconds
    text = f"import threading\n\ntimer = threading.Timer\nthreading.{quick}\n"
    own = project.write("tasks.py", project.tasks.text).rename(project.path / "recipe_tasks.py")
    project.write("tasks.py", f"{text}from {own.stem} import ns\n")
    slow = mirror.add(PYTHON, project.interpreter.read_bytes(), sent=9, then="slow")
    assert "it took longer than 3600 seconds" in project.refused(COSMO_URL=slow)


def test_wget2_which_refuses_some_options_serves(project: Project, mirror: Mirror) -> None:
    refused = "case $* in *--no-if-modified-since*|*--progress=dot*) exit 2;; esac"
    put_on_path(project, f'{refused}\nexec {{}} "$@"')
    project.succeed("cosmo.fetch", COSMO_URL=mirror.python)
    project.succeed("cosmo.fetch", COSMO_URL=mirror.python)
    assert mirror.downloads[PYTHON] == 1
