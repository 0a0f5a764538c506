"""What is published with an executable: checksums, a receipt, a bill of materials; how it is."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import time
import uuid
from pathlib import Path
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from .archive import Archive, find_executable
from .inside.distribution import canonical
from .interpreter import file_sha256
from .metadata import isolates
from .project import Project, load_project
from .shell import RecipeError, exit_on_error, log, print_result

MARK = "# Written by `invoke release."
"""How a file begins that may be written anew."""

WORKFLOW = """\
{mark}workflow`, which --force writes anew. A pushed tag v* is built from
# pylock.cosmo.toml, tried on three systems, attested and published. tasks.py must have the recipes:
# `invoke vendor . --with release` in a clone of cosmo-recipes.
name: release
on:
  push:
    tags: ["v*"]
permissions:
  contents: read
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - run: sudo apt-get install -y wget zip && pip install invoke tqdm uv
      - run: test -f pylock.cosmo.toml || {{ echo "write a lock by invoke cosmo.lock"; exit 1; }}
      - run: invoke cosmo release
      - uses: actions/upload-artifact@v4
        with:
          name: release
          path: dist/release
          if-no-files-found: error
  try:
    needs: build
    strategy:
      matrix:
        os: [ubuntu-latest, macos-latest, windows-latest]
    runs-on: ${{{{ matrix.os }}}}
    steps:
      - uses: actions/download-artifact@v4
        with:
          name: release
          path: release
      - shell: bash
        run: |
          for name in {names}; do
            [ "$RUNNER_OS" != Windows ] || name="$name.exe"
            chmod +x "release/$name"
            "release/$name" {words}
          done
  publish:
    needs: try
    runs-on: ubuntu-latest
    permissions:
      contents: write
      id-token: write
      attestations: write
    steps:
      - uses: actions/download-artifact@v4
        with:
          name: release
          path: release
      - uses: actions/attest-build-provenance@v2
        with:
          subject-path: release/*
      - run: gh release create "$GITHUB_REF_NAME" --verify-tag --generate-notes release/*
        env:
          GH_TOKEN: ${{{{ github.token }}}}
          GH_REPO: ${{{{ github.repository }}}}
"""

DOCKERFILE = """\
{mark}docker`, which --force writes anew. The image is the executable alone;
# it needs no shell, for `--assimilate` makes it this platform's own format.
FROM busybox:stable AS assimilate
COPY {source} /program
RUN chmod 755 /program && sh /program --assimilate
FROM scratch
COPY --from=assimilate /program {target}
ENTRYPOINT [{target}]
"""

FORCE = "Overwrite a file that was not written by this task."


@task(
    default=True,
    name="files",
    help={
        "file": "The executable (default: all of the project's).",
        "dest": "The folder to write to, in the project.",
    },
)
def write_files(c: Context, file: str = "", dest: str = "dist/release") -> None:
    """Write what to publish: executables, SHA256SUMS, receipts, bills of materials."""
    p = load_project()
    folder = Path(p.folder, dest)
    if p.root not in folder.resolve().parents:
        raise RecipeError(f"--dest={dest}: name a folder in the project")
    names = [file] if file else [executable.path for executable in p.executables]
    with exit_on_error(f"{folder} cannot be written"):
        written = [
            path for name in names for path in write_release(p, find_executable(name), folder)
        ]
        rows = [f"{file_sha256(path)}  {path.name}\n" for path in written]
        sums = put_file(folder / "SHA256SUMS", "".join(sorted(rows, key=lambda row: row[64:])))
    print_result("\n".join(map(str, [*written, sums])))


def write_release(p: Project, archive: Archive, folder: Path) -> list[Path]:
    """Write what is published of one executable; return the paths."""
    name = re.sub(r"\.(com|exe)$", "", archive.path.name)
    receipt = make_receipt(p, archive, name)
    documents = {f"{name}.json": receipt, f"{name}.cdx.json": bill_of_materials(p, receipt)}
    written = [put_file(folder / f"{name}{suffix}", archive.path) for suffix in ("", ".exe")]
    for file, data in documents.items():
        written.append(put_file(folder / file, json.dumps(data, indent=2) + "\n"))
    return written


def put_file(path: Path, content: str | Path) -> Path:
    """Put a text, or a copy of an executable, in place of a file, all at once; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        part.unlink(missing_ok=True)
        if isinstance(content, Path):
            shutil.copyfile(content, part)
            part.chmod(0o755)
        else:
            part.write_text(content, "utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def make_receipt(p: Project, archive: Archive, name: str) -> dict[str, Any]:
    """The receipt: what an executable is, and what it is made of."""
    program, dists = canonical(p.metadata.name or name), archive.dists
    own = next((dist for dist in dists if canonical(dist.name) == program), None)
    python = Path(p.build, "python")
    interpreter: dict[str, Any] = {"name": "CPython", "version": archive.python}
    if p.lock:
        interpreter["version"] = p.lock.version
        interpreter.update(url=p.lock.url, size=p.lock.size, sha256=p.lock.sha256)
    elif python.is_file():
        interpreter.update(size=python.stat().st_size, sha256=file_sha256(python))
    return {
        "name": name,
        "version": p.metadata.version or (own.version if own else ""),
        "license": own.licence if own else "",
        "size": archive.path.stat().st_size,
        "sha256": file_sha256(archive.path),
        "args": archive.args,
        "isolated": isolates(tuple(archive.args)),
        "processors": archive.cpus,
        "interpreter": interpreter,
        "dependencies": [
            {"name": dist.name, "version": dist.version, "license": dist.licence}
            for dist in dists
            if dist is not own
        ],
    }


def bill_of_materials(p: Project, receipt: dict[str, Any]) -> dict[str, Any]:
    """The bill of materials of an executable. Source: CycloneDX 1.5, its JSON schema."""
    component = {"type": "application", "bom-ref": "program", **named(receipt)}
    parts = [{"type": "platform", "bom-ref": "interpreter", **named(receipt["interpreter"])}]
    for one in receipt["dependencies"]:
        purl = f"pkg:pypi/{canonical(one['name'])}@{one['version']}"
        parts.append({"type": "library", "bom-ref": purl, **named(one), "purl": purl})
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(p.epoch))
    tools = {"components": [{"type": "application", "name": "cosmo-recipes"}]}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, receipt['sha256'])}",
        "version": 1,
        "metadata": {"timestamp": moment, "tools": tools, "component": component},
        "components": parts,
        "dependencies": [{"ref": "program", "dependsOn": [part["bom-ref"] for part in parts]}],
    }


