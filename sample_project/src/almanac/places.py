"""The cities, read from `cities.csv` beside this module."""

import csv
from typing import List, NamedTuple

try:
    from importlib.resources import files
except ImportError:  # before Python 3.9
    import pkgutil

    def table() -> str:
        """The text of `cities.csv`."""
        return (pkgutil.get_data("almanac", "cities.csv") or b"").decode("utf-8")
else:

    def table() -> str:
        """The text of `cities.csv`."""
        return files("almanac").joinpath("cities.csv").read_text(encoding="utf-8")


class UnknownCityError(LookupError):
    """A city that `cities.csv` does not hold."""


class Place(NamedTuple):
    """A city and its latitude in degrees, south negative."""

    name: str
    latitude: float


def places() -> List[Place]:
    """All cities, in the order of the file."""
    return [
        Place(row["city"], float(row["latitude"])) for row in csv.DictReader(table().splitlines())
    ]


def names() -> List[str]:
    """The cities' names."""
    return [place.name for place in places()]


def find(name: str) -> Place:
    """The city called `name` in any case; `UnknownCityError` where there is none."""
    for place in places():
        if place.name.lower() == name.lower():
            return place
    raise UnknownCityError(name)
