"""What the command line asks for."""

from __future__ import annotations

import json
import os
import re
import sys

from .forms import compiled, settle


def markers() -> dict[str, str]:
    """Source: the dependency specifiers specification, less what differs between machines."""
    version = sys.version_info
    full = "{}.{}.{}".format(*version[:3])
    return {
        "implementation_name": sys.implementation.name,
        "implementation_version": full,
        "os_name": os.name,
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": full,
        "python_version": "{}.{}".format(*version[:2]),
        "sys_platform": sys.platform,
    }


def fits(specifiers: str) -> None:
    """Refuse a program for another Python. Source: the version specifiers specification."""
    here = sys.version_info[:3]
    for each in filter(None, re.split(r"\s*,\s*", specifiers.strip("() "))):
        match = re.match(r"(~=|===?|!=|<=?|>=?)\s*v?(\d+(?:\.\d+)*)(\.\*)?", each)
        if not match:
            continue
        sign, text, star = match.groups()
        numbers = tuple(map(int, text.split(".")))
        that = (*numbers, 0, 0)[:3]
        same = here[: len(numbers)] == numbers if star else here == that
        holds = {
            "==": same,
            "===": same,
            "!=": not same,
            "<": here < that,
            "<=": here <= that,
            ">": here > that,
            ">=": here >= that,
            "~=": here >= that and here[: len(numbers) - 1] == numbers[:-1],
        }
        if not holds[sign]:
            sys.exit("it requires Python {}, and this is {}.{}.{}".format(specifiers, *here))


def sift(mode: str, *words: str) -> None:
    """Do what the command line asks for."""
    if mode == "markers":
        print(json.dumps(markers()))
    elif mode == "version":
        print(markers()["python_full_version"])
    elif mode == "fits":
        fits(words[0])
    elif mode == "compiled":
        compiled(*words)
    else:
        for line in settle(*words):
            print(line)
