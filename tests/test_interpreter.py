"""A download: over TLS that is verified, led on, too long."""

from __future__ import annotations

import shlex
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from mirror import Mirror
from projects import Project

PYTHON = "/pub/cosmos/bin/python"


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
    folder = project.path.parent / "trusting"
    folder.mkdir()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    words = [str(shutil.which("wget")), f"--ca-certificate={folder / 'ca.pem'}"]
    wget = project.write("../trusting/wget", f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    wget.chmod(0o755)
    project.env["PATH"] = f"{folder}:{project.environment()['PATH']}"
    return project


@pytest.mark.parametrize("wgetrc", [".wgetrc", "WGETRC", "SYSTEM_WGETRC"])
def test_a_certificate_that_is_not_trusted_ends_it_whatever_a_wgetrc_says(
    project: Project, secure: Mirror, wgetrc: str
) -> None:
    file = project.write("../.wgetrc", "check_certificate = off\n")
    where = {} if wgetrc == ".wgetrc" else {wgetrc: str(file)}
    told = project.refused(COSMO_URL=secure.address + PYTHON, **where)
    assert "certificate" in told
    assert secure.downloads[PYTHON] == 0


def test_a_trusted_server_serves(trusting: Project, secure: Mirror) -> None:
    trusting.package(COSMO_URL=secure.address + PYTHON)


def test_it_may_be_led_on_to_another_place_with_tls(trusting: Project, secure: Mirror) -> None:
    url = secure.lead("/latest", secure.address + PYTHON)
    trusting.package(COSMO_URL=url)


def test_what_leads_on_without_tls_is_refused(
    trusting: Project, secure: Mirror, mirror: Mirror
) -> None:
    trusting.package()
    url = secure.lead("/latest", mirror.address + PYTHON)
    told = trusting.refused(COSMO_URL=url)
    assert f"Location: {mirror.address}" in told
    assert "cannot be downloaded" in told
    assert mirror.asked == 0
    assert "is not in the cache" in trusting.refused(COSMO_URL=url, COSMO_OFFLINE="1")


def test_an_address_that_leads_to_itself_ends(project: Project, mirror: Mirror) -> None:
    url = mirror.lead("/round", f"{mirror.address}/round")
    assert "redirections exceeded" in project.refused(COSMO_URL=url)


def test_what_is_longer_than_the_lock_says_is_cut_off(
    project: Project, mirror: Mirror, interpreter: Path
) -> None:
    data = interpreter.read_bytes()
    url = mirror.add(PYTHON, data)
    assert project.invoke("cosmo.lock", COSMO_URL=url).returncode == 0
    shutil.rmtree(project.path.parent / ".cache")
    mirror.add(PYTHON, data + bytes(30_000_000), length=False)
    assert "it is longer than it may be" in project.refused(COSMO_URL=url)
    assert sum(file.stat().st_size for file in project.build.rglob("*")) < 8 * len(data)
