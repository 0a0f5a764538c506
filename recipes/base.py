"""The interpreter, and the zip beside it: brought to the build folder, and seen to be whole."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil

from invoke.context import Context
from invoke.runners import Result

from .console import Download, bar
from .settings import Settings
from .shell import q, sh, tell

WGET = (
    "LC_ALL=C wget -N --no-if-modified-since --no-config --no-hsts --tries=3 --waitretry=1"
    " --timeout=30 --progress=dot:mega"
)
"""The article's `wget -N`. With `--no-if-modified-since` it sees by the size that an earlier
download was cut short, which the time hides; `--no-config` and `--no-hsts` keep it from writing
where a `.wgetrc` says, and to the home folder."""

ZIP = "TZ=UTC0 LC_ALL=C ZIPOPT= ZIP="
"""What zip's entries must not depend on: it writes local time and takes options from these."""


def zip_program() -> str:
    """The zip to call in the build folder: the one on PATH, else the one that was fetched."""
    return f"{ZIP} zip" if shutil.which("zip") else f"{ZIP} TMPDIR=. sh ./zip"


def bring(c: Context, s: Settings, setting: str, url: str, force: bool) -> None:
    """Bring what COSMO_URL or COSMO_ZIP_URL names into the build folder.

    It takes the name `python` or `zip` only when it is an Actually Portable Executable, and the
    interpreter only when the zip at its end can be read and holds a library. Source for the first
    bytes: Cosmopolitan, `ape/ape.S`; the second form is that of older releases.
    """
    tell(c, "fetch", url)
    name = "zip" if setting == "COSMO_ZIP_URL" else "python"
    part, then, failed = f"{name}.part", f"correct {setting}", f"{url} cannot be copied"
    folder = ""
    if "://" in url:
        folder = download(c, s, setting, url, force)
        sh(c, f"cp {folder}/* {part}", failed, at=s.build, then=then)
    else:
        sh(c, f"cp {q(url)} {q(os.path.join(s.build, part))}", failed, then=then)
    line = or_drop(f"head -c 6 {part} | grep -Eq '^(MZqFpD|jartsr)'", folder)
    failed = f"{url} is no Actually Portable Executable"
    sh(c, line, failed, at=s.build, why=lambda _: "it begins otherwise", then=then)
    if name == "python":
        line = or_drop(f"{zip_program()} -sf {part} | grep -q '^ *Lib/'", folder)
        failed = f"{url} holds no Python"
        why = "no zip at its end that can be read and has a Lib/"
        sh(c, line, failed, at=s.build, why=lambda _: why, then=then)
        see_name(c, s, part)
    failed = f"{name} cannot be put in place"
    sh(c, f"chmod +x {part} && mv -f {part} {name}", failed, at=s.build)


def see_name(c: Context, s: Settings, part: str) -> None:
    """See that the interpreter's own library, which comes first, has no module called like PKG."""
    top = s.pkg.partition(".")[0]
    line = f"! {zip_program()} -sf {part} | grep -Eq '^ *Lib/{top}(/__init__)?\\.pyc?$'"
    why = "the interpreter's own library has a module of that name, which would run instead"
    failed, then = f"{top} cannot be packaged", "rename the program"
    sh(c, line, failed, at=s.build, why=lambda _: why, then=then)


def or_drop(test: str, folder: str) -> str:
    """`test`; where it fails, the download goes, or wget would keep what is torn for good."""
    return f"{{ {test} || {{ rm -rf {folder}; exit 1; }}; }}" if folder else test


def download(c: Context, s: Settings, setting: str, url: str, force: bool) -> str:
    """Download `url` to a folder of its own, where wget finds it the next time; return the folder.

    Nothing else is in there, so that it does not matter what wget calls the file.
    """
    folder = f"download/{hashlib.sha256(url.encode()).hexdigest()[:8]}"
    if force:
        sh(c, f"rm -rf {folder}", f"{folder} cannot be removed", at=s.build)
    then = f"see to the network, correct {setting}, or try `invoke cosmo.fetch --force`"
    if setting == "COSMO_ZIP_URL":
        then = f"install zip (apt install zip), or {then}"
    if not shutil.which("wget"):
        then = "install wget (apt install wget, brew install wget)"
    line, failed = f"{WGET} -P {folder} {shlex.quote(url)}", f"{url} cannot be downloaded"
    with bar("fetch", None, "B") as shown:
        sh(c, line, failed, Download(shown), at=s.build, why=wget_reason, then=then)
    return folder


def wget_reason(result: Result) -> str:
    """What wget says went wrong; the last thing that it prints may be a line of dots."""
    if result.exited == 127:
        return "there is no wget on PATH"
    told = re.findall(
        r"ERROR \d+: .*|failed: .*|unable to .*|Read error.*|Connection closed at.*", result.stderr
    )
    return told[-1].rstrip(".") if told else f"wget ended with exit status {result.exited}"
