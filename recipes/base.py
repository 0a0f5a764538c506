"""The interpreter, and the zip beside it: brought to the build folder, and seen to be whole."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil

from invoke.context import Context
from invoke.runners import Result

from .checks import file_name
from .console import Download, bar
from .settings import Settings
from .shell import q, sh, tell

WGET = (
    "LC_ALL=C wget -N --no-if-modified-since --no-hsts --tries=3 --waitretry=1 --timeout=30"
    " --progress=dot:mega"
)
"""The article's `wget -N`. With `--no-if-modified-since` it sees by the size that an earlier
download was cut short, which the time hides; `--no-hsts` keeps it out of the home folder."""


def zip_program() -> str:
    """The zip to call in the build folder: the one on PATH, else the one that was fetched."""
    return "zip" if shutil.which("zip") else "./zip"


def get(c: Context, s: Settings, setting: str, url: str, force: bool) -> None:
    """Bring what COSMO_URL or COSMO_ZIP_URL names into the build folder.

    It takes the name `python` or `zip` only when it is an Actually Portable Executable, and the
    interpreter only when the zip at its end can be read and holds a library. Source for the first
    bytes: Cosmopolitan, `ape/ape.S`; the second form is that of older releases.
    """
    tell(c, "fetch", url)
    name = "zip" if setting == "COSMO_ZIP_URL" else "python"
    part, then = f"{name}.part", f"correct {setting}"
    file = download(c, s, url, force) if "://" in url else url
    sh(c, f"cp {q(file)} {q(os.path.join(s.build, part))}", f"{url} cannot be copied", then=then)
    line = f"head -c 6 {part} | grep -Eq '^(MZqFpD|jartsr)'"
    failed = f"{url} is no Actually Portable Executable"
    sh(c, line, failed, at=s.build, why=lambda _: "it begins otherwise", then=then)
    if name == "python":
        line = f"{zip_program()} -sf {part} | grep -q '^ *Lib/'"
        failed = f"{url} holds no Python"
        why = "no zip at its end that can be read and has a Lib/"
        sh(c, line, failed, at=s.build, why=lambda _: why, then=then)
    failed = f"{name} cannot be put in place"
    sh(c, f"chmod +x {part} && mv -f {part} {name}", failed, at=s.build)


def download(c: Context, s: Settings, url: str, force: bool) -> str:
    """Download `url` to where wget finds it the next time; return the file's path."""
    folder = os.path.join(s.build, "download", hashlib.sha256(url.encode()).hexdigest()[:8])
    file = os.path.join(folder, file_name(url))
    if force:
        sh(c, f"rm -f {q(file)}", f"{file} cannot be removed")
    line, failed = f"{WGET} -P {q(folder)} {shlex.quote(url)}", f"{url} cannot be downloaded"
    then = "see to the network, or name another place"
    if not shutil.which("wget"):
        then = "install wget (apt install wget, brew install wget)"
    with bar("fetch", None, "B") as shown:
        sh(c, line, failed, Download(shown), why=wget_reason, then=then)
    return file


def wget_reason(result: Result) -> str:
    """What wget says went wrong; the last thing that it prints may be a line of dots."""
    if result.exited == 127:
        return "there is no wget on PATH"
    told = re.findall(
        r"ERROR \d+: .*|failed: .*|unable to .*|Read error.*|Connection closed at.*", result.stderr
    )
    return told[-1].rstrip(".") if told else f"wget ended with exit status {result.exited}"
