"""Reads what a requirements file says of where distributions come from, and of their hashes."""

from __future__ import annotations

import os
import re

from .dists import canonical

INDEX = r"(-i|-f|--index-url|--extra-index-url|--find-links|--no-index|--trusted-host)\b"
NESTED = r"(?:-r|-c|--requirement|--constraint)[\s=]*(\S+)"


class Requirements:
    """The index options of a file and those that it leads to, and the hashes by a canonical name.

    Source: pip's documentation, "requirements file format".
    """

    def __init__(self) -> None:
        self.options: list[str] = []
        self.hashes: dict[str, list[str]] = {}
        self.read: list[str] = []

    def add(self, path: str) -> None:
        """Read a file. One that cannot be read leaves what it says unsaid."""
        path = os.path.abspath(path)
        if path in self.read or not os.path.isfile(path):
            return
        self.read.append(path)
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            lines = re.sub(r"\\\r?\n", " ", file.read()).splitlines()
        for line in map(str.strip, lines):
            nested = re.match(NESTED, line)
            name = re.match(r"([A-Za-z0-9._-]+)", line)
            if nested:
                self.add(os.path.join(os.path.dirname(path), nested.group(1)))
            elif re.match(INDEX, line):
                self.options.append(self.absolute(line, path))
            elif name and "--hash" in line:
                found = self.hashes.setdefault(canonical(name.group(1)), [])
                found += re.findall(r"--hash[= ]\S+", line)

    def absolute(self, option: str, path: str) -> str:
        """An option with the folder that it names, beside the file, as an absolute path."""
        word, _, value = option.replace("=", " ", 1).partition(" ")
        folder = os.path.join(os.path.dirname(path), value.strip())
        there = value and "://" not in value and os.path.exists(folder)
        return f"{word} {folder}" if there else option
