"""What each setting has to be: a check gives the value a build uses, or ends it with `Stop`."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .console import Stop
from .layers import Value

SWITCH = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off", ""), False),
}


def check_pkg(value: Value, root: Path) -> str:
    """PKG, where it is an identifier path and leaves the build's own files their names."""
    if value.text is None:
        file = root / "pyproject.toml"
        none = "" if file.exists() else ", which is not there (COSMO_PROJECT names another project)"
        raise Stop(
            f"PKG is not set, neither in the environment nor in {file}{none}: name the package to"
            " run there, under [tool.cosmo.env], or as in `PKG=name invoke cosmo`"
        )
    parts = value.text.split(".")
    if not all(part.isidentifier() for part in parts):
        raise Stop(
            f"PKG={value.text!r} ({value.source}) is not the name of a package: use a Python"
            " identifier, or several joined by dots"
        )
    if is_taken(parts[0]) or parts[0] == "__main__":
        whose = "Python" if parts[0] == "__main__" else "the build folder"
        raise Stop(f"PKG={value.text}: {whose} needs that name itself; rename the package")
    return value.text


def check_dir_site(value: Value, root: Path) -> str:
    """DIR_SITE, where it is a folder of its own inside the project that ends as it must."""
    text = value.text or ""
    clean = os.path.normpath(text)
    parts = clean.split(os.sep)
    build = (root / text).parent.parent.resolve()
    if os.path.isabs(text) or ".." in text.split("/"):
        wrong = "must lie inside the project and be relative to it"
    elif parts[-2:] != ["Lib", "site-packages"] or len(parts) < 3:
        wrong = "must be a folder of the project's, then Lib/site-packages"
    elif root not in build.parents:
        wrong = f"leads out of the project, to {build}"
    elif (root / "src").resolve() in (build, *build.parents):
        wrong = "lies among the sources"
    elif (root / text).is_symlink() or (root / text).parent.is_symlink():
        wrong = "is a symbolic link"
    else:
        return clean
    raise Stop(f"DIR_SITE={text!r} ({value.source}) {wrong}; dist/cosmo/Lib/site-packages is usual")


def check_url(name: str, value: Value, root: Path) -> str:
    """A URL for wget as it stands; for a file URL, the path that it names; or a path."""
    text = value.text or ""
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    plain = text.isascii() and text.isprintable() and " " not in text
    if parts.scheme in ("http", "https") and parts.netloc and plain:
        return text
    path = placed(value, root)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        path = Path(unquote(parts.path))
    elif not text or "://" in text:
        raise Stop(f"{name}={text!r} ({value.source}): give an https, http or file URL, or a path")
    if not path.is_file():
        raise Stop(f"{name}={text!r} ({value.source}): there is no file {path}; correct it")
    return str(path)


def check_urls(name: str, value: Value, root: Path) -> tuple[str, ...]:
    """A setting that names one address, or several URLs."""
    words = (value.text or "").split()
    if len(words) < 2 or not all("://" in word for word in words):
        return (check_url(name, value, root),)
    return tuple(check_url(name, Value(word, value.source), root) for word in words)


def check_sha256(value: Value) -> str:
    """COSMO_SHA256, empty where it is not set."""
    text = (value.text or "").lower()
    if value.text is not None and not re.fullmatch("[0-9a-f]{64}", text):
        raise Stop(f"COSMO_SHA256={value.text!r} ({value.source}): write 64 hexadecimal digits")
    return text


def placed(value: Value, root: Path) -> Path:
    """The path that a setting names.

    A relative one begins at the project's folder, or where the command runs if it was given there.
    """
    above = Path() if value.source == "environment" else Path(os.path.relpath(root))
    return above / Path(value.text or "").expanduser()


def check_prune(value: Value) -> tuple[str, ...]:
    """COSMO_PRUNE as patterns; one that `zip` would take for an option is refused."""
    patterns = shell_words("COSMO_PRUNE", value)
    for pattern in patterns:
        if not pattern or pattern[0] in "-@":
            raise Stop(f"COSMO_PRUNE ({value.source}): {pattern!r} is not a pattern; write a path")
    return patterns


