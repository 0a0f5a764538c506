"""A package index on 127.0.0.1, with wheels and sdists that the tests make."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping

from mirror import Mirror

BACKEND = """\
import os, sys, zipfile

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    {extension}
    name = "{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as archive:
        for folder, _, files in os.walk("content"):
            for file in files:
                path = os.path.join(folder, file)
                with open(path) as text:
                    archive.writestr(os.path.relpath(path, "content"), text.read())
    return name

def build_sdist(*args):
    raise SystemExit("no sdist")
"""

BUILT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
PURE = "py3-none-any"
LEAVES_IT_OUT = "assert os.environ['CC'] == 'false'"
CANNOT = "sys.exit('no compiler')"


Files = Mapping[str, str]


def metadata(name: str, version: str, requires: tuple[str, ...], python: str) -> str:
    """A `METADATA`."""
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += ["License: of several lines", "        ", "        as some have it"]
    lines += [f"Requires-Python: {python}"] if python else []
    return "\n".join([*lines, *(f"Requires-Dist: {line}" for line in requires), ""])


def content(
    name: str, version: str, files: Files, requires: tuple[str, ...], python: str, tag: str
) -> dict[str, str]:
    """What a wheel holds: the files, the metadata, and a RECORD of these."""
    info = f"{name}-{version}.dist-info"
    held = {f"{info}/METADATA": metadata(name, version, requires, python), **files}
    held[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n"
    record = io.StringIO()
    rows = csv.writer(record, lineterminator="\n")
    for path, text in held.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()
        rows.writerow([path, f"sha256={digest.rstrip('=')}", len(text.encode())])
    rows.writerow([f"{info}/RECORD", "", ""])
    return {**held, f"{info}/RECORD": record.getvalue()}


class Index:
    """The index: what is added to it can be installed from `url`."""

    def __init__(self, mirror: Mirror) -> None:
        self.mirror = mirror
        self.pages: dict[str, list[str]] = {}
        self.url = mirror.address + "/simple/"

    def wheel(
        self,
        name: str,
        version: str,
        files: Files,
        *requires: str,
        python: str = "",
        tag: str = PURE,
    ) -> str:
        """Add a wheel; return its sha256."""
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as archive:
            for path, text in content(name, version, files, requires, python, tag).items():
                archive.writestr(path, text)
        return self.add(name, f"{name}-{version}-{tag}.whl", data.getvalue(), python)

    def sdist(
        self, name: str, version: str, files: Files, *requires: str, extension: str = LEAVES_IT_OUT
    ) -> str:
        """Add an sdist with a build backend of its own, that does `extension` first."""
        held = content(name, version, files, requires, "", PURE)
        inside = {
            "PKG-INFO": metadata(name, version, requires, ""),
            "pyproject.toml": BUILT,
            "backend.py": BACKEND.format(name=name, version=version, extension=extension),
            **{f"content/{path}": text for path, text in held.items()},
        }
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w:gz") as archive:
            for path, text in inside.items():
                info = tarfile.TarInfo(f"{name}-{version}/{path}")
                info.size = len(text.encode())
                archive.addfile(info, io.BytesIO(text.encode()))
        return self.add(name, f"{name}-{version}.tar.gz", data.getvalue(), "")

    def add(self, name: str, file: str, data: bytes, python: str) -> str:
        """Add a file to the page of its project."""
        url, digest = self.mirror.add(f"/files/{file}", data), hashlib.sha256(data).hexdigest()
        needs = python.replace(">", "&gt;").replace("<", "&lt;")
        link = f'<a href="{url}#sha256={digest}" data-requires-python="{needs}">{file}</a><br/>'
        links = self.pages.setdefault(name, [])
        links.append(link)
        page = f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>"
        self.mirror.add(f"/simple/{name.replace('_', '-')}/", page.encode())
        return digest
