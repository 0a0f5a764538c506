"""The moon."""

import datetime

MONTH = 29.530588853
"""The mean time from new moon to new moon, in days."""

NEW = datetime.date(2000, 1, 6)
"""A day of new moon."""

PHASES = (
    "new",
    "waxing crescent",
    "first quarter",
    "waxing gibbous",
    "full",
    "waning gibbous",
    "last quarter",
    "waning crescent",
)


def phase(day: datetime.date) -> str:
    """The name of the moon's phase on `day`."""
    age = ((day - NEW).days + 0.5) % MONTH
    return PHASES[int(age / MONTH * 8 + 0.5) % 8]
