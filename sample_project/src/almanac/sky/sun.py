"""The sun."""

import datetime
import math

HORIZON = math.radians(-0.833)
"""The height of the sun's centre when its rim rises: its radius and the air's refraction."""


def declination(day: datetime.date) -> float:
    """The sun's declination on `day`, in radians, to about half a degree."""
    return math.radians(-23.44) * math.cos(2 * math.pi * (day.timetuple().tm_yday + 10) / 365.25)


def day_length(latitude: float, day: datetime.date) -> float:
    """The time from sunrise to sunset in hours: 0 in the polar night, 24 under the midnight sun."""
    north, sun = math.radians(latitude), declination(day)
    angle = (math.sin(HORIZON) - math.sin(north) * math.sin(sun)) / (
        math.cos(north) * math.cos(sun)
    )
    return math.degrees(math.acos(max(-1.0, min(1.0, angle)))) / 7.5
