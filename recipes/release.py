"""What is published with an executable: checksums, a receipt, a bill of materials; how it is."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import time
import urllib.parse
import uuid
from pathlib import Path
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from .archive import Archive, find_executable, is_made_from, is_own, lock_problem
from .inside.distribution import canonical
from .interpreter import file_sha256
from .metadata import isolates
from .parsers import public_url
from .project import Project, load_project
from .shell import RecipeError, exit_on_error, log, print_result

WORKFLOW = """\
# Written by `invoke release.workflow`, which --force writes anew. A pushed tag v* is built from
# pylock.cosmo.toml, tried on three systems, attested and published. tasks.py must have the recipes:
# `invoke vendor PATH-OF-THIS-PROJECT --with release` in a clone of cosmo-recipes.
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
        with:
          persist-credentials: false
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
# Written by `invoke release.docker`, which --force writes anew. The image is the executable alone;
# it needs no shell, for `--assimilate` makes it this platform's own format.
FROM busybox:stable AS assimilate
COPY {source} /program
RUN chmod 755 /program && sh /program --assimilate
FROM scratch
COPY --from=assimilate /program {target}
ENTRYPOINT [{target}]
"""

SUMS = "SHA256SUMS"

FORCE = "Overwrite a file that is not as this task writes it."


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
    check_inside(p, folder, f"--dest={dest}")
    archives = [find_executable(e.path) for e in p.executables] if not file else []
    archives += [find_executable(file)] if file else []
    with exit_on_error(f"{folder} cannot be written"):
        names = released_files(folder)
        files = {
            name: content for archive in archives for name, content in contents(p, archive).items()
        }
        if c.config.run.dry:
            print_result("\n".join(str(folder / name) for name in [*files, SUMS]))
            return
        written = [put_file(folder / name, content) for name, content in files.items()]
        rows = [f"{file_sha256(folder / name)}  {name}\n" for name in sorted({*names, *files})]
        written.append(put_file(folder / SUMS, "".join(rows)))
    print_result("\n".join(map(str, written)))


def check_inside(p: Project, folder: Path, what: str) -> None:
    """Check that a folder to write to is in the project, whatever links lead there."""
    if p.root not in folder.resolve().parents:
        raise RecipeError(f"{what}: {folder} is not in the project; name a folder in it")


def released_files(folder: Path) -> list[str]:
    """The files of a release in a folder; `RecipeError` where it holds others.

    Of a release is what its SHA256SUMS lists. All that is in the folder is published.
    """
    paths = folder.iterdir() if folder.exists() else ()
    names = sorted(path.name for path in paths if path.name[0] != "." and path.name != SUMS)
    sums = (folder / SUMS).read_text("utf-8") if (folder / SUMS).exists() else ""
    listed = re.findall("(?m)^[0-9a-f]{64}  (.*)$", sums)
    others = set(names) - set(listed)
    if others or len(listed) != len(sums.splitlines()):
        problem = f"{folder} holds {min(others or [SUMS])}, which is not of a release"
        raise RecipeError(f"{problem}; move it, or name another folder with --dest")
    return names


def release_name(path: str | Path) -> str:
    """The name that an executable is published under, beside that with `.exe`."""
    return re.sub(r"\.(com|exe)$", "", Path(path).name)


def contents(p: Project, archive: Archive) -> dict[str, str | Path]:
    """What is published of one executable, by the files' names: texts, or what to copy."""
    name = release_name(archive.path)
    receipt = make_receipt(p if is_own(p, archive) else None, archive, name)
    files: dict[str, str | Path] = {name: archive.path, f"{name}.exe": archive.path}
    documents = {f"{name}.json": receipt, f"{name}.cdx.json": bill_of_materials(p, receipt)}
    return {**files, **{n: json.dumps(data, indent=2) + "\n" for n, data in documents.items()}}


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


def make_receipt(p: Project | None, archive: Archive, name: str) -> dict[str, Any]:
    """The receipt: what an executable is, and what it is made of.

    `p` is the project that made it, None where that is not known. Where its lock is not what is in
    the executable, `RecipeError` says so.
    """
    program = canonical(p.metadata.name if p and p.metadata.name else name)
    dists = archive.dists
    own = next((dist for dist in dists if canonical(dist.name) == program), None)
    interpreter: dict[str, Any] = {"name": "CPython", "version": archive.python}
    if p and p.lock:
        problem = lock_problem(p, archive)
        if problem:
            raise RecipeError(f"{archive.path} is not as locked: {problem}; run `invoke cosmo`")
        interpreter["version"] = p.lock.version
        url = public_url(p.lock.url)
        interpreter.update(url=url, size=p.lock.size, sha256=p.lock.sha256)
    elif p and is_made_from(archive, Path(p.build, "python")):
        python = Path(p.build, "python")
        interpreter.update(size=python.stat().st_size, sha256=file_sha256(python))
    version = p.metadata.version if p else ""
    if p and not p.metadata.built and version and own and own.version not in ("", version):
        problem = f"it has version {own.version} of {program}, and the project is {version}"
        raise RecipeError(f"{archive.path} is of an earlier build: {problem}; run `invoke cosmo`")
    return {
        "name": name,
        "version": version or (own.version if own else ""),
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
        name = urllib.parse.quote(canonical(one["name"]), safe="")
        purl = f"pkg:pypi/{name}@{urllib.parse.quote(one['version'], safe='')}"
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
    names = " ".join(plain(release_name(executable.path)) for executable in p.executables)
    if not words.isprintable() or "${{" in words:
        raise RecipeError(f"COSMO_SMOKE={words} cannot be written in a workflow; simplify it")
    if not (p.root / ".git").exists() and any((at / ".git").exists() for at in p.root.parents):
        problem = "GitHub reads workflows at the top of a repository"
        raise RecipeError(f"{p.root} is in a repository, and {problem}; run this there")
    path = Path(p.folder, ".github/workflows/release.yml")
    write_own(c, p, path, WORKFLOW.format(names=names, words=words), force)
    log(f"release  each system starts it with {words}; COSMO_SMOKE names other arguments")


@task(help={"force": FORCE})
def docker(c: Context, force: bool = False) -> None:
    """Write a Dockerfile for an image that holds the executable, and nothing else."""
    p = load_project()
    path = p.executables[0].path
    name = plain(Path(path).name)
    source = plain(os.path.relpath(path, p.folder))
    text = DOCKERFILE.format(source=source, target=json.dumps(f"/{name}"))
    write_own(c, p, Path(p.folder, "Dockerfile"), text, force)


def plain(name: str) -> str:
    """A name or path as it is; `RecipeError` for one that would have to be quoted."""
    if not re.fullmatch(r"[\w.][\w./-]*", name, re.ASCII):
        raise RecipeError(
            f"{name!r} is no name for a release: use letters, digits, dots and dashes"
        )
    return name


def write_own(c: Context, p: Project, path: Path, text: str, force: bool) -> None:
    """Write a file, but not over another one."""
    with exit_on_error(f"{path} cannot be written"):
        check_inside(p, path.parent / "name", f"{path} cannot be written")
        if path.is_symlink():
            raise RecipeError(f"{path} is a symbolic link, whose target is left alone; remove it")
        if path.exists() and not force and path.read_text("utf-8") != text:
            raise RecipeError(f"{path} is not as this task writes it; move it, or add --force")
        if c.config.run.dry:
            print_result(text.rstrip("\n"))
            return
        put_file(path, text)
    log(f"release  {path}")


release = Collection("release", write_files, workflow, docker)
