"""Every setting there is: its name, its default and what it means."""

from __future__ import annotations

from typing import NamedTuple


class Known(NamedTuple):
    """A setting that there is: its name, default (None: there is none) and meaning."""

    name: str
    default: str | None
    meaning: str


KNOWN = (
    Known(
        "PKG",
        None,
        "the package or module to run: a Python identifier, or several joined by dots; without it,"
        " the name of `[project]`, or what its scripts are imported from",
    ),
    Known(
        "DIR_SITE",
        "dist/cosmo/Lib/site-packages",
        "the folder, inside the project, that the program is gathered and compiled in; it ends in"
        " `Lib/site-packages`, and what is above that is the build folder",
    ),
    Known(
        "COSMO_URL",
        "https://cosmo.zip/pub/cosmos/bin/python",
        "the interpreter: an https, http or file URL, or a path; or several URLs, parted by spaces,"
        " of which the first that answers with what is locked is used",
    ),
    Known(
        "COSMO_SHA256",
        None,
        "the sha256 that the interpreter's file must have, where there is no `cosmo.lock`",
    ),
    Known(
        "COSMO_OFFLINE",
        "0",
        "1 takes what is in the user's cache and asks no server for anything",
    ),
    Known(
        "COSMO_ZIP_URL",
        "https://cosmo.zip/pub/cosmos/bin/zip",
        "the `zip` to fetch where none is on PATH; given like COSMO_URL",
    ),
    Known(
        "COSMO_SRC",
        None,
        "the folder that PKG is in; without it, `src`, else the project's own folder",
    ),
    Known(
        "COSMO_DEPS",
        None,
        "a requirements file to install, in place of `[project]` dependencies; `none`: neither"
        " dependencies nor metadata",
    ),
    Known(
        "COSMO_ENTRY",
        None,
        "what starts: `module:function`, or the name of a `[project.scripts]` entry; `*` makes an"
        " executable for each of these; without it, `-m PKG` if it has a `__main__`, else the one"
        " script",
    ),
    Known(
        "COSMO_EXCLUDE",
        "",
        "what of the program and its dependencies to leave out: patterns for paths below"
        " `site-packages`, as shell words; `*` stands for any text, `/` too",
    ),
    Known(
        "COSMO_KEEP",
        "",
        "`.py` files that are data, a template's for example: patterns like COSMO_EXCLUDE's;"
        " what they name is neither compiled nor removed",
    ),
    Known(
        "COSMO_SOURCE",
        "0",
        "1 ships the `.py` files too, so that tracebacks show lines and `inspect.getsource` works",
    ),
    Known(
        "COSMO_OPTIMIZE",
        "0",
        "1 compiles like `python -O` (no `assert`), 2 like `-OO` (no docstrings either)",
    ),
    Known(
        "COSMO_PRUNE",
        "Lib/site-packages/pip* usr/*",
        "which of the interpreter's own files to leave out: `zip`'s patterns, as shell words;"
        " empty: none. Your program's files are never pruned",
    ),
    Known(
        "COSMO_ISOLATED",
        "0",
        "1 puts `-I` first in `.args`: neither the current directory nor PYTHON* variables can"
        " change what runs",
    ),
    Known(
        "COSMO_ARGS",
        None,
        "the lines of `.args`, as shell words, in place of the usual ones; end with `...`,"
        " which stands for the command line's arguments",
    ),
    Known(
        "COSMO_SMOKE",
        None,
        "arguments to try the new executable with, as shell words, `--version` for example, in an"
        " empty directory and environment; it replaces the old one only if it ends with status 0",
    ),
    Known(
        "COSMO_OUT",
        None,
        "the path of the executable, inside the project, `dist/tool.com` for example; without it,"
        " PKG in the build folder",
    ),
    Known(
        "COSMO_SCRIPT",
        None,
        "a script to package in place of a project, with the metadata in its comments (PEP 723);"
        " `invoke cosmo.script FILE` sets it",
    ),
    Known(
        "COSMO_PROJECT",
        None,
        "the folder of the project to package; without it, the one that holds `pyproject.toml`, at"
        " or above the current one; else the current one, if PKG is in it, or the one that holds"
        " `setup.py`, `setup.cfg` or `tasks.py`",
    ),
)
