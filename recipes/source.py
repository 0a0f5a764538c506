"""The program's source: the layouts it may have, and whether it can be run and packed."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from .console import Stop
from .layers import Value


def find_source(root: Path, src: Value, pkg: Value, script: Path | None) -> Path:
    """The package folder or the module that is PKG, or the top of it; `Stop` where there is none.

    It is the script itself, else what lies in COSMO_SRC, else in `src` or in the project's folder.
    """
    if script is not None:
        return script
    if src.text is not None:
        folder = root / src.text
        if not src.text or not folder.is_dir() or not is_inside(root, folder):
            raise Stop(
                f"COSMO_SRC={src.text!r} ({src.source}): no such folder in the project; name the"
                " one that PKG is in"
            )
    top = (pkg.text or "").partition(".")[0]
    folders = [root / "src", root] if src.text is None else [root / src.text]
    for path in (path for folder in folders for path in (folder / top, folder / f"{top}.py")):
        if path.is_file() if path.suffix else path.is_dir():
            return path
    looked = " nor ".join(str(folder / top) for folder in folders)
    raise Stop(
        f"PKG={pkg.text} ({pkg.source}): there is neither {looked}, nor such a .py; correct PKG, or"
        " name the folder it is in with COSMO_SRC"
    )


def modules_beside(source: Path, root: Path, script: Path | None) -> list[Path]:
    """What else an installation brings, of a folder that holds packages alone, as `src` does."""
    folder = source.parent
    if script is not None or folder == root:
        return []
    return [
        path
        for path in sorted(folder.iterdir())
        if path != source and path.stem.isidentifier() and not path.is_symlink()
        if path.suffix == ".py" or (path.is_dir() and any(path.rglob("*.py")))
    ]


def is_inside(root: Path, folder: Path) -> bool:
    """Whether `folder` is `root` or in it, as it is written and as links lead."""
    written, real = Path(os.path.normpath(folder)), folder.resolve()
    return all(root in (each, *each.parents) for each in (written, real))


def has_main(
    source: Path, pkg: str, scripts: Mapping[str, str], exclude: tuple[str, ...] = ()
) -> bool:
    """Whether `python -m PKG` starts it: a module that has scripts must itself say so.

    What is left out starts nothing.
    """
    module = source.joinpath(*pkg.split(".")[1:])
    mains = [module / "__main__.py", module / "__main__.pyc"]
    if any(main.is_file() and not is_left_out(source, main, exclude) for main in mains):
        return True
    file = source if source.is_file() else module.with_name(f"{module.name}.py")
    if (module == source and not source.is_file()) or is_left_out(source, file, exclude):
        return False
    return file.is_file() and (not scripts or b"__main__" in file.read_bytes())


def check_source(source: Path, build: Path, exclude: tuple[str, ...]) -> None:
    """See that a source can be packed, but for what is left out."""
    if source.is_dir() and source.resolve() in (build.resolve(), *build.resolve().parents):
        raise Stop(
            f"DIR_SITE lies among the sources, in {source}; dist/cosmo/Lib/site-packages is usual"
        )
    for path in source.rglob("*"):
        if re.search(r"[\n\r]", path.name):
            raise Stop(f"{str(path)!r}: a packed file's name cannot hold a newline; rename it")
        if path.is_symlink() and not path.exists():
            told = "an editor's lock: close" if path.name.startswith(".#") else "a link: mend"
            raise Stop(f"{path} is {told} or remove it, for it leads to no file")
        if re.search(r"\.(so|pyd|dylib)$", path.name) and not is_left_out(source, path, exclude):
            raise Stop(
                f"{path} cannot run in the executable, as no compiled module can; if the program"
                " can do without, name it in COSMO_EXCLUDE"
            )


def is_left_out(source: Path, path: Path, exclude: tuple[str, ...]) -> bool:
    """Whether COSMO_EXCLUDE names a file of the source, or a folder that it is in."""
    inside = path.relative_to(source.parent)
    names = [str(each) for each in (inside, *inside.parents)]
    return any(fnmatchcase(name, pattern) for name in names for pattern in exclude)
