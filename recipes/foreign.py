"""Runs in the host's Python: pip, for another Python.

    python foreign.py MARKERS WHEELS install ...

pip by itself decides by the Python it runs in which environment markers hold, and builds no sdist
for another. MARKERS is what they are there, as JSON; WHEELS says which wheels may be taken:
`compiled` takes those for Linux, `pure` only those that run everywhere. Whatever else pip does,
and how it is configured, stays as it is.
"""

from __future__ import annotations

import json
import runpy
import sys
from typing import Any


def run_pip(markers: str, wheels: str, command: str, *rest: str) -> None:
    """Run pip. Its resolver knows of another Python since version 24.2."""
    del sys.path[0]  # its own folder
    import pip

    there = json.loads(markers)
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    major, minor = map(int, pip.__version__.split(".")[:2])
    if there["python_version"] != here and (major, minor) < (24, 2):
        sys.exit(
            f"ERROR: pip {pip.__version__} cannot install for another Python than its own; 24.2 can"
            " (pip install -U pip), and so can uv"
        )
    from pip._internal.cli import cmdoptions
    from pip._vendor.packaging import markers as evaluated

    environment: Any = lambda: dict(there)  # noqa: E731 - it stands for a function
    evaluated.default_environment = environment
    cmdoptions.check_dist_restriction = lambda *args, **named: None
    version = there["python_version"]
    flags = ["--python-version", version]
    if wheels == "pure":
        flags += ["--implementation", "py", "--abi", "none", "--platform", "any"]
    else:
        platforms = [f"manylinux_2_{minor}_x86_64" for minor in range(40, 4, -1)]
        platforms += ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"]
        flags += [word for each in platforms for word in ("--platform", each)]
        malloc = "m" if version in ("3.6", "3.7") else ""  # source: PEP 425's `abi tag`, and 3.8
        flags += ["--implementation", "cp", "--abi", f"cp{version.replace('.', '')}{malloc}"]
        flags += ["--abi", "abi3", "--abi", "none"]
    sys.argv[:] = ["pip", command, *flags, *rest]
    runpy.run_module("pip", run_name="__main__", alter_sys=True)
