"""The length of the day and the phase of the moon, for a city and a date."""

__version__ = "1.0.0"
