"""The base archive: the interpreter with the dependencies, in the user's cache by its key."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from .dependencies import read_requirements, resolved_file
from .fetch import cache_folder, digest_of, file_sha256, keep_file, python_sha256, use_file
from .lockfile import table
from .project import Project

SHAPING = ("COSMO_PRUNE", "COSMO_EXCLUDE", "COSMO_SOURCE", "COSMO_OPTIMIZE")
"""The settings that change what a base archive holds."""


def uv_configuration(p: Project, env: Mapping[str, str]) -> list[object]:
    """Gather the uv configuration that an installation depends on: files, `[tool.uv]`, `UV_*`.

    Source: uv's documentation, on configuration files.
    """
    home = Path(env.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    shared = (env.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)
    files = [Path(place, "uv/uv.toml") for place in (str(home), *shared, "/etc")]
    files += [Path(env.get("UV_CONFIG_FILE") or os.devnull), p.root / "uv.toml"]
    files += [folder / name for folder in p.root.parents for name in ("uv.toml", "pyproject.toml")]
    variables = sorted((name, text) for name, text in env.items() if name[:3] == "UV_")
    contents = [one.read_bytes() for one in files if one.is_file()]
    return [contents, variables, table(p.data, "tool", "uv")]


def base_key(p: Project, packages: list[dict[str, Any]], env: Mapping[str, str]) -> str:
    """Compute the name of the base archive: the sha256 of all that it is made of.

    Empty where that is not known: the content of a folder or a repository has no hash.
    """
    here = Path(__file__)
    ours = sorted(here.parent.rglob("*.py")) if __name__ == "recipes.base" else [here]
    parts: list[object] = [sys.version, [file.read_bytes() for file in ours], p.epoch]
    parts += [python_sha256(p), [p.settings.values[one].text for one in SHAPING]]
    for package in packages:
        files = [package.get(key) for key in ("archive", "sdist")] + package.get("wheels", [])
        hashes = [file.get("hashes") for file in files if file]
        if not hashes or not all(hashes):
            return ""
    if packages:
        parts += [resolved_file(p).read_bytes(), p.uv_version, uv_configuration(p, env)]
        content = read_requirements(p.path(p.settings.deps)) if p.settings.deps else []
        parts.append(content)
        if None in content:
            return ""
    return digest_of(*parts)


def cached_base(key: str) -> Path | None:
    """Find the base archive in the cache; leave one that is damaged."""
    path, note = (cache_folder() / "base" / f"{key}{end}" for end in (".zip", ".json"))
    with suppress(OSError, ValueError, KeyError, TypeError):
        if key and use_file(note) and use_file(path):
            if json.loads(note.read_text("utf-8"))["base"] == file_sha256(path):
                return path
    return None


def store_base(p: Project, key: str) -> None:
    """Keep the base archive that was made in the cache, and what was removed of it."""
    base, note = p.path(f"{p.build}/.new/base.zip"), p.path(f"{p.build}/.new/notes.json")
    notes = {**json.loads(note.read_text("utf-8")), "base": file_sha256(base)}
    note.write_text(json.dumps(notes), "utf-8")
    for file in (note, base):
        keep_file(file, cache_folder() / "base" / f"{key}{file.suffix}")