def check_patterns(name: str, value: Value) -> tuple[str, ...]:
    """COSMO_EXCLUDE or COSMO_KEEP as patterns for paths below `site-packages`."""
    found = shell_words(name, value)
    for pattern in found:
        if not pattern or pattern[0] == "/" or re.search(r"[\n\r\[\]\\]", pattern):
            raise Stop(
                f"{name} ({value.source}): {pattern!r} is not a pattern; write a path below"
                " site-packages, as `hello/templates/*`"
            )
    return found


def check_switch(name: str, value: Value) -> bool:
    """A setting that is on or off."""
    choice = SWITCH.get((value.text or "").lower())
    if choice is None:
        raise Stop(f"{name}={value.text!r} ({value.source}): write 1 or 0")
    return choice


def check_optimize(value: Value) -> int:
    """COSMO_OPTIMIZE: how often Python is given `-O`."""
    if value.text not in ("", "0", "1", "2"):
        raise Stop(f"COSMO_OPTIMIZE={value.text!r} ({value.source}): write 0, 1 or 2")
    return int(value.text or 0)


def check_smoke(value: Value) -> tuple[str, ...] | None:
    """COSMO_SMOKE as a command's arguments; None: it is not tried."""
    return None if value.text is None else shell_words("COSMO_SMOKE", value)


def check_deps(value: Value, root: Path) -> str | None:
    """COSMO_DEPS: the path of a requirements file, `none`, or None for what `[project]` says."""
    if value.text is None or value.text == "none":
        return value.text
    path = placed(value, root)
    if not value.text or not path.is_file():
        raise Stop(
            f"COSMO_DEPS={value.text!r} ({value.source}): there is no file {path}; name a"
            " requirements file, or write none"
        )
    return str(path)


def check_out(value: Value, root: Path, build: Path) -> str | None:
    """COSMO_OUT, relative to the project's folder, where an executable may be put."""
    if value.text is None:
        return None
    path = Path(os.path.normpath(root / value.text))
    inside, folder = path.relative_to(build).parts if build in path.parents else (), path.parent
    if os.path.isabs(value.text) or root not in path.parents or ".." in Path(value.text).parts:
        wrong = "must lie inside the project and be relative to it"
    elif root != folder.resolve() and root not in folder.resolve().parents:
        wrong = f"leads out of the project, to {folder.resolve()}"
    elif value.text.endswith("/") or path.is_dir():
        wrong = "is a folder; name a file in it"
    elif inside and (len(inside) > 1 or is_taken(inside[0])):
        wrong = "is a name that the build folder needs itself"
    elif path.is_symlink() or (path.exists() and not is_executable(path)):
        wrong = "is there, and no executable that a build made; move it away, or name another"
    else:
        return str(path.relative_to(root))
    raise Stop(f"COSMO_OUT={value.text!r} ({value.source}) {wrong}")


def is_taken(name: str) -> bool:
    """Whether the build folder needs a file's name for its own files."""
    reserved = name.lower() in ("python", "zip", "lib", "download")
    return reserved or name.startswith(".") or name.endswith((".zip", ".part"))


def is_executable(path: Path) -> bool:
    """Whether `path` begins as an Actually Portable Executable. Source: `ape/ape.S`."""
    with path.open("rb") as file:
        return file.read(6) in (b"MZqFpD", b"jartsr")


def check_build(folder: Path, results: tuple[Path, ...]) -> None:
    """See that what is written there cannot lead out of it, and that nothing is in its way."""
    names = (
        ".args",
        ".cache",
        ".deps",
        ".list",
        ".lock",
        ".smoke",
        ".zip",
        "lock.part",
        "python.part",
        "zip.part",
        "download",
    )
    written = [folder / name for name in names]
    for path in (*written, *written[-1].rglob("*"), *folder.glob(".ape*")):
        if path.is_symlink():
            raise Stop(f"{path} is a symbolic link, and a build would write through it; remove it")
    for path in (*results, folder / "python", folder / "zip"):
        if path.is_dir():
            raise Stop(f"{path} is a folder, and the place of a file to be made; move it away")


def shell_words(name: str, value: Value) -> tuple[str, ...]:
    """A setting's value parted as a shell parts words."""
    try:
        return tuple(shlex.split(value.text or ""))
    except ValueError as error:
        raise Stop(f"{name}={value.text!r} ({value.source}): {error}; correct it") from error
