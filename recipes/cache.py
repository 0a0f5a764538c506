"""The user's cache: what was downloaded or installed once, for all projects of this machine.

    sha256/HASH       a file, by what it holds
    url/HASH/NAME     a link to what an address last gave, for `wget -N`; url/HASH.time has its time
    deps/HASH/deps    a link to what locked dependencies were installed to, as a tar

A file gets its name when it is whole, by one rename, so that builds need not wait for each other.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path


def cache_folder(environ: Mapping[str, str]) -> str:
    """The folder of these recipes in the user's cache.

    Source: XDG Base Directory Specification, by which a relative path counts for nothing; without
    XDG_CACHE_HOME, on macOS, its File System Programming Guide.
    """
    base = environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = str(Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache"))
    return os.path.join(base, "cosmo-recipes")


def place(kind: str, text: str) -> str:
    """Where the link for an address, or for some dependencies, lies in the cache."""
    return f"{kind}/{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def sha256sum() -> str:
    """The program that prints the sha256 of its input: coreutils' or, as on macOS, Perl's."""
    return "sha256sum" if shutil.which("sha256sum") else "shasum -a 256"


def held_file(cache: str, link: str) -> Path | None:
    """The file in the cache that a link leads to; None where it leads nowhere, or elsewhere."""
    held = Path(cache, link).resolve()
    known = held.parent == Path(cache, "sha256").resolve() and re.fullmatch(
        "[0-9a-f]{64}", held.name
    )
    return held if known and held.is_file() else None


def see_sha256(file: str, wanted: str) -> str:
    """The line that fails, and tells what it found, where a file is not what it has to be."""
    found = f'found="$({sha256sum()} < {file})"'
    return f'{found} && {{ [ "${{found%% *}}" = {wanted} ] || {{ echo "$found" >&2; false; }}; }}'


def is_whole(cache: str) -> str:
    """The command that fails where what the link `$file` in the cache leads to was damaged."""
    held = shlex.quote(f"{cache}/sha256")
    return f'{{ hash="$({sha256sum()} < "$file")" && [ "$file" -ef {held}/"${{hash%% *}}" ]; }}'


def keep(cache: str, file: str, folder: str, name: str) -> str:
    """The line that puts a file into the cache, by its hash, and a link to it into a folder there.

    `file` and `name` are text of that line. Beside the folder, a file has the time that this one
    had; it comes last, for what is older than it is told to be is fetched again, not kept for good.
    A cache that cannot be written to is done without.
    """
    held, links = shlex.quote(f"{cache}/sha256"), shlex.quote(f"{cache}/{folder}")
    return (
        f'{{ hash="$({sha256sum()} < {file})" && hash="${{hash%% *}}" && mkdir -p {held} {links} &&'
        f' cp -p {file} {held}/.$$ && mv -f {held}/.$$ {held}/"$hash" &&'
        f' ln -sf ../../sha256/"$hash" {links}/.$$ && mv -f {links}/.$$ {links}/{name} &&'
        f" touch -r {file} {links}.$$ && mv -f {links}.$$ {links}.time; }}"
        f" 2>/dev/null || rm -f {held}/.$$ {links}/.$$ {links}.$$"
    )
