"""The tables that a value is looked for in, one above the other, and the `$NAME`s in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from .console import Stop

LONGEST = 10_000
"""How many characters a setting may have, its `$NAME`s expanded."""


class Table(NamedTuple):
    """Some settings and the place they stand in, in the words of an error message."""

    source: str
    names: Mapping[str, str]


class Value(NamedTuple):
    """A setting as it was found: its text, None where it is not set, and where that came from."""

    text: str | None
    source: str


class Layers:
    """Where a value is looked for; the table that counts most comes first."""

    NAME = re.compile(r"\$(?:\$|\{(?P<braced>[A-Za-z_]\w*)\}|(?P<plain>[A-Za-z_]\w*))")

    def __init__(self, *tables: Table) -> None:
        self.tables = tables

    def find(self, name: str) -> Value:
        """The value of `name` as it stands, and its source."""
        for table in self.tables:
            if name in table.names:
                return Value(table.names[name], table.source)
        return Value(None, "not set")

    def expanded(self, name: str) -> Value:
        """The value of the setting `name`, with each `$NAME` in it replaced by that one's value."""
        value = self.find(name)
        if value.text is None:
            return value
        return Value(self._expand(value, (name,)), value.source)

    def _expand(self, value: Value, trail: tuple[str, ...]) -> str:
        def replace(match: re.Match[str]) -> str:
            name = match["braced"] or match["plain"]
            if name is None:
                return "$"
            other = self.find(name)
            if other.text is None or name in trail:
                wrong = "leads back to itself" if name in trail else "is not set"
                raise Stop(
                    f"{trail[-1]}={value.text} ({value.source}): ${name} {wrong}; correct it"
                )
            if other.source == "environment":
                return other.text  # the shell that set it has expanded it
            return self._expand(other, (*trail, name))

        text = self.NAME.sub(replace, value.text or "")
        if len(text) > LONGEST:
            raise Stop(f"{trail[0]} is longer than {LONGEST} characters; shorten {trail[-1]}")
        return text
