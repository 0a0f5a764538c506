"""The command line."""

import argparse
import datetime
import sys

from almanac import __version__
from almanac.places import UnknownCityError, find, names
from almanac.sky.moon import phase
from almanac.sky.sun import day_length


def date(text: str) -> datetime.date:
    """A date as YYYY-MM-DD; `ValueError` for anything else."""
    return datetime.datetime.strptime(text, "%Y-%m-%d").date()


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(
        prog="almanac", description="Tell the length of the day and the phase of the moon."
    )
    options.add_argument("city", nargs="*", default=["London"], help="the city (default: London)")
    options.add_argument("--date", type=date, help="YYYY-MM-DD (default: today)")
    options.add_argument("--cities", action="store_true", help="list the cities it knows")
    options.add_argument("--version", action="version", version="almanac " + __version__)
    return options


def main(arguments: list[str]) -> int:
    """Run the program; return its exit status."""
    options = parser().parse_args(arguments)
    if options.cities:
        print("\n".join(names()))
        return 0
    day = options.date or datetime.date.today()
    try:
        place = find(" ".join(options.city))
    except UnknownCityError as error:
        print(f"almanac: no city {error}; --cities lists them", file=sys.stderr)
        return 2
    minutes = round(day_length(place.latitude, day) * 60)
    print(f"{place.name} on {day}")
    print("  day   {} h {:02} min".format(*divmod(minutes, 60)))
    print(f"  moon  {phase(day)}")
    return 0