def named(row: dict[str, Any]) -> dict[str, Any]:
    """A component's name, version, licence and hash, as far as they are known."""
    component = {key: row[key] for key in ("name", "version") if row.get(key)}
    if row.get("license"):
        component["licenses"] = [{"license": {"name": row["license"]}}]
    if row.get("sha256"):
        component["hashes"] = [{"alg": "SHA-256", "content": row["sha256"]}]
    return component


@task(help={"force": FORCE})
def workflow(c: Context, force: bool = False) -> None:
    """Write a GitHub Actions workflow that builds, tries, attests and publishes a tag."""
    p = load_project()
    words = shlex.join(p.get("COSMO_SMOKE") or ("--version",))
    names = " ".join(plain(Path(executable.path).name) for executable in p.executables)
    if not words.isprintable() or "${{" in words:
        raise RecipeError(f"COSMO_SMOKE={words} cannot be written in a workflow; simplify it")
    text = WORKFLOW.format(mark=MARK, names=names, words=words)
    write_own(Path(p.folder, ".github/workflows/release.yml"), text, force)


@task(help={"force": FORCE})
def docker(c: Context, force: bool = False) -> None:
    """Write a Dockerfile for an image that holds the executable, and nothing else."""
    p = load_project()
    path = p.executables[0].path
    name = plain(Path(path).name)
    source = plain(os.path.relpath(path, p.folder))
    text = DOCKERFILE.format(mark=MARK, source=source, target=json.dumps(f"/{name}"))
    write_own(Path(p.folder, "Dockerfile"), text, force)


def plain(name: str) -> str:
    """A name or path as it is; `RecipeError` for one that would have to be quoted."""
    if not re.fullmatch(r"[\w./-]+", name, re.ASCII):
        raise RecipeError(
            f"{name!r} is no name for a release: use letters, digits, dots and dashes"
        )
    return name


def write_own(path: Path, text: str, force: bool) -> None:
    """Write a file, but not over one that is not ours."""
    with exit_on_error(f"{path} cannot be written"):
        if path.is_symlink():
            raise RecipeError(f"{path} is a symbolic link, whose target is left alone; remove it")
        if path.exists() and not force and not path.read_text("utf-8").startswith(MARK):
            raise RecipeError(f"{path} was not written by this task; move it, or add --force")
        put_file(path, text)
    log(f"release  {path}")


release = Collection("release", write_files, workflow, docker)
