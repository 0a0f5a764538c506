"""Write what is published with an executable."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from .bundle import Archive, require_build
from .executable import BuildRecord
from .fetch import file_sha256
from .lockfile import normalize_name, public_url
from .package import build
from .project import Project, load_project
from .shell import RecipeError, exit_on_error, handle_signals, print_result

SUMS, BOM = "SHA256SUMS", ".cdx.json"
ENDS = ("", ".exe", ".json", BOM)
"""What is published of an executable: itself, for Windows, its receipt, its bill of materials."""


@task(pre=[build], default=True, name="files")
def write_files(c: Context) -> None:
    """Package the project, and write dist/release."""
    project = load_project()
    made, folder = require_build(project), project.path("dist/release")
    name = re.sub(r"\.(com|exe)$", "", Path(made.path).name)
    if name.upper() == SUMS:
        raise RecipeError(f"two files of the release would be called {name}; rename the program")
    if project.lock and project.lock.sha256 != made.python_sha256:
        problem = f"was not made with the interpreter in {project.lock_file.name}"
        raise RecipeError(f"the executable {problem}; run `invoke cosmo`")
    with handle_signals(), exit_on_error(f"cannot write {folder}"):
        if folder.resolve() != folder or (folder.exists() and not is_release(folder)):
            raise RecipeError(f"{folder} is not what this task wrote; move it away")
        if not c.config.run.dry:
            replace_folder(project, made, folder, name)
    names = [SUMS, *(name + end for end in ENDS)]
    print_result("\n".join(os.path.relpath(folder / name) for name in names))


def list_sums(folder: Path) -> str:
    """Return the sha256 of each file but SHA256SUMS, as the program sha256sum prints it."""
    names = sorted({path.name for path in folder.iterdir()} - {SUMS})
    return "".join(f"{file_sha256(folder / name)}  {name}\n" for name in names)


def is_release(folder: Path) -> bool:
    """Tell if a folder is empty, or holds what `write_files` wrote, unchanged."""
    names = {path.name for path in folder.iterdir()}
    stems = [name.removesuffix(BOM) for name in names if name.endswith(BOM)]
    ours = names == {SUMS, *(stem + end for stem in stems for end in ENDS)}
    return not names or (ours and (folder / SUMS).read_text("utf-8") == list_sums(folder))


def replace_folder(project: Project, build: BuildRecord, folder: Path, name: str) -> None:
    """Write a release into a new folder, and rename that to `folder`."""
    executable = project.path(build.path)
    if not executable.is_file():
        raise RecipeError(f"{build.path} does not exist; make it with `invoke cosmo`")
    folder.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".release.", dir=folder.parent) as work:
        new, old = Path(work, "new"), Path(work, "old")
        new.mkdir()
        for file in (new / name, new / f"{name}.exe"):
            shutil.copyfile(executable, file)
            file.chmod(0o755)
            if file_sha256(file) != build.placed[build.path]:
                raise RecipeError(f"{build.path} was changed since the build; run `invoke cosmo`")
        receipt = make_receipt(project, build, new / name)
        for end, data in ((".json", receipt), (BOM, make_bom(project, receipt))):
            (new / f"{name}{end}").write_text(json.dumps(data, indent=2) + "\n", "utf-8")
        (new / SUMS).write_text(list_sums(new), "utf-8")
        try:
            if folder.exists():
                folder.rename(old)
            new.rename(folder)
        finally:
            if old.exists() and not folder.exists():
                old.rename(folder)


def make_receipt(project: Project, build: BuildRecord, file: Path) -> dict[str, Any]:
    """Return what an executable is, and what it is made of."""
    facts = Archive(file).describe()
    dists = {dist["name"]: dist for dist in facts["dependencies"]}
    name = normalize_name(project.name)
    program = dists.pop(name, {"version": "", "license": ""})
    python = {"name": "CPython", "version": build.python_version, "size": build.python_size}
    python.update({"sha256": build.python_sha256, "url": public_url(build.python_url)})
    facts.update({"dependencies": list(dists.values()), "interpreter": python})
    return {**program, "name": file.name, **facts}


def make_bom(project: Project, receipt: dict[str, Any]) -> dict[str, Any]:
    """Return a bill of materials. Source: CycloneDX 1.5, its JSON schema."""
    rows = [("application", receipt), ("platform", receipt["interpreter"])]
    rows += [("library", dist) for dist in receipt["dependencies"]]
    parts = []
    for kind, row in rows:
        part = {"type": kind, "bom-ref": kind, "name": row["name"], "version": row["version"]}
        if kind == "library":
            part["purl"] = f"pkg:pypi/{row['name']}@{quote(row['version'], '')}"
            part["bom-ref"] = part["purl"]
        if row.get("license"):
            part["licenses"] = [{"license": {"name": row["license"]}}]
        if "sha256" in row:
            part["hashes"] = [{"alg": "SHA-256", "content": row["sha256"]}]
        parts.append(part)
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(project.epoch))
    references = [part["bom-ref"] for part in parts[1:]]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, receipt['sha256'])}",
        "metadata": {"timestamp": moment, "component": parts[0]},
        "components": parts[1:],
        "dependencies": [{"ref": "application", "dependsOn": references}],
    }


release = Collection("release", write_files)
