"""A download: over TLS that is verified, led on, too long."""

from __future__ import annotations

import os
import shlex
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from mirror import PYTHON, Mirror
from projects import Project


@pytest.fixture
def authority() -> trustme.CA:
    """Who signs the server's certificate."""
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA, interpreter: Path) -> Iterator[Mirror]:
    """A server with TLS, whose certificate nobody trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with Mirror(context) as server:
        server.add(PYTHON, interpreter.read_bytes())
        yield server


@pytest.fixture
def trusting(project: Project, authority: trustme.CA) -> Project:
    """A project on a machine whose wget trusts that certificate."""
    real, signer = shutil.which("wget"), project.home / "ca.pem"
    authority.cert_pem.write_to_path(str(signer))
    line = shlex.join([str(real), f"--ca-certificate={signer}"])
    wget = project.write("../trusting/wget", f'#!/bin/sh\nexec {line} "$@"\n')
    wget.chmod(0o755)
    project.env["PATH"] = f"{wget.parent}:{project.environment()['PATH']}"
    return project


@pytest.mark.parametrize("wgetrc", [".wgetrc", "WGETRC", "SYSTEM_WGETRC"])
def test_no_wgetrc_makes_it_trust_a_stranger(project: Project, secure: Mirror, wgetrc: str) -> None:
    file = project.write("../.wgetrc", "check_certificate = off\n")
    where = {} if wgetrc == ".wgetrc" else {wgetrc: str(file)}
    assert "certificate" in project.refused(COSMO_URL=secure.python, **where)
    assert secure.downloads[PYTHON] == 0


def test_a_trusted_server_keeps_to_tls(trusting: Project, secure: Mirror, mirror: Mirror) -> None:
    trusting.package(COSMO_URL=secure.python)
    trusting.package(COSMO_URL=secure.lead("/latest", secure.python))
    assert secure.downloads[PYTHON] == 2
    url = secure.lead("/without", mirror.address + PYTHON)
    message = trusting.refused(COSMO_URL=url)
    assert f"Location: {mirror.address}" in message
    assert "cannot be downloaded" in message
    assert mirror.asked == 0
    assert "is not in the cache" in trusting.refused(COSMO_URL=url, COSMO_OFFLINE="1")


def test_an_address_that_leads_to_itself_ends(project: Project, mirror: Mirror) -> None:
    url = mirror.lead("/round", f"{mirror.address}/round")
    assert "redirections exceeded" in project.refused(COSMO_URL=url)


def test_what_is_longer_than_the_lock_says_is_cut_off(project: Project, mirror: Mirror) -> None:
    data = project.interpreter.read_bytes()
    url = mirror.add(PYTHON, data)
    project.succeed("cosmo.lock", COSMO_URL=url)
    shutil.rmtree(project.home / ".cache")
    (project.build / "python").unlink()
    mirror.add(PYTHON, data + bytes(30_000_000), length=False)
    assert "it is longer than it may be" in project.refused(COSMO_URL=url)
    assert sum(file.stat().st_size for file in project.build.rglob("*")) < 8 * len(data)


def test_wget2_which_refuses_some_options_serves(project: Project, mirror: Mirror) -> None:
    wget2 = project.write("../wget2/wget", "#!/bin/sh\nfor word; do case $word in\n")
    text = "--no-if-modified-since|--progress=dot*) exit 2;; esac; done\n"
    wget2.write_text(f'{wget2.read_text()}{text}exec {shutil.which("wget")} "$@"\n')
    wget2.chmod(0o755)
    path = f"{wget2.parent}{os.pathsep}{os.environ['PATH']}"
    for downloads in (1, 1):
        project.package(COSMO_URL=mirror.address + PYTHON, PATH=path)
        assert mirror.downloads[PYTHON] == downloads
