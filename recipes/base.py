"""The interpreter, and the zip beside it: brought to the build folder, and seen to be whole."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from invoke.context import Context
from invoke.runners import Result

from .cache import see_sha256
from .console import Stop
from .download import download, keep_download
from .settings import Settings
from .shell import last_line, q, sh, tell

ZIP = "TZ=UTC0 LC_ALL=C ZIPOPT= ZIP="
"""What zip's entries must not depend on: it writes local time and takes options from these."""


def zip_program() -> str:
    """The zip to call in the build folder: the one on PATH, else the one that was fetched."""
    return f"{ZIP} zip" if shutil.which("zip") else f"{ZIP} TMPDIR=. sh ./zip"


def bring_both(c: Context, s: Settings, force: bool) -> str:
    """Bring the interpreter, and `zip` if none is installed; the interpreter's address."""
    sh(c, f"mkdir -p {q(s.build)}", f"{s.build} cannot be made")
    if not shutil.which("zip"):
        bring(c, s, "COSMO_ZIP_URL", force)
    return bring(c, s, "COSMO_URL", force)


def bring(c: Context, s: Settings, setting: str, force: bool) -> str:
    """Bring what COSMO_URL or COSMO_ZIP_URL names into the build folder; the address it had.

    What is locked comes from the cache, if it is there, else from the first address that has it.
    """
    name, addresses = ("python", s.urls) if setting == "COSMO_URL" else ("zip", s.zip_urls)
    if name == "python" and s.lock and "://" in s.lock.url and s.lock.url not in addresses:
        addresses = (*addresses, s.lock.url)
    held = os.path.join(s.cache, "sha256", s.sha256 if name == "python" else "")
    if Path(held).is_file() and not force:
        addresses = (held, *addresses)
    *others, last = addresses
    found = next((each for each in others if gives(c, s, setting, each, force)), last)
    if found == last:
        bring_from(c, s, setting, last, force)
    line = f"chmod +x {name}.part && mv -f {name}.part {name}"
    sh(c, line, f"{name} cannot be put in place", at=s.build)
    return found


def gives(c: Context, s: Settings, setting: str, address: str, force: bool) -> bool:
    """Bring it from an address, behind which there is another one; whether that has it."""
    try:
        bring_from(c, s, setting, address, force)
    except Stop as error:
        tell(c, "fetch", f"{error.message}; trying the next"[len("cosmo: ") :])
        return False
    return True


def bring_from(c: Context, s: Settings, setting: str, address: str, force: bool) -> None:
    """Bring it from one address, as `python.part` or `zip.part`, and see that it is what it must.

    It must be an Actually Portable Executable; and the interpreter must be the one that is locked,
    and the zip at its end one that can be read and holds a library. Source for the first bytes:
    Cosmopolitan, `ape/ape.S`; the second form is that of older releases.
    """
    tell(c, "fetch", address)
    name = "zip" if setting == "COSMO_ZIP_URL" else "python"
    part, then, failed = f"{name}.part", f"correct {setting}", f"{address} cannot be copied"
    remote = "://" in address
    if remote:
        download(c, s, setting, address, force)
        sh(c, f"cp -p download/* {part}", failed, at=s.build, then=then)
    else:
        sh(c, f"cp {q(address)} {q(os.path.join(s.build, part))}", failed, then=then)
    if name == "python" and s.sha256:
        failed = f"{address} is not what is locked"
        new = f"{then}, or lock anew with `invoke cosmo.lock`"
        line = see_sha256(part, s.sha256)
        sh(c, line, failed, at=s.build, why=lambda told: other(told, s.sha256), then=new)
    line = f"head -c 6 {part} | grep -Eq '^(MZqFpD|jartsr)'"
    failed = f"{address} is no Actually Portable Executable"
    sh(c, line, failed, at=s.build, why=lambda _: "it begins otherwise", then=then)
    if name == "python":
        line = f"{zip_program()} -sf {part} | grep -q '^ *Lib/'"
        failed = f"{address} holds no Python"
        why = "no zip at its end that can be read and has a Lib/"
        sh(c, line, failed, at=s.build, why=lambda _: why, then=then)
    if remote:
        keep_download(c, s, address)


def other(told: Result, wanted: str) -> str:
    """What is wrong with a file's sha256."""
    found = re.match("[0-9a-f]{64}", told.stderr)
    return f"expected sha256 {wanted}, found {found[0]}" if found else last_line(told)
