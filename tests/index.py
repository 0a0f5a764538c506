"""A package index on 127.0.0.1, and what the tests put into it: wheels, sdists, source trees."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping

from mirror import Mirror
from projects import Project

BACKEND = """\
import os, shutil

def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "{name}-{version}-{tag}.whl"
    path = shutil.make_archive(os.path.join(folder, name), "zip", "content")
    os.rename(path, os.path.join(folder, name))
    return name

build_editable = build_wheel
"""
BUILT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
PURE = "py3-none-any"
Files = Mapping[str, str]


def require(project: Project, *requirements: str, more: str = "", main: str = "") -> None:
    """Let the project, which no backend builds, depend on these, and be what `main` says."""
    head = f"[project]\nname = 'hello'\nversion = '1.5'\ndependencies = {list(requirements)}\n"
    project.write("pyproject.toml", head + more)
    if main:
        project.write("src/hello/__main__.py", main)


def metadata(name: str, version: str, requires: tuple[str, ...], python: str) -> str:
    """Write a `METADATA`."""
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += ["License: of several lines", "        ", "        as some have it"]
    lines += [f"Requires-Python: {python}"] if python else []
    return "\n".join([*lines, *(f"Requires-Dist: {line}" for line in requires), ""])


def content(
    name: str, version: str, files: Files, requires: tuple[str, ...], python: str, tag: str
) -> dict[str, str]:
    """Return what a wheel holds: the files, the metadata, and a RECORD of these."""
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


def write_tree(
    project: Project, folder: str, name: str, files: Files, *requires: str, head: str = ""
) -> None:
    """Write a source tree of version 1.0, with a build backend of its own, into a folder."""
    project.write(f"{folder}/pyproject.toml", BUILT + head)
    project.write(f"{folder}/backend.py", BACKEND.format(name=name, version="1.0", tag=PURE))
    for path, text in content(name, "1.0", files, requires, "", PURE).items():
        project.write(f"{folder}/content/{path}", text)


class Index:
    """The index: what is added to it can be installed from `url`."""

    def __init__(self, mirror: Mirror) -> None:
        self.mirror = mirror
        self.pages: dict[str, list[str]] = {}
        self.url = mirror.address + "/simple/"

    def wheel(
        self, name: str, version: str, files: Files, *needs: str, python: str = "", tag: str = PURE
    ) -> str:
        """Add a wheel; return its sha256."""
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as archive:
            for path, text in content(name, version, files, needs, python, tag).items():
                archive.writestr(path, text)
        return self.add(name, f"{name}-{version}-{tag}.whl", data.getvalue(), python)

    def sdist(self, name: str, version: str, files: Files, *needs: str) -> str:
        """Add an sdist with a build backend of its own; return its sha256."""
        inside = {"PKG-INFO": metadata(name, version, needs, ""), "pyproject.toml": BUILT}
        inside["backend.py"] = BACKEND.format(name=name, version=version, tag=PURE)
        held = content(name, version, files, needs, "", PURE)
        inside.update({f"content/{path}": text for path, text in held.items()})
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
        self.pages.setdefault(name, []).append(link)
        page = f"<!DOCTYPE html><html><body>{''.join(self.pages[name])}</body></html>"
        self.mirror.add(f"/simple/{name.replace('_', '-')}/", page.encode())
        return digest
