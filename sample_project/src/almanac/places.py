"""The cities, read from `cities.csv` beside this module."""

import csv
from importlib.resources import files
from typing import NamedTuple


class UnknownCityError(LookupError):
    """A city that `cities.csv` does not hold."""


class Place(NamedTuple):
    """A city and its latitude in degrees, south negative."""

    name: str
    latitude: float


def places() -> list[Place]:
    """All cities, in the order of the file."""
    text = files("almanac").joinpath("cities.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return [Place(row["city"], float(row["latitude"])) for row in rows]


def names() -> list[str]:
    """The cities' names."""
    return [place.name for place in places()]


def find(name: str) -> Place:
    """The city called `name` in any case; `UnknownCityError` where there is none."""
    for place in places():
        if place.name.lower() == name.lower():
            return place
    raise UnknownCityError(name)
