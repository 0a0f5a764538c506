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


def pkg(value: Value, root: Path) -> str:
    """PKG, where it is an identifier path and leaves the build's own files their names."""
    if value.text is None:
        raise Stop(
            f"PKG is not set, neither in the environment nor in {root / 'pyproject.toml'}: name the"
            " package to run there, under [tool.cosmo.env], or as in `PKG=name invoke cosmo`"
        )
    parts = value.text.split(".")
    if not all(part.isidentifier() for part in parts):
        raise Stop(
            f"PKG={value.text!r} ({value.source}) is not the name of a package: use a Python"
            " identifier, or several joined by dots"
        )
    if parts[0].lower() in ("python", "zip", "lib", "download"):
        raise Stop(f"PKG={value.text}: the build folder needs that name itself; rename the package")
    return value.text


def dir_site(value: Value, root: Path) -> str:
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


def url(name: str, value: Value, root: Path) -> str:
    """A URL for wget as it stands; for a file URL, the path that it names; or a path.

    A relative path begins at the project's folder, or where the command runs if it was given there.
    """
    text = value.text or ""
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    plain = text.isascii() and text.isprintable() and " " not in text
    if parts.scheme in ("http", "https") and parts.netloc and plain:
        return text
    above = Path() if value.source == "environment" else Path(os.path.relpath(root))
    path = above / Path(text).expanduser()
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        path = Path(unquote(parts.path))
    elif not text or "://" in text:
        raise Stop(f"{name}={text!r} ({value.source}): give an https, http or file URL, or a path")
    if not path.is_file():
        raise Stop(f"{name}={text!r} ({value.source}): there is no file {path}; correct it")
    return str(path)


def prune(value: Value) -> tuple[str, ...]:
    """COSMO_PRUNE as patterns; one that `zip` would take for an option is refused."""
    patterns = words("COSMO_PRUNE", value)
    for pattern in patterns:
        if not pattern or pattern[0] in "-@":
            raise Stop(f"COSMO_PRUNE ({value.source}): {pattern!r} is not a pattern; write a path")
    return patterns


def args(own: Value, isolated: Value, pkg: Value) -> tuple[str, ...]:
    """The lines of `.args`: COSMO_ARGS, else what starts PKG.

    A line can be neither empty nor hold a newline. Source: the interpreter parts the file at
    newlines and passes over what is empty; the newest take a backslash and an n for a newline.
    """
    choice = SWITCH.get((isolated.text or "").lower())
    if choice is None:
        raise Stop(f"COSMO_ISOLATED={isolated.text!r} ({isolated.source}): write 1 or 0")
    if own.text is not None:
        lines = words("COSMO_ARGS", own)
        if not lines or not all(lines) or any(re.search(r"\n|\r|\\n", line) for line in lines):
            raise Stop(
                f"COSMO_ARGS ({own.source}): a line of .args can neither be empty nor hold a"
                " newline, spelt out or as \\n; write the lines as shell words: `-m name ...`"
            )
        if choice and not isolates(lines):
            raise Stop(
                f"COSMO_ARGS ({own.source}) stands in place of the -I that COSMO_ISOLATED puts in"
                " .args; begin it with -I, or set COSMO_ISOLATED=0"
            )
        return lines
    return (*(["-I"] if choice else []), "-m", pkg.text or "", "...")


def isolates(lines: tuple[str, ...]) -> bool:
    """Whether a Python command line has `-I` among its own options, before what it runs."""
    for line in lines:
        if not line.startswith("-"):
            return False
        if "I" in re.split("[cmWX]", line)[0]:
            return True
        if re.search("[cm]", line):
            return False
    return False


def source(folder: Path, pkg: Value, runs_module: bool) -> None:
    """See that the package is in `folder`, can be run, and can be packed."""
    if not folder.is_dir():
        raise Stop(
            f"PKG={pkg.text} ({pkg.source}): no package {folder.absolute()}; correct PKG, or move"
            " the package there"
        )
    module = folder.joinpath(*(pkg.text or "").split(".")[1:])
    mains = [module / "__main__.py", module / "__main__.pyc"]
    if module != folder:
        mains.append(module.with_suffix(".py"))
    if runs_module and not any(main.is_file() for main in mains):
        raise Stop(
            f"PKG={pkg.text}: there is no {mains[0]}, so `python -m {pkg.text}` cannot start it;"
            " write one, or set COSMO_ARGS"
        )
    for path in folder.rglob("*"):
        if "\n" in path.name or "\r" in path.name:
            raise Stop(f"{str(path)!r}: a packed file's name cannot hold a newline; rename it")


def build(folder: Path, pkg: str) -> None:
    """See that what is written there cannot lead out of it, and that nothing is in its way."""
    written = [folder / name for name in (".args", "python.part", "zip.part", "download")]
    for path in (*written, *written[-1].rglob("*")):
        if path.is_symlink():
            raise Stop(f"{path} is a symbolic link, and a build would write through it; remove it")
    for path in (folder / pkg, folder / "python", folder / "zip"):
        if path.is_dir():
            raise Stop(f"{path} is a folder, and the place of a file to be made; move it away")


def words(name: str, value: Value) -> tuple[str, ...]:
    """A setting's value parted as a shell parts words."""
    try:
        return tuple(shlex.split(value.text or ""))
    except ValueError as error:
        raise Stop(f"{name}={value.text!r} ({value.source}): {error}; correct it") from error
